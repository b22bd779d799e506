//! A network as a table for people and machines.

use std::fmt;

use serde::Serialize;

use crate::{Graph, Group, Node, NormKind, Operation, Shape};

/// What there is to say of a network: a row for each node, the groups, the sums.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Description {
    /// The shape of one image.
    pub input: Shape,
    /// How many numbers come out.
    pub classes: usize,
    /// In running order.
    pub rows: Vec<Row>,
    /// In graph order.
    pub groups: Vec<Group>,
    /// Numbers that are trained.
    pub parameters: usize,
    /// Two for each multiply-add of one image's forward pass.
    pub flops: u64,
    /// The decimal logarithm of in how many orders the units may stand without changing what is computed: `Σ log10(units!)` over the groups.
    pub symmetries_log10: f64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// The layer's name.
    pub name: String,
    /// What it does: `conv 3x3, stride 2`.
    pub operation: String,
    /// The names of the nodes it reads.
    pub inputs: Vec<String>,
    /// The shape of its output.
    pub shape: Shape,
    /// Whether its output is a vector.
    pub flat: bool,
    /// Numbers in it that are trained.
    pub parameters: usize,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
    /// The group of its output's units; none if their order is fixed.
    pub group: Option<String>,
    /// Consecutive features that move as one unit; 1 where there is no group.
    pub block: usize,
}

impl Graph {
    /// The table of this network.
    pub fn describe(&self) -> Description {
        let architecture = &self.architecture;
        Description {
            input: architecture.input,
            classes: architecture.classes,
            rows: self.nodes.iter().map(|node| row(self, node)).collect(),
            groups: self.spec().groups.clone(),
            parameters: self.parameter_count(),
            flops: self.flops(),
            symmetries_log10: self.spec().groups.iter().map(|group| factorial_log10(group.units)).sum(),
        }
    }
}

fn row(graph: &Graph, node: &Node) -> Row {
    let parameters = node.operation.parameters().map(|index| &graph.spec().parameters[index]);
    Row {
        name: node.name.clone(),
        operation: text(graph, &node.operation),
        inputs: node.inputs.iter().map(|&input| graph.nodes[input].name.clone()).collect(),
        shape: node.shape,
        flat: node.flat,
        parameters: parameters.filter(|parameter| parameter.role.is_matched()).map(|parameter| parameter.len()).sum(),
        multiply_adds: graph.multiply_adds(node),
        group: node.group.map(|binding| graph.spec().groups[binding.group].name.clone()),
        block: node.group.map_or(1, |binding| binding.block),
    }
}

fn text(graph: &Graph, operation: &Operation) -> String {
    let window = |size: usize, stride: usize, padding: usize, usual: (usize, usize)| {
        let stride = if stride == usual.0 { String::new() } else { format!(", stride {stride}") };
        let padding = if padding == usual.1 { String::new() } else { format!(", padding {padding}") };
        format!("{size}x{size}{stride}{padding}")
    };
    let unbiased = |bias: &Option<usize>| if bias.is_some() { "" } else { ", no bias" };
    match operation {
        Operation::Input => "input".to_owned(),
        Operation::Linear { bias, .. } => format!("linear{}", unbiased(bias)),
        Operation::Conv { weight, bias, stride, padding } => {
            let kernel = graph.spec().parameters[*weight].shape[2];
            format!("conv {}{}", window(kernel, *stride, *padding, (1, crate::architecture::half(kernel))), unbiased(bias))
        }
        Operation::Norm { kind: NormKind::Layer, .. } => "layer norm".to_owned(),
        Operation::Norm { kind: NormKind::Batch, .. } => "batch norm".to_owned(),
        Operation::Relu => "relu".to_owned(),
        Operation::MaxPool { size, stride, padding } => format!("max pool {}", window(*size, *stride, *padding, (*size, 0))),
        Operation::GlobalMean => "global mean".to_owned(),
        Operation::AdaptiveMean { size } => format!("adaptive mean {size}x{size}"),
        Operation::PadChannels { before, behind, stride } => {
            let stride = if *stride == 1 { String::new() } else { format!(", stride {stride}") };
            format!("{before} and {behind} channels of zeros{stride}")
        }
        Operation::Flatten => "flatten".to_owned(),
        Operation::Add => "add".to_owned(),
        Operation::Output => "output".to_owned(),
    }
}

impl fmt::Display for Description {
    /// One line a node, then one a group, then the sums; columns aligned, no trailing spaces.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["layer", "operation", "output", "parameters", "multiply-adds", "group"].map(str::to_owned);
        let cells = |row: &Row| {
            let shape = if row.flat { row.shape.channels.to_string() } else { row.shape.to_string() };
            let group = match (&row.group, row.block) {
                (None, _) => "-".to_owned(),
                (Some(group), 1) => group.clone(),
                (Some(group), block) => format!("{group}, blocks of {block}"),
            };
            [row.name.clone(), row.operation.clone(), shape, row.parameters.to_string(), row.multiply_adds.to_string(), group]
        };
        table(formatter, std::iter::once(heads).chain(self.rows.iter().map(cells)).collect(), [false, false, true, true, true, false])?;
        writeln!(formatter)?;
        let heads = ["group", "units"].map(str::to_owned);
        let groups = self.groups.iter().map(|group| [group.name.clone(), group.units.to_string()]);
        table(formatter, std::iter::once(heads).chain(groups).collect(), [false, true])?;
        writeln!(formatter)?;
        let groups = self.groups.len();
        let plural = if groups == 1 { "" } else { "s" };
        write!(formatter, "{} parameters, {groups} group{plural}, {} FLOPs per image", self.parameters, self.flops)?;
        if groups == 0 { Ok(()) } else { write!(formatter, ", 10^{:.1} orders of units", self.symmetries_log10) }
    }
}

/// `log10(n!)`.
fn factorial_log10(n: usize) -> f64 {
    (2..=n).map(|factor| (factor as f64).log10()).sum()
}

fn table<const N: usize>(formatter: &mut fmt::Formatter<'_>, rows: Vec<[String; N]>, right: [bool; N]) -> fmt::Result {
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    for row in &rows {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(widths).zip(right) {
            line += &if right { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
        }
        writeln!(formatter, "{}", line.trim_end())?;
    }
    Ok(())
}
