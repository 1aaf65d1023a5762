//! The item of a journey. Journeys come from the registry's trip export.

use cee_eligibility::journey::{Insee, parse_operator_class};
use cee_eligibility::{
    ApplicationId, IdentityKey, Instant, Journey, JourneyStatus, OperatorId, OperatorJourneyId, PhoneTrunc,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;
use crate::records::ids::ImportId;

/// The line and the file that a journey comes from. Versions sort as strings, because DynamoDB's conditions compare strings: a later file
/// after an earlier one, and a later line of a file after an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JourneyVersion(String);

impl JourneyVersion {
    /// The version of a line in a file that was uploaded to S3 at this moment.
    #[must_use]
    pub fn new(put_at: Instant, import: ImportId, line: u64) -> Self {
        // `put_at` would be negative only before 1970, when S3 did not exist.
        Self(format!("{:015}#{import}#{line:012}", put_at.millis().max(0)))
    }

    pub(crate) const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn file(&self) -> &str {
        self.0.rsplit_once('#').map_or("", |(file, _)| file)
    }
}

/// A journey as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJourney {
    /// The journey.
    pub journey: Journey,
    /// The line that it comes from.
    pub version: JourneyVersion,
    /// The application that uses it, if any.
    pub used: Option<Used>,
}

/// The application that uses a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The application's UUID.
    pub by: ApplicationId,
    /// The application's date: the journey's end when it was registered.
    pub datetime: Instant,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    pk: String,
    journey_id: u64,
    operator_class: char,
    start_at: i64,
    end_at: i64,
    distance: u32,
    start_insee: String,
    end_insee: String,
    /// Missing if the driver was erased.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    phone_trunc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    identity_key: Option<ByteBuf>,
    status: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    used_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    used_at: Option<i64>,
}

pub(crate) const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "journeys", what }
}

/// Operators choose their own IDs for journeys. The operator's number, which contains no `#`, comes first.
pub(crate) fn partition_key(operator: OperatorId, operator_journey_id: &OperatorJourneyId) -> String {
    format!("{operator}#{}", operator_journey_id.as_str())
}

impl StoredJourney {
    /// `None`: its driver was erased, so the journey cannot be used any more.
    pub(crate) fn from_item(item: Item) -> Result<Option<Self>, StoreError> {
        let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        let Some(phone_trunc) = &stored.phone_trunc else { return Ok(None) };
        let instant = |millis| Instant::from_millis(millis).ok_or(corrupt("a date"));
        let (operator, operator_journey_id) = stored.pk.split_once('#').ok_or(corrupt("pk"))?;
        let identity_key = stored
            .identity_key
            .map(|key| <[u8; 32]>::try_from(key.into_vec()).map(IdentityKey::from_bytes))
            .transpose()
            .map_err(|_| corrupt("identity_key"))?;
        let used = match (stored.used_by, stored.used_at) {
            (Some(by), Some(at)) => {
                Some(Used { by: ApplicationId::parse(&by).ok_or(corrupt("used_by"))?, datetime: instant(at)? })
            }
            (None, None) => None,
            _ => return Err(corrupt("half a use")),
        };
        Ok(Some(Self {
            journey: Journey {
                journey_id: stored.journey_id,
                operator: OperatorId::parse(operator).map_err(|_| corrupt("pk"))?,
                operator_journey_id: OperatorJourneyId::parse(operator_journey_id).map_err(|_| corrupt("pk"))?,
                operator_class: parse_operator_class(&stored.operator_class.to_string())
                    .map_err(|_| corrupt("operator_class"))?,
                start: instant(stored.start_at)?,
                end: instant(stored.end_at)?,
                distance_metres: stored.distance,
                start_insee: Insee::parse(&stored.start_insee).map_err(|_| corrupt("start_insee"))?,
                end_insee: Insee::parse(&stored.end_insee).map_err(|_| corrupt("end_insee"))?,
                // Parsed as in today's calls, so that the claim key is the same. A phone that today's numbering plan rejects is kept.
                driver_phone_trunc: PhoneTrunc::parse(phone_trunc)
                    .or_else(|_| PhoneTrunc::from_stored(phone_trunc))
                    .map_err(|_| corrupt("phone_trunc"))?,
                driver_identity_key: identity_key,
                status: JourneyStatus::parse(&stored.status).ok_or(corrupt("status"))?,
            },
            version: JourneyVersion(stored.version),
            used,
        }))
    }

    pub(crate) fn to_item(&self) -> Result<Item, StoreError> {
        let journey = &self.journey;
        let stored = Stored {
            pk: partition_key(journey.operator, &journey.operator_journey_id),
            journey_id: journey.journey_id,
            operator_class: journey.operator_class,
            start_at: journey.start.millis(),
            end_at: journey.end.millis(),
            distance: journey.distance_metres,
            start_insee: journey.start_insee.as_str().to_owned(),
            end_insee: journey.end_insee.as_str().to_owned(),
            phone_trunc: Some(journey.driver_phone_trunc.as_str().to_owned()),
            identity_key: journey.driver_identity_key.as_ref().map(|key| ByteBuf::from(key.as_bytes().to_vec())),
            status: journey.status.as_str().to_owned(),
            version: self.version.0.clone(),
            used_by: None,
            used_at: None,
        };
        serde_dynamo::aws_sdk_dynamodb_1::to_item(stored).map_err(|_| corrupt("an item that cannot be written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_time_then_line() {
        let version = |millis, import: u8, line| {
            JourneyVersion::new(Instant::from_millis(millis).unwrap(), ImportId::from_bytes([import; 16]), line)
        };
        assert!(version(999, 9, 100) < version(1000, 1, 1));
        assert!(version(1000, 1, 9) < version(1000, 1, 10));
        assert_eq!(version(1000, 1, 9).file(), version(1000, 1, 10).file());
        assert_ne!(version(1000, 1, 9).file(), version(1000, 2, 9).file());
    }
}
