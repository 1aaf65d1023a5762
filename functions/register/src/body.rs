//! What is registered: the body of the call and its header, and how they are read.

use cee_edge::body::Tag;
use cee_edge::openapi::tag;
use cee_edge::{Fields, Refusal};
use cee_eligibility::rules::check_signed;
use cee_eligibility::{
    DrivingLicense, FieldError, IdempotencyKey, Identity, IdentityKey, IdentityKeys, Instant, JourneyType,
    LastNameTrunc, OperatorJourneyId, PhoneTrunc, Rules, TruncatedIdentity,
};
use cee_registry::StoredJourney;
use http::HeaderMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

/// The header with the caller's idempotency key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What is registered: a short or a long application, distinguished by `journey_type`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(untagged)]
#[schema(
    as = Registration,
    discriminator(
        property_name = "journey_type",
        mapping(("short" = "#/components/schemas/ShortRegistration"), ("long" = "#/components/schemas/LongRegistration"))
    )
)]
#[allow(missing_docs, reason = "a text here would stand beside a $ref of the schema")]
pub enum Demand {
    Short(ShortRegistration),
    Long(LongRegistration),
}

/// A short application (demande CEE courte distance, fiche TRA-SE-115), for a journey that the registry knows.
// Holds personal data.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShortRegistration {
    #[schema(schema_with = short)]
    pub(crate) journey_type: Tag,
    pub(crate) last_name_trunc: LastNameTrunc,
    pub(crate) driving_license: DrivingLicense,
    pub(crate) operator_journey_id: OperatorJourneyId,
    /// When the driver signed; must be in the past. If absent, the moment of the call.
    #[schema(nullable = false)]
    pub(crate) application_timestamp: Option<Instant>,
    /// Counts beside the journey's own identity key, if the journey has one. If the two keys differ, both count.
    #[schema(nullable = false)]
    pub(crate) identity_key: Option<IdentityKey>,
}

/// A long application (demande CEE longue distance, fiche TRA-SE-114), which needs no journey.
// Holds personal data.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LongRegistration {
    #[schema(schema_with = long)]
    pub(crate) journey_type: Tag,
    pub(crate) last_name_trunc: LastNameTrunc,
    pub(crate) phone_trunc: PhoneTrunc,
    pub(crate) driving_license: DrivingLicense,
    /// The day the costs were shared, in the period of the scheme.
    pub(crate) datetime: Instant,
    /// When the driver signed; must be in the past. If absent, the moment of the call.
    #[schema(nullable = false)]
    pub(crate) application_timestamp: Option<Instant>,
    #[schema(nullable = false)]
    pub(crate) identity_key: Option<IdentityKey>,
}

impl Demand {
    pub(crate) const fn journey_type(&self) -> JourneyType {
        match self {
            Self::Short(_) => JourneyType::Short,
            Self::Long(_) => JourneyType::Long,
        }
    }
}

impl ShortRegistration {
    /// The driver: name, licence and key of the call, and phone and key of the journey.
    pub(crate) fn identity(&self, journey: &StoredJourney) -> Identity {
        Identity {
            truncated: TruncatedIdentity {
                last_name_trunc: self.last_name_trunc.clone(),
                phone_trunc: journey.journey.driver_phone_trunc.clone(),
            },
            driving_license: Some(self.driving_license.clone()),
            identity_keys: IdentityKeys::new(self.identity_key.clone(), journey.journey.driver_identity_key.clone()),
        }
    }
}

impl LongRegistration {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            truncated: TruncatedIdentity {
                last_name_trunc: self.last_name_trunc.clone(),
                phone_trunc: self.phone_trunc.clone(),
            },
            driving_license: Some(self.driving_license.clone()),
            identity_keys: IdentityKeys::of_caller(self.identity_key.clone()),
        }
    }
}

/// The request's idempotency key, if it has one.
///
/// # Errors
/// [`Refusal::InvalidHeader`] if the key is malformed, or there is more than one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let refused = |error| Refusal::InvalidHeader(IDEMPOTENCY_KEY, error);
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(refused(FieldError::IdempotencyKey));
    }
    let key = key.to_str().map_err(|_| refused(FieldError::IdempotencyKey))?;
    IdempotencyKey::parse(key).map(Some).map_err(refused)
}

/// Reads the body of the call.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read(mut fields: Fields, rules: &Rules, now: Instant) -> Result<Demand, Refusal> {
    // The period is a rule of the scheme, but reported as a fault of this field, together with the other faults. Only a long
    // application has a date of its own.
    let in_period = |text: &str| {
        let datetime = Instant::parse(text)?;
        rules.check_period(JourneyType::Long, datetime).map(|()| datetime)
    };
    let journey_type = fields.required("journey_type", JourneyType::parse);
    let last_name_trunc = fields.required("last_name_trunc", LastNameTrunc::parse);
    // The common fields come after the fields of one type, as the faults are listed.
    let common = |fields: &mut Fields| {
        let driving_license = fields.required("driving_license", DrivingLicense::parse);
        let application_timestamp = fields.optional("application_timestamp", |text| {
            let signed = Instant::parse(text)?;
            check_signed(signed, now).map(|()| signed)
        });
        (driving_license, application_timestamp, fields.optional("identity_key", IdentityKey::parse))
    };
    match journey_type {
        Some(JourneyType::Short) => {
            fields.foreign("phone_trunc", JourneyType::Short);
            fields.foreign("datetime", JourneyType::Short);
            let operator_journey_id = fields.required("operator_journey_id", OperatorJourneyId::parse);
            let (driving_license, application_timestamp, identity_key) = common(&mut fields);
            let short = || {
                Some(Demand::Short(ShortRegistration {
                    journey_type: Tag,
                    last_name_trunc: last_name_trunc?,
                    driving_license: driving_license?,
                    operator_journey_id: operator_journey_id?,
                    application_timestamp: application_timestamp?,
                    identity_key: identity_key?,
                }))
            };
            fields.finish(short())
        }
        Some(JourneyType::Long) => {
            fields.foreign("operator_journey_id", JourneyType::Long);
            let phone_trunc = fields.required("phone_trunc", PhoneTrunc::parse);
            let datetime = fields.required("datetime", in_period);
            let (driving_license, application_timestamp, identity_key) = common(&mut fields);
            let long = || {
                Some(Demand::Long(LongRegistration {
                    journey_type: Tag,
                    last_name_trunc: last_name_trunc?,
                    phone_trunc: phone_trunc?,
                    driving_license: driving_license?,
                    datetime: datetime?,
                    application_timestamp: application_timestamp?,
                    identity_key: identity_key?,
                }))
            };
            fields.finish(long())
        }
        None => {
            fields.checked("phone_trunc", PhoneTrunc::parse);
            fields.checked("datetime", in_period);
            fields.checked("operator_journey_id", OperatorJourneyId::parse);
            common(&mut fields);
            fields.finish(None)
        }
    }
}

fn short() -> Object {
    tag(JourneyType::Short.as_str())
}

fn long() -> Object {
    tag(JourneyType::Long.as_str())
}
