//! The store against a plain in-memory model: the same random operations, the same answers.
//!
//! The model is written from the contract and shares no rule with the code under test: it keeps a list of applications,
//! looks at all of them each time and counts years by itself. Short applications come without their journeys, which do
//! not change who is the same person: `store.rs` tests those.

// clippy.toml allows these in test functions, but not in the helpers around them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use cee_eligibility::*;
use cee_registry::*;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use proptest::prelude::*;
use support::{Store, store};

/// One application as the model remembers it.
#[derive(Clone, Debug)]
struct Remembered {
    journey_type: JourneyType,
    name: usize,
    phone: usize,
    license: Option<usize>,
    key: Option<usize>,
    millis: i64,
    operator: u32,
    /// `None`: a specific one.
    uuid: Option<ApplicationId>,
    /// Of a specific one, the rows that brought it: file and line.
    rows: Vec<(u8, usize)>,
    /// Whether there were more of them than are remembered.
    more: bool,
    /// Of a specific one: whether another key came for it, too.
    ambiguous: bool,
}

impl Remembered {
    /// The key by which it is told apart on its truncated identity: not where it may stand for several drivers.
    fn compared_key(&self) -> Option<usize> {
        let mut files: Vec<u8> = self.rows.iter().map(|row| row.0).collect();
        files.sort_unstable();
        let several = self.ambiguous || files.windows(2).any(|pair| pair[0] == pair[1]);
        self.key.filter(|_| !several)
    }
}

#[derive(Clone, Debug)]
struct Driver {
    name: usize,
    phone: usize,
    license: usize,
    key: Option<usize>,
}

#[derive(Clone, Debug)]
enum Operation {
    Register {
        driver: Driver,
        millis: i64,
    },
    Simulate {
        driver: Driver,
        with_license: bool,
        millis: i64,
    },
    Import {
        driver: Driver,
        millis: i64,
        file: u8,
    },
    Undo {
        file: u8,
    },
    /// Of the applications that are granted, this one, by its own operator or by the one of the step.
    Delete {
        which: usize,
        own: bool,
    },
    /// Likewise: gives it an identity key.
    GiveKey {
        which: usize,
        own: bool,
        key: usize,
    },
    /// Gives an identity key to a specific application, one of those there are or any.
    GiveKeyToHistory {
        which: Option<usize>,
        driver: Driver,
        millis: i64,
        key: usize,
    },
}

#[derive(Clone, Debug)]
struct Step {
    operator: u32,
    long: bool,
    operation: Operation,
}

/// What both sides say: nothing in the way, or date, reason, whose, name.
type Answer = Option<(i64, Reason, u32, Option<ApplicationId>)>;

fn years_before(millis: i64, years: i32) -> i64 {
    let moment = DateTime::<Utc>::from_timestamp_millis(millis).unwrap();
    let day = moment.date_naive();
    let year = day.year() - years;
    let earlier = NaiveDate::from_ymd_opt(year, day.month(), day.day())
        .unwrap_or_else(|| NaiveDate::from_ymd_opt(year, 2, 28).unwrap());
    earlier.and_time(moment.time()).and_utc().timestamp_millis()
}

fn millis(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn blocks(earlier: &Remembered, new_millis: i64) -> bool {
    let (standardized, specific, floor) = match earlier.journey_type {
        JourneyType::Short => (5, 3, millis("2020-01-01T00:00:00+01:00")),
        JourneyType::Long => (12, 10, millis("2015-01-01T00:00:00+01:00")),
    };
    match earlier.uuid {
        Some(_) => earlier.millis >= years_before(new_millis, standardized),
        None => earlier.millis >= years_before(new_millis, specific) && earlier.millis >= floor,
    }
}

fn same_person(one: &Remembered, driver: &Driver, license: Option<usize>) -> bool {
    let same_truncated = one.name == driver.name && one.phone == driver.phone;
    (one.license.is_some() && one.license == license)
        || (one.key.is_some() && one.key == driver.key)
        || (same_truncated
            && (one.compared_key().is_none() || driver.key.is_none() || one.compared_key() == driver.key))
}

#[derive(Default)]
struct Model(Vec<Remembered>);

impl Model {
    fn blocker(&self, step: &Step, driver: &Driver, license: Option<usize>, new_millis: i64) -> Answer {
        let mut in_the_way: Vec<&Remembered> = self
            .0
            .iter()
            .filter(|r| (r.journey_type == JourneyType::Long) == step.long)
            .filter(|r| same_person(r, driver, license) && blocks(r, new_millis))
            .collect();
        in_the_way.sort_by_key(|r| (r.millis, r.uuid.is_some(), r.operator == step.operator, r.uuid, r.operator));
        in_the_way.last().map(|r| {
            let reason = if r.uuid.is_some() { Reason::Duplicate } else { Reason::History };
            (r.millis, reason, r.operator, r.uuid)
        })
    }
}

impl Model {
    /// The granted applications that a row of history would have blocked.
    fn contradicted(
        &self,
        journey_type: JourneyType,
        millis: i64,
        same: impl Fn(&Remembered) -> bool,
    ) -> Vec<ApplicationId> {
        let mut named: Vec<ApplicationId> = self
            .0
            .iter()
            .filter(|r| r.journey_type == journey_type && same(r))
            .filter(|r| {
                let history = Remembered { millis, uuid: None, ..(*r).clone() };
                blocks(&history, r.millis)
            })
            .filter_map(|r| r.uuid)
            .collect();
        named.sort();
        named
    }

    /// A granted application, if there is any.
    fn granted(&self, which: usize) -> Option<usize> {
        let granted: Vec<usize> = (0..self.0.len()).filter(|place| self.0[*place].uuid.is_some()).collect();
        (!granted.is_empty()).then(|| granted[which % granted.len()])
    }

    /// Takes a file back: how many records go, and how many stay.
    fn undo(&mut self, operator: u32, file: u8) -> (u64, u64) {
        let (mut removed, mut kept) = (0, 0);
        self.0.retain_mut(|r| {
            let before = r.rows.len();
            if r.uuid.is_some() || r.operator != operator || !r.rows.iter().any(|row| row.0 == file) {
                return true;
            }
            r.rows.retain(|row| row.0 != file);
            let stays = r.more || !r.rows.is_empty();
            assert!(r.rows.len() < before);
            (removed, kept) = if stays { (removed, kept + 1) } else { (removed + 1, kept) };
            stays
        });
        (removed, kept)
    }
}

/// A fresh population for each case, so that cases do not see one another in the one database.
struct World(u64);

impl World {
    fn identity(&self, driver: &Driver, license: bool) -> Identity {
        let names = ["DUP", "TO ", "D H"];
        Identity {
            truncated: support::truncated(names[driver.name], &format!("+33{:08}{}", self.0, driver.phone)),
            driving_license: license
                .then(|| DrivingLicense::parse(&format!("{:08}{:04}", self.0, driver.license)).unwrap()),
            identity_key: driver.key.map(|key| self.identity_key(key)),
        }
    }

    fn identity_key(&self, key: usize) -> IdentityKey {
        IdentityKey::parse(&format!("{:032x}{:032x}", self.0, key)).unwrap()
    }
}

fn answer(blocker: Blocker) -> Answer {
    Some((blocker.datetime.millis(), blocker.reason, blocker.operator.get(), blocker.uuid))
}

async fn run(store: &Store, world: &World, steps: &[Step]) {
    static NAMES: AtomicU64 = AtomicU64::new(1);
    let mut model = Model::default();
    let mut archived = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let journey_type = if step.long { JourneyType::Long } else { JourneyType::Short };
        match &step.operation {
            Operation::Register { driver, millis } => {
                let expected = model.blocker(step, driver, Some(driver.license), *millis);
                let datetime = Instant::from_millis(*millis).unwrap();
                let application = support::application(
                    NAMES.fetch_add(1, Ordering::SeqCst),
                    step.operator,
                    journey_type,
                    &world.identity(driver, true),
                    datetime,
                );
                let uuid = application.uuid;
                let said = store.register(&application, None).await;
                let found = store.applications.find(uuid).await.unwrap();
                let said = match said {
                    Registration::Registered => {
                        assert_eq!(found.as_ref(), Some(&application), "step {number}: the record is what was sent");
                        None
                    }
                    Registration::Blocked(blocker) => {
                        assert_eq!(found, None, "step {number}: a refused application left a record");
                        answer(blocker)
                    }
                    other => panic!("step {number}: {other:?}"),
                };
                assert_eq!(said, expected, "step {number}: {step:?}");
                if expected.is_none() {
                    model.0.push(Remembered {
                        journey_type,
                        name: driver.name,
                        phone: driver.phone,
                        license: Some(driver.license),
                        key: driver.key,
                        millis: *millis,
                        operator: step.operator,
                        uuid: Some(uuid),
                        rows: Vec::new(),
                        more: false,
                        ambiguous: false,
                    });
                }
            }
            Operation::Simulate { driver, with_license, millis } => {
                let expected = model.blocker(step, driver, with_license.then_some(driver.license), *millis);
                let new = Instant::from_millis(*millis).unwrap();
                let identity = world.identity(driver, *with_license);
                let said = store.blocker(journey_type, &identity, new, step.operator).await;
                assert_eq!(said.and_then(answer), expected, "step {number}: {step:?}");
            }
            Operation::Import { driver, millis, file } => {
                let identity = world.identity(driver, false).truncated;
                let datetime = Instant::from_millis(*millis).unwrap();
                let source = RowSource { import: import(step.operator, *file), line: number as u64 };
                let known = model.0.iter_mut().find(|r| {
                    r.uuid.is_none()
                        && r.journey_type == journey_type
                        && (r.name, r.phone, r.millis, r.operator)
                            == (driver.name, driver.phone, *millis, step.operator)
                });
                let is_known = known.is_some();
                match known {
                    Some(known) if known.rows.len() < 4 => known.rows.push((*file, number)),
                    // An undo of a file that is remembered takes what is not.
                    Some(known) => known.more |= !known.rows.iter().any(|row| row.0 == *file),
                    None => model.0.push(Remembered {
                        journey_type,
                        name: driver.name,
                        phone: driver.phone,
                        license: None,
                        key: None,
                        millis: *millis,
                        operator: step.operator,
                        uuid: None,
                        rows: vec![(*file, number)],
                        more: false,
                        ambiguous: false,
                    }),
                }
                let same = |r: &Remembered| (r.name, r.phone) == (driver.name, driver.phone);
                let expected = if is_known { None } else { Some(model.contradicted(journey_type, *millis, same)) };
                for why in ["the first time", "the same row again, after a crash"] {
                    let said = store.import(journey_type, &identity, datetime, step.operator, source).await;
                    let said = match said {
                        HistoryOutcome::AlreadyKnown => None,
                        HistoryOutcome::Imported { contradicts } => Some(named(&contradicts)),
                    };
                    assert_eq!(said, expected, "step {number}, {why}: {step:?}");
                }
            }
            Operation::Delete { which, own } => {
                let Some(place) = model.granted(*which) else { continue };
                let application = model.0[place].clone();
                let by = if *own { application.operator } else { step.operator };
                let uuid = application.uuid.unwrap();
                let expected = if by == application.operator { Deleted::Done } else { Deleted::Unknown };
                let before = store.applications.find(uuid).await.unwrap().unwrap();
                let said =
                    store.claims.delete(support::operator(by), uuid, before.registered_at, support::soon()).await;
                assert_eq!(said.unwrap(), expected, "step {number}: {step:?}");
                if expected == Deleted::Done {
                    model.0.remove(place);
                    archived.push(uuid);
                    assert_eq!(store.applications.find(uuid).await.unwrap(), None, "step {number}");
                    let again =
                        store.claims.delete(support::operator(by), uuid, before.registered_at, support::soon()).await;
                    assert_eq!(again.unwrap(), Deleted::Unknown, "step {number}: deleted twice");
                }
            }
            Operation::GiveKey { which, own, key } => {
                let Some(place) = model.granted(*which) else { continue };
                let application = model.0[place].clone();
                let by = if *own { application.operator } else { step.operator };
                let in_the_way = model.0.iter().filter(|r| {
                    r.uuid.is_some()
                        && r.journey_type == application.journey_type
                        && r.key == Some(*key)
                        && blocks(r, application.millis)
                });
                let in_the_way = in_the_way.max_by_key(|r| (r.millis, r.operator == by, r.uuid, r.operator));
                let expected = match application.key {
                    _ if by != application.operator => GivenKey::Unknown,
                    Some(known) if known == *key => GivenKey::AlreadyHas,
                    Some(_) => GivenKey::HasAnother,
                    None => match in_the_way {
                        Some(r) => GivenKey::Blocked(Blocker {
                            datetime: Instant::from_millis(r.millis).unwrap(),
                            reason: Reason::Duplicate,
                            operator: support::operator(r.operator),
                            uuid: r.uuid,
                        }),
                        None => {
                            let late = model.0.iter().any(|r| {
                                r.uuid.is_none()
                                    && r.journey_type == application.journey_type
                                    && r.key == Some(*key)
                                    && blocks(r, application.millis)
                            });
                            let contradicted = Contradicted {
                                uuid: application.uuid.unwrap(),
                                datetime: Instant::from_millis(application.millis).unwrap(),
                                operator: support::operator(application.operator),
                            };
                            GivenKey::Given { contradicts: if late { vec![contradicted] } else { Vec::new() } }
                        }
                    },
                };
                let given = matches!(expected, GivenKey::Given { .. });
                let again = if given { GivenKey::AlreadyHas } else { expected.clone() };
                for expected in [&expected, &again] {
                    let key = world.identity_key(*key);
                    let (by, uuid) = (support::operator(by), application.uuid.unwrap());
                    let said = store.claims.give_key(by, uuid, &key, &Rules::default(), support::soon()).await.unwrap();
                    assert_eq!(said, *expected, "step {number}: {step:?}");
                }
                if given {
                    model.0[place].key = Some(*key);
                    let stored = store.applications.find(application.uuid.unwrap()).await.unwrap().unwrap();
                    assert_eq!(stored.identity.identity_key, Some(world.identity_key(*key)), "step {number}");
                }
            }
            Operation::GiveKeyToHistory { which, driver, millis, key } => {
                let specific: Vec<usize> = (0..model.0.len()).filter(|place| model.0[*place].uuid.is_none()).collect();
                let chosen = which.filter(|_| !specific.is_empty()).map(|which| specific[which % specific.len()]);
                let (journey_type, driver, millis, by) = match chosen.map(|place| &model.0[place]) {
                    Some(r) => {
                        let driver = Driver { name: r.name, phone: r.phone, license: 0, key: None };
                        (r.journey_type, driver, r.millis, r.operator)
                    }
                    None => (journey_type, driver.clone(), *millis, step.operator),
                };
                let with_the_key = model.contradicted(journey_type, millis, |r| r.key == Some(*key));
                let known = model.0.iter_mut().find(|r| {
                    (r.uuid, r.journey_type, r.name, r.phone, r.millis, r.operator)
                        == (None, journey_type, driver.name, driver.phone, millis, by)
                });
                let expected = match known {
                    None => Err(GivenKey::Unknown),
                    Some(r) if r.key == Some(*key) => Err(GivenKey::AlreadyHas),
                    Some(r) if r.key.is_some() => {
                        r.ambiguous = true;
                        Err(GivenKey::HasAnother)
                    }
                    Some(r) => {
                        r.key = Some(*key);
                        Ok(with_the_key)
                    }
                };
                let again = Err(expected.clone().err().unwrap_or(GivenKey::AlreadyHas));
                for expected in [&expected, &again] {
                    let history = HistoryKey {
                        journey_type,
                        identity: &world.identity(&driver, false).truncated,
                        datetime: Instant::from_millis(millis).unwrap(),
                        operator: support::operator(by),
                        identity_key: &world.identity_key(*key),
                    };
                    let said = store.claims.give_key_to_history(&history, &Rules::default(), support::soon()).await;
                    let said = match said.unwrap() {
                        GivenKey::Given { contradicts } => Ok(named(&contradicts)),
                        other => Err(other),
                    };
                    assert_eq!(said, *expected, "step {number}: {step:?}");
                }
            }
            Operation::Undo { file } => {
                for attempt in 0..2 {
                    let (mut removed, mut kept) = (0, 0);
                    let page =
                        store.claims.brought_by(import(step.operator, *file), None, support::soon()).await.unwrap();
                    assert_eq!(page.next, None, "one page holds the whole table");
                    for brought in page.brought {
                        (removed, kept) = (removed + brought.removed, kept + brought.kept);
                        store.claims.withdraw(brought, import(step.operator, *file), support::soon()).await.unwrap();
                    }
                    let expected = if attempt == 0 { model.undo(step.operator, *file) } else { (0, 0) };
                    assert_eq!((removed, kept), expected, "step {number}, attempt {attempt}: {step:?}");
                }
            }
        }
    }
    agree(store, &model, &archived).await;
}

fn named(contradicted: &[Contradicted]) -> Vec<ApplicationId> {
    let mut named: Vec<_> = contradicted.iter().map(|other| other.uuid).collect();
    named.sort();
    named
}

/// The import of an operator's file.
fn import(operator: u32, file: u8) -> ImportId {
    ImportId::of_object("bucket", &format!("imports/{operator}/{file}.csv"), "1")
}

/// The tables hold the records of the model and no others, each item's latest dates are those of its records, and no item
/// is empty.
async fn agree(store: &Store, model: &Model, archived: &[ApplicationId]) {
    let items = store.scan(&store.tables.claims).await;
    let (mut specific, mut copies, mut standardized) = (Vec::new(), 0, Vec::new());
    for item in items.values() {
        let mut latest = HashMap::from([("sd", None), ("sdk", None), ("sp", None), ("spk", None)]);
        let mut note = |name, millis: i64| {
            let latest: &mut Option<i64> = latest.get_mut(name).unwrap();
            *latest = (*latest).max(Some(millis));
        };
        let mut records = 0;
        for (name, value) in item {
            let (kind, rest) = name.split_once('#').unwrap_or(("", name));
            match kind {
                "a" => {
                    let record = value.as_m().unwrap();
                    let millis = record["t"].as_n().unwrap().parse().unwrap();
                    note(if record.contains_key("k") { "sdk" } else { "sd" }, millis);
                    standardized.push(ApplicationId::parse(rest).unwrap());
                }
                "h" | "c" => {
                    let (operator, at) = rest.split_once('#').unwrap();
                    let (operator, millis): (u32, i64) = (operator.parse().unwrap(), at.parse().unwrap());
                    note(if told_apart(item, name, rest) { "spk" } else { "sp" }, millis);
                    if kind == "h" {
                        specific.push((operator, millis));
                    } else {
                        copies += 1;
                    }
                }
                "k" => assert!(item.contains_key(&format!("h#{rest}")), "the key of nothing"),
                _ => continue,
            }
            records += 1;
        }
        assert!(records > 0, "an empty item is left");
        for (name, expected) in latest {
            let stored = item.get(name).map(|at| at.as_n().unwrap().parse().unwrap());
            assert_eq!(stored, expected, "{name} of {:?}", item.keys());
        }
    }
    let mut expected: Vec<(u32, i64)> =
        model.0.iter().filter(|r| r.uuid.is_none()).map(|r| (r.operator, r.millis)).collect();
    specific.sort_unstable();
    expected.sort_unstable();
    assert_eq!(specific, expected);
    let with_key = model.0.iter().filter(|r| r.uuid.is_none() && r.key.is_some());
    let distinct: HashSet<_> = with_key.map(|r| (r.journey_type, r.key, r.operator, r.millis)).collect();
    assert_eq!(copies, distinct.len());
    // Each application has its claims, all of them, and no claim lacks its application.
    let claims = |r: &Remembered| std::iter::repeat_n(r.uuid, if r.key.is_some() { 3 } else { 2 }).flatten();
    let mut expected: Vec<_> = model.0.iter().flat_map(claims).collect();
    standardized.sort_unstable();
    expected.sort_unstable();
    assert_eq!(standardized, expected);
    let mut kept: Vec<_> = store.scan(&store.tables.archive).await.into_keys().collect();
    let mut expected: Vec<_> = archived.iter().map(ToString::to_string).collect();
    kept.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kept, expected);
}

/// Whether a specific application on an item is told apart by its key: it has one, no other came, and no file brought it twice.
fn told_apart(item: &support::Item, name: &str, rest: &str) -> bool {
    let Some(key) = item.get(&format!("k#{rest}")) else { return false };
    let sources = item[name].as_l().unwrap().iter();
    let mut imports: Vec<_> = sources.filter_map(|row| Some(row.as_b().ok()?.as_ref()[..16].to_vec())).collect();
    imports.sort();
    !key.as_m().unwrap().contains_key("x") && imports.windows(2).all(|pair| pair[0] != pair[1])
}

/// Dates that lie on, just before and just after every edge of one another's windows.
fn dates() -> impl Strategy<Value = i64> {
    let anchors = prop::sample::select(vec![
        // 29 February, the floors, Paris midnight at New Year, and both changes of the clock.
        millis("2024-02-29T12:00:00Z"),
        millis("2028-02-29T00:00:00Z"),
        // 28 February three and five years after a 29th, which then blocks to the end of that day and no longer.
        millis("2027-02-28T12:00:00Z"),
        millis("2029-02-28T12:00:00Z"),
        millis("2020-01-01T00:00:00+01:00"),
        millis("2015-01-01T00:00:00+01:00"),
        millis("2023-01-01T00:00:00+01:00"),
        millis("2025-03-30T01:30:00Z"),
        millis("2025-10-26T00:30:00Z"),
        millis("2026-06-15T08:00:00Z"),
    ]);
    let years = prop::sample::select(vec![0, 0, 0, 3, 5, 10, 12]);
    let nudge = prop::sample::select(vec![0, 0, 0, 1, -1, 1000, -1000, 3_600_000, -3_600_000, 86_400_000, -86_400_000]);
    (anchors, years, nudge).prop_map(|(anchor, years, nudge)| years_before(anchor, years) + nudge)
}

fn drivers() -> impl Strategy<Value = Driver> {
    (0..3usize, 0..2usize, 0..4usize, prop::option::of(0..3usize)).prop_map(|(name, phone, license, key)| Driver {
        name,
        phone,
        license,
        key,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let operation = prop_oneof![
        5 => (drivers(), dates()).prop_map(|(driver, millis)| Operation::Register { driver, millis }),
        3 => (drivers(), any::<bool>(), dates())
            .prop_map(|(driver, with_license, millis)| Operation::Simulate { driver, with_license, millis }),
        // Few dates, so that files repeat one another.
        4 => (drivers(), dates(), 0..3u8).prop_map(|(driver, millis, file)| Operation::Import { driver, millis, file }),
        2 => (drivers(), Just(millis("2024-02-29T12:00:00Z")), 0..3u8)
            .prop_map(|(driver, millis, file)| Operation::Import { driver, millis, file }),
        1 => (0..3u8).prop_map(|file| Operation::Undo { file }),
        2 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(which, own)| Operation::Delete { which, own }),
        2 => (any::<usize>(), prop::bool::weighted(0.8), 0..3usize)
            .prop_map(|(which, own, key)| Operation::GiveKey { which, own, key }),
        2 => (prop::option::weighted(0.8, any::<usize>()), drivers(), dates(), 0..3usize).prop_map(
            |(which, driver, millis, key)| Operation::GiveKeyToHistory { which, driver, millis, key }
        ),
    ];
    let step =
        (1..4u32, any::<bool>(), operation).prop_map(|(operator, long, operation)| Step { operator, long, operation });
    prop::collection::vec(step, 40..60)
}

/// How many random operations are compared, at the least, unless `MODEL_OPERATIONS` says otherwise.
const OPERATIONS: usize = 20_000;

#[test]
fn the_store_answers_like_the_model() {
    static WORLDS: AtomicU64 = AtomicU64::new(0);
    static COMPARED: AtomicUsize = AtomicUsize::new(0);
    let operations = std::env::var("MODEL_OPERATIONS").map_or(OPERATIONS, |number| number.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // A case is 40 to 59 steps. Whoever only wants to know whether it fails lets proptest shrink nothing.
    let cases = u32::try_from(operations.div_ceil(48)).unwrap();
    let defaults = ProptestConfig::default();
    let max_shrink_iters = defaults.max_shrink_iters.min(300);
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters, ..defaults };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&steps(), |steps| {
            let world = World(WORLDS.fetch_add(1, Ordering::SeqCst));
            // Of its own, for an undo reads the whole table.
            runtime.block_on(async { run(&store().await, &world, &steps).await });
            COMPARED.fetch_add(steps.len(), Ordering::SeqCst);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(COMPARED.load(Ordering::SeqCst) >= operations);
}
