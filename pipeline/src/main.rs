//! Parses the command line, does what it says, and turns the outcome into an exit code.

use std::process::ExitCode;

use onebasin::{cli, commands, console, interrupt};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match cli::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        // Help and the version are written too, and may have nowhere to go.
        Err(error) if error.print().is_err() => return ExitCode::FAILURE,
        Err(error) => return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    };
    interrupt::outlive_file_limits();
    let output = &arguments.output;
    console::configure(output.verbosity(), output.color);
    let filter = if output.verbose > 1 { "warn,onebasin=debug" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| console::Stderr).init();
    commands::execute(arguments)
}
