//! What the tables hold when a stack is ready: sample operators and journeys.

use std::time::Duration;

use aws_stand_in::queue::AsyncQueue;
use cee_eligibility::Instant;
use cee_registry::{Journeys, Operators, StoreError};
use cee_service::aws::Aws;

use crate::description::{BUCKET, tables};
use crate::endpoint::Elsewhere;
use crate::error::Error;
use crate::poll::Poller;
use crate::samples;

/// Creates the tables and the sample operators; existing ones stay as they are.
pub(super) async fn prepare_tables(aws: &Aws, elsewhere: &Elsewhere) -> Result<(), Error> {
    let store = |error: StoreError| {
        let place = elsewhere.dynamodb.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let is_unsigned = matches!(&error, StoreError::Request { code, .. } if NOT_SIGNED_FOR.contains(&code.as_str()));
        let hint = if is_unsigned {
            "; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION as it expects them"
        } else {
            ""
        };
        Error::Tables(format!("{error}{place}{hint}"))
    };
    // Another engine may answer slowly at first.
    let (db, tables) = (aws.dynamodb_patient(), tables());
    tables.create_missing(&db).await.map_err(store)?;
    let operators = Operators::new(db, &tables);
    for operator in samples::operators() {
        operators.add(&operator).await.map_err(store)?;
    }
    Ok(())
}

/// The codes with which an endpoint refuses keys or a region that it does not know.
const NOT_SIGNED_FOR: [&str; 6] = [
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
];

/// Uploads the sample journeys to S3 as the trip export would, and waits until they are imported. Or until the queue is empty,
/// because imports may be closed; but not for ever, because an import of an earlier run may take an hour.
pub(super) async fn load_samples(
    aws: &Aws,
    now: Instant,
    queue: &AsyncQueue,
    poller: Option<&mut Poller>,
) -> Result<(), Error> {
    let store = |error: StoreError| Error::Tables(error.to_string());
    let file = samples::journeys(now);
    let journeys = Journeys::new(aws.dynamodb(), &tables());
    let names = samples::names(&file);
    let mut before = Vec::with_capacity(names.len());
    for (operator, name) in &names {
        before.push(journeys.find(*operator, name).await.map_err(store)?.map(|known| known.version));
    }
    let put = aws.s3().put_object().bucket(BUCKET).key("journeys/samples.csv").body(file.into_bytes().into());
    put.send().await.map_err(|error| Error::Samples(error.to_string()))?;
    if let Some(poller) = poller {
        poller.look().await;
    }
    let known = async {
        for ((operator, name), before) in names.iter().zip(before) {
            while journeys.find(*operator, name).await.map_err(store)?.map(|known| known.version) == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    };
    tokio::select! {
        known = known => known,
        () = queue.idle() => Ok(()),
    }
}
