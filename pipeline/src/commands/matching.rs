//! `onebasin match`: the maps of networks in files.

use super::networks::{align, overwrites, text};
use super::{Failure, Verdict, at_least_two, unwritable};
use crate::cli;
use crate::console;
use crate::maps_file;

/// Matches the units of networks, and writes their permutations.
pub fn matching(arguments: &cli::Match) -> Result<Verdict, Failure> {
    at_least_two(&arguments.files, "files of networks")?;
    if let Some(out) = &arguments.out {
        overwrites(out, &arguments.files)?;
    }
    let Some(aligned) = align(&arguments.files, &arguments.matching, &arguments.network)? else { return Ok(Verdict::No) };
    let matched = &aligned.matched;
    if let Some(out) = &arguments.out {
        let spec = aligned.networks[0].graph.spec();
        // Plans have no permutations, and class scores no place in the file: another method is to be given.
        let fits = matched.alignment.is_hard() && matched.moved_outputs.is_none();
        maps_file::write(matched, spec, out).map_err(|error| if fits { unwritable(error) } else { Failure::Input(error) })?;
        console::note(&format!("matched in {:.1} s; wrote `{}`", matched.seconds, out.display()));
    }
    console::data(&if arguments.json { format!("{:#}", matched.summary()) } else { text(matched) })?;
    Ok(Verdict::Fine)
}
