use std::io;
use std::path::{Path, PathBuf};

use crate::known::Known;

/// The end of a hint about a file that is damaged or another one.
pub(crate) const FETCH_AGAIN: &str = "fetch it again";

/// So many faults of a folder are listed in one message.
const LISTED: usize = 20;

/// What can go wrong with a data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A name that is neither known nor declared.
    #[error("unknown data set `{name}`: expected one of {known}\nhint: {hint}")]
    UnknownName {
        /// The name as given.
        name: String,
        /// The known names, each in backticks.
        known: String,
        /// The nearest known name, or how to declare one's own.
        hint: String,
    },
    /// Not all files of a data set are in any place.
    #[error("no complete copy of data set `{name}` found\n{looked}hint: {hint}")]
    Missing {
        /// The data set, or the folder asked for.
        name: String,
        /// One line for each place: the folder and what is missing there.
        looked: String,
        /// How to get the files.
        hint: String,
    },
    /// A file that is not what its format says.
    #[error("`{path}`: {what}: expected {expected}, got {got}\nhint: {hint}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The part that is wrong.
        what: String,
        /// What should stand there.
        expected: String,
        /// What stands there.
        got: String,
        /// What may help.
        hint: String,
    },
    /// Several files or entries of a folder that are not what they should be.
    #[error("`{path}`: {count} things cannot be used\n{list}hint: {hint}")]
    Several {
        /// The folder.
        path: PathBuf,
        /// How many there are.
        count: usize,
        /// One line for each of the first twenty, with its path below the folder; then how many more there are.
        list: String,
        /// What may help.
        hint: String,
    },
    /// A setting of a data set or subset that makes no sense.
    #[error("key `{key}`: expected {expected}, got {}\nhint: {hint}", quoted(.got))]
    Setting {
        /// The key as a spec writes it.
        key: &'static str,
        /// The values allowed.
        expected: String,
        /// The value given.
        got: String,
        /// What to write instead.
        hint: String,
    },
    /// No mirror gave a file.
    #[error(
        "could not fetch `{file}`\n{tried}hint: run it again to resume, set `ONEBASIN_MIRROR` to another server, or pass a folder with the \
         files by `--data DIR`"
    )]
    Fetch {
        /// The file's name.
        file: String,
        /// One line for each mirror: its address and the reason.
        tried: String,
    },
    /// Fetching was stopped by its caller.
    #[error("fetching `{file}` was interrupted\nhint: run it again to resume")]
    Interrupted {
        /// The file's name.
        file: String,
    },
    /// A known set without files.
    #[error("data set `{name}` has no files to fetch\nhint: {hint}")]
    NotFetchable {
        /// The data set.
        name: &'static str,
        /// What to do instead.
        hint: String,
    },
    /// The file system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// Read, write, rename.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DatasetError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DatasetError {
        let path = path.to_owned();
        move |source| DatasetError::Io { action, path, source }
    }

    /// All faults below a folder in one message; a single one as it is.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn several(folder: &Path, mut faults: Vec<DatasetError>) -> DatasetError {
        if faults.len() <= 1 {
            return faults.pop().expect("there is a fault to tell");
        }
        let mut hints: Vec<String> = Vec::new();
        let mut list = String::new();
        for fault in faults.iter().take(LISTED) {
            let text = chain(fault);
            let (text, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
            let within = format!("`{}{}", folder.display(), std::path::MAIN_SEPARATOR);
            list.push_str(&format!("  {}\n", text.replacen(&within, "`", 1)));
            if !hint.is_empty() && !hints.iter().any(|other| other == hint) {
                hints.push(hint.to_owned());
            }
        }
        if faults.len() > LISTED {
            list.push_str(&format!("  and {} more\n", faults.len() - LISTED));
        }
        DatasetError::Several { path: folder.to_owned(), count: faults.len(), list, hint: hints.join("; ") }
    }

    /// Names the command that fetches a damaged file of a known set.
    pub(crate) fn of_set(mut self, known: Option<&Known>) -> DatasetError {
        if let (DatasetError::Format { hint, .. }, Some(known)) = (&mut self, known.filter(|known| !known.files.is_empty()))
            && let Some(reason) = hint.strip_suffix(FETCH_AGAIN)
        {
            *hint = format!("{reason}remove it, and `onebasin data fetch {}` downloads the official one", known.name);
        }
        self
    }

    /// Whether a change of the spec or the command line can help, rather than another attempt.
    pub fn is_usage(&self) -> bool {
        matches!(self, DatasetError::UnknownName { .. } | DatasetError::Setting { .. } | DatasetError::NotFetchable { .. })
    }
}

/// A value as it is written, between marks; words about one as they are.
fn quoted(got: &str) -> String {
    let are_words = got.contains([' ', '`']) && !got.starts_with('[');
    if are_words { got.to_owned() } else { format!("`{got}`") }
}

/// The error and its causes in one text.
fn chain(error: &DatasetError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
