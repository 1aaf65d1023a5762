//! `GET` and `DELETE /v3/policies/cee/{uuid}`: returns or deletes one of the operator's own applications.
//!
//! Another operator's application is a 404, as if it did not exist: a 403 would reveal that it exists (docs/adr/0016).

use cee_edge::application::own;
use cee_edge::{Call, Gate, HttpFunction, Refusal, Reply};
use cee_eligibility::{ApplicationId, OperatorId};
use cee_registry::{Applications, Deleted, Deleter, Limits, Operators, PepperCheck};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::Scope;
use http::{Method, StatusCode};

pub mod openapi;

/// Answers `GET` and `DELETE /v3/policies/cee/{uuid}`.
#[derive(Debug)]
pub struct OwnApplications {
    gate: Gate,
    clock: Clock,
    applications: Applications,
    deleter: Deleter,
}

impl OwnApplications {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let needed = [
            "CLAIMS_TABLE",
            "APPLICATIONS_TABLE",
            "ARCHIVE_TABLE",
            "JOURNEYS_TABLE",
            "OPERATORS_TABLE",
            "LIMITS_TABLE",
        ];
        let tables = environment.tables_with(&needed)?;
        let (db, keys) = (Aws::of_function(environment).dynamodb(), environment.claim_keys()?);
        Ok(Self {
            gate: Gate::before(
                PepperCheck::new(db.clone(), &tables, keys.clone()),
                environment,
                Operators::new(db.clone(), &tables),
                Limits::new(db.clone(), &tables),
            )
            .await?,
            clock: environment.clock()?,
            applications: Applications::new(db.clone(), &tables),
            deleter: Deleter::new(db, &tables, keys),
        })
    }

    async fn find(&self, operator: OperatorId, uuid: ApplicationId) -> Result<Reply, Refusal> {
        let found = own(uuid, operator, &self.applications).await?;
        Reply::json(StatusCode::OK, &found.ok_or(Refusal::UnknownApplication)?)
    }

    async fn delete(&self, call: &Call, operator: OperatorId, uuid: ApplicationId) -> Result<Reply, Refusal> {
        match self.deleter.delete(operator, uuid, self.clock.now(), call.deadline()).await? {
            Deleted::Done => Ok(Reply::nothing()),
            Deleted::Unknown => Err(Refusal::UnknownApplication),
        }
    }
}

impl HttpFunction for OwnApplications {
    const NAME: &'static str = "applications";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let operator = self.gate.admit(call, Scope::Register).await?.operator;
        // API Gateway sends only its routes' paths here.
        let name = call.path().rsplit('/').next();
        let uuid = name.and_then(ApplicationId::parse).ok_or(match name {
            // The other calls under this prefix, with the method of this one.
            Some("simulate") => Refusal::NoSuchCall("/policies/cee/simulate takes POST"),
            Some("import") => Refusal::NoSuchCall("/policies/cee/import takes POST"),
            Some("imports") => Refusal::NoSuchCall("/policies/cee/imports takes POST and GET"),
            _ => Refusal::UnknownApplication,
        })?;
        if call.request().method() == Method::DELETE {
            self.delete(call, operator, uuid).await
        } else {
            self.find(operator, uuid).await
        }
    }
}
