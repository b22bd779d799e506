//! Unit spaces and their unification: the type inference from which permutation groups follow.

/// The units of one axis: `units * block` entries, block by block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Index of a space.
    pub space: usize,
    /// Consecutive entries that belong to one unit.
    pub block: usize,
}

/// Sets of units, united when a sum forces two of them into one order.
#[derive(Default)]
pub(super) struct Spaces {
    spaces: Vec<Space>,
}

struct Space {
    name: String,
    units: usize,
    fixed: bool,
    /// Position of the earliest space united into this one.
    first: usize,
    /// Once united: the space that took over, and how many of this space's units make one of its units.
    parent: Option<Axis>,
}

/// A space that nothing took over.
pub(super) struct Root<'a> {
    pub space: usize,
    pub name: &'a str,
    pub units: usize,
    pub first: usize,
}

impl Spaces {
    /// A new space; its axis has blocks of one.
    pub fn fresh(&mut self, name: &str, units: usize) -> Axis {
        let space = self.spaces.len();
        self.spaces.push(Space { name: name.to_owned(), units, fixed: false, first: space, parent: None });
        Axis { space, block: 1 }
    }

    /// The units of this axis keep their order.
    pub fn fix(&mut self, axis: Axis) {
        let root = self.find(axis);
        self.spaces[root.space].fixed = true;
    }

    /// Both axes, of one length, take the same order from now on.
    ///
    /// Blocks of different lengths agree on their least common multiple: an order of coarser blocks is one of the finer too.
    pub fn unite(&mut self, left: Axis, right: Axis) {
        let (left, right) = (self.find(left), self.find(right));
        if left.space == right.space {
            return;
        }
        let block = least_common_multiple(left.block, right.block);
        let (first, fixed) = {
            let (here, there) = (&self.spaces[left.space], &self.spaces[right.space]);
            (here.first.min(there.first), here.fixed || there.fixed)
        };
        let root = if left.block == block {
            left.space
        } else if right.block == block {
            right.space
        } else {
            let units = self.spaces[left.space].units * left.block / block;
            self.fresh("", units).space
        };
        for axis in [left, right] {
            if axis.space != root {
                self.spaces[axis.space].parent = Some(Axis { space: root, block: block / axis.block });
            }
        }
        let name = self.spaces[first].name.clone();
        let space = &mut self.spaces[root];
        (space.name, space.first, space.fixed) = (name, first, fixed);
    }

    /// The same axis in terms of the space that took over.
    pub fn find(&self, mut axis: Axis) -> Axis {
        while let Some(parent) = self.spaces[axis.space].parent {
            axis = Axis { space: parent.space, block: axis.block * parent.block };
        }
        axis
    }

    /// The spaces whose units may be permuted, in the order in which they first came up.
    pub fn free(&self) -> Vec<Root<'_>> {
        let mut roots: Vec<Root<'_>> = (self.spaces.iter().enumerate())
            .filter(|(_, space)| space.parent.is_none() && !space.fixed)
            .map(|(index, space)| Root { space: index, name: &space.name, units: space.units, first: space.first })
            .collect();
        roots.sort_by_key(|root| root.first);
        roots
    }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn united_blocks_of_four_and_six_move_by_twelve() {
        let mut spaces = Spaces::default();
        let left = spaces.fresh("left", 6);
        let right = spaces.fresh("right", 4);
        spaces.unite(Axis { block: 4, ..left }, Axis { block: 6, ..right });
        let free = spaces.free();
        assert_eq!(free.len(), 1);
        assert_eq!((free[0].name, free[0].units), ("left", 2));
        assert_eq!(spaces.find(left), Axis { space: free[0].space, block: 3 });
        assert_eq!(spaces.find(right), Axis { space: free[0].space, block: 2 });
    }

    #[test]
    fn a_fixed_side_fixes_the_other() {
        let mut spaces = Spaces::default();
        let (a, b, c) = (spaces.fresh("a", 8), spaces.fresh("b", 8), spaces.fresh("c", 8));
        spaces.fix(a);
        spaces.unite(c, b);
        assert_eq!(spaces.free().len(), 1);
        spaces.unite(b, a);
        assert!(spaces.free().is_empty());
    }
}
