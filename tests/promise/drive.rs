//! The callers: each group's calls, drawn from a seed, and their responses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cee_eligibility::journey::Insee;
use cee_eligibility::{
    ApplicationId, IdentityKey, Journey, JourneyStatus, JourneyType, LastNameTrunc, OperatorId, OperatorJourneyId,
    PhoneTrunc, Reason, TruncatedIdentity,
};
use cee_oracle::feed::{Entry, EntryKind};
use cee_oracle::linear::Recorded;
use cee_oracle::{Asking, By, Driver, HistoryRow, millis, typed};
use cee_registry::{Deadline, ImportId, JourneyVersion, Journeys};
use fastrand::Rng;
use futures_util::future::join_all;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::calls::{Call, Origin, Seen, Why};
use super::judge::Listed;

/// The pinned time of the clock: after every date that is drawn.
pub const NOW: &str = "2045-01-01T00:00:00Z";

/// The sample operators.
const OPERATORS: [u32; 3] = [1, 2, 3];
const NAMES: [&str; 3] = ["DUP", "TO ", "D H"];
const PHONES: usize = 2;
/// Journeys of each operator in a group of short applications.
const JOURNEYS: usize = 3;
/// Callers in each group.
const LANES: usize = 3;
/// Calls of each caller.
const STEPS: usize = 8;

/// Changes on a page of a feed.
const CHANGES: usize = 100;

/// How long a caller waits for a response: longer than the service takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// The minimum number of calls of a group.
pub const CALLS_OF_A_GROUP: u64 = 24;

/// The calls and responses of one group.
pub type History = Vec<Recorded<Call, Seen>>;

/// A few drivers who appear in no other group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// The group's number.
    pub number: u64,
}

impl Group {
    pub fn journey_type(self) -> JourneyType {
        if self.number.is_multiple_of(2) { JourneyType::Long } else { JourneyType::Short }
    }

    fn phone(self, phone: usize) -> typed::Phone {
        typed::Phone::german(format!("1{:07}{phone}", self.number))
    }

    /// The group and the phone of a stored phone.
    pub fn of_phone(phone: &str) -> Option<(Self, usize)> {
        let digits = phone.strip_prefix("+491").filter(|digits| digits.len() == 8)?;
        Some((Self { number: digits[..7].parse().ok()? }, digits[7..].parse().ok()?))
    }

    fn license(self, license: usize) -> String {
        format!("{:08}{license:04}", self.number)
    }

    fn key(self, key: usize) -> String {
        format!("{:032x}{key:032x}", self.number)
    }

    fn journey(self, operator: u32, journey: usize) -> String {
        format!("g{}:{operator}_{journey}", self.number)
    }

    /// All pairs of names and phones.
    pub fn truncated(self) -> impl Iterator<Item = (usize, usize, TruncatedIdentity)> {
        let pairs = (0..NAMES.len()).flat_map(|name| (0..PHONES).map(move |phone| (name, phone)));
        pairs.map(move |(name, phone)| {
            let identity = TruncatedIdentity {
                last_name_trunc: LastNameTrunc::parse(NAMES[name]).unwrap(),
                phone_trunc: PhoneTrunc::parse(&self.phone(phone).canonical()).unwrap(),
            };
            (name, phone, identity)
        })
    }

    /// A name's number.
    pub fn of_name(name: &str) -> Option<usize> {
        NAMES.iter().position(|known| *known == name)
    }

    /// The end of a journey: a different moment for each.
    fn journey_millis(operator: u32, journey: usize) -> i64 {
        let years = [0, 5, 0][journey];
        later(millis("2024-02-28T12:00:00Z"), years) + i64::from(operator) * 10 + journey as i64
    }

    /// The journey's own identity key; one journey of each operator has one. On the others, a second application is refused because
    /// of the journey and not because of its key.
    fn journey_key(operator: u32, journey: usize) -> Option<usize> {
        (journey == JOURNEYS - 1).then_some(operator as usize % 3)
    }

    /// The journeys of the group, if it has any.
    pub fn journeys(self) -> Vec<Journey> {
        if self.journey_type() == JourneyType::Long {
            return Vec::new();
        }
        let all = OPERATORS.into_iter().flat_map(|operator| (0..JOURNEYS).map(move |journey| (operator, journey)));
        all.map(|(operator, journey)| {
            let end = Self::journey_millis(operator, journey);
            let moment = |millis| cee_eligibility::Instant::from_millis(millis).unwrap();
            Journey {
                journey_id: self.number * 100 + u64::from(operator) * 10 + journey as u64,
                operator: OperatorId::new(operator).unwrap(),
                operator_journey_id: OperatorJourneyId::parse(&self.journey(operator, journey)).unwrap(),
                operator_class: 'C',
                start: moment(end - 1_800_000),
                end: moment(end),
                distance_metres: 14_300,
                start_insee: Insee::parse("35238").unwrap(),
                end_insee: Insee::parse("35047").unwrap(),
                driver_phone_trunc: PhoneTrunc::parse(&self.phone(journey % PHONES).canonical()).unwrap(),
                driver_identity_key: Self::journey_key(operator, journey)
                    .map(|key| IdentityKey::parse(&self.key(key)).unwrap()),
                status: JourneyStatus::Ok,
            }
        })
        .collect()
    }
}

/// This many years later, at the same time of the same day.
fn later(millis: i64, years: i32) -> i64 {
    cee_oracle::years_before(millis, -years)
}

/// The next call of a caller. Its application is chosen when the call is sent.
#[derive(Clone, Debug)]
enum Step {
    Register { driver: Driver, operator: u32, millis: i64, journey: Option<usize>, named: Option<usize> },
    Simulate { driver: Driver, operator: u32 },
    Import { row: HistoryRow, twice: bool },
    Find { own: bool },
    Delete { own: bool },
    GiveKey { own: bool, key: usize },
    GiveKeyToHistory { row: HistoryRow, key: usize },
    ReadFeed { operator: u32 },
}

/// Draws the calls of one group.
struct Draw {
    group: Group,
    random: Rng,
}

impl Draw {
    fn driver(&mut self) -> Driver {
        Driver {
            name: self.random.usize(..NAMES.len()),
            phone: self.random.usize(..PHONES),
            license: Some(self.random.usize(..4)),
            key: self.random.bool().then(|| self.random.usize(..3)),
            journey_key: None,
        }
    }

    fn operator(&mut self) -> u32 {
        OPERATORS[self.random.usize(..OPERATORS.len())]
    }

    fn register(&mut self, number: usize) -> Step {
        let named = (self.random.u32(..10) < 3).then(|| self.random.usize(..2));
        // A call with an `Idempotency-Key` is the same call from any caller at any time.
        let (mut driver, operator, number) = match named {
            Some(key) => {
                let operator = self.operator();
                let mut same = Self {
                    group: self.group,
                    random: Rng::with_seed(self.group.number * 31 + u64::from(operator) * 7 + key as u64),
                };
                (same.driver(), operator, 500 + key * 10 + operator as usize)
            }
            None => (self.driver(), self.operator(), number),
        };
        if self.group.journey_type() == JourneyType::Short {
            let journey = named.unwrap_or_else(|| self.random.usize(..JOURNEYS));
            driver.phone = journey % PHONES;
            driver.journey_key = Group::journey_key(operator, journey);
            let millis = Group::journey_millis(operator, journey);
            return Step::Register { driver, operator, millis, journey: Some(journey), named };
        }
        let years = [0, 0, 0, 5, 12, 20][match named {
            Some(key) => key,
            None => self.random.usize(..6),
        }];
        let millis = later(millis("2024-02-29T12:00:00Z"), years) + number as i64;
        Step::Register { driver, operator, millis, journey: None, named }
    }

    /// Few dates, so that rows repeat one another, all from before the scheme: within the windows, at their edge, outside.
    fn row(&mut self) -> HistoryRow {
        let years = [-2, -3, -3, -10, -9][self.random.usize(..5)];
        HistoryRow {
            journey_type: self.group.journey_type(),
            name: self.random.usize(..NAMES.len()),
            phone: self.random.usize(..PHONES),
            millis: later(millis("2024-02-28T12:00:00Z"), years),
            operator: self.operator(),
        }
    }

    fn own(&mut self) -> bool {
        self.random.u32(..10) < 8
    }

    fn step(&mut self, number: usize) -> Step {
        match self.random.u32(..22) {
            0..8 => self.register(number),
            8..10 => {
                let license = self.random.bool();
                let driver = self.driver();
                let driver = Driver { license: driver.license.filter(|_| license), ..driver };
                Step::Simulate { driver, operator: self.operator() }
            }
            10..13 => Step::Import { row: self.row(), twice: self.random.u32(..4) == 0 },
            13..14 => Step::Find { own: self.own() },
            14..17 => Step::Delete { own: self.own() },
            17..19 => Step::GiveKey { own: self.own(), key: self.random.usize(..3) },
            19 => Step::GiveKeyToHistory { row: self.row(), key: self.random.usize(..3) },
            _ => Step::ReadFeed { operator: self.operator() },
        }
    }
}

/// A granted application.
#[derive(Clone)]
struct Granted {
    uuid: ApplicationId,
    operator: u32,
    /// The body of the 201.
    body: Arc<Value>,
}

/// The response: status and body; `None` if the outcome of the call is unknown.
pub type Answer = Option<(StatusCode, Value)>;

/// Records what is sent and received.
pub trait Recorder: Send + Sync {
    fn request(&self, request: &Request<Vec<u8>>);
    /// The response from `place`, a method and a path.
    fn answer(&self, place: &str, status: StatusCode, headers: &HeaderMap, body: &str);
}

/// The service, and the callers' tokens.
pub struct Callers {
    api: String,
    tokens: HashMap<u32, String>,
    client: Client<HttpConnector, Full<Bytes>>,
    recorder: Option<Arc<dyn Recorder>>,
    /// The last cursor of each operator's feed that any caller has got: where a new group begins to read.
    cursors: Mutex<HashMap<u32, String>>,
    start: Instant,
    seed: u64,
}

/// A reader of an operator's feed of changes, as a job that keeps its cursor.
#[derive(Clone, Debug, Default)]
struct Reader {
    cursor: Option<String>,
    read: Vec<Entry>,
}

/// The calls and responses of one group, and what no order of calls can explain.
pub struct Done {
    pub group: Group,
    pub history: History,
    /// Responses that are wrong by themselves.
    pub wrong: Vec<String>,
    /// Calls, and rows of batches, without a response: the call, and what came in place of a response.
    pub unanswered: Vec<String>,
}

impl Callers {
    /// Callers of the service at this address, with the operators' tokens.
    pub fn new(api: &str, tokens: HashMap<u32, String>, seed: u64) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (api, cursors) = (api.to_owned(), Mutex::default());
        Self { api, tokens, client, recorder: None, cursors, start: Instant::now(), seed }
    }

    /// The same, with a recorder of all requests and responses.
    pub fn recorded_by(self, recorder: Arc<dyn Recorder>) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// The moment, as the calls are recorded.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Runs all callers of a group.
    pub async fn group(&self, group: Group) -> Done {
        let lanes = (0..LANES).map(|lane| async move {
            let mut draw =
                Draw { group, random: Rng::with_seed(self.seed ^ (group.number * LANES as u64 + lane as u64 + 1)) };
            (0..STEPS).map(move |step| draw.step(lane * 100 + step + 1)).enumerate().collect::<Vec<_>>()
        });
        let told = &Told::new(group);
        // What this group will delete comes after these places.
        let cursors = &self.cursors.lock().unwrap().clone();
        let readers = move || -> HashMap<u32, Reader> {
            let new = |operator| Reader { cursor: cursors.get(&operator).cloned(), read: Vec::new() };
            OPERATORS.into_iter().map(|operator| (operator, new(operator))).collect()
        };
        join_all(lanes.enumerate().map(|(lane, steps)| async move {
            let mut random = Rng::with_seed(self.seed ^ group.number << 8 ^ lane as u64);
            let mut readers = readers();
            for (number, step) in steps.await {
                self.take(told, lane * 100 + number + 1, step, (&mut random, &mut readers)).await;
            }
        }))
        .await;
        for (operator, mut reader) in readers() {
            self.read_feed(told, operator, &mut reader).await;
        }
        let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *list.lock().unwrap());
        let history = std::mem::take(&mut *told.seen.lock().unwrap());
        Done { group, history, wrong: take(&told.wrong), unanswered: take(&told.unanswered) }
    }

    async fn take(
        &self,
        told: &Told,
        number: usize,
        step: Step,
        (random, readers): (&mut Rng, &mut HashMap<u32, Reader>),
    ) {
        let group = told.group;
        let journey_type = group.journey_type();
        let began = self.clock();
        match step {
            Step::Register { driver, operator, millis, journey, named } => {
                // A retry with the same `Idempotency-Key` has the same text.
                let typing = &mut named.map_or_else(|| random.fork(), |named| Rng::with_seed(named as u64));
                let license = group.license(driver.license.unwrap_or_default());
                let mut body = json!({
                    "journey_type": journey_type.as_str(),
                    "last_name_trunc": NAMES[driver.name],
                    "driving_license": typed::license(&license, typing),
                });
                match journey {
                    Some(journey) => body["operator_journey_id"] = json!(group.journey(operator, journey)),
                    None => {
                        body["phone_trunc"] = json!(group.phone(driver.phone).typed(typing));
                        body["datetime"] = json!(typed::instant(millis, typing));
                    }
                }
                if let Some(key) = driver.key {
                    body["identity_key"] = json!(group.key(key));
                }
                let name = named.map(|named| format!("g{}-{named}", group.number));
                let answer = self.call(Method::POST, "/policies/cee", operator, Some(&body), name.as_deref()).await;
                let asking = Asking { journey_type, driver, millis, operator };
                let origin = named.map_or(Origin::Call(number), |named| Origin::Named(operator, named));
                let seen = told.registered(operator, answer);
                told.saw(Call::Register { asking, journey, origin }, began, self.clock(), seen);
            }
            Step::Simulate { driver, operator } => {
                let mut body = json!({
                    "journey_type": journey_type.as_str(),
                    "last_name_trunc": NAMES[driver.name],
                    "phone_trunc": group.phone(driver.phone).typed(random),
                });
                if let Some(license) = driver.license {
                    body["driving_license"] = json!(typed::license(&group.license(license), random));
                }
                if let Some(key) = driver.key {
                    body["identity_key"] = json!(group.key(key));
                }
                let answer = self.call(Method::POST, "/policies/cee/simulate", operator, Some(&body), None).await;
                let asking = Asking { journey_type, driver, millis: millis(NOW), operator };
                let ended = self.clock();
                match answer {
                    Some((StatusCode::OK, _)) => {
                        let known = [(By::TruncatedIdentity, true), (By::License, driver.license.is_some())];
                        let known = known.into_iter().chain([(By::IdentityKey, driver.key.is_some())]);
                        for (by, _) in known.filter(|(_, known)| *known) {
                            told.saw(Call::Look { asking, by }, began, ended, Some(Seen::Nothing));
                        }
                    }
                    Some((StatusCode::CONFLICT, body)) => {
                        let seen = told.in_the_way(&body);
                        told.saw(Call::LookAtAll { asking }, began, ended, seen);
                    }
                    other => told.unexpected("simulate", other),
                }
            }
            Step::Import { row, twice } => {
                let body: Value = (0..if twice { 2 } else { 1 }).map(|_| group.row(&row, random)).collect();
                let answer = self.call(Method::POST, "/policies/cee/import", row.operator, Some(&body), None).await;
                let ended = self.clock();
                let outcomes = told.rows("import", body.as_array().map_or(0, Vec::len), answer);
                for (line, seen) in outcomes.into_iter().enumerate() {
                    let batch = u32::try_from(number).unwrap();
                    told.saw(Call::Import { row, batch, line }, began, ended, seen);
                }
            }
            Step::Find { own } => {
                let Some((granted, operator)) = told.choose(own, random) else { return };
                let path = format!("/policies/cee/{}", typed::case(&granted.uuid.to_string(), random));
                let answer = self.call(Method::GET, &path, operator, None, None).await;
                let seen = match answer {
                    Some((StatusCode::OK, body)) => {
                        if body != *granted.body {
                            told.is_wrong(format!("{} is found otherwise than it was granted", granted.uuid));
                        }
                        Some(Seen::There)
                    }
                    Some((StatusCode::NOT_FOUND, _)) => Some(Seen::NotThere),
                    other => {
                        told.unexpected("find", other);
                        None
                    }
                };
                told.saw(Call::Find { application: granted.uuid, operator }, began, self.clock(), seen);
            }
            Step::Delete { own } => {
                let Some((granted, operator)) = told.choose(own, random) else { return };
                let path = format!("/policies/cee/{}", typed::case(&granted.uuid.to_string(), random));
                let answer = self.call(Method::DELETE, &path, operator, None, None).await;
                let seen = match answer {
                    Some((StatusCode::NO_CONTENT, _)) => Some(Seen::There),
                    Some((StatusCode::NOT_FOUND, _)) => Some(Seen::NotThere),
                    other => {
                        told.unexpected("delete", other);
                        None
                    }
                };
                told.saw(Call::Delete { application: granted.uuid, operator }, began, self.clock(), seen);
            }
            Step::GiveKey { own, key } => {
                let Some((granted, operator)) = told.choose(own, random) else { return };
                let body = json!([{"cee_application_type": "standardized", "identity_key": group.key(key),
                                   "cee_application_uuid": typed::case(&granted.uuid.to_string(), random)}]);
                let path = "/policies/cee/import/identity";
                let answer = self.call(Method::POST, path, operator, Some(&body), None).await;
                let seen = told.rows("identity", 1, answer).pop().flatten();
                told.saw(Call::GiveKey { application: granted.uuid, operator, key }, began, self.clock(), seen);
            }
            Step::GiveKeyToHistory { row, key } => {
                let mut sent = group.row(&row, random);
                sent["cee_application_type"] = json!("specific");
                sent["identity_key"] = json!(group.key(key));
                let path = "/policies/cee/import/identity";
                let answer = self.call(Method::POST, path, row.operator, Some(&json!([sent])), None).await;
                let seen = told.rows("identity", 1, answer).pop().flatten();
                told.saw(Call::GiveKeyToHistory { row, key }, began, self.clock(), seen);
            }
            Step::ReadFeed { operator } => {
                let reader = readers.entry(operator).or_default();
                self.read_feed(told, operator, reader).await;
            }
        }
    }

    /// Reads on in an operator's feed, to its end. If a call has no response, the reader goes on from its last cursor the next time.
    async fn read_feed(&self, told: &Told, operator: u32, reader: &mut Reader) {
        let began = self.clock();
        loop {
            let since = reader.cursor.as_ref().map(|cursor| format!("&since={cursor}")).unwrap_or_default();
            let path = format!("/policies/cee/changes?limit={CHANGES}{since}");
            let answer = self.call(Method::GET, &path, operator, None, None).await;
            let Some((StatusCode::OK, body)) = answer else {
                told.unexpected("changes", answer);
                return told.saw(Call::ReadFeed { operator }, began, self.clock(), None);
            };
            for change in body["changes"].as_array().into_iter().flatten() {
                let is_delete = change["change"] == json!("deleted") && change["deleted_by"] == json!("operator");
                match change["uuid"].as_str().and_then(ApplicationId::parse).filter(|_| is_delete) {
                    Some(uuid) => reader.read.push(Entry { uuid, kind: EntryKind::Deleted }),
                    None => told.is_wrong(format!("changes of operator {operator}: {change}")),
                }
            }
            let Some(cursor) = body["next_cursor"].as_str() else {
                return told.is_wrong(format!("changes of operator {operator}: no cursor"));
            };
            reader.cursor = Some(cursor.to_owned());
            if body["more"] == json!(false) {
                self.cursors.lock().unwrap().insert(operator, cursor.to_owned());
                let seen = Some(Seen::Feed(reader.read.clone()));
                return told.saw(Call::ReadFeed { operator }, began, self.clock(), seen);
            }
        }
    }

    /// Walks through the whole list of an operator's applications, with this many on a page. `None`: a page had no response.
    pub async fn walk(&self, operator: u32, limit: usize) -> Option<Listed> {
        let (began, mut uuids, mut next) = (self.clock(), Vec::new(), String::new());
        loop {
            let path = format!("/policies/cee?limit={limit}{next}");
            let (status, body) = self.call(Method::GET, &path, operator, None, None).await?;
            if status.is_server_error() {
                return None;
            }
            assert_eq!(status, StatusCode::OK, "{body}");
            let page = body["applications"].as_array().unwrap();
            assert!(page.len() <= limit, "{} on a page", page.len());
            uuids.extend(page.iter().map(|one| one["uuid"].as_str().and_then(ApplicationId::parse).unwrap()));
            match body["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => return Some(Listed { what: "the list", operator, began, ended: self.clock(), uuids }),
            }
        }
    }

    /// One call of an operator.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        operator: u32,
        body: Option<&Value>,
        name: Option<&str>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header("authorization", format!("Bearer {}", self.tokens[&operator]))
            .header("content-type", "application/json");
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = request.body(body.into_bytes()).unwrap();
        let place = format!("{} {}", request.method(), request.uri().path());
        if let Some(recorder) = &self.recorder {
            recorder.request(&request);
        }
        let answer = async {
            let answer = self.client.request(request.map(|body| Full::new(Bytes::from(body)))).await.ok()?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            if let Some(recorder) = &self.recorder {
                recorder.answer(&place, head.status, &head.headers, &String::from_utf8_lossy(&body));
            }
            Some((head.status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
    }
}

impl Group {
    fn row(self, row: &HistoryRow, random: &mut Rng) -> Value {
        json!({
            "journey_type": row.journey_type.as_str(),
            "last_name_trunc": NAMES[row.name],
            "phone_trunc": self.phone(row.phone).typed(random),
            "datetime": typed::instant(row.millis, random),
        })
    }
}

/// The responses to a group's callers so far.
struct Told {
    group: Group,
    granted: Mutex<Vec<Granted>>,
    seen: Mutex<History>,
    wrong: Mutex<Vec<String>>,
    unanswered: Mutex<Vec<String>>,
}

impl Told {
    fn new(group: Group) -> Self {
        let (wrong, unanswered) = (Mutex::default(), Mutex::default());
        Self { group, granted: Mutex::default(), seen: Mutex::default(), wrong, unanswered }
    }

    fn saw(&self, call: Call, began: u64, ended: u64, seen: Option<Seen>) {
        let ended = seen.map(|seen| (ended, seen));
        self.seen.lock().unwrap().push(Recorded { call, began, ended });
    }

    fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(format!("group {}: {what}", self.group.number));
    }

    /// An error of the service while its tables do not answer is not a response. The judge limits their number, because such a call
    /// explains anything. Any other error is unexpected.
    fn unexpected(&self, what: &str, answer: Answer) {
        match answer {
            Some((status, body)) if !status.is_server_error() => {
                self.is_wrong(format!("{what}: {status} {}", body["type"]));
            }
            Some((status, _)) => self.is_unanswered(format!("{what}: {}", status.as_u16())),
            None => self.is_unanswered(format!("{what}: nothing")),
        }
    }

    fn is_unanswered(&self, what: String) {
        self.unanswered.lock().unwrap().push(what);
    }

    /// A granted application, and its operator.
    fn choose(&self, own: bool, random: &mut Rng) -> Option<(Granted, u32)> {
        let granted = self.granted.lock().unwrap();
        let chosen = granted.get(random.usize(..granted.len().max(1)))?.clone();
        let operator = if own { chosen.operator } else { chosen.operator % 3 + 1 };
        Some((chosen, operator))
    }

    fn registered(&self, operator: u32, answer: Answer) -> Option<Seen> {
        match answer {
            Some((StatusCode::CREATED, body)) => {
                let Some(uuid) = body["uuid"].as_str().and_then(ApplicationId::parse) else {
                    self.is_wrong("an application without a name".to_owned());
                    return None;
                };
                let mut granted = self.granted.lock().unwrap();
                match granted.iter().find(|known| known.uuid == uuid) {
                    Some(known) if *known.body != body => self.is_wrong(format!("{uuid} is returned in two ways")),
                    Some(_) => {}
                    None => granted.push(Granted { uuid, operator, body: Arc::new(body) }),
                }
                Some(Seen::Registered(uuid))
            }
            Some((StatusCode::CONFLICT, body)) => self.in_the_way(&body),
            Some((StatusCode::GONE, _)) => Some(Seen::Gone),
            other => {
                self.unexpected("register", other);
                None
            }
        }
    }

    fn in_the_way(&self, body: &Value) -> Option<Seen> {
        let moment = body["datetime"].as_str().and_then(|text| cee_eligibility::Instant::parse(text).ok());
        let why = match body["reason"].as_str() {
            Some("history") => Some(Why::Person(Reason::History)),
            Some("duplicate") => Some(Why::Person(Reason::Duplicate)),
            Some("journey_used") => Some(Why::JourneyUsed),
            _ => None,
        };
        let (Some(moment), Some(why)) = (moment, why) else {
            self.is_wrong("a refusal that tells neither when nor why".to_owned());
            return None;
        };
        let uuid = body["uuid"].as_str().and_then(ApplicationId::parse);
        if uuid.is_none() && !(body["token"].is_null() && body["journey_id"].is_null()) {
            self.is_wrong("a refusal that tells of another operator's application".to_owned());
        }
        Some(Seen::InTheWay { millis: moment.millis(), why, uuid })
    }

    /// The result of each row of a batch, all of which are equal.
    fn rows(&self, what: &str, rows: usize, answer: Answer) -> Vec<Option<Seen>> {
        let Some((status, body)) = answer.clone().filter(|(status, _)| status.is_success()) else {
            self.unexpected(what, answer);
            return vec![None; rows];
        };
        let count = |name: &str| usize::try_from(body[name].as_u64().unwrap_or_default()).unwrap_or_default();
        let failed = body["failed_details"].as_array().cloned().unwrap_or_default();
        if count("imported") + count("already_known") + failed.len() != rows {
            self.is_wrong(format!("{what}: {status}, {rows} rows and other counts"));
        }
        let mut outcomes = vec![Some(Seen::Done); count("imported")];
        outcomes.extend(vec![Some(Seen::AlreadyDone); count("already_known")]);
        outcomes.extend(failed.iter().map(|row| {
            let error = row["error"].as_str().unwrap_or_default();
            let known = [
                ("you have no such application", Seen::Unknown),
                ("another identity key", Seen::HasAnother),
                ("second application", Seen::Second),
            ];
            let told = known.into_iter().find(|(words, _)| error.contains(words)).map(|(_, seen)| seen);
            match told {
                None if error.contains("busy") => self.is_unanswered(format!("{what}: a row that was busy")),
                None => self.is_wrong(format!("{what}: a row fails with {error:?}")),
                Some(_) => {}
            }
            told
        }));
        outcomes.resize(rows, None);
        outcomes
    }
}

/// Imports the journeys of these groups.
pub async fn prepare(journeys: &Journeys, groups: impl IntoIterator<Item = Group>) {
    let put_at = cee_eligibility::Instant::from_millis(millis(NOW)).unwrap();
    let all: Vec<Journey> = groups.into_iter().flat_map(Group::journeys).collect();
    for some in all.chunks(64) {
        join_all(some.iter().map(|journey| async move {
            let version = JourneyVersion::new(put_at, ImportId::from_bytes([7; 16]), journey.journey_id);
            journeys.put(journey, &version, Deadline::after(Duration::from_secs(60))).await.unwrap();
        }))
        .await;
    }
}
