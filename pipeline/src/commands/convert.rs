//! `onebasin convert`: the tensors of a file in another format.

use anyhow::Context;
use onebasin_checkpoints::read;

use super::networks::overwrites;
use super::{Failure, Verdict, unwritable};
use crate::cli;
use crate::console;
use crate::weight_file;
use crate::whole_file;

/// Writes the tensors of a file in the format that the other's name says: names, order and types as they are.
pub fn convert(arguments: &cli::Convert) -> Result<Verdict, Failure> {
    let (input, output) = (&arguments.input, &arguments.output);
    overwrites(output, std::slice::from_ref(input))?;
    let dict = read(input, arguments.key.as_deref()).map_err(Failure::input)?;
    let bytes = weight_file::to_bytes(&dict, output).map_err(Failure::Input)?;
    whole_file::write(output, &bytes).with_context(|| format!("cannot write `{}`", output.display())).map_err(unwritable)?;
    if console::verbosity() == console::Verbosity::Verbose {
        dict.passed_over
            .iter()
            .for_each(|passed| console::note(&format!("`{}`: passed over {passed}, which is no tensor", input.display())));
    }
    console::note(&format!("wrote {} tensors into `{}`", dict.tensors.len(), output.display()));
    Ok(Verdict::Fine)
}
