//! Parses the command line, does what it says, and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use onebasin::cli::Arguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| onebasin::console::Stderr).init();
    onebasin::commands::execute(Arguments::parse())
}
