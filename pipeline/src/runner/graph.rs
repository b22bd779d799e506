//! A plan as the runner sees it: one node for each fingerprint.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use onebasin_repro::Fingerprint;

use super::{Reason, Status};
use crate::plan::{Plan, Planned};
use crate::stage::StageId;
use crate::store::{Lookup, Store};

/// After so many misses a survey lists the store.
const MISSES: usize = 64;

/// Stages with equal fingerprints are one node. Nodes stand in the order of the plan: inputs first.
pub(crate) struct Graph<'a> {
    pub plan: &'a Plan,
    pub nodes: Vec<Node>,
    /// The node of each stage of the plan.
    pub node_of_stage: Vec<usize>,
    /// Nodes whose artifacts are wanted.
    targets: Vec<usize>,
    /// Nodes that run although their artifacts are at hand.
    pub forced: BTreeSet<usize>,
}

pub(crate) struct Node {
    /// The first stage of the plan with this fingerprint, which stands for all.
    pub stage: usize,
    pub fingerprint: Fingerprint,
    /// In the order of the stage's inputs; a node may come twice.
    pub inputs: Vec<usize>,
    /// Each once, ascending.
    pub dependents: Vec<usize>,
    /// Stages on the longest way from here to the end.
    pub height: usize,
}

impl<'a> Graph<'a> {
    pub fn new(plan: &'a Plan, targets: &[StageId], force: &[StageId]) -> Result<Graph<'a>> {
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
        let find = |ids: &[StageId]| -> Result<Vec<usize>> {
            ids.iter().map(|id| by_id.get(id).copied().with_context(|| format!("no stage is called `{id}`"))).collect()
        };
        let mut targets = find(targets)?;
        let forced = find(force)?;
        if targets.is_empty() {
            targets = (0..nodes.len()).filter(|&node| nodes[node].dependents.is_empty()).collect();
        }
        targets.extend(&forced);
        Ok(Graph { plan, nodes, node_of_stage, targets, forced: forced.into_iter().collect() })
    }

    /// The stage that stands for a node.
    pub fn planned(&self, node: usize) -> &'a Planned {
        &self.plan.stages[self.nodes[node].stage]
    }

    pub fn id(&self, node: usize) -> &'a StageId {
        self.planned(node).stage.id()
    }

    /// How many stages of the plan are of nodes for which `of` holds.
    pub fn count(&self, of: impl Fn(usize) -> bool) -> usize {
        self.node_of_stage.iter().filter(|&&node| of(node)).count()
    }

    /// Whether each node is a target or on the way to one.
    pub fn asked(&self) -> Vec<bool> {
        let mut asked = vec![false; self.nodes.len()];
        self.targets.iter().for_each(|&node| asked[node] = true);
        // Inputs come before dependents: one walk back finds them all.
        for node in (0..self.nodes.len()).rev() {
            if asked[node] {
                self.nodes[node].inputs.iter().for_each(|&input| asked[input] = true);
            }
        }
        asked
    }

    /// Compares the nodes with the store, from the targets back. With `verify_contents` every node is looked at, whether needed or not.
    pub fn survey(&self, store: &Store, verify_contents: bool) -> Vec<Status> {
        let mut wanted = vec![false; self.nodes.len()];
        let mut read = vec![verify_contents; self.nodes.len()];
        // Whoever wants a target reads it.
        for &node in &self.targets {
            (wanted[node], read[node]) = (true, true);
        }
        let mut statuses = vec![Status::Unneeded; self.nodes.len()];
        // One look at the whole store is cheaper than one at each of many entries that are not there.
        let (mut misses, mut listing) = (0, None);
        for node in (0..self.nodes.len()).rev() {
            if !wanted[node] && !verify_contents {
                continue;
            }
            let Node { fingerprint, inputs, .. } = &self.nodes[node];
            if misses == MISSES {
                listing.get_or_insert_with(|| store.listing());
            }
            let found = match &listing {
                Some(listing) if !listing.contains(fingerprint) => Lookup::Miss,
                _ if read[node] => store.verify(fingerprint),
                _ => store.lookup(fingerprint),
            };
            misses += usize::from(found == Lookup::Miss && misses < MISSES);
            statuses[node] = match found {
                Lookup::Hit(_) if self.forced.contains(&node) => Status::Run(Reason::Forced),
                Lookup::Hit(artifact) => Status::Hit(artifact),
                Lookup::Miss if !wanted[node] => Status::Unneeded,
                Lookup::Miss => Status::Run(Reason::Missing),
                Lookup::Damaged(problem) => Status::Run(Reason::Damaged(problem)),
            };
            if matches!(statuses[node], Status::Run(_)) {
                for &input in inputs {
                    (wanted[input], read[input]) = (true, true);
                }
            }
        }
        statuses
    }
}
