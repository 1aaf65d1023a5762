//! Looks for personal data where none may be: in logs, metrics, refusals and keys of tables.
//!
//! [`Sent`] takes down what a test sends, in the spelling in which it was sent. [`Scanner`] finds any of it again in a
//! text, in other spellings and encodings too. [`record`] does both for whole tests, without their asking.
//! What is sought, and what cannot be found so: `docs/privacy.md`.

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
use cee_eligibility::{FieldError, PhoneTrunc};
use http::Request;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// From so many characters on a value is sought anywhere, below only where it stands alone.
const LONG: usize = 6;

/// From so many bytes on, hexadecimal digits are looked at for short values. Fewer are numbers and parts of names that chance
/// has made: the microseconds of `12:38:12.414142` spell AAB.
const SPELT: usize = 8;

/// Among so many hexadecimal digits stands what was drawn or hashed: the names of imports, of which thousands spell the few digits of
/// one phone among thousands.
const DRAWN: usize = 32;

/// The digits of a time in milliseconds since 1970: of thousands of lines one spells the few digits of a phone.
const MILLIS: usize = 13;

/// How many encodings within one another are looked through.
const DEPTH: usize = 4;

/// What kind of thing a test has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    License,
    Phone,
    Name,
    IdentityKey,
    /// An operator's name for a journey: may hold anything.
    Journey,
    /// An application or a proof token.
    Token,
    /// A secret of an operator or of the registry.
    Secret,
    /// The public half of a credential.
    AccessKey,
    /// What stood in another place and may be anything: in a path, in a header, under a field that nobody knows.
    Other,
}

/// What was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent(BTreeSet<(Kind, String)>);

impl Sent {
    pub fn add(&mut self, kind: Kind, value: &str) {
        // Blanks alone are in every text, and dates, words and the name of a scheme are nobody's, wherever a test has put them.
        let word = kind == Kind::Journey && value.bytes().all(|b| b.is_ascii_lowercase());
        let scheme = kind == Kind::Token && value.eq_ignore_ascii_case("bearer");
        if !value.trim().is_empty() && !is_date(value) && !word && !scheme {
            self.0.insert((kind, value.to_owned()));
        }
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Everything of a request that comes from its sender.
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
        self.body(request.body());
    }

    /// A body, whether it is JSON or not.
    pub fn body(&mut self, body: &[u8]) {
        match serde_json::from_slice(body) {
            Ok(json) => self.json("", &json),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
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
            // Told to everybody, and counted.
            "size" | "sha256" | "journey_id" | "distance" | "operator_id" | "siret" => return,
            _ => return self.other(value),
        };
        self.add(kind, value);
    }

    /// What may be anything, as far as it could tell a person from another: neither words nor dates nor names of records.
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

    /// A file of rows as it was put on S3, as far as it can be read.
    pub fn file(&mut self, file: &[u8]) {
        let mut unpacked = Vec::new();
        let file = if file.starts_with(b"\x1f\x8b") {
            // Of a damaged one what came before the damage.
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
            for (name, cell) in header.iter().zip(row.iter()).filter(|(name, _)| name.contains('_')) {
                self.field(name, &String::from_utf8_lossy(cell));
            }
        }
    }
}

/// Whether it is a hash of 32 bytes as keys of tables are: among thousands of them one spells a short value by chance.
fn is_hash(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// Whether this part of a text lies within hexadecimal digits, and the dashes of a UUID, that somebody has drawn.
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

/// Whether it begins as dates do.
fn is_date(value: &str) -> bool {
    let begins: String = value.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    begins == "0000-00-00"
}

/// Whether it is the name of an application, an import or what belongs to it: the registry has given those.
fn is_of_record(value: &str) -> bool {
    uuid::Uuid::parse_str(value.split('.').next().unwrap_or_default()).is_ok()
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub kind: Kind,
    /// As it was sent.
    pub value: String,
    /// Where, in words.
    pub place: String,
    /// Through which encodings it was seen.
    pub through: Vec<&'static str>,
    /// The text that holds it.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, value, place, through, text } = self;
        let through = if through.is_empty() { String::new() } else { format!(", through {}", through.join(" in ")) };
        write!(f, "{kind:?} {value:?} in {place}{through}: {text}")
    }
}

/// How a pattern may be found.
#[derive(Clone, Copy)]
struct Pattern {
    /// Which of the values it stands for.
    value: usize,
    /// Whether letters and digits around it make it something else.
    alone: bool,
    /// Whether it is another in other case.
    exact: bool,
    /// Whether it is so few digits that chance writes them.
    digits: bool,
}

/// Finds what was sent.
pub struct Scanner {
    values: Vec<(Kind, String)>,
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
    /// Short values, which are also found as the whole of a JSON string, in any case.
    short: HashMap<String, usize>,
    /// Words of JSON with nothing in them: a log says the same again and again.
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
                // A single letter is a name only with the spaces behind it.
                let spelling = if spelling.trim().len() < 2 { spelling } else { spelling.trim().to_owned() };
                // A short word in small letters is a word like any other.
                if spelling.len() > 1 && !(is_short && spelling.bytes().any(|b| b.is_ascii_lowercase())) {
                    let plain = spelling.bytes().collect::<BTreeSet<_>>().len() < 3;
                    let digits = *kind == Kind::Phone && spelling.len() < DRAWN;
                    texts.push(spelling);
                    patterns.push(Pattern { value, alone: is_short || plain, exact: is_short, digits });
                }
            }
        }
        // Each is built once and searched with once: the kind that takes least to build.
        let kind = Some(AhoCorasickKind::NoncontiguousNFA);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).kind(kind).build(texts).unwrap();
        Self { values, automaton, patterns, short, clean: RefCell::default() }
    }

    /// Everything that was sent and stands in this text.
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
        // Of JSON its strings and numbers count: what stands around them is not a part of them.
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
                // The gateway draws these, and short values are found in whatever is drawn.
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
        // What was found may be found again elsewhere.
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
            // Chance makes short words out of bytes.
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

/// Which values, and through what they were seen.
type Found = BTreeSet<(usize, Vec<&'static str>)>;

/// How a value may be written.
fn spellings(kind: Kind, text: &str) -> Vec<String> {
    let hash = |text: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    match kind {
        Kind::Phone => {
            let phone = phone_spellings(text);
            // A bare hash of so few digits is guessed in seconds: it is the number in other words.
            let hashes = phone.first().map(|digits| hash(&format!("+{digits}")));
            phone.into_iter().chain(hashes).collect()
        }
        // A part of a token is enough: who signs has made the rest from what is known.
        Kind::Token if text.len() > 40 => {
            let parts: Vec<&str> = text.split('.').collect();
            let telling = if parts.len() == 3 { &parts[1..] } else { &parts[..] };
            telling.iter().filter(|part| part.len() > 20).map(|part| (*part).to_owned()).collect()
        }
        Kind::License if text.len() >= LONG => {
            // As it was sent, and as the registry keeps it.
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

/// The number with its country and, where that has one, in its national form, digits only.
fn phone_spellings(text: &str) -> Vec<String> {
    // What was sent, and the form that is kept of it.
    let kept = PhoneTrunc::parse(text).ok().filter(|kept| kept.as_str() != text);
    let mut all = spellings_of_digits(text);
    let of_kept = kept.iter().flat_map(|kept| spellings_of_digits(kept.as_str()));
    let more: Vec<String> = of_kept.filter(|spelling| !all.contains(spelling)).collect();
    all.extend(more);
    all
}

fn spellings_of_digits(text: &str) -> Vec<String> {
    // What stands behind the plus or the zero of these is dialled at home with a zero before it.
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

/// A line of the log without the time at its beginning, whose digits may be anybody's.
fn without_time(line: &str) -> Cow<'_, str> {
    let time = line.strip_prefix("{\"timestamp\":\"").and_then(|rest| rest.split_once("Z\""));
    match time {
        Some((time, rest)) if time.bytes().all(|b| b.is_ascii_digit() || b"-T:.".contains(&b)) => {
            Cow::Owned(format!("{{{}", rest.trim_start_matches(',')))
        }
        _ => Cow::Borrowed(line),
    }
}

/// The text without the examples in what the service says of a bad field: tests send the same values.
fn own_words_out(text: &str) -> Cow<'_, str> {
    let fields =
        [FieldError::LastNameTrunc, FieldError::PhoneTrunc, FieldError::PhoneAmbiguous].map(|error| error.to_string());
    let mut text = Cow::Borrowed(text);
    // Each of them holds one.
    if text.contains("(\"") {
        for own in fields.iter().map(String::as_str) {
            if text.contains(own) {
                text = Cow::Owned(text.replace(own, ""));
            }
        }
    }
    text
}

/// The text without the spaces, dots and other marks between two digits, where there are any.
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

/// What the text says where it is the inside of a JSON string or of a string in a programming language.
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

/// What the run may stand for: where its first bytes are something else, too.
fn in_base64(run: &str) -> impl Iterator<Item = Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let run = run.replace('-', "+").replace('_', "/");
    (0..4).filter_map(move |skip| {
        let rest = run.get(skip..)?;
        // One character over is no byte.
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
