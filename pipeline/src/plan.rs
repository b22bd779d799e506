//! From an experiment to the DAG of its stages, in order, each with its fingerprint. Nothing is read and nothing runs.

mod measurements;
mod surveys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use onebasin_repro::{Fingerprint, Stream};

use crate::report::{ArchitectureRow, Cell};
use crate::spec::{Experiment, Merging, Method, Pair};
use crate::stage::{Stage, StageId};
use crate::stages::{Align, Evaluate, Line, Measure, Merge, Merged, Plot, Repair, Tabulate, Train};
use crate::store;
use crate::subject::Subject;

use measurements::{Chosen, drawn, onto_reference};

/// A stage and the name of its artifact.
#[derive(Clone)]
pub struct Planned {
    /// What would be done.
    pub stage: Arc<dyn Stage>,
    /// BLAKE3 of the store's format, the recipe and the fingerprints of the inputs.
    pub fingerprint: Fingerprint,
    /// Those of its inputs, in the order of [`Stage::inputs`].
    pub inputs: Vec<Fingerprint>,
}

/// The stages of an experiment, inputs before dependents.
#[derive(Clone, Default)]
pub struct Plan {
    /// In an order in which they could run one after the other.
    pub stages: Vec<Planned>,
}

impl Plan {
    /// Orders nothing: `stages` must come inputs first.
    ///
    /// # Errors
    /// A stage twice, or an input that no earlier stage is.
    pub fn of(stages: Vec<Arc<dyn Stage>>) -> anyhow::Result<Plan> {
        let mut fingerprints: BTreeMap<StageId, Fingerprint> = BTreeMap::new();
        let mut planned = Vec::with_capacity(stages.len());
        for stage in stages {
            let mut inputs = Vec::with_capacity(stage.inputs().len());
            for input in stage.inputs() {
                let known = fingerprints.get(input);
                inputs.push(*known.ok_or_else(|| anyhow::anyhow!("stage `{}` needs `{input}`, which no earlier stage is", stage.id()))?);
            }
            let fingerprint = store::fingerprint(&stage.recipe(), &inputs);
            if fingerprints.insert(stage.id().clone(), fingerprint).is_some() {
                anyhow::bail!("stage `{}` is planned twice", stage.id());
            }
            planned.push(Planned { stage, fingerprint, inputs });
        }
        Ok(Plan { stages: planned })
    }

    /// The stage of a name.
    pub fn find(&self, id: &str) -> Option<&Planned> {
        self.stages.iter().find(|planned| planned.stage.id().as_str() == id)
    }
}

/// The plan of an experiment, from the content digests of its data sets (by their names in the spec) and the kind of device.
///
/// # Errors
/// A data set without a digest.
pub fn plan(experiment: &Experiment, digests: &BTreeMap<String, String>, device: &str) -> anyhow::Result<Plan> {
    let mut draft = Draft { experiment, stages: Vec::new(), shared: BTreeSet::new(), cells: Cells::default() };
    for pair in &experiment.pairs {
        let digest = digests.get(&pair.dataset).ok_or_else(|| anyhow::anyhow!("no digest of data set `{}`", pair.dataset))?;
        let subject = Arc::new(Subject {
            source: pair.source.clone(),
            digest: digest.clone(),
            normalisation: pair.normalisation.clone(),
            graph: pair.graph.clone(),
            // `cuda:1` computes what `cuda:0` does.
            device: device.split(':').next().unwrap_or(device).to_owned(),
            measured: experiment.evaluation.images,
        });
        for replicate in 0..experiment.replicates {
            Block { draft: &mut draft, pair, subject: subject.clone(), replicate }.add();
        }
    }
    let Draft { mut stages, cells, .. } = draft;
    let cells: Vec<(StageId, Cell)> = [cells.models, cells.merged, cells.lines, cells.alignments, cells.others].concat();
    let architectures = experiment.pairs.iter().map(ArchitectureRow::new);
    let tabulate =
        Tabulate::new(&experiment.name, cells, architectures.collect(), experiment.comparison.clone(), experiment.missing.clone());
    let plot = Plot::new(tabulate.id().clone());
    stages.push(Arc::new(tabulate));
    stages.push(Arc::new(plot));
    Plan::of(stages)
}

/// What has been planned so far.
struct Draft<'a> {
    experiment: &'a Experiment,
    stages: Vec<Arc<dyn Stage>>,
    /// Stages that several methods ask for and the first has planned.
    shared: BTreeSet<StageId>,
    cells: Cells,
}

/// The stages whose artifacts become rows, by the file they become rows of.
#[derive(Default)]
struct Cells {
    models: Vec<(StageId, Cell)>,
    merged: Vec<(StageId, Cell)>,
    lines: Vec<(StageId, Cell)>,
    alignments: Vec<(StageId, Cell)>,
    others: Vec<(StageId, Cell)>,
}

/// One replicate of one pair.
struct Block<'a, 'd> {
    draft: &'d mut Draft<'a>,
    pair: &'a Pair,
    subject: Arc<Subject>,
    replicate: usize,
}

impl Block<'_, '_> {
    fn add(&mut self) {
        let experiment = self.draft.experiment;
        let stream = experiment.stream(self.pair, self.replicate);
        let parts = &experiment.evaluation.parts;
        for model in &experiment.models {
            let (training, subset) = (self.pair.training.clone(), model.subset.clone());
            let id = self.train(&model.name);
            self.push(Train::new(id, self.subject.clone(), training, subset, stream.child(&model.name)));
        }
        for model in &experiment.models {
            let id = self.id("evaluate", None, &model.name);
            self.push(Evaluate::new(id.clone(), self.train(&model.name), self.subject.clone(), parts.clone()));
            let (dataset, architecture) = self.names();
            let cell = Cell::Model { dataset, architecture, replicate: self.replicate, model: model.name.clone() };
            self.draft.cells.models.push((id, cell));
        }
        self.similarity(None);
        self.features(None);
        for method in &experiment.methods {
            self.method(method);
        }
    }

    fn method(&mut self, method: &Method) {
        let experiment = self.draft.experiment;
        let evaluation = &experiment.evaluation;
        for chosen in self.merges(method) {
            let Chosen { name, models: merged_models, .. } = &chosen;
            let models: Vec<StageId> = merged_models.iter().map(|&index| self.train(&experiment.models[index].name)).collect();
            let id = self.id("measure", Some(method), name);
            let measure = match &method.merging {
                Merging::Ensemble => Measure::ensemble(id.clone(), models, self.subject.clone(), evaluation.parts.clone()),
                Merging::Mean { coefficients } => {
                    let (alignment, positions) = match chosen.jointly {
                        true => (self.all_aligned(method), Some(merged_models.clone())),
                        false => (self.alignment(method, name, merged_models), None),
                    };
                    let merged = self.id("merge", Some(method), name);
                    let (subject, shares) = (self.subject.clone(), coefficients.clone());
                    let merge = Merge::new(merged.clone(), alignment.clone(), models.clone(), subject.clone(), shares.clone());
                    self.push(merge.at(positions.clone()));
                    let model = match &method.repair {
                        None => merged,
                        Some(repair) => {
                            let repaired = self.id("repair", Some(method), name);
                            let ends = self.ends(method, repair, merged_models);
                            let merged = Merged { model: merged, alignment, ends, positions, shares };
                            self.push(Repair::new(repaired.clone(), merged, subject, repair.clone()));
                            repaired
                        }
                    };
                    Measure::merged(id.clone(), model, self.subject.clone(), evaluation.parts.clone())
                }
            };
            self.push(measure);
            self.merged_cell(method, id, &chosen);
        }
        if method.merging == Merging::Ensemble {
            return;
        }
        for &(fixed, permutee) in &evaluation.lines {
            let ends = [fixed, permutee].map(|index| experiment.models[index].name.clone());
            let name = ends.join("-");
            // The maps of a joint method belong to all models at once: a pair is compared through their frame.
            let (alignment, positions) = if method.matching.is_joint() {
                (self.all_aligned(method), [fixed, permutee])
            } else {
                (self.alignment(method, &name, &[fixed, permutee]), [0, 1])
            };
            let id = self.id("line", Some(method), &name);
            let trained = ends.each_ref().map(|end| self.train(end));
            let line =
                Line::new(id.clone(), alignment, trained, positions, self.subject.clone(), evaluation.lambdas, evaluation.parts.clone());
            let line = match &method.repair {
                None => line,
                Some(repair) => {
                    let repair = repair.of_line();
                    let ends = self.ends(method, &repair, &[fixed, permutee]);
                    line.repaired(repair, ends)
                }
            };
            self.push(line);
            let [fixed, permutee] = ends;
            let (dataset, architecture) = self.names();
            let cell = Cell::Line { dataset, architecture, method: method.name.clone(), replicate: self.replicate, fixed, permutee };
            self.draft.cells.lines.push((id, cell));
        }
        self.cycles(method);
        self.similarity(Some(method));
        self.features(Some(method));
        self.plane(method);
        self.iterates(method);
        self.margins(method);
    }

    /// The alignment of some models, planned once.
    fn alignment(&mut self, method: &Method, name: &str, models: &[usize]) -> StageId {
        let id = self.id("align", Some(method), name);
        if !self.draft.shared.insert(id.clone()) {
            return id;
        }
        let trained = models.iter().map(|&index| self.train(&self.draft.experiment.models[index].name)).collect();
        let stream = self.matching_stream(method, name);
        self.push(Align::new(id.clone(), trained, self.subject.clone(), onto_reference(&method.matching, models), stream));
        let (dataset, architecture) = self.names();
        let cell =
            Cell::Alignment { dataset, architecture, method: method.name.clone(), replicate: self.replicate, models: name.to_owned() };
        self.draft.cells.alignments.push((id.clone(), cell));
        id
    }

    /// What the alignment of this name draws from. No name of a method: two methods that match alike draw alike.
    fn matching_stream(&self, method: &Method, name: &str) -> Stream {
        drawn(self.draft.experiment.stream(self.pair, self.replicate).child("align").child(name), method.draw)
    }

    fn push(&mut self, stage: impl Stage + 'static) {
        self.draft.stages.push(Arc::new(stage));
    }

    fn train(&self, model: &str) -> StageId {
        self.id("train", None, model)
    }

    fn id(&self, kind: &str, method: Option<&Method>, last: &str) -> StageId {
        let method = method.map(|method| format!("{}/", method.name)).unwrap_or_default();
        StageId::new(format!("{kind}/{}/{method}replicate-{}/{last}", self.pair.id(), self.replicate))
    }

    fn names(&self) -> (String, String) {
        (self.pair.dataset.clone(), self.pair.architecture.clone())
    }
}
