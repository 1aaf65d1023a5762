//! Why a field is refused.

use chrono::NaiveDate;

use crate::character::CharacterName;

/// Why a field was refused. Its `Display` says what is expected and never repeats the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Neither `short` nor `long`.
    #[error("must be \"short\" or \"long\"")]
    JourneyType,
    /// Not three characters of `A` to `Z` and space.
    #[error(
        "must be exactly 3 characters from A-Z and space: upper case, no accent, a space for a hyphen or an apostrophe, padded with \
         spaces (\"TO \")"
    )]
    LastNameTrunc,
    /// Three such characters, of which the first is a space.
    #[error(
        "must begin with a letter: remove the spaces before the name, truncate it, and pad it with spaces at its end only"
    )]
    LastNameSpace,
    /// Not a phone number less its last two digits.
    #[error(
        "must be an E.164 phone number without its last two digits (\"+336010203\") or its French national form (\"06010203\")"
    )]
    PhoneTrunc,
    /// Neither an international number nor a French one.
    #[error(
        "must be a whole phone number: + and its country code (\"+33701020304\"), or 10 digits in France (\"07 01 02 03 04\")"
    )]
    Phone,
    /// No country has this code.
    #[error("begins with a country code that does not exist")]
    PhoneCountry,
    /// Not as many digits as a mobile number of its country has.
    #[error("has too many or too few digits for a mobile number of this country")]
    PhoneLength,
    /// A whole number instead of a truncated one.
    #[error("is a whole phone number: leave out its last two digits")]
    PhoneWhole,
    /// An invisible character.
    #[error("contains the invisible character U+{:04X}: remove it", u32::from(*.0))]
    PhoneInvisible(char),
    /// A number that lost its `+` or 0, and has several readings.
    #[error(
        "may have lost a leading 0 or a + in a program that took it for a number, and more than one reading is possible: write it with \
         its + and with spaces (\"+33 6 01 02 03\"), so that it stays text"
    )]
    PhoneAmbiguous,
    /// `3.36E+08`.
    #[error(
        "was rounded by Excel, which took it for a number (\"3.36E+08\"): its last digits are lost. Export it again with \
         the column formatted as text"
    )]
    PhoneRounded,
    /// Not one of the four accepted forms of a licence number.
    #[error(
        "must be a driving licence number: 12 digits, or 1 to 15 of A-Z and 0-9 with or without 4 further digits, or \
         for a foreign licence \"99-\" and 1 to 61 letters and digits"
    )]
    DrivingLicense,
    /// A character that no licence holds.
    #[error("contains the character {0}, which no driving licence number contains: write it with A-Z and 0-9")]
    LicenseCharacter(CharacterName),
    /// `99` and a hyphen with no number or too long a one, or `99` and a letter with another separator between them.
    #[error("must be \"99-\", with a hyphen, and 1 to 61 letters and digits, if it is a foreign licence")]
    ForeignLicense,
    /// Not 64 lower-case hexadecimal digits.
    #[error("must be a SHA-256 written as 64 lower-case hexadecimal digits")]
    IdentityKey,
    /// Not a name that a file can have.
    #[error("must be a file name without a folder: 1 to 200 bytes, no /, no \\ and no control character")]
    FileName,
    /// Not a size that a file can have.
    #[error("must be the file's size in bytes, at most 5 GiB")]
    FileSize,
    /// Neither of the kinds of file that an operator sends.
    #[error("must be \"file\" or \"drivers\"")]
    FileKind,
    /// Neither of the content types that a history file has.
    #[error("must be \"text/csv\", \"application/gzip\" or \"application/zip\"")]
    ContentType,
    /// Neither of the languages.
    #[error("must be \"en\" or \"fr\"")]
    Language,
    /// Not an import id.
    #[error("must be the import_id of an import: 32 hexadecimal digits")]
    ImportId,
    /// Empty, longer than 255 characters, or with control characters.
    #[error("must have 1 to 255 characters, none of them a control character")]
    OperatorJourneyId,
    /// Not an idempotency key.
    #[error("must have 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    /// Neither kind of application.
    #[error("must be \"standardized\" or \"specific\"")]
    ApplicationType,
    /// Not a UUID.
    #[error("must be a UUID such as \"1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b\"")]
    ApplicationId,
    /// Empty, longer than 128 characters, or with control characters.
    #[error("must have 1 to 128 characters, none of them a control character")]
    Credential,
    /// Not a positive number.
    #[error("must be an operator's number, 1 or more")]
    OperatorId,
    /// Not 14 digits.
    #[error("must be a SIRET: 14 digits")]
    Siret,
    /// Not an RFC 3339 date and time.
    #[error("must be an RFC 3339 date and time with an offset, such as \"2024-03-15T08:30:00+01:00\"")]
    Datetime,
    /// A date and time of another year.
    #[error("must lie within the years 0001 to 9998")]
    Years,
    /// Neither an RFC 3339 date and time nor a day.
    #[error(
        "must be an RFC 3339 date and time with an offset, such as \"2024-03-15T08:30:00+01:00\" (in a query, write + as %2B), or a day \
         such as \"2024-03-15\", which is its midnight in Paris"
    )]
    Bound,
    /// Later than the moment of the call.
    #[error("must be in the past")]
    InTheFuture,
    /// Dated after the scheme had begun.
    #[error(
        "must be dated before {before} (midnight in Paris): history is from before the scheme, and what came later is \
         registered, not imported"
    )]
    NotHistory {
        /// The first day that is not history.
        before: NaiveDate,
    },
    /// The registry currently accepts no history of this journey type.
    #[error("is closed: the registry accepts no history of this journey type for the time being")]
    ImportClosed,
    /// The registry currently answers no question about this journey type.
    #[error("is closed: the registry answers no question about this journey type for the time being")]
    SimulateClosed,
    /// Before the start or after the end of the scheme's period.
    #[error("must be within the period of the scheme")]
    OutsidePeriod,
    /// Not an INSEE code.
    #[error("must be an INSEE code: 5 characters such as \"75056\", \"2A004\" or \"99100\"")]
    Insee,
    /// Not a whole number of metres.
    #[error("must be a whole number of metres")]
    Distance,
    /// Not a whole number.
    #[error("must be a whole number, 0 or more")]
    WholeNumber,
    /// An operator class other than `A`, `B` or `C`.
    #[error("must be an operator class: A, B or C")]
    OperatorClass,
    /// An acquisition status that no trip export has.
    #[error(
        "must be \"received\", \"updated\", \"processed\", \"failed\", \"canceled\", \"expired\" or \
         \"terms_violation_error\", or a status of the interface: \"ok\", \"pending\", \"acquisition_error\", \
         \"anomaly_error\", \"fraud_error\", \"unknown\""
    )]
    AcquisitionStatus,
    /// A check's status that no trip export has.
    #[error("must be \"passed\", \"failed\", \"pending\" or empty")]
    CheckStatus,
    /// An end before the start.
    #[error("must not be before start_datetime")]
    EndBeforeStart,
}

/// Why a name or a phone cannot be normalised. Never repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NormaliseError {
    /// Empty, or only spaces, hyphens and apostrophes.
    #[error("is empty")]
    Empty,
    /// A character that is not a Latin letter.
    #[error(
        "contains a character that is neither a Latin letter nor a space, hyphen or apostrophe: write the name as on the driving licence"
    )]
    Name,
    /// Not a whole phone number.
    #[error(transparent)]
    Phone(#[from] FieldError),
}
