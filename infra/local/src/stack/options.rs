//! How a stack is started.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_stand_in::faults::Plan;
use cee_eligibility::Instant;
use cee_service::Environment;
use cee_tokens::TokenFormat;

use crate::endpoint::Elsewhere;
use crate::error::Error;
use crate::functions::Functions;

/// How a stack is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address on which it listens.
    pub host: IpAddr,
    /// The port of the interface; 0 takes a free one.
    pub port: u16,
    /// The port of DynamoDB.
    pub dynamodb_port: u16,
    /// The port of S3.
    pub s3_port: u16,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether to remove the existing data first.
    pub fresh: bool,
    /// Pins the clock.
    pub now: Option<Instant>,
    /// Where the functions run.
    pub functions: Functions,
    /// Further settings of the functions, such as a changed rule.
    pub settings: Vec<(String, String)>,
    /// Origins whose pages may call the interface, with commas between; empty: none. As the template's parameter.
    pub api_origins: String,
    /// The faults between the functions and DynamoDB.
    pub faults: Option<Arc<dyn Plan>>,
    /// The services that the stack uses and does not run itself; their ports above are not used.
    pub elsewhere: Elsewhere,
}

impl Options {
    /// Free ports on this machine alone, the functions in this process.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            dynamodb_port: 0,
            s3_port: 0,
            data_dir: data_dir.to_owned(),
            fresh: false,
            now: None,
            functions: Functions::InProcess,
            settings: Vec::new(),
            api_origins: String::new(),
            faults: None,
            elsewhere: Elsewhere::default(),
        }
    }

    /// The format that the stack's own proof key must allow. If a test brings a key of its own, any format.
    pub(super) fn token_format(&self) -> Result<TokenFormat, Error> {
        if self.settings.iter().any(|(name, _)| name == "PROOF_KEY") {
            return Ok(TokenFormat::default());
        }
        let settings = Environment::of(self.settings.iter().cloned());
        settings.token_format().map_err(|error| Error::Secrets(error.to_string()))
    }
}
