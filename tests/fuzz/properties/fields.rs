//! The text of each type of field, and the headers that are read.
//!
//! - What is accepted is what the published pattern says.
//! - A field that is written and read again is unchanged.
//! - A date is what another reader of RFC 3339 makes of it, to the millisecond, in the years that can be written.
//! - A phone comes out in E.164 or not at all.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use cee_edge::access::bearer;
use cee_edge::{Fields, Refusal};
use cee_eligibility::fields::{FileName, parse_sha256};
use cee_eligibility::journey::{Insee, parse_operator_class};
use cee_eligibility::normalise::{identity_key, truncated_identity};
use cee_eligibility::{
    ApplicationId, DrivingLicense, FieldError, IdempotencyKey, IdentityKey, Instant, JourneyStatus, JourneyType,
    LastName, LastNameTrunc, OperatorId, OperatorJourneyId, Phone, PhoneTrunc, Siret,
};
use cee_fn_register::idempotency_key as named;
use cee_registry::{AccessKey, ImportId, SecretKey};
use chrono::DateTime;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use lambda_http::{Body, Request};
use regex::Regex;

/// A property of one type of field.
type Property = fn(&str);

const PROPERTIES: [Property; 9] = [texts, licences, numbers, dates, phones, names, keys, words, statuses];

/// Fails if one of these properties does not hold for a text.
pub fn check(bytes: &[u8]) {
    headers(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        PROPERTIES.iter().for_each(|property| property(text));
    }
}

/// Whether a text fits a pattern as it is published.
fn fits(text: &str, patterns: &[&'static str], longest: usize) -> bool {
    static PATTERNS: LazyLock<Mutex<HashMap<&str, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut matches = |pattern: &'static str| {
        compiled.entry(pattern).or_insert_with(|| Regex::new(pattern).expect("a pattern")).is_match(text)
    };
    text.chars().nth(longest).is_none() && patterns.iter().any(|pattern| matches(pattern))
}

/// Fields that are kept as they come.
fn texts(text: &str) {
    let same = |read: Result<&str, FieldError>, fits: bool, what: &str| {
        assert_eq!(read.ok(), fits.then_some(text), "{what}");
    };
    let name = LastNameTrunc::parse(text);
    same(name.as_ref().map(LastNameTrunc::as_str).map_err(|e| *e), fits(text, &[LastNameTrunc::PATTERN], 3), "name");
    let journey = OperatorJourneyId::parse(text);
    let journey_fits = fits(text, &[OperatorJourneyId::PATTERN], OperatorJourneyId::MAX_LENGTH);
    same(journey.as_ref().map(OperatorJourneyId::as_str).map_err(|e| *e), journey_fits, "journey");
    let file = FileName::parse(text);
    // JSON Schema counts characters; the limit of a name in bytes is only in the text.
    let file_fits = text.len() <= FileName::MAX_LENGTH && fits(text, &[FileName::PATTERN], FileName::MAX_LENGTH);
    same(file.as_ref().map(FileName::as_str).map_err(|e| *e), file_fits, "file");
    let key = IdempotencyKey::parse(text);
    let key_fits = fits(text, &[IdempotencyKey::PATTERN], IdempotencyKey::MAX_LENGTH);
    same(key.as_ref().map(IdempotencyKey::as_str).map_err(|e| *e), key_fits, "idempotency key");
    let credential_fits = fits(text, &[AccessKey::PATTERN], AccessKey::MAX_LENGTH);
    let access_key = AccessKey::parse(text);
    same(access_key.as_ref().map(AccessKey::as_str).map_err(|e| *e), credential_fits, "access key");
    let secret_key = SecretKey::parse(text);
    same(secret_key.as_ref().map(SecretKey::reveal).map_err(|e| *e), credential_fits, "secret key");
    let siret = Siret::parse(text);
    same(siret.as_ref().map(Siret::as_str).map_err(|e| *e), fits(text, &["^[0-9]{14}$"], 14), "siret");
    let insee = Insee::parse(text);
    same(insee.as_ref().map(Insee::as_str).map_err(|e| *e), fits(text, &["^[0-9][0-9AB][0-9]{3}$"], 5), "insee");
}

/// A licence has one canonical form, however it is written.
fn licences(text: &str) {
    let license = DrivingLicense::parse(text);
    let published = fits(text, &DrivingLicense::SPELLINGS, DrivingLicense::MAX_LENGTH);
    let license = match license {
        Ok(license) => license,
        Err(error) => {
            return assert!(!published || error == FieldError::ForeignLicense, "what is published is refused");
        }
    };
    assert!(published || !license.as_str().is_ascii(), "what is read is not published");
    assert!(fits(license.as_str(), &DrivingLicense::PATTERNS, 64), "no canonical form");
    assert!(DrivingLicense::parse(license.as_str()).as_ref() == Ok(&license), "canonical twice is otherwise");
    for other in [text.to_uppercase(), format!(" {text}\u{a0}")] {
        // A licence that is too long with two more characters is not another licence.
        assert!(DrivingLicense::parse(&other).is_ok_and(|other| other == license) || other.chars().count() > 128);
    }
}

fn numbers(text: &str) {
    if let Ok(operator) = OperatorId::parse(text) {
        assert_eq!((operator.to_string().as_str(), operator.get() > 0), (text, true));
    }
    assert_eq!(ApplicationId::parse(text).is_some(), fits(text, &[ApplicationId::PATTERN], 36));
    assert!(ApplicationId::parse(text).is_none_or(|id| id.to_string() == text.to_ascii_lowercase()));
    assert_eq!(ImportId::parse(text).is_some(), fits(text, &["^[0-9a-f]{32}$"], 32));
    assert!(
        ImportId::parse(text).is_none_or(|id| id.to_string() == text && ImportId::from_bytes(*id.as_bytes()) == id)
    );
}

fn dates(text: &str) {
    // An offset may lack its colon.
    let colon = fits(text, &["[+-][0-9]{4}$"], usize::MAX).then(|| {
        let (rest, minutes) = text.split_at(text.len() - 2);
        format!("{rest}:{minutes}")
    });
    let other = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(colon.as_deref().unwrap_or_default()));
    let other = other.ok().map(|at| at.timestamp_millis());
    match Instant::parse(text) {
        Ok(at) => {
            let told = at.to_string();
            assert_eq!(Some(at.millis()), other, "another date than the text says");
            assert_eq!(Instant::parse(&told), Ok(at));
            assert_eq!(Instant::from_millis(at.millis()), Some(at));
            let form = r"^(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$";
            assert!(fits(&told, &[form], 24) && !told.starts_with("9999"), "outside the years that can be written");
            assert!(at.years_before(1) < at && at.years_before(12) < at.years_before(5) && at.days_after(7) > at);
        }
        Err(_) => {
            assert!(other.is_none_or(|millis| Instant::from_millis(millis).is_none()), "a date is refused");
            let why = if other.is_some() { FieldError::Years } else { FieldError::Datetime };
            assert_eq!(Instant::parse(text), Err(why));
        }
    }
}

fn phones(text: &str) {
    let read = PhoneTrunc::parse(text);
    assert!(read.is_ok() || !fits(text, &PhoneTrunc::PATTERNS, PhoneTrunc::MAX_LENGTH), "what is published is refused");
    if let Ok(phone) = read {
        assert!(fits(phone.as_str(), &[PhoneTrunc::PATTERN], 14), "no truncated E.164");
        assert!(PhoneTrunc::parse(phone.as_str()) == Ok(phone));
    }
    if let Ok(phone) = Phone::parse(text) {
        assert!(fits(phone.as_str(), &[r"^\+[1-9][0-9]{6,14}$"], 16), "no E.164");
        assert!(Phone::parse(phone.as_str()).as_ref() == Ok(&phone));
        assert!(PhoneTrunc::parse(phone.truncated().as_str()) == Ok(phone.truncated()), "a phone that no call takes");
        assert!(phone.as_str().starts_with(phone.truncated().as_str()));
    }
}

fn names(text: &str) {
    let Ok(name) = LastName::parse(text) else { return };
    assert!(fits(name.as_str(), &["^[A-Z]+( [A-Z]+)*$"], usize::MAX));
    assert!(LastName::parse(name.as_str()).as_ref() == Ok(&name), "normalised twice is otherwise");
    assert!(LastNameTrunc::parse(name.truncated().as_str()) == Ok(name.truncated()));
    let phone = Phone::parse("+33639980001").expect("a phone");
    let key = identity_key(&name, &phone);
    assert!(truncated_identity(&name, &phone).last_name_trunc == name.truncated());
    assert!(IdentityKey::parse(&key.to_hex()) == Ok(key));
}

fn keys(text: &str) {
    let key = IdentityKey::parse(text);
    assert_eq!(key.is_ok(), fits(text, &[IdentityKey::PATTERN], 64));
    assert!(key.as_ref().is_ok_and(|key| key.to_hex() == text) || key.is_err());
    assert!(parse_sha256(text).map(IdentityKey::from_bytes) == key);
}

fn words(text: &str) {
    assert!(JourneyType::parse(text).is_ok_and(|word| word.as_str() == text) || !["short", "long"].contains(&text));
    assert!(JourneyStatus::parse(text).is_none_or(|status| status.as_str() == text || text == "expired"));
    assert_eq!(parse_operator_class(text).is_ok(), fits(text, &["^[ABC]$"], 1));
}

/// The three columns of a trip export, each on a line.
fn statuses(text: &str) {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let columns = [next(), next(), next()];
    match JourneyStatus::derive(columns[0], columns[1], columns[2]) {
        Ok(JourneyStatus::Ok) => assert!(columns == ["processed", "passed", "passed"] || columns[0] == "ok"),
        Ok(_) => {}
        Err((column, _)) => assert!(!columns[column].is_empty(), "an empty column is a check that has not ended"),
    }
}

/// The headers that are read, each with these bytes as its value.
fn headers(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let with = |name, value: &HeaderValue| HeaderMap::from_iter([(name, value.clone())]);
    if let Some(token) = bearer(&with(AUTHORIZATION, &value)) {
        assert!(bytes[..7].eq_ignore_ascii_case(b"bearer "));
        let again = HeaderValue::from_str(&format!("Bearer {token}")).expect("what came in a header");
        assert_eq!(bearer(&with(AUTHORIZATION, &again)), Some(token));
    }
    let header = http::HeaderName::from_static("idempotency-key");
    match named(&with(header.clone(), &value)) {
        Ok(key) => assert!(key.is_some_and(|key| key.as_str().as_bytes() == bytes), "another key than was sent"),
        Err(refusal) => assert!(matches!(refusal, Refusal::InvalidHeader(_, FieldError::IdempotencyKey))),
    }
    let mut twice = with(header.clone(), &value);
    twice.append(header, HeaderValue::from_static("a"));
    assert!(named(&twice).is_err(), "two keys are none");
    let mut request = Request::new(Body::from("{}"));
    request.headers_mut().insert(CONTENT_TYPE, value);
    if Fields::of(&request).is_ok() {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        assert!(text.trim_start().starts_with("application/json"), "another media type is read as JSON");
    }
}
