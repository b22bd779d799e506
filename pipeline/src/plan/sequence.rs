//! Merges of models one after the other.

use super::{MergeSet, PairPlanner};
use crate::spec::{Curve, Merging, Method, Onto};
use crate::stage::StageId;
use crate::stages::{Align, Merge, PathPoint, Train, TrainPath};
use crate::training_images::Replay;

impl PairPlanner<'_, '_> {
    /// What a method has made of its models after each of them, from the first one on, which is as it was trained. Nothing of a method without a
    /// sequence.
    pub fn sequence(&mut self, method: &Method, set: &MergeSet) -> Vec<StageId> {
        if method.sequential.is_none() {
            return Vec::new();
        }
        let models = set.models();
        let mut merged: Vec<StageId> = Vec::with_capacity(models.len());
        for (place, &model) in models.iter().enumerate() {
            let next = self.model(model);
            match merged.last().cloned() {
                None => merged.push(next),
                Some(before) => {
                    let replay = self.replay(&models[..=place]);
                    let step = self.step_path(set, place + 1);
                    merged.push(self.step(method, &step, (before, next, place + 1), &replay));
                }
            }
        }
        merged
    }

    /// The stage of a kind in the step of a sequence that merges its `count`-th model.
    pub fn of_step(&mut self, kind: &str, method: &Method, set: &MergeSet, count: usize) -> StageId {
        self.sequence(method, set);
        self.id(kind, Some(method), &self.step_path(set, count))
    }

    /// The last part of the names of a step's stages.
    fn step_path(&self, set: &MergeSet, count: usize) -> String {
        format!("{}/step-{count}", set.path(&self.names(&set.models())))
    }

    /// The images of models that further trainings see.
    fn replay(&self, models: &[usize]) -> Replay {
        let experiment = self.experiment();
        let of = |&model: &usize| (experiment.subset(self.pair(), model).cloned(), self.model_streams(model));
        Replay { models: models.iter().map(of).collect(), count: experiment.replay }
    }

    /// The merge of what there is with the next model, the `count`-th.
    fn step(&mut self, method: &Method, step: &str, (before, next, count): (StageId, StageId, usize), replay: &Replay) -> StageId {
        let align = self.id("align", Some(method), step);
        let pair = vec![before, next];
        if self.is_new(&align) {
            let onto = usize::from(method.sequential.is_some_and(|sequence| sequence.onto == Onto::Next));
            let matching = method.matching.clone().with_reference(onto);
            self.add(Align::new(align.clone(), pair.clone(), self.task(), matching, self.matching_stream(method, step)));
        }
        // One stream for all methods, so that they see the same images in the same order.
        let stream = self.stream().child("fine-tune").child(format!("step-{count}"));
        let seconds = self.experiment().checkpoint_seconds;
        let merged = match &method.merging {
            Merging::Curve(curve) => {
                let id = self.id("curve", Some(method), step);
                if self.is_new(&id) {
                    let curve = Curve { training: self.pair().adapted(&curve.training), ..(**curve).clone() };
                    let train = TrainPath::new(id.clone(), (align, pair), self.task(), curve, stream.clone(), seconds);
                    self.add(train.on(Some(replay.clone())));
                }
                let point = self.id("point", Some(method), step);
                if self.is_new(&point) {
                    self.add(PathPoint::new(point.clone(), id, self.task(), curve.path, curve.at));
                }
                point
            }
            merging => {
                let id = self.id("merge", Some(method), step);
                if self.is_new(&id) {
                    let share = 1.0 / count as f64;
                    let merge = Merge::new(id.clone(), align, pair, self.task(), Some(vec![1.0 - share, share]));
                    self.add(match merging {
                        Merging::Mean { columns, .. } => merge.with_columns(*columns),
                        _ => merge,
                    });
                }
                id
            }
        };
        let Some(training) = &method.fine_tuning else { return merged };
        let id = self.id("fine-tune", Some(method), step);
        if self.is_new(&id) {
            let train = Train::new(id.clone(), self.task(), self.pair().adapted(training), None, [stream.clone(), stream], seconds);
            self.add(train.of_model(merged).on(Some(replay.clone())));
        }
        id
    }
}
