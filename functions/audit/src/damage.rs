//! Objects in the bucket that hold damaged items: an invocation by a stream leaves them, the next scheduled invocation collects them.
//! So only scheduled invocations write the note, and those never run at the same time.

use aws_sdk_s3::Client;
use cee_registry::Affected;

use crate::auditor::AuditError;

/// The prefix of the objects.
const PREFIX: &str = "audit/damage/";

/// Leaves damaged items.
pub(crate) async fn leave((s3, bucket): (&Client, &str), name: &str, damaged: &Affected) -> Result<(), AuditError> {
    let json = serde_json::to_vec(damaged).unwrap_or_default();
    let put = s3.put_object().bucket(bucket).key(format!("{PREFIX}{name}.json")).content_type("application/json");
    put.body(json.into()).send().await.map(drop).map_err(|error| AuditError::s3("PutObject", &error))
}

/// Adds the items that were left, as far as they are not too many. Returns the keys of the objects that were collected.
pub(crate) async fn collect(
    (s3, bucket): (&Client, &str),
    damaged: &mut Affected,
    most: usize,
) -> Result<Vec<String>, AuditError> {
    let listed = s3.list_objects_v2().bucket(bucket).prefix(PREFIX).send().await;
    let listed = listed.map_err(|error| AuditError::s3("ListObjectsV2", &error))?;
    let mut collected = Vec::new();
    for key in listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key) {
        if damaged.items() >= most {
            break;
        }
        let object = s3.get_object().bucket(bucket).key(&key).send().await;
        let object = object.map_err(|error| AuditError::s3("GetObject", &error))?;
        let json = object.body.collect().await;
        let json = json.map_err(|_| AuditError::S3 { operation: "GetObject", code: "Body".to_owned() })?;
        match serde_json::from_slice(&json.into_bytes()) {
            Ok(left) => damaged.extend(left),
            Err(_) => tracing::warn!("a note of damaged items cannot be read: the round will find them"),
        }
        collected.push(key);
    }
    Ok(collected)
}

/// Deletes objects that were collected.
pub(crate) async fn forget((s3, bucket): (&Client, &str), keys: &[String]) -> Result<(), AuditError> {
    for key in keys {
        let delete = s3.delete_object().bucket(bucket).key(key).send().await;
        delete.map_err(|error| AuditError::s3("DeleteObject", &error))?;
    }
    Ok(())
}
