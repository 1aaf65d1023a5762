//! How many drivers an operator asks about in lists: exactly, whatever happens at once or again.

use crate::support::{Fault, Store, at, operator, soon, store, store_with_faults};
use cee_eligibility::Instant;
use cee_registry::*;
use tokio::task::JoinSet;

const TODAY: &str = "2024-05-01T00:00:00Z";

fn import(number: u8) -> ImportId {
    ImportId::from_bytes([number; 16])
}

/// An operator's quota of 100 drivers a day.
fn quota(store: &Store) -> DriverQuota {
    DriverQuota::new(store.db.clone(), &store.tables, 100)
}

async fn take(store: &Store, by: u32, number: u8, rows: u64, now: Instant) -> Asked {
    quota(store).take((operator(by), import(number)), rows, (now, now), soon()).await.unwrap()
}

fn left(left: u64) -> Asked {
    Asked::TooMany { most: 100, left }
}

#[tokio::test]
async fn day_of_operator_holds_its_number_of_drivers() {
    let store = store().await;
    let now = at(TODAY);
    assert_eq!(take(&store, 1, 1, 101, now).await, left(100), "more than a day's");
    assert_eq!(take(&store, 1, 2, 60, now).await, Asked::Counted);
    assert_eq!(take(&store, 1, 3, 41, now).await, left(40), "nothing of it counts");
    assert_eq!(take(&store, 1, 4, 101, now).await, left(40));
    assert_eq!(take(&store, 1, 5, 40, now).await, Asked::Counted, "to the last one");
    assert_eq!(take(&store, 1, 6, 1, now).await, left(0));
    assert_eq!(take(&store, 2, 6, 100, now).await, Asked::Counted, "another operator");
    // 22:00 UTC is midnight in Paris.
    assert_eq!(take(&store, 1, 7, 1, at("2024-05-01T21:59:59.999Z")).await, left(0));
    assert_eq!(take(&store, 1, 7, 100, at("2024-05-01T22:00:00Z")).await, Asked::Counted);
}

#[tokio::test]
async fn import_that_begins_again_counts_once() {
    let store = store().await;
    let now = at(TODAY);
    for _ in 0..3 {
        assert_eq!(take(&store, 1, 1, 100, now).await, Asked::Counted);
    }
    assert_eq!(take(&store, 1, 2, 1, now).await, left(0));
    // On another day, too.
    let tomorrow = now.days_after(1);
    assert_eq!(take(&store, 1, 1, 100, tomorrow).await, Asked::Counted);
    assert_eq!(take(&store, 1, 3, 100, tomorrow).await, Asked::Counted);
}

#[tokio::test]
async fn lost_response_counts_once() {
    for fault in [Fault::AnswerLost, Fault::FailedAfter, Fault::Lost, Fault::code("TransactionConflictException")] {
        let (_, store, faults) = store_with_faults().await;
        let now = at(TODAY);
        faults.to("TransactWriteItems", [fault]);
        assert_eq!(take(&store, 1, 1, 60, now).await, Asked::Counted);
        assert!(faults.are_over());
        assert_eq!(take(&store, 1, 2, 41, now).await, left(40));
        assert_eq!(take(&store, 1, 3, 40, now).await, Asked::Counted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_at_the_same_moment_do_not_exceed_the_limit() {
    let store = store().await;
    let now = at(TODAY);
    let mut lists = JoinSet::new();
    for number in 0..60 {
        let store = store.clone();
        // Each list twice, as after a retried event.
        lists.spawn(async move { (number % 30, take(&store, 1, number % 30, 7, now).await) });
    }
    let mut counted = std::collections::BTreeSet::new();
    for (number, asked) in lists.join_all().await {
        match asked {
            Asked::Counted => {
                counted.insert(number);
            }
            Asked::TooMany { left, .. } => assert!(left < 100, "{left}"),
        }
    }
    assert_eq!(counted.len(), 14, "14 lists of 7 rows are 98");
    assert_eq!(take(&store, 1, 100, 3, now).await, left(2));
    let items = store.scan(&store.tables.limits).await;
    assert!(items.values().all(|item| item.contains_key("forgotten_at")), "no count is kept for ever");
}
