//! Objects in the bucket that hold damaged items: an invocation by a stream leaves them, the next scheduled invocation collects them.
//! So only scheduled invocations write the note, and those never run at the same time.

use cee_registry::Affected;

use crate::bucket::Bucket;
use crate::error::AuditError;

/// The prefix of the objects.
const PREFIX: &str = "audit/damage/";

/// Leaves damaged items.
pub(crate) async fn leave(bucket: &Bucket, name: &str, damaged: &Affected) -> Result<(), AuditError> {
    bucket.write(&format!("{PREFIX}{name}.json"), damaged).await
}

/// Adds the items that were left, as far as they are not too many. Returns the keys of the objects that were collected.
pub(crate) async fn collect(bucket: &Bucket, damaged: &mut Affected, most: usize) -> Result<Vec<String>, AuditError> {
    let (keys, _) = bucket.keys(PREFIX, None).await?;
    let mut collected = Vec::new();
    for key in keys {
        if damaged.items() >= most {
            break;
        }
        match serde_json::from_slice(&bucket.read(&key).await?.unwrap_or_default()) {
            Ok(left) => damaged.extend(left),
            Err(_) => tracing::warn!("a note of damaged items cannot be read: the round will find them"),
        }
        collected.push(key);
    }
    Ok(collected)
}

/// Deletes objects that were collected.
pub(crate) async fn forget(bucket: &Bucket, keys: &[String]) -> Result<(), AuditError> {
    for key in keys {
        bucket.delete(key).await?;
    }
    Ok(())
}
