//! The cores of the machine, shared among the stages that run at the time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How many cores there are, and among how many stages they are shared.
#[derive(Debug)]
pub struct Cores {
    total: usize,
    /// Stages that may run side by side.
    jobs: usize,
    /// Stages that run, or could.
    stages: AtomicUsize,
}

impl Cores {
    /// So many cores for at most so many stages side by side.
    pub fn new(total: usize, jobs: usize) -> Cores {
        Cores { total, jobs: jobs.max(1), stages: AtomicUsize::new(jobs) }
    }

    /// Says how many stages run, or could as soon as another ends.
    pub fn share_among(&self, stages: usize) {
        self.stages.store(stages, Ordering::Relaxed);
    }

    /// Threads of each stage: the last stages of a run have more than those before, which had to share.
    fn threads(&self) -> usize {
        (self.total / self.stages.load(Ordering::Relaxed).clamp(1, self.jobs)).max(1)
    }
}

/// Threads for the work inside one stage after another. A pool of each size is started when it is first needed.
#[derive(Debug)]
pub struct Threads<'a> {
    cores: &'a Cores,
    /// Tells the threads of workers apart.
    worker: usize,
    pools: Mutex<BTreeMap<usize, Arc<ThreadPool>>>,
    /// The most that the stage has had.
    most: AtomicUsize,
}

impl<'a> Threads<'a> {
    /// The share of a worker.
    pub fn new(cores: &'a Cores, worker: usize) -> Threads<'a> {
        Threads { cores, worker, pools: Mutex::default(), most: AtomicUsize::new(0) }
    }

    /// Does a whole stage, with as many threads as it has when it begins.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn begin<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R> {
        let threads = self.cores.threads();
        let pool = self.pool(threads)?;
        self.most.store(threads, Ordering::Relaxed);
        Ok(pool.install(work))
    }

    /// Does a part of a stage, with as many threads as the stage has by now: more once others have ended. No result depends on it. To be
    /// called by long stages for each piece of their work.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let threads = self.cores.threads();
        if threads == rayon::current_num_threads() {
            return work();
        }
        match self.pool(threads) {
            Ok(pool) => {
                self.most.fetch_max(threads, Ordering::Relaxed);
                pool.install(work)
            }
            // The threads that the stage has do as well.
            Err(_) => work(),
        }
    }

    /// Does something on every thread that has worked for the stage.
    pub fn everywhere(&self, work: impl Fn() + Sync) {
        let pools: Vec<Arc<ThreadPool>> = self.lock().values().cloned().collect();
        pools.iter().for_each(|pool| drop(pool.broadcast(|_| work())));
    }

    /// The most threads that the stage has had.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn pool(&self, threads: usize) -> Result<Arc<ThreadPool>> {
        let mut pools = self.lock();
        if let Some(pool) = pools.get(&threads) {
            return Ok(pool.clone());
        }
        let worker = self.worker;
        let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(move |index| format!("worker-{worker}-{index}"));
        let pool = Arc::new(builder.build().context("cannot start threads")?);
        pools.insert(threads, pool.clone());
        Ok(pool)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Arc<ThreadPool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_among_the_stages_that_run_but_never_among_more_than_may() {
        let cores = Cores::new(8, 4);
        let shares = [0, 1, 2, 3, 4, 9].map(|stages| {
            cores.share_among(stages);
            cores.threads()
        });
        assert_eq!(shares, [8, 8, 4, 2, 2, 2]);
        assert_eq!(Cores::new(2, 5).threads(), 1, "no stage is without a thread");
        assert_eq!(Cores::new(2, 1).threads(), 2);
    }

    #[test]
    fn a_stage_has_more_threads_as_soon_as_it_is_alone() {
        let cores = Cores::new(4, 2);
        let threads = Threads::new(&cores, 0);
        let seen = threads.begin(|| {
            let first = threads.install(rayon::current_num_threads);
            cores.share_among(1);
            let alone = threads.install(rayon::current_num_threads);
            cores.share_among(2);
            (first, alone, threads.install(rayon::current_num_threads))
        });
        assert_eq!(seen.unwrap(), (2, 4, 2));
        assert_eq!(threads.most(), 4);
        let count = AtomicUsize::new(0);
        threads.everywhere(|| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 6, "two pools");
    }
}
