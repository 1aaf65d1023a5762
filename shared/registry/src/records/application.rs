//! The item of a registered application, and the marker that stays under its UUID when it is gone.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::{
    ApplicationId, DrivingLicense, Identity, IdentityKey, IdentityKeys, Instant, JourneyStatus, JourneyType,
    LastNameTrunc, OperatorId, OperatorJourneyId, PhoneTrunc, TruncatedIdentity, words,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, text};
use crate::records::journey::{JourneyVersion, partition_key};

/// A registered (*standardized*) application. Holds personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The application's UUID.
    pub uuid: ApplicationId,
    /// The operator that registered it.
    pub operator: OperatorId,
    /// The journey type, which is also the type of the certificate.
    pub journey_type: JourneyType,
    /// The driver's identity. A registered application always has a driving licence.
    pub identity: Identity,
    /// The journey's end (short) or the day the costs were shared (long).
    pub datetime: Instant,
    /// When the driver signed.
    pub application_timestamp: Instant,
    /// The date of the registration.
    pub registered_at: Instant,
    /// The journey of a short application.
    pub journey: Option<ApplicationJourney>,
    /// The proof, exactly as the registry returned it.
    pub token: String,
}

/// The journey of a short application, as the application stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationJourney {
    /// The operator's ID of the journey.
    pub operator_journey_id: OperatorJourneyId,
    /// The registry's number of the journey.
    pub journey_id: u64,
    /// The result of the registry's checks. It follows the journey's status.
    pub status: JourneyStatus,
    /// The line of the journeys file that the status comes from.
    pub version: JourneyVersion,
}

/// The item as DynamoDB stores it.
#[derive(Serialize, Deserialize)]
struct Stored {
    uuid: String,
    operator_id: u32,
    journey_type: String,
    last_name_trunc: String,
    phone_trunc: String,
    driving_license: String,
    /// The caller's identity key, or else the journey's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    identity_key: Option<ByteBuf>,
    /// The journey's identity key, if the caller sent a different key or no key. If it equals `identity_key`, the caller may still give
    /// its own key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    journey_key: Option<ByteBuf>,
    datetime: i64,
    application_timestamp: i64,
    registered_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    operator_journey_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    journey_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status_version: Option<String>,
    token: StoredToken,
}

/// A compact JWS is stored as the bytes of its three parts. That is a quarter smaller and keeps the item within its first kilobyte. A
/// token of any other form is stored as text. Both are returned byte for byte.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredToken {
    Text(String),
    Parts(Vec<ByteBuf>),
}

impl StoredToken {
    fn from_text(token: &str) -> Self {
        let parts: Option<Vec<ByteBuf>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok().map(ByteBuf::from)).collect();
        match parts {
            Some(parts) if parts.len() == 3 => {
                let stored = Self::Parts(parts);
                if stored.to_text() == token { stored } else { Self::Text(token.to_owned()) }
            }
            _ => Self::Text(token.to_owned()),
        }
    }

    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join("."),
        }
    }
}

pub(crate) const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "applications", what }
}

impl Application {
    pub(crate) fn to_item(&self) -> Result<Item, StoreError> {
        let license = self.identity.driving_license.as_ref().ok_or(corrupt("no driving licence"))?;
        let journey = self.journey.as_ref();
        let keys = &self.identity.identity_keys;
        let bytes = |key: &IdentityKey| ByteBuf::from(key.as_bytes().to_vec());
        let stored = Stored {
            uuid: self.uuid.to_string(),
            operator_id: self.operator.get(),
            journey_type: self.journey_type.as_str().to_owned(),
            last_name_trunc: self.identity.truncated.last_name_trunc.as_str().to_owned(),
            phone_trunc: self.identity.truncated.phone_trunc.as_str().to_owned(),
            driving_license: license.as_str().to_owned(),
            identity_key: keys.iter().next().map(bytes),
            journey_key: keys.journeys().map(bytes),
            datetime: self.datetime.millis(),
            application_timestamp: self.application_timestamp.millis(),
            registered_at: self.registered_at.millis(),
            operator_journey_id: journey.map(|j| j.operator_journey_id.as_str().to_owned()),
            journey_id: journey.map(|j| j.journey_id),
            status: journey.map(|j| j.status.as_str().to_owned()),
            status_version: journey.map(|j| j.version.as_str().to_owned()),
            token: StoredToken::from_text(&self.token),
        };
        serde_dynamo::aws_sdk_dynamodb_1::to_item(stored).map_err(|_| corrupt("an item that cannot be written"))
    }

    pub(crate) fn from_item(item: Item) -> Result<Self, StoreError> {
        let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        let instant = |millis| Instant::from_millis(millis).ok_or(corrupt("a date"));
        let journey = match (stored.operator_journey_id, stored.journey_id, stored.status, stored.status_version) {
            (Some(operator_journey_id), Some(journey_id), Some(status), Some(version)) => Some(ApplicationJourney {
                operator_journey_id: OperatorJourneyId::parse(&operator_journey_id)
                    .map_err(|_| corrupt("operator_journey_id"))?,
                journey_id,
                status: JourneyStatus::parse(&status).ok_or(corrupt("status"))?,
                version: JourneyVersion::from_stored(version),
            }),
            (None, None, None, None) => None,
            _ => return Err(corrupt("half a journey")),
        };
        let key = |stored: Option<ByteBuf>, what| {
            let key = stored.map(|key| <[u8; 32]>::try_from(key.into_vec()).map(IdentityKey::from_bytes));
            key.transpose().map_err(|_| corrupt(what))
        };
        let first_key = key(stored.identity_key, "identity_key")?;
        let journey_key = key(stored.journey_key, "journey_key")?;
        let callers = first_key.filter(|key| journey_key.as_ref() != Some(key));
        Ok(Self {
            uuid: ApplicationId::parse(&stored.uuid).ok_or(corrupt("uuid"))?,
            operator: OperatorId::new(stored.operator_id).map_err(|_| corrupt("operator_id"))?,
            journey_type: JourneyType::parse(&stored.journey_type).map_err(|_| corrupt("journey_type"))?,
            identity: Identity {
                truncated: TruncatedIdentity {
                    last_name_trunc: LastNameTrunc::parse(&stored.last_name_trunc)
                        .map_err(|_| corrupt("last_name_trunc"))?,
                    phone_trunc: PhoneTrunc::from_stored(&stored.phone_trunc).map_err(|_| corrupt("phone_trunc"))?,
                },
                driving_license: Some(
                    DrivingLicense::from_stored(&stored.driving_license).map_err(|_| corrupt("driving_license"))?,
                ),
                identity_keys: IdentityKeys::new(callers, journey_key),
            },
            datetime: instant(stored.datetime)?,
            application_timestamp: instant(stored.application_timestamp)?,
            registered_at: instant(stored.registered_at)?,
            journey,
            token: stored.token.to_text(),
        })
    }

    /// The key of the journey that it uses or used, if any.
    pub(crate) fn journey_key(&self) -> Option<String> {
        let journey = self.journey.as_ref()?;
        Some(partition_key(self.operator, &journey.operator_journey_id))
    }

    /// Whether the item under this UUID shows that this application was written, even if it was deleted since. The proof tells this
    /// application from an application of another call, because each call makes a different proof.
    pub(crate) fn was_written(&self, found: &Item) -> Result<bool, StoreError> {
        Ok(match NameTaken::of(found) {
            Some(NameTaken::Archived) => true,
            Some(NameTaken::CalledOff) => false,
            None => {
                let stored = Self::from_item(found.clone())?;
                (self.operator, &self.token) == (stored.operator, &stored.token)
            }
        })
    }
}

words! {
    /// Why there is no application under a UUID any more. An item with this word takes the application's place, so that a late request
    /// for the same application finds its UUID taken.
    pub(crate) enum NameTaken {
        /// The call was rejected after a try with an unknown outcome.
        CalledOff = "called off",
        /// The application was registered and has moved to the archive.
        Archived = "archived",
    }
}

impl NameTaken {
    /// The attribute that holds the word.
    pub(crate) const ATTRIBUTE: &str = "name_taken";

    /// The item that stays under the UUID.
    pub(crate) fn item(self, uuid: ApplicationId) -> Item {
        let attributes = [("uuid", uuid.to_string()), (Self::ATTRIBUTE, self.as_str().to_owned())];
        attributes.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
    }

    /// `None` if the item is an application.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        // A word that this release does not know belongs to an application that is gone.
        text(item, Self::ATTRIBUTE).map(|word| Self::parse(word).unwrap_or(Self::Archived))
    }
}

/// The condition that no changeable attribute of an application has changed since it was read, and the values of the condition. It fails
/// on the marker that stays under the UUID of a deleted application. `#uuid` is the placeholder of `uuid`.
pub(crate) fn condition_as_read(application: &Application) -> (String, Option<Item>) {
    let key = application.identity.identity_keys.iter().next();
    let key = key.map(|key| AttributeValue::B(key.as_bytes().to_vec().into()));
    let key_as_read = if key.is_some() { "identity_key = :read_key" } else { "attribute_not_exists(identity_key)" };
    let version = application.journey.as_ref().map(|journey| AttributeValue::S(journey.version.as_str().to_owned()));
    let status = if version.is_some() { " AND status_version = :version" } else { "" };
    let name = NameTaken::ATTRIBUTE;
    let condition = format!("attribute_exists(#uuid) AND attribute_not_exists({name}) AND {key_as_read}{status}");
    let values = [(":read_key", key), (":version", version)].into_iter();
    let values: Item = values.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    (condition, Some(values).filter(|values| !values.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_token_round_trips_byte_for_byte() {
        for token in [
            "eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.AAEC",
            "",
            "a.b.c",
            "one.two",
            "AAAA.AAAA.AAAA.AAAA",
            "c2lnbmF0dXJl+/==",
            "AB.AB.AB",
        ] {
            assert_eq!(StoredToken::from_text(token).to_text(), token);
        }
        assert!(matches!(StoredToken::from_text("AAAA.AAAA.AAAA"), StoredToken::Parts(_)));
        for other in ["AAAA.AAAA", "AAAA.AAAA.AAAA.AAAA"] {
            assert!(matches!(StoredToken::from_text(other), StoredToken::Text(_)), "{other} is no JWS");
        }
    }
}
