//! The store: everything the registry keeps in DynamoDB, and every request to it.
//!
//! To read it for the first time: [`records::claim_keys`] and [`records::claim_item`] (what identifies a driver, and the item of each such
//! key), then [`protocol::register`] (the transaction that grants a certificate). The other files of [`protocol`] follow the same pattern.
//!
//! The crate has five storeys, and a file imports from its own storey and from those above it in this list only:
//!
//! | storey | contents |
//! |---|---|
//! | [`dynamo`] | requests to DynamoDB: errors, retries, transactions, paged reads, table definitions |
//! | [`records`] | the items: encoding and decoding, no requests |
//! | [`stores`] | a type for each table: every other storey sends its requests through them |
//! | [`protocol`] | calls that read or write items of several tables |
//! | [`team`] | operations of the registry's team over whole tables |
//!
//! | to find | look in |
//! |---|---|
//! | how one driver gets one certificate, even if several operators register at once | [`protocol::register`] |
//! | the attributes of a claim item | [`records::claim_item`] |
//! | why names, phones and licences are never partition keys | [`records::claim_keys`] |
//! | how history is imported, and how an import is undone | [`protocol::history`], [`protocol::undo`] |
//! | how an application is given an identity key later | [`protocol::give_key`] |
//! | how an application is deleted | [`protocol::delete`] |
//! | how an operator's applications are listed, and what a cursor is | [`stores::applications`], [`records::listed`] |
//! | how an operator learns what changed, and why it misses nothing | [`stores::changes`], [`records::change`] |
//! | how an application gets its journey's new status | [`protocol::follow`] |
//! | the current state of the application behind a proof | [`protocol::proofs`] |
//! | how a retried request gets its first response | [`records::idempotency`] |
//! | exports of applications to files | [`records::export`], [`stores::exports`] |
//! | imports of files and their results | [`records::import`], [`stores::imports`] |
//! | the operators' access keys and secrets, and how the registry slows guessing | [`records::credential`], [`stores::credentials`] |
//! | how many calls each operator makes, and how many of its files are imported at once | [`stores::limits`] |
//! | how many drivers an operator asks about in lists | [`stores::driver_lists`] |
//! | whether the pepper made the keys in the tables | [`stores::pepper`], [`team::pepper`] |
//! | whether the tables break an invariant of the protocol | [`team::audit`] |
//! | the data about one driver, and how it is erased | [`team::drivers`], [`team::erase`] |
//! | whether an operator's number was ever used | [`team::numbers`] |
//! | statistics: what is counted, when and how exactly | [`records::statistics`], [`stores::statistics`], [`team::recount`] |
//! | how a table is restored to an earlier moment | [`team::restore`] |
//! | how a record is removed from a claim item | [`records::rewrite`] |
//! | table names and definitions | [`dynamo::tables`] |
//! | errors and retries | [`dynamo::error`], [`dynamo::retry`] |
//!
//! A type holds only the tables that it needs, so its constructor shows which IAM policy its function needs. A type of [`stores`] holds the
//! table of its file. The others hold these tables; a test compares this list with the types:
//!
//! | type | tables | used by |
//! |---|---|---|
//! | [`Simulator`] | claims | simulate, import |
//! | [`Registrar`] | claims, applications, journeys, idempotency | register |
//! | [`HistoryWriter`] | claims | import, batches |
//! | [`HistoryRemover`] | claims | import |
//! | [`KeyGiver`] | claims, applications | batches |
//! | [`Deleter`] | claims, applications, archive, changes, journeys | applications, console |
//! | [`JourneyFollower`] | applications, changes | import |
//! | [`Proofs`] | applications, archive | public |
//! | [`TableAuditor`] | claims, applications, archive, changes, journeys, imports, exports | audit, `cee audit` |
//! | [`StrayRemover`] | claims, applications, archive | `cee audit --repair` |
//! | [`DriverFinder`] | claims, applications, archive, journeys | `cee driver` |
//! | [`DriverEraser`] | applications, archive, changes, journeys, idempotency | `cee driver erase` |
//! | [`PepperKeeper`] | claims, applications | `cee pepper` |
//! | [`Recounter`] | applications, archive, imports, statistics | `cee stats` |
//! | [`Numbers`] | claims, archive, imports, operators, credentials | `cee operator create` |

pub mod dynamo;
pub mod protocol;
pub mod records;
pub mod stores;
pub mod team;

pub use dynamo::error::{StoreError, is_contention, is_too_large};
pub use dynamo::retry::{Deadline, take_retries};
pub use dynamo::tables::Tables;
pub use dynamo::transaction::once;
pub use protocol::delete::{Deleted, Deleter};
pub use protocol::follow::JourneyFollower;
pub use protocol::give_key::{GivenKey, HistoryKey, KeyGiver};
pub use protocol::history::{Contradicted, HistoryApplication, HistoryImported, HistoryOutcome, HistoryWriter};
pub use protocol::proofs::{ProofState, Proofs};
pub use protocol::register::{Registrar, Registration};
pub use protocol::simulate::{Simulated, Simulator};
pub use protocol::undo::{Brought, BroughtPage, HistoryRemover};
pub use records::application::{Application, ApplicationJourney};
pub use records::change::{
    CHANGES_KEPT_DAYS, Change, ChangeKind, ChangesPage, ChangesPlace, ChangesRead, DeletedBy, SeenChange,
};
pub use records::claim_item::RowSource;
pub use records::claim_keys::{ClaimKeys, ClaimKind};
pub use records::credential::{AccessKey, Credential, Failures, KeyPair, NoRandomness, SecretHash, SecretKey};
pub use records::export::{
    EXPORT_FILES, EXPORT_NOTES, ExportFormat, ExportProgress, ExportRecord, ExportState, ExportStatus, export_note,
    export_of_file, export_of_note, export_pieces,
};
pub use records::idempotency::{IdempotencyRecord, Replay, RequestKey};
pub use records::ids::{ExportId, ImportId};
pub use records::import::{
    FileOutcome, GIVEN_UP_AFTER, ImportRecord, ImportState, ImportStatus, ReplaceRefusal, TakeBackRefusal, UndoRefusal,
    Wishes, replace_refusal, take_back_refusal, undo_note, undo_refusal,
};
pub use records::journey::{JourneyVersion, StoredJourney};
pub use records::listed::{ListFilter, ListPlace, ListedApplication, ListedDates, ListedJourney};
pub use records::session::{Session, SessionId};
pub use records::statistics::{Cell, Counts, Outcome, Source, WeekCounts};
pub use stores::*;
pub use team::audit::affected::Affected;
pub use team::audit::auditor::TableAuditor;
pub use team::audit::exports::ExportObjects;
pub use team::audit::finding::{Finding, FindingKind};
pub use team::audit::part::{AuditPlace, Audited};
pub use team::audit::repair::StrayRemover;
pub use team::drivers::{Archived, DriverData, DriverFinder, DriverJourney, DriverQuery, Recorded};
pub use team::erase::{DriverEraser, Erased};
pub use team::numbers::{Numbers, Use};
pub use team::pepper::{Evidence, PepperKeeper};
pub use team::recount::{Counted, Recounter};
pub use team::restore::{Differences, restore};
