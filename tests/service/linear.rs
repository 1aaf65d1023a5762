//! Concurrent callers while requests fail: an order of the calls must explain every response. On a larger scale: `cargo bench
//! --bench promise`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_stand_in::faults::Seeded;
use cee_eligibility::{ApplicationId, DrivingLicense, JourneyType, OperatorId};
use cee_local::stack::tables;
use cee_oracle::feed::{Entry, EntryKind};
use cee_oracle::linear::Recorded;
use cee_oracle::{Asking, Driver, millis};
use cee_registry::{ChangeKind, Changes, ChangesPlace, ChangesRead, ClaimKeys, Journeys};
use futures_util::{StreamExt as _, future, stream};
use http::{HeaderMap, Request, StatusCode};
use serde_json::json;

use crate::exports::exported;
use crate::leaks::Kind;
use crate::leaks::record::Record;
use crate::promise::calls::{Call, Origin, Seen};
use crate::promise::drive::{Callers, Done, Group, NOW, Recorder, prepare};
use crate::promise::judge::{Listed, Tally, check, check_listed, held};
use crate::support::{World, at, object, world_with};

const SEED: u64 = 2027;
const GROUPS: u64 = 60;
/// Concurrent groups.
const AT_ONCE: usize = 6;

impl Recorder for Record {
    fn request(&self, request: &Request<Vec<u8>>) {
        Self::request(self, request);
    }

    fn answer(&self, place: &str, status: StatusCode, headers: &HeaderMap, body: &str) {
        Self::answer(self, place, status, headers, body);
    }
}

/// Runs many groups, and judges all of it.
async fn judged(faults: Option<u32>) -> World {
    let world = world_with(|options| {
        options.now = Some(at(NOW));
        options.faults = faults.map(|percent| Arc::new(Seeded { seed: SEED, percent }) as _);
    })
    .await;
    let groups = (0..GROUPS).map(|number| Group { number });
    prepare(&Journeys::new(world.aws.dynamodb(), &tables()), groups.clone()).await;
    let tokens: HashMap<u32, String> = (1..=3).map(|operator| (operator, world.token(operator))).collect();
    let callers = Callers::new(&world.api.url, tokens, SEED).recorded_by(Arc::clone(&world.api.record) as _);
    let is_over = AtomicBool::new(false);
    let calls = async {
        let done = stream::iter(groups.clone()).map(|group| callers.group(group)).buffer_unordered(AT_ONCE);
        let done: Vec<_> = done.collect().await;
        is_over.store(true, Ordering::SeqCst);
        done
    };
    let exports = async {
        let mut exports = Vec::new();
        // Under faults: `exports::list_export_and_scan_agree_after_faults`.
        while faults.is_none() && exports.len() < 3 {
            exports.push(export(&world, &callers).await);
        }
        exports
    };
    let (done, mut listed, exports) = future::join3(calls, walks(&callers, &is_over), exports).await;
    listed.extend(exports);
    if let Some(wire) = world.stack.proxy() {
        wire.settled().await;
        assert!(wire.happened().values().sum::<u64>() > 0, "something went wrong");
    }
    replayed(&world).await;
    let keys = ClaimKeys::new(world.secrets.service.claim_pepper.as_bytes()).unwrap();
    let held = held(&world.aws.dynamodb(), &tables(), &keys, groups).await;
    let mut tally = Tally::default();
    for done in &done {
        tally.add(done);
        check(done, faults.is_none(), held.get(&done.group)).unwrap_or_else(|what| panic!("{what}"));
    }
    tally.check(faults.unwrap_or(0)).unwrap_or_else(|what| panic!("{what}"));
    assert!(tally.calls > GROUPS * 12, "{}", tally.calls);
    for listed in &listed {
        check_listed(&done, listed).unwrap_or_else(|what| panic!("{what}"));
    }
    let during = listed.iter().filter(|listed| !listed.uuids.is_empty()).count();
    assert!(listed.len() > 6 && during > 3, "{during} of {} lists hold anything", listed.len());
    world
}

/// Walks through the lists of all operators, with few on a page, until the calls are over, and once more.
async fn walks(callers: &Callers, is_over: &AtomicBool) -> Vec<Listed> {
    let mut listed = Vec::new();
    loop {
        let last = is_over.load(Ordering::SeqCst);
        for operator in 1..=3 {
            listed.extend(callers.walk(operator, 20).await);
        }
        if last {
            return listed;
        }
    }
}

/// An export of the first operator's applications.
async fn export(world: &World, callers: &Callers) -> Listed {
    let began = callers.clock();
    let export = exported(world, 1, &json!({"format": "csv"})).await;
    let file = object(&world.aws, &format!("exports/1/{}.csv", export["export_id"].as_str().unwrap())).await;
    let file = String::from_utf8(file).unwrap();
    let uuids = file.lines().skip(1).map(|line| ApplicationId::parse(line.split(',').next().unwrap()).unwrap());
    Listed { what: "the export", operator: 1, began, ended: callers.clock(), uuids: uuids.collect() }
}

/// The feed of each operator holds the delete of each of its deleted applications, once.
async fn replayed(world: &World) {
    let archive = world.scan(&tables().archive).await;
    let changes = Changes::new(world.aws.dynamodb(), &tables());
    for operator in 1..=3 {
        let number = AttributeValue::N(operator.to_string());
        let gone = archive.iter().filter(|item| item["operator_id"] == number);
        let gone: BTreeSet<String> = gone.map(|item| item["uuid"].as_s().unwrap().clone()).collect();
        let (mut place, mut told) = (ChangesPlace::BEGINNING, BTreeSet::new());
        loop {
            let read = changes.read(OperatorId::new(operator).unwrap(), place, 500, at(NOW)).await.unwrap();
            let ChangesRead::Page(page) = read else { panic!("operator {operator}: {read:?}") };
            for change in page.changes {
                let is_delete = matches!(change.kind, ChangeKind::Deleted(_));
                assert!(is_delete && told.insert(change.uuid.to_string()), "operator {operator}: {change:?}");
            }
            if !page.more {
                break;
            }
            place = page.next;
        }
        assert!(!gone.is_empty() && told == gone, "operator {operator}");
    }
}

/// The logs contain nothing that the callers have sent, and the scan would find it.
async fn searched(world: &World) {
    let license = format!("{:08}{:04}", GROUPS - 1, 0);
    world.api.record.wrote("a leak that is planted", &format!("licence {license}"));
    // The scan finds each value in each form that was sent.
    let found = world.findings().await;
    assert!(!found.is_empty());
    for leak in found {
        let sent = DrivingLicense::parse(&leak.value).unwrap();
        assert_eq!((leak.kind, sent.as_str()), (Kind::License, license.as_str()));
        assert_eq!(leak.place, "a leak that is planted");
    }
}

#[test]
fn judge_finds_wrong_feeds_and_lists() {
    let [one, two, other] = [11, 12, 13].map(|byte| ApplicationId::from_bytes([byte; 16]));
    let register = |number: usize| {
        let driver = Driver { name: number, phone: 0, license: Some(number), key: None, journey_key: None };
        let asking = Asking { journey_type: JourneyType::Long, driver, millis: millis(NOW), operator: 1 };
        Call::Register { asking, journey: None, origin: Origin::Call(number) }
    };
    let recorded = |call, began, seen| Recorded { call, began, ended: Some((began + 1, seen)) };
    let done = |more: Vec<Recorded<Call, Seen>>| {
        let calls = [
            recorded(register(1), 1, Seen::Registered(one)),
            recorded(register(2), 3, Seen::Registered(two)),
            recorded(Call::Delete { application: one, operator: 1 }, 5, Seen::There),
        ];
        let history = calls.into_iter().chain(more).collect();
        Done { group: Group { number: 0 }, history, wrong: Vec::new(), unanswered: Vec::new() }
    };
    let deleted = |uuid| Entry { uuid, kind: EntryKind::Deleted };
    for (operator, began, feed, is_right) in [
        (1, 7, vec![deleted(one)], true),
        (1, 7, vec![deleted(other), deleted(one)], true),
        (1, 7, vec![], false),
        (1, 7, vec![deleted(two)], false),
        (1, 7, vec![deleted(one), deleted(one)], false),
        (1, 7, vec![deleted(one), deleted(two)], false),
        (2, 7, vec![], true),
        (2, 7, vec![deleted(one)], false),
        (1, 3, vec![], true),
        (1, 3, vec![deleted(one)], false),
    ] {
        let read = recorded(Call::ReadFeed { operator }, began, Seen::Feed(feed.clone()));
        let judged = check(&done(vec![read]), true, None);
        assert_eq!(judged.is_ok(), is_right, "operator {operator} at {began}: {feed:?}: {judged:?}");
    }
    for (operator, began, uuids, is_right) in [
        (1, 9, vec![two], true),
        (1, 9, vec![], false),
        (1, 9, vec![two, two], false),
        (1, 9, vec![one, two], false),
        (1, 9, vec![two, other], false),
        (2, 9, vec![], true),
        (2, 9, vec![two], false),
        // While the first one is deleted.
        (1, 5, vec![two], true),
        (1, 5, vec![one, two], true),
        (1, 5, vec![one], false),
    ] {
        let listed = Listed { what: "the list", operator, began, ended: began + 1, uuids };
        let judged = check_listed(&[done(Vec::new())], &listed);
        assert_eq!(judged.is_ok(), is_right, "{listed:?}: {judged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_are_linearizable() {
    let world = judged(None).await;
    assert_eq!(world.audited().await, [""; 0]);
    searched(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_through_failing_proxy_are_linearizable() {
    let world = judged(Some(10)).await;
    assert_eq!(world.audited().await, [""; 0]);
    searched(&world).await;
}
