//! Who reaches the local bucket: the credentials, and the pages of other origins.

use std::net::IpAddr;

use aws_stand_in::s3::{CorsRule, Credentials, Scope};

use super::options::Options;
use crate::description::BUCKET;
use crate::endpoint::Elsewhere;
use crate::functions::BINARIES;
use crate::secrets::{OperatorKeys, Secrets};

/// The rights on the local S3: an operator reaches only its own prefix, as its IAM user on AWS. A function has an access key of its
/// own, as it has a role on AWS, so that a request shows which function sent it.
///
/// If DynamoDB is elsewhere, the functions sign for both services with the keys of that one.
pub(super) fn credentials(secrets: &Secrets, elsewhere: &Elsewhere) -> Credentials {
    let root = Credentials::root(&secrets.root.access_key, &secrets.root.secret_key);
    let root = match &elsewhere.signing.keys {
        Some(keys) => root.with(&keys.access_key, &keys.secret_key, Scope::All),
        None => root,
    };
    let functions = BINARIES
        .iter()
        .fold(root, |credentials, function| credentials.with(function, &secrets.root.secret_key, Scope::All));
    secrets.operators.iter().fold(functions, |credentials, OperatorKeys { operator_id, keys }| {
        let (imports, reports) = (format!("imports/{operator_id}/"), format!("reports/{operator_id}/"));
        let scope =
            Scope::Prefixes { bucket: BUCKET.to_owned(), read: vec![imports.clone(), reports], write: vec![imports] };
        credentials.with(&keys.access_key, &keys.secret_key, scope)
    })
}

/// The methods of a page that puts or reads files, as in the template.
pub const CORS_METHODS: [&str; 3] = ["GET", "POST", "PUT"];

/// The rules of the bucket for pages: those of this machine, whose console puts files on S3, and those that may call the interface.
pub(super) fn cors(options: &Options) -> Vec<CorsRule> {
    let own = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:*"));
    let host = match options.host {
        IpAddr::V4(host) => format!("http://{host}:*"),
        IpAddr::V6(host) => format!("http://[{host}]:*"),
    };
    let named = options.api_origins.split(',').filter(|origin| !origin.is_empty()).map(str::to_owned);
    vec![CorsRule {
        origins: own.into_iter().chain([host]).chain(named).collect(),
        methods: CORS_METHODS.map(str::to_owned).into(),
        headers: vec!["*".to_owned()],
        exposed: vec!["ETag".to_owned()],
        max_age_seconds: Some(600),
    }]
}
