//! `onebasin completions` and `onebasin man`: what the command line says of itself.

use clap_complete::Shell;
use clap_mangen::Man;
use onebasin_network::did_you_mean;

use super::{Failure, Verdict};
use crate::cli;
use crate::console;

/// Prints a completion script.
pub fn completions(shell: Shell) -> Result<Verdict, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "onebasin", &mut script);
    console::data(&String::from_utf8_lossy(&script))?;
    Ok(Verdict::Fine)
}

/// Prints the manual page of the program, or of one of its commands.
pub fn page(name: Option<&str>) -> Result<Verdict, Failure> {
    let mut command = cli::command();
    // Names the commands in full: `onebasin-run`.
    command.build();
    let command = match name {
        None => command,
        Some(name) => command.find_subcommand(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, command.get_subcommands().map(clap::Command::get_name));
            let hint = hint.map_or(String::new(), |likely| format!("\nhint: did you mean `{likely}`?"));
            Failure::Input(anyhow::anyhow!("unknown command `{name}`{hint}"))
        })?,
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(Failure::running)?;
    console::data(&String::from_utf8_lossy(&page))?;
    Ok(Verdict::Fine)
}
