//! Credentials and operators against an embedded DynamoDB: the writes, and concurrent calls.

use std::time::Duration;

use crate::support::{Store, at, operator, store};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, Siret};
use cee_registry::{Credential, Credentials, Failures, KeyPair, Operator, SecretHash, Standing, StoreError, Success};
use tokio::task::JoinSet;

const NOON: &str = "2024-05-01T12:00:00Z";

fn credentials(store: &Store) -> Credentials {
    Credentials::new(store.db.clone(), &store.tables)
}

/// A credential with an unknown secret, because the counts do not depend on it.
fn credential(by: u32) -> Credential {
    Credential {
        access_key: KeyPair::generate().unwrap().access_key,
        operator: operator(by),
        hash: SecretHash::decoy(),
        created_at: at(NOON),
        used_at: None,
        failures: Failures::default(),
    }
}

fn after(seconds: i64) -> Instant {
    Instant::from_millis(at(NOON).millis() + seconds * 1000).unwrap()
}

#[tokio::test]
async fn credential_is_added_once_and_retired_by_its_operator() {
    let store = store().await;
    let credentials = credentials(&store);
    let (one, two) = (credential(1), credential(2));
    assert_eq!(credentials.find(&one.access_key).await.unwrap(), None);
    assert!(credentials.add(&one).await.unwrap() && credentials.add(&two).await.unwrap());
    let usurper = Credential { operator: operator(2), ..one.clone() };
    assert!(!credentials.add(&usurper).await.unwrap(), "an access key is one operator's for ever");
    assert_eq!(credentials.find(&one.access_key).await.unwrap(), Some(one.clone()));
    assert_eq!(credentials.list().await.unwrap(), [one.clone(), two.clone()]);
    assert!(!credentials.retire(operator(2), &one.access_key).await.unwrap());
    assert!(credentials.retire(operator(1), &one.access_key).await.unwrap());
    assert!(!credentials.retire(operator(1), &one.access_key).await.unwrap());
    assert_eq!(credentials.list().await.unwrap(), [two]);
    // Counting for a removed credential does not bring it back.
    assert_eq!(credentials.failed(&one.access_key, at(NOON)).await.unwrap(), None);
    assert_eq!(credentials.succeeded(&one, at(NOON), at(NOON)).await.unwrap(), Success::Retired);
    assert_eq!(credentials.find(&one.access_key).await.unwrap(), None);
}

#[tokio::test]
async fn credential_of_unknown_algorithm_is_corrupt() {
    let store = store().await;
    let credentials = credentials(&store);
    let one = credential(1);
    credentials.add(&one).await.unwrap();
    let key = AttributeValue::S(one.access_key.as_str().to_owned());
    let update = store.db.update_item().table_name(&store.tables.credentials).key("access_key", key);
    let update = update.update_expression("SET algorithm = :other");
    update.expression_attribute_values(":other", AttributeValue::S("md5".to_owned())).send().await.unwrap();
    let corrupt = StoreError::Corrupt { table: "credentials", what: "algorithm" };
    assert_eq!(credentials.find(&one.access_key).await, Err(corrupt));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_failures_are_all_counted() {
    let store = store().await;
    let credentials = credentials(&store);
    let one = credential(1);
    credentials.add(&one).await.unwrap();
    let mut guesses = JoinSet::new();
    for _ in 0..40 {
        let (credentials, key) = (credentials.clone(), one.access_key.clone());
        guesses.spawn(async move { credentials.failed(&key, at(NOON)).await.unwrap().unwrap().in_a_row });
    }
    let mut counted = guesses.join_all().await;
    counted.sort_unstable();
    assert_eq!(counted, (1..=40).collect::<Vec<u32>>());
    let failures = credentials.find(&one.access_key).await.unwrap().unwrap().failures;
    assert_eq!(failures, Failures { in_a_row: 40, last_at: Some(at(NOON)) });
    assert_eq!(failures.locked_for(at(NOON)), Some(Failures::LONGEST_PAUSE));
}

#[tokio::test]
async fn success_resets_failures_unless_locked() {
    let store = store().await;
    let credentials = credentials(&store);
    let found = credential(1);
    credentials.add(&found).await.unwrap();
    let key = &found.access_key;
    let fail = async |seconds| credentials.failed(key, after(seconds)).await.unwrap().unwrap();
    let now = async || credentials.find(key).await.unwrap().unwrap();

    for second in 0..4 {
        fail(second).await;
    }
    // A right guess that was read before four failures: they do not lock.
    assert_eq!(credentials.succeeded(&found, after(4), after(4)).await.unwrap(), Success::Counted);
    let used = now().await;
    assert_eq!((used.failures, used.used_at), (Failures::default(), Some(after(4))));

    // Five failures while the right guess is hashed: simultaneous guesses gain nothing.
    for second in 5..10 {
        fail(second).await;
    }
    let ten = Duration::from_secs(10);
    assert_eq!(credentials.succeeded(&used, after(9), after(9)).await.unwrap(), Success::Locked(ten));
    let locked = now().await;
    assert_eq!(locked.failures.locked_for(after(9)), Some(ten));
    // The lock has expired, and the guess was read after it.
    assert_eq!(locked.failures.locked_for(after(19)), None);
    // But another guess fails first, so the lock is now twice as long.
    assert_eq!(fail(19).await, Failures { in_a_row: 6, last_at: Some(after(19)) });
    let twenty = Duration::from_secs(20);
    assert_eq!(credentials.succeeded(&locked, after(19), after(19)).await.unwrap(), Success::Locked(twenty));
    // Without another guess in between, the right guess counts and resets the failures.
    let over = now().await;
    assert_eq!(credentials.succeeded(&over, after(39), after(39)).await.unwrap(), Success::Counted);
    assert_eq!(now().await.failures, Failures::default());
    assert_eq!(fail(40).await.in_a_row, 1);
}

#[tokio::test]
async fn operators_are_added_suspended_and_removed() {
    let store = store().await;
    let one = |id| Operator {
        id: operator(id),
        name: format!("Operator {id}"),
        siret: Siret::parse("12000101100010").unwrap(),
        suspended: false,
    };
    assert!(store.operators.add(&one(7)).await.unwrap() && store.operators.add(&one(3)).await.unwrap());
    let other = Operator { name: "Another".to_owned(), ..one(7) };
    assert!(!store.operators.add(&other).await.unwrap(), "one that is there stays as it is");
    assert_eq!(store.operators.list().await.unwrap(), [one(3), one(7)]);
    assert!(store.operators.suspend(operator(7), true).await.unwrap());
    assert!(!store.operators.suspend(operator(8), true).await.unwrap());
    assert_eq!(store.operators.find(operator(8)).await.unwrap(), None, "whoever is not there is not made");
    assert_eq!(store.operators.find(operator(7)).await.unwrap(), Some(Operator { suspended: true, ..one(7) }));
    assert!(store.operators.suspend(operator(7), false).await.unwrap());
    assert_eq!(store.operators.find(operator(7)).await.unwrap(), Some(one(7)));
    assert!(store.operators.remove(operator(7)).await.unwrap());
    assert!(!store.operators.remove(operator(7)).await.unwrap());
    assert_eq!(store.operators.list().await.unwrap(), [one(3)]);
    // Its trace keeps the number, but it is not an operator.
    assert_eq!(store.operators.find(operator(7)).await.unwrap(), None);
    assert_eq!(store.operators.standing(operator(7)).await.unwrap(), Some(Standing::Removed));
    assert_eq!(store.operators.standing(operator(8)).await.unwrap(), None);
    assert!(!store.operators.add(&one(7)).await.unwrap());
    assert!(!store.operators.suspend(operator(7), false).await.unwrap(), "it stays suspended for an earlier release");
}
