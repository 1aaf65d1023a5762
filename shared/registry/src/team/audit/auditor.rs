//! Reads the tables part by part and checks their items.
//!
//! Reading takes time, and the tables change during the audit. So a suspicious item is read again before it becomes a finding: a
//! registration or a delete between two reads is not a finding. Therefore the first reads need not be consistent, which halves the cost
//! of the audit; the second ones are.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use cee_eligibility::{ApplicationId, Instant, OperatorId, Rules};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::read::Consistency;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::application::{Application, NameTaken};
use crate::records::claim_item::granted;
use crate::records::claim_keys::ClaimKeys;
use crate::records::ids::{ExportId, ImportId};
use crate::stores::applications::Applications;
use crate::stores::archive::Archive;
use crate::stores::changes::Changes;
use crate::stores::claims::ClaimTable;
use crate::stores::exports::Exports;
use crate::stores::imports::table::Imports;
use crate::stores::journeys::Journeys;
use crate::team::audit::checks::{claim_findings, import_findings, journey_finding};
use crate::team::audit::exports::export_findings;
use crate::team::audit::finding::{Finding, NO_UUID};
use crate::team::audit::known::ApplicationLookup;
use crate::team::audit::part::{AuditPlace, Audited};

/// How many items one request reads: what DynamoDB returns per batch.
const PAGE: i32 = 100;

/// The tables whose items must agree.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) claims: ClaimTable,
    pub(super) applications: Applications,
    /// The applications, live and erased.
    lookup: ApplicationLookup,
    pub(super) archive: Archive,
    pub(super) journeys: Journeys,
    pub(super) changes: Changes,
    /// How the changes are read.
    pub(super) consistency: Consistency,
}

impl Reader {
    /// The same tables, whose reads may lack the writes of the last second and cost half.
    fn eventual(self) -> Self {
        Self {
            claims: ClaimTable { table: self.claims.table.eventual() },
            applications: Applications { table: self.applications.table.eventual() },
            lookup: self.lookup.eventual(),
            archive: Archive { table: self.archive.table.eventual() },
            changes: self.changes,
            consistency: Consistency::Eventual,
            journeys: Journeys { table: self.journeys.table.eventual() },
        }
    }
}

/// Checks the tables. Writes nothing.
#[derive(Clone, Debug)]
pub struct TableAuditor {
    pub(super) keys: ClaimKeys,
    /// Reads everything once, eventually consistent.
    first: Reader,
    /// Reads again what is suspicious, consistent.
    pub(super) again: Reader,
    imports: Imports,
    exports: Exports,
}

impl TableAuditor {
    /// An auditor of these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        let again = Reader {
            claims: ClaimTable::new(db.clone(), tables),
            applications: Applications::new(db.clone(), tables),
            lookup: ApplicationLookup::new(db.clone(), tables, keys.clone()),
            archive: Archive::new(db.clone(), tables),
            journeys: Journeys::new(db.clone(), tables),
            changes: Changes::new(db.clone(), tables),
            consistency: Consistency::Strong,
        };
        let (imports, exports) = (Imports::new(db.clone(), tables), Exports::new(db, tables));
        Self { first: again.clone().eventual(), again, imports, exports, keys }
    }

    /// Checks the next part of the tables: a hundred items. `now` is the registry's time: changes expire by it.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or if an item cannot be read.
    pub async fn audit(
        &self,
        place: &AuditPlace,
        rules: &Rules,
        now: Instant,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        match place {
            AuditPlace::Start => self.audit_applications(None, deadline).await,
            AuditPlace::Applications(after) => self.audit_applications(Some(after), deadline).await,
            AuditPlace::Claims(after) => self.audit_claims(after.as_deref(), rules, deadline).await,
            AuditPlace::Imports(after) => self.audit_imports(*after, deadline).await,
            AuditPlace::Changes(after) => self.audit_changes(*after, now, deadline).await,
            AuditPlace::Exports(after) => self.audit_exports(*after, deadline).await,
            AuditPlace::Reports(_) | AuditPlace::Files(_) | AuditPlace::End => {
                Ok(Audited { place: AuditPlace::End, ..Audited::default() })
            }
        }
    }

    /// Skips the part at this place, whose check panicked, so that one item does not prevent the check of all later items. The part is
    /// reported as unreadable.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn pass_over(&self, place: &AuditPlace, deadline: Deadline) -> Result<Audited, StoreError> {
        let next = match place {
            AuditPlace::Start => self.applications_after(None, deadline).await?.1,
            AuditPlace::Applications(after) => self.applications_after(Some(after), deadline).await?.1,
            AuditPlace::Claims(after) => self.claims_after(after.as_deref(), deadline).await?.1,
            AuditPlace::Imports(after) => self.imports_after(*after, deadline).await?.1,
            AuditPlace::Changes(after) => self.changes_after(*after, deadline).await?.1,
            AuditPlace::Exports(after) => self.exports_after(*after, deadline).await?.1,
            AuditPlace::Reports(_) | AuditPlace::Files(_) | AuditPlace::End => AuditPlace::End,
        };
        Ok(Audited::passed_over(place, next))
    }

    async fn applications_after(
        &self,
        after: Option<&str>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, AuditPlace), StoreError> {
        let (items, next) = self.first.applications.table.page(after, PAGE, deadline).await?;
        Ok((items, next.map_or(AuditPlace::Claims(None), AuditPlace::Applications)))
    }

    async fn audit_applications(&self, after: Option<&str>, deadline: Deadline) -> Result<Audited, StoreError> {
        let (items, place) = self.applications_after(after, deadline).await?;
        let checked = self.check_applications(&self.first, items, deadline).await?;
        Ok(Audited { place, ..checked })
    }

    /// Checks these applications against their journeys and claims, which `first` reads.
    pub(super) async fn check_applications(
        &self,
        first: &Reader,
        mut items: Vec<Item>,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        items.retain(|item| NameTaken::of(item).is_none());
        let mut audited = Audited { applications: items.len() as u64, ..Audited::default() };
        let mut applications = Vec::with_capacity(items.len());
        for item in items {
            // The item's key, if it is a UUID. A person may have written the item, and its key may contain anything.
            let uuid = text(&item, "uuid").and_then(ApplicationId::parse);
            match Application::from_item(item) {
                Ok(application) => applications.push(application),
                Err(_) => {
                    audited.damaged.applications.extend(uuid.map(|uuid| uuid.to_string()));
                    let key = uuid.map_or_else(|| NO_UUID.to_owned(), |uuid| uuid.to_string());
                    audited.findings.insert(Finding::Unreadable("applications", key));
                }
            }
        }
        for (uuid, finding) in self.journey_findings(first, &applications, deadline).await? {
            audited.damaged.applications.insert(uuid.to_string());
            audited.findings.insert(finding);
        }
        for suspicious in first.claims.unclaimed(&applications, &self.keys, deadline).await? {
            let (uuid, kind) = suspicious;
            // It may have been deleted or given a key since it was read.
            let Some(now) = self.again.applications.find(uuid).await? else { continue };
            if self.again.claims.unclaimed(&[now], &self.keys, deadline).await?.contains(&suspicious) {
                audited.damaged.applications.insert(uuid.to_string());
                audited.findings.insert(Finding::Unclaimed(uuid, kind));
            }
        }
        Ok(audited)
    }

    /// The findings about the journeys of these applications.
    async fn journey_findings(
        &self,
        first: &Reader,
        applications: &[Application],
        deadline: Deadline,
    ) -> Result<Vec<(ApplicationId, Finding)>, StoreError> {
        let mut found = Vec::new();
        for (uuid, suspicious) in look_at_journeys(&first.journeys, applications, deadline).await? {
            // It may have been deleted or given a key since it was read.
            let Some(now) = self.again.applications.find(uuid).await? else { continue };
            let again = look_at_journeys(&self.again.journeys, &[now], deadline).await?;
            found.extend(again.into_iter().filter(|(_, finding)| *finding == suspicious));
        }
        Ok(found)
    }

    async fn claims_after(
        &self,
        after: Option<&str>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, AuditPlace), StoreError> {
        let (items, next) = self.first.claims.page(after, PAGE, deadline).await?;
        Ok((items, next.map_or(AuditPlace::Imports(None), |next| AuditPlace::Claims(Some(next)))))
    }

    async fn audit_claims(
        &self,
        after: Option<&str>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let (items, place) = self.claims_after(after, deadline).await?;
        let checked = self.check_claims(&self.first, &items, rules, deadline).await?;
        Ok(Audited { place, ..checked })
    }

    /// Checks these claim items against the applications that they refer to, which `first` reads.
    pub(super) async fn check_claims(
        &self,
        first: &Reader,
        items: &[Item],
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let mut audited = Audited { claims: items.len() as u64, ..Audited::default() };
        let mut named = BTreeSet::new();
        for item in items {
            // Items that cannot be read are reported below.
            named.extend(granted(item).unwrap_or_default().into_iter().map(|granted| granted.uuid));
        }
        let known = first.lookup.find(&named, deadline).await?;
        for item in items {
            let key = text(item, PK).unwrap_or_default().to_owned();
            let suspicious = claim_findings(item, &key, &known, rules);
            if suspicious.is_empty() {
                continue;
            }
            // The item may have changed since it was read, so it is read again.
            let Some(item) = self.again.claims.table.items([key.as_str()], deadline).await?.pop() else { continue };
            let named = granted(&item).unwrap_or_default().into_iter().map(|granted| granted.uuid).collect();
            let known = self.again.lookup.find(&named, deadline).await?;
            let mut found = claim_findings(&item, &key, &known, rules);
            found.retain(|finding| suspicious.contains(finding));
            if !found.is_empty() {
                audited.damaged.claims.insert(key);
            }
            audited.findings.extend(found);
        }
        Ok(audited)
    }

    async fn imports_after(
        &self,
        after: Option<(u32, ImportId)>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, AuditPlace), StoreError> {
        let (items, next) = self.imports.page(after, PAGE, deadline).await?;
        Ok((items, next.map_or(AuditPlace::Changes(None), |next| AuditPlace::Imports(Some(next)))))
    }

    async fn audit_imports(&self, after: Option<(u32, ImportId)>, deadline: Deadline) -> Result<Audited, StoreError> {
        let (items, place) = self.imports_after(after, deadline).await?;
        let mut audited = Audited { imports: items.len() as u64, place, ..Audited::default() };
        for item in &items {
            audited.findings.extend(import_findings(item));
        }
        Ok(audited)
    }

    async fn changes_after(
        &self,
        after: Option<(OperatorId, u64)>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, AuditPlace), StoreError> {
        let Reader { changes, consistency, .. } = &self.first;
        let (items, next) = changes.page(after, PAGE, *consistency, deadline).await?;
        Ok((items, next.map_or(AuditPlace::Exports(None), |next| AuditPlace::Changes(Some(next)))))
    }

    async fn audit_changes(
        &self,
        after: Option<(OperatorId, u64)>,
        now: Instant,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let (items, place) = self.changes_after(after, deadline).await?;
        let checked = self.check_changes(&self.first, items, now, deadline).await?;
        Ok(Audited { place, ..checked })
    }

    async fn exports_after(
        &self,
        after: Option<(OperatorId, ExportId)>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, AuditPlace), StoreError> {
        let (items, next) = self.exports.page(after, PAGE, deadline).await?;
        Ok((items, next.map_or(AuditPlace::End, |next| AuditPlace::Exports(Some(next)))))
    }

    async fn audit_exports(
        &self,
        after: Option<(OperatorId, ExportId)>,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let (items, place) = self.exports_after(after, deadline).await?;
        let mut audited = Audited { exports: items.len() as u64, place, ..Audited::default() };
        for item in &items {
            let (found, objects) = export_findings(item);
            audited.findings.extend(found);
            audited.objects.extend(objects);
        }
        Ok(audited)
    }
}

/// The suspicious journeys of these applications. One request if any of them has a journey.
async fn look_at_journeys(
    journeys: &Journeys,
    applications: &[Application],
    deadline: Deadline,
) -> Result<Vec<(ApplicationId, Finding)>, StoreError> {
    let short: Vec<(&Application, String)> =
        applications.iter().filter_map(|application| Some((application, application.journey_key()?))).collect();
    if short.is_empty() {
        return Ok(Vec::new());
    }
    let keys: BTreeSet<&str> = short.iter().map(|(_, key)| key.as_str()).collect();
    let items = journeys.table.items(keys, deadline).await?;
    let items: HashMap<&str, &Item> = items.iter().filter_map(|item| Some((text(item, PK)?, item))).collect();
    let finding = |(application, key): (&Application, String)| {
        journey_finding(application, items.get(key.as_str()).copied()).map(|finding| (application.uuid, finding))
    };
    Ok(short.into_iter().filter_map(finding).collect())
}
