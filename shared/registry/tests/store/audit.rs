//! The audit finds each kind of damage, and reports nothing without damage.

use std::collections::BTreeSet;

use crate::support::{
    self, LastAudit, Store, application, at, driver, driver_with_keys, identity_key, journey, operator, soon, store,
    truncated, using, uuid,
};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::*;
use cee_registry::*;

/// The registry's time in these tests.
const NOW: &str = "2024-05-01T00:00:00Z";

fn identity(number: u64, key: bool) -> Identity {
    Identity {
        truncated: truncated("DUP", &format!("+336{number:05}1")),
        driving_license: Some(DrivingLicense::parse(&format!("{number:012}")).unwrap()),
        identity_keys: IdentityKeys::of_caller(key.then(|| IdentityKey::parse(&format!("{number:064x}")).unwrap())),
    }
}

async fn register(store: &Store, number: u64, identity: &Identity, datetime: &str) -> Application {
    let application = application(number, 1, JourneyType::Long, identity, at(datetime));
    assert_eq!(store.register(&application, None).await, Registration::Registered);
    application
}

/// All findings, and the numbers of checked items.
async fn audit(store: &Store) -> (BTreeSet<Finding>, u64, u64) {
    let (mut findings, mut applications, mut claims) = (BTreeSet::new(), 0, 0);
    let [mut imports, mut changes, mut exports] = [0; 3];
    let mut place = AuditPlace::Start;
    while place != AuditPlace::End {
        let part = store.auditor.audit(&place, &Rules::default(), at(NOW), soon()).await.unwrap();
        assert_ne!(part.place, place, "it goes on");
        findings.extend(part.findings);
        (applications, claims, place) = (applications + part.applications, claims + part.claims, part.place);
        (imports, changes, exports) = (imports + part.imports, changes + part.changes, exports + part.exports);
    }
    let Tables { imports: of_imports, exports: of_exports, .. } = &store.tables;
    for (table, looked_at) in [(of_imports, imports), (of_exports, exports)] {
        let there = store.db.scan().table_name(table).send().await.unwrap();
        assert_eq!(looked_at, there.items().len() as u64, "each item of {table} is looked at");
    }
    // While changes are written there may be more by now.
    assert!(changes <= store.feeds().await.len() as u64);
    let after = store.auditor.audit(&AuditPlace::End, &Rules::default(), at(NOW), soon()).await.unwrap();
    assert_eq!((after.place, after.applications, after.claims), (AuditPlace::End, 0, 0), "nothing comes after the end");
    check_changes(store, &findings).await;
    (findings, applications, claims)
}

/// Each new finding is also found from what changed since the last audit, and nothing is found there alone.
async fn check_changes(store: &Store, findings: &BTreeSet<Finding>) {
    let (written, changes) = (store.written().await, store.feeds().await);
    let now = LastAudit { written: written.clone(), changes: changes.clone(), findings: findings.clone() };
    let last = std::mem::replace(&mut *store.last_audit.lock().unwrap(), now);
    let mut affected = Affected::default();
    let tables = [&store.tables.claims, &store.tables.applications, &store.tables.journeys, &store.tables.changes];
    let then = last.written.iter().chain([&last.changes]);
    for (table, (before, after)) in tables.into_iter().zip(then.zip(written.iter().chain([&changes]))) {
        let changed = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
        for item in changed.flat_map(|key| [before.get(key), after.get(key)]).flatten() {
            store.auditor.add_affected(table, item, &mut affected);
        }
    }
    let part = store.auditor.audit_affected(&affected, &Rules::default(), at(NOW), soon()).await.unwrap();
    let again = store.auditor.audit_affected(&part.damaged, &Rules::default(), at(NOW), soon()).await.unwrap();
    assert_eq!(again.findings, part.findings, "the damaged items show what was found");
    let found = part.findings;
    assert!(found.is_subset(findings), "{found:?} of {findings:?}");
    // Imports and exports have no stream, and an item under no UUID or number is none of the registry's: the round finds them.
    let is_of_round = |finding: &Finding| match finding {
        Finding::Miscounted(..) | Finding::Foreign(..) | Finding::ExportWrong(..) => true,
        Finding::Unreadable("imports" | "exports", _) => true,
        Finding::Unreadable("applications", key) => key == "of no uuid",
        Finding::Unreadable("changes", key) => key == "of no number",
        _ => false,
    };
    let new = findings.difference(&last.findings).filter(|finding| !is_of_round(finding));
    let missed: Vec<_> = new.filter(|finding| !found.contains(finding)).collect();
    assert!(missed.is_empty(), "{missed:?}");
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
async fn intact_tables_give_no_finding() {
    let store = store().await;
    for number in 0..150 {
        register(&store, number, &identity(number, number % 2 == 0), "2024-03-15T07:30:00Z").await;
    }
    // An application after the end of a window, a key that came later, a deleted and an erased application, and imported history.
    let old = identity(7, false);
    register(&store, 1000, &old, "2040-03-15T07:30:00Z").await;
    // Two drivers share a truncated identity and have different keys.
    for number in [500, 501] {
        let sharing = Identity { truncated: identity(500, true).truncated, ..identity(number, true) };
        register(&store, number, &sharing, "2024-03-15T07:30:00Z").await;
    }
    let later = IdentityKey::parse(&"e".repeat(64)).unwrap();
    let given = store.key_giver.give_key(operator(1), uuid(1), &later, &Rules::default(), soon()).await.unwrap();
    assert_eq!(given, GivenKey::Given { contradicts: Vec::new() });
    let now = at("2024-05-01T00:00:00Z");
    assert_eq!(store.deleter.delete(operator(1), uuid(2), now, soon()).await.unwrap(), Deleted::Done);
    let sought =
        DriverQuery { driving_license: identity(3, false).driving_license, identity_key: None, truncated: None };
    let held = store.finder.find(&sought, soon()).await.unwrap();
    assert_eq!(store.eraser.erase(&held, "r", now, soon()).await.unwrap().applications, [uuid(3)]);
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

    // A claim is missing.
    damage(&store, &license, "REMOVE #a", &record(&first), None).await;
    let unclaimed = Finding::Unclaimed(first.uuid, ClaimKind::DrivingLicense);
    let wrong_date = Finding::WrongDate(license.clone(), "sd");
    assert_eq!(audit(&store).await.0, [unclaimed, wrong_date.clone()].into());
    damage(&store, &license, "SET #a = :v", &record(&first), Some(items[&license][&record(&first)].clone())).await;
    assert_eq!(audit(&store).await.0, BTreeSet::new());

    // A latest date does not match the records: the next application would be granted or refused wrongly.
    damage(&store, &license, "SET #a = :v", "sd", Some(AttributeValue::N("0".to_owned()))).await;
    assert_eq!(audit(&store).await.0, [wrong_date].into());
    damage(&store, &license, "SET #a = :v", "sd", Some(items[&license]["sd"].clone())).await;

    // Two applications of one person: the second gets the first one's licence.
    let its = key(ClaimKind::DrivingLicense, &second.identity);
    change_license(&store, second.uuid, "000000000001").await;
    damage(&store, &its, "REMOVE #a", &record(&second), None).await;
    damage(&store, &its, "REMOVE #a", "sd", None).await;
    damage(&store, &license, "SET #a = :v", &record(&second), Some(items[&its][&record(&second)].clone())).await;
    damage(&store, &license, "SET #a = :v", "sd", Some(items[&its]["sd"].clone())).await;
    assert_eq!(audit(&store).await.0, [Finding::GrantedTwice(first.uuid, second.uuid)].into());

    // A claim without an application blocks a driver without reason.
    let gone = store.db.delete_item().table_name(&store.tables.applications);
    gone.key("uuid", AttributeValue::S(second.uuid.to_string())).send().await.unwrap();
    damage(&store, &its, "SET #a = :v", &record(&second), Some(items[&its][&record(&second)].clone())).await;
    damage(&store, &its, "SET #a = :v", "sd", Some(items[&its]["sd"].clone())).await;
    let truncated = key(ClaimKind::TruncatedIdentity, &second.identity);
    let orphans: BTreeSet<_> =
        [&its, &truncated, &license].map(|key| Finding::Orphan(second.uuid, key.clone())).into_iter().collect();
    assert_eq!(audit(&store).await.0, orphans);
    assert!(
        !store.stray_remover.remove_stray(first.uuid, &license, soon()).await.unwrap(),
        "this one has its application"
    );
    for finding in orphans {
        let Finding::Orphan(uuid, key) = finding else { panic!("{finding:?}") };
        assert!(store.stray_remover.remove_stray(uuid, &key, soon()).await.unwrap());
        assert!(!store.stray_remover.remove_stray(uuid, &key, soon()).await.unwrap(), "again, there is none");
    }
    assert_eq!(audit(&store).await.0, BTreeSet::new());
    assert_eq!(store.scan(&store.tables.claims).await.len(), 3, "what was only the orphan's is gone");
    // The driver can register again.
    register(&store, 3, &second.identity, "2024-04-15T07:30:00Z").await;
}

/// Simulates a person who gives an application another licence by hand.
async fn change_license(store: &Store, uuid: ApplicationId, license: &str) {
    let update = store.db.update_item().table_name(&store.tables.applications).key("uuid", text(&uuid.to_string()));
    let update = update.update_expression("SET driving_license = :license");
    update.expression_attribute_values(":license", text(license)).send().await.unwrap();
}

/// The claims of one driver's application block another driver for years.
#[tokio::test]
async fn claim_on_wrong_item_is_found_and_removed() {
    let store = store().await;
    let [one, other] = [1, 2].map(|number| identity(number, true));
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    register(&store, 2, &other, "2034-03-15T07:30:00Z").await;
    let record = format!("a#{}", first.uuid);
    let written = store.scan(&store.tables.claims).await[&key(ClaimKind::DrivingLicense, &one)][&record].clone();
    let kinds = [ClaimKind::TruncatedIdentity, ClaimKind::DrivingLicense, ClaimKind::IdentityKey];
    for kind in kinds {
        damage(&store, &key(kind, &other), "SET #a = :v", &record, Some(written.clone())).await;
    }
    // The copied record has no tags, so its date belongs to `sd` on the truncated identity.
    damage(&store, &key(kinds[0], &other), "SET #a = :v", "sd", Some(written.as_m().unwrap()["t"].clone())).await;
    let misplaced = kinds.map(|kind| Finding::Misplaced(first.uuid, key(kind, &other)));
    let miscounted = Finding::WrongDate(key(kinds[0], &other), "n#");
    let found = misplaced.into_iter().chain([miscounted]).collect();
    assert_eq!(audit(&store).await.0, found, "and no driver was granted twice");

    // The repair removes no claim from its own item, and none if the application lacks one of its claims, because then a person may have
    // changed the application.
    let remove = async |key: &str| store.stray_remover.remove_stray(first.uuid, key, soon()).await.unwrap();
    for kind in kinds {
        assert!(!remove(&key(kind, &one)).await, "{kind:?}");
    }
    change_license(&store, first.uuid, "000000000009").await;
    for kind in kinds {
        assert!(!remove(&key(kind, &one)).await && !remove(&key(kind, &other)).await, "{kind:?}");
    }
    change_license(&store, first.uuid, "000000000001").await;
    for kind in kinds {
        assert!(remove(&key(kind, &other)).await, "{kind:?}");
        assert!(!remove(&key(kind, &other)).await, "again, there is none: {kind:?}");
    }
    assert_eq!(audit(&store).await.0, BTreeSet::new());
    assert_eq!(store.deleter.delete(operator(1), uuid(2), at("2024-05-01T00:00:00Z"), soon()).await, Ok(Deleted::Done));
    register(&store, 3, &other, "2024-03-15T07:30:00Z").await;
}

/// With another pepper, every record looks misplaced. Removing them would make every driver eligible again.
#[tokio::test]
async fn repair_with_another_pepper_removes_no_claim() {
    let store = store().await;
    let one = identity(1, true);
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    let keys = || ClaimKeys::new(&[8; 32]).unwrap();
    let astray = TableAuditor::new(store.db.clone(), &store.tables, keys());
    let remover = StrayRemover::new(store.db.clone(), &store.tables, keys());
    let part = astray.audit(&AuditPlace::Claims(None), &Rules::default(), at(NOW), soon()).await.unwrap();
    let kinds = [ClaimKind::TruncatedIdentity, ClaimKind::DrivingLicense, ClaimKind::IdentityKey];
    assert_eq!(part.findings, kinds.map(|kind| Finding::Misplaced(first.uuid, key(kind, &one))).into());
    for kind in kinds {
        assert!(!remover.remove_stray(first.uuid, &key(kind, &one), soon()).await.unwrap(), "{kind:?}");
    }
    assert_eq!(audit(&store).await.0, BTreeSet::new());
}

/// For an erased application, or one that cannot be read, it is unknown which claims belong to it. So they stay.
#[tokio::test]
async fn claims_of_erased_or_unreadable_application_stay() {
    let store = store().await;
    let now = at("2024-05-01T00:00:00Z");
    let erase = async |number: u64| {
        let driving_license = identity(number, false).driving_license;
        let sought = DriverQuery { driving_license, identity_key: None, truncated: None };
        let held = store.finder.find(&sought, soon()).await.unwrap();
        assert_eq!(store.eraser.erase(&held, "r", now, soon()).await.unwrap().applications, [uuid(number)]);
    };
    for number in 1..=3 {
        register(&store, number, &identity(number, false), "2024-03-15T07:30:00Z").await;
    }
    let license = |number| key(ClaimKind::DrivingLicense, &identity(number, false));
    let remove = async |number| store.stray_remover.remove_stray(uuid(number), &license(number), soon()).await.unwrap();
    erase(1).await;
    let update = store.db.update_item().table_name(&store.tables.applications).key("uuid", text(&uuid(2).to_string()));
    let update = update.update_expression("SET journey_type = :v").expression_attribute_values(":v", text("none"));
    update.send().await.unwrap();
    assert_eq!(audit(&store).await.0, [Finding::Unreadable("applications", uuid(2).to_string())].into());
    assert!(!remove(1).await && !remove(2).await);

    // An application that was deleted before it was erased has no claims.
    let claim = store.scan(&store.tables.claims).await[&license(3)].clone();
    assert_eq!(store.deleter.delete(operator(1), uuid(3), now, soon()).await, Ok(Deleted::Done));
    erase(3).await;
    let claim: Vec<_> = claim.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    put(&store, &store.tables.claims, &claim).await;
    assert!(audit(&store).await.0.contains(&Finding::Orphan(uuid(3), license(3))));
    assert!(remove(3).await);
}

async fn put(store: &Store, table: &str, item: &[(&str, AttributeValue)]) {
    let item = item.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    store.db.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[tokio::test]
async fn claim_that_differs_from_application_is_found() {
    let store = store().await;
    let one = identity(1, false);
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    let (license, record) = (key(ClaimKind::DrivingLicense, &one), format!("a#{}", first.uuid));
    let written = store.scan(&store.tables.claims).await[&license][&record].clone();
    let disagrees = Finding::Disagrees(first.uuid, license.clone());
    for (member, value, also) in [
        // A refusal would show all of it to another operator.
        ("o", number(2), None),
        ("t", number(1_000), Some(Finding::WrongDate(license.clone(), "sd"))),
    ] {
        let mut other = written.as_m().unwrap().clone();
        other.insert(member.to_owned(), value);
        damage(&store, &license, "SET #a = :v", &record, Some(AttributeValue::M(other))).await;
        let expected: BTreeSet<_> = also.into_iter().chain([disagrees.clone()]).collect();
        assert_eq!(audit(&store).await.0, expected, "{member}");
        damage(&store, &license, "SET #a = :v", &record, Some(written.clone())).await;
    }
    assert_eq!(audit(&store).await.0, BTreeSet::new());
}

/// Rule 3 compares a truncated identity by keys: a wrong key makes the registry grant or refuse an application against the rules.
#[tokio::test]
async fn claim_with_other_identity_key_is_found() {
    let store = store().await;
    let [one, with_key] = [(1, false), (2, true)].map(|(number, key)| identity(number, key));
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    let second = register(&store, 2, &with_key, "2024-03-15T07:30:00Z").await;
    let items = store.scan(&store.tables.claims).await;
    let tag = |letter: char| {
        let key = IdentityKey::parse(&letter.to_string().repeat(64)).unwrap();
        Some(AttributeValue::B(support::claim_keys().tag(&key).to_vec().into()))
    };
    // The application, the kind of item, the tag, and the latest dates between which the record was moved.
    for (application, kind, tag, moved) in [
        (&first, ClaimKind::TruncatedIdentity, tag('a'), Some(("sd", "sdk"))),
        (&second, ClaimKind::TruncatedIdentity, tag('a'), None),
        (&second, ClaimKind::TruncatedIdentity, None, Some(("sdk", "sd"))),
        (&first, ClaimKind::DrivingLicense, tag('a'), Some(("sd", "sdk"))),
        (&second, ClaimKind::IdentityKey, tag('a'), Some(("sd", "sdk"))),
    ] {
        let (pk, record) = (key(kind, &application.identity), format!("a#{}", application.uuid));
        let mut other = items[&pk].clone();
        let AttributeValue::M(members) = other.get_mut(&record).unwrap() else { panic!("{other:?}") };
        members.remove("k");
        members.extend(tag.map(|tag| ("k".to_owned(), tag)));
        if let Some((from, to)) = moved {
            let date = other.remove(from).unwrap();
            other.insert(to.to_owned(), date);
        }
        let replace = async |item: &support::Item| {
            let put = store.db.put_item().table_name(&store.tables.claims).set_item(Some(item.clone()));
            put.send().await.unwrap();
        };
        replace(&other).await;
        assert_eq!(audit(&store).await.0, [Finding::Disagrees(application.uuid, pk.clone())].into());
        assert!(
            !store.stray_remover.remove_stray(application.uuid, &pk, soon()).await.unwrap(),
            "the driver would be free"
        );
        if (application, kind) == (&first, ClaimKind::TruncatedIdentity) {
            // The item says that it is another driver. The application has no key, so it could be the same driver.
            let sharing = Identity { truncated: one.truncated.clone(), ..identity(3, true) };
            let third = register(&store, 3, &sharing, "2024-03-15T07:30:00Z").await;
            let expected =
                [Finding::Disagrees(first.uuid, pk.clone()), Finding::GrantedTwice(first.uuid, third.uuid)].into();
            assert_eq!(audit(&store).await.0, expected);
            let now = at("2024-05-01T00:00:00Z");
            assert_eq!(store.deleter.delete(operator(1), third.uuid, now, soon()).await, Ok(Deleted::Done));
        }
        replace(&items[&pk]).await;
        assert_eq!(audit(&store).await.0, BTreeSet::new());
    }
}

/// Two drivers share a truncated identity and have different keys, even if the record of one of them lacks its key.
#[tokio::test]
async fn record_without_key_does_not_merge_two_drivers() {
    let store = store().await;
    let one = identity(1, true);
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    register(&store, 2, &Identity { truncated: one.truncated.clone(), ..identity(2, true) }, "2024-03-15T07:30:00Z")
        .await;
    let (pk, record) = (key(ClaimKind::TruncatedIdentity, &one), format!("a#{}", first.uuid));
    let mut without = store.scan(&store.tables.claims).await[&pk][&record].as_m().unwrap().clone();
    without.remove("k");
    damage(&store, &pk, "SET #a = :v", &record, Some(AttributeValue::M(without))).await;
    damage(&store, &pk, "SET #a = :v", "sd", Some(number(first.datetime.millis()))).await;
    assert_eq!(audit(&store).await.0, [Finding::Disagrees(first.uuid, pk)].into());
}

#[tokio::test]
async fn journey_without_its_application_is_found() {
    let store = store().await;
    let end = at("2024-03-15T07:30:00Z");
    let name = OperatorJourneyId::parse("trip-1").unwrap();
    let journey = Journey {
        journey_id: 7,
        operator: operator(1),
        operator_journey_id: name.clone(),
        operator_class: 'C',
        start: Instant::from_millis(end.millis() - 1_800_000).unwrap(),
        end,
        distance_metres: 1000,
        start_insee: journey::Insee::parse("75056").unwrap(),
        end_insee: journey::Insee::parse("91377").unwrap(),
        driver_phone_trunc: PhoneTrunc::parse("+336010203").unwrap(),
        driver_identity_key: None,
        status: JourneyStatus::Ok,
    };
    let version = JourneyVersion::new(end, ImportId::from_bytes([1; 16]), 2);
    store.journeys.put(&journey, &version, soon()).await.unwrap();
    let read = store.journeys.find(operator(1), &name).await.unwrap().unwrap();
    let short = using(application(1, 1, JourneyType::Short, &driver("DUP", "A1", None), end), &read);
    assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
    assert_eq!(audit(&store).await.0, BTreeSet::new());

    // The journey cannot be read, although it has the application.
    let set = async |expression: &str, value: AttributeValue| {
        let update = store.db.update_item().table_name(&store.tables.journeys).key("pk", text("1#trip-1"));
        let update = update.update_expression(expression).expression_attribute_names("#a", "status");
        update.expression_attribute_values(":v", value).send().await.unwrap();
    };
    set("SET #a = :v", text("+33601020304")).await;
    let unreadable = Finding::Unreadable("journeys", format!("that {} uses", short.uuid));
    assert_eq!(audit(&store).await.0, [unreadable].into());
    set("SET #a = :v", text("ok")).await;
    assert_eq!(audit(&store).await.0, BTreeSet::new());

    let update = store.db.update_item().table_name(&store.tables.journeys).key("pk", text("1#trip-1"));
    update
        .update_expression("SET used_by = :v")
        .expression_attribute_values(":v", text(&uuid(2).to_string()))
        .send()
        .await
        .unwrap();
    assert_eq!(audit(&store).await.0, [Finding::JourneyUnclaimed(short.uuid)].into());
    let gone = store.db.delete_item().table_name(&store.tables.journeys).key("pk", text("1#trip-1"));
    gone.send().await.unwrap();
    assert_eq!(audit(&store).await.0, [Finding::JourneyUnclaimed(short.uuid)].into());
}

/// The claims stay as they were at the registration (ADR 32). The audit reports the difference without personal data.
#[tokio::test]
async fn journey_corrected_after_use_is_found() {
    let plain = journey(1, "trip", at("2024-03-15T07:30:00Z"));
    let with_key = |key| Journey { driver_identity_key: key, ..plain.clone() };
    let phone = Journey { driver_phone_trunc: PhoneTrunc::parse("+336010299").unwrap(), ..plain.clone() };
    let metres = Journey { distance_metres: 1, status: JourneyStatus::FraudError, ..plain.clone() };
    let (a, b) = (Some('a'), Some('b'));
    for (what, callers, journeys, corrected, is_found) in [
        ("another status", None, a, metres.clone(), false),
        ("another phone", None, a, phone.clone(), true),
        ("another key", None, a, with_key(Some(identity_key('b'))), true),
        ("the caller's key", b, a, with_key(Some(identity_key('b'))), false),
        ("no key any more", b, a, with_key(None), false),
    ] {
        let store = store().await;
        support::put(&store, &plain, &support::version(1, 1)).await;
        let read = support::find(&store, 1, "trip").await.unwrap();
        let identity = driver_with_keys("DUP", "A1", callers, journeys);
        let short = using(application(1, 1, JourneyType::Short, &identity, read.journey.end), &read);
        assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
        assert_eq!(audit(&store).await.0, BTreeSet::new(), "{what}");
        let claims = store.scan(&store.tables.claims).await;
        support::put(&store, &corrected, &support::version(2, 1)).await;
        assert_eq!(store.scan(&store.tables.claims).await, claims, "{what}");
        let expected = is_found.then_some(Finding::JourneyCorrected(short.uuid));
        assert_eq!(audit(&store).await.0, expected.into_iter().collect(), "{what}");

        // As in the runbook: the operator deletes the application and registers it again.
        assert_eq!(store.deleter.delete(operator(1), short.uuid, short.datetime, soon()).await, Ok(Deleted::Done));
        assert_eq!(audit(&store).await.0, BTreeSet::new(), "{what}");
    }

    // The journey gets a key later, and the operator gives the key to its application.
    let store = store().await;
    support::put(&store, &with_key(None), &support::version(1, 1)).await;
    let read = support::find(&store, 1, "trip").await.unwrap();
    let short = using(application(1, 1, JourneyType::Short, &driver("DUP", "A1", None), read.journey.end), &read);
    assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
    support::put(&store, &plain, &support::version(2, 1)).await;
    assert_eq!(audit(&store).await.0, [Finding::JourneyCorrected(short.uuid)].into());
    let given = store.key_giver.give_key(operator(1), short.uuid, &identity_key('a'), &Rules::default(), soon()).await;
    assert_eq!(given, Ok(GivenKey::Given { contradicts: Vec::new() }));
    assert_eq!(audit(&store).await.0, BTreeSet::new());
}

/// An application that is deleted between the two reads of its journey is not a finding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrected_journey_of_just_deleted_application_is_ignored() {
    let (calm, store, faults) = support::store_with_faults().await;
    let trip = journey(1, "trip", at("2024-03-15T07:30:00Z"));
    support::put(&calm, &trip, &support::version(1, 1)).await;
    let read = support::find(&calm, 1, "trip").await.unwrap();
    let identity = driver_with_keys("DUP", "A1", None, Some('a'));
    let short = using(application(1, 1, JourneyType::Short, &identity, read.journey.end), &read);
    assert_eq!(calm.register(&short, Some(&read)).await, Registration::Registered);
    let corrected = Journey { driver_identity_key: Some(identity_key('b')), ..trip };
    support::put(&calm, &corrected, &support::version(2, 1)).await;
    let goes = async move {
        assert_eq!(calm.deleter.delete(operator(1), short.uuid, short.datetime, soon()).await, Ok(Deleted::Done));
    };
    faults.to("BatchGetItem", [support::Fault::None, support::Fault::meanwhile(goes)]);
    assert_eq!(audit(&store).await.0, BTreeSet::new());
    assert!(faults.are_over());
}

#[tokio::test]
async fn claims_of_both_identity_keys_are_audited() {
    let identity = driver_with_keys("DUP", "A1", Some('b'), Some('a'));
    let claims = support::claim_keys().claims(JourneyType::Short, &identity);
    let keys: Vec<&str> = claims.iter().map(|claim| claim.key.as_str()).collect();
    let [truncated, _, callers, journeys] = keys[..] else { panic!("{keys:?}") };
    let registered = async || {
        let store = store().await;
        let short = application(1, 1, JourneyType::Short, &identity, at("2024-03-15T07:30:00Z"));
        assert_eq!(store.register(&short, None).await, Registration::Registered);
        assert_eq!(audit(&store).await.0, BTreeSet::new());
        (store, short)
    };
    for key in [callers, journeys] {
        let (store, short) = registered().await;
        store.db.delete_item().table_name(&store.tables.claims).key("pk", text(key)).send().await.unwrap();
        let unclaimed = Finding::Unclaimed(short.uuid, ClaimKind::IdentityKey);
        assert_eq!(audit(&store).await.0, [unclaimed].into());
    }
    // The tags of its keys: one is missing, they are of another key, they are malformed.
    let tag = |letter| support::claim_keys().tag(&identity_key(letter)).to_vec();
    for (tags, is_readable) in [
        (tag('b'), true),
        (tag('a'), true),
        ([tag('b'), tag('c')].concat(), true),
        ([tag('b'), tag('a'), tag('c')].concat(), true),
        (tag('b')[..7].to_vec(), false),
        ([tag('b'), tag('a')[..7].to_vec()].concat(), false),
        (Vec::new(), false),
    ] {
        let (store, short) = registered().await;
        let record = AttributeValue::B(tags.clone().into());
        let update = store.db.update_item().table_name(&store.tables.claims).key("pk", text(truncated));
        let update = update.update_expression("SET #a.#k = :v").expression_attribute_names("#k", "k");
        let update = update.expression_attribute_names("#a", format!("a#{}", short.uuid));
        update.expression_attribute_values(":v", record).send().await.unwrap();
        let expected = match is_readable {
            true => Finding::Disagrees(short.uuid, truncated.to_owned()),
            false => Finding::Unreadable("claims", truncated.to_owned()),
        };
        assert_eq!(audit(&store).await.0, [expected].into(), "{tags:?}");
    }
}

#[tokio::test]
async fn unreadable_item_is_found_and_audit_continues() {
    let store = store().await;
    let one = identity(1, false);
    let first = register(&store, 1, &one, "2024-03-15T07:30:00Z").await;
    put(&store, &store.tables.applications, &[("uuid", text("+33601020304"))]).await;
    let named = uuid(9).to_string();
    put(&store, &store.tables.applications, &[("uuid", text(&named))]).await;
    put(&store, &store.tables.claims, &[("pk", text("k")), ("a#x", text("y"))]).await;
    put(&store, &store.tables.imports, &[("operator_id", number(1)), ("import_id", text("DUPONT.csv"))]).await;
    // Two items with valid UUIDs: one has no other attribute, the other does not say when its work began.
    let ids = [7, 8].map(|byte| ImportId::from_bytes([byte; 16]));
    let [bare, running] = ids.map(|id| id.to_string());
    put(&store, &store.tables.imports, &[("operator_id", number(1)), ("import_id", text(&bare))]).await;
    let said = [
        ("operator_id", number(1)),
        ("import_id", text(&running)),
        ("key", text("imports/1/a.csv")),
        ("state", text("running")),
    ];
    put(&store, &store.tables.imports, &said).await;
    let license = key(ClaimKind::DrivingLicense, &one);
    damage(&store, &license, "REMOVE #a", &format!("a#{}", first.uuid), None).await;
    let (found, applications, claims) = audit(&store).await;
    let expected: BTreeSet<_> = [
        Finding::Unreadable("applications", "of no uuid".to_owned()),
        Finding::Unreadable("applications", named),
        Finding::Unreadable("claims", "k".to_owned()),
        Finding::Unreadable("imports", "1/of no name".to_owned()),
        Finding::Unreadable("imports", format!("1/{bare}")),
        Finding::Unreadable("imports", format!("1/{running}")),
        Finding::Unclaimed(first.uuid, ClaimKind::DrivingLicense),
        Finding::WrongDate(license, "sd"),
    ]
    .into();
    assert_eq!(found, expected);
    assert_eq!((applications, claims), (3, 3));
    assert!(
        found.iter().all(|finding| !finding.to_string().contains("3360102") && !finding.to_string().contains("DUPONT"))
    );
    // Other reads of the imports by the audit: which reports have an import, and the oldest import in progress.
    let asked = [(Some(operator(1)), ids[0]), (Some(operator(2)), ids[0]), (None, ids[0]), (Some(operator(1)), ids[1])];
    let known = store.imports.known(&asked, soon()).await.unwrap();
    assert_eq!(known, [asked[0], asked[3]].into());
    assert_eq!(store.imports.oldest_running().await, Ok(None));
    let record = ImportRecord { id: ImportId::from_bytes([9; 16]), operator: None, key: "journeys/a.csv".to_owned() };
    let began = at("2024-05-01T00:00:00Z");
    store.imports.begin::<u64, u64>(&record, "worker", began, began).await.unwrap();
    assert_eq!(store.imports.oldest_running().await, Ok(Some(began)));
}

/// A part ends with an import whose UUID is invalid, so the part's end cannot be expressed as a place. The audit checks the imports after
/// it.
#[tokio::test]
async fn import_with_invalid_id_at_part_end_does_not_end_audit() {
    let store = store().await;
    for byte in 0..99 {
        let id = ImportId::from_bytes([byte; 16]).to_string();
        put(&store, &store.tables.imports, &[("operator_id", number(1)), ("import_id", text(&id))]).await;
    }
    let last = ImportId::from_bytes([0xff; 16]).to_string();
    for id in ["DUPONT.csv", &last] {
        put(&store, &store.tables.imports, &[("operator_id", number(1)), ("import_id", text(id))]).await;
    }
    let (found, ..) = audit(&store).await;
    assert_eq!(found.len(), 101, "each one cannot be read");
    assert!(found.contains(&Finding::Unreadable("imports", format!("1/{last}"))));
}

/// If the check of a part panicked, the next part begins where it would have begun otherwise.
#[tokio::test]
async fn pass_over_skips_exactly_one_part() {
    let store = store().await;
    for number in 0..150 {
        register(&store, number, &identity(number, number == 0), "2024-03-15T07:30:00Z").await;
    }
    let mut place = AuditPlace::Start;
    let mut places = Vec::new();
    while place != AuditPlace::End {
        let looked = store.auditor.audit(&place, &Rules::default(), at(NOW), soon()).await.unwrap();
        let passed_over = store.auditor.pass_over(&place, soon()).await.unwrap();
        assert_eq!((&passed_over.place, passed_over.items()), (&looked.place, 0));
        assert_eq!(passed_over.findings, [Finding::PassedOver(place.to_string())].into());
        places.push(place);
        place = looked.place;
    }
    assert_eq!(places.len(), 2 + 4 + 1 + 1 + 1, "{places:?}");
    let found = |place| Audited::passed_over(&place, AuditPlace::End).findings.pop_first().unwrap().to_string();
    for (place, told) in [
        (AuditPlace::Claims(Some("k".to_owned())), "claims:k"),
        (AuditPlace::Applications("+33601020304".to_owned()), "applications:"),
        (AuditPlace::Reports(Some("reports/DUPONT.csv".to_owned())), "reports:"),
        (AuditPlace::Files(Some("exports/DUPONT.csv".to_owned())), "files:"),
    ] {
        assert_eq!(found(place), format!("unreadable: looking at the part after {told} panicked"));
    }
}

#[tokio::test]
async fn foreign_or_miscounted_import_is_found() {
    let store = store().await;
    let (id, other) = (ImportId::from_bytes([7; 16]), ImportId::from_bytes([8; 16]));
    let m = |members: &[(&str, AttributeValue)]| {
        AttributeValue::M(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    // The report, with one changed member each time.
    let report = |changed: &str, value: AttributeValue| {
        let mut members = vec![
            ("import_id", text(&id.to_string())),
            ("operator_id", number(2)),
            ("key", text("imports/2/h.csv")),
            ("rejected_rows", text(&format!("reports/2/{id}.rejected.csv"))),
            ("answers", text(&format!("reports/2/{id}.answers.csv"))),
            ("read", number(6)),
            ("imported", number(1)),
            ("already_known", number(1)),
            ("rejected", number(1)),
            ("eligible", number(1)),
            ("history", number(1)),
            ("duplicate", number(1)),
        ];
        for (name, old) in &mut members {
            if *name == changed {
                *old = value.clone();
            }
        }
        m(&members)
    };
    let foreign = |what| Finding::Foreign(OperatorId::new(2).ok(), what);
    for (key, report, expected) in [
        ("imports/2/h.csv", report("", number(0)), None),
        (
            "imports/3/h.csv",
            report("key", text("imports/3/h.csv")),
            Some(foreign("of an import whose file is another's")),
        ),
        ("imports/2/h.csv", report("operator_id", number(3)), Some(foreign("a report of another import"))),
        ("imports/2/h.csv", report("import_id", text(&other.to_string())), Some(foreign("a report of another import"))),
        (
            "imports/2/h.csv",
            report("rejected_rows", text(&format!("reports/3/{id}.rejected.csv"))),
            Some(foreign("rejected rows of another import")),
        ),
        (
            "imports/2/h.csv",
            report("answers", text(&format!("reports/3/{id}.answers.csv"))),
            Some(foreign("answers of another import")),
        ),
        ("imports/2/h.csv", report("read", number(4)), Some(Finding::Miscounted(OperatorId::new(2).ok(), id))),
    ] {
        let item = [
            ("operator_id", number(2)),
            ("import_id", text(&id.to_string())),
            ("key", text(key)),
            ("state", text("completed")),
            ("report", report),
        ];
        put(&store, &store.tables.imports, &item).await;
        assert_eq!(audit(&store).await.0, expected.into_iter().collect());
    }
}

/// A short application of an operator, on the journey of its number.
async fn short(store: &Store, number: u64, by: u32) -> Application {
    let (id, phone) = (format!("trip{number}"), format!("+33601{number:04}"));
    let trip = Journey {
        driver_phone_trunc: PhoneTrunc::parse(&phone).unwrap(),
        driver_identity_key: None,
        ..journey(by, &id, at("2024-03-15T07:30:00Z"))
    };
    support::put(store, &trip, &support::version(1, number)).await;
    let read = support::find(store, by, &id).await.unwrap();
    let whose = Identity { truncated: truncated("DUP", &phone), ..driver("DUP", &format!("A{number}"), None) };
    let short = using(application(number, by, JourneyType::Short, &whose, read.journey.end), &read);
    assert_eq!(store.register(&short, Some(&read)).await, Registration::Registered);
    short
}

/// Four changes of operator 1: two new statuses of the first application, one of the second, and the delete of the third. The fourth
/// application is another operator's, and has not changed.
async fn four_changes(store: &Store) {
    for (number, by) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        short(store, number, by).await;
    }
    for (number, minute, status) in
        [(1, 2, JourneyStatus::Ok), (2, 2, JourneyStatus::Ok), (1, 3, JourneyStatus::Canceled)]
    {
        assert!(store.follow(uuid(number), status, &support::version(minute, number)).await);
    }
    assert_eq!(store.deleter.delete(operator(1), uuid(3), at(NOW), soon()).await, Ok(Deleted::Done));
}

/// The key of a change of operator 1.
fn change_key(of: i64) -> support::Item {
    [("operator_id".to_owned(), number(1)), ("number".to_owned(), number(of))].into()
}

async fn remove_change(store: &Store, of: i64) {
    let delete = store.db.delete_item().table_name(&store.tables.changes).set_key(Some(change_key(of)));
    delete.send().await.unwrap();
}

async fn put_change(store: &Store, item: &support::Item) {
    store.db.put_item().table_name(&store.tables.changes).set_item(Some(item.clone())).send().await.unwrap();
}

/// The findings about all changes, if it is this time.
async fn feed_findings(store: &Store, now: &str) -> BTreeSet<Finding> {
    let place = AuditPlace::Changes(None);
    let part = store.auditor.audit(&place, &Rules::default(), at(now), soon()).await.unwrap();
    assert_eq!((part.place, part.changes > 0), (AuditPlace::Exports(None), true));
    part.findings
}

const LAST: &str = "is the last one of its application, and does not say its state";
const NOT_REMOVED: &str = "is not removed 407 days after the change after it";

#[tokio::test]
async fn each_kind_of_damage_to_a_feed_is_found() {
    let store = store().await;
    four_changes(&store).await;
    let long = register(&store, 5, &identity(5, true), "2024-03-15T07:30:00Z").await;
    let held = DriverData { applications: vec![long], ..DriverData::default() };
    assert_eq!(store.eraser.erase(&held, "r", at(NOW), soon()).await.unwrap().applications, [uuid(5)]);
    assert_eq!(audit(&store).await.0, BTreeSet::new(), "an earlier status, a delete and an erasure are no damage");
    // Only these four from now on.
    let feed = store.feeds().await;
    let of = |of: i64| feed.values().find(|item| item["number"] == number(of)).unwrap().clone();
    let wrong = |number, what| Finding::ChangeWrong(operator(1), number, what);
    let missing = |number| Finding::ChangeMissing(operator(1), number);
    let with = |of: support::Item, name: &str, value: AttributeValue| {
        let mut item = of;
        item.insert(name.to_owned(), value);
        item
    };
    let without = |of: support::Item, name: &str| {
        let mut item = of;
        item.remove(name);
        item
    };
    let named = |number| text(&uuid(number).to_string());
    let earlier = number(at("2024-04-30T00:00:00Z").millis());

    for (lost, expected) in [(1, 1), (2, 2), (4, 4), (5, 5)] {
        remove_change(&store, lost).await;
        assert_eq!(audit(&store).await.0, [missing(expected)].into(), "change {lost} is lost");
        put_change(&store, &of(lost)).await;
    }
    for (what, item, expected) in [
        ("no application", with(of(2), "uuid", named(99)), vec![wrong(2, "names an application that there never was")]),
        ("of another operator", with(of(2), "uuid", named(4)), vec![Finding::ForeignChange(operator(1), 2)]),
        ("a delete of another one", with(of(4), "uuid", named(2)), vec![wrong(4, LAST)]),
        ("a status that it has not", with(of(2), "status", text("fraud_error")), vec![wrong(2, LAST)]),
        (
            "an early date",
            with(of(2), "changed_at", earlier),
            vec![wrong(1, NOT_REMOVED), wrong(2, "is dated before the change before it")],
        ),
        ("kept for ever", without(of(2), "forgotten_at"), vec![wrong(2, NOT_REMOVED)]),
        ("removed one day", with(of(5), "forgotten_at", number(1_900_000_000)), vec![missing(6)]),
        ("no type", without(of(2), "journey_type"), vec![Finding::Unreadable("changes", "1/2".to_owned())]),
    ] {
        put_change(&store, &item).await;
        assert_eq!(audit(&store).await.0, expected.into_iter().collect(), "{what}");
        let original = feed.values().find(|other| other["number"] == item["number"]).unwrap();
        put_change(&store, original).await;
        assert_eq!(audit(&store).await.0, BTreeSet::new(), "{what}: put back");
    }
    for (of, item, expected) in [
        (9, with(without(of(2), "forgotten_at"), "number", number(9)), missing(8)),
        (0, change_key(0), Finding::Unreadable("changes", "of no number".to_owned())),
    ] {
        put_change(&store, &item).await;
        assert_eq!(audit(&store).await.0, [expected].into(), "a change {of} that nobody wrote");
        remove_change(&store, of).await;
    }
    assert_eq!(audit(&store).await.0, BTreeSet::new());
}

/// The feed says what the application should be. The stream of the applications does not lead to the feed, so the round finds it.
#[tokio::test]
async fn application_changed_without_its_feed_is_found_by_round() {
    let store = store().await;
    four_changes(&store).await;
    assert_eq!(feed_findings(&store, NOW).await, BTreeSet::new());
    let change_status = async |number: u64, status: &str| {
        let update = store.db.update_item().table_name(&store.tables.applications);
        let update = update.key("uuid", text(&uuid(number).to_string())).update_expression("SET #status = :status");
        let update = update.expression_attribute_names("#status", "status");
        update.expression_attribute_values(":status", text(status)).send().await.unwrap();
    };
    for (number, change) in [(2, 2), (1, 3)] {
        change_status(number, "fraud_error").await;
        let expected = [Finding::ChangeWrong(operator(1), change, LAST)].into();
        assert_eq!(feed_findings(&store, NOW).await, expected, "application {number}");
        change_status(number, if number == 1 { "canceled" } else { "ok" }).await;
    }
    // A deleted application is put back by hand, without its operator being told.
    let archived = store.scan(&store.tables.archive).await.remove(&uuid(3).to_string()).unwrap();
    store.db.put_item().table_name(&store.tables.applications).set_item(Some(archived)).send().await.unwrap();
    assert_eq!(feed_findings(&store, NOW).await, [Finding::ChangeWrong(operator(1), 4, LAST)].into());
}

/// DynamoDB removes expired changes in any order, and days late.
#[tokio::test]
async fn expired_changes_may_be_missing() {
    let store = store().await;
    short(&store, 1, 1).await;
    for (minute, status, day) in [
        (2, JourneyStatus::Ok, "2024-01-01"),
        (3, JourneyStatus::Canceled, "2024-01-02"),
        (4, JourneyStatus::FraudError, "2025-06-01"),
    ] {
        let now = at(&format!("{day}T00:00:00Z"));
        let followed = store.follower.follow(uuid(1), status, &support::version(minute, 1), now, soon()).await;
        assert_eq!(followed, Ok(true));
    }
    let missing = |number| BTreeSet::from([Finding::ChangeMissing(operator(1), number)]);
    remove_change(&store, 1).await;
    // The second change is 400 days old on 5 February 2025.
    assert_eq!(feed_findings(&store, "2025-02-04T23:59:59Z").await, missing(1));
    assert_eq!(feed_findings(&store, "2025-02-05T00:00:00Z").await, BTreeSet::new());
    remove_change(&store, 2).await;
    // The third is on 6 July 2026. It is the last one, and stays.
    assert_eq!(feed_findings(&store, "2026-07-05T23:59:59Z").await, missing(2));
    assert_eq!(feed_findings(&store, "2026-07-06T00:00:00Z").await, BTreeSet::new());
}

/// A change that is added between the two reads of its neighbours is not a finding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_added_during_audit_is_ignored() {
    let (calm, store, faults) = support::store_with_faults().await;
    four_changes(&calm).await;
    let other = calm.clone();
    let added = async move {
        assert!(other.follow(uuid(2), JourneyStatus::Canceled, &support::version(9, 2)).await);
    };
    // The scan has read the last change, which is not the last one any more when its neighbours are read.
    faults.to("BatchGetItem", [support::Fault::meanwhile(added)]);
    assert_eq!(feed_findings(&store, NOW).await, BTreeSet::new());
    assert!(faults.are_over());
    assert_eq!(feed_findings(&store, NOW).await, BTreeSet::new());
}

/// Sets or removes an attribute of an item of the exports.
async fn change_export(store: &Store, export: &ExportRecord, name: &str, value: Option<AttributeValue>) {
    let update = store.db.update_item().table_name(&store.tables.exports);
    let update = update.key("operator_id", number(i64::from(export.operator.get())));
    let update = update.key("export_id", text(&export.id.to_string())).expression_attribute_names("#a", name);
    let update = update.update_expression(if value.is_some() { "SET #a = :v" } else { "REMOVE #a" });
    let values = value.map(|value| [(":v".to_owned(), value)].into());
    update.set_expression_attribute_values(values).send().await.unwrap();
}

#[tokio::test]
async fn each_kind_of_damage_to_an_export_is_found() {
    let store = store().await;
    let now = at(NOW);
    let (id, whose) = (ExportId::new(now, 7), operator(2));
    let (format, filter) = (ExportFormat::Csv, ListFilter::default());
    let record = ExportRecord { id, operator: whose, format, filter, created_at: now };
    assert_eq!(store.exports.add(&record, now).await, Ok(ExportAdded::Done));
    assert_eq!(audit(&store).await.0, BTreeSet::new(), "requested");
    let begun = store.exports.begin(whose, id, "worker", now).await.unwrap();
    let ExportBegun::Yours(hold, _) = begun else { panic!("{begun:?}") };
    let pieces = vec![format!("{}rows-1-0..2", export_pieces(id))];
    let progress = ExportProgress { applications: 2, pieces, ..ExportProgress::default() };
    store.exports.checkpoint(&hold, &progress, now).await.unwrap();
    assert_eq!(audit(&store).await.0, BTreeSet::new(), "in progress");

    let item = async || store.db.scan().table_name(&store.tables.exports).send().await.unwrap().items()[0].clone();
    let wrong = |what| Finding::ExportWrong(whose, id, what);
    let unreadable = || Finding::Unreadable("exports", format!("2/{id}"));
    // The progress, with another member.
    let with = |item: &support::Item, name: &str, value: AttributeValue| {
        let mut members = item["progress"].as_m().unwrap().clone();
        members.insert(name.to_owned(), value);
        Some(AttributeValue::M(members))
    };
    let check = async |damages: Vec<(&str, Option<AttributeValue>, Finding)>| {
        let sound = item().await;
        for (name, value, expected) in damages {
            change_export(&store, &record, name, value.clone()).await;
            assert_eq!(audit(&store).await.0, [expected].into(), "{name} {value:?}");
            change_export(&store, &record, name, sound.get(name).cloned()).await;
        }
        assert_eq!(audit(&store).await.0, BTreeSet::new(), "put back");
    };
    let (running, one) = (item().await, Some(number(1)));
    let other = ExportId::new(now, 8);
    let foreign = AttributeValue::L(vec![text(&format!("{}rows-1-0..2", export_pieces(other)))]);
    check(vec![
        ("alive_until", None, wrong("is in progress, and does not say until when")),
        ("bytes", one.clone(), wrong("is in progress, and has an end")),
        ("expires_at", one.clone(), wrong("is in progress, and has an end")),
        ("progress", with(&running, "pieces", foreign), Finding::Foreign(Some(whose), "pieces of another export")),
        ("state", Some(text("failed")), unreadable()),
        ("format", None, unreadable()),
    ])
    .await;
    store.exports.end(&hold, 2, 99, (now, now)).await.unwrap();
    assert_eq!(audit(&store).await.0, BTreeSet::new(), "ready");
    let ready = item().await;
    let own = running["progress"].as_m().unwrap()["pieces"].clone();
    check(vec![
        ("bytes", None, wrong("is ready, and lacks a part of its end")),
        ("ended_at", None, wrong("is ready, and lacks a part of its end")),
        ("expires_at", None, wrong("is ready, and lacks a part of its end")),
        (
            "progress",
            with(&ready, "is_read", AttributeValue::Bool(false)),
            wrong("is ready, and its list was not read to the end"),
        ),
        ("progress", with(&ready, "pieces", own), wrong("is ready, and names pieces")),
        ("worker", Some(text("worker")), wrong("is ready, and is worked on")),
    ])
    .await;
    put(&store, &store.tables.exports, &[("operator_id", number(2)), ("export_id", text("DUPONT.csv"))]).await;
    assert_eq!(audit(&store).await.0, [Finding::Unreadable("exports", "2/of no name".to_owned())].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_changes_give_no_finding() {
    let store = store().await;
    let busy = (0..4_u64).map(|lane| {
        let store = store.clone();
        tokio::spawn(async move {
            for turn in 0..40 {
                let number = lane * 1000 + turn;
                let identity = identity(lane, false);
                register(&store, number, &identity, "2024-03-15T07:30:00Z").await;
                let key = IdentityKey::parse(&format!("{lane:064x}")).unwrap();
                store.key_giver.give_key(operator(1), uuid(number), &key, &Rules::default(), soon()).await.unwrap();
                let (by, now) = (operator(1), at("2024-05-01T00:00:00Z"));
                assert_eq!(store.deleter.delete(by, uuid(number), now, soon()).await.unwrap(), Deleted::Done);
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

/// Metrics, alarms and the runbook use these words.
#[test]
fn finding_text_begins_with_its_kind() {
    let (one, id) = (uuid(1), ImportId::from_bytes([7; 16]));
    let each = [
        Finding::GrantedTwice(one, uuid(2)),
        Finding::Unclaimed(one, ClaimKind::DrivingLicense),
        Finding::JourneyUnclaimed(one),
        Finding::JourneyCorrected(one),
        Finding::Orphan(one, "key".to_owned()),
        Finding::Misplaced(one, "key".to_owned()),
        Finding::Disagrees(one, "key".to_owned()),
        Finding::WrongDate("key".to_owned(), "sd"),
        Finding::Miscounted(Some(operator(2)), id),
        Finding::Foreign(None, "a report of another import"),
        Finding::ChangeMissing(operator(2), 7),
        Finding::ExportWrong(operator(2), ExportId::new(at(NOW), 7), "is ready, and names pieces"),
        Finding::Unreadable("imports", "key".to_owned()),
    ];
    assert_eq!(each.each_ref().map(Finding::kind), FindingKind::ALL);
    for finding in &each {
        let name = finding.kind().as_str().replace('_', " ");
        assert!(finding.to_string().starts_with(&format!("{name}: ")), "{finding}");
    }
    assert_eq!(each[1].to_string(), format!("unclaimed: {one} has no claim on its driving licence"));
    assert!(each[8].to_string().contains("operator 2") && each[9].to_string().contains("the registry"));
    assert_eq!(Finding::PassedOver("claims:k".to_owned()).kind(), FindingKind::Unreadable);
    for (other, kind) in [
        (Finding::ChangeWrong(operator(2), 7, "is wrong"), FindingKind::FeedDamaged),
        (Finding::ForeignChange(operator(2), 7), FindingKind::Foreign),
    ] {
        assert_eq!(other.kind(), kind);
        assert!(other.to_string().starts_with(&format!("{}: ", kind.as_str().replace('_', " "))), "{other}");
    }
}

#[test]
fn audited_items_are_summed() {
    let tables = Audited { applications: 1, claims: 2, imports: 4, changes: 8, exports: 16, ..Default::default() };
    assert_eq!(Audited { reports: 32, files: 64, ..tables }.items(), 127);
}
