//! History files.

use cee_history::HistoryRow;

use super::files::{self, quoted};

/// Fails where a property of [`files`] does not hold of these bytes as a history file.
pub fn check(bytes: &[u8]) {
    files::check::<HistoryRow>(bytes);
}

impl files::Written for HistoryRow {
    const HEADER: &'static str = "journey_type,last_name_trunc,phone_trunc,datetime";

    fn written(&self) -> String {
        let Self { journey_type, identity, datetime } = self;
        let (name, phone) = (identity.last_name_trunc.as_str(), identity.phone_trunc.as_str());
        [journey_type.as_str(), name, phone, &datetime.to_string()].map(quoted).join(",")
    }
}
