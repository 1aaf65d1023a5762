//! The races: many clients register one driver at the same moment, and one of them wins.
//!
//! A client sends its write again while the engine reports a collision, throttling or nothing at all, as the registry does. So a race
//! ends with a winner even on an engine that lets no write through at first. A client that finds its own mark on the item has won:
//! the response of an earlier try was lost.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use cee_registry::is_contention;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::bench::{Bench, Need, Outcome};
use super::item::{Item, item, number, text};
use super::request::{Failure, Sent, Transacted, Write};

/// How often a client sends its write.
const TRIES: u32 = 60;

/// The condition of a registration.
const FREE: &str = "attribute_not_exists(sd) OR sd < :cutoff";

/// How many clients race, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Races {
    /// The races of each kind, each for another driver.
    pub rounds: u32,
    /// The clients of each race.
    pub clients: u32,
}

/// The report of one client.
enum Ran {
    Won,
    Lost,
    /// Neither, with the reason.
    Failed(String),
}

/// The observations of the rounds of a race.
#[derive(Default)]
struct Tally {
    /// Rounds with several winners, and the most winners of one.
    several: u32,
    most: usize,
    /// Rounds without a winner.
    none: u32,
    /// Rounds whose stored items are not those of the winner.
    other_items: u32,
    /// Clients that neither won nor lost.
    failed: u32,
    why: Option<String>,
}

impl Tally {
    /// Adds a round: what its clients report, and the winners that its items name.
    fn add(&mut self, ran: Vec<(u32, Ran)>, stored: &[String]) {
        let mut winners = Vec::new();
        for (client, ran) in ran {
            match ran {
                Ran::Won => winners.push(mark(client)),
                Ran::Lost => {}
                Ran::Failed(why) => {
                    self.failed += 1;
                    self.why.get_or_insert(why);
                }
            }
        }
        self.most = self.most.max(winners.len());
        match winners.as_slice() {
            [] => self.none += 1,
            [winner] => self.other_items += u32::from(stored.is_empty() || stored.iter().any(|mark| mark != winner)),
            _ => self.several += 1,
        }
    }

    fn outcome(self, name: &'static str, races: Races) -> Outcome {
        let begin = format!("{} rounds of {} clients: ", races.rounds, races.clients);
        let expected = format!("{begin}one winner each, and its items");
        let Self { several, most, none, other_items, failed, why } = self;
        let mut parts = Vec::new();
        if several > 0 {
            parts.push(format!("{several} with more than one winner, at most {most}"));
        }
        if none > 0 {
            parts.push(format!("{none} without a winner"));
        }
        if other_items > 0 {
            parts.push(format!("{other_items} with items of another client"));
        }
        if let Some(why) = why {
            parts.push(format!("{failed} clients without an answer ({why})"));
        }
        let observed = if parts.is_empty() { expected.clone() } else { format!("{begin}{}", parts.join("; ")) };
        Outcome::new(name, Need::Promise, expected, observed)
    }
}

/// The mark that a client writes into an item.
fn mark(client: u32) -> String {
    format!("client {client}")
}

/// The client whose mark an item holds.
fn marked(item: &Item) -> Option<&str> {
    item.get("winner")?.as_s().ok().map(String::as_str)
}

impl Races {
    /// Every client updates one item.
    pub(super) async fn of_updates(self, bench: &Bench) -> Outcome {
        let mut tally = Tally::default();
        for round in 0..self.rounds {
            let key = format!("race-{round}");
            let ran = self
                .clients(|client| {
                    let (bench, write) = (bench.clone(), claim(bench, &key, client));
                    async move { update(&bench, &write, client).await }
                })
                .await;
            let stored = stored(bench, &key).await;
            tally.add(ran, &[stored]);
        }
        tally.outcome("race: UpdateItem lets one of many clients win", self)
    }

    /// Every client updates two items and puts one of its own, in one transaction.
    pub(super) async fn of_transactions(self, bench: &Bench) -> Outcome {
        let mut tally = Tally::default();
        for round in 0..self.rounds {
            let keys = [format!("race-{round}-name"), format!("race-{round}-license")];
            let uuid = |client: u32| format!("race-{round}-{client}");
            let ran = self
                .clients(|client| {
                    let application = item([("uuid", text(&uuid(client))), ("winner", text(&mark(client)))]);
                    let application = Write::put(&bench.tables.applications, application);
                    let application = application.when("attribute_not_exists(#uuid)").name("#uuid", "uuid");
                    let writes = [claim(bench, &keys[0], client), claim(bench, &keys[1], client), application];
                    let bench = bench.clone();
                    async move { transaction(&bench, &writes, client).await }
                })
                .await;
            let mut marks = applications(bench, (0..self.clients).map(uuid)).await;
            if marks.len() != 1 {
                marks.push(format!("{} applications", marks.len()));
            }
            for key in &keys {
                marks.push(stored(bench, key).await);
            }
            tally.add(ran, &marks);
        }
        tally.outcome("race: TransactWriteItems lets one of many clients win", self)
    }

    /// Starts all clients at the same moment, and returns what each reports.
    async fn clients<F>(self, ran: impl Fn(u32) -> F) -> Vec<(u32, Ran)>
    where
        F: Future<Output = Ran> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(usize::try_from(self.clients).unwrap_or(1)));
        let mut running = JoinSet::new();
        for client in 0..self.clients {
            let (start, ran) = (Arc::clone(&start), ran(client));
            running.spawn(async move {
                start.wait().await;
                (client, ran.await)
            });
        }
        let mut all = Vec::new();
        while let Some(ran) = running.join_next().await {
            all.extend(ran);
        }
        all
    }
}

/// The update of a claim, with the client's mark.
fn claim(bench: &Bench, key: &str, client: u32) -> Write {
    let write = Write::update(&bench.tables.claims, item([("pk", text(key))]), "SET sd = :at, winner = :me");
    let write = write.when(FREE).value(":at", number(1000)).value(":cutoff", number(500));
    write.value(":me", text(&mark(client)))
}

/// Whether a failure says that the write may be sent again: it collided, or nobody knows what became of it.
fn is_repeatable(failure: &Failure) -> bool {
    let code = failure.code.as_deref();
    code.is_none_or(is_contention)
        || matches!(code, Some("InternalServerError" | "InternalFailure" | "ServiceUnavailable"))
}

/// Waits before the next try, each client for another time.
async fn pause(client: u32, tries: u32) {
    let most = 1 << tries.min(6);
    tokio::time::sleep(Duration::from_millis(u64::from(1 + (client * 7 + tries * 13) % most))).await;
}

async fn update(bench: &Bench, write: &Write, client: u32) -> Ran {
    let mut why = String::new();
    for tries in 0..TRIES {
        match write.sent(bench).await {
            Sent::Written(_) => return Ran::Won,
            Sent::Refused(Some(item)) => {
                return if marked(&item) == Some(mark(client).as_str()) { Ran::Won } else { Ran::Lost };
            }
            Sent::Refused(None) => return Ran::Lost,
            Sent::Failed(failure) if is_repeatable(&failure) => why = failure.words,
            Sent::Failed(failure) => return Ran::Failed(failure.words),
        }
        pause(client, tries).await;
    }
    Ran::Failed(why)
}

async fn transaction(bench: &Bench, writes: &[Write], client: u32) -> Ran {
    let mut why = String::new();
    for tries in 0..TRIES {
        match bench.transact(writes.to_vec()).await {
            Transacted::Written => return Ran::Won,
            Transacted::Cancelled(reasons) => {
                let own = mark(client);
                if reasons.iter().filter_map(|reason| reason.item()).any(|item| marked(item) == Some(own.as_str())) {
                    return Ran::Won;
                }
                if reasons.iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
                    return Ran::Lost;
                }
                "a collision".clone_into(&mut why);
            }
            Transacted::Failed(failure) if is_repeatable(&failure) => why = failure.words,
            Transacted::Failed(failure) => return Ran::Failed(failure.words),
        }
        pause(client, tries).await;
    }
    Ran::Failed(why)
}

/// The client that an item names.
async fn stored(bench: &Bench, key: &str) -> String {
    match bench.get(&bench.tables.claims, item([("pk", text(key))])).await {
        Ok(Some(item)) => marked(&item).unwrap_or("no client").to_owned(),
        Ok(None) => "no item".to_owned(),
        Err(why) => why,
    }
}

/// The clients whose applications were stored.
async fn applications(bench: &Bench, uuids: impl Iterator<Item = String>) -> Vec<String> {
    let keys: Vec<Item> = uuids.map(|uuid| item([("uuid", AttributeValue::S(uuid))])).collect();
    let mut marks = Vec::new();
    for keys in keys.chunks(100) {
        let mut left = KeysAndAttributes::builder().set_keys(Some(keys.to_vec())).consistent_read(true).build().ok();
        while let Some(wanted) = left.take() {
            let Ok(answer) = bench.db.batch_get_item().request_items(&bench.tables.applications, wanted).send().await
            else {
                return vec!["no answer".to_owned()];
            };
            let found = answer.responses.unwrap_or_default().remove(&bench.tables.applications).unwrap_or_default();
            marks.extend(found.iter().filter_map(|item| marked(item).map(str::to_owned)));
            left = answer.unprocessed_keys.unwrap_or_default().remove(&bench.tables.applications);
            left = left.filter(|left| !left.keys.is_empty());
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACES: Races = Races { rounds: 2, clients: 3 };

    fn tally(rounds: Vec<(Vec<Ran>, &[&str])>) -> String {
        let mut tally = Tally::default();
        for (ran, stored) in rounds {
            let stored: Vec<_> = stored.iter().map(|mark| (*mark).to_owned()).collect();
            tally.add((0..).zip(ran).collect(), &stored);
        }
        tally.outcome("a race", RACES).observed
    }

    #[test]
    fn race_holds_with_one_winner_whose_items_are_stored() {
        let good = || (vec![Ran::Lost, Ran::Won, Ran::Lost], &["client 1", "client 1"][..]);
        assert_eq!(tally(vec![good(), good()]), "2 rounds of 3 clients: one winner each, and its items");
    }

    #[test]
    fn race_reports_each_kind_of_round_that_went_wrong() {
        let several = (vec![Ran::Won, Ran::Won, Ran::Won], &["client 2"][..]);
        let none = (vec![Ran::Lost, Ran::Lost, Ran::Failed("no connection".to_owned())], &["no item"][..]);
        assert_eq!(
            tally(vec![several, none]),
            "2 rounds of 3 clients: 1 with more than one winner, at most 3; 1 without a winner; 1 clients without an answer \
             (no connection)"
        );
        for stored in [&["client 0"][..], &["client 1", "no item"], &[]] {
            assert_eq!(
                tally(vec![(vec![Ran::Lost, Ran::Won, Ran::Lost], stored)]),
                "2 rounds of 3 clients: 1 with items of another client"
            );
        }
    }

    #[test]
    fn only_collisions_and_unknown_outcomes_are_sent_again() {
        let failure = |code: Option<&str>| Failure { code: code.map(str::to_owned), words: String::new() };
        for code in
            [None, Some("TransactionConflictException"), Some("ThrottlingException"), Some("InternalServerError")]
        {
            assert!(is_repeatable(&failure(code)), "{code:?}");
        }
        for code in [Some("UnknownOperationException"), Some("ValidationException")] {
            assert!(!is_repeatable(&failure(code)), "{code:?}");
        }
    }
}
