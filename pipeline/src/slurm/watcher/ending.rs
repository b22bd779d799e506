//! What becomes of jobs when their run ends before them.

use super::{Followed, Watcher, count};
use crate::slurm::queue::{self, JobPart};

impl Watcher<'_> {
    /// After the request to end.
    pub(super) fn stop(&mut self) {
        let jobs = self.living().len();
        if jobs == 0 {
            return;
        }
        if (self.slurm.shall_go_on)(jobs) {
            self.tell("JOBS", &format!("left as they are: {}; the same command follows them again", count(jobs, "job")));
        } else {
            self.cancel_all("on request");
        }
    }

    fn living(&self) -> Vec<JobPart> {
        let of = |followed: &'_ Followed| -> Vec<JobPart> {
            let Some(job) = followed.job else { return Vec::new() };
            let lives: Vec<usize> = (0..followed.parts.len()).filter(|&part| followed.parts[part].lives).collect();
            if lives.len() == followed.parts.len() {
                return vec![(job, None)];
            }
            lives.into_iter().map(|part| Self::name_of(&followed.batch, job, part)).collect()
        };
        self.followed.iter().flat_map(of).collect()
    }

    /// Takes all jobs back that live.
    pub(super) fn cancel_all(&mut self, why: &str) {
        let jobs = self.living();
        if jobs.is_empty() {
            return;
        }
        match queue::cancel(&jobs) {
            Ok(()) => self.tell("CANCELLED", &format!("{} {why}", count(jobs.len(), "job"))),
            Err(error) => self.tell("WARNING", &format!("jobs may go on: {error}")),
        }
        for followed in &mut self.followed {
            followed.parts.iter_mut().for_each(|part| part.lives = false);
            self.slurm.folder.close(followed.batch.number);
        }
    }
}
