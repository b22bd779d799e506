//! A spanning tree of rows and columns that carries a basic plan and its potentials.

use std::cmp::Ordering;

const NONE: u32 = u32::MAX;

/// A mass and a multiple of an infinitesimal, ordered by the first, then the second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Mass {
    pub real: f64,
    pub perturbation: i64,
}

impl PartialOrd for Mass {
    #[inline(always)]
    fn partial_cmp(&self, other: &Mass) -> Option<Ordering> {
        Some(self.real.partial_cmp(&other.real)?.then(self.perturbation.cmp(&other.perturbation)))
    }
}

impl Mass {
    #[inline(always)]
    pub(crate) fn less(self, other: Mass) -> Mass {
        // Rounding must not make a remainder negative.
        Mass { real: (self.real - other.real).max(0.0), perturbation: self.perturbation - other.perturbation }
    }

    #[inline(always)]
    fn plus(self, other: Mass) -> Mass {
        Mass { real: self.real + other.real, perturbation: self.perturbation + other.perturbation }
    }
}

/// Links of one node. Nodes are the rows, then the columns; the root is row 0. `mass` is on the edge to the parent.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    depth: u32,
    first_child: u32,
    next: u32,
    previous: u32,
    mass: Mass,
}

/// What potentials are made of: doubles, or numbers that do not round.
pub(crate) trait Potential: Copy {
    const ZERO: Self;

    fn plus(self, other: Self) -> Self;

    fn less(self, other: Self) -> Self;
}

impl Potential for f64 {
    const ZERO: f64 = 0.0;

    #[inline(always)]
    fn plus(self, other: f64) -> f64 {
        self + other
    }

    #[inline(always)]
    fn less(self, other: f64) -> f64 {
        self - other
    }
}

pub(crate) struct Tree<P> {
    height: usize,
    width: usize,
    nodes: Vec<Node>,
    row_potentials: Vec<P>,
    column_potentials: Vec<P>,
    stack: Vec<u32>,
}

impl<P: Potential> Tree<P> {
    /// The tree of a basis that spans all rows and columns. Its potentials are 0 until they are refreshed.
    pub(crate) fn new(height: usize, width: usize, basis: Vec<(u32, u32, Mass)>) -> Tree<P> {
        let node = Node { parent: NONE, depth: 0, first_child: NONE, next: NONE, previous: NONE, mass: Mass::default() };
        let mut tree = Tree {
            height,
            width,
            nodes: vec![node; height + width],
            row_potentials: vec![P::ZERO; height],
            column_potentials: vec![P::ZERO; width],
            stack: Vec::new(),
        };
        let mut edges: Vec<Vec<(u32, Mass)>> = vec![Vec::new(); height + width];
        for (row, column, mass) in basis {
            let column = column + height as u32;
            edges[row as usize].push((column, mass));
            edges[column as usize].push((row, mass));
        }
        let mut stack = vec![0];
        while let Some(node) = stack.pop() {
            for (other, mass) in &edges[node as usize] {
                if *other != tree.nodes[node as usize].parent {
                    tree.nodes[*other as usize].mass = *mass;
                    tree.nodes[*other as usize].depth = tree.nodes[node as usize].depth + 1;
                    tree.attach(*other, node);
                    stack.push(*other);
                }
            }
        }
        tree
    }

    /// The same tree with potentials of another kind, which are 0 until they are refreshed.
    pub(crate) fn with_potentials<Q: Potential>(self) -> Tree<Q> {
        let (row_potentials, column_potentials) = (vec![Q::ZERO; self.height], vec![Q::ZERO; self.width]);
        Tree { height: self.height, width: self.width, nodes: self.nodes, row_potentials, column_potentials, stack: self.stack }
    }

    #[inline(always)]
    pub(crate) fn column_potentials(&self) -> &[P] {
        &self.column_potentials
    }

    #[inline(always)]
    pub(crate) fn row_potential(&self, row: usize) -> P {
        self.row_potentials[row]
    }

    pub(crate) fn into_potentials(self) -> (Vec<P>, Vec<P>) {
        (self.row_potentials, self.column_potentials)
    }

    /// The entries of the plan: row, column, mass.
    pub(crate) fn basis(&self) -> impl Iterator<Item = (u32, u32, Mass)> + '_ {
        let height = self.height as u32;
        (0_u32..).zip(&self.nodes).filter(|(_, node)| node.parent != NONE).map(move |(index, node)| {
            if index < height { (index, node.parent - height, node.mass) } else { (node.parent, index - height, node.mass) }
        })
    }

    /// Potentials that make every edge of the tree tight, from the root (potential 0) down. `cost` is that of an entry, row after row.
    #[inline(always)]
    pub(crate) fn refresh_potentials(&mut self, cost: impl Fn(usize) -> P) {
        self.row_potentials[0] = P::ZERO;
        self.stack.push(self.nodes[0].first_child);
        while let Some(node) = self.stack.pop() {
            if node == NONE {
                continue;
            }
            let index = node as usize;
            let parent = self.nodes[index].parent as usize;
            if index < self.height {
                let column = parent - self.height;
                self.row_potentials[index] = cost(index * self.width + column).less(self.column_potentials[column]);
            } else {
                let column = index - self.height;
                self.column_potentials[column] = cost(parent * self.width + column).less(self.row_potentials[parent]);
            }
            self.stack.push(self.nodes[index].next);
            self.stack.push(self.nodes[index].first_child);
        }
    }

    /// The parts that edges with mass hold together: of each row, of each column, and for each part the potential of its first node, negated if
    /// that is a column.
    pub(crate) fn parts(&self) -> (Vec<usize>, Vec<usize>, Vec<P>) {
        let mut parts = vec![0; self.nodes.len()];
        let mut offsets = vec![self.row_potentials[0]];
        let mut stack = vec![self.nodes[0].first_child];
        while let Some(node) = stack.pop() {
            if node == NONE {
                continue;
            }
            let index = node as usize;
            let links = &self.nodes[index];
            if links.mass.real > 0.0 {
                parts[index] = parts[links.parent as usize];
            } else {
                parts[index] = offsets.len();
                let is_row = index < self.height;
                offsets.push(if is_row { self.row_potentials[index] } else { P::ZERO.less(self.column_potentials[index - self.height]) });
            }
            stack.extend([links.next, links.first_child]);
        }
        let columns = parts.split_off(self.height);
        (parts, columns, offsets)
    }

    fn attach(&mut self, node: u32, parent: u32) {
        let next = self.nodes[parent as usize].first_child;
        self.nodes[parent as usize].first_child = node;
        if next != NONE {
            self.nodes[next as usize].previous = node;
        }
        let links = &mut self.nodes[node as usize];
        (links.parent, links.next, links.previous) = (parent, next, NONE);
    }

    fn detach(&mut self, node: u32) {
        let Node { parent, next, previous, .. } = self.nodes[node as usize];
        if previous == NONE {
            self.nodes[parent as usize].first_child = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
    }

    /// Brings (row, column) into the basis, whose cost is below its potentials by `-reduced`, and the entry that empties first out of it.
    pub(crate) fn pivot(&mut self, row: usize, column: usize, reduced: P) {
        let (row, column) = (row as u32, (column + self.height) as u32);
        let leaving = self.leaving(row, column);
        let moved = self.nodes[leaving.node as usize].mass;
        let (mut above, mut below) = (row, column);
        // On either side the edges whose lower end is of the side's own kind give mass, the others take it.
        while above != leaving.join {
            above = self.shift(above, moved, self.is_row(above));
        }
        while below != leaving.join {
            below = self.shift(below, moved, !self.is_row(below));
        }
        let (mut node, mut parent) = if leaving.on_row_side { (row, column) } else { (column, row) };
        let (top, mut mass) = (node, moved);
        loop {
            let old = self.nodes[node as usize];
            self.detach(node);
            self.attach(node, parent);
            self.nodes[node as usize].mass = mass;
            if node == leaving.node {
                break;
            }
            (parent, mass, node) = (node, old.mass, old.parent);
        }
        let row_change = if leaving.on_row_side { reduced } else { P::ZERO.less(reduced) };
        self.update_below(top, row_change);
    }

    #[inline(always)]
    fn is_row(&self, node: u32) -> bool {
        (node as usize) < self.height
    }

    fn shift(&mut self, node: u32, mass: Mass, gives: bool) -> u32 {
        let node = &mut self.nodes[node as usize];
        node.mass = if gives { node.mass.less(mass) } else { node.mass.plus(mass) };
        node.parent
    }

    /// The edge that empties first on the cycle closed by (row, column).
    fn leaving(&self, row: u32, column: u32) -> Leaving {
        let (mut left, mut right) = (row, column);
        let mut least: Option<Mass> = None;
        let (mut chosen, mut on_row_side) = (NONE, false);
        while left != right {
            let (node, row_side) =
                if self.nodes[left as usize].depth >= self.nodes[right as usize].depth { (left, true) } else { (right, false) };
            let links = &self.nodes[node as usize];
            if self.is_row(node) == row_side && least.is_none_or(|least| links.mass < least) {
                least = Some(links.mass);
                (chosen, on_row_side) = (node, row_side);
            }
            if row_side {
                left = links.parent;
            } else {
                right = links.parent;
            }
        }
        Leaving { node: chosen, on_row_side, join: left }
    }

    /// Depths and potentials of the subtree that hangs anew: rows change by `row_change`, columns by its opposite.
    fn update_below(&mut self, top: u32, row_change: P) {
        self.stack.push(top);
        while let Some(node) = self.stack.pop() {
            let index = node as usize;
            let parent = self.nodes[index].parent as usize;
            self.nodes[index].depth = self.nodes[parent].depth + 1;
            if index < self.height {
                self.row_potentials[index] = self.row_potentials[index].plus(row_change);
            } else {
                let column = index - self.height;
                self.column_potentials[column] = self.column_potentials[column].less(row_change);
            }
            let mut child = self.nodes[index].first_child;
            while child != NONE {
                self.stack.push(child);
                child = self.nodes[child as usize].next;
            }
        }
    }
}

struct Leaving {
    node: u32,
    on_row_side: bool,
    join: u32,
}
