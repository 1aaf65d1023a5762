//! The feed of an operator's changes as a state machine: writers that number their changes, a reader, and everything that can happen to
//! them. `docs/protocol.md` explains it. Written from ADR 53; it shares no code with the store.
//!
//! A request and its response are one step, unless there is a mishap in between. A writer that never continues is a crash. Changes do not
//! expire here: `shared/registry/tests/store/changes.rs` tests that.

use std::collections::BTreeMap;

use stateright::{Checker, Model, Property};

use crate::search::{counterexample, explore};

/// A fault that is put into the protocol. The checker must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A change is put even if another change has its number.
    NumberUnchecked,
    /// A change is put even if its application has changed since it was read.
    ApplicationUnchecked,
    /// The application is written first, and its change with a second request.
    TwoRequests,
    /// A change takes its number from a counter, and not from the last change.
    Counter,
    /// A reader continues after a gap.
    GapSkipped,
    /// A writer whose response was lost returns that it is done.
    LostIsDone,
}

/// An application: its status, and the line of a journeys file that the status comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Application {
    Live { status: u8, line: u8 },
    Gone,
}

const REGISTERED: Application = Application::Live { status: 0, line: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    Status { from: u8, to: u8 },
    Deleted,
}

/// A change of the application with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Change {
    application: usize,
    what: What,
}

/// A transaction: the application as it was read and as it is to be, and the change under its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Request {
    read: Application,
    next: Application,
    change: Change,
    number: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Call {
    /// This line of a journeys file gives the journey of an application a status.
    Follow { application: usize, status: u8, line: u8 },
    /// The operator deletes an application.
    Delete { application: usize },
}

impl Call {
    const fn application(self) -> usize {
        match self {
            Self::Follow { application, .. } | Self::Delete { application } => application,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Begin,
    /// The writer has read its application.
    Read(Application),
    /// It has read the last change, and sends this next.
    Ready(Request),
    /// The application is written, and its change is not ([`Fault::TwoRequests`]).
    Half(Request),
    /// It has returned whether anything changed.
    Done(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Writer {
    call: Call,
    place: Place,
    /// Whether a request of unknown outcome was sent.
    perhaps: bool,
}

/// A reader reads two numbers after its cursor with one request, which is no snapshot: each at a different moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Reader {
    /// What it has read. Its length is the cursor.
    seen: Vec<Change>,
    page: Vec<Option<Change>>,
    /// Whether it reads again because of a gap.
    again: bool,
}

/// What has happened so far. Without it, nothing would show that the model does anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Happened {
    collided: bool,
    late_refused: bool,
    late_written: bool,
    gap: bool,
    /// A gap that was still there in the second read.
    gap_stayed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct State {
    applications: [Application; 2],
    feed: BTreeMap<u8, Change>,
    /// The changes of applications, in the order in which they were written.
    committed: Vec<Change>,
    writers: Vec<Writer>,
    /// Requests whose sender no longer waits. They may be written at any moment, or never.
    late: Vec<Request>,
    reader: Reader,
    mishaps: u8,
    /// For [`Fault::Counter`].
    counter: u8,
    happened: Happened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// A writer sends its next request and gets the response.
    Step(usize),
    /// The request is written and its response is lost. The writer reads again.
    LoseAnswer(usize),
    /// The request takes longer than its sender waits. The writer reads again.
    Delay(usize),
    /// A late request is written.
    Arrive(usize),
    /// The process of a writer is killed, and the call is sent again.
    CallAgain(usize),
    /// The reader gets one more item of its page.
    Look,
}

/// The scope of an exploration.
#[derive(Clone, Debug)]
struct Feed {
    starts: Vec<Vec<Call>>,
    mishaps: u8,
    fault: Option<Fault>,
}

const COMPLETE: &str = "the feed holds each change once, without a gap, in the order in which they were written";
const REPLAYED: &str = "the feed, replayed, gives the state of each application";
const MISSED: &str = "a reader has read the first changes, in their order, and misses none";
const CLOSES: &str = "a gap is not there in a second read";
const DONE: &str = "whoever is told that an application is deleted or unknown finds it deleted";

impl Feed {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The transaction of a writer that has read its application and now reads the last change.
    fn request(&self, state: &mut State, call: Call, read: Application) -> Request {
        let Application::Live { status: from, .. } = read else { unreachable!("it was not live") };
        let (next, what) = match call {
            Call::Follow { status, line, .. } => {
                (Application::Live { status, line }, What::Status { from, to: status })
            }
            Call::Delete { .. } => (Application::Gone, What::Deleted),
        };
        let last = state.feed.keys().next_back().copied().unwrap_or(0);
        state.counter += u8::from(self.has(Fault::Counter));
        let number = if self.has(Fault::Counter) { state.counter } else { last + 1 };
        Request { read, next, change: Change { application: call.application(), what }, number }
    }

    /// Writes all of a transaction or nothing.
    fn carry_out(&self, state: &mut State, request: &Request) -> bool {
        let Request { read, next, change, number } = *request;
        let as_read = state.applications[change.application] == read || self.has(Fault::ApplicationUnchecked);
        let is_free = !state.feed.contains_key(&number) || self.has(Fault::NumberUnchecked);
        if as_read && is_free {
            state.applications[change.application] = next;
            state.feed.insert(number, change);
            state.committed.push(change);
        }
        as_read && is_free
    }

    fn step(&self, state: &mut State, number: usize) {
        let Writer { call, place, perhaps } = state.writers[number];
        let found = state.applications[call.application()];
        state.writers[number].place = match place {
            Place::Begin => match (call, found) {
                (_, Application::Gone) => Place::Done(perhaps),
                (Call::Follow { line, .. }, Application::Live { line: newer, .. }) if newer >= line => {
                    Place::Done(perhaps)
                }
                // One conditional write: the line is newer, and says the same.
                (Call::Follow { application, status, line }, Application::Live { status: same, .. })
                    if same == status =>
                {
                    state.applications[application] = Application::Live { status, line };
                    Place::Done(perhaps)
                }
                (_, live) => Place::Read(live),
            },
            Place::Read(read) => Place::Ready(self.request(state, call, read)),
            Place::Ready(request) if self.has(Fault::TwoRequests) => {
                if found == request.read {
                    state.applications[call.application()] = request.next;
                    state.committed.push(request.change);
                    Place::Half(request)
                } else {
                    Place::Begin
                }
            }
            Place::Half(request) => {
                let last = state.feed.keys().next_back().copied().unwrap_or(0);
                state.feed.insert(last + 1, request.change);
                Place::Done(true)
            }
            Place::Ready(request) => {
                let is_taken = state.feed.contains_key(&request.number);
                if self.carry_out(state, &request) {
                    Place::Done(true)
                } else {
                    state.happened.collided |= is_taken && found == request.read;
                    Place::Begin
                }
            }
            Place::Done(_) => place,
        };
    }

    /// The reader gets the next item of its page. After the second one it takes what comes before a gap.
    fn look(&self, state: &mut State) {
        let State { reader, feed, happened, .. } = state;
        let number = u8::try_from(reader.seen.len() + reader.page.len() + 1).unwrap();
        reader.page.push(feed.get(&number).copied());
        let [one, two] = reader.page[..] else { return };
        reader.page.clear();
        match (one, two) {
            (None, Some(two)) if self.has(Fault::GapSkipped) => reader.seen.push(two),
            (None, Some(_)) => {
                happened.gap = true;
                happened.gap_stayed |= reader.again;
                reader.again = !reader.again;
            }
            (one, two) => {
                reader.again = false;
                reader.seen.extend(one.into_iter().chain(two));
            }
        }
    }
}

impl State {
    /// The applications as the feed tells them.
    fn replayed(&self) -> Option<[Option<u8>; 2]> {
        let mut statuses = [Some(0); 2];
        for Change { application, what } in self.feed.values() {
            let status = &mut statuses[*application];
            *status = match (*status, *what) {
                (Some(known), What::Status { from, to }) if known == from && from != to => Some(to),
                (Some(_), What::Deleted) => None,
                _ => return None,
            };
        }
        Some(statuses)
    }

    fn statuses(&self) -> [Option<u8>; 2] {
        self.applications.map(|application| match application {
            Application::Live { status, .. } => Some(status),
            Application::Gone => None,
        })
    }
}

impl Model for Feed {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = |calls: &Vec<Call>| State {
            applications: [REGISTERED; 2],
            feed: BTreeMap::new(),
            committed: Vec::new(),
            writers: calls.iter().map(|call| Writer { call: *call, place: Place::Begin, perhaps: false }).collect(),
            late: Vec::new(),
            reader: Reader::default(),
            mishaps: self.mishaps,
            counter: 0,
            happened: Happened::default(),
        };
        self.starts.iter().map(start).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, writer) in state.writers.iter().enumerate() {
            if matches!(writer.place, Place::Done(_)) {
                continue;
            }
            actions.push(Action::Step(number));
            if state.mishaps > 0 && writer.place != Place::Begin {
                actions.push(Action::CallAgain(number));
                if matches!(writer.place, Place::Ready(_)) && !self.has(Fault::TwoRequests) {
                    actions.extend([Action::LoseAnswer(number), Action::Delay(number)]);
                }
            }
        }
        actions.extend((0..state.late.len()).map(Action::Arrive));
        actions.push(Action::Look);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(number) => self.step(&mut state, number),
            Action::LoseAnswer(number) | Action::Delay(number) => {
                let Place::Ready(request) = state.writers[number].place else { return None };
                if action == Action::Delay(number) {
                    state.late.push(request);
                } else if !self.carry_out(&mut state, &request) {
                    // A request that failed its condition, with a lost response, is as if it had never been sent.
                    return None;
                }
                state.mishaps -= 1;
                let writer = &mut state.writers[number];
                let next = if self.has(Fault::LostIsDone) { Place::Done(true) } else { Place::Begin };
                (writer.place, writer.perhaps) = (next, true);
            }
            Action::Arrive(place) => {
                let request = state.late.remove(place);
                let is_written = self.carry_out(&mut state, &request);
                state.happened.late_written |= is_written;
                state.happened.late_refused |= !is_written;
            }
            Action::CallAgain(number) => {
                state.mishaps -= 1;
                let writer = &mut state.writers[number];
                (writer.place, writer.perhaps) = (Place::Begin, false);
            }
            Action::Look => self.look(&mut state),
        }
        // Sorted, so that equivalent states are equal.
        state.late.sort();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(COMPLETE, |_, state: &State| {
                state.feed.keys().copied().eq(1..=u8::try_from(state.feed.len()).unwrap())
                    && state.feed.values().eq(&state.committed)
            }),
            Property::always(REPLAYED, |_, state: &State| state.replayed() == Some(state.statuses())),
            Property::always(MISSED, |_, state: &State| state.committed.starts_with(&state.reader.seen)),
            Property::always(CLOSES, |_, state: &State| !state.happened.gap_stayed),
            Property::always(DONE, |_, state: &State| {
                state.writers.iter().all(|Writer { call, place, .. }| {
                    let is_delete = matches!(call, Call::Delete { .. }) && matches!(place, Place::Done(_));
                    !is_delete || state.applications[call.application()] == Application::Gone
                })
            }),
            Property::sometimes("three writers are done, and two of them collided", |_, state: &State| {
                state.happened.collided && state.committed.len() == 3
            }),
            Property::sometimes("a late request is written", |_, state: &State| state.happened.late_written),
            Property::sometimes("a late request finds its number taken", |_, state: &State| {
                state.happened.late_refused
            }),
            Property::sometimes("a reader sees a gap, and then what was in it", |_, state: &State| {
                state.happened.gap && state.reader.seen.len() == 3
            }),
            Property::sometimes("a lost response is reported as done", |_, state: &State| {
                state.writers.iter().any(|writer| writer.perhaps && writer.place == Place::Done(true))
            }),
            Property::sometimes("a status, another status, and a delete", |_, state: &State| {
                let kinds = state.committed.iter().map(|change| (change.application, change.what));
                kinds.eq([
                    (0, What::Status { from: 0, to: 1 }),
                    (0, What::Status { from: 1, to: 2 }),
                    (0, What::Deleted),
                ])
            }),
        ]
    }
}

/// Any three of these: two lines about one application, a line about another one, and a delete of the first.
fn three() -> Vec<Vec<Call>> {
    let calls = calls();
    let after = |one: usize| one..calls.len();
    let pairs = after(0).flat_map(|one| after(one).map(move |two| [one, two]));
    let three = pairs.flat_map(|[one, two]| after(two).map(move |three| [one, two, three]));
    three.map(|numbers| numbers.map(|number| calls[number]).to_vec()).collect()
}

/// Any two of them.
fn two() -> Vec<Vec<Call>> {
    let calls = calls();
    let pairs = (0..calls.len()).flat_map(|one| (one..calls.len()).map(move |two| [one, two]));
    pairs.map(|numbers| numbers.map(|number| calls[number]).to_vec()).collect()
}

const fn calls() -> [Call; 4] {
    [
        Call::Follow { application: 0, status: 1, line: 1 },
        Call::Follow { application: 0, status: 2, line: 2 },
        Call::Follow { application: 1, status: 1, line: 1 },
        Call::Delete { application: 0 },
    ]
}

#[test]
fn three_changes_keep_every_property_of_the_feed() {
    explore("three changes", Feed { starts: three(), mishaps: 1, fault: None }).assert_properties();
}

#[test]
fn two_changes_with_two_mishaps_keep_every_property_of_the_feed() {
    let checker = explore("two unlucky changes", Feed { starts: two(), mishaps: 2, fault: None });
    // The examples need three changes.
    for property in [COMPLETE, REPLAYED, MISSED, CLOSES, DONE] {
        checker.assert_no_discovery(property);
    }
}

/// The checker must find each of these faults.
#[test]
fn every_seeded_fault_of_the_feed_has_a_counterexample() {
    for (fault, mishaps, property, steps) in [
        (Fault::NumberUnchecked, 0, COMPLETE, 6),
        (Fault::ApplicationUnchecked, 0, REPLAYED, 6),
        (Fault::TwoRequests, 0, REPLAYED, 3),
        (Fault::Counter, 0, COMPLETE, 5),
        (Fault::Counter, 0, CLOSES, 9),
        (Fault::GapSkipped, 0, MISSED, 8),
        (Fault::LostIsDone, 1, DONE, 3),
    ] {
        let feed = Feed { starts: three(), mishaps, fault: Some(fault) };
        let Some(path) = counterexample(&feed, property) else { panic!("{fault:?}: no way to break \"{property}\"") };
        let actions = path.into_actions();
        println!("{fault:?}: {} steps to break \"{property}\"\n    {actions:?}", actions.len());
        assert_eq!(actions.len(), steps, "{fault:?}: docs/protocol.md says otherwise");
    }
}
