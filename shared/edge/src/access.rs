//! Authentication and authorisation of a caller, in this order: the token, its scope, the operator's status (cached for a minute), its
//! SIRET, the number of its calls. [`Gate`] is for calls with a token. [`Admission`] is the part after the token, which the console uses
//! for a session.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use cee_eligibility::{OperatorId, Siret};
use cee_registry::{ClaimKeys, Limits, Operator, Operators, PepperCheck, Tables};
use cee_service::clock::machine_now;
use cee_service::{CheckedPepper, Clock, Environment, SettingError, trap};
use cee_tokens::{ApplicationTokens, Caller, Scope};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant as Moment;

use crate::call::Call;
use crate::problem::{NotAdmitted, Refusal};
use crate::rate::Rate;

/// How long an operator's status is cached: a suspension takes effect everywhere within this time (docs/adr/0005).
const REMEMBERED: Duration = Duration::from_secs(60);

/// Authenticates a call: its token must be valid, carry the scope, and belong to an operator that may call.
#[derive(Debug)]
pub struct Gate {
    tokens: ApplicationTokens,
    clock: Clock,
    admission: Admission,
}

/// Whether an operator may call: the registry admits it, and it has not made too many calls.
#[derive(Debug)]
pub struct Admission {
    operators: Operators,
    remembered: Remembered,
    rate: Rate,
    /// Of a function that makes claim keys.
    pepper: Option<CheckedPepper>,
}

/// The status of operators, each cached for a minute after its request.
#[derive(Debug, Default)]
struct Remembered(Mutex<HashMap<OperatorId, (Moment, Operator)>>);

impl Remembered {
    fn get(&self, id: OperatorId, now: Moment) -> Option<Operator> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        known.filter(|(asked, _)| now.duration_since(*asked) < REMEMBERED).map(|(_, operator)| operator)
    }

    /// Caches the status that the table returned. The minute starts with the request, not with the response: a write in between may
    /// be missing from the response.
    fn note(&self, id: OperatorId, asked: Moment, found: Option<&Operator>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An unknown operator is looked up each time: a newly admitted operator need not wait.
        match found {
            Some(operator) => remembered.insert(id, (asked, operator.clone())),
            None => remembered.remove(&id),
        };
    }
}

/// Looks up one operator's status when a function starts, so that the first call is as fast as the others. The result, or an error,
/// changes nothing.
pub async fn warm_up(operators: &Operators) {
    if let Ok(first) = OperatorId::new(1)
        && let Err(error) = operators.find(first).await
    {
        tracing::warn!(%error, "the first request to the tables failed");
    }
}

impl Gate {
    /// Authentication with the settings' tokens and clock. `keys` is `None` for a function that makes no claim keys.
    ///
    /// # Errors
    /// [`SettingError`] for the first setting that is missing or bad, and for a pepper that is not the one of the tables.
    pub async fn from_environment(
        environment: &Environment,
        tables: (&Client, &Tables),
        keys: Option<&ClaimKeys>,
    ) -> Result<Self, SettingError> {
        let (tokens, clock) = (environment.application_tokens()?, environment.clock()?);
        let admission = Admission::from_environment(environment, tables, keys).await?;
        Ok(Self { tokens, clock, admission })
    }

    /// The caller, if it may make a call that needs this scope.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`], [`Refusal::MissingScope`], [`Refusal::OperatorNotAdmitted`] or [`Refusal::TooManyCalls`];
    /// a failure of the store.
    pub async fn admit(&self, call: &Call, scope: Scope) -> Result<Caller, Refusal> {
        let token = bearer(call.request().headers()).ok_or(Refusal::Unauthenticated(None))?;
        let caller =
            self.tokens.verify(token, self.clock.now()).map_err(|error| Refusal::Unauthenticated(Some(error)))?;
        call.note_caller(caller.operator);
        if !caller.scopes.contains(&scope) {
            return Err(Refusal::MissingScope(scope));
        }
        self.admission.admit(call, caller.operator, Some(&caller.siret)).await?;
        Ok(caller)
    }

    /// Counts more calls of a caller that was admitted: a call that does the work of several counts as several.
    ///
    /// # Errors
    /// [`Refusal::TooManyCalls`]; then none of them counts.
    pub async fn count(&self, caller: &Caller, calls: u32) -> Result<(), Refusal> {
        self.admission.rate.take(caller.operator, calls, machine_now()).await
    }
}

impl Admission {
    /// Admission with the settings' limit of calls. Its first request warms it up: it compares the pepper of `keys` with the check value in
    /// the tables, or [looks an operator up](warm_up).
    ///
    /// # Errors
    /// [`SettingError`] for a setting that is bad, and for a pepper that is not the one of the tables.
    pub async fn from_environment(
        environment: &Environment,
        (db, tables): (&Client, &Tables),
        keys: Option<&ClaimKeys>,
    ) -> Result<Self, SettingError> {
        let operators = Operators::new(db.clone(), tables);
        let rate = Rate::new(Limits::new(db.clone(), tables), environment.operator_calls_per_second()?);
        let pepper = match keys {
            Some(keys) => Some(CheckedPepper::at_start(PepperCheck::new(db.clone(), tables, keys.clone())).await?),
            None => {
                warm_up(&operators).await;
                None
            }
        };
        Ok(Self { operators, remembered: Remembered::default(), rate, pepper })
    }

    /// The operator, if it may call now. `siret` is the SIRET that its token names, if it has a token.
    ///
    /// # Errors
    /// [`Refusal::OperatorNotAdmitted`] or [`Refusal::TooManyCalls`]; a failure of the store.
    pub async fn admit(&self, call: &Call, id: OperatorId, siret: Option<&Siret>) -> Result<Operator, Refusal> {
        let Some(operator) = self.operator(call, id).await? else {
            return Err(Refusal::OperatorNotAdmitted(NotAdmitted::Unknown));
        };
        if operator.suspended {
            return Err(Refusal::OperatorNotAdmitted(NotAdmitted::Suspended));
        }
        if siret.is_some_and(|siret| *siret != operator.siret) {
            return Err(Refusal::OperatorNotAdmitted(NotAdmitted::OtherSiret));
        }
        // The machine's clock: a pinned clock would never start a new window.
        self.rate.take(id, 1, machine_now()).await?;
        if let Some(pepper) = &self.pepper {
            pepper.ensure(call.deadline()).await?;
        }
        trap::spring("request", || String::from_utf8_lossy(call.request().body()).into_owned());
        Ok(operator)
    }

    async fn operator(&self, call: &Call, id: OperatorId) -> Result<Option<Operator>, Refusal> {
        let asked = Moment::now();
        if let Some(operator) = self.remembered.get(id, asked) {
            return Ok(Some(operator));
        }
        call.note_status_read();
        let found = self.operators.find(id).await?;
        self.remembered.note(id, asked, found.as_ref());
        Ok(found)
    }
}

/// The application token of a call, if it has one.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspension_takes_effect_within_a_minute() {
        let id = OperatorId::new(4).unwrap();
        let admitted = Operator {
            id,
            name: "Dernier Rang".to_owned(),
            siret: Siret::parse("12000404400043").unwrap(),
            suspended: false,
        };
        let suspended = Operator { suspended: true, ..admitted.clone() };
        let (remembered, asked) = (Remembered::default(), Moment::now());
        let after = |millis| asked + Duration::from_millis(millis);
        assert_eq!(remembered.get(id, asked), None);
        remembered.note(id, asked, Some(&admitted));
        // Suspended at this very moment: the call is let in until the minute is over, then the table is read again.
        assert_eq!(remembered.get(id, after(59_999)), Some(admitted.clone()));
        assert_eq!(remembered.get(id, after(60_000)), None);
        remembered.note(id, after(60_000), Some(&suspended));
        assert_eq!(remembered.get(id, after(119_999)), Some(suspended));
        assert_eq!(remembered.get(id, after(120_000)), None);
        // An unknown operator is looked up each time.
        remembered.note(id, after(120_000), None);
        assert_eq!(remembered.get(id, after(120_000)), None);
    }
}
