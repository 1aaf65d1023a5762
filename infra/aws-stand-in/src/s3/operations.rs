//! The operations of S3 on the [`Store`].

use std::io;

use percent_encoding::{AsciiSet, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use uuid::Uuid;

use super::event::{Created, EVENT_KEY};
use super::store::{Conditions, STAGING, Store, matches_tag, principal, remove_if_there, storage_error};

/// The characters that stay unchanged in a list with `encoding-type=url`.
const LIST_KEY: &AsciiSet = &EVENT_KEY.remove(b'~');

/// Encodes the names of a list for a client that asked for it; `s3s-fs` only says that it did.
fn encode_list(output: &mut ListObjectsV2Output) {
    if output.encoding_type.as_ref().map(EncodingType::as_str) != Some(EncodingType::URL) {
        return;
    }
    let encode = |text: &mut Option<String>| {
        if let Some(text) = text {
            *text = utf8_percent_encode(text, LIST_KEY).to_string();
        }
    };
    for object in output.contents.iter_mut().flatten() {
        encode(&mut object.key);
    }
    for common in output.common_prefixes.iter_mut().flatten() {
        encode(&mut common.prefix);
    }
    for text in [&mut output.prefix, &mut output.delimiter, &mut output.start_after] {
        encode(text);
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(req).await
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        let _only = self.lock.write().await;
        self.check_bucket(&req.input.bucket)?;
        let entries = std::fs::read_dir(self.root.join(&req.input.bucket)).map_err(storage_error)?;
        // S3 deletes only an empty bucket; `s3s-fs` would delete everything in it.
        if entries.count() > 0 {
            return Err(s3_error!(BucketNotEmpty));
        }
        self.files.delete_bucket(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.files.get_bucket_location(req).await
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let listed = self.list_objects_v2(req.map_input(Into::into)).await?;
        Ok(listed.map_output(|listed| ListObjectsOutput {
            contents: listed.contents,
            common_prefixes: listed.common_prefixes,
            delimiter: listed.delimiter,
            encoding_type: listed.encoding_type,
            name: listed.name,
            prefix: listed.prefix,
            max_keys: listed.max_keys,
            is_truncated: listed.is_truncated,
            next_marker: listed.next_continuation_token,
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        // If a file were removed while its folder is listed, the whole list would fail.
        let _reading = self.lock.read().await;
        let mut listed = self.files.list_objects_v2(req).await?;
        encode_list(&mut listed.output);
        Ok(listed)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.check_bucket(&req.input.bucket)?;
        self.check_key(&req.input.bucket, &req.input.key)?;
        let _reading = self.lock.read().await;
        if self.object_path(&req.input.bucket, &req.input.key).is_dir() != req.input.key.ends_with('/') {
            return Err(s3_error!(NoSuchKey));
        }
        self.files.head_object(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check_bucket(&req.input.bucket)?;
        self.check_key(&req.input.bucket, &req.input.key)?;
        if self.object_path(&req.input.bucket, &req.input.key).is_dir() {
            return Err(s3_error!(NoSuchKey));
        }
        let if_match = req.input.if_match.clone();
        let if_none_match = req.input.if_none_match.clone();
        let response = {
            let _reading = self.lock.read().await;
            // The file is open when this returns: what replaces it later is another file.
            self.files.get_object(req).await?
        };
        if let Some(e_tag) = &response.output.e_tag {
            if if_match.is_some_and(|condition| !matches_tag(&condition, e_tag)) {
                return Err(s3_error!(PreconditionFailed));
            }
            if if_none_match.is_some_and(|condition| matches_tag(&condition, e_tag)) {
                return Err(s3_error!(NotModified));
            }
        }
        Ok(response)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.put(req, "Put").await
    }

    /// A browser's form. `s3s` has checked it against its policy.
    async fn post_object(&self, req: S3Request<PostObjectInput>) -> S3Result<S3Response<PostObjectOutput>> {
        let put = req.map_input(|post| {
            let PostObjectInput { bucket, key, body, content_type, content_length, .. } = post;
            PutObjectInput { bucket, key, body, content_type, content_length, ..PutObjectInput::default() }
        });
        let put = self.put(put, "Post").await?;
        Ok(put.map_output(|put| PostObjectOutput { e_tag: put.e_tag, ..PostObjectOutput::default() }))
    }

    async fn copy_object(&self, mut req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        if let CopySource::Bucket { bucket, key, .. } = &req.input.copy_source {
            self.check_bucket(bucket)?;
            self.check_key(bucket, key)?;
        }
        let CopyObjectInput { bucket, key, .. } = &mut req.input;
        let staged = self.stage(bucket, key)?;
        let bucket = std::mem::replace(bucket, STAGING.to_owned());
        let key = std::mem::replace(key, staged.clone());
        let principal = principal(req.credentials.as_ref());
        let copied = {
            let _reading = self.lock.read().await;
            self.files.copy_object(req).await
        };
        let response = match copied {
            Ok(response) => response,
            Err(error) => {
                self.unstage(&staged);
                return Err(error);
            }
        };
        let metadata = self.metadata_path(STAGING, &staged);
        let size = self.commit(&staged, &bucket, &key, &metadata, &Conditions::default()).await?;
        self.raise(&Created {
            name: "Copy",
            bucket: &bucket,
            key: &key,
            size,
            e_tag: response.output.copy_object_result.as_ref().and_then(|result| result.e_tag.as_ref()),
            principal: principal.as_deref(),
        })?;
        Ok(response)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.check_bucket(&bucket)?;
        self.check_key(&bucket, &key)?;
        let _only = self.lock.write().await;
        if self.object_path(&bucket, &key).is_dir() != key.ends_with('/') {
            // No object has this key: there is a folder and the key names a file, or the reverse.
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        let response = self.files.delete_object(req).await?;
        // `s3s-fs` leaves these behind.
        for path in [self.info_path(&bucket, &key), self.metadata_path(&bucket, &key)] {
            remove_if_there(&path).map_err(storage_error)?;
        }
        Ok(response)
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = &req.input.bucket;
        self.check_bucket(bucket)?;
        let quiet = req.input.delete.quiet.unwrap_or_default();
        let mut output = DeleteObjectsOutput::default();
        let _only = self.lock.write().await;
        for object in &req.input.delete.objects {
            let key = &object.key;
            let removed = self.check_key(bucket, key).and_then(|()| {
                let path = self.object_path(bucket, key);
                match if key.ends_with('/') { std::fs::remove_dir(path) } else { std::fs::remove_file(path) } {
                    Ok(()) => {}
                    // As in S3: a missing object counts as deleted; and a folder that contains objects is not an object.
                    Err(error) if is_no_object(&error) => {}
                    Err(error) => return Err(storage_error(error)),
                }
                for path in [self.info_path(bucket, key), self.metadata_path(bucket, key)] {
                    remove_if_there(&path).map_err(storage_error)?;
                }
                Ok(())
            });
            let key = Some(key.clone());
            match removed {
                Ok(()) if quiet => {}
                Ok(()) => {
                    let deleted = DeletedObject { key, ..DeletedObject::default() };
                    output.deleted.get_or_insert_default().push(deleted);
                }
                Err(error) => output.errors.get_or_insert_default().push(s3s::dto::Error {
                    key,
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(ToOwned::to_owned),
                    version_id: None,
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.stage(&req.input.bucket, &req.input.key)?;
        self.files.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(req).await
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        if let CopySource::Bucket { bucket, key, .. } = &req.input.copy_source {
            self.check_bucket(bucket)?;
            self.check_key(bucket, key)?;
        }
        self.files.upload_part_copy(req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let mut listed = self.files.list_parts(req).await?;
        if let Some(parts) = &mut listed.output.parts {
            parts.sort_by_key(|part| part.part_number);
        }
        Ok(listed)
    }

    async fn complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, if_match, if_none_match, .. } = &mut req.input;
        let staged = self.stage(bucket, key)?;
        // Before the parts are joined, because `s3s-fs` forgets the upload when it begins to.
        let conditions = Conditions { if_match: if_match.take(), if_none_match: if_none_match.take() };
        {
            let _reading = self.lock.read().await;
            self.check_conditions(bucket, key, &conditions).await?;
        }
        // The headers came when the upload was begun, under the real key.
        let metadata = Uuid::parse_str(upload_id).map_err(|_| s3_error!(NoSuchUpload))?;
        let metadata = self.hidden_path(bucket, key, &format!(".upload-{metadata}.metadata.json"));
        let bucket = std::mem::replace(bucket, STAGING.to_owned());
        let key = std::mem::replace(key, staged.clone());
        let principal = principal(req.credentials.as_ref());
        let mut response = match self.files.complete_multipart_upload(req).await {
            Ok(response) => response,
            Err(error) => {
                self.unstage(&staged);
                return Err(error);
            }
        };
        if let Some(rest) = response.output.future.take() {
            response.output = rest.await?;
        }
        let size = self.commit(&staged, &bucket, &key, &metadata, &conditions).await?;
        self.raise(&Created {
            name: "CompleteMultipartUpload",
            bucket: &bucket,
            key: &key,
            size,
            e_tag: response.output.e_tag.as_ref(),
            principal: principal.as_deref(),
        })?;
        response.output.bucket = Some(bucket);
        response.output.key = Some(key);
        Ok(response)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(req).await
    }
}

fn is_no_object(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty
    )
}
