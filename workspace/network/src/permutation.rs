//! Bijections of the units of one group.

use serde::{Deserialize, Serialize};

use crate::NetworkError;

/// A permutation `p` of `0..n`, checked once when made. Frame slot `i` holds the model's unit `p[i]`: `w'[i] = w[p[i]]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Permutation(Vec<u32>);

impl Permutation {
    /// Takes a list in which each of `0..indices.len()` comes once.
    ///
    /// # Errors
    /// Names the first index that is out of range or comes a second time.
    pub fn new(indices: Vec<u32>) -> Result<Self, NetworkError> {
        let length = indices.len();
        let mut seen = vec![false; length];
        for (slot, &index) in indices.iter().enumerate() {
            let problem = match seen.get_mut(index as usize) {
                None => format!("slot {slot} holds `{index}`, expected less than {length}"),
                Some(true) => format!("`{index}` comes a second time in slot {slot}"),
                Some(fresh) => {
                    *fresh = true;
                    continue;
                }
            };
            return Err(NetworkError::NotAPermutation { length, problem });
        }
        Ok(Permutation(indices))
    }

    /// Every unit in its own slot.
    ///
    /// # Panics
    /// If `length` does not fit 32 bits.
    pub fn identity(length: usize) -> Self {
        let length = u32::try_from(length).expect("groups have fewer than 2^32 units");
        Permutation((0..length).collect())
    }

    /// The map back: `p.then(&p.inverse())` is the identity.
    pub fn inverse(&self) -> Self {
        let mut inverse = vec![0; self.0.len()];
        for (slot, &index) in (0..).zip(&self.0) {
            inverse[index as usize] = slot;
        }
        Permutation(inverse)
    }

    /// Apply `self`, then `next`: slot `i` holds `self[next[i]]`, since `w''[i] = w'[next[i]] = w[self[next[i]]]`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn then(&self, next: &Permutation) -> Permutation {
        assert_eq!(self.len(), next.len(), "permutations of different lengths cannot follow each other");
        Permutation(next.0.iter().map(|&slot| self.0[slot as usize]).collect())
    }

    /// Whether every unit stays.
    pub fn is_identity(&self) -> bool {
        (0..).zip(&self.0).all(|(slot, &index): (u32, &u32)| slot == index)
    }

    /// The unit of each slot.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }

    /// How many units it permutes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it permutes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<u32>> for Permutation {
    type Error = NetworkError;

    fn try_from(indices: Vec<u32>) -> Result<Self, NetworkError> {
        Permutation::new(indices)
    }
}

impl From<Permutation> for Vec<u32> {
    fn from(permutation: Permutation) -> Vec<u32> {
        permutation.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permutation(length: usize) -> impl Strategy<Value = Permutation> {
        Just((0..length as u32).collect::<Vec<_>>()).prop_shuffle().prop_map(|indices| Permutation::new(indices).unwrap())
    }

    fn take(permutation: &Permutation, units: &[u32]) -> Vec<u32> {
        permutation.as_slice().iter().map(|&index| units[index as usize]).collect()
    }

    proptest! {
        #[test]
        fn permutations_are_a_group((a, b, c) in (1_usize..40).prop_flat_map(|n| (permutation(n), permutation(n), permutation(n)))) {
            let identity = Permutation::identity(a.len());
            prop_assert_eq!(a.then(&b).then(&c), a.then(&b.then(&c)));
            prop_assert_eq!(&a.then(&identity), &a);
            prop_assert_eq!(&identity.then(&a), &a);
            prop_assert!(a.then(&a.inverse()).is_identity());
            prop_assert!(a.inverse().then(&a).is_identity());
        }

        #[test]
        fn then_is_taking_twice((a, b) in (1_usize..40).prop_flat_map(|n| (permutation(n), permutation(n)))) {
            let units: Vec<u32> = (0..a.len() as u32).map(|unit| unit * 7 + 3).collect();
            prop_assert_eq!(take(&a.then(&b), &units), take(&b, &take(&a, &units)));
        }
    }

    #[test]
    fn then_has_the_documented_direction() {
        let turn = Permutation::new(vec![1, 2, 0]).unwrap();
        let swap = Permutation::new(vec![1, 0, 2]).unwrap();
        assert_eq!(turn.then(&swap).as_slice(), [2, 1, 0]);
        assert_eq!(swap.then(&turn).as_slice(), [0, 2, 1]);
        assert_eq!(turn.inverse().as_slice(), [2, 0, 1]);
    }

    #[test]
    fn lists_that_are_no_bijections_are_refused() {
        let message = |indices| Permutation::new(indices).unwrap_err().to_string();
        assert_eq!(message(vec![0, 3, 1]), "the 3 indices are not a permutation: slot 1 holds `3`, expected less than 3");
        assert_eq!(message(vec![0, 1, 1]), "the 3 indices are not a permutation: `1` comes a second time in slot 2");
        assert!(serde_json::from_str::<Permutation>("[0, 0]").is_err());
        assert_eq!(serde_json::to_string(&Permutation::identity(3)).unwrap(), "[0,1,2]");
    }
}
