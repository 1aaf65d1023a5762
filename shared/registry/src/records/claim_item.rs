//! A claim item: one attribute per record, and the latest dates that conditions compare.
//!
//! ```text
//! pk                     the keyed hash
//! a#{uuid}               a standardized application: {t: date, o: operator, k: the tags of its identity keys}
//! h#{operator}#{date}    a specific one:             [the rows that brought it, the first one first]
//! k#{operator}#{date}    the identity key that the operator gave a specific one later, on a truncated identity only:
//!                        {k: its tag, p: the key of the identity key's own item, x: another key came, too}
//! c#{operator}#{date}    on the item of that identity key, the copy of the specific one: [the rows that brought it]
//! d#{operator}           the dates of the operator's specific ones, a set; on a truncated identity only
//! n#{operator}           the number of the operator's standardized ones; on a truncated identity only
//! sd  sp                 latest date of a standardized / specific application
//! sdk spk                latest date of those with an identity key, on a truncated identity only
//! v                      the stamp of the latest write: random, so that no two writes share a stamp
//! ```
//!
//! Dates are milliseconds since 1970. On a truncated identity, `sd` and `sp` are the latest dates of applications *without* an identity
//! key, and `sdk` and `spk` those of applications with one, because rule 3 of the contract treats them differently. The other items do
//! not make this difference: there, `sd` and `sp` cover all applications.
//!
//! An application has no identity key, one, or two. With two keys, `k` holds both tags one after the other, eight bytes each. Items of
//! releases that stored at most one key have the same format.
//!
//! Conditions compare the latest dates only, because DynamoDB cannot search a list. The records provide the text of a refusal, make a
//! repeated import harmless, and give the latest dates that remain when an application is removed.
//!
//! **Bounds.** DynamoDB allows items of at most 400 kB, and a full item would make every call for its drivers fail. So one operator has
//! at most [`MOST_HISTORY_DATES`] specific and [`MOST_APPLICATIONS`] standardized applications on a truncated identity. The update that
//! adds an application has the bound in its condition, over `d#` and `n#`, because a condition cannot count attributes by their prefix. A
//! specific application takes at most 260 bytes there (attribute name 27, five rows 105, the key given later 119, its date 9), a
//! standardized one 130: 7.8 kB per operator. On an identity key's item, an operator has at most as many copies, with `MOST_COPIED_ROWS`
//! rows each: 11 kB. There, and on a licence's item, the eligibility windows bound the standardized applications. So 36 operators fit
//! into the fullest item. If an item is full nevertheless (filled before there were bounds, or by more operators), the result is
//! [`NoRoom::Record`].
//!
//! Records that were written before there were bounds have no `d#` and `n#` and are not counted.
//!
//! A writer that removes a record first reads which records remain, and writes on the condition that the item still has the stamp that
//! it read. The stamp is random and not a counter, because an item that was deleted and created again must not pass for the old one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::identity::keys_differ;
use cee_eligibility::{
    ApplicationId, EarlierApplication, Instant, MOST_APPLICATIONS, MOST_HISTORY_DATES, NoRoom, OperatorId,
};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, date, number};
use crate::records::claim_keys::{ClaimKeys, ClaimKind, Tag};
use crate::records::ids::ImportId;

/// The first bytes of a row's source: the UUID of its import.
const IMPORT_BYTES: usize = 16;

/// Latest standardized application (on a truncated identity: of those without an identity key).
pub(crate) const STANDARDIZED_AT: &str = "sd";
/// Latest standardized application with an identity key, on a truncated identity.
pub(crate) const STANDARDIZED_WITH_KEY_AT: &str = "sdk";
/// Latest specific application.
pub(crate) const SPECIFIC_AT: &str = "sp";
/// Latest specific application with an identity key, on a truncated identity.
pub(crate) const SPECIFIC_WITH_KEY_AT: &str = "spk";
/// The stamp of the latest write.
pub(crate) const STAMP: &str = "v";

/// The source of an imported row: its import and its line. It identifies the row permanently, so that a row that is imported again after
/// a crash is recognised and gets the same result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSource {
    /// The import.
    pub import: ImportId,
    /// The line in its file, starting at 1.
    pub line: u64,
}

impl RowSource {
    /// The import's UUID, then the line. An item lists a row as long as the row counts.
    pub(crate) fn to_attribute(self) -> AttributeValue {
        AttributeValue::B([self.import.as_bytes().as_slice(), &self.line.to_be_bytes()].concat().into())
    }
}

/// How many rows a specific application's record lists. Files that repeat each other would otherwise make an item grow without limit.
/// Beyond this number, the record only notes that there were [`more`].
pub(crate) const MOST_SOURCES: usize = 4;

/// How many rows the copy of a specific application lists. A driver who changed phone or name has a few originals, and each of them lists
/// its own rows.
pub(crate) const MOST_COPIED_ROWS: usize = 20;

/// DynamoDB's limit for an item, in bytes.
const LARGEST_ITEM: usize = 400 * 1024;

/// An upper bound for the bytes of one more record and its dates.
const ONE_RECORD: usize = 300;

const APPLICATION: &str = "a#";
const HISTORY: &str = "h#";
const HISTORY_KEY: &str = "k#";
const HISTORY_COPY: &str = "c#";
const DATES: &str = "d#";
const APPLICATIONS: &str = "n#";

/// The attribute of a standardized application's record.
pub(crate) fn application_attribute(uuid: ApplicationId) -> String {
    format!("{APPLICATION}{uuid}")
}

/// The attribute of a specific application's record. If an operator imports the same driver and date again, the record stays the same.
pub(crate) fn history_attribute(operator: OperatorId, datetime: Instant) -> String {
    format!("{HISTORY}{operator}#{}", datetime.millis())
}

/// The attribute that holds the identity key which this specific application was given.
pub(crate) fn history_key_attribute(history_attribute: &str) -> String {
    format!("{HISTORY_KEY}{}", after_prefix(history_attribute))
}

/// The attribute that holds the copy of this specific application on the item of its identity key.
pub(crate) fn history_copy_attribute(history_attribute: &str) -> String {
    format!("{HISTORY_COPY}{}", after_prefix(history_attribute))
}

/// The attribute that holds the dates of an operator's specific applications.
pub(crate) fn dates_attribute(operator: OperatorId) -> String {
    format!("{DATES}{operator}")
}

/// The attribute that counts an operator's standardized applications.
pub(crate) fn applications_attribute(operator: OperatorId) -> String {
    format!("{APPLICATIONS}{operator}")
}

/// Whether an operator has the maximum number of dates for a driver.
pub(crate) fn has_most_dates(item: &Item, operator: OperatorId) -> bool {
    let dates = item.get(&dates_attribute(operator)).and_then(|dates| dates.as_ns().ok());
    dates.is_some_and(|dates| dates.len() >= MOST_HISTORY_DATES)
}

/// Whether an operator has the maximum number of live applications on a truncated identity.
fn has_most_applications(item: &Item, operator: OperatorId) -> bool {
    let number =
        item.get(&applications_attribute(operator)).and_then(|number| number.as_n().ok()?.parse::<usize>().ok());
    number.is_some_and(|number| number >= MOST_APPLICATIONS)
}

/// Why an operator cannot have one more application on this item; `None` if it can.
pub(crate) fn no_room(item: &Item, operator: OperatorId) -> Option<NoRoom> {
    if has_most_applications(item, operator) {
        return Some(NoRoom::Applications);
    }
    (size(item) + ONE_RECORD > LARGEST_ITEM).then_some(NoRoom::Record)
}

/// The size of an item in bytes, as DynamoDB computes it: names and values.
fn size(item: &Item) -> usize {
    fn of(value: &AttributeValue) -> usize {
        let number = |digits: &String| digits.trim_start_matches('-').len().div_ceil(2) + 1;
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => number(digits),
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            AttributeValue::Ns(numbers) => numbers.iter().map(number).sum(),
            AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + of(value)).sum::<usize>(),
            AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + of(value)).sum::<usize>(),
            // The other types that a claim item holds are not longer.
            _ => 1,
        }
    }
    item.iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// How many copies of an operator's specific applications an item holds.
pub(crate) fn copies(item: &Item, operator: OperatorId) -> usize {
    let prefix = format!("{HISTORY_COPY}{operator}#");
    item.keys().filter(|attribute| attribute.starts_with(&prefix)).count()
}

/// The counts that the records of an item require: each attribute that differs, with its correct value. `None` as value: nothing is left
/// to count. Records that were written before there were counts are not counted.
///
/// # Errors
/// [`StoreError::Corrupt`] if a count or a record is not what this store writes.
pub(crate) fn counts(item: &Item) -> Result<Vec<(String, Option<AttributeValue>)>, StoreError> {
    let corrupt = |_| StoreError::Corrupt { table: "claims", what: "a count" };
    let mut changed = Vec::new();
    for (attribute, value) in item {
        if let Some(operator) = attribute.strip_prefix(DATES) {
            let dates = value.as_ns().map_err(|_| corrupt(()))?;
            let is_there = |date: &&String| item.contains_key(&format!("{HISTORY}{operator}#{date}"));
            let left: Vec<String> = dates.iter().filter(is_there).cloned().collect();
            if left.len() != dates.len() {
                changed.push((attribute.clone(), (!left.is_empty()).then_some(AttributeValue::Ns(left))));
            }
        } else if let Some(operator) = attribute.strip_prefix(APPLICATIONS) {
            let operator = OperatorId::parse(operator).map_err(|_| corrupt(()))?;
            let counted: i64 = value.as_n().ok().and_then(|number| number.parse().ok()).ok_or(corrupt(()))?;
            let there = granted(item)?.iter().filter(|granted| granted.operator == operator).count();
            let there = i64::try_from(there).unwrap_or(i64::MAX);
            if there != counted {
                changed.push((attribute.clone(), (there > 0).then(|| number(there))));
            }
        }
    }
    Ok(changed)
}

fn after_prefix(history_attribute: &str) -> &str {
    history_attribute.strip_prefix(HISTORY).unwrap_or(history_attribute)
}

/// The identity key that a specific application was given: its tag, and the key of its own item.
pub(crate) fn history_key(tag: Tag, pk: &str) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("k".to_owned(), AttributeValue::B(tag.to_vec().into())),
        ("p".to_owned(), AttributeValue::S(pk.to_owned())),
    ]))
}

/// The same value, marked because another key came later: the record covers more than one driver.
pub(crate) fn ambiguous_key(tag: Tag, pk: &str) -> AttributeValue {
    let mut key = HashMap::from([("x".to_owned(), AttributeValue::Bool(true))]);
    if let AttributeValue::M(given) = history_key(tag, pk) {
        key.extend(given);
    }
    AttributeValue::M(key)
}

/// Whether one of these rows belongs to this import.
pub(crate) fn lists_import(sources: &[AttributeValue], import: ImportId) -> bool {
    sources.iter().any(|source| import_of(source) == Some(import.as_bytes().as_slice()))
}

/// The import of a row; `None` if the entry is not a row.
fn import_of(source: &AttributeValue) -> Option<&[u8]> {
    source.as_b().ok().and_then(|source| source.as_ref().get(..IMPORT_BYTES))
}

/// The tag of the identity key by which a specific application on a truncated identity is compared, if any.
///
/// Drivers who share the truncated identity and the day share the record. So the record is compared by its key only if nothing shows that
/// it covers several drivers: not if two rows of one file brought it, and not if another key came too. In those cases it keeps blocking
/// everybody on the truncated identity, and its copy blocks the driver with the key.
fn compared_key(item: &Item, history_attribute: &str) -> Option<Tag> {
    let (tag, _) = given_key(item, history_attribute)?;
    let key = item.get(&history_key_attribute(history_attribute))?.as_m().ok()?;
    let mut imports: Vec<_> = sources(item, history_attribute).iter().filter_map(import_of).collect();
    imports.sort_unstable();
    let several = key.contains_key("x") || imports.windows(2).any(|pair| pair[0] == pair[1]);
    (!several).then_some(tag)
}

/// The tag of the identity key that this specific application was given, and the key of its own item.
pub(crate) fn given_key<'a>(item: &'a Item, history_attribute: &str) -> Option<(Tag, &'a str)> {
    let given = item.get(&history_key_attribute(history_attribute))?.as_m().ok()?;
    Some((given.get("k")?.as_b().ok()?.as_ref().try_into().ok()?, given.get("p")?.as_s().ok()?))
}

/// The record of a standardized application.
pub(crate) fn application_record(datetime: Instant, operator: OperatorId, tags: &[Tag]) -> AttributeValue {
    let mut record =
        HashMap::from([("t".to_owned(), date(datetime)), ("o".to_owned(), number(i64::from(operator.get())))]);
    if !tags.is_empty() {
        record.insert("k".to_owned(), AttributeValue::B(tags.concat().into()));
    }
    AttributeValue::M(record)
}

/// A new random stamp.
pub(crate) fn stamp() -> AttributeValue {
    AttributeValue::B(fastrand::u64(..).to_be_bytes().to_vec().into())
}

/// Marks in a specific application's record that there were more rows than it lists.
pub(crate) const fn more() -> AttributeValue {
    AttributeValue::Null(true)
}

/// The rows that brought a specific application; empty if the item does not hold it.
pub(crate) fn sources<'a>(item: &'a Item, attribute: &str) -> &'a [AttributeValue] {
    item.get(attribute).and_then(|record| record.as_l().ok()).map_or(&[], Vec::as_slice)
}

/// A specific application on an item, for an undo.
pub(crate) struct HistoryRecord<'a> {
    pub(crate) attribute: &'a str,
    /// The rows that brought it.
    pub(crate) sources: &'a [AttributeValue],
    /// Whether it is the copy of a record on another item.
    pub(crate) is_copy: bool,
}

/// The specific applications on an item.
///
/// # Errors
/// [`StoreError::Corrupt`] if a record is not what this store writes.
pub(crate) fn history(item: &Item) -> Result<Vec<HistoryRecord<'_>>, StoreError> {
    let mut found = Vec::new();
    for (attribute, record) in item {
        let is_copy = attribute.starts_with(HISTORY_COPY);
        if is_copy || attribute.starts_with(HISTORY) {
            let sources = record.as_l().map_err(|_| StoreError::Corrupt { table: "claims", what: "a record" })?;
            found.push(HistoryRecord { attribute, sources, is_copy });
        }
    }
    Ok(found)
}

fn millis(value: &AttributeValue) -> Option<Instant> {
    Instant::from_millis(value.as_n().ok()?.parse().ok()?)
}

/// An application on a claim item, and the tags of its identity keys there.
type Record = (EarlierApplication, Vec<Tag>);

/// The tags in a standardized application's record.
fn tags(record: &Item) -> Option<Vec<Tag>> {
    let Some(held) = record.get("k") else { return Some(Vec::new()) };
    let (tags, rest) = held.as_b().ok()?.as_ref().as_chunks::<{ ClaimKeys::TAG_BYTES }>();
    // An empty list of tags is corrupt: it would compare as "no key" but count among the dates of applications with a key.
    (!tags.is_empty() && rest.is_empty()).then(|| tags.to_vec())
}

/// Every application on a claim item.
///
/// # Errors
/// [`StoreError::Corrupt`] if a record is not what this store writes.
fn records(item: &Item) -> Result<Vec<Record>, StoreError> {
    let corrupt = || StoreError::Corrupt { table: "claims", what: "a record" };
    let mut found = Vec::new();
    for (attribute, value) in item {
        if let Some(uuid) = attribute.strip_prefix(APPLICATION) {
            let record = value.as_m().map_err(|_| corrupt())?;
            let tags = tags(record).ok_or_else(corrupt)?;
            let application = EarlierApplication::Standardized {
                datetime: record.get("t").and_then(millis).ok_or_else(corrupt)?,
                operator: record
                    .get("o")
                    .and_then(|o| o.as_n().ok())
                    .and_then(|o| OperatorId::parse(o).ok())
                    .ok_or_else(corrupt)?,
                uuid: ApplicationId::parse(uuid).ok_or_else(corrupt)?,
            };
            found.push((application, tags));
        } else if let Some(rest) = attribute.strip_prefix(HISTORY).or_else(|| attribute.strip_prefix(HISTORY_COPY)) {
            let (operator, at) = rest.split_once('#').ok_or_else(corrupt)?;
            let application = EarlierApplication::Specific {
                datetime: at.parse().ok().and_then(Instant::from_millis).ok_or_else(corrupt)?,
                operator: OperatorId::parse(operator).map_err(|_| corrupt())?,
            };
            found.push((application, compared_key(item, attribute).into_iter().collect()));
        }
    }
    Ok(found)
}

/// Whether a claim item holds an application that this operator registered or imported.
pub(crate) fn belongs_to(item: &Item, operator: OperatorId) -> bool {
    item.iter().any(|(attribute, value)| {
        if attribute.starts_with(APPLICATION) {
            let number = value.as_m().ok().and_then(|record| record.get("o")).and_then(|number| number.as_n().ok());
            return number.is_some_and(|number| *number == operator.to_string());
        }
        let rest = [HISTORY, HISTORY_COPY].into_iter().find_map(|prefix| attribute.strip_prefix(prefix));
        rest.and_then(|rest| rest.split_once('#')).is_some_and(|(number, _)| *number == operator.to_string())
    })
}

/// The records on a claim item that belong to the same person as a driver with these tags. No tags: the driver has no identity key.
///
/// # Errors
/// [`StoreError::Corrupt`] if a record is not what this store writes.
pub(crate) fn same_person(item: &Item, tags: &[Tag]) -> Result<Vec<EarlierApplication>, StoreError> {
    let same = records(item)?.into_iter().filter(|(_, its_tags)| !keys_differ(tags, its_tags));
    Ok(same.map(|(application, _)| application).collect())
}

/// A bound as a value of a condition.
pub(crate) fn most(bound: usize) -> AttributeValue {
    number(i64::try_from(bound).unwrap_or(i64::MAX))
}

/// The tags to compare: on a truncated identity, keys tell people apart. On the item of a licence or a key, all applications are the same
/// person's.
pub(crate) fn compared_tags(kind: ClaimKind, tags: &[Tag]) -> &[Tag] {
    if kind == ClaimKind::TruncatedIdentity { tags } else { &[] }
}

/// A standardized application on a claim item.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) uuid: ApplicationId,
    pub(crate) datetime: Instant,
    pub(crate) operator: OperatorId,
    /// The tags of its identity keys, on a truncated identity.
    pub(crate) tags: Vec<Tag>,
}

/// The standardized applications on a claim item.
///
/// # Errors
/// [`StoreError::Corrupt`] if a record is not what this store writes.
pub(crate) fn granted(item: &Item) -> Result<Vec<Granted>, StoreError> {
    let of = |(application, tags)| match application {
        EarlierApplication::Standardized { uuid, datetime, operator } => {
            Some(Granted { uuid, datetime, operator, tags })
        }
        EarlierApplication::Specific { .. } => None,
    };
    Ok(records(item)?.into_iter().filter_map(of).collect())
}

/// The latest dates of an item's records, which conditions compare.
#[derive(Default)]
pub(crate) struct LatestDates {
    standardized: Option<Instant>,
    standardized_with_key: Option<Instant>,
    specific: Option<Instant>,
    specific_with_key: Option<Instant>,
}

impl LatestDates {
    /// The latest dates of an item's records.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a record is not what this store writes.
    pub(crate) fn of(item: &Item) -> Result<Self, StoreError> {
        let mut dates = Self::default();
        for (application, tags) in records(item)? {
            let (latest, datetime) = match (application, tags.is_empty()) {
                (EarlierApplication::Standardized { datetime, .. }, true) => (&mut dates.standardized, datetime),
                (EarlierApplication::Standardized { datetime, .. }, false) => {
                    (&mut dates.standardized_with_key, datetime)
                }
                (EarlierApplication::Specific { datetime, .. }, true) => (&mut dates.specific, datetime),
                (EarlierApplication::Specific { datetime, .. }, false) => (&mut dates.specific_with_key, datetime),
            };
            *latest = (*latest).max(Some(datetime));
        }
        Ok(dates)
    }

    /// The attributes of the dates.
    pub(crate) const fn attributes(&self) -> [(&'static str, Option<Instant>); 4] {
        [
            (STANDARDIZED_AT, self.standardized),
            (STANDARDIZED_WITH_KEY_AT, self.standardized_with_key),
            (SPECIFIC_AT, self.specific),
            (SPECIFIC_WITH_KEY_AT, self.specific_with_key),
        ]
    }
}
