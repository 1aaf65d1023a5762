//! Endpoints other than the embedded DynamoDB and S3, and how a stack signs for them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cee_service::Environment;
use http::Uri;
use http::uri::Scheme;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::error::Error;

/// How long an endpoint may take to accept a connection.
const KNOCK: Duration = Duration::from_secs(5);

/// The address of a service: `http` or `https`, a host, a port if it is not the scheme's own, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    /// Host and port.
    address: String,
}

impl FromStr for Endpoint {
    type Err = String;

    /// The error does not repeat the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "must be a URL such as http://127.0.0.1:8000, without a user, a path or a query".to_owned();
        let uri: Uri = text.parse().map_err(|_| expected())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(expected()) };
        let usual = match scheme {
            scheme if *scheme == Scheme::HTTP => 80,
            scheme if *scheme == Scheme::HTTPS => 443,
            _ => return Err(expected()),
        };
        let is_plain = !authority.as_str().contains('@') && uri.path() == "/" && uri.query().is_none();
        if !is_plain || authority.host().is_empty() || text.contains('#') {
            return Err(expected());
        }
        // `http` accepts a port without digits, and one that is too large.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => usual,
            Some(port) => port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).ok_or_else(expected)?,
            None => return Err(expected()),
        };
        Ok(Self { url: format!("{scheme}://{authority}"), address: format!("{}:{port}", authority.host()) })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Endpoint {
    /// Whether something accepts a connection there.
    pub async fn answers(&self) -> bool {
        matches!(tokio::time::timeout(KNOCK, TcpStream::connect(&self.address)).await, Ok(Ok(_)))
    }

    /// Whether it is this port of this machine.
    #[must_use]
    pub fn is_here(&self, port: u16) -> bool {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|here| self.address == format!("{here}:{port}"))
    }
}

/// An access key with its secret, for endpoints that check them.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: String,
    /// The third part of temporary keys.
    pub session_token: Option<String>,
}

/// How to sign for an endpoint.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Signing {
    /// The region.
    pub region: Option<String>,
    /// The keys. Most emulators take any, so a stack without these uses keys of its own.
    pub keys: Option<Keys>,
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signing(…)")
    }
}

impl Signing {
    /// From the SDK's standard variables `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// [`Error::HalfAKey`] if one half of a key is missing.
    pub fn of(environment: &Environment) -> Result<Self, Error> {
        let of = |name| environment.optional(name);
        let keys = match (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key), Some(secret_key)) => {
                Some(Keys { access_key, secret_key, session_token: of("AWS_SESSION_TOKEN") })
            }
            (None, None) => None,
            _ => return Err(Error::HalfAKey),
        };
        Ok(Self { region: of("AWS_REGION").or_else(|| of("AWS_DEFAULT_REGION")), keys })
    }
}

/// The services that a stack uses and does not run itself.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// DynamoDB, or an engine that speaks its protocol.
    pub dynamodb: Option<Endpoint>,
    /// S3, or a store that speaks its protocol.
    pub s3: Option<Endpoint>,
    /// How to sign for them.
    pub signing: Signing,
}

impl Elsewhere {
    /// Which services these are, as `local.json` names them.
    #[must_use]
    pub const fn which(&self) -> Foreign {
        Foreign { dynamodb: self.dynamodb.is_some(), s3: self.s3.is_some() }
    }

    /// Refuses what a stack must not do to a service that is not its own.
    ///
    /// # Errors
    /// [`Error::FreshElsewhere`], [`Error::FaultsElsewhere`].
    pub(crate) fn allow(&self, fresh: bool, faults: bool) -> Result<(), Error> {
        if let (true, Some(endpoint)) = (fresh, self.dynamodb.as_ref().or(self.s3.as_ref())) {
            return Err(Error::FreshElsewhere(endpoint.to_string()));
        }
        if faults && self.dynamodb.is_some() {
            return Err(Error::FaultsElsewhere);
        }
        Ok(())
    }

    /// Makes sure that every endpoint answers.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] for the first that does not.
    pub(crate) async fn answer(&self) -> Result<(), Error> {
        for (service, endpoint) in [("DynamoDB", &self.dynamodb), ("S3", &self.s3)] {
            if let Some(endpoint) = endpoint
                && !endpoint.answers().await
            {
                return Err(Error::NoAnswer { service, url: endpoint.to_string() });
            }
        }
        Ok(())
    }
}

/// Which services a stack does not run itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// Whether DynamoDB is elsewhere.
    #[serde(default)]
    pub dynamodb: bool,
    /// Whether S3 is elsewhere.
    #[serde(default)]
    pub s3: bool,
}

impl Foreign {
    /// Whether any service is elsewhere.
    #[must_use]
    pub const fn any(self) -> bool {
        self.dynamodb || self.s3
    }

    /// Whether every service is the stack's own.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        !self.any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn endpoint_is_a_scheme_a_host_and_a_port() {
        for (text, url, address) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "127.0.0.1:8000"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000", "127.0.0.1:8000"),
            ("https://scylla.example", "https://scylla.example", "scylla.example:443"),
            ("http://minio", "http://minio", "minio:80"),
            ("HTTP://[::1]:9000", "http://[::1]:9000", "[::1]:9000"),
        ] {
            let endpoint = endpoint(text);
            assert_eq!((endpoint.to_string().as_str(), endpoint.address.as_str()), (url, address), "{text}");
        }
        for text in [
            "",
            "127.0.0.1:8000",
            "localhost",
            "ftp://host",
            "http://",
            "http://user:secret@host:8000",
            "http://host/path",
            "http://host?query",
            "http://host#part",
            "http://host:",
            "http://host:99999",
            "http://host:port",
            " http://host",
        ] {
            let said = text.parse::<Endpoint>().unwrap_err();
            assert!(said.contains("http://127.0.0.1:8000") && !said.contains("secret"), "{text}: {said}");
        }
    }

    #[test]
    fn own_port_is_recognised_under_every_name() {
        for here in ["http://127.0.0.1:9000", "http://localhost:9000/", "http://[::1]:9000"] {
            assert!(endpoint(here).is_here(9000), "{here}");
            assert!(!endpoint(here).is_here(900), "{here}");
        }
        assert!(!endpoint("http://10.0.0.1:9000").is_here(9000));
    }

    fn signing(variables: &[(&str, &str)]) -> Result<Signing, Error> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Signing::of(&Environment::of(variables))
    }

    #[test]
    fn signing_comes_from_the_standard_variables() {
        assert_eq!(signing(&[]).unwrap(), Signing::default());
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let all = [&keys[..], &[("AWS_SESSION_TOKEN", "t"), ("AWS_REGION", "r"), ("AWS_DEFAULT_REGION", "d")]].concat();
        let known = signing(&all).unwrap();
        assert_eq!(known.region.as_deref(), Some("r"));
        let read = known.keys.unwrap();
        assert_eq!((read.access_key.as_str(), read.secret_key.as_str()), ("a", "s"));
        assert_eq!(read.session_token.as_deref(), Some("t"));
        assert_eq!(signing(&[("AWS_DEFAULT_REGION", "d")]).unwrap().region.as_deref(), Some("d"));
        for half in keys {
            assert!(matches!(signing(&[half]), Err(Error::HalfAKey)), "{half:?}");
        }
    }

    #[test]
    fn secret_is_not_shown() {
        let signing = signing(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "hidden")]).unwrap();
        assert!(!format!("{:?}", Elsewhere { signing, ..Elsewhere::default() }).contains("hidden"));
    }

    #[test]
    fn stack_clears_and_disturbs_only_its_own_services() {
        let dynamodb = Elsewhere { dynamodb: Some(endpoint("http://db:8000")), ..Elsewhere::default() };
        let s3 = Elsewhere { s3: Some(endpoint("http://s3:9000")), ..Elsewhere::default() };
        for elsewhere in [&dynamodb, &s3] {
            assert!(matches!(elsewhere.allow(true, false), Err(Error::FreshElsewhere(_))));
            assert!(elsewhere.allow(false, false).is_ok());
            assert!(elsewhere.which().any() && !elsewhere.which().is_none());
        }
        assert!(matches!(dynamodb.allow(false, true), Err(Error::FaultsElsewhere)));
        assert!(s3.allow(false, true).is_ok());
        assert!(Elsewhere::default().allow(true, true).is_ok());
    }

    #[tokio::test]
    async fn endpoint_without_an_answer_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let elsewhere = Elsewhere { s3: Some(endpoint(&url)), ..Elsewhere::default() };
        assert!(elsewhere.answer().await.is_ok());
        // Nothing listens on port 1. The listener's port, once it is free, may be given to another test.
        let url = "http://127.0.0.1:1";
        let elsewhere = Elsewhere { s3: Some(endpoint(url)), ..Elsewhere::default() };
        let said = elsewhere.answer().await.unwrap_err().to_string();
        assert!(said.contains(url) && said.contains("S3"), "{said}");
    }
}
