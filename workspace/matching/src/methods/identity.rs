use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use crate::matcher::Interrupted;
use crate::{Alignment, Certificate, Frame, Matcher, MatchingError, Problem, SolverTrace};

/// No matching: every unit stays where it is, so that a mean in the frame is the naive mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Identity {}

impl Matcher for Identity {
    fn align_unless(&self, _interrupted: Interrupted<'_>, problem: &Problem<'_>, _stream: &Stream) -> Result<Alignment, MatchingError> {
        problem.check()?;
        let solver_trace = SolverTrace::direct(Certificate::default());
        Ok(Alignment::from_permutations(problem, Frame::Reference(0), problem.identity_maps(), solver_trace))
    }

    fn check(&self) -> Result<(), MatchingError> {
        Ok(())
    }

    fn is_random(&self) -> bool {
        false
    }

    fn is_joint(&self) -> bool {
        false
    }
}
