//! Weight matching of one pair: one group of units after another, each exactly.

use ndarray::{ArrayView2, CowArray, Ix2};
use onebasin_network::{Permutation, PermutationSpec, Weights};
use onebasin_repro::Stream;
use onebasin_transport::assignment::{Assignment, Solver};
use serde::{Deserialize, Serialize};

use super::mix::Blend;
use crate::gain::{GroupGain, neighbours};
use crate::matcher::{Interrupted, go_on};
use crate::objective::PairObjective;
use crate::{Certificate, MatchingError};

/// In which order a sweep visits the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A new uniformly random order for each sweep.
    #[default]
    Random,
    /// From the input to the output.
    Forward,
    /// From the output to the input.
    Backward,
}

impl Order {
    pub(super) fn visit(self, groups: usize, sweep: usize, stream: &Stream) -> Vec<usize> {
        match self {
            Order::Random => stream.child(format!("sweep-{sweep}")).shuffled(groups).into_iter().map(|group| group as usize).collect(),
            Order::Forward => (0..groups).collect(),
            Order::Backward => (0..groups).rev().collect(),
        }
    }
}

/// A solver for each group.
pub(crate) fn solvers(spec: &PermutationSpec) -> Vec<Solver> {
    spec.groups.iter().map(|group| Solver::new(group.units)).collect()
}

/// Coordinate ascent for one pair.
#[derive(Clone, Copy)]
pub(crate) struct Ascent<'a> {
    pub order: Order,
    pub sweeps: usize,
    pub tolerance: f64,
    /// What counts besides the agreement of weights.
    pub blend: Option<&'a Blend>,
    pub interrupted: Interrupted<'a>,
}

/// Where an ascent ended.
pub(crate) struct Ascended {
    pub maps: Vec<Permutation>,
    /// `⟨A, π(B)⟩`, or the mixed score, before the first sweep.
    pub start: f64,
    /// The same after each sweep.
    pub trace: Vec<f64>,
    pub converged: bool,
    pub certificate: Certificate,
}

impl Ascended {
    /// What it came to.
    pub(super) fn end(&self) -> f64 {
        self.trace.last().copied().unwrap_or(self.start)
    }
}

impl Ascent<'_> {
    /// Climbs from `start` to maps of `moving` that no single group can better.
    ///
    /// Cost of a sweep: a matrix product and an assignment for each group at first; later, both shrink with what still changes.
    pub fn ascend(
        &self,
        spec: &PermutationSpec,
        fixed: &Weights,
        moving: &Weights,
        start: Vec<Permutation>,
        solvers: &mut [Solver],
        stream: &Stream,
    ) -> Result<Ascended, MatchingError> {
        let groups = spec.groups.len();
        let neighbours = neighbours(spec);
        let mut pair = PairObjective::new(spec, fixed, moving, &start);
        let mut maps = start;
        let mut gains: Vec<GroupGain> = (0..groups).map(|group| GroupGain::new(spec, group, fixed, moving, &maps)).collect();
        let mut last: Vec<Option<Assignment>> = vec![None; groups];
        let mut stale = vec![true; groups];
        let value = |weights: f64, maps: &[Permutation]| self.blend.map_or(weights, |blend| blend.value(weights, maps));
        let start = value(pair.value(), &maps);
        let mut ascended = Ascended { maps: Vec::new(), start, trace: Vec::new(), converged: false, certificate: Certificate::default() };
        for sweep in 0..self.sweeps {
            let before = value(pair.value(), &maps);
            for group in self.order.visit(groups, sweep, stream) {
                if !std::mem::take(&mut stale[group]) {
                    continue;
                }
                go_on(self.interrupted)?;
                gains[group].update(&maps);
                let gain = self.mixed(gains[group].matrix(), group);
                let gain = gain.view();
                let transport = |source| MatchingError::Transport { group: spec.groups[group].name.clone(), source };
                let best = solvers[group].maximise(gain).map_err(transport)?;
                let held: f64 = maps[group].as_slice().iter().zip(gain.rows()).map(|(&unit, row)| row[unit as usize]).sum();
                let best = last[group].insert(best);
                if best.value - held <= self.tolerance * before.abs() {
                    continue;
                }
                let better = Permutation::new(best.columns.clone()).expect("an assignment is a bijection");
                // With both axes of one parameter in the group, the matrix is only the slope at the old map: look before the step counts.
                let looks = neighbours[group].contains(&group);
                let level = if looks { value(pair.finish(&maps), &maps) } else { before };
                let old = std::mem::replace(&mut maps[group], better);
                pair.moved(group);
                if looks && value(pair.finish(&maps), &maps) - level <= self.tolerance * level.abs() {
                    maps[group] = old;
                    pair.moved(group);
                    continue;
                }
                for &neighbour in &neighbours[group] {
                    stale[neighbour] = true;
                }
            }
            let after = value(pair.finish(&maps), &maps);
            ascended.trace.push(after);
            if after - before <= self.tolerance * after.abs() {
                // What rounding has added up in the kept matrices must not decide: the last word is with new ones.
                let drifted = gains.iter_mut().map(GroupGain::refresh).fold(false, |any, one| any | one);
                if !drifted {
                    ascended.converged = true;
                    break;
                }
                stale.fill(true);
            }
        }
        // A kept matrix changes only when its group is visited, so each is still the one that was solved last.
        let solved =
            last.iter().zip(&gains).enumerate().filter_map(|(group, (best, gain))| {
                best.as_ref().map(|best| best.certificate(self.mixed(gain.matrix(), group).view()).into())
            });
        ascended.certificate = solved.fold(Certificate::default(), Certificate::worst);
        ascended.maps = maps;
        Ok(ascended)
    }

    /// The gains of a group by all that counts.
    fn mixed<'m>(&self, gain: ArrayView2<'m, f64>, group: usize) -> CowArray<'m, f64, Ix2> {
        match self.blend {
            None => gain.into(),
            Some(blend) => blend.gain(gain, group).into(),
        }
    }
}
