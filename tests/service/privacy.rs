//! What must not be found: personal data in logs, refusals, partition keys.

use cee_local::stack::tables;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Trip, logs, world};

const NAME: &str = "WVQ";
const PHONE: &str = "+337918273";
const LICENSE: &str = "918273645546";
const KEY: &str = "9182736455463728190a9182736455463728190a9182736455463728190abcde";
/// A journey's name is its operator's, but may hold anything.
const JOURNEY: &str = "trip-of-wvqueen";

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_stays_inside() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    world.journeys(&[Trip { key: KEY.into(), ..Trip::new(1, JOURNEY, PHONE) }]).await;
    let personal = [NAME, "337918273", LICENSE, KEY, JOURNEY];

    let long = json!({"journey_type": "long", "last_name_trunc": NAME, "phone_trunc": PHONE, "driving_license": LICENSE,
                      "identity_key": KEY, "datetime": "2024-03-15T08:30:00Z"});
    let short = json!({"journey_type": "short", "last_name_trunc": NAME, "driving_license": LICENSE,
                       "operator_journey_id": JOURNEY});
    let history = format!(
        "journey_type,last_name_trunc,phone_trunc,datetime\nlong,{NAME},{PHONE},2023-02-01\nshort,{NAME}!,{PHONE},2023-02-01\n\
         short,{NAME},{PHONE}999999999,2023-02-01\n"
    );
    let mut answers = vec![
        world.api.register(&one, &long).await,
        world.api.register(&one, &short).await,
        // Refusals of every kind, with personal data in the wrong places.
        world.api.register(&two, &long).await,
        world.api.register(&two, &short).await,
        world.api.simulate(&two, &json!({"journey_type": NAME, "last_name_trunc": LICENSE, "phone_trunc": KEY})).await,
        world.api.simulate(&two, &json!({"journey_type": "long", "last_name_trunc": NAME, "phone_trunc": PHONE})).await,
        world.api.post("/auth/access_token", "", &json!({"access_key": LICENSE, "secret_key": KEY})).await,
        world
            .api
            .post("/auth/access_token", "", &json!({"access_key": LICENSE, "secret_key": 1, "phone": PHONE}))
            .await,
    ];
    let granted: Vec<_> = answers.drain(..2).map(|answer| (answer.status, answer.json())).collect();
    assert!(granted.iter().all(|(status, _)| *status == StatusCode::CREATED));
    for body in [format!("{{\"{LICENSE}"), format!("[\"{LICENSE}\"]"), format!("{{\"a\":\"{KEY}\0\"}}")] {
        let request = world.api.request(Method::POST, "/policies/cee", Some(&one), body.into_bytes());
        answers.push(world.api.send(request).await.unwrap());
    }
    for path in [format!("/policies/cee?driving_license={LICENSE}"), format!("/policies/{LICENSE}")] {
        answers.push(world.api.post(&path, &one, &json!({})).await);
    }
    for method in [Method::GET, Method::DELETE] {
        answers.push(world.api.call(method, &format!("/policies/cee/{LICENSE}"), &one).await);
    }
    let mut named = world.api.request(Method::POST, "/policies/cee", Some(&one), long.to_string().into_bytes());
    named.headers_mut().insert("idempotency-key", format!("{LICENSE} {KEY}").parse().unwrap());
    answers.push(world.api.send(named).await.unwrap());
    // A batch tells its sender's own rows back, and nothing of them to anybody else.
    let row = json!({"journey_type": "long", "last_name_trunc": NAME, "phone_trunc": PHONE,
                     "datetime": "2023-02-01T00:00:00Z", "cee_application_type": "specific", "identity_key": KEY});
    for path in ["/policies/cee/import", "/policies/cee/import/identity"] {
        let told = world.api.post(path, &two, &json!([row])).await;
        assert_eq!((told.status.is_success(), &told.json()["failed"]), (true, &json!(1)), "{told:?}");
    }
    let path = format!("/policies/cee/{}", granted[0].1["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &one).await.status, StatusCode::NO_CONTENT);
    world.upload(&format!("imports/2/{NAME} {LICENSE}.csv"), history).await;

    for answer in answers {
        assert!(answer.status.is_client_error(), "{answer:?}");
        for value in personal {
            assert!(!answer.text.contains(value), "a refusal repeats {value}: {answer:?}");
        }
    }
    let logs = logs();
    assert!(logs.contains("\"function\":\"register\""), "the log is not captured");
    let token = |index: usize| granted[index].1["token"].as_str().unwrap();
    for value in personal.into_iter().chain([&one[30..], token(0), token(1)]) {
        let line = logs.lines().find(|line| line.contains(value));
        assert!(line.is_none(), "personal data in the log: {line:?}");
    }
    // Partition keys of claims hold nothing of what they stand for; no attribute of theirs does.
    let mut items = world.scan(&tables().claims).await;
    items.extend(world.scan(&tables().idempotency).await);
    for item in items {
        let shown = format!("{item:?}");
        for value in personal {
            assert!(!shown.contains(value), "{shown}");
        }
    }
}
