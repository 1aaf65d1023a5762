//! The store: everything the registry keeps in DynamoDB.
//!
//! | to find | look in |
//! |---|---|
//! | how one driver is granted one certificate, whatever happens at once | [`claims`] |
//! | what a claim item holds | [`claim_item`] |
//! | why no name, phone or licence is ever a partition key | [`keys`] |
//! | registered applications | [`applications`] |
//! | journeys the registry knows | [`journeys`] |
//! | operators and whether they are suspended | [`operators`] |
//! | whether an operator's number was ever used | [`numbers`] |
//! | the secrets with which operators get their tokens, and how guessing is slowed | [`credentials`] |
//! | imports of files and how they ended | [`imports`] |
//! | how an import is taken back | [`undo`] |
//! | how an application is deleted | [`delete`] |
//! | how an application is given an identity key later | [`identity`] |
//! | what is held about one driver, and how it is erased | [`drivers`] |
//! | what has become of the application that a proof is of | [`proofs`] |
//! | how a lost answer is had again | [`idempotency`] |
//! | how many calls each operator makes, how many of its files are imported at once | [`limits`] |
//! | whether the tables hold what the protocol says cannot be | [`audit`] |
//! | how many items are read | [`read`] |
//! | whether the pepper is the one that filled the tables | [`pepper`] |
//! | how a table is put back to an earlier moment | [`restore`] |
//! | how something is taken out of a claim item | [`rewrite`] |
//! | table names and definitions | [`tables`] |
//! | what can go wrong, and what is tried again | [`error`] |
//!
//! Each type reaches only the tables it needs, so that a function's IAM role can be read off the types it holds.

pub mod dynamo;
pub mod protocol;
pub mod records;
pub mod stores;
pub mod team;

pub use dynamo::{error, read, tables};
pub use protocol::{delete, give_key as identity, proofs, register as claims, undo};
pub use records::{
    application as applications, claim_item, claim_keys as keys, credential as credentials, idempotency,
    journey as journeys, rewrite,
};
pub use stores::{imports, limits, operators};
pub use team::{audit, drivers, numbers, pepper, restore};

pub use applications::{Application, ApplicationJourney, Applications};
pub use audit::{Audited, Finding, FindingKind};
pub use claims::{
    Claims, Contradicted, HistoryApplication, HistoryImported, HistoryOutcome, Registration, RowSource, Simulated,
};
pub use credentials::{
    AccessKey, Credential, Credentials, Failures, KeyPair, NoRandomness, SecretHash, SecretKey, Success,
};
pub use delete::Deleted;
pub use drivers::{Archived, Erased, Held, HeldJourney, Recorded, Sought};
pub use error::{Deadline, StoreError, take_retries};
pub use idempotency::{FirstAnswer, NamedCall, Remembered};
pub use identity::{GivenKey, HistoryKey};
pub use imports::{
    Begun, Claimed, Cursor, FileOutcome, Hold, HoldError, ImportId, ImportRecord, ImportState, ImportStatus, Imports,
    MOST_LISTED, TakeBackRefusal, UndoBegun, UndoRefusal, Wishes, take_back_refusal, undo_note,
};
pub use journeys::{JourneyOutcome, JourneyVersion, Journeys, StoredJourney};
pub use keys::{ClaimKeys, ClaimKind};
pub use limits::{ImportSlot, ImportSlots, Limits};
pub use numbers::{Numbers, Use};
pub use operators::{Operator, Operators, Standing};
pub use pepper::{Evidence, Pepper};
pub use proofs::{ProofState, Proofs};
pub use restore::Differences;
pub use tables::Tables;
pub use undo::{Brought, BroughtPage};
