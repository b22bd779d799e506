//! Group tables of well-known networks, as files beside this one.
//!
//! A table is one line a group: its name, its units, and the axes tied to it. Set `ONEBASIN_BLESS` to write them anew, and read
//! the difference before believing it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use onebasin_network::{Graph, PermutationSpec};

use crate::samples::graph;

const CIFAR: [usize; 3] = [3, 32, 32];

fn table(spec: &PermutationSpec) -> String {
    let mut text = String::new();
    for (index, group) in spec.groups.iter().enumerate() {
        write!(text, "{} {}:", group.name, group.units).unwrap();
        for parameter in &spec.parameters {
            for (axis, binding) in [("rows", parameter.rows), ("columns", parameter.columns)] {
                if let Some(binding) = binding.filter(|binding| binding.group == index) {
                    let block = if binding.block == 1 { String::new() } else { format!(" in blocks of {}", binding.block) };
                    write!(text, "\n  {} {axis}{block}", parameter.name).unwrap();
                }
            }
        }
        text.push('\n');
    }
    text
}

fn hold(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/golden").join(name);
    if std::env::var_os("ONEBASIN_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{} differs from what is inferred now:\n{text}", path.display());
}

fn golden(name: &str, graph: &Graph, groups: usize) {
    assert_eq!(graph.spec().groups.len(), groups, "{name}");
    hold(&format!("{name}.txt"), &table(graph.spec()));
}

#[test]
fn mlp_has_a_group_for_each_hidden_layer() {
    golden("mlp", &graph("family = 'mlp'\nhidden = [512, 512, 512, 256]", [1, 28, 28], 10), 4);
}

#[test]
fn vgg16_has_fifteen_groups() {
    golden("vgg16", &graph("family = 'vgg'\ndepth = 16\nnorm = 'layer'", CIFAR, 10), 15);
}

#[test]
fn vgg11_without_head_has_eight_groups() {
    golden("vgg11", &graph("family = 'vgg'\ndepth = 11\nhead = []\nbias = false", CIFAR, 10), 8);
}

#[test]
fn vgg_on_larger_images_ties_blocks_of_pixels() {
    golden("vgg-blocks", &graph("family = 'vgg'\nstages = [[4], [6]]\nhead = [5]", [1, 12, 8], 10), 3);
}

#[test]
fn resnet20_has_twelve_groups() {
    golden("resnet20", &graph("family = 'resnet'\ndepth = 20\nnorm = 'layer'", CIFAR, 10), 12);
}

#[test]
fn resnet18_has_twelve_groups() {
    golden("resnet18", &graph("family = 'resnet'\ndepth = 18\nhead-bias = false", CIFAR, 10), 12);
}

#[test]
fn resnet50_has_thirty_seven_groups() {
    golden("resnet50", &graph("family = 'resnet'\ndepth = 50\nnorm = 'batch'", [3, 224, 224], 1000), 37);
}

#[test]
fn a_residual_on_the_input_fixes_what_it_adds() {
    let table = "layers = [
        { op = 'residual', body = [{ op = 'conv', out = 4 }, { op = 'relu' }, { op = 'conv', out = 1 }] },
        { op = 'flatten' },
        { op = 'linear', out = 'classes' },
    ]";
    let graph = graph(table, [1, 4, 4], 10);
    let names: Vec<&str> = graph.spec().groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["conv1"]);
    assert!(graph.spec().parameters.iter().all(|parameter| parameter.name != "conv2.weight" || parameter.rows.is_none()));
}

/// Sizes of published symmetry: the sum over groups of the whole decimal digits of `units!`.
#[test]
fn the_number_of_symmetries_of_the_published_mlp() {
    let graph = graph("family = 'mlp'\nhidden = [512, 512, 512]", [1, 28, 28], 10);
    let digits = |units: usize| (1..=units).map(|unit| (unit as f64).log10()).sum::<f64>().floor();
    let sum: f64 = graph.spec().groups.iter().map(|group| digits(group.units)).sum();
    assert_eq!(sum, 3498.0);
}

#[test]
fn a_description_prints_as_it_did() {
    hold("describe-mlp.txt", &graph("family = 'mlp'\nhidden = [512, 256]\nnorm = 'batch'", [1, 28, 28], 10).describe().to_string());
    hold("describe-resnet8.txt", &graph("family = 'resnet'\ndepth = 8\nwidth = 4\nnorm = 'layer'", CIFAR, 10).describe().to_string());
    hold("describe-vgg.txt", &graph("family = 'vgg'\nstages = [[4], [6, 6]]\nhead = [5]", [1, 12, 8], 3).describe().to_string());
}
