//! Which models are merged into one, and in which frame.

use crate::identity::ModelNames;
use crate::spec::{Evaluation, Method};

/// Models that are merged, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeSet {
    /// The first so many models.
    First(usize),
    /// Chosen models, matched on their own.
    Chosen(Vec<usize>),
    /// Chosen models, in the frame into which all models were brought together.
    ChosenJointly(Vec<usize>),
}

impl MergeSet {
    /// The merges of the first models that an evaluation asks for of a method, or that of the models that the method names.
    pub fn counted(evaluation: &Evaluation, method: &Method) -> Vec<MergeSet> {
        match &method.models {
            Some(models) => vec![MergeSet::Chosen(models.clone())],
            None => evaluation.merges.iter().map(|&count| MergeSet::First(count)).collect(),
        }
    }

    /// The merges of chosen models that an evaluation asks for of a method.
    pub fn chosen(evaluation: &Evaluation, method: &Method) -> Vec<MergeSet> {
        if method.models.is_some() {
            return Vec::new();
        }
        // Where nothing is moved, models are in one frame anyway.
        let jointly = evaluation.joint_subsets && !matches!(method.matching, onebasin_matching::Matching::Identity(_));
        let of = |models: &Vec<usize>| {
            let joint = jointly.then(|| MergeSet::ChosenJointly(models.clone()));
            std::iter::once(MergeSet::Chosen(models.clone())).chain(joint)
        };
        evaluation.subsets.iter().flat_map(of).collect()
    }

    /// All merges that an evaluation asks for of a method, but those in the frame of all models.
    pub fn apart(evaluation: &Evaluation, method: &Method) -> Vec<MergeSet> {
        let chosen = MergeSet::chosen(evaluation, method).into_iter().filter(|set| set.positions().is_none());
        MergeSet::counted(evaluation, method).into_iter().chain(chosen).collect()
    }

    /// The models.
    pub fn models(&self) -> Vec<usize> {
        match self {
            MergeSet::First(count) => (0..*count).collect(),
            MergeSet::Chosen(models) | MergeSet::ChosenJointly(models) => models.clone(),
        }
    }

    /// Where the models stand in the alignment that the merge uses, if that has others too.
    pub fn positions(&self) -> Option<Vec<usize>> {
        match self {
            MergeSet::First(_) | MergeSet::Chosen(_) => None,
            MergeSet::ChosenJointly(models) => Some(models.clone()),
        }
    }

    /// The last part of the names of its stages.
    pub fn path(&self, names: &ModelNames) -> String {
        match self {
            MergeSet::First(count) => count.to_string(),
            MergeSet::Chosen(_) => names.sum(),
            MergeSet::ChosenJointly(_) => format!("{}@all", names.sum()),
        }
    }
}
