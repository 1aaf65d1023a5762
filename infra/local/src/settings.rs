//! The settings of the functions, and which function gets which.

use cee_registry::Tables;
use cee_service::Environment;

use crate::description::{BUCKET, Description, tables};
use crate::endpoint::Signing;
use crate::error::Error;
use crate::secrets::{AUDIENCE, ISSUER, Secrets};
use crate::service_secret::Signer;

/// All settings of all functions; each function then gets its own.
pub(crate) struct Settings {
    pub(crate) all: Vec<(String, String)>,
    /// Whether all functions sign with one access key. An engine elsewhere may check it, and some keep the data of each access key
    /// apart, as DynamoDB Local does by default.
    one_access_key: bool,
}

impl Settings {
    pub(crate) fn new(secrets: &Secrets, description: &Description, signing: &Signing) -> Result<Self, Error> {
        let service = &secrets.service;
        let tables = tables();
        let mut settings = description.signing(signing);
        settings.extend([
            ("AWS_ENDPOINT_URL_DYNAMODB", description.dynamodb_url.clone()),
            ("AWS_ENDPOINT_URL_S3", description.s3_url.clone()),
            ("S3_PATH_STYLE", "true".to_owned()),
            ("BUCKET", BUCKET.to_owned()),
            ("CLAIM_PEPPER", service.claim_pepper.clone()),
            ("PROOF_KEY", service.proof_key.clone()),
            ("PROOF_JWKS", service.key_set(Signer::Proof)?.to_json()),
            ("APPLICATION_TOKEN_KEY", service.application_token_key.clone()),
            ("APPLICATION_TOKEN_JWKS", service.key_set(Signer::ApplicationToken)?.to_json()),
            ("APPLICATION_TOKEN_ISSUER", ISSUER.to_owned()),
            ("APPLICATION_TOKEN_AUDIENCE", AUDIENCE.to_owned()),
        ]);
        settings.extend(description.now.clone().map(|now| ("NOW", now)));
        settings.extend(Tables::SETTINGS.iter().copied().zip(tables.names().into_iter().map(str::to_owned)));
        let all = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { all, one_access_key: description.foreign.any() })
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.all.retain(|(known, _)| known != name);
        self.all.push((name.to_owned(), value));
    }

    /// The settings for all functions, and of the others only those that the function is given; and, if every service is the stack's own,
    /// an access key that equals the name of the function's binary.
    pub(crate) fn of(&self, given: &Given) -> Vec<(String, String)> {
        let is_given = |name: &str| given.has(name) || !not_for_all().any(|special| special == name);
        let own = |(name, value): &(String, String)| {
            let is_named = name == "AWS_ACCESS_KEY_ID" && !self.one_access_key;
            let value = if is_named { given.binary } else { value };
            (name.clone(), value.to_owned())
        };
        self.all.iter().filter(|(name, _)| is_given(name)).map(own).collect()
    }

    pub(crate) fn environment(&self, given: &Given) -> Environment {
        Environment::of(self.of(given))
    }

    /// The settings to reach everything, as the registry's team does.
    pub(crate) fn of_team(&self) -> Environment {
        Environment::of(self.all.clone())
    }
}

/// The settings that only some functions have on AWS: the other functions must not need them here either.
pub fn not_for_all() -> impl Iterator<Item = &'static str> {
    let others = [
        "BUCKET",
        "CLAIM_PEPPER",
        "PROOF_KEY",
        "PROOF_JWKS",
        "TOKEN_FORMAT",
        "APPLICATION_TOKEN_KEY",
        "APPLICATION_TOKEN_JWKS",
    ];
    Tables::SETTINGS.iter().copied().chain(others)
}

/// The settings of [`not_for_all`] that a function of the template gets.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// The function's binary.
    pub binary: &'static str,
    /// The settings of its tables: the function's own list.
    tables: &'static [&'static str],
    /// The other settings.
    others: &'static [&'static str],
}

impl Given {
    /// The names of the settings.
    pub fn settings(&self) -> impl Iterator<Item = &'static str> {
        self.tables.iter().chain(self.others).copied()
    }

    /// Whether this setting is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.settings().any(|given| given == name)
    }
}

pub(crate) const SIMULATE: Given = Given {
    binary: "cee-simulate",
    tables: cee_fn_simulate::TABLES,
    others: &["CLAIM_PEPPER", "APPLICATION_TOKEN_JWKS"],
};
pub(crate) const REGISTER: Given = Given {
    binary: "cee-register",
    tables: cee_fn_register::TABLES,
    others: &["CLAIM_PEPPER", "PROOF_KEY", "TOKEN_FORMAT", "APPLICATION_TOKEN_JWKS"],
};
pub(crate) const APPLICATIONS: Given = Given {
    binary: "cee-applications",
    tables: cee_fn_applications::TABLES,
    others: &["CLAIM_PEPPER", "BUCKET", "APPLICATION_TOKEN_JWKS"],
};
pub(crate) const BATCHES: Given = Given {
    binary: "cee-batches",
    tables: cee_fn_batches::TABLES,
    others: &["CLAIM_PEPPER", "APPLICATION_TOKEN_JWKS"],
};
pub(crate) const UPLOADS: Given =
    Given { binary: "cee-uploads", tables: cee_fn_uploads::TABLES, others: &["BUCKET", "APPLICATION_TOKEN_JWKS"] };
pub(crate) const ACCESS: Given =
    Given { binary: "cee-access", tables: cee_fn_access::TABLES, others: &["APPLICATION_TOKEN_KEY"] };
pub(crate) const PUBLIC: Given = Given { binary: "cee-public", tables: cee_fn_public::TABLES, others: &["PROOF_JWKS"] };
pub(crate) const CONSOLE: Given =
    Given { binary: "cee-console", tables: cee_fn_console::TABLES, others: &["CLAIM_PEPPER", "PROOF_JWKS", "BUCKET"] };
pub(crate) const IMPORT: Given =
    Given { binary: "cee-import", tables: cee_fn_import::TABLES, others: &["CLAIM_PEPPER", "BUCKET"] };
pub(crate) const EXPORT: Given = Given { binary: "cee-export", tables: cee_fn_export::TABLES, others: &["BUCKET"] };
pub(crate) const AUDIT: Given =
    Given { binary: "cee-audit", tables: cee_fn_audit::TABLES, others: &["CLAIM_PEPPER", "BUCKET"] };

/// The settings that each function gets, as in the template.
pub const GIVEN: [Given; 11] =
    [SIMULATE, REGISTER, APPLICATIONS, BATCHES, UPLOADS, ACCESS, PUBLIC, CONSOLE, IMPORT, EXPORT, AUDIT];
