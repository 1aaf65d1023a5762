//! Concurrent callers while requests fail: an order of the calls must explain every response. On a larger scale: `cargo bench
//! --bench promise`.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_stand_in::faults::Seeded;
use cee_eligibility::{DrivingLicense, OperatorId, Rules};
use cee_fn_audit::Auditor;
use cee_local::stack::{BUCKET, tables};
use cee_registry::{
    AuditPlace, Audited, ChangeKind, Changes, ChangesPlace, ChangesRead, ClaimKeys, Imports, Journeys, TableAuditor,
};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Request, StatusCode};

use crate::leaks::Kind;
use crate::leaks::record::Record;
use crate::promise::drive::{Callers, Group, NOW, Recorder, prepare};
use crate::promise::judge::{Tally, check, held};
use crate::support::{World, at, world_with};

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
    let done: Vec<_> =
        stream::iter(groups.clone()).map(|group| callers.group(group)).buffer_unordered(AT_ONCE).collect().await;
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
    world
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

async fn audited(world: &World) {
    let keys = ClaimKeys::new(world.secrets.service.claim_pepper.as_bytes()).unwrap();
    let db = world.aws.dynamodb();
    let auditor = TableAuditor::new(db.clone(), &tables(), keys);
    let imports = Imports::new(db, &tables());
    let auditor = Auditor::new(auditor, imports, Rules::default(), world.aws.s3(), BUCKET.to_owned());
    let clean = |part: &Audited| {
        assert!(part.findings.is_empty(), "{:?}", part.findings);
        ControlFlow::Continue(())
    };
    auditor.walk(AuditPlace::Start, 1000, clean).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_are_linearizable() {
    let world = judged(None).await;
    audited(&world).await;
    searched(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_through_failing_proxy_are_linearizable() {
    let world = judged(Some(10)).await;
    audited(&world).await;
    searched(&world).await;
}
