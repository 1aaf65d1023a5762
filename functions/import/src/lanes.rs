//! Many rows in flight, but never two of one driver.
//!
//! Rows are dealt to lanes by whom they are about; a lane works on one row at a time. So rows of one driver keep their
//! order and do not race one another into two different answers, and rows of others need not wait for them.

use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ImportError;

/// How many rows are written at once.
const LANES: usize = 32;

/// How many rows wait before each lane. Reading stops when a lane is full, so that memory stays flat.
const WAITING: usize = 64;

/// Workers, each with a tally of its own.
pub struct Lanes<J, T> {
    senders: Vec<mpsc::Sender<J>>,
    workers: JoinSet<Result<T, ImportError>>,
    hasher: RandomState,
}

impl<J: Send + 'static, T: Default + Send + 'static> Lanes<J, T> {
    /// Starts the lanes. `work` does one job and notes in its lane's tally what came of it.
    pub fn start<W, F>(work: W) -> Self
    where
        W: Fn(J, T) -> F + Clone + Send + 'static,
        F: Future<Output = Result<T, ImportError>> + Send,
    {
        let mut workers = JoinSet::new();
        let senders = (0..LANES)
            .map(|_| {
                let (sender, mut jobs) = mpsc::channel(WAITING);
                let work = work.clone();
                workers.spawn(async move {
                    let mut tally = T::default();
                    while let Some(job) = jobs.recv().await {
                        tally = work(job, tally).await?;
                    }
                    Ok(tally)
                });
                sender
            })
            .collect();
        Self { senders, workers, hasher: RandomState::new() }
    }

    /// Gives a job to the lane of whom it is about, waiting while that is full. `false`: the lane has failed, and
    /// [`Self::finish`] says why.
    pub async fn send(&self, about: &impl Hash, job: J) -> bool {
        let lane = usize::try_from(self.hasher.hash_one(about) % LANES as u64).unwrap_or(0);
        match self.senders.get(lane) {
            Some(lane) => lane.send(job).await.is_ok(),
            None => false,
        }
    }

    /// Waits until every job is done, and returns the tallies. Nothing is left running.
    ///
    /// # Errors
    /// The first error of any lane. A panic of a job is one.
    pub async fn finish(mut self) -> Result<Vec<T>, ImportError> {
        self.senders.clear();
        let mut tallies = Vec::with_capacity(LANES);
        while let Some(ended) = self.workers.join_next().await {
            match ended.unwrap_or(Err(ImportError::Impossible("a row panicked"))) {
                Ok(tally) => tallies.push(tally),
                Err(error) => {
                    self.workers.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(tallies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    #[tokio::test(flavor = "multi_thread")]
    async fn jobs_about_one_keep_their_order_and_never_meet() {
        type Seen = Arc<Mutex<HashMap<u8, Vec<u32>>>>;
        let seen = Seen::default();
        let busy: Arc<[AtomicUsize; 256]> = Arc::new([const { AtomicUsize::new(0) }; 256]);
        let lanes = {
            let (seen, busy) = (Arc::clone(&seen), Arc::clone(&busy));
            Lanes::start(move |(about, number): (u8, u32), tally: u64| {
                let (seen, busy) = (Arc::clone(&seen), Arc::clone(&busy));
                async move {
                    assert_eq!(
                        busy[usize::from(about)].fetch_add(1, Ordering::SeqCst),
                        0,
                        "two jobs about {about} at once"
                    );
                    tokio::task::yield_now().await;
                    seen.lock().unwrap().entry(about).or_default().push(number);
                    busy[usize::from(about)].fetch_sub(1, Ordering::SeqCst);
                    Ok(tally + 1)
                }
            })
        };
        for number in 0..20_000_u32 {
            let about = (number % 251) as u8;
            assert!(lanes.send(&about, (about, number)).await);
        }
        assert_eq!(lanes.finish().await.unwrap().into_iter().sum::<u64>(), 20_000);
        assert!(seen.lock().unwrap().values().all(|numbers| numbers.is_sorted()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failure_stops_its_lane_and_is_told() {
        for panics in [false, true] {
            let lanes = Lanes::start(move |number: u32, tally: ()| async move {
                assert!(!(panics && number == 5), "as the test wants");
                if number == 5 { Err(ImportError::Impossible("as the test wants")) } else { Ok(tally) }
            });
            let mut sent = true;
            for number in 0..10_000 {
                sent &= lanes.send(&0, number).await;
            }
            assert!(!sent, "nobody takes jobs any more");
            assert!(lanes.finish().await.is_err());
        }
    }
}
