//! The parts of an audit: where a part begins, and its result.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cee_eligibility::{ApplicationId, OperatorId};

use crate::records::ids::{ExportId, ImportId};
use crate::team::audit::affected::Affected;
use crate::team::audit::exports::ExportObjects;
use crate::team::audit::finding::Finding;

/// The place where a part of an audit begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditPlace {
    /// The beginning.
    #[default]
    Start,
    /// Among the applications, after this one.
    Applications(String),
    /// Among the claims, after the item with this key; `None`: before the first.
    Claims(Option<String>),
    /// Among the imports, after this one of this operator (0: the registry); `None`: before the first.
    Imports(Option<(u32, ImportId)>),
    /// Among the changes of all operators, after this one; `None`: before the first.
    Changes(Option<(OperatorId, u64)>),
    /// Among the exports, after this one; `None`: before the first.
    Exports(Option<(OperatorId, ExportId)>),
    /// Among the reports on S3, after the report with this key; `None`: before the first. [`TableAuditor`](super::auditor::TableAuditor)
    /// has no access to a bucket, so it neither moves to this place nor checks it.
    Reports(Option<String>),
    /// Among the files of exports on S3, after the file with this key; `None`: before the first. As for the reports.
    Files(Option<String>),
    /// The end.
    End,
}

const NO_PLACE: &str = "must be a place as an audit tells it";

impl fmt::Display for AuditPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Applications(after) => write!(f, "applications:{after}"),
            Self::Claims(after) => write!(f, "claims:{}", after.as_deref().unwrap_or_default()),
            Self::Imports(None) => f.write_str("imports:"),
            Self::Imports(Some((operator, id))) => write!(f, "imports:{operator}/{id}"),
            Self::Changes(None) => f.write_str("changes:"),
            Self::Changes(Some((operator, number))) => write!(f, "changes:{operator}/{number}"),
            Self::Exports(None) => f.write_str("exports:"),
            Self::Exports(Some((operator, id))) => write!(f, "exports:{operator}/{id}"),
            Self::Reports(after) => write!(f, "reports:{}", after.as_deref().unwrap_or_default()),
            Self::Files(after) => write!(f, "files:{}", after.as_deref().unwrap_or_default()),
            Self::End => f.write_str("end"),
        }
    }
}

impl FromStr for AuditPlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "start" => Ok(Self::Start),
            None if text == "end" => Ok(Self::End),
            Some(("applications", after)) => Ok(Self::Applications(after.to_owned())),
            Some(("claims", after)) => Ok(Self::Claims(Some(after.to_owned()).filter(|after| !after.is_empty()))),
            Some(("imports", "")) => Ok(Self::Imports(None)),
            Some(("imports", after)) => {
                let after = after
                    .split_once('/')
                    .and_then(|(operator, id)| Some((operator.parse().ok()?, ImportId::parse(id)?)));
                after.map(|after| Self::Imports(Some(after))).ok_or(NO_PLACE)
            }
            Some(("changes", "")) => Ok(Self::Changes(None)),
            Some(("changes", after)) => {
                let after = after
                    .split_once('/')
                    .and_then(|(operator, number)| Some((OperatorId::parse(operator).ok()?, number.parse().ok()?)));
                after.map(|after| Self::Changes(Some(after))).ok_or(NO_PLACE)
            }
            Some(("exports", "")) => Ok(Self::Exports(None)),
            Some(("exports", after)) => {
                let after = after
                    .split_once('/')
                    .and_then(|(operator, id)| Some((OperatorId::parse(operator).ok()?, ExportId::parse(id)?)));
                after.map(|after| Self::Exports(Some(after))).ok_or(NO_PLACE)
            }
            Some(("reports", after)) => Ok(Self::Reports(Some(after.to_owned()).filter(|after| !after.is_empty()))),
            Some(("files", after)) => Ok(Self::Files(Some(after.to_owned()).filter(|after| !after.is_empty()))),
            _ => Err(NO_PLACE),
        }
    }
}

/// The result of a part of an audit.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// The number of applications that were checked.
    pub applications: u64,
    /// The number of claim items that were checked.
    pub claims: u64,
    /// The number of imports that were checked.
    pub imports: u64,
    /// The number of changes that were checked.
    pub changes: u64,
    /// The number of exports that were checked.
    pub exports: u64,
    /// The number of reports on S3 that were checked.
    pub reports: u64,
    /// The number of files of exports on S3 that were checked.
    pub files: u64,
    /// What the exports say of objects on S3. [`TableAuditor`](super::auditor::TableAuditor) has no access to a bucket, so it does not
    /// check it.
    pub objects: Vec<ExportObjects>,
    /// The findings. Several parts may report the same finding.
    pub findings: BTreeSet<Finding>,
    /// The applications, claim items and changes with a finding. Checking them again tells whether the damage is still there.
    pub damaged: Affected,
    /// Where the next part begins.
    pub place: AuditPlace,
}

impl Audited {
    /// The result of a part whose check panicked. The audit continues with the next part.
    #[must_use]
    pub fn passed_over(place: &AuditPlace, next: AuditPlace) -> Self {
        // A person may have written the item, and its key may contain anything.
        let place = match place {
            AuditPlace::Applications(after) if ApplicationId::parse(after).is_none() => "applications:".to_owned(),
            AuditPlace::Reports(_) => "reports:".to_owned(),
            AuditPlace::Files(_) => "files:".to_owned(),
            place => place.to_string(),
        };
        Self { findings: [Finding::PassedOver(place)].into(), place: next, ..Self::default() }
    }

    /// Adds the result of another check. The place stays.
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            applications,
            claims,
            imports,
            changes,
            exports,
            reports,
            files,
            objects,
            findings,
            damaged,
            place: _,
        } = other;
        self.applications += applications;
        self.claims += claims;
        self.imports += imports;
        self.changes += changes;
        self.exports += exports;
        self.reports += reports;
        self.files += files;
        self.objects.extend(objects);
        self.findings.extend(findings);
        self.damaged.extend(damaged);
    }

    /// The number of items that were checked.
    #[must_use]
    pub const fn items(&self) -> u64 {
        self.applications + self.claims + self.imports + self.changes + self.exports + self.reports + self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_round_trips_as_text() {
        let after = Some("x:y".to_owned());
        for place in [
            AuditPlace::Start,
            AuditPlace::Applications("1c9d8b1e".to_owned()),
            AuditPlace::Claims(None),
            AuditPlace::Claims(after),
            AuditPlace::Imports(None),
            AuditPlace::Imports(Some((7, ImportId::from_bytes([7; 16])))),
            AuditPlace::Changes(None),
            AuditPlace::Changes(OperatorId::new(7).ok().map(|operator| (operator, 12))),
            AuditPlace::Exports(None),
            AuditPlace::Exports(OperatorId::new(7).ok().zip(ExportId::parse("018f332ae40170008000000000000000"))),
            AuditPlace::Reports(None),
            AuditPlace::Files(None),
            AuditPlace::Files(Some("exports/7/a:b.csv".to_owned())),
            AuditPlace::Reports(Some("reports/7/a:b.json".to_owned())),
            AuditPlace::End,
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for nowhere in [
            "",
            "middle",
            "started",
            "claim:x",
            "end:",
            "imports:x",
            "imports:7/x",
            "changes:x",
            "changes:0/1",
            "changes:7/x",
            "exports:7",
            "exports:7/x",
        ] {
            assert!(nowhere.parse::<AuditPlace>().is_err(), "{nowhere}");
        }
    }
}
