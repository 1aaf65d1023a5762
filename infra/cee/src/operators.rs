//! How the registry's team admits, suspends and removes operators, and issues their credentials, here or on AWS.
//! It uses two tables; only to admit an operator it also reads the tables that show whether the number was ever used.

use anyhow::{Result, anyhow, bail};
use cee_eligibility::OperatorId;
use cee_local::operators::credential;
use cee_registry::{
    AccessKey, Credential, Credentials, KeyPair, Numbers, Operator, Operators, SecretHash, StoreError, Tables, Use,
};
use cee_service::Clock;
use cee_service::aws::Aws;
use cee_tokens::{Caller, Scope};

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
    /// The operator's credentials.
    pub credentials: Vec<Credential>,
}

impl Admissions {
    /// With the credentials of `aws`, which must be the team's. `clock` dates what is made.
    #[must_use]
    pub fn new(aws: &Aws, tables: &Tables, clock: Clock) -> Self {
        let db = aws.dynamodb();
        Self { operators: Operators::new(db.clone(), tables), credentials: Credentials::new(db, tables), clock }
    }

    /// The registry's clock.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Admits an operator, and gives its first credential.
    ///
    /// # Errors
    /// If the number was ever used, or the tables do not answer.
    pub async fn create(&self, operator: &Operator, numbers: &Numbers) -> Result<KeyPair> {
        let id = operator.id;
        // Otherwise the former operator with this number would act as the new one, or the new one would own the former one's data.
        if let Some(used) = numbers.used(id).await.map_err(store)? {
            bail!(used_already(id, used));
        }
        if !self.operators.add(operator).await.map_err(store)? {
            bail!(used_already(id, Use::Operator));
        }
        self.issue(id).await
    }

    /// Every operator.
    ///
    /// # Errors
    /// If the tables do not answer.
    pub async fn list(&self) -> Result<Vec<Account>> {
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
    /// If there is no such operator, or the tables do not answer.
    pub async fn show(&self, id: OperatorId) -> Result<Account> {
        Ok(Account { operator: self.operator(id).await?, credentials: self.credentials_of(id).await? })
    }

    /// Gives an operator one more credential. Its other credentials stay valid.
    ///
    /// # Errors
    /// If there is no such operator, or the tables do not answer.
    pub async fn rotate(&self, id: OperatorId) -> Result<KeyPair> {
        self.operator(id).await?;
        self.issue(id).await
    }

    /// Removes a credential of an operator, and returns how many it has left.
    ///
    /// # Errors
    /// If the operator has no such credential, or the tables do not answer.
    pub async fn retire(&self, id: OperatorId, access_key: &AccessKey) -> Result<usize> {
        if !self.credentials.retire(id, access_key).await.map_err(store)? {
            bail!("operator {id} has no credential with this access key");
        }
        Ok(self.credentials_of(id).await?.len())
    }

    /// Suspends an operator, or lets it call again.
    ///
    /// # Errors
    /// If there is no such operator, or the tables do not answer.
    pub async fn suspend(&self, id: OperatorId, suspended: bool) -> Result<()> {
        if self.operators.suspend(id, suspended).await.map_err(store)? { Ok(()) } else { unknown(id) }
    }

    /// Removes an operator and its credentials. Its applications and imports stay: drivers are not free again because a
    /// platform has closed. May be repeated after a failure, and then removes what is left.
    ///
    /// # Errors
    /// If there is neither an operator nor a credential, or the tables do not answer.
    pub async fn delete(&self, id: OperatorId) -> Result<()> {
        // The operator first: from then on its credentials give no token, and it gets no further one.
        let known = self.operators.remove(id).await.map_err(store)?;
        let credentials = self.credentials_of(id).await?;
        for credential in &credentials {
            self.credentials.retire(id, &credential.access_key).await.map_err(store)?;
        }
        if known || !credentials.is_empty() { Ok(()) } else { unknown(id) }
    }

    /// The caller that a token of an operator names.
    ///
    /// # Errors
    /// If there is no such operator, or the tables do not answer.
    pub async fn caller(&self, id: OperatorId, scopes: Vec<Scope>) -> Result<Caller> {
        let operator = self.operator(id).await?;
        Ok(Caller { operator: operator.id, siret: operator.siret, scopes })
    }

    async fn operator(&self, id: OperatorId) -> Result<Operator> {
        match self.operators.find(id).await.map_err(store)? {
            Some(operator) => Ok(operator),
            None => unknown(id),
        }
    }

    async fn credentials_of(&self, id: OperatorId) -> Result<Vec<Credential>> {
        let mut all = self.credentials.list().await.map_err(store)?;
        all.retain(|credential| credential.operator == id);
        Ok(all)
    }

    async fn issue(&self, id: OperatorId) -> Result<KeyPair> {
        let pair = KeyPair::generate()?;
        let credential = credential(id, &pair, SecretHash::ITERATIONS, self.clock.now()).await?;
        if !self.credentials.add(&credential).await.map_err(store)? {
            // One chance in 2^85.
            bail!("the new access key already exists: run the command again");
        }
        Ok(pair)
    }
}

/// Why a number is not given out, and what to do.
fn used_already(id: OperatorId, used: Use) -> String {
    let found = match used {
        Use::Operator => return format!("operator {id} already exists and was not changed"),
        Use::FormerOperator => "a former operator had this number",
        Use::Credential => "credentials of a former operator still exist",
        Use::Import => "files were imported with it",
        Use::Application => "applications were registered or imported with it",
        Use::DeletedApplication => "applications were registered with it and deleted",
    };
    format!(
        "the number {id} was used before: {found}. A new operator with this number would own what the former operator registered and \
         imported: choose a number that was never used"
    )
}

fn unknown<T>(id: OperatorId) -> Result<T> {
    bail!("there is no operator {id}")
}

/// The error of a request, with what to do if nothing answers.
fn store(error: StoreError) -> anyhow::Error {
    let hint = match &error {
        StoreError::Request { code, .. } if code == "DispatchFailure" => "; is the service running?",
        _ => "",
    };
    anyhow!("the tables do not answer: {error}{hint}")
}
