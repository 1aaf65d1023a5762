//! One driver is one driver, with every spelling of the phone and every way to send it: a call, a batch, a history file, a journey.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Trip, World, reports, world};

/// Two spellings of one phone.
const PAIRS: [[&str; 2]; 13] = [
    ["+336987654", "+33 06 98 76 54"],
    ["+336123456", "06 12 34 56"],
    ["+336123457", "0033 (0)6-12-34-57"],
    ["+4479111234", "+44 07911 1234"],
    ["+324701234", "+32 0470 12 34"],
    ["+2626920102", "06920102"],
    ["+2626920103", "+336920103"],
    ["+2626920104", "+262 0692 01 04"],
    ["+5907090112", "07090112"],
    ["+5087084512", "+33708/45/12"],
    ["+5084112", "0508\u{a0}41\u{202f}12"],
    ["+5084113", "+33 508 41 13"],
    ["+336399801", "+262 639 98 01"],
];

/// Whole numbers, which no call accepts.
const WHOLE: [&str; 5] = ["+33612345678", "0612345678", "+33 06 12 34 56 78", "+262692010203", "+687751234"];

/// A name for each case, so that cases do not affect one another.
fn name(case: usize, order: usize, way: usize) -> String {
    let letter = |number: usize| char::from(b'A' + u8::try_from(number).unwrap());
    [letter(case), letter(order), letter(way)].iter().collect()
}

fn history(name: &str, phone: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "datetime": "2021-02-15T00:00:00Z"})
}

fn long(name: &str, phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T07:30:00Z"})
}

/// Every pair in both orders.
fn cases() -> impl Iterator<Item = (usize, usize, &'static str, &'static str)> {
    let both = |(case, [one, other]): (usize, [&'static str; 2])| [(case, 0, one, other), (case, 1, other, one)];
    PAIRS.into_iter().enumerate().flat_map(both)
}

async fn is_blocked(world: &World, name: &str, phone: &str, reason: &str) {
    let license = format!("{name}2");
    let answer = world.api.register(&world.token(2), &long(name, phone, &license)).await;
    assert_eq!(
        (answer.status, &answer.json()["reason"]),
        (StatusCode::CONFLICT, &json!(reason)),
        "{phone}: {answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_with_two_phone_spellings_is_granted_once() {
    let world = world().await;
    for (case, order, first, then) in cases() {
        let name = name(case, order, 0);
        let granted = world.api.register(&world.token(1), &long(&name, first, &format!("{name}1"))).await;
        assert_eq!(granted.status, StatusCode::CREATED, "{first}: {granted:?}");
        is_blocked(&world, &name, then, "duplicate").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_blocks_driver_with_other_phone_spelling() {
    let world = world().await;
    let (mut csv, mut batch) = ("journey_type;last_name_trunc;phone_trunc;datetime\n".to_owned(), Vec::new());
    for (case, order, first, _) in cases() {
        csv.push_str(&format!("long;{};{first};2021-02-15\n", name(case, order, 1)));
        batch.push(history(&name(case, order, 2), first));
    }
    world.upload("imports/1/history.csv", csv).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/history.csv"];
    assert_eq!((&report["imported"], &report["rejected"]), (&json!(2 * PAIRS.len()), &json!(0)), "{report}");
    let answer = world.api.post("/policies/cee/import", &world.token(1), &json!(batch)).await.json();
    assert_eq!(answer["imported"], 2 * PAIRS.len(), "{answer}");
    for (case, order, _, then) in cases() {
        for way in [1, 2] {
            is_blocked(&world, &name(case, order, way), then, "history").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_with_two_phone_spellings_are_granted_once() {
    let world = world().await;
    let trip = |operator: u32, number: usize, phone: &str| Trip {
        id: number as u64,
        ..Trip::new(operator, &format!("j{number}"), phone)
    };
    let trips: Vec<Trip> = cases()
        .enumerate()
        .flat_map(|(number, (_, _, first, then))| [trip(1, 2 * number, first), trip(2, 2 * number + 1, then)])
        .collect();
    world.journeys(&trips).await;
    for (number, (case, order, first, then)) in cases().enumerate() {
        let name = name(case, order, 3);
        let short = |journey: usize, license: &str| {
            json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license,
                   "operator_journey_id": format!("j{journey}")})
        };
        let granted = world.api.register(&world.token(1), &short(2 * number, &format!("{name}1"))).await;
        assert_eq!(granted.status, StatusCode::CREATED, "{first}: {granted:?}");
        let refused = world.api.register(&world.token(2), &short(2 * number + 1, &format!("{name}2"))).await;
        assert_eq!(refused.problem(), "duplicate", "{then}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_phone_is_refused_and_not_stored() {
    let world = world().await;
    let words = "is a whole phone number: leave out its last two digits";
    let mut csv = "journey_type;last_name_trunc;phone_trunc;datetime\n".to_owned();
    for phone in WHOLE {
        let answer = world.api.register(&world.token(1), &long("DUP", phone, "A1")).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["message"]), (StatusCode::BAD_REQUEST, &json!(words)));
        csv.push_str(&format!("long;DUP;{phone};2021-02-15\n"));
    }
    world.upload("imports/1/whole.csv", csv).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/whole.csv"];
    assert_eq!((&report["imported"], &report["rejected"]), (&json!(0), &json!(WHOLE.len())), "{report}");
    let batch: Vec<Value> = WHOLE.iter().map(|phone| history("DUP", phone)).collect();
    let answer = world.api.post("/policies/cee/import", &world.token(1), &json!(batch)).await.json();
    assert_eq!((&answer["imported"], &answer["failed"]), (&json!(0), &json!(WHOLE.len())), "{answer}");
    world.journeys(&[Trip::new(1, "whole", WHOLE[0])]).await;
    let short = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "A1", "operator_journey_id": "whole"});
    assert_eq!(world.api.register(&world.token(1), &short).await.problem(), "unknown_journey");
    assert_eq!(world.applications().await.len(), 0);
    assert_eq!(world.scan(&cee_local::stack::tables().claims).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_of_six_digits_are_accepted() {
    let world = world().await;
    for (number, phone) in ["+6877512", "+6818212", "+5084123"].into_iter().enumerate() {
        let name = name(number, 0, 4);
        let granted = world.api.register(&world.token(1), &long(&name, phone, &format!("{name}1"))).await;
        assert_eq!(granted.status, StatusCode::CREATED, "{phone}: {granted:?}");
    }
}
