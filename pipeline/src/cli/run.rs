//! `run`.

use std::path::PathBuf;

use clap::Args;

use super::{ExecutorOptions, Shared, executor};

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Specs, run one after the other
    #[arg(required_unless_present_any = ["only", "force"], value_name = "SPEC")]
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
    /// Run once for each of these values; with several keys, for each combination: `--sweep trainings.adam.epochs=1,3,10`
    #[arg(long, value_name = "KEY.PATH=VALUE,...")]
    pub sweep: Vec<String>,
    /// Run only these stages and what they need, and publish nothing; named as for `explain`
    #[arg(long, value_name = "STAGE", num_args = 1.., conflicts_with = "until")]
    pub only: Vec<String>,
    /// Run only the stages of this kind and what they need, and publish nothing: train, align, merge, ...
    #[arg(long, value_name = "KIND")]
    pub until: Option<String>,
    /// Run these stages anew even where they are done, and compare the bytes; exit 1 where they differ
    #[arg(long, value_name = "STAGE", num_args = 1..)]
    pub force: Vec<String>,
    /// Refuse to start what will likely take longer, and say what would fit: `30m`, `2h`
    #[arg(long, value_name = "TIME", value_parser = executor::duration)]
    pub budget: Option<std::time::Duration>,
    /// Run side by side only what fits into so much memory, by estimate: `8G`
    #[arg(long, value_name = "SIZE", value_parser = executor::bytes)]
    pub memory: Option<u64>,
    /// Where stages run.
    #[command(flatten)]
    pub executor: ExecutorOptions,
    /// Options of every command that reads a spec.
    #[command(flatten)]
    pub shared: Shared,
}

impl Run {
    /// Specs behind `--only STAGE...` and `--force STAGE...` are specs: the parser cannot tell, their ending does.
    pub fn with_specs_behind_stages(mut self) -> Run {
        for stages in [&mut self.only, &mut self.force] {
            let (specs, others): (Vec<String>, Vec<String>) = std::mem::take(stages).into_iter().partition(|name| name.ends_with(".toml"));
            // Without a stage nothing was chosen, and all would run.
            if !others.is_empty() {
                *stages = others;
                self.specs.extend(specs.into_iter().map(PathBuf::from));
            } else {
                *stages = specs;
            }
        }
        self
    }
}
