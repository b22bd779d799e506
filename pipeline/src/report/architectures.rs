//! The architectures of an experiment: what each is besides its width, so that those which differ in nothing else can be compared.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use onebasin_network::{Blueprint, NormChoice, Resnet, Stem};
use onebasin_repro::Fingerprint;
use serde::Serialize;
use serde_json::json;

use crate::identity::PairName;
use crate::spec::Pair;
use crate::table::row;

row! {
    /// A data set and an architecture: a row of `architectures.csv`, in the order of the spec.
    #[derive(Serialize)]
    pub struct ArchitectureRow in "architectures.csv", order |_, _| Ordering::Equal;
    {
        pair: PairName,
        /// The data set under whose name figures were reported, where this one stands in for it.
        stands_for: String,
        family: String,
        /// Everything of the architecture that is not its width.
        shape: String,
        /// Units or channels of the first hidden layer.
        width: Option<usize>,
        parameters: usize,
        /// The first characters of the fingerprint of the training's settings.
        training: String,
    }
}

impl ArchitectureRow {
    /// The row of a pair.
    pub fn new(pair: &Pair) -> ArchitectureRow {
        let (family, shape, width) = width_signature(&pair.blueprint);
        ArchitectureRow {
            pair: pair.name(),
            stands_for: pair.stands_for.clone().unwrap_or_default(),
            family: family.to_owned(),
            shape,
            width,
            parameters: pair.graph.parameter_count(),
            training: Fingerprint::of_json(&json!(pair.training)).short(),
        }
    }
}

/// Architectures of one data set that differ in width only and were trained alike.
pub struct Family {
    /// The data set.
    pub dataset: String,
    /// `resnet`, ...
    pub family: String,
    /// Family and shape, and the training where another family has the same.
    pub heading: String,
    /// Widths by architecture.
    pub widths: BTreeMap<String, usize>,
}

/// The families with at least two widths on one data set.
pub fn families(rows: &[ArchitectureRow]) -> Vec<Family> {
    let mut families: BTreeMap<(&str, &str, &str, &str), BTreeMap<String, usize>> = BTreeMap::new();
    for row in rows {
        if let Some(width) = row.width {
            let key = (row.pair.dataset.as_str(), row.family.as_str(), row.shape.as_str(), row.training.as_str());
            families.entry(key).or_default().insert(row.pair.architecture.clone(), width);
        }
    }
    families.retain(|_, widths| widths.values().collect::<BTreeSet<_>>().len() > 1);
    let keys: Vec<_> = families.keys().copied().collect();
    let named = |((dataset, family, shape, training), widths): (_, BTreeMap<String, usize>)| {
        let alone = keys.iter().filter(|key| (key.0, key.1, key.2) == (dataset, family, shape)).count() == 1;
        let training = if alone { String::new() } else { format!(", training {training}") };
        let heading = format!("{family} {shape}{training}");
        Family { dataset: dataset.to_owned(), family: family.to_owned(), heading, widths }
    };
    families.into_iter().map(named).collect()
}

/// Family, everything that is not its width, and the width: the units or channels of its first hidden layer.
///
/// Two architectures of one family have equal shapes exactly if one comes from the other by multiplying every hidden width.
fn width_signature(blueprint: &Blueprint) -> (&'static str, String, Option<usize>) {
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
        width_signature(&toml::from_str(text).unwrap())
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

    #[test]
    fn only_widths_that_were_trained_alike_make_a_family() {
        let row = |name: &str, width: usize, training: &str| ArchitectureRow {
            pair: PairName::new("glyphs", name),
            stands_for: String::new(),
            family: "resnet".to_owned(),
            shape: "depth-8".to_owned(),
            width: Some(width),
            parameters: 1,
            training: training.to_owned(),
        };
        let widths = |rows: &[ArchitectureRow]| -> Vec<Vec<usize>> {
            families(rows).into_iter().map(|family| family.widths.into_values().collect()).collect()
        };
        assert_eq!(widths(&[row("narrow", 4, "alike"), row("wide", 8, "alike")]), [[4, 8]]);
        assert!(widths(&[row("narrow", 4, "alike"), row("wide", 8, "longer")]).is_empty());
        assert!(widths(&[row("narrow", 4, "alike")]).is_empty(), "one width is no family");
    }
}
