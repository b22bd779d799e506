use std::path::PathBuf;

/// Why a file could not be read or written. Each text says what came, what was expected and where; a last line `hint:` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The file cannot be read as what it is.
    #[error("`{}`: {}\nhint: {}", path.display(), fault.problem, fault.hint)]
    Fault {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with the content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What came, what was expected, and where.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

impl Fault {
    pub(crate) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault { problem: problem.into(), hint: hint.into() }
    }

    /// Of a file that was cut or changed on its way.
    pub(crate) fn damaged(problem: impl Into<String>) -> Fault {
        Fault::new(problem, "the file is damaged; copy or save it again")
    }

    pub(crate) fn at(self, path: &std::path::Path) -> CheckpointError {
        CheckpointError::Fault { path: path.to_owned(), fault: self }
    }
}
