//! Families against published shapes and counts.

use onebasin_network::{Blueprint, Graph, Operation, Shape};

use crate::samples::{blueprint, build, graph};

fn parameters(table: &str, input: [usize; 3], classes: usize) -> usize {
    graph(table, input, classes).parameter_count()
}

const MNIST: [usize; 3] = [1, 28, 28];
const CIFAR: [usize; 3] = [3, 32, 32];

#[test]
fn parameter_counts_are_the_published_ones() {
    assert_eq!(parameters("family = 'mlp'\nhidden = [512, 512, 512, 256]", MNIST, 10), 1_061_130);
    assert_eq!(parameters("family = 'mlp'\nhidden = [400, 200, 100]\nbias = false", MNIST, 10), 414_600);
    for (width, count) in [(16, 292_954), (32, 1_166_506), (64, 4_655_434), (128, 18_600_586), (256, 74_360_074)] {
        assert_eq!(
            parameters(&format!("family = 'resnet'\ndepth = 20\nwidth = {width}\nnorm = 'layer'"), CIFAR, 10),
            count,
            "width {width}"
        );
    }
    // C2M3 counts the two shortcuts and says 22.
    assert_eq!(parameters("family = 'resnet'\ndepth = 22\nwidth = 32\nnorm = 'layer'", CIFAR, 10), 1_166_506);
    assert_eq!(parameters("family = 'vgg'\ndepth = 16\nnorm = 'layer'", CIFAR, 10) / 10_000, 1_525);
    assert_eq!(parameters("family = 'vgg'\ndepth = 11\nhead = []\nbias = false", CIFAR, 10), 9_222_848);
    assert_eq!(parameters("family = 'resnet'\ndepth = 18\nhead-bias = false", CIFAR, 10), 11_164_352);
}

/// Git Re-Basin's table 1 rounds each group down (10^3498 for the MLP), counts a VGG16 with a head of 4096 and a ResNet50 without shared
/// streams. These are of the networks as they are.
#[test]
fn the_orders_of_units_are_counted_by_their_logarithm() {
    let of = |table: &str, input: [usize; 3]| graph(table, input, 10).describe().symmetries_log10;
    assert!((of("family = 'mlp'\nhidden = [512, 512, 512]", MNIST) - 3499.6).abs() < 0.1);
    assert_eq!(of("family = 'vgg'\ndepth = 16\nnorm = 'layer'", CIFAR).floor(), 11_462.0);
    let resnet = of("family = 'resnet'\ndepth = 50\nnorm = 'batch'", [3, 224, 224]);
    assert!((resnet - 25_638.0).abs() < 40.0, "{resnet}");
}

#[test]
fn the_width_variants_of_vgg11_have_the_published_counts() {
    let stages = [
        ("[[64], [64], [128, 128], [256, 256], [256, 512]]", 2_919_104),
        ("[[64], [256], [512, 512], [1024, 1024], [1024, 512]]", 32_004_800),
        ("[[64], [512], [1024, 1024], [2048, 2048], [2048, 512]]", 118_266_560),
    ];
    for (stages, count) in stages {
        assert_eq!(parameters(&format!("family = 'vgg'\nstages = {stages}\nhead = []\nbias = false"), CIFAR, 10), count);
    }
}

/// He et al., Deep residual learning, table 6, in the exact figures of its many copies: their shortcuts have no weights.
#[test]
fn deeper_residual_networks_have_the_published_counts_beside_their_shortcuts() {
    for (depth, count) in [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)] {
        for (kernel, shortcuts) in [(3, 9 * (16 * 32 + 32 * 64)), (1, 16 * 32 + 32 * 64)] {
            let table = format!("family = 'resnet'\ndepth = {depth}\nnorm = 'batch'\nshortcut = {kernel}");
            assert_eq!(parameters(&table, CIFAR, 10), count + shortcuts + 2 * (32 + 64), "depth {depth}");
        }
    }
}

/// The figures of torchvision's models for 1000 classes, which have the same layers.
#[test]
fn large_networks_have_the_well_known_counts() {
    let large = [3, 224, 224];
    let vggs =
        [(11, 132_863_336, 132_868_840), (13, 133_047_848, 133_053_736), (16, 138_357_544, 138_365_992), (19, 143_667_240, 143_678_248)];
    for (depth, plain, with_norm) in vggs {
        for (norm, count) in [("none", plain), ("batch", with_norm), ("layer", with_norm)] {
            let table = format!("family = 'vgg'\ndepth = {depth}\nhead = [4096, 4096]\nnorm = '{norm}'");
            assert_eq!(parameters(&table, large, 1000), count, "depth {depth}, norm {norm}");
        }
    }
    assert_eq!(parameters("family = 'resnet'\ndepth = 18\nstem = 'imagenet'\nnorm = 'batch'", large, 1000), 11_689_512);
    assert_eq!(parameters("family = 'resnet'\ndepth = 34\nstem = 'imagenet'\nnorm = 'batch'", large, 1000), 21_797_672);
    assert_eq!(parameters("family = 'resnet'\ndepth = 50\nnorm = 'batch'", large, 1000), 25_557_032);
    let multiply_adds = graph("family = 'resnet'\ndepth = 50\nnorm = 'batch'", large, 1000).flops() / 2;
    assert_eq!(multiply_adds / 1_000_000, 4_089);
}

#[test]
fn strides_and_stems_give_the_usual_shapes() {
    let last = |table: &str, input| {
        let graph = graph(table, input, 10);
        let node = graph.nodes.iter().find(|node| node.operation == Operation::GlobalMean).unwrap();
        graph.nodes[node.inputs[0]].shape
    };
    assert_eq!(last("family = 'resnet'\ndepth = 20", CIFAR), Shape::new(64, 8, 8));
    assert_eq!(last("family = 'resnet'\ndepth = 18", CIFAR), Shape::new(512, 4, 4));
    assert_eq!(last("family = 'resnet'\ndepth = 50", [3, 224, 224]), Shape::new(2048, 7, 7));
    assert_eq!(last("family = 'resnet'\ndepth = 20", [1, 28, 28]), Shape::new(64, 7, 7));
}

#[test]
fn defaults_are_written_out_and_read_back() {
    let cases = [
        ("family = 'mlp'\nhidden = [3]", r#"{"family":"mlp","hidden":[3],"bias":true,"norm":"none","epsilon":0.00001}"#),
        (
            "family = 'resnet'\ndepth = 20\nnorm = 'layer'\nepsilon = 1e-6",
            r#"{"family":"resnet","depth":20,"width":16,"stem":"cifar","shortcut":3,"norm":"layer","bias":false,"head-bias":true,"epsilon":0.000001}"#,
        ),
        (
            "family = 'vgg'\ndepth = 11\nwidth = 2",
            r#"{"family":"vgg","stages":[[2],[4],[8,8],[16,16],[16,16]],"head":[16,16],"bias":true,"norm":"none","epsilon":0.00001}"#,
        ),
        (
            "layers = [{ op = 'flatten' }, { op = 'linear', out = 'classes' }]",
            r#"{"family":"layers","layers":[{"op":"flatten"},{"op":"linear","out":"classes","bias":true}]}"#,
        ),
    ];
    for (table, json) in cases {
        let read = blueprint(table).unwrap();
        let expected: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), expected, "{table}");
        assert_eq!(serde_json::from_value::<Blueprint>(expected).unwrap(), read, "{table}");
        assert_eq!(blueprint(&toml::to_string(&read).unwrap()).unwrap(), read, "{table}");
    }
}

#[test]
fn depth_22_is_another_name_of_depth_20() {
    let [named, usual] = [22, 20].map(|depth| blueprint(&format!("family = 'resnet'\ndepth = {depth}\nnorm = 'layer'")).unwrap());
    assert_eq!(named, usual);
    let onebasin_network::Blueprint::Resnet(mut resnet) = usual.clone() else { panic!("not a residual network") };
    resnet.depth = 22;
    let built = [usual, onebasin_network::Blueprint::Resnet(resnet)].map(|blueprint| blueprint.build(Shape::from(CIFAR), 10).unwrap());
    assert_eq!(built[0], built[1]);
}

#[test]
fn layers_outright_give_what_the_family_gives() {
    let family = build("family = 'mlp'\nhidden = [5]", [1, 2, 2], 3).unwrap();
    let layers = "layers = [{ op = 'flatten' }, { op = 'linear', out = 5 }, { op = 'relu' }, { op = 'linear', out = 'classes' }]";
    assert_eq!(build(layers, [1, 2, 2], 3).unwrap(), family);
    let again = onebasin_network::Architecture::from_json(&family.to_json()).unwrap();
    assert_eq!(again, family);
    assert_eq!(again.to_json(), family.to_json());
}

#[test]
fn names_follow_the_layers() {
    let names = |table: &str, input| -> Vec<String> {
        graph(table, input, 10).spec().parameters.iter().map(|parameter| parameter.name.clone()).collect()
    };
    assert_eq!(names("family = 'mlp'\nhidden = [4]", MNIST), ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
    let vgg = names("family = 'vgg'\nstages = [[4]]\nhead = [3]\nnorm = 'layer'", MNIST);
    assert_eq!(vgg[..5], ["conv1.weight", "conv1.bias", "norm1.scale", "norm1.shift", "fc1.weight"]);
    let resnet = names("family = 'resnet'\ndepth = 8\nnorm = 'layer'", CIFAR);
    for name in [
        "stem.conv.weight",
        "stem.norm.scale",
        "stage1.block1.conv1.weight",
        "stage1.block1.norm1.scale",
        "stage2.block1.shortcut.conv.weight",
        "stage2.block1.shortcut.norm.shift",
        "head.weight",
        "head.bias",
    ] {
        assert!(resnet.iter().any(|other| other == name), "{name} is missing in {resnet:?}");
    }
    assert_eq!(Graph::build(&build("family = 'resnet'\ndepth = 8", CIFAR, 10).unwrap()).unwrap().nodes[1].name, "stem.conv");
}
