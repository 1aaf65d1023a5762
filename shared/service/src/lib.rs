//! The start of every function: settings, clock, AWS clients, logs, metrics.
//!
//! | to find | look in |
//! |---|---|
//! | the settings, their defaults, the messages about invalid ones | [`settings`] |
//! | the clock, and how it is pinned | [`clock`] |
//! | AWS clients | [`aws`] |
//! | how an event of S3 is read | [`event`] |
//! | forms with which a browser puts a file on S3 | [`form`] |
//! | how objects are put on S3, and lists that grow | [`objects`] |
//! | cells of CSV that a spreadsheet takes for formulas | [`spreadsheet`] |
//! | what is logged, and what is never logged | [`telemetry`] |
//! | the metrics and their names | [`metrics`] |
//! | how Lambda runs a function that events invoke | [`runtime`] |
//! | whether the pepper made the keys in the tables | [`pepper`] |
//! | how the tests make a function panic | [`trap`] |
//!
//! A function reads all its settings when it starts. If a setting is missing or invalid, the function does not start, and the error
//! contains the setting's name. So the error shows before the first call.

pub mod aws;
pub mod clock;
pub mod event;
pub mod form;
pub mod metrics;
pub mod objects;
pub mod pepper;
pub mod runtime;
pub mod settings;
pub mod spreadsheet;
pub mod telemetry;
pub mod trap;

pub use clock::Clock;
pub use metrics::{Metric, Metrics};
pub use pepper::{CheckedPepper, PepperError};
pub use settings::{Environment, SettingError};
