//! Compares the store with the in-memory model of `tests/oracle`: the same random operations must give the same results. Each short
//! application has a journey of its own, so no journey is used twice. `calls.rs` tests the journeys themselves.
//!
//! A fourth of the calls that a feed tells of meet a fault: a request is lost, its response is lost, DynamoDB is busy, or the process is
//! killed and the call is sent again. The model expects the same as without the fault. Feeds and lists are read in between, by readers that
//! keep their place, and from the beginning in the end. In the end, the audit finds nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::support::{self, Fault, Faults, Store, store_with_faults};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::*;
use cee_oracle::feed::{Entry, EntryKind, Feeds, Listing, listed};
use cee_oracle::{
    Asking, By, Driver, HistoryRow, Imported, InTheWay, KeyGiven, Oracle, Record, millis, typed, years_before,
};
use cee_registry::*;
use fastrand::Rng;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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
    /// This number of rows of one driver, a day apart, in a separate file.
    ImportMany {
        driver: Driver,
        millis: i64,
        rows: usize,
    },
    /// This number of drivers who share name and phone.
    RegisterMany {
        driver: Driver,
        millis: i64,
        drivers: usize,
    },
    Undo {
        file: u8,
    },
    /// Deletes one of the granted applications, by its own operator or by the step's operator.
    Delete {
        which: usize,
        own: bool,
        trouble: Trouble,
    },
    /// The registry's team erases one of the granted applications. Its claims stay.
    Erase {
        which: usize,
        trouble: Trouble,
    },
    /// The journey of one of the granted applications, which may have none, gets a status in a later file.
    Follow {
        which: usize,
        status: JourneyStatus,
        trouble: Trouble,
    },
    /// The reader of the step's operator reads a page of its feed.
    ReadFeed {
        most: usize,
    },
    /// The walk through a list goes on, or another one begins.
    Walk {
        most: usize,
        shown: Shown,
    },
    /// Gives an identity key to one of the granted applications, by its own operator or by the step's operator.
    GiveKey {
        which: usize,
        own: bool,
        key: usize,
    },
    /// Gives an identity key to a specific application, which may not exist.
    GiveKeyToHistory {
        which: Option<usize>,
        driver: Driver,
        millis: i64,
        key: usize,
    },
}

/// What goes wrong in a call.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// The request is lost.
    Lost,
    /// The request is carried out, and its response is lost.
    AnswerLost,
    /// The request is carried out, and its response is a 500.
    FailedAfter,
    /// DynamoDB refuses the request.
    Busy,
    /// The process is killed before its request is sent, or after it was. Then the call is sent again.
    Killed {
        after: bool,
    },
}

impl Trouble {
    fn fault(self) -> Fault {
        match self {
            Self::None => Fault::None,
            Self::Lost | Self::Killed { after: false } => Fault::Lost,
            Self::AnswerLost | Self::Killed { after: true } => Fault::AnswerLost,
            Self::FailedAfter => Fault::FailedAfter,
            Self::Busy => Fault::code("ThrottlingException"),
        }
    }
}

/// What a list or an export shows.
#[derive(Clone, Copy, Debug)]
struct Shown {
    of_type: bool,
    status: Option<JourneyStatus>,
    from: Option<i64>,
    to: Option<i64>,
    /// An export shows what was registered until then.
    registered_until: Option<i64>,
}

/// The time of every change, and of every read of a feed: nothing expires.
const NOW: &str = "2045-01-01T00:00:00Z";

/// The store, and the same store for calls in which something goes wrong.
struct Stores {
    store: Store,
    disturbed: Store,
    faults: Faults,
}

impl Stores {
    /// The result of a call in which this goes wrong. `None`: its process was killed, and the result of the second call is not compared,
    /// because the first one may have done everything.
    async fn call<T>(
        &self,
        trouble: Trouble,
        call: impl AsyncFn(&Store, Deadline) -> Result<T, StoreError>,
    ) -> Option<T> {
        self.faults.to("TransactWriteItems", [trouble.fault()]);
        let is_killed = matches!(trouble, Trouble::Killed { .. });
        let deadline = if is_killed { Deadline::after_retries(0) } else { support::soon() };
        let said = call(&self.disturbed, deadline).await;
        // A call that writes nothing sends no transaction.
        self.faults.clear();
        match said {
            Ok(said) => Some(said),
            Err(_) if is_killed => {
                call(&self.store, support::soon()).await.unwrap();
                None
            }
            Err(error) => panic!("{trouble:?}: {error}"),
        }
    }
}

/// A reader of an operator's feed, as a job that keeps its cursor.
struct Reader {
    place: ChangesPlace,
    /// The number of the entries before its place.
    read: usize,
}

impl Reader {
    const NEW: Self = Self { place: ChangesPlace::BEGINNING, read: 0 };

    /// Reads a page, compares it with the model, and returns whether there is more.
    async fn read_on(&mut self, store: &Store, feeds: &Feeds, operator: u32, most: usize) -> bool {
        let read = store.changes.read(support::operator(operator), self.place, most, support::at(NOW)).await.unwrap();
        let ChangesRead::Page(page) = read else { panic!("operator {operator}: {read:?}") };
        let expected = &feeds.of(operator)[self.read..];
        let told: Vec<Entry> = page.changes.iter().map(entry).collect();
        assert_eq!(told, expected[..most.min(expected.len())], "operator {operator} after {}", self.read);
        assert_eq!(page.more, expected.len() > most, "operator {operator} after {}", self.read);
        *self = Self { place: page.next, read: self.read + told.len() };
        page.more
    }
}

/// The store's change, as the oracle's type.
fn entry(change: &Change) -> Entry {
    let kind = match change.kind {
        ChangeKind::Status { from, to } => EntryKind::Status { from, to },
        ChangeKind::Deleted(DeletedBy::Operator) => EntryKind::Deleted,
        ChangeKind::Deleted(DeletedBy::Registry) => EntryKind::Erased,
    };
    Entry { uuid: change.uuid, kind }
}

/// A walk through a list, page by page, while other operations happen.
struct Walk {
    listing: Listing,
    registered_until: Option<i64>,
    place: Option<ListPlace>,
    seen: Vec<(i64, ApplicationId)>,
    /// The applications that the list has shown from its beginning until now.
    throughout: BTreeSet<ApplicationId>,
}

impl Walk {
    fn new(oracle: &Oracle, feeds: &Feeds, operator: u32, journey_type: JourneyType, shown: Shown) -> Self {
        let Shown { of_type, status, from, to, registered_until } = shown;
        // No moment is from the one on and before the other.
        let to = to.filter(|to| from.is_none_or(|from| from < *to));
        let listing = Listing { operator, journey_type: of_type.then_some(journey_type), status, from, to };
        let mut walk = Self { listing, registered_until, place: None, seen: Vec::new(), throughout: BTreeSet::new() };
        walk.throughout = walk.shown(oracle, feeds);
        walk
    }

    fn shown(&self, oracle: &Oracle, feeds: &Feeds) -> BTreeSet<ApplicationId> {
        let shown = listed(oracle, feeds, &self.listing).into_iter();
        let shown =
            shown.filter(|record| self.registered_until.is_none_or(|until| registered_at(record.millis) <= until));
        shown.filter_map(|record| record.uuid).collect()
    }

    /// Reads the next page, compares it with the model, and returns whether there is another.
    async fn go_on(&mut self, store: &Store, oracle: &Oracle, feeds: &Feeds, most: usize) -> bool {
        let Listing { operator, journey_type, status, from, to } = self.listing;
        let moment = |millis: Option<i64>| millis.and_then(Instant::from_millis);
        let dates = ListedDates::new(moment(from), moment(to)).unwrap();
        let filter = ListFilter { journey_type, status, dates, ..ListFilter::default() };
        let until = moment(self.registered_until);
        let filter = until.map_or(filter, |until| filter.registered_until(until));
        let (page, next) =
            store.applications.list(support::operator(operator), &filter, self.place, most).await.unwrap();
        let now = self.shown(oracle, feeds);
        self.throughout.retain(|uuid| now.contains(uuid));
        assert!(page.len() <= most);
        for application in page {
            assert!(now.contains(&application.uuid), "{:?} shows {}", self.listing, application.uuid);
            let expected = feeds.status(application.uuid);
            assert_eq!(application.journey.map(|journey| journey.status), expected, "{}", application.uuid);
            self.seen.push((application.datetime.millis(), application.uuid));
        }
        self.place = next;
        if next.is_some() {
            return true;
        }
        assert!(self.seen.windows(2).all(|pair| pair[0].0 >= pair[1].0), "the latest first: {:?}", self.seen);
        let seen: BTreeSet<ApplicationId> = self.seen.iter().map(|(_, uuid)| *uuid).collect();
        assert_eq!(seen.len(), self.seen.len(), "none twice: {:?}", self.seen);
        let missed: Vec<_> = self.throughout.difference(&seen).collect();
        assert!(missed.is_empty(), "{:?} misses {missed:?}", self.listing);
        false
    }
}

/// When an application of this date is registered: [`support::application`] says so.
const fn registered_at(millis: i64) -> i64 {
    millis + 8 * 86_400_000
}

#[derive(Clone, Debug)]
struct Step {
    /// The seed for the form in which each field is typed.
    typed: u64,
    operator: u32,
    long: bool,
    operation: Operation,
}

/// Different drivers for each case, so that cases do not affect each other in the one database. The data of a driver is typed in any form
/// that the contract accepts.
struct World {
    number: u64,
    random: RefCell<Rng>,
}

impl World {
    fn new(number: u64) -> Self {
        Self { number, random: RefCell::new(Rng::with_seed(number)) }
    }

    fn phone(&self, phone: usize) -> typed::Phone {
        if phone == 0 {
            typed::Phone::mainland(self.number % 1_000_000)
        } else {
            typed::Phone::elsewhere(usize::try_from(self.number).unwrap(), self.number / 9 % 100)
        }
    }

    fn license(&self, license: usize) -> String {
        let number = self.number;
        match license % 3 {
            0 => format!("{number:08}{license:04}"),
            1 => format!("13AA{number:05}{license:04}"),
            _ => format!("99-DE{number}RRE{license}"),
        }
    }

    fn truncated(&self, name: usize, phone: usize) -> TruncatedIdentity {
        let phone = self.phone(phone);
        let read = support::truncated(["DUP", "TO ", "D H"][name], &phone.typed(&mut self.random.borrow_mut()));
        assert_eq!(read.phone_trunc.as_str(), phone.canonical());
        read
    }

    fn identity(&self, driver: &Driver) -> Identity {
        Identity {
            truncated: self.truncated(driver.name, driver.phone),
            driving_license: driver.license.map(|license| {
                let typed = typed::license(&self.license(license), &mut self.random.borrow_mut());
                DrivingLicense::parse(&typed).unwrap()
            }),
            identity_keys: self.identity_keys(driver.key, driver.journey_key),
        }
    }

    fn identity_keys(&self, callers: Option<usize>, journeys: Option<usize>) -> IdentityKeys {
        IdentityKeys::new(callers.map(|key| self.identity_key(key)), journeys.map(|key| self.identity_key(key)))
    }

    fn identity_key(&self, key: usize) -> IdentityKey {
        IdentityKey::parse(&format!("{:032x}{:032x}", self.number, key)).unwrap()
    }

    fn instant(&self, millis: i64) -> Instant {
        Instant::parse(&typed::instant(millis, &mut self.random.borrow_mut())).unwrap()
    }

    /// The application's UUID as a caller may type it.
    fn asked(&self, uuid: ApplicationId) -> ApplicationId {
        ApplicationId::parse(&typed::case(&uuid.to_string(), &mut self.random.borrow_mut())).unwrap()
    }
}

/// The store's blocking application, as the oracle's type.
fn in_the_way(blocker: Blocker) -> InTheWay {
    let Blocker { datetime, reason, operator, uuid } = blocker;
    InTheWay { millis: datetime.millis(), reason, operator: operator.get(), uuid }
}

/// The store's result for a key, as the oracle's type.
fn key_given(said: GivenKey) -> KeyGiven {
    match said {
        GivenKey::Given { contradicts } => KeyGiven::Given(named(&contradicts)),
        GivenKey::AlreadyHas => KeyGiven::AlreadyHas,
        GivenKey::Unknown => KeyGiven::Unknown,
        GivenKey::Closed(journey_type) => panic!("closed for {journey_type}, and never was"),
        GivenKey::HasAnother => KeyGiven::HasAnother,
        GivenKey::Blocked(blocker) => KeyGiven::Blocked(in_the_way(blocker)),
        GivenKey::NoRoom(NoRoom::Applications) => panic!("history is not an application"),
        GivenKey::NoRoom(NoRoom::Dates | NoRoom::Record) => KeyGiven::TooMany,
    }
}

/// The store's result for a row, as the oracle's type.
fn imported(said: HistoryOutcome) -> Imported {
    match said {
        HistoryOutcome::AlreadyKnown => Imported::Known,
        HistoryOutcome::Imported { contradicts } => Imported::New(named(&contradicts)),
        HistoryOutcome::NoRoom(NoRoom::Dates) => Imported::TooMany,
        HistoryOutcome::NoRoom(why) => panic!("{why}"),
    }
}

/// The expected result if the same request is sent again.
fn again(expected: &KeyGiven) -> KeyGiven {
    match expected {
        KeyGiven::Given(_) => KeyGiven::AlreadyHas,
        other => other.clone(),
    }
}

async fn run(stores: &Stores, world: &World, steps: &[Step]) {
    static NAMES: AtomicU64 = AtomicU64::new(1);
    let store = &stores.store;
    let (mut oracle, mut feeds) = (Oracle::default(), Feeds::default());
    let mut archived = Vec::new();
    let mut readers = [Reader::NEW; 3];
    let mut walk: Option<Walk> = None;
    for (number, step) in steps.iter().enumerate() {
        world.random.replace(Rng::with_seed(step.typed));
        let journey_type = if step.long { JourneyType::Long } else { JourneyType::Short };
        let asking = |driver: Driver, millis| Asking { journey_type, driver, millis, operator: step.operator };
        let row = |driver: &Driver, millis| HistoryRow {
            journey_type,
            name: driver.name,
            phone: driver.phone,
            millis,
            operator: step.operator,
        };
        match &step.operation {
            Operation::Register { driver, millis } => {
                let driver = Driver { journey_key: driver.journey_key.filter(|_| !step.long), ..*driver };
                let asking = asking(driver, *millis);
                let expected = oracle.in_the_way(&asking, &By::ALL).pop();
                let datetime = world.instant(*millis);
                let names = NAMES.fetch_add(1, Ordering::SeqCst);
                let identity = world.identity(&driver);
                let application = support::application(names, step.operator, journey_type, &identity, datetime);
                let journey = match step.long {
                    true => None,
                    false => Some(journey(store, world, step.operator, &driver, datetime, names).await),
                };
                let application = match &journey {
                    Some(journey) => support::using(application, journey),
                    None => application,
                };
                let uuid = application.uuid;
                let said = store.register(&application, journey.as_ref()).await;
                let found = store.applications.find(uuid).await.unwrap();
                let said = match said {
                    Registration::Registered => {
                        assert_eq!(found.as_ref(), Some(&application), "step {number}: the record is what was sent");
                        None
                    }
                    Registration::Blocked(blocker) => {
                        assert_eq!(found, None, "step {number}: a refused application left a record");
                        Some(in_the_way(blocker))
                    }
                    Registration::NoRoom(NoRoom::Applications) if expected.is_none() => {
                        assert!(oracle.is_full(&asking), "step {number}: {step:?}");
                        assert_eq!(found, None, "step {number}: a refused application left a record");
                        continue;
                    }
                    other => panic!("step {number}: {other:?}"),
                };
                assert_eq!(said, expected, "step {number}: {step:?}");
                if expected.is_none() {
                    assert!(!oracle.is_full(&asking), "step {number}: {step:?}");
                    oracle.grant(&asking, None, uuid);
                    if let Some(journey) = journey {
                        feeds.registered(uuid, step.operator, journey.journey.status);
                    }
                }
            }
            Operation::Simulate { driver, with_license, millis } => {
                let license = driver.license.filter(|_| *with_license);
                let driver = Driver { license, journey_key: None, ..*driver };
                let asking = asking(driver, *millis);
                let expected = oracle.in_the_way(&asking, &By::ALL).pop();
                // `RegisterMany` compares the result in this case.
                if expected.is_none() && oracle.is_full(&asking) {
                    continue;
                }
                let new = world.instant(*millis);
                let said = store.blocker(journey_type, &world.identity(&driver), new, step.operator).await;
                assert_eq!(said.map(in_the_way), expected, "step {number}: {step:?}");
            }
            Operation::Import { driver, millis, file } => {
                let identity = world.truncated(driver.name, driver.phone);
                let datetime = world.instant(*millis);
                let source = RowSource { import: import(step.operator, *file), line: number as u64 };
                let expected = oracle.import(&row(driver, *millis), u32::from(*file), number);
                for why in ["the first time", "the same row again, after a crash"] {
                    let said = store.import(journey_type, &identity, datetime, step.operator, source).await;
                    assert_eq!(imported(said), expected, "step {number}, {why}: {step:?}");
                }
            }
            Operation::ImportMany { driver, millis, rows } => {
                let identity = world.truncated(driver.name, driver.phone);
                for day in 0..i64::try_from(*rows).unwrap() {
                    let millis = millis - day * 86_400_000;
                    let line = 1_000 * number + usize::try_from(day).unwrap();
                    let source = RowSource { import: import(step.operator, 3), line: line as u64 };
                    let expected = oracle.import(&row(driver, millis), 3, line);
                    let datetime = world.instant(millis);
                    let said = store.import(journey_type, &identity, datetime, step.operator, source).await;
                    assert_eq!(imported(said), expected, "step {number}, row {day}: {step:?}");
                }
            }
            Operation::RegisterMany { driver, millis, drivers } => {
                for one in 0..*drivers {
                    let (license, key) = (Some(1_000 * number + one + 10), Some(1_000 * number + one + 10));
                    let driver = Driver { license, key, journey_key: None, ..*driver };
                    let asking = asking(driver, *millis);
                    let identity = world.identity(&driver);
                    let datetime = world.instant(*millis);
                    let names = NAMES.fetch_add(1, Ordering::SeqCst);
                    let application = support::application(names, step.operator, journey_type, &identity, datetime);
                    let cutoffs = Rules::default().cutoffs(journey_type, datetime);
                    let by = support::operator(step.operator);
                    let simulated =
                        store.simulator.simulate(journey_type, &identity, &cutoffs, by, support::soon()).await;
                    let blocker = oracle.in_the_way(&asking, &By::ALL).pop();
                    let expected = match blocker {
                        Some(blocker) => Some(Ok(blocker)),
                        None => oracle.is_full(&asking).then_some(Err(NoRoom::Applications)),
                    };
                    let said = match store.register(&application, None).await {
                        Registration::Registered => None,
                        Registration::Blocked(blocker) => Some(Ok(in_the_way(blocker))),
                        Registration::NoRoom(why) => Some(Err(why)),
                        other => panic!("step {number}: {other:?}"),
                    };
                    assert_eq!(said, expected, "step {number}, driver {one}: {step:?}");
                    let simulated = match simulated.unwrap() {
                        Simulated::Eligible => None,
                        Simulated::Blocked(blocker) => Some(Ok(in_the_way(blocker))),
                        Simulated::NoRoom(why) => Some(Err(why)),
                    };
                    assert_eq!(simulated, expected, "step {number}, driver {one} simulated: {step:?}");
                    if expected.is_none() {
                        oracle.grant(&asking, None, application.uuid);
                    }
                }
            }
            Operation::Delete { which, own, trouble } => {
                let Some(application) = granted(&oracle, &feeds, *which) else { continue };
                let by = if *own { application.operator } else { step.operator };
                let uuid = world.asked(application.uuid.unwrap());
                let expected = if oracle.delete(uuid, by) { Deleted::Done } else { Deleted::Unknown };
                let delete = async |store: &Store, deadline: Deadline| {
                    store.deleter.delete(support::operator(by), uuid, support::at(NOW), deadline).await
                };
                let said = stores.call(*trouble, &delete).await;
                assert!(said.is_none_or(|said| said == expected), "step {number}: {step:?}: {said:?}");
                if expected == Deleted::Done {
                    feeds.deleted(uuid, by);
                    archived.push(uuid);
                    assert_eq!(store.applications.find(uuid).await.unwrap(), None, "step {number}");
                    let again = delete(store, support::soon()).await;
                    assert_eq!(again.unwrap(), Deleted::Unknown, "step {number}: deleted twice");
                }
            }
            Operation::Erase { which, trouble } => {
                let Some(application) = granted(&oracle, &feeds, *which) else { continue };
                let uuid = application.uuid.unwrap();
                let found = store.applications.find(uuid).await.unwrap().unwrap();
                let data = DriverData { applications: vec![found], ..DriverData::default() };
                let erase = async |store: &Store, deadline: Deadline| {
                    store.eraser.erase(&data, "asked for", support::at(NOW), deadline).await
                };
                let said = stores.call(*trouble, erase).await;
                let is_done = |said: &Erased| said.applications == [uuid] && said.missed.is_empty();
                assert!(said.as_ref().is_none_or(is_done), "step {number}: {step:?}: {said:?}");
                // It still blocks its driver, so the oracle keeps it.
                feeds.erased(uuid, application.operator);
                archived.push(uuid);
                assert_eq!(store.applications.find(uuid).await.unwrap(), None, "step {number}");
            }
            Operation::Follow { which, status, trouble } => {
                let Some(application) = granted(&oracle, &feeds, *which) else { continue };
                let uuid = application.uuid.unwrap();
                let expected = feeds.follow(uuid, *status);
                let version = support::version(i64::try_from(number).unwrap() + 2, 1);
                let follow = async |store: &Store, deadline: Deadline| {
                    store.follower.follow(uuid, *status, &version, support::at(NOW), deadline).await
                };
                let said = stores.call(*trouble, follow).await;
                assert!(said.is_none_or(|said| said == expected), "step {number}: {step:?}: {said:?}");
                let stored = store.applications.find(uuid).await.unwrap().unwrap();
                let stored = stored.journey.map(|journey| journey.status);
                assert_eq!(stored, feeds.status(uuid), "step {number}: {step:?}");
            }
            Operation::ReadFeed { most } => {
                let reader = &mut readers[step.operator as usize - 1];
                reader.read_on(store, &feeds, step.operator, *most).await;
            }
            Operation::Walk { most, shown } => {
                let mut goes_on =
                    walk.take().unwrap_or_else(|| Walk::new(&oracle, &feeds, step.operator, journey_type, *shown));
                if goes_on.go_on(store, &oracle, &feeds, *most).await {
                    walk = Some(goes_on);
                }
            }
            Operation::GiveKey { which, own, key } => {
                let Some(application) = granted(&oracle, &feeds, *which) else { continue };
                let by = if *own { application.operator } else { step.operator };
                let uuid = world.asked(application.uuid.unwrap());
                let expected = oracle.give_key(uuid, by, *key);
                for expected in [&expected, &again(&expected)] {
                    let key = world.identity_key(*key);
                    let by = support::operator(by);
                    let said =
                        store.key_giver.give_key(by, uuid, &key, &Rules::default(), support::soon()).await.unwrap();
                    assert_eq!(key_given(said), *expected, "step {number}: {step:?}");
                }
                if matches!(expected, KeyGiven::Given(_)) {
                    let stored = store.applications.find(uuid).await.unwrap().unwrap();
                    let expected = world.identity_keys(Some(*key), application.journey_key);
                    assert_eq!(stored.identity.identity_keys, expected, "step {number}");
                }
            }
            Operation::GiveKeyToHistory { which, driver, millis, key } => {
                let specific: Vec<HistoryRow> = oracle
                    .records()
                    .iter()
                    .filter(|record| record.uuid.is_none())
                    .map(|record| HistoryRow {
                        journey_type: record.journey_type,
                        name: record.name,
                        phone: record.phone,
                        millis: record.millis,
                        operator: record.operator,
                    })
                    .collect();
                let chosen = which.filter(|_| !specific.is_empty()).map(|which| specific[which % specific.len()]);
                let row = chosen.unwrap_or_else(|| row(driver, *millis));
                let expected = oracle.give_key_to_history(&row, *key);
                for expected in [&expected, &again(&expected)] {
                    let history = HistoryKey {
                        journey_type: row.journey_type,
                        identity: &world.truncated(row.name, row.phone),
                        datetime: world.instant(row.millis),
                        operator: support::operator(row.operator),
                        identity_key: &world.identity_key(*key),
                    };
                    let said = store.key_giver.give_key_to_history(&history, &Rules::default(), support::soon()).await;
                    assert_eq!(key_given(said.unwrap()), *expected, "step {number}: {step:?}");
                }
            }
            Operation::Undo { file } => {
                for attempt in 0..2 {
                    let (mut removed, mut kept) = (0, 0);
                    let page =
                        store.remover.brought_by(import(step.operator, *file), None, support::soon()).await.unwrap();
                    assert_eq!(page.next, None, "one page holds the whole table");
                    for brought in page.brought {
                        (removed, kept) = (removed + brought.removed, kept + brought.kept);
                        store.remover.withdraw(brought, import(step.operator, *file), support::soon()).await.unwrap();
                    }
                    let expected = if attempt == 0 { oracle.undo(step.operator, u32::from(*file)) } else { (0, 0) };
                    assert_eq!((removed, kept), expected, "step {number}, attempt {attempt}: {step:?}");
                }
            }
        }
    }
    agree(store, &oracle, &archived).await;
    // The feed also holds late writes, so every reader reads on to the end.
    for (operator, mut reader) in (1..).zip(readers) {
        while reader.read_on(store, &feeds, operator, 3).await {}
        let mut new_reader = Reader::NEW;
        while new_reader.read_on(store, &feeds, operator, 2).await {}
        let all = Shown { of_type: false, status: None, from: None, to: None, registered_until: None };
        let mut walk = Walk::new(&oracle, &feeds, operator, JourneyType::Long, all);
        while walk.go_on(store, &oracle, &feeds, 3).await {}
    }
    let mut place = AuditPlace::Start;
    while place != AuditPlace::End {
        let part = store.auditor.audit(&place, &Rules::default(), support::at(NOW), support::soon()).await.unwrap();
        assert_eq!(part.findings, BTreeSet::new(), "{place}");
        place = part.place;
    }
}

/// A journey that only this application uses.
async fn journey(
    store: &Store,
    world: &World,
    operator: u32,
    driver: &Driver,
    end: Instant,
    number: u64,
) -> StoredJourney {
    let id = format!("trip{number}");
    let journey = Journey {
        driver_phone_trunc: PhoneTrunc::parse(&world.phone(driver.phone).canonical()).unwrap(),
        driver_identity_key: driver.journey_key.map(|key| world.identity_key(key)),
        ..support::journey(operator, &id, end)
    };
    support::put(store, &journey, &support::version(1, number)).await;
    support::find(store, operator, &id).await.unwrap()
}

/// One of the granted applications that are not erased, if there is any.
fn granted(oracle: &Oracle, feeds: &Feeds, which: usize) -> Option<Record> {
    let is_there = |record: &&Record| record.uuid.is_some_and(|uuid| !feeds.is_erased(uuid));
    let granted: Vec<&Record> = oracle.records().iter().filter(is_there).collect();
    (!granted.is_empty()).then(|| granted[which % granted.len()].clone())
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

/// Asserts that the tables hold exactly the records of the oracle, that the latest dates and counts of each item match its records, and
/// that no item is empty.
async fn agree(store: &Store, oracle: &Oracle, archived: &[ApplicationId]) {
    let items = store.scan(&store.tables.claims).await;
    let (mut specific, mut copies, mut standardized, mut counted) = (Vec::new(), 0, Vec::new(), 0);
    for item in items.values() {
        let mut latest = HashMap::from([("sd", None), ("sdk", None), ("sp", None), ("spk", None)]);
        let mut note = |name, millis: i64| {
            let latest: &mut Option<i64> = latest.get_mut(name).unwrap();
            *latest = (*latest).max(Some(millis));
        };
        let mut records = 0;
        let number = |prefix: &str| item.keys().filter(|name| name.starts_with(prefix)).count();
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
                "d" => {
                    let dates = value.as_ns().unwrap();
                    assert!(
                        dates.iter().all(|date| item.contains_key(&format!("h#{rest}#{date}"))),
                        "a date of nothing"
                    );
                    assert_eq!(number(&format!("h#{rest}#")), dates.len(), "a date that is not counted");
                    assert!(dates.len() <= MOST_HISTORY_DATES);
                    counted += dates.len();
                    continue;
                }
                "n" => {
                    let its = |(name, record): (&String, &AttributeValue)| {
                        name.starts_with("a#") && record.as_m().unwrap()["o"].as_n().unwrap() == rest
                    };
                    let there = item.iter().filter(|record| its(*record)).count();
                    assert_eq!(value.as_n().unwrap(), &there.to_string(), "applications that are not counted");
                    assert!((1..=MOST_APPLICATIONS).contains(&there));
                    continue;
                }
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
        oracle.records().iter().filter(|r| r.uuid.is_none()).map(|r| (r.operator, r.millis)).collect();
    specific.sort_unstable();
    expected.sort_unstable();
    assert_eq!(specific, expected);
    assert_eq!(counted, specific.len(), "each date is counted");
    let with_key = oracle.records().iter().filter(|r| r.uuid.is_none() && r.key.is_some());
    let distinct: HashSet<_> = with_key.map(|r| (r.journey_type, r.key, r.operator, r.millis)).collect();
    assert_eq!(copies, distinct.len());
    // Each application has all its claims, and each claim has its application.
    let claims = |r: &Record| std::iter::repeat_n(r.uuid, 2 + r.keys().len()).flatten();
    let mut expected: Vec<_> = oracle.records().iter().flat_map(claims).collect();
    standardized.sort_unstable();
    expected.sort_unstable();
    assert_eq!(standardized, expected);
    let mut kept: Vec<_> = store.scan(&store.tables.archive).await.into_keys().collect();
    let mut expected: Vec<_> = archived.iter().map(ToString::to_string).collect();
    kept.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kept, expected);
}

/// Whether a specific application on an item is compared by its key: it has one, no other key came, and no file brought it twice.
fn told_apart(item: &support::Item, name: &str, rest: &str) -> bool {
    let Some(key) = item.get(&format!("k#{rest}")) else { return false };
    let sources = item[name].as_l().unwrap().iter();
    let mut imports: Vec<_> = sources.filter_map(|row| Some(row.as_b().ok()?.as_ref()[..16].to_vec())).collect();
    imports.sort();
    !key.as_m().unwrap().contains_key("x") && imports.windows(2).all(|pair| pair[0] != pair[1])
}

/// Dates on, just before and just after every edge of each other's windows.
fn dates() -> impl Strategy<Value = i64> {
    let anchors = prop::sample::select(vec![
        // 29 February, the floors, Paris midnight at New Year, and both changes to and from summer time.
        millis("2024-02-29T12:00:00Z"),
        millis("2028-02-29T00:00:00Z"),
        // 28 February three and five years after a 29 February, which blocks until the end of that day.
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
    let keys = (prop::option::of(0..3usize), prop::option::of(0..3usize));
    (0..3usize, 0..2usize, 0..4usize, keys).prop_map(|(name, phone, license, (key, journey_key))| Driver {
        name,
        phone,
        license: Some(license),
        key,
        journey_key,
    })
}

fn statuses() -> impl Strategy<Value = JourneyStatus> {
    prop::sample::select(vec![JourneyStatus::Ok, JourneyStatus::Canceled, JourneyStatus::FraudError])
}

fn troubles() -> impl Strategy<Value = Trouble> {
    let some = vec![
        Trouble::Lost,
        Trouble::AnswerLost,
        Trouble::FailedAfter,
        Trouble::Busy,
        Trouble::Killed { after: false },
        Trouble::Killed { after: true },
    ];
    prop_oneof![3 => Just(Trouble::None), 1 => prop::sample::select(some)]
}

fn shown() -> impl Strategy<Value = Shown> {
    let moment = || prop::option::weighted(0.3, dates());
    let status = prop::option::weighted(0.3, statuses());
    (prop::bool::weighted(0.3), status, moment(), moment(), moment())
        .prop_map(|(of_type, status, from, to, registered_until)| Shown { of_type, status, from, to, registered_until })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let operation = prop_oneof![
        20 => (drivers(), dates()).prop_map(|(driver, millis)| Operation::Register { driver, millis }),
        12 => (drivers(), any::<bool>(), dates())
            .prop_map(|(driver, with_license, millis)| Operation::Simulate { driver, with_license, millis }),
        // Few dates, so that files repeat each other's rows.
        16 => (drivers(), dates(), 0..3u8).prop_map(|(driver, millis, file)| Operation::Import { driver, millis, file }),
        8 => (drivers(), Just(millis("2024-02-29T12:00:00Z")), 0..3u8)
            .prop_map(|(driver, millis, file)| Operation::Import { driver, millis, file }),
        1 => (drivers(), dates(), 15..26usize).prop_map(|(driver, millis, rows)| Operation::ImportMany { driver, millis, rows }),
        1 => (drivers(), dates(), 15..26usize)
            .prop_map(|(driver, millis, drivers)| Operation::RegisterMany { driver, millis, drivers }),
        4 => (0..4u8).prop_map(|file| Operation::Undo { file }),
        8 => (any::<usize>(), prop::bool::weighted(0.8), troubles())
            .prop_map(|(which, own, trouble)| Operation::Delete { which, own, trouble }),
        2 => (any::<usize>(), troubles()).prop_map(|(which, trouble)| Operation::Erase { which, trouble }),
        12 => (any::<usize>(), statuses(), troubles())
            .prop_map(|(which, status, trouble)| Operation::Follow { which, status, trouble }),
        8 => (1..4usize).prop_map(|most| Operation::ReadFeed { most }),
        8 => (1..4usize, shown()).prop_map(|(most, shown)| Operation::Walk { most, shown }),
        8 => (any::<usize>(), prop::bool::weighted(0.8), 0..3usize)
            .prop_map(|(which, own, key)| Operation::GiveKey { which, own, key }),
        8 => (prop::option::weighted(0.8, any::<usize>()), drivers(), dates(), 0..3usize).prop_map(
            |(which, driver, millis, key)| Operation::GiveKeyToHistory { which, driver, millis, key }
        ),
    ];
    let step = (any::<u64>(), 1..4u32, any::<bool>(), operation).prop_map(|(typed, operator, long, operation)| Step {
        typed,
        operator,
        long,
        operation,
    });
    prop::collection::vec(step, 40..60)
}

/// The minimum number of random operations, unless `MODEL_OPERATIONS` sets another.
const OPERATIONS: usize = 20_000;

/// The number of threads.
const THREADS: usize = 2;

#[test]
fn store_answers_like_model() {
    static WORLDS: AtomicU64 = AtomicU64::new(0);
    static COMPARED: AtomicUsize = AtomicUsize::new(0);
    // A variable of this test and not a setting of the service.
    #[allow(clippy::disallowed_methods)]
    let operations = std::env::var("MODEL_OPERATIONS").map_or(OPERATIONS, |number| number.parse().unwrap());
    // A case has 40 to 59 steps. With their mean, there would sometimes be too few operations.
    let cases = u32::try_from(operations.div_ceil(40 * THREADS)).unwrap();
    let defaults = ProptestConfig::default();
    // If only the result of the test matters, the environment can switch off proptest's shrinking.
    let max_shrink_iters = defaults.max_shrink_iters.min(300);
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters, ..defaults };
    let compare = &|thread: u64| {
        // A seed in the environment gives each thread its own cases, and the same cases in each run.
        let rng_seed = match config.rng_seed {
            RngSeed::Fixed(seed) => RngSeed::Fixed(seed.wrapping_add(thread)),
            RngSeed::Random => RngSeed::Random,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { rng_seed, ..config.clone() });
        runner
            .run(&steps(), |steps| {
                let world = World::new(WORLDS.fetch_add(1, Ordering::SeqCst));
                // A store per case, because an undo reads the whole table.
                runtime.block_on(async {
                    let (store, disturbed, faults) = store_with_faults().await;
                    run(&Stores { store, disturbed, faults }, &world, &steps).await;
                });
                COMPARED.fetch_add(steps.len(), Ordering::SeqCst);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64).map(|thread| scope.spawn(move || compare(thread))).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    assert!(COMPARED.load(Ordering::SeqCst) >= operations);
}
