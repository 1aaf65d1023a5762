//! The bucket: the reports that the audit checks, and the objects in which it keeps what it knows.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use serde::Serialize;

use crate::error::AuditError;

/// The bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    s3: Client,
    name: String,
}

impl Bucket {
    pub(crate) const fn new(s3: Client, name: String) -> Self {
        Self { s3, name }
    }

    /// The keys with this prefix, after this key and at most a thousand, and whether there are more.
    pub(crate) async fn keys(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), AuditError> {
        let list = self.s3.list_objects_v2().bucket(&self.name).prefix(prefix).max_keys(1000);
        let listed = list.set_start_after(after.map(str::to_owned)).send().await;
        let listed = listed.map_err(|error| AuditError::s3("ListObjectsV2", &error))?;
        let has_more = listed.is_truncated() == Some(true);
        let keys = listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect();
        Ok((keys, has_more))
    }

    /// The content of an object; `None` if there is none.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, AuditError> {
        let object = match self.s3.get_object().bucket(&self.name).key(key).send().await {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(AuditError::s3("GetObject", &error)),
        };
        let content = object.body.collect().await;
        let content = content.map_err(|_| AuditError::S3 { operation: "GetObject", code: "Body".to_owned() })?;
        Ok(Some(content.to_vec()))
    }

    /// Writes an object as JSON.
    pub(crate) async fn write(&self, key: &str, content: &impl Serialize) -> Result<(), AuditError> {
        let json = serde_json::to_vec(content).unwrap_or_default();
        let put = self.s3.put_object().bucket(&self.name).key(key).content_type("application/json").body(json.into());
        put.send().await.map(drop).map_err(|error| AuditError::s3("PutObject", &error))
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), AuditError> {
        let delete = self.s3.delete_object().bucket(&self.name).key(key).send().await;
        delete.map(drop).map_err(|error| AuditError::s3("DeleteObject", &error))
    }
}
