//! Giving an identity key, later, to an application whose caller sent none.
//!
//! From then on rule 3 of the contract compares it as one that carries the key: on its truncated identity it stands in the
//! way of whoever sends no key, and no more of whoever sends another; and on the item of the identity key it stands in the
//! way of the same person under another name or phone. Only an empty key is filled, none is replaced. The own key of a short
//! application's journey fills nothing: beside it the caller's counts too, as if it had come with the registration.
//!
//! Each is one transaction over what was read ([`crate::rewrite`]).

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use cee_eligibility::{
    ApplicationId, Blocker, EarlierApplication, IdentityKey, Instant, JourneyType, MOST_HISTORY_DATES, NoRoom,
    OperatorId, Rules, TruncatedIdentity, latest_blocker,
};

use crate::StoreError;
use crate::applications::{Application, condition_as_read, get_application};
use crate::claim_item::{
    Item, MOST_COPIED_ROWS, MOST_SOURCES, PK, ambiguous_key, application_attribute, application_record, copies,
    given_key, history_attribute, history_copy_attribute, history_key, history_key_attribute, lists_import, more,
    same_person, sources, text,
};
use crate::claims::{Claims, Contradicted, HistoryApplication, HistoryOutcome, contradicted};
use crate::error::{Backoff, Deadline};
use crate::rewrite::{Rewrite, Transacted, transact};

/// How giving an identity key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenKey {
    /// The application carries the key from now on.
    Given {
        /// What history that is known too late contradicts: of a specific application, the granted ones with the same key
        /// that it would have blocked; of a granted one, itself, where history with the same key would have blocked it.
        contradicts: Vec<Contradicted>,
    },
    /// It carried this very key before.
    AlreadyHas,
    /// This operator has no such application.
    Unknown,
    /// Nothing was written: the call is closed for the application's journey type.
    Closed(JourneyType),
    /// It carries another key already, which stays. Where it is a specific one, it stands for more drivers than one, then, and
    /// stands in the way of everybody with its truncated identity again.
    HasAnother,
    /// Nothing was written: with this key it would be a second application of the same person. This is the first.
    Blocked(Blocker),
    /// Nothing was written: the registry takes no more under this key.
    NoRoom(NoRoom),
}

/// A *specific* application that is to be given an identity key. Holds personal data.
#[derive(Clone, Copy, Debug)]
pub struct HistoryKey<'a> {
    /// Which certificate.
    pub journey_type: JourneyType,
    /// Whose it is.
    pub identity: &'a TruncatedIdentity,
    /// The day of commitment, as it was imported.
    pub datetime: Instant,
    /// Who imported it.
    pub operator: OperatorId,
    /// The key.
    pub identity_key: &'a IdentityKey,
}

/// It carries the key. By this very call, perhaps, whose answer was lost: with what that try would have contradicted.
fn given(perhaps: Option<Vec<Contradicted>>) -> GivenKey {
    perhaps.map_or(GivenKey::AlreadyHas, |contradicts| GivenKey::Given { contradicts })
}

/// There is none. Gone with the key, perhaps, that this very call gave it: nobody is told then that nothing was written.
fn unknown(backoff: &Backoff) -> Result<GivenKey, StoreError> {
    backoff.heard().map_or(Ok(GivenKey::Unknown), |heard| Err(heard.clone()))
}

impl Claims {
    /// Gives an identity key to an operator's own registered application: three requests, where no other write collides.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where other writes kept colliding until the deadline: nothing was written.
    /// [`StoreError::Request`] where the store does not answer: the key may have been given, and the same call may be repeated.
    pub async fn give_key(
        &self,
        operator: OperatorId,
        uuid: ApplicationId,
        key: &IdentityKey,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<GivenKey, StoreError> {
        let mut backoff = Backoff::until(deadline);
        let mut perhaps = None;
        loop {
            let found = get_application(&self.db, &self.tables.applications, uuid).await?;
            let Some(application) = found.filter(|application| application.operator == operator) else {
                return unknown(&backoff);
            };
            if application.identity.identity_keys.contains(key) {
                return Ok(given(perhaps));
            }
            if !rules.of(application.journey_type).open.import {
                return Ok(GivenKey::Closed(application.journey_type));
            }
            let Some(keys) = application.identity.identity_keys.given(key.clone()) else {
                return Ok(GivenKey::HasAnother);
            };
            let journey_type = application.journey_type;
            let both = self.both(journey_type, &application.identity.truncated, key, deadline).await;
            let [here, there] = backoff.told(both)?;
            let record = application_attribute(uuid);
            // The key was given meanwhile, by another call: it must not stand in its own way.
            if there.1.as_ref().is_some_and(|item| item.contains_key(&record)) {
                backoff.pause().await?;
                continue;
            }
            let cutoffs = rules.cutoffs(journey_type, application.datetime);
            let on_key = there.1.as_ref().map_or(Ok(Vec::new()), |item| same_person(item, &[]))?;
            // History on the key is known too late to refuse what was granted.
            let (granted, history): (Vec<_>, Vec<_>) =
                on_key.into_iter().partition(|earlier| matches!(earlier, EarlierApplication::Standardized { .. }));
            let contradicted = Contradicted { uuid, datetime: application.datetime, operator };
            let is_late = history.iter().any(|earlier| earlier.blocks(&cutoffs));
            let contradicts = if is_late { vec![contradicted] } else { Vec::new() };
            if let Some(blocker) = latest_blocker(granted, &cutoffs, operator) {
                // The two were not read at one moment. What is still there was there when the other was read, for no
                // application comes back and none loses its keys.
                let now = get_application(&self.db, &self.tables.applications, uuid).await?;
                if now.is_some_and(|now| now.identity.identity_keys.callers().is_none())
                    && (perhaps.is_none() || self.call_off_changes(here.1.as_ref()).await?)
                {
                    return Ok(GivenKey::Blocked(blocker));
                }
                backoff.pause().await?;
                continue;
            }
            let mut on_truncated_identity = Rewrite::of_either(&here.0, here.1.as_ref())?;
            let tags = self.keys.tags(&keys);
            on_truncated_identity.set(&record, application_record(application.datetime, operator, &tags));
            let mut on_identity_key = Rewrite::of_either(&there.0, there.1.as_ref())?;
            on_identity_key.set(&record, application_record(application.datetime, operator, &[]));
            let items = vec![
                on_truncated_identity.change()?.in_transaction(&self.tables.claims)?,
                on_identity_key.change()?.in_transaction(&self.tables.claims)?,
                self.fill_key(&application, key)?,
            ];
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(GivenKey::Given { contradicts }),
                Transacted::Unknown(heard) => {
                    backoff.note(heard);
                    perhaps = Some(contradicts);
                }
                // A try that nobody heard of may be written yet, where there is room again.
                Transacted::NoRoom if perhaps.is_none() => return Ok(GivenKey::NoRoom(NoRoom::Record)),
                Transacted::NoRoom | Transacted::Lost(_) => {}
            }
            backoff.pause().await?;
        }
    }

    /// Gives an identity key to an operator's own specific application: two requests, where no other write collides.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where other writes kept colliding until the deadline: nothing was written.
    /// [`StoreError::Request`] where the store does not answer: the key may have been given, and the same call may be repeated.
    pub async fn give_key_to_history(
        &self,
        history: &HistoryKey<'_>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<GivenKey, StoreError> {
        let HistoryKey { journey_type, identity, datetime, operator, identity_key } = *history;
        let attribute = history_attribute(operator, datetime);
        let copy_attribute = history_copy_attribute(&attribute);
        let tag = self.keys.tag(identity_key);
        let mut backoff = Backoff::until(deadline);
        let mut perhaps = None;
        loop {
            let [here, there] = backoff.told(self.both(journey_type, identity, identity_key, deadline).await)?;
            let Some(item) = here.1.as_ref().filter(|item| item.contains_key(&attribute)) else {
                return unknown(&backoff);
            };
            match given_key(item, &attribute) {
                Some((known, _)) if known == tag => return Ok(given(perhaps)),
                Some((known, key)) => {
                    let mut rewrite = Rewrite::of(item)?;
                    rewrite.set(&history_key_attribute(&attribute), ambiguous_key(known, key));
                    let items = vec![rewrite.change()?.in_transaction(&self.tables.claims)?];
                    match transact(&self.db, items).await? {
                        Transacted::Done => return Ok(GivenKey::HasAnother),
                        Transacted::Unknown(heard) => backoff.note(heard),
                        Transacted::NoRoom => return Ok(GivenKey::NoRoom(NoRoom::Record)),
                        Transacted::Lost(_) => {}
                    }
                    backoff.pause().await?;
                    continue;
                }
                None => {}
            }
            let contradicts = there.1.as_ref().map_or(Ok(Vec::new()), |item| {
                let earlier = same_person(item, &[])?;
                Ok(contradicted(earlier, journey_type, datetime, rules))
            })?;
            let mut on_truncated_identity = Rewrite::of(item)?;
            on_truncated_identity.set(&history_key_attribute(&attribute), history_key(tag, &there.0));
            let mut on_identity_key = Rewrite::of_either(&there.0, there.1.as_ref())?;
            // Of the same driver under another truncated identity there may be a copy already.
            let mut rows = there.1.as_ref().map_or(&[][..], |item| sources(item, &copy_attribute)).to_vec();
            for row in sources(item, &attribute) {
                if !rows.contains(row) {
                    rows.push(row.clone());
                }
            }
            let is_copied = there.1.as_ref().is_some_and(|item| item.contains_key(&copy_attribute));
            let full = there.1.as_ref().is_some_and(|item| copies(item, operator) >= MOST_HISTORY_DATES);
            let why = match (is_copied, full, rows.len() > MOST_COPIED_ROWS) {
                (false, true, _) => Some(NoRoom::Dates),
                (_, _, true) => Some(NoRoom::Record),
                _ => None,
            };
            match why {
                Some(why) if perhaps.is_none() => return Ok(GivenKey::NoRoom(why)),
                // An earlier try may be written yet, once there is room.
                Some(_) => {
                    backoff.pause().await?;
                    continue;
                }
                None => {}
            }
            on_identity_key.set(&copy_attribute, AttributeValue::L(rows));
            let items = vec![
                on_truncated_identity.change()?.in_transaction(&self.tables.claims)?,
                on_identity_key.change()?.in_transaction(&self.tables.claims)?,
            ];
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(GivenKey::Given { contradicts }),
                Transacted::Unknown(heard) => {
                    backoff.note(heard);
                    perhaps = Some(contradicts);
                }
                Transacted::NoRoom if perhaps.is_none() => return Ok(GivenKey::NoRoom(NoRoom::Record)),
                Transacted::NoRoom | Transacted::Lost(_) => {}
            }
            backoff.pause().await?;
        }
    }

    /// Lists one more row on a specific application that was given an identity key, and on its copy: an undo of the first
    /// rows must leave both or neither. `None`: the item is not what was read any more.
    pub(crate) async fn list_with_copy(
        &self,
        item: &Item,
        attribute: &str,
        application: &HistoryApplication<'_>,
        deadline: Deadline,
    ) -> Result<Option<HistoryOutcome>, StoreError> {
        let known = Ok(Some(HistoryOutcome::AlreadyKnown));
        let source = application.source;
        let Some((_, copy_key)) = given_key(item, attribute) else { return Ok(None) };
        let listed = sources(item, attribute);
        let row = match listed.len().cmp(&MOST_SOURCES) {
            std::cmp::Ordering::Less => source.to_attribute(),
            // An undo of this import takes the record with the row that is listed.
            std::cmp::Ordering::Equal if lists_import(listed, source.import) => return known,
            std::cmp::Ordering::Equal => more(),
            std::cmp::Ordering::Greater => return known,
        };
        let with = |listed: &[AttributeValue], row: &AttributeValue| {
            AttributeValue::L([listed, std::slice::from_ref(row)].concat())
        };
        let copy_attribute = history_copy_attribute(attribute);
        let copy = self.items([copy_key], deadline).await?.pop();
        let mut here = Rewrite::of(item)?;
        here.set(attribute, with(listed, &row));
        let mut there = Rewrite::of_either(copy_key, copy.as_ref())?;
        let copied = copy.as_ref().map_or(&[][..], |copy| sources(copy, &copy_attribute));
        let copied_row = if copied.len() < MOST_COPIED_ROWS { row } else { more() };
        if copied.len() < MOST_COPIED_ROWS || !copied.contains(&copied_row) {
            there.set(&copy_attribute, with(copied, &copied_row));
        }
        let items = vec![
            here.change()?.in_transaction(&self.tables.claims)?,
            there.change()?.in_transaction(&self.tables.claims)?,
        ];
        match transact(&self.db, items).await? {
            Transacted::Done => known,
            Transacted::NoRoom => Ok(Some(HistoryOutcome::NoRoom(NoRoom::Record))),
            Transacted::Unknown(_) | Transacted::Lost(_) => Ok(None),
        }
    }

    /// Keeps every change that was made from this item as it was read, or from an earlier one, from being carried out from now
    /// on: its stamp is another. Who is told that something is in the way must not be given it by a late try, when the item
    /// of what was in the way is gone, and nothing tells it from one that never was. `false`: the item is not what was read.
    async fn call_off_changes(&self, item: Option<&Item>) -> Result<bool, StoreError> {
        let Some(item) = item else { return Ok(true) };
        let touch = Rewrite::of(item)?.change()?.in_transaction(&self.tables.claims)?;
        Ok(matches!(transact(&self.db, vec![touch]).await?, Transacted::Done))
    }

    /// The items of a truncated identity and of an identity key, each with its key.
    async fn both(
        &self,
        journey_type: JourneyType,
        identity: &TruncatedIdentity,
        key: &IdentityKey,
        deadline: Deadline,
    ) -> Result<[(String, Option<Item>); 2], StoreError> {
        let keys = [self.keys.truncated_identity(journey_type, identity), self.keys.identity_key(journey_type, key)];
        let mut found = self.items(keys.iter().map(String::as_str), deadline).await?;
        Ok(keys.map(|key| {
            let its = |item: &Item| text(item, PK) == Some(key.as_str());
            let item = found.iter().position(its).map(|place| found.swap_remove(place));
            (key, item)
        }))
    }

    /// The application with the key, provided that it is what was read.
    fn fill_key(&self, application: &Application, key: &IdentityKey) -> Result<TransactWriteItem, StoreError> {
        let (condition, values) = condition_as_read(application);
        let update = Update::builder()
            .table_name(&self.tables.applications)
            .key("uuid", AttributeValue::S(application.uuid.to_string()))
            .update_expression("SET identity_key = :key")
            .condition_expression(condition)
            .expression_attribute_names("#uuid", "uuid")
            .set_expression_attribute_values(values)
            .expression_attribute_values(":key", AttributeValue::B(key.as_bytes().to_vec().into()))
            .build()
            .map_err(|_| StoreError::Corrupt { table: "applications", what: "an update" })?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
