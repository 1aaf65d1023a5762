//! Every metric of the catalogue, in the format that CloudWatch reads, and the request id that links it to the log and the caller.

use std::collections::BTreeSet;

use aws_stand_in::faults::Fault;
use cee::undo::Team;
use cee_eligibility::OperatorId;
use cee_local::stack::BUCKET;
use cee_registry::ImportId;
use cee_service::Metric;
use cee_service::metrics::THIS_VERSION;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Trip, event, logs, metrics, reports};
use crate::wire::Wire;

/// The embedded metric format. Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
fn format() -> Value {
    let units = [
        "Seconds",
        "Microseconds",
        "Milliseconds",
        "Bytes",
        "Kilobytes",
        "Megabytes",
        "Gigabytes",
        "Percent",
        "Count",
        "Bytes/Second",
        "Count/Second",
        "None",
    ];
    json!({
        "type": "object",
        "required": ["_aws"],
        "properties": {"_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": false,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "required": ["Namespace", "Dimensions", "Metrics"],
                    "additionalProperties": false,
                    "properties": {
                        "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                        "Dimensions": {"type": "array", "minItems": 1, "items": {
                            "type": "array", "maxItems": 30, "items": {"type": "string", "minLength": 1, "maxLength": 250},
                        }},
                        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": false,
                            "properties": {
                                "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                "Unit": {"enum": units},
                                "StorageResolution": {"enum": [1, 60]},
                            },
                        }},
                    },
                }},
            },
        }},
    })
}

/// A metric as a line names it: name, unit, dimension.
type Named = (String, String, Option<(String, String)>);

fn catalogue() -> BTreeSet<Named> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let named = |metric: Metric| (metric.name().to_owned(), metric.unit().to_owned(), metric.dimension().map(owned));
    Metric::all().into_iter().map(named).collect()
}

/// The metrics of a line, after checking that it contains the values that it names.
fn named(line: &Value) -> BTreeSet<Named> {
    let mut found = BTreeSet::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for set in directive["Dimensions"].as_array().unwrap() {
            let mut dimensions = set.as_array().unwrap().iter().map(|name| {
                let name = name.as_str().unwrap().to_owned();
                let value = line[&name].as_str().unwrap_or_else(|| panic!("no {name}: {line}"));
                // All functions of the local stack share one process, which has no version.
                let value = if value == "local:local" { THIS_VERSION } else { value };
                (name, value.to_owned())
            });
            let dimension = dimensions.next();
            assert_eq!(dimensions.next(), None, "one dimension at most: {line}");
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].as_f64().is_some_and(|value| value.is_finite() && value >= 0.0), "{name}: {line}");
                found.insert((name.to_owned(), metric["Unit"].as_str().unwrap().to_owned(), dimension.clone()));
            }
        }
    }
    found
}

/// Makes everything happen that is counted.
async fn exercise() {
    let four = ("DRIVERS_PER_DAY".to_owned(), "4".to_owned());
    let (world, wire) = Wire::world_with(|options| options.settings.push(four)).await;
    let (one, two) = (world.token(1), world.token(2));
    let trip = |name: &str, phone: &str| Trip::new(1, name, phone);
    world.journeys(&[trip("m-one", "+336020304"), Trip { class: "A", ..trip("m-class", "+336020305") }]).await;
    world.journeys(&[Trip { end: "2024-04-30T07:30:00Z".into(), ..trip("m-new", "+336020306") }]).await;
    let trips = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                 start_insee,end_insee,driver_phone_trunc,acquisition_status\n\
                 x,1,m-bad,C,2024-03-20T07:00:00Z,2024-03-20T07:30:00Z,1,75056,91377,+336020307,processed\n";
    world.upload("journeys/m-bad.csv", trips).await;
    // An event that S3 marks as older than the file that came before.
    let trips = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                 start_insee,end_insee,driver_phone_trunc,acquisition_status\n\
                 8,1,m-twice,C,2024-03-20T07:00:00Z,2024-03-20T07:30:00Z,1,75056,91377,+336020308,processed\n";
    let key = "journeys/m-twice.csv";
    world.upload(key, trips).await;
    let head = world.aws.s3().head_object().bucket(BUCKET).key(key).send().await.unwrap();
    world.stack.queue().accept(event(key, head.e_tag().unwrap().trim_matches('"'), "00")).unwrap();
    world.stack.queue().idle().await;

    let long = |name: &str, phone: &str, license: &str| {
        json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
               "datetime": "2024-03-15T08:30:00Z"})
    };
    let short = |name: &str, license: &str, journey: &str| {
        json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license,
               "operator_journey_id": journey})
    };
    let granted = world.api.register(&one, &long("MET", "+336020301", "METRIC0001")).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    for repeated in [false, true] {
        let body = long("MET", "+336020302", "METRIC0002").to_string().into_bytes();
        let mut named = world.api.request(Method::POST, "/policies/cee", Some(&one), body);
        named.headers_mut().insert("idempotency-key", "metrics-1".parse().unwrap());
        assert_eq!(world.api.send(named).await.unwrap().status, StatusCode::CREATED, "repeated: {repeated}");
    }
    assert_eq!(world.api.register(&one, &short("MET", "METRIC0003", "m-one")).await.status, StatusCode::CREATED);
    world.journeys(&[Trip { statuses: "canceled,,", ..trip("m-one", "+336020304") }]).await;
    let history = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,MHI,+336020309,2022-01-01\n\
                   long,MET,+336020301,2022-01-01\nlong,MHI,+336020309,2022-01-01\nlong,M,+,x\n";
    world.upload("imports/2/m.csv", history).await;
    let list = "journey_type,last_name_trunc,phone_trunc\nlong,MET,+336020301\nlong,MHI,+336020309\n\
                long,MEL,+336020399\nlong,m?,+336020399\n";
    world.upload("imports/2/m-list simulate-only.csv", list).await;
    world.upload("imports/2/m-list-again simulate-only.csv", list).await;
    world.upload("imports/2/m-refused.csv", "no,header,of,ours\n").await;
    for (body, refusal) in [
        (long("MET", "+336020301", "METRIC0001"), "duplicate"),
        (long("MHI", "+336020309", "METRIC0009"), "history"),
        (short("MOT", "METRIC0004", "m-one"), "journey_used"),
        (short("MET", "METRIC0005", "m-new"), "too_early"),
        (short("MET", "METRIC0006", "m-none"), "unknown_journey"),
        (short("MET", "METRIC0007", "m-class"), "ineligible_journey"),
        (json!({}), "invalid_fields"),
    ] {
        assert_eq!(world.api.register(&one, &body).await.problem(), refusal);
    }
    // Other writes collide for as long as the call may take; then only once.
    wire.always("METRIC0010", Fault::Conflict);
    assert_eq!(world.api.register(&one, &long("MBU", "+336020310", "METRIC0010")).await.problem(), "busy");
    wire.next("cee-local-claims", [Fault::Throttled]);
    let question = json!({"journey_type": "long", "last_name_trunc": "MQU", "phone_trunc": "+336020311"});
    assert_eq!(world.api.simulate(&one, &question).await.status, StatusCode::OK);

    let row = |date: &str| json!({"journey_type": "long", "last_name_trunc": "MBA", "phone_trunc": "+336020312", "datetime": date});
    let keyed = |date: &str, key: &str| {
        let mut row = row(date);
        row["cee_application_type"] = json!("specific");
        row["identity_key"] = json!(key);
        row
    };
    let (date, key) = ("2022-01-01T00:00:00Z", "d".repeat(64));
    let rows = [row(date), row(date), row("x")];
    assert_eq!(world.api.post("/policies/cee/import", &two, &json!(rows)).await.status, StatusCode::CREATED);
    for _ in 0..2 {
        let rows = [keyed(date, &key), keyed("2021-01-01T00:00:00Z", &key)];
        assert_eq!(world.api.post("/policies/cee/import/identity", &two, &json!(rows)).await.status, StatusCode::OK);
    }
    // The application whose journey brought a key of its own has a key already; this one has none.
    let later = json!([{"cee_application_type": "standardized", "cee_application_uuid": granted.json()["uuid"],
                        "identity_key": "e".repeat(64)}]);
    assert_eq!(world.api.post("/policies/cee/import/identity", &one, &later).await.json()["imported"], 1);
    let wrong =
        world.api.post("/auth/access_token", "", &json!({"access_key": "A".repeat(20), "secret_key": "x"})).await;
    assert_eq!(wrong.problem(), "invalid_credentials");

    let report = &reports(&world.aws, "reports/2/").await["imports/2/m.csv"];
    let import = ImportId::parse(report["import_id"].as_str().unwrap()).unwrap();
    let team = Team::local(world.stack.description());
    team.undo(OperatorId::new(2).unwrap(), import, |_| {}).await.unwrap();
    world.stack.queue().idle().await;

    world.stack.audit().run_now().await.unwrap();

    // Last, because nothing can be registered after it.
    world.aws.dynamodb().delete_table().table_name("cee-local-journeys").send().await.unwrap();
    assert_eq!(world.api.register(&one, &short("MET", "METRIC0011", "m-one")).await.problem(), "internal");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_write_exactly_the_metrics_of_catalogue() {
    exercise().await;
    let schema = jsonschema::validator_for(&format()).unwrap();
    let mut written = BTreeSet::new();
    for line in metrics() {
        schema.validate(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "cee/local");
        written.extend(named(&line));
    }
    let catalogue = catalogue();
    let (missing, unknown) = (&catalogue - &written, &written - &catalogue);
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "never written: {missing:#?}\nnot in the catalogue: {unknown:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_id_links_response_log_and_metrics() {
    let (world, _) = Wire::world().await;
    let token = world.token(1);
    world.aws.dynamodb().delete_table().table_name("cee-local-journeys").send().await.unwrap();
    let body = json!({"journey_type": "short", "last_name_trunc": "TRA", "driving_license": "TRACE0001",
                      "operator_journey_id": "t-one"});
    let failed = world.api.register(&token, &body).await;
    let request_id = failed.headers["apigw-requestid"].to_str().unwrap().to_owned();
    assert_eq!(failed.json()["request_id"], json!(request_id), "in the problem");

    let logs = logs();
    let lines = logs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> = lines.filter(|line| line["span"]["request_id"] == json!(request_id)).collect();
    for message in ["failed", "answered"] {
        let line = lines.iter().find(|line| line["fields"]["message"] == message);
        let span = &line.unwrap_or_else(|| panic!("no {message}: {lines:?}"))["span"];
        assert_eq!(span["function"], "register");
        assert!(cee_service::telemetry::trace_id(&format!("Root={}", span["trace_id"].as_str().unwrap())).is_some());
    }
    let counted =
        metrics().into_iter().find(|line| line["request_id"] == json!(request_id) && line["Outcome"] == "failed");
    assert_eq!(counted.unwrap()["Applications"], 1.0, "beside the metric");
    let failures =
        metrics().into_iter().find(|line| line["request_id"] == json!(request_id) && line.get("Failures").is_some());
    let failures = failures.unwrap();
    assert_eq!((&failures["Failures"], &failures["function"]), (&json!(1.0), &json!("register")), "and of the version");
}
