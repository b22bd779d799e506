//! `onebasin init`: a whole small spec to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, anyhow};

use super::{Failure, Verdict};
use crate::cli;
use crate::console;

/// A whole spec; `NAME` stands for its name.
const TEMPLATE: &str = include_str!("init.toml");

/// Writes a spec that runs as it is.
pub fn init(arguments: &cli::Init) -> Result<Verdict, Failure> {
    let path = &arguments.file;
    let name = name_of(path).map_err(Failure::Input)?;
    let text = TEMPLATE.replace("NAME", &name);
    let shown = path.display();
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Input(anyhow!("`{shown}` is there already\nhint: name another file: `onebasin init FILE`")),
        _ => Failure::Input(anyhow!(error).context(format!("cannot write `{shown}`"))),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{shown}`")).map_err(Failure::Running)?;
    console::note(&format!("wrote `{shown}`; `onebasin run {shown}` runs it"));
    Ok(Verdict::Fine)
}

/// The experiment is called as the file, in letters that a name may have.
fn name_of(path: &Path) -> anyhow::Result<String> {
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Err(anyhow!("`{}` should end in `.toml`", path.display()).context("a spec is a TOML file\nhint: `onebasin init mine.toml`"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let letters: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
    let name = letters.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    Ok(if name.is_empty() { "experiment".to_owned() } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_named_after_its_file() {
        let name = |path: &str| name_of(Path::new(path)).map_err(|error| error.to_string());
        assert_eq!(name("a/b/My first_try.toml").unwrap(), "my-first-try");
        assert_eq!(name("-2-.toml").unwrap(), "2");
        assert_eq!(name("é.toml").unwrap(), "experiment");
        assert!(name("spec.txt").unwrap_err().contains("a spec is a TOML file"));
    }
}
