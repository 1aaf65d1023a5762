//! History files, and lists of drivers.

use cee_eligibility::IdentityKey;
use cee_history::{DriverRow, HistoryRow};

use super::files::{self, quoted};

/// Fails if a property of [`files`] does not hold for these bytes as a history file, or as a list of drivers.
pub fn check(bytes: &[u8]) {
    files::check::<HistoryRow>(bytes);
    files::check::<DriverRow>(bytes);
}

impl files::Written for DriverRow {
    const HEADER: &'static str = "journey_type,last_name_trunc,phone_trunc,driving_license,identity_key";

    fn written(&self) -> String {
        let Self { journey_type, identity } = self;
        let (name, phone) = (&identity.truncated.last_name_trunc, &identity.truncated.phone_trunc);
        let license = identity.driving_license.as_ref().map_or("", |license| license.as_str());
        let key = identity.identity_keys.callers().map(IdentityKey::to_hex).unwrap_or_default();
        [journey_type.as_str(), name.as_str(), phone.as_str(), license, &key].map(quoted).join(",")
    }
}

impl files::Written for HistoryRow {
    const HEADER: &'static str = "journey_type,last_name_trunc,phone_trunc,datetime";

    fn written(&self) -> String {
        let Self { journey_type, identity, datetime } = self;
        let (name, phone) = (identity.last_name_trunc.as_str(), identity.phone_trunc.as_str());
        [journey_type.as_str(), name, phone, &datetime.to_string()].map(quoted).join(",")
    }
}
