//! The tables: one type per table, which builds the expressions of its requests. The expressions on claims that state a rule are in
//! [`crate::protocol`].
//!
//! | to find | look in |
//! |---|---|
//! | registered applications | [`applications`] |
//! | deleted and erased applications | [`archive`] |
//! | changes of applications, and why a reader misses none | [`changes`] |
//! | claims | [`claims`] |
//! | the check value of the pepper, in the table of claims | [`pepper`] |
//! | credentials, and how wrong guesses are counted | [`credentials`] |
//! | the drivers that operators ask about in lists, in the table of limits | [`driver_lists`] |
//! | exports | [`exports`] |
//! | idempotency records | [`idempotency`] |
//! | imports | [`imports`] |
//! | journeys | [`journeys`] |
//! | the lease on an import or an export | [`lease`] |
//! | counts of calls, and slots of imports | [`limits`] |
//! | operators | [`operators`] |
//! | sessions of the console | [`sessions`] |
//! | counts of each operator's weeks | [`statistics`] |

pub mod applications;
pub mod archive;
pub mod changes;
pub mod claims;
pub mod credentials;
pub mod driver_lists;
pub mod exports;
pub mod idempotency;
pub mod imports;
pub mod journeys;
pub mod lease;
pub mod limits;
pub mod operators;
pub mod pepper;
pub mod sessions;
pub mod statistics;

pub use applications::{Applications, MOST_ON_A_PAGE};
pub use changes::{Changes, MOST_CHANGES};
pub use credentials::{Credentials, Success};
pub use driver_lists::{Asked, DriverQuota};
pub use exports::{ExportAdded, ExportBegun, ExportHold, Exports, MOST_EXPORTS, MOST_EXPORTS_A_DAY};
pub use imports::hold::{Begun, Hold, UndoBegun};
pub use imports::list::{Cursor, MOST_LISTED};
pub use imports::replacement::Replacement;
pub use imports::table::Imports;
pub use imports::uploads::Claimed;
pub use journeys::{JourneyOutcome, Journeys};
pub use lease::HoldError;
pub use limits::{ImportSlot, ImportSlots, Limits, WINDOW, window_of};
pub use operators::{Operator, Operators, Standing};
pub use pepper::{Pepper, PepperCheck};
pub use sessions::Sessions;
pub use statistics::{Added, Statistics};
