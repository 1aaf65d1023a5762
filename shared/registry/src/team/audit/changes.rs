//! Checks what a change of the tables may have damaged: the changed items, and the items that must agree with them.

use std::collections::BTreeSet;

use cee_eligibility::{ApplicationId, Rules};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::retry::Deadline;
use crate::records::application::Application;
use crate::records::claim_item::granted;
use crate::records::pepper;
use crate::team::audit::auditor::TableAuditor;
use crate::team::audit::part::{AuditPlace, Audited};

/// How many items one request reads.
const AT_ONCE: usize = 100;

/// A table whose changes may damage applications or claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedTable {
    /// Applications.
    Applications,
    /// Claims.
    Claims,
    /// Journeys.
    Journeys,
}

/// What a change may have damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    applications: BTreeSet<ApplicationId>,
    /// The keys of claim items.
    claims: BTreeSet<String>,
}

impl Affected {
    /// The number of items to check.
    #[must_use]
    pub fn items(&self) -> usize {
        self.applications.len() + self.claims.len()
    }
}

impl TableAuditor {
    /// Adds what an item refers to. An item is to be added as it was before the change and as it is after it: what it no longer refers
    /// to may be the damage.
    pub fn add_affected(&self, table: ChangedTable, item: &Item, affected: &mut Affected) {
        match table {
            ChangedTable::Applications => {
                affected.applications.extend(text(item, "uuid").and_then(ApplicationId::parse));
                // An item that cannot be read has no known claims; the check reports it.
                if let Ok(Application { journey_type, identity, .. }) = Application::from_item(item.clone()) {
                    affected
                        .claims
                        .extend(self.keys.claims(journey_type, &identity).into_iter().map(|claim| claim.key));
                }
            }
            ChangedTable::Claims if pepper::is_check(item) => {}
            ChangedTable::Claims => {
                affected.claims.extend(text(item, PK).map(str::to_owned));
                affected.applications.extend(granted(item).unwrap_or_default().into_iter().map(|granted| granted.uuid));
            }
            ChangedTable::Journeys => {
                affected.applications.extend(text(item, "used_by").and_then(ApplicationId::parse));
            }
        }
    }

    /// Checks these items. All reads are consistent: an eventually consistent read could return an item as it was before the change.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn audit_affected(
        &self,
        affected: &Affected,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let mut audited = Audited { place: AuditPlace::End, ..Audited::default() };
        let uuids: Vec<String> = affected.applications.iter().map(ToString::to_string).collect();
        for some in uuids.chunks(AT_ONCE) {
            let items = self.again.applications.table.items(some.iter().map(String::as_str), deadline).await?;
            let checked = self.check_applications(&self.again, items, deadline).await?;
            audited.applications += checked.applications;
            audited.findings.extend(checked.findings);
        }
        let keys: Vec<&str> = affected.claims.iter().map(String::as_str).collect();
        for some in keys.chunks(AT_ONCE) {
            let items = self.again.claims.table.items(some.iter().copied(), deadline).await?;
            let checked = self.check_claims(&self.again, &items, rules, deadline).await?;
            audited.claims += checked.claims;
            audited.findings.extend(checked.findings);
        }
        Ok(audited)
    }
}
