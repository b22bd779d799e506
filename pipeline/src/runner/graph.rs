//! A plan as the runner sees it: one node for each fingerprint.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use onebasin_repro::Fingerprint;

use super::{Reason, Status};
use crate::plan::Plan;
use crate::stage::{Artifact, Stage, StageId};
use crate::store::{Lookup, Store};

/// Stages with equal fingerprints are one node. Nodes stand in the order of the plan: inputs first.
pub(super) struct Graph<'a> {
    pub plan: &'a Plan,
    pub nodes: Vec<Node>,
    /// The node of each stage of the plan.
    pub node_of_stage: Vec<usize>,
    /// Nodes whose artifacts are wanted.
    targets: Vec<usize>,
}

pub(super) struct Node {
    /// The first stage of the plan with this fingerprint, which stands for all.
    pub stage: usize,
    pub fingerprint: Fingerprint,
    /// In the order of [`Stage::inputs`]; a node may come twice.
    pub inputs: Vec<usize>,
    /// Each once, ascending.
    pub dependents: Vec<usize>,
    /// Stages on the longest way from here to the end.
    pub height: usize,
}

/// What is to be done with a node.
#[derive(Clone, Debug)]
pub(super) enum Need {
    Hit(Artifact),
    Run(Reason),
    None,
}

impl Need {
    pub fn status(&self) -> Status {
        match self {
            Need::Hit(artifact) => Status::Hit(artifact.clone()),
            Need::Run(reason) => Status::Run(reason.clone()),
            Need::None => Status::Unneeded,
        }
    }
}

impl<'a> Graph<'a> {
    pub fn new(plan: &'a Plan, targets: &[StageId]) -> Result<Graph<'a>> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut node_of_stage = Vec::with_capacity(plan.stages.len());
        let mut by_fingerprint: BTreeMap<Fingerprint, usize> = BTreeMap::new();
        let mut by_id: BTreeMap<&StageId, usize> = BTreeMap::new();
        for (stage, planned) in plan.stages.iter().enumerate() {
            let inputs = planned.stage.inputs().iter().map(|input| {
                by_id.get(input).copied().with_context(|| format!("stage `{}` comes before its input `{input}`", planned.stage.id()))
            });
            let inputs: Vec<usize> = inputs.collect::<Result<_>>()?;
            let node = *by_fingerprint.entry(planned.fingerprint).or_insert_with(|| {
                nodes.push(Node { stage, fingerprint: planned.fingerprint, inputs, dependents: Vec::new(), height: 1 });
                nodes.len() - 1
            });
            by_id.insert(planned.stage.id(), node);
            node_of_stage.push(node);
        }
        for node in (0..nodes.len()).rev() {
            let height = nodes[node].height + 1;
            for input in nodes[node].inputs.clone() {
                nodes[input].height = nodes[input].height.max(height);
                if nodes[input].dependents.last() != Some(&node) {
                    nodes[input].dependents.push(node);
                }
            }
        }
        nodes.iter_mut().for_each(|node| node.dependents.reverse());
        let wanted = targets.iter().map(|target| by_id.get(target).copied().with_context(|| format!("no stage is called `{target}`")));
        let mut targets: Vec<usize> = wanted.collect::<Result<_>>()?;
        if targets.is_empty() {
            targets = (0..nodes.len()).filter(|&node| nodes[node].dependents.is_empty()).collect();
        }
        Ok(Graph { plan, nodes, node_of_stage, targets })
    }

    pub fn stage(&self, node: usize) -> &'a dyn Stage {
        &*self.plan.stages[self.nodes[node].stage].stage
    }

    pub fn id(&self, node: usize) -> &'a StageId {
        self.plan.stages[self.nodes[node].stage].stage.id()
    }

    /// How many stages of the plan are of nodes for which `of` holds.
    pub fn count(&self, of: impl Fn(usize) -> bool) -> usize {
        self.node_of_stage.iter().filter(|&&node| of(node)).count()
    }

    /// Walks back from the targets.
    pub fn survey(&self, store: &Store, deep: bool) -> Vec<Need> {
        let mut wanted = vec![false; self.nodes.len()];
        let mut read = vec![deep; self.nodes.len()];
        self.targets.iter().for_each(|&node| wanted[node] = true);
        let mut needs = vec![Need::None; self.nodes.len()];
        for node in (0..self.nodes.len()).rev() {
            if !wanted[node] {
                continue;
            }
            let Node { fingerprint, inputs, .. } = &self.nodes[node];
            let found = if read[node] { store.verify(fingerprint) } else { store.lookup(fingerprint) };
            needs[node] = match found {
                Lookup::Hit(artifact) => Need::Hit(artifact),
                Lookup::Miss => Need::Run(Reason::Missing),
                Lookup::Damaged(problem) => Need::Run(Reason::Damaged(problem)),
            };
            if matches!(needs[node], Need::Run(_)) {
                for &input in inputs {
                    (wanted[input], read[input]) = (true, true);
                }
            }
        }
        needs
    }
}
