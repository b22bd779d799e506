//! The command line; its doc comments are the help.

mod executor;
mod networks;
mod report;
mod run;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use onebasin_network::did_you_mean;

use crate::console::Verbosity;
use crate::version;

pub use executor::{ExecutorKind, ExecutorOptions, Logs, Stages, Status};
pub use networks::{Convert, ImageOptions, Match, MatchOptions, Measure, Merge, NetworkOptions};
pub use report::{Compare, Diff, Report, Why};
pub use run::Run;
pub use store::{Gc, Store, StoreAction};

const EXIT_CODES: &str = "Exit codes:
  0    fine
  1    something failed while running, or a check said no
  2    the spec, an input file, a folder or the usage is wrong, whenever that is found
  130  stopped by Ctrl-C; 143: by a request to terminate";

/// Train networks apart, bring them into one basin, merge them, and measure what was lost.
#[derive(Debug, Parser)]
#[command(name = "onebasin", version = version::SHORT, long_version = version::LONG, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much is told.
    #[command(flatten)]
    pub output: Output,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run experiments; stages done before are not run again
    Run(Run),
    /// Say what `run` would do, and why; run nothing
    Plan(Plan),
    /// Show the jobs of a run on a cluster, or cancel them
    Status(Status),
    /// Print what the job of a stage printed
    Logs(Logs),
    /// Run a batch of stages: what the jobs of a cluster call
    Stages(Stages),
    /// Show the recipe of a stage, its inputs, and what differs from the nearest earlier one
    Explain(Explain),
    /// Show layers, shapes, parameters, permutation groups and the cost of a forward pass
    Describe(Describe),
    /// List, fetch and verify data sets
    #[command(subcommand)]
    Data(Data),
    /// Compare results with reported or earlier figures
    Check(Check),
    /// Compare the tables of two results folders, row by row
    Diff(Diff),
    /// Write a page of everything a run found: report.html beside its tables
    Report(Report),
    /// Tell how a number of a table was made, and how to make it again
    Why(Why),
    /// Put the accuracies of several results folders side by side
    Compare(Compare),
    /// Check every byte of the artifacts of experiments; run nothing
    Verify(Verify),
    /// Show what the store holds, or remove what no spec needs
    Store(Store),
    /// Match the units of networks in files; no data needed
    Match(Match),
    /// Match networks in files and write their mean in the form of the first
    Merge(Merge),
    /// Write the tensors of a file in another format
    Convert(Convert),
    /// Measure loss and accuracy of networks in files
    Measure(Measure),
    /// Write a small whole spec to start from
    Init(Init),
    /// Print the JSON schema of a spec, by which editors complete and check
    Schema,
    /// Print a script that completes commands and options in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page: `onebasin man | man -l -`
    Man {
        /// Of this command instead of all
        command: Option<String>,
    },
}

/// How much is told, and in which colours.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Print errors and the last line only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a line for cached stages too; twice, fingerprints, folders and data sets as well
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Colour the words that stand out: auto, always or never. `auto` heeds $NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto, hide_possible_values = true)]
    pub color: ColorChoice,
}

impl Output {
    /// How much is told.
    pub fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        }
    }
}

/// Options that every command with a spec takes and some have no use for: they are left out of the help there.
const WITHOUT_EFFECT: [(&str, &[&str]); 9] = [
    ("status", &["jobs", "results", "plots", "keep_going"]),
    ("logs", &["jobs", "results", "plots", "keep_going"]),
    ("stages", &["results", "plots"]),
    ("plan", &["results", "plots", "keep_going"]),
    ("explain", &["jobs", "results", "plots", "keep_going"]),
    ("describe", &["jobs", "device", "store", "results", "plots", "keep_going"]),
    ("check", &["jobs", "store", "plots", "keep_going"]),
    ("verify", &["jobs", "results", "plots", "keep_going"]),
    ("report", &["jobs", "plots", "keep_going"]),
];

/// The command line as clap sees it.
pub fn command() -> clap::Command {
    WITHOUT_EFFECT.iter().fold(Arguments::command(), |command, (name, options)| {
        let hide = |command: clap::Command, option: &&str| command.mut_arg(*option, |option| option.hide(true));
        command.mut_subcommand(*name, |command| options.iter().fold(command, hide))
    })
}

/// Reads the arguments of a process, its own name first.
///
/// # Errors
/// When the usage is wrong, or help or the version is asked for: the error prints itself and knows its exit code.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = without_empty_variables(command()).color(colour(&arguments));
    let matches = command.try_get_matches_from_mut(arguments).map_err(|error| suggest(error, &command))?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// A variable of the environment that is empty counts as one that is not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let unset = |option: clap::Arg| {
        let is_empty = option.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { option.env(Resettable::Reset) } else { option }
    };
    command.mut_args(unset).mut_subcommands(without_empty_variables)
}

/// The colour that is asked for, also when the rest is wrong.
fn colour(arguments: &[OsString]) -> ColorChoice {
    let arguments: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let apart = arguments.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = arguments.iter().filter_map(|argument| argument.strip_prefix("--color="));
    apart.chain(joined).find_map(|when| ColorChoice::from_str(when, false).ok()).unwrap_or_default()
}

/// Offers the command that was likely meant; clap's own guess misses swapped letters.
fn suggest(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidSubcommand)
        && let Some(likely) = did_you_mean(wrong, command.get_subcommands().map(clap::Command::get_name))
    {
        let tip = StyledStr::from(format!("did you mean `{likely}`?"));
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
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
    /// Where networks run: cpu, ndarray, cuda, cuda:N, wgpu or wgpu:N, or several of these: cuda:0,cuda:1
    #[arg(long, value_name = "DEVICE", env = "ONEBASIN_DEVICE", default_value = "cpu")]
    pub device: String,
    /// Where artifacts are kept [default: .store, here or in the nearest folder above that has one]
    #[arg(long, value_name = "DIR", env = "ONEBASIN_STORE")]
    pub store: Option<PathBuf>,
    /// Where files of data sets are looked for first; then $ONEBASIN_DATA, the folder of the spec, the cache
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where the folder NAME of tables is written [default: results, beside the store]
    #[arg(long, value_name = "DIR", env = "ONEBASIN_RESULTS")]
    pub results: Option<PathBuf>,
    /// Where the folder NAME of pictures is written [default: plots, beside the store]
    #[arg(long, value_name = "DIR", env = "ONEBASIN_PLOTS")]
    pub plots: Option<PathBuf>,
    /// After a failed stage, run what does not depend on it; publish what is whole, marking methods and pairs that failed
    #[arg(long)]
    pub keep_going: bool,
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
    /// With dot and mermaid, draw every stage; else they are grouped by kind
    #[arg(long)]
    pub full: bool,
    /// Exit with 1 where something would run or needs data
    #[arg(long)]
    pub exit_code: bool,
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
    /// A stage as `plan` names it, the first characters of a fingerprint, or a row of a results file such as `merged.csv:4`
    pub stage: String,
    /// Show the whole line of descent too, down to the files of the data sets
    #[arg(long)]
    pub deep: bool,
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
    /// A spec (.toml), or a file of a network: safetensors, PyTorch, NumPy
    #[arg(value_name = "SPEC|FILE")]
    pub target: PathBuf,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// What is said of the file.
    #[command(flatten)]
    pub network: NetworkOptions,
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
    /// Check the files of data sets: of known ones against their checksums, of all others that they can be read
    Verify {
        /// Names of known data sets, or specs, whose data sets are checked
        #[arg(required = true, value_name = "NAME|SPEC")]
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
    /// Figures and how far ours may lie from them, in the form of experiments/reported/*.csv [default: the spec's `reported.file`]
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Say no also where a figure was not run
    #[arg(long)]
    pub all: bool,
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

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Specs whose artifacts are checked
    #[arg(required = true, value_name = "SPEC")]
    pub specs: Vec<PathBuf>,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The file, which must not be there yet; the experiment is named after it
    #[arg(value_name = "FILE", default_value = "experiment.toml")]
    pub file: PathBuf,
}

impl Shared {
    /// Stages side by side.
    pub fn jobs(&self) -> usize {
        self.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_colour_is_known_before_the_rest_is_read() {
        let colour_of = |arguments: &[&str]| colour(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(colour_of(&["onebasin", "--color", "never", "rnu"]), ColorChoice::Never);
        assert_eq!(colour_of(&["onebasin", "rnu", "--color=always"]), ColorChoice::Always);
        assert_eq!(colour_of(&["onebasin", "rnu", "--color=blue"]), ColorChoice::Auto);
    }
}
