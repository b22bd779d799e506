//! What a person is told who wrote something impossible.

use crate::samples::{blueprint, build};

/// The message of a table that cannot be read.
fn unread(table: &str) -> String {
    blueprint(table).unwrap_err()
}

/// The message of a table that reads well but fits no data of this shape.
fn unbuilt(table: &str, input: [usize; 3]) -> String {
    build(table, input, 10).unwrap_err().to_string()
}

#[test]
fn impossible_keys_of_families_say_what_to_write() {
    let cases = [
        ("family = 'resnet'\ndepth = 21", "depth `21` is not of the form 6n + 2\nhint: use 20 or 26"),
        ("family = 'resnet'\ndepth = 2", "depth `2` is not of the form 6n + 2\nhint: use 8 or 14"),
        ("family = 'resnet'\ndepth = 0", "depth `0` is not of the form 6n + 2\nhint: use 8 or 14"),
        ("family = 'resnet'\ndepth = 6000000002", "depth `6000000002` is more than any machine trains"),
        ("family = 'resnet'\ndepth = 20\nshortcut = 2", "`shortcut` is `2`, expected a kernel of 1 or 3"),
        ("family = 'resnet'\ndepth = 20\nwidth = 0", "width `0` is no number of channels\nhint: leave it out for 16"),
        ("family = 'resnet'", "family `resnet` needs `depth`"),
        ("family = 'vgg'\ndepth = 12", "depth `12` is no VGG\nhint: use 11, 13, 16 or 19, or give `stages`"),
        ("family = 'vgg'\ndepth = 16\nstages = [[3]]", "`depth` does not go with `stages`"),
        ("family = 'vgg'\nwidth = 16\nstages = [[3]]", "`width` does not go with `stages`"),
        ("family = 'vgg'\nstages = [[3], []]", "`stages` is [[3], []], expected lists of positive numbers"),
        ("family = 'vgg'", "family `vgg` needs `depth` or `stages`"),
        ("family = 'mlp'", "family `mlp` needs `hidden`"),
        ("family = 'mlp'\nhidden = [4, 0]", "`hidden` is [4, 0], expected positive numbers"),
        (
            "family = 'mlp'\nhidden = [4]\ndepth = 3",
            "family `mlp` has no key `depth`\nhint: its keys are `hidden`, `bias`, `norm`, `epsilon`",
        ),
        ("family = 'mpl'\nhidden = [4]", "family `mpl` is not known\nhint: did you mean `mlp`?"),
        ("family = 'transformer'", "family `transformer` is not known\nhint: use `mlp`, `vgg` or `resnet`, or give `layers = [..]`"),
        ("hidden = [4]", "`family` is missing"),
        ("layers = []", "there are no layers"),
        ("family = 'vgg'\nlayers = []", "family `vgg` has no key `layers`"),
    ];
    for (table, expected) in cases {
        let message = unread(table);
        assert!(message.contains(expected), "{table}\ngave: {message}\nnot: {expected}");
        assert!(message.contains("\nhint: "), "{message}");
    }
}

#[test]
fn wrong_types_and_unknown_keys_are_reported_on_their_line() {
    let wide = unread("family = 'mlp'\nhidden = [4, 'wide']");
    assert!(wide.contains("line 2") && wide.contains("invalid type: string \"wide\", expected usize"), "{wide}");
    let key = unread("family = 'mlp'\nhidden = [4]\nbiass = true");
    assert!(key.contains("line 3") && key.contains("unknown field `biass`"), "{key}");
    let negative = unread("family = 'resnet'\ndepth = -20");
    assert!(negative.contains("line 2"), "{negative}");
    let norm = unread("family = 'resnet'\ndepth = 20\nnorm = 'group'");
    assert!(norm.contains("unknown variant `group`, expected one of `layer`, `batch`, `none`"), "{norm}");
}

#[test]
fn wrong_layers_are_refused_when_read() {
    let cases = [
        ("{ op = 'linaer', out = 3 }", "unknown variant `linaer`"),
        ("{ op = 'linear' }", "missing field `out`"),
        ("{ op = 'linear', out = 0 }", "expected a positive number of units or \"classes\""),
        ("{ op = 'linear', out = -3 }", "expected a positive number of units or \"classes\""),
        ("{ op = 'linear', out = 'many' }", "expected a positive number of units or \"classes\""),
        ("{ op = 'relu', slope = 0.1 }", "unknown field `slope`"),
        ("{ op = 'conv', out = 3, groups = 2 }", "unknown field `groups`"),
        ("{ op = 'norm' }", "missing field `kind`"),
        ("{ out = 3 }", "missing field `op`"),
    ];
    for (layer, expected) in cases {
        let message = unread(&format!("layers = [{layer}]"));
        assert!(message.contains(expected), "{layer}\ngave: {message}\nnot: {expected}");
    }
}

#[test]
fn impossible_shapes_name_the_layer() {
    let cases = [
        (
            "family = 'vgg'\ndepth = 11",
            "layer `pool5`: its window of 2 by 2 does not fit an image of shape [512, 1, 1] with padding 0\nhint: ",
        ),
        (
            "layers = [{ op = 'linear', out = 10 }]",
            "layer `fc1`: is linear on images of shape [1, 28, 28], expected a vector\nhint: put `flatten`",
        ),
        ("layers = [{ op = 'flatten' }, { op = 'conv', out = 3 }]", "layer `conv1`: is a convolution of a vector, expected images"),
        ("layers = [{ op = 'flatten' }, { op = 'max-pool' }]", "layer `pool1`: pools a vector, expected images"),
        ("layers = [{ op = 'conv', out = 3, kernel = 31, padding = 1 }]", "layer `conv1`: its kernel of 31 by 31 does not fit"),
        ("layers = [{ op = 'conv', out = 3, stride = 0 }]", "layer `conv1`: has size `3` and stride `0`, expected positive numbers"),
        ("layers = [{ op = 'conv', out = 3, kernel = 0 }]", "layer `conv1`: has size `0` and stride `1`, expected positive numbers"),
        ("layers = [{ op = 'max-pool', padding = 2 }]", "layer `pool1`: has padding `2`, expected less than its size `2`"),
        ("layers = [{ op = 'max-pool', size = 0 }]", "layer `pool1`: has size `0`"),
        ("layers = [{ op = 'norm', kind = 'layer', epsilon = -1 }]", "layer `norm1`: has epsilon `-1`"),
        (
            "layers = [{ op = 'norm', kind = 'layer', epsilon = 1e-60 }]",
            "layer `norm1`: has epsilon `1e-60`, expected a positive number of 32 bits",
        ),
        ("layers = [{ op = 'residual', body = [] }]", "layer `add1`: is a residual with an empty body"),
        (
            "layers = [{ op = 'residual', body = [{ op = 'conv', out = 3, stride = 2 }] }]",
            "layer `add1`: adds a body of shape [3, 14, 14] to a shortcut of shape [1, 28, 28]\nhint: give the shortcut",
        ),
        (
            "layers = [{ op = 'residual', body = [{ op = 'flatten' }], shortcut = [{ op = 'conv', out = 784, kernel = 28, padding = 0 }] }]",
            "layer `add1`: adds a body of `784` features to a shortcut of shape [784, 1, 1]\nhint: ",
        ),
        (
            "layers = [{ op = 'conv', name = 'conv1', out = 3 }, { op = 'conv', name = 'conv1', out = 3 }]",
            "layer `conv1`: two layers have this name",
        ),
        ("layers = [{ op = 'conv', name = 'a b', out = 3 }]", "layer `a b`: the name `a b` cannot be a parameter's prefix"),
        ("layers = [{ op = 'conv', name = '', out = 3 }]", "the name `` cannot be a parameter's prefix"),
        ("layers = [{ op = 'conv', out = 99999999 }]", "layer `conv1`: has `99999999` units, expected 1 to 16777216"),
        ("layers = [{ op = 'conv', out = 16777216 }, { op = 'conv', out = 16777216 }]", "makes more than 2^40 numbers"),
        (
            "family = 'mlp'\nhidden = [1000000, 1000000]",
            "the network has `1000796000010` parameters, 4003.2 GB: expected at most `1073741824`",
        ),
        ("layers = [{ op = 'conv', out = 3, kernel = 9223372036854775807 }]", "layer `conv1`: "),
        ("layers = [{ op = 'flatten' }]", "the network has no parameters"),
        ("layers = [{ op = 'conv', out = 10 }]", "the network ends with images of shape [10, 28, 28], expected `10` numbers"),
        (
            "layers = [{ op = 'flatten' }, { op = 'linear', out = 9 }]",
            "the network ends with `9` numbers, expected `10`, one a class\nhint: ",
        ),
    ];
    for (table, expected) in cases {
        let message = unbuilt(table, [1, 28, 28]);
        assert!(message.contains(expected), "{table}\ngave: {message}\nnot: {expected}");
        assert!(message.contains("\nhint: "), "{message}");
    }
}

#[test]
fn a_network_of_more_layers_than_anyone_waits_for_is_refused_at_once() {
    let layers = "{ op = 'relu' }, ".repeat(30_000);
    let message = unbuilt(&format!("layers = [{{ op = 'flatten' }}, {layers} {{ op = 'linear', out = 'classes' }}]"), [1, 28, 28]);
    assert!(message.contains("more than `20000` layers\nhint: "), "{message}");
}

#[test]
fn data_without_pixels_or_classes_is_refused() {
    let mlp = "family = 'mlp'\nhidden = [4]";
    assert!(unbuilt(mlp, [1, 0, 28]).contains("`input` is [1, 0, 28]"));
    assert!(unbuilt(mlp, [1, usize::MAX, 28]).contains("`input` is"));
    assert!(build(mlp, [1, 28, 28], 0).unwrap_err().to_string().contains("`classes` is `0`, expected a positive number"));
}

#[test]
fn a_layer_without_a_name_takes_none_that_another_layer_is_given() {
    let table = "layers = [{ op = 'flatten' }, { op = 'linear', out = 4 }, { op = 'linear', name = 'fc1', out = 4 }, { op = 'linear', out = 'classes' }]";
    let architecture = build(table, [1, 4, 4], 10).unwrap();
    let graph = onebasin_network::Graph::build(&architecture).unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|node| node.name.as_str()).filter(|name| name.starts_with("fc")).collect();
    assert_eq!(names, ["fc2", "fc1", "fc3"]);
}
