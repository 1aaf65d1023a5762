//! What the registry's team does with operators: admits, suspends and removes them, and hands out their credentials. Here
//! or on AWS: it reaches the two tables and nothing else. Only to admit an operator it also reads the tables that tell whether the
//! number was ever used.

use std::num::NonZeroU32;

use cee_eligibility::{Instant, OperatorId};
use cee_registry::{
    AccessKey, Credential, Credentials, Failures, KeyPair, Numbers, Operator, Operators, SecretHash, SecretKey,
    StoreError, Tables, Use,
};
use cee_service::Clock;
use cee_service::aws::Aws;
use cee_tokens::{Caller, Scope};

use crate::error::Error;
use crate::secrets::{OperatorKeys, Secrets};

/// The registry's operators and their credentials.
#[derive(Debug)]
pub struct Admissions {
    operators: Operators,
    credentials: Credentials,
    clock: Clock,
}

/// An operator with its credentials, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The operator.
    pub operator: Operator,
    /// Its credentials.
    pub credentials: Vec<Credential>,
}

impl Admissions {
    /// With the credentials of `aws`, which must be the team's. `clock` dates what is made.
    #[must_use]
    pub fn new(aws: &Aws, tables: &Tables, clock: Clock) -> Self {
        let db = aws.dynamodb();
        Self { operators: Operators::new(db.clone(), tables), credentials: Credentials::new(db, tables), clock }
    }

    /// The clock that it goes by.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Admits an operator, and gives its first credential.
    ///
    /// # Errors
    /// [`Error::Operator`] where the number was ever used, or the tables do not answer.
    pub async fn create(&self, operator: &Operator, numbers: &Numbers) -> Result<KeyPair, Error> {
        let id = operator.id;
        // Else the operator that had the number before would speak for the one that has it now, or own less than it did.
        if let Some(used) = numbers.used(id).await.map_err(store)? {
            return refuse(used_already(id, used));
        }
        if !self.operators.add(operator).await.map_err(store)? {
            return refuse(used_already(id, Use::Operator));
        }
        self.issue(id).await
    }

    /// Every operator.
    ///
    /// # Errors
    /// [`Error::Operator`] where the tables do not answer.
    pub async fn list(&self) -> Result<Vec<Account>, Error> {
        let operators = self.operators.list().await.map_err(store)?;
        let all = self.credentials.list().await.map_err(store)?;
        let account = |operator: Operator| {
            let credentials = all.iter().filter(|credential| credential.operator == operator.id).cloned().collect();
            Account { operator, credentials }
        };
        Ok(operators.into_iter().map(account).collect())
    }

    /// One operator.
    ///
    /// # Errors
    /// [`Error::Operator`] where there is none of this number, or the tables do not answer.
    pub async fn show(&self, id: OperatorId) -> Result<Account, Error> {
        Ok(Account { operator: self.operator(id).await?, credentials: self.credentials_of(id).await? })
    }

    /// Gives an operator one more credential. Those it has go on as before.
    ///
    /// # Errors
    /// [`Error::Operator`] where there is no such operator, or the tables do not answer.
    pub async fn rotate(&self, id: OperatorId) -> Result<KeyPair, Error> {
        self.operator(id).await?;
        self.issue(id).await
    }

    /// Takes a credential from an operator, and says how many it has left.
    ///
    /// # Errors
    /// [`Error::Operator`] where it has no such credential, or the tables do not answer.
    pub async fn retire(&self, id: OperatorId, access_key: &AccessKey) -> Result<usize, Error> {
        if !self.credentials.retire(id, access_key).await.map_err(store)? {
            return refuse(format!("operator {id} has no credential of this access key"));
        }
        Ok(self.credentials_of(id).await?.len())
    }

    /// Suspends an operator, or lets it call again.
    ///
    /// # Errors
    /// [`Error::Operator`] where there is no such operator, or the tables do not answer.
    pub async fn suspend(&self, id: OperatorId, suspended: bool) -> Result<(), Error> {
        if self.operators.suspend(id, suspended).await.map_err(store)? { Ok(()) } else { unknown(id) }
    }

    /// Removes an operator and its credentials. What it registered and imported stays: drivers are not free again because a
    /// platform has closed. May be repeated after a failure, and then removes what is left.
    ///
    /// # Errors
    /// [`Error::Operator`] where there is neither, or the tables do not answer.
    pub async fn delete(&self, id: OperatorId) -> Result<(), Error> {
        // The operator first: from then on its credentials open nothing, and it is given no further one.
        let known = self.operators.remove(id).await.map_err(store)?;
        let credentials = self.credentials_of(id).await?;
        for credential in &credentials {
            self.credentials.retire(id, &credential.access_key).await.map_err(store)?;
        }
        if known || !credentials.is_empty() { Ok(()) } else { unknown(id) }
    }

    /// Whom a token of an operator speaks for.
    ///
    /// # Errors
    /// [`Error::Operator`] where there is no such operator, or the tables do not answer.
    pub async fn caller(&self, id: OperatorId, scopes: Vec<Scope>) -> Result<Caller, Error> {
        let operator = self.operator(id).await?;
        Ok(Caller { operator: operator.id, siret: operator.siret, scopes })
    }

    async fn operator(&self, id: OperatorId) -> Result<Operator, Error> {
        match self.operators.find(id).await.map_err(store)? {
            Some(operator) => Ok(operator),
            None => unknown(id),
        }
    }

    async fn credentials_of(&self, id: OperatorId) -> Result<Vec<Credential>, Error> {
        let mut all = self.credentials.list().await.map_err(store)?;
        all.retain(|credential| credential.operator == id);
        Ok(all)
    }

    async fn issue(&self, id: OperatorId) -> Result<KeyPair, Error> {
        let pair = KeyPair::generate().map_err(|error| Error::Operator(error.to_string()))?;
        let credential = credential(id, &pair, SecretHash::ITERATIONS, self.clock.now()).await?;
        if !self.credentials.add(&credential).await.map_err(store)? {
            // The first one of 2^85 to be met twice.
            return refuse("the access key is taken: rotate once more".to_owned());
        }
        Ok(pair)
    }
}

/// What is kept of a pair.
async fn credential(
    operator: OperatorId,
    pair: &KeyPair,
    iterations: NonZeroU32,
    now: Instant,
) -> Result<Credential, Error> {
    let secret = pair.secret_key.clone();
    let hash = tokio::task::spawn_blocking(move || SecretHash::of(&secret, iterations)).await;
    let hash = hash.map_err(|error| Error::Operator(error.to_string()))?;
    Ok(Credential {
        access_key: pair.access_key.clone(),
        operator,
        hash: hash.map_err(|error| Error::Operator(error.to_string()))?,
        created_at: now,
        used_at: None,
        failures: Failures::default(),
    })
}

/// For the secrets of the sample operators: they stand in `local.json`, beside the table, so a slow hash would protect nothing and
/// only delay the start.
const SAMPLE_ITERATIONS: NonZeroU32 = NonZeroU32::MIN;

/// Lets the sample operators of the local stack get tokens with the keys that `local.json` tells. What is there already
/// stays as it is.
///
/// # Errors
/// [`Error::Operator`] where the tables do not answer.
pub(crate) async fn admit_samples(aws: &Aws, secrets: &Secrets, now: Instant) -> Result<(), Error> {
    let credentials = Credentials::new(aws.dynamodb(), &crate::stack::tables());
    let credentials = &credentials;
    let one = |sample: &OperatorKeys| {
        let unusable =
            |error: cee_eligibility::FieldError| Error::Secrets(format!("a sample operator's keys: {error}"));
        let id = OperatorId::new(sample.operator_id).map_err(unusable);
        let access_key = AccessKey::parse(&sample.keys.access_key).map_err(unusable);
        let secret_key = SecretKey::parse(&sample.keys.secret_key).map_err(unusable);
        async move {
            let (id, pair) = (id?, KeyPair { access_key: access_key?, secret_key: secret_key? });
            if credentials.find(&pair.access_key).await.map_err(store)?.is_none() {
                let credential = credential(id, &pair, SAMPLE_ITERATIONS, now).await?;
                credentials.add(&credential).await.map_err(store)?;
            }
            Ok(())
        }
    };
    futures_util::future::try_join_all(secrets.operators.iter().map(one)).await.map(drop)
}

/// Why a number is not given out, and what to do.
fn used_already(id: OperatorId, used: Use) -> String {
    let found = match used {
        Use::Operator => return format!("there is an operator {id} already: it stays as it is"),
        Use::FormerOperator => "a former operator had it",
        Use::Credential => "credentials of a former operator are left",
        Use::Import => "files were imported under it",
        Use::Application => "applications were registered or imported under it",
        Use::DeletedApplication => "applications were registered under it, and deleted",
    };
    format!(
        "the number {id} was used before: {found}. A new operator of this number would own what the former one registered and \
         imported: choose a number that was never used"
    )
}

fn refuse<T>(why: String) -> Result<T, Error> {
    Err(Error::Operator(why))
}

fn unknown<T>(id: OperatorId) -> Result<T, Error> {
    refuse(format!("there is no operator {id}"))
}

/// A command that finds nobody should say what to do.
fn store(error: StoreError) -> Error {
    let hint = match &error {
        StoreError::Request { code, .. } if code == "DispatchFailure" => "; does the service run?",
        _ => "",
    };
    Error::Operator(format!("the tables do not answer: {error}{hint}"))
}
