//! Counts the answers that leave nothing in the tables: refusals, and responses that were sent again.
//!
//! A refusal makes no request for its count. The counts stay in memory until a call of their operator reads the operator's status again,
//! which happens at most once a minute, and that call writes them ([`cee_edge::HttpFunction::once_a_minute`]). So the first refusal
//! after a quiet minute is written at once, and of a busy minute nothing is written until the next one begins.
//!
//! Counts are never added twice: an addition whose response was lost is not sent again. So there are at least as many refusals as the
//! table says. It lacks those of the last minute of a copy of the function that Lambda ended, and those whose addition failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cee_edge::{ProblemType, Refusal, Reply};
use cee_eligibility::{Instant, JourneyType, OperatorId, Week};
use cee_registry::{Added, Cell, Counts, Outcome, Statistics};

/// The counts that are not written yet.
#[derive(Debug)]
pub(crate) struct Tally {
    statistics: Statistics,
    pending: Mutex<HashMap<(OperatorId, Week), Counts>>,
}

impl Tally {
    pub(crate) fn new(statistics: Statistics) -> Self {
        Self { statistics, pending: Mutex::default() }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<(OperatorId, Week), Counts>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer to a registration. A granted one is counted in the tables.
    pub(crate) fn count(
        &self,
        operator: OperatorId,
        now: Instant,
        journey_type: Option<JourneyType>,
        answer: &Result<Reply, Refusal>,
    ) {
        if let Some(outcome) = outcome(answer) {
            self.add((operator, Week::of(now)), [(Cell { journey_type, outcome }, 1)]);
        }
    }

    fn add(&self, week: (OperatorId, Week), counts: impl IntoIterator<Item = (Cell, u64)>) {
        let mut pending = self.pending();
        let there = pending.entry(week).or_default();
        for (cell, number) in counts {
            *there.entry(cell).or_default() += number;
        }
    }

    /// Writes the counts of an operator: a request for each week, and nearly always there is one week.
    pub(crate) async fn write(&self, operator: OperatorId) {
        let mine: Vec<_> = self.pending().extract_if(|(whose, _), _| *whose == operator).collect();
        for ((operator, week), counts) in mine {
            match self.statistics.add(operator, week, &counts).await {
                Ok(Added::Done) => {}
                Ok(Added::Busy) => self.add((operator, week), counts),
                Err(error) => tracing::warn!(%error, "counts of refusals may be lost"),
            }
        }
    }
}

/// The outcome of a response that the tables do not show; `None` if they show it.
fn outcome(answer: &Result<Reply, Refusal>) -> Option<Outcome> {
    let refusal = match answer {
        Ok(reply) if reply.is_repeated() => return Some(Outcome::Repeated),
        Ok(_) => return None,
        Err(refusal) => refusal,
    };
    if let Refusal::IneligibleJourney { failed, .. } = refusal {
        return Some(Outcome::of_criteria(failed));
    }
    Some(match refusal.problem_type() {
        ProblemType::History => Outcome::History,
        ProblemType::Duplicate => Outcome::Duplicate,
        ProblemType::JourneyUsed => Outcome::JourneyUsed,
        ProblemType::TooEarly => Outcome::TooEarly,
        ProblemType::UnknownJourney => Outcome::UnknownJourney,
        ProblemType::MalformedBody
        | ProblemType::InvalidFields
        | ProblemType::InvalidHeader
        | ProblemType::BodyTooLarge
        | ProblemType::UnsupportedMediaType => Outcome::Invalid,
        ProblemType::CallClosed => Outcome::CallClosed,
        ProblemType::IdempotencyKeyReused | ProblemType::ApplicationDeleted => Outcome::IdempotencyKey,
        ProblemType::DriverRecordFull => Outcome::DriverRecordFull,
        ProblemType::TooManyCalls => Outcome::TooManyCalls,
        ProblemType::Busy => Outcome::Busy,
        ProblemType::Internal => Outcome::Failed,
        _ => Outcome::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::{Criterion, Rules};
    use http::StatusCode;

    #[test]
    fn answer_is_counted_unless_tables_show_it() {
        let reply = |status| Ok(Reply::written(status, "{}".to_owned()));
        let ineligible = |failed: &[Criterion]| {
            Err(Refusal::IneligibleJourney { failed: failed.to_vec(), rules: Box::new(Rules::default()) })
        };
        for (answer, expected) in [
            (reply(StatusCode::CREATED), None),
            (Ok(Reply::repeated(StatusCode::CREATED, "{}".to_owned())), Some(Outcome::Repeated)),
            (Err(Refusal::UnknownJourney), Some(Outcome::UnknownJourney)),
            (ineligible(&[Criterion::Distance]), Some(Outcome::Distance)),
            (ineligible(&[Criterion::Distance, Criterion::France]), Some(Outcome::SeveralCriteria)),
            (Err(Refusal::InvalidFields(Vec::new())), Some(Outcome::Invalid)),
            (Err(Refusal::Busy), Some(Outcome::Busy)),
        ] {
            assert_eq!(outcome(&answer), expected, "{answer:?}");
        }
    }
}
