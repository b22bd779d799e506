//! The command line; its doc comments are the help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Train networks apart, bring them into one basin, merge them, and measure what was lost.
#[derive(Debug, Parser)]
#[command(name = "onebasin", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run experiments; stages done before are not run again
    Run(Run),
    /// Say what `run` would do, and why; run nothing
    Plan(Plan),
    /// Show the recipe of a stage, its inputs, and what differs from the nearest earlier one
    Explain(Explain),
    /// Show layers, shapes, parameters, permutation groups and the cost of a forward pass
    Describe(Describe),
    /// List, fetch and verify data sets
    #[command(subcommand)]
    Data(Data),
    /// Compare results with reported or earlier figures
    Check(Check),
}

/// Options of every command that reads a spec.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of the experiment")]
pub struct Shared {
    /// Set a key of the spec, over everything else: `--set trainings.adam.epochs=3`
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    pub sets: Vec<String>,
    /// Lay a profile of the spec over it
    #[arg(long, value_name = "NAME", env = "ONEBASIN_PROFILE")]
    pub profile: Option<String>,
    /// Stages that run side by side [default: as many as there are cores]
    #[arg(long, value_name = "N", env = "ONEBASIN_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Where networks run: cpu, ndarray, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", env = "ONEBASIN_DEVICE", default_value = "cpu")]
    pub device: String,
    /// Where artifacts are kept
    #[arg(long, value_name = "DIR", env = "ONEBASIN_STORE", default_value = ".store")]
    pub store: PathBuf,
    /// Where files of data sets are looked for first; then $ONEBASIN_DATA, then the cache
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where results/NAME is written
    #[arg(long, value_name = "DIR", env = "ONEBASIN_RESULTS", default_value = "results")]
    pub results: PathBuf,
    /// Where plots/NAME is written
    #[arg(long, value_name = "DIR", env = "ONEBASIN_PLOTS", default_value = "plots")]
    pub plots: PathBuf,
    /// Run what does not depend on a failed stage
    #[arg(long)]
    pub keep_going: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Specs, run one after the other
    #[arg(required = true, value_name = "SPEC")]
    pub specs: Vec<PathBuf>,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
    /// Never fetch data files
    #[arg(long)]
    pub offline: bool,
    /// Check every byte of finished stages first; damaged ones run again
    #[arg(long)]
    pub verify: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// The spec
    pub spec: PathBuf,
    /// How to print the stages: text, json, dot (Graphviz) or mermaid
    #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
    pub format: Format,
    /// Short for `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each stage
    Text,
    /// For programs
    Json,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The spec
    pub spec: PathBuf,
    /// A stage, as `plan` names it
    pub stage: String,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `describe`.
#[derive(Debug, Args)]
pub struct Describe {
    /// A spec, or a checkpoint (.safetensors)
    #[arg(value_name = "SPEC|CHECKPOINT")]
    pub target: PathBuf,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `data`.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// List the data sets known by name, and where each is found
    List {
        /// Print for a program
        #[arg(long)]
        json: bool,
        /// Where files are looked for first; then $ONEBASIN_DATA, then the cache
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Fetch a data set from its official place into the cache, checking every file
    Fetch {
        /// Names of data sets
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Check the files of a data set against their known checksums
    Verify {
        /// Names of data sets
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Where files are looked for first; then $ONEBASIN_DATA, then the cache
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The spec whose results are compared
    pub spec: PathBuf,
    /// Figures and how far ours may lie from them, in the form of experiments/reported/*.csv
    #[arg(long, value_name = "FILE")]
    pub against: PathBuf,
    /// Write our figures into that file, and the recipes that made them beside it, after showing what changes
    #[arg(long)]
    pub renew: bool,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

impl Shared {
    /// Stages side by side.
    pub fn jobs(&self) -> usize {
        self.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
