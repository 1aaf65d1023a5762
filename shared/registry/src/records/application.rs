//! What the item of a registered application holds, and what stays under the UUID of one that is gone.

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
    /// Its name.
    pub uuid: ApplicationId,
    /// Who registered it.
    pub operator: OperatorId,
    /// Which certificate.
    pub journey_type: JourneyType,
    /// Whose it is. A registered application always carries a driving licence.
    pub identity: Identity,
    /// The journey's end (short) or the day the costs were shared (long).
    pub datetime: Instant,
    /// When the driver signed.
    pub application_timestamp: Instant,
    /// When it was registered.
    pub registered_at: Instant,
    /// The journey it uses, of a short one.
    pub journey: Option<ApplicationJourney>,
    /// The proof, exactly as it was handed out.
    pub token: String,
}

/// What a short application keeps of its journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationJourney {
    /// What its operator calls it.
    pub operator_journey_id: OperatorJourneyId,
    /// The registry's number for it.
    pub journey_id: u64,
    /// What the registry's checks make of it; follows the journey.
    pub status: JourneyStatus,
    /// Which line of which journeys file the status comes from.
    pub version: JourneyVersion,
}

/// The item as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    uuid: String,
    operator_id: u32,
    journey_type: String,
    last_name_trunc: String,
    phone_trunc: String,
    driving_license: String,
    /// The caller's, or else the journey's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    identity_key: Option<ByteBuf>,
    /// The journey's own, where the caller sent another or none. Where it is the same as `identity_key`, the caller may yet give
    /// its own.
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

/// A compact JWS is stored as the bytes of its three parts, which is a quarter smaller and keeps the item in its first
/// kilobyte; a token of any other shape is stored as it is. Either way it comes back to the letter.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredToken {
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

    fn to_text(&self) -> String {
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

    /// The key of the journey that it uses, or used, if any.
    pub(crate) fn journey_key(&self) -> Option<String> {
        let journey = self.journey.as_ref()?;
        Some(partition_key(self.operator, &journey.operator_journey_id))
    }

    /// Whether what lies under its name shows that it has been written, whatever has become of it since. Another's application there
    /// is told by its proof, of which each call has one of its own.
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
    /// Why no application is under a UUID any more. An item with this word stays in the application's place: a late request that
    /// would bring the application finds its UUID taken.
    pub(crate) enum NameTaken {
        /// The call was refused after a try whose outcome is unknown.
        CalledOff = "called off",
        /// The application was there, and has moved to the archive.
        Archived = "archived",
    }
}

impl NameTaken {
    /// The attribute that holds the word.
    pub(crate) const ATTRIBUTE: &str = "name_taken";

    /// What stays under the UUID.
    pub(crate) fn item(self, uuid: ApplicationId) -> Item {
        let attributes = [("uuid", uuid.to_string()), (Self::ATTRIBUTE, self.as_str().to_owned())];
        attributes.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
    }

    /// `None`: the item is an application.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        // A word that this release does not know is of an application that is gone.
        text(item, Self::ATTRIBUTE).map(|word| Self::parse(word).unwrap_or(Self::Archived))
    }
}

/// The condition that an application is still what was read, in all that may change of it, with the values it speaks of. Not met
/// by its name alone, which is all that stays of one that is deleted.
/// `#uuid` stands for `uuid`.
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
    fn any_token_comes_back_to_the_letter() {
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
