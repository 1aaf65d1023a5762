//! Checks an item against the related items.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cee_eligibility::identity::keys_differ;
use cee_eligibility::{ApplicationId, Instant, OperatorId, Rules};
use serde::Deserialize;

use crate::dynamo::item::{Item, instant, integer, text};
use crate::records::application::Application;
use crate::records::claim_item::{Granted, LatestDates, compared_tags, counts, granted};
use crate::records::ids::ImportId;
use crate::records::import::{ImportRecord, ImportState, Work, record, value};
use crate::records::journey::StoredJourney;
use crate::team::audit::finding::Finding;
use crate::team::audit::known::Known;

/// The finding about an application's journey, if any.
pub(super) fn journey_finding(application: &Application, item: Option<&Item>) -> Option<Finding> {
    let uuid = application.uuid;
    let Some(item) = item.filter(|item| text(item, "used_by").and_then(ApplicationId::parse) == Some(uuid)) else {
        return Some(Finding::JourneyUnclaimed(uuid));
    };
    match StoredJourney::from_item(item.clone()) {
        Ok(Some(stored)) if stored.journey.is_driven_by(&application.identity) => None,
        Ok(Some(_)) => Some(Finding::JourneyCorrected(uuid)),
        // Its driver was erased.
        Ok(None) => None,
        // The journey's key may contain any text that the operator has chosen, so the finding contains the application's UUID.
        Err(_) => Some(Finding::Unreadable("journeys", format!("that {uuid} uses"))),
    }
}

/// The findings about a claim item, given the applications that it refers to.
pub(super) fn claim_findings(
    item: &Item,
    key: &str,
    known: &HashMap<ApplicationId, Known>,
    rules: &Rules,
) -> BTreeSet<Finding> {
    let (Ok(records), Ok(dates), Ok(counts)) = (granted(item), LatestDates::of(item), counts(item)) else {
        return [Finding::Unreadable("claims", key.to_owned())].into();
    };
    let mut found = BTreeSet::new();
    let mut live: BTreeMap<(Instant, ApplicationId), Granted> = BTreeMap::new();
    for mut granted in records {
        let Some(application) = known.get(&granted.uuid) else {
            found.insert(Finding::Orphan(granted.uuid, key.to_owned()));
            continue;
        };
        // A refusal takes its text from the claim: all of it for the caller's own application, and only date and reason for another
        // operator's.
        let mut agrees =
            application.operator == Some(granted.operator) && application.datetime == Some(granted.datetime);
        if let Some(belongs) = &application.belongs {
            let Some(claim) = belongs.on(key) else {
                // It blocks a different driver, and is not a second application of that driver.
                found.insert(Finding::Misplaced(granted.uuid, key.to_owned()));
                continue;
            };
            let tags = compared_tags(claim.kind, &belongs.tags);
            agrees &= granted.tags == tags;
            // The application decides whether two records are of one person, because a wrong tag may be the reason why there are two.
            granted.tags = tags.to_vec();
        }
        if !agrees {
            found.insert(Finding::Disagrees(granted.uuid, key.to_owned()));
        }
        live.insert((granted.datetime, granted.uuid), granted);
    }
    for (number, later) in live.values().enumerate() {
        let Some(journey_type) = known.get(&later.uuid).and_then(|known| known.journey_type) else { continue };
        let cutoff = rules.cutoffs(journey_type, later.datetime).standardized;
        for earlier in live.values().take(number) {
            if earlier.datetime >= cutoff && !keys_differ(&earlier.tags, &later.tags) {
                let (one, other) = (earlier.uuid.min(later.uuid), earlier.uuid.max(later.uuid));
                found.insert(Finding::GrantedTwice(one, other));
            }
        }
    }
    for (attribute, expected) in dates.attributes() {
        if instant(item, attribute) != expected {
            found.insert(Finding::WrongDate(key.to_owned(), attribute));
        }
    }
    for (attribute, _) in counts {
        // Only the prefix, because the rest is an operator's number.
        let kind = if attribute.starts_with('d') { "d#" } else { "n#" };
        found.insert(Finding::WrongDate(key.to_owned(), kind));
    }
    found
}

/// The members of a report that the audit checks.
#[derive(Deserialize)]
struct ToldReport {
    import_id: String,
    operator_id: Option<u32>,
    key: String,
    rejected_rows: Option<String>,
    answers: Option<String>,
    read: u64,
    imported: u64,
    already_known: u64,
    rejected: u64,
    /// The rows that a file which was only checked would have imported.
    #[serde(default)]
    accepted: u64,
    /// The rows of a list of drivers.
    #[serde(default)]
    eligible: u64,
    #[serde(default)]
    history: u64,
    #[serde(default)]
    duplicate: u64,
}

/// The findings about an import's item. Its operator can read the whole item, and a link to the objects that it refers to.
pub(super) fn import_findings(item: &Item) -> Vec<Finding> {
    let whose = integer(item, "operator_id").unwrap_or_default();
    let unreadable = || {
        // The import's UUID, if it is valid.
        let id = text(item, "import_id").and_then(ImportId::parse);
        let id = id.map_or_else(|| "of no name".to_owned(), |id| id.to_string());
        vec![Finding::Unreadable("imports", format!("{whose}/{id}"))]
    };
    let (Ok(record), Ok(state), Ok(report)) =
        (record(item), ImportState::of(item), value::<ToldReport>(item, "report"))
    else {
        return unreadable();
    };
    // Without this date, the metric of the oldest import in progress would not cover it.
    if Work::of(state).is_some_and(|work| instant(item, work.started_at()).is_none()) {
        return unreadable();
    }
    let mut found = Vec::new();
    let its = record.operator.map_or_else(|| "journeys/".to_owned(), |operator| format!("imports/{operator}/"));
    let is_batch = record.is_batch() && record.operator.is_some();
    if !is_batch && !record.key.starts_with(&its) {
        found.push(Finding::Foreign(record.operator, "of an import whose file is another's"));
    }
    if let Some(report) = report {
        let ToldReport {
            import_id,
            operator_id,
            key,
            rejected_rows,
            answers,
            read,
            imported,
            already_known,
            rejected,
            accepted,
            eligible,
            history,
            duplicate,
        } = report;
        if import_id != record.id.to_string()
            || operator_id != record.operator.map(OperatorId::get)
            || key != record.key
        {
            found.push(Finding::Foreign(record.operator, "a report of another import"));
        }
        if rejected_rows.is_some_and(|key| key != record.beside(ImportRecord::REJECTED)) {
            found.push(Finding::Foreign(record.operator, "rejected rows of another import"));
        }
        if answers.is_some_and(|key| key != record.beside(ImportRecord::ANSWERS)) {
            found.push(Finding::Foreign(record.operator, "answers of another import"));
        }
        let outcomes = [imported, already_known, rejected, accepted, eligible, history, duplicate];
        if outcomes.into_iter().try_fold(0_u64, u64::checked_add) != Some(read) {
            found.push(Finding::Miscounted(record.operator, record.id));
        }
    }
    found
}
