use ndarray::{Array2, ArrayD, Zip};
use onebasin_network::{Parameter, Permutation, PermutationSpec, Role};
use onebasin_repro::Stream;
use onebasin_transport::{assignment, exact, sinkhorn::Sinkhorn};
use serde::{Deserialize, Serialize};

use super::{at_least_one, number, tolerance};
use crate::align::{map_columns, map_rows};
use crate::ground_metric::{Ground, Rows};
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Certificate, Frame, Matcher, MatchingError, Outcome, Problem, SolverTrace, UnitMap, UnitMaps};

/// Wasserstein-barycenter fusion: layer by layer from the input, the barycenter of all models' units and the couplings of each model with it,
/// found in turns.
///
/// A unit is the weights it reads with. How far it is from one of the barycenter is `Σ_{s,q} (w_s - v_q)² Π[s, q]` over the coupling `Π` of the
/// layer before. Given these costs each model's coupling is a transport of uniform masses; given the couplings, the barycenter's weights are
/// `k k′ Σ_i λ_i Π_i W_i Π′_iᵀ`, with `k` and `k′` units in this layer and the one before, and all `λ` equal. The barycenter starts from the first
/// model, whose widths it has; class scores stay where they are. Models may have other widths ([`Problem::of_widths`]).
///
/// The mean of the models in the frame is the barycenter. Between equally many units an exact coupling is a permutation, and the maps are
/// returned as permutations.
///
/// Extensions of ours: biases, norm scales and shifts are appended to a unit's weights (`append-vectors`); costs are sums over weights, where
/// the paper divides those of a layer by `k′`; units tied by residual connections get one coupling, by all layers that write to them, in a second
/// pass where the first has not yet met them all. The form for recurrent layers is not here.
///
/// Source: Akash, Li and García Trillos, Wasserstein barycenter-based model fusion and linear mode connectivity (arXiv 2210.06671).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WbFusion {
    /// How couplings are found; default exact.
    pub plan: Coupling,
    /// Sinkhorn only: weight of the entropy, as a share of the greatest cost; default 1e-3.
    pub regularisation: f64,
    /// Sinkhorn only: the most iterations of one coupling; default 100.
    pub iterations: usize,
    /// The most turns of couplings and weights in one layer; default 100.
    pub rounds: usize,
    /// A layer is done where the mean square change of its weights, and of the shares of its couplings, is below this; default 1e-5.
    pub tolerance: f64,
    /// Whether biases, norm scales and shifts count as further weights; default true. They follow the coupling either way.
    pub append_vectors: bool,
}

/// How units are coupled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Coupling {
    /// At least cost.
    #[default]
    Exact,
    /// At least cost less entropy.
    Sinkhorn,
}

impl Default for WbFusion {
    fn default() -> WbFusion {
        WbFusion { plan: Coupling::Exact, regularisation: 1e-3, iterations: 100, rounds: 100, tolerance: 1e-5, append_vectors: true }
    }
}

impl Matcher for WbFusion {
    /// Memory: for each model a copy of one layer. Cost: in each round of a layer, for each model, a product of the layer's weights and a
    /// transport of its units.
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, _stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check_widths()?;
        let groups = problem.spec.groups.len();
        let mut found =
            Found { maps: vec![vec![None; groups]; problem.models.len()], solver_trace: SolverTrace::direct(Certificate::default()) };
        found.solver_trace.outcome = Outcome::Converged;
        let mut certificates = vec![Certificate::default(); groups];
        for pass in 0..2 {
            let mut complete = true;
            for (group, certificate) in certificates.iter_mut().enumerate() {
                let layer = Layer::new(self, problem, group, &found.maps);
                complete &= layer.complete;
                *certificate = self.balance(interrupted, problem, &layer, &mut found)?;
            }
            if complete || pass == 1 {
                break;
            }
        }
        let Found { maps, mut solver_trace } = found;
        solver_trace.certificate = certificates.into_iter().fold(Certificate::default(), Certificate::worst);
        let maps = maps.into_iter().map(|maps| maps.into_iter().flatten().collect::<UnitMaps>()).collect();
        Ok(Alignment::assemble(problem, Frame::Universe, maps, solver_trace))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("iterations", self.iterations)?;
        at_least_one("rounds", self.rounds)?;
        tolerance("tolerance", self.tolerance)?;
        let (key, value, hint) = ("regularisation", number(self.regularisation), "for no regularisation write `plan = \"exact\"`");
        let is_fine = self.regularisation.is_finite() && self.regularisation > 0.0;
        let wrong = MatchingError::Setting { key, value, expected: "a finite number above 0", hint };
        if !is_fine {
            return Err(wrong);
        }
        let default = WbFusion::default();
        for (key, value, is_default) in [
            ("regularisation", number(self.regularisation), self.regularisation == default.regularisation),
            ("iterations", self.iterations.to_string(), self.iterations == default.iterations),
        ] {
            if !is_default && self.plan == Coupling::Exact {
                let (expected, hint) = ("`plan = \"sinkhorn\"` beside it", "exact plans have no entropy and are found at once");
                return Err(MatchingError::Setting { key, value, expected, hint });
            }
        }
        Ok(())
    }

    fn is_random(&self) -> bool {
        false
    }

    fn is_joint(&self) -> bool {
        true
    }

    fn permutes(&self) -> bool {
        self.plan == Coupling::Exact
    }
}

/// What there is so far: for each model its maps, one for each group that was met.
struct Found {
    maps: Vec<Vec<Option<UnitMap>>>,
    solver_trace: SolverTrace,
}

/// What a group's units read with: the parameters that count, of each model with its columns in the frame.
struct Layer<'a> {
    group: usize,
    name: &'a str,
    parameters: Vec<&'a Parameter>,
    /// Units of the barycenter.
    slots: usize,
    /// By model, then by parameter.
    columns_mapped: Vec<Vec<ArrayD<f32>>>,
    /// For each model and unit, `Σ_{s,q} v_q² Π[s, q]` over all parameters.
    squares: Vec<Vec<f64>>,
    /// Whether all that counts could be compared.
    complete: bool,
}

impl<'a> Layer<'a> {
    fn new(options: &WbFusion, problem: &Problem<'a>, group: usize, maps: &[Vec<Option<UnitMap>>]) -> Layer<'a> {
        let spec: &'a PermutationSpec = problem.spec;
        let of_group = spec.parameters.iter().filter(|parameter| parameter.rows.is_some_and(|rows| rows.group == group));
        let counts = |parameter: &Parameter| parameter.role.is_matched() && (parameter.role == Role::Weight || options.append_vectors);
        let (known, unknown): (Vec<&Parameter>, Vec<&Parameter>) = of_group
            .filter(|parameter| counts(parameter))
            .partition(|parameter| parameter.columns.is_none_or(|columns| maps[0][columns.group].is_some()));
        let mut layer = Layer {
            group,
            name: &spec.groups[group].name,
            parameters: known,
            slots: spec.groups[group].units,
            columns_mapped: Vec::new(),
            squares: Vec::new(),
            complete: unknown.is_empty(),
        };
        for (model, maps) in maps.iter().enumerate() {
            let mut squares = vec![0.0; problem.spec_of(model).groups[group].units];
            let mapped = layer.parameters.iter().map(|parameter| {
                let array = problem.models[model].get(&parameter.name);
                let columns = parameter.columns.and_then(|columns| Some((maps[columns.group].as_ref()?, columns.block)));
                add_squares(&mut squares, array, columns);
                columns.map_or_else(|| array.clone(), |(map, block)| map_columns(array.view(), map.columns(&parameter.name), block))
            });
            let mapped = mapped.collect();
            layer.columns_mapped.push(mapped);
            layer.squares.push(squares);
        }
        layer
    }

    /// The barycenter of the models under these maps: for each parameter, the mean of the mapped rows.
    fn barycenter(&self, maps: &[UnitMap]) -> Vec<ArrayD<f32>> {
        let share = 1.0 / maps.len() as f64;
        let mean = |(place, parameter): (usize, &&Parameter)| {
            let block = parameter.rows.map_or(1, |rows| rows.block);
            let mapped = maps.iter().zip(&self.columns_mapped);
            let mapped = mapped.map(|(map, arrays)| map_rows(arrays[place].view(), map.rows(&parameter.name), block));
            let mut sum: Option<ArrayD<f64>> = None;
            for array in mapped {
                let array = array.mapv(|value| share * f64::from(value));
                sum = Some(match sum {
                    Some(sum) => sum + array,
                    None => array,
                });
            }
            sum.expect("a problem has models").mapv(|value| value as f32)
        };
        self.parameters.iter().enumerate().map(mean).collect()
    }

    /// How far each unit of a model is from each of the barycenter.
    fn costs(&self, barycenter: &[ArrayD<f32>], model: usize) -> Array2<f64> {
        let mut rows = Rows::new(self.slots, self.squares[model].len());
        for (fixed, moving) in barycenter.iter().zip(&self.columns_mapped[model]) {
            rows.add_arrays(fixed, moving);
        }
        rows.with_moving_squares(&self.squares[model]).costs(Ground::Squared, false)
    }
}

/// Adds `Σ_q v_q² c_q` of each row to `squares`, with `c` what the map of the columns gives to column `q` in all: 1 for a permutation, and k′ / n′ for
/// an exact coupling of n′ units with k′ slots.
fn add_squares(squares: &mut [f64], array: &ArrayD<f32>, columns: Option<(&UnitMap, usize)>) {
    let shares = columns.and_then(|(map, block)| {
        let UnitMap::Plan(plan) = map else { return None };
        let shares: Vec<f64> = plan.columns().into_iter().map(|column| column.iter().map(|&share| f64::from(share)).sum()).collect();
        Some((shares, block * array.shape().iter().skip(2).product::<usize>()))
    });
    let values = array.as_slice().expect("arrays are made contiguous when the weights are made");
    let width = values.len() / squares.len().max(1);
    for (square, row) in squares.iter_mut().zip(values.chunks_exact(width.max(1))) {
        *square += match &shares {
            None => row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>(),
            Some((shares, inner)) => {
                let units = row.chunks_exact(*inner).zip(shares.iter().cycle());
                units.map(|(values, share)| share * values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()).sum::<f64>()
            }
        };
    }
}

impl WbFusion {
    /// Couplings and weights of one layer, in turns until both rest.
    fn balance(
        &self,
        interrupted: Interrupted<'_>,
        problem: &Problem<'_>,
        layer: &Layer<'_>,
        found: &mut Found,
    ) -> Result<Certificate, MatchingError> {
        let known: Option<Vec<UnitMap>> = found.maps.iter().map(|maps| maps[layer.group].clone()).collect();
        // The first model's own weights, unless an earlier pass has left couplings.
        let mut barycenter = known.as_ref().map_or_else(|| layer.columns_mapped[0].clone(), |maps| layer.barycenter(maps));
        let mut maps = known;
        for round in 0..self.rounds {
            go_on(interrupted)?;
            let mut certificate = Certificate::default();
            let mut next = Vec::with_capacity(problem.models.len());
            for model in 0..problem.models.len() {
                let (map, proof) = self.couple(layer.costs(&barycenter, model), layer.name, &mut found.solver_trace)?;
                certificate = certificate.worst(proof);
                next.push(map);
            }
            let weights = layer.barycenter(&next);
            let rests = maps.as_ref().is_some_and(|maps| {
                maps.iter().zip(&next).all(|(old, new)| change(old, new) < self.tolerance) && moved(&barycenter, &weights) < self.tolerance
            });
            (barycenter, maps) = (weights, Some(next));
            found.solver_trace.iterations = found.solver_trace.iterations.max(round + 1);
            if rests || round + 1 == self.rounds {
                if !rests {
                    found.solver_trace.outcome = Outcome::IterationLimit;
                }
                for (all, map) in found.maps.iter_mut().zip(maps.into_iter().flatten()) {
                    all[layer.group] = Some(map);
                }
                return Ok(certificate);
            }
        }
        unreachable!("there is at least one round, and the last returns")
    }

    /// The coupling for costs `[slots, units]`, as a map whose rows sum to 1.
    fn couple(&self, costs: Array2<f64>, group: &str, solver_trace: &mut SolverTrace) -> Result<(UnitMap, Certificate), MatchingError> {
        let failed = |source| MatchingError::Transport { group: group.to_owned(), source };
        let (slots, units) = costs.dim();
        let [slot_masses, unit_masses] = [slots, units].map(|count| vec![1.0 / count as f64; count]);
        let to_map = |plan: Array2<f64>| {
            let mut shares = plan;
            for mut row in shares.rows_mut() {
                let mass = row.sum();
                row /= mass;
            }
            UnitMap::Plan(shares.mapv(|share| share as f32))
        };
        match self.plan {
            Coupling::Exact if slots == units => {
                let gain = -costs;
                let best = assignment::maximise(gain.view()).map_err(failed)?;
                let certificate = best.certificate(gain.view()).into();
                Ok((UnitMap::Permutation(Permutation::new(best.columns).expect("an assignment is a bijection")), certificate))
            }
            Coupling::Exact => {
                let plan = exact::plan(costs.view(), &slot_masses, &unit_masses).map_err(failed)?;
                let certificate = plan.certificate(costs.view()).into();
                Ok((to_map(plan.to_dense()), certificate))
            }
            Coupling::Sinkhorn => {
                let greatest = costs.fold(0.0, |most: f64, &cost| most.max(cost));
                let costs = if greatest > 0.0 { costs / greatest } else { costs };
                let solver = Sinkhorn { regularisation: self.regularisation, tolerance: 1e-9, iterations: self.iterations };
                let plan = solver.plan(costs.view(), &slot_masses, &unit_masses).map_err(failed)?;
                solver_trace.marginal_error = solver_trace.marginal_error.max(plan.marginal_error);
                Ok((to_map(plan.plan), Certificate::default()))
            }
        }
    }
}

/// The mean square change of a map's shares.
fn change(old: &UnitMap, new: &UnitMap) -> f64 {
    match (old, new) {
        (UnitMap::Permutation(old), UnitMap::Permutation(new)) => {
            let other = old.as_slice().iter().zip(new.as_slice()).filter(|(old, new)| old != new).count();
            // Each slot that has another unit loses a 1 and gains one, among as many shares as slots times units.
            2.0 * other as f64 / (old.len() * old.len()).max(1) as f64
        }
        (UnitMap::Plan(old), UnitMap::Plan(new)) => {
            let mut sum = 0.0;
            Zip::from(old).and(new).for_each(|&old, &new| sum += (f64::from(old) - f64::from(new)).powi(2));
            sum / old.len().max(1) as f64
        }
        _ => f64::INFINITY,
    }
}

/// The mean square change of a barycenter.
fn moved(old: &[ArrayD<f32>], new: &[ArrayD<f32>]) -> f64 {
    let values = |arrays: &[ArrayD<f32>]| arrays.iter().flatten().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    let (old, new) = (values(old), values(new));
    old.iter().zip(&new).map(|(old, new)| (old - new).powi(2)).sum::<f64>() / old.len().max(1) as f64
}

#[cfg(test)]
mod tests;
