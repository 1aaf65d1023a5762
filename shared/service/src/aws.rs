//! Clients of AWS: for a function ([`Aws::of_function`]) or for a person with the team's credentials ([`Aws::of_person`]).
//!
//! | client | retries of the SDK | used for |
//! |---|---|---|
//! | [`Aws::dynamodb`] | three attempts in all: a caller waits | calls over HTTP |
//! | [`Aws::dynamodb_patient`] | for half a minute | what a whole import, export or audit depends on; commands |
//! | [`Aws::dynamodb_once`] | none: the import retries each row itself, and slows down | rows of an import |

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::{BeforeTransmitInterceptorContextRef, InterceptorContext};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::metrics::sdk_retried;
use crate::settings::Environment;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(1);

/// How long one attempt of a request to DynamoDB may take. A request usually takes milliseconds, and a function that waits for a lost
/// connection would have no time left for another attempt.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The maximum number of attempts of a request. The client sends a transaction once (`cee_registry`), and only the code that knows the
/// possible outcomes of the first try sends it again. A second attempt of any other write changes nothing that matters, at most the count
/// of a rate limit or the fence of an import.
const ATTEMPTS: u32 = 3;

/// How long S3 may send nothing. Whole transfers may take longer.
const READ: Duration = Duration::from_secs(30);

/// The trusted certificates for DynamoDB and S3: the five roots that Amazon Trust Services recommends for a custom trust store.
const ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

/// The HTTP client of a function. The default client would read and parse all certificates that the machine trusts at each start: more
/// than a hundred certificates in twice as many files. Only an endpoint that is not AWS's needs them (`SSL_CERT_FILE` names others).
// This runs at start-up on compiled-in data, and a test reads the same certificates.
#[allow(clippy::expect_used)]
fn http_client(trusts_machine: bool) -> SharedHttpClient {
    let roots = TrustStore::empty().with_native_roots(trusts_machine).with_pem_certificate(ROOTS);
    let context = TlsContext::builder().with_trust_store(roots).build().expect("a store of certificates is a context");
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https()
}

fn is_path_style(environment: &Environment) -> bool {
    environment.optional("S3_PATH_STYLE").as_deref() == Some("true")
}

/// Counts the retries of the SDK.
#[derive(Debug)]
struct CountRetries;

#[dyn_dispatch_hint]
impl Intercept for CountRetries {
    fn name(&self) -> &'static str {
        "CountRetries"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<RequestAttempts>().is_some_and(|attempts| attempts.attempts() > 1) {
            sdk_retried();
        }
        Ok(())
    }
}

/// Makes the SDK retry requests to DynamoDB that its own classifiers do not retry: a response that cannot be read, for example a
/// truncated one, and a write that collided with a write of another region.
#[derive(Debug)]
struct UnknownOutcome;

impl ClassifyRetry for UnknownOutcome {
    fn name(&self) -> &'static str {
        "UnknownOutcome"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let (Some(Err(_)), Some(response)) = (context.output_or_error(), context.response()) else {
            return RetryAction::NoActionIndicated;
        };
        let body = response.body().bytes().unwrap_or_default();
        let says = |word: &[u8]| body.windows(word.len()).any(|part| part == word);
        let unread = response.status().is_success() || !says(b"__type");
        if unread || says(b"ReplicatedWriteConflictException") {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }
}

/// Region, credentials and endpoints.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    dynamodb_url: Option<String>,
    s3_url: Option<String>,
    s3_path_style: bool,
}

impl Aws {
    /// From the environment variables of a function, on Lambda and on the local stack. Sends no request.
    ///
    /// It does not use the SDK's chain of providers, because each zip would then contain profiles, assumed roles and machine metadata,
    /// none of which a function has.
    #[must_use]
    pub fn of_function(environment: &Environment) -> Self {
        let region = environment.optional("AWS_REGION").unwrap_or_else(|| "eu-west-3".to_owned());
        let dynamodb_url = environment.optional("AWS_ENDPOINT_URL_DYNAMODB");
        let s3_url = environment.optional("AWS_ENDPOINT_URL_S3");
        let is_elsewhere = |url: &Option<String>| url.as_ref().is_some_and(|url| url.starts_with("https://"));
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .http_client(http_client(is_elsewhere(&dynamodb_url) || is_elsewhere(&s3_url)))
            .retry_config(retries());
        if let Some(key) = environment.optional("AWS_ACCESS_KEY_ID")
            && let Some(secret) = environment.optional("AWS_SECRET_ACCESS_KEY")
        {
            let session = environment.optional("AWS_SESSION_TOKEN");
            let credentials = Credentials::new(key, secret, session, None, "environment");
            config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
        }
        Self { config: config.build(), dynamodb_url, s3_url, s3_path_style: is_path_style(environment) }
    }

    /// From the configuration of the AWS command line, for members of the team who use profiles and roles.
    pub async fn of_person() -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).load().await;
        Self { config, dynamodb_url: None, s3_url: None, s3_path_style: is_path_style(&Environment::of_process()) }
    }

    /// A client of DynamoDB for calls whose caller waits.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_with(None)
    }

    /// A client for the few requests that the whole import depends on. It retries for half a minute.
    #[must_use]
    pub fn dynamodb_patient(&self) -> aws_sdk_dynamodb::Client {
        let patient = RetryConfig::standard().with_max_attempts(20).with_initial_backoff(Duration::from_millis(50));
        self.dynamodb_with(Some(patient.with_max_backoff(Duration::from_secs(2))))
    }

    /// A client for the rows of an import, without retries. The import retries each row itself, counts its failures and slows down.
    /// Retries of the SDK as well would multiply the requests to a throttled table.
    #[must_use]
    pub fn dynamodb_once(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_with(Some(RetryConfig::disabled()))
    }

    fn dynamodb_with(&self, retry: Option<RetryConfig>) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config)
            .interceptor(CountRetries)
            .retry_classifier(UnknownOutcome)
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build(),
            );
        if let Some(retry) = retry {
            config = config.retry_config(retry);
        }
        if let Some(url) = &self.dynamodb_url {
            config = config.endpoint_url(url);
        }
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A client of S3.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let mut config = aws_sdk_s3::config::Builder::from(&self.config)
            .interceptor(CountRetries)
            .force_path_style(self.s3_path_style)
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(READ).build());
        if let Some(url) = &self.s3_url {
            config = config.endpoint_url(url);
        }
        aws_sdk_s3::Client::from_conf(config.build())
    }
}
