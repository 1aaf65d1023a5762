//! Gives an identity key to an application that was registered or imported without the caller's key.
//!
//! From then on, rule 3 of the contract compares the application as one with this key. On its truncated identity, it blocks applications
//! without a key and no longer those with another key. On the item of the identity key, it blocks the same person under another name or
//! phone. A key is only added if the caller has given none, and never replaced. The key of a short application's journey does not count
//! as the caller's: the new key counts beside it, as if it had come with the registration.
//!
//! Each call is one transaction over the items as they were read ([`crate::records::rewrite`]).

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use cee_eligibility::{
    ApplicationId, Blocker, Cutoffs, EarlierApplication, IdentityKey, IdentityKeys, Instant, JourneyType,
    MOST_HISTORY_DATES, NoRoom, OperatorId, Rules, TruncatedIdentity, latest_blocker,
};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{Transacted, transact};
use crate::protocol::history::{Contradicted, contradicted};
use crate::records::application::Application;
use crate::records::claim_item::{
    MOST_COPIED_ROWS, ambiguous_key, application_attribute, application_record, copies, given_key, history_attribute,
    history_copy_attribute, history_key, history_key_attribute, same_person, sources,
};
use crate::records::claim_keys::{ClaimKeys, Tag};
use crate::records::rewrite::Rewrite;
use crate::stores::applications::Applications;
use crate::stores::claims::ClaimTable;

/// The result of giving an identity key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenKey {
    /// The application has the key from now on.
    Given {
        /// The applications that this late knowledge contradicts. For a specific application: the granted applications with the same key
        /// that it would have blocked. For a granted application: itself, if history with the same key would have blocked it.
        contradicts: Vec<Contradicted>,
    },
    /// It had this key before.
    AlreadyHas,
    /// This operator has no such application.
    Unknown,
    /// Nothing was written: calls for the application's journey type are disabled.
    Closed(JourneyType),
    /// It has another key, which stays. If it is a specific application, it now covers more than one driver, and blocks everybody on its
    /// truncated identity again.
    HasAnother,
    /// Nothing was written: with this key it would be a second application of the same person. This is the blocking application.
    Blocked(Blocker),
    /// Nothing was written: the operator has reached its bound under this key, or the item is full.
    NoRoom(NoRoom),
}

/// A *specific* application that is to get an identity key. Holds personal data.
#[derive(Clone, Copy, Debug)]
pub struct HistoryKey<'a> {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver's truncated identity.
    pub identity: &'a TruncatedIdentity,
    /// The day of commitment, as it was imported.
    pub datetime: Instant,
    /// The operator that imported it.
    pub operator: OperatorId,
    /// The key.
    pub identity_key: &'a IdentityKey,
}

/// A claim key and its item, which may not exist.
struct Place {
    key: String,
    item: Option<Item>,
}

impl Place {
    fn holds(&self, attribute: &str) -> bool {
        self.item.as_ref().is_some_and(|item| item.contains_key(attribute))
    }

    /// All applications on the item. They belong to one person, because it is the item of an identity key.
    fn applications(&self) -> Result<Vec<EarlierApplication>, StoreError> {
        self.item.as_ref().map_or(Ok(Vec::new()), |item| same_person(item, &[]))
    }

    fn rewrite(&self) -> Result<Rewrite, StoreError> {
        Rewrite::of_either(&self.key, self.item.as_ref())
    }

    /// The rows that the copy of a specific application lists.
    fn rows(&self, copy_attribute: &str) -> &[AttributeValue] {
        self.item.as_ref().map_or(&[], |item| sources(item, copy_attribute))
    }
}

/// The tries of one call.
struct Tries {
    backoff: Backoff,
    /// The contradictions of a try that may have been written or may still be.
    perhaps: Option<Vec<Contradicted>>,
}

impl Tries {
    const fn until(deadline: Deadline) -> Self {
        Self { backoff: Backoff::until(deadline), perhaps: None }
    }

    /// The result if the application has the key. If a try of this call may have given it and its response was lost, its contradictions.
    fn given(self) -> GivenKey {
        self.perhaps.map_or(GivenKey::AlreadyHas, |contradicts| GivenKey::Given { contradicts })
    }

    /// The result if the application does not exist. If a try of this call may have given the key before the application was deleted, an
    /// error: the call must not report that nothing was written.
    fn unknown(&self) -> Result<GivenKey, StoreError> {
        self.backoff.unknown_outcome().map_or(Ok(GivenKey::Unknown), |error| Err(error.clone()))
    }

    /// Sends a try. `None`, after a pause: everything must be read again.
    async fn carry_out(
        &mut self,
        db: &Client,
        items: Vec<TransactWriteItem>,
        contradicts: Vec<Contradicted>,
    ) -> Result<Option<GivenKey>, StoreError> {
        match transact(db, items).await? {
            Transacted::Done => return Ok(Some(GivenKey::Given { contradicts })),
            Transacted::Unknown(error) => {
                self.backoff.note(error);
                self.perhaps = Some(contradicts);
            }
            // An earlier try with an unknown outcome may still be written when there is room again.
            Transacted::NoRoom if self.perhaps.is_none() => return Ok(Some(GivenKey::NoRoom(NoRoom::Record))),
            Transacted::NoRoom | Transacted::Lost(_) => {}
        }
        self.backoff.pause().await.map(|()| None)
    }
}

/// Gives identity keys to applications.
#[derive(Clone, Debug)]
pub struct KeyGiver {
    db: Client,
    keys: ClaimKeys,
    claims: ClaimTable,
    applications: Applications,
}

impl KeyGiver {
    /// A giver of keys in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self {
            keys,
            claims: ClaimTable::new(db.clone(), tables),
            applications: Applications::new(db.clone(), tables),
            db,
        }
    }

    /// Gives an identity key to an operator's own registered application. Three requests if no other write collides.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other writes collided until the deadline: nothing was written.
    /// [`StoreError::Request`] if the store does not answer: the key may have been given, and the call may be repeated.
    pub async fn give_key(
        &self,
        operator: OperatorId,
        uuid: ApplicationId,
        key: &IdentityKey,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<GivenKey, StoreError> {
        let mut tries = Tries::until(deadline);
        loop {
            let found = self.applications.find(uuid).await?;
            let Some(application) = found.filter(|application| application.operator == operator) else {
                return tries.unknown();
            };
            if application.identity.identity_keys.contains(key) {
                return Ok(tries.given());
            }
            let journey_type = application.journey_type;
            if !rules.of(journey_type).open.import {
                return Ok(GivenKey::Closed(journey_type));
            }
            let Some(keys) = application.identity.identity_keys.given(key.clone()) else {
                return Ok(GivenKey::HasAnother);
            };
            let both = self.both(journey_type, &application.identity.truncated, key, deadline).await;
            let [here, there] = tries.backoff.or_unknown(both)?;
            // Another call has just given the key. The application must not block itself.
            if there.holds(&application_attribute(uuid)) {
                tries.backoff.pause().await?;
                continue;
            }
            let (blocker, is_late) = on_key(&there, &rules.cutoffs(journey_type, application.datetime), operator)?;
            if let Some(blocker) = blocker {
                // The two items were not read at one moment. If the application still exists without a key, it existed when the other
                // item was read, because a deleted application does not come back and no application loses its keys.
                let now = self.applications.find(uuid).await?;
                if now.is_some_and(|now| now.identity.identity_keys.callers().is_none())
                    && (tries.perhaps.is_none() || self.call_off_changes(here.item.as_ref()).await?)
                {
                    return Ok(GivenKey::Blocked(blocker));
                }
                tries.backoff.pause().await?;
                continue;
            }
            let contradicted = Contradicted { uuid, datetime: application.datetime, operator };
            let contradicts = if is_late { vec![contradicted] } else { Vec::new() };
            let items = self.with_key(&application, key, &keys, [&here, &there])?;
            if let Some(ended) = tries.carry_out(&self.db, items, contradicts).await? {
                return Ok(ended);
            }
        }
    }

    /// The writes for an application and its claims with the key.
    fn with_key(
        &self,
        application: &Application,
        key: &IdentityKey,
        keys: &IdentityKeys,
        [here, there]: [&Place; 2],
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let Application { uuid, operator, datetime, .. } = *application;
        let record = application_attribute(uuid);
        let mut on_truncated_identity = here.rewrite()?;
        let tags = self.keys.tags(keys);
        on_truncated_identity.set(&record, application_record(datetime, operator, &tags));
        let mut on_identity_key = there.rewrite()?;
        on_identity_key.set(&record, application_record(datetime, operator, &[]));
        Ok(vec![
            self.claims.rewrite_in_transaction(on_truncated_identity)?,
            self.claims.rewrite_in_transaction(on_identity_key)?,
            self.applications.fill_key(application, key)?,
        ])
    }

    /// Gives an identity key to an operator's own specific application. Two requests if no other write collides.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other writes collided until the deadline: nothing was written.
    /// [`StoreError::Request`] if the store does not answer: the key may have been given, and the call may be repeated.
    pub async fn give_key_to_history(
        &self,
        history: &HistoryKey<'_>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<GivenKey, StoreError> {
        let HistoryKey { journey_type, identity, datetime, operator, identity_key } = *history;
        let attribute = history_attribute(operator, datetime);
        let tag = self.keys.tag(identity_key);
        let mut tries = Tries::until(deadline);
        loop {
            let [here, there] =
                tries.backoff.or_unknown(self.both(journey_type, identity, identity_key, deadline).await)?;
            let Some(item) = here.item.as_ref().filter(|item| item.contains_key(&attribute)) else {
                return tries.unknown();
            };
            match given_key(item, &attribute) {
                Some((known, _)) if known == tag => return Ok(tries.given()),
                Some((known, key)) => {
                    let mut rewrite = Rewrite::of(item)?;
                    rewrite.set(&history_key_attribute(&attribute), ambiguous_key(known, key));
                    match transact(&self.db, vec![self.claims.rewrite_in_transaction(rewrite)?]).await? {
                        Transacted::Done => return Ok(GivenKey::HasAnother),
                        Transacted::Unknown(error) => tries.backoff.note(error),
                        Transacted::NoRoom => return Ok(GivenKey::NoRoom(NoRoom::Record)),
                        Transacted::Lost(_) => {}
                    }
                    tries.backoff.pause().await?;
                    continue;
                }
                None => {}
            }
            let contradicts = contradicted(there.applications()?, journey_type, datetime, rules);
            match self.copied(item, &attribute, tag, &there, operator)? {
                Copied::Written(items) => {
                    if let Some(ended) = tries.carry_out(&self.db, items, contradicts).await? {
                        return Ok(ended);
                    }
                }
                Copied::NoRoom(why) if tries.perhaps.is_none() => return Ok(GivenKey::NoRoom(why)),
                // An earlier try may still be written when there is room.
                Copied::NoRoom(_) => tries.backoff.pause().await?,
            }
        }
    }

    /// The writes for a specific application with the key, and its copy on the item of the identity key.
    fn copied(
        &self,
        item: &Item,
        attribute: &str,
        tag: Tag,
        there: &Place,
        operator: OperatorId,
    ) -> Result<Copied, StoreError> {
        let copy_attribute = history_copy_attribute(attribute);
        let mut on_truncated_identity = Rewrite::of(item)?;
        on_truncated_identity.set(&history_key_attribute(attribute), history_key(tag, &there.key));
        let mut on_identity_key = there.rewrite()?;
        // There may be a copy already, from the same driver under another truncated identity.
        let mut rows = there.rows(&copy_attribute).to_vec();
        for row in sources(item, attribute) {
            if !rows.contains(row) {
                rows.push(row.clone());
            }
        }
        let full = there.item.as_ref().is_some_and(|item| copies(item, operator) >= MOST_HISTORY_DATES);
        match (there.holds(&copy_attribute), full, rows.len() > MOST_COPIED_ROWS) {
            (false, true, _) => return Ok(Copied::NoRoom(NoRoom::Dates)),
            (_, _, true) => return Ok(Copied::NoRoom(NoRoom::Record)),
            _ => {}
        }
        on_identity_key.set(&copy_attribute, AttributeValue::L(rows));
        Ok(Copied::Written(vec![
            self.claims.rewrite_in_transaction(on_truncated_identity)?,
            self.claims.rewrite_in_transaction(on_identity_key)?,
        ]))
    }

    /// Prevents every change that was made from this item as it was read, or from an earlier version, from being written: the item gets
    /// another stamp. After a call has reported a blocking application, a late try must not give the key when the item of the blocking
    /// application is gone, because a missing item has no stamp to compare. `false` if the item has changed since it was read.
    async fn call_off_changes(&self, item: Option<&Item>) -> Result<bool, StoreError> {
        let Some(item) = item else { return Ok(true) };
        let touch = self.claims.rewrite_in_transaction(Rewrite::of(item)?)?;
        Ok(matches!(transact(&self.db, vec![touch]).await?, Transacted::Done))
    }

    /// The items of a truncated identity and of an identity key. One request.
    async fn both(
        &self,
        journey_type: JourneyType,
        identity: &TruncatedIdentity,
        key: &IdentityKey,
        deadline: Deadline,
    ) -> Result<[Place; 2], StoreError> {
        let keys = &self.keys;
        let keys = [keys.truncated_identity(journey_type, identity), keys.identity_key(journey_type, key)];
        let mut found = self.claims.table.items(keys.iter().map(String::as_str), deadline).await?;
        Ok(keys.map(|key| {
            let its = |item: &Item| text(item, PK) == Some(key.as_str());
            let item = found.iter().position(its).map(|place| found.swap_remove(place));
            Place { key, item }
        }))
    }
}

/// The writes for a specific application and its copy.
enum Copied {
    Written(Vec<TransactWriteItem>),
    NoRoom(NoRoom),
}

/// The granted application on the item of an identity key that blocks another application, and whether history there would have blocked
/// it. Such history came too late to refuse the granted application.
fn on_key(there: &Place, cutoffs: &Cutoffs, operator: OperatorId) -> Result<(Option<Blocker>, bool), StoreError> {
    let (granted, history): (Vec<_>, Vec<_>) = there
        .applications()?
        .into_iter()
        .partition(|earlier| matches!(earlier, EarlierApplication::Standardized { .. }));
    let is_late = history.iter().any(|earlier| earlier.blocks(cutoffs));
    Ok((latest_blocker(granted, cutoffs, operator), is_late))
}
