//! What every function needs to start: settings, clock, AWS clients, logs, metrics.
//!
//! | to find | look in |
//! |---|---|
//! | which settings there are, their defaults, what is said of a bad one | [`settings`] |
//! | the clock, and how it is pinned | [`clock`] |
//! | how AWS is reached | [`aws`] |
//! | what is logged, and what never is | [`telemetry`] |
//! | what is counted and measured, under which names | [`metrics`] |
//! | whether the pepper is the one that filled the tables | [`pepper`] |
//! | how the tests make a function panic | [`trap`] |
//!
//! A function reads all its settings when it starts. A missing or bad one stops the start and is named; it never waits
//! for the first driver.

pub mod aws;
pub mod clock;
pub mod metrics;
pub mod pepper;
pub mod settings;
pub mod telemetry;
pub mod trap;

pub use clock::Clock;
pub use metrics::{Metric, Metrics};
pub use pepper::{CheckedPepper, PepperError};
pub use settings::{Environment, SettingError};
