//! Which stages share a job.
//!
//! A scheduler is asked for jobs of some length: a job for each stage of seconds would wait longer than it works. Long stages have a job each.
//! Short ones that feed each other stay together as long as all of them are shorter than the target, and what is left is put together in the
//! order of the plan.

use std::collections::{BTreeMap, BTreeSet};

/// A stage that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// What its job asks for; pieces of different classes never share one.
    pub class: Class,
    /// How long it takes in such a job.
    pub seconds: f64,
    /// The pieces whose artifacts it reads, by place; each earlier than itself.
    pub inputs: Vec<usize>,
}

/// What a job asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The kind of stage that has settings of its own; empty for all others.
    pub kind: String,
    /// Whether it has more memory, because it ran out of it before.
    pub raised: bool,
}

/// The stages of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// What it asks for.
    pub class: Class,
    /// The pieces, ascending.
    pub pieces: Vec<usize>,
    /// How long they take.
    pub seconds: f64,
    /// Jobs of a lower level are done before.
    pub level: usize,
    /// The parts that it waits for.
    pub after: BTreeSet<usize>,
}

/// A set of pieces, by union and find.
struct Groups {
    parent: Vec<usize>,
    seconds: Vec<f64>,
}

impl Groups {
    fn find(&mut self, mut piece: usize) -> usize {
        while self.parent[piece] != piece {
            self.parent[piece] = self.parent[self.parent[piece]];
            piece = self.parent[piece];
        }
        piece
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        if one != other {
            // The earlier piece stands for both.
            let (first, second) = (one.min(other), one.max(other));
            self.parent[second] = first;
            self.seconds[first] += self.seconds[second];
        }
    }
}

/// Packs pieces into parts of about `target` seconds, every piece into one.
///
/// What a part waits for is in parts of lower levels. Takes time linear in pieces and inputs, but for a logarithm.
pub fn pack(pieces: &[Piece], target: f64) -> Vec<Part> {
    let is_long = |piece: usize| pieces[piece].seconds >= target / 2.0;
    let mut groups = Groups { parent: (0..pieces.len()).collect(), seconds: pieces.iter().map(|piece| piece.seconds).collect() };
    let mut levels = vec![0; pieces.len()];
    for (place, piece) in pieces.iter().enumerate() {
        let joins = |input: usize| !is_long(input) && !is_long(place) && pieces[input].class == piece.class;
        let level = piece.inputs.iter().map(|&input| levels[input] + usize::from(!joins(input))).max().unwrap_or(0);
        let near = piece.inputs.iter().filter(|&&input| joins(input) && levels[input] == level);
        let near: BTreeSet<usize> = near.map(|&input| groups.find(input)).collect();
        let together = piece.seconds + near.iter().map(|&group| groups.seconds[group]).sum::<f64>();
        levels[place] = level;
        if together <= target {
            near.into_iter().for_each(|group| groups.join(group, place));
        } else if !near.is_empty() {
            levels[place] = level + 1;
        }
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in 0..pieces.len() {
        members.entry(groups.find(place)).or_default().push(place);
    }
    // A group may wait until just before the first that needs it.
    let most = levels.iter().copied().max().unwrap_or(0);
    let mut latest: BTreeMap<usize, usize> = members.keys().map(|&first| (first, most)).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let level = levels[place];
        for &input in piece.inputs.iter().filter(|&&input| levels[input] < level) {
            let latest = latest.entry(groups.find(input)).or_insert(most);
            *latest = (*latest).min(level - 1);
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    // The part of each class and level that still has room.
    let mut open: BTreeMap<(&Class, usize), usize> = BTreeMap::new();
    let mut part_of = vec![0; pieces.len()];
    // What is small fills up what others leave, on its own level or a later one.
    let is_small = |(first, _): &(&usize, &Vec<usize>)| groups.seconds[**first] < target / 10.0;
    let (small, large): (Vec<_>, Vec<_>) = members.iter().partition(is_small);
    for (&first, members) in large.into_iter().chain(small) {
        let (level, class, seconds) = (levels[first], &pieces[first].class, groups.seconds[first]);
        let last = if seconds < target / 10.0 { latest[&first] } else { level };
        let fits = |part: usize| parts[part].seconds + seconds <= target;
        let room = open.range((class, level)..=(class, last)).map(|(_, &part)| part).find(|&part| fits(part));
        let part = room.filter(|_| !is_long(first)).unwrap_or_else(|| {
            parts.push(Part { class: class.clone(), level, ..Part::default() });
            parts.len() - 1
        });
        if !is_long(first) {
            open.insert((class, parts[part].level), part);
        }
        members.iter().for_each(|&place| part_of[place] = part);
        parts[part].seconds += seconds;
        parts[part].pieces.extend(members);
    }
    for (place, piece) in pieces.iter().enumerate() {
        let part = part_of[place];
        let after = piece.inputs.iter().map(|&input| part_of[input]).filter(|&other| other != part);
        parts[part].after.extend(after);
    }
    parts.iter_mut().for_each(|part| part.pieces.sort_unstable());
    parts
}

/// Parts by what they wait for.
type ByAfter<'a> = BTreeMap<&'a BTreeSet<usize>, Vec<usize>>;

/// Parts that are submitted at once: they ask for the same and wait for the same. The arrays of a level are few: where many parts wait for
/// different ones, all wait for all of these.
pub fn arrays(parts: &[Part], most: usize) -> Vec<Vec<usize>> {
    const MANY: usize = 32;
    let mut levels: BTreeMap<(usize, &Class), ByAfter<'_>> = BTreeMap::new();
    for (place, part) in parts.iter().enumerate() {
        levels.entry((part.level, &part.class)).or_default().entry(&part.after).or_default().push(place);
    }
    let mut arrays = Vec::new();
    for groups in levels.into_values() {
        let groups: Vec<Vec<usize>> = if groups.len() > MANY {
            let mut all: Vec<usize> = groups.into_values().flatten().collect();
            all.sort_unstable();
            vec![all]
        } else {
            groups.into_values().collect()
        };
        arrays.extend(groups.iter().flat_map(|group| group.chunks(most.max(1)).map(<[usize]>::to_vec)));
    }
    arrays
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(seconds: f64, inputs: &[usize]) -> Piece {
        Piece { class: Class::default(), seconds, inputs: inputs.to_vec() }
    }

    fn of(kind: &str, seconds: f64, inputs: &[usize]) -> Piece {
        Piece { class: Class { kind: kind.to_owned(), raised: false }, ..piece(seconds, inputs) }
    }

    fn packed(pieces: &[Piece], target: f64) -> Vec<Vec<usize>> {
        pack(pieces, target).into_iter().map(|part| part.pieces).collect()
    }

    #[test]
    fn stages_of_seconds_share_one_job() {
        let pieces = [piece(1.0, &[]), piece(2.0, &[0]), piece(2.0, &[0]), piece(1.0, &[1, 2]), piece(1.0, &[])];
        assert_eq!(packed(&pieces, 100.0), [vec![0, 1, 2, 3, 4]]);
    }

    #[test]
    fn long_stages_have_a_job_each_and_what_follows_them_waits_for_both() {
        let pieces = [piece(90.0, &[]), piece(80.0, &[]), piece(1.0, &[0, 1]), piece(1.0, &[2])];
        let parts = pack(&pieces, 100.0);
        assert_eq!(parts.iter().map(|part| part.pieces.clone()).collect::<Vec<_>>(), [vec![0], vec![1], vec![2, 3]]);
        assert_eq!(parts[2].after, BTreeSet::from([0, 1]));
        assert_eq!(arrays(&parts, 1000), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn a_stage_of_seconds_waits_for_company_when_nothing_needs_it_soon() {
        let pieces = [piece(90.0, &[]), piece(1.0, &[]), piece(30.0, &[0]), piece(90.0, &[2]), piece(1.0, &[1, 3])];
        assert_eq!(packed(&pieces, 100.0), [vec![0], vec![1, 2], vec![3], vec![4]]);
    }

    #[test]
    fn stages_that_ask_for_other_things_share_no_job() {
        let pieces = [of("train", 1.0, &[]), of("", 1.0, &[0]), of("train", 1.0, &[1])];
        assert_eq!(packed(&pieces, 100.0), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn arrays_are_cut_at_their_most() {
        let parts = pack(&(0..5).map(|_| piece(60.0, &[])).collect::<Vec<_>>(), 100.0);
        assert_eq!(arrays(&parts, 2), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn whatever_the_plan_is_every_stage_has_one_job_no_job_is_much_too_long_and_none_waits_in_a_circle() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let count = 1 + random(60) as usize;
            let pieces: Vec<Piece> = (0..count)
                .map(|place| {
                    let inputs = (0..random(4)).filter(|_| place > 0).map(|_| random(place.max(1) as u64) as usize);
                    let inputs: BTreeSet<usize> = inputs.collect();
                    let seconds = if random(5) == 0 { 70.0 } else { 1.0 + random(20) as f64 };
                    let kind = if random(6) == 0 { "train" } else { "" };
                    of(kind, seconds, &inputs.into_iter().collect::<Vec<_>>())
                })
                .collect();
            let parts = pack(&pieces, 100.0);
            let mut seen: Vec<usize> = parts.iter().flat_map(|part| part.pieces.clone()).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
            for part in &parts {
                assert!(part.seconds <= 100.0 || part.pieces.len() == 1);
                assert!(part.after.iter().all(|&other| parts[other].level < part.level), "{parts:?}");
            }
            let mut told: Vec<usize> = arrays(&parts, 3).into_iter().flatten().collect();
            told.sort_unstable();
            assert_eq!(told, (0..parts.len()).collect::<Vec<_>>());
        }
    }
}
