//! The command, as every test starts it.

use std::path::Path;
use std::process::Command;

/// `onebasin` in a folder, with an empty environment but for a cache in that folder: nothing of this machine reaches it.
pub fn onebasin(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onebasin"));
    command.env_clear().env("ONEBASIN_CACHE", folder.join("cache")).current_dir(folder);
    command
}
