//! Does an engine that speaks DynamoDB's protocol do what the claim protocol relies on?
//!
//! | to find | look in |
//! |---|---|
//! | every step, with what is expected | `steps` and the files below it |
//! | the two races | `races` |
//! | how a step sends a write and what it reports | `item`, `request`, `show` |
//! | the tables of a run | `bench` |
//!
//! Each step uses keys of its own, so one difference does not cause the next. A step's observation is a text, and a step holds if that
//! text equals the expected one. The requests are those of `cee_registry`: the same expressions, sent once and without a token.
//!
//! The list is derived from the requests that `shared/registry/src` makes. It has no `ConditionCheck`, no `TransactGetItems` and no
//! PartiQL, because no function uses them.

mod bench;
mod item;
mod races;
mod request;
mod show;
mod steps;

use bench::Step;

pub use bench::{Bench, Need, Outcome};
pub use races::Races;

impl Bench {
    /// Runs every step and both races, and returns what they observed. `tell` gets each as soon as it has ended.
    pub async fn run(&self, races: Races, mut tell: impl FnMut(&Outcome)) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut add = |outcome: Outcome| {
            tell(&outcome);
            outcomes.push(outcome);
        };
        for Step { name, needed_for, expected, run } in steps::all() {
            add(Outcome::new(name, *needed_for, (*expected).to_owned(), run(self).await));
        }
        add(races.of_updates(self).await);
        add(races.of_transactions(self).await);
        outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = steps::all().map(|step| step.name).collect();
        assert_eq!(names.len(), steps::all().count());
    }

    #[test]
    fn outcome_holds_only_if_it_is_as_expected() {
        let outcome = |observed: &str| Outcome::new("a", Need::Promise, "1 winner".to_owned(), observed.to_owned());
        assert!(outcome("1 winner").holds);
        assert!(!outcome("2 winners").holds);
    }
}
