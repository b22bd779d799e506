//! A plan as a graph for Graphviz or Mermaid: by kind of stage, or stage by stage.

use std::collections::BTreeMap;

use super::plan::{HIT, MISS, NEEDS_DATA, UNNEEDED};
use crate::plan::Plan;

/// Where stages stand, what that is called in a legend, and its colour; `mixed` is of a kind whose stages stand in several places.
const STANDINGS: [(&str, &str, &str); 5] = [
    (HIT, "done", "#cfe8cf"),
    (MISS, "would run", "#f7d9b0"),
    (UNNEEDED, "not needed", "#dddddd"),
    (NEEDS_DATA, "needs data", "#f4c7c7"),
    (MIXED, "some of each", "#fdf3c8"),
];
const MIXED: &str = "mixed";

/// Nodes in the order of the plan, and edges between them.
pub struct Graph {
    nodes: Vec<Node>,
    /// Between places in the list of nodes, ascending; with how many edges between stages each stands for.
    edges: BTreeMap<(usize, usize), usize>,
    /// Whether a node is a kind.
    by_kind: bool,
}

struct Node {
    name: String,
    /// Stages in each standing.
    counts: BTreeMap<&'static str, usize>,
}

impl Node {
    fn standing(&self) -> &'static str {
        match self.counts.keys().next() {
            Some(only) if self.counts.len() == 1 => only,
            _ => MIXED,
        }
    }

    /// The name, and below it, of a kind, how many stages stand where.
    fn label(&self, by_kind: bool, line_break: &str) -> String {
        if !by_kind {
            return self.name.clone();
        }
        let counts = STANDINGS.iter().filter_map(|(word, text, _)| Some(format!("{} {text}", self.counts.get(word)?)));
        format!("{}{line_break}{}", self.name, counts.collect::<Vec<_>>().join(", "))
    }
}

impl Graph {
    /// That of a plan whose stages stand so: every stage, or one node for each kind.
    pub fn of(plan: &Plan, standings: &[&'static str], full: bool) -> Graph {
        let mut nodes: Vec<Node> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut of_stage: BTreeMap<&str, usize> = BTreeMap::new();
        let mut edges: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (planned, standing) in plan.stages.iter().zip(standings) {
            let id = planned.stage.id();
            let name = if full { id.as_str() } else { id.first() };
            let place = *places.entry(name).or_insert_with(|| {
                nodes.push(Node { name: name.to_owned(), counts: BTreeMap::new() });
                nodes.len() - 1
            });
            of_stage.insert(id.as_str(), place);
            *nodes[place].counts.entry(standing).or_default() += 1;
            // A kind that reads its own kind would be a loop, which tells nothing.
            for from in planned.stage.inputs().iter().filter_map(|input| of_stage.get(input.as_str())).filter(|from| **from != place) {
                *edges.entry((*from, place)).or_default() += 1;
            }
        }
        Graph { nodes, edges, by_kind: !full }
    }

    /// The standings that occur.
    fn legend(&self) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
        STANDINGS.iter().filter(|(word, ..)| self.nodes.iter().any(|node| node.standing() == *word))
    }

    /// For Graphviz.
    pub fn dot(&self) -> String {
        let colour = |standing: &str| STANDINGS.iter().find(|(word, ..)| *word == standing).map_or("#ffffff", |(_, _, colour)| colour);
        let mut lines = vec!["digraph plan {".to_owned(), "  rankdir = LR; node [shape = box, style = filled];".to_owned()];
        for node in &self.nodes {
            let label = if self.by_kind { format!("label = \"{}\", ", node.label(true, "\\n")) } else { String::new() };
            lines.push(format!("  \"{}\" [{label}fillcolor = \"{}\"];", node.name, colour(node.standing())));
        }
        for ((from, to), count) in &self.edges {
            let label = if self.by_kind && *count > 1 { format!(" [label = \"{count}\"]") } else { String::new() };
            lines.push(format!("  \"{}\" -> \"{}\"{label};", self.nodes[*from].name, self.nodes[*to].name));
        }
        lines.extend(["  subgraph cluster_legend {", "    label = \"legend\";"].map(str::to_owned));
        for (word, text, colour) in self.legend() {
            lines.push(format!("    \"legend {word}\" [label = \"{text}\", fillcolor = \"{colour}\"];"));
        }
        lines.extend(["  }", "}"].map(str::to_owned));
        lines.join("\n")
    }

    /// For Mermaid.
    pub fn mermaid(&self) -> String {
        let class = |word: &str| word.replace('-', "");
        let mut lines = vec!["flowchart LR".to_owned()];
        for (index, node) in self.nodes.iter().enumerate() {
            lines.push(format!("  s{index}[\"{}\"]:::{}", node.label(self.by_kind, "<br/>"), class(node.standing())));
        }
        for ((from, to), count) in &self.edges {
            let label = if self.by_kind && *count > 1 { format!("|{count}|") } else { String::new() };
            lines.push(format!("  s{from} -->{label} s{to}"));
        }
        lines.push("  subgraph legend".to_owned());
        for (word, text, _) in self.legend() {
            let class = class(word);
            lines.push(format!("    legend_{class}[\"{text}\"]:::{class}"));
        }
        lines.push("  end".to_owned());
        lines.extend(self.legend().map(|(word, _, colour)| format!("  classDef {} fill:{colour}", class(word))));
        lines.join("\n")
    }
}
