//! What the OpenAPI document says of each field. Patterns and limits are those of [`fields`](crate::fields), where they are
//! decided upon; here they only get words and examples. A field with the format `date-time` or `uuid` has no pattern: client
//! generators make a date or a UUID of it, and then match the pattern with a value that is not text.
//!
//! The examples are those of the tour (docs/tour.md): made-up drivers that the local stack knows.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::fields::{ApplicationId, FileName, IdentityKey, JourneyType, LastNameTrunc, OperatorJourneyId};
use crate::phone::PhoneTrunc;
use crate::{Criterion, DrivingLicense, Instant, JourneyStatus};

/// A point in time as answers tell it: in UTC, with milliseconds. Requests may use any form of RFC 3339, which is
/// [`Instant`].
#[derive(Debug)]
pub struct UtcInstant;

/// Gives types a name and the schema that an expression makes.
macro_rules! schemas {
    ($($type:ident $(as $name:ident)? => $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }
        impl ToSchema for $type {
            $(fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            })?
        }
    )*};
}

schemas! {
    JourneyType => words(
        "The two kinds of certificate, which never block each other: `short` for short distance (fiche TRA-SE-115), `long` for \
         long distance (fiche TRA-SE-114).",
        JourneyType::ALL.map(JourneyType::as_str),
    );
    LastNameTrunc => text(
        "The first three characters of the driver's last name: upper case, without accents, a space for a hyphen or an apostrophe, \
         padded with spaces at the end. Spaces are significant, trailing ones too: do not trim them. The first character is a letter.",
        ["MAR", "TO ", "D H"],
    )
    .pattern(Some(LastNameTrunc::PATTERN))
    .min_length(Some(3))
    .max_length(Some(3))
    .into();
    PhoneTrunc => text(
        "The driver's phone number in E.164 without its last two digits: the country code, and two digits fewer than a mobile number of \
         this country has. Also accepted, and normalised: the French national form; spaces, no-break spaces, dots, hyphens, slashes and \
         brackets, `00` for `+`, and a trunk 0 behind the country code. Numbers of overseas France get their own country code in every \
         notation. A whole number is refused.",
        ["+336399801", "+2626920102", "06 39 98 01"],
    )
    .pattern(Some(any_of(&PhoneTrunc::PATTERNS)))
    .max_length(Some(PhoneTrunc::MAX_LENGTH))
    .into();
    DrivingLicense => text(
        "The number of the driver's licence (permis de conduire). One number may fit several of the forms. Lower case, separators \
         (spaces, hyphens and dashes, `. / \\ _ , : ' ( ) *`) and full-width characters are read; the registry compares, stores and \
         signs the canonical form: capitals and digits without separators, in Unicode NFC, after `99-` for a foreign licence. \
         `99-de/b072 rre2i55` is `99-DEB072RRE2I55`. A letter of another script or an invisible character is refused, and the message \
         names it. The forms: up to fifteen letters and digits; the same, then four digits (twelve digits are of this form); `99-` and 1 \
         to 61 letters and digits, also with accents, for a foreign licence.",
        ["051227308989", "822146819", "99-DEB072RRE2I55", "99-DE/B072 RRE2I55"],
    )
    .pattern(Some(any_of(&DrivingLicense::SPELLINGS)))
    .max_length(Some(DrivingLicense::MAX_LENGTH))
    .into();
    IdentityKey => text(
        "The identity key: SHA-256 of the full phone number in E.164, a hyphen and the last name in capitals, as lower-case \
         hexadecimal digits. Computed by the operator; the example is that of `+33701020304-D HERUG DE L HERAULT`.",
        ["f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30"],
    )
    .pattern(Some(IdentityKey::PATTERN))
    .min_length(Some(64))
    .max_length(Some(64))
    .into();
    OperatorJourneyId => text(
        "The operator's own name for the journey, as it was sent to the registry. No control characters.",
        ["ar:2024-03-15_0001"],
    )
    .pattern(Some(OperatorJourneyId::PATTERN))
    .min_length(Some(1))
    .max_length(Some(OperatorJourneyId::MAX_LENGTH))
    .into();
    FileName => text(
        "The operator's name for its file, without a folder, at most 200 bytes in UTF-8, neither `.` nor `..`.",
        ["history-2021.csv", "history-2021.csv.gz"],
    )
    .pattern(Some(FileName::PATTERN))
    .min_length(Some(1))
    .max_length(Some(FileName::MAX_LENGTH))
    .into();
    Instant as Datetime => text(
        "An RFC 3339 date and time, with any offset; digits beyond milliseconds are cut off. An offset without its colon (`+0200`) is \
         accepted too.",
        ["2024-03-15T08:30:00+01:00"],
    )
    .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
    .into();
    UtcInstant as UtcDatetime => text("A date and time in UTC, with milliseconds.", ["2024-03-15T07:30:00.000Z"])
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .into();
    ApplicationId => text("The application's UUID. The registry reads upper and lower case, and writes lower case.", ["1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b"])
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .into();
    JourneyStatus => words(
        "The result of the registry's checks of the journey: `ok` when all checks have passed, `pending` while some have not ended.",
        JourneyStatus::ALL.map(|(_, word)| word),
    );
    Criterion => words("A criterion of the scheme that a journey fails.", Criterion::ALL.map(Criterion::as_str));
}

fn text<const N: usize>(description: &str, examples: [&str; N]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).examples(examples)
}

/// One pattern for a text that fits one of these. Not `anyOf`: from that, generators of clients make a class for each form, some of them
/// without a member.
fn any_of(patterns: &[&str]) -> String {
    let inner = patterns.iter().map(|pattern| pattern.trim_start_matches('^').trim_end_matches('$'));
    format!("^(?:{})$", inner.collect::<Vec<_>>().join("|"))
}

fn words<const N: usize>(description: &str, words: [&'static str; N]) -> RefOr<Schema> {
    text(description, []).enum_values(Some(words)).into()
}
