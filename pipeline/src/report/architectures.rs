//! The architectures of an experiment: what each is besides its width, so that those which differ in nothing else can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use onebasin_network::{Blueprint, NormChoice, Resnet, Stem};
use onebasin_repro::Fingerprint;
use serde::Serialize;
use serde_json::json;

use super::rows::{Pair, pair_columns};
use crate::spec;

/// A data set and an architecture: a row of `architectures.csv`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ArchitectureRow {
    pub(super) dataset: String,
    pub(super) architecture: String,
    pub(super) stands_for: String,
    pub(super) family: &'static str,
    pub(super) shape: String,
    pub(super) width: Option<usize>,
    pub(super) parameters: usize,
    pub(super) training: String,
}

impl ArchitectureRow {
    /// The row of a pair.
    pub fn new(pair: &spec::Pair) -> ArchitectureRow {
        let (family, shape, width) = anatomy(&pair.blueprint);
        ArchitectureRow {
            dataset: pair.dataset.clone(),
            architecture: pair.architecture.clone(),
            stands_for: pair.stands_for.clone().unwrap_or_default(),
            family,
            shape,
            width,
            parameters: pair.graph.parameter_count(),
            training: Fingerprint::of_json(&json!(pair.training)).short(),
        }
    }
}

/// Writes `architectures.csv`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(rows: &[ArchitectureRow], folder: &Path) -> Result<()> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows.dedup();
    let pairs: Vec<Pair> = rows.iter().map(|row| Pair { dataset: row.dataset.clone(), architecture: row.architecture.clone() }).collect();
    pair_columns(pairs.iter())
        .text("stands_for", rows.iter().map(|row| &row.stands_for))
        .text("family", rows.iter().map(|row| row.family))
        .text("shape", rows.iter().map(|row| &row.shape))
        .text("width", rows.iter().map(|row| row.width.map(|width| width.to_string()).unwrap_or_default()))
        .whole("parameters", rows.iter().map(|row| row.parameters))
        .text("training", rows.iter().map(|row| &row.training))
        .write(&folder.join("architectures.csv"))
}

/// The families with at least two widths on one data set that were trained alike: data set, family, and widths by architecture.
pub fn families(rows: &[ArchitectureRow]) -> Vec<(&str, &'static str, BTreeMap<&str, usize>)> {
    let mut families: BTreeMap<(&str, &'static str, &str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for row in rows {
        if let Some(width) = row.width {
            families.entry((&row.dataset, row.family, &row.shape, &row.training)).or_default().insert(&row.architecture, width);
        }
    }
    let several = |widths: &BTreeMap<&str, usize>| widths.values().collect::<BTreeSet<_>>().len() > 1;
    let families = families.into_iter().filter(|(_, widths)| several(widths));
    families.map(|((dataset, family, ..), widths)| (dataset, family, widths)).collect()
}

/// Family, everything that is not its width, and the width: the units or channels of its first hidden layer.
///
/// Two architectures of one family have equal shapes exactly if one comes from the other by multiplying every hidden width.
fn anatomy(blueprint: &Blueprint) -> (&'static str, String, Option<usize>) {
    let mut shape = Vec::new();
    match blueprint {
        Blueprint::Mlp(mlp) => {
            let unit = divisor(mlp.hidden.iter());
            shape.push(ratios(&mlp.hidden, unit));
            common(&mut shape, mlp.norm, mlp.bias, true, mlp.epsilon);
            ("mlp", shape.join(" "), mlp.hidden.first().copied())
        }
        Blueprint::Vgg(vgg) => {
            let unit = divisor(vgg.stages.iter().flatten().chain(&vgg.head));
            shape.push(vgg.stages.iter().map(|stage| ratios(stage, unit)).collect::<Vec<_>>().join("|"));
            if !vgg.head.is_empty() {
                shape.push(format!("head-{}", ratios(&vgg.head, unit)));
            }
            common(&mut shape, vgg.norm, vgg.bias, true, vgg.epsilon);
            ("vgg", shape.join(" "), vgg.stages.iter().flatten().next().copied())
        }
        Blueprint::Resnet(Resnet { depth, width, stem, shortcut, norm, bias, head_bias, epsilon }) => {
            shape.push(format!("depth-{depth}"));
            if *stem == Stem::Imagenet {
                shape.push("imagenet-stem".to_owned());
            }
            shape.push(format!("{shortcut}x{shortcut}-shortcuts"));
            // Convolutions of residual networks have none unless asked.
            common(&mut shape, *norm, *bias, false, *epsilon);
            if !head_bias {
                shape.push("head-without-bias".to_owned());
            }
            ("resnet", shape.join(" "), Some(*width))
        }
        Blueprint::Layers(_) => ("layers", String::new(), None),
    }
}

/// What families share; `usual` is whether they have biases unless told.
fn common(shape: &mut Vec<String>, norm: NormChoice, bias: bool, usual: bool, epsilon: f64) {
    match norm {
        NormChoice::Layer => shape.push("layer-norm".to_owned()),
        NormChoice::Batch => shape.push("batch-norm".to_owned()),
        NormChoice::None => {}
    }
    if bias != usual {
        shape.push(if bias { "biases" } else { "no-biases" }.to_owned());
    }
    if norm != NormChoice::None && epsilon != 1e-5 {
        shape.push(format!("epsilon-{epsilon:e}"));
    }
}

/// The greatest common divisor; 1 of nothing.
fn divisor<'a>(widths: impl Iterator<Item = &'a usize>) -> usize {
    let of = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    widths.fold(0, |found, &width| of(found, width)).max(1)
}

fn ratios(widths: &[usize], unit: usize) -> String {
    widths.iter().map(|width| (width / unit).to_string()).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (&'static str, String, Option<usize>) {
        anatomy(&toml::from_str(text).unwrap())
    }

    #[test]
    fn architectures_that_differ_in_width_only_have_one_shape() {
        for (narrow, wide, widths) in [
            ("family = 'mlp'\nhidden = [512, 512, 256]", "family = 'mlp'\nhidden = [64, 64, 32]", [512, 64]),
            ("family = 'vgg'\ndepth = 11\nwidth = 8", "family = 'vgg'\ndepth = 11\nwidth = 16", [8, 16]),
            ("family = 'resnet'\ndepth = 22\nnorm = 'layer'", "family = 'resnet'\ndepth = 20\nwidth = 64\nnorm = 'layer'", [16, 64]),
        ] {
            let (narrow, wide) = (parsed(narrow), parsed(wide));
            assert_eq!((narrow.0, &narrow.1), (wide.0, &wide.1));
            assert_eq!([narrow.2, wide.2], widths.map(Some));
        }
        assert_eq!(parsed("family = 'resnet'\ndepth = 20\nnorm = 'layer'").1, "depth-20 3x3-shortcuts layer-norm");
    }

    #[test]
    fn architectures_that_differ_in_anything_else_have_two() {
        let plain = parsed("family = 'resnet'\ndepth = 20\nnorm = 'layer'").1;
        for other in ["depth = 14\nnorm = 'layer'", "depth = 20\nnorm = 'batch'", "depth = 20\nnorm = 'layer'\nbias = true"] {
            assert_ne!(parsed(&format!("family = 'resnet'\n{other}")).1, plain, "{other}");
        }
        assert_ne!(parsed("family = 'mlp'\nhidden = [512, 256]").1, parsed("family = 'mlp'\nhidden = [512, 512]").1);
        let head = |width| parsed(&format!("family = 'vgg'\ndepth = 11\nwidth = {width}\nhead = [32]")).1;
        assert_ne!(head(8), head(16), "a head that stays does not get wider");
    }
}
