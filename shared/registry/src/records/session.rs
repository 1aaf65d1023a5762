//! A session of the console: who signed in, and until when.
//!
//! The id of a session is a secret that only the browser has. The table holds its SHA-256, so a reader of the table or of a backup
//! cannot continue a session.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, date, instant, integer, number};
use crate::records::credential::NoRandomness;
use crate::records::ids::ImportId;

/// The length of an id in characters: 256 bits in hexadecimal.
const LENGTH: usize = 64;

/// The secret id of a session, as the browser's cookie holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl SessionId {
    /// Generates an id that cannot be guessed.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system provides none.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; LENGTH / 2];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(hex(&bytes)))
    }

    /// Reads 64 lower-case hexadecimal digits. Only the store knows whether the session exists.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The id, for the cookie alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The token that the forms of the session's pages send back, which no other site knows (against cross-site request forgery). It does
    /// not reveal the id.
    #[must_use]
    pub fn form_token(&self) -> String {
        hex(digest(&SHA256, format!("form {}", self.0).as_bytes()).as_ref())
    }

    /// Whether a form was made by a page of this session. The time does not depend on how similar a wrong token is.
    #[must_use]
    pub fn is_form_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.form_token().as_bytes(), token.as_bytes()).is_ok()
    }

    /// The UUID of the import that a form of this session requests: the same however often the form is sent. `form` is the number of the
    /// form. Nobody can choose the UUID.
    #[must_use]
    pub fn import_id(&self, form: &str) -> ImportId {
        let hash = digest(&SHA256, format!("import {} {form}", self.0).as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_ref()[..16]);
        ImportId::from_bytes(id)
    }

    /// The item's key.
    pub(crate) fn key(&self) -> AttributeValue {
        AttributeValue::S(hex(digest(&SHA256, format!("session {}", self.0).as_bytes()).as_ref()))
    }
}

/// A session of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The operator that signed in.
    pub operator: OperatorId,
    /// When it ends, by the machine's clock.
    pub expires_at: Instant,
}

impl Session {
    pub(crate) fn to_item(self, id: &SessionId) -> Item {
        Item::from([
            (PK.to_owned(), id.key()),
            ("operator_id".to_owned(), number(self.operator.get().into())),
            ("expires_at".to_owned(), date(self.expires_at)),
            // DynamoDB removes the item some time after this moment, in seconds.
            ("forgotten_at".to_owned(), number(self.expires_at.millis().div_euclid(1000).saturating_add(60))),
        ])
    }

    pub(crate) fn from_item(item: &Item) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::Corrupt { table: "sessions", what };
        let operator = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok());
        let operator = operator.and_then(|id| OperatorId::new(id).ok()).ok_or(corrupt("operator_id"))?;
        let expires_at = instant(item, "expires_at").ok_or(corrupt("expires_at"))?;
        Ok(Self { operator, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_random_and_secret() {
        let (one, two) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.reveal().len(), LENGTH);
        assert_eq!(SessionId::parse(one.reveal()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "SessionId(…)");
        for bad in ["", "abc", &one.reveal()[1..], &one.reveal().to_uppercase(), &format!("{}0", one.reveal())] {
            assert!(bad == one.reveal() || SessionId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn form_token_belongs_to_one_session_and_shows_nothing_of_its_id() {
        let (one, two) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
        assert!(one.is_form_token(&one.form_token()));
        for wrong in ["", one.reveal(), &two.form_token(), &one.form_token()[1..]] {
            assert!(!one.is_form_token(wrong), "{wrong}");
        }
        let AttributeValue::S(key) = one.key() else { panic!("a text") };
        assert!(key != one.form_token() && key != one.reveal());
    }

    #[test]
    fn import_id_belongs_to_one_form_of_one_session() {
        let (one, two) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
        assert_eq!(one.import_id("a"), one.import_id("a"));
        assert!(one.import_id("a") != one.import_id("b") && one.import_id("a") != two.import_id("a"));
        assert!(
            !one.form_token().contains(&one.import_id("").to_string())
                && !one.reveal().contains(&one.import_id("").to_string())
        );
    }

    #[test]
    fn session_is_read_as_it_was_written() {
        let id = SessionId::generate().unwrap();
        let expires_at = Instant::parse("2024-05-01T00:00:00.123Z").unwrap();
        let session = Session { operator: OperatorId::new(7).unwrap(), expires_at };
        let mut item = session.to_item(&id);
        assert!(!format!("{item:?}").contains(id.reveal()), "the table does not hold the id");
        assert_eq!(Session::from_item(&item), Ok(session));
        item.remove("operator_id");
        assert!(Session::from_item(&item).is_err());
    }
}
