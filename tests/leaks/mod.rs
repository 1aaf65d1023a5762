//! Searches for personal data where it must not be: in logs, metrics, refusals and table keys.
//!
//! [`Sent`] records what a test sends, in the spelling in which it was sent. [`Scanner`] finds each of these values in a text, in
//! other spellings and encodings too. [`record`] does both for whole tests, without a call by the test. What the scan searches for,
//! and what it cannot find: `docs/privacy.md`.

pub mod record;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io::Read as _;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use cee_eligibility::{FieldError, Language, PhoneTrunc};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A value with at least this many characters is found anywhere, a shorter value only if it stands alone.
const LONG: usize = 6;

/// The scan decodes at least this many bytes of hexadecimal digits for short values. Shorter runs are numbers and parts of random
/// ids: the microseconds of `12:38:12.414142` spell AAB.
const SPELT: usize = 8;

/// At least this many hexadecimal digits are random or a hash: for example the UUIDs of imports. Among thousands of UUIDs and
/// thousands of phones, one UUID contains the few digits of one phone.
const DRAWN: usize = 32;

/// The number of digits of a time in milliseconds since 1970: among thousands of lines, one contains the few digits of a phone.
const MILLIS: usize = 13;

/// The maximum number of nested encodings.
const DEPTH: usize = 4;

/// The kind of a value that a test has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    License,
    Phone,
    Name,
    IdentityKey,
    /// An operator's name for a journey: may contain anything.
    Journey,
    /// An application or a proof token.
    Token,
    /// A secret of an operator or of the registry.
    Secret,
    /// The public half of a credential.
    AccessKey,
    /// A value in another place that may be anything: in a path, in a header, under an unknown field.
    Other,
}

/// The values that were sent.
#[derive(Clone, Debug, Default)]
pub struct Sent(BTreeSet<(Kind, String)>);

impl Sent {
    pub fn add(&mut self, kind: Kind, value: &str) {
        // Every text contains blanks; dates, words and the name of a scheme identify no person, in any place.
        let word = kind == Kind::Journey && value.bytes().all(|b| b.is_ascii_lowercase());
        let scheme = kind == Kind::Token && value.eq_ignore_ascii_case("bearer");
        if !value.trim().is_empty() && !is_date(value) && !word && !scheme {
            self.0.insert((kind, value.to_owned()));
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Everything in a request that comes from its sender.
    pub fn request(&mut self, request: &Request<Vec<u8>>) {
        for (name, value) in request.headers() {
            let Ok(value) = value.to_str() else { continue };
            match (name, value.split_once(' ')) {
                (&AUTHORIZATION, Some((_, token))) => self.add(Kind::Token, token),
                (&AUTHORIZATION, None) => self.add(Kind::Token, value),
                _ if name == "idempotency-key" => self.other(value),
                _ => {}
            }
        }
        let uri = request.uri();
        let query = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let parameters = query.filter(|(name, _)| !name.starts_with("X-Amz-") || *name == "X-Amz-Signature");
        for part in uri.path().split('/').chain(parameters.map(|(_, value)| value)) {
            self.other(&percent_decode_str(part).decode_utf8_lossy());
        }
        let is_form = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded");
        if request.headers().get(CONTENT_TYPE).is_some_and(is_form) {
            self.form(request.body());
        } else {
            self.body(request.body());
        }
    }

    /// The fields of a form, which have the names that they have in JSON. Its token belongs to a session and not to a person.
    fn form(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| *name != "form")
        {
            let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            self.field(&decode(name), &decode(value));
        }
    }

    /// A body, whether it is JSON or not.
    pub fn body(&mut self, body: &[u8]) {
        match serde_json::from_slice(body) {
            Ok(json) => self.json("", &json),
            Err(_) => {
                // A form for S3 names the algorithm of its signature.
                let text = String::from_utf8_lossy(body).replace("AWS4-HMAC-SHA256", "");
                text.split(|c: char| !c.is_alphanumeric() && c != '+').for_each(|word| self.other(word));
            }
        }
    }

    fn json(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| self.json(name, value)),
            Value::Array(items) => items.iter().for_each(|item| self.json(name, item)),
            Value::String(text) => self.field(name, text),
            Value::Number(number) => self.field(name, &number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A value under the name of a field or of a column.
    pub fn field(&mut self, name: &str, value: &str) {
        let kind = match name {
            "driving_license" => Kind::License,
            "phone_trunc" | "driver_phone_trunc" => Kind::Phone,
            "last_name_trunc" => Kind::Name,
            "identity_key" | "driver_identity_key" => Kind::IdentityKey,
            "operator_journey_id" => Kind::Journey,
            "token" | "access_token" => Kind::Token,
            "secret_key" => Kind::Secret,
            "access_key" => Kind::AccessKey,
            // Public, or a count.
            "size" | "sha256" | "journey_id" | "distance" | "operator_id" | "siret" => return,
            _ => return self.other(value),
        };
        self.add(kind, value);
    }

    /// A value of any kind, if it can identify a person: not a word, a date or a record's UUID.
    fn other(&mut self, value: &str) {
        let name = value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase() || b == b' ');
        let date = value.bytes().all(|b| b.is_ascii_digit() || b"-/:.TZ+ ".contains(&b)) && value.contains(['-', '/']);
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        if name {
            self.add(Kind::Name, value);
        } else if value.len() >= LONG && digits > 1 && !date && !is_of_record(value) {
            self.add(Kind::Other, value);
        }
    }

    /// A file of rows as it was put on S3, as far as it is readable.
    pub fn file(&mut self, file: &[u8]) {
        let mut unpacked = Vec::new();
        let file = if file.starts_with(b"\x1f\x8b") {
            // From a damaged file, the part before the damage.
            let _ = flate2::read::MultiGzDecoder::new(file).read_to_end(&mut unpacked);
            &unpacked
        } else {
            file
        };
        let start = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let first = start.split(|byte| *byte == b'\n' || *byte == b'\r').next().unwrap_or_default();
        let separator = [b';', b'\t', b','].into_iter().find(|byte| first.contains(byte)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(start);
        let Ok(header) = reader.byte_headers() else { return };
        let header: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim().to_lowercase()).collect();
        let mut row = csv::ByteRecord::new();
        while reader.read_byte_record(&mut row).is_ok_and(|more| more) {
            for (name, cell) in header.iter().zip(row.iter()).filter(|(name, _)| name.contains('_') || *name == "token")
            {
                self.field(name, &String::from_utf8_lossy(cell));
            }
        }
    }
}

/// Whether it is a hash of 32 bytes as in table keys: among thousands of hashes one contains a short value by chance.
fn is_hash(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Whether this part of a text lies within random hexadecimal digits, including the dashes of a UUID.
fn is_drawn(text: &[u8], part: Range<usize>) -> bool {
    let of_it = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b'-';
    let (before, after) =
        (text[..part.start].iter().rev().take_while(of_it), text[part.end..].iter().take_while(of_it));
    before.chain(after).filter(|byte| **byte != b'-').count() + part.len() >= DRAWN
}

/// Whether this part of a text lies within the digits of a time in milliseconds, of 2001 or later.
fn is_of_time(text: &[u8], part: &Range<usize>) -> bool {
    let before = text[..part.start].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let after = text[part.end..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    before + part.len() + after == MILLIS && matches!(text.get(part.start - before), Some(b'1' | b'2'))
}

/// Whether it begins like a date.
fn is_date(value: &str) -> bool {
    let begins: String = value.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    begins == "0000-00-00"
}

/// Whether it is the UUID of an application, an import or a file of an import: the registry has created those.
fn is_of_record(value: &str) -> bool {
    uuid::Uuid::parse_str(value.split('.').next().unwrap_or_default()).is_ok()
}

/// A value that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub kind: Kind,
    /// The value as it was sent.
    pub value: String,
    /// The place, in words.
    pub place: String,
    /// The encodings around it.
    pub through: Vec<&'static str>,
    /// The text that contains it.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, value, place, through, text } = self;
        let through = if through.is_empty() { String::new() } else { format!(", through {}", through.join(" in ")) };
        write!(f, "{kind:?} {value:?} in {place}{through}: {text}")
    }
}

/// How a pattern may match.
#[derive(Clone, Copy)]
struct Pattern {
    /// The index of its value.
    value: usize,
    /// Whether a letter or digit beside it makes it another text.
    alone: bool,
    /// Whether it matches in this case only.
    exact: bool,
    /// Whether it has so few digits that it may occur by chance.
    digits: bool,
}

/// Finds the values that were sent.
pub struct Scanner {
    values: Vec<(Kind, String)>,
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
    /// Short values, which also match a whole JSON string, in any case.
    short: HashMap<String, usize>,
    /// Words of JSON without a finding: a log repeats the same words.
    clean: RefCell<HashSet<String>>,
}

impl Scanner {
    pub fn new(sent: &Sent) -> Self {
        let values: Vec<(Kind, String)> = sent.0.iter().cloned().collect();
        let (mut texts, mut patterns, mut short) = (Vec::new(), Vec::new(), HashMap::new());
        for (value, (kind, text)) in values.iter().enumerate() {
            for spelling in spellings(*kind, text) {
                let is_short = spelling.trim().len() < LONG;
                if is_short {
                    short.insert(spelling.trim().to_uppercase(), value);
                }
                // A single letter is a name only with the spaces after it.
                let spelling = if spelling.trim().len() < 2 { spelling } else { spelling.trim().to_owned() };
                // A short word in lower case is a word like any other.
                if spelling.len() > 1 && !(is_short && spelling.bytes().any(|b| b.is_ascii_lowercase())) {
                    let plain = spelling.bytes().collect::<BTreeSet<_>>().len() < 3;
                    let digits = *kind == Kind::Phone && spelling.len() < DRAWN;
                    texts.push(spelling);
                    patterns.push(Pattern { value, alone: is_short || plain, exact: is_short, digits });
                }
            }
        }
        // Each automaton is built once and used once: this kind is the quickest to build.
        let kind = Some(AhoCorasickKind::NoncontiguousNFA);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).kind(kind).build(texts).unwrap();
        Self { values, automaton, patterns, short, clean: RefCell::default() }
    }

    /// All values that were sent and occur in this text.
    pub fn scan(&self, place: &str, text: &str) -> Vec<Finding> {
        let mut found = BTreeSet::new();
        self.look(&without_time(text), false, &mut Vec::new(), &mut found);
        let finding = |(value, through): (usize, Vec<&'static str>)| {
            let (kind, value) = self.values[value].clone();
            Finding { kind, value, place: place.to_owned(), through, text: text.to_owned() }
        };
        found.into_iter().map(finding).collect()
    }

    fn look(&self, text: &str, whole: bool, through: &mut Vec<&'static str>, found: &mut Found) {
        if is_hash(text) {
            return self.find_long(text.as_bytes(), through, found);
        }
        // In JSON, strings and numbers are searched separately: the text around them is not part of them.
        if text.trim_start().starts_with(['{', '[', '"'])
            && let Ok(json) = serde_json::from_str(text)
        {
            return self.look_at_json(&json, through, found);
        }
        let text = own_words_out(text);
        if whole && let Some(value) = self.short.get(&text.trim().to_uppercase()) {
            found.insert((*value, through.clone()));
        }
        self.find(text.as_bytes(), through, found);
        if through.len() >= DEPTH {
            return;
        }
        let mut seen = |how, other: &str| {
            through.push(how);
            self.look(other, whole, through, found);
            through.pop();
        };
        if text.contains('%') || text.contains('+') {
            let spaces = text.replace('+', " ");
            let decoded = percent_decode_str(&spaces).decode_utf8_lossy();
            if decoded != text {
                seen("percent-encoding", &decoded);
            }
        }
        if let Some(unescaped) = unescaped(&text) {
            seen("escapes", &unescaped);
        }
        if let Some(joined) = joined(&text) {
            through.push("spaces");
            self.find(joined.as_bytes(), through, found);
            through.pop();
        }
        for run in text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/_-".contains(c)) {
            if run.len() >= LONG + 2 {
                for bytes in in_base64(run) {
                    self.look_at_bytes("base64", &bytes, whole, through, found);
                }
            }
        }
        for run in text.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= LONG) {
            for bytes in in_hex(run) {
                const HOW: &str = "hexadecimal digits";
                if run.len() >= 2 * SPELT {
                    self.look_at_bytes(HOW, &bytes, whole, through, found);
                } else {
                    through.push(HOW);
                    self.find_long(&bytes, through, found);
                    through.pop();
                }
            }
        }
    }

    fn look_at_json(&self, json: &Value, through: &mut Vec<&'static str>, found: &mut Found) {
        match json {
            Value::Object(members) => {
                // The gateway draws these at random, and random text contains short values.
                let drawn = |name: &str| ["request_id", "trace_id"].contains(&name);
                for (name, value) in members.iter().filter(|(name, _)| !drawn(name)) {
                    self.look_at_word(name, through, found);
                    self.look_at_json(value, through, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.look_at_json(item, through, found)),
            Value::String(text) => self.look_at_word(text, through, found),
            Value::Number(number) => self.find(number.to_string().as_bytes(), through, found),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn look_at_word(&self, text: &str, through: &mut Vec<&'static str>, found: &mut Found) {
        if self.clean.borrow().contains(text) {
            return;
        }
        self.look(text, true, through, found);
        // The same value may occur again elsewhere.
        if text.len() < 100 && through.is_empty() && found.is_empty() {
            self.clean.borrow_mut().insert(text.to_owned());
        }
    }

    fn look_at_bytes(
        &self,
        how: &'static str,
        bytes: &[u8],
        whole: bool,
        through: &mut Vec<&'static str>,
        found: &mut Found,
    ) {
        through.push(how);
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
                self.look(text, whole, through, found);
            }
            // Bytes contain short words by chance.
            _ => self.find_long(bytes, through, found),
        }
        through.pop();
    }

    fn find(&self, text: &[u8], through: &[&'static str], found: &mut Found) {
        let letter = |at: Option<usize>| {
            at.and_then(|at| text.get(at)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80)
        };
        for hit in self.automaton.find_overlapping_iter(text) {
            let pattern = self.patterns[hit.pattern().as_usize()];
            let alone = !letter(hit.start().checked_sub(1)) && !letter(Some(hit.end()));
            let same_case = !text[hit.range()].iter().any(u8::is_ascii_lowercase);
            let chance = pattern.digits && (is_of_time(text, &hit.range()) || is_drawn(text, hit.range()));
            if (alone || !pattern.alone) && (same_case || !pattern.exact) && !chance {
                found.insert((pattern.value, through.to_vec()));
            }
        }
    }

    fn find_long(&self, bytes: &[u8], through: &[&'static str], found: &mut Found) {
        for hit in self.automaton.find_overlapping_iter(bytes) {
            let pattern = self.patterns[hit.pattern().as_usize()];
            if !pattern.alone {
                found.insert((pattern.value, through.to_vec()));
            }
        }
    }
}

/// The values, and the encodings around them.
type Found = BTreeSet<(usize, Vec<&'static str>)>;

/// The ways to write a value.
fn spellings(kind: Kind, text: &str) -> Vec<String> {
    let hash = |text: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    match kind {
        Kind::Phone => {
            let phone = phone_spellings(text);
            // The bare hash of so few digits can be guessed in seconds: it reveals the number.
            let hashes = phone.first().map(|digits| hash(&format!("+{digits}")));
            phone.into_iter().chain(hashes).collect()
        }
        // A part of a token is enough: the header is made from public values.
        Kind::Token if text.len() > 40 => {
            let parts: Vec<&str> = text.split('.').collect();
            let telling = if parts.len() == 3 { &parts[1..] } else { &parts[..] };
            telling.iter().filter(|part| part.len() > 20).map(|part| (*part).to_owned()).collect()
        }
        Kind::License if text.len() >= LONG => {
            // As it was sent, and as the registry stores it.
            let canonical =
                cee_eligibility::DrivingLicense::parse(text).ok().map(|license| license.as_str().to_owned());
            let mut spellings = vec![text.to_owned(), hash(text)];
            spellings
                .extend(canonical.filter(|canonical| canonical != text).into_iter().flat_map(|one| [hash(&one), one]));
            spellings
        }
        _ => vec![text.to_owned()],
    }
}

/// The number with its country code and, if the country has one, in its national form, digits only.
fn phone_spellings(text: &str) -> Vec<String> {
    // The value that was sent, and the form in which it is stored.
    let kept = PhoneTrunc::parse(text).ok().filter(|kept| kept.as_str() != text);
    let mut all = spellings_of_digits(text);
    let of_kept = kept.iter().flat_map(|kept| spellings_of_digits(kept.as_str()));
    let more: Vec<String> = of_kept.filter(|spelling| !all.contains(spelling)).collect();
    all.extend(more);
    all
}

fn spellings_of_digits(text: &str) -> Vec<String> {
    // A number with one of these codes is dialled at home with a zero in place of the code.
    const FRENCH: [&str; 9] = ["262", "508", "590", "594", "596", "681", "687", "689", "33"];
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let international = match digits.strip_prefix("00") {
        Some(rest) => rest.to_owned(),
        None => digits.strip_prefix('0').map_or_else(|| digits.clone(), |rest| format!("33{rest}")),
    };
    if international.len() < LONG {
        return Vec::new();
    }
    let national = FRENCH.into_iter().find_map(|code| international.strip_prefix(code)).map(|rest| format!("0{rest}"));
    std::iter::once(international.clone()).chain(national).collect()
}

/// A line of the log without the time at its beginning, whose digits may match a value.
fn without_time(line: &str) -> Cow<'_, str> {
    let time = line.strip_prefix("{\"timestamp\":\"").and_then(|rest| rest.split_once("Z\""));
    match time {
        Some((time, rest)) if time.bytes().all(|b| b.is_ascii_digit() || b"-T:.".contains(&b)) => {
            Cow::Owned(format!("{{{}", rest.trim_start_matches(',')))
        }
        _ => Cow::Borrowed(line),
    }
}

/// The text without the examples in the messages about an invalid field: tests send the same values.
fn own_words_out(text: &str) -> Cow<'_, str> {
    let fields = [FieldError::LastNameTrunc, FieldError::PhoneTrunc, FieldError::PhoneAmbiguous];
    let mut text = Cow::Borrowed(text);
    // Each of them contains one example.
    if text.contains("(\"") || text.contains("(«") {
        for own in fields.map(|error| Language::ALL.map(|language| error.message(language))).iter().flatten() {
            if text.contains(&**own) {
                text = Cow::Owned(text.replace(&**own, ""));
            }
        }
    }
    text
}

/// The text without the spaces, dots and other marks between two digits, if it has any.
fn joined(text: &str) -> Option<String> {
    let mark = |c: char| " .-/()\u{a0}\u{202f}".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        rest = after.trim_start_matches(mark);
        let between = out.ends_with(|c: char| c.is_ascii_digit()) && rest.starts_with(|c: char| c.is_ascii_digit());
        if !between {
            out.push_str(&after[..after.len() - rest.len()]);
        }
    }
    out.push_str(rest);
    (out.len() != text.len()).then_some(out)
}

/// The value of the text if it is the inside of a JSON string or of a string in a programming language.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let unicode = after.strip_prefix('u').and_then(|after| after.split_at_checked(4));
        let code = unicode.and_then(|(code, _)| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        if let (Some(code), Some((_, after))) = (code, unicode) {
            out.push(code);
            rest = after;
        } else {
            rest = after;
            if let Some(letter) = rest.chars().next().filter(|c| "ntr".contains(*c)) {
                out.push(' ');
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    out.push_str(rest);
    Some(out)
}

/// The decoded run, also if its first characters do not belong to the encoded text.
fn in_base64(run: &str) -> impl Iterator<Item = Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let run = run.replace('-', "+").replace('_', "/");
    (0..4).filter_map(move |skip| {
        let rest = run.get(skip..)?;
        // A single remaining character is not a byte.
        let rest = if rest.len() % 4 == 1 { rest.get(..rest.len() - 1)? } else { rest };
        ENGINE.decode(rest).ok()
    })
}

fn in_hex(run: &str) -> impl Iterator<Item = Vec<u8>> {
    (0..2).filter_map(move |skip| {
        let pairs = run.as_bytes().get(skip..)?.chunks_exact(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    })
}
