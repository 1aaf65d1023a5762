//! A change of a registered application, as the feed of its operator's changes shows it, and the place where a feed continues.
//!
//! The changes of an operator are numbered 1, 2, 3, … without a gap. A change is committed after the change before it, so a reader who has
//! read a change has every change before it ([`crate::stores::changes`]). A change is kept for [`CHANGES_KEPT_DAYS`] days after the *next*
//! change. So the last change of an operator is always there, and a reader who has read it never comes too late.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::{ApplicationId, Instant, JourneyStatus, JourneyType, OperatorId, words};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, date, instant, integer, number, text};
use crate::records::application::Application;
use crate::records::claim_keys::{ClaimKeys, SIGNATURE};

/// The number of days of 24 hours for which a change is kept after the next change of its operator. Source: docs/adr/0053.
pub const CHANGES_KEPT_DAYS: u16 = 400;

/// The number of days after which DynamoDB may remove a change. The days beyond [`CHANGES_KEPT_DAYS`] are more than the clocks of two
/// functions differ by.
const REMOVED_AFTER_DAYS: u16 = CHANGES_KEPT_DAYS + 7;

/// The sort key: the number of the change among its operator's.
pub(crate) const NUMBER: &str = "number";

/// The attribute that tells DynamoDB when to remove a change, in seconds. The last change of an operator has none.
pub(crate) const FORGOTTEN_AT: &str = "forgotten_at";

words! {
    /// The actor that deleted an application.
    pub enum DeletedBy {
        /// Its operator, with `DELETE`.
        Operator = "operator",
        /// The registry's team, which erased the driver.
        Registry = "registry",
    }
}

/// What happened to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The status of its journey changed.
    Status {
        /// The status before.
        from: JourneyStatus,
        /// The status now.
        to: JourneyStatus,
    },
    /// It was deleted.
    Deleted(DeletedBy),
}

/// A change of a registered application. It names the application, and nothing of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The application's UUID.
    pub uuid: ApplicationId,
    /// The application's journey type.
    pub journey_type: JourneyType,
    /// When it was written, by the clock of the function that wrote it, and never before the operator's previous change.
    pub at: Instant,
    /// What happened.
    pub kind: ChangeKind,
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "changes", what }
}

impl Change {
    pub(crate) const fn of(application: &Application, kind: ChangeKind, at: Instant) -> Self {
        Self { uuid: application.uuid, journey_type: application.journey_type, at, kind }
    }
}

/// A change with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredChange {
    pub(crate) number: u64,
    pub(crate) change: Change,
}

impl StoredChange {
    /// The change that follows the last one. Its date is never before that of the last one: then changes expire in their order, even if
    /// the clocks of two functions differ.
    pub(crate) fn after(last: Option<&Self>, change: Change) -> Self {
        let number = last.map_or(1, |last| last.number.saturating_add(1));
        let earliest = last.map_or(change.at, |last| last.change.at);
        let at = if change.at < earliest { earliest } else { change.at };
        Self { number, change: Change { at, ..change } }
    }

    /// When DynamoDB may remove the change before this one, in seconds.
    pub(crate) fn removes_previous_at(&self) -> AttributeValue {
        number(self.change.at.days_after(REMOVED_AFTER_DAYS).millis().div_euclid(1000))
    }

    /// Whether there was a change before this one, and has expired. Then all before it have, too.
    pub(crate) fn has_outlived_previous(&self, now: Instant) -> bool {
        self.number > 1 && self.change.at.days_after(CHANGES_KEPT_DAYS) <= now
    }

    pub(crate) fn to_item(self, operator: OperatorId) -> Item {
        let Change { uuid, journey_type, at, kind } = self.change;
        let word = |word: &str| AttributeValue::S(word.to_owned());
        let mut item = key(operator, self.number);
        let mut insert = |name: &str, value| item.insert(name.to_owned(), value);
        insert("uuid", word(&uuid.to_string()));
        insert("journey_type", word(journey_type.as_str()));
        insert("changed_at", date(at));
        match kind {
            ChangeKind::Status { from, to } => {
                insert("previous_status", word(from.as_str()));
                insert("status", word(to.as_str()));
            }
            ChangeKind::Deleted(by) => {
                insert("deleted_by", word(by.as_str()));
            }
        }
        item
    }

    pub(crate) fn from_item(item: &Item) -> Result<Self, StoreError> {
        let status = |name| text(item, name).and_then(JourneyStatus::parse);
        let deleted_by = text(item, "deleted_by").and_then(DeletedBy::parse);
        let kind = match (status("previous_status"), status("status"), deleted_by) {
            (Some(from), Some(to), None) => ChangeKind::Status { from, to },
            (None, None, Some(by)) => ChangeKind::Deleted(by),
            _ => return Err(corrupt("the kind of change")),
        };
        let journey_type = text(item, "journey_type").and_then(|word| JourneyType::parse(word).ok());
        Ok(Self {
            number: integer(item, NUMBER).and_then(|number| u64::try_from(number).ok()).ok_or(corrupt(NUMBER))?,
            change: Change {
                uuid: text(item, "uuid").and_then(ApplicationId::parse).ok_or(corrupt("uuid"))?,
                journey_type: journey_type.ok_or(corrupt("journey_type"))?,
                at: instant(item, "changed_at").ok_or(corrupt("changed_at"))?,
                kind,
            },
        })
    }

    const fn seen(&self) -> SeenChange {
        SeenChange { number: self.number, at: self.change.at, uuid: self.change.uuid }
    }
}

/// The key of an item.
pub(crate) fn key(operator: OperatorId, number_of_change: u64) -> Item {
    let number_of_change = AttributeValue::N(number_of_change.to_string());
    let attributes = [("operator_id", number(i64::from(operator.get()))), (NUMBER, number_of_change)];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The key of an item or of a request: the operator, and the number of the change. `None` if a change has no such key.
pub(crate) fn key_of(item: &Item) -> Option<(OperatorId, u64)> {
    let operator = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok());
    let operator = operator.and_then(|id| OperatorId::new(id).ok())?;
    let number = integer(item, NUMBER).and_then(|number| u64::try_from(number).ok())?;
    (number > 0).then_some((operator, number))
}

/// Whether the change in this item has expired. DynamoDB may remove it, and expired changes before and after it, in any order.
pub(crate) fn has_expired(item: &Item, now: Instant) -> bool {
    let soon = now.days_after(REMOVED_AFTER_DAYS - CHANGES_KEPT_DAYS).millis().div_euclid(1000);
    integer(item, FORGOTTEN_AT).is_some_and(|at| at <= soon)
}

/// A change that a reader has read. After a restore of the tables another change may have its number. So the reader keeps what tells the
/// two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenChange {
    number: u64,
    at: Instant,
    uuid: ApplicationId,
}

/// The place where a feed of changes continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesPlace {
    /// With the oldest change that is kept, if the changes before this number have expired. A reader begins with number 1.
    Oldest(u64),
    /// With the first change of all: there was none.
    First,
    /// After this change.
    After(SeenChange),
}

/// A page of a feed of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changes, the earliest first.
    pub changes: Vec<Change>,
    /// The place after them.
    pub next: ChangesPlace,
    /// Whether there may be more changes now.
    pub more: bool,
}

/// The result of a read of a feed of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangesRead {
    /// The page at this place.
    Page(ChangesPage),
    /// The changes after this place are no longer all kept, or are other changes since a restore. The reader must begin again.
    Gone,
}

/// The changes in the items that one request has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The answer.
    Read(ChangesRead),
    /// A change is missing between two others. Two changes were written during the request, and it saw only the later one; or the table
    /// is damaged. A second request shows which.
    Gap,
}

impl ChangesPlace {
    /// The bytes of a place without its signature.
    const BYTES: usize = 33;

    /// The number of characters of a cursor.
    pub const CURSOR_LENGTH: usize = 66;

    /// The place at which a reader without a cursor begins.
    pub const BEGINNING: Self = Self::Oldest(1);

    /// The number of the first change that a request for this place reads. That of the last seen change is read again: it shows that the
    /// changes after it are still kept, and still the same.
    pub(crate) const fn first(self) -> u64 {
        match self {
            Self::Oldest(number) => number,
            Self::First => 1,
            Self::After(seen) => seen.number,
        }
    }

    /// The page at this place, from the changes that one request has read: those from [`Self::first`] on, in order, and at least two more
    /// than `most` unless there are no more. `cut` tells that there may be more.
    pub(crate) fn page(self, most: usize, now: Instant, found: &[StoredChange], cut: bool) -> Shown {
        const GONE: Shown = Shown::Read(ChangesRead::Gone);
        let Some(first) = found.first() else {
            let next = match self {
                Self::Oldest(1) | Self::First => Self::First,
                Self::Oldest(_) | Self::After(_) => return GONE,
            };
            return Shown::Read(ChangesRead::Page(ChangesPage { changes: Vec::new(), next, more: false }));
        };
        // Everything before this one has expired.
        let oldest = found.iter().rposition(|stored| stored.has_outlived_previous(now));
        let kept = found.get(oldest.unwrap_or(0)..).unwrap_or_default();
        let mut changes = match (self, kept) {
            // The change after it, which this request has not read, may have outlived it, too.
            (Self::Oldest(_), [last]) if cut && found.len() > 1 => {
                let next = Self::Oldest(last.number);
                return Shown::Read(ChangesRead::Page(ChangesPage { changes: Vec::new(), next, more: true }));
            }
            (Self::Oldest(from), _) if oldest.is_some() || first.number == from => kept,
            (Self::First, _) if oldest.is_some() => return GONE,
            (Self::First, [one, ..]) if one.number == 1 => kept,
            (Self::After(seen), [same, after @ ..]) if same.seen() == seen => after,
            (Self::After(_), _) => return GONE,
            (Self::Oldest(_) | Self::First, _) => return Shown::Gap,
        };
        let is_gap = |pair: &[StoredChange]| matches!(pair, [one, next] if one.number.saturating_add(1) != next.number);
        if kept.windows(2).any(is_gap) {
            return Shown::Gap;
        }
        let more = cut || changes.len() > most;
        changes = changes.get(..most).unwrap_or(changes);
        let next = changes.last().map_or(self, |last| Self::After(last.seen()));
        let changes = changes.iter().map(|stored| stored.change).collect();
        Shown::Read(ChangesRead::Page(ChangesPage { changes, next, more }))
    }

    /// The cursor of this place in the feed of this operator. The registry accepts it for no other operator.
    #[must_use]
    pub fn cursor(&self, keys: &ClaimKeys, operator: OperatorId) -> String {
        let place = self.to_bytes();
        let mut cursor = place.to_vec();
        cursor.extend(signature(keys, operator, &place));
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// Reads what [`Self::cursor`] writes for the same operator; `None` for every other text.
    #[must_use]
    pub fn of_cursor(text: &str, keys: &ClaimKeys, operator: OperatorId) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (place, signed) = bytes.split_first_chunk::<{ Self::BYTES }>()?;
        verify_slices_are_equal(signed, &signature(keys, operator, place)).ok()?;
        let ([kind], rest) = place.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (at, uuid) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        match kind {
            0 => Some(Self::Oldest(number)),
            1 => Some(Self::First),
            2 => {
                let at = Instant::from_millis(i64::from_be_bytes(*at))?;
                Some(Self::After(SeenChange { number, at, uuid: ApplicationId::from_bytes(uuid.try_into().ok()?) }))
            }
            _ => None,
        }
    }

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let (kind, number, at, uuid) = match self {
            Self::Oldest(number) => (0, number, 0, [0; 16]),
            Self::First => (1, 0, 0, [0; 16]),
            Self::After(SeenChange { number, at, uuid }) => (2, number, at.millis(), *uuid.as_bytes()),
        };
        let mut bytes = [kind; Self::BYTES];
        let (_, rest) = bytes.split_at_mut(1);
        let (of_number, rest) = rest.split_at_mut(8);
        of_number.copy_from_slice(&number.to_be_bytes());
        let (of_at, of_uuid) = rest.split_at_mut(8);
        of_at.copy_from_slice(&at.to_be_bytes());
        of_uuid.copy_from_slice(&uuid);
        bytes
    }
}

/// The signature of a place: a keyed hash of the place and its operator.
fn signature(keys: &ClaimKeys, operator: OperatorId, place: &[u8]) -> [u8; SIGNATURE] {
    keys.sign(&[b"feed of changes", &operator.get().to_be_bytes(), place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn operator(number: u32) -> OperatorId {
        OperatorId::new(number).unwrap()
    }

    fn change(number: u64, day: &str) -> StoredChange {
        let kind = match number % 3 {
            0 => ChangeKind::Deleted(DeletedBy::Operator),
            1 => ChangeKind::Status { from: JourneyStatus::Ok, to: JourneyStatus::FraudError },
            _ => ChangeKind::Deleted(DeletedBy::Registry),
        };
        let journey_type = if number % 3 == 1 { JourneyType::Short } else { JourneyType::Long };
        let uuid = ApplicationId::from_bytes([number as u8; 16]);
        StoredChange { number, change: Change { uuid, journey_type, at: at(day), kind } }
    }

    /// The numbers of the shown changes, where the feed continues and whether there is more.
    fn shown(
        place: ChangesPlace,
        most: usize,
        now: &str,
        found: &[StoredChange],
        cut: bool,
    ) -> Option<(Vec<u8>, ChangesPlace, bool)> {
        match place.page(most, at(now), found, cut) {
            Shown::Read(ChangesRead::Page(ChangesPage { changes, next, more })) => {
                Some((changes.iter().map(|change| change.uuid.as_bytes()[0]).collect(), next, more))
            }
            Shown::Read(ChangesRead::Gone) | Shown::Gap => None,
        }
    }

    const GONE: Shown = Shown::Read(ChangesRead::Gone);
    const NOW: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn change_is_read_as_it_was_written() {
        for number in 1..4 {
            let stored = change(number, "2024-03-15T07:30:00.123Z");
            let item = stored.to_item(operator(7));
            assert_eq!(StoredChange::from_item(&item), Ok(stored));
            for name in item.keys().filter(|name| *name != "operator_id") {
                let mut without = item.clone();
                without.remove(name);
                assert!(StoredChange::from_item(&without).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn key_names_operator_and_number_of_a_change() {
        assert_eq!(key_of(&change(5, NOW).to_item(operator(7))), Some((operator(7), 5)));
        for (name, value) in [("operator_id", "0"), ("operator_id", "-1"), ("number", "0"), ("number", "0.5")] {
            let mut item = key(operator(7), 5);
            item.insert(name.to_owned(), AttributeValue::N(value.to_owned()));
            assert_eq!(key_of(&item), None, "{name} {value}");
        }
    }

    #[test]
    fn change_expires_before_dynamodb_may_remove_it() {
        let day = "2024-01-01T00:00:00Z";
        let mut item = change(1, day).to_item(operator(7));
        assert!(!has_expired(&item, at("2099-01-01T00:00:00Z")), "the last change never does");
        item.insert(FORGOTTEN_AT.to_owned(), change(2, day).removes_previous_at());
        let expires = at(day).days_after(CHANGES_KEPT_DAYS);
        let before = Instant::from_millis(expires.millis() - 1).unwrap();
        assert_eq!((has_expired(&item, before), has_expired(&item, expires)), (false, true));
    }

    #[test]
    fn change_is_never_dated_before_the_last_one() {
        let last = change(4, "2024-03-15T07:30:00Z");
        for (now, dated) in
            [("2024-03-15T07:29:59Z", "2024-03-15T07:30:00Z"), ("2024-03-15T07:30:01Z", "2024-03-15T07:30:01Z")]
        {
            let next = StoredChange::after(Some(&last), change(9, now).change);
            assert_eq!((next.number, next.change.at), (5, at(dated)));
        }
        let first = StoredChange::after(None, last.change);
        assert_eq!((first.number, first.change), (1, last.change));
    }

    #[test]
    fn page_ends_before_a_gap_is_skipped() {
        let day = "2025-12-01T00:00:00Z";
        let [one, two, three, four] = [1, 2, 3, 4].map(|number| change(number, day));
        let after = |stored: &StoredChange| ChangesPlace::After(stored.seen());
        assert_eq!(shown(ChangesPlace::BEGINNING, 9, NOW, &[], false), Some((vec![], ChangesPlace::First, false)));
        assert_eq!(shown(ChangesPlace::First, 9, NOW, &[], false), Some((vec![], ChangesPlace::First, false)));
        assert_eq!(shown(ChangesPlace::First, 9, NOW, &[one, two], false), Some((vec![1, 2], after(&two), false)));
        assert_eq!(
            shown(ChangesPlace::BEGINNING, 1, NOW, &[one, two, three], true),
            Some((vec![1], after(&one), true))
        );
        assert_eq!(
            shown(ChangesPlace::BEGINNING, 2, NOW, &[one, two, three], false),
            Some((vec![1, 2], after(&two), true))
        );
        assert_eq!(shown(after(&one), 2, NOW, &[one, two, three], false), Some((vec![2, 3], after(&three), false)));
        assert_eq!(shown(after(&one), 1, NOW, &[one], false), Some((vec![], after(&one), false)));
        for (place, found) in [
            (ChangesPlace::BEGINNING, vec![two]),
            (ChangesPlace::First, vec![two, three]),
            (ChangesPlace::BEGINNING, vec![one, three]),
            (after(&one), vec![one, three]),
            (after(&two), vec![two, three, change(5, day)]),
        ] {
            assert_eq!(place.page(9, at(NOW), &found, false), Shown::Gap, "{place:?}");
        }
        // The change before the cursor is not there, or is another change since a restore.
        let other_date = change(2, "2025-12-02T00:00:00Z");
        let other_uuid = StoredChange { change: Change { uuid: four.change.uuid, ..two.change }, ..two };
        for found in [vec![], vec![three], vec![other_date, three], vec![other_uuid, three]] {
            assert_eq!(after(&two).page(9, at(NOW), &found, false), GONE, "{found:?}");
        }
    }

    #[test]
    fn expired_changes_are_skipped_from_the_beginning_and_refused_to_a_cursor() {
        // The second and the third were written more than 400 days ago, so the first and the second have expired.
        let days = ["2024-01-01", "2024-01-02", "2024-01-03", "2025-06-01", "2025-06-02"];
        let all: Vec<StoredChange> =
            (1..).zip(days).map(|(number, day)| change(number, &format!("{day}T00:00:00Z"))).collect();
        let after = |index: usize| ChangesPlace::After(all[index].seen());
        let begin = ChangesPlace::BEGINNING;
        // Whether DynamoDB has removed them or not.
        for removed in 0..3 {
            let page = shown(begin, 9, NOW, &all[removed..], false);
            assert_eq!(page, Some((vec![3, 4, 5], after(4), false)), "{removed}");
            assert_eq!(ChangesPlace::First.page(9, at(NOW), &all[removed..], false), GONE, "{removed}");
        }
        assert_eq!(
            shown(begin, 9, NOW, &[all[0], all[2], all[3], all[4]], false),
            Some((vec![3, 4, 5], after(4), false))
        );
        // It is not known yet whether the last one of a page has expired.
        assert_eq!(shown(begin, 1, NOW, &all[..3], true), Some((vec![], ChangesPlace::Oldest(3), true)));
        assert_eq!(shown(ChangesPlace::Oldest(3), 1, NOW, &all[2..], false), Some((vec![3], after(2), true)));
        // A page that is cut has more, even if it holds no more kept changes than it may show.
        assert_eq!(shown(begin, 2, NOW, &all[..4], true), Some((vec![3, 4], after(3), true)));
        for index in 0..2 {
            assert_eq!(after(index).page(9, at(NOW), &all[index..], false), GONE, "{index}");
        }
        assert_eq!(shown(after(2), 9, NOW, &all[2..], false), Some((vec![4, 5], after(4), false)));
        // At the moment at which the third is 400 days old, the second expires.
        let third_is_old = "2025-02-06T00:00:00Z";
        assert_eq!(at(days_later("2024-01-03T00:00:00Z").as_str()), at(third_is_old));
        assert_eq!(after(1).page(9, at(third_is_old), &all[1..3], false), GONE);
        assert_eq!(shown(after(1), 9, "2025-02-05T23:59:59.999Z", &all[1..3], false), Some((vec![3], after(2), false)));
        // The last change stays for as long as there is no other.
        assert_eq!(shown(after(4), 9, "2099-01-01T00:00:00Z", &all[4..], false), Some((vec![], after(4), false)));
        assert_eq!(shown(begin, 9, "2099-01-01T00:00:00Z", &all, false), Some((vec![5], after(4), false)));
        assert_eq!(
            shown(ChangesPlace::First, 9, "2099-01-01T00:00:00Z", &all[..1], false),
            Some((vec![1], after(0), false))
        );
        // A restore has taken away what a reader was about to read.
        assert_eq!(ChangesPlace::Oldest(3).page(9, at(NOW), &[], false), GONE);
    }

    fn days_later(day: &str) -> String {
        at(day).days_after(CHANGES_KEPT_DAYS).to_string()
    }

    #[test]
    fn cursor_is_good_for_its_operator_alone() {
        let keys = ClaimKeys::new(&[7; 32]).unwrap();
        let other_pepper = ClaimKeys::new(&[8; 32]).unwrap();
        let seen = change(7, "2024-03-15T07:30:00Z").seen();
        for place in [ChangesPlace::Oldest(1), ChangesPlace::Oldest(70), ChangesPlace::First, ChangesPlace::After(seen)]
        {
            let cursor = place.cursor(&keys, operator(1));
            assert_eq!(cursor.len(), ChangesPlace::CURSOR_LENGTH);
            assert_eq!(ChangesPlace::of_cursor(&cursor, &keys, operator(1)), Some(place));
            assert_eq!(ChangesPlace::of_cursor(&cursor, &keys, operator(2)), None);
            assert_eq!(ChangesPlace::of_cursor(&cursor, &other_pepper, operator(1)), None);
            for position in 0..cursor.len() {
                for other in ["A", "B", "-", "_", "9", "=", "+", " "] {
                    let mut changed = cursor.clone();
                    changed.replace_range(position..=position, other);
                    let read = ChangesPlace::of_cursor(&changed, &keys, operator(1));
                    assert!(changed == cursor || read.is_none(), "{position} {other}");
                }
                assert_eq!(ChangesPlace::of_cursor(&cursor[..position], &keys, operator(1)), None, "{position}");
            }
            for longer in [format!("{cursor}A"), format!("{cursor}=="), format!("{cursor}{cursor}")] {
                assert_eq!(ChangesPlace::of_cursor(&longer, &keys, operator(1)), None, "{longer}");
            }
        }
    }
}
