//! Many rows under way, but never two of one driver.
//!
//! Rows are given to workers by their driver; a worker writes one row at a time. So rows of one driver keep their order and cannot
//! race to two different results, and rows of other drivers do not wait for them. The [`Pace`] decides how many workers write at
//! the same moment.

use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::context::ImportError;
use crate::workers::LANES;
use crate::workers::pace::Pace;

/// The number of rows that wait before each worker. Reading stops when a queue is full, so that memory stays flat.
const WAITING: usize = 2;

enum Message<J, T> {
    Job(J),
    /// Asks for the tally of all earlier jobs.
    Collect(oneshot::Sender<T>),
}

/// The result of one job.
pub struct Done<T> {
    /// The worker's tally, with this job in it.
    pub tally: T,
    /// Whether the tables throttled the job.
    pub throttled: bool,
}

/// Workers, each with a queue (its lane) and a tally of its own.
pub struct Lanes<J, T> {
    senders: Vec<mpsc::Sender<Message<J, T>>>,
    workers: JoinSet<Result<(), ImportError>>,
    hasher: RandomState,
}

impl<J: Send + 'static, T: Default + Send + 'static> Lanes<J, T> {
    /// Starts the workers. `work` does one job and adds its result to its worker's tally.
    pub fn start<W, F>(pace: &Arc<Pace>, work: W) -> Self
    where
        W: Fn(J, T) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Done<T>, ImportError>> + Send,
    {
        let mut workers = JoinSet::new();
        let senders = (0..LANES)
            .map(|_| {
                let (sender, mut messages) = mpsc::channel(WAITING);
                let (work, pace) = (work.clone(), Arc::clone(pace));
                workers.spawn(async move {
                    let mut tally = T::default();
                    while let Some(message) = messages.recv().await {
                        match message {
                            Message::Job(job) => {
                                let turn = pace.turn().await;
                                let done = work(job, tally).await?;
                                tally = done.tally;
                                turn.ended(done.throttled);
                            }
                            // The caller may have gone.
                            Message::Collect(answer) => drop(answer.send(std::mem::take(&mut tally))),
                        }
                    }
                    Ok(())
                });
                sender
            })
            .collect();
        Self { senders, workers, hasher: RandomState::new() }
    }

    /// Gives a job to the worker of its driver, and waits while that worker's queue is full.
    ///
    /// # Errors
    /// The error of a worker that has failed; afterwards nothing is left running.
    pub async fn send(&mut self, about: &impl Hash, job: J) -> Result<(), ImportError> {
        let lane = usize::try_from(self.hasher.hash_one(about) % LANES as u64).unwrap_or(0);
        let lane = self.senders.get(lane).ok_or(ImportError::Impossible("no lane"))?;
        match lane.send(Message::Job(job)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Gives jobs, each with its driver, until there are no more or this many of them are enough. At least one, so that an
    /// invocation with little time makes progress too. Returns how many were given, and whether those are all.
    ///
    /// # Errors
    /// The error of a worker that has failed; afterwards nothing is left running.
    pub async fn send_until<A: Hash>(
        &mut self,
        jobs: impl IntoIterator<Item = (A, J)>,
        is_enough: impl Fn(u64) -> bool,
    ) -> Result<(u64, bool), ImportError> {
        let mut jobs = jobs.into_iter();
        let mut given = 0;
        while let Some((about, job)) = jobs.next() {
            self.send(&about, job).await?;
            given += 1;
            if is_enough(given) {
                return Ok((given, jobs.next().is_none()));
            }
        }
        Ok((given, true))
    }

    /// Waits until every job is done, and returns the tallies since the last call.
    ///
    /// # Errors
    /// The error of a worker that has failed, including a panic of a job; nothing is left running then.
    pub async fn collect(&mut self) -> Result<Vec<T>, ImportError> {
        let mut asked = Vec::with_capacity(LANES);
        for lane in &self.senders {
            let (answer, tally) = oneshot::channel();
            if lane.send(Message::Collect(answer)).await.is_err() {
                return Err(self.failure().await);
            }
            asked.push(tally);
        }
        let mut tallies = Vec::with_capacity(LANES);
        for tally in asked {
            match tally.await {
                Ok(tally) => tallies.push(tally),
                Err(_) => return Err(self.failure().await),
            }
        }
        Ok(tallies)
    }

    /// Stops all workers and returns the first worker's error.
    async fn failure(&mut self) -> ImportError {
        self.senders.clear();
        let mut first = None;
        while let Some(ended) = self.workers.join_next().await {
            let error = match ended {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error,
                Err(_) => ImportError::Impossible("a row panicked"),
            };
            self.workers.abort_all();
            first.get_or_insert(error);
        }
        first.unwrap_or(ImportError::Impossible("a lane that ended early"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread")]
    async fn jobs_with_one_key_run_in_order_one_at_a_time() {
        type Seen = Arc<Mutex<HashMap<u8, Vec<u32>>>>;
        let seen = Seen::default();
        let busy: Arc<[AtomicUsize; 256]> = Arc::new([const { AtomicUsize::new(0) }; 256]);
        let mut lanes = {
            let (seen, busy) = (Arc::clone(&seen), Arc::clone(&busy));
            Lanes::start(&Arc::new(Pace::new()), move |(about, number): (u8, u32), tally: u64| {
                let (seen, busy) = (Arc::clone(&seen), Arc::clone(&busy));
                async move {
                    let before = busy[usize::from(about)].fetch_add(1, Ordering::SeqCst);
                    assert_eq!(before, 0, "two jobs about {about} at once");
                    tokio::task::yield_now().await;
                    seen.lock().unwrap().entry(about).or_default().push(number);
                    busy[usize::from(about)].fetch_sub(1, Ordering::SeqCst);
                    Ok(Done { tally: tally + 1, throttled: number % 97 == 0 })
                }
            })
        };
        for (from, to) in [(0, 12_000_u32), (12_000, 20_000)] {
            for number in from..to {
                let about = (number % 251) as u8;
                lanes.send(&about, (about, number)).await.unwrap();
            }
            let done: u64 = lanes.collect().await.unwrap().into_iter().sum();
            assert_eq!(done, u64::from(to - from), "all that was sent, and only since the last time");
        }
        assert!(seen.lock().unwrap().values().all(|numbers| numbers.is_sorted()));
    }

    #[tokio::test]
    async fn send_until_stops_at_limit_after_at_least_one_job() {
        let given = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&given);
        let mut lanes = Lanes::start(&Arc::new(Pace::new()), move |_: usize, tally: u64| {
            counter.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Done { tally: tally + 1, throttled: false }))
        });
        // The number of jobs, the number that is enough, the number given.
        for (jobs, enough, expected) in [(0, 0, 0), (5, 0, 1), (5, 4, 4), (5, 5, 5), (5, 9, 5), (1, 0, 1)] {
            let jobs_to_give = (0..jobs).map(|job| (job, job));
            let (given, all) = lanes.send_until(jobs_to_give, |given| given >= enough).await.unwrap();
            assert_eq!((given, all), (expected, expected == jobs as u64), "{jobs} jobs, {enough} are enough");
            let done: u64 = lanes.collect().await.unwrap().into_iter().sum();
            assert_eq!(done, expected, "{jobs} jobs, {enough} are enough");
        }
        assert_eq!(given.load(Ordering::SeqCst), 16);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn failed_job_stops_sending_and_is_reported() {
        for panics in [false, true] {
            let mut lanes = Lanes::start(&Arc::new(Pace::new()), move |number: u32, tally: ()| async move {
                assert!(!(panics && number == 5), "as the test wants");
                if number == 5 {
                    return Err(ImportError::Impossible("as the test wants"));
                }
                Ok(Done { tally, throttled: false })
            });
            let mut failed = None;
            for number in 0..10_000 {
                if let Err(error) = lanes.send(&0, number).await {
                    failed = Some(error);
                    break;
                }
            }
            let expected = if panics { "a row panicked" } else { "as the test wants" };
            assert!(failed.unwrap().to_string().contains(expected), "the lane takes jobs no more");
        }
    }
}
