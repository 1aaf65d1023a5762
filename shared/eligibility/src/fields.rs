//! The fields of the contract, as types that cannot hold a bad value.
//!
//! Types that hold personal data (name, phone, licence, identity key) implement neither `Display` nor a readable `Debug`, so that
//! no log line, error or failed assertion can leak them.
//!
//! Source of every pattern: the field table of the contract, after the OpenAPI 3.3 of the public registry.
//!
//! A pattern is what the OpenAPI document publishes, in the dialect that ECMAScript, Python and Rust share; the `parse` beside it
//! decides. A property test checks that the two agree on every text: `tests/patterns.rs`.

use std::fmt;

use crate::error::FieldError;

/// The two kinds of certificate. They never block each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JourneyType {
    /// Short distance, sheet TRA-SE-115.
    Short,
    /// Long distance, sheet TRA-SE-114.
    Long,
}

impl JourneyType {
    /// Both journey types.
    pub const ALL: [Self; 2] = [Self::Short, Self::Long];

    /// Reads `short` or `long`.
    ///
    /// # Errors
    /// [`FieldError::JourneyType`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        match text {
            "short" => Ok(Self::Short),
            "long" => Ok(Self::Long),
            _ => Err(FieldError::JourneyType),
        }
    }

    /// `short` or `long`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

impl fmt::Display for JourneyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives a type that holds personal data a `Debug` that shows only the type's name.
macro_rules! redacted_debug {
    ($type:ty) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}

/// The first three letters of a driver's last name. Personal data.
///
/// Spaces are significant, trailing ones included: nothing may trim them. The first character is a letter: a space before a name is
/// a mistake, and would make two drivers of one.
///
/// ```
/// use cee_eligibility::LastNameTrunc;
/// assert_eq!(LastNameTrunc::parse("TO ").unwrap().as_str(), "TO ");
/// assert!(LastNameTrunc::parse("TO").is_err());
/// assert!(LastNameTrunc::parse("HÉR").is_err());
/// assert!(LastNameTrunc::parse(" TO").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LastNameTrunc([u8; 3]);
redacted_debug!(LastNameTrunc);

impl LastNameTrunc {
    /// The texts that [`parse`](Self::parse) accepts, as a regular expression.
    pub const PATTERN: &str = "^[A-Z][A-Z ]{2}$";

    /// Reads [`PATTERN`](Self::PATTERN).
    ///
    /// # Errors
    /// [`FieldError::LastNameSpace`] for a name that begins with a space, [`FieldError::LastNameTrunc`] for anything else;
    /// nothing is repaired.
    #[inline]
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = |b: &u8| b.is_ascii_uppercase() || *b == b' ';
        match text.as_bytes() {
            [a, b, c] if a.is_ascii_uppercase() & fits(b) & fits(c) => Ok(Self([*a, *b, *c])),
            [b' ', b, c] if fits(b) & fits(c) => Err(FieldError::LastNameSpace),
            _ => Err(FieldError::LastNameTrunc),
        }
    }

    /// The first three characters of a normalised last name, filled up with spaces.
    pub(crate) fn of(last_name: &str) -> Self {
        let mut name = [b' '; 3];
        name.iter_mut().zip(last_name.bytes()).for_each(|(place, byte)| *place = byte);
        Self(name)
    }

    /// The three characters, for storage and for responses to the driver's own operator only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Letters and spaces, always.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// `sha256("{E.164 phone}-{LAST NAME}")`, computed by the operator. Personal data: names and phones can be guessed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey([u8; 32]);
redacted_debug!(IdentityKey);

impl IdentityKey {
    /// The texts that [`parse`](Self::parse) accepts, as a regular expression: a SHA-256.
    pub const PATTERN: &str = "^[a-f0-9]{64}$";

    /// Reads [`PATTERN`](Self::PATTERN).
    ///
    /// # Errors
    /// [`FieldError::IdentityKey`] for anything else, upper-case digits included.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        parse_sha256(text).map(Self)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits, for the driver's own operator only.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key of these 32 bytes, as read back from storage.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Reads a SHA-256, in the form of [`IdentityKey::PATTERN`].
///
/// # Errors
/// [`FieldError::IdentityKey`] for anything else, upper-case digits included.
pub fn parse_sha256(text: &str) -> Result<[u8; 32], FieldError> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return Err(FieldError::IdentityKey);
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return Err(FieldError::IdentityKey);
        };
        *byte = high << 4 | low;
    }
    Ok(hash)
}

/// An operator's name for one of its files. It may hold a person's name.
#[derive(Clone, PartialEq, Eq)]
pub struct FileName(String);
redacted_debug!(FileName);

impl FileName {
    /// The form of a name, as a regular expression, without the limit of its length in bytes.
    pub const PATTERN: &str = concat!(
        r"^(\.?[^./\\\u0000-\u001f\u007f-\u009f]|\.\.[^/\\\u0000-\u001f\u007f-\u009f])",
        r"[^/\\\u0000-\u001f\u007f-\u009f]*$"
    );

    /// The length of the longest name in bytes.
    pub const MAX_LENGTH: usize = 200;

    /// Reads 1 to 200 bytes without a slash, a backslash or a control character; `.` and `..` are not names.
    ///
    /// # Errors
    /// [`FieldError::FileName`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && !text.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
            && !matches!(text, "." | "..");
        if fits { Ok(Self(text.to_owned())) } else { Err(FieldError::FileName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A caller's idempotency key: a retry with the same key returns the stored response. It may hold a person's name.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);
redacted_debug!(IdempotencyKey);

impl IdempotencyKey {
    /// The form of a key.
    pub const PATTERN: &str = "^[!-~]{1,255}$";
    /// The length of the longest key in characters.
    pub const MAX_LENGTH: usize = 255;

    /// Reads 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// [`FieldError::IdempotencyKey`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(FieldError::IdempotencyKey) }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The size of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSize(u64);

impl FileSize {
    /// A size up to the largest.
    ///
    /// # Errors
    /// [`FieldError::FileSize`] beyond it.
    pub const fn new(bytes: u64, largest: u64) -> Result<Self, FieldError> {
        if bytes > largest { Err(FieldError::FileSize) } else { Ok(Self(bytes)) }
    }

    /// The bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// An operator's id for one of its journeys: 1 to 255 characters, such as `5f1c-22_a:7`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorJourneyId(String);

impl OperatorJourneyId {
    /// The allowed characters, as a regular expression: anything but a control character.
    pub const PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

    /// The length of the longest id in characters.
    pub const MAX_LENGTH: usize = 255;

    /// Reads 1 to 255 characters (not bytes) without control characters.
    ///
    /// # Errors
    /// [`FieldError::OperatorJourneyId`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(FieldError::OperatorJourneyId) }
    }

    /// The id as the operator wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A carpool platform's number in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorId(u32);

impl OperatorId {
    /// The operator of this number.
    ///
    /// # Errors
    /// [`FieldError::OperatorId`] for 0.
    pub const fn new(number: u32) -> Result<Self, FieldError> {
        if number == 0 { Err(FieldError::OperatorId) } else { Ok(Self(number)) }
    }

    /// Reads a decimal number written the one canonical way: no sign, no leading zero.
    ///
    /// # Errors
    /// [`FieldError::OperatorId`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        match text.parse::<u32>() {
            Ok(number) if text == number.to_string() => Self::new(number),
            _ => Err(FieldError::OperatorId),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The French business number of an operator: 14 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Siret(String);

impl Siret {
    /// Reads 14 digits.
    ///
    /// # Errors
    /// [`FieldError::Siret`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = text.len() == 14 && text.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(text.to_owned())) } else { Err(FieldError::Siret) }
    }

    /// The 14 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The UUID of a registered application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApplicationId(uuid::Uuid);

impl ApplicationId {
    /// The texts that [`parse`](Self::parse) accepts, as a regular expression. UUIDs are written in lower case.
    pub const PATTERN: &str = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";

    /// The application of this UUID.
    #[must_use]
    pub const fn new(uuid: uuid::Uuid) -> Self {
        Self(uuid)
    }

    /// The application of the UUID with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes of the UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads a hyphenated UUID in either case (RFC 9562): SQL Server, for example, returns capitals.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(Self).filter(|id| id.to_string().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::PhoneTrunc;

    #[test]
    fn journey_type_is_short_or_long() {
        for (journey_type, word) in [(JourneyType::Short, "short"), (JourneyType::Long, "long")] {
            assert_eq!(JourneyType::parse(word), Ok(journey_type));
            assert_eq!((journey_type.as_str(), journey_type.to_string().as_str()), (word, word));
        }
        for bad in ["", "Short", "long ", "medium"] {
            assert_eq!(JourneyType::parse(bad), Err(FieldError::JourneyType), "{bad}");
        }
    }

    #[test]
    fn idempotency_key_is_1_to_255_visible_ascii() {
        let longest = "~".repeat(255);
        for good in ["!", "5f1c-22_a:7", longest.as_str()] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\nb", "é", "\u{7f}", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad), Err(FieldError::IdempotencyKey), "{bad:?}");
        }
    }

    #[test]
    fn application_id_is_hyphenated_uuid_in_either_case() {
        let name = "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b";
        let id = ApplicationId::parse(name).unwrap();
        assert_eq!((id.to_string().as_str(), ApplicationId::new(uuid::Uuid::try_parse(name).unwrap())), (name, id));
        assert_eq!(ApplicationId::from_bytes(*id.as_bytes()), id);
        for capitals in [name.to_uppercase(), name.replace('d', "D")] {
            assert_eq!(ApplicationId::parse(&capitals), Some(id), "{capitals}");
        }
        for bad in ["", &name.replace('-', ""), &format!("{{{name}}}"), &format!("urn:uuid:{name}")] {
            assert_eq!(ApplicationId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn last_name_trunc_is_a_capital_and_two_capitals_or_spaces() {
        for good in ["DUP", "D H", "TO ", "L  "] {
            assert_eq!(LastNameTrunc::parse(good).map(|n| n.as_str().to_owned()).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "DU",
            "DUPO",
            "dup",
            "D-H",
            "D'H",
            "ÉRI",
            "DU1",
            "DU\u{a0}",
            "DU\0",
            "D\u{301}U",
            " du",
            " D-",
            " -D",
            "1UP",
            " D",
        ] {
            assert_eq!(LastNameTrunc::parse(bad), Err(FieldError::LastNameTrunc), "{bad:?}");
        }
        for bad in [" TO", "   ", " D ", "  D"] {
            assert_eq!(LastNameTrunc::parse(bad), Err(FieldError::LastNameSpace), "{bad:?}");
        }
    }

    #[test]
    fn identity_key_is_64_lower_case_hex_digits() {
        let vector = "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30";
        let key = IdentityKey::parse(vector).unwrap();
        assert_eq!(key.as_bytes()[..3], [0xf4, 0x4f, 0xf5]);
        assert_eq!(key.to_hex(), vector);
        assert_eq!(IdentityKey::from_bytes(*key.as_bytes()), key);
        for bad in ["", &vector[1..], &vector.to_uppercase(), &vector.replace('f', "g"), &format!("{vector}0")] {
            assert_eq!(IdentityKey::parse(bad), Err(FieldError::IdentityKey));
        }
    }

    #[test]
    fn invalid_file_name_or_size_is_rejected() {
        for good in ["history.csv", "été 2021 + hiver.csv.gz", "..csv", &"x".repeat(200)] {
            assert_eq!(FileName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b.csv", "..\\b.csv", "a\nb", "a\0", &"x".repeat(201), &"é".repeat(101)] {
            assert_eq!(FileName::parse(bad), Err(FieldError::FileName), "{bad:?}");
        }
        assert_eq!(FileSize::new(5, 5).map(FileSize::get), Ok(5));
        assert_eq!(FileSize::new(6, 5), Err(FieldError::FileSize));
    }

    #[test]
    fn journey_id_operator_id_and_siret_are_validated() {
        assert_eq!(OperatorJourneyId::parse("5f1c-22_a:7").unwrap().as_str(), "5f1c-22_a:7");
        assert!(OperatorJourneyId::parse(&"é".repeat(255)).is_ok());
        for bad in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert_eq!(OperatorJourneyId::parse(bad), Err(FieldError::OperatorJourneyId));
        }
        assert_eq!(OperatorId::parse("12").map(OperatorId::get), Ok(12));
        assert_eq!(OperatorId::new(12).unwrap().to_string(), "12");
        for bad in ["", "0", "01", "+1", "-1", " 1", "4294967296", "1.0"] {
            assert_eq!(OperatorId::parse(bad), Err(FieldError::OperatorId), "{bad}");
        }
        assert_eq!(Siret::parse("89248032800012").unwrap().as_str(), "89248032800012");
        for bad in ["", "8924803280001", "892480328000122", "8924803280001a"] {
            assert_eq!(Siret::parse(bad), Err(FieldError::Siret));
        }
    }

    #[test]
    fn debug_hides_personal_data() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            LastNameTrunc::parse("DUP").unwrap(),
            PhoneTrunc::parse("+336010203").unwrap(),
            crate::DrivingLicense::parse("051227308989").unwrap(),
            IdentityKey::parse(&"ab".repeat(32)).unwrap(),
        );
        assert_eq!(shown, "LastNameTrunc(…) PhoneTrunc(…) DrivingLicense(…) IdentityKey(…)");
    }
}
