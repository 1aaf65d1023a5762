//! The bodies of the calls: the rows, how they are read, and the answers.

use cee_edge::body::Tag;
use cee_edge::openapi::tag;
use cee_edge::problem::ApplicationKind;
use cee_edge::{Fields, Refusal};
use cee_eligibility::{ApplicationId, FieldError, IdentityKey, Instant, JourneyType, LastNameTrunc, PhoneTrunc, Rules};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

/// The largest number of rows in a call. Source: the contract, "1 to 1000".
pub const MOST_ROWS: usize = 1000;

/// A driver's specific application (opération spécifique), from before the scheme.
// Holds personal data.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryRow {
    pub(crate) journey_type: JourneyType,
    pub(crate) last_name_trunc: LastNameTrunc,
    pub(crate) phone_trunc: PhoneTrunc,
    /// The day of commitment; must be in the past.
    pub(crate) datetime: Instant,
}

/// An application that was sent without an identity key, and its key: `cee_application_type` distinguishes the two kinds.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(
    property_name = "cee_application_type",
    mapping(
        ("standardized" = "#/components/schemas/StandardizedIdentity"),
        ("specific" = "#/components/schemas/SpecificIdentity")
    )
))]
#[allow(missing_docs, reason = "a text here would stand beside a $ref of the schema")]
pub enum IdentityRow {
    Standardized(StandardizedIdentity),
    Specific(SpecificIdentity),
}

/// An application of the caller's that was registered here (opération standardisée).
// Holds personal data.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandardizedIdentity {
    #[schema(schema_with = standardized)]
    pub(crate) cee_application_type: Tag,
    pub(crate) cee_application_uuid: ApplicationId,
    pub(crate) identity_key: IdentityKey,
}

/// A specific application (opération spécifique) of the caller's, as it was imported.
// Holds personal data.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecificIdentity {
    #[schema(schema_with = specific)]
    pub(crate) cee_application_type: Tag,
    pub(crate) journey_type: JourneyType,
    pub(crate) last_name_trunc: LastNameTrunc,
    pub(crate) phone_trunc: PhoneTrunc,
    /// The day of commitment, as it was imported.
    pub(crate) datetime: Instant,
    pub(crate) identity_key: IdentityKey,
}

/// The answer to a batch: `imported + already_known + failed` is the number of rows.
#[derive(Serialize, ToSchema)]
pub(crate) struct Batch {
    /// Rows that count from now on, by this call.
    pub(crate) imported: usize,
    /// Rows that counted before: harmless.
    pub(crate) already_known: usize,
    /// Rows that do not count.
    pub(crate) failed: usize,
    /// Those rows, as they came.
    pub(crate) failed_details: Vec<FailedRow>,
}

/// The answer to a batch of history, which is an import.
#[derive(Serialize, ToSchema)]
pub(crate) struct ImportedBatch {
    /// The import's name: 32 lower-case hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$", examples("0d3f6f8e6c6b4d0f9a5e7c1b2a394857"))]
    pub(crate) import_id: String,
    /// Rows that count from now on, by this call.
    pub(crate) imported: usize,
    /// Rows that counted before: harmless.
    pub(crate) already_known: usize,
    /// Rows that do not count.
    pub(crate) failed: usize,
    /// Those rows, as they came.
    pub(crate) failed_details: Vec<FailedRow>,
}

/// A row that failed: its fields as they came, and what is wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailedRow {
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub(crate) row: Map<String, Value>,
    /// Its place in the batch, 0 for the first.
    pub(crate) index: usize,
    /// What is wrong with it, for a person.
    pub(crate) error: String,
}

/// Reads a row of `…/import`.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read_history(mut fields: Fields, rules: &Rules, now: Instant) -> Result<HistoryRow, Refusal> {
    let row = history_row(&mut fields, rules, now);
    fields.finish(row)
}

fn history_row(fields: &mut Fields, rules: &Rules, now: Instant) -> Option<HistoryRow> {
    let journey_type = fields.required("journey_type", |text| open_type(text, rules));
    let last_name_trunc = fields.required("last_name_trunc", LastNameTrunc::parse);
    let phone_trunc = fields.required("phone_trunc", PhoneTrunc::parse);
    let datetime = fields.required("datetime", |text| history_date(text, journey_type, rules, now));
    Some(HistoryRow {
        journey_type: journey_type?,
        last_name_trunc: last_name_trunc?,
        phone_trunc: phone_trunc?,
        datetime: datetime?,
    })
}

/// Reads a journey type for which the registry currently accepts history.
fn open_type(text: &str, rules: &Rules) -> Result<JourneyType, FieldError> {
    rules.check_import_open(JourneyType::parse(text)?)
}

/// Reads a date that history of this journey type may have.
fn history_date(
    text: &str,
    journey_type: Option<JourneyType>,
    rules: &Rules,
    now: Instant,
) -> Result<Instant, FieldError> {
    let datetime = Instant::parse(text)?;
    rules.check_history(journey_type, datetime, now).map(|()| datetime)
}

/// The two kinds of application that can receive a key.
#[derive(Clone, Copy)]
enum Kind {
    Standardized,
    Specific,
}

impl Kind {
    fn parse(text: &str) -> Result<Self, FieldError> {
        match text {
            "standardized" => Ok(Self::Standardized),
            "specific" => Ok(Self::Specific),
            _ => Err(FieldError::ApplicationType),
        }
    }
}

/// Reads a row of `…/import/identity`.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read_identity(mut fields: Fields, rules: &Rules, now: Instant) -> Result<IdentityRow, Refusal> {
    let kind = fields.required("cee_application_type", Kind::parse);
    let identity_key = fields.required("identity_key", IdentityKey::parse);
    let uuid = |text: &str| ApplicationId::parse(text).ok_or(FieldError::ApplicationId);
    let row = match kind {
        Some(Kind::Standardized) => {
            for name in ["journey_type", "last_name_trunc", "phone_trunc", "datetime"] {
                fields.foreign(name, ApplicationKind::Standardized);
            }
            let uuid = fields.required("cee_application_uuid", uuid);
            uuid.zip(identity_key).map(|(cee_application_uuid, identity_key)| {
                let cee_application_type = Tag;
                IdentityRow::Standardized(StandardizedIdentity {
                    cee_application_type,
                    cee_application_uuid,
                    identity_key,
                })
            })
        }
        Some(Kind::Specific) => {
            fields.foreign("cee_application_uuid", ApplicationKind::Specific);
            let row = history_row(&mut fields, rules, now);
            row.zip(identity_key).map(|(row, identity_key)| {
                let HistoryRow { journey_type, last_name_trunc, phone_trunc, datetime } = row;
                IdentityRow::Specific(SpecificIdentity {
                    cee_application_type: Tag,
                    journey_type,
                    last_name_trunc,
                    phone_trunc,
                    datetime,
                    identity_key,
                })
            })
        }
        None => {
            fields.checked("cee_application_uuid", uuid);
            fields.checked("journey_type", |text| open_type(text, rules));
            fields.checked("last_name_trunc", LastNameTrunc::parse);
            fields.checked("phone_trunc", PhoneTrunc::parse);
            fields.checked("datetime", |text| history_date(text, None, rules, now));
            None
        }
    };
    fields.finish(row)
}

fn standardized() -> Object {
    tag("standardized")
}

fn specific() -> Object {
    tag("specific")
}
