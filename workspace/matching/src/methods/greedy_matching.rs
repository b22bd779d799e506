use ndarray::{Array1, Array2, Axis, CowArray};
use onebasin_network::{Permutation, PermutationSpec, Role, Weights};
use onebasin_repro::Stream;
use onebasin_transport::assignment;
use serde::{Deserialize, Serialize};

use super::git_rebasin::reference;
use crate::align::map_columns;
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Certificate, Frame, Matcher, MatchingError, Problem, SolverTrace, UnitMap};

/// Weight matching in one sweep from the input, by incoming weights alone: each group of units is matched by the rows of the matrices and
/// kernels that make it, whose columns are in the order that the layers before have got. What reads the units has no say, and no group is
/// visited again.
///
/// Biases and norms do not count. Of units tied by skips, the layers count whose inputs are matched by then: in a residual stream the first.
///
/// Source: Git Re-Basin (arXiv 2209.04836), section A.7.2, which it compares with, and the program of its authors, which has the cosine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GreedyMatching {
    /// The model whose units are the frame; default 0.
    pub reference: usize,
    /// How the agreement of two units' incoming weights is counted; default cosine.
    pub score: RowScore,
}

/// How the agreement of two units' incoming weights is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RowScore {
    /// The cosine of the angle between them, 0 for a unit that reads nothing: as the program has it.
    #[default]
    Cosine,
    /// Their product, which is the share of weight matching's objective that lies before the units: as the paper's example has it.
    Product,
}

impl Matcher for GreedyMatching {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, _stream: &Stream) -> Result<Alignment, MatchingError> {
        problem.check()?;
        let fixed = reference(problem, self.reference)?;
        let mut maps = problem.identity_maps();
        let mut certificate = Certificate::default();
        for (model, maps) in maps.iter_mut().enumerate().filter(|(model, _)| *model != self.reference) {
            let mut matched: Vec<Option<UnitMap>> = vec![None; problem.spec.groups.len()];
            for (group, map) in maps.iter_mut().enumerate() {
                go_on(interrupted)?;
                let gain = self.gain(problem.spec, group, fixed, problem.models[model], &matched);
                let name = || problem.spec.groups[group].name.clone();
                let best = assignment::maximise(gain.view()).map_err(|source| MatchingError::Transport { group: name(), source })?;
                certificate = certificate.worst(best.certificate(gain.view()).into());
                *map = Permutation::new(best.columns).expect("an assignment is a bijection");
                matched[group] = Some(UnitMap::Permutation(map.clone()));
            }
        }
        Ok(Alignment::from_permutations(problem, Frame::Reference(self.reference), maps, SolverTrace::direct(certificate)))
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

    fn reference(&self) -> Option<usize> {
        Some(self.reference)
    }

    fn set_reference(&mut self, reference: usize) {
        self.reference = reference;
    }
}

impl GreedyMatching {
    /// The agreement of the units of a group, [fixed units, moving units], from the layers whose inputs are fixed or `matched`.
    fn gain(&self, spec: &PermutationSpec, group: usize, fixed: &Weights, moving: &Weights, matched: &[Option<UnitMap>]) -> Array2<f64> {
        let units = spec.groups[group].units;
        let mut products = Array2::zeros((units, units));
        let mut squares = [Array1::<f64>::zeros(units), Array1::zeros(units)];
        let makes = |parameter: &&onebasin_network::Parameter| {
            parameter.role == Role::Weight && parameter.rows.as_ref().is_some_and(|binding| binding.group == group)
        };
        for parameter in spec.parameters.iter().filter(makes) {
            let moved = moving.get(&parameter.name);
            let moved = match &parameter.columns {
                None => CowArray::from(moved),
                Some(binding) => match &matched[binding.group] {
                    Some(map) => map_columns(moved.view(), map.columns(&parameter.name), binding.block).into(),
                    None => continue,
                },
            };
            let width = moved.len() / units.max(1);
            let rows = |array: ndarray::ArrayViewD<'_, f32>| {
                array.mapv(f64::from).into_shape_with_order((units, width)).expect("the rows of a group's units, in standard layout")
            };
            let [fixed, moved] = [rows(fixed.get(&parameter.name).view()), rows(moved.view())];
            products += &fixed.dot(&moved.t());
            for (squares, rows) in squares.iter_mut().zip([&fixed, &moved]) {
                *squares += &rows.map_axis(Axis(1), |row| row.dot(&row));
            }
        }
        if self.score == RowScore::Cosine {
            let scale = |squares: &Array1<f64>| squares.mapv(|square| if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 });
            products *= &scale(&squares[0]).insert_axis(Axis(1));
            products *= &scale(&squares[1]).insert_axis(Axis(0));
        }
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chain, copies, graph, mixed, numbers, random};
    use crate::{GitReBasin, OtFusion, to_frame};

    fn by(score: RowScore) -> GreedyMatching {
        GreedyMatching { score, ..GreedyMatching::default() }
    }

    #[test]
    fn a_shuffled_copy_of_a_plain_network_comes_back_by_either_score() {
        for blueprint in [r#"{"family": "mlp", "hidden": [30, 20, 10]}"#, r#"{"family": "mlp", "hidden": [12], "bias": false}"#] {
            let graph = graph(blueprint, (1, 4, 4), 5);
            let (models, _) = copies(graph.spec(), &random(graph.spec(), 1), 3);
            let problem = Problem::new(graph.spec(), models.iter().collect());
            for score in [RowScore::Cosine, RowScore::Product] {
                let alignment = GreedyMatching { reference: 1, score }.align(&problem, &Stream::root(0)).unwrap();
                for (model, maps) in models.iter().zip(&alignment.maps) {
                    assert_eq!(to_frame(graph.spec(), model, maps), models[1], "{score:?}");
                }
            }
        }
    }

    /// The case of Git Re-Basin, section A.7.2, at ε = 1/8.
    #[test]
    fn it_stays_at_the_identity_where_weight_matching_swaps_twice() {
        let graph = chain(&[2, 2]);
        let a = numbers(graph.spec(), &[&[1.0, 1.125], &[1.0, 0.0, 0.0, 0.125], &[1.0, 0.0]]);
        let b = numbers(graph.spec(), &[&[1.0, 1.125], &[0.0, 0.0, 0.0, 1.0], &[0.0, 1.0]]);
        let problem = Problem::new(graph.spec(), vec![&a, &b]);
        let greedy = by(RowScore::Product).align(&problem, &Stream::root(0)).unwrap();
        assert!(greedy.permutations(1).unwrap().iter().all(Permutation::is_identity));
        let matched = GitReBasin::default().align(&problem, &Stream::root(0)).unwrap();
        assert!(matched.objective > greedy.objective, "{} and {}", matched.objective, greedy.objective);
    }

    #[test]
    fn the_cosine_is_a_transport_by_squared_distances_of_rows_of_length_one() {
        let graph = graph(r#"{"family": "vgg", "stages": [[4], [6, 6]], "head": [8]}"#, (3, 8, 8), 4);
        let models = [1, 2, 3].map(|seed| random(graph.spec(), seed));
        let problem = Problem::new(graph.spec(), models.iter().collect());
        let transport = r#"{"ground": "squared", "normalise-rows": true, "append-vectors": false}"#;
        let transport: OtFusion = serde_json::from_str(transport).unwrap();
        let maps = |matcher: &dyn Matcher| matcher.align(&problem, &Stream::root(0)).unwrap().maps;
        assert_eq!(maps(&by(RowScore::Cosine)), maps(&transport));
    }

    #[test]
    fn units_that_read_nothing_and_streams_of_several_layers_have_maps_too() {
        let graph = mixed();
        let spec = graph.spec();
        let (a, b) = (Weights::zeros(spec), random(spec, 2));
        let problem = Problem::new(spec, vec![&a, &b]);
        let alignment = by(RowScore::Cosine).align(&problem, &Stream::root(0)).unwrap();
        assert_eq!(alignment.maps[1].len(), spec.groups.len());
    }
}
