//! The registry's cost: the capacity units of each call, as the local database counts them, with their prices. This test generates
//! the tables of docs/cost.md; `UPDATE=1` writes them again.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::tables;
use cee_service::metrics::Metric;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::openapi::compare_part;
use crate::support::{Trip, World, change};
use crate::template::{TEMPLATE, resources};
use crate::wire::{Taken, Wire};

/// Dollars, us-east-1, on demand, without a free tier. Sources: AWS's price lists. Prices per million, thousand or ten thousand are
/// converted to the price of one.
mod price {
    pub const WRITE_UNIT: f64 = 0.625e-6;
    pub const READ_UNIT: f64 = 0.125e-6;
    /// A month; the table, and its backup for point-in-time recovery.
    pub const TABLE_GB: f64 = 0.25 + 0.20;
    /// A month; the backup of a table does not hold its indexes.
    pub const INDEX_GB: f64 = 0.25;
    pub const HTTP_CALL: f64 = 1.00e-6;
    pub const INVOCATION: f64 = 0.20e-6;
    /// A gigabyte for a second, on arm64.
    pub const GB_SECOND: f64 = 0.000_013_333_4;
    /// Ingested, and stored for a month.
    pub const LOG_GB: f64 = 0.50 + 0.03;
    pub const S3_PUT: f64 = 0.005e-3;
    /// Each per month.
    pub const METRIC: f64 = 0.30;
    pub const ALARM: f64 = 0.10;
    pub const DASHBOARD: f64 = 3.00;
    pub const SECRET: f64 = 0.40;
    pub const KMS_KEY: f64 = 1.00;
    pub const TRACE: f64 = 5.00e-6;
}

/// Figures that were measured elsewhere, or are assumed: docs/cost.md says which, and how.
mod given {
    /// Milliseconds of processor time of a registration; a simulation takes 0.79. Measured (`tests/measure/a_call.py`).
    pub const WORK: f64 = 1.02;
    /// Bytes that a call writes to logs, with the line of the API's access log and Lambda's own lines.
    pub const LOG: f64 = 1_500.0;
    /// Rows of history that an import writes per second, at a quarter of the measured rate (`cargo bench --bench
    /// national_history`).
    pub const ROWS: f64 = 2_400.0;
    /// Milliseconds that DynamoDB takes for a request. Assumed: AWS promises single-digit milliseconds.
    pub const REQUEST: f64 = 10.0;
    /// Write units for a row of a whole national history. Measured by the same benchmark.
    pub const ROW_UNITS: f64 = 1.068;
    /// Milliseconds of processor time of a token: a slow hash checks its secret. Assumed, a tenth of a second.
    pub const HASH: f64 = 100.0;
    /// Operators that call all day, each with a new token every five minutes.
    pub const OPERATORS: f64 = 10.0;
    /// Registrations a month in France: 3.15 million drivers in 13 years, each with one for short and one for long.
    pub const REGISTRATIONS: f64 = 40_000.0;
    /// Bytes that DynamoDB adds to each item, for the index.
    pub const INDEXED: f64 = 100.0;
    /// Traced calls: the first of each second, and one in twenty.
    pub const TRACED: f64 = 0.05;
}

/// The cost of something, of which there may be more than one.
#[derive(Clone, Copy, Debug, Default)]
struct Takes {
    requests: f64,
    writes: f64,
    reads: f64,
}

impl Takes {
    /// The sum of the requests. DynamoDB does not report the capacity of a refused request: it is a unit for each item (all of ours
    /// are below a kilobyte until a driver has many records), and two in a transaction.
    fn of(taken: &[Taken]) -> Self {
        let mut all = Self::default();
        for Taken { operation, body, units } in taken {
            all.requests += 1.0;
            let refused = || {
                let asked: Value = serde_json::from_slice(body).unwrap();
                asked["TransactItems"].as_array().map_or(1.0, |items| 2.0 * items.len() as f64)
            };
            let units = units.unwrap_or_else(refused);
            match operation.as_str() {
                "GetItem" | "BatchGetItem" | "Query" | "Scan" => all.reads += units,
                _ => all.writes += units,
            }
        }
        all
    }

    fn less(self, other: Self) -> Self {
        Self {
            requests: self.requests - other.requests,
            writes: self.writes - other.writes,
            reads: self.reads - other.reads,
        }
    }

    fn times(self, times: f64) -> Self {
        Self { requests: self.requests * times, writes: self.writes * times, reads: self.reads * times }
    }

    fn dollars(self) -> f64 {
        self.writes * price::WRITE_UNIT + self.reads * price::READ_UNIT
    }

    /// An HTTP call of the functions that claim and uses this capacity: see [`Self::called_of`].
    fn called(self) -> f64 {
        self.called_of("RegisterFunction", given::WORK)
    }

    /// An HTTP call that uses this capacity and this many milliseconds of processor time: the database, the function, the interface,
    /// logs and traces.
    fn called_of(self, function: &str, work: f64) -> f64 {
        let memory = memory_of(function);
        // Processor time is priced by memory: a whole core at 1769 MB.
        let seconds = (work * 1769.0 / 1024.0 / memory + self.requests * given::REQUEST) / 1e3;
        self.dollars()
            + price::HTTP_CALL
            + price::INVOCATION
            + seconds * memory * price::GB_SECOND
            + given::LOG / 1e9 * price::LOG_GB
            + given::TRACED * price::TRACE
    }
}

/// Bytes of an item, as DynamoDB counts them: names and values.
fn size(item: &HashMap<String, AttributeValue>) -> usize {
    fn of(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => digits.trim_start_matches('-').len().div_ceil(2) + 1,
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
            AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + of(value)).sum::<usize>(),
            AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + of(value)).sum::<usize>(),
            _ => 1,
        }
    }
    item.iter().map(|(name, value)| name.len() + of(value)).sum()
}

/// The registry, and the requests that it sends to DynamoDB.
struct Counted {
    world: World,
    wire: Wire,
    token: String,
    lines: Vec<(&'static str, Takes)>,
}

impl Counted {
    async fn call(
        &mut self,
        what: &'static str,
        method: Method,
        path: &str,
        body: &Value,
        name: &str,
        status: u16,
    ) -> Value {
        let mut request = self.world.api.request(method, path, Some(&self.token), body.to_string().into_bytes());
        if !name.is_empty() {
            request.headers_mut().insert("idempotency-key", name.parse().unwrap());
        }
        self.wire.take_units();
        let answer = self.world.api.send(request).await.unwrap();
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{what}: {answer:?}");
        self.lines.push((what, Takes::of(&self.wire.take_units())));
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    async fn file(&mut self, what: &'static str, key: &str, content: String) {
        self.wire.take_units();
        self.world.upload(key, content).await;
        self.lines.push((what, Takes::of(&self.wire.take_units())));
    }

    fn takes(&self, what: &str) -> Takes {
        self.lines.iter().find(|line| line.0 == what).unwrap_or_else(|| panic!("{what} was not counted")).1
    }
}

fn long(name: &str, phone: u32, key: Option<&str>) -> Value {
    let mut body = json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": format!("+3360{phone:05}"),
                          "driving_license": format!("COST{phone:06}"), "datetime": "2024-03-15T08:30:00Z"});
    if let Some(letter) = key {
        body["identity_key"] = json!(letter.repeat(64));
    }
    body
}

fn question(body: &Value) -> Value {
    let mut question = body.clone();
    question.as_object_mut().unwrap().remove("datetime");
    question
}

/// Quarters of an hour.
const A_MONTH: f64 = 4.0 * 24.0 * 30.0;

const SIMULATED: &str = "simulate, 200";
const REGISTERED: &str = "register long, 201";
const REGISTERED_SHORT: &str = "register short, 201";
const REGISTERED_WITH_TWO_KEYS: &str = "register short with another identity key than its journey's, 201";
const NAMED: &str = "register long with identity key and `Idempotency-Key`, 201";
const HISTORY: &str = "1,000 rows of history, all new";
const AGAIN: &str = "the same 1,000 rows once more";
const JOURNEYS: &str = "1,000 journeys, all new";
const TOKEN: &str = "a token for a pair of keys, 201";
const CHANGED: &str = "a new status of a journey with an application, beside its line";
const FED: &str = "a page of 25 changes, 200";
const LISTED: &str = "a page of 25 of one's own applications, 200";
const EXPORTED: &str = "an export of 25 of one's own applications, from the call to its file";
const AUDITED: &str = "the auditor, for each 1,000 applications and claims";
const ONCE_A_MINUTE: &str = "an operator's status and the counts of its refusals, at most once a minute";
const CHECKED: &str = "the auditor, for the changes of a long registration";
const CHECKED_CHANGE: &str = "the auditor, for a change in a feed";

async fn count() -> (Counted, Stored) {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    let mut counted = Counted { world, wire, token, lines: Vec::new() };
    let (simulate, register) = ("/policies/cee/simulate", "/policies/cee");
    let keyed = Trip { key: "b".repeat(64), ..Trip::new(1, "keyed", "+336010204") };
    let trips: Vec<Trip> = vec![Trip::new(1, "one", "+336010203"), keyed];
    counted.world.journeys(&trips).await;
    // Each function checks once a minute whether an operator is admitted: that is not counted.
    let token = counted.token.clone();
    counted.world.api.simulate(&token, &json!({})).await;
    counted.world.api.register(&token, &json!({})).await;
    counted.world.api.call(Method::GET, "/policies/cee/00000000-0000-4000-8000-000000000000", &token).await;

    let rows: String = (0..1000).map(|n| format!("long,HIS,+3370{n:05},2022-01-01\n")).collect();
    let header = "journey_type,last_name_trunc,phone_trunc,datetime\n";
    let post = Method::POST;
    let body = long("COS", 1, None);
    counted.call(SIMULATED, post.clone(), simulate, &question(&body), "", 200).await;
    let before = stored(&counted.world).await;
    let mine = counted.call(REGISTERED, post.clone(), register, &body, "", 201).await;
    let after = stored(&counted.world).await;
    let stored = Stored { tables: after.tables - before.tables, index: after.index - before.index };
    counted.call("register long, 409 for one's own application", post.clone(), register, &body, "", 409).await;
    counted.call(NAMED, post.clone(), register, &long("COS", 2, Some("a")), "one", 201).await;
    counted.call("the same once more, 201", post.clone(), register, &long("COS", 2, Some("a")), "one", 201).await;
    let short = json!({"journey_type": "short", "last_name_trunc": "COS", "driving_license": "COSTSHORT",
                       "operator_journey_id": "one"});
    counted.call(REGISTERED_SHORT, post.clone(), register, &short, "", 201).await;
    let short = json!({"journey_type": "short", "last_name_trunc": "COS", "driving_license": "COSTKEYED",
                       "operator_journey_id": "keyed", "identity_key": "c".repeat(64)});
    counted.call(REGISTERED_WITH_TWO_KEYS, post.clone(), register, &short, "", 201).await;
    let path = format!("{register}/{}", mine["uuid"].as_str().unwrap());
    counted.call("find one's own application, 200", Method::GET, &path, &Value::Null, "", 200).await;
    counted.call("delete it, 204", Method::DELETE, &path, &Value::Null, "", 204).await;
    // The other costs of the file: its slot, its begin, its end, its slot again, and the journey.
    let trip = || Trip { statuses: "canceled,,", ..Trip::new(1, "one", "+336010203") };
    counted.wire.take_units();
    counted.world.journeys(&[trip()]).await;
    let changed = Takes::of(&counted.wire.take_units());
    counted.world.journeys(&[trip()]).await;
    let same = Takes::of(&counted.wire.take_units());
    counted.lines.push((CHANGED, changed.less(same)));
    let keys = &counted.world.stack.description().operators[0];
    let pair = json!({"access_key": keys.access_key, "secret_key": keys.secret_key});
    counted.call(TOKEN, post.clone(), "/auth/access_token", &pair, "", 201).await;

    let mut last = String::new();
    for driver in 100..125 {
        let granted = counted.world.api.register(&token, &long("COS", driver, None)).await;
        assert_eq!(granted.status, StatusCode::CREATED);
        last = granted.json()["uuid"].as_str().unwrap().to_owned();
    }
    counted.call(LISTED, Method::GET, "/policies/cee?limit=25", &Value::Null, "", 200).await;
    counted.wire.take_units();
    let granted = counted.world.api.post("/policies/cee/exports", &token, &json!({"format": "csv"})).await;
    assert_eq!(granted.status, StatusCode::ACCEPTED, "{granted:?}");
    counted.world.imported().await;
    counted.lines.push((EXPORTED, Takes::of(&counted.wire.take_units())));
    let event = changes(&counted.world, &last).await;
    counted.wire.take_units();
    counted.world.stack.audit().send(event).await.unwrap();
    counted.lines.push((CHECKED, Takes::of(&counted.wire.take_units())));
    let fed = counted.world.scan(&tables().changes).await;
    let event = change(&tables().changes, None, fed.first());
    counted.wire.take_units();
    counted.world.stack.audit().send(event).await.unwrap();
    counted.lines.push((CHECKED_CHANGE, Takes::of(&counted.wire.take_units())));
    counted.world.stack.audit().run_now().await.unwrap();
    let audit = Takes::of(&counted.wire.take_units());
    let items = items(&counted.world).await;
    counted.lines.push((AUDITED, audit.times(1e3 / items)));

    counted.file(HISTORY, "imports/3/h.csv", format!("{header}{rows}")).await;
    // Another file with the same rows: the registry would not read the same file again.
    counted.file(AGAIN, "imports/3/again.csv", format!("{header}{rows}\n")).await;
    // As many drivers without a record as with one.
    let asked: String = (500..1500).map(|n| format!("long,HIS,+3370{n:05}\n")).collect();
    let asked = format!("journey_type,last_name_trunc,phone_trunc\n{asked}");
    counted.file("a list of 1,000 drivers", "imports/3/list simulate-only.csv", asked).await;
    let mut blocked = question(&long("HIS", 1, None));
    blocked["phone_trunc"] = json!("+337000001");
    counted.call("simulate, 409", post.clone(), simulate, &blocked, "", 409).await;
    blocked["datetime"] = json!("2024-03-15T08:30:00Z");
    counted.call("register long, 409 for another's", post.clone(), register, &blocked, "", 409).await;
    // The first call of another operator in a minute: it reads the operator's status, and writes the count of what was refused.
    counted.token = counted.world.token(2);
    counted.call(ONCE_A_MINUTE, post, register, &json!({}), "", 400).await;
    let trips: Vec<Trip> = (0..1000).map(|n| Trip::new(1, &format!("t{n}"), &format!("+3361{n:05}"))).collect();
    counted.wire.take_units();
    counted.world.journeys(&trips).await;
    counted.lines.push((JOURNEYS, Takes::of(&counted.wire.take_units())));
    for driver in 200..225 {
        let granted = counted.world.api.register(&token, &long("COS", driver, None)).await.json();
        let path = format!("{register}/{}", granted["uuid"].as_str().unwrap());
        let deleted = counted.world.api.call(Method::DELETE, &path, &token).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    }
    counted.call(FED, Method::GET, "/policies/cee/changes?limit=25", &Value::Null, "", 200).await;
    (counted, stored)
}

/// An event of the streams about a registration: its application and its claims are new.
async fn changes(world: &World, uuid: &str) -> Value {
    let (applications, claims) = (world.scan(&tables().applications).await, world.scan(&tables().claims).await);
    let application = applications.iter().find(|item| item["uuid"] == AttributeValue::S(uuid.to_owned())).unwrap();
    let mut records = vec![change(&tables().applications, None, Some(application))["Records"][0].clone()];
    for claim in claims.iter().filter(|claim| claim.contains_key(&format!("a#{uuid}"))) {
        records.push(change(&tables().claims, None, Some(claim))["Records"][0].clone());
    }
    json!({ "Records": records })
}

/// The number of items that the audit reads.
async fn items(world: &World) -> f64 {
    let tables = tables();
    let mut items = 0;
    for table in [&tables.applications, &tables.claims, &tables.imports, &tables.changes, &tables.exports] {
        items += world.scan(table).await.len();
    }
    items as f64
}

/// Bytes in the tables of applications and claims, and in the index of applications.
#[derive(Clone, Copy, Debug)]
struct Stored {
    tables: f64,
    index: f64,
}

async fn stored(world: &World) -> Stored {
    let (applications, claims) = (world.scan(&tables().applications).await, world.scan(&tables().claims).await);
    let tables = applications.iter().chain(&claims).map(size).sum::<usize>() as f64;
    let index = &TEMPLATE["Resources"]["ApplicationsTable"]["Properties"]["GlobalSecondaryIndexes"][0];
    let held = index["Projection"]["NonKeyAttributes"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let held: Vec<&str> = held.chain(["uuid", "operator_id", "datetime"]).collect();
    let entry = |item: &HashMap<String, AttributeValue>| {
        size(
            &item
                .iter()
                .filter(|(name, _)| held.contains(&name.as_str()))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        )
    };
    Stored { tables, index: applications.iter().map(entry).sum::<usize>() as f64 }
}

/// The memory of a function, in gigabytes.
fn memory_of(function: &str) -> f64 {
    let own = TEMPLATE["Resources"][function]["Properties"]["MemorySize"].as_f64();
    own.or_else(|| TEMPLATE["Globals"]["Function"]["MemorySize"].as_f64()).unwrap() / 1024.0
}

/// The metrics that alarms watch, each of which has a price.
fn watched() -> f64 {
    let of = |alarm: &Value| {
        let metrics = alarm["Properties"]["Metrics"].as_array();
        metrics.map_or(1, |all| all.iter().filter(|metric| metric.get("MetricStat").is_some()).count())
    };
    resources("AWS::CloudWatch::Alarm").map(|(_, alarm)| of(alarm)).sum::<usize>() as f64
}

/// Formats a number of dollars: to the cent, or to its second digit below.
fn dollars(amount: f64) -> String {
    if amount >= 0.1 { format!("${amount:.2}") } else { format!("${amount:.4}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn cost_tables_equal_committed_page() {
    let (counted, stored) = count().await;
    let mut units = String::from(
        "| | requests | write units | read units | DynamoDB, a thousand of them |\n|---|--:|--:|--:|--:|\n",
    );
    for (what, takes) in &counted.lines {
        let thousand = if what.contains("1,000") { 1.0 } else { 1e3 };
        let Takes { requests, writes, reads } = takes;
        writeln!(
            units,
            "| {what} | {requests:.0} | {writes:.0} | {reads:.0} | {} |",
            dollars(thousand * takes.dollars())
        )
        .unwrap();
    }
    compare_part("docs/cost.md", "units", &units);

    let takes = |what| counted.takes(what);
    let a_thousand = [
        ("simulations", 1e3 * takes(SIMULATED).called()),
        ("long registrations", 1e3 * takes(REGISTERED).called()),
        ("long registrations with identity key and `Idempotency-Key`", 1e3 * takes(NAMED).called()),
        ("short registrations", 1e3 * takes(REGISTERED_SHORT).called()),
    ];
    let row_seconds = 1e6 / given::ROWS;
    let a_million = 1e6 * given::ROW_UNITS * price::WRITE_UNIT
        + row_seconds * memory_of("ImportFunction") * price::GB_SECOND
        + 3.0 * price::S3_PUT;
    let metrics = Metric::all().len() as f64;
    let watched = watched();
    let idle = [
        (format!("{metrics} metrics, where each is written in the month"), metrics * price::METRIC),
        (format!("alarms, {watched} metrics in all"), watched * price::ALARM),
        ("the dashboard".to_owned(), resources("AWS::CloudWatch::Dashboard").count() as f64 * price::DASHBOARD),
        ("the key".to_owned(), resources("AWS::KMS::Key").count() as f64 * price::KMS_KEY),
        ("the secret".to_owned(), price::SECRET),
    ];
    let mut money = String::from("| | |\n|---|--:|\n");
    for (what, amount) in a_thousand {
        writeln!(money, "| 1,000 {what} | {} |", dollars(amount)).unwrap();
    }
    writeln!(money, "| 1,000,000 rows of history | {} |", dollars(a_million)).unwrap();
    for (what, amount) in &idle {
        writeln!(money, "| a month of {what} | {} |", dollars(*amount)).unwrap();
    }
    compare_part("docs/cost.md", "money", &money);

    // A registration is simulated first. Half of them are short; each short registration has a journey that was imported.
    let a_registration = takes(SIMULATED).called()
        + f64::midpoint(takes(NAMED).called(), takes(REGISTERED_SHORT).called())
        + takes(JOURNEYS).dollars() / 1e3 / 2.0;
    let idle: f64 = idle.iter().map(|line| line.1).sum();
    let mut months = String::from(
        "| a month | registrations | calls and journeys | tokens | tables after ten years | the audit of them | the rest | in all |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let parameter = |name: &str| TEMPLATE["Parameters"][name]["Default"].as_f64().unwrap();
    for (what, times) in
        [("nobody calls", 0.0), ("France", 1.0), ("ten times France", 10.0), ("a hundred times France", 100.0)]
    {
        let registrations = times * given::REGISTRATIONS;
        let calls = registrations * a_registration;
        // The same number for few and for many calls.
        let tokens = if times > 0.0 { 3.0 * A_MONTH * given::OPERATORS } else { 0.0 };
        let tokens = tokens * takes(TOKEN).called_of("AccessFunction", given::HASH);
        let kept = (stored.tables + 4.0 * given::INDEXED) * price::TABLE_GB
            + (stored.index + given::INDEXED) * price::INDEX_GB;
        let kept = registrations * 120.0 * kept / 1e9;
        // An application and three claims for each; every quarter of an hour at most this many of them.
        let parts = parameter("AuditParts").min(registrations * 120.0 * 4.0 / 100.0);
        let seconds = parts / parameter("AuditPartsPerSecond");
        let audit = A_MONTH
            * (takes(AUDITED).dollars() / 10.0 * parts
                + seconds * memory_of("AuditFunction") * price::GB_SECOND
                + price::INVOCATION);
        // An invocation for each registration: at France's size, its changes rarely share one.
        let checked = takes(CHECKED);
        let seconds = checked.requests * given::REQUEST / 1e3;
        let check = checked.dollars() + price::INVOCATION + seconds * memory_of("AuditFunction") * price::GB_SECOND;
        let audit = audit + registrations * check;
        writeln!(
            months,
            "| {what} | {registrations} | {} | {} | {} | {} | {} | {} |",
            dollars(calls),
            dollars(tokens),
            dollars(kept),
            dollars(audit),
            dollars(idle),
            dollars(calls + tokens + kept + audit + idle)
        )
        .unwrap();
    }
    compare_part("docs/cost.md", "months", &months);
}
