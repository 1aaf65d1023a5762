//! Statistics against an embedded DynamoDB: what calls add, and what a recount of the tables replaces.

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::JourneyType::{Long, Short};
use cee_eligibility::{Instant, JourneyType, Week};
use cee_registry::{
    Added, Cell, Counts, DriverQuery, ImportId, Outcome, Recounter, Registration, Statistics, WeekCounts,
};

use crate::support::{
    Fault, Store, application, at, driver, operator, soon, store, store_that_tries_again, store_with_faults, uuid,
};

fn counts(counts: &[(Option<JourneyType>, Outcome, u64)]) -> Counts {
    let cell = |(journey_type, outcome, count): &(Option<JourneyType>, Outcome, u64)| {
        (Cell { journey_type: *journey_type, outcome: *outcome }, *count)
    };
    counts.iter().map(cell).collect()
}

fn week(text: &str) -> Week {
    Week::parse(text).unwrap()
}

fn statistics(store: &Store) -> Statistics {
    Statistics::new(store.db.clone(), &store.tables)
}

fn recounter(store: &Store) -> Recounter {
    Recounter::new(store.db.clone(), &store.tables)
}

/// The stored week: its operator and its counts.
async fn stored(store: &Store) -> Vec<(String, u32, Counts)> {
    let weeks = statistics(store).all().await.unwrap();
    let shown = |WeekCounts { operator, week, counts }: WeekCounts| (week.to_string(), operator.get(), counts);
    weeks.into_iter().map(shown).filter(|(_, _, counts)| !counts.is_empty()).collect()
}

#[tokio::test]
async fn counts_of_calls_are_added_and_read_by_week() {
    let store = store().await;
    let statistics = statistics(&store);
    let refused = counts(&[(Some(Short), Outcome::Duplicate, 2), (None, Outcome::Invalid, 1)]);
    store.requests.take();
    assert_eq!(statistics.add(operator(7), week("2026-W48"), &refused).await, Ok(Added::Done));
    assert_eq!(store.requests.take(), 1);
    assert_eq!(statistics.add(operator(7), week("2026-W48"), &refused).await, Ok(Added::Done));
    assert_eq!(statistics.add(operator(7), week("2027-W01"), &refused).await, Ok(Added::Done));
    assert_eq!(statistics.add(operator(70), week("2026-W48"), &refused).await, Ok(Added::Done));
    assert_eq!(statistics.add(operator(7), week("2026-W48"), &Counts::new()).await, Ok(Added::Done));
    let twice = counts(&[(Some(Short), Outcome::Duplicate, 4), (None, Outcome::Invalid, 2)]);
    let of_7 = |week: &str, counts: &Counts| WeekCounts {
        operator: operator(7),
        week: Week::parse(week).unwrap(),
        counts: counts.clone(),
    };
    store.requests.take();
    let (read, _) = statistics.of_operator(operator(7), (week("2026-W48"), week("2027-W01")), soon()).await.unwrap();
    assert_eq!(store.requests.take(), 1);
    assert_eq!(read, [of_7("2026-W48", &twice), of_7("2027-W01", &refused)]);
    let (none, _) = statistics.of_operator(operator(7), (week("2026-W49"), week("2026-W53")), soon()).await.unwrap();
    assert_eq!(none, []);
    let all: Vec<_> =
        statistics.all().await.unwrap().iter().map(|found| (found.week.to_string(), found.operator.get())).collect();
    assert_eq!(all, [("2026-W48".to_owned(), 7), ("2026-W48".to_owned(), 70), ("2027-W01".to_owned(), 7)]);
    assert_eq!(statistics.counted_at().await, Ok(None));
    let recount = recounter(&store);
    recount.keep(at("2026-11-28T12:00:00Z")).await.unwrap();
    store.requests.take();
    let weeks = (week("2026-W40"), week("2027-W20"));
    let (found, counted_at) = statistics.of_operator(operator(7), weeks, soon()).await.unwrap();
    assert_eq!((store.requests.take(), found), (1, read));
    assert_eq!(counted_at, Some(at("2026-11-28T12:00:00Z")));
}

#[tokio::test]
async fn addition_with_lost_response_is_not_repeated() {
    let (store, faults) = store_that_tries_again().await;
    let statistics = statistics(&store);
    let one = counts(&[(Some(Long), Outcome::History, 1)]);
    for fault in [Fault::AnswerLost, Fault::FailedAfter] {
        faults.to("UpdateItem", [fault]);
        assert!(statistics.add(operator(1), week("2026-W48"), &one).await.is_err());
        assert!(faults.are_over());
    }
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException"] {
        faults.to("UpdateItem", [Fault::code(code)]);
        assert_eq!(statistics.add(operator(1), week("2026-W48"), &one).await, Ok(Added::Busy), "{code}");
    }
    // Each of the first two was added once, and none of the others.
    assert_eq!(stored(&store).await, [("2026-W48".to_owned(), 1, counts(&[(Some(Long), Outcome::History, 2)]))]);
}

/// Puts an import by hand: its number, its operator, when it began, and the rest of its report as JSON.
async fn put_import(
    store: &Store,
    number: u8,
    by: u32,
    began: &str,
    rows: [u64; 3],
    taken_back: Option<u64>,
    check_only: bool,
) {
    let number_of = |value: u64| AttributeValue::N(value.to_string());
    let mut report = std::collections::HashMap::from([
        ("imported".to_owned(), number_of(rows[0])),
        ("already_known".to_owned(), number_of(rows[1])),
        ("rejected".to_owned(), number_of(rows[2])),
        ("check_only".to_owned(), AttributeValue::Bool(check_only)),
    ]);
    if let Some(removed) = taken_back {
        let undone = [("removed".to_owned(), number_of(removed))];
        report.insert("undone".to_owned(), AttributeValue::M(undone.into()));
    }
    let put = store
        .db
        .put_item()
        .table_name(&store.tables.imports)
        .item("operator_id", number_of(u64::from(by)))
        .item("import_id", AttributeValue::S(ImportId::from_bytes([number; 16]).to_string()))
        .item("created_at", AttributeValue::N(at(began).millis().to_string()))
        .item("started_at", AttributeValue::N(at(began).millis().to_string()))
        .item("report", AttributeValue::M(report));
    put.send().await.unwrap();
}

#[tokio::test]
async fn recount_keeps_what_tables_show() {
    let store = store().await;
    let (recounter, statistics) = (recounter(&store), statistics(&store));
    // Eight days later it is registered: 2024-W12.
    let day = at("2024-03-12T12:00:00Z");
    for (number, by, scope, license) in
        [(1, 1, Short, "A1"), (2, 1, Long, "A1"), (3, 2, Long, "A3"), (4, 2, Long, "A4")]
    {
        let identity = driver(["DUP", "DUP", "MAR", "TOT"][usize::try_from(number - 1).unwrap()], license, None);
        let registered = store.register(&application(number, by, scope, &identity, day), None).await;
        assert!(matches!(registered, Registration::Registered), "{registered:?}");
    }
    // Refusals of the same weeks stay as they are.
    let refused = counts(&[(Some(Long), Outcome::Duplicate, 5)]);
    statistics.add(operator(1), week("2024-W12"), &refused).await.unwrap();
    put_import(&store, 1, 1, "2024-03-20T00:00:00Z", [10, 2, 3], None, false).await;
    put_import(&store, 2, 1, "2024-03-21T00:00:00Z", [1, 0, 0], None, false).await;
    put_import(&store, 3, 1, "2024-03-21T00:00:00Z", [0, 0, 9], None, true).await;
    // The registry's own files have no operator.
    put_import(&store, 4, 0, "2024-03-21T00:00:00Z", [7, 0, 0], None, false).await;
    let now = at("2024-04-01T00:00:00Z");
    assert_eq!(recounter.keep(now).await, Ok(2));
    let expected = |granted_1: &[(Option<JourneyType>, Outcome, u64)]| {
        let mut all = refused.clone();
        all.extend(counts(granted_1));
        all
    };
    let rows = [(None, Outcome::Imported, 11), (None, Outcome::AlreadyKnown, 2), (None, Outcome::Rejected, 3)];
    let of_1 = [(Some(Short), Outcome::Granted, 1), (Some(Long), Outcome::Granted, 1)];
    let first = expected(&[&rows[..], &of_1[..]].concat());
    let of_2 = counts(&[(Some(Long), Outcome::Granted, 2)]);
    assert_eq!(
        stored(&store).await,
        [("2024-W12".to_owned(), 1, first.clone()), ("2024-W12".to_owned(), 2, of_2.clone())]
    );
    assert_eq!(statistics.counted_at().await, Ok(Some(now)));
    // A second count writes nothing but its moment.
    assert_eq!(recounter.keep(now.days_after(1)).await, Ok(0));
    assert_eq!(statistics.counted_at().await, Ok(Some(now.days_after(1))));

    // Deleted in another week; erased; an import undone, and one whose item is gone.
    store.deleter.delete(operator(1), uuid(2), at("2024-04-10T00:00:00Z"), soon()).await.unwrap();
    let identity = driver("MAR", "A3", None);
    let query = DriverQuery { driving_license: identity.driving_license, identity_key: None, truncated: None };
    let data = store.finder.find(&query, soon()).await.unwrap();
    assert_eq!(data.applications.len(), 1);
    store.eraser.erase(&data, "asked", at("2024-04-10T00:00:00Z"), soon()).await.unwrap();
    put_import(&store, 1, 1, "2024-03-20T00:00:00Z", [10, 2, 3], Some(8), false).await;
    let gone = store.db.delete_item().table_name(&store.tables.imports);
    let gone = gone.key("operator_id", AttributeValue::N("1".to_owned()));
    let gone = gone.key("import_id", AttributeValue::S(ImportId::from_bytes([2; 16]).to_string()));
    gone.send().await.unwrap();
    assert_eq!(recounter.keep(now.days_after(20)).await, Ok(2));
    let rows = [
        (None, Outcome::Imported, 10),
        (None, Outcome::AlreadyKnown, 2),
        (None, Outcome::Rejected, 3),
        (None, Outcome::TakenBack, 8),
    ];
    let second = expected(&[&rows[..], &of_1[..]].concat());
    let deleted = counts(&[(Some(Long), Outcome::Deleted, 1)]);
    assert_eq!(
        stored(&store).await,
        [
            ("2024-W12".to_owned(), 1, second.clone()),
            ("2024-W12".to_owned(), 2, of_2),
            ("2024-W15".to_owned(), 1, deleted)
        ]
    );
    // An application that no table shows is no longer counted.
    put_import(&store, 1, 1, "2024-03-20T00:00:00Z", [0, 0, 0], None, true).await;
    assert_eq!(recounter.keep(now.days_after(21)).await, Ok(1));
    assert_eq!(stored(&store).await[0].2, expected(&of_1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn application_deleted_between_reads_is_counted_once() {
    let (calm, store, faults) = store_with_faults().await;
    let day = at("2024-03-12T12:00:00Z");
    for (number, name, license) in [(1, "DUP", "A1"), (2, "MAR", "A2")] {
        calm.register(&application(number, 1, Long, &driver(name, license, None), day), None).await;
    }
    // After the applications were read, before the archive is.
    let deleter = calm.deleter.clone();
    let delete = async move {
        deleter.delete(operator(1), uuid(1), at("2024-03-20T12:00:00Z"), soon()).await.unwrap();
    };
    faults.to("Scan", [Fault::None, Fault::meanwhile(delete)]);
    let counted = recounter(&store).count().await.unwrap();
    assert!(faults.are_over());
    let expected = counts(&[(Some(Long), Outcome::Granted, 2), (Some(Long), Outcome::Deleted, 1)]);
    assert_eq!(counted, [((week("2024-W12"), operator(1)), expected)].into());
}

#[tokio::test]
async fn late_recount_does_not_replace_a_later_one() {
    let store = store().await;
    let (early, late): (Instant, Instant) = (at("2024-04-01T00:00:00Z"), at("2024-04-02T00:00:00Z"));
    put_import(&store, 1, 1, "2024-03-20T00:00:00Z", [5, 0, 0], None, false).await;
    assert_eq!(recounter(&store).keep(late).await, Ok(1));
    // One that began earlier has read other tables, and ends later.
    put_import(&store, 1, 1, "2024-03-20T00:00:00Z", [4, 0, 0], None, false).await;
    assert_eq!(recounter(&store).keep(early).await, Ok(0));
    assert_eq!(statistics(&store).counted_at().await, Ok(Some(late)));
    assert_eq!(stored(&store).await, [("2024-W12".to_owned(), 1, counts(&[(None, Outcome::Imported, 5)]))]);
}
