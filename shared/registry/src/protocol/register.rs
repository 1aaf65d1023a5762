//! The claim protocol: how one driver is granted one certificate, whichever operators ask, at whatever moment.
//!
//! A driver is known by up to four claim keys a journey type ([`crate::records::claim_keys`]): truncated identity, driving licence,
//! and two identity keys where the caller's and the journey's own differ. Each has one item ([`crate::records::claim_item`]). Registering is
//! **one** transaction: an update on each claim item and a put of the application, and for a short application an update on
//! its journey. Each update carries the eligibility rule itself as its condition, written over the stored dates and cut-offs
//! computed now:
//!
//! ```text
//! attribute_not_exists(sd) OR sd < :standardized_cutoff     (no standardized application in the way)
//! attribute_not_exists(sp) OR sp < :specific_cutoff         (no specific one)
//! ```
//!
//! DynamoDB carries out all of it or nothing, and no two such transactions on one item at once. So whoever comes second
//! meets the dates the first one wrote. The cut-offs come from [`cee_eligibility::Rules::cutoffs`] and from nowhere else.
//!
//! A lost condition brings the item back with it (`ALL_OLD`), so a refusal costs no further read, and the blocker named
//! is chosen by the pure [`cee_eligibility::latest_blocker`] from the records on it.
//!
//! What is compared on a truncated identity (rule 3 of the contract):
//!
//! | the new application | must not be met by | because |
//! |---|---|---|
//! | has no identity key | any application there (`sd`, `sdk`, `sp`, `spk`) | nothing tells the two apart |
//! | has one or two | an application there without a key (`sd`, `sp`) | likewise; one that shares a key is met on that key's own item, one that shares none is another person |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use cee_eligibility::{
    Blocker, Cutoffs, IdempotencyKey, Instant, MOST_APPLICATIONS, NoRoom, OperatorId, latest_blocker,
};

use crate::dynamo::error::{StoreError, is_contention};
use crate::dynamo::item::{Item, date, instant, number};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{Transacted, transact};
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

/// How a registration ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The application and all its claims are written.
    Registered,
    /// Nothing was written: an earlier application of the same person stands in the way.
    Blocked(Blocker),
    /// Nothing was written: the journey carries an application already, and no earlier one of the same person is in the
    /// way. Journeys are known to their own operator only, so this application is always the caller's.
    JourneyUsed(Blocker),
    /// Nothing was written: the journey is not what was read any more. Here is what it is now.
    JourneyChanged(Box<StoredJourney>),
    /// Nothing was written: the request's `Idempotency-Key` has a record of an earlier request.
    Replay(Replay),
    /// Nothing was written: nothing is in the driver's way, but the registry takes no more of it.
    NoRoom(NoRoom),
}

/// A registration on its way.
struct Registering<'a> {
    application: &'a Application,
    claims: Vec<Claim>,
    /// Of the application's identity keys.
    tags: Vec<Tag>,
    cutoffs: &'a Cutoffs,
    journey: Option<&'a StoredJourney>,
    record: Option<&'a IdempotencyRecord>,
}

/// Whether the newest date among the applications with an identity key moves forward on the truncated identity's item.
/// An update cannot take the greater of two dates, so the rarer case, an application older than another driver's who
/// shares the truncated identity, takes a second try.
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

    /// The key of a request's idempotency record. `body` must be written in one way only.
    #[must_use]
    pub fn request_key(&self, operator: OperatorId, key: &IdempotencyKey, body: &str) -> RequestKey {
        RequestKey::new(&self.keys, operator, key, body)
    }

    /// What an earlier request left under this key, if it has not expired: one request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn replay(&self, request: &RequestKey, now: Instant) -> Result<Option<Replay>, StoreError> {
        self.idempotency.find(request, now).await
    }

    /// Registers an application, or says what stands in its way: one request, where no other write collides.
    ///
    /// `journey` is what a short application was checked against. `cutoffs` belong to the application's date. `record` is
    /// written with the application, where the request has an `Idempotency-Key`.
    ///
    /// May be called again with the same application after any error: it is written at most once, and a call that finds
    /// it written says [`Registration::Registered`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other writes kept colliding until the deadline: nothing was written.
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
                Transacted::Unknown(heard) => {
                    backoff.note(heard);
                    Cancelled::Contention
                }
                Transacted::NoRoom => Cancelled::Answer(Registration::NoRoom(NoRoom::Record)),
                Transacted::Lost(reasons) => registering.decode(latest_with_key, &reasons)?,
            };
            match cancelled {
                Cancelled::Answer(refusal) => {
                    // A late try would be written as soon as nothing is in its way any more, of somebody who was told otherwise.
                    let written = matches!(refusal, Registration::Registered)
                        || backoff.heard().is_some() && self.applications.call_off(application.uuid, backoff).await?;
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
        // DynamoDB refuses a value that no expression uses.
        if sets_latest.is_some() || condition.contains(":at") {
            update = update.expression_attribute_values(":at", date(application.datetime));
        }
        let update = update
            .update_expression(expression)
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| StoreError::Corrupt { table: "claims", what: "an update" })?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

impl Registering<'_> {
    /// What a cancelled transaction means, by what each of its items says.
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
                // An earlier try of this very application went through and its answer was lost.
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
            // Likewise, whatever is in the way by now: it may be deleted already.
            return Ok(Cancelled::Answer(Registration::Registered));
        }
        if let (Some(record), Some(reason)) = (record, reasons.get(place + 1)) {
            // Whatever else is in the way, it may be what the same request wrote the first time.
            if lost(reason) {
                let item =
                    reason.item().ok_or(StoreError::Corrupt { table: "idempotency", what: "a record that is gone" })?;
                return Ok(Cancelled::Answer(Registration::Replay(Replay::of(item, &record.request)?)));
            }
            // Held by another transaction, the record does not say whether it is there.
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
            // No record is in the way: only the date that an update cannot take the greater of.
            return Ok(Cancelled::TryWith(fitting));
        }
        if reasons.iter().any(lost) {
            return Err(StoreError::Corrupt { table: "applications", what: "a name that is taken" });
        }
        Ok(Cancelled::Contention)
    }
}

/// What to do about a cancelled transaction.
enum Cancelled {
    Answer(Registration),
    TryWith(LatestWithKey),
    Contention,
}
