//! Checks what a write to the tables may have damaged: the changed items, and the items that must agree with them.

use cee_eligibility::{ApplicationId, Instant, Rules};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::retry::Deadline;
use crate::records::application::Application;
use crate::records::change::key_of;
use crate::records::claim_item::granted;
use crate::records::pepper;
use crate::team::audit::affected::Affected;
use crate::team::audit::auditor::{Reader, TableAuditor};
use crate::team::audit::part::{AuditPlace, Audited};

impl TableAuditor {
    /// Adds what an item of the table with this name refers to. An item is to be added as it was before the change and as it is after
    /// it: what it no longer refers to may be the damage.
    pub fn add_affected(&self, table: &str, item: &Item, affected: &mut Affected) {
        let Reader { claims, applications, journeys, changes, .. } = &self.again;
        if table == applications.table.name() {
            affected.applications.extend(uuid(item, "uuid"));
            // An item that cannot be read has no known claims; the check reports it.
            if let Ok(Application { journey_type, identity, .. }) = Application::from_item(item.clone()) {
                let claims = self.keys.claims(journey_type, &identity).into_iter();
                affected.claims.extend(claims.map(|claim| claim.key));
            }
        } else if table == claims.table.name() && !pepper::is_check(item) {
            affected.claims.extend(text(item, PK).map(str::to_owned));
            let named = granted(item).unwrap_or_default().into_iter();
            affected.applications.extend(named.map(|granted| granted.uuid.to_string()));
        } else if table == journeys.table.name() {
            affected.applications.extend(uuid(item, "used_by"));
        } else if table == changes.name()
            && let Some((operator, number)) = key_of(item)
        {
            affected.add_change(operator, number);
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
        now: Instant,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let Reader { claims, applications, changes, consistency, .. } = &self.again;
        let items = applications.table.items(affected.applications.iter().map(String::as_str), deadline).await?;
        let mut audited = self.check_applications(&self.again, items, deadline).await?;
        let items = claims.table.items(affected.claims.iter().map(String::as_str), deadline).await?;
        audited.add(self.check_claims(&self.again, &items, rules, deadline).await?);
        let items = changes.items(affected.changes(), *consistency, deadline).await?;
        audited.add(self.check_changes(&self.again, items, now, deadline).await?);
        audited.place = AuditPlace::End;
        Ok(audited)
    }
}

/// The UUID under this name. A person may have written the item, and it may contain anything.
fn uuid(item: &Item, name: &str) -> Option<String> {
    text(item, name).and_then(ApplicationId::parse).map(|uuid| uuid.to_string())
}
