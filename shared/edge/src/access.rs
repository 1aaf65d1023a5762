//! Who calls, and whether they may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_registry::{Operator, Operators};
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::{ApplicationTokens, Caller, Scope};
use http::header::AUTHORIZATION;
use tokio::time::Instant as Moment;

use crate::function::Call;
use crate::problem::Refusal;

/// How long an operator's status is remembered: a suspension takes effect everywhere within this time. Source: the
/// budgets of design.md, "cached for a minute at most".
const REMEMBERED: Duration = Duration::from_secs(60);

/// The door: lets a call in when its token is valid, carries the scope, and belongs to an operator that is admitted.
#[derive(Debug)]
pub struct Gate {
    tokens: ApplicationTokens,
    operators: Operators,
    clock: Clock,
    remembered: Mutex<HashMap<OperatorId, (Moment, Operator)>>,
}

impl Gate {
    /// A door with the settings' tokens and clock. Asks for one operator's status at once: that makes the first call as
    /// quick as the others. What it finds, or that it fails, changes nothing.
    ///
    /// # Errors
    /// [`SettingError`] for the first setting that is missing or bad.
    pub async fn from_environment(environment: &Environment, operators: Operators) -> Result<Self, SettingError> {
        let (tokens, clock) = (environment.application_tokens()?, environment.clock()?);
        if let Ok(first) = OperatorId::new(1)
            && let Err(error) = operators.find(first).await
        {
            tracing::warn!(%error, "the first request to the tables failed");
        }
        Ok(Self { tokens, operators, clock, remembered: Mutex::default() })
    }

    /// The caller, if it may make a call that needs this scope.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`], [`Refusal::MissingScope`] or [`Refusal::OperatorNotAdmitted`]; a failure of the
    /// store.
    pub async fn admit(&self, call: &Call, scope: Scope) -> Result<Caller, Refusal> {
        let token = bearer(call).ok_or(Refusal::Unauthenticated(None))?;
        let caller =
            self.tokens.verify(token, self.clock.now()).map_err(|error| Refusal::Unauthenticated(Some(error)))?;
        call.note_caller(caller.operator);
        if !caller.scopes.contains(&scope) {
            return Err(Refusal::MissingScope(scope));
        }
        let Some(operator) = self.operator(caller.operator).await? else {
            return Err(Refusal::OperatorNotAdmitted("the registry does not know this operator"));
        };
        if operator.suspended {
            return Err(Refusal::OperatorNotAdmitted("the registry has suspended this operator"));
        }
        if operator.siret != caller.siret {
            return Err(Refusal::OperatorNotAdmitted("the token's SIRET is not the operator's"));
        }
        Ok(caller)
    }

    async fn operator(&self, id: OperatorId) -> Result<Option<Operator>, Refusal> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some((since, operator)) = remembered
            && since.elapsed() < REMEMBERED
        {
            return Ok(Some(operator));
        }
        let asked = Moment::now();
        let found = self.operators.find(id).await?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        // An operator that is not known is asked for each time: whoever has just been admitted need not wait.
        match &found {
            Some(operator) => remembered.insert(id, (asked, operator.clone())),
            None => remembered.remove(&id),
        };
        Ok(found)
    }
}

fn bearer(call: &Call) -> Option<&str> {
    let header = call.request().headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
