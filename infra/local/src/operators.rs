//! The credentials of operators: the table's item for a key pair, and the sample operators' credentials.

use std::num::NonZeroU32;

use cee_eligibility::{Instant, OperatorId};
use cee_registry::{AccessKey, Credential, Credentials, Failures, KeyPair, SecretHash, SecretKey};
use cee_service::aws::Aws;

use crate::description::tables;
use crate::error::Error;
use crate::secrets::{OperatorKeys, Secrets};

/// The table's item for a key pair: the secret as a hash of `iterations`.
///
/// # Errors
/// [`Error::Secrets`] if the secret cannot be hashed.
pub async fn credential(
    operator: OperatorId,
    pair: &KeyPair,
    iterations: NonZeroU32,
    now: Instant,
) -> Result<Credential, Error> {
    let secret = pair.secret_key.clone();
    let hash = tokio::task::spawn_blocking(move || SecretHash::of(&secret, iterations)).await;
    let hash = hash.map_err(|error| Error::Secrets(error.to_string()))?;
    Ok(Credential {
        access_key: pair.access_key.clone(),
        operator,
        hash: hash.map_err(|error| Error::Secrets(error.to_string()))?,
        created_at: now,
        used_at: None,
        failures: Failures::default(),
    })
}

/// The iterations for the sample operators' secrets. The secrets are in `local.json`, beside the table: a slow hash would protect
/// nothing and only delay the start.
const SAMPLE_ITERATIONS: NonZeroU32 = NonZeroU32::MIN;

/// Lets the sample operators get tokens with the keys of `local.json`. Credentials that exist stay as they are.
///
/// # Errors
/// [`Error::Tables`] if the table does not answer, [`Error::Secrets`] if the keys are not usable.
pub(crate) async fn admit_samples(aws: &Aws, secrets: &Secrets, now: Instant) -> Result<(), Error> {
    let credentials = Credentials::new(aws.dynamodb(), &tables());
    let credentials = &credentials;
    let failed = |error: cee_registry::StoreError| Error::Tables(error.to_string());
    let one = |sample: &OperatorKeys| {
        let unusable =
            |error: cee_eligibility::FieldError| Error::Secrets(format!("a sample operator's keys: {error}"));
        let id = OperatorId::new(sample.operator_id).map_err(unusable);
        let access_key = AccessKey::parse(&sample.keys.access_key).map_err(unusable);
        let secret_key = SecretKey::parse(&sample.keys.secret_key).map_err(unusable);
        async move {
            let (id, pair) = (id?, KeyPair { access_key: access_key?, secret_key: secret_key? });
            if credentials.find(&pair.access_key).await.map_err(failed)?.is_none() {
                let credential = credential(id, &pair, SAMPLE_ITERATIONS, now).await?;
                credentials.add(&credential).await.map_err(failed)?;
            }
            Ok(())
        }
    };
    futures_util::future::try_join_all(secrets.operators.iter().map(one)).await.map(drop)
}
