use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::{Alignment, Matcher, MatchingError, Problem, methods::identity::Identity};

/// Placeholder of the module's owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct C2m3 {}

impl Matcher for C2m3 {
    fn align(&self, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        Identity {}.align(problem, stream)
    }

    fn check(&self) -> Result<(), MatchingError> {
        Ok(())
    }

    fn is_random(&self) -> bool {
        false
    }

    fn is_joint(&self) -> bool {
        true
    }
}
