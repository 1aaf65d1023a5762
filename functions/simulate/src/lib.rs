//! `POST /v3/policies/cee/simulate`: could this driver still get a certificate? Reserves nothing. The console asks by [`Simulations`], and
//! a list of drivers by the same type of the store ([`Simulator`]).

use cee_edge::application::in_the_way;
use cee_edge::openapi::Utc;
use cee_edge::{Call, Fields, Gate, HttpFunction, Refusal, Reply};
use cee_eligibility::{
    DrivingLicense, Identity, IdentityKey, IdentityKeys, JourneyType, LastNameTrunc, OperatorId, PhoneTrunc, Rules,
    TruncatedIdentity,
};
use cee_registry::{Applications, Deadline, Simulated, Simulator};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::Scope;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

pub mod openapi;

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["CLAIMS_TABLE", "APPLICATIONS_TABLE", "OPERATORS_TABLE", "LIMITS_TABLE"];

/// Answers `POST /v3/policies/cee/simulate`.
#[derive(Debug)]
pub struct Simulate {
    gate: Gate,
    simulations: Simulations,
}

/// Answers the question, for a caller that was admitted.
#[derive(Debug)]
pub struct Simulations {
    rules: Rules,
    clock: Clock,
    simulator: Simulator,
    applications: Applications,
}

/// The driver, and the type of the certificate. Holds personal data.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Simulation)]
pub struct Question {
    journey_type: JourneyType,
    last_name_trunc: LastNameTrunc,
    phone_trunc: PhoneTrunc,
    #[schema(nullable = false)]
    driving_license: Option<DrivingLicense>,
    #[schema(nullable = false)]
    identity_key: Option<IdentityKey>,
}

impl Question {
    fn into_identity(self) -> Identity {
        let Self { last_name_trunc, phone_trunc, driving_license, identity_key, .. } = self;
        let truncated = TruncatedIdentity { last_name_trunc, phone_trunc };
        Identity { truncated, driving_license, identity_keys: IdentityKeys::of_caller(identity_key) }
    }
}

/// The answer if no application blocks the driver.
#[derive(Serialize, ToSchema)]
pub struct Eligible {
    /// Always true: a refusal names the blocking application.
    eligible: bool,
    #[schema(value_type = JourneyType)]
    journey_type: &'static str,
    /// The date for which the driver is eligible: the moment of the call.
    #[schema(value_type = Utc)]
    datetime: String,
}

impl Simulate {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let (db, keys) = (Aws::of_function(environment).dynamodb(), environment.claim_keys()?);
        Ok(Self {
            gate: Gate::from_environment(environment, (&db, &tables), Some(&keys)).await?,
            simulations: Simulations::new(
                environment,
                Applications::new(db.clone(), &tables),
                Simulator::new(db, &tables, keys),
            )?,
        })
    }
}

impl Simulations {
    /// Simulations with the settings' rules and clock.
    ///
    /// # Errors
    /// [`SettingError`] for a setting that is bad.
    pub fn new(
        environment: &Environment,
        applications: Applications,
        simulator: Simulator,
    ) -> Result<Self, SettingError> {
        Ok(Self { rules: environment.rules()?, clock: environment.clock()?, simulator, applications })
    }

    /// Whether the registry answers the question for any journey type now.
    ///
    /// # Errors
    /// [`Refusal::CallClosed`]
    pub fn check_open(&self) -> Result<(), Refusal> {
        if self.rules.any_open(|open| open.simulate) { Ok(()) } else { Err(Refusal::CallClosed(None)) }
    }

    /// The answer, if no application blocks the driver.
    ///
    /// # Errors
    /// [`Refusal::CallClosed`], [`Refusal::Blocked`] or [`Refusal::DriverRecordFull`]; a failure of the store.
    pub async fn ask(&self, question: Question, caller: OperatorId, deadline: Deadline) -> Result<Eligible, Refusal> {
        self.check_open()?;
        let (journey_type, identity) = (question.journey_type, question.into_identity());
        if !self.rules.of(journey_type).open.simulate {
            return Err(Refusal::CallClosed(Some(journey_type)));
        }
        // The moment of the call is the date. Source: the contract, "simulate".
        let now = self.clock.now();
        let cutoffs = self.rules.cutoffs(journey_type, now);
        match self.simulator.simulate(journey_type, &identity, &cutoffs, caller, deadline).await? {
            Simulated::Blocked(blocker) => Err(in_the_way(&blocker, caller, &self.applications).await),
            Simulated::NoRoom(why) => Err(Refusal::DriverRecordFull(why)),
            Simulated::Eligible => {
                let journey_type = journey_type.as_str();
                Ok(Eligible { eligible: true, journey_type, datetime: now.to_string() })
            }
        }
    }
}

impl HttpFunction for Simulate {
    const NAME: &'static str = "simulate";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let caller = self.gate.admit(call, Scope::Simulate).await?.operator;
        // Before the body: a closed call does not read it.
        self.simulations.check_open()?;
        let question = read(Fields::of(call.request())?)?;
        Reply::json(StatusCode::OK, &self.simulations.ask(question, caller, call.deadline()).await?)
    }
}

/// Reads the body of the call.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read(mut fields: Fields) -> Result<Question, Refusal> {
    let journey_type = fields.required("journey_type", JourneyType::parse);
    let last_name_trunc = fields.required("last_name_trunc", LastNameTrunc::parse);
    let phone_trunc = fields.required("phone_trunc", PhoneTrunc::parse);
    let driving_license = fields.optional("driving_license", DrivingLicense::parse);
    let identity_key = fields.optional("identity_key", IdentityKey::parse);
    let question = || {
        Some(Question {
            journey_type: journey_type?,
            last_name_trunc: last_name_trunc?,
            phone_trunc: phone_trunc?,
            driving_license: driving_license?,
            identity_key: identity_key?,
        })
    };
    fields.finish(question())
}
