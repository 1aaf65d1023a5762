//! The feed of changes: what is in it, in which order, and that a reader misses nothing, whatever collides, arrives late or expires.

use std::collections::BTreeMap;

use crate::support::{
    Fault, Store, application, at, driver, find, journey, operator, put, soon, store, store_with_faults, truncated,
    using, uuid, version,
};
use JourneyStatus::{Canceled, FraudError, Ok as Fine, Pending};
use JourneyType::{Long, Short};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::*;
use cee_registry::*;
use proptest::prelude::*;

const DAY: &str = "2024-03-15T07:30:00Z";
const NOW: &str = "2024-05-01T00:00:00Z";

/// A reader of an operator's changes, as a job that keeps its cursor.
#[derive(Clone, Debug)]
struct Reader {
    place: ChangesPlace,
    read: Vec<Change>,
}

impl Reader {
    fn new() -> Self {
        Self { place: ChangesPlace::BEGINNING, read: Vec::new() }
    }

    /// Reads to the end. `false` if the cursor has expired.
    async fn go_on(&mut self, store: &Store, by: u32, most: usize, now: Instant) -> bool {
        loop {
            match store.changes.read(operator(by), self.place, most, now).await.unwrap() {
                ChangesRead::Gone => return false,
                ChangesRead::Page(page) => {
                    assert!(page.changes.len() <= most);
                    self.read.extend(page.changes);
                    self.place = page.next;
                    if !page.more {
                        return true;
                    }
                }
            }
        }
    }
}

/// The whole feed of an operator.
async fn feed(store: &Store, by: u32) -> Vec<Change> {
    let mut reader = Reader::new();
    assert!(reader.go_on(store, by, 3, at(NOW)).await);
    reader.read
}

fn kinds(feed: &[Change]) -> Vec<(ApplicationId, ChangeKind)> {
    feed.iter().map(|change| (change.uuid, change.kind)).collect()
}

/// A short application that uses the journey of its number.
async fn short(store: &Store, number: u64, by: u32) -> Application {
    let id = format!("trip{number}");
    put(store, &journey(by, &id, at(DAY)), &version(1, number)).await;
    let read = find(store, by, &id).await.unwrap();
    let name = format!("{}{}X", char::from(b'A' + (number / 26) as u8), char::from(b'A' + (number % 26) as u8));
    let who = Identity {
        truncated: truncated(&name, &format!("+33601{number:04}")),
        ..driver("DUP", &format!("A{number}"), None)
    };
    let asked = using(application(number, by, Short, &who, at(DAY)), &read);
    assert_eq!(store.register(&asked, Some(&read)).await, Registration::Registered);
    asked
}

async fn delete(store: &Store, by: u32, number: u64) -> Deleted {
    store.deleter.delete(operator(by), uuid(number), at(NOW), soon()).await.unwrap()
}

async fn erase(store: &Store, application: &Application) -> Vec<ApplicationId> {
    let held = DriverData { applications: vec![application.clone()], ..DriverData::default() };
    store.eraser.erase(&held, "asked for", at(NOW), soon()).await.unwrap().applications
}

const fn status(from: JourneyStatus, to: JourneyStatus) -> ChangeKind {
    ChangeKind::Status { from, to }
}

#[tokio::test]
async fn feed_holds_new_statuses_and_deletes_of_one_operator_in_order() {
    let store = store().await;
    let (one, two) = (short(&store, 1, 1).await, short(&store, 2, 1).await);
    short(&store, 3, 2).await;
    let long = application(4, 1, Long, &driver("LON", "A4", None), at(DAY));
    assert_eq!(store.register(&long, None).await, Registration::Registered);
    assert_eq!((feed(&store, 1).await, feed(&store, 2).await), (vec![], vec![]), "a registration is not a change");

    assert!(store.follow(one.uuid, Fine, &version(2, 1)).await);
    assert!(!store.follow(one.uuid, Fine, &version(3, 1)).await, "the same status");
    assert!(!store.follow(one.uuid, Fine, &version(2, 2)).await, "an older line with the same status");
    assert!(!store.follow(one.uuid, Canceled, &version(2, 9)).await, "a line between the two");
    assert!(store.follow(two.uuid, Canceled, &version(3, 2)).await);
    assert!(store.follow(uuid(3), Canceled, &version(3, 3)).await);
    assert!(store.follow(one.uuid, FraudError, &version(4, 1)).await);
    assert!(!store.follow(long.uuid, Fine, &version(4, 1)).await, "it has no journey");
    assert_eq!(delete(&store, 2, 1).await, Deleted::Unknown, "it is another operator's");
    assert_eq!(delete(&store, 1, 1).await, Deleted::Done);
    assert_eq!(delete(&store, 1, 1).await, Deleted::Unknown);
    assert!(!store.follow(one.uuid, Fine, &version(5, 1)).await, "it is deleted");
    assert_eq!(erase(&store, &long).await, [long.uuid]);
    let found = feed(&store, 1).await;
    assert_eq!(
        kinds(&found),
        [
            (one.uuid, status(Pending, Fine)),
            (two.uuid, status(Pending, Canceled)),
            (one.uuid, status(Fine, FraudError)),
            (one.uuid, ChangeKind::Deleted(DeletedBy::Operator)),
            (long.uuid, ChangeKind::Deleted(DeletedBy::Registry)),
        ]
    );
    assert_eq!((found[0].journey_type, found[4].journey_type), (Short, Long));
    assert!(found.iter().all(|change| change.at == at(NOW)));
    assert_eq!(kinds(&feed(&store, 2).await), [(uuid(3), status(Pending, Canceled))]);
    assert_eq!(feed(&store, 3).await, []);
}

#[tokio::test]
async fn page_is_one_request_and_a_status_that_stays_is_one_too() {
    let store = store().await;
    let one = short(&store, 1, 1).await;
    for (line, to, requests) in [(1, Fine, 3), (2, Fine, 1), (3, Canceled, 3), (3, Canceled, 1), (2, Fine, 1)] {
        store.requests.take();
        store.follow(one.uuid, to, &version(2, line)).await;
        assert_eq!(store.requests.take(), requests, "{line} {to:?}");
    }
    for most in [1, 2, 500] {
        let read = store.changes.read(operator(1), ChangesPlace::BEGINNING, most, at(NOW)).await.unwrap();
        assert_eq!(store.requests.take(), 1);
        let ChangesRead::Page(page) = read else { panic!("{read:?}") };
        assert_eq!((page.changes.len(), page.more), (most.min(2), most < 2));
    }
}

/// A change that another writer adds between the read of the last change and the write takes the number: the write fails and is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_request_does_not_come_before_what_was_read() {
    for (what, expected) in [
        ("status", status(Pending, Canceled)),
        ("delete", ChangeKind::Deleted(DeletedBy::Operator)),
        ("erase", ChangeKind::Deleted(DeletedBy::Registry)),
    ] {
        // With and without a change before.
        for before in [false, true] {
            let (calm, store, faults) = store_with_faults().await;
            let one = short(&calm, 1, 1).await;
            short(&calm, 2, 1).await;
            if before {
                short(&calm, 3, 1).await;
                calm.follow(uuid(3), Fine, &version(2, 1)).await;
            }
            let mut reader = Reader::new();
            let other = calm.clone();
            let meanwhile = async move {
                assert!(other.follow(uuid(2), Fine, &version(2, 1)).await);
            };
            faults.to("TransactWriteItems", [Fault::meanwhile(meanwhile)]);
            match what {
                "status" => assert!(store.follow(uuid(1), Canceled, &version(2, 1)).await),
                "delete" => assert_eq!(delete(&store, 1, 1).await, Deleted::Done),
                _ => assert_eq!(erase(&store, &one).await, [uuid(1)]),
            }
            assert!(faults.are_over());
            assert!(reader.go_on(&calm, 1, 1, at(NOW)).await);
            let expected = [(uuid(2), status(Pending, Fine)), (uuid(1), expected)];
            assert_eq!(kinds(&reader.read)[usize::from(before)..], expected, "{what}");
        }
    }
}

/// The last change is taken away while another is written, as a restore of the table would do. The write leaves no stub of the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_that_is_taken_away_is_not_marked() {
    let (calm, store, faults) = store_with_faults().await;
    short(&calm, 1, 1).await;
    short(&calm, 2, 1).await;
    calm.follow(uuid(1), Fine, &version(2, 1)).await;
    let other = calm.clone();
    let meanwhile = async move {
        let delete = other.db.delete_item().table_name(&other.tables.changes);
        let delete = delete.key("operator_id", AttributeValue::N("1".to_owned()));
        delete.key("number", AttributeValue::N("1".to_owned())).send().await.unwrap();
    };
    faults.to("TransactWriteItems", [Fault::meanwhile(meanwhile)]);
    assert!(store.follow(uuid(2), Fine, &version(2, 1)).await);
    assert_eq!(kinds(&feed(&calm, 1).await), [(uuid(2), status(Pending, Fine))]);
}

#[tokio::test]
async fn change_is_in_the_feed_once_despite_faults() {
    for fault in ["TransactionConflict", "ThrottlingException", "InternalServerError", "lost", "answer lost"] {
        let fault = || match fault {
            "lost" => Fault::Lost,
            "answer lost" => Fault::AnswerLost,
            code => Fault::code(code),
        };
        let (calm, store, faults) = store_with_faults().await;
        let two = short(&calm, 2, 1).await;
        short(&calm, 1, 1).await;
        short(&calm, 3, 1).await;
        faults.to("TransactWriteItems", [fault()]);
        assert!(store.follow(uuid(1), Canceled, &version(2, 1)).await);
        faults.to("TransactWriteItems", [fault()]);
        assert_eq!(erase(&store, &two).await, [uuid(2)]);
        faults.to("TransactWriteItems", [fault()]);
        assert_eq!(delete(&store, 1, 3).await, Deleted::Done);
        assert!(faults.are_over());
        let expected = [
            (uuid(1), status(Pending, Canceled)),
            (uuid(2), ChangeKind::Deleted(DeletedBy::Registry)),
            (uuid(3), ChangeKind::Deleted(DeletedBy::Operator)),
        ];
        assert_eq!(kinds(&feed(&calm, 1).await), expected);
    }
    // Faults of the reads before it.
    let (calm, store, faults) = store_with_faults().await;
    short(&calm, 1, 1).await;
    faults.to("UpdateItem", [Fault::AnswerLost, Fault::code("ThrottlingException")]);
    faults.to("Query", [Fault::Lost, Fault::code("InternalServerError")]);
    assert!(store.follow(uuid(1), Canceled, &version(2, 1)).await);
    assert_eq!(kinds(&feed(&calm, 1).await), [(uuid(1), status(Pending, Canceled))]);
    faults.to("Query", [Fault::code("AccessDeniedException")]);
    let said = store.follower.follow(uuid(1), Fine, &version(3, 1), at(NOW), soon()).await;
    assert!(matches!(said, Err(StoreError::Request { operation: "Query", .. })), "{said:?}");
    // Busy until the deadline: nothing is written.
    faults.always("TransactWriteItems", "TransactionConflictException");
    let said = store.follower.follow(uuid(1), Fine, &version(3, 1), at(NOW), Deadline::after_retries(3)).await;
    assert_eq!(said, Err(StoreError::Busy));
    assert_eq!(feed(&calm, 1).await.len(), 1);
}

/// A line of a later file, or a delete, comes between the read of the application and the write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_of_an_overtaken_line_is_not_in_the_feed() {
    let (calm, store, faults) = store_with_faults().await;
    short(&calm, 1, 1).await;
    let other = calm.clone();
    let meanwhile = async move {
        other.follow(uuid(1), FraudError, &version(3, 1)).await;
    };
    faults.to("TransactWriteItems", [Fault::meanwhile(meanwhile)]);
    assert!(!store.follow(uuid(1), Canceled, &version(2, 1)).await);
    let other = calm.clone();
    let meanwhile = async move { assert_eq!(delete(&other, 1, 1).await, Deleted::Done) };
    faults.to("TransactWriteItems", [Fault::meanwhile(meanwhile)]);
    assert!(!store.follow(uuid(1), Canceled, &version(4, 1)).await);
    let expected = [(uuid(1), status(Pending, FraudError)), (uuid(1), ChangeKind::Deleted(DeletedBy::Operator))];
    assert_eq!(kinds(&feed(&calm, 1).await), expected);
}

/// Many writers at once, and readers that never stop: each reads the same changes in the same order, and none is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_miss_nothing_while_changes_are_written() {
    const APPLICATIONS: u64 = 12;
    let store = store().await;
    for number in 1..=APPLICATIONS {
        short(&store, number, 1).await;
    }
    // Of each writer its own follower, as in several invocations.
    let writers = (1..=APPLICATIONS).map(|number| {
        let (store, tables, db) = (store.clone(), store.tables.clone(), store.db.clone());
        tokio::spawn(async move {
            let follower = JourneyFollower::new(db, &tables);
            for (line, to) in (2..).zip([Fine, Canceled, FraudError]) {
                let followed = follower.follow(uuid(number), to, &version(line, number), at(NOW), soon()).await;
                assert_eq!(followed, Ok(true));
            }
            if number % 2 == 0 {
                assert_eq!(delete(&store, 1, number).await, Deleted::Done);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = [1, 2, 500].map(|most| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut reader = Reader::new();
            while reader.read.len() < (APPLICATIONS * 3 + APPLICATIONS / 2) as usize {
                assert!(reader.go_on(&store, 1, most, at(NOW)).await);
            }
            reader.read
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let all = feed(&store, 1).await;
    for reader in readers {
        assert_eq!(reader.await.unwrap(), all);
    }
    for number in 1..=APPLICATIONS {
        let its: Vec<ChangeKind> =
            all.iter().filter(|change| change.uuid == uuid(number)).map(|change| change.kind).collect();
        let statuses = [status(Pending, Fine), status(Fine, Canceled), status(Canceled, FraudError)];
        assert_eq!(its[..3], statuses, "{number}");
        assert_eq!(its.len(), 4 - (number % 2) as usize, "{number}");
    }
}

#[tokio::test]
async fn missing_change_is_an_error_and_not_a_shorter_feed() {
    let store = store().await;
    for number in 1..=3 {
        short(&store, number, 1).await;
        store.follow(uuid(number), Fine, &version(2, 1)).await;
    }
    let delete = store.db.delete_item().table_name(&store.tables.changes);
    let delete = delete.key("operator_id", AttributeValue::N("1".to_owned()));
    delete.key("number", AttributeValue::N("2".to_owned())).send().await.unwrap();
    let said = store.changes.read(operator(1), ChangesPlace::BEGINNING, 9, at(NOW)).await;
    assert!(matches!(said, Err(StoreError::Corrupt { table: "changes", .. })), "{said:?}");
}

/// A step of the model.
#[derive(Clone, Debug)]
enum Step {
    /// The journey of an application gets this status.
    Follow(u64, JourneyStatus),
    /// The operator deletes an application, or the team erases it.
    Delete(u64, DeletedBy),
    /// Days pass.
    Wait(u16),
    /// DynamoDB removes some of the items that it may remove.
    Sweep(u8),
    /// One of the readers reads to the end, or only a page.
    Read(usize, usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = prop_oneof![Just(Fine), Just(Canceled), Just(FraudError)];
    let by = prop_oneof![Just(DeletedBy::Operator), Just(DeletedBy::Registry)];
    let step = prop_oneof![
        6 => (1..=APPLICATIONS, status).prop_map(|(number, status)| Step::Follow(number, status)),
        1 => (1..=APPLICATIONS, by).prop_map(|(number, by)| Step::Delete(number, by)),
        3 => prop_oneof![1..3_u16, 150..250_u16, 399..402_u16].prop_map(Step::Wait),
        2 => any::<u8>().prop_map(Step::Sweep),
        4 => (0..3_usize, 1..4_usize, any::<bool>()).prop_map(|(reader, most, page)| Step::Read(reader, most, page)),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The applications of the model: those of two operators.
const APPLICATIONS: u64 = 6;

const fn owner(number: u64) -> u32 {
    if number.is_multiple_of(3) { 2 } else { 1 }
}

/// A plain model of the feed of one operator: every change that there ever was.
#[derive(Default)]
struct Model(Vec<Change>);

impl Model {
    /// The number of changes that have expired: those whose next change is old.
    fn expired(&self, now: Instant) -> usize {
        let is_old = |change: &&Change| change.at.days_after(CHANGES_KEPT_DAYS) <= now;
        self.0.iter().skip(1).take_while(is_old).count()
    }
}

/// A reader of the model: the number of the changes before its place, once it has a place that is bound to them.
#[derive(Clone)]
struct Modelled {
    place: ChangesPlace,
    before: Option<usize>,
}

const BEGIN: Modelled = Modelled { place: ChangesPlace::BEGINNING, before: None };

async fn play(steps: Vec<Step>) {
    let store = store().await;
    let mut held = BTreeMap::new();
    for number in 1..=APPLICATIONS {
        held.insert(number, (short(&store, number, owner(number)).await, Pending));
    }
    let (mut now, mut models) = (at(NOW), [Model::default(), Model::default()]);
    let mut readers = vec![BEGIN; 3];
    for (line, step) in (1..).zip(steps) {
        match step {
            Step::Follow(number, to) => {
                let followed = store.follower.follow(uuid(number), to, &version(2, line), now, soon()).await.unwrap();
                let Some((application, status)) = held.get_mut(&number) else {
                    assert!(!followed);
                    continue;
                };
                assert_eq!(followed, *status != to);
                if followed {
                    let kind = ChangeKind::Status { from: std::mem::replace(status, to), to };
                    let change = Change { uuid: application.uuid, journey_type: Short, at: now, kind };
                    models[owner(number) as usize - 1].0.push(change);
                }
            }
            Step::Delete(number, by) => {
                let Some((application, _)) = held.remove(&number) else { continue };
                match by {
                    DeletedBy::Operator => {
                        let deleted = store.deleter.delete(operator(owner(number)), uuid(number), now, soon()).await;
                        assert_eq!(deleted, Ok(Deleted::Done));
                    }
                    DeletedBy::Registry => {
                        let data = DriverData { applications: vec![application.clone()], ..DriverData::default() };
                        let erased = store.eraser.erase(&data, "asked for", now, soon()).await.unwrap();
                        assert_eq!(erased.applications, [uuid(number)]);
                    }
                }
                let kind = ChangeKind::Deleted(by);
                let change = Change { uuid: application.uuid, journey_type: Short, at: now, kind };
                models[owner(number) as usize - 1].0.push(change);
            }
            Step::Wait(days) => now = now.days_after(days),
            Step::Sweep(which) => sweep(&store, which, now).await,
            Step::Read(index, most, page) => {
                let by = index as u32 % 2 + 1;
                readers[index] = read(&store, by, &models[by as usize - 1], &readers[index], most, page, now).await;
            }
        }
    }
    // In the end, each reader gets everything that it has not read and that is kept.
    for (index, reader) in readers.iter().enumerate() {
        let by = index as u32 % 2 + 1;
        read(&store, by, &models[by as usize - 1], reader, 2, false, now).await;
        read(&store, by, &models[by as usize - 1], &BEGIN, 2, false, now).await;
    }
}

/// Removes those expired items whose turn it is. DynamoDB keeps no order.
async fn sweep(store: &Store, which: u8, now: Instant) {
    let items = store.db.scan().table_name(&store.tables.changes).send().await.unwrap().items.unwrap_or_default();
    for item in items {
        let Some(at) = item.get("forgotten_at") else { continue };
        let (at, number) = (at.as_n().unwrap().parse::<i64>().unwrap(), item["number"].as_n().unwrap());
        if at * 1000 <= now.millis() && which >> (number.parse::<u32>().unwrap() % 8) & 1 == 1 {
            let delete = store.db.delete_item().table_name(&store.tables.changes);
            let delete = delete.key("operator_id", item["operator_id"].clone()).key("number", item["number"].clone());
            delete.send().await.unwrap();
        }
    }
}

/// Reads as the store and as the model do, and compares.
async fn read(
    store: &Store,
    by: u32,
    model: &Model,
    reader: &Modelled,
    most: usize,
    one_page: bool,
    now: Instant,
) -> Modelled {
    let mut reader = reader.clone();
    let expired = model.expired(now);
    loop {
        let page = match store.changes.read(operator(by), reader.place, most, now).await.unwrap() {
            ChangesRead::Gone => {
                assert!(reader.before.is_some_and(|before| gone(before, expired)), "{:?} {expired}", reader.place);
                return BEGIN;
            }
            ChangesRead::Page(page) => page,
        };
        if let Some(before) = reader.before {
            assert!(!gone(before, expired), "a cursor that has expired is refused");
        }
        let before = reader.before.unwrap_or(expired);
        let next = before + page.changes.len();
        assert_eq!(page.changes, model.0[before..next], "nothing else, in order");
        assert!(page.more || next == model.0.len(), "the last page is the end");
        // As long as it has seen nothing, its place is bound to nothing, unless there is nothing yet.
        let is_bound = !matches!(page.next, ChangesPlace::Oldest(_));
        reader = Modelled { place: page.next, before: is_bound.then_some(next) };
        if !page.more || one_page {
            return reader;
        }
    }
}

/// Whether the place after this number of changes is good no more: the change before it has expired, or the first of all.
const fn gone(before: usize, expired: usize) -> bool {
    if before == 0 { expired > 0 } else { before <= expired }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn feed_agrees_with_a_plain_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}
