//! The check value of the pepper: how it is written and compared, and that nothing treats it as a claim.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{JourneyType, Rules};
use cee_registry::{AuditPlace, ClaimKeys, Differences, Evidence, Pepper, PepperKeeper, Registrar, Tables, restore};

use crate::support::*;

const WHEN: &str = "2024-03-15T07:30:00Z";

fn keys(pepper: u8) -> ClaimKeys {
    ClaimKeys::new(&[pepper; 32]).unwrap()
}

fn under(store: &Store, pepper: u8) -> PepperKeeper {
    PepperKeeper::new(store.db.clone(), &store.tables, keys(pepper))
}

async fn noted(keeper: &PepperKeeper) -> Pepper {
    keeper.note_pepper(at(WHEN), soon()).await.unwrap()
}

#[tokio::test]
async fn check_value_is_written_once_and_detects_wrong_pepper() {
    let store = store().await;
    let other = under(&store, 8);
    assert_eq!(store.keeper.pepper(soon()).await, Ok(Pepper::Unnoted));
    assert_eq!(store.requests.take(), 1);
    assert_eq!(noted(&store.keeper).await, Pepper::Right);
    let written = store.scan(&store.tables.claims).await;
    assert_eq!(store.keeper.pepper(soon()).await, Ok(Pepper::Right));
    assert_eq!(other.pepper(soon()).await, Ok(Pepper::Wrong));
    assert_eq!((noted(&other).await, noted(&store.keeper).await), (Pepper::Wrong, Pepper::Right));
    assert_eq!(store.scan(&store.tables.claims).await, written, "it stays as it was written");
    // Computed with Python's `hmac` from the pepper and the message, after the message's length.
    assert_eq!(written["pepper"]["check"], AttributeValue::S("1vA7N1l8fpbs4mB_-J9SO85jeABaIV8StufPeYgTcNk".to_owned()));
    assert_eq!(written["pepper"].len(), 3);
}

#[tokio::test]
async fn check_value_is_not_a_claim() {
    let store = store().await;
    noted(&store.keeper).await;
    let part = store.auditor.audit(&AuditPlace::Claims(None), &Rules::default(), at(WHEN), soon()).await.unwrap();
    assert_eq!((part.claims, part.findings), (0, BTreeSet::new()));
    let brought = store.remover.brought_by(cee_registry::ImportId::from_bytes([1; 16]), None, soon()).await.unwrap();
    assert_eq!((brought.items, brought.brought.len()), (0, 0));
}

#[tokio::test]
async fn applications_alone_prove_the_pepper() {
    let store = store().await;
    let other = under(&store, 8);
    let evidence = async |keeper: &PepperKeeper| keeper.prove_pepper(soon()).await.unwrap();
    assert_eq!(evidence(&store.keeper).await, Evidence::Empty);
    noted(&store.keeper).await;
    assert_eq!(evidence(&store.keeper).await, Evidence::Empty, "a check value does not prove itself");
    let source = cee_registry::RowSource { import: cee_registry::ImportId::from_bytes([1; 16]), line: 2 };
    store.import(JourneyType::Long, &truncated("TO ", "+336010203"), at("2021-01-01T00:00:00Z"), 1, source).await;
    assert_eq!(evidence(&store.keeper).await, Evidence::HistoryAlone);
    for number in 1..=3 {
        let driver = driver("DUP", &format!("L{number}"), Some(['a', 'b', 'c'][number as usize - 1]));
        let one = application(number, 1, JourneyType::Long, &driver, at(WHEN));
        assert_eq!(store.register(&one, None).await, cee_registry::Registration::Registered);
    }
    assert_eq!(evidence(&store.keeper).await, Evidence::Compared { found: 3, missed: 0 });
    assert_eq!(evidence(&other).await, Evidence::Compared { found: 0, missed: 3 });
    // An application that was registered with another pepper, and the marker of a deleted application.
    let strange = driver("DUP", "L9", Some('d'));
    let four = application(4, 1, JourneyType::Long, &strange, at(WHEN));
    let cutoffs = Rules::default().cutoffs(JourneyType::Long, four.datetime);
    let strayed = Registrar::new(store.db.clone(), &store.tables, keys(8));
    strayed.register(&four, &cutoffs, None, None, soon()).await.unwrap();
    assert_eq!(store.deleter.delete(operator(1), uuid(1), at(WHEN), soon()).await, Ok(cee_registry::Deleted::Done));
    assert_eq!(evidence(&store.keeper).await, Evidence::Compared { found: 2, missed: 1 });
}

/// A restored table keeps its check value, gets a lost one back, and gets none of another pepper.
#[tokio::test]
async fn restore_keeps_the_check_value_and_refuses_another_pepper() {
    let store = store().await;
    let earlier = Tables { claims: "claims-at-noon".to_owned(), ..Tables::with_prefix("noon-") };
    earlier.create_missing(&store.db).await.unwrap();
    let there = |pepper: u8| PepperKeeper::new(store.db.clone(), &earlier, keys(pepper));
    let put_back = async || restore(&store.db, &earlier.claims, &store.tables.claims, true).await;
    noted(&store.keeper).await;
    assert_eq!(put_back().await, Ok(Differences::default()), "one that is younger than the other table");
    assert_eq!(store.keeper.pepper(soon()).await, Ok(Pepper::Right));
    // The same pepper, noted at another moment.
    there(7).note_pepper(at("2024-01-01T00:00:00Z"), soon()).await.unwrap();
    assert_eq!(put_back().await, Ok(Differences::default()));
    let forget = async |table: &str| {
        let delete = store.db.delete_item().table_name(table);
        delete.key("pk", AttributeValue::S("pepper".to_owned())).send().await.unwrap();
    };
    forget(&store.tables.claims).await;
    assert_eq!(put_back().await, Ok(Differences { lost: 1, ..Differences::default() }));
    assert_eq!(store.keeper.pepper(soon()).await, Ok(Pepper::Right));
    forget(&earlier.claims).await;
    there(8).note_pepper(at(WHEN), soon()).await.unwrap();
    assert!(put_back().await.unwrap_err().to_string().contains("under two peppers"));
    assert_eq!(store.keeper.pepper(soon()).await, Ok(Pepper::Right));
}
