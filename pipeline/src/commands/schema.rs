//! `onebasin schema`: what a spec may say, for editors.

use super::{Failure, Verdict};
use crate::console;
use crate::experiment;

/// Prints the JSON schema of a spec.
pub fn schema() -> Result<Verdict, Failure> {
    console::data(&format!("{:#}", experiment::schema()))?;
    Ok(Verdict::Fine)
}
