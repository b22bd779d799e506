//! `onebasin match`: the maps of networks in files.

use super::networks::{align, overwrites, text};
use super::{Failure, Verdict, unwritable};
use crate::cli;
use crate::console;
use crate::maps_file;

/// Matches the units of networks, and writes their permutations.
pub fn matching(arguments: &cli::Match) -> Result<Verdict, Failure> {
    if let Some(out) = &arguments.out {
        overwrites(out, &arguments.files)?;
    }
    let Some(aligned) = align(&arguments.files, &arguments.matching, &arguments.network)? else { return Ok(Verdict::No) };
    let matched = &aligned.matched;
    if let Some(out) = &arguments.out {
        // Plans have no permutations: another method is to be given.
        let wrong = |error| if matched.alignment.is_hard() { unwritable(error) } else { Failure::Input(error) };
        maps_file::write(matched, aligned.networks[0].graph.spec(), out).map_err(wrong)?;
        console::note(&format!("matched in {:.1} s; wrote `{}`", matched.seconds, out.display()));
    }
    console::data(&if arguments.json { format!("{:#}", matched.summary()) } else { text(matched) })?;
    Ok(Verdict::Fine)
}
