use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use super::coordinate_ascent::{Ascent, Order, solvers};
use super::git_rebasin::{reference, solver_trace};
use super::{at_least_one, tolerance};
use crate::loss::{first_images, loss, mean_gradient};
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Frame, Matcher, MatchingError, Problem, objective};

/// The permutation along which the loss of the reference falls most steeply: with the gradient g of the loss at the reference A, the models
/// B are matched by the least `⟨g, π(B)⟩`, over one group of units after another as weight matching does it.
///
/// The slope at A of the line to π(B) is `⟨g, π(B) − A⟩`. What the loss does further along is not looked at; the paper reports high barriers.
/// The trace is minus that slope, summed over the models beside the reference, after each sweep. Needs a [`crate::Loss`].
///
/// Source: Git Re-Basin (arXiv 2209.04836), section A.11. Deviations: those of [`super::git_rebasin::GitReBasin`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SteepestDescent {
    /// The model whose units are the frame, and at which the gradient is taken; default 0.
    pub reference: usize,
    /// The gradient is over the first so many training images; all if not given.
    pub images: Option<usize>,
    /// In which order a sweep visits the groups; default random.
    pub order: Order,
    /// The most sweeps; default 100.
    pub sweeps: usize,
    /// A gain of at most this times the objective is none; default 1e-9.
    pub tolerance: f64,
}

impl Default for SteepestDescent {
    fn default() -> SteepestDescent {
        SteepestDescent { reference: 0, images: None, order: Order::Random, sweeps: 100, tolerance: 1e-9 }
    }
}

impl Matcher for SteepestDescent {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        let fixed = reference(problem, self.reference)?;
        let loss = loss(problem)?;
        let images = first_images(loss, self.images)?;
        go_on(interrupted)?;
        let gradient = mean_gradient(loss, fixed, &images)?;
        let downhill = gradient.map(|slope| -slope);
        let ascent = Ascent { order: self.order, sweeps: self.sweeps, tolerance: self.tolerance, blend: None, interrupted };
        let mut maps = problem.identity_maps();
        let mut ascents = Vec::new();
        for (model, moving) in problem.models.iter().enumerate().filter(|(model, _)| *model != self.reference) {
            let (start, stream) = (maps[model].clone(), stream.child(format!("model-{model}")));
            let ascended = ascent.ascend(problem.spec, &downhill, moving, start, &mut solvers(problem.spec), &stream)?;
            maps[model].clone_from(&ascended.maps);
            ascents.push(ascended);
        }
        let mut trace = solver_trace(&ascents);
        let stay = ascents.len() as f64 * objective(problem.spec, &[&gradient, fixed]);
        trace.trace.iter_mut().for_each(|iterate| iterate.objective += stay);
        Ok(Alignment::from_permutations(problem, Frame::Reference(self.reference), maps, trace))
    }

    fn check(&self) -> Result<(), MatchingError> {
        self.images.map_or(Ok(()), |images| at_least_one("images", images))?;
        at_least_one("sweeps", self.sweeps)?;
        tolerance("tolerance", self.tolerance)
    }

    fn is_random(&self) -> bool {
        self.order == Order::Random
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

    fn needs_loss(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Quadratic, graph, random, shuffles};
    use onebasin_network::permute;

    /// The gradient at A of ½‖w − T‖² is A − T: with T = A + π*(B) the steepest way down is to π*(B).
    #[test]
    fn it_goes_where_the_loss_of_the_reference_falls_most_and_tells_how_fast() {
        let graph = graph(r#"{"family": "mlp", "hidden": [20, 10]}"#, (1, 4, 4), 5);
        let spec = graph.spec();
        let (a, b, planted) = (random(spec, 1), random(spec, 2), shuffles(spec, 3));
        let there = permute(spec, &b, &planted);
        let loss = Quadratic::new(a.zip_map(&there, |a, b| a + b), 2500);
        let problem = Problem::new(spec, vec![&a, &b]).with_loss(&loss);
        let alignment = SteepestDescent::default().align(&problem, &Stream::root(1)).unwrap();
        assert_eq!(alignment.permutations(1).unwrap(), planted);
        // −⟨A − T, π*(B) − A⟩ = ⟨π*(B), π*(B) − A⟩.
        let expected = objective(spec, &[&there, &there]) - objective(spec, &[&there, &a]);
        let found = alignment.trace.last().unwrap().objective;
        assert!((found - expected).abs() < 1e-3 * expected, "{found} and {expected}");
    }

    #[test]
    fn more_images_than_there_are_and_no_images_are_refused() {
        let graph = graph(r#"{"family": "mlp", "hidden": [4]}"#, (1, 2, 2), 3);
        let model = random(graph.spec(), 1);
        let loss = Quadratic::new(model.clone(), 10);
        let problem = Problem::new(graph.spec(), vec![&model, &model]).with_loss(&loss);
        for images in [0, 11] {
            let matching = SteepestDescent { images: Some(images), ..SteepestDescent::default() };
            let error = matching.align(&problem, &Stream::root(0)).unwrap_err().to_string();
            assert!(error.contains(&format!("`images` is `{images}`")) && error.contains("hint: "), "{error}");
        }
    }
}
