//! The audit finds each kind of damage, and nothing where there is none.

// clippy.toml allows these in test functions, but not in the helpers around them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::*;
use cee_registry::audit::Place;
use cee_registry::*;
use support::{Store, application, at, operator, soon, store, truncated, uuid};

fn identity(number: u64, key: bool) -> Identity {
    Identity {
        truncated: truncated("DUP", &format!("+33{number:08}1")),
        driving_license: Some(DrivingLicense::parse(&format!("{number:012}")).unwrap()),
        identity_key: key.then(|| IdentityKey::parse(&format!("{number:064x}")).unwrap()),
    }
}

async fn register(store: &Store, number: u64, identity: &Identity, datetime: &str) -> Application {
    let application = application(number, 1, JourneyType::Long, identity, at(datetime));
    assert_eq!(store.register(&application, None).await, Registration::Registered);
    application
}

/// Everything that is found, and how much was looked at.
async fn audit(store: &Store) -> (BTreeSet<Finding>, u64, u64) {
    let (mut findings, mut applications, mut claims) = (BTreeSet::new(), 0, 0);
    let mut place = Place::Start;
    while place != Place::End {
        let part = store.claims.audit(&place, &Rules::default(), soon()).await.unwrap();
        assert_ne!(part.place, place, "it goes on");
        findings.extend(part.findings);
        (applications, claims, place) = (applications + part.applications, claims + part.claims, part.place);
    }
    let after = store.claims.audit(&Place::End, &Rules::default(), soon()).await.unwrap();
    assert_eq!((after.place, after.applications, after.claims), (Place::End, 0, 0), "nothing comes after the end");
    (findings, applications, claims)
}

fn key(kind: ClaimKind, identity: &Identity) -> String {
    let claims = support::claim_keys().claims(JourneyType::Long, identity);
    claims.into_iter().find(|claim| claim.kind == kind).unwrap().key
}

async fn damage(store: &Store, pk: &str, expression: &str, attribute: &str, value: Option<AttributeValue>) {
    let update = store.db.update_item().table_name(&store.tables.claims).key("pk", AttributeValue::S(pk.to_owned()));
    let update = update.update_expression(expression).expression_attribute_names("#a", attribute);
    let values = value.map(|value| [(":v".to_owned(), value)].into());
    update.set_expression_attribute_values(values).send().await.unwrap();
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_wrong() {
    let store = store().await;
    for number in 0..150 {
        register(&store, number, &identity(number, number % 2 == 0), "2024-03-15T07:30:00Z").await;
    }
    // A cooldown has passed, a key came later, one was deleted, one was erased, history was imported.
    let old = identity(7, false);
    register(&store, 1000, &old, "2040-03-15T07:30:00Z").await;
    // Two drivers share a truncated identity, and their keys tell them apart.
    for number in [500, 501] {
        let sharing = Identity { truncated: identity(500, true).truncated, ..identity(number, true) };
        register(&store, number, &sharing, "2024-03-15T07:30:00Z").await;
    }
    let later = IdentityKey::parse(&"e".repeat(64)).unwrap();
    let given = store.claims.give_key(operator(1), uuid(1), &later, &Rules::default(), soon()).await.unwrap();
    assert_eq!(given, GivenKey::Given { contradicts: Vec::new() });
    let now = at("2024-05-01T00:00:00Z");
    assert_eq!(store.claims.delete(operator(1), uuid(2), now, soon()).await.unwrap(), Deleted::Done);
    let sought = Sought { driving_license: identity(3, false).driving_license, identity_key: None, truncated: None };
    let held = store.claims.held(&sought, soon()).await.unwrap();
    assert_eq!(store.claims.erase(&held, "r", now, soon()).await.unwrap().applications, [uuid(3)]);
    let source = RowSource { import: ImportId::from_bytes([1; 16]), line: 2 };
    store.import(JourneyType::Long, &identity(5, false).truncated, at("2022-01-01T00:00:00Z"), 2, source).await;

    let (findings, applications, claims) = audit(&store).await;
    assert_eq!(findings, BTreeSet::new());
    assert_eq!(applications, 151, "153 registered, one deleted, one erased");
    assert_eq!(
        claims,
        150 * 2 + 75 + 1 - 3 + 5,
        "two a driver, a key for every other one and one later, three of the deleted, five of those who share one"
    );
}

#[tokio::test]
async fn each_kind_of_damage_is_found_and_orphans_are_removed() {
    let store = store().await;
    let one = identity(1, true);
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    let second = register(&store, 2, &identity(2, false), "2024-04-15T07:30:00Z").await;
    let record = |application: &Application| format!("a#{}", application.uuid);
    let license = key(ClaimKind::DrivingLicense, &one);
    let items = store.scan(&store.tables.claims).await;

    // A claim is gone.
    damage(&store, &license, "REMOVE #a", &record(&first), None).await;
    let unclaimed = Finding::Unclaimed(first.uuid, ClaimKind::DrivingLicense);
    let wrong_date = Finding::WrongDate(license.clone(), "sd");
    assert_eq!(audit(&store).await.0, [unclaimed, wrong_date.clone()].into());
    damage(&store, &license, "SET #a = :v", &record(&first), Some(items[&license][&record(&first)].clone())).await;
    assert_eq!(audit(&store).await.0, BTreeSet::new());

    // A latest date is not that of the records: the next application would be granted, or refused, by it.
    damage(&store, &license, "SET #a = :v", "sd", Some(AttributeValue::N("0".to_owned()))).await;
    assert_eq!(audit(&store).await.0, [wrong_date].into());
    damage(&store, &license, "SET #a = :v", "sd", Some(items[&license]["sd"].clone())).await;

    // Two of one person: the second one's claim lies on the first one's licence, too.
    let its = key(ClaimKind::DrivingLicense, &second.identity);
    damage(&store, &license, "SET #a = :v", &record(&second), Some(items[&its][&record(&second)].clone())).await;
    damage(&store, &license, "SET #a = :v", "sd", Some(items[&its]["sd"].clone())).await;
    assert_eq!(audit(&store).await.0, [Finding::GrantedTwice(first.uuid, second.uuid)].into());

    // A claim without an application blocks a driver for nothing.
    let gone = store.db.delete_item().table_name(&store.tables.applications);
    gone.key("uuid", AttributeValue::S(second.uuid.to_string())).send().await.unwrap();
    let truncated = key(ClaimKind::TruncatedIdentity, &second.identity);
    let orphans: BTreeSet<_> =
        [&its, &truncated, &license].map(|key| Finding::Orphan(second.uuid, key.clone())).into_iter().collect();
    assert_eq!(audit(&store).await.0, orphans);
    assert!(!store.claims.remove_orphan(first.uuid, &license, soon()).await.unwrap(), "this one has its application");
    for finding in orphans {
        let Finding::Orphan(uuid, key) = finding else { panic!("{finding:?}") };
        assert!(store.claims.remove_orphan(uuid, &key, soon()).await.unwrap());
        assert!(!store.claims.remove_orphan(uuid, &key, soon()).await.unwrap(), "again, there is none");
    }
    assert_eq!(audit(&store).await.0, BTreeSet::new());
    assert_eq!(store.scan(&store.tables.claims).await.len(), 3, "what was only the orphan's is gone");
    // The driver is free again.
    register(&store, 3, &second.identity, "2024-04-15T07:30:00Z").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_changes_meanwhile_is_no_finding() {
    let store = store().await;
    let busy = (0..4_u64).map(|lane| {
        let store = store.clone();
        tokio::spawn(async move {
            for turn in 0..40 {
                let number = lane * 1000 + turn;
                let identity = identity(lane, false);
                register(&store, number, &identity, "2024-03-15T07:30:00Z").await;
                let (by, now) = (operator(1), at("2024-05-01T00:00:00Z"));
                assert_eq!(store.claims.delete(by, uuid(number), now, soon()).await.unwrap(), Deleted::Done);
            }
        })
    });
    let busy: Vec<_> = busy.collect();
    let mut audits = 0;
    while audits < 10 || busy.iter().any(|lane| !lane.is_finished()) {
        assert_eq!(audit(&store).await.0, BTreeSet::new());
        audits += 1;
    }
    for lane in busy {
        lane.await.unwrap();
    }
}
