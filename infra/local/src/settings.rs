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

    /// The settings for all functions, and of the others only these; and, if every service is the stack's own, an access key that
    /// equals the function's name.
    pub(crate) fn of(&self, function: &str, given: &[&str]) -> Vec<(String, String)> {
        let is_given = |name: &str| given.contains(&name) || !not_for_all().any(|special| special == name);
        let own = |(name, value): &(String, String)| {
            let is_named = name == "AWS_ACCESS_KEY_ID" && !self.one_access_key;
            let value = if is_named { function } else { value };
            (name.clone(), value.to_owned())
        };
        self.all.iter().filter(|(name, _)| is_given(name)).map(own).collect()
    }

    pub(crate) fn environment(&self, function: &str, given: &[&str]) -> Environment {
        Environment::of(self.of(function, given))
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

// What each function of the template holds of the secret.
pub(crate) const SIMULATE_HAS: [&str; 6] =
    ["CLAIMS_TABLE", "APPLICATIONS_TABLE", "LIMITS_TABLE", "OPERATORS_TABLE", "CLAIM_PEPPER", "APPLICATION_TOKEN_JWKS"];
pub(crate) const REGISTER_HAS: [&str; 10] = [
    "LIMITS_TABLE",
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "IDEMPOTENCY_TABLE",
    "JOURNEYS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "PROOF_KEY",
    "TOKEN_FORMAT",
    "APPLICATION_TOKEN_JWKS",
];
pub(crate) const APPLICATIONS_HAS: [&str; 8] = [
    "LIMITS_TABLE",
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "JOURNEYS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "APPLICATION_TOKEN_JWKS",
];
pub(crate) const BATCHES_HAS: [&str; 7] = [
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "IMPORTS_TABLE",
    "LIMITS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "APPLICATION_TOKEN_JWKS",
];
pub(crate) const UPLOADS_HAS: [&str; 5] =
    ["LIMITS_TABLE", "IMPORTS_TABLE", "OPERATORS_TABLE", "BUCKET", "APPLICATION_TOKEN_JWKS"];
pub(crate) const ACCESS_HAS: [&str; 3] = ["OPERATORS_TABLE", "CREDENTIALS_TABLE", "APPLICATION_TOKEN_KEY"];
pub(crate) const PUBLIC_HAS: [&str; 3] = ["APPLICATIONS_TABLE", "ARCHIVE_TABLE", "PROOF_JWKS"];
pub(crate) const CONSOLE_HAS: [&str; 11] = [
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "IMPORTS_TABLE",
    "OPERATORS_TABLE",
    "CREDENTIALS_TABLE",
    "SESSIONS_TABLE",
    "LIMITS_TABLE",
    "CLAIM_PEPPER",
    "PROOF_JWKS",
    "BUCKET",
];
pub(crate) const IMPORT_HAS: [&str; 8] = [
    "LIMITS_TABLE",
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "BUCKET",
];

pub(crate) const AUDIT_HAS: [&str; 7] = [
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "CLAIM_PEPPER",
    "BUCKET",
];

/// Each function's binary, and what it is given of [`not_for_all`], as in the template.
pub const GIVEN: [(&str, &[&str]); 10] = [
    ("cee-simulate", &SIMULATE_HAS),
    ("cee-register", &REGISTER_HAS),
    ("cee-applications", &APPLICATIONS_HAS),
    ("cee-batches", &BATCHES_HAS),
    ("cee-uploads", &UPLOADS_HAS),
    ("cee-access", &ACCESS_HAS),
    ("cee-public", &PUBLIC_HAS),
    ("cee-console", &CONSOLE_HAS),
    ("cee-import", &IMPORT_HAS),
    ("cee-audit", &AUDIT_HAS),
];
