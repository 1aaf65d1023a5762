//! The stored data about the applications that a claim item refers to.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use cee_eligibility::{ApplicationId, Instant, JourneyType, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, instant, text};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::application::{Application, NameTaken};
use crate::records::archive::{DELETED_AT_OF_ERASED, ERASED_AT};
use crate::records::claim_keys::{Claim, ClaimKeys, Tag};
use crate::stores::applications::Applications;
use crate::stores::archive::Archive;

/// The stored data about an application that a claim refers to.
pub(super) struct Known {
    pub(super) journey_type: Option<JourneyType>,
    pub(super) operator: Option<OperatorId>,
    pub(super) datetime: Option<Instant>,
    /// `None`: unknown, because the application is erased or cannot be read.
    pub(super) belongs: Option<Belongs>,
}

/// The claims that an application must have.
pub(super) struct Belongs {
    pub(super) claims: Vec<Claim>,
    /// The tags of its identity keys, which its record on the truncated identity must contain.
    pub(super) tags: Vec<Tag>,
}

impl Belongs {
    /// Its claim on the item with this key.
    pub(super) fn on(&self, key: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.key == key)
    }
}

/// The tables that may contain an application.
#[derive(Clone, Debug)]
pub(super) struct ApplicationLookup {
    keys: ClaimKeys,
    applications: Applications,
    archive: Archive,
}

impl ApplicationLookup {
    pub(super) fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self { keys, applications: Applications::new(db.clone(), tables), archive: Archive::new(db, tables) }
    }

    /// The same tables, whose reads may lack the writes of the last second and cost half.
    pub(super) fn eventual(self) -> Self {
        let Self { keys, applications, archive } = self;
        let applications = Applications { table: applications.table.eventual() };
        Self { keys, applications, archive: Archive { table: archive.table.eventual() } }
    }

    /// The existing applications among these UUIDs: live ones, and erased ones of which only a trace without personal data is left.
    pub(super) async fn find(
        &self,
        named: &BTreeSet<ApplicationId>,
        deadline: Deadline,
    ) -> Result<HashMap<ApplicationId, Known>, StoreError> {
        let mut known = HashMap::new();
        let uuids: Vec<String> = named.iter().map(ToString::to_string).collect();
        let items = self.applications.table.items(uuids.iter().map(String::as_str), deadline).await?;
        // An application that cannot be read exists nevertheless.
        let live = items.into_iter().filter(|item| NameTaken::of(item).is_none());
        known.extend(live.filter_map(|item| self.known(item)));
        let missing = |uuid: &&ApplicationId| !known.contains_key(uuid);
        let uuids: Vec<String> = named.iter().filter(missing).map(ToString::to_string).collect();
        let items = self.archive.table.items(uuids.iter().map(String::as_str), deadline).await?;
        // A deleted application has no claims. An erased application keeps its claims, unless it was deleted before.
        let is_erased = |item: &Item| item.contains_key(ERASED_AT) && !item.contains_key(DELETED_AT_OF_ERASED);
        known.extend(items.into_iter().filter(is_erased).filter_map(|item| self.known(item)));
        Ok(known)
    }

    fn known(&self, item: Item) -> Option<(ApplicationId, Known)> {
        let uuid = text(&item, "uuid").and_then(ApplicationId::parse)?;
        let journey_type = text(&item, "journey_type").and_then(|word| JourneyType::parse(word).ok());
        let operator = item.get("operator_id").and_then(|id| id.as_n().ok());
        let operator = operator.and_then(|id| OperatorId::parse(id).ok());
        let datetime = instant(&item, "datetime");
        let application = Application::from_item(item).ok();
        let belongs = application.map(|Application { journey_type, identity, .. }| Belongs {
            claims: self.keys.claims(journey_type, &identity),
            tags: self.keys.tags(&identity.identity_keys),
        });
        Some((uuid, Known { journey_type, operator, datetime, belongs }))
    }
}
