//! A proxy between the functions and DynamoDB that records the requests, and lets a test choose the faults.

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

/// The requests that have passed the proxy, and its faults.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The operations that have passed since the last look.
    operations: Mutex<Vec<String>>,
    /// The capacity of each request, if a test asks for it.
    taken: Mutex<Option<Vec<Taken>>>,
    /// The faults so far.
    faults: Mutex<Vec<Fault>>,
    /// The percentage of requests with a fault.
    percent: AtomicU32,
    /// The faults of the next requests that contain this text.
    next: Mutex<(&'static str, VecDeque<Fault>)>,
    /// The fault of each request that contains this text.
    always: Mutex<Option<(&'static str, Fault)>>,
    /// The next request that contains this text reports its arrival, and waits.
    hold: Mutex<Option<Hold>>,
}

/// The text of the request to hold, the channel that reports its arrival, and the channel that releases it.
type Hold = (&'static str, oneshot::Sender<()>, mpsc::Receiver<()>);

/// A request, and its capacity units: `None` if it was refused.
#[derive(Clone, Debug)]
pub struct Taken {
    pub operation: String,
    pub body: Bytes,
    pub units: Option<f64>,
}

/// A held request.
pub struct Held {
    come: oneshot::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Held {
    /// Returns when it has arrived.
    pub async fn come(&mut self) {
        (&mut self.come).await.unwrap();
    }

    /// Releases it.
    pub fn release(self) {
        self.go.send(()).unwrap();
    }
}

impl Wire {
    /// A world whose functions reach DynamoDB through this proxy, and whose tests do not.
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

    /// A proxy that no stack uses yet.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The options for a stack that uses this proxy.
    pub fn plan(&self) -> Arc<dyn Plan> {
        Arc::new(self.clone())
    }

    /// From now on, this percentage of requests gets a fault.
    pub fn disturb(&self, percent: u32) {
        self.0.percent.store(percent, Ordering::SeqCst);
    }

    /// The next requests that contain this text get these faults, one after the other.
    pub fn next(&self, text: &'static str, faults: impl IntoIterator<Item = Fault>) {
        *self.0.next.lock().unwrap() = (text, faults.into_iter().collect());
    }

    /// Every request that contains this text gets this fault.
    pub fn always(&self, text: &'static str, fault: Fault) {
        *self.0.always.lock().unwrap() = Some((text, fault));
    }

    /// Ends what [`Self::always`] began.
    pub fn calm(&self) {
        *self.0.always.lock().unwrap() = None;
    }

    /// Holds the next request that contains this text.
    pub fn hold(&self, text: &'static str) -> Held {
        let ((came, come), (go, gone)) = (oneshot::channel(), mpsc::channel());
        *self.0.hold.lock().unwrap() = Some((text, came, gone));
        Held { come, go }
    }

    /// The operations that have passed since the last call.
    pub fn take_operations(&self) -> Vec<String> {
        std::mem::take(&mut self.0.operations.lock().unwrap())
    }

    /// The capacity of the requests since the last call; the first time, nothing.
    pub fn take_units(&self) -> Vec<Taken> {
        self.0.taken.lock().unwrap().replace(Vec::new()).unwrap_or_default()
    }

    /// The faults since the last call.
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
