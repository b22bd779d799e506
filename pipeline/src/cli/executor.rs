//! Where stages run, and the commands about jobs of a cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Shared;
use crate::spec::parse_bytes;

/// Where stages run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExecutorKind {
    /// In this process
    #[default]
    Local,
    /// As jobs of a Slurm cluster
    Slurm,
}

/// Where the stages of a run are run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where stages run")]
pub struct ExecutorOptions {
    /// Where stages run: local, or slurm for jobs of a cluster whose nodes share the store
    #[arg(long, value_name = "WHERE", env = "ONEBASIN_EXECUTOR", value_enum, default_value_t, hide_possible_values = true)]
    pub executor: ExecutorKind,
    /// The settings of the site, below those of the spec [default: ~/.config/onebasin/executor.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "ONEBASIN_EXECUTOR_FILE")]
    pub executor_file: Option<PathBuf>,
    /// Print the scripts of the jobs; submit nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `stages`.
#[derive(Debug, Args)]
pub struct Stages {
    /// The spec
    pub spec: PathBuf,
    /// The file of the batch, in the store
    #[arg(long, value_name = "FILE")]
    pub batch: PathBuf,
    /// Which part of it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub part: usize,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The spec
    pub spec: PathBuf,
    /// Cancel the jobs
    #[arg(long)]
    pub cancel: bool,
    /// Print for a program
    #[arg(long)]
    pub json: bool,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The spec
    pub spec: PathBuf,
    /// A stage as `plan` names it, the first characters of a fingerprint, or a row of a results file
    pub stage: String,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

/// Reads `30m`, `2h`, `90s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}: write `30m` or `2h`"))
}

/// Reads `8G`, `512M`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    parse_bytes(text).ok_or_else(|| "write `512M` or `8G`".to_owned())
}
