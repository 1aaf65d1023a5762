//! The store against an embedded DynamoDB: the requests, writes and results of each call, including races.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{
    self, Item, Store, application, at, driver, driver_with_keys, find, identity_key, journey, operator, put, soon,
    store, truncated, using, uuid, version,
};
use JourneyType::{Long, Short};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::*;
use cee_registry::*;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const DAY: &str = "2024-03-15T07:30:00.123Z";

fn row(file: u8, line: u64) -> RowSource {
    RowSource { import: ImportId::from_bytes([file; 16]), line }
}

fn history(datetime: &str, by: u32) -> Blocker {
    Blocker { datetime: at(datetime), reason: Reason::History, operator: operator(by), uuid: None }
}

fn duplicate(of: &Application) -> Blocker {
    Blocker { datetime: of.datetime, reason: Reason::Duplicate, operator: of.operator, uuid: Some(of.uuid) }
}

fn imported() -> HistoryOutcome {
    HistoryOutcome::Imported { contradicts: Vec::new() }
}

/// A compact JWS of the size that the service signs: its header, its claims, and a signature of this length (ES256: 64 bytes).
fn proof(application: &Application, signature: usize) -> String {
    let license = application.identity.driving_license.as_ref().unwrap().as_str();
    let header = format!(r#"{{"typ":"JWT","alg":"ES256","kid":"{}"}}"#, "k".repeat(43));
    let payload = format!(
        r#"{{"siret":"12345678901234","journey_type":"{}","driving_license":"{license}","datetime":"{}","uuid":"{}","iat":1710487800}}"#,
        application.journey_type, application.datetime, application.uuid
    );
    [header.into_bytes(), payload.into_bytes(), vec![0xa5; signature]].map(|p| URL_SAFE_NO_PAD.encode(p)).join(".")
}

/// The number of requests of each call, on success and on every kind of refusal. A short application has one more request, because it
/// reads its journey first.
#[tokio::test]
async fn each_call_sends_expected_requests() {
    let store = store().await;
    let day = at(DAY);
    let later = at("2024-06-01T00:00:00Z");
    for scope in JourneyType::ALL {
        let base = if scope == Short { 100 } else { 200 };
        let extra = usize::from(scope == Short);
        store.import(scope, &driver("HIS", "H", None).truncated, day, 9, row(1, 2)).await;
        store.requests.take();

        let new = application(base, 1, scope, &driver("DUP", "A1", Some('a')), day);
        let sharing = driver("DUP", "A3", Some('b'));
        let table = [
            // what, number, by, driver, date, blocker, requests beyond the journey's
            ("a new driver", base, 1, new.identity.clone(), day, None, 1),
            ("the very same application again", base, 1, new.identity.clone(), day, None, 1),
            ("the same licence", base + 1, 2, driver("MAR", "A1", Some('c')), day, Some(duplicate(&new)), 1),
            ("the same identity key", base + 2, 2, driver("MAR", "A2", Some('a')), day, Some(duplicate(&new)), 1),
            ("the same truncated identity", base + 3, 2, driver("DUP", "A2", None), day, Some(duplicate(&new)), 1),
            ("history", base + 4, 2, driver("HIS", "A2", Some('d')), day, Some(history(DAY, 9)), 1),
            ("a truncated identity shared with an earlier keyed driver", base + 5, 1, sharing, later, None, 1),
            (
                // An update cannot compute the maximum of two dates, so this rare case takes a second transaction.
                "a truncated identity shared with a later keyed driver",
                base + 6,
                1,
                driver("DUP", "A4", Some('e')),
                day,
                None,
                2,
            ),
            (
                "the licence of an older one there",
                base + 7,
                1,
                driver("DUP", "A1", Some('f')),
                day,
                Some(duplicate(&new)),
                1,
            ),
        ];
        for (what, number, by, identity, datetime, blocker, requests) in table {
            let mut asked = application(number, by, scope, &identity, datetime);
            let mut read = None;
            if scope == Short {
                let id = format!("trip-{number}");
                put(&store, &journey(by, &id, datetime), &version(1, 1)).await;
                store.requests.take();
                read = find(&store, by, &id).await;
                asked = using(asked, read.as_ref().unwrap());
            }
            // If the first application is sent again, its journey is used by the application itself.
            let expected = blocker.map_or(Registration::Registered, Registration::Blocked);
            assert_eq!(store.register(&asked, read.as_ref()).await, expected, "{scope}: {what}");
            assert_eq!(store.requests.take(), requests + extra, "{scope}: {what}");
        }

        for (identity, blocker) in [
            (driver("NEW", "N", Some('9')), None),
            (driver("MAR", "A1", None), Some(duplicate(&new))),
            (driver("HIS", "N", Some('9')), Some(history(DAY, 9))),
        ] {
            assert_eq!(store.blocker(scope, &identity, day, 1).await, blocker);
            assert_eq!(store.requests.take(), 1, "simulate");
        }
        store.applications.find(new.uuid).await.unwrap().unwrap();
        assert_eq!(store.requests.take(), 1, "find");
    }

    // Cases that only short applications have.
    let used = find(&store, 1, "trip-100").await.unwrap();
    let other = using(application(110, 1, Short, &driver("ZOE", "Z", None), day), &used);
    let stale = StoredJourney { used: None, version: version(0, 1), ..find(&store, 2, "trip-101").await.unwrap() };
    let changed = using(application(111, 2, Short, &driver("ZOE", "Z", None), day), &stale);
    store.requests.take();
    for (asked, read, what) in [(&other, &used, "journey used"), (&changed, &stale, "journey changed")] {
        find(&store, read.journey.operator.get(), read.journey.operator_journey_id.as_str()).await;
        let said = store.register(asked, Some(read)).await;
        assert!(matches!(said, Registration::JourneyUsed(_) | Registration::JourneyChanged(_)), "{what}: {said:?}");
        assert_eq!(store.requests.take(), 2, "{what}");
    }
}

#[tokio::test]
async fn imported_row_sends_one_or_two_requests() {
    let store = store().await;
    let identity = truncated("TO ", "+2626920102");
    for (what, datetime, by, source, outcome, requests) in [
        ("a new driver", "2024-01-01T00:00:00Z", 1, row(1, 2), imported(), 1),
        ("the same row again", "2024-01-01T00:00:00Z", 1, row(1, 2), imported(), 1),
        ("its copy on another line", "2024-01-01T00:00:00Z", 1, row(1, 3), HistoryOutcome::AlreadyKnown, 1),
        ("its copy in another file", "2024-01-01T00:00:00Z", 1, row(2, 2), HistoryOutcome::AlreadyKnown, 1),
        ("the same date of another operator", "2024-01-01T00:00:00Z", 2, row(3, 2), imported(), 1),
        ("a later date", "2024-01-01T00:00:00.001Z", 1, row(1, 4), imported(), 1),
        // An update cannot compute the maximum of two dates, so this rare case takes a second request.
        ("an earlier date", "2023-01-01T00:00:00Z", 1, row(1, 5), imported(), 2),
        ("the earlier date again", "2023-01-01T00:00:00Z", 1, row(1, 5), imported(), 1),
        ("the earlier date in another file", "2023-01-01T00:00:00Z", 1, row(2, 5), HistoryOutcome::AlreadyKnown, 2),
    ] {
        store.requests.take();
        assert_eq!(store.import(Short, &identity, at(datetime), by, source).await, outcome, "{what}");
        assert_eq!(store.requests.take(), requests, "{what}");
    }
    let blocker = store.blocker(Short, &driver("TO ", "A", None), at(DAY), 1).await;
    assert_eq!(blocker, None, "another phone");
    let there = Identity { truncated: identity, driving_license: None, identity_keys: IdentityKeys::default() };
    assert_eq!(store.blocker(Short, &there, at(DAY), 1).await, Some(history("2024-01-01T00:00:00.001Z", 1)));
}

/// The store reports a malformed item and does not retry forever.
#[tokio::test]
async fn corrupt_claim_item_ends_import() {
    let store = store().await;
    let identity = truncated("DUP", "+336010203");
    let pk = AttributeValue::S(
        claim_keys_of(
            Short,
            &Identity { truncated: identity.clone(), driving_license: None, identity_keys: IdentityKeys::default() },
        )[0]
        .clone(),
    );
    let put = store.db.put_item().table_name(&store.tables.claims);
    put.item("pk", pk).item("sp", AttributeValue::S("2024".to_owned())).send().await.unwrap();
    let row = HistoryApplication {
        journey_type: Short,
        identity: &identity,
        datetime: at(DAY),
        operator: operator(1),
        source: row(1, 2),
    };
    let rules = Rules::default();
    let said =
        tokio::time::timeout(std::time::Duration::from_secs(60), store.writer.import_history(&row, &rules, soon()));
    assert!(matches!(said.await, Ok(Err(StoreError::Corrupt { table: "claims", .. }))));
}

/// The size of an item as DynamoDB documents it: names and values in UTF-8, one byte per two digits of a number and one more, three bytes
/// per list or map and one per element.
fn size(item: &Item) -> usize {
    fn value(of: &AttributeValue) -> usize {
        match of {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => digits.trim_start_matches('-').len().div_ceil(2) + 1,
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            AttributeValue::Ns(numbers) => numbers.iter().map(|number| value(&AttributeValue::N(number.clone()))).sum(),
            AttributeValue::L(list) => 3 + list.iter().map(|element| 1 + value(element)).sum::<usize>(),
            AttributeValue::M(map) => {
                3 + map.iter().map(|(name, element)| name.len() + 1 + value(element)).sum::<usize>()
            }
            other => panic!("the store writes no {other:?}"),
        }
    }
    item.iter().map(|(name, of)| name.len() + value(of)).sum()
}

/// One write unit is one kilobyte, and a transaction needs two: an item within its first kilobyte costs two units.
#[tokio::test]
async fn registration_writes_expected_items_and_sizes() {
    let foreign = format!("99-{}", "F".repeat(61));
    let (uuid_like, longest) = ("0f9c3b1e-5d1f-4c1a-9a55-0d1b7e2f6a10:7", "j".repeat(255));
    let (none, one, of_journey, two) = ((None, None), (Some('a'), None), (None, Some('a')), (Some('b'), Some('a')));
    for (scope, license, (callers, journeys), trip, signature, items, kilobyte) in [
        (Long, "051227308989", none, None, 64, 3, true),
        (Long, "051227308989", one, None, 64, 4, true),
        (Long, &*foreign, one, None, 64, 4, true),
        (Short, "051227308989", one, Some(uuid_like), 64, 5, true),
        (Short, &*foreign, one, Some(uuid_like), 64, 5, true),
        (Short, "051227308989", one, Some(&*longest), 64, 5, true),
        // The caller's key and the journey's differ, so there is one more item.
        (Short, "051227308989", of_journey, Some(uuid_like), 64, 5, true),
        (Short, "051227308989", two, Some(uuid_like), 64, 6, true),
        (Short, &*foreign, two, Some(uuid_like), 64, 6, true),
        // RS512 with a key of 2048 bits.
        (Short, "051227308989", one, Some(uuid_like), 256, 5, true),
        (Short, "051227308989", two, Some(uuid_like), 256, 6, true),
        // With the longest values everywhere, the item exceeds one kilobyte: it costs four units instead of two.
        (Short, &*foreign, one, Some(&*longest), 64, 5, false),
    ] {
        let store = store().await;
        let identity = driver_with_keys("DUP", license, callers, journeys);
        let asked = application(7, 4_000_000_000, scope, &identity, at(DAY));
        let read = match trip {
            Some(id) => {
                put(&store, &journey(4_000_000_000, id, at(DAY)), &version(1, 1)).await;
                find(&store, 4_000_000_000, id).await
            }
            None => None,
        };
        let mut asked = read.iter().fold(asked, using);
        asked.token = proof(&asked, signature);
        assert_eq!(store.register(&asked, read.as_ref()).await, Registration::Registered);
        let written = store.written().await;
        assert_eq!(written.iter().map(HashMap::len).sum::<usize>(), items);
        let largest = written.each_ref().map(|table| table.values().map(size).max().unwrap_or(0));
        assert_eq!(largest.iter().all(|size| *size <= 1024), kilobyte, "{largest:?}");
        assert!(largest.iter().all(|size| *size <= 2048), "{largest:?}");
        assert_eq!(store.applications.find(asked.uuid).await.unwrap().unwrap(), asked);
        let (license, trip, token) = (license.len(), trip.map_or(0, str::len), asked.token.len());
        println!("{scope}, characters of licence {license}, journey {trip}, token {token}: {largest:?} bytes at most");
    }

    let store = store().await;
    store.import(Short, &truncated("DUP", "+4366412345678"), at(DAY), 4_000_000_000, row(255, 3_150_000)).await;
    let row = size(store.scan(&store.tables.claims).await.values().next().unwrap());
    println!("an imported row: {row}");
    assert!(row <= 1024);
}

fn claim_keys_of(scope: JourneyType, identity: &Identity) -> Vec<String> {
    support::claim_keys().claims(scope, identity).into_iter().map(|claim| claim.key).collect()
}

fn records(item: &Item, prefix: &str) -> usize {
    item.keys().filter(|name| name.starts_with(prefix)).count()
}

#[tokio::test]
async fn application_has_all_claims_without_personal_data() {
    for scope in JourneyType::ALL {
        for key in [None, Some('a')] {
            let store = store().await;
            let mut asked = application(7, 1, scope, &driver("DUP", "051227308989", key), at(DAY));
            asked.token = proof(&asked, 64);
            assert_eq!(store.register(&asked, None).await, Registration::Registered);
            assert_eq!(store.applications.find(asked.uuid).await.unwrap().unwrap(), asked);
            assert_eq!(store.applications.find(uuid(8)).await.unwrap(), None);

            let claims = store.scan(&store.tables.claims).await;
            let mut expected = claim_keys_of(scope, &asked.identity);
            let mut keys: Vec<_> = claims.keys().cloned().collect();
            assert_eq!(keys.len(), 2 + usize::from(key.is_some()));
            expected.sort();
            keys.sort();
            assert_eq!(keys, expected);
            for item in claims.values() {
                assert!(item.contains_key(&format!("a#{}", asked.uuid)));
                assert_eq!(records(item, "a#"), 1);
            }

            // Neither the keys nor the values of claims contain personal data.
            let claims = format!("{claims:?}");
            let bytes = format!("{:?}", [0xaa; 32]);
            for personal in ["DUP", "36010203", "051227308989", "aaaaaaaa", bytes.trim_matches(['[', ']'])] {
                assert!(!claims.contains(personal), "{personal}");
            }
            let applications = store.scan(&store.tables.applications).await;
            assert_eq!(applications.keys().collect::<Vec<_>>(), [&asked.uuid.to_string()]);
        }
    }
}

/// Numbering plans and the accepted forms of licences change. An application that was accepted before can still be read and deleted.
#[tokio::test]
async fn application_of_earlier_numbering_plan_can_be_deleted() {
    let mut identity = driver("DUP", "A1", None);
    // Today's numbering plan moves the phone to +262, and today's rules reject this licence.
    identity.truncated.phone_trunc = PhoneTrunc::from_stored("+336920102").unwrap();
    identity.driving_license = Some(DrivingLicense::from_stored("A1 b").unwrap());
    let store = store().await;
    let asked = application(1, 1, Long, &identity, at(DAY));
    assert_eq!(store.register(&asked, None).await, Registration::Registered);
    assert_eq!(store.applications.find(asked.uuid).await.unwrap().unwrap(), asked);
    store.deleter.delete(operator(1), asked.uuid, asked.registered_at, soon()).await.unwrap();
    let [claims, ..] = store.written().await;
    assert!(claims.values().all(|item| records(item, "a#") == 0), "{claims:?}");
    assert_eq!(store.register(&application(2, 2, Long, &identity, at(DAY)), None).await, Registration::Registered);
}

#[tokio::test]
async fn repeated_registration_changes_nothing() {
    let store = store().await;
    let first = application(1, 1, Long, &driver("DUP", "A1", Some('a')), at(DAY));
    let later = application(2, 1, Long, &driver("DUP", "A2", Some('b')), at("2024-05-01T00:00:00Z"));
    let between = application(3, 1, Long, &driver("DUP", "A3", Some('c')), at("2024-04-01T00:00:00Z"));
    let keyless = application(4, 1, Long, &driver("MAR", "A4", None), at(DAY));
    put(&store, &journey(1, "trip", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let short = using(application(5, 1, Short, &driver("DUP", "A1", Some('a')), at(DAY)), &read);
    let all = [(&first, None), (&later, None), (&between, None), (&keyless, None), (&short, Some(&read))];
    for (asked, read) in all {
        assert_eq!(store.register(asked, read).await, Registration::Registered);
    }
    let before = store.written().await;
    for (asked, read) in all {
        assert_eq!(store.register(asked, read).await, Registration::Registered);
    }
    assert_eq!(store.written().await, before);

    // A UUID that is taken is never overwritten, by any operator. This call does not interpret it.
    let stolen = application(1, 2, Long, &driver("ZOE", "Z", Some('d')), at(DAY));
    let cutoffs = Rules::default().cutoffs(Long, stolen.datetime);
    let said = store.registrar.register(&stolen, &cutoffs, None, None, soon()).await;
    assert!(matches!(said, Err(StoreError::Corrupt { table: "applications", .. })), "{said:?}");
    assert_eq!(store.written().await, before);
}

/// One row is sent again after each event that may have happened in between.
#[tokio::test]
async fn repeated_row_gets_same_outcome() {
    let store = store().await;
    let identity = driver("DUP", "A1", None);
    let old = ("2019-06-01T00:00:00Z", row(1, 2), imported());
    let late = ("2024-02-01T00:00:00Z", row(2, 2), {
        let contradicted = Contradicted { uuid: uuid(1), datetime: at(DAY), operator: operator(2) };
        HistoryOutcome::Imported { contradicts: vec![contradicted] }
    });
    let copy = ("2024-02-01T00:00:00Z", row(3, 2), HistoryOutcome::AlreadyKnown);
    let again = async |rows: &[(&str, RowSource, HistoryOutcome)]| {
        for (datetime, source, outcome) in rows {
            for _ in 0..2 {
                assert_eq!(store.import(Short, &identity.truncated, at(datetime), 1, *source).await, *outcome);
            }
        }
    };
    again(std::slice::from_ref(&old)).await;
    let granted = application(1, 2, Short, &identity, at(DAY));
    assert_eq!(store.register(&granted, None).await, Registration::Registered);
    again(&[old.clone(), late.clone()]).await;
    again(&[copy.clone(), late.clone(), old.clone()]).await;
    store.import(Short, &identity.truncated, at("2024-05-01T00:00:00Z"), 2, row(4, 2)).await;
    let refused = application(2, 3, Short, &identity, at("2024-06-01T00:00:00Z"));
    assert_eq!(store.register(&refused, None).await, Registration::Blocked(history("2024-05-01T00:00:00Z", 2)));
    again(&[late, copy, old]).await;
    let item = &store.scan(&store.tables.claims).await[&claim_keys_of(Short, &identity)[0]];
    assert_eq!((records(item, "h#"), records(item, "a#")), (3, 1));
}

#[tokio::test]
async fn journey_changed_after_read_is_not_used() {
    let store = store().await;
    let trip = journey(1, "trip", at(DAY));
    put(&store, &trip, &version(1, 1)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    assert_eq!(read, StoredJourney { journey: trip.clone(), version: version(1, 1), used: None });
    let cancelled = Journey { status: JourneyStatus::Canceled, driver_identity_key: Some(identity_key('f')), ..trip };
    put(&store, &cancelled, &version(2, 1)).await;
    let before = store.written().await;
    let asked = using(application(1, 1, Short, &driver("DUP", "A1", Some('a')), at(DAY)), &read);
    let now = StoredJourney { journey: cancelled, version: version(2, 1), used: None };
    assert_eq!(store.register(&asked, Some(&read)).await, Registration::JourneyChanged(Box::new(now.clone())));
    assert_eq!(store.written().await, before);

    let asked = using(asked, &now);
    assert_eq!(store.register(&asked, Some(&now)).await, Registration::Registered);
    assert_eq!(store.applications.find(asked.uuid).await.unwrap(), Some(asked));
}

/// An identity that fits its journey's key, with another key from the caller.
fn with_both_keys() -> Identity {
    driver_with_keys("DUP", "A1", Some('b'), Some('a'))
}

#[tokio::test]
async fn different_keys_of_caller_and_journey_are_both_claimed() {
    let store = store().await;
    put(&store, &journey(1, "trip", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let first = using(application(1, 1, Short, &with_both_keys(), at(DAY)), &read);
    store.requests.take();
    assert_eq!(store.register(&first, Some(&read)).await, Registration::Registered);
    assert_eq!(store.requests.take(), 1);
    assert_eq!(store.applications.find(first.uuid).await.unwrap().as_ref(), Some(&first));

    let blocked = Registration::Blocked(duplicate(&first));
    for (number, what, identity, expected) in [
        (11, "the journey's own key", driver("MAR", "A2", Some('a')), &blocked),
        (12, "the caller's key", driver("MAR", "A3", Some('b')), &blocked),
        (13, "the journey's key, on a journey", driver_with_keys("MAR", "A4", Some('c'), Some('a')), &blocked),
        (14, "the caller's key, on a journey", driver_with_keys("MAR", "A5", Some('c'), Some('b')), &blocked),
        (15, "the truncated identity without a key", driver("DUP", "A6", None), &blocked),
        (16, "the licence", driver("MAR", "A1", Some('c')), &blocked),
        (17, "a third key", driver("DUP", "A7", Some('c')), &Registration::Registered),
        (18, "two other keys", driver_with_keys("DUP", "A8", Some('d'), Some('e')), &Registration::Registered),
    ] {
        let blocker = store.blocker(Short, &identity, at(DAY), 2).await;
        store.requests.take();
        assert_eq!(store.register(&application(number, 2, Short, &identity, at(DAY)), None).await, *expected, "{what}");
        assert_eq!(store.requests.take(), 1, "{what}");
        let simulated = blocker.map_or(Registration::Registered, Registration::Blocked);
        assert_eq!(simulated, *expected, "{what}, simulated");
    }
}

#[tokio::test]
async fn driver_with_two_keys_is_blocked_by_either() {
    for (what, earlier, is_blocked) in [
        ("the journey's own key", driver("MAR", "A2", Some('a')), true),
        ("the caller's key", driver("MAR", "A2", Some('b')), true),
        ("one of two keys", driver_with_keys("MAR", "A2", Some('a'), Some('c')), true),
        ("no key", driver("DUP", "A2", None), true),
        ("a third key", driver("DUP", "A2", Some('c')), false),
        ("two other keys", driver_with_keys("DUP", "A2", Some('c'), Some('d')), false),
    ] {
        let store = store().await;
        let first = application(1, 2, Short, &earlier, at(DAY));
        assert_eq!(store.register(&first, None).await, Registration::Registered);
        let asked = application(2, 1, Short, &with_both_keys(), at(DAY));
        let expected = if is_blocked { Registration::Blocked(duplicate(&first)) } else { Registration::Registered };
        assert_eq!(store.register(&asked, None).await, expected, "{what}");
    }
    // History that was given one of the keys.
    for key in ['a', 'b'] {
        let store = store().await;
        let identity = truncated("MAR", "+336010204");
        store.import(Short, &identity, at("2023-06-01T00:00:00Z"), 2, row(1, 2)).await;
        let given = HistoryKey {
            journey_type: Short,
            identity: &identity,
            datetime: at("2023-06-01T00:00:00Z"),
            operator: operator(2),
            identity_key: &identity_key(key),
        };
        let said = store.key_giver.give_key_to_history(&given, &Rules::default(), soon()).await;
        assert_eq!(said, Ok(GivenKey::Given { contradicts: Vec::new() }));
        let asked = application(2, 1, Short, &with_both_keys(), at(DAY));
        assert_eq!(store.register(&asked, None).await, Registration::Blocked(history("2023-06-01T00:00:00Z", 2)));
    }
}

#[tokio::test]
async fn delete_frees_both_keys() {
    let store = store().await;
    put(&store, &journey(1, "trip", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let first = using(application(1, 1, Short, &with_both_keys(), at(DAY)), &read);
    assert_eq!(store.register(&first, Some(&read)).await, Registration::Registered);
    store.requests.take();
    let deleted = store.deleter.delete(operator(1), first.uuid, at(DAY), soon()).await;
    assert_eq!((deleted, store.requests.take()), (Ok(Deleted::Done), 4));
    assert!(store.scan(&store.tables.claims).await.is_empty());
    assert_eq!(find(&store, 1, "trip").await.unwrap().used, None);
    for (number, key) in [(2, 'a'), (3, 'b')] {
        let other = driver("MAR", &format!("M{number}"), Some(key));
        let said = store.register(&application(number, 2, Short, &other, at(DAY)), None).await;
        assert_eq!(said, Registration::Registered, "{key}");
    }
}

#[tokio::test]
async fn later_key_is_claimed_beside_journeys_key() {
    let store = store().await;
    let give = async |number, letter| {
        let key = identity_key(letter);
        store.key_giver.give_key(operator(1), uuid(number), &key, &Rules::default(), soon()).await.unwrap()
    };
    let given = GivenKey::Given { contradicts: Vec::new() };
    let of_journey = driver_with_keys("DUP", "A1", None, Some('a'));
    let first = application(1, 1, Short, &of_journey, at(DAY));
    assert_eq!(store.register(&first, None).await, Registration::Registered);
    // The key of another's application is refused. The journey's own key is there already.
    let other = application(2, 2, Short, &driver("MAR", "A2", Some('c')), at(DAY));
    assert_eq!(store.register(&other, None).await, Registration::Registered);
    assert_eq!(give(1, 'c').await, GivenKey::Blocked(duplicate(&other)));
    assert_eq!(give(1, 'a').await, GivenKey::AlreadyHas);
    assert_eq!(store.applications.find(uuid(1)).await.unwrap().unwrap(), first);

    store.requests.take();
    assert_eq!((give(1, 'b').await, store.requests.take()), (given, 3));
    let stored = store.applications.find(uuid(1)).await.unwrap().unwrap();
    assert_eq!(stored.identity, with_both_keys());
    let item = &store.scan(&store.tables.claims).await[&claim_keys_of(Short, &stored.identity)[0]];
    let tags = ['b', 'a'].map(|letter| support::claim_keys().tag(&identity_key(letter))).concat();
    assert_eq!(item[&format!("a#{}", uuid(1))].as_m().unwrap()["k"], AttributeValue::B(tags.into()));
    assert_eq!([give(1, 'a').await, give(1, 'b').await], [GivenKey::AlreadyHas, GivenKey::AlreadyHas]);
    assert_eq!([give(1, 'd').await, give(1, 'c').await], [GivenKey::HasAnother, GivenKey::HasAnother]);
    for (number, key, expected) in [
        (3, 'a', Registration::Blocked(duplicate(&first))),
        (4, 'b', Registration::Blocked(duplicate(&first))),
        (5, 'd', Registration::Registered),
    ] {
        let asked = application(number, 2, Short, &driver("DUP", &format!("B{number}"), Some(key)), at(DAY));
        assert_eq!(store.register(&asked, None).await, expected, "{key}");
    }
    for number in [1, 2, 5] {
        let by = if number == 1 { 1 } else { 2 };
        assert_eq!(store.deleter.delete(operator(by), uuid(number), at(DAY), soon()).await, Ok(Deleted::Done));
    }
    assert!(store.scan(&store.tables.claims).await.is_empty());
}

/// The stored bytes: applications from before there were two keys have the same format.
#[tokio::test]
async fn identity_keys_are_stored_as_bytes_and_tags() {
    let bytes = |letter| AttributeValue::B(identity_key(letter).as_bytes().to_vec().into());
    let tag = |letter| support::claim_keys().tag(&identity_key(letter)).to_vec();
    let (a, b) = (Some('a'), Some('b'));
    for (callers, journeys, identity_key, journey_key, tags) in [
        (None, None, None, None, None),
        (a, None, Some(bytes('a')), None, Some(tag('a'))),
        (a, a, Some(bytes('a')), None, Some(tag('a'))),
        (None, a, Some(bytes('a')), Some(bytes('a')), Some(tag('a'))),
        (b, a, Some(bytes('b')), Some(bytes('a')), Some([tag('b'), tag('a')].concat())),
    ] {
        let store = store().await;
        let identity = driver_with_keys("DUP", "A1", callers, journeys);
        let asked = application(1, 1, Short, &identity, at(DAY));
        assert_eq!(store.register(&asked, None).await, Registration::Registered);
        let what = format!("{callers:?} {journeys:?}");
        let stored = &store.scan(&store.tables.applications).await[&asked.uuid.to_string()];
        assert_eq!(stored.get("identity_key"), identity_key.as_ref(), "{what}");
        assert_eq!(stored.get("journey_key"), journey_key.as_ref(), "{what}");
        assert_eq!(store.applications.find(asked.uuid).await.unwrap().unwrap(), asked, "{what}");
        let claims = claim_keys_of(Short, &identity);
        let items = store.scan(&store.tables.claims).await;
        assert_eq!(items.len(), claims.len(), "{what}");
        for (number, key) in claims.iter().enumerate() {
            let record = items[key][&format!("a#{}", asked.uuid)].as_m().unwrap();
            let expected = tags.clone().filter(|_| number == 0).map(|tags| AttributeValue::B(tags.into()));
            assert_eq!(record.get("k"), expected.as_ref(), "{what}, claim {number}");
        }
    }
}

#[tokio::test]
async fn used_journey_names_application_unless_driver_is_blocked() {
    let store = store().await;
    put(&store, &journey(1, "trip", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let first = using(application(1, 1, Short, &driver("DUP", "A1", None), at(DAY)), &read);
    assert_eq!(store.register(&first, Some(&read)).await, Registration::Registered);
    let used = find(&store, 1, "trip").await.unwrap();
    assert_eq!(used.used.unwrap().by, first.uuid);
    assert_eq!(used.used.unwrap().datetime, first.datetime);
    store.import(Short, &driver("HIS", "H", None).truncated, at("2024-01-01T00:00:00Z"), 2, row(1, 2)).await;
    // A later line of the journey does not free it.
    put(&store, &journey(1, "trip", at(DAY)), &version(2, 1)).await;
    let corrected = find(&store, 1, "trip").await.unwrap();
    assert_eq!(corrected.used, used.used);

    let before = store.written().await;
    for (what, identity, expected) in [
        ("another driver", driver("MAR", "A2", None), Registration::JourneyUsed(duplicate(&first))),
        ("the same driver", driver("MAR", "A1", None), Registration::Blocked(duplicate(&first))),
        ("history", driver("HIS", "A3", None), Registration::Blocked(history("2024-01-01T00:00:00Z", 2))),
    ] {
        // With a read before its use, after it, or after its correction.
        for read in [&read, &used, &corrected] {
            let asked = using(application(2, 1, Short, &identity, at(DAY)), read);
            assert_eq!(store.register(&asked, Some(read)).await, expected, "{what}");
        }
    }
    assert_eq!(store.written().await, before);
}

#[tokio::test]
async fn journey_keeps_its_latest_line() {
    let store = store().await;
    let line = |status, metres| Journey { status, distance_metres: metres, ..journey(1, "trip", at(DAY)) };
    put(&store, &line(JourneyStatus::Pending, 1), &version(5, 5)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let user = using(application(1, 1, Short, &driver("DUP", "A1", None), at(DAY)), &read);
    assert_eq!(store.register(&user, Some(&read)).await, Registration::Registered);

    use JourneyOutcome::{AlreadyKnown, Imported};
    let by = Some(user.uuid);
    for (what, version, outcome, kept) in [
        ("the same line again", version(5, 5), (Imported, by), 1),
        ("an earlier line of the same file", version(5, 4), (Imported, None), 1),
        ("an older file", version(4, 9), (AlreadyKnown, None), 1),
        ("a later line of the same file", version(5, 6), (Imported, by), 6),
        ("a newer file", version(6, 1), (Imported, by), 7),
        ("that older file again", version(5, 6), (AlreadyKnown, None), 7),
    ] {
        let metres = if kept == 1 { 99 } else { kept };
        assert_eq!(put(&store, &line(JourneyStatus::Ok, metres), &version).await, outcome, "{what}");
        let now = find(&store, 1, "trip").await.unwrap();
        assert_eq!(now.journey.distance_metres, kept, "{what}");
        assert_eq!(now.used.unwrap().by, user.uuid, "{what}");
    }
    assert!(find(&store, 1, "trip").await.unwrap().journey.driver_identity_key.is_some());
    let keyless = Journey { driver_identity_key: None, ..journey(1, "trip", at(DAY)) };
    put(&store, &keyless, &version(7, 1)).await;
    assert_eq!(find(&store, 1, "trip").await.unwrap().journey, keyless);
}

#[tokio::test]
async fn application_gets_latest_journey_status() {
    let store = store().await;
    put(&store, &journey(1, "trip", at(DAY)), &version(5, 5)).await;
    let read = find(&store, 1, "trip").await.unwrap();
    let short = using(application(1, 1, Short, &driver("DUP", "A1", None), at(DAY)), &read);
    let long = application(2, 1, Long, &driver("DUP", "A1", None), at(DAY));
    assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
    assert_eq!(store.register(&long, None).await, Registration::Registered);
    use JourneyStatus::{Canceled, FraudError, Ok};
    for (what, number, version, status, expected) in [
        ("an older line", 1, version(5, 4), Canceled, JourneyStatus::Pending),
        ("a later line", 1, version(5, 6), Ok, Ok),
        ("a newer file", 1, version(6, 1), FraudError, FraudError),
        ("the same line again", 1, version(6, 1), FraudError, FraudError),
        ("the older one again", 1, version(5, 6), Ok, FraudError),
        ("an application without a journey", 2, version(9, 1), Canceled, FraudError),
        ("an application that is gone", 3, version(9, 1), Canceled, FraudError),
    ] {
        store.follow(uuid(number), status, &version).await;
        let journey = store.applications.find(short.uuid).await.unwrap().unwrap().journey.unwrap();
        assert_eq!(journey.status, expected, "{what}");
    }
    assert_eq!(store.applications.find(long.uuid).await.unwrap(), Some(long));
    assert_eq!(store.applications.find(uuid(3)).await.unwrap(), None);
}

#[tokio::test]
async fn journey_is_found_only_for_its_operator() {
    let store = store().await;
    // Operators choose the IDs, and one may look like another operator's key.
    for (by, id) in [(1, "2#trip"), (1, "trip"), (12, "trip")] {
        put(&store, &journey(by, id, at(DAY)), &version(1, 1)).await;
    }
    for (by, id, known) in [
        (1, "trip", true),
        (12, "trip", true),
        (1, "2#trip", true),
        (2, "trip", false),
        (12, "#trip", false),
        (1, "#trip", false),
        (1, "TRIP", false),
    ] {
        let found = find(&store, by, id).await;
        assert_eq!(found.is_some(), known, "{by} {id}");
        if let Some(found) = found {
            assert_eq!(found.journey, journey(by, id, at(DAY)));
        }
    }
    let longest = "é🚗".repeat(127);
    put(&store, &journey(1, &longest, at(DAY)), &version(1, 1)).await;
    assert_eq!(find(&store, 1, &longest).await.unwrap().journey, journey(1, &longest, at(DAY)));
}

/// Runs `contenders` concurrently, as far as two cores allow, and returns the results.
async fn at_once<F, T>(contenders: Vec<F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let start = Arc::new(Barrier::new(contenders.len()));
    let mut running = JoinSet::new();
    for contender in contenders {
        let start = start.clone();
        running.spawn(async move {
            start.wait().await;
            contender.await
        });
    }
    running.join_all().await
}

fn asking(
    store: &Store,
    asked: Application,
    read: Option<&StoredJourney>,
) -> impl Future<Output = (Application, Registration)> + use<> {
    let (store, read) = (store.clone(), read.cloned());
    async move {
        let said = store.register(&asked, read.as_ref()).await;
        (asked, said)
    }
}

/// Exactly one application was granted, and all other calls report it as the blocking application.
fn only_winner(said: Vec<(Application, Registration)>, lost: fn(Blocker) -> Registration) -> Application {
    let (mut winners, losers): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|(_, said)| *said == Registration::Registered);
    assert_eq!(winners.len(), 1);
    let (winner, _) = winners.remove(0);
    for (asked, said) in losers {
        assert_eq!(said, lost(duplicate(&winner)), "{}", asked.uuid);
    }
    winner
}

/// 64 concurrent calls by 8 operators for each of 5 drivers, with each way to share the driver's keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_registrations_of_one_driver_grant_one() {
    type Shape = fn(u64, u64) -> (String, String, Option<String>);
    let shapes: [(&str, Shape); 4] = [
        ("all keys", |d, _| (format!("1{d:06}"), format!("A{d}"), Some(format!("{d:064x}")))),
        ("the licence", |d, n| (format!("2{d:03}{n:03}"), format!("B{d}"), Some(format!("b{d:031x}{n:032x}")))),
        ("the identity key", |d, n| (format!("3{d:03}{n:03}"), format!("C{d}X{n}"), Some(format!("c{d:063x}")))),
        ("the truncated identity", |d, n| (format!("4{d:06}"), format!("D{d}X{n}"), None)),
    ];
    let store = store().await;
    let (mut number, mut items) = (0, 0);
    for (what, shape) in shapes {
        for one in 0..5 {
            let contenders = (0..64).map(|n| {
                let (phone, license, key) = shape(one, n);
                let identity = Identity {
                    truncated: truncated("DUP", &format!("+33{phone}")),
                    driving_license: Some(DrivingLicense::parse(&license).unwrap()),
                    identity_keys: IdentityKeys::of_caller(key.map(|key| IdentityKey::parse(&key).unwrap())),
                };
                number += 1;
                // Each application has a different date, by which the refusals identify the granted application.
                let date = Instant::from_millis(at(DAY).millis() + i64::try_from(n * 7 % 64).unwrap()).unwrap();
                asking(&store, application(number, 1 + u32::try_from(n % 8).unwrap(), Long, &identity, date), None)
            });
            let said = at_once(contenders.collect()).await;
            assert_eq!(said.len(), 64, "{what}");
            let winner = only_winner(said, Registration::Blocked);
            items += claim_keys_of(Long, &winner.identity).len();
        }
    }
    let [claims, applications, _] = store.written().await;
    assert_eq!((applications.len(), claims.len()), (20, items), "the losers left nothing behind");
    assert!(claims.values().all(|item| records(item, "a#") == 1));
}

/// Either the row comes first and no application is granted, or it comes second and reports that it contradicts the granted one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_racing_registration_blocks_or_contradicts() {
    let store = store().await;
    for one in 0..60_u64 {
        let blocking = one % 3 != 0;
        let datetime = at(if blocking { "2024-02-01T00:00:00Z" } else { "2019-06-01T00:00:00Z" });
        let identity = driver("DUP", &format!("A{one}"), None);
        let identity = Identity { truncated: truncated("DUP", &format!("+336{one:06}")), ..identity };
        let acknowledged = Arc::new(AtomicBool::new(false));
        let asked = |n: u64| application(100 * one + n, 1 + n as u32, Short, &identity, at(DAY));
        let registering = |n: u64| {
            let (asking, acknowledged) = (asking(&store, asked(n), None), acknowledged.clone());
            async move {
                let too_late = acknowledged.load(Ordering::SeqCst);
                let (_, said) = asking.await;
                (said == Registration::Registered, too_late, None)
            }
        };
        let importing = {
            let (store, identity, acknowledged) = (store.clone(), identity.truncated.clone(), acknowledged.clone());
            async move {
                let outcome = store.import(Short, &identity, datetime, 9, row(1, one + 2)).await;
                acknowledged.store(true, Ordering::SeqCst);
                (false, false, Some(outcome))
            }
        };
        let mut contenders: Vec<std::pin::Pin<Box<dyn Future<Output = _> + Send>>> = vec![Box::pin(importing)];
        contenders.extend((1..=4).map(|n| Box::pin(registering(n)) as _));
        contenders.rotate_left((one % 5) as usize);
        let said = at_once(contenders).await;
        let granted = said.iter().filter(|(granted, ..)| *granted).count();
        let too_late = said.iter().any(|(granted, too_late, _)| *granted && *too_late);
        let HistoryOutcome::Imported { contradicts } = said.into_iter().find_map(|(.., outcome)| outcome).unwrap()
        else {
            panic!("imported twice")
        };
        if blocking {
            assert!(granted <= 1);
            assert!(!too_late, "granted against known history");
        } else {
            assert_eq!(granted, 1, "history too old to block");
        }
        assert_eq!(contradicts.len(), usize::from(blocking && granted == 1));
        assert!(matches!(store.register(&asked(9), None).await, Registration::Blocked(_)), "after the acknowledgement");
        let item = &store.scan(&store.tables.claims).await[&claim_keys_of(Short, &identity)[0]];
        assert_eq!((records(item, "h#"), records(item, "a#")), (1, granted), "whichever came first");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_registrations_use_journey_once() {
    let store = store().await;
    for one in 0..20_u64 {
        let id = format!("trip-{one}");
        put(&store, &journey(1, &id, at(DAY)), &version(1, 1)).await;
        let read = find(&store, 1, &id).await.unwrap();
        let contenders = (0..8).map(|n| {
            let identity = Identity {
                truncated: truncated("DUP", &format!("+336{one:03}{n:03}")),
                ..driver("DUP", &format!("A{one}X{n}"), None)
            };
            asking(&store, using(application(10 * one + n, 1, Short, &identity, at(DAY)), &read), Some(&read))
        });
        let winner = only_winner(at_once(contenders.collect()).await, Registration::JourneyUsed);
        assert_eq!(find(&store, 1, &id).await.unwrap().used.unwrap().by, winner.uuid);
    }
    let [claims, applications, _] = store.written().await;
    assert_eq!((applications.len(), claims.len()), (20, 40), "the losers left nothing behind");
}

/// The last moment at which an earlier application blocks, for each rule of the same person. A millisecond later it does not block.
#[tokio::test]
async fn application_blocks_until_cooldown_ends() {
    let truncated_only = [
        (driver("DUP", "A1", None), driver("DUP", "A2", None)),
        (driver("DUP", "A1", Some('a')), driver("DUP", "A2", None)),
        (driver("DUP", "A1", None), driver("DUP", "A2", Some('a'))),
    ];
    let others = [
        (driver("DUP", "A1", Some('a')), driver("MAR", "A1", Some('b'))),
        (driver("DUP", "A1", Some('a')), driver("MAR", "A2", Some('a'))),
    ];
    for (scope, reason, earlier, last_blocked) in [
        (Short, Reason::Duplicate, "2023-03-15T07:30:00.123Z", "2028-03-15T07:30:00.123Z"),
        (Long, Reason::Duplicate, "2023-03-15T07:30:00.123Z", "2035-03-15T07:30:00.123Z"),
        (Short, Reason::History, "2023-03-15T07:30:00.123Z", "2026-03-15T07:30:00.123Z"),
        (Long, Reason::History, "2023-03-15T07:30:00.123Z", "2033-03-15T07:30:00.123Z"),
        // 28 February counts back to 28 February, so an application of 29 February blocks until the end of that day.
        (Short, Reason::Duplicate, "2024-02-29T10:00:00Z", "2029-02-28T23:59:59.999Z"),
        (Long, Reason::Duplicate, "2024-02-29T10:00:00Z", "2036-02-29T10:00:00Z"),
        (Short, Reason::History, "2024-02-29T10:00:00Z", "2027-02-28T23:59:59.999Z"),
        (Long, Reason::History, "2024-02-29T10:00:00Z", "2034-02-28T23:59:59.999Z"),
    ] {
        let pairs = truncated_only.iter().chain(others.iter().filter(|_| reason == Reason::Duplicate));
        for (number, (one, other)) in pairs.enumerate() {
            let store = store().await;
            let first = application(1, 1, scope, one, at(earlier));
            let blocker = match reason {
                Reason::Duplicate => {
                    assert_eq!(store.register(&first, None).await, Registration::Registered);
                    duplicate(&first)
                }
                Reason::History => {
                    store.import(scope, &one.truncated, at(earlier), 1, row(1, 2)).await;
                    history(earlier, 1)
                }
            };
            let what = format!("{scope} {reason:?} {earlier}, pair {number}");
            // An application that is dated before the earlier one is blocked as well.
            for new in ["2023-01-01T00:00:00Z", earlier, last_blocked] {
                assert_eq!(store.blocker(scope, other, at(new), 2).await, Some(blocker), "{what}");
                let asked = application(2, 2, scope, other, at(new));
                assert_eq!(store.register(&asked, None).await, Registration::Blocked(blocker), "{what}");
            }
            let free = Instant::from_millis(at(last_blocked).millis() + 1).unwrap();
            assert_eq!(store.blocker(scope, other, free, 2).await, None, "{what}");
            let asked = application(3, 2, scope, other, free);
            assert_eq!(store.register(&asked, None).await, Registration::Registered, "{what}");
            // The new application blocks now.
            assert_eq!(store.blocker(scope, other, free, 2).await, Some(duplicate(&asked)), "{what}");
        }
    }
}

#[tokio::test]
async fn history_before_the_floor_never_blocks() {
    for (scope, floor, new) in [
        (Short, "2020-01-01T00:00:00+01:00", "2022-06-01T00:00:00Z"),
        (Long, "2015-01-01T00:00:00+01:00", "2024-06-01T00:00:00Z"),
    ] {
        let store = store().await;
        let driver = driver("DUP", "A1", None);
        let before = Instant::from_millis(at(floor).millis() - 1).unwrap();
        store.import(scope, &driver.truncated, before, 1, row(1, 2)).await;
        assert_eq!(store.blocker(scope, &driver, at(new), 2).await, None, "{scope}");
        let asked = application(1, 2, scope, &driver, at(new));
        assert_eq!(store.register(&asked, None).await, Registration::Registered, "{scope}");
        let late = store.import(scope, &driver.truncated, at(floor), 1, row(1, 3)).await;
        let contradicted = Contradicted { uuid: asked.uuid, datetime: asked.datetime, operator: asked.operator };
        assert_eq!(late, HistoryOutcome::Imported { contradicts: vec![contradicted] }, "{scope}");
        let other = Identity { driving_license: None, ..driver };
        let blocker = store.blocker(scope, &other, Instant::from_millis(before.millis() - 1).unwrap(), 2).await;
        assert_eq!(blocker, Some(duplicate(&asked)), "{scope}: dated later, it blocks");
    }
    let store = store().await;
    let driver = driver("DUP", "A1", None);
    store.import(Short, &driver.truncated, at("2020-01-01T00:00:00+01:00"), 1, row(1, 2)).await;
    let asked = application(1, 2, Short, &driver, at("2022-06-01T00:00:00Z"));
    let blocker = history("2020-01-01T00:00:00+01:00", 1);
    assert_eq!(store.register(&asked, None).await, Registration::Blocked(blocker), "the floor itself blocks");
}

/// Two drivers with keys share a truncated identity. The later of the two must block a driver without a key, in whichever order they were
/// written.
#[tokio::test]
async fn later_of_two_keyed_drivers_blocks_keyless_driver() {
    let dates = [at("2024-06-01T00:00:00Z"), at("2023-02-01T00:00:00Z")];
    for order in [[0, 1], [1, 0]] {
        let store = store().await;
        for (number, which) in order.into_iter().enumerate() {
            let identity = driver("DUP", ["A0", "A1"][number], Some(['a', 'b'][number]));
            let asked = application(number as u64, 1, Short, &identity, dates[which]);
            assert_eq!(store.register(&asked, None).await, Registration::Registered);
        }
        // The five years of the earlier application are over, those of the later one are not.
        let asked = application(9, 2, Short, &driver("DUP", "A9", None), at("2028-03-01T00:00:00Z"));
        let said = store.register(&asked, None).await;
        assert!(matches!(said, Registration::Blocked(by) if by.datetime == dates[0]), "{said:?}");
    }
}

#[tokio::test]
async fn short_and_long_never_block_each_other() {
    let store = store().await;
    let (registered, remembered) = (driver("DUP", "A1", Some('a')), driver("MAR", "A2", None));
    for (number, scope) in (1..).zip(JourneyType::ALL) {
        let other = if scope == Short { Long } else { Short };
        store.import(scope, &remembered.truncated, at(DAY), 1, row(number, 2)).await;
        assert_eq!(store.blocker(other, &remembered, at(DAY), 1).await, (scope == Long).then(|| history(DAY, 1)));
        let asked = application(number.into(), 1, scope, &registered, at(DAY));
        assert_eq!(store.register(&asked, None).await, Registration::Registered, "{scope}");
    }
}

/// The checkpoint of these tests.
type Known = HashMap<String, u64>;

fn note(read: u64) -> Known {
    HashMap::from([("read".to_owned(), read)])
}

async fn begin(store: &Store, import: &ImportRecord, worker: &str, machine_now: &str) -> Begun<Known, Known> {
    store.imports.begin(import, worker, at(DAY), at(machine_now)).await.unwrap()
}

fn import_record(file: &str, by: u32) -> ImportRecord {
    ImportRecord { id: ImportId::of_object("bucket", file, "1"), operator: Some(operator(by)), key: file.to_owned() }
}

async fn held(store: &Store, import: &ImportRecord, worker: &str, machine_now: &str) -> (Hold, Option<Known>) {
    match begin(store, import, worker, machine_now).await {
        Begun::Yours(hold, checkpoint) => (hold, checkpoint),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn import_is_held_by_one_invocation_at_a_time() {
    let store = store().await;
    let import = import_record("one", 1);
    let minute = |minute: u32| format!("2030-01-01T00:{minute:02}:00Z");
    let (first, checkpoint) = held(&store, &import, "a", &minute(0)).await;
    assert_eq!(checkpoint, None);
    assert_eq!(begin(&store, &import, "b", &minute(1)).await, Begun::Held, "the lease has not ended");
    store.imports.checkpoint(&first, &note(20), at(&minute(1))).await.unwrap();
    assert_eq!(begin(&store, &import, "b", &minute(2)).await, Begun::Held, "a checkpoint renews it");
    // The same invocation, retried by Lambda after a crash, need not wait.
    let (again, checkpoint) = held(&store, &import, "a", &minute(2)).await;
    assert_eq!((checkpoint, again.started_at()), (Some(note(20)), first.started_at()));
    assert_eq!(store.imports.checkpoint(&first, &note(10), at(&minute(2))).await, Err(HoldError::Lost));
    // Another invocation takes over when the lease has expired. The earlier holders can write nothing.
    let (_, checkpoint) = held(&store, &import, "b", &minute(5)).await;
    assert_eq!(checkpoint, Some(note(20)));
    for lost in [&first, &again] {
        assert_eq!(store.imports.checkpoint(lost, &note(99), at(&minute(5))).await, Err(HoldError::Lost));
        assert_eq!(store.imports.release(lost).await, Err(HoldError::Lost));
        let end = store.imports.end(lost, FileOutcome::Completed, &note(99), &note(0)).await;
        assert_eq!(end, Err(HoldError::Lost));
    }
    // A failed try may end its own lease by its ID, and another invocation takes over at once.
    store.imports.wait(operator(1), import.id, "a", at(&minute(5))).await.unwrap();
    assert_eq!(begin(&store, &import, "d", &minute(5)).await, Begun::Held, "it is another one's lease");
    store.imports.wait(operator(1), import.id, "b", at(&minute(5))).await.unwrap();
    let (second, checkpoint) = held(&store, &import, "d", &minute(5)).await;
    assert_eq!(checkpoint, Some(note(20)));
    // After a release, any invocation may take it at once.
    store.imports.checkpoint(&second, &note(40), at(&minute(5))).await.unwrap();
    store.imports.release(&second).await.unwrap();
    let (third, checkpoint) = held(&store, &import, "c", &minute(5)).await;
    assert_eq!(checkpoint, Some(note(40)));
    store.imports.end(&third, FileOutcome::Completed, &note(60), &note(0)).await.unwrap();
    for worker in ["a", "c"] {
        assert_eq!(begin(&store, &import, worker, &minute(50)).await, Begun::Ended(note(60)));
    }
    let end = store.imports.end(&third, FileOutcome::Failed, &note(61), &note(0)).await;
    assert_eq!(end, Err(HoldError::Lost), "it ends once");
}

/// The first file that replaces an import stops, goes on, and stops for good. Seven hours after anything had it in hand, another file may
/// end it.
#[tokio::test]
async fn given_up_import_gives_way_to_later_file_and_does_not_begin_again() {
    let store = store().await;
    let [old, first, second] = ["old", "first", "second"].map(|file| import_record(file, 1));
    let (hold, _) = held(&store, &old, "a", "2030-01-01T00:00:00Z").await;
    store.imports.end(&hold, FileOutcome::Completed, &note(1), &note(0)).await.unwrap();
    let claim =
        |new: &ImportRecord, moment: &str| store.imports.claim_replacement(operator(1), old.id, new.id, at(moment));
    let end = |moment: &str| store.imports.begin_given_up::<Known, Known>(&first, "c", at(DAY), at(moment));
    let (stopped, _) = held(&store, &first, "b", "2030-01-01T00:00:00Z").await;
    assert_eq!(claim(&first, "2030-01-01T00:01:00Z").await, Ok(Replacement::Granted));
    store.imports.checkpoint(&stopped, &note(20), at("2030-01-01T00:01:00Z")).await.unwrap();
    // It waited for a slot at six.
    store.imports.wait(operator(1), first.id, "x", at("2030-01-01T06:00:00Z")).await.unwrap();
    let (in_time, late) = ("2030-01-01T13:00:00Z", "2030-01-01T13:00:00.001Z");
    assert_eq!(claim(&second, in_time).await, Ok(Replacement::By(first.id)));
    assert_eq!(end(in_time).await, Ok(Begun::Held));
    assert_eq!(store.imports.replacing(operator(1), Some(first.id), at(in_time)).await, Ok(Some(first.id)));
    assert_eq!(claim(&second, late).await, Ok(Replacement::GivenUp(first.id)));
    assert_eq!(store.imports.replacing(operator(1), Some(first.id), at(late)).await, Ok(None));
    // Its event is sent again before the other file ends it.
    let (again, checkpoint) = held(&store, &first, "d", late).await;
    assert_eq!(checkpoint, Some(note(20)));
    store.imports.release(&again).await.unwrap();
    assert_eq!(end(late).await, Ok(Begun::Held));
    assert_eq!(claim(&second, late).await, Ok(Replacement::By(first.id)));
    // And once more, after that.
    let (next, _) = held(&store, &second, "f", "2030-01-02T00:00:00Z").await;
    assert_eq!(claim(&second, "2030-01-02T00:00:00Z").await, Ok(Replacement::GivenUp(first.id)));
    let Ok(Begun::Yours(hold, checkpoint)) = end("2030-01-02T00:00:00Z").await else { panic!("it is held") };
    assert_eq!(checkpoint, Some(note(20)));
    assert_eq!(begin(&store, &first, "e", "2030-01-02T00:01:00Z").await, Begun::Held);
    let other = store.imports.begin_given_up::<Known, Known>(&first, "g", at(DAY), at("2030-01-02T00:01:00Z")).await;
    assert_eq!(other, Ok(Begun::Held), "one invocation ends it");
    store.imports.end(&hold, FileOutcome::Failed, &note(21), &note(0)).await.unwrap();
    let lost = store.imports.checkpoint(&again, &note(30), at("2030-01-02T00:01:00Z")).await;
    assert_eq!(lost, Err(HoldError::Lost));
    assert_eq!(begin(&store, &first, "e", "2030-01-02T00:01:00Z").await, Begun::Ended(note(21)));
    assert_eq!(end("2030-01-02T00:01:00Z").await, Ok(Begun::Ended(note(21))));
    assert_eq!(claim(&second, "2030-01-02T00:01:00Z").await, Ok(Replacement::Granted));
    assert_eq!(claim(&first, "2030-01-02T00:01:00Z").await, Ok(Replacement::By(second.id)));
    // Once the undo of the old import has begun, no other file may take the place, however long nothing has the second in hand.
    let undo = store.imports.begin_undo::<Known, Known>(operator(1), old.id, "f", at(DAY), at("2030-01-02T00:01:00Z"));
    assert!(matches!(undo.await, Ok(UndoBegun::Yours(..))));
    let third = import_record("third", 1);
    assert_eq!(claim(&third, "2030-01-09T00:00:00Z").await, Ok(Replacement::By(second.id)));
    store.imports.end(&next, FileOutcome::Completed, &note(2), &note(0)).await.unwrap();
    assert_eq!(claim(&third, "2030-01-09T00:00:00Z").await, Ok(Replacement::Gone));
}

/// Undoes an import, page by page.
async fn undo(store: &Store, import: ImportId) -> (u64, u64) {
    let (mut removed, mut kept, mut after) = (0, 0, None);
    loop {
        let page = store.remover.brought_by(import, after.as_deref(), soon()).await.unwrap();
        for brought in page.brought {
            (removed, kept) = (removed + brought.removed, kept + brought.kept);
            store.remover.withdraw(brought, import, soon()).await.unwrap();
        }
        after = page.next;
        if after.is_none() {
            return (removed, kept);
        }
    }
}

/// An undo, imports of other files and registrations of one driver run concurrently. In any order, the item matches its records in the
/// end.
#[tokio::test(flavor = "multi_thread")]
async fn undo_racing_other_writes_leaves_item_consistent() {
    let store = store().await;
    let identity = driver("DUP", "A1", None);
    let pk = claim_keys_of(Short, &identity)[0].clone();
    for round in 0..40_u64 {
        let file =
            move |n: u64| RowSource { import: ImportId::of_object("b", &n.to_string(), &round.to_string()), line: 2 };
        let day =
            |n: u64| Instant::from_millis(at("2019-01-01T00:00:00Z").millis() + i64::try_from(n).unwrap()).unwrap();
        // Two dates. The wrong file brings the later one.
        store.import(Short, &identity.truncated, day(1), 1, file(1)).await;
        store.import(Short, &identity.truncated, day(5), 1, file(9)).await;
        let wrong = file(9).import;
        let undoing = {
            let store = store.clone();
            async move {
                undo(&store, wrong).await;
            }
        };
        let mut contenders: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = vec![Box::pin(undoing)];
        for n in 2..6 {
            let (store, identity) = (store.clone(), identity.truncated.clone());
            contenders.push(Box::pin(async move {
                store.import(Short, &identity, day(n), 1, file(n)).await;
            }));
        }
        let (registering, asked) = (store.clone(), application(round, 2, Short, &identity, at("2012-01-01T00:00:00Z")));
        contenders.push(Box::pin(async move { drop(registering.register(&asked, None).await) }));
        contenders.rotate_left((round % 6) as usize);
        at_once(contenders).await;
        let item = &store.scan(&store.tables.claims).await[&pk];
        let dates: Vec<i64> =
            item.keys().filter_map(|name| name.strip_prefix("h#1#")).map(|at| at.parse().unwrap()).collect();
        assert_eq!(dates.len(), 5, "round {round}: the fifth date was sent by another file as well");
        assert_eq!(item["sp"].as_n().unwrap().parse(), Ok(*dates.iter().max().unwrap()), "round {round}");
        for n in 1..6 {
            undo(&store, file(n).import).await;
        }
        let left = store.scan(&store.tables.claims).await;
        assert_eq!(left.get(&pk).map_or(0, |item| records(item, "h#")), 0, "round {round}");
    }
}

#[tokio::test]
async fn undo_removes_more_records_than_one_write_holds() {
    let store = store().await;
    let identity = truncated("DUP", "+336010203");
    for n in 0..250 {
        let day = Instant::from_millis(at("2019-01-01T00:00:00Z").millis() + n).unwrap();
        // More than one operator, because each has at most twenty dates.
        store.import(Short, &identity, day, 1 + n as u32 / 20, row(1, 2 + n.unsigned_abs())).await;
    }
    store.import(Short, &identity, at("2019-01-01T00:00:00Z"), 1, row(2, 2)).await;
    assert_eq!(undo(&store, row(1, 2).import).await, (249, 1));
    let items = store.scan(&store.tables.claims).await;
    let item = items.values().next().unwrap();
    assert_eq!((records(item, "h#"), item["sp"].as_n().unwrap().parse()), (1, Ok(at("2019-01-01T00:00:00Z").millis())));
    assert_eq!(undo(&store, row(2, 2).import).await, (1, 0));
    assert!(store.scan(&store.tables.claims).await.is_empty());
}

#[tokio::test]
async fn import_is_undone_once_after_it_has_ended() {
    let store = store().await;
    let import = import_record("one", 1);
    let minute = |minute: u32| format!("2030-01-01T00:{minute:02}:00Z");
    let begin_undo = |worker: &'static str, moment: String| {
        let (imports, id) = (store.imports.clone(), import.id);
        async move { imports.begin_undo::<Known, Known>(operator(1), id, worker, at(DAY), at(&moment)).await.unwrap() }
    };
    assert_eq!(begin_undo("u", minute(0)).await, UndoBegun::Refused(UndoRefusal::Unknown));
    let (first, _) = held(&store, &import, "a", &minute(0)).await;
    let running = UndoBegun::Refused(UndoRefusal::NotEnded(ImportState::Running));
    assert_eq!(begin_undo("u", minute(0)).await, running);
    // A second invocation takes over from one that timed out, and ends the import. The first may still be running for a quarter of an
    // hour.
    let (second, _) = held(&store, &import, "b", &minute(5)).await;
    store.imports.checkpoint(&second, &note(1), at(&minute(5))).await.unwrap();
    store.imports.release(&second).await.unwrap();
    let (third, _) = held(&store, &import, "c", &minute(6)).await;
    store.imports.end(&third, FileOutcome::Completed, &note(60), &note(0)).await.unwrap();
    let stale = UndoBegun::Refused(UndoRefusal::StaleWriter(at(&minute(20))));
    assert_eq!(begin_undo("u", minute(20)).await, stale);
    let UndoBegun::Yours(undo, None, report) = begin_undo("u", minute(21)).await else { panic!() };
    assert_eq!(report, note(60));
    assert_eq!(begin_undo("v", minute(22)).await, UndoBegun::Held);
    let later = import_record("two", 1);
    let claim = store.imports.claim_replacement(operator(1), import.id, later.id, at(&minute(22))).await;
    assert_eq!(claim, Ok(Replacement::Gone), "no file replaces it any more");
    store.imports.checkpoint(&undo, &note(7), at(&minute(22))).await.unwrap();
    assert_eq!(begin(&store, &import, "c", &minute(50)).await, Begun::Held, "no late event begins it anew");
    let UndoBegun::Yours(again, Some(progress), _) = begin_undo("v", minute(30)).await else { panic!() };
    assert_eq!(progress, note(7));
    assert_eq!(store.imports.checkpoint(&undo, &note(8), at(&minute(30))).await, Err(HoldError::Lost));
    for lost in [&first, &third, &undo] {
        let end = store.imports.end(lost, FileOutcome::Undone, &note(99), &note(0)).await;
        assert_eq!(end, Err(HoldError::Lost));
    }
    store.imports.end(&again, FileOutcome::Undone, &note(61), &note(0)).await.unwrap();
    assert_eq!(begin_undo("v", minute(31)).await, UndoBegun::Ended(note(61)));
    assert_eq!(begin(&store, &import, "c", &minute(50)).await, Begun::Ended(note(61)));
    let status =
        store.imports.find::<Known, Known, Known>(operator(1), import.id, at(&minute(50))).await.unwrap().unwrap();
    assert_eq!((status.state, status.undo, status.checkpoint), (ImportState::Undone, None, None));
}

#[tokio::test]
async fn imports_are_found_and_listed_by_their_operator() {
    let store = store().await;
    let (one, awaited, theirs) = (import_record("one", 1), import_record("awaited", 1), import_record("theirs", 2));
    store
        .imports
        .await_upload(&awaited, at("2024-06-01T00:00:00Z"), at("2024-06-01T00:15:00Z"), Wishes::default())
        .await
        .unwrap();
    assert!(
        !store.imports.await_upload(&awaited, at(DAY), at(DAY), Wishes::default()).await.unwrap(),
        "a UUID is given once"
    );
    let wishes = Wishes {
        dates_confirmed: true,
        check_only: true,
        language: Some(Language::French),
        drivers: true,
        replaces: Some(one.id),
    };
    assert!(store.imports.await_upload(&theirs, at(DAY), at(DAY), wishes).await.unwrap());
    let kept = store.imports.find::<Known, Known, Known>(operator(2), theirs.id, at(DAY)).await.unwrap().unwrap();
    assert_eq!(kept.wishes, wishes);
    let (hold, _) = held(&store, &one, "a", "2030-01-01T00:00:00Z").await;
    store.imports.end(&hold, FileOutcome::Failed, &note(7), &note(0)).await.unwrap();

    let found = |by, id| {
        let store = store.clone();
        async move { store.imports.find::<Known, Known, Known>(operator(by), id, at("2024-06-02T00:00:00Z")).await.unwrap() }
    };
    let status = found(1, one.id).await.unwrap();
    assert_eq!((status.state, status.report, status.created_at), (ImportState::Failed, Some(note(7)), at(DAY)));
    assert_eq!(found(1, awaited.id).await.unwrap().state, ImportState::AwaitingUpload);
    assert_eq!(found(2, one.id).await, None, "another operator's is as unknown as none");
    let all = (None, MOST_LISTED);
    let list = store.imports.list::<Known, Known, Known>(operator(1), all, at("2024-06-02T00:00:00Z"), soon());
    let (listed, next) = list.await.unwrap();
    assert_eq!(next, None);
    assert_eq!(listed.iter().map(|import| import.record.key.as_str()).collect::<Vec<_>>(), ["awaited", "one"]);

    // The first version of an awaited upload is the import. Another version is not.
    let claim = |by, id, key: &'static str, version: &'static str| {
        let store = store.clone();
        async move { store.imports.claim_upload(operator(by), id, key, version).await.unwrap() }
    };
    assert!(!found(1, awaited.id).await.unwrap().arrived);
    assert_eq!(claim(1, awaited.id, "awaited", "v1").await, Claimed::Awaited);
    assert!(found(1, awaited.id).await.unwrap().arrived);
    assert_eq!(claim(1, awaited.id, "awaited", "v1").await, Claimed::Awaited, "the same event again");
    assert_eq!(claim(1, awaited.id, "elsewhere", "v1").await, Claimed::Other);
    assert_eq!(claim(2, awaited.id, "awaited", "v1").await, Claimed::Other);
    assert!(!found(1, awaited.id).await.unwrap().ignored_upload);
    assert_eq!(claim(1, awaited.id, "awaited", "v2").await, Claimed::Ignored);
    assert!(found(1, awaited.id).await.unwrap().ignored_upload);
    assert_eq!(claim(1, awaited.id, "awaited", "v1").await, Claimed::Awaited, "of the first one too");
    assert!(matches!(begin(&store, &awaited, "a", "2030-01-01T00:00:00Z").await, Begun::Yours(_, None)));
    for text in [awaited.id.to_string().to_uppercase(), awaited.id.to_string()[1..].to_owned(), "x".repeat(32)] {
        assert_eq!(ImportId::parse(&text), None, "{text}");
    }
    assert_eq!(ImportId::parse(&awaited.id.to_string()), Some(awaited.id));
}

#[tokio::test]
async fn operator_is_found_as_last_put() {
    let store = store().await;
    let put = |id, name: &str, suspended| Operator {
        id: operator(id),
        name: name.to_owned(),
        siret: Siret::parse("12345678901234").unwrap(),
        suspended,
    };
    for known in [put(1, "Covoit'Été", false), put(u32::MAX, "", true), put(1, "Renamed", true), put(1, "Back", false)]
    {
        store.operators.put(&known).await.unwrap();
        assert_eq!(store.operators.find(known.id).await, Ok(Some(known)));
    }
    assert_eq!(store.operators.find(operator(2)).await, Ok(None));
}

/// A table of imports from an earlier release has items but no index.
#[tokio::test]
async fn indexes_are_added_to_table_of_earlier_release() {
    let store = store().await;
    let (one, two) = (import_record("one", 1), import_record("two", 1));
    store
        .imports
        .await_upload(&one, at("2024-06-01T00:00:00Z"), at("2024-06-01T00:15:00Z"), Wishes::default())
        .await
        .unwrap();
    store
        .imports
        .await_upload(&two, at("2024-06-01T00:00:01Z"), at("2024-06-01T00:15:00Z"), Wishes::default())
        .await
        .unwrap();
    let delete = |name: &str| {
        let action =
            aws_sdk_dynamodb::types::DeleteGlobalSecondaryIndexAction::builder().index_name(name).build().unwrap();
        let update = aws_sdk_dynamodb::types::GlobalSecondaryIndexUpdate::builder().delete(action).build();
        store.db.update_table().table_name(&store.tables.imports).global_secondary_index_updates(update).send()
    };
    delete("by_creation").await.unwrap();
    delete("working").await.unwrap();
    let list = || store.imports.list::<Known, Known, Known>(operator(1), (None, 1), at("2024-06-02T00:00:00Z"), soon());
    assert!(list().await.is_err());
    store.tables.create_missing(&store.db).await.unwrap();
    let (listed, next) = list().await.unwrap();
    assert_eq!(listed.iter().map(|import| import.record.key.as_str()).collect::<Vec<_>>(), ["two"]);
    let next = next.unwrap();
    assert_eq!(Cursor::parse(&next.to_string()), Some(next));
    for text in [
        "",
        "x",
        &next.to_string()[1..],
        &next.to_string().to_uppercase(),
        &format!("{next}0"),
        &format!("+{}", &next.to_string()[1..]),
    ] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
    assert_eq!(store.imports.oldest_running().await, Ok(None));
}

/// Registers a long application of a driver of its own, on a day after [`DAY`].
async fn registered(store: &Store, number: u64, by: u32, day: i64) -> Application {
    let datetime = Instant::from_millis(at(DAY).millis() + day * 86_400_000).unwrap();
    let letter = |place: u32| char::from(b'A' + u8::try_from(number / 26_u64.pow(place) % 26).unwrap());
    let name: String = [2, 1, 0].map(letter).iter().collect();
    let made = application(number, by, Long, &driver(&name, &format!("L{number}"), None), datetime);
    assert_eq!(store.register(&made, None).await, Registration::Registered);
    made
}

fn listed(application: &Application) -> ListedApplication {
    ListedApplication {
        uuid: application.uuid,
        journey_type: application.journey_type,
        datetime: application.datetime,
        registered_at: application.registered_at,
        driving_license: application.identity.driving_license.clone().unwrap(),
        journey: application.journey.as_ref().map(|journey| ListedJourney {
            operator_journey_id: journey.operator_journey_id.clone(),
            journey_id: journey.journey_id,
            status: journey.status,
        }),
        token: application.token.clone(),
    }
}

/// A table of applications from an earlier release has items but no index: DynamoDB fills the index.
#[tokio::test]
async fn applications_of_earlier_release_are_listed() {
    let store = store().await;
    let delete = aws_sdk_dynamodb::types::DeleteGlobalSecondaryIndexAction::builder().index_name("by_date").build();
    let update = aws_sdk_dynamodb::types::GlobalSecondaryIndexUpdate::builder().delete(delete.unwrap()).build();
    let table = &store.tables.applications;
    store.db.update_table().table_name(table).global_secondary_index_updates(update).send().await.unwrap();
    put(&store, &journey(1, "j", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "j").await.unwrap();
    let short = using(application(1, 1, Short, &driver_with_keys("DUP", "A1", None, Some('a')), at(DAY)), &read);
    assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
    let long = registered(&store, 2, 1, 1).await;
    let gone = registered(&store, 3, 1, 2).await;
    let theirs = registered(&store, 4, 2, 1).await;
    assert_eq!(store.deleter.delete(gone.operator, gone.uuid, at(DAY), soon()).await, Ok(Deleted::Done));
    let list = async |by: u32| store.applications.list(operator(by), &ListFilter::default(), None, 500).await;
    assert!(list(1).await.is_err(), "there is no index");
    store.tables.create_missing(&store.db).await.unwrap();
    store.requests.take();
    assert_eq!(list(1).await, Ok((vec![listed(&long), listed(&short)], None)));
    assert_eq!(store.requests.take(), 1);
    assert_eq!(list(2).await, Ok((vec![listed(&theirs)], None)));
    assert_eq!(list(3).await, Ok((Vec::new(), None)));
}

/// A page with a filter reads at most 500 applications, and shows as many of them as it may.
#[tokio::test]
async fn filtered_page_reads_at_most_500_applications() {
    let store = store().await;
    put(&store, &journey(1, "j", at(DAY)), &version(1, 1)).await;
    let read = find(&store, 1, "j").await.unwrap();
    let short = using(application(1, 1, Short, &driver_with_keys("DUP", "A1", None, Some('a')), at(DAY)), &read);
    assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
    for number in 2..=502 {
        registered(&store, number, 1, 1).await;
    }
    let filter = ListFilter { journey_type: Some(Short), ..ListFilter::default() };
    let list = async |after| store.applications.list(operator(1), &filter, after, 1).await.unwrap();
    let (none, next) = list(None).await;
    assert_eq!((none.len(), next.is_some()), (0, true), "five hundred later ones are long");
    let (one, _) = list(next).await;
    assert_eq!(one, [listed(&short)]);
    let (all, next) = store.applications.list(operator(1), &ListFilter::default(), None, 500).await.unwrap();
    assert_eq!((all.len(), next.is_some()), (500, true));
}

/// Each filter begins and ends with the date of an application.
#[tokio::test]
async fn pages_show_each_application_of_filter_once() {
    let store = store().await;
    let mut made = Vec::new();
    for number in 1..=5 {
        made.push(registered(&store, number, 1, number as i64).await);
    }
    let (from, to) = (made[1].datetime, Instant::from_millis(made[3].datetime.millis() + 1));
    let dates = ListedDates::new(Some(from), to).unwrap();
    let registered = ListedDates::new(Some(made[1].registered_at), None).unwrap();
    let all = ListFilter::default();
    for filter in [
        ListFilter { dates, ..all },
        ListFilter { dates, journey_type: Some(Long), ..all },
        ListFilter { registered, ..all }.registered_until(made[3].registered_at),
    ] {
        let (mut shown, mut place) = (Vec::new(), None);
        // Two pages, or more if a place is wrong.
        for _ in 0..4 {
            let (page, next) = store.applications.list(operator(1), &filter, place, 2).await.unwrap();
            shown.extend(page);
            place = next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(shown, [&made[3], &made[2], &made[1]].map(listed), "{filter:?}");
    }
}

/// The index holds what a list shows, and nothing else of a driver.
#[tokio::test]
async fn index_of_applications_holds_no_name_phone_or_identity_key() {
    let store = store().await;
    let identity = driver("DUP", "A1", Some('a'));
    assert_eq!(store.register(&application(1, 1, Long, &identity, at(DAY)), None).await, Registration::Registered);
    let query = store.db.query().table_name(&store.tables.applications).index_name("by_date");
    let query = query.key_condition_expression("operator_id = :operator");
    let found = query.expression_attribute_values(":operator", AttributeValue::N("1".to_owned())).send().await.unwrap();
    let mut attributes: Vec<&str> = found.items()[0].keys().map(String::as_str).collect();
    attributes.sort_unstable();
    let expected = ["datetime", "driving_license", "journey_type", "operator_id", "registered_at", "token", "uuid"];
    assert_eq!(attributes, expected);
}

/// One item that nobody can read is an error, not a shorter list.
#[tokio::test]
async fn malformed_application_makes_its_list_fail() {
    let store = store().await;
    let made = registered(&store, 1, 1, 0).await;
    registered(&store, 2, 2, 0).await;
    let list = async |by: u32| store.applications.list(operator(by), &ListFilter::default(), None, 500).await;
    for (change, what) in [
        ("SET journey_type = :x", "journey_type"),
        ("SET registered_at = :x", "a missing or mistyped attribute"),
        ("SET driving_license = :x", "driving_license"),
        ("SET #status = :x", "half a journey"),
        ("SET operator_journey_id = :x", "half a journey"),
        ("REMOVE #token", "a missing or mistyped attribute"),
    ] {
        let item = store.scan(&store.tables.applications).await.remove(&made.uuid.to_string()).unwrap();
        let update = store.db.update_item().table_name(&store.tables.applications);
        let mut update = update.key("uuid", AttributeValue::S(made.uuid.to_string())).update_expression(change);
        for name in ["status", "token"].into_iter().filter(|name| change.contains(&format!("#{name}"))) {
            update = update.expression_attribute_names(format!("#{name}"), name);
        }
        if change.contains(":x") {
            update = update.expression_attribute_values(":x", AttributeValue::S(String::new()));
        }
        update.send().await.unwrap();
        assert_eq!(list(1).await, Err(StoreError::Corrupt { table: "applications", what }), "{change}");
        assert_eq!(list(2).await.unwrap().0.len(), 1, "{change}: another operator's list is not affected");
        let put = store.db.put_item().table_name(&store.tables.applications).set_item(Some(item));
        put.send().await.unwrap();
    }
    assert_eq!(list(1).await, Ok((vec![listed(&made)], None)));
}
