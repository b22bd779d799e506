//! Which layers of a file stand in residual blocks.

use std::collections::BTreeMap;

use super::layer_order::order;
use super::modules::{Kind, Module, is_named_after, names_tell, natural, tells_order};
use super::refuse;
use crate::NetworkError;

/// Words for the way around a block.
const SHORTCUTS: [&str; 5] = ["shortcut", "downsample", "skip", "identity", "proj"];

/// A block: where its layers stand among the modules.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub path: String,
    /// How many convolutions are right inside.
    inside: usize,
    pub convolutions: Vec<usize>,
    pub norms: Vec<usize>,
    pub shortcut: Vec<usize>,
    pub others: Vec<usize>,
}

/// The blocks of the file, in the order of their names, or where these do not tell it, in the order of the file; none where it has none.
///
/// # Errors
/// When neither tells the order of blocks or norms that could stand for each other.
pub(super) fn blocks(modules: &[Module], is_ordered: bool) -> Result<Option<Vec<Block>>, NetworkError> {
    // A block is what has two convolutions by words right inside: numbers are places in a sequence.
    let mut blocks: BTreeMap<&str, Block> = BTreeMap::new();
    for path in modules.iter().filter_map(convolution_of_block) {
        blocks.entry(path).or_insert_with(|| Block { path: path.to_owned(), ..Block::default() }).inside += 1;
    }
    blocks.retain(|_, block| block.inside > 1);
    for (place, module) in modules.iter().enumerate() {
        let Some((path, block)) =
            blocks.iter_mut().find(|(path, _)| module.path.strip_prefix(**path).is_some_and(|rest| rest.starts_with('.')))
        else {
            continue;
        };
        let rest = &module.path[path.len() + 1..];
        let (head, inside) = rest.split_once('.').unwrap_or((rest, ""));
        match module.kind {
            _ if is_shortcut(head) => block.shortcut.push(place),
            Kind::Conv { .. } if inside.is_empty() => block.convolutions.push(place),
            Kind::Norm { .. } if inside.is_empty() => block.norms.push(place),
            _ => block.others.push(place),
        }
    }
    let mut blocks: Vec<Block> = blocks.into_values().collect();
    let is_before = |module: &Module| matches!(module.kind, Kind::Conv { .. }) && !blocks.iter().any(|block| block.has(&module.path));
    // Where nothing leads around a first convolution, and none comes before the blocks, nothing leads around the others.
    let is_plain = blocks.len() < 2 || !modules.iter().any(is_before);
    if is_plain && blocks.iter().all(|block| block.shortcut.is_empty()) {
        return Ok(None);
    }
    for block in &mut blocks {
        order_inside(block, modules, is_ordered)?;
    }
    let items = blocks.iter().map(|block| {
        let ends =
            [block.convolutions.first(), block.convolutions.last()].map(|place| place.map_or((0, 0), |&place| modules[place].widths()));
        let first = block.convolutions.first().copied().unwrap_or_default();
        (&*block.path, first, (ends[0].0, ends[1].1))
    });
    let order = in_order(items.collect(), is_ordered)?;
    let place = |block: &Block| order.iter().position(|first| block.convolutions.first() == Some(first));
    blocks.sort_by_cached_key(place);
    Ok(Some(blocks))
}

/// Puts the layers of a block in order, and the convolution that leads around it into its shortcut.
fn order_inside(block: &mut Block, modules: &[Module], is_ordered: bool) -> Result<(), NetworkError> {
    let items = |places: &[usize]| places.iter().map(|&place| (&*modules[place].path, place, modules[place].widths())).collect();
    let around = in_order(items(&block.convolutions), is_ordered).ok().filter(|places| ends_around(places, modules));
    if let Some((&last, inside)) = around.as_deref().and_then(<[usize]>::split_last) {
        block.shortcut.push(last);
        block.convolutions = inside.to_vec();
        if block.norms.len() == inside.len() + 1 {
            block.norms = in_order(items(&block.norms), is_ordered)?;
            block.shortcut.extend(block.norms.pop());
        }
    } else {
        let layers: Vec<&Module> = block.convolutions.iter().map(|&place| &modules[place]).collect();
        let place = |layer: &Module| block.convolutions.iter().copied().find(|&place| std::ptr::eq(&modules[place], layer));
        block.convolutions = order(&layers, is_ordered && !names_tell(&layers))?.into_iter().filter_map(place).collect();
    }
    // A norm that begins as a convolution is called is that one's.
    let own = |&place: &usize| block.norms.iter().copied().find(|&norm| is_named_after(&modules[norm], &modules[place]));
    let named: Vec<usize> = block.convolutions.iter().filter_map(own).collect();
    block.norms = if named.len() == block.norms.len() { named } else { in_order(items(&block.norms), is_ordered)? };
    block.shortcut.sort_by(|&left, &right| natural(&modules[left].path, &modules[right].path));
    // A norm comes behind its convolution.
    block.shortcut.sort_by_key(|&place| matches!(modules[place].kind, Kind::Norm { .. }));
    Ok(())
}

/// Whether the last of these convolutions leads around the others, as Flax counts them.
fn ends_around(convolutions: &[usize], modules: &[Module]) -> bool {
    let [first, .., before, last] = *convolutions else { return false };
    let [first, before, last] = [first, before, last].map(|place| &modules[place]);
    let ((read, _), (_, given)) = (first.widths(), before.widths());
    last.widths() == (read, given) && read != given && matches!(last.kind, Kind::Conv { kernel: 1, .. })
}

/// The block in which a convolution stands by a word.
fn convolution_of_block(module: &Module) -> Option<&str> {
    let (path, name) = module.path.rsplit_once('.')?;
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    (matches!(module.kind, Kind::Conv { .. }) && !is_number && !is_shortcut(name)).then_some(path)
}

fn is_shortcut(name: &str) -> bool {
    SHORTCUTS.iter().any(|word| name.to_lowercase().contains(word))
}

impl Block {
    /// Whether a layer is one of its own.
    pub fn has(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// A name, the place in the file, and what it reads and gives: those that are equal in these could stand for each other.
type Item<'a> = (&'a str, usize, (usize, usize));

/// The places in the order of the names; where these do not tell it, in that of the file.
fn in_order(mut items: Vec<Item<'_>>, is_ordered: bool) -> Result<Vec<usize>, NetworkError> {
    let untold = |same: bool| {
        let pairs = items.iter().enumerate().flat_map(|(index, item)| items[..index].iter().map(move |other| (other, item)));
        pairs.filter(|(one, other)| !tells_order(one.0, other.0) && (!same || one.2 == other.2)).map(|(one, other)| (one.0, other.0)).next()
    };
    if is_ordered && untold(false).is_some() {
        items.sort_by_key(|item| item.1);
    } else {
        if let Some((one, other)) = untold(true) {
            let problem = format!(
                "could stand where `{one}` does, and neither their names nor the file, whose tensors are sorted, say which comes first"
            );
            return Err(refuse(other, problem));
        }
        items.sort_by(|left, right| natural(left.0, right.0));
    }
    Ok(items.into_iter().map(|item| item.1).collect())
}
