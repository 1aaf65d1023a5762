//! `POST /v3/auth/access_token`: returns an application token for an access key and its secret.
//!
//! Only this function holds the key that signs application tokens. It caches no operator: a suspended operator gets no further
//! token from that moment on. The console signs people in by [`SignIn`], without that key. `attempts` limits requests before the slow hash;
//! how wrong secrets lock an access key is in [`cee_registry::records::credential`].

use std::time::Duration;

use cee_edge::access::warm_up;
use cee_edge::problem::{InternalError, NoToken};
use cee_edge::{Call, Fields, HttpFunction, Refusal, Reply};
use cee_registry::{AccessKey, Credential, Credentials, Operator, Operators, SecretHash, Success};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::{Clock, Environment, Metric, SettingError};
use cee_tokens::{Caller as TokenCaller, Scope, TokenIssuer};
use http::StatusCode;

use crate::attempts::{Attempts, Caller};
use crate::body::Token;

mod attempts;
mod body;
pub mod openapi;

pub use body::{Pair, read};

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["CREDENTIALS_TABLE", "OPERATORS_TABLE"];

/// How long a token is valid, in minutes. Source: the table of calls of the contract.
const VALID: u32 = 5;

/// Answers `POST /v3/auth/access_token`.
#[derive(Debug)]
pub struct Access {
    issuer: TokenIssuer,
    clock: Clock,
    sign_in: SignIn,
}

/// Compares an access key and its secret with what the registry gave, and locks an access key whose secret is guessed.
#[derive(Debug)]
pub struct SignIn {
    credentials: Credentials,
    operators: Operators,
    clock: Clock,
    attempts: Attempts,
}

impl Access {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let (issuer, clock) = (environment.token_issuer()?, environment.clock()?);
        let db = Aws::of_function(environment).dynamodb();
        let operators = Operators::new(db.clone(), &tables);
        warm_up(&operators).await;
        let sign_in = SignIn::new(environment, Credentials::new(db, &tables), operators)?;
        Ok(Self { issuer, clock, sign_in })
    }
}

impl SignIn {
    /// Sign-in with these tables, and the settings' limit of tries.
    ///
    /// # Errors
    /// [`SettingError`] for a setting that is bad.
    pub fn new(
        environment: &Environment,
        credentials: Credentials,
        operators: Operators,
    ) -> Result<Self, SettingError> {
        let attempts = Attempts::new(environment.token_calls()?);
        Ok(Self { credentials, operators, clock: environment.clock()?, attempts })
    }

    /// The operator of an access key and its secret, if the registry admits it.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], [`Refusal::TooManyAttempts`], [`Refusal::TooManyCalls`] or [`Refusal::TooManyStrangers`]; a
    /// failure of the store.
    pub async fn operator(&self, call: &Call, pair: Pair) -> Result<Operator, Refusal> {
        let credential = self.open(call, pair).await?;
        call.note_caller(credential.operator);
        let Some(operator) = self.operators.find(credential.operator).await? else {
            return Err(Refusal::InvalidCredentials(NoToken::OperatorUnknown));
        };
        if operator.suspended {
            return Err(Refusal::InvalidCredentials(NoToken::OperatorSuspended));
        }
        Ok(operator)
    }

    /// The credential of an access key, if the secret is right.
    async fn open(&self, call: &Call, pair: Pair) -> Result<Credential, Refusal> {
        let Pair { access_key, secret_key } = pair;
        let found = self.credentials.find(&access_key).await?;
        if let Some(credential) = &found
            && let Some(wait) = credential.failures.locked_for(machine_now())
        {
            return Err(locked(call, credential, wait));
        }
        self.admit(call, &access_key, found.as_ref())?;
        let hash = found.as_ref().map_or_else(SecretHash::decoy, |credential| credential.hash.clone());
        // Not on this thread: the hash would block every other call on it for a tenth of a second.
        let fits = tokio::task::spawn_blocking(move || hash.fits(&secret_key)).await;
        let fits = fits.map_err(|_| Refusal::Internal(InternalError::Panic))?;
        let credential = match found {
            Some(credential) if fits => credential,
            found => return Err(self.wrong(call, &access_key, found.as_ref()).await),
        };
        match self.credentials.succeeded(&credential, self.clock.now(), machine_now()).await? {
            Success::Counted => Ok(credential),
            Success::Locked(wait) => Err(locked(call, &credential, wait)),
            Success::Retired => Err(Refusal::InvalidCredentials(NoToken::WrongPair)),
        }
    }

    /// Whether the caller may use a slow hash.
    fn admit(&self, call: &Call, access_key: &AccessKey, found: Option<&Credential>) -> Result<(), Refusal> {
        let caller = if found.is_some() { Caller::Known(access_key) } else { Caller::Stranger(call.source()) };
        // The machine's clock: a pinned clock would never start a new window.
        let Err(wait) = self.attempts.take(caller, machine_now()) else { return Ok(()) };
        Err(match found {
            Some(credential) => {
                call.note_caller(credential.operator);
                Refusal::TooManyCalls(wait)
            }
            None => {
                call.count(Metric::FailedAttempts, 1);
                Refusal::TooManyStrangers(wait)
            }
        })
    }

    /// Counts a wrong guess. The log repeats nothing of the request: the caller may have put the secret in place of the access key.
    async fn wrong(&self, call: &Call, access_key: &AccessKey, found: Option<&Credential>) -> Refusal {
        match self.credentials.failed(access_key, machine_now()).await {
            Ok(failures) => {
                let operator_id = found.map(|credential| credential.operator.get());
                let in_a_row = failures.map(|failures| failures.in_a_row);
                call.count(Metric::FailedAttempts, 1);
                tracing::warn!(operator_id, in_a_row, "wrong access key or secret");
                Refusal::InvalidCredentials(NoToken::WrongPair)
            }
            Err(error) => error.into(),
        }
    }
}

/// A guess that was refused unchecked.
fn locked(call: &Call, credential: &Credential, wait: Duration) -> Refusal {
    let in_a_row = credential.failures.in_a_row;
    call.count(Metric::FailedAttempts, 1);
    tracing::warn!(
        operator_id = credential.operator.get(),
        in_a_row,
        locked_seconds = wait.as_secs(),
        "an access key is locked"
    );
    Refusal::TooManyAttempts(wait)
}

impl HttpFunction for Access {
    const NAME: &'static str = "access";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let operator = self.sign_in.operator(call, read(Fields::of(call.request())?)?).await?;
        let caller = TokenCaller { operator: operator.id, siret: operator.siret, scopes: Scope::ALL.to_vec() };
        let access_token = self.issuer.issue(&caller, self.clock.now(), VALID)?;
        Reply::json(StatusCode::CREATED, &Token { access_token })
    }
}
