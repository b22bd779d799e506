//! How long stages take on some machines, by doing in thought what the runner does.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// One piece of work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// How long it takes.
    pub seconds: f64,
    /// What it waits for, by place; each earlier than itself.
    pub inputs: Vec<usize>,
}

/// The time from the first start to the last end with so many workers, the longest chain first. Linear in the loads, but for a logarithm.
pub fn wall_clock(loads: &[Load], workers: usize) -> f64 {
    let mut behind: Vec<f64> = loads.iter().map(|load| load.seconds).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); loads.len()];
    for (place, load) in loads.iter().enumerate().rev() {
        for &input in &load.inputs {
            behind[input] = behind[input].max(loads[input].seconds + behind[place]);
            dependents[input].push(place);
        }
    }
    let bits = |seconds: f64| (seconds.max(0.0) * 1e6) as u64;
    let mut pending: Vec<usize> = loads.iter().map(|load| load.inputs.len()).collect();
    let mut ready: BTreeSet<(Reverse<u64>, usize)> =
        (0..loads.len()).filter(|&place| pending[place] == 0).map(|place| (Reverse(bits(behind[place])), place)).collect();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        while running.len() < workers.max(1)
            && let Some((_, place)) = ready.pop_first()
        {
            running.push(Reverse((now + bits(loads[place].seconds), place)));
        }
        let Some(Reverse((end, place))) = running.pop() else { return now as f64 / 1e6 };
        now = end;
        for &dependent in &dependents[place] {
            pending[dependent] -= 1;
            if pending[dependent] == 0 {
                ready.insert((Reverse(bits(behind[dependent])), dependent));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(seconds: f64, inputs: &[usize]) -> Load {
        Load { seconds, inputs: inputs.to_vec() }
    }

    #[test]
    fn work_side_by_side_takes_as_long_as_the_longest_chain_at_least() {
        let diamond = [load(1.0, &[]), load(2.0, &[0]), load(3.0, &[0]), load(1.0, &[1, 2])];
        assert_eq!(wall_clock(&diamond, 1), 7.0);
        assert_eq!(wall_clock(&diamond, 2), 5.0);
        assert_eq!(wall_clock(&diamond, 9), 5.0);
        assert_eq!(wall_clock(&[], 2), 0.0);
        // The long one first, else it would be alone at the end.
        assert_eq!(wall_clock(&[load(1.0, &[]), load(1.0, &[]), load(2.0, &[])], 2), 2.0);
    }
}
