//! A form with which a browser puts one file on S3, without a script and without credentials. The SDK presigns requests, but no forms.
//!
//! The form holds a policy: what its fields must be, how large the file may be, until when. Its signature is that of the function that
//! signs it, and S3 checks both. Source: S3 API reference, "Browser-based uploads using POST (AWS signature version 4)".

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cee_eligibility::Instant;
use serde_json::{Value, json};

use crate::settings::Environment;

/// Signs forms with the credentials of a function.
#[derive(Clone)]
pub struct FormSigner {
    access_key: String,
    secret_key: String,
    /// Of a role's credentials, as functions have on AWS.
    session_token: Option<String>,
    region: String,
}

impl fmt::Debug for FormSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormSigner(…)")
    }
}

/// The upload that a form allows.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key under which the file is stored.
    pub key: &'a str,
    /// The largest file, in bytes.
    pub largest: u64,
    /// The moment from which on S3 refuses the form.
    pub expires_at: Instant,
    /// Where S3 sends the browser when the file is stored. Without it S3 returns an empty 204.
    pub redirect: Option<&'a str>,
}

impl FormSigner {
    /// A signer with the function's credentials; `None` if the environment has none.
    #[must_use]
    pub fn of(environment: &Environment) -> Option<Self> {
        Some(Self {
            access_key: environment.optional("AWS_ACCESS_KEY_ID")?,
            secret_key: environment.optional("AWS_SECRET_ACCESS_KEY")?,
            session_token: environment.optional("AWS_SESSION_TOKEN"),
            region: environment.optional("AWS_REGION").unwrap_or_else(|| "eu-west-3".to_owned()),
        })
    }

    /// The fields of a form, in the order in which they are sent: the file comes after them, as the field `file`.
    #[must_use]
    pub fn sign(&self, form: &Form<'_>, now: Instant) -> Vec<(&'static str, String)> {
        let date: String = now.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let day = date.chars().take(8).collect::<String>();
        let scope = format!("{}/{day}/{}/s3/aws4_request", self.access_key, self.region);
        let mut fields = vec![("key", form.key.to_owned())];
        fields.extend(form.redirect.map(|redirect| ("success_action_redirect", redirect.to_owned())));
        fields.extend([
            ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("x-amz-credential", scope),
            ("x-amz-date", format!("{date}Z")),
        ]);
        fields.extend(self.session_token.clone().map(|token| ("x-amz-security-token", token)));
        // Each field must be as it is here. A field that the policy does not name is refused.
        let mut conditions: Vec<Value> =
            fields.iter().map(|(name, value)| json!(["eq", format!("${name}"), value])).collect();
        conditions.extend([json!({ "bucket": form.bucket }), json!(["content-length-range", 0, form.largest])]);
        let policy = json!({ "expiration": form.expires_at.to_string(), "conditions": conditions });
        let policy = STANDARD.encode(policy.to_string());
        let time = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default());
        let key = generate_signing_key(&self.secret_key, time, &self.region, "s3");
        let signature = calculate_signature(key, policy.as_bytes());
        fields.extend([("policy", policy), ("x-amz-signature", signature)]);
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(more: &[(&str, &str)]) -> Option<FormSigner> {
        let own = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_REGION", "us-east-1")];
        let variables = own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        FormSigner::of(&Environment::of(variables))
    }

    const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

    fn form(redirect: Option<&str>) -> Form<'_> {
        let expires_at = Instant::parse("2015-12-30T12:15:00Z").unwrap();
        Form { bucket: "sigv4examplebucket", key: "imports/1/a.csv", largest: 10, expires_at, redirect }
    }

    fn field<'a>(fields: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        fields.iter().find(|(one, _)| *one == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn form_names_every_field_in_its_policy() {
        let now = Instant::parse("2015-12-30T12:00:00.789Z").unwrap();
        for (redirect, token) in [(None, None), (Some("https://console.example/done"), Some("token"))] {
            let token_of = token.map(|token| ("AWS_SESSION_TOKEN", token));
            let more: Vec<_> = [SECRET].into_iter().chain(token_of).collect();
            let fields = signer(&more).unwrap().sign(&form(redirect), now);
            assert_eq!(field(&fields, "success_action_redirect"), redirect);
            assert_eq!(field(&fields, "x-amz-security-token"), token);
            assert_eq!(field(&fields, "x-amz-date"), Some("20151230T120000Z"));
            let scope = "AKIAIOSFODNN7EXAMPLE/20151230/us-east-1/s3/aws4_request";
            assert_eq!(field(&fields, "x-amz-credential"), Some(scope));
            let policy = STANDARD.decode(field(&fields, "policy").unwrap()).unwrap();
            let policy: Value = serde_json::from_slice(&policy).unwrap();
            assert_eq!(policy["expiration"], "2015-12-30T12:15:00.000Z");
            let conditions = policy["conditions"].as_array().unwrap();
            for (name, value) in fields.iter().filter(|(name, _)| !["policy", "x-amz-signature"].contains(name)) {
                assert!(conditions.contains(&json!(["eq", format!("${name}"), value])), "{name}");
            }
            assert!(conditions.contains(&json!({ "bucket": "sigv4examplebucket" })));
            assert!(conditions.contains(&json!(["content-length-range", 0, 10])));
            assert_eq!(conditions.len(), fields.len(), "and no others");
        }
    }

    /// Source: S3 API reference, "Example: Browser-based upload using HTTP POST": the policy there has this signature.
    #[test]
    fn signature_is_that_of_the_example_of_aws() {
        let policy = concat!(
            "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1",
            "wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KIC",
            "AgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb",
            "2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQz",
            "NjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1",
            "hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3",
            "MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxN",
            "TEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
        );
        let time = UNIX_EPOCH + Duration::from_secs(1_451_347_200);
        let key = generate_signing_key(SECRET.1, time, "us-east-1", "s3");
        assert_eq!(
            calculate_signature(key, policy.as_bytes()),
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
        );
    }

    #[test]
    fn function_without_credentials_signs_nothing() {
        assert!(signer(&[]).is_none());
        assert!(format!("{:?}", signer(&[SECRET])).contains("FormSigner(…)"));
    }
}
