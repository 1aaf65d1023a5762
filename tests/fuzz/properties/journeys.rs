//! Journey files.

use cee_eligibility::{IdentityKey, Journey};

use super::files::{self, quoted};

/// Fails if a property of [`files`] does not hold for these bytes as a journeys file.
pub fn check(bytes: &[u8]) {
    files::check::<Journey>(bytes);
}

impl files::Written for Journey {
    const HEADER: &'static str = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,\
                                  distance,start_insee,end_insee,driver_phone_trunc,driver_identity_key,acquisition_status";

    fn written(&self) -> String {
        let key = self.driver_identity_key.as_ref().map(IdentityKey::to_hex).unwrap_or_default();
        let cells = [
            &self.journey_id.to_string(),
            &self.operator.to_string(),
            self.operator_journey_id.as_str(),
            &self.operator_class.to_string(),
            &self.start.to_string(),
            &self.end.to_string(),
            &self.distance_metres.to_string(),
            self.start_insee.as_str(),
            self.end_insee.as_str(),
            self.driver_phone_trunc.as_str(),
            &key,
            self.status.as_str(),
        ];
        cells.map(quoted).join(",")
    }
}
