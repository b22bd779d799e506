//! The states of a job, as Slurm names them.

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits, or will be run again.
    Waiting,
    /// It runs, or is just beginning or ending.
    Running,
    /// It ended.
    Ended(End),
    /// Slurm says something that this program does not know.
    Unknown,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Completed,
    /// The node did not start.
    BootFail,
    /// Somebody, or a dependency, cancelled it.
    Cancelled,
    /// It could not end by its deadline.
    Deadline,
    /// With an exit code that is not 0.
    Failed,
    /// The node failed.
    NodeFail,
    /// It used more memory than it asked for.
    OutOfMemory,
    /// For a job that is more important.
    Preempted,
    /// It took longer than it asked for.
    Timeout,
    /// Nobody knows: neither the queue nor the accounting has heard of it.
    Lost,
}

impl State {
    /// Reads a state: `COMPLETED`, `CANCELLED by 1000`, `CANCELLED+`, in whatever case.
    pub fn parse(text: &str) -> State {
        let word = text.split_whitespace().next().unwrap_or_default().trim_end_matches('+').to_ascii_uppercase();
        match word.as_str() {
            "PENDING" | "PD" | "CONFIGURING" | "CF" | "REQUEUED" | "RQ" | "REQUEUE_FED" | "RF" | "REQUEUE_HOLD" | "RH"
            | "RESV_DEL_HOLD" | "RD" | "SPECIAL_EXIT" | "SE" | "SUSPENDED" | "S" | "STOPPED" | "ST" => State::Waiting,
            "RUNNING" | "R" | "COMPLETING" | "CG" | "RESIZING" | "RS" | "SIGNALING" | "SI" | "STAGE_OUT" | "SO" | "EXPEDITING" => {
                State::Running
            }
            "COMPLETED" | "CD" => State::Ended(End::Completed),
            "BOOT_FAIL" | "BF" => State::Ended(End::BootFail),
            "CANCELLED" | "CA" => State::Ended(End::Cancelled),
            "DEADLINE" | "DL" => State::Ended(End::Deadline),
            "FAILED" | "F" => State::Ended(End::Failed),
            "NODE_FAIL" | "NF" => State::Ended(End::NodeFail),
            "OUT_OF_MEMORY" | "OOM" => State::Ended(End::OutOfMemory),
            // A job that goes back to its cluster is run again by nobody.
            "PREEMPTED" | "PR" | "REVOKED" | "RV" => State::Ended(End::Preempted),
            "TIMEOUT" | "TO" => State::Ended(End::Timeout),
            _ => State::Unknown,
        }
    }

    /// From the exit code that a script left: 137 is how a shell says that its program was killed, mostly for its memory.
    pub fn of_code(code: i32) -> State {
        State::Ended(match code {
            0 => End::Completed,
            137 => End::OutOfMemory,
            143 => End::Timeout,
            _ => End::Failed,
        })
    }
}

impl End {
    /// For a line.
    pub fn text(self) -> &'static str {
        match self {
            End::Completed => "ended",
            End::BootFail => "had a node that did not start",
            End::Cancelled => "was cancelled",
            End::Deadline => "could not meet its deadline",
            End::Failed => "failed",
            End::NodeFail => "lost its node",
            End::OutOfMemory => "ran out of memory",
            End::Preempted => "had to make room",
            End::Timeout => "ran out of time",
            End::Lost => "is not known any more",
        }
    }

    /// Whether its stages may end well the next time, as nothing is wrong with them.
    pub fn may_go_on(self) -> bool {
        match self {
            End::Completed | End::BootFail | End::NodeFail | End::Preempted | End::Timeout | End::Lost => true,
            End::Cancelled | End::Deadline | End::Failed | End::OutOfMemory => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_however_a_command_writes_them() {
        for (text, state) in [
            ("PENDING", State::Waiting),
            ("REQUEUED", State::Waiting),
            ("running", State::Running),
            ("COMPLETED", State::Ended(End::Completed)),
            ("CANCELLED by 1000", State::Ended(End::Cancelled)),
            ("CANCELLED+", State::Ended(End::Cancelled)),
            ("OUT_OF_ME+", State::Unknown),
            ("OUT_OF_MEMORY", State::Ended(End::OutOfMemory)),
            ("NODE_FAIL", State::Ended(End::NodeFail)),
            ("BOOT_FAIL", State::Ended(End::BootFail)),
            ("DEADLINE", State::Ended(End::Deadline)),
            ("PREEMPTED", State::Ended(End::Preempted)),
            ("TIMEOUT", State::Ended(End::Timeout)),
            ("FAILED", State::Ended(End::Failed)),
            ("", State::Unknown),
            ("JUMPED", State::Unknown),
        ] {
            assert_eq!(State::parse(text), state, "{text}");
        }
        assert_eq!(State::of_code(137), State::Ended(End::OutOfMemory));
    }
}
