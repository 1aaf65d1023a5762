//! The claim protocol: one driver gets one certificate, even if several operators register at the same moment.
//!
//! A driver has up to four claim keys per journey type ([`crate::records::claim_keys`]): the truncated identity, the driving licence, and
//! two identity keys if the caller's and the journey's differ. Each has one item ([`crate::records::claim_item`]). A registration is
//! **one** transaction: an update of each claim item, a put of the application, and for a short application an update of its journey. The
//! condition of each update is the eligibility rule itself, expressed with the stored dates and with cut-offs that are computed now:
//!
//! ```text
//! attribute_not_exists(sd) OR sd < :standardized_cutoff     (no blocking standardized application)
//! attribute_not_exists(sp) OR sp < :specific_cutoff         (no blocking specific application)
//! ```
//!
//! DynamoDB carries out all of a transaction or nothing, and never two such transactions on one item at once. So the second of two
//! registrations sees the dates that the first one wrote. The cut-offs come only from [`cee_eligibility::Rules::cutoffs`].
//!
//! A failed condition returns the item (`ALL_OLD`), so a refusal needs no further read. The pure function
//! [`cee_eligibility::latest_blocker`] chooses the blocking application from the item's records.
//!
//! The comparisons on a truncated identity (rule 3 of the contract):
//!
//! | the new application | is blocked by | because |
//! |---|---|---|
//! | has no identity key | any application on the item (`sd`, `sdk`, `sp`, `spk`) | nothing distinguishes the two drivers |
//! | has one or two | an application on the item without a key (`sd`, `sp`) | nothing distinguishes the two drivers. An application that shares a key blocks on that key's own item, and an application that shares none is another person's |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use cee_eligibility::{
    Blocker, Cutoffs, IdempotencyKey, Identity, Instant, JourneyType, MOST_APPLICATIONS, NoRoom, OperatorId,
    latest_blocker,
};

use crate::dynamo::error::{StoreError, is_contention};
use crate::dynamo::item::{Item, date, instant, number};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{Transacted, built_update, transact};
use crate::records::application::Application;
use crate::records::claim_item::{
    SPECIFIC_AT, SPECIFIC_WITH_KEY_AT, STAMP, STANDARDIZED_AT, STANDARDIZED_WITH_KEY_AT, application_attribute,
    application_record, applications_attribute, compared_tags, most, no_room, same_person, stamp,
};
use crate::records::claim_keys::{Claim, ClaimKeys, ClaimKind, Tag};
use crate::records::idempotency::{IdempotencyRecord, Replay, RequestKey};
use crate::records::journey::StoredJourney;
use crate::stores::applications::Applications;
use crate::stores::claims::ClaimTable;
use crate::stores::idempotency::IdempotencyRecords;
use crate::stores::journeys::Journeys;

/// Registers applications: writes a claim on each of the driver's keys, the application, its journey's use and the idempotency record.
#[derive(Clone, Debug)]
pub struct Registrar {
    db: Client,
    keys: ClaimKeys,
    claims: ClaimTable,
    journeys: Journeys,
    applications: Applications,
    idempotency: IdempotencyRecords,
}

/// The result of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The application and all its claims are written.
    Registered,
    /// Nothing was written: this earlier application of the same person blocks it.
    Blocked(Blocker),
    /// Nothing was written: another application uses the journey, and no earlier application of the same person blocks. A journey belongs
    /// to its operator, so the other application is always the caller's.
    JourneyUsed(Blocker),
    /// Nothing was written: the journey has changed since it was read. This is its new state.
    JourneyChanged(Box<StoredJourney>),
    /// Nothing was written: the request's `Idempotency-Key` has a record of an earlier request.
    Replay(Replay),
    /// Nothing was written: no application blocks it, but the operator has reached its bound for this driver, or an item is full.
    NoRoom(NoRoom),
}

/// A registration that is being written.
struct Registering<'a> {
    application: &'a Application,
    claims: Vec<Claim>,
    /// The tags of the application's identity keys.
    tags: Vec<Tag>,
    cutoffs: &'a Cutoffs,
    journey: Option<&'a StoredJourney>,
    record: Option<&'a IdempotencyRecord>,
}

/// Whether the registration advances the latest date of the applications with an identity key, on the truncated identity's item. An
/// update cannot compute the maximum of two dates. So the rarer case takes a second try: an application that is older than that of
/// another driver with the same truncated identity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LatestWithKey {
    Advance,
    Keep,
}

impl Registrar {
    /// A registrar of these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self {
            keys,
            claims: ClaimTable::new(db.clone(), tables),
            journeys: Journeys::new(db.clone(), tables),
            applications: Applications::new(db.clone(), tables),
            idempotency: IdempotencyRecords::new(db.clone(), tables),
            db,
        }
    }

    /// The key of a request's idempotency record. `body` must be in canonical form.
    #[must_use]
    pub fn request_key(&self, operator: OperatorId, key: &IdempotencyKey, body: &str) -> RequestKey {
        RequestKey::new(&self.keys, operator, key, body)
    }

    /// The keys of the items that a registration of this driver writes. Two registrations without a common key are about two drivers.
    #[must_use]
    pub fn driver_keys(&self, journey_type: JourneyType, identity: &Identity) -> Vec<String> {
        self.keys.claims(journey_type, identity).into_iter().map(|claim| claim.key).collect()
    }

    /// The result of looking up the idempotency record of a request. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn replay(&self, request: &RequestKey, now: Instant) -> Result<Option<Replay>, StoreError> {
        self.idempotency.find(request, now).await
    }

    /// Registers an application, or returns the application that blocks it. One request if no other write collides.
    ///
    /// `journey` is the journey that a short application was checked against. `cutoffs` belong to the application's date. `record` is
    /// written with the application if the request has an `Idempotency-Key`.
    ///
    /// The call may be repeated with the same application after any error: it is written at most once, and a call that finds it written
    /// returns [`Registration::Registered`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other writes collided until the deadline: nothing was written.
    /// [`StoreError::Request`] if the outcome is unknown.
    pub async fn register(
        &self,
        application: &Application,
        cutoffs: &Cutoffs,
        journey: Option<&StoredJourney>,
        record: Option<&IdempotencyRecord>,
        deadline: Deadline,
    ) -> Result<Registration, StoreError> {
        let identity = &application.identity;
        let registering = Registering {
            application,
            claims: self.keys.claims(application.journey_type, identity),
            tags: self.keys.tags(&identity.identity_keys),
            cutoffs,
            journey,
            record,
        };
        let mut latest_with_key = LatestWithKey::Advance;
        let mut backoff = Backoff::until(deadline);
        loop {
            let cancelled = match transact(&self.db, self.transaction(&registering, latest_with_key)?).await? {
                Transacted::Done => return Ok(Registration::Registered),
                Transacted::Unknown(error) => {
                    backoff.note(error);
                    Cancelled::Contention
                }
                Transacted::NoRoom => Cancelled::Answer(Registration::NoRoom(NoRoom::Record)),
                Transacted::Lost(reasons) => registering.decode(latest_with_key, &reasons)?,
            };
            match cancelled {
                Cancelled::Answer(refusal) => {
                    // A late try could be written when the blocking application is gone, although the caller got a refusal. So it is
                    // called off.
                    let written = matches!(refusal, Registration::Registered)
                        || backoff.unknown_outcome().is_some()
                            && self.applications.call_off(application.uuid, backoff).await?;
                    return Ok(if written { Registration::Registered } else { refusal });
                }
                Cancelled::TryWith(other) => latest_with_key = other,
                Cancelled::Contention => backoff.pause().await?,
            }
        }
    }

    /// The claims come first, in their order, then the journey, the application and the idempotency record.
    fn transaction(
        &self,
        registering: &Registering<'_>,
        latest_with_key: LatestWithKey,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Registering { application, claims, journey, record, .. } = registering;
        let mut items = Vec::with_capacity(claims.len() + 3);
        for claim in claims {
            items.push(self.claim_update(registering, claim, latest_with_key)?);
        }
        if let Some(journey) = journey {
            items.push(self.journeys.claim(journey, application.uuid, application.datetime)?);
        }
        items.push(self.applications.add(application)?);
        if let Some(record) = record {
            items.push(self.idempotency.add(record)?);
        }
        Ok(items)
    }

    /// The condition *is* the eligibility rule; see the head of this file.
    fn claim_update(
        &self,
        registering: &Registering<'_>,
        claim: &Claim,
        latest_with_key: LatestWithKey,
    ) -> Result<TransactWriteItem, StoreError> {
        let Registering { application, cutoffs, tags, .. } = registering;
        let free_of =
            |attribute: &str, cutoff: &str| format!("(attribute_not_exists({attribute}) OR {attribute} < {cutoff})");
        let mut conditions = vec![free_of(STANDARDIZED_AT, ":standardized"), free_of(SPECIFIC_AT, ":specific")];
        let on_truncated_identity = claim.kind == ClaimKind::TruncatedIdentity;
        let sets_latest = match (on_truncated_identity, tags.is_empty()) {
            (true, false) => match latest_with_key {
                LatestWithKey::Advance => {
                    conditions.push(format!(
                        "(attribute_not_exists({STANDARDIZED_WITH_KEY_AT}) OR {STANDARDIZED_WITH_KEY_AT} <= :at)"
                    ));
                    Some(STANDARDIZED_WITH_KEY_AT)
                }
                LatestWithKey::Keep => {
                    conditions.push(format!("{STANDARDIZED_WITH_KEY_AT} > :at"));
                    None
                }
            },
            (true, true) => {
                conditions.push(free_of(STANDARDIZED_WITH_KEY_AT, ":standardized"));
                conditions.push(free_of(SPECIFIC_WITH_KEY_AT, ":specific"));
                Some(STANDARDIZED_AT)
            }
            (false, _) => Some(STANDARDIZED_AT),
        };
        let mut expression = format!("SET #record = :record, {STAMP} = :stamp");
        if let Some(attribute) = sets_latest {
            expression.push_str(&format!(", {attribute} = :at"));
        }
        if on_truncated_identity {
            conditions.push("(attribute_not_exists(#number) OR #number < :most)".to_owned());
            expression.push_str(" ADD #number :one");
        }
        let mut update = self
            .claims
            .table
            .update_in_transaction(AttributeValue::S(claim.key.clone()))
            .expression_attribute_names("#record", application_attribute(application.uuid))
            .expression_attribute_values(
                ":record",
                application_record(application.datetime, application.operator, compared_tags(claim.kind, tags)),
            )
            .expression_attribute_values(":stamp", stamp())
            .expression_attribute_values(":standardized", date(cutoffs.standardized))
            .expression_attribute_values(":specific", date(cutoffs.specific));
        if on_truncated_identity {
            update = update
                .expression_attribute_names("#number", applications_attribute(application.operator))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":most", most(MOST_APPLICATIONS));
        }
        let condition = conditions.join(" AND ");
        // DynamoDB rejects a value that no expression uses.
        if sets_latest.is_some() || condition.contains(":at") {
            update = update.expression_attribute_values(":at", date(application.datetime));
        }
        let update = update
            .update_expression(expression)
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        built_update(update)
    }
}

impl Registering<'_> {
    /// The meaning of a cancelled transaction, from the reasons of its items.
    fn decode(&self, latest_with_key: LatestWithKey, reasons: &[CancellationReason]) -> Result<Cancelled, StoreError> {
        let Self { application, claims, tags, cutoffs, journey, record } = self;
        let lost = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        let own_record = application_attribute(application.uuid);
        let nothing = Item::new();
        let (mut earlier, mut full) = (Vec::new(), None);
        let mut fitting = latest_with_key;
        for (claim, reason) in claims.iter().zip(reasons).filter(|(_, reason)| lost(reason)) {
            let item = reason.item().unwrap_or(&nothing);
            if item.contains_key(&own_record) {
                // An earlier try of this application was written, and its response was lost.
                return Ok(Cancelled::Answer(Registration::Registered));
            }
            earlier.extend(same_person(item, compared_tags(claim.kind, tags))?);
            full = full.or(no_room(item, application.operator));
            if claim.kind == ClaimKind::TruncatedIdentity && !tags.is_empty() {
                let newer = instant(item, STANDARDIZED_WITH_KEY_AT).is_some_and(|known| known > application.datetime);
                fitting = if newer { LatestWithKey::Keep } else { LatestWithKey::Advance };
            }
        }
        let place = claims.len() + usize::from(journey.is_some());
        if let Some(item) = reasons.get(place).filter(|reason| lost(reason)).and_then(CancellationReason::item)
            && application.was_written(item)?
        {
            // An earlier try was written, even if other applications block it now: it may have been deleted already.
            return Ok(Cancelled::Answer(Registration::Registered));
        }
        if let (Some(record), Some(reason)) = (record, reasons.get(place + 1)) {
            // The record takes precedence over a blocking application, which may be the one that the same request wrote the first time.
            if lost(reason) {
                let item =
                    reason.item().ok_or(StoreError::Corrupt { table: "idempotency", what: "a record that is gone" })?;
                return Ok(Cancelled::Answer(Registration::Replay(Replay::of(item, &record.request)?)));
            }
            // While another transaction holds the record, it is unknown whether it exists.
            if reason.code().is_some_and(is_contention) {
                return Ok(Cancelled::Contention);
            }
        }
        if let Some(blocker) = latest_blocker(earlier, cutoffs, application.operator) {
            return Ok(Cancelled::Answer(Registration::Blocked(blocker)));
        }
        if let (Some(_), Some(reason)) = (journey, reasons.get(claims.len()).filter(|reason| lost(reason))) {
            let item =
                reason.item().ok_or(StoreError::Corrupt { table: "journeys", what: "a journey that is gone" })?;
            let erased = StoreError::Corrupt { table: "journeys", what: "a journey whose driver was just erased" };
            let now = StoredJourney::from_item(item.clone())?.ok_or(erased)?;
            return Ok(Cancelled::Answer(match now.used {
                Some(used) if used.by == application.uuid => Registration::Registered,
                Some(used) => Registration::JourneyUsed(Blocker {
                    datetime: used.datetime,
                    reason: cee_eligibility::Reason::Duplicate,
                    operator: application.operator,
                    uuid: Some(used.by),
                }),
                None => Registration::JourneyChanged(Box::new(now)),
            }));
        }
        if let Some(why) = full {
            return Ok(Cancelled::Answer(Registration::NoRoom(why)));
        }
        if fitting != latest_with_key {
            // No record blocks it. The condition on the latest date with a key failed, so the other update fits.
            return Ok(Cancelled::TryWith(fitting));
        }
        if reasons.iter().any(lost) {
            return Err(StoreError::Corrupt { table: "applications", what: "a name that is taken" });
        }
        Ok(Cancelled::Contention)
    }
}

/// The next step after a cancelled transaction.
enum Cancelled {
    Answer(Registration),
    TryWith(LatestWithKey),
    Contention,
}
