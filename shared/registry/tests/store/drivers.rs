//! The data that is found about a driver by each kind of query, and what an erasure removes and keeps. `tests/service/driver.rs` tests
//! the command of the registry's team.

use std::collections::BTreeSet;

use crate::support::{
    self, Fault, Store, application, at, driver, find, journey, operator, put, soon, store, store_with_faults,
    truncated, using, uuid, version,
};
use JourneyType::{Long, Short};
use cee_eligibility::*;
use cee_registry::*;

const DAY: &str = "2024-03-15T07:30:00Z";
const DELETED: &str = "2024-05-01T00:00:00Z";
const ERASED: &str = "2024-06-01T00:00:00Z";

/// A query by a licence, an identity key, or the truncated identity that all drivers here share.
fn sought(license: Option<&str>, key: Option<char>, by_name: bool) -> DriverQuery {
    let known = driver("DUP", license.unwrap_or("A1"), key);
    DriverQuery {
        driving_license: known.driving_license.filter(|_| license.is_some()),
        identity_key: key.map(support::identity_key),
        truncated: by_name.then_some(known.truncated),
    }
}

async fn held(store: &Store, sought: &DriverQuery) -> DriverData {
    store.finder.find(sought, soon()).await.unwrap()
}

/// The numbers of applications and archived applications, and the keys of journeys.
fn told(held: &DriverData) -> (Vec<u64>, Vec<u64>, Vec<&str>) {
    let number = |uuid: ApplicationId| (1..10).find(|number| support::uuid(*number) == uuid).unwrap();
    let sorted = |mut numbers: Vec<u64>| {
        numbers.sort_unstable();
        numbers
    };
    let mut journeys: Vec<&str> = held.journeys.iter().map(|journey| journey.key.as_str()).collect();
    journeys.sort_unstable();
    (
        sorted(held.applications.iter().map(|application| number(application.uuid)).collect()),
        sorted(held.archived.iter().map(|archived| number(archived.application.uuid)).collect()),
        journeys,
    )
}

async fn register(store: &Store, application: &Application, journey: Option<&StoredJourney>) {
    assert_eq!(store.register(application, journey).await, Registration::Registered, "{}", application.uuid);
}

/// Registers with an `Idempotency-Key`, with a response that contains the application's UUID.
async fn register_named(store: &Store, application: &Application, name: &str) {
    let request = store.registrar.request_key(application.operator, &IdempotencyKey::parse(name).unwrap(), "a body");
    let response = format!("{{\"uuid\":\"{}\"}}", application.uuid);
    let answer = IdempotencyRecord { request, response, now: at(DAY), expires_at: at("2024-03-16T07:30:00Z") };
    let cutoffs = Rules::default().cutoffs(application.journey_type, application.datetime);
    let said = store.registrar.register(application, &cutoffs, None, Some(&answer), soon()).await;
    assert_eq!(said, Ok(Registration::Registered));
}

/// Five applications of a driver: 1 is long, 2 uses the journey `trip`, 3 and 6 are deleted. Of the journeys of 3 and 6, `gone` is free
/// and 7, of another driver, uses `reused`. 4 and 5 only share the truncated identity, with another key and without a key.
async fn drivers() -> Store {
    let store = store().await;
    drivers_in(&store).await;
    store
}

async fn drivers_in(store: &Store) {
    let theirs = driver("DUP", "A1", Some('a'));
    let keyless = |by, id| Journey { driver_identity_key: None, ..journey(by, id, at(DAY)) };
    let others = Journey { driver_identity_key: Some(support::identity_key('b')), ..journey(3, "others", at(DAY)) };
    for (line, journey) in (1..).zip([
        journey(1, "trip", at(DAY)),
        keyless(1, "gone"),
        keyless(1, "reused"),
        journey(3, "unused", at(DAY)),
        keyless(3, "bare"),
        others,
    ]) {
        put(store, &journey, &version(1, line)).await;
    }
    for (number, id) in [(3, "gone"), (6, "reused")] {
        let read = find(store, 1, id).await.unwrap();
        register(store, &using(application(number, 1, Short, &theirs, at(DAY)), &read), Some(&read)).await;
        let said = store.deleter.delete(operator(1), uuid(number), at(DELETED), soon()).await;
        assert_eq!(said, Ok(Deleted::Done));
    }
    for (number, id, identity) in [(2, "trip", &theirs), (7, "reused", &driver("MAR", "M7", Some('c')))] {
        let read = find(store, 1, id).await.unwrap();
        register(store, &using(application(number, 1, Short, identity, at(DAY)), &read), Some(&read)).await;
    }
    register_named(store, &application(1, 1, Long, &theirs, at(DAY)), "one").await;
    register_named(store, &application(4, 2, Long, &driver("DUP", "B2", Some('b')), at(DAY)), "one").await;
    let years_later = at("2044-06-01T00:00:00Z");
    register(store, &application(5, 3, Long, &driver("DUP", "C3", None), years_later), None).await;
    let source = RowSource { import: ImportId::from_bytes([1; 16]), line: 2 };
    store.import(Long, &truncated("DUP", "+336010203"), at("2010-01-01T00:00:00Z"), 2, source).await;
}

#[tokio::test]
async fn query_by_licence_key_or_name_finds_matching_drivers() {
    let store = drivers().await;
    let by_phone = vec!["1#gone", "1#reused", "1#trip", "3#bare", "3#others", "3#unused"];
    for (license, key, by_name, applications, archived, journeys) in [
        (Some("A1"), None, false, vec![1, 2], vec![3, 6], vec![]),
        (None, Some('a'), false, vec![1, 2], vec![3, 6], vec!["1#trip", "3#unused"]),
        // If only the truncated identity is given, the data of all drivers with it is found.
        (None, None, true, vec![1, 2, 4, 5], vec![3, 6], by_phone.clone()),
        (Some("A1"), None, true, vec![1, 2], vec![3, 6], by_phone.clone()),
        (None, Some('a'), true, vec![1, 2], vec![3, 6], vec!["1#gone", "1#reused", "1#trip", "3#bare", "3#unused"]),
        // If the licence and the key belong to two drivers, the data of both is found.
        (Some("C3"), Some('a'), false, vec![1, 2, 5], vec![3, 6], vec!["1#trip", "3#unused"]),
        (Some("B2"), None, true, vec![4], vec![], by_phone),
        (Some("Z9"), Some('f'), false, vec![], vec![], vec![]),
    ] {
        let what = format!("{license:?} {key:?} {by_name}");
        let held = held(&store, &sought(license, key, by_name)).await;
        assert_eq!(told(&held), (applications, archived, journeys), "{what}");
        assert!(held.archived.iter().all(|archived| archived.deleted_at == at(DELETED)), "{what}");
    }

    // The records on claim items, by the kind of key. With the truncated identity, also those of other drivers whose keys do not differ.
    let recorded = |journey_type, kind, datetime, by, number: Option<u64>| Recorded {
        journey_type,
        kind,
        datetime: at(datetime),
        operator: operator(by),
        uuid: number.map(uuid),
    };
    let by_key = [
        recorded(Long, ClaimKind::TruncatedIdentity, DAY, 1, Some(1)),
        recorded(Long, ClaimKind::TruncatedIdentity, "2044-06-01T00:00:00Z", 3, Some(5)),
        recorded(Long, ClaimKind::TruncatedIdentity, "2010-01-01T00:00:00Z", 2, None),
        recorded(Short, ClaimKind::TruncatedIdentity, DAY, 1, Some(2)),
        recorded(Long, ClaimKind::IdentityKey, DAY, 1, Some(1)),
        recorded(Short, ClaimKind::IdentityKey, DAY, 1, Some(2)),
    ];
    assert_eq!(held(&store, &sought(None, Some('a'), true)).await.recorded, BTreeSet::from(by_key));
    let by_license = [
        recorded(Long, ClaimKind::DrivingLicense, DAY, 1, Some(1)),
        recorded(Short, ClaimKind::DrivingLicense, DAY, 1, Some(2)),
    ];
    assert_eq!(held(&store, &sought(Some("A1"), None, false)).await.recorded, BTreeSet::from(by_license));
}

#[tokio::test]
async fn query_by_either_identity_key_finds_driver() {
    let store = store().await;
    put(&store, &journey(1, "trip", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let identity = support::driver_with_keys("DUP", "A1", Some('b'), Some('a'));
    register(&store, &using(application(1, 1, Short, &identity, at(DAY)), &read), Some(&read)).await;
    for (key, applications) in [('a', vec![1]), ('b', vec![1]), ('c', vec![])] {
        let found = held(&store, &sought(None, Some(key), true)).await;
        assert_eq!(told(&found).0, applications, "{key}");
        let kinds: Vec<ClaimKind> = found.recorded.iter().map(|recorded| recorded.kind).collect();
        let expected = [ClaimKind::TruncatedIdentity, ClaimKind::IdentityKey];
        assert_eq!(kinds, if applications.is_empty() { &[][..] } else { &expected }, "{key}");
    }
}

#[tokio::test]
async fn erasure_removes_only_what_names_the_driver() {
    let store = drivers().await;
    let whole = sought(Some("A1"), Some('a'), false);
    let (before, answers) = (held(&store, &whole).await, store.scan(&store.tables.idempotency).await.len());
    let claims = store.scan(&store.tables.claims).await;
    let erased = store.eraser.erase(&before, "asked for", at(ERASED), soon()).await.unwrap();
    assert_eq!(erased.applications.iter().collect::<BTreeSet<_>>(), [1, 2, 3, 6].map(uuid).iter().collect());
    // `gone` and `unused`: the driver of `trip` was erased with its application, and `reused` belongs to another driver.
    assert_eq!((erased.answers, erased.journeys, erased.missed), (1, 2, vec![]));

    let archive = store.scan(&store.tables.archive).await;
    let common = ["datetime", "erased_at", "journey_type", "operator_id", "reason", "registered_at", "uuid"];
    for (number, more) in [
        (1, &[][..]),
        (2, &["journey_id"]),
        (3, &["journey_id", "was_deleted_at"]),
        (6, &["journey_id", "was_deleted_at"]),
    ] {
        let trace = &archive[&uuid(number).to_string()];
        let names: BTreeSet<&str> = trace.keys().map(String::as_str).collect();
        assert_eq!(names, common.iter().chain(more).copied().collect(), "{number}");
        let value = |name: &str| trace.get(name).map(|value| value.as_n().or_else(|_| value.as_s()).unwrap().clone());
        assert_eq!(value("reason").as_deref(), Some("asked for"));
        assert_eq!(value("erased_at"), Some(at(ERASED).millis().to_string()));
        assert_eq!(value("was_deleted_at"), (number > 2).then(|| at(DELETED).millis().to_string()));
    }
    assert_eq!(archive.len(), 4);
    for number in 1..=7 {
        let live = store.applications.find(uuid(number)).await.unwrap().is_some();
        assert_eq!(live, [4, 5, 7].contains(&number), "{number}");
    }
    assert_eq!(store.scan(&store.tables.claims).await, claims, "that they were granted stays known");
    assert_eq!(store.scan(&store.tables.idempotency).await.len(), answers - 1);
    let journeys = store.scan(&store.tables.journeys).await;
    for (key, names_a_driver, used) in [
        ("1#trip", false, true),
        ("1#gone", false, false),
        ("3#unused", false, false),
        ("1#reused", true, true),
        ("3#bare", true, false),
        ("3#others", true, false),
    ] {
        let has = |name: &str| journeys[key].contains_key(name);
        assert_eq!((has("phone_trunc"), has("used_by")), (names_a_driver, used), "{key}");
        assert!(names_a_driver || !has("identity_key"), "{key}");
    }

    // Only the records on claim items are left. An erasure with data that was read before reports the live applications as missed.
    let after = held(&store, &whole).await;
    assert_eq!(told(&after), (vec![], vec![], vec![]));
    assert_eq!(after.recorded, before.recorded);
    let again = store.eraser.erase(&before, "asked for", at(ERASED), soon()).await.unwrap();
    assert_eq!(again.missed.iter().collect::<BTreeSet<_>>(), [1, 2].map(uuid).iter().collect());
    assert_eq!((again.answers, again.journeys), (0, 0));
}

/// The erasure stops at each of its requests. What it has not erased then, the next one finds and erases.
#[tokio::test]
async fn erasure_that_stopped_is_completed_by_the_next() {
    let whole = sought(Some("A1"), Some('a'), false);
    let mut stops = 0;
    for operation in ["Scan", "DeleteItem", "GetItem", "UpdateItem", "Query", "TransactWriteItems", "PutItem"] {
        for before in 0.. {
            let (calm, store, faults) = store_with_faults().await;
            drivers_in(&calm).await;
            let answers = calm.scan(&calm.tables.idempotency).await.len();
            let data = held(&calm, &whole).await;
            faults.to(operation, (0..before).map(|_| Fault::None).chain([Fault::code("AccessDeniedException")]));
            let erased = store.eraser.erase(&data, "asked for", at(ERASED), soon()).await;
            assert_eq!(erased.is_err(), faults.are_over(), "{operation} {before}");
            if erased.is_ok() {
                break;
            }
            stops += 1;
            let data = held(&calm, &whole).await;
            calm.eraser.erase(&data, "asked for", at(ERASED), soon()).await.unwrap();
            assert_eq!(told(&held(&calm, &whole).await), (vec![], vec![], vec![]), "{operation} {before}");
            assert_eq!(calm.scan(&calm.tables.idempotency).await.len(), answers - 1, "{operation} {before}");
            let journeys = calm.scan(&calm.tables.journeys).await;
            for key in ["1#trip", "1#gone", "3#unused"] {
                assert!(!journeys[key].contains_key("phone_trunc"), "{operation} {before}: {key}");
            }
        }
    }
    // The search for a record, the record, three journeys, whether the application of the fourth is live, two applications with the last
    // change before each, and two traces.
    assert_eq!(stops, 12);
}

/// The journey of an erased application stays used. A trip export that brings its driver again does not keep the driver from being erased.
#[tokio::test]
async fn driver_who_comes_again_with_a_used_journey_is_erased_again() {
    let store = drivers().await;
    let whole = sought(Some("A1"), Some('a'), false);
    store.eraser.erase(&held(&store, &whole).await, "asked for", at(ERASED), soon()).await.unwrap();
    put(&store, &journey(1, "trip", at(DAY)), &version(2, 1)).await;
    let again = held(&store, &whole).await;
    assert_eq!(told(&again), (vec![], vec![], vec!["1#trip"]));
    let erased = store.eraser.erase(&again, "asked for", at(ERASED), soon()).await.unwrap();
    assert_eq!((erased.applications, erased.journeys), (vec![], 1));
    let trip = &store.scan(&store.tables.journeys).await["1#trip"];
    assert!(trip.contains_key("used_by") && !trip.contains_key("phone_trunc") && !trip.contains_key("identity_key"));
}
