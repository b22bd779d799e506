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
mod tests {
    use super::*;
    use crate::testing::{chain, graph, mixed, numbers, random, shuffles};
    use crate::to_frame;
    use onebasin_network::permute;

    fn both<'a>(graph: &'a onebasin_network::Graph, a: &'a Weights, b: &'a Weights) -> Problem<'a> {
        Problem { spec: graph.spec(), models: vec![a, b] }
    }

    #[test]
    fn a_shuffled_copy_is_matched_back_exactly_with_every_option() {
        let graphs = [graph(r#"{"family": "mlp", "hidden": [20, 10]}"#, (1, 4, 4), 5), chain(&[4, 4]), mixed()];
        for graph in &graphs {
            let a = random(graph.spec(), 1);
            let b = permute(graph.spec(), &a, &shuffles(graph.spec(), 2));
            for ground in [Ground::Euclidean, Ground::Squared] {
                for output in [OutputUnits::Fixed, OutputUnits::Transported] {
                    let matching = OtFusion { ground, output, ..OtFusion::default() };
                    let alignment = matching.align(&both(graph, &a, &b), &Stream::root(0)).unwrap();
                    assert_eq!(to_frame(graph.spec(), &b, &alignment.maps[1]), a);
                    assert_eq!((alignment.outcome, alignment.is_hard(), alignment.cycle_error), (Outcome::Direct, true, 0.0));
                    assert_eq!(alignment.groups.last().is_some_and(|group| group == "output"), output == OutputUnits::Transported);
                }
            }
        }
    }

    #[test]
    fn exchanged_classes_are_exchanged_back_only_when_scores_are_transported() {
        let graph = graph(r#"{"family": "mlp", "hidden": [2]}"#, (1, 1, 1), 2);
        let a = numbers(graph.spec(), &[&[1.0, 2.0], &[0.0, 0.0], &[1.0, 0.0, 0.0, 1.0], &[5.0, 6.0]]);
        let b = numbers(graph.spec(), &[&[1.0, 2.0], &[0.0, 0.0], &[0.0, 1.0, 1.0, 0.0], &[6.0, 5.0]]);
        let aligned = |output| {
            let alignment = OtFusion { output, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
            to_frame(graph.spec(), &b, &alignment.maps[1])
        };
        assert_eq!(aligned(OutputUnits::Fixed), b);
        assert_eq!(aligned(OutputUnits::Transported), a);
    }

    #[test]
    fn biases_decide_between_units_only_when_they_are_appended() {
        let graph = graph(r#"{"family": "mlp", "hidden": [2]}"#, (1, 1, 1), 1);
        // Incoming weights say stay (0.1 apart), biases say swap (1 apart).
        let a = numbers(graph.spec(), &[&[0.0, 0.1], &[0.0, 1.0], &[1.0, 1.0], &[0.0]]);
        let b = numbers(graph.spec(), &[&[0.0, 0.1], &[1.0, 0.0], &[1.0, 1.0], &[0.0]]);
        let map = |append_vectors| {
            let alignment = OtFusion { append_vectors, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
            alignment.maps[1][0].clone()
        };
        assert_eq!(map(true), UnitMap::Permutation(Permutation::new(vec![1, 0]).unwrap()));
        assert_eq!(map(false), UnitMap::Permutation(Permutation::identity(2)));
    }

    #[test]
    fn sinkhorn_plans_have_unit_rows_and_near_the_exact_plan_for_a_small_regularisation() {
        let graph = graph(r#"{"family": "mlp", "hidden": [6, 5]}"#, (1, 2, 2), 3);
        let spec = graph.spec();
        let a = random(spec, 1);
        let b = permute(spec, &a, &shuffles(spec, 2));
        let matching = OtFusion { plan: PlanKind::Sinkhorn, regularisation: 1e-2, ..OtFusion::default() };
        let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        let exact = OtFusion::default().align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        for (soft, hard) in alignment.maps[1].iter().zip(&exact.maps[1]) {
            let (UnitMap::Plan(plan), UnitMap::Permutation(permutation)) = (soft, hard) else { panic!("{soft:?}, {hard:?}") };
            for (row, &unit) in plan.rows().into_iter().zip(permutation.as_slice()) {
                assert!((row.sum() - 1.0).abs() < 1e-6);
                assert!(row[unit as usize] > 0.999, "{row}");
            }
        }
        assert!(alignment.iterations > 0 && !alignment.is_hard());
        let hasty = OtFusion { iterations: 1, tolerance: 0.0, regularisation: 0.5, ..matching };
        let alignment = hasty.align(&both(&graph, &a, &random(spec, 9)), &Stream::root(0)).unwrap();
        assert_eq!(alignment.outcome, Outcome::IterationLimit);
        assert!(alignment.cycle_error > 0.1);
    }

    #[test]
    fn next_to_no_regularisation_and_a_single_iteration_still_give_every_unit_its_share() {
        let graph = chain(&[6, 5]);
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        for regularisation in [1e-300, 1e-6, 1e-3] {
            let matching = OtFusion { plan: PlanKind::Sinkhorn, regularisation, iterations: 1, ..OtFusion::default() };
            let alignment = matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
            for map in &alignment.maps[1] {
                let UnitMap::Plan(plan) = map else { panic!("{map:?}") };
                assert!(plan.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6), "{plan}");
            }
            assert!(alignment.cycle_error.is_finite());
        }
    }

    #[test]
    fn a_plan_that_was_stopped_too_early_says_by_how_much_it_misses() {
        let graph = graph(r#"{"family": "mlp", "hidden": [12, 10]}"#, (1, 4, 4), 5);
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        let with = |regularisation, iterations| {
            let matching = OtFusion { plan: PlanKind::Sinkhorn, regularisation, iterations, ..OtFusion::default() };
            matching.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap()
        };
        let hasty = with(0.05, 1);
        assert!(hasty.outcome == Outcome::IterationLimit && hasty.marginal_error > 1e-9, "{}", hasty.marginal_error);
        // Scaled down in steps, next to no regularisation fits, and is the exact plan.
        let sharp = with(1e-8, 50);
        let exact = OtFusion::default().align(&both(&graph, &a, &b), &Stream::root(0)).unwrap();
        assert!(sharp.marginal_error < 1e-3 && exact.marginal_error == 0.0, "{}", sharp.marginal_error);
        assert!((sharp.objective - exact.objective).abs() < 1e-2 * exact.objective.abs(), "{} and {}", sharp.objective, exact.objective);
    }

    #[test]
    fn a_regularisation_that_no_cost_can_be_divided_by_is_named_with_an_exponent() {
        let graph = chain(&[6]);
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        let tiny = OtFusion { plan: PlanKind::Sinkhorn, regularisation: 1e-320, ..OtFusion::default() };
        let error = tiny.align(&both(&graph, &a, &b), &Stream::root(0)).unwrap_err();
        assert_eq!(error.to_string(), "cannot solve the transport problem of group `fc1`");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with("`regularisation` is `1e-320`"), "{cause}");
        let negative = OtFusion { regularisation: -1e-320, ..tiny };
        assert!(negative.check().unwrap_err().to_string().contains("`regularisation` is `-1e-320`"));
    }

    #[test]
    fn all_models_are_brought_onto_the_chosen_reference() {
        let graph = chain(&[5, 4]);
        let spec = graph.spec();
        let a = random(spec, 1);
        let copies = [2, 3].map(|seed| permute(spec, &a, &shuffles(spec, seed)));
        let problem = Problem { spec, models: vec![&copies[0], &copies[1], &a] };
        let alignment = OtFusion { reference: 2, ..OtFusion::default() }.align(&problem, &Stream::root(0)).unwrap();
        for (model, maps) in problem.models.iter().zip(&alignment.maps) {
            assert_eq!(to_frame(spec, model, maps), a);
        }
    }

    #[test]
    fn scores_made_by_two_layers_are_not_transported() {
        let text = r#"{"layers": [{"op": "flatten"}, {"op": "linear", "out": 4},
            {"op": "residual", "body": [{"op": "linear", "out": "classes"}], "shortcut": [{"op": "linear", "out": "classes"}]}]}"#;
        let graph = graph(text, (1, 2, 2), 3);
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        let align = |output| OtFusion { output, ..OtFusion::default() }.align(&both(&graph, &a, &b), &Stream::root(0));
        assert!(align(OutputUnits::Fixed).is_ok());
        assert!(align(OutputUnits::Transported).unwrap_err().to_string().contains("`output` is `transported`"));
    }

    #[test]
    fn impossible_options_are_errors() {
        let says = |matching: OtFusion, text: &str| assert!(matching.check().unwrap_err().to_string().contains(text));
        says(OtFusion { regularisation: 0.0, ..OtFusion::default() }, "`regularisation` is `0`");
        says(OtFusion { regularisation: -1.0, ..OtFusion::default() }, "`regularisation` is `-1`");
        says(OtFusion { iterations: 0, ..OtFusion::default() }, "`iterations` is `0`");
        says(OtFusion { tolerance: f64::INFINITY, ..OtFusion::default() }, "`tolerance` is `inf`");
    }
}
