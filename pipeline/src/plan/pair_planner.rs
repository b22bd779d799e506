//! Plans the stages of one replicate of one pair of data set and architecture.

use std::collections::BTreeSet;
use std::sync::Arc;

use onebasin_repro::Stream;

use super::{MergeSet, PlannedAlignment, Record, Recorded};
use crate::identity::{MethodLabel, ModelNames, ResultKey};
use crate::spec::{Checkpoint, Curve, Experiment, FirstWeights, Lesson, MOST_STAGES, Merging, Method, Pair, Pruned};
use crate::stage::{Stage, StageId};
use crate::stages::{Import, Merge, Merged, PathPoint, Prune, Repair, Train, TrainPath};
use crate::task::Task;

/// What has been planned so far.
pub struct PlanBuilder<'a> {
    experiment: &'a Experiment,
    stages: Vec<Arc<dyn Stage>>,
    /// Stages that several ask for and the first has planned.
    planned: BTreeSet<StageId>,
    recorded: Vec<Recorded>,
}

/// Plans one replicate of one pair: its models first, then whatever measurements ask for.
pub struct PairPlanner<'a, 'b> {
    builder: &'b mut PlanBuilder<'a>,
    pair: &'a Pair,
    slug: String,
    task: Arc<Task>,
    replicate: usize,
    alignments: Vec<PlannedAlignment>,
    moment: Moment,
}

/// When models are as a plan means them.
#[derive(Clone, PartialEq, Eq)]
enum Moment {
    /// When they are trained.
    Trained,
    /// After so many epochs.
    Epoch(usize),
    /// After a later round of a method, given by name.
    Round(String, usize),
}

impl<'a> PlanBuilder<'a> {
    /// Nothing planned yet.
    pub fn new(experiment: &'a Experiment) -> PlanBuilder<'a> {
        PlanBuilder { experiment, stages: Vec::new(), planned: BTreeSet::new(), recorded: Vec::new() }
    }

    /// Plans the training of every model of one replicate of a pair, and returns what plans the rest.
    pub fn pair<'b>(&'b mut self, pair: &'a Pair, task: Arc<Task>, replicate: usize) -> PairPlanner<'a, 'b> {
        let slug = self.experiment.slug(pair);
        let mut planner = PairPlanner { builder: self, pair, slug, task, replicate, alignments: Vec::new(), moment: Moment::Trained };
        for index in 0..planner.experiment().models.len() {
            planner.train(index);
        }
        planner
    }

    /// Whether there are more stages than any run gets through; whoever plans more should stop.
    pub fn is_full(&self) -> bool {
        self.stages.len() > MOST_STAGES
    }

    /// The stages in order, and what their artifacts become.
    pub fn finish(self) -> (Vec<Arc<dyn Stage>>, Vec<Recorded>) {
        (self.stages, self.recorded)
    }
}

impl<'a> PairPlanner<'a, '_> {
    /// What the spec asks for.
    pub fn experiment(&self) -> &'a Experiment {
        self.builder.experiment
    }

    /// Data set and architecture.
    pub fn pair(&self) -> &'a Pair {
        self.pair
    }

    /// What the stages of this pair share.
    pub fn task(&self) -> Arc<Task> {
        self.task.clone()
    }

    /// The same about the network of a model, given by index.
    pub fn task_of(&self, model: usize) -> Arc<Task> {
        match self.pair.widths.get(&model) {
            None => self.task(),
            Some(width) => Arc::new(Task { trained: width.trained.clone(), graph: width.graph.clone(), ..(*self.task).clone() }),
        }
    }

    /// The same about what a method makes of models, given by index: it has the widths of its reference, or of the first of them.
    pub fn task_of_merged(&self, method: &Method, models: &[usize]) -> Arc<Task> {
        let like = match method.merging {
            Merging::Model { model } => Some(model),
            Merging::Fresh { like } => like,
            _ => method.matching.reference().filter(|reference| models.contains(reference)).or(models.first().copied()),
        };
        like.map_or_else(|| self.task(), |model| self.task_of(model))
    }

    /// The alignments planned so far.
    pub fn alignments(&self) -> &[PlannedAlignment] {
        &self.alignments
    }

    /// The stream of this replicate.
    pub(super) fn stream(&self) -> Stream {
        self.experiment().stream(self.pair, self.replicate)
    }

    /// Plans the training of a model, given by index: in parts, where it is measured on the way.
    fn train(&mut self, index: usize) {
        if let Some(checkpoint) = self.checkpoint(index) {
            self.add(Import::new(self.model(index), self.task_of(index), checkpoint.clone()));
            return;
        }
        if let Some(Pruned { from, norm }) = self.experiment().models[index].pruned {
            self.add(Prune::new(self.model(index), self.model(from), self.task_of(index), norm));
            return;
        }
        let whole = self.training(index, self.model_streams(index));
        let mut before = None;
        for &epoch in &self.experiment().evaluation.epochs {
            if self.is_last(epoch) {
                continue;
            }
            let id = self.after_epoch(epoch, |planner| planner.model(index));
            self.add(whole.until(id.clone(), epoch).after(before));
            before = Some((id, epoch));
        }
        self.add(whole.after(before));
    }

    /// The training of a model, given by index.
    fn training(&self, index: usize, streams: [Stream; 2]) -> Train {
        let experiment = self.experiment();
        let (training, subset) = (experiment.training(self.pair, index), experiment.subset(self.pair, index).cloned());
        let train = Train::new(self.model(index), self.task_of(index), training, subset, streams, experiment.checkpoint_seconds);
        if experiment.models[index].first_weights == FirstWeights::Shared { train.with_shared_weights() } else { train }
    }

    /// Whether a training is known to end after an epoch.
    fn is_last(&self, epoch: usize) -> bool {
        self.pair.training.epochs == Some(epoch) && self.pair.training.steps.is_none()
    }

    /// Plans with the models as they are after an epoch, one of those that the spec names. Their alignments are not noted: tables tell of
    /// those of trained models.
    pub fn after_epoch<T>(&mut self, epoch: usize, plan: impl FnOnce(&mut Self) -> T) -> T {
        if self.is_last(epoch) { plan(self) } else { self.at(Moment::Epoch(epoch), plan) }
    }

    /// Plans a later round of a method: all models are trained again, each on its own images, from the one that `start` makes; then whatever
    /// `plan` makes of them. Their alignments are not noted.
    pub fn in_round<T>(&mut self, method: &Method, round: usize, start: &StageId, plan: impl FnOnce(&mut Self) -> T) -> T {
        self.at(Moment::Round(method.name.to_string(), round), |planner| {
            for index in 0..planner.experiment().models.len() {
                let [all, own] = planner.model_streams(index);
                // The same images in the same order for every method.
                let stream = own.child(format!("round-{round}"));
                let train = planner.training(index, [all, own]).in_round(stream).of_model(start.clone());
                planner.add(train);
            }
            plan(planner)
        })
    }

    fn at<T>(&mut self, moment: Moment, plan: impl FnOnce(&mut Self) -> T) -> T {
        let noted = self.alignments.len();
        self.moment = moment;
        let planned = plan(self);
        self.moment = Moment::Trained;
        self.alignments.truncate(noted);
        planned
    }

    /// The stream of all models, and the own of a model, given by index.
    pub fn model_streams(&self, index: usize) -> [Stream; 2] {
        self.experiment().model_streams(self.pair, self.replicate, index)
    }

    /// The file that a model, given by index, is taken from; none where it is trained.
    pub fn checkpoint(&self, index: usize) -> Option<&'a Checkpoint> {
        self.experiment().checkpoint(self.pair, index)
    }

    /// The stage that makes a model, given by index.
    pub fn model(&self, index: usize) -> StageId {
        let model = &self.experiment().models[index];
        let kind = match (self.checkpoint(index), model.pruned) {
            (Some(_), _) => "import",
            (None, Some(_)) => "prune",
            (None, None) => "train",
        };
        self.id(kind, None, &model.name)
    }

    /// The stages that make all models.
    pub fn all_models(&self) -> Vec<StageId> {
        (0..self.experiment().models.len()).map(|index| self.model(index)).collect()
    }

    /// The names of models, given by index.
    pub fn names(&self, models: &[usize]) -> ModelNames {
        ModelNames(models.iter().map(|&index| self.experiment().models[index].name.clone()).collect())
    }

    /// The names of all models.
    pub fn all_names(&self) -> Vec<String> {
        self.experiment().models.iter().map(|model| model.name.clone()).collect()
    }

    /// What rows of a method, or of the models before merging, begin with.
    pub fn key(&self, method: Option<&Method>) -> ResultKey {
        let label = method.map_or(MethodLabel::Endpoints, |method| method.name.clone().into());
        ResultKey { pair: self.pair.name(), method: label, replicate: self.replicate }
    }

    /// The name of a stage.
    pub fn id(&self, kind: &str, method: Option<&Method>, last: &str) -> StageId {
        let method = method.map(|method| method.name.to_string());
        let (method, moment) = match &self.moment {
            Moment::Trained => (method, String::new()),
            Moment::Epoch(epoch) => (method, format!("/epoch-{epoch}")),
            // Models of a later round are the method's own.
            Moment::Round(of, round) => (Some(method.unwrap_or_else(|| of.clone())), format!("/round-{round}")),
        };
        let method = method.map(|method| format!("{method}/")).unwrap_or_default();
        StageId::new(format!("{kind}/{}/{method}replicate-{}/{last}{moment}", self.slug, self.replicate))
    }

    /// Plans a stage.
    pub fn add(&mut self, stage: impl Stage + 'static) {
        self.builder.stages.push(Arc::new(stage));
    }

    /// Plans a stage whose artifact becomes rows.
    pub fn measure(&mut self, stage: impl Stage + 'static, record: impl Record) {
        let id = stage.id().clone();
        self.add(stage);
        self.record(id, record);
    }

    /// Makes rows of the artifact of a planned stage.
    pub fn record(&mut self, stage: StageId, record: impl Record) {
        self.builder.recorded.push(Recorded::new(stage, record));
    }

    /// Whether nobody has asked for a stage yet; from now on somebody has.
    pub fn is_new(&mut self, id: &StageId) -> bool {
        self.builder.planned.insert(id.clone())
    }

    pub(super) fn note_alignment(&mut self, alignment: PlannedAlignment) {
        self.alignments.push(alignment);
    }

    /// The model that a method makes, repaired and trained on where the method says so. An ensemble has none.
    pub fn merged_model(&mut self, method: &Method, set: &MergeSet) -> Option<StageId> {
        if method.sequential.is_some() {
            return self.sequence(method, set).pop();
        }
        let path = set.path(&self.names(&set.models()));
        let model = match &method.merging {
            Merging::Ensemble { .. } => return None,
            Merging::Model { model } => Some(self.model(*model)),
            Merging::Fresh { .. } => None,
            Merging::Mean { coefficients, .. } => Some(self.mean(method, set, &path, coefficients.as_deref())),
            Merging::Spherical => Some(self.mean(method, set, &path, None)),
            Merging::Curve(curve) => Some(self.point(method, set, curve)),
        };
        let Some(training) = &method.fine_tuning else { return model };
        let id = self.id("fine-tune", Some(method), &path);
        if self.is_new(&id) {
            // One stream for all methods, so that they see the same images in the same order.
            let stream = self.stream().child("fine-tune");
            let seconds = self.experiment().checkpoint_seconds;
            let (task, training) = (self.task_of_merged(method, &set.models()), self.pair.adapted(training));
            let train = Train::new(id.clone(), task, training, None, [stream.clone(), stream], seconds);
            let train = match model {
                Some(model) => train.of_model(model),
                None => train,
            };
            self.add(match &method.lesson {
                None => train,
                Some(Lesson { teachers, options }) => {
                    let teachers = teachers.clone().unwrap_or_else(|| set.models());
                    train.taught_by(teachers.into_iter().map(|teacher| self.model(teacher)).collect(), *options)
                }
            });
        }
        Some(id)
    }

    /// The curve of a method between two models in its frame; of a sequence, that of its last step.
    pub fn curve(&mut self, method: &Method, set: &MergeSet, curve: &Curve) -> StageId {
        if method.sequential.is_some() {
            return self.of_step("curve", method, set, set.models().len());
        }
        let path = set.path(&self.names(&set.models()));
        let (models, positions) = (set.models(), set.positions());
        let alignment = self.merge_aligned(method, set);
        let id = self.id("curve", Some(method), &path);
        if self.is_new(&id) {
            let models = models.iter().map(|&index| self.model(index)).collect();
            let curve = Curve { training: self.pair.adapted(&curve.training), ..curve.clone() };
            // The stream of fine-tuning, so that a curve and its controls see the same images in the same order.
            let stream = self.stream().child("fine-tune");
            let seconds = self.experiment().checkpoint_seconds;
            self.add(TrainPath::new(id.clone(), (alignment, models), self.task(), curve, stream, seconds).at(positions));
        }
        id
    }

    /// The point of the curve of a method that is its merged model.
    pub fn point(&mut self, method: &Method, set: &MergeSet, curve: &Curve) -> StageId {
        let trained = self.curve(method, set, curve);
        let id = self.id("point", Some(method), &set.path(&self.names(&set.models())));
        if self.is_new(&id) {
            self.add(PathPoint::new(id.clone(), trained, self.task(), curve.path, curve.at));
        }
        id
    }

    /// The mean of models in the frame of a method, or the middle of the arc between two, repaired where the method has a repair.
    fn mean(&mut self, method: &Method, set: &MergeSet, path: &str, coefficients: Option<&[f64]>) -> StageId {
        let (models, positions) = (set.models(), set.positions());
        let alignment = self.merge_aligned(method, set);
        let merged = self.id("merge", Some(method), path);
        if self.is_new(&merged) {
            let inputs = models.iter().map(|&index| self.model(index)).collect();
            let merge = Merge::new(merged.clone(), alignment.clone(), inputs, self.task_of(models[0]), coefficients.map(<[f64]>::to_vec));
            let merge = match method.merging {
                Merging::Spherical => merge.on_the_arc(),
                Merging::Mean { columns, .. } => merge.with_columns(columns),
                _ => merge,
            };
            self.add(merge.at(positions.clone()));
        }
        let Some(repair) = &method.repair else { return merged };
        let repaired = self.id("repair", Some(method), path);
        if self.is_new(&repaired) {
            let ends = self.endpoint_statistics(method, repair, &models);
            let merged = Merged { model: merged, alignment, ends, positions, shares: coefficients.map(<[f64]>::to_vec) };
            self.add(Repair::new(repaired.clone(), merged, self.task(), repair.clone()));
        }
        repaired
    }
}
