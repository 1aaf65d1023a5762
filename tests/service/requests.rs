//! The number of requests to DynamoDB for each call, counted by the proxy: the budgets of docs/checks.md.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::Trip;
use crate::wire::Wire;

#[tokio::test(flavor = "multi_thread")]
async fn calls_stay_within_their_budgets() {
    let (world, wire) = Wire::world().await;
    let key = |letter: &str| letter.repeat(64);
    let long = |name: &str, phone: &str, license: &str, key: Option<String>| {
        let mut body = json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone,
                              "driving_license": license, "datetime": "2024-03-15T08:30:00Z"});
        if let Some(key) = key {
            body["identity_key"] = json!(key);
        }
        body
    };
    let short = |name: &str, license: &str, journey: &str| {
        json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license,
               "operator_journey_id": journey})
    };
    let keyed = |name: &str, license: &str, journey: &str, letter: &str| {
        let mut body = short(name, license, journey);
        body["identity_key"] = json!(key(letter));
        body
    };
    let question = |journey_type: &str, phone: &str, license: &str, letter: &str| {
        json!({"journey_type": journey_type, "last_name_trunc": "DUP", "phone_trunc": phone,
               "driving_license": license, "identity_key": key(letter)})
    };
    world
        .journeys(&[
            Trip::new(1, "one", "+336010203"),
            Trip { key: key("d"), ..Trip::new(1, "keyed", "+336010204") },
            Trip { class: "B", ..Trip::new(1, "class-b", "+336010205") },
            Trip { key: key("e"), ..Trip::new(1, "two-keys", "+336010211") },
            Trip::new(1, "unkeyed", "+336010215"),
            Trip { key: key("6"), ..Trip::new(1, "same-key", "+336010216") },
            Trip { key: key("7"), ..Trip::new(1, "two-keys-7", "+336010217") },
            Trip { key: key("8"), ..Trip::new(1, "two-keys-8", "+336010218") },
            Trip { key: key("e"), ..Trip::new(2, "theirs-keyed", "+336010213") },
            Trip::new(2, "theirs", "+336010203"),
        ])
        .await;
    world
        .upload(
            "imports/3/h.csv",
            "journey_type,last_name_trunc,phone_trunc,datetime\nlong,HIS,+336010207,2022-01-01\nshort,DUP,+336010208,2022-01-01\n",
        )
        .await;
    let tokens = [world.token(1), world.token(2)];
    // Each function checks once a minute whether an operator is admitted: that is not counted.
    for token in &tokens {
        world.api.simulate(token, &json!({})).await;
        world.api.register(token, &json!({})).await;
    }
    let own = "GetItem";
    let register = "TransactWriteItems";
    let (simulate, registers) = ("/policies/cee/simulate", "/policies/cee");
    // The operator, the call, the status, and the requests.
    let calls: Vec<(usize, &str, Value, u16, Vec<&str>)> = vec![
        (0, simulate, question("long", "+336010206", "L1", "a"), 200, vec!["BatchGetItem"]),
        (0, registers, long("DUP", "+336010206", "L1", None), 201, vec![register]),
        (0, registers, long("DUP", "+336010299", "L2", Some(key("b"))), 201, vec![register]),
        // Conflicts on each of the three keys, with another operator's application.
        (1, registers, long("XXX", "+336010999", "L1", None), 409, vec![register]),
        (1, registers, long("XXX", "+336010998", "L9", Some(key("b"))), 409, vec![register]),
        (1, registers, long("DUP", "+336010206", "L8", None), 409, vec![register]),
        (1, simulate, question("long", "+336010206", "L8", "c"), 409, vec!["BatchGetItem"]),
        // With the caller's own application: one more read completes the response.
        (0, registers, long("DUP", "+336010206", "L8", None), 409, vec![register, own]),
        (0, simulate, question("long", "+336010206", "L8", "c"), 409, vec!["BatchGetItem", own]),
        // History.
        (0, registers, long("HIS", "+336010207", "L7", None), 409, vec![register]),
        // Short: the journey is read first.
        (0, registers, short("DUP", "S1", "one"), 201, vec!["GetItem", register]),
        (0, registers, short("DUP", "S2", "keyed"), 201, vec!["GetItem", register]),
        (1, registers, short("DUP", "S3", "theirs"), 409, vec!["GetItem", register]),
        // Two identity keys: the caller's and the journey's own.
        (0, registers, keyed("DUP", "S6", "two-keys", "1"), 201, vec!["GetItem", register]),
        (1, registers, keyed("XXX", "S7", "theirs-keyed", "2"), 409, vec!["GetItem", register]),
        (0, registers, keyed("DUP", "S6", "two-keys", "1"), 409, vec!["GetItem", register, own]),
        (0, registers, short("DUP", "S1", "one"), 409, vec!["GetItem", register, own]),
        (0, registers, short("XXX", "S9", "one"), 409, vec!["GetItem", register, own]),
        (0, registers, short("DUP", "S4", "class-b"), 404, vec!["GetItem"]),
        (0, registers, short("DUP", "S5", "never-was"), 404, vec!["GetItem"]),
        // A call that is refused on sight costs nothing.
        (0, registers, json!({}), 400, vec![]),
        (
            0,
            registers,
            {
                let mut early = long("DUP", "+336010288", "L6", None);
                early["datetime"] = json!("2024-04-30T00:00:00Z");
                early
            },
            400,
            vec![],
        ),
    ];
    for (operator, path, body, status, expected) in calls {
        wire.take_operations();
        let answer = world.api.post(path, &tokens[operator], &body).await;
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{body}: {answer:?}");
        assert_eq!(wire.take_operations(), expected, "{path} {body}");
    }
    // A call with an Idempotency-Key looks for its record. The second time it finds the record, and checks whether the application
    // exists.
    let named = |body: &Value| {
        let mut request = world.api.request(Method::POST, registers, Some(&tokens[0]), body.to_string().into_bytes());
        request.headers_mut().insert("idempotency-key", "one".parse().unwrap());
        request
    };
    let body = long("NAM", "+336010277", "N1", None);
    for expected in [["GetItem", register], ["GetItem", "GetItem"]] {
        wire.take_operations();
        let answer = world.api.send(named(&body)).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(wire.take_operations(), expected);
    }
    // The items of a transaction, and what they cost: the budget is two write units each, and one for the index of applications.
    wire.take_units();
    for (body, name, items) in [
        (long("NAM", "+336010278", "N2", None), None, 3),
        (long("NAM", "+336010279", "N3", Some(key("3"))), None, 4),
        (long("NAM", "+336010280", "N4", Some(key("4"))), Some("n4"), 5),
        (short("NAM", "N5", "unkeyed"), None, 4),
        (keyed("NAM", "N6", "same-key", "6"), None, 5),
        (keyed("NAM", "N7", "two-keys-7", "9"), None, 6),
        (keyed("NAM", "N8", "two-keys-8", "0"), Some("n8"), 7),
    ] {
        let mut request = world.api.request(Method::POST, registers, Some(&tokens[0]), body.to_string().into_bytes());
        if let Some(name) = name {
            request.headers_mut().insert("idempotency-key", name.parse().unwrap());
        }
        let answer = world.api.send(request).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let taken = wire.take_units();
        let written = taken.iter().find(|taken| taken.operation == register).unwrap();
        let asked: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(asked["TransactItems"].as_array().unwrap().len(), items, "{body}");
        assert_eq!(written.units, Some(2.0 * items as f64 + 1.0), "{body}");
    }
    // The caller's own application: fetched by one request, deleted by four.
    let granted = world.api.register(&tokens[0], &body).await.json();
    let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    world.api.call(Method::GET, &path, &tokens[0]).await;
    for (method, status, expected) in [
        (Method::GET, StatusCode::OK, vec!["GetItem"]),
        (Method::DELETE, StatusCode::NO_CONTENT, vec!["GetItem", "BatchGetItem", "Query", register]),
        (Method::DELETE, StatusCode::NOT_FOUND, vec!["GetItem"]),
        (Method::GET, StatusCode::NOT_FOUND, vec!["GetItem"]),
    ] {
        wire.take_operations();
        assert_eq!(world.api.call(method, &path, &tokens[0]).await.status, status);
        assert_eq!(wire.take_operations(), expected);
    }
    // A token: its credential, the count of guesses, the operator. A wrong or unknown credential costs no less.
    let keys = &world.stack.description().operators[0];
    let pair = json!({"access_key": keys.access_key, "secret_key": keys.secret_key});
    wire.take_operations();
    assert_eq!(world.api.post("/auth/access_token", "", &pair).await.status, StatusCode::CREATED);
    assert_eq!(wire.take_operations(), ["GetItem", "UpdateItem", "GetItem"]);
    // A row of history: one conditional update. And five requests for each import: its slot, its begin, its operator, its end, its slot
    // again.
    wire.take_operations();
    let rows: String = (0..50).map(|n| format!("long,DUP,+337000{n:03},2022-01-01\n")).collect();
    world.upload("imports/3/more.csv", format!("journey_type,last_name_trunc,phone_trunc,datetime\n{rows}")).await;
    let made = wire.take_operations();
    let count = |operation: &str| made.iter().filter(|made| *made == operation).count();
    assert_eq!((count("UpdateItem"), count("GetItem")), (50 + 4, 1), "{made:?}");
    assert_eq!(made.len(), 55, "{made:?}");
}
