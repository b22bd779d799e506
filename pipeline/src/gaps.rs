//! What an incomplete `table.md` says that it lacks, for whatever shows the results elsewhere.

use std::fs;
use std::path::Path;

/// What a table begins with that lacks rows.
pub const INCOMPLETE: &str = "**Incomplete**";

/// The rows that a results folder lacks because a stage failed: what they are of, and the stage. Nothing of a whole one.
pub fn gaps(results: &Path) -> Vec<String> {
    let text = fs::read_to_string(results.join("table.md")).unwrap_or_default();
    let lines = text.lines().skip_while(|line| !line.starts_with(INCOMPLETE)).skip(1).skip_while(|line| line.is_empty());
    lines.map_while(|line| line.strip_prefix("- ")).map(|line| line.replace('`', "")).collect()
}
