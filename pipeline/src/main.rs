//! Parses the command line, does what it says, and turns the outcome into an exit code.

use std::process::ExitCode;

use onebasin::{cli, commands, console};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match cli::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let output = &arguments.output;
    console::configure(output.verbosity(), output.color);
    let filter = if output.verbose > 1 { "warn,onebasin=debug" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| console::Stderr).init();
    commands::execute(arguments)
}
