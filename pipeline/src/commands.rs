//! One file for each command; each returns what to exit with.

mod budget;
mod check;
mod cluster;
mod compare;
mod convert;
mod data;
mod describe;
mod diff;
mod explain;
mod folders;
mod gc;
mod init;
mod logs;
mod manual;
mod matching;
mod measure;
mod merge;
mod networks;
mod plan;
mod plan_graph;
mod report;
mod revision;
mod run;
mod run_settings;
mod schema;
mod session;
mod spec_keys;
mod stage_name;
mod stages;
mod status;
mod store;
mod sweep_table;
mod verify;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;

use crate::cli::{Arguments, Command};
use crate::console::{self, OutputError};
use crate::error_text::error_text;
use crate::interrupt;
use crate::spec::SpecError;

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The spec, an input file or the usage is wrong: exit code 2.
    Input(anyhow::Error),
    /// Something failed while running: exit code 1.
    Running(anyhow::Error),
}

impl Failure {
    /// For `map_err`.
    pub fn input(error: impl Into<anyhow::Error>) -> Failure {
        Failure::Input(error.into())
    }

    /// For `map_err`.
    pub fn running(error: impl Into<anyhow::Error>) -> Failure {
        Failure::Running(error.into())
    }

    /// A fault of a spec with one hint more; other failures as they are.
    fn hint(self, hint: &str) -> Failure {
        match self {
            Failure::Input(error) => match error.downcast::<SpecError>() {
                Ok(error) => Failure::input(error.hint(hint)),
                Err(error) => Failure::Input(error),
            },
            other => other,
        }
    }

    /// How a command ends that goes on with other work, and the text for a person.
    fn told(&self) -> (Verdict, String) {
        match self {
            Failure::Running(error) => (Verdict::No, error_text(error)),
            Failure::Input(error) => (Verdict::BadInput, error_text(error)),
        }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        Failure::Running(anyhow::Error::new(error.0).context("cannot write to standard output"))
    }
}

/// Refuses to set one thing beside nothing. Counted here: the parser counts only what stands together, not what options part.
fn at_least_two(paths: &[PathBuf], what: &str) -> Result<(), Failure> {
    match paths {
        [] | [_] => {
            let given: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
            Err(Failure::Input(anyhow!("expected two or more {what}, got {} alone\nhint: name another one", given.join(", "))))
        }
        _ => Ok(()),
    }
}

/// Why nothing could be published: a folder that is none or may not be written is the command line's fault, a full disk is not.
fn unwritable(error: anyhow::Error) -> Failure {
    use std::io::ErrorKind;
    let wrong = [
        ErrorKind::PermissionDenied,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::NotADirectory,
        ErrorKind::AlreadyExists,
        ErrorKind::IsADirectory,
        ErrorKind::InvalidFilename,
    ];
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    if kinds.into_iter().any(|kind| wrong.contains(&kind)) { Failure::Input(error) } else { Failure::Running(error) }
}

/// How a command that did its work ends: well, or with a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Exit code 0.
    Fine,
    /// Exit code 1: a stage failed, or a check said no; what and why has been printed.
    No,
    /// Exit code 2: a file of a data set is to blame, for a stage that failed or by itself; it has been printed.
    BadInput,
}

/// Does what the command line says.
pub fn execute(arguments: Arguments) -> ExitCode {
    let outcome = match arguments.command {
        Command::Run(run) => run::run(&run.with_specs_behind_stages()),
        Command::Plan(plan) => plan::plan(&plan),
        Command::Status(status) => status::status(&status),
        Command::Logs(logs) => logs::logs(&logs),
        Command::Stages(stages) => stages::stages(&stages),
        Command::Explain(explain) => explain::explain(&explain),
        Command::Describe(describe) => describe::describe(&describe),
        Command::Data(data) => data::data(&data),
        Command::Check(check) => check::check(&check),
        Command::Diff(diff) => diff::diff(&diff),
        Command::Report(report) => report::report(&report),
        Command::Why(why) => why::why(&why),
        Command::Compare(compare) => compare::compare(&compare),
        Command::Verify(verify) => verify::verify(&verify),
        Command::Store(store) => store::store(&store),
        Command::Match(matching) => matching::matching(&matching),
        Command::Merge(merge) => merge::merge(&merge),
        Command::Convert(convert) => convert::convert(&convert),
        Command::Measure(measure) => measure::measure(&measure),
        Command::Init(init) => init::init(&init),
        Command::Schema => schema::schema(),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { command } => manual::page(command.as_deref()),
    };
    let code = match outcome {
        Ok(Verdict::Fine) => return ExitCode::SUCCESS,
        Ok(Verdict::No) => 1,
        Ok(Verdict::BadInput) => 2,
        Err(failure) => {
            let (verdict, text) = failure.told();
            console::error(&text);
            if verdict == Verdict::BadInput { 2 } else { 1 }
        }
    };
    ExitCode::from(interrupt::exit_code().unwrap_or(code))
}
