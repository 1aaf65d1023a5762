//! The steps: one for each thing that the store expects of DynamoDB, with its expressions.

mod history;
mod lists;
mod single;
mod transactions;

use super::bench::Step;

/// Every step, in the order of the report.
pub(super) fn all() -> impl Iterator<Item = &'static Step> {
    [single::STEPS, transactions::STEPS, history::STEPS, lists::STEPS].into_iter().flatten()
}
