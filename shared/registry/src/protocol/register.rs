//! The claim protocol: how one driver is granted one certificate, whichever operators ask, at whatever moment.
//!
//! A driver is known by up to four claim keys a journey type ([`crate::keys`]): truncated identity, driving licence, and two
//! identity keys where the caller's and the journey's own differ. Each has one item ([`crate::claim_item`]). Registering is
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
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use cee_eligibility::{
    ApplicationId, Blocker, Cutoffs, EarlierApplication, Identity, Instant, JourneyType, MOST_APPLICATIONS,
    MOST_HISTORY_DATES, NoRoom, OperatorId, Rules, TruncatedIdentity, latest_blocker,
};

use crate::StoreError;
use crate::applications::{Application, NameTaken};
use crate::claim_item::{
    Item, MOST_SOURCES, PK, SPECIFIC_AT, SPECIFIC_WITH_KEY_AT, STAMP, STANDARDIZED_AT, STANDARDIZED_WITH_KEY_AT,
    application_attribute, application_record, applications_attribute, date, dates_attribute, given_key,
    has_most_dates, history_attribute, history_key_attribute, latest, lists_import, more, no_room, number, same_person,
    sources, stamp, text,
};
use crate::error::{Backoff, Deadline, is_contention, is_too_large, is_transient};
use crate::idempotency::{FirstAnswer, Remembered, remembered};
use crate::imports::ImportId;
use crate::journeys::{StoredJourney, claim_journey};
use crate::keys::{Claim, ClaimKeys, ClaimKind, Tag};
use crate::read::batch_get;
use crate::rewrite::{Transacted, once, transact};
use crate::tables::Tables;

/// The claims of all drivers.
#[derive(Clone, Debug)]
pub struct Claims {
    pub(crate) db: Client,
    pub(crate) tables: Tables,
    pub(crate) keys: ClaimKeys,
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
    /// Nothing was written: the call's `Idempotency-Key` is remembered from an earlier call.
    Remembered(Remembered),
    /// Nothing was written: nothing is in the driver's way, but the registry takes no more of it.
    NoRoom(NoRoom),
}

/// What a simulation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// Nothing is in the driver's way.
    Eligible,
    /// An earlier application of the same person is.
    Blocked(Blocker),
    /// Nothing is, but the registry would take no application.
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
    answer: Option<&'a FirstAnswer>,
}

/// Where an imported row comes from: its import and its line. Names the row for ever, so that the same row imported
/// again after a crash is recognised as itself and counted as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSource {
    /// The import.
    pub import: ImportId,
    /// The line in its file, 1 for the first.
    pub line: u64,
}

impl RowSource {
    /// The import's name, then its line. An item lists it for as long as the row counts.
    pub(crate) fn to_attribute(self) -> AttributeValue {
        AttributeValue::B([self.import.as_bytes().as_slice(), &self.line.to_be_bytes()].concat().into())
    }
}

/// A *specific* application: one row of an operator's history. Holds personal data.
#[derive(Clone, Copy, Debug)]
pub struct HistoryApplication<'a> {
    /// Which certificate.
    pub journey_type: JourneyType,
    /// Whose it is.
    pub identity: &'a TruncatedIdentity,
    /// The day of commitment.
    pub datetime: Instant,
    /// Who imports it.
    pub operator: OperatorId,
    /// Where it comes from.
    pub source: RowSource,
}

/// An application that is granted already and would not have been, had the history been known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradicted {
    /// Its name.
    pub uuid: ApplicationId,
    /// Its date.
    pub datetime: Instant,
    /// Who registered it.
    pub operator: OperatorId,
}

/// How the import of one row of history ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOutcome {
    /// It is written, by this call or by an earlier try of the same row.
    Imported {
        /// The applications that it would have blocked: history that arrived late.
        contradicts: Vec<Contradicted>,
    },
    /// This operator sent the same driver and date before.
    AlreadyKnown,
    /// Nothing is written: the registry takes no more of this driver.
    NoRoom(NoRoom),
}

/// What came of importing one row of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryImported {
    /// How it ended.
    pub outcome: HistoryOutcome,
    /// Whether the table asked for patience on the way.
    pub throttled: bool,
}

/// Whether the newest date among the applications with an identity key moves forward on the truncated identity's item.
/// An update cannot take the greater of two dates, so the rarer case, an application older than another driver's who
/// shares the truncated identity, takes a second try.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LatestWithKey {
    Advance,
    Keep,
}

impl Claims {
    /// The claims in these tables.
    #[must_use]
    pub const fn new(db: Client, tables: Tables, keys: ClaimKeys) -> Self {
        Self { db, tables, keys }
    }

    /// Whether an operator could register a driver now: one request, nothing is reserved.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn simulate(
        &self,
        journey_type: JourneyType,
        identity: &Identity,
        cutoffs: &Cutoffs,
        caller: OperatorId,
        deadline: Deadline,
    ) -> Result<Simulated, StoreError> {
        let claims = self.keys.claims(journey_type, identity);
        let tags = self.keys.tags(&identity.identity_keys);
        let (mut earlier, mut full) = (Vec::new(), None);
        for item in self.items(claims.iter().map(|claim| claim.key.as_str()), deadline).await? {
            earlier.extend(self.records(&claims, &item, &tags)?);
            full = full.or(no_room(&item, caller));
        }
        Ok(match (latest_blocker(earlier, cutoffs, caller), full) {
            (Some(blocker), _) => Simulated::Blocked(blocker),
            (None, Some(why)) => Simulated::NoRoom(why),
            (None, None) => Simulated::Eligible,
        })
    }

    /// Those items of these keys that there are: one request.
    pub(crate) async fn items<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a str>,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        batch_get(&self.db, &self.tables.claims, PK, keys, deadline).await
    }

    /// The records on a claim item that are the same person; which item it is tells whether keys are compared.
    fn records(&self, claims: &[Claim], item: &Item, tags: &[Tag]) -> Result<Vec<EarlierApplication>, StoreError> {
        let pk = text(item, PK);
        let kind = claims.iter().find(|claim| Some(claim.key.as_str()) == pk).map(|claim| claim.kind);
        match kind {
            Some(kind) => same_person(item, compared_tags(kind, tags)),
            None => Err(StoreError::Corrupt { table: "claims", what: "a key" }),
        }
    }

    /// Registers an application, or says what stands in its way: one request, where no other write collides.
    ///
    /// `journey` is what a short application was checked against. `cutoffs` belong to the application's date. `answer` is kept
    /// with the application, where the caller named its call.
    ///
    /// May be called again with the same application after any error: it is written at most once, and a call that finds
    /// it written says [`Registration::Registered`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] where other writes kept colliding until the deadline: nothing was written.
    /// [`StoreError::Request`] where the outcome is unknown.
    pub async fn register(
        &self,
        application: &Application,
        cutoffs: &Cutoffs,
        journey: Option<&StoredJourney>,
        answer: Option<&FirstAnswer>,
        deadline: Deadline,
    ) -> Result<Registration, StoreError> {
        let identity = &application.identity;
        let registering = Registering {
            application,
            claims: self.keys.claims(application.journey_type, identity),
            tags: self.keys.tags(&identity.identity_keys),
            cutoffs,
            journey,
            answer,
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
                        || backoff.heard().is_some() && self.call_off(application.uuid, backoff).await?;
                    return Ok(if written { Registration::Registered } else { refusal });
                }
                Cancelled::TryWith(other) => latest_with_key = other,
                Cancelled::Contention => backoff.pause().await?,
            }
        }
    }

    /// Keeps every try of an application from being carried out from now on, and says whether one has been. Tried again here, where
    /// the deadline is known, and not by the client.
    async fn call_off(&self, uuid: ApplicationId, mut backoff: Backoff) -> Result<bool, StoreError> {
        loop {
            let put = self.db.put_item().table_name(&self.tables.applications);
            let sent = put
                .set_item(Some(NameTaken::CalledOff.item(uuid)))
                .condition_expression("attribute_not_exists(#uuid)")
                .expression_attribute_names("#uuid", "uuid")
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .customize()
                .config_override(once())
                .send()
                .await;
            let Err(error) = sent else { return Ok(false) };
            if let Some(PutItemError::ConditionalCheckFailedException(found)) = error.as_service_error() {
                // By itself, where its own answer was lost.
                return Ok(found.item().and_then(NameTaken::of) != Some(NameTaken::CalledOff));
            }
            let heard = StoreError::request("PutItem", &error);
            if !is_transient(&error) {
                return Err(heard);
            }
            backoff.pause().await.map_err(|_| heard)?;
        }
    }

    /// The claims come first, in their order, then the journey, the application and the answer.
    fn transaction(
        &self,
        registering: &Registering<'_>,
        latest_with_key: LatestWithKey,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Registering { application, claims, journey, answer, .. } = registering;
        let mut items = Vec::with_capacity(claims.len() + 3);
        for claim in claims {
            let update = self.claim_update(registering, claim, latest_with_key)?;
            items.push(TransactWriteItem::builder().update(update).build());
        }
        if let Some(journey) = journey {
            let update = claim_journey(&self.tables.journeys, journey, application.uuid, application.datetime)?;
            items.push(TransactWriteItem::builder().update(update).build());
        }
        let put = Put::builder()
            .table_name(&self.tables.applications)
            .set_item(Some(application.to_item()?))
            .condition_expression("attribute_not_exists(#uuid)")
            .expression_attribute_names("#uuid", "uuid")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| StoreError::Corrupt { table: "applications", what: "a put" })?;
        items.push(TransactWriteItem::builder().put(put).build());
        if let Some(answer) = answer {
            items.push(answer.put(&self.tables.idempotency)?);
        }
        Ok(items)
    }

    /// The condition *is* the eligibility rule; see the head of this file.
    fn claim_update(
        &self,
        registering: &Registering<'_>,
        claim: &Claim,
        latest_with_key: LatestWithKey,
    ) -> Result<Update, StoreError> {
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
        let mut update = Update::builder()
            .table_name(&self.tables.claims)
            .key(PK, AttributeValue::S(claim.key.clone()))
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
        update
            .update_expression(expression)
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| StoreError::Corrupt { table: "claims", what: "an update" })
    }

    /// Imports one row of an operator's history: one conditional update, whatever other writes do at the same time. May
    /// be repeated; the same [`RowSource`] always gets the same answer.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time; the row may be imported again.
    pub async fn import_history(
        &self,
        application: &HistoryApplication<'_>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<HistoryImported, StoreError> {
        let HistoryApplication { journey_type, datetime, operator, .. } = *application;
        let key = self.keys.truncated_identity(journey_type, application.identity);
        let attribute = history_attribute(operator, datetime);
        let source = application.source.to_attribute();
        let contradicts = |item: Option<&Item>| -> Result<HistoryOutcome, StoreError> {
            let earlier = item.map_or(Ok(Vec::new()), |item| same_person(item, &[]))?;
            Ok(HistoryOutcome::Imported { contradicts: contradicted(earlier, journey_type, datetime, rules) })
        };
        let mut newest = true;
        let mut throttled = false;
        let mut backoff = Backoff::until(deadline);
        loop {
            let (latest_date, condition) = if newest {
                (
                    format!(", {SPECIFIC_AT} = :at"),
                    format!("(attribute_not_exists({SPECIFIC_AT}) OR {SPECIFIC_AT} <= :at)"),
                )
            } else {
                (String::new(), format!("{SPECIFIC_AT} > :at"))
            };
            let sent = self
                .db
                .update_item()
                .table_name(&self.tables.claims)
                .key(PK, AttributeValue::S(key.clone()))
                .update_expression(format!(
                    "SET #record = list_append(if_not_exists(#record, :none), :sources), {STAMP} = :stamp{latest_date} \
                     ADD #dates :dates"
                ))
                .condition_expression(format!(
                    "(attribute_not_exists(#record) OR (size(#record) < :most AND NOT contains(#record, :source))) \
                     AND attribute_not_exists(#key) AND {condition} AND (attribute_exists(#record) \
                     OR attribute_not_exists(#dates) OR size(#dates) < :most_dates)"
                ))
                .expression_attribute_names("#record", &attribute)
                .expression_attribute_names("#dates", dates_attribute(operator))
                .expression_attribute_values(":dates", AttributeValue::Ns(vec![datetime.millis().to_string()]))
                .expression_attribute_values(":most_dates", most(MOST_HISTORY_DATES))
                .expression_attribute_names("#key", history_key_attribute(&attribute))
                .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
                .expression_attribute_values(":sources", AttributeValue::L(vec![source.clone()]))
                .expression_attribute_values(":source", source.clone())
                .expression_attribute_values(":most", most(MOST_SOURCES))
                .expression_attribute_values(":stamp", stamp())
                .expression_attribute_values(":at", date(datetime))
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            let error = match sent {
                Ok(answer) => {
                    let old = answer.attributes();
                    let known = old.is_some_and(|item| !sources(item, &attribute).is_empty());
                    let outcome = if known { HistoryOutcome::AlreadyKnown } else { contradicts(old)? };
                    return Ok(HistoryImported { outcome, throttled });
                }
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                    let item = lost.item();
                    let listed = item.map_or(&[][..], |item| sources(item, &attribute));
                    let outcome = match listed.iter().position(|listed| *listed == source) {
                        // An earlier try of this very row.
                        Some(0) => Some(contradicts(item)?),
                        Some(_) => Some(HistoryOutcome::AlreadyKnown),
                        None if let Some(item) = item.filter(|item| given_key(item, &attribute).is_some()) => {
                            let listed = self.list_with_copy(item, &attribute, application, deadline).await;
                            let Some(outcome) = backoff.told(listed)? else {
                                backoff.pause().await?;
                                continue;
                            };
                            Some(outcome)
                        }
                        // An undo of this import takes the record with the row that is listed.
                        None if listed.len() >= MOST_SOURCES && lists_import(listed, application.source.import) => {
                            Some(HistoryOutcome::AlreadyKnown)
                        }
                        None if listed.len() > MOST_SOURCES => Some(HistoryOutcome::AlreadyKnown),
                        None if listed.len() == MOST_SOURCES => {
                            let Some(outcome) = self.note_more(&key, &attribute).await? else {
                                backoff.pause().await?;
                                continue;
                            };
                            Some(outcome)
                        }
                        None if listed.is_empty() && item.is_some_and(|item| has_most_dates(item, operator)) => {
                            Some(HistoryOutcome::NoRoom(NoRoom::Dates))
                        }
                        None => None,
                    };
                    if let Some(outcome) = outcome {
                        return Ok(HistoryImported { outcome, throttled });
                    }
                    // Which of the two updates fits is read off the item; it may change again before the next try.
                    let fitting = item.and_then(|item| latest(item, SPECIFIC_AT)).is_none_or(|known| known <= datetime);
                    if fitting == newest {
                        // The very update that was refused: nothing would ever fit.
                        return Err(StoreError::Corrupt { table: "claims", what: "a latest date" });
                    }
                    newest = fitting;
                }
                _ if is_too_large(error.code(), error.message()) => {
                    return Ok(HistoryImported { outcome: HistoryOutcome::NoRoom(NoRoom::Record), throttled });
                }
                _ if is_transient(&error) => {
                    throttled = true;
                    if !error.code().is_some_and(is_contention) {
                        backoff.note(StoreError::request("UpdateItem", &error));
                    }
                    backoff.pause().await?;
                }
                _ => return Err(StoreError::request("UpdateItem", &error)),
            }
        }
    }

    /// Notes on a full record that more rows brought it than it lists. `None`: not this time, look again.
    async fn note_more(&self, key: &str, attribute: &str) -> Result<Option<HistoryOutcome>, StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.tables.claims)
            .key(PK, AttributeValue::S(key.to_owned()))
            .update_expression(format!("SET #record = list_append(#record, :more), {STAMP} = :stamp"))
            .condition_expression("size(#record) = :most AND attribute_not_exists(#key)")
            .expression_attribute_names("#record", attribute)
            .expression_attribute_names("#key", history_key_attribute(attribute))
            .expression_attribute_values(":more", AttributeValue::L(vec![more()]))
            .expression_attribute_values(":most", most(MOST_SOURCES))
            .expression_attribute_values(":stamp", stamp())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Some(HistoryOutcome::AlreadyKnown)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ if is_too_large(error.code(), error.message()) => Ok(Some(HistoryOutcome::NoRoom(NoRoom::Record))),
                _ if is_transient(&error) => Ok(None),
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }
}

impl Registering<'_> {
    /// What a cancelled transaction means, by what each of its items says.
    fn decode(&self, latest_with_key: LatestWithKey, reasons: &[CancellationReason]) -> Result<Cancelled, StoreError> {
        let Self { application, claims, tags, cutoffs, journey, answer } = self;
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
                let newer = latest(item, STANDARDIZED_WITH_KEY_AT).is_some_and(|known| known > application.datetime);
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
        if let (Some(answer), Some(reason)) = (answer, reasons.get(place + 1)) {
            // Whatever else is in the way, it may be what the same call wrote the first time.
            if lost(reason) {
                let item =
                    reason.item().ok_or(StoreError::Corrupt { table: "idempotency", what: "a record that is gone" })?;
                return Ok(Cancelled::Answer(Registration::Remembered(remembered(item, &answer.call)?)));
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

/// Those of these applications that were granted, and would not have been, had a specific one of this date been known.
pub(crate) fn contradicted(
    earlier: Vec<EarlierApplication>,
    journey_type: JourneyType,
    specific: Instant,
    rules: &Rules,
) -> Vec<Contradicted> {
    let contradicted = earlier.into_iter().filter_map(|earlier| match earlier {
        EarlierApplication::Standardized { datetime: granted, operator, uuid } => {
            let blocked = specific >= rules.cutoffs(journey_type, granted).specific;
            blocked.then_some(Contradicted { uuid, datetime: granted, operator })
        }
        EarlierApplication::Specific { .. } => None,
    });
    contradicted.collect()
}

/// A bound, to be compared with.
fn most(bound: usize) -> AttributeValue {
    number(i64::try_from(bound).unwrap_or(i64::MAX))
}

/// On a truncated identity, keys tell people apart; on the items of a licence or a key everybody is the same person.
pub(crate) fn compared_tags(kind: ClaimKind, tags: &[Tag]) -> &[Tag] {
    if kind == ClaimKind::TruncatedIdentity { tags } else { &[] }
}

/// What to do about a cancelled transaction.
enum Cancelled {
    Answer(Registration),
    TryWith(LatestWithKey),
    Contention,
}
