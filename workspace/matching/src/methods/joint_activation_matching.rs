use ndarray::Array2;
use onebasin_network::{GroupMoments, Permutation};
use onebasin_repro::Stream;
use onebasin_transport::assignment::Solver;
use serde::{Deserialize, Serialize};

use super::at_least_one;
use crate::activations::{Activations, Score, moments};
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Certificate, Frame, Iterate, Matcher, MatchingError, Outcome, Problem, SolverTrace};

/// Joint activation matching: all models at once, in a universe, by what their units give on the same images.
///
/// For each group `g` it ascends `Σ_{p<q} tr(P_pᵀ C^{pq} P_q)`, where `C^{pq}` scores the units of p and q, by C²M³'s Frank–Wolfe over doubly
/// stochastic matrices from the identity, and once more by matching each model to all before it; both are refined by coordinate ascent
/// over models, and the better one is kept. With two models it is exact. Groups do not know of each other.
///
/// The trace is the sum over groups after each round of refinement.
///
/// Source: the ascent of C²M³ (arXiv 2405.17897), algorithm 1, on the scores of Git Re-Basin (arXiv 2209.04836), section 3.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JointActivationMatching {
    /// How the agreement of two units is counted; default correlation.
    pub score: Score,
    /// The most steps of the ascent; default 50.
    pub iterations: usize,
    /// The most rounds of refinement; default 100.
    pub refine: usize,
    /// Which activations.
    pub activations: Activations,
}

impl Default for JointActivationMatching {
    fn default() -> JointActivationMatching {
        JointActivationMatching { score: Score::default(), iterations: 50, refine: 100, activations: Activations::default() }
    }
}

/// A gain of at most this share of the objective is none.
const TOLERANCE: f64 = 1e-9;

impl Matcher for JointActivationMatching {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, _stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let moments = moments(problem)?;
        let mut maps = problem.identity_maps();
        let mut certificate = Certificate::default();
        let mut rounds: Vec<Vec<f64>> = Vec::new();
        let mut converged = true;
        for (group, moments) in moments.iter().enumerate() {
            let mut scores = Scores::new(self.score, moments, &problem.spec.groups[group].name, interrupted);
            let starts = [scores.ascend(self.iterations)?, scores.one_by_one()?];
            let mut best: Option<Refined> = None;
            for start in starts {
                let refined = scores.refine(start, self.refine)?;
                if best.as_ref().is_none_or(|best| refined.last() > best.last() + TOLERANCE * best.last().abs()) {
                    best = Some(refined);
                }
            }
            let Refined { maps: found, objectives, converged: ended, certificate: proof } = best.expect("there are two starts");
            for (model, map) in found.into_iter().enumerate() {
                maps[model][group] = map;
            }
            certificate = certificate.worst(proof);
            converged &= ended;
            rounds.push(objectives);
        }
        let most = rounds.iter().map(Vec::len).max().unwrap_or(0);
        let after = |round: usize| rounds.iter().filter_map(|rounds| rounds.get(round).or(rounds.last())).sum();
        let trace = (0..most).map(|round| Iterate { objective: after(round), step: None }).collect();
        let outcome = if converged { Outcome::Converged } else { Outcome::IterationLimit };
        Ok(Alignment::from_permutations(problem, Frame::Universe, maps, SolverTrace::iterated(trace, outcome, certificate)))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("refine", self.refine)?;
        self.activations.check()
    }

    fn is_random(&self) -> bool {
        self.activations.drawn
    }

    fn is_joint(&self) -> bool {
        true
    }

    fn needs(&self) -> Option<Activations> {
        Some(self.activations)
    }
}

/// The scores of one group between every two models.
struct Scores<'a> {
    /// `[units of p, units of q]` at `p * models + q`; nothing on the diagonal.
    between: Vec<Array2<f64>>,
    models: usize,
    units: usize,
    solvers: Vec<Solver>,
    group: &'a str,
    interrupted: Interrupted<'a>,
}

/// Where a refinement ended.
struct Refined {
    maps: Vec<Permutation>,
    /// After each round.
    objectives: Vec<f64>,
    converged: bool,
    certificate: Certificate,
}

impl Refined {
    fn last(&self) -> f64 {
        self.objectives.last().copied().unwrap_or(f64::NEG_INFINITY)
    }
}

impl<'a> Scores<'a> {
    fn new(score: Score, moments: &GroupMoments, group: &'a str, interrupted: Interrupted<'a>) -> Scores<'a> {
        let (models, units) = (moments.models(), moments.sums[0].len());
        let of = |p: usize, q: usize| if p == q { Array2::zeros((0, 0)) } else { score.of(moments, p, q) };
        let between = (0..models * models).map(|place| of(place / models, place % models)).collect();
        Scores { between, models, units, solvers: (0..models).map(|_| Solver::new(units)).collect(), group, interrupted }
    }

    fn of(&self, p: usize, q: usize) -> &Array2<f64> {
        &self.between[p * self.models + q]
    }

    /// The assignment of a model's units to slots that a gain `[slots, units]` is greatest for.
    fn assign(&mut self, model: usize, gain: &Array2<f64>) -> Result<(Permutation, Certificate), MatchingError> {
        go_on(self.interrupted)?;
        let transport = |source| MatchingError::Transport { group: self.group.to_owned(), source };
        let best = self.solvers[model].maximise(gain.view()).map_err(transport)?;
        let certificate = best.certificate(gain.view()).into();
        Ok((Permutation::new(best.columns).expect("an assignment is a bijection"), certificate))
    }

    /// What a model's units would gain in each slot beside `others`: `Σ_q P_q C^{qp}`, `[slots, units]`.
    fn gain(&self, model: usize, others: impl Iterator<Item = usize>, maps: &[Permutation]) -> Array2<f64> {
        let mut gain = Array2::zeros((self.units, self.units));
        for other in others.filter(|other| *other != model) {
            let score = self.of(other, model);
            for (mut row, &unit) in gain.rows_mut().into_iter().zip(maps[other].as_slice()) {
                row += &score.row(unit as usize);
            }
        }
        gain
    }

    /// Each model matched to all before it.
    fn one_by_one(&mut self) -> Result<Vec<Permutation>, MatchingError> {
        let mut maps = vec![Permutation::identity(self.units); self.models];
        for model in 1..self.models {
            let gain = self.gain(model, 0..model, &maps);
            maps[model] = self.assign(model, &gain)?.0;
        }
        Ok(maps)
    }

    /// Frank–Wolfe from the identity, then the nearest permutations.
    ///
    /// The slopes `Σ_q P_q C^{qp}` are linear in the maps, and every step leads towards permutations, whose slopes are rows of scores put
    /// in order: no matrix product is ever needed.
    fn ascend(&mut self, iterations: usize) -> Result<Vec<Permutation>, MatchingError> {
        let mut soft: Vec<Array2<f64>> = vec![Array2::eye(self.units); self.models];
        let mut slopes = self.slopes(&vec![Permutation::identity(self.units); self.models]);
        for _ in 0..iterations {
            let mut corners = Vec::with_capacity(self.models);
            for (model, slope) in slopes.iter().enumerate() {
                corners.push(self.assign(model, slope)?.0);
            }
            let mut steps: Vec<Array2<f64>> = soft.iter().map(|soft| soft.mapv(|share| -share)).collect();
            for (step, corner) in steps.iter_mut().zip(&corners) {
                corner.as_slice().iter().enumerate().for_each(|(slot, &unit)| step[[slot, unit as usize]] += 1.0);
            }
            let turns: Vec<Array2<f64>> = self.slopes(&corners).into_iter().zip(&slopes).map(|(corner, slope)| corner - slope).collect();
            // The objective along the step is `f + a α + b α²`.
            let along = |maps: &[Array2<f64>], slopes: &[Array2<f64>]| -> f64 {
                maps.iter().zip(slopes).map(|(map, slope)| (map * slope).sum()).sum()
            };
            let (level, a, b) = (0.5 * along(&soft, &slopes), along(&steps, &slopes), 0.5 * along(&steps, &turns));
            let alpha = if b < 0.0 { (-a / (2.0 * b)).clamp(0.0, 1.0) } else { 1.0 };
            if a * alpha + b * alpha * alpha <= TOLERANCE * level.abs() {
                break;
            }
            soft.iter_mut().zip(&steps).for_each(|(soft, step)| soft.scaled_add(alpha, step));
            slopes.iter_mut().zip(&turns).for_each(|(slope, turn)| slope.scaled_add(alpha, turn));
        }
        soft.iter().enumerate().map(|(model, soft)| Ok(self.assign(model, soft)?.0)).collect()
    }

    /// `Σ_q P_q C^{qp}` for each model p, of permutations.
    fn slopes(&self, maps: &[Permutation]) -> Vec<Array2<f64>> {
        (0..self.models).map(|model| self.gain(model, 0..self.models, maps)).collect()
    }

    fn objective(&self, maps: &[Permutation]) -> f64 {
        let agreement = |(p, q): (usize, usize)| -> f64 {
            let score = self.of(p, q);
            maps[p].as_slice().iter().zip(maps[q].as_slice()).map(|(&a, &b)| score[[a as usize, b as usize]]).sum()
        };
        GroupMoments::pairs(self.models).map(agreement).sum()
    }

    /// Coordinate ascent: each model in turn to all others, until a round gains nothing.
    fn refine(&mut self, mut maps: Vec<Permutation>, rounds: usize) -> Result<Refined, MatchingError> {
        let mut objectives = vec![self.objective(&maps)];
        let mut certificate = Certificate::default();
        let mut converged = false;
        for _ in 0..rounds {
            let level = objectives[objectives.len() - 1];
            certificate = Certificate::default();
            for model in 0..self.models {
                let gain = self.gain(model, 0..self.models, &maps);
                let held: f64 = maps[model].as_slice().iter().zip(gain.rows()).map(|(&unit, row)| row[unit as usize]).sum();
                let (better, proof) = self.assign(model, &gain)?;
                let value: f64 = better.as_slice().iter().zip(gain.rows()).map(|(&unit, row)| row[unit as usize]).sum();
                certificate = certificate.worst(proof);
                if value - held > TOLERANCE * level.abs() {
                    maps[model] = better;
                }
            }
            objectives.push(self.objective(&maps));
            if objectives[objectives.len() - 1] - level <= TOLERANCE * level.abs() {
                converged = true;
                break;
            }
        }
        Ok(Refined { maps, objectives, converged, certificate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{activations, chain, copies, random};
    use crate::{ActivationMatching, to_frame};
    use ndarray::array;
    use onebasin_network::Weights;

    /// Three models of which no two agree as well as all three together do.
    #[test]
    fn shuffled_copies_are_brought_back_whatever_their_number() {
        let graph = chain(&[6, 5]);
        let spec = graph.spec();
        for count in [2, 3, 4, 6] {
            let (models, maps) = copies(spec, &random(spec, 1), count);
            let moments = activations(spec, &maps, 0.0);
            let problem = Problem::new(spec, models.iter().collect()).with_moments(&moments);
            let alignment = JointActivationMatching::default().align(&problem, &Stream::root(0)).unwrap();
            let aligned: Vec<Weights> = models.iter().zip(&alignment.maps).map(|(model, maps)| to_frame(spec, model, maps)).collect();
            assert!(aligned.iter().all(|model| *model == aligned[0]), "{count}");
            assert_eq!(alignment.outcome, Outcome::Converged);
        }
    }

    #[test]
    fn two_models_are_matched_as_well_as_to_a_reference() {
        let graph = chain(&[9, 8]);
        let spec = graph.spec();
        let (models, maps) = copies(spec, &random(spec, 1), 2);
        let moments = activations(spec, &maps, 2.0);
        let problem = Problem::new(spec, models.iter().collect()).with_moments(&moments);
        let joint = JointActivationMatching::default().align(&problem, &Stream::root(0)).unwrap();
        let apart = ActivationMatching::default().align(&problem, &Stream::root(0)).unwrap();
        let value = |alignment: &Alignment| -> f64 {
            let of = |group: usize| -> f64 {
                let score = Score::Correlation.of(&moments[group], 0, 1);
                let [first, second] = [0, 1].map(|model| alignment.permutations(model).unwrap()[group].clone());
                first.as_slice().iter().zip(second.as_slice()).map(|(&a, &b)| score[[a as usize, b as usize]]).sum()
            };
            (0..2).map(of).sum()
        };
        assert!((value(&joint) - value(&apart)).abs() < 1e-9, "{} and {}", value(&joint), value(&apart));
        assert!((joint.trace.last().unwrap().objective - value(&joint)).abs() < 1e-9);
    }

    /// What a model gains is linear in its own map: the ascent's objective by the definition.
    #[test]
    fn the_objective_is_the_sum_over_every_two_models() {
        let mut moments = GroupMoments::zero(2, 3);
        moments.samples = 1;
        moments.products = vec![array![[0.0, 1.0], [2.0, 0.0]], array![[0.0, 4.0], [8.0, 0.0]], array![[16.0, 0.0], [0.0, 32.0]]];
        let never = || false;
        let scores = Scores::new(Score::Product, &moments, "group", &never);
        let (here, swapped) = (Permutation::identity(2), Permutation::new(vec![1, 0]).unwrap());
        assert_eq!(scores.objective(&[here.clone(), here.clone(), here.clone()]), 48.0);
        assert_eq!(scores.objective(&[swapped, here.clone(), here]), 1.0 + 2.0 + 4.0 + 8.0 + 48.0);
    }
}
