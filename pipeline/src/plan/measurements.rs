//! The stages of what a spec may ask for besides: cycles, subsets, similarities, a plane.

use onebasin_matching::Matching;
use onebasin_repro::Stream;

use super::Block;
use crate::report::{Cell, File};
use crate::spec::{Method, Part};
use crate::stage::StageId;
use crate::stages::{Cycle, CycleStep, Features, Iterates, Margins, Plane, Similarity, Wanted};

/// The matching of some models, given by index: its reference as a place among them, or their first where it is not one of them.
pub(super) fn onto_reference(matching: &Matching, models: &[usize]) -> Matching {
    match matching.reference() {
        // The first model is what nobody needs to ask for: whichever comes first stands for it.
        None | Some(0) => matching.clone(),
        Some(reference) => matching.clone().with_reference(models.iter().position(|&model| model == reference).unwrap_or(0)),
    }
}

/// The stream of a draw; the first is the one that a method has without any draws.
pub(super) fn drawn(stream: Stream, draw: usize) -> Stream {
    if draw > 1 { stream.child(format!("seed-{draw}")) } else { stream }
}

/// Models that are merged.
pub(super) struct Chosen {
    /// The last part of the names of their stages.
    pub name: String,
    /// By index.
    pub models: Vec<usize>,
    /// Whether they are merged in the frame of all models, not in one of their own.
    pub jointly: bool,
}

impl Block<'_, '_> {
    /// What a method merges. Lists of models are called by their names joined with `+`, which no name holds.
    pub(super) fn merges(&self, method: &Method) -> Vec<Chosen> {
        let evaluation = &self.draft.experiment.evaluation;
        let counted =
            evaluation.merges.iter().map(|&count| Chosen { name: count.to_string(), models: (0..count).collect(), jointly: false });
        let named = |models: &Vec<usize>, jointly: bool| {
            let name = format!("{}{}", self.model_names(models).join("+"), if jointly { "@all" } else { "" });
            Chosen { name, models: models.clone(), jointly }
        };
        // Where nothing is moved, models are in one frame anyway.
        let joint = evaluation.joint_subsets && !matches!(method.matching, Matching::Identity(_));
        let subsets =
            evaluation.subsets.iter().flat_map(|models| std::iter::once(named(models, false)).chain(joint.then(|| named(models, true))));
        counted.chain(subsets).collect()
    }

    /// The rows of a merged model: in `merged.csv` by their number, in `subsets.csv` by their names.
    pub(super) fn merged_cell(&mut self, method: &Method, id: StageId, chosen: &Chosen) {
        if chosen.name.contains('+') {
            let names = self.model_names(&chosen.models);
            self.cell(Some(method), id, if chosen.jointly { File::JointSubsets } else { File::Subsets }, names);
            return;
        }
        let (dataset, architecture) = self.names();
        let (method, replicate, models) = (method.name.clone(), self.replicate, chosen.models.len());
        self.draft.cells.merged.push((id, Cell::Merged { dataset, architecture, method, replicate, models }));
    }

    /// A model mapped around each cycle, and the line back to it.
    pub(super) fn cycles(&mut self, method: &Method) {
        let evaluation = &self.draft.experiment.evaluation;
        for cycle in &evaluation.cycles {
            let mut alignments: Vec<StageId> = Vec::new();
            let mut steps = Vec::with_capacity(cycle.len());
            for (place, &from) in cycle.iter().enumerate() {
                let onto = cycle[(place + 1) % cycle.len()];
                let (alignment, positions) = self.between(method, from, onto);
                let known = alignments.iter().position(|known| *known == alignment);
                let alignment = known.unwrap_or_else(|| {
                    alignments.push(alignment);
                    alignments.len() - 1
                });
                steps.push(CycleStep { alignment, from: positions[0], onto: positions[1] });
            }
            let names = self.model_names(cycle);
            let id = self.id("cycle", Some(method), &names.join("-"));
            let start = self.train(&names[0]);
            let (lambdas, parts) = (evaluation.lambdas, evaluation.parts.clone());
            self.push(Cycle::new(id.clone(), alignments, start, steps, self.subject.clone(), lambdas, parts));
            self.cell(Some(method), id, File::Cycles, names);
        }
    }

    /// An alignment with two models in it, and their places: the joint one of all, or the two's own, matched once for both ways.
    fn between(&mut self, method: &Method, from: usize, onto: usize) -> (StageId, [usize; 2]) {
        if method.matching.is_joint() {
            return (self.all_aligned(method), [from, onto]);
        }
        let (low, high) = (from.min(onto), from.max(onto));
        let name = self.model_names(&[low, high]).join("-");
        (self.alignment(method, &name, &[low, high]), if from < onto { [0, 1] } else { [1, 0] })
    }

    /// The alignment of every model.
    pub(super) fn all_aligned(&mut self, method: &Method) -> StageId {
        let all: Vec<usize> = (0..self.draft.experiment.models.len()).collect();
        self.alignment(method, &all.len().to_string(), &all)
    }

    /// Whether a method brings models anywhere, and is the first draw of its kind.
    fn moves(method: &Method) -> bool {
        method.draw == 1 && !matches!(method.matching, Matching::Identity(_))
    }

    /// How alike the weights of all models are, as they are or in the frame of a method.
    pub(super) fn similarity(&mut self, method: Option<&Method>) {
        let experiment = self.draft.experiment;
        if !experiment.evaluation.similarity || method.is_some_and(|method| !Self::moves(method)) {
            return;
        }
        let alignment = method.map(|method| self.all_aligned(method));
        let names: Vec<String> = experiment.models.iter().map(|model| model.name.clone()).collect();
        let models = names.iter().map(|name| self.train(name)).collect();
        let id = self.id("similarity", method, "all");
        self.push(Similarity::new(id.clone(), alignment, models, self.subject.clone()));
        self.cell(method, id, File::Similarity, names);
    }

    /// How alike all models see the same images, as they are or in the frame of a method.
    pub(super) fn features(&mut self, method: Option<&Method>) {
        let experiment = self.draft.experiment;
        let Some(images) = experiment.evaluation.features.filter(|_| method.is_none_or(Self::moves)) else { return };
        let alignment = method.map(|method| self.all_aligned(method));
        let names: Vec<String> = experiment.models.iter().map(|model| model.name.clone()).collect();
        let models = names.iter().map(|name| self.train(name)).collect();
        let id = self.id("features", method, "all");
        self.push(Features::new(id.clone(), alignment, models, images, self.subject.clone()));
        self.cell(method, id, File::Features, names);
    }

    /// The loss of mixtures of three models and their images in the frame.
    pub(super) fn plane(&mut self, method: &Method) {
        let evaluation = &self.draft.experiment.evaluation;
        let Some(plane) = evaluation.plane.as_ref().filter(|_| Self::moves(method)) else { return };
        let alignment = self.all_aligned(method);
        let names = self.model_names(&plane.models);
        let models = [0, 1, 2].map(|corner| self.train(&names[corner]));
        let part = if evaluation.parts.contains(&Part::Test) { Part::Test } else { Part::Train };
        let id = self.id("plane", Some(method), &names.join("-"));
        self.push(Plane::new(id.clone(), alignment, models, plane.clone(), self.subject.clone(), part));
        self.cell(Some(method), id, File::Planes, names);
    }

    /// The first soft matrices of one group on the way of C²M³.
    pub(super) fn iterates(&mut self, method: &Method) {
        let experiment = self.draft.experiment;
        let Some(iterates) = experiment.evaluation.iterates.as_ref().filter(|_| Self::moves(method)) else { return };
        let Matching::C2m3(matching) = &method.matching else { return };
        let groups = &self.pair.graph.spec().groups;
        let smallest = || groups.iter().min_by_key(|group| group.units).map(|group| group.name.clone());
        // A network without hidden units has no matrices.
        let Some(group) = iterates.group.clone().or_else(smallest) else { return };
        let all: Vec<String> = experiment.models.iter().map(|model| model.name.clone()).collect();
        let alignment = self.all_aligned(method);
        let stream = self.matching_stream(method, &all.len().to_string());
        let models = all.iter().map(|name| self.train(name)).collect();
        let id = self.id("iterates", Some(method), &all[iterates.model]);
        let names = std::iter::once(all[iterates.model].clone()).chain(all).collect();
        let wanted = Wanted { model: iterates.model, group, count: iterates.count };
        self.push(Iterates::new(id.clone(), alignment, models, self.subject.clone(), matching.clone(), stream, wanted));
        self.cell(Some(method), id, File::Iterates, names);
    }

    /// How sure each match of all models is.
    pub(super) fn margins(&mut self, method: &Method) {
        let experiment = self.draft.experiment;
        if !experiment.evaluation.margins || !Self::moves(method) {
            return;
        }
        let alignment = self.all_aligned(method);
        let names: Vec<String> = experiment.models.iter().map(|model| model.name.clone()).collect();
        let models = names.iter().map(|name| self.train(name)).collect();
        let id = self.id("margins", Some(method), "all");
        self.push(Margins::new(id.clone(), alignment, models, self.subject.clone()));
        self.cell(Some(method), id, File::Margins, names);
    }

    fn cell(&mut self, method: Option<&Method>, id: StageId, file: File, models: Vec<String>) {
        let (dataset, architecture) = self.names();
        let method = method.map(|method| method.name.clone());
        self.draft.cells.others.push((id, Cell::Other { dataset, architecture, method, replicate: self.replicate, file, models }));
    }

    fn model_names(&self, models: &[usize]) -> Vec<String> {
        models.iter().map(|&index| self.draft.experiment.models[index].name.clone()).collect()
    }
}
