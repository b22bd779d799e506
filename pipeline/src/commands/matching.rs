//! `onebasin match`: the maps of networks in files.

use super::networks::{align, write_maps};
use super::{Failure, Verdict};
use crate::cli;
use crate::console;

/// Matches the units of networks, and writes their permutations.
pub fn matching(arguments: &cli::Match) -> Result<Verdict, Failure> {
    let Some(aligned) = align(&arguments.files, &arguments.matching, &arguments.network)? else { return Ok(Verdict::No) };
    if let Some(out) = &arguments.out {
        write_maps(&aligned, out)?;
        console::note(&format!("matched in {:.1} s; wrote `{}`", aligned.seconds, out.display()));
    }
    console::data(&if arguments.json { format!("{:#}", aligned.summary()) } else { aligned.text() })?;
    Ok(Verdict::Fine)
}
