//! The findings of an audit.

use std::fmt;

use cee_eligibility::{ApplicationId, OperatorId, words};

use crate::records::claim_keys::ClaimKind;
use crate::records::ids::{ExportId, ImportId};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Two live applications of one person are within each other's window.
    GrantedTwice(ApplicationId, ApplicationId),
    /// An application lacks the claim on one of its keys.
    Unclaimed(ApplicationId, ClaimKind),
    /// A short application's journey does not record that the application uses it.
    JourneyUnclaimed(ApplicationId),
    /// A short application's journey has another phone or identity key than the application's claims: it was corrected after the
    /// registration.
    JourneyCorrected(ApplicationId),
    /// A claim refers to an application that does not exist. With the key of the claim's item.
    Orphan(ApplicationId, String),
    /// A claim is on an item that does not belong to any key of its application. With the key of that item.
    Misplaced(ApplicationId, String),
    /// A claim's date, operator or identity keys differ from its application's. With the key of its item.
    Disagrees(ApplicationId, String),
    /// A latest date or a count on the item with this key does not match the item's records.
    WrongDate(String, &'static str),
    /// The counts of an import's report do not add up.
    Miscounted(Option<OperatorId>, ImportId),
    /// An operator could read another operator's data: an item under its number refers to it. `None`: an item under the registry's
    /// number.
    Foreign(Option<OperatorId>, &'static str),
    /// The feed of an operator lacks the change with this number, although there is one before or after it.
    ChangeMissing(OperatorId, u64),
    /// The change with this number of an operator contradicts its neighbours or its application. With what is wrong.
    ChangeWrong(OperatorId, u64, &'static str),
    /// The change with this number of an operator is about another operator's application.
    ForeignChange(OperatorId, u64),
    /// An export of an operator contradicts itself, or what is on S3. With what is wrong.
    ExportWrong(OperatorId, ExportId, &'static str),
    /// An item of this table is malformed. With its key, if that cannot contain personal data.
    Unreadable(&'static str, String),
    /// The check of a part panicked, and the part was skipped. With the place where the part begins, as far as that cannot contain
    /// personal data.
    PassedOver(String),
}

words! {
    /// The kinds of findings, with their names in metrics and in the log.
    pub enum FindingKind {
        /// [`Finding::GrantedTwice`]
        GrantedTwice = "granted_twice",
        /// [`Finding::Unclaimed`]
        Unclaimed = "unclaimed",
        /// [`Finding::JourneyUnclaimed`]
        JourneyUnclaimed = "journey_unclaimed",
        /// [`Finding::JourneyCorrected`]
        JourneyCorrected = "journey_corrected",
        /// [`Finding::Orphan`]
        Orphan = "orphan",
        /// [`Finding::Misplaced`]
        Misplaced = "misplaced",
        /// [`Finding::Disagrees`]
        Disagrees = "disagrees",
        /// [`Finding::WrongDate`]
        WrongDate = "wrong_date",
        /// [`Finding::Miscounted`]
        Miscounted = "miscounted",
        /// [`Finding::Foreign`], [`Finding::ForeignChange`]
        Foreign = "foreign",
        /// [`Finding::ChangeMissing`], [`Finding::ChangeWrong`]
        FeedDamaged = "feed_damaged",
        /// [`Finding::ExportWrong`]
        ExportDamaged = "export_damaged",
        /// [`Finding::Unreadable`], [`Finding::PassedOver`]
        Unreadable = "unreadable",
    }
}

/// In place of the key of an application whose key is no UUID.
pub(super) const NO_UUID: &str = "of no uuid";

/// In place of the key of a change whose key is not an operator and a number.
pub(super) const NO_NUMBER: &str = "of no number";

impl Finding {
    /// Whether checking the damaged items again tells whether it still holds. Otherwise a whole round tells that.
    #[must_use]
    pub fn is_checked_again(&self) -> bool {
        match self {
            Self::Miscounted(..) | Self::Foreign(..) | Self::ExportWrong(..) | Self::PassedOver(_) => false,
            Self::Unreadable("imports" | "exports", _) => false,
            Self::Unreadable(_, key) => key != NO_UUID && key != NO_NUMBER,
            _ => true,
        }
    }

    /// The finding's kind.
    #[must_use]
    pub const fn kind(&self) -> FindingKind {
        match self {
            Self::GrantedTwice(..) => FindingKind::GrantedTwice,
            Self::Unclaimed(..) => FindingKind::Unclaimed,
            Self::JourneyUnclaimed(..) => FindingKind::JourneyUnclaimed,
            Self::JourneyCorrected(..) => FindingKind::JourneyCorrected,
            Self::Orphan(..) => FindingKind::Orphan,
            Self::Misplaced(..) => FindingKind::Misplaced,
            Self::Disagrees(..) => FindingKind::Disagrees,
            Self::WrongDate(..) => FindingKind::WrongDate,
            Self::Miscounted(..) => FindingKind::Miscounted,
            Self::Foreign(..) | Self::ForeignChange(..) => FindingKind::Foreign,
            Self::ChangeMissing(..) | Self::ChangeWrong(..) => FindingKind::FeedDamaged,
            Self::ExportWrong(..) => FindingKind::ExportDamaged,
            Self::Unreadable(..) | Self::PassedOver(_) => FindingKind::Unreadable,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = |operator: &Option<OperatorId>| {
            operator.map_or_else(|| "the registry".to_owned(), |o| format!("operator {o}"))
        };
        match self {
            Self::GrantedTwice(one, other) => write!(f, "granted twice: {one} and {other} are one driver's"),
            Self::Unclaimed(uuid, kind) => write!(f, "unclaimed: {uuid} has no claim on its {}", kind.as_str()),
            Self::JourneyUnclaimed(uuid) => write!(f, "journey unclaimed: the journey of {uuid} does not carry it"),
            Self::JourneyCorrected(uuid) => {
                let what = "names another phone or identity key than the application claims";
                write!(f, "journey corrected: the journey of {uuid} {what}")
            }
            Self::Orphan(uuid, key) => write!(f, "orphan: the item {key} names {uuid}, which there is not"),
            Self::Misplaced(uuid, key) => write!(f, "misplaced: the item {key} names {uuid}, which has no such key"),
            Self::Disagrees(uuid, key) => {
                write!(f, "disagrees: the item {key} gives {uuid} another date, operator or identity key than it has")
            }
            Self::WrongDate(key, attribute) => {
                write!(f, "wrong date: {attribute} of the item {key} is not what its records say")
            }
            Self::Miscounted(operator, id) => {
                write!(f, "miscounted: the report of the import {id} of {} does not add up", whose(operator))
            }
            Self::Foreign(operator, what) => write!(f, "foreign: {} could read {what}", whose(operator)),
            Self::ForeignChange(operator, number) => {
                let what = "which is of another operator's application";
                write!(f, "foreign: operator {operator} could read change {number}, {what}")
            }
            Self::ChangeMissing(operator, number) => {
                write!(f, "feed damaged: change {number} of operator {operator} is missing")
            }
            Self::ChangeWrong(operator, number, what) => {
                write!(f, "feed damaged: change {number} of operator {operator} {what}")
            }
            Self::ExportWrong(operator, id, what) => {
                write!(f, "export damaged: the export {id} of operator {operator} {what}")
            }
            Self::Unreadable(table, key) => write!(f, "unreadable: the item {key} of the table of {table}"),
            Self::PassedOver(place) => write!(f, "unreadable: looking at the part after {place} panicked"),
        }
    }
}
