//! One operator's many files do not delay another operator's: as the stack runs, and in a simulation of Lambda's queue.

use std::collections::{BTreeMap, VecDeque};

use cee_eligibility::{Instant, OperatorId};
use cee_local::stack::tables;
use cee_registry::ImportSlots;
use serde_json::Value;

use crate::support::{NOW, at, reports, world, world_set, world_with};

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";

fn rows(from: usize, count: usize) -> String {
    (from..from + count)
        .map(|n| format!("long,{},+336{:06},2021-02-15\n", ["DUP", "MAR", "TO "][n % 3], n))
        .collect::<String>()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_of_one_operator_do_not_delay_another() {
    // With the machine's clock: the reports tell the order.
    let world = world_with(|_| {}).await;
    for number in 0..5 {
        world
            .put_file(&format!("imports/1/large-{number}.csv"), format!("{HEADER}{}", rows(number * 2_000, 2_000)))
            .await;
    }
    world.put_file("imports/2/small.csv", format!("{HEADER}{}", rows(800_000, 3))).await;
    world.imported().await;
    let small = reports(&world.aws, "reports/2/").await.remove("imports/2/small.csv").unwrap();
    let large = reports(&world.aws, "reports/1/").await;
    let before = large.values().filter(|report| report["ended_at"].as_str() < small["ended_at"].as_str()).count();
    assert!(small["ended_at"].is_string() && before <= 2, "{before} before the small one: {small} {large:#?}");
    let imported: u64 = large.values().map(|report: &Value| report["imported"].as_u64().unwrap()).sum();
    assert_eq!((large.len(), imported), (5, 10_000), "nothing is lost on the way");
}

/// A file returns its slot after a turn and continues later, with the same result.
#[tokio::test(flavor = "multi_thread")]
async fn long_file_is_imported_in_turns() {
    let world = world_set([("IMPORT_TURN_MILLISECONDS", "100")]).await;
    world.upload("imports/1/long.csv", format!("{HEADER}{}", rows(0, 6_000))).await;
    let notes = crate::support::keys(&world.aws, "continue/").await;
    assert_eq!(notes.len(), 1, "it went on at least once");
    let report = reports(&world.aws, "reports/1/").await.remove("imports/1/long.csv").unwrap();
    assert_eq!((&report["state"], &report["imported"]), (&Value::from("completed"), &Value::from(6_000)));
    // Each slot is free again.
    let slots = ImportSlots::new(world.aws.dynamodb(), &tables(), 2);
    let (one, now) = (OperatorId::new(1).unwrap(), cee_service::clock::machine_now());
    let until = Instant::from_millis(now.millis() + 60_000).unwrap();
    for holder in ["a", "b"] {
        assert!(slots.take(one, holder, until, now).await.unwrap().is_some(), "{holder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slot_is_held_by_one_invocation_until_it_expires() {
    let world = world().await;
    let slots = ImportSlots::new(world.aws.dynamodb(), &tables(), 2);
    let operator = |number| OperatorId::new(number).unwrap();
    let after = |millis: i64| Instant::from_millis(at(NOW).millis() + millis).unwrap();
    let take = async |number, holder: &str, now| {
        slots.take(operator(number), holder, after(now + 1_000), after(now)).await.unwrap()
    };
    let one = take(7, "one", 0).await.unwrap();
    let two = take(7, "two", 0).await.unwrap();
    assert_ne!(one, two);
    assert_eq!(take(7, "three", 0).await, None);
    assert!(take(8, "three", 0).await.is_some(), "another operator has slots of its own");
    assert_eq!(take(7, "two", 500).await, Some(two.clone()), "an invocation that is tried again has its own");
    slots.give_back(&one, after(600)).await.unwrap();
    assert_eq!(take(7, "three", 600).await.unwrap(), take(7, "three", 601).await.unwrap());
    // Late, for a slot that another file has by now.
    slots.give_back(&one, after(700)).await.unwrap();
    assert_eq!(take(7, "four", 700).await, None);
    assert_eq!(take(7, "four", 1_500).await, None, "until the moment itself");
    assert!(take(7, "four", 1_501).await.is_some(), "its holder must be over");
    // No data of it is kept for ever.
    let items = world.scan(&tables().limits).await;
    assert!(items.iter().all(|item| item.contains_key("forgotten_at")), "{items:?}");
}

/// How the import function shares its invocations.
#[derive(Clone, Copy)]
struct Rules {
    /// How long one invocation works on a file, in seconds.
    turn: u64,
    /// The number of files of one operator at one moment.
    slots: usize,
}

/// A file in the queue: its operator, the remaining seconds of work, and since when its event waits, in half seconds.
struct Waiting {
    operator: u32,
    left: u64,
    since: u64,
}

/// After how many seconds a small file is imported that another operator uploads a minute later, or `None`: its event was too old.
/// The simulation assumes that Lambda's queue is first in, first out, which AWS does not promise.
fn simulate(rules: Rules, large: usize) -> Option<u64> {
    const SLOTS: usize = 5;
    const OLDEST: u64 = 6 * 3600 * 2;
    let mut queue: VecDeque<Waiting> = (0..large).map(|_| Waiting { operator: 1, left: 1800, since: 0 }).collect();
    // Running files: until when, and of which operator.
    let mut running: Vec<(u64, Waiting)> = Vec::new();
    for now in 0.. {
        if now == 120 {
            queue.push_back(Waiting { operator: 2, left: 1, since: now });
        }
        for (_, mut file) in running.extract_if(.., |(until, _)| *until <= now) {
            if file.left == 0 {
                if file.operator == 2 {
                    return Some((now - 120) / 2);
                }
                continue;
            }
            file.since = now;
            queue.push_back(file);
        }
        while running.len() < SLOTS {
            let Some(mut file) = queue.pop_front() else { break };
            if now - file.since > OLDEST {
                if file.operator == 2 {
                    return None;
                }
                continue;
            }
            let busy =
                running.iter().filter(|(until, other)| other.operator == file.operator && *until > now + 1).count();
            if busy >= rules.slots {
                // It waits for half a second.
                running.push((now + 1, file));
            } else {
                let work = file.left.min(rules.turn);
                file.left -= work;
                running.push((now + 2 * work, file));
            }
        }
    }
    None
}

#[test]
fn simulated_queue_is_unfair_without_turns_and_slots() {
    let whole = Rules { turn: 810, slots: 5 };
    let turns = Rules { turn: 60, slots: 5 };
    let both = Rules { turn: 60, slots: 2 };
    let mut table = BTreeMap::new();
    for large in [20, 100, 200, 1000, 3000] {
        table.insert(large, [whole, turns, both].map(|rules| simulate(rules, large)));
    }
    let say = |waited: &Option<u64>| match waited {
        None => "lost".to_owned(),
        Some(seconds) if *seconds < 120 => format!("{seconds} s"),
        Some(seconds) => format!("{} min", seconds / 60),
    };
    let lines: String = table
        .iter()
        .map(|(large, waited)| format!("| {large} | {} |\n", waited.iter().map(say).collect::<Vec<_>>().join(" | ")))
        .collect();
    let record = include_str!("../../docs/adr/0043-imports-take-turns.md");
    assert!(record.contains(&lines), "docs/adr/0043 says otherwise:\n{lines}");
    assert_eq!(table[&200][0], None, "as it was, the small file is lost");
    assert!(table.values().all(|waited| waited[2].is_some_and(|seconds| seconds < 900)), "{lines}");
}
