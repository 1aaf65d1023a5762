//! Bounds of an item: how much one operator may add to a driver's items, and the results for an item that was full before there were
//! bounds.

use crate::support::{
    self, Item, Store, application, at, driver, identity_key, operator, soon, store, truncated, uuid,
};
use JourneyType::{Long, Short};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::*;
use cee_registry::*;
use tokio::task::JoinSet;

const DAY: &str = "2024-03-15T07:30:00Z";

/// Long before any window, so these dates block nobody.
fn old(day: usize) -> Instant {
    at("2001-01-01T00:00:00Z").days_after(u16::try_from(day).unwrap())
}

fn row(file: u8, line: usize) -> RowSource {
    RowSource { import: ImportId::from_bytes([file; 16]), line: line as u64 }
}

fn imported() -> HistoryOutcome {
    HistoryOutcome::Imported { contradicts: Vec::new() }
}

/// An identity with its own licence and identity key, on the shared truncated identity.
fn one_of_many(number: usize) -> Identity {
    let key = IdentityKey::parse(&format!("{number:064x}")).unwrap();
    let identity_keys = IdentityKeys::of_caller(Some(key));
    Identity { identity_keys, ..driver("DUP", &format!("A{number:04}"), None) }
}

async fn simulate(store: &Store, scope: JourneyType, identity: &Identity, by: u32) -> Simulated {
    let cutoffs = Rules::default().cutoffs(scope, at(DAY));
    store.simulator.simulate(scope, identity, &cutoffs, operator(by), soon()).await.unwrap()
}

/// The item of the driver's truncated identity.
async fn item(store: &Store, scope: JourneyType) -> Option<Item> {
    let key = support::claim_keys().truncated_identity(scope, &truncated("DUP", "+336010203"));
    store.scan(&store.tables.claims).await.remove(&key)
}

async fn undo(store: &Store, file: u8) {
    let import = ImportId::from_bytes([file; 16]);
    for brought in store.remover.brought_by(import, None, soon()).await.unwrap().brought {
        store.remover.withdraw(brought, import, soon()).await.unwrap();
    }
}

#[tokio::test]
async fn date_21_of_one_operator_and_journey_type_is_rejected() {
    let store = store().await;
    let identity = driver("DUP", "A", None).truncated;
    let full = HistoryOutcome::NoRoom(NoRoom::Dates);
    for number in 0..MOST_HISTORY_DATES {
        assert_eq!(store.import(Short, &identity, old(2 * number), 1, row(1, number)).await, imported(), "{number}");
    }
    store.requests.take();
    // Before, among and after the others. Each is sent again, as after a crash.
    for day in [1, 2 * MOST_HISTORY_DATES, 7] {
        for _ in 0..2 {
            assert_eq!(store.import(Short, &identity, old(day), 1, row(1, 100 + day)).await, full, "{day}");
            assert_eq!(store.requests.take(), 1, "{day}: one request says so");
        }
    }
    assert_eq!(store.import(Short, &identity, old(0), 1, row(1, 0)).await, imported(), "a row again after a crash");
    assert_eq!(store.import(Short, &identity, old(0), 1, row(2, 0)).await, HistoryOutcome::AlreadyKnown);
    assert_eq!(store.import(Long, &identity, old(1), 1, row(1, 200)).await, imported(), "the other journey type");
    assert_eq!(store.import(Short, &identity, old(1), 2, row(3, 1)).await, imported(), "another operator");
    let held = item(&store, Short).await.unwrap();
    assert_eq!(held.keys().filter(|name| name.starts_with("h#1#")).count(), MOST_HISTORY_DATES);

    // After an undo there is room for new dates. The date that another file brought too stays.
    undo(&store, 1).await;
    for number in 1..MOST_HISTORY_DATES {
        assert_eq!(store.import(Short, &identity, old(2 * number + 1), 1, row(4, number)).await, imported());
    }
    assert_eq!(store.import(Short, &identity, old(100), 1, row(4, 100)).await, full);
    for file in [2, 3, 4] {
        undo(&store, file).await;
    }
    assert_eq!(item(&store, Short).await, None, "nothing is left, no count either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_dates_stay_within_bound() {
    let store = store().await;
    let mut racing = JoinSet::new();
    for number in 0..60 {
        let store = store.clone();
        racing.spawn(async move {
            store.import(Short, &truncated("DUP", "+336010203"), old(number), 1, row(1, number)).await
        });
    }
    let said = racing.join_all().await;
    assert_eq!(said.iter().filter(|said| **said == imported()).count(), MOST_HISTORY_DATES);
    let full = said.iter().filter(|said| **said == HistoryOutcome::NoRoom(NoRoom::Dates)).count();
    assert_eq!(full, 60 - MOST_HISTORY_DATES);
    let held = item(&store, Short).await.unwrap();
    assert_eq!(held.keys().filter(|name| name.starts_with("h#1#")).count(), MOST_HISTORY_DATES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn application_21_of_operator_on_truncated_identity_is_refused() {
    let store = store().await;
    let asked = |number: usize, by| application(number as u64, by, Long, &one_of_many(number), at(DAY));
    let full = Registration::NoRoom(NoRoom::Applications);
    let mut racing = JoinSet::new();
    for number in 0..60 {
        let store = store.clone();
        racing.spawn(async move { (number, store.register(&asked(number, 1), None).await) });
    }
    let said = racing.join_all().await;
    let granted: Vec<usize> =
        said.iter().filter(|(_, said)| *said == Registration::Registered).map(|(number, _)| *number).collect();
    assert_eq!(granted.len(), MOST_APPLICATIONS);
    assert!(said.iter().all(|(_, said)| [&Registration::Registered, &full].contains(&said)), "{said:?}");
    store.requests.take();
    for number in [100, 101] {
        assert_eq!(store.register(&asked(number, 1), None).await, full);
        assert_eq!(store.requests.take(), 1, "one request says so");
    }
    assert_eq!(simulate(&store, Long, &one_of_many(100), 1).await, Simulated::NoRoom(NoRoom::Applications));
    // An older application, which does not change the latest date, is refused too.
    let older = application(102, 1, Long, &one_of_many(102), at("2023-03-15T07:30:00Z"));
    assert_eq!(store.register(&older, None).await, full);
    // A blocking application is reported first, and other operators are not affected.
    let same = Identity { driving_license: one_of_many(granted[0]).driving_license, ..one_of_many(103) };
    let blocked = store.register(&application(103, 1, Long, &same, at(DAY)), None).await;
    assert!(matches!(blocked, Registration::Blocked(_)), "{blocked:?}");
    assert!(matches!(simulate(&store, Long, &same, 1).await, Simulated::Blocked(_)));
    assert_eq!(simulate(&store, Long, &one_of_many(104), 2).await, Simulated::Eligible);
    assert_eq!(store.register(&asked(104, 2), None).await, Registration::Registered);

    let gone = uuid(granted[0] as u64);
    assert_eq!(store.deleter.delete(operator(1), gone, at(DAY), soon()).await, Ok(Deleted::Done));
    assert_eq!(store.register(&asked(105, 1), None).await, Registration::Registered, "a deleted one leaves room");
    assert_eq!(store.register(&asked(106, 1), None).await, full);
    for number in (0..60).chain([104, 105]) {
        for by in [1, 2] {
            store.deleter.delete(operator(by), uuid(number as u64), at(DAY), soon()).await.unwrap();
        }
    }
    assert_eq!(store.scan(&store.tables.claims).await, [].into(), "nothing is left, no count either");
}

/// A key that is given later does not change the count.
#[tokio::test]
async fn application_with_later_key_counts_once() {
    let store = store().await;
    let identity = driver("DUP", "A", None);
    assert_eq!(store.register(&application(1, 1, Long, &identity, at(DAY)), None).await, Registration::Registered);
    let given = store.key_giver.give_key(operator(1), uuid(1), &identity_key('a'), &Rules::default(), soon()).await;
    assert_eq!(given, Ok(GivenKey::Given { contradicts: Vec::new() }));
    for number in 2..=MOST_APPLICATIONS {
        let asked = application(number as u64, 1, Long, &one_of_many(number), at(DAY));
        assert_eq!(store.register(&asked, None).await, Registration::Registered);
    }
    let asked = application(100, 1, Long, &one_of_many(100), at(DAY));
    assert_eq!(store.register(&asked, None).await, Registration::NoRoom(NoRoom::Applications));
}

/// One identity key is given to the history of many names and dates.
#[tokio::test]
async fn identity_key_is_given_to_at_most_20_dates() {
    let store = store().await;
    let identity = |number: usize| truncated("DUP", &format!("+33601{number:04}"));
    let give = async |number: usize, day: usize, by: u32| {
        let identity = &identity(number);
        store.import(Short, identity, old(day), by, row(by as u8, number)).await;
        let history = HistoryKey {
            journey_type: Short,
            identity,
            datetime: old(day),
            operator: operator(by),
            identity_key: &identity_key('a'),
        };
        store.key_giver.give_key_to_history(&history, &Rules::default(), soon()).await.unwrap()
    };
    let given = GivenKey::Given { contradicts: Vec::new() };
    for day in 0..MOST_HISTORY_DATES {
        assert_eq!(give(day, day, 1).await, given, "{day}");
    }
    assert_eq!(give(100, 100, 1).await, GivenKey::NoRoom(NoRoom::Dates));
    assert_eq!(give(100, 100, 2).await, given, "another operator");
    // The same date on many truncated identities: its copy lists the rows of all of them.
    let mut said = Vec::new();
    for number in 200..230 {
        said.push(give(number, 0, 1).await);
    }
    assert!(said[..15].iter().all(|said| *said == given), "{said:?}");
    assert_eq!(said.last(), Some(&GivenKey::NoRoom(NoRoom::Record)), "{said:?}");
    let key = support::claim_keys().identity_key(Short, &identity_key('a'));
    let on_key = store.scan(&store.tables.claims).await.remove(&key).unwrap();
    let rows = on_key[&format!("c#1#{}", old(0).millis())].as_l().unwrap().len();
    assert!(rows <= MOST_HISTORY_DATES, "{rows}");
    // Further rows for one of the originals are listed there, and the copy notes them once.
    for file in 10..13 {
        assert_eq!(
            store.import(Short, &identity(0), old(0), 1, row(file, 0)).await,
            HistoryOutcome::AlreadyKnown,
            "{file}"
        );
    }
    let on_key = store.scan(&store.tables.claims).await.remove(&key).unwrap();
    assert_eq!(on_key[&format!("c#1#{}", old(0).millis())].as_l().unwrap().len(), rows + 1);
}

/// An item that dates of operator 1 fill completely, as was possible before there were bounds.
async fn filled(store: &Store, scope: JourneyType) {
    let first = application(1, 3, scope, &one_of_many(1), at(DAY));
    assert_eq!(store.register(&first, None).await, Registration::Registered);
    store.import(scope, &driver("DUP", "A", None).truncated, old(0), 1, row(1, 0)).await;
    let mut full = item(store, scope).await.unwrap();
    full.remove("d#1");
    full.remove("n#3");
    let source = full[&format!("h#1#{}", old(0).millis())].clone();
    let put = async |item: &Item| {
        let put = store.db.put_item().table_name(&store.tables.claims).set_item(Some(item.clone()));
        put.send().await.is_ok()
    };
    for step in [1000, 100, 10, 1] {
        loop {
            let mut larger = full.clone();
            let there = larger.len();
            for number in there..there + step {
                larger.insert(format!("h#1#{}", old(0).millis() + number as i64), source.clone());
            }
            let latest = (old(0).millis() + (there + step) as i64 - 1).to_string();
            larger.insert("sp".to_owned(), AttributeValue::N(latest));
            if !put(&larger).await {
                break;
            }
            full = larger;
        }
    }
    let latest = full["sp"].as_n().unwrap();
    assert!(full.contains_key(&format!("h#1#{latest}")));
    assert!(full.len() > 5_000);
    assert!(put(&full).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_filled_before_bounds_reports_no_room() {
    let store = store().await;
    filled(&store, Long).await;
    let identity = driver("DUP", "A", None).truncated;
    let full = HistoryOutcome::NoRoom(NoRoom::Record);
    for by in [1, 2] {
        assert_eq!(store.import(Long, &identity, at("2002-01-01T00:00:00Z"), by, row(2, 1)).await, full, "{by}");
        let asked = application(10, by, Long, &one_of_many(10), at(DAY));
        assert_eq!(store.register(&asked, None).await, Registration::NoRoom(NoRoom::Record), "{by}");
        assert_eq!(simulate(&store, Long, &one_of_many(10), by).await, Simulated::NoRoom(NoRoom::Record), "{by}");
    }
    let history = HistoryKey {
        journey_type: Long,
        identity: &identity,
        datetime: old(0),
        operator: operator(1),
        identity_key: &identity_key('a'),
    };
    let given = store.key_giver.give_key_to_history(&history, &Rules::default(), soon()).await;
    assert_eq!(given, Ok(GivenKey::NoRoom(NoRoom::Record)));
    // The records can be read, and a delete makes room.
    let sought = DriverQuery { driving_license: None, identity_key: None, truncated: Some(identity.clone()) };
    assert!(store.finder.find(&sought, soon()).await.unwrap().recorded.len() > 5_000);
    assert_eq!(store.deleter.delete(operator(3), uuid(1), at(DAY), soon()).await, Ok(Deleted::Done));
    assert_eq!(store.import(Long, &identity, at("2002-01-01T00:00:00Z"), 2, row(2, 1)).await, imported());
    let another = store.import(Long, &identity, at("2003-01-01T00:00:00Z"), 2, row(2, 2)).await;
    assert!(another == full || another == imported(), "{another:?}");
    undo(&store, 1).await;
    assert_eq!(item(&store, Long).await.unwrap().keys().filter(|name| name.starts_with("h#1#")).count(), 0);
    let asked = application(10, 1, Long, &one_of_many(10), at(DAY));
    assert_eq!(store.register(&asked, None).await, Registration::Registered);
}
