//! Counts what the tables show, and keeps the counts beside those of the calls.
//!
//! The counts are exact for everything that was written before the recount began: it reads the table of applications first and the
//! archive second, and a delete moves an application in one transaction, so no application is missing; one that moved between the two
//! reads is seen twice and counted once.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use cee_eligibility::{ApplicationId, Instant, JourneyType, OperatorId, Week};
use serde::Deserialize;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, instant, integer, text};
use crate::dynamo::read::each;
use crate::dynamo::tables::Tables;
use crate::records::application::{NameTaken, corrupt};
use crate::records::archive::{DELETED_AT, DELETED_AT_OF_ERASED};
use crate::records::import::{corrupt as corrupt_import, name, value};
use crate::records::statistics::{Cell, Counts, Outcome, Source};
use crate::stores::applications::Applications;
use crate::stores::archive::Archive;
use crate::stores::imports::table::Imports;
use crate::stores::statistics::Statistics;

/// The counts of each operator's weeks.
pub type Counted = BTreeMap<(Week, OperatorId), Counts>;

/// Counts what the tables show.
#[derive(Clone, Debug)]
pub struct Recounter {
    applications: Applications,
    archive: Archive,
    imports: Imports,
    statistics: Statistics,
}

/// The part of an import's report that is counted.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    check_only: bool,
    imported: u64,
    already_known: u64,
    rejected: u64,
    /// Only the report of a list of drivers has it.
    #[serde(default)]
    eligible: Option<u64>,
    #[serde(default)]
    undone: Option<Undone>,
}

#[derive(Deserialize)]
struct Undone {
    removed: u64,
}

impl Recounter {
    /// A recounter of these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self {
            applications: Applications::new(db.clone(), tables),
            archive: Archive::new(db.clone(), tables),
            imports: Imports::new(db.clone(), tables),
            statistics: Statistics::new(db, tables),
        }
    }

    /// Counts what the tables show. Reads the applications, the archive and the imports, the deleted and erased applications included.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if an item is malformed: a count without it would be wrong.
    pub async fn count(&self) -> Result<Counted, StoreError> {
        let mut counted = Counted::new();
        let mut seen = HashSet::new();
        let mut grant = |counted: &mut Counted, item: &Item| -> Result<(OperatorId, JourneyType), StoreError> {
            let uuid = text(item, "uuid").and_then(ApplicationId::parse).ok_or(corrupt("uuid"))?;
            let (operator, journey_type) = (operator(item)?, journey_type(item)?);
            let registered_at = instant(item, "registered_at").ok_or(corrupt("registered_at"))?;
            if seen.insert(uuid) {
                add(counted, (registered_at, operator), Some(journey_type), Outcome::Granted, 1);
            }
            Ok((operator, journey_type))
        };
        each(counted_attributes(self.applications.table.scan()), |item| {
            // A marker stands for an application in the archive, or for one that never was.
            if NameTaken::of(&item).is_none() {
                grant(&mut counted, &item)?;
            }
            Ok(())
        })
        .await?;
        each(counted_attributes(self.archive.table.scan()), |item| {
            let (operator, journey_type) = grant(&mut counted, &item)?;
            if let Some(deleted_at) = instant(&item, DELETED_AT).or_else(|| instant(&item, DELETED_AT_OF_ERASED)) {
                add(&mut counted, (deleted_at, operator), Some(journey_type), Outcome::Deleted, 1);
            }
            Ok(())
        })
        .await?;
        each(self.imports.scan_of_reports(), |item| {
            // The registry's own files, and imports that have not ended, are not counted.
            let (Some(operator), _) = name(&item)? else { return Ok(()) };
            let Some(report) = value::<Report>(&item, "report")? else { return Ok(()) };
            let began = instant(&item, "started_at").or_else(|| instant(&item, "created_at"));
            let began = began.ok_or(corrupt_import("created_at"))?;
            // The rows of a list of drivers are questions, and no history.
            if !report.check_only && report.eligible.is_none() {
                for (outcome, rows) in [
                    (Outcome::Imported, report.imported),
                    (Outcome::AlreadyKnown, report.already_known),
                    (Outcome::Rejected, report.rejected),
                    (Outcome::TakenBack, report.undone.map_or(0, |undone| undone.removed)),
                ] {
                    add(&mut counted, (began, operator), None, outcome, rows);
                }
            }
            Ok(())
        })
        .await?;
        Ok(counted)
    }

    /// Counts what the tables show, and keeps it: the stored counts of every week equal those of the tables then. `now` is the moment
    /// before the first read. Returns the number of weeks that changed.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if an item is malformed; the call may be repeated.
    pub async fn keep(&self, now: Instant) -> Result<usize, StoreError> {
        let counted = self.count().await?;
        let kept: BTreeMap<_, _> =
            self.statistics.all().await?.into_iter().map(|week| ((week.week, week.operator), week)).collect();
        let none = Counts::new();
        let mut changed = 0;
        for (week, operator) in counted.keys().chain(kept.keys().filter(|key| !counted.contains_key(*key))).copied() {
            let counts = counted.get(&(week, operator)).unwrap_or(&none);
            let old = kept.get(&(week, operator)).map(|kept| &kept.counts);
            let is_same = old.is_some_and(|old| {
                old.iter().filter(|(cell, _)| cell.outcome.source() == Source::Tables).eq(counts.iter())
            });
            if !is_same {
                changed += usize::from(self.statistics.replace((operator, week), counts, old, now).await?);
            }
        }
        self.statistics.note_recount(now).await?;
        Ok(changed)
    }
}

/// A scan that returns only what is counted.
fn counted_attributes(scan: ScanFluentBuilder) -> ScanFluentBuilder {
    let attributes =
        ["operator_id", "journey_type", "registered_at", DELETED_AT, DELETED_AT_OF_ERASED, NameTaken::ATTRIBUTE];
    scan.projection_expression(format!("#uuid, {}", attributes.join(", "))).expression_attribute_names("#uuid", "uuid")
}

fn operator(item: &Item) -> Result<OperatorId, StoreError> {
    let id = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok()).ok_or(corrupt("operator_id"))?;
    OperatorId::new(id).map_err(|_| corrupt("operator_id"))
}

fn journey_type(item: &Item) -> Result<JourneyType, StoreError> {
    let word = text(item, "journey_type").ok_or(corrupt("journey_type"))?;
    JourneyType::parse(word).map_err(|_| corrupt("journey_type"))
}

fn add(
    counted: &mut Counted,
    (moment, operator): (Instant, OperatorId),
    journey_type: Option<JourneyType>,
    outcome: Outcome,
    number: u64,
) {
    if number > 0 {
        let week = counted.entry((Week::of(moment), operator)).or_default();
        *week.entry(Cell { journey_type, outcome }).or_default() += number;
    }
}
