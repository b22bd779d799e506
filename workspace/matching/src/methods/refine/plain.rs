//! Refinement as it stands: every model and group in every round, every matrix and every assignment from nothing.

use onebasin_network::{Permutation, Weights, permute};
use onebasin_transport::assignment::maximise;

use super::{TOLERANCE, classes, value};
use crate::Problem;
use crate::gain::{gain, neighbours};
use crate::margins::sum_without;

/// The maps after at most so many rounds, and how many there were.
pub fn refine(problem: &Problem<'_>, mut maps: Vec<Vec<Permutation>>, rounds: usize) -> (Vec<Vec<Permutation>>, usize) {
    let spec = problem.spec;
    let classes = classes(&neighbours(spec));
    let mut level = value(problem, &maps);
    for round in 1..=rounds {
        let before = level;
        for (class, model) in classes.iter().flat_map(|class| (0..problem.models.len()).map(move |model| (class, model))) {
            for &group in class {
                let aligned: Vec<Weights> = problem.models.iter().zip(&maps).map(|(weights, maps)| permute(spec, weights, maps)).collect();
                let others = sum_without(spec, &aligned, model);
                let gains = gain(spec, group, &others, problem.models[model], &maps[model]);
                let best = maximise(gains.view()).unwrap();
                let held: f64 = maps[model][group].as_slice().iter().zip(gains.rows()).map(|(&unit, row)| row[unit as usize]).sum();
                let old = std::mem::replace(&mut maps[model][group], Permutation::new(best.columns).unwrap());
                let reached = value(problem, &maps);
                if best.value - held > TOLERANCE * level.abs() && reached - level > TOLERANCE * level.abs() {
                    level = reached;
                } else {
                    maps[model][group] = old;
                }
            }
        }
        if level <= before {
            return (maps, round);
        }
    }
    (maps, rounds)
}
