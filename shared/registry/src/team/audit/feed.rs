//! Checks the feeds of changes: each change against the changes before and after it, and against its application.
//!
//! The numbers of an operator's changes have no gap, and a change is removed only after the changes before it. So each change shows whether
//! the one before it must be there, and, by its time of removal, whether the one after it must. An operator's last change has no time of
//! removal: that is how a feed shows that its end is missing.
//!
//! The last change of an application is its state. The feed has no index by application, so this is compared for changes that have at most
//! [`LATER`] changes after them. Each change is one of them when it is new, and the stream of the table invokes the audit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cee_eligibility::{ApplicationId, Instant, JourneyStatus, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, integer, text};
use crate::dynamo::retry::Deadline;
use crate::records::application::NameTaken;
use crate::records::change::{ChangeKind, FORGOTTEN_AT, StoredChange, has_expired, key_of};
use crate::team::audit::auditor::{Reader, TableAuditor};
use crate::team::audit::finding::{Finding, NO_NUMBER};
use crate::team::audit::part::Audited;

/// Among how many later changes the audit looks for one of the same application.
const LATER: i32 = 500;

/// The key of a change: its operator, and its number among the operator's.
type ChangeKey = (OperatorId, u64);

/// Changes, by their keys.
type Items = BTreeMap<ChangeKey, Item>;

/// The findings about changes, by the key of the change that shows them.
type Found = BTreeMap<ChangeKey, BTreeSet<Finding>>;

/// An application that there is, or was, as the tables hold it.
#[derive(Clone, Copy, Debug)]
struct Present {
    /// The number of its operator; `None`: no table says it.
    operator: Option<i64>,
    state: State,
}

/// The state of an application.
#[derive(Clone, Copy, Debug)]
enum State {
    /// It is registered. With the status of its journey, if it has one.
    Live(Option<JourneyStatus>),
    /// It was deleted or erased.
    Gone,
}

impl State {
    /// Whether an application of which this is the last change is in this state.
    fn follows(self, kind: ChangeKind) -> bool {
        match (self, kind) {
            (Self::Live(status), ChangeKind::Status { to, .. }) => status == Some(to),
            (Self::Gone, ChangeKind::Deleted(_)) => true,
            _ => false,
        }
    }
}

impl TableAuditor {
    /// Checks these changes against their neighbours and their applications, which `first` reads.
    pub(super) async fn check_changes(
        &self,
        first: &Reader,
        items: Vec<Item>,
        now: Instant,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let mut audited = Audited { changes: items.len() as u64, ..Audited::default() };
        if items.iter().any(|item| key_of(item).is_none()) {
            audited.findings.insert(Finding::Unreadable("changes", NO_NUMBER.to_owned()));
        }
        let suspicious = first.look_at_changes(&by_key(items), now, deadline).await?;
        if suspicious.is_empty() {
            return Ok(audited);
        }
        // Changes may have been added since they were read, so they are read again.
        let items = self.again.changes.items(suspicious.keys().copied(), self.again.consistency, deadline).await?;
        for (key, mut found) in self.again.look_at_changes(&by_key(items), now, deadline).await? {
            found.retain(|finding| suspicious.get(&key).is_some_and(|suspicious| suspicious.contains(finding)));
            if !found.is_empty() {
                audited.damaged.changes.insert((key.0.get(), key.1));
            }
            audited.findings.extend(found);
        }
        Ok(audited)
    }
}

fn by_key(items: Vec<Item>) -> Items {
    items.into_iter().filter_map(|item| Some((key_of(&item)?, item))).collect()
}

impl Reader {
    /// What is wrong with these changes, by what this reader reads. A change that is added while it reads may look wrong, but not in a
    /// later look.
    async fn look_at_changes(&self, items: &Items, now: Instant, deadline: Deadline) -> Result<Found, StoreError> {
        let (mut found, mut changes) = (Found::new(), BTreeMap::new());
        for (key, item) in items {
            match StoredChange::from_item(item) {
                // DynamoDB removes expired changes in any order.
                Ok(_) if has_expired(item, now) => {}
                Ok(stored) => {
                    changes.insert(*key, stored);
                }
                Err(_) => {
                    let finding = Finding::Unreadable("changes", format!("{}/{}", key.0, key.1));
                    found.entry(*key).or_default().insert(finding);
                }
            }
        }
        let around = changes.keys().flat_map(|(operator, number)| {
            [number.saturating_sub(1), number.saturating_add(1)].map(|number| (*operator, number))
        });
        let around: BTreeSet<ChangeKey> = around.filter(|key| key.1 > 0 && !items.contains_key(key)).collect();
        let around = by_key(self.changes.items(around, self.consistency, deadline).await?);
        // The applications are read after the changes: what a change says of its application was committed with it.
        let named: BTreeSet<ApplicationId> = changes.values().map(|stored| stored.change.uuid).collect();
        let present = self.present(&named, deadline).await?;
        let mut unlike: BTreeMap<OperatorId, Vec<(u64, ApplicationId)>> = BTreeMap::new();
        for (key, stored) in &changes {
            let (operator, number) = *key;
            let neighbour = |number| items.get(&(operator, number)).or_else(|| around.get(&(operator, number)));
            let [before, after] = [number.saturating_sub(1), number.saturating_add(1)].map(neighbour);
            let mut wrong = beside(*key, stored, items.get(key), [before, after], now);
            let uuid = stored.change.uuid;
            match present.get(&uuid) {
                None => {
                    let what = "names an application that there never was";
                    wrong.insert(Finding::ChangeWrong(operator, number, what));
                }
                Some(Present { operator: Some(of), .. }) if *of != i64::from(operator.get()) => {
                    wrong.insert(Finding::ForeignChange(operator, number));
                }
                Some(Present { state, .. }) if !state.follows(stored.change.kind) => {
                    unlike.entry(operator).or_default().push((number, uuid));
                }
                Some(_) => {}
            }
            if !wrong.is_empty() {
                found.entry(*key).or_default().extend(wrong);
            }
        }
        for (operator, unlike) in unlike {
            for number in self.last_of_another_state(operator, &unlike, deadline).await? {
                let what = "is the last one of its application, and does not say its state";
                let finding = Finding::ChangeWrong(operator, number, what);
                found.entry((operator, number)).or_default().insert(finding);
            }
        }
        Ok(found)
    }

    /// Which of these changes of an operator, in their order, are the last ones of their applications. Another state than that of the last
    /// change is wrong. One request: those with too many changes after them are left out.
    async fn last_of_another_state(
        &self,
        operator: OperatorId,
        unlike: &[(u64, ApplicationId)],
        deadline: Deadline,
    ) -> Result<Vec<u64>, StoreError> {
        let Some((first, _)) = unlike.first() else { return Ok(Vec::new()) };
        // After the applications: if one of them has changed since its change was read, its later change is there.
        let (later, cut) = self.changes.later(operator, *first, LATER, self.consistency, deadline).await?;
        let mut last: HashMap<ApplicationId, u64> = HashMap::new();
        for item in &later {
            if let (Some((_, number)), Some(uuid)) = (key_of(item), text(item, "uuid").and_then(ApplicationId::parse)) {
                last.insert(uuid, number);
            }
        }
        let is_last = |(number, uuid): &&(u64, ApplicationId)| last.get(uuid).is_none_or(|last| last <= number);
        Ok(unlike.iter().filter(|_| !cut).filter(is_last).map(|(number, _)| *number).collect())
    }

    /// The applications among these UUIDs that there are, or were.
    async fn present(
        &self,
        named: &BTreeSet<ApplicationId>,
        deadline: Deadline,
    ) -> Result<HashMap<ApplicationId, Present>, StoreError> {
        let (mut present, mut archived) = (HashMap::new(), named.clone());
        let uuids: Vec<String> = named.iter().map(ToString::to_string).collect();
        for item in self.applications.table.items(uuids.iter().map(String::as_str), deadline).await? {
            let Some(uuid) = text(&item, "uuid").and_then(ApplicationId::parse) else { continue };
            match NameTaken::of(&item) {
                None => {
                    let status = text(&item, "status").and_then(JourneyStatus::parse);
                    archived.remove(&uuid);
                    present
                        .insert(uuid, Present { operator: integer(&item, "operator_id"), state: State::Live(status) });
                }
                Some(NameTaken::Archived) => {
                    present.insert(uuid, Present { operator: None, state: State::Gone });
                }
                // It was never registered.
                Some(NameTaken::CalledOff) => {}
            }
        }
        let uuids: Vec<String> = archived.iter().map(ToString::to_string).collect();
        for item in self.archive.table.items(uuids.iter().map(String::as_str), deadline).await? {
            let Some(uuid) = text(&item, "uuid").and_then(ApplicationId::parse) else { continue };
            present.insert(uuid, Present { operator: integer(&item, "operator_id"), state: State::Gone });
        }
        Ok(present)
    }
}

/// What is wrong with a change beside the changes before and after it.
fn beside(
    (operator, number): ChangeKey,
    stored: &StoredChange,
    item: Option<&Item>,
    [before, after]: [Option<&Item>; 2],
    now: Instant,
) -> BTreeSet<Finding> {
    let mut found = BTreeSet::new();
    match before.map(StoredChange::from_item) {
        None if number > 1 && !stored.has_outlived_previous(now) => {
            found.insert(Finding::ChangeMissing(operator, number.saturating_sub(1)));
        }
        Some(Ok(before)) if stored.change.at < before.change.at => {
            found.insert(Finding::ChangeWrong(operator, number, "is dated before the change before it"));
        }
        // A change that cannot be read is a finding by itself.
        _ => {}
    }
    let removed_at = item.and_then(|item| item.get(FORGOTTEN_AT));
    match after.map(StoredChange::from_item) {
        None if removed_at.is_some() => {
            found.insert(Finding::ChangeMissing(operator, number.saturating_add(1)));
        }
        Some(Ok(after)) if removed_at != Some(&after.removes_previous_at()) => {
            let what = "is not removed 407 days after the change after it";
            found.insert(Finding::ChangeWrong(operator, number, what));
        }
        _ => {}
    }
    found
}
