//! One file for each command; each returns what to exit with.

mod check;
mod data;
mod describe;
mod explain;
mod plan;
mod run;
mod setting;

use std::process::ExitCode;

use crate::cli::{Arguments, Command};
use crate::console;

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
}

/// How a command that did its work ends: well, or with a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Fine,
    /// Exit code 1: a stage failed, or a check said no; what and why has been printed.
    No,
}

/// Does what the command line says.
pub fn execute(arguments: Arguments) -> ExitCode {
    let outcome = match arguments.command {
        Command::Run(run) => run::run(&run),
        Command::Plan(plan) => plan::plan(&plan),
        Command::Explain(explain) => explain::explain(&explain),
        Command::Describe(describe) => describe::describe(&describe),
        Command::Data(data) => data::data(&data),
        Command::Check(check) => check::check(&check),
    };
    match outcome {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(Failure::Running(error)) => {
            console::note(&rendered(&error));
            ExitCode::from(1)
        }
        Err(Failure::Input(error)) => {
            console::note(&rendered(&error));
            ExitCode::from(2)
        }
    }
}

/// An error with its causes, one to a line, hints last.
pub fn rendered(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    let mut hints = Vec::new();
    for (depth, cause) in error.chain().enumerate() {
        let mut lead = if depth == 0 { "error: " } else { "  because " };
        for line in cause.to_string().lines() {
            if line.trim_start().starts_with("hint:") {
                hints.push(line.trim_start().to_owned());
            } else {
                lines.push(format!("{lead}{line}"));
                lead = "";
            }
        }
    }
    lines.extend(hints);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_their_error_and_hints_come_last() {
        let error = anyhow::anyhow!("`x` is too large\nhint: try a smaller one").context("cannot plan\nhint: look at the spec");
        assert_eq!(rendered(&error), "error: cannot plan\n  because `x` is too large\nhint: look at the spec\nhint: try a smaller one");
    }
}
