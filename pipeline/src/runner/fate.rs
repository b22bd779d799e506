//! What became of the nodes of a graph.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::{Outcome, Status};
use crate::stage::{Artifact, StageId};

/// What became of a node.
pub(crate) enum Fate {
    Unneeded,
    Hit(Artifact),
    /// Nothing yet.
    Open,
    /// It should run, but not here, and has not.
    Elsewhere,
    /// It ran; whether the bytes are those before, where that is compared.
    Ran(Artifact, Option<bool>),
    Failed,
    Skipped,
}

impl Fate {
    /// Before anything runs; `here` says which nodes may run.
    pub fn first(status: Status, here: bool) -> Fate {
        match status {
            Status::Hit(artifact) => Fate::Hit(artifact),
            Status::Run(_) if here => Fate::Open,
            Status::Run(_) => Fate::Elsewhere,
            Status::Unneeded => Fate::Unneeded,
        }
    }

    pub fn artifact(&self) -> Option<&Artifact> {
        match self {
            Fate::Hit(artifact) | Fate::Ran(artifact, _) => Some(artifact),
            Fate::Unneeded | Fate::Open | Fate::Elsewhere | Fate::Failed | Fate::Skipped => None,
        }
    }
}

/// Gives up every open node that needs one that has no artifact and gets none. Returns them all, that one too.
pub(crate) fn give_up(graph: &Graph<'_>, fates: &mut [Fate], lost: usize) -> BTreeSet<usize> {
    let mut all = BTreeSet::from([lost]);
    // Inputs come first, so one pass finds all.
    for (node, fate) in fates.iter_mut().enumerate().skip(lost + 1) {
        if matches!(fate, Fate::Open) && graph.nodes[node].inputs.iter().any(|input| all.contains(input)) {
            all.insert(node);
            *fate = Fate::Skipped;
        }
    }
    all
}

/// The stages of the plan that need the work of a node that is lost, as [`give_up`] found them.
pub(crate) fn stages_of<'a>(graph: &Graph<'a>, lost: &BTreeSet<usize>, because: &StageId) -> Vec<&'a StageId> {
    // Counted as everywhere: by stages, also where several are the same work.
    let stages = graph.plan.stages.iter().map(|planned| planned.stage.id()).zip(&graph.node_of_stage);
    stages.filter(|(id, node)| lost.contains(node) && *id != because).map(|(id, _)| id).collect()
}

/// The outcome by stages.
pub(crate) fn conclude(graph: &Graph<'_>, fates: &[Fate], interrupted: bool) -> Outcome {
    let asked = graph.asked();
    let mut outcome = Outcome { interrupted, ..Outcome::default() };
    for (planned, &node) in graph.plan.stages.iter().zip(&graph.node_of_stage) {
        let id = planned.stage.id();
        match &fates[node] {
            Fate::Unneeded | Fate::Hit(_) if !asked[node] => outcome.not_asked += 1,
            Fate::Unneeded | Fate::Hit(_) => outcome.cached += 1,
            Fate::Ran(_, same) if id == graph.id(node) => {
                outcome.ran += 1;
                outcome.different.extend((*same == Some(false)).then(|| id.clone()));
            }
            Fate::Ran(..) => outcome.shared += 1,
            Fate::Open | Fate::Elsewhere => outcome.left += 1,
            Fate::Failed if id == graph.id(node) => outcome.failed.push(id.clone()),
            Fate::Failed | Fate::Skipped => outcome.skipped.push(id.clone()),
        }
    }
    outcome
}
