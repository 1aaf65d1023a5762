//! The rules of the certificate registry, and nothing else: no AWS, no async, no clock, no environment.
//!
//! | to find | look in |
//! |---|---|
//! | what a field may hold, how it is normalised | [`fields`] |
//! | why a field is refused | [`error`] |
//! | the two languages of the messages | [`language`] |
//! | the French of the messages | `french` |
//! | how a driving licence is written, and which spellings are one licence | [`license`] |
//! | dates, time zones, "N years before" | [`time`] |
//! | weeks and months of the statistics | [`week`] |
//! | windows, floors, delays, period, distance: every number | [`rules`] |
//! | when two applications belong to the same person | [`identity`] |
//! | whether an earlier application blocks a new one, and which application is reported | [`decision`] |
//! | which journeys may be used | [`journey`] |
//! | how phones are written, and which form is kept | [`phone`] |
//! | how an error message names a character | [`character`] |
//! | an enum whose variants have words | [`words!`] |
//! | how a full name and phone become the compared values | [`normalise`] |
//! | what the OpenAPI document says of each field (feature `openapi`) | `openapi` |
//!
//! Sources: the public documentation of the French carpool-proof registry (Registre de preuve de covoiturage,
//! "RPC"), its OpenAPI 3.0 to 3.3, and the sheets TRA-SE-115 (short distance) and TRA-SE-114 (long distance).

pub mod character;
pub mod decision;
pub mod error;
pub mod fields;
mod french;
pub mod identity;
pub mod journey;
pub mod language;
pub mod license;
pub mod normalise;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod phone;
pub mod rules;
pub mod time;
pub mod week;
mod words;

pub use decision::{Blocker, EarlierApplication, Reason, latest_blocker};
pub use error::{FieldError, NormaliseError};
pub use fields::{
    ApplicationId, IdempotencyKey, IdentityKey, JourneyType, LastNameTrunc, OperatorId, OperatorJourneyId, Siret,
};
pub use identity::{Identity, IdentityKeys, TruncatedIdentity};
pub use journey::{Criterion, Journey, JourneyStatus};
pub use language::Language;
pub use license::DrivingLicense;
pub use normalise::LastName;
pub use phone::{Phone, PhoneTrunc};
pub use rules::{Cutoffs, MOST_APPLICATIONS, MOST_HISTORY_DATES, NoRoom, Rules, TooEarly};
pub use time::Instant;
pub use week::{Month, Week};
