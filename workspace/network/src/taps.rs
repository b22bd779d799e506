//! Where the activations of a group of units are read.

use serde::{Deserialize, Serialize};

use crate::{Graph, NodeId, Operation};

/// Which value of a unit is its activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Tap {
    /// What a ReLU gives, as Git Re-Basin and REPAIR have it.
    #[default]
    AfterRelu,
    /// What a ReLU reads.
    BeforeRelu,
}

/// Which tensors of a residual stream count: the units of all its blocks are one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StreamTaps {
    /// The last one alone, as REPAIR's authors have it.
    #[default]
    Last,
    /// All, as samples beside each other.
    All,
}

impl Graph {
    /// The nodes where the activations of each group of units are read, in running order; at least one for each group.
    ///
    /// A group that no ReLU reads or gives is read where the layer that makes it gives it.
    pub fn taps(&self, tap: Tap, stream: StreamTaps) -> Vec<Vec<NodeId>> {
        let of_group = |group: usize| -> Vec<NodeId> {
            let is_of = |node: NodeId| self.nodes[node].group.is_some_and(|binding| binding.group == group);
            let ends = |is_end: &dyn Fn(&Operation) -> bool| -> Vec<NodeId> {
                (0..self.nodes.len()).filter(|&node| is_end(&self.nodes[node].operation) && is_of(node)).collect()
            };
            let mut found = ends(&|operation| matches!(operation, Operation::Relu));
            if tap == Tap::BeforeRelu {
                found.iter_mut().for_each(|node| *node = self.nodes[*node].inputs[0]);
            }
            if found.is_empty() {
                found = ends(&|operation| {
                    matches!(operation, Operation::Linear { .. } | Operation::Conv { .. } | Operation::Norm { .. } | Operation::Add)
                });
                // Of a chain of a layer and its norm the last.
                let read = |node: &NodeId| !found.iter().any(|other| self.nodes[*other].inputs.contains(node));
                found = found.iter().copied().filter(read).collect();
            }
            match stream {
                StreamTaps::Last => found.split_off(found.len().saturating_sub(1)),
                StreamTaps::All => found,
            }
        };
        (0..self.spec().groups.len()).map(of_group).collect()
    }
    /// The node where the activations of each linear layer and convolution are read, in the order of their weights in the spec.
    ///
    /// A norm behind a layer belongs to it, and so does the sum that it ends the body of: of a residual block that is the block's output. A
    /// layer on a shortcut is read before the sum, and a layer that no ReLU reads (class scores too) as it is, whatever the tap.
    pub fn layer_taps(&self, tap: Tap) -> Vec<NodeId> {
        let is_layer = |node: &NodeId| matches!(self.nodes[*node].operation, Operation::Linear { .. } | Operation::Conv { .. });
        let of_layer = |layer: NodeId| {
            let mut at = layer;
            loop {
                let mut readers = (at + 1..self.nodes.len()).filter(|&node| self.nodes[node].inputs.contains(&at));
                let (Some(reader), None) = (readers.next(), readers.next()) else { return at };
                match self.nodes[reader].operation {
                    Operation::Norm { .. } => at = reader,
                    Operation::Add if self.nodes[reader].inputs[0] == at => at = reader,
                    Operation::Relu => return if tap == Tap::AfterRelu { reader } else { at },
                    _ => return at,
                }
            }
        };
        (0..self.nodes.len()).filter(is_layer).map(of_layer).collect()
    }
}
