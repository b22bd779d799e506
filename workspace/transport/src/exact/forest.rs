//! From any optimal plan to a vertex: entries that close a cycle are emptied.
//!
//! All entries of an optimal plan are tight, so shifting mass around a cycle of them changes neither the cost nor the marginals.

/// Removes cycles of the bipartite graph of `entries` (sorted by row, then column), so that at most rows + columns - 1 remain.
pub(crate) fn break_cycles(shape: (usize, usize), entries: &mut Vec<(u32, u32, f64)>) {
    let mut leaders: Vec<usize> = (0..shape.0 + shape.1).collect();
    let mut cyclic = false;
    for (row, column, _) in entries.iter() {
        let (row, column) = (leader(&mut leaders, *row as usize), leader(&mut leaders, shape.0 + *column as usize));
        cyclic |= row == column;
        leaders[row] = column;
    }
    if !cyclic {
        return;
    }
    // Rare: only tied costs get here. One edge after the other into a growing forest.
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); shape.0 + shape.1];
    let mut kept: Vec<usize> = Vec::new();
    for index in 0..entries.len() {
        let ends = |edge: usize| (entries[edge].0 as usize, shape.0 + entries[edge].1 as usize);
        let (row, column) = ends(index);
        let emptied = match path(&neighbours, &ends, column, row) {
            None => None,
            Some(path) => {
                // The new edge gives, the path takes and gives in turn.
                let mut cycle = vec![index];
                cycle.extend(path);
                let (shift, empty) = cycle.iter().step_by(2).fold((f64::INFINITY, index), |least, edge| {
                    if entries[*edge].2 < least.0 { (entries[*edge].2, *edge) } else { least }
                });
                for (step, edge) in cycle.iter().enumerate() {
                    entries[*edge].2 += if step % 2 == 0 { -shift } else { shift };
                }
                entries[empty].2 = 0.0;
                Some(empty)
            }
        };
        if emptied == Some(index) {
            continue;
        }
        let ends = |edge: usize| (entries[edge].0 as usize, shape.0 + entries[edge].1 as usize);
        if let Some(edge) = emptied {
            let (row, column) = ends(edge);
            neighbours[row].retain(|other| *other != edge);
            neighbours[column].retain(|other| *other != edge);
            kept.retain(|other| *other != edge);
        }
        let (row, column) = ends(index);
        neighbours[row].push(index);
        neighbours[column].push(index);
        kept.push(index);
    }
    kept.sort_unstable();
    *entries = kept.into_iter().map(|index| entries[index]).collect();
}

fn leader(leaders: &mut [usize], mut node: usize) -> usize {
    while leaders[node] != node {
        leaders[node] = leaders[leaders[node]];
        node = leaders[node];
    }
    node
}

/// The edges from node `from` to node `to` in the forest, in order.
fn path(neighbours: &[Vec<usize>], ends: &impl Fn(usize) -> (usize, usize), from: usize, to: usize) -> Option<Vec<usize>> {
    let mut arrived: Vec<Option<(usize, usize)>> = vec![None; neighbours.len()];
    let mut stack = vec![from];
    while let Some(node) = stack.pop() {
        if node == to {
            let mut edges = Vec::new();
            let mut node = to;
            while node != from {
                let (edge, previous) = arrived[node]?;
                edges.push(edge);
                node = previous;
            }
            edges.reverse();
            return Some(edges);
        }
        for edge in &neighbours[node] {
            let (row, column) = ends(*edge);
            let other = if row == node { column } else { row };
            if other != from && arrived[other].is_none() {
                arrived[other] = Some((*edge, node));
                stack.push(other);
            }
        }
    }
    None
}
