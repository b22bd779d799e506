use onebasin_network::{GroupMoments, Permutation};
use onebasin_repro::Stream;
use onebasin_transport::assignment::Solver;
use serde::{Deserialize, Serialize};

use super::git_rebasin::reference;
use crate::activations::{Activations, Score, moments};
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Certificate, Frame, Matcher, MatchingError, Problem, SolverTrace};

/// Activation matching: each group of units of each model is matched to the reference's by what the units give on the same images.
///
/// One assignment for each group and model, exact; groups do not know of each other, and weights are not looked at.
///
/// Source: Git Re-Basin (arXiv 2209.04836), section 3.1; REPAIR (arXiv 2211.08403). Deviation: images are the same for all models and not
/// augmented.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ActivationMatching {
    /// The model whose units are the frame; default 0.
    pub reference: usize,
    /// How the agreement of two units is counted; default correlation.
    pub score: Score,
    /// Which activations.
    pub activations: Activations,
}

impl Matcher for ActivationMatching {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, _stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        reference(problem, self.reference)?;
        let moments = moments(problem)?;
        let mut maps = problem.identity_maps();
        let mut certificate = Certificate::default();
        for (model, maps) in maps.iter_mut().enumerate().filter(|(model, _)| *model != self.reference) {
            for ((map, moments), group) in maps.iter_mut().zip(moments).zip(&problem.spec.groups) {
                go_on(interrupted)?;
                let (found, proof) = self.assign(moments, model, &group.name)?;
                *map = found;
                certificate = certificate.worst(proof);
            }
        }
        Ok(Alignment::from_permutations(problem, Frame::Reference(self.reference), maps, SolverTrace::direct(certificate)))
    }

    fn check(&self) -> Result<(), MatchingError> {
        self.activations.check()
    }

    fn is_random(&self) -> bool {
        self.activations.drawn
    }

    fn is_joint(&self) -> bool {
        false
    }

    fn reference(&self) -> Option<usize> {
        Some(self.reference)
    }

    fn set_reference(&mut self, reference: usize) {
        self.reference = reference;
    }

    fn needs(&self) -> Option<Activations> {
        Some(self.activations)
    }
}

impl ActivationMatching {
    fn assign(&self, moments: &GroupMoments, model: usize, group: &str) -> Result<(Permutation, Certificate), MatchingError> {
        let score = self.score.of(moments, self.reference, model);
        let transport = |source| MatchingError::Transport { group: group.to_owned(), source };
        let best = Solver::new(score.nrows()).maximise(score.view()).map_err(transport)?;
        let certificate = best.certificate(score.view()).into();
        Ok((Permutation::new(best.columns).expect("an assignment is a bijection"), certificate))
    }
}
