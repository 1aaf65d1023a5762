//! A wire between the functions and DynamoDB that writes down what goes over it, and lets a test say what goes wrong.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

pub use aws_stand_in::faults::Fault;
use aws_stand_in::faults::{self, Call, Plan};
use cee_local::stack::Options;
use fastrand::Rng;
use hyper::body::Bytes;
use tokio::sync::oneshot;

use crate::support::{NOW, World, at, world_with};

/// The seed of all tests.
const SEED: u64 = 30;

/// What has gone over a wire, and what goes wrong on it.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The operations that have gone over it since they were last looked at.
    operations: Mutex<Vec<String>>,
    /// What each of them took, and whether anybody asks.
    taken: Mutex<Option<Vec<Taken>>>,
    /// What was done to requests.
    faults: Mutex<Vec<Fault>>,
    /// How many of a hundred requests something happens to.
    percent: AtomicU32,
    /// What happens to the next requests that hold this text.
    next: Mutex<(&'static str, VecDeque<Fault>)>,
    /// What happens to each request that holds this text.
    always: Mutex<Option<(&'static str, Fault)>>,
    /// The next request that holds this text tells that it has come, and waits.
    hold: Mutex<Option<Hold>>,
}

/// The text of the request that is to be held up, what tells that it has come, and what lets it go on.
type Hold = (&'static str, oneshot::Sender<()>, mpsc::Receiver<()>);

/// A request, and the capacity units that it took: none are told of one that was refused.
#[derive(Clone, Debug)]
pub struct Taken {
    pub operation: String,
    pub body: Bytes,
    pub units: Option<f64>,
}

/// A request that is held up.
pub struct Held {
    come: oneshot::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Held {
    /// Returns when it has come.
    pub async fn come(&mut self) {
        (&mut self.come).await.unwrap();
    }

    /// Lets it go on.
    pub fn release(self) {
        self.go.send(()).unwrap();
    }
}

impl Wire {
    /// A world whose functions reach DynamoDB over this wire, and whose tests do not.
    pub async fn world() -> (World, Self) {
        Self::world_with(|_| {}).await
    }

    pub async fn world_with(change: impl FnOnce(&mut Options)) -> (World, Self) {
        let wire = Self(Arc::default());
        let world = world_with(|options| {
            options.now = Some(at(NOW));
            options.faults = Some(wire.plan());
            change(options);
        })
        .await;
        (world, wire)
    }

    /// A wire that no stack has yet.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// What a stack is started with to have this wire.
    pub fn plan(&self) -> Arc<dyn Plan> {
        Arc::new(self.clone())
    }

    /// Lets something happen to so many of a hundred requests from now on.
    pub fn disturb(&self, percent: u32) {
        self.0.percent.store(percent, Ordering::SeqCst);
    }

    /// Lets this happen to the next requests that hold this text, one after the other.
    pub fn next(&self, text: &'static str, faults: impl IntoIterator<Item = Fault>) {
        *self.0.next.lock().unwrap() = (text, faults.into_iter().collect());
    }

    /// Lets this happen to every request that holds this text.
    pub fn always(&self, text: &'static str, fault: Fault) {
        *self.0.always.lock().unwrap() = Some((text, fault));
    }

    /// Holds up the next request that holds this text.
    pub fn hold(&self, text: &'static str) -> Held {
        let ((came, come), (go, gone)) = (oneshot::channel(), mpsc::channel());
        *self.0.hold.lock().unwrap() = Some((text, came, gone));
        Held { come, go }
    }

    /// What has gone over the wire since this was last asked.
    pub fn take_operations(&self) -> Vec<String> {
        std::mem::take(&mut self.0.operations.lock().unwrap())
    }

    /// What the requests took that have gone over it since this was last asked; the first time, nothing.
    pub fn take_units(&self) -> Vec<Taken> {
        self.0.taken.lock().unwrap().replace(Vec::new()).unwrap_or_default()
    }

    /// What was done to requests since this was last asked.
    pub fn take_faults(&self) -> Vec<Fault> {
        std::mem::take(&mut self.0.faults.lock().unwrap())
    }
}

impl Plan for Wire {
    fn fault(&self, call: &Call<'_>, random: &mut Rng) -> Option<Fault> {
        self.0.operations.lock().unwrap().push(call.operation.to_owned());
        let text = String::from_utf8_lossy(call.body);
        let held = self.0.hold.lock().unwrap().take_if(|(wanted, ..)| text.contains(*wanted));
        if let Some((_, came, gone)) = held {
            came.send(()).unwrap();
            tokio::task::block_in_place(|| gone.recv().unwrap());
        }
        let wanted = {
            let mut next = self.0.next.lock().unwrap();
            if text.contains(next.0) { next.1.pop_front() } else { None }
        };
        let always = self.0.always.lock().unwrap().filter(|(wanted, _)| text.contains(*wanted));
        let wanted = wanted.or(always.map(|(_, fault)| fault));
        let percent = self.0.percent.load(Ordering::SeqCst);
        let fault = wanted.or_else(|| faults::Seeded { seed: SEED, percent }.fault(call, random));
        self.0.faults.lock().unwrap().extend(fault);
        fault
    }

    fn seed(&self) -> u64 {
        SEED
    }

    fn meters(&self) -> bool {
        self.0.taken.lock().unwrap().is_some()
    }

    fn took(&self, call: &Call<'_>, units: Option<f64>) {
        let taken = Taken { operation: call.operation.to_owned(), body: call.body.clone(), units };
        self.0.taken.lock().unwrap().get_or_insert_default().push(taken);
    }
}
