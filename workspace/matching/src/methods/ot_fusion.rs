use ndarray::Array2;
use onebasin_network::{Parameter, Permutation, PermutationSpec, Role, Weights};
use onebasin_repro::Stream;
use onebasin_transport::{assignment, sinkhorn::Sinkhorn};
use serde::{Deserialize, Serialize};

use super::{at_least_one, git_rebasin::reference, number, tolerance};
use crate::ground_metric::{Ground, Rows};
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Certificate, Frame, Matcher, MatchingError, Outcome, Problem, SolverTrace, UnitMap, UnitMaps};

/// Optimal-transport fusion from weights: layer by layer from the input, the units of each model are transported onto the reference's by
/// the distance of their incoming weights, which are first brought into the order the layer before has got. One pass, no way back.
///
/// Masses are uniform. An exact plan between equally many units is then a permutation, and is returned as one; Sinkhorn's plan is
/// soft, and its rows (frame slots) are divided by their sums.
///
/// Extensions of ours, as the paper knows chains of layers without norms only: parameters of one number per unit (biases, norm scales and
/// shifts) are appended to a unit's incoming weights (`append-vectors`); units tied by residual connections get one plan, from the squared
/// distances summed over all layers that write to them, in a second pass where the first has not yet met them all.
///
/// Source: Singh and Jaggi (arXiv 1910.05653), algorithm 1 with weights as support.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtFusion {
    /// The model whose units are the frame; default 0.
    pub reference: usize,
    /// How the plan is found; default exact.
    pub plan: PlanKind,
    /// Sinkhorn only: weight of the entropy, in the unit of the cost; default 0.01.
    pub regularisation: f64,
    /// Sinkhorn only: the most iterations; default 1000. Where they run out, a second attempt scales the regularisation down in steps: see
    /// [`Sinkhorn::plan`]. `Alignment::marginal_error` says how well the plan fits that comes of it.
    pub iterations: usize,
    /// Sinkhorn only: error of the marginals at which it stops; default 1e-9.
    pub tolerance: f64,
    /// The distance between two units; default Euclidean, as in all runs of the paper's program.
    pub ground: Ground,
    /// Whether incoming weights are brought to length 1 first; default false.
    pub normalise_rows: bool,
    /// Whether class scores are transported too; default fixed: their meaning is given by the labels, so any other plan than the identity
    /// is an error of the matching. The paper's program transports them.
    pub output: OutputUnits,
    /// Whether biases, norm scales and shifts count as further incoming weights; default true. They follow the plan either way.
    pub append_vectors: bool,
}

impl Default for OtFusion {
    fn default() -> OtFusion {
        OtFusion {
            reference: 0,
            plan: PlanKind::Exact,
            regularisation: 0.01,
            iterations: 1000,
            tolerance: 1e-9,
            ground: Ground::Euclidean,
            normalise_rows: false,
            output: OutputUnits::Fixed,
            append_vectors: true,
        }
    }
}

/// How a transport plan is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// A plan of least cost.
    #[default]
    Exact,
    /// The plan of least cost less entropy.
    Sinkhorn,
}

/// What happens to the class scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OutputUnits {
    /// They stay.
    #[default]
    Fixed,
    /// They are transported like any layer.
    Transported,
}

impl Matcher for OtFusion {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, _stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let fixed = reference(problem, self.reference)?;
        self.check_output(problem.spec)?;
        let mut solver_trace = SolverTrace::direct(Certificate::default());
        if self.plan == PlanKind::Sinkhorn {
            solver_trace.outcome = Outcome::Converged;
        }
        let mut maps = Vec::new();
        for (model, moving) in problem.models.iter().enumerate() {
            maps.push(if model == self.reference {
                self.stay(problem.spec)
            } else {
                self.transport(interrupted, problem.spec, [fixed, moving], &mut solver_trace)?
            });
        }
        Ok(Alignment::assemble(problem, Frame::Reference(self.reference), maps, solver_trace))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("iterations", self.iterations)?;
        tolerance("tolerance", self.tolerance)?;
        if !(self.regularisation.is_finite() && self.regularisation > 0.0) {
            return Err(MatchingError::Setting {
                key: "regularisation",
                value: number(self.regularisation),
                expected: "a finite number above 0",
                hint: "for no regularisation write `plan = \"exact\"`",
            });
        }
        Ok(())
    }

    fn is_random(&self) -> bool {
        false
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

    fn permutes(&self) -> bool {
        self.plan == PlanKind::Exact && self.output == OutputUnits::Fixed
    }
}

impl OtFusion {
    /// Class scores can be transported where one layer makes them.
    fn check_output(&self, spec: &PermutationSpec) -> Result<(), MatchingError> {
        let makers = spec.parameters.iter().filter(|parameter| parameter.role == Role::Weight && is_output(parameter)).count();
        if self.output == OutputUnits::Transported && makers != 1 {
            return Err(MatchingError::Setting {
                key: "output",
                value: "transported".to_owned(),
                expected: "`fixed`, as more than one layer writes to units whose order is fixed",
                hint: "leave `output` out",
            });
        }
        Ok(())
    }

    /// The reference's own maps.
    fn stay(&self, spec: &PermutationSpec) -> UnitMaps {
        let sizes = spec.groups.iter().map(|group| group.units);
        let output = (self.output == OutputUnits::Transported).then(|| output_units(spec));
        sizes.chain(output).map(|units| UnitMap::Permutation(Permutation::identity(units))).collect()
    }

    /// The maps of one model onto the reference.
    fn transport(
        &self,
        interrupted: Interrupted<'_>,
        spec: &PermutationSpec,
        [fixed, moving]: [&Weights; 2],
        solver_trace: &mut SolverTrace,
    ) -> Result<UnitMaps, MatchingError> {
        let mut maps = vec![None; spec.groups.len()];
        let mut complete = true;
        let mut certificates = vec![Certificate::default(); spec.groups.len()];
        for pass in 0..2 {
            for (group, found) in spec.groups.iter().enumerate() {
                go_on(interrupted)?;
                let rows = |parameter: &&Parameter| parameter.rows.as_ref().is_some_and(|binding| binding.group == group);
                let (costs, all) = self.costs(spec.parameters.iter().filter(rows), found.units, fixed, moving, &maps);
                complete &= all;
                let (map, certificate) = self.solve(costs, &found.name, solver_trace)?;
                certificates[group] = certificate;
                maps[group] = Some(map);
            }
            if complete || pass == 1 {
                break;
            }
        }
        if self.output == OutputUnits::Transported {
            let rows = spec.parameters.iter().filter(|parameter| is_output(parameter));
            let (costs, _) = self.costs(rows, output_units(spec), fixed, moving, &maps);
            let (map, certificate) = self.solve(costs, crate::matcher::OUTPUT, solver_trace)?;
            certificates.push(certificate);
            maps.push(Some(map));
        }
        solver_trace.certificate = certificates.into_iter().fold(solver_trace.certificate, Certificate::worst);
        Ok(maps.into_iter().flatten().collect())
    }

    /// The cost matrix from the rows of `parameters` whose other axis is fixed or mapped already, and whether that is all of them.
    fn costs<'a>(
        &self,
        parameters: impl Iterator<Item = &'a Parameter>,
        units: usize,
        fixed: &Weights,
        moving: &Weights,
        maps: &[Option<UnitMap>],
    ) -> (Array2<f64>, bool) {
        let mut rows = Rows::new(units);
        let mut complete = true;
        for parameter in parameters.filter(|parameter| parameter.role.is_matched()) {
            if parameter.role != Role::Weight && !self.append_vectors {
                continue;
            }
            let columns = match &parameter.columns {
                None => None,
                Some(binding) => match &maps[binding.group] {
                    Some(map) => Some((map, binding.block)),
                    None => {
                        complete = false;
                        continue;
                    }
                },
            };
            rows.add(parameter, fixed, moving, columns);
        }
        (rows.costs(self.ground, self.normalise_rows), complete)
    }

    /// The plan of least cost, as a map whose rows sum to 1.
    fn solve(&self, costs: Array2<f64>, group: &str, solver_trace: &mut SolverTrace) -> Result<(UnitMap, Certificate), MatchingError> {
        let failed = |source| MatchingError::Transport { group: group.to_owned(), source };
        match self.plan {
            // Between equal numbers of units of equal mass some plan of least cost is a permutation (Birkhoff), which an assignment finds.
            PlanKind::Exact => {
                let gain = -costs;
                let best = assignment::maximise(gain.view()).map_err(failed)?;
                let certificate = best.certificate(gain.view()).into();
                Ok((UnitMap::Permutation(Permutation::new(best.columns).expect("an assignment is a bijection")), certificate))
            }
            PlanKind::Sinkhorn => {
                let solver = Sinkhorn { regularisation: self.regularisation, tolerance: self.tolerance, iterations: self.iterations };
                let masses = vec![1.0 / costs.nrows() as f64; costs.nrows()];
                let found = solver.plan(costs.view(), &masses, &masses).map_err(failed)?;
                solver_trace.iterations = solver_trace.iterations.max(found.iterations);
                solver_trace.marginal_error = solver_trace.marginal_error.max(found.marginal_error);
                if !found.converged {
                    solver_trace.outcome = Outcome::IterationLimit;
                }
                let mut plan = found.plan;
                // Never 0: rows are fitted first, and fitting the columns leaves a row at least its share of its best column.
                for mut row in plan.rows_mut() {
                    let mass = row.sum();
                    row /= mass;
                }
                Ok((UnitMap::Plan(plan.mapv(|share| share as f32)), Certificate::default()))
            }
        }
    }
}

/// Whether the rows of a parameter are class scores.
fn is_output(parameter: &Parameter) -> bool {
    parameter.rows.is_none() && matches!(parameter.role, Role::Weight | Role::Bias)
}

/// How many class scores there are.
fn output_units(spec: &PermutationSpec) -> usize {
    spec.parameters.iter().rfind(|parameter| is_output(parameter)).map_or(0, |parameter| parameter.shape[0])
}

#[cfg(test)]
mod tests;
