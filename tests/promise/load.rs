//! Calls that arrive at random times, whether or not earlier calls are answered. Each is timed from the moment at which it was due,
//! so that a service that falls behind shows it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::drive::{Answer, Callers};

/// Callers that send as fast as they are answered, to measure the capacity of the service.
const EAGER: usize = 64;

/// How often the memory is measured.
const LOOK: Duration = Duration::from_secs(30);

/// A certificate, and its expected state.
#[derive(Clone, Copy)]
struct Certificate {
    operator: u32,
    driver: u64,
    /// Of the body of its 201.
    fingerprint: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// A call to delete it is in progress, or had no response.
    Unknown,
    Deleted,
}

/// The calls and responses.
#[derive(Default)]
pub struct Measured {
    /// The time from the moment at which a call was due to its response, in microseconds.
    times: Mutex<Vec<u32>>,
    statuses: Mutex<HashMap<u16, u64>>,
    certificates: Mutex<Certificates>,
    drivers: AtomicU64,
    seconds: f64,
    /// Certificates that differ from the 201, or are missing.
    wrong: AtomicU64,
}

#[derive(Default)]
struct Certificates {
    known: HashMap<String, Certificate>,
    names: Vec<String>,
}

impl Certificates {
    fn any(&self, random: &mut Rng) -> Option<(String, Certificate)> {
        let name = self.names.get(random.usize(..self.names.len().max(1)))?;
        let certificate = self.known.get(name).filter(|certificate| certificate.state == State::Live)?;
        Some((name.clone(), *certificate))
    }
}

fn fingerprint(body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The capacity: answered calls a second.
pub async fn capacity(callers: Arc<Callers>, time: Duration) -> f64 {
    let (measured, began) = (Arc::new(Measured::default()), Instant::now());
    let mut eager = JoinSet::new();
    for caller in 0..EAGER {
        let (callers, measured) = (Arc::clone(&callers), Arc::clone(&measured));
        eager.spawn(async move {
            let mut random = Rng::with_seed(caller as u64);
            while began.elapsed() < time {
                measured.one(&callers, &mut random, Instant::now()).await;
            }
        });
    }
    eager.join_all().await;
    let answered = measured.times.lock().unwrap().len();
    answered as f64 / began.elapsed().as_secs_f64()
}

/// This many calls a second, at random moments.
pub async fn run(callers: Arc<Callers>, rate: f64, time: Duration, seed: u64, memory: impl Fn(Duration)) -> Measured {
    let measured = Arc::new(Measured::default());
    let mut random = Rng::with_seed(seed);
    let mut calls = JoinSet::new();
    let (began, mut due, mut look) = (Instant::now(), Duration::ZERO, Duration::ZERO);
    while due < time {
        // The gaps between independent calls.
        due += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / rate);
        tokio::time::sleep_until((began + due).into()).await;
        let (callers, measured, mut random) = (Arc::clone(&callers), Arc::clone(&measured), random.fork());
        calls.spawn(async move { measured.one(&callers, &mut random, began + due).await });
        while calls.try_join_next().is_some() {}
        if due >= look {
            memory(look);
            look += LOOK;
        }
    }
    calls.join_all().await;
    memory(began.elapsed());
    let mut measured = Arc::into_inner(measured).expect("every call is answered");
    measured.seconds = began.elapsed().as_secs_f64();
    measured
}

impl Measured {
    async fn one(&self, callers: &Callers, random: &mut Rng, due: Instant) {
        let operator = random.u32(1..=3);
        match random.u32(..100) {
            0..45 => {
                let driver = self.drivers.fetch_add(1, Ordering::SeqCst);
                self.register(callers, driver, operator, due).await;
            }
            // Two operators register one driver at the same moment.
            45..55 => {
                let driver = self.drivers.fetch_add(1, Ordering::SeqCst);
                let both = [operator, operator % 3 + 1];
                futures_util::future::join_all(both.map(|operator| self.register(callers, driver, operator, due)))
                    .await;
            }
            // A driver who has, or had, a certificate.
            55..60 => {
                let driver = random.u64(..self.drivers.load(Ordering::SeqCst).max(1));
                self.register(callers, driver, operator, due).await;
            }
            60..80 => {
                let driver = random.u64(..2 * self.drivers.load(Ordering::SeqCst).max(1));
                let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone(driver),
                                  "driving_license": license(driver)});
                let answer = callers.call(Method::POST, "/policies/cee/simulate", operator, Some(&body), None).await;
                self.note(&answer, due);
            }
            80..95 => {
                let chosen = self.certificates.lock().unwrap().any(random);
                let Some((name, certificate)) = chosen else { return };
                let answer = self.find(callers, &name, certificate.operator).await;
                self.note(&answer, due);
                let state = self.certificates.lock().unwrap().known[&name].state;
                self.compare(certificate, state, answer);
            }
            _ => {
                let chosen = {
                    let mut certificates = self.certificates.lock().unwrap();
                    let chosen = certificates.any(random);
                    if let Some((name, _)) = &chosen {
                        certificates.known.get_mut(name).unwrap().state = State::Unknown;
                    }
                    chosen
                };
                let Some((name, Certificate { operator, .. })) = chosen else { return };
                let path = format!("/policies/cee/{name}");
                let answer = callers.call(Method::DELETE, &path, operator, None, None).await;
                self.note(&answer, due);
                if let Some((StatusCode::NO_CONTENT, _)) = answer {
                    self.certificates.lock().unwrap().known.get_mut(&name).unwrap().state = State::Deleted;
                }
            }
        }
    }

    async fn register(&self, callers: &Callers, driver: u64, operator: u32, due: Instant) {
        let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone(driver),
                          "driving_license": license(driver), "datetime": "2044-03-15T08:30:00Z"});
        let answer = callers.call(Method::POST, "/policies/cee", operator, Some(&body), None).await;
        self.note(&answer, due);
        if let Some((StatusCode::CREATED, body)) = answer {
            let name = body["uuid"].as_str().unwrap().to_owned();
            let certificate = Certificate { operator, driver, fingerprint: fingerprint(&body), state: State::Live };
            let mut certificates = self.certificates.lock().unwrap();
            certificates.names.push(name.clone());
            certificates.known.insert(name, certificate);
        }
    }

    async fn find(&self, callers: &Callers, name: &str, operator: u32) -> Answer {
        callers.call(Method::GET, &format!("/policies/cee/{name}"), operator, None, None).await
    }

    fn note(&self, answer: &Answer, due: Instant) {
        let status = answer.as_ref().map_or(0, |(status, _)| status.as_u16());
        *self.statuses.lock().unwrap().entry(status).or_default() += 1;
        if status > 0 {
            let micros = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
            self.times.lock().unwrap().push(micros);
        }
    }

    /// Whether a certificate exists as it was granted, unless it is deleted at the same time.
    fn compare(&self, certificate: Certificate, state: State, answer: Answer) {
        let wrong = match answer {
            Some((StatusCode::OK, body)) => fingerprint(&body) != certificate.fingerprint,
            Some((StatusCode::NOT_FOUND, _)) => state == State::Live,
            Some((status, _)) => !status.is_server_error(),
            None => false,
        };
        self.wrong.fetch_add(u64::from(wrong), Ordering::SeqCst);
    }

    /// Looks up every certificate that is not deleted: how many exist, and how many differ from the 201.
    pub async fn look_for_all(&self, callers: Arc<Callers>) -> (usize, u64) {
        let live: Vec<(String, Certificate)> = {
            let certificates = self.certificates.lock().unwrap();
            let known = certificates.known.iter().filter(|(_, certificate)| certificate.state == State::Live);
            known.map(|(name, certificate)| (name.clone(), *certificate)).collect()
        };
        let looked = stream::iter(&live).map(|(name, certificate)| {
            let callers = &callers;
            async move {
                // Faults continue: it retries until there is a response.
                for _ in 0..20 {
                    match self.find(callers, name, certificate.operator).await {
                        Some((status, _)) if status.is_server_error() => {}
                        None => {}
                        answer => return self.compare(*certificate, State::Live, answer),
                    }
                }
                self.wrong.fetch_add(1, Ordering::SeqCst);
            }
        });
        looked.buffer_unordered(EAGER).collect::<Vec<()>>().await;
        (live.len(), self.wrong.load(Ordering::SeqCst))
    }

    /// The number of drivers with more than one certificate.
    pub fn granted_twice(&self) -> usize {
        let mut live: HashMap<u64, u32> = HashMap::new();
        for certificate in self.certificates.lock().unwrap().known.values() {
            *live.entry(certificate.driver).or_default() += u32::from(certificate.state == State::Live);
        }
        live.values().filter(|certificates| **certificates > 1).count()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.times.lock().unwrap().clone();
        times.sort_unstable();
        let at = |share: f64| f64::from(times[(times.len() as f64 * share) as usize]) / 1000.0;
        let mut statuses: Vec<_> = self.statuses.lock().unwrap().clone().into_iter().collect();
        statuses.sort_unstable();
        let told = statuses.iter().map(|(status, times)| match status {
            0 => format!("{times} not at all"),
            status => format!("{times} with {status}"),
        });
        let rate = times.len() as f64 / self.seconds;
        writeln!(f, "{} calls answered, {rate:.0} a second: {}", times.len(), told.collect::<Vec<_>>().join(", "))?;
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms", at(0.5), at(0.99), at(0.999))
    }
}

/// The phone of a driver.
pub fn phone(driver: u64) -> String {
    format!("+491{driver:08}")
}

fn license(driver: u64) -> String {
    format!("{driver:012}")
}
