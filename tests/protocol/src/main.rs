//! A model checker runs every interleaving of a few calls of the claim protocol. `docs/protocol.md` explains the model.

// clippy.toml allows these in test functions, but not in their helpers.
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod feed;
mod model;
mod search;
mod tables;

use std::collections::BTreeSet;
use std::time::Instant;

use model::properties::*;
use model::{Call, Client, Fault, Protocol, Remedy};
use search::{counterexample, explore};
use stateright::Checker;
use tables::{Date, Driver};

/// Sets of concurrent calls, without sets that differ only in their order or in the names of operators, drivers and keys.
///
/// The first call is one of the first `first` in the catalogue. That is enough if the other calls differ from these only in names.
fn starts(catalogue: &[(u8, Call)], first: usize, at_once: usize) -> Vec<Vec<Client>> {
    let mut picked: Vec<Vec<usize>> = (0..first).map(|place| vec![place]).collect();
    for _ in 1..at_once {
        let longer = |some: &Vec<usize>| {
            let from = some.last().copied().unwrap_or(0);
            (from..catalogue.len()).map(|next| [some.as_slice(), &[next]].concat()).collect::<Vec<_>>()
        };
        picked = picked.iter().flat_map(longer).collect();
    }
    let calls = picked.iter().map(|some| some.iter().map(|place| catalogue[*place]).collect::<Vec<_>>());
    let alike: BTreeSet<Vec<(u8, Call)>> = calls.map(|calls| representative(&calls)).collect();
    alike.into_iter().map(|calls| calls.into_iter().map(|(by, call)| Client::new(by, call)).collect()).collect()
}

/// The smallest of all sets that differ only in order and names.
fn representative(calls: &[(u8, Call)]) -> Vec<(u8, Call)> {
    permutations(calls).iter().map(|calls| renamed(calls)).min().unwrap()
}

fn permutations(calls: &[(u8, Call)]) -> Vec<Vec<(u8, Call)>> {
    if calls.is_empty() {
        return vec![vec![]];
    }
    let first = |place: usize| {
        let mut rest = calls.to_vec();
        let first = rest.remove(place);
        permutations(&rest).into_iter().map(move |rest| [vec![first], rest].concat()).collect::<Vec<_>>()
    };
    (0..calls.len()).flat_map(first).collect()
}

/// Numbers the names of each kind in order of appearance.
fn renamed(calls: &[(u8, Call)]) -> Vec<(u8, Call)> {
    let mut known: [Vec<u8>; 4] = Default::default();
    let mut name = |kind: usize, old: u8| {
        let names = &mut known[kind];
        let place = names.iter().position(|known| *known == old).unwrap_or_else(|| {
            names.push(old);
            names.len() - 1
        });
        u8::try_from(place).unwrap()
    };
    let renamed = calls.iter().map(|(operator, call)| {
        let operator = name(0, *operator);
        let call = match *call {
            Call::Register { driver, date, name: named } => {
                let driver = Driver {
                    licence: name(1, driver.licence),
                    truncated: name(2, driver.truncated),
                    key: driver.key.map(|key| name(3, key)),
                    journey: driver.journey.map(|key| name(3, key)),
                };
                Call::Register { driver, date, name: named }
            }
            Call::Import { truncated, date } => Call::Import { truncated: name(2, truncated), date },
            Call::Delete => Call::Delete,
            Call::GiveKey { key } => Call::GiveKey { key: name(3, key) },
            Call::GiveHistoryKey { truncated, date, key } => {
                Call::GiveHistoryKey { truncated: name(2, truncated), date, key: name(3, key) }
            }
        };
        (operator, call)
    });
    renamed.collect()
}

const fn driver(licence: u8, truncated: u8, key: Option<u8>) -> Driver {
    Driver { licence, truncated, key, journey: None }
}

/// A driver whose journey has this key of its own.
const fn on_journey(key: u8, driver: Driver) -> Driver {
    Driver { journey: Some(key), ..driver }
}

const fn register(driver: Driver, date: Date) -> Call {
    Call::Register { driver, date, name: None }
}

/// The remedies that the protocol needs. The explorations use them.
const MENDED: &[Remedy] = &[Remedy::CallOff, Remedy::KeepName];

/// Three concurrent registrations, with every combination of equal and different drivers, within the window, at its edge and after it.
/// Without mishaps.
fn registrations() -> Protocol {
    let mut catalogue = Vec::new();
    for licence in 0..3 {
        for truncated in 0..3 {
            for key in [None, Some(0), Some(1), Some(2)] {
                catalogue.extend([0, 2, 3].map(|date| (0, register(driver(licence, truncated, key), date))));
            }
        }
    }
    Protocol {
        // The calls with the first licence and the first truncated identity.
        starts: starts(&catalogue, 12, 3),
        mishaps: 0,
        law_changes: false,
        fault: None,
        remedies: MENDED,
        revived: true,
        examples: &[
            "a 201 after a cooldown",
            "a 409 by the truncated identity alone",
            "a 409 by the licence alone",
            "a 409 by the identity key alone",
            "a driver with another key under the same name gets a 201",
        ],
    }
}

/// Three concurrent registrations of drivers with no, one, or two identity keys.
fn registrations_with_two_keys() -> Protocol {
    let mut catalogue = Vec::new();
    for licence in 0..3 {
        for truncated in 0..3 {
            let one = |key| driver(licence, truncated, key);
            let two = |key, of_journey| on_journey(of_journey, one(Some(key)));
            for driver in [one(None), one(Some(0)), one(Some(1)), two(0, 1), two(0, 2), two(1, 2)] {
                catalogue.extend([0, 2].map(|date| (0, register(driver, date))));
            }
        }
    }
    Protocol {
        starts: starts(&catalogue, 12, 3),
        examples: &["a 409 by the journey's own key alone", "a driver with another key under the same name gets a 201"],
        ..registrations()
    }
}

/// Calls of every kind, of drivers who are the same by licence, by truncated identity, by identity key or not at all.
fn all_kinds() -> Vec<(u8, Call)> {
    let somebody = driver(0, 0, None);
    vec![
        (0, register(somebody, 0)),
        (0, register(somebody, 3)),
        (0, Call::Register { driver: somebody, date: 0, name: Some(0) }),
        (1, register(driver(0, 1, None), 2)),
        (1, register(driver(1, 0, None), 3)),
        (1, register(driver(1, 1, Some(0)), 0)),
        (1, register(driver(1, 0, Some(0)), 2)),
        (0, register(on_journey(1, somebody), 0)),
        (1, register(on_journey(0, driver(1, 1, Some(1))), 2)),
        (0, Call::Delete),
        (1, Call::Delete),
        (0, Call::GiveKey { key: 0 }),
        (0, Call::Import { truncated: 0, date: 0 }),
        (1, Call::Import { truncated: 0, date: 2 }),
        (1, Call::GiveHistoryKey { truncated: 0, date: 2, key: 0 }),
    ]
}

/// Three concurrent calls of any kind, with one mishap.
fn calls() -> Protocol {
    let catalogue = all_kinds();
    Protocol {
        starts: starts(&catalogue, catalogue.len(), 3),
        mishaps: 1,
        law_changes: false,
        fault: None,
        remedies: MENDED,
        revived: true,
        examples: &[
            "a 201 after a cooldown",
            "a 201 after a delete",
            "a 409 by the truncated identity alone",
            "a 409 by the licence alone",
            "a 409 by the identity key alone",
            "a 409 by history",
            "a retry after a lost answer finds itself written",
            "a register meets the name that its own application left",
            "a replay gets the first answer again",
            "a key is given",
            "a key is given beside the journey's own",
            "a key is refused",
            "a history is given its key",
            "a late request is carried out after its call has gone on",
            "a delete whose answer was lost is told as done",
            "a refusal is told after its try was called off",
            "a try is carried out before it is called off",
        ],
    }
}

/// Two concurrent calls of any kind, with two mishaps.
fn unlucky_calls() -> Protocol {
    let catalogue = all_kinds();
    let examples = &["a replay gets the first answer again"];
    Protocol { starts: starts(&catalogue, catalogue.len(), 2), mishaps: 2, examples, ..calls() }
}

/// Registrations before, during and after a change that makes the windows longer, with one mishap.
fn laws() -> Protocol {
    let catalogue = [
        (0, register(driver(0, 0, None), 0)),
        (1, register(driver(0, 1, None), 3)),
        (1, register(driver(1, 0, Some(0)), 3)),
        (1, register(driver(1, 0, None), 4)),
        (0, Call::Import { truncated: 0, date: 1 }),
    ];
    Protocol {
        starts: starts(&catalogue, catalogue.len(), 3),
        law_changes: true,
        examples: &["a 201 after a cooldown", "the law changes between two grants"],
        ..calls()
    }
}

/// A key that is refused because of another application, which is then deleted: four calls, with one mishap.
fn refused_key() -> Protocol {
    let four = [
        (0, register(driver(0, 0, None), 0)),
        (0, Call::GiveKey { key: 0 }),
        (1, register(driver(1, 1, Some(0)), 0)),
        (1, Call::Delete),
    ];
    let starts = vec![four.map(|(by, call)| Client::new(by, call)).to_vec()];
    Protocol { starts, examples: &["a key is given", "a key is refused"], ..calls() }
}

#[test]
fn concurrent_registrations_keep_every_property() {
    explore("registrations", registrations()).assert_properties();
}

#[test]
fn two_key_registrations_keep_every_property() {
    explore("registrations with two keys", registrations_with_two_keys()).assert_properties();
}

#[test]
fn concurrent_calls_keep_every_property() {
    explore("calls", calls()).assert_properties();
}

#[test]
fn calls_with_two_mishaps_keep_every_property() {
    explore("unlucky calls", unlucky_calls()).assert_properties();
}

#[test]
fn refused_key_keeps_every_property() {
    explore("a refused key", refused_key()).assert_properties();
}

#[test]
fn calls_under_new_law_keep_every_property() {
    explore("laws", laws()).assert_properties();
}

fn assert_broken(what: &str, protocol: &Protocol, property: &'static str, steps: usize) {
    let started = Instant::now();
    let found = counterexample(protocol, property);
    let Some(path) = found else { panic!("{what}: no way to break \"{property}\"") };
    let (calls, actions) = (path.clone().into_states()[0].calls(), path.into_actions());
    println!("{what}: {} steps to break \"{property}\", {:.1} s", actions.len(), started.elapsed().as_secs_f64());
    println!("    {calls:?}\n    {actions:?}");
    assert_eq!(actions.len(), steps, "{what}: docs/protocol.md says otherwise");
}

/// The checker must find each of these faults. A model that cannot tell them from the protocol would prove nothing.
#[test]
fn every_seeded_fault_has_a_counterexample() {
    let (registrations, calls, laws) = (registrations(), calls(), laws());
    let two_keys = registrations_with_two_keys();
    // A key is refused because of an application that could only be registered after the application that was to get the key was gone:
    // four calls.
    let four = [
        (0, register(driver(0, 0, None), 0)),
        (0, Call::Delete),
        (0, Call::GiveKey { key: 0 }),
        (1, register(driver(0, 1, Some(0)), 0)),
    ];
    let starts = vec![four.map(|(by, call)| Client::new(by, call)).to_vec()];
    let four = Protocol { starts, ..calls.clone() };
    let refused_key = refused_key();
    let faults = [
        (Fault::DropStandardized, &registrations, 0, ONE_EACH, 2),
        (Fault::DropWithKey, &registrations, 0, ONE_EACH, 2),
        (Fault::DropSpecific, &calls, 0, NOT_AGAINST_HISTORY, 2),
        (Fault::NotExistsOnly, &registrations, 0, EXPLAINED, 2),
        (Fault::StoredExpiry, &laws, 0, GRANTED_RIGHTLY, 5),
        (Fault::SplitTransaction, &registrations, 0, CLAIMS_FIT, 1),
        (Fault::ForgetTruncated, &registrations, 0, ONE_EACH, 2),
        (Fault::ForgetLicence, &registrations, 0, ONE_EACH, 2),
        (Fault::ForgetIdentity, &registrations, 0, ONE_EACH, 2),
        (Fault::ForgetJourneyKey, &two_keys, 0, ONE_EACH, 2),
        (Fault::DeleteForgetsJourneyKey, &calls, 0, CLAIMS_FIT, 6),
        (Fault::GivenKeyAlone, &calls, 0, CLAIMS_FIT, 5),
        (Fault::DeleteWithoutStamp, &calls, 0, CLAIMS_FIT, 6),
        (Fault::DeleteWithoutStamp, &calls, 1, ONE_EACH, 8),
        (Fault::DeleteKeepsLatest, &calls, 0, LATEST_FIT, 6),
        (Fault::GiveKeyUnchecked, &calls, 0, ONE_EACH, 6),
        (Fault::OwnRecordUnknown, &calls, 1, EXPLAINED, 2),
        (Fault::OwnKeyUnknown, &calls, 0, EXPLAINED, 9),
        (Fault::KeyRefusedAtOnce, &four, 0, EXPLAINED, 10),
        (Fault::KeyDenied, &calls, 1, NOT_DENIED, 12),
        (Fault::KeyToName, &calls, 0, CLAIMS_FIT, 9),
        (Fault::KeyNotCalledOff, &refused_key, 1, STAYS_WITHOUT_KEY, 17),
    ];
    assert_eq!(counterexample(&Protocol { mishaps: 0, ..four.clone() }, EXPLAINED), None);
    for (fault, protocol, mishaps, property, steps) in faults {
        let protocol = Protocol { fault: Some(fault), mishaps, ..protocol.clone() };
        assert_broken(&format!("{fault:?}"), &protocol, property, steps);
    }
}

/// The effects of late requests without the remedies: "the revived application" and "the refused application" in `docs/protocol.md`. The
/// code has all three remedies.
#[test]
fn protocol_without_remedies_revives_applications() {
    let somebody = driver(0, 0, None);
    let catalogue = [
        (0, register(somebody, 0)),
        (1, register(driver(0, 1, None), 2)),
        (0, register(driver(1, 0, Some(0)), 0)),
        (0, Call::Delete),
        (0, Call::GiveKey { key: 0 }),
    ];
    let starts = starts(&catalogue, catalogue.len(), 3);
    let calls = Protocol { starts, remedies: &[], examples: &["a 201 after a delete"], ..calls() };
    assert_broken("without remedies", &calls, STAYS_DELETED, 7);
    assert_broken("without remedies", &calls, CLAIMS_FIT, 11);
    assert_broken("without remedies", &calls, STAYS_REFUSED, 8);
    for property in [ONE_EACH, GRANTED_RIGHTLY, SENT_IS_THERE, LATEST_FIT] {
        assert_eq!(counterexample(&calls, property), None, "{property}");
    }
    let whole_delete = Protocol { remedies: &[Remedy::WholeDelete], ..calls.clone() };
    assert_broken("with deletes that find every record", &whole_delete, STAYS_DELETED, 7);
    assert_broken("with deletes that find every record", &whole_delete, STAYS_REFUSED, 8);
    assert_eq!(counterexample(&whole_delete, CLAIMS_FIT), None);
    let keep_name = Protocol { remedies: &[Remedy::KeepName], ..calls.clone() };
    assert_broken("with names kept", &keep_name, STAYS_REFUSED, 8);
    for property in [STAYS_DELETED, CLAIMS_FIT] {
        assert_eq!(counterexample(&keep_name, property), None, "{property}");
    }
    explore("with names kept, and called off", Protocol { remedies: MENDED, ..calls }).assert_properties();
}

/// The remaining case without `KeepName`, which needs more calls than the explorations above.
#[test]
fn call_off_alone_revives_refused_application() {
    // The application that blocks a late try is deleted. The late try is written after the refusal and before it is called off. Another
    // call of its operator reports it, and a delete removes it.
    let five = [
        (0, register(driver(0, 0, None), 0)),
        (1, register(driver(0, 1, None), 0)),
        (1, Call::Delete),
        (0, register(driver(1, 0, None), 0)),
        (0, Call::Delete),
    ];
    let starts = vec![five.map(|(by, call)| Client::new(by, call)).to_vec()];
    let five = Protocol { starts, examples: &[], ..calls() };
    assert_broken("called off alone", &Protocol { remedies: &[Remedy::CallOff], ..five.clone() }, STAYS_REFUSED, 9);
    explore("five calls", five).assert_properties();
}
