use onebasin_network::{Permutation, Weights, permute};
use onebasin_repro::Stream;
use serde::{Deserialize, Serialize};

use super::coordinate_ascent::{Ascent, Order, solvers};
use super::git_rebasin::reference;
use super::{at_least_one, number, tolerance};
use crate::loss::{Loss, first_images, loss, mean_value};
use crate::matcher::{Interrupted, go_on};
use crate::{Alignment, Certificate, Frame, Iterate, Matcher, MatchingError, Outcome, Problem, SolverTrace, interpolate};

/// Git Re-Basin's straight-through estimator: the permutation of each model B that lowers the loss halfway between it and the reference A.
///
/// Free weights Θ start at A. At each step B is weight-matched to Θ, which gives π(B); the gradient of the loss at `½ (A + π(B))` is taken as
/// if π(B) were Θ, so Θ moves by half of it, under stochastic gradient descent with momentum. Matching starts from the permutation of the step
/// before.
///
/// A step costs a forward and a backward pass of a batch, and a weight matching; with `keep = "best"` a pass over `images` more, every so many
/// steps, if the permutation is another by then. The trace is minus the mean loss halfway over each epoch, summed over the models beside the
/// reference. Needs a [`crate::Loss`].
///
/// Source: Git Re-Basin (arXiv 2209.04836), section 3.3 and algorithm 2. Deviations: those of [`super::git_rebasin::GitReBasin`] in the
/// matching; an epoch's last, smaller batch counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StraightThrough {
    /// The model whose units are the frame; default 0.
    pub reference: usize,
    /// Passes over the training images; default 10. The paper's MLPs took 250.
    pub epochs: usize,
    /// Training images in a step; default 1000.
    pub batch: usize,
    /// Default 1e-2.
    pub learning_rate: f64,
    /// Share of the last update that is kept; default 0.9.
    pub momentum: f64,
    /// Which permutation is the result; default best.
    pub keep: Keep,
    /// `best` only: steps between two looks; default 10.
    pub every: usize,
    /// `best` only: the first so many training images are looked at; default 10 000, or all where there are fewer.
    pub images: Option<usize>,
    /// In which order a sweep of the matching visits the groups; default random.
    pub order: Order,
    /// The most sweeps of a matching; default 100.
    pub sweeps: usize,
    /// A gain of at most this times the objective is none in the matching; default 1e-9.
    pub tolerance: f64,
}

/// Which of all permutations that came up is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The one with the lowest loss halfway, on the same images each time. The first to be looked at is weight matching's.
    #[default]
    Best,
    /// The last one, as the program of the paper's authors has it.
    Last,
}

/// Images that are looked at where nothing is said.
const LOOKED_AT: usize = 10_000;

impl Default for StraightThrough {
    fn default() -> StraightThrough {
        StraightThrough {
            reference: 0,
            epochs: 10,
            batch: 1000,
            learning_rate: 1e-2,
            momentum: 0.9,
            keep: Keep::Best,
            every: 10,
            images: None,
            order: Order::Random,
            sweeps: 100,
            tolerance: 1e-9,
        }
    }
}

impl Matcher for StraightThrough {
    fn align_unless(&self, interrupted: Interrupted<'_>, problem: &Problem<'_>, stream: &Stream) -> Result<Alignment, MatchingError> {
        self.check()?;
        problem.check()?;
        reference(problem, self.reference)?;
        let loss = loss(problem)?;
        let mut maps = problem.identity_maps();
        let mut trace: Vec<Iterate> = Vec::new();
        let mut certificate = Certificate::default();
        let moving = (0..problem.models.len()).filter(|model| *model != self.reference);
        for (place, model) in moving.enumerate() {
            let found = self.descend(interrupted, problem, loss, (place, model), &stream.child(format!("model-{model}")))?;
            trace.resize(found.losses.len(), Iterate { objective: 0.0, step: None });
            for (iterate, loss) in trace.iter_mut().zip(found.losses) {
                iterate.objective -= loss;
            }
            certificate = certificate.worst(found.certificate);
            maps[model] = found.maps;
        }
        let trace = SolverTrace::iterated(trace, Outcome::Converged, certificate);
        Ok(Alignment::from_permutations(problem, Frame::Reference(self.reference), maps, trace))
    }

    fn check(&self) -> Result<(), MatchingError> {
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch", self.batch)?;
        at_least_one("every", self.every)?;
        self.images.map_or(Ok(()), |images| at_least_one("images", images))?;
        at_least_one("sweeps", self.sweeps)?;
        tolerance("tolerance", self.tolerance)?;
        let unread = [("every", (self.every != StraightThrough::default().every).then_some(self.every)), ("images", self.images)];
        if let Some((key, value)) = unread.into_iter().find_map(|(key, value)| Some((key, value?))).filter(|_| self.keep == Keep::Last) {
            let (expected, hint) = ("`keep = \"best\"` beside it", "the last permutation is not looked for");
            return Err(MatchingError::Setting { key, value: value.to_string(), expected, hint });
        }
        let wrong = |key, value, expected, hint| Err(MatchingError::Setting { key, value: number(value), expected, hint });
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning-rate", self.learning_rate, "a finite number above 0", "the paper has 1e-2");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return wrong("momentum", self.momentum, "a number from 0 to below 1", "the paper has 0.9");
        }
        Ok(())
    }

    /// Always: batches are drawn.
    fn is_random(&self) -> bool {
        true
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

/// What came of one model.
struct Found {
    maps: Vec<Permutation>,
    certificate: Certificate,
    /// The mean loss halfway over each epoch.
    losses: Vec<f64>,
}

/// The permutation with the lowest loss so far.
struct Best {
    loss: f64,
    maps: Vec<Permutation>,
    certificate: Certificate,
}

impl StraightThrough {
    /// Of one model; `place` is how many were done before it.
    fn descend(
        &self,
        interrupted: Interrupted<'_>,
        problem: &Problem<'_>,
        loss: &dyn Loss,
        (place, model): (usize, usize),
        stream: &Stream,
    ) -> Result<Found, MatchingError> {
        let spec = problem.spec;
        let (fixed, moving) = (problem.models[self.reference], problem.models[model]);
        let ascent = Ascent { order: self.order, sweeps: self.sweeps, tolerance: self.tolerance, blend: None, interrupted };
        let looked_at = first_images(loss, Some(self.images.unwrap_or(LOOKED_AT.min(loss.images()))))?;
        let per_epoch = loss.images().div_ceil(self.batch);
        let (steps, others) = (per_epoch.saturating_mul(self.epochs), problem.models.len() - 1);
        let mut free = fixed.clone();
        let mut memory = free.map(|_| 0.0);
        let mut solvers = solvers(spec);
        let mut found = Found { maps: problem.identity_maps().swap_remove(model), certificate: Certificate::default(), losses: Vec::new() };
        let mut best: Option<Best> = None;
        // Whether the permutation has changed since it was looked at.
        let mut unseen = true;
        for epoch in 0..self.epochs {
            let order = stream.child("order").child(format!("epoch-{epoch}")).shuffled(loss.images());
            let mut sum = 0.0;
            for (batch, images) in order.chunks(self.batch).enumerate() {
                go_on(interrupted)?;
                let step = epoch * per_epoch + batch;
                let draws = stream.child("projection").child(format!("step-{step}"));
                let projected = ascent.ascend(spec, &free, moving, found.maps.clone(), &mut solvers, &draws)?;
                unseen |= projected.maps != found.maps;
                (found.maps, found.certificate) = (projected.maps, projected.certificate);
                let halfway = interpolate(fixed, &permute(spec, moving, &found.maps), 0.5);
                if self.keep == Keep::Best && unseen && (step.is_multiple_of(self.every) || step + 1 == steps) {
                    unseen = false;
                    let loss = mean_value(loss, &halfway, &looked_at)?;
                    if best.as_ref().is_none_or(|best| loss < best.loss) {
                        best = Some(Best { loss, maps: found.maps.clone(), certificate: found.certificate });
                    }
                }
                let (value, gradient) = loss.gradient(&halfway, images).map_err(|source| MatchingError::Loss { source })?;
                sum += self.finite(value)? * images.len() as f64;
                (free, memory) = self.step(free, &memory, &gradient);
                loss.progress(place.saturating_mul(steps).saturating_add(step + 1), others.saturating_mul(steps));
            }
            found.losses.push(sum / loss.images().max(1) as f64);
        }
        if let Some(Best { maps, certificate, .. }) = best {
            (found.maps, found.certificate) = (maps, certificate);
        }
        Ok(found)
    }

    /// One update. The free weights make half of the network whose gradient it is.
    fn step(&self, free: Weights, memory: &Weights, gradient: &Weights) -> (Weights, Weights) {
        let (rate, momentum) = (self.learning_rate as f32, self.momentum as f32);
        let memory = memory.zip_map(gradient, |memory, slope| momentum * memory + 0.5 * slope);
        (free.zip_map(&memory, |value, memory| value - rate * memory), memory)
    }

    fn finite(&self, loss: f64) -> Result<f64, MatchingError> {
        if loss.is_finite() {
            return Ok(loss);
        }
        let (key, value, expected) = ("learning-rate", number(self.learning_rate), "a rate at which the loss stays a number");
        Err(MatchingError::Setting { key, value, expected, hint: "lower it" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Quadratic, copies, graph, random, shuffles};
    use crate::{GitReBasin, to_frame};

    fn brisk(keep: Keep) -> StraightThrough {
        let default = StraightThrough::default();
        let every = if keep == Keep::Best { 1 } else { default.every };
        StraightThrough { epochs: 60, batch: 5, learning_rate: 0.5, keep, every, ..default }
    }

    /// The loss is least halfway to π*(B), of which the weights of A know nothing.
    #[test]
    fn it_finds_the_permutation_of_the_lowest_loss_where_weights_do_not_tell_it() {
        let graph = graph(r#"{"family": "mlp", "hidden": [12, 8]}"#, (1, 4, 4), 5);
        let spec = graph.spec();
        let (a, b, planted) = (random(spec, 1), random(spec, 2), shuffles(spec, 3));
        let loss = Quadratic::new(interpolate(&a, &permute(spec, &b, &planted), 0.5), 10);
        let problem = Problem::new(spec, vec![&a, &b]).with_loss(&loss);
        assert_ne!(GitReBasin::default().align(&problem, &Stream::root(1)).unwrap().permutations(1).unwrap(), planted);
        for keep in [Keep::Best, Keep::Last] {
            let alignment = brisk(keep).align(&problem, &Stream::root(1)).unwrap();
            assert_eq!(alignment.permutations(1).unwrap(), planted, "{keep:?}");
            let trace: Vec<f64> = alignment.trace.iter().map(|iterate| iterate.objective).collect();
            assert_eq!((trace.len(), alignment.outcome), (60, Outcome::Converged));
            assert!(trace[0] < -1.0 && trace[59].abs() < 1e-3, "{trace:?}");
        }
    }

    #[test]
    fn the_best_is_what_the_images_looked_at_say_and_the_last_where_the_steps_lead() {
        let graph = graph(r#"{"family": "mlp", "hidden": [12, 8]}"#, (1, 4, 4), 5);
        let spec = graph.spec();
        let (models, maps) = copies(spec, &random(spec, 1), 2);
        let (back, planted): (Vec<Permutation>, _) = (maps[1].iter().map(Permutation::inverse).collect(), shuffles(spec, 3));
        // The loss is least where the copy lies on A, and batches lead to another permutation.
        let lure = interpolate(&models[0], &permute(spec, &models[1], &planted), 0.5);
        let loss = Quadratic { lure: Some(lure), ..Quadratic::new(models[0].clone(), 10) };
        let problem = Problem::new(spec, models.iter().collect()).with_loss(&loss);
        let found = |keep: Keep| brisk(keep).align(&problem, &Stream::root(1)).unwrap().permutations(1).unwrap();
        assert_eq!((found(Keep::Best), found(Keep::Last)), (back, planted));
    }

    #[test]
    fn a_shuffled_copy_comes_back_at_the_first_step() {
        let graph = graph(r#"{"family": "mlp", "hidden": [30, 20, 10]}"#, (1, 4, 4), 5);
        let spec = graph.spec();
        let (models, _) = copies(spec, &random(spec, 1), 3);
        let loss = Quadratic::new(models[1].clone(), 3);
        let problem = Problem::new(spec, models.iter().collect()).with_loss(&loss);
        let matching = StraightThrough { reference: 1, epochs: 1, ..StraightThrough::default() };
        let alignment = matching.align(&problem, &Stream::root(1)).unwrap();
        for (model, maps) in models.iter().zip(&alignment.maps) {
            assert_eq!(to_frame(spec, model, maps), models[1]);
        }
    }

    #[test]
    fn impossible_options_and_a_loss_that_is_no_number_are_errors_that_name_the_key() {
        let graph = graph(r#"{"family": "mlp", "hidden": [4]}"#, (1, 2, 2), 3);
        let model = random(graph.spec(), 1);
        let says = |loss: &Quadratic, matching: StraightThrough, text: &str| {
            let problem = Problem::new(graph.spec(), vec![&model, &model]).with_loss(loss);
            let error = matching.align(&problem, &Stream::root(0)).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("hint: "), "{error}");
        };
        let loss = Quadratic::new(model.clone(), 10);
        let default = StraightThrough::default;
        says(&loss, StraightThrough { epochs: 0, ..default() }, "`epochs` is `0`");
        says(&loss, StraightThrough { every: 0, ..default() }, "`every` is `0`");
        says(&loss, StraightThrough { images: Some(11), ..default() }, "`images` is `11`");
        says(&loss, StraightThrough { learning_rate: 0.0, ..default() }, "`learning-rate` is `0`");
        says(&loss, StraightThrough { momentum: 1.0, ..default() }, "`momentum` is `1`");
        says(&Quadratic::new(model.map(|_| f32::INFINITY), 10), default(), "`learning-rate` is `0.01`, expected a rate");
    }
}
