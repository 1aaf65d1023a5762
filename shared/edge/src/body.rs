//! How a body is read: bytes, then a JSON object, then fields that cannot hold a bad value. A refusal names all faults at once and
//! repeats no value.

mod json;

use cee_eligibility::FieldError;
use http::header::CONTENT_TYPE;
use lambda_http::Request;
use serde_json::{Map, Value};

use self::json::{Element, Members, bytes, read};
pub use crate::limits::{BATCH_LIMIT, BODY_LIMIT};
use crate::problem::{ApplicationKind, BrokenRule, FieldFault, Refusal, Shape};

/// The largest number of faults in a refusal.
pub(crate) const FAULTS_LIMIT: usize = 100;

/// The number of characters of an unknown field's name that a message repeats.
const NAME_LIMIT: usize = 64;

/// One row of a batch.
#[derive(Debug)]
pub struct SentRow {
    /// The members as they came, to be returned to the sender of the body and to no other caller.
    pub sent: Map<String, Value>,
    /// The fields; `None` if the row is not an object.
    pub fields: Option<Fields>,
}

impl From<Element> for SentRow {
    fn from(element: Element) -> Self {
        match element {
            Element::Object(Members(members)) => {
                let sent = members.iter().cloned().collect();
                Self { sent, fields: Some(Fields { members, faults: Vec::new() }) }
            }
            Element::Other => Self { sent: Map::new(), fields: None },
        }
    }
}

/// The field of a body that says which of several types the body is. The type around it is its value; its schema is
/// [`tag`](crate::openapi::tag).
#[derive(Debug, PartialEq, Eq)]
pub struct Tag;

/// The fields of a body on their way into types.
#[derive(Debug)]
pub struct Fields {
    members: Vec<(String, Value)>,
    faults: Vec<FieldFault>,
}

impl FieldFault {
    /// A fault of the field or the parameter with this name.
    pub(crate) fn of(name: &str, rule: impl Into<BrokenRule>) -> Self {
        let name: String = name.chars().take(NAME_LIMIT).collect();
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self { pointer, rule: rule.into() }
    }
}

impl Fields {
    /// Reads the body of a request as one JSON object.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedMediaType`], [`Refusal::BodyTooLarge`] or [`Refusal::MalformedBody`].
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        let Members(members) = read(request, BODY_LIMIT, Shape::Object)?;
        Ok(Self { members, faults: Vec::new() })
    }

    /// Reads the body of a request as a form of a browser. An empty field is a field that was not filled in, and a field that the form
    /// does not have is unknown, as in JSON.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedMediaType`] or [`Refusal::BodyTooLarge`].
    pub fn of_form(request: &Request) -> Result<Self, Refusal> {
        let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::UnsupportedMediaType);
        }
        let bytes = bytes(request.body());
        if bytes.len() > BODY_LIMIT {
            return Err(Refusal::BodyTooLarge(BODY_LIMIT));
        }
        let members = form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty());
        let members = members.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect();
        Ok(Self { members, faults: Vec::new() })
    }

    /// The text of a field that stays in the body, to show it again to the one who typed it. Empty if there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let values = self.members.iter().filter(|(n, _)| n == name);
        values.filter_map(|(_, value)| value.as_str()).next().unwrap_or_default().to_owned()
    }

    /// Takes a field out of the body without checking its text. `None` if it is not there, not a string, or repeated.
    pub fn take_text(&mut self, name: &str) -> Option<String> {
        let mut values = self.members.extract_if(.., |(n, _)| n == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(Value::String(text)), None) => Some(text),
            _ => None,
        }
    }

    /// Reads the body of a request as an array of 1 to `most` rows. Faults within a row appear when the row is read.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedMediaType`], [`Refusal::BodyTooLarge`] or [`Refusal::MalformedBody`]; [`Refusal::InvalidFields`] if
    /// there are no rows or too many.
    pub fn rows(request: &Request, most: usize) -> Result<Vec<SentRow>, Refusal> {
        let elements: Vec<Element> = read(request, BATCH_LIMIT, Shape::Array)?;
        if (1..=most).contains(&elements.len()) {
            return Ok(elements.into_iter().map(SentRow::from).collect());
        }
        // The whole body is at fault: its pointer is empty (RFC 6901).
        Err(Refusal::InvalidFields(vec![FieldFault { pointer: String::new(), rule: BrokenRule::Rows(most) }]))
    }

    /// The canonical form of the body: independent of the order of its fields, of spaces and of escapes. Two bodies with the same
    /// canonical form are the same call.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let written = |(name, value): &(String, Value)| format!("{}:{value}", Value::from(name.as_str()));
        members.into_iter().map(written).collect::<Vec<_>>().join(",")
    }

    /// Notes a fault of a field.
    pub fn fault(&mut self, name: &str, rule: impl Into<BrokenRule>) {
        self.faults.push(FieldFault::of(name, rule));
    }

    /// Removes a field from the body and returns its value. Notes a fault if the field is repeated.
    fn take(&mut self, name: &str) -> Option<Value> {
        let mut values: Vec<Value> = self.members.extract_if(.., |(n, _)| n == name).map(|(_, value)| value).collect();
        if values.len() > 1 {
            self.fault(name, BrokenRule::Repeated);
        }
        values.pop()
    }

    /// Reads an optional field. `Some(None)`: the body lacks it. `None`: it has a fault, which is noted.
    pub fn optional<T, E: Into<BrokenRule>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.take(name) {
            None => Some(None),
            Some(Value::String(text)) => match parse(&text) {
                Ok(value) => Some(Some(value)),
                Err(error) => {
                    self.fault(name, error);
                    None
                }
            },
            Some(_) => {
                self.fault(name, BrokenRule::String);
                None
            }
        }
    }

    /// Reads an optional whole number. `Some(None)`: the body lacks it. `None`: it has a fault, which is noted.
    pub fn optional_number<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(u64) -> Result<T, FieldError>,
    ) -> Option<Option<T>> {
        let Some(value) = self.take(name) else { return Some(None) };
        match whole(&value).ok_or(FieldError::WholeNumber).and_then(parse) {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                self.fault(name, error);
                None
            }
        }
    }

    /// Reads an optional `true` or `false`. `Some(None)`: the body lacks it. `None`: it has a fault, which is noted.
    pub fn optional_bool(&mut self, name: &str) -> Option<Option<bool>> {
        match self.take(name) {
            None => Some(None),
            Some(Value::Bool(value)) => Some(Some(value)),
            Some(_) => {
                self.fault(name, BrokenRule::Boolean);
                None
            }
        }
    }

    /// Reads a required field. `None`: the body lacks it or it has a fault, which is noted.
    pub fn required<T, E: Into<BrokenRule>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.optional(name, parse)?;
        if value.is_none() {
            self.fault(name, BrokenRule::Missing);
        }
        value
    }

    /// Refuses a field that does not belong to this kind of application.
    pub fn foreign(&mut self, name: &str, this: impl Into<ApplicationKind>) {
        if self.take(name).is_some() {
            self.fault(name, BrokenRule::Foreign(this.into()));
        }
    }

    /// Reads a field only to report its fault: when its journey type is unknown.
    pub fn checked<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, FieldError>) {
        let _ = self.optional(name, parse);
    }

    /// The values read, unless a field has a fault or is unknown.
    ///
    /// # Errors
    /// [`Refusal::InvalidFields`] with every fault.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Refusal> {
        let mut unknown: Vec<String> = std::mem::take(&mut self.members).into_iter().map(|(name, _)| name).collect();
        unknown.dedup();
        for name in unknown.iter().take(FAULTS_LIMIT) {
            self.fault(name, BrokenRule::Unknown);
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => {
                self.faults.truncate(FAULTS_LIMIT);
                Err(Refusal::InvalidFields(self.faults))
            }
        }
    }
}

/// A whole number in any notation: JSON has one kind of number, in which `80`, `80.0` and `8e1` are equal.
fn whole(value: &Value) -> Option<u64> {
    /// Beyond this, neighbouring values are more than 1 apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let written_otherwise = || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..EXACT).contains(number));
    value.as_u64().or_else(|| written_otherwise().map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::{IdentityKey, Instant, JourneyType, Language, LastNameTrunc, PhoneTrunc};
    use lambda_http::Body;

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut request = http::Request::builder();
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        request.body(body.into()).unwrap()
    }

    fn fields(body: &str) -> Fields {
        Fields::of(&request(Some("application/json"), body)).unwrap()
    }

    fn faults(refusal: Refusal) -> Vec<(String, String)> {
        let Refusal::InvalidFields(faults) = refusal else { panic!("{refusal:?}") };
        faults.into_iter().map(|fault| (fault.pointer, fault.rule.message(Language::English))).collect()
    }

    #[test]
    fn body_other_than_one_json_object_is_rejected() {
        for content_type in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(Fields::of(&request(Some(content_type), "{}")).is_ok(), "{content_type}");
        }
        for content_type in
            [None, Some("text/plain"), Some("application/jsonx"), Some("application/json; charset=latin1"), Some("")]
        {
            let refused = Fields::of(&request(content_type, "{}"));
            assert!(matches!(refused, Err(Refusal::UnsupportedMediaType)), "{content_type:?}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let bodies: [(&[u8], &str); 9] = [
            (b"", "empty"),
            (b"[]", "object"),
            (b"\"DUP\"", "object"),
            (b"{", "line 1"),
            (b"{} {}", "line 1"),
            (b"{\"a\":\"\0\"}", "line 1"),
            (b"{\"a\":NaN}", "line 1"),
            (b"{\"a\":\"\xff\"}", "byte 6"),
            (deep.as_bytes(), "deeply"),
        ];
        for (body, expected) in bodies {
            match Fields::of(&request(Some("application/json"), body.to_vec())) {
                Err(Refusal::MalformedBody(why)) => {
                    let detail = why.message(Language::English);
                    assert!(detail.contains(expected) && !detail.contains("DUP"), "{detail}");
                }
                other => panic!("{other:?}"),
            }
        }
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_LIMIT));
        assert!(matches!(Fields::of(&request(Some("application/json"), long)), Err(Refusal::BodyTooLarge(BODY_LIMIT))));
    }

    #[test]
    fn all_faults_are_reported_at_once_without_values() {
        let mut fields = fields(
            r#"{"last_name_trunc":"dup","identity_key":7,"datetime":null,"a/b~c":1,"x":1,"x":2,"phone_trunc":"+336010203"}"#,
        );
        let name = fields.required("last_name_trunc", LastNameTrunc::parse);
        let key = fields.optional("identity_key", IdentityKey::parse);
        let license = fields.required("driving_license", cee_eligibility::DrivingLicense::parse);
        let datetime = fields.required("datetime", Instant::parse);
        fields.foreign("phone_trunc", JourneyType::Short);
        assert!(name.is_none() && key.is_none() && license.is_none() && datetime.is_none());
        let faults = faults(fields.finish(Some(())).unwrap_err());
        let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/last_name_trunc", "/identity_key", "/driving_license", "/datetime", "/phone_trunc", "/a~1b~0c", "/x"]
        );
        assert!(faults.iter().all(|(_, message)| !message.contains("dup")));
    }

    #[test]
    fn form_is_read_as_the_same_fields() {
        let form = |body: &str| {
            let kind = "application/x-www-form-urlencoded; charset=utf-8";
            Fields::of_form(&request(Some(kind), body.as_bytes().to_vec()))
        };
        let mut fields = form("last_name_trunc=TO+&phone_trunc=%2B336010203&driving_license=&x=%3Cb%3E").unwrap();
        assert_eq!(fields.required("last_name_trunc", LastNameTrunc::parse).unwrap().as_str(), "TO ");
        assert_eq!(fields.required("phone_trunc", PhoneTrunc::parse).unwrap().as_str(), "+336010203");
        assert_eq!(
            fields.optional("driving_license", |text| Ok::<_, FieldError>(text.to_owned())),
            Some(None),
            "not filled in"
        );
        assert_eq!(fields.take_text("x").as_deref(), Some("<b>"));
        assert!(fields.finish(Some(())).is_ok());
        assert_eq!(form("a=1&a=2").unwrap().take_text("a"), None, "a field twice");
        let unknown = form("a=1").unwrap().finish(Some(()));
        assert_eq!(faults(unknown.unwrap_err()), [("/a".into(), "is not a field of this call".into())]);
        assert!(matches!(form(&"a".repeat(BODY_LIMIT + 1)), Err(Refusal::BodyTooLarge(BODY_LIMIT))));
        for kind in [None, Some("text/plain"), Some("application/json"), Some("multipart/form-data")] {
            let refused = Fields::of_form(&request(kind, "a=1"));
            assert!(matches!(refused, Err(Refusal::UnsupportedMediaType)), "{kind:?}");
        }
    }

    #[test]
    fn canonical_body_ignores_spacing_order_and_escapes() {
        let one = fields(r#"{"b":"\u0044","a":1}"#).canonical();
        assert_eq!(one, fields("{ \"a\" : 1,\n\"b\": \"D\" }").canonical());
        for other in [r#"{"a":1}"#, r#"{"a":1,"b":"d"}"#, r#"{"a":"1","b":"D"}"#, r#"{"a":1,"b":"D","b":"D"}"#] {
            assert_ne!(one, fields(other).canonical(), "{other}");
        }
        assert_ne!(fields(r#"{"a":"1,\"b\":2"}"#).canonical(), fields(r#"{"a":"1","b":2}"#).canonical());
    }

    #[test]
    fn field_given_twice_is_rejected() {
        let mut fields = fields(r#"{"phone_trunc":"+336010203","phone_trunc":"+336010204"}"#);
        let phone = fields.required("phone_trunc", PhoneTrunc::parse);
        assert_eq!(
            faults(fields.finish(phone).unwrap_err()),
            [("/phone_trunc".into(), "must be given only once".into())]
        );
    }

    #[test]
    fn whole_number_is_read_in_every_json_spelling() {
        let read = |body: &str| fields(body).optional_number("size", Ok);
        for body in [r#"{"size":80}"#, r#"{"size":80.0}"#, r#"{"size":8e1}"#] {
            assert_eq!(read(body), Some(Some(80)), "{body}");
        }
        assert_eq!(read(r#"{"size":-0}"#), Some(Some(0)));
        for body in
            [r#"{"size":80.5}"#, r#"{"size":-80.0}"#, r#"{"size":1e300}"#, r#"{"size":"80"}"#, r#"{"size":null}"#]
        {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn batch_is_read_row_by_row() {
        let rows = |body: &str| Fields::rows(&request(Some("application/json"), body), 7);
        let read = rows(r#"[{"a":1,"a":2}, 1, "x", null, [[1]], -1.5, true]"#).unwrap();
        let objects: Vec<bool> = read.iter().map(|row| row.fields.is_some()).collect();
        assert_eq!(objects, [true, false, false, false, false, false, false]);
        assert_eq!(read[0].sent["a"], 2);
        assert_eq!(read[0].fields.as_ref().unwrap().canonical(), r#""a":1,"a":2"#, "a name twice is seen");
        for (body, expected) in [("[]", "1 to 7 rows"), (&format!("[{}1]", "1,".repeat(7)), "1 to 7 rows")] {
            let faults = faults(rows(body).unwrap_err());
            assert!(faults.len() == 1 && faults[0].0.is_empty() && faults[0].1.contains(expected), "{faults:?}");
        }
        for body in ["{}", "7", "[1", "[] x"] {
            assert!(matches!(rows(body), Err(Refusal::MalformedBody(_))), "{body}");
        }
        let long = format!("[\"{}\"]", "x".repeat(BATCH_LIMIT));
        assert!(matches!(rows(&long), Err(Refusal::BodyTooLarge(BATCH_LIMIT))));
    }
}
