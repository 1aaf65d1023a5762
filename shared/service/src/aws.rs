//! How AWS is reached.

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

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(1);

/// How long one attempt at a request to DynamoDB may take: it usually takes milliseconds, and a function that waits for
/// a lost connection has no time left for another.
const ATTEMPT: Duration = Duration::from_secs(3);

/// How often a request is sent at most. A transaction is sent once by the client (`cee_registry`), and again only by the code that
/// knows what may have become of the try before. Any other write changes nothing by a second attempt, or nothing that matters: the
/// count of a rate limit, the number of a hold on an import.
const ATTEMPTS: u32 = 3;

/// How long S3 may stay silent. Whole transfers take as long as they take.
const READ: Duration = Duration::from_secs(30);

/// Who vouches for DynamoDB and S3: the five roots that Amazon Trust Services advises for a trust store of one's own.
const ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

/// What a function's clients send their requests by. By default each start would read and parse all that a machine trusts, more than a
/// hundred certificates in twice as many files.
// At start-up, and of what is compiled in: a test reads the same certificates.
#[allow(clippy::expect_used)]
fn http_client() -> SharedHttpClient {
    let roots = TrustStore::empty().with_pem_certificate(ROOTS);
    let context = TlsContext::builder().with_trust_store(roots).build().expect("a store of certificates is a context");
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https()
}

fn is_path_style(environment: &Environment) -> bool {
    environment.optional("S3_PATH_STYLE").as_deref() == Some("true")
}

/// Counts the requests that the SDK sends once more.
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

/// Lets the SDK send a request to DynamoDB once more where its own classifiers see no reason to: an answer that cannot be read, half
/// of one for example, and a write that met one of another region.
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
    /// As a function is told: everything is a variable, on Lambda as on the local stack. Reaches nobody yet.
    ///
    /// Not by the SDK's chain of providers: profiles, roles to assume and the metadata of a machine, none of which a function has,
    /// would be in each zip.
    #[must_use]
    pub fn of_function(environment: &Environment) -> Self {
        let region = environment.optional("AWS_REGION").unwrap_or_else(|| "eu-west-3".to_owned());
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .http_client(http_client())
            .retry_config(retries());
        if let Some(key) = environment.optional("AWS_ACCESS_KEY_ID")
            && let Some(secret) = environment.optional("AWS_SECRET_ACCESS_KEY")
        {
            let session = environment.optional("AWS_SESSION_TOKEN");
            let credentials = Credentials::new(key, secret, session, None, "environment");
            config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
        }
        Self {
            config: config.build(),
            dynamodb_url: environment.optional("AWS_ENDPOINT_URL_DYNAMODB"),
            s3_url: environment.optional("AWS_ENDPOINT_URL_S3"),
            s3_path_style: is_path_style(environment),
        }
    }

    /// As the AWS command line finds them: for whoever of the team has profiles and roles.
    pub async fn of_person() -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries()).load().await;
        Self { config, dynamodb_url: None, s3_url: None, s3_path_style: is_path_style(&Environment::of_process()) }
    }

    /// A client of DynamoDB for calls that somebody waits for.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb_with(None)
    }

    /// A client for the few requests on which all the work of an import depends: it tries for half a minute.
    #[must_use]
    pub fn dynamodb_patient(&self) -> aws_sdk_dynamodb::Client {
        let patient = RetryConfig::standard().with_max_attempts(20).with_initial_backoff(Duration::from_millis(50));
        self.dynamodb_with(Some(patient.with_max_backoff(Duration::from_secs(2))))
    }

    /// A client for the rows of an import, each of which is tried again where it is counted, and where its failure slows
    /// the others down: tried again here as well, a shortage would become a storm.
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
