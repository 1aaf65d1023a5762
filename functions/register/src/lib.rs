//! `POST /v3/policies/cee`: registers one driver's application and signs its proof: one driver gets one certificate, whichever operators
//! ask. `POST /v3/policies/cee/batch`: does so for up to a hundred applications ([`batch`]).
//!
//! | to find | look in |
//! |---|---|
//! | the steps of a call, in their order | `Register::answer_one`, `register`, `attempt`, `respond` |
//! | how the body is read | [`read`] |
//! | which registrations of a batch wait for each other | [`order`] |
//! | how refusals are counted for the statistics | `tally` |
//! | the transaction, and why one driver gets one certificate | [`cee_registry::protocol::register`] |
//! | the calls in the OpenAPI document | [`openapi`] |
//!
//! A retry with the same `Idempotency-Key` returns the stored response, byte for byte.
//!
//! What is registered, and how it is read from the body of a call, is in `body`.
//!
//! Two things are called registration: in the OpenAPI document the body of the call, here [`Demand`]; and in the code
//! [`Registration`], the result of the transaction.

use cee_edge::answer::OwnApplication;
use cee_edge::application::{in_the_way, own};
use cee_edge::problem::InternalError;
use cee_edge::{Call, Fields, Gate, HttpFunction, ProblemType, Refusal, Reply, to_json};
use cee_eligibility::{
    ApplicationId, DrivingLicense, IdempotencyKey, Identity, Instant, JourneyType, OperatorId, Rules,
};
use cee_registry::{
    Application, ApplicationJourney, Applications, IdempotencyRecord, Journeys, Registrar, Registration, Replay,
    RequestKey, Statistics, StoredJourney,
};
use cee_service::aws::Aws;
use cee_service::metrics::Application as Counted;
use cee_service::{Clock, Environment, Metric, SettingError};
use cee_tokens::{Caller, Proof, ProofSigner, Scope};
use http::StatusCode;

pub mod batch;
mod body;
pub mod openapi;
pub mod order;
mod tally;

pub use body::{Demand, LongRegistration, ShortRegistration, idempotency_key, read};

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &[
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "IDEMPOTENCY_TABLE",
    "JOURNEYS_TABLE",
    "OPERATORS_TABLE",
    "LIMITS_TABLE",
    "STATISTICS_TABLE",
];

/// How often a journey may change during a call before the call gives up: once is rare, three times is not an accident.
const JOURNEY_CHANGES: usize = 3;

/// Answers `POST /v3/policies/cee`.
#[derive(Debug)]
pub struct Register {
    gate: Gate,
    rules: Rules,
    clock: Clock,
    idempotency_days: u16,
    signer: ProofSigner,
    registrar: Registrar,
    journeys: Journeys,
    applications: Applications,
    tally: tally::Tally,
}

/// What belongs to the call and not to the application: the caller, the moment, the idempotency key.
struct CallContext<'a> {
    call: &'a Call,
    caller: &'a Caller,
    now: Instant,
    /// Set if the request has an `Idempotency-Key`.
    request: Option<RequestKey>,
    /// The journey of a short application, if it was read before.
    journey: Option<StoredJourney>,
}

/// A registration as it was sent: the key of its idempotency record, and what is registered.
struct Sent {
    request: Option<RequestKey>,
    demand: Result<Demand, Refusal>,
}

impl Sent {
    /// Its journey type, if it could be read.
    fn journey_type(&self) -> Option<JourneyType> {
        self.demand.as_ref().ok().map(Demand::journey_type)
    }
}

/// The parts of an application of either type that a registration needs.
struct ApplicationParts<'a> {
    journey_type: JourneyType,
    identity: Identity,
    driving_license: &'a DrivingLicense,
    datetime: Instant,
    application_timestamp: Instant,
}

impl Register {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let (db, keys) = (Aws::of_function(environment).dynamodb(), environment.claim_keys()?);
        Ok(Self {
            gate: Gate::from_environment(environment, (&db, &tables), Some(&keys)).await?,
            rules: environment.rules()?,
            clock: environment.clock()?,
            idempotency_days: environment.idempotency_days()?,
            signer: environment.proof_signer()?,
            journeys: Journeys::new(db.clone(), &tables),
            applications: Applications::new(db.clone(), &tables),
            tally: tally::Tally::new(Statistics::new(db.clone(), &tables)),
            registrar: Registrar::new(db, &tables, keys),
        })
    }

    /// Reads what a caller sent, at this moment.
    fn sent(&self, caller: &Caller, key: Option<&IdempotencyKey>, fields: Fields, now: Instant) -> Sent {
        let request = key.map(|key| self.registrar.request_key(caller.operator, key, &fields.canonical()));
        Sent { request, demand: read(fields, &self.rules, now) }
    }

    /// Answers one registration: a call, or an item of a batch.
    async fn answer_one(
        &self,
        (call, caller, now): (&Call, &Caller, Instant),
        Sent { request, demand }: Sent,
        journey: Option<StoredJourney>,
    ) -> Result<Reply, Refusal> {
        // A retry gets the stored response while the application exists, even if its journey or the rules have changed. The period
        // of a long application is such a rule, too.
        if let Some(request) = &request
            && let Some(replay) = self.registrar.replay(request, now).await?
        {
            return match replay {
                Replay::OtherRequest => demand.and(Err(Refusal::IdempotencyKeyReused)),
                Replay::Response(_) => self.replay(replay).await,
            };
        }
        let demand = demand?;
        if !self.rules.any_open(|open| open.register) {
            return Err(Refusal::CallClosed(None));
        }
        let journey_type = demand.journey_type();
        if !self.rules.of(journey_type).open.register {
            return Err(Refusal::CallClosed(Some(journey_type)));
        }
        self.register(&CallContext { call, caller, now, request, journey }, demand).await
    }

    /// Registers a short or a long application. A journey that changes during the call is checked again, [`JOURNEY_CHANGES`] times in all.
    async fn register(&self, context: &CallContext<'_>, demand: Demand) -> Result<Reply, Refusal> {
        let demand = match demand {
            Demand::Long(long) => return self.register_long(context, long).await,
            Demand::Short(short) => short,
        };
        let found = match &context.journey {
            Some(journey) => Some(journey.clone()),
            None => self.journeys.find(context.caller.operator, &demand.operator_journey_id).await?,
        };
        let mut journey = found.ok_or(Refusal::UnknownJourney)?;
        for _ in 0..JOURNEY_CHANGES {
            let failed = journey.journey.failed_criteria(&self.rules);
            if !failed.is_empty() {
                return Err(Refusal::IneligibleJourney { failed, rules: Box::new(self.rules.clone()) });
            }
            let parts = ApplicationParts {
                journey_type: JourneyType::Short,
                identity: demand.identity(&journey),
                driving_license: &demand.driving_license,
                datetime: journey.journey.end,
                application_timestamp: demand.application_timestamp.unwrap_or(context.now),
            };
            match self.attempt(context, parts, Some(&journey)).await? {
                (_, Registration::JourneyChanged(changed)) => journey = *changed,
                (answer, registration) => return self.respond(context.caller, answer, registration).await,
            }
        }
        Err(Refusal::Busy)
    }

    async fn register_long(&self, context: &CallContext<'_>, demand: LongRegistration) -> Result<Reply, Refusal> {
        let parts = ApplicationParts {
            journey_type: JourneyType::Long,
            identity: demand.identity(),
            driving_license: &demand.driving_license,
            datetime: demand.datetime,
            application_timestamp: demand.application_timestamp.unwrap_or(context.now),
        };
        let (answer, registration) = self.attempt(context, parts, None).await?;
        self.respond(context.caller, answer, registration).await
    }

    /// One attempt: checks the delay, signs the proof and writes everything or nothing. Returns the body of the response if the
    /// application is registered.
    async fn attempt(
        &self,
        context: &CallContext<'_>,
        parts: ApplicationParts<'_>,
        journey: Option<&StoredJourney>,
    ) -> Result<(String, Registration), Refusal> {
        let CallContext { call, caller, now, request, .. } = context;
        let now = *now;
        let ApplicationParts { journey_type, identity, driving_license, datetime, application_timestamp } = parts;
        self.rules.check_delay(journey_type, datetime, now).map_err(|early| Refusal::TooEarly(early.available_at))?;
        let uuid = ApplicationId::new(uuid::Uuid::new_v4());
        // Signed before it is written: an application that exists has its proof, whatever happens next.
        let token = self.signer.sign(&Proof {
            siret: &caller.siret,
            journey_type,
            driving_license,
            datetime,
            uuid,
            issued_at: now,
        })?;
        let application = Application {
            uuid,
            operator: caller.operator,
            journey_type,
            identity,
            datetime,
            application_timestamp,
            registered_at: now,
            journey: journey.map(|stored| ApplicationJourney {
                operator_journey_id: stored.journey.operator_journey_id.clone(),
                journey_id: stored.journey.journey_id,
                status: stored.journey.status,
                version: stored.version.clone(),
            }),
            token,
        };
        let cutoffs = self.rules.cutoffs(journey_type, datetime);
        let answer = to_json(&OwnApplication::from(&application))?;
        let record = request.clone().map(|request| IdempotencyRecord {
            request,
            response: answer.clone(),
            now,
            expires_at: now.days_after(self.idempotency_days),
        });
        let registration =
            self.registrar.register(&application, &cutoffs, journey, record.as_ref(), call.deadline()).await?;
        Ok((answer, registration))
    }

    /// The response to a request whose key has a record: the stored response, while its application exists.
    async fn replay(&self, replay: Replay) -> Result<Reply, Refusal> {
        let Replay::Response(answer) = replay else { return Err(Refusal::IdempotencyKeyReused) };
        let named: Option<serde_json::Value> = serde_json::from_str(&answer).ok();
        let uuid = named.and_then(|named| ApplicationId::parse(named["uuid"].as_str()?));
        let without = InternalError::Impossible("a first answer without its application's uuid");
        let uuid = uuid.ok_or(Refusal::Internal(without))?;
        match self.applications.find(uuid).await? {
            Some(_) => Ok(Reply::repeated(StatusCode::CREATED, answer)),
            None => Err(Refusal::ApplicationDeleted(uuid)),
        }
    }

    /// The response to the result of the transaction.
    async fn respond(&self, caller: &Caller, answer: String, registration: Registration) -> Result<Reply, Refusal> {
        match registration {
            Registration::Registered => Ok(Reply::written(StatusCode::CREATED, answer)),
            Registration::Replay(replay) => self.replay(replay).await,
            Registration::Blocked(blocker) => Err(in_the_way(&blocker, caller.operator, &self.applications).await),
            Registration::NoRoom(why) => Err(Refusal::DriverRecordFull(why)),
            Registration::JourneyUsed(blocker) => Err(Refusal::JourneyUsed {
                datetime: blocker.datetime,
                own: match blocker.uuid {
                    Some(uuid) => own(uuid, caller.operator, &self.applications).await?,
                    None => None,
                },
            }),
            Registration::JourneyChanged(_) => {
                Err(Refusal::Internal(InternalError::Impossible("a changed journey of an application without one")))
            }
        }
    }
}

impl HttpFunction for Register {
    const NAME: &'static str = "register";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let caller = self.gate.admit(call, Scope::Register).await?;
        // API Gateway sends only its routes' paths here.
        if call.path().ends_with("/batch") {
            let answer = self.batch(call, &caller).await;
            // Its registrations are counted one by one; a batch that is refused as a whole is one refusal.
            self.tally.count(caller.operator, self.clock.now(), None, &answer);
            return answer;
        }
        let now = self.clock.now();
        let mut journey_type = None;
        let answer = async {
            let key = idempotency_key(call.request().headers())?;
            let sent = self.sent(&caller, key.as_ref(), Fields::of(call.request())?, now);
            journey_type = sent.journey_type();
            self.answer_one((call, &caller, now), sent, None).await
        };
        let answer = answer.await;
        self.tally.count(caller.operator, now, journey_type, &answer);
        answer
    }

    async fn once_a_minute(&self, operator: OperatorId) {
        self.tally.write(operator).await;
    }

    fn counts(ended: Result<&Reply, ProblemType>) -> Option<Metric> {
        Some(Metric::Applications(match ended {
            // A batch, which counts its registrations itself.
            Ok(reply) if reply.status() == StatusCode::OK => return None,
            Ok(reply) if reply.is_repeated() => Counted::Repeated,
            Ok(_) => Counted::Registered,
            Err(ProblemType::History) => Counted::History,
            Err(ProblemType::Duplicate) => Counted::Duplicate,
            Err(ProblemType::JourneyUsed) => Counted::JourneyUsed,
            Err(ProblemType::TooEarly) => Counted::TooEarly,
            Err(ProblemType::UnknownJourney) => Counted::UnknownJourney,
            Err(ProblemType::IneligibleJourney) => Counted::IneligibleJourney,
            Err(ProblemType::Busy) => Counted::Busy,
            Err(ProblemType::Internal) => Counted::Failed,
            Err(_) => Counted::Refused,
        }))
    }
}
