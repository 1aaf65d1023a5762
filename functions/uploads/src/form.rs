//! An upload by a form of the console: a browser puts the file on S3 by itself, with a script or without one.

use cee_edge::Refusal;
use cee_edge::problem::InternalError;
use cee_eligibility::Instant;
use cee_history::LARGEST_FILE;
use cee_service::clock::machine_now;
use cee_service::form::Form;

use crate::files::{Files, unsigned, valid};
use crate::import::Import;

/// A form that puts the file of one awaited import on S3.
#[derive(Clone, Debug)]
pub struct UploadForm {
    /// Where the form goes.
    pub url: String,
    /// Its fields, in this order and before the file: S3 sends the browser to another page when it has the file.
    pub fields: Vec<(&'static str, String)>,
    /// Of a script, which stays on its page: the policy without that page, and the signature of the policy.
    pub in_place: [String; 2],
}

/// The key from which the address of the bucket is found: the SDK puts it at the end of the address of an object.
const ANY: &str = "any";

impl Files {
    /// The form for an import that awaits its file until a moment to come; `None` for every other import.
    ///
    /// # Errors
    /// A failure of signing.
    pub async fn form(&self, import: &Import, redirect: &str) -> Result<Option<UploadForm>, Refusal> {
        let now = machine_now();
        let expires_at = import.expires_at.as_deref().and_then(|at| Instant::parse(at).ok());
        let (Some(key), Some(expires_at)) = (&import.key, expires_at.filter(|at| *at > now)) else { return Ok(None) };
        let failed = |what: &str| Refusal::Internal(InternalError::Signature(what.to_owned()));
        let signer = self.signer.as_ref().ok_or_else(|| failed("no credentials"))?;
        let form = Form { bucket: &self.bucket, key, largest: LARGEST_FILE, expires_at, redirect: Some(redirect) };
        let mut in_place = signer.sign(&Form { redirect: None, ..form }, now).into_iter().rev();
        let (Some((_, signature)), Some((_, policy))) = (in_place.next(), in_place.next()) else {
            return Err(failed("a form without a policy"));
        };
        let fields = signer.sign(&form, now);
        Ok(Some(UploadForm { url: self.bucket_url().await?, fields, in_place: [policy, signature] }))
    }

    /// The address of the bucket: a form goes there.
    ///
    /// # Errors
    /// A failure of signing.
    pub async fn bucket_url(&self) -> Result<String, Refusal> {
        let get = self.s3.get_object().bucket(&self.bucket).key(ANY);
        let signed = get.presigned(valid()?).await.map_err(unsigned)?;
        let url = signed.uri().split('?').next().and_then(|url| url.strip_suffix(ANY));
        let impossible = Refusal::Internal(InternalError::Impossible("an object without the address of its bucket"));
        url.map(str::to_owned).ok_or(impossible)
    }
}
