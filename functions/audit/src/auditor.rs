//! The audit itself, shared by the command `cee audit` and the function: walks through the tables (with [`TableAuditor`]) and then through
//! the reports on S3, a part at a time.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_sdk_s3::Client;
use cee_eligibility::{Instant, OperatorId, Rules};
use cee_registry::{
    Affected, AuditPlace, Audited, Deadline, EXPORT_FILES, ExportId, ExportObjects, Exports, Finding, ImportId,
    ImportRecord, Imports, PepperCheck, TableAuditor, Tables, export_of_file,
};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::{Clock, Environment, SettingError, trap};
use futures_util::FutureExt as _;

use crate::bucket::Bucket;
use crate::error::AuditError;
use crate::event::AuditEvent;

/// The time limit of one part.
const PATIENCE: Duration = Duration::from_secs(60);

/// The prefix of reports; the number of the operator that may read them follows.
const REPORTS: &str = "reports/";

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &[
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "CHANGES_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "EXPORTS_TABLE",
];

/// How long before the last moment of an export's file the audit no longer looks for it, in milliseconds: the two clocks may differ.
const EARLY: i64 = 60 * 60 * 1000;

/// The days after its request for which every export has an item: a day less than DynamoDB keeps it.
const EXPORT_DAYS: u16 = 29;

/// Goes through the tables and the reports, part by part. Read-only.
#[derive(Clone, Debug)]
pub struct Auditor {
    tables: TableAuditor,
    imports: Imports,
    exports: Exports,
    rules: Rules,
    clock: Clock,
    bucket: Bucket,
}

impl Auditor {
    /// An auditor of these tables and this bucket. `clock` is the registry's.
    #[must_use]
    pub fn new(
        tables: TableAuditor,
        (imports, exports): (Imports, Exports),
        (rules, clock): (Rules, Clock),
        s3: Client,
        bucket: String,
    ) -> Self {
        Self { tables, imports, exports, rules, clock, bucket: Bucket::new(s3, bucket) }
    }

    /// An auditor with its settings and clients, and the check of its pepper.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub fn from_environment(environment: &Environment, aws: &Aws) -> Result<(Self, PepperCheck), SettingError> {
        let tables: Tables = environment.tables_with(TABLES)?;
        let (bucket, rules, keys) = (environment.required("BUCKET")?, environment.rules()?, environment.claim_keys()?);
        let db = aws.dynamodb_patient();
        let of_s3 = (Imports::new(db.clone(), &tables), Exports::new(db.clone(), &tables));
        let auditor = TableAuditor::new(db.clone(), &tables, keys.clone());
        let auditor = Self::new(auditor, of_s3, (rules, environment.clock()?), aws.s3(), bucket);
        Ok((auditor, PepperCheck::new(db, &tables, keys)))
    }

    pub(crate) const fn imports(&self) -> &Imports {
        &self.imports
    }

    pub(crate) const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The items that the changes in an event may have damaged. `None`: the schedule invokes the function.
    pub(crate) fn affected(&self, event: AuditEvent) -> Option<Affected> {
        event.affected(&self.tables)
    }

    /// Checks these items.
    pub(crate) async fn audit_affected(&self, affected: &Affected) -> Result<Audited, AuditError> {
        let now = self.clock.now();
        Ok(self.tables.audit_affected(affected, &self.rules, now, Deadline::after(PATIENCE)).await?)
    }

    /// Continues from a position, at most `parts_per_second` parts of a hundred items a second, to the end or until `see` stops it.
    /// `see` is called for each part. A part that panics is a finding and is skipped: otherwise it would panic again, and the parts
    /// after it would never be audited.
    ///
    /// # Errors
    /// [`AuditError`] if something cannot be read; the parts already passed to `see` stay valid.
    pub async fn walk(
        &self,
        from: AuditPlace,
        parts_per_second: u32,
        mut see: impl FnMut(&Audited) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        let pause = Duration::from_secs(1) / parts_per_second.max(1);
        let mut place = from;
        while place != AuditPlace::End {
            let part = match AssertUnwindSafe(self.part(&place)).catch_unwind().await {
                Ok(part) => part?,
                Err(_) => {
                    let passed_over = AssertUnwindSafe(self.pass_over(&place)).catch_unwind().await;
                    passed_over.unwrap_or(Err(AuditError::Panic))?
                }
            };
            if see(&part).is_break() {
                break;
            }
            place = part.place;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn part(&self, place: &AuditPlace) -> Result<Audited, AuditError> {
        trap::spring("part", || place.to_string());
        let deadline = Deadline::after(PATIENCE);
        match place {
            AuditPlace::Reports(after) => return self.audit_reports(after.as_deref(), deadline).await,
            AuditPlace::Files(after) => return self.audit_files(after.as_deref(), deadline).await,
            _ => {}
        }
        let mut part = self.tables.audit(place, &self.rules, self.clock.now(), deadline).await?;
        for objects in std::mem::take(&mut part.objects) {
            part.findings.extend(self.objects_findings(&objects, machine_now()).await?);
        }
        Ok(then_the_reports(part))
    }

    async fn pass_over(&self, place: &AuditPlace) -> Result<Audited, AuditError> {
        let next = match place {
            AuditPlace::Reports(after) => Some(self.reports_after(after.as_deref()).await?.1),
            AuditPlace::Files(after) => Some(self.files_after(after.as_deref()).await?.1),
            _ => None,
        };
        if let Some(next) = next {
            return Ok(Audited::passed_over(place, next));
        }
        Ok(then_the_reports(self.tables.pass_over(place, Deadline::after(PATIENCE)).await?))
    }

    /// The keys of some reports, and where to continue.
    async fn reports_after(&self, after: Option<&str>) -> Result<(Vec<String>, AuditPlace), AuditError> {
        let (keys, has_more) = self.bucket.keys(REPORTS, after).await?;
        let last = keys.last().filter(|_| has_more).cloned();
        Ok((keys, last.map_or(AuditPlace::Files(None), |last| AuditPlace::Reports(Some(last)))))
    }

    /// The keys of some files of exports, and where to continue.
    async fn files_after(&self, after: Option<&str>) -> Result<(Vec<String>, AuditPlace), AuditError> {
        let (keys, has_more) = self.bucket.keys(EXPORT_FILES, after).await?;
        let last = keys.last().filter(|_| has_more).cloned();
        Ok((keys, last.map_or(AuditPlace::End, |last| AuditPlace::Files(Some(last)))))
    }

    /// Whether an export's file is there as long as it must be, and its pieces are gone. It lists names: the audit may read no file of an
    /// export.
    async fn objects_findings(&self, objects: &ExportObjects, now: Instant) -> Result<Vec<Finding>, AuditError> {
        let ExportObjects { operator, id, file, pieces } = objects;
        let mut found = Vec::new();
        if let Some((key, until)) = file
            && now.millis() < until.millis().saturating_sub(EARLY)
            && !self.bucket.keys(key, None).await?.0.contains(key)
        {
            found.push(Finding::ExportWrong(*operator, *id, "is ready, and its file is not there"));
        }
        let (prefix, until) = pieces;
        if now > *until && !self.bucket.keys(prefix, None).await?.0.is_empty() {
            found.push(Finding::ExportWrong(*operator, *id, "has ended, and its pieces are still there"));
        }
        Ok(found)
    }

    /// Whether each file belongs to an export of the operator under whose number it is stored: that operator can read it.
    async fn audit_files(&self, after: Option<&str>, deadline: Deadline) -> Result<Audited, AuditError> {
        let (keys, place) = self.files_after(after).await?;
        let mut audited = Audited { files: keys.len() as u64, place, ..Audited::default() };
        let mut exports = Vec::new();
        for key in keys {
            match export_of_file(&key) {
                Some(export) => exports.push(export),
                None => {
                    let what = "an object among its exports that is none";
                    audited.findings.insert(Finding::Foreign(whose(&key, EXPORT_FILES).flatten(), what));
                }
            }
        }
        // The item of an older export may have expired. On AWS its file was removed long before.
        let oldest = ExportId::new(machine_now().days_before(EXPORT_DAYS), 0);
        exports.retain(|(_, id)| *id >= oldest);
        // A request names no key twice, and a person may have put two files of one export.
        exports.dedup();
        let known = self.exports.known(&exports, deadline).await?;
        let foreign = exports.iter().filter(|export| !known.contains(export));
        audited.findings.extend(
            foreign.map(|(operator, _)| Finding::Foreign(Some(*operator), "a file of an export that is not its own")),
        );
        Ok(audited)
    }

    /// Whether each report belongs to an import of the operator under whose number it is stored: that operator can read it.
    async fn audit_reports(&self, after: Option<&str>, deadline: Deadline) -> Result<Audited, AuditError> {
        let (keys, place) = self.reports_after(after).await?;
        let mut audited = Audited { reports: keys.len() as u64, place, ..Audited::default() };
        let mut reports = BTreeSet::new();
        for key in keys {
            match (whose(&key, REPORTS), import(&key)) {
                (Some(operator), Some(id)) => {
                    reports.insert((operator, id));
                }
                (operator, _) => {
                    let what = "an object among its reports that is none";
                    audited.findings.insert(Finding::Foreign(operator.flatten(), what));
                }
            }
        }
        let reports: Vec<(Option<OperatorId>, ImportId)> = reports.into_iter().collect();
        let known = self.imports.known(&reports, deadline).await?;
        let foreign = reports.iter().filter(|report| !known.contains(report));
        audited.findings.extend(
            foreign.map(|(operator, _)| Finding::Foreign(*operator, "a report of an import that is not its own")),
        );
        Ok(audited)
    }
}

/// The tables do not refer to the reports, so the reports come after them.
fn then_the_reports(mut part: Audited) -> Audited {
    if part.place == AuditPlace::End {
        part.place = AuditPlace::Reports(None);
    }
    part
}

/// The operator under whose number an object with this prefix is stored; `Some(None)`: the registry.
fn whose(key: &str, prefix: &str) -> Option<Option<OperatorId>> {
    match key.strip_prefix(prefix)?.split_once('/')?.0 {
        "journeys" => Some(None),
        operator => OperatorId::parse(operator).ok().map(Some),
    }
}

/// The import that the report belongs to.
fn import(key: &str) -> Option<ImportId> {
    let name = key.strip_prefix(REPORTS)?.split_once('/')?.1;
    let id = ImportRecord::LEFT.into_iter().find_map(|suffix| name.strip_suffix(suffix))?;
    ImportId::parse(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_key_names_owner_and_import() {
        let id = "0123456789abcdef0123456789abcdef";
        let seven = OperatorId::new(7).ok();
        for (key, expected) in [
            (format!("reports/7/{id}.json"), (Some(seven), ImportId::parse(id))),
            (format!("reports/7/{id}.rejected.csv"), (Some(seven), ImportId::parse(id))),
            (format!("reports/7/{id}.answers.csv"), (Some(seven), ImportId::parse(id))),
            (format!("reports/journeys/{id}.json"), (Some(None), ImportId::parse(id))),
            (format!("reports/7/{id}.csv"), (Some(seven), None)),
            (format!("reports/7/x/{id}.json"), (Some(seven), None)),
            (format!("reports/x/{id}.json"), (None, ImportId::parse(id))),
            ("reports/7".to_owned(), (None, None)),
        ] {
            assert_eq!((whose(&key, REPORTS), import(&key)), expected, "{key}");
        }
    }
}
