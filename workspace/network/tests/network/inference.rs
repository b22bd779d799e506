use onebasin_network::{Blueprint, Graph, Inferred, Known, Layer, NetworkError, Operation, Rename, Shape, Stored, bind, infer};

pub fn listed(text: &str) -> Vec<Stored> {
    let stored = |line: &str| {
        let (name, shape) = line.split_once(' ').unwrap_or((line, ""));
        let shape = shape.split('x').filter(|extent| !extent.is_empty()).map(|extent| extent.parse().unwrap()).collect();
        Stored { name: name.to_owned(), shape }
    };
    text.lines().filter(|line| !line.is_empty()).map(stored).collect()
}

pub const ORDERED: Known = Known { input: None, is_ordered: true, linear: false, epsilon: None };

pub fn inferred(text: &str) -> (Inferred, Graph) {
    let inferred = infer(&listed(text), &ORDERED).unwrap();
    let graph = Graph::build(&inferred.architecture).unwrap();
    (inferred, graph)
}

pub fn refusal(text: &str) -> String {
    infer(&listed(text), &ORDERED).unwrap_err().to_string()
}

/// The same tensors sorted by name, as safetensors files have them.
pub fn sorted(text: &str) -> Vec<Stored> {
    let mut tensors = listed(text);
    tensors.sort_by(|left, right| left.name.cmp(&right.name));
    tensors
}

#[test]
fn networks_of_torchvision_are_told_by_their_own_names() {
    for (text, family, groups, input, classes) in [
        (include_str!("shapes/torchvision-resnet18.txt"), "a ResNet18 of 2-2-2-2 basic blocks", 12, 224, 1000),
        (include_str!("shapes/torchvision-resnet50.txt"), "a ResNet50 of 3-4-6-3 bottlenecks", 37, 224, 1000),
        (include_str!("shapes/torchvision-vgg11.txt"), "a VGG11 of 8 convolutions", 10, 224, 1000),
        (include_str!("shapes/torchvision-vgg16_bn.txt"), "a VGG16 of 13 convolutions", 15, 224, 1000),
    ] {
        let (inferred, graph) = inferred(text);
        assert!(inferred.family.starts_with(family), "{}", inferred.family);
        assert_eq!(graph.spec().groups.len(), groups, "{family}");
        let architecture = &inferred.architecture;
        assert_eq!((architecture.input, architecture.classes), (Shape::new(3, input, input), classes));
        // Every tensor is a parameter or a counter, and the shapes are the file's.
        let tensors = listed(text);
        assert_eq!(inferred.bound.len() + inferred.kept.len(), tensors.len());
        for bound in &inferred.bound {
            assert_eq!(graph.spec().parameter(&bound.parameter).unwrap().shape, tensors[bound.tensor].shape, "{}", bound.parameter);
        }
        // Without the file's order the same is told.
        let again = infer(&sorted(text), &Known::default()).unwrap();
        assert_eq!(again.architecture, inferred.architecture, "{family}");
    }
}

#[test]
fn the_flatten_of_torchvisions_vgg_has_blocks_of_49() {
    let (_, graph) = inferred(include_str!("shapes/torchvision-vgg11.txt"));
    let parameter = graph.spec().parameter("classifier.0.weight").unwrap();
    assert_eq!(parameter.columns.unwrap().block, 49);
}

/// A CIFAR network of these blocks in each stage; shortcuts have a kernel of 1 or 3.
fn cifar(blocks: usize, kernel: usize, names: [&str; 4]) -> String {
    let [block_of, norm, shortcut, head] = names;
    let mut text = format!("conv1.weight 16x3x3x3\n{norm}1.weight 16\n{norm}1.bias 16\n");
    let mut width = 16;
    for stage in 0..3 {
        let out = 16 << stage;
        for block in 0..blocks {
            let path = block_of.replace("STAGE", &(stage + 1).to_string()).replace("BLOCK", &block.to_string());
            for (number, inputs) in [(1, width), (2, out)] {
                text += &format!(
                    "{path}.conv{number}.weight {out}x{inputs}x3x3\n{path}.{norm}{number}.weight {out}\n{path}.{norm}{number}.bias {out}\n"
                );
            }
            if width != out {
                text += &format!(
                    "{path}.{shortcut}.0.weight {out}x{width}x{kernel}x{kernel}\n{path}.{shortcut}.1.weight {out}\n{path}.{shortcut}.1.bias {out}\n"
                );
            }
            width = out;
        }
    }
    text + &format!("{head}.weight 10x64\n{head}.bias 10\n")
}

#[test]
fn residual_networks_for_cifar_are_told_by_any_names_of_stages_and_shortcuts() {
    for (blocks, depth, groups) in [(3, 20, 12), (5, 32, 18), (7, 44, 24), (9, 56, 30), (18, 110, 57)] {
        for names in [
            ["layerSTAGE.BLOCK", "bn", "downsample", "fc"],
            ["layerSTAGE.BLOCK", "bn", "shortcut", "linear"],
            ["blockgroupSTAGE.blockBLOCK", "norm", "shortcut", "linear"],
        ] {
            for kernel in [1, 3] {
                let text = cifar(blocks, kernel, names);
                let (inferred, graph) = inferred(&text);
                assert!(inferred.family.starts_with(&format!("a ResNet{depth} of {blocks}-{blocks}-{blocks} basic blocks")));
                assert_eq!(graph.spec().groups.len(), groups, "{depth}");
                assert_eq!(infer(&sorted(&text), &Known::default()).unwrap().architecture, inferred.architecture);
            }
        }
    }
}

#[test]
fn the_names_of_flax_are_told_and_their_layout_turned() {
    let text = "params.Conv_0.bias 8\nparams.Conv_0.kernel 3x3x3x8\nparams.Dense_0.bias 6\nparams.Dense_0.kernel 8x6\n\
                params.Dense_1.bias 10\nparams.Dense_1.kernel 6x10\nparams.LayerNorm_0.bias 8\nparams.LayerNorm_0.scale 8\n";
    let inferred = infer(&listed(&text.replace("params.", "")), &Known::default()).unwrap();
    assert!(inferred.bound.iter().any(|bound| bound.parameter == "Conv_0.weight" && bound.layout.inputs_first));
    let names: Vec<&str> = inferred.bound.iter().map(|bound| bound.parameter.as_str()).collect();
    assert_eq!(names[..4], ["Conv_0.weight", "Conv_0.bias", "LayerNorm_0.scale", "LayerNorm_0.shift"]);
}

#[test]
fn the_names_of_keras_are_told_with_the_epsilon_of_its_norms() {
    let text = "batch_normalization.gamma:0 8\nbatch_normalization.beta:0 8\nbatch_normalization.moving_mean:0 8\n\
                batch_normalization.moving_variance:0 8\nconv2d.kernel:0 3x3x1x8\nconv2d.bias:0 8\ndense.kernel:0 1568x10\ndense.bias:0 10\n";
    let inferred = infer(&listed(text), &Known::default()).unwrap();
    let names: Vec<&str> = inferred.bound.iter().map(|bound| bound.parameter.as_str()).collect();
    assert_eq!(names[..3], ["conv2d.weight", "conv2d.bias", "batch_normalization.scale"]);
    let epsilon = inferred.architecture.layers.iter().find_map(|layer| match layer {
        Layer::Norm { epsilon, .. } => Some(*epsilon),
        _ => None,
    });
    assert_eq!(epsilon, Some(1e-3));
    let dense = inferred.bound.iter().find(|bound| bound.parameter == "dense.weight").unwrap();
    assert_eq!(dense.layout.pixels, Some(196));
}

#[test]
fn perceptrons_are_told_by_any_names() {
    let text = "layer0.weight 512x784\nlayer0.bias 512\nlayer1.weight 512x512\nlayer1.bias 512\nlayer2.weight 10x512\nlayer2.bias 10\n";
    let (inferred, graph) = inferred(text);
    assert_eq!(inferred.architecture.input, Shape::new(1, 28, 28));
    assert_eq!(graph.spec().groups.len(), 2);
    assert!(inferred.assumed.iter().any(|line| line.contains("ReLU")));
    // More than nine layers of one width in the order of an alphabet.
    let many: String = (0..12).map(|layer| format!("{}.weight 16x16\n{}.bias 16\n", 2 * layer, 2 * layer)).collect();
    let (ordered, _) = self::inferred(&many);
    assert_eq!(infer(&sorted(&many), &Known::default()).unwrap().architecture, ordered.architecture);
}

#[test]
fn vgg_of_sorted_names_has_its_convolutions_first() {
    let text = "classifier.0.weight 512x512\nclassifier.0.bias 512\nclassifier.2.weight 10x512\nclassifier.2.bias 10\n\
                embedder.0.weight 64x3x3x3\nembedder.0.bias 64\nembedder.1.weight 64\nembedder.1.bias 64\n\
                embedder.4.weight 512x64x3x3\nembedder.4.bias 512\nembedder.5.weight 512\nembedder.5.bias 512\n";
    let inferred = infer(&listed(text), &Known::default()).unwrap();
    assert_eq!(inferred.architecture.input, Shape::new(3, 32, 32));
    assert_eq!(inferred.bound[0].parameter, "embedder.0.weight");
}

#[test]
fn what_is_not_supported_is_refused_by_the_name_of_its_layer() {
    let attention = refusal("self_attn.in_proj_weight 48x16\nself_attn.in_proj_bias 48\nlinear1.weight 32x16\n");
    assert!(
        attention.contains("layer `self_attn`") && attention.contains("attention") && attention.contains("hint: known are"),
        "{attention}"
    );
    let grouped = refusal("0.weight 6x3x3x3\n0.bias 6\n2.weight 6x1x3x3\n2.bias 6\n4.weight 2x6\n4.bias 2\n");
    assert!(grouped.contains("2.weight: 6 outputs of 1 input after a layer of 6; a convolution in 6 groups"), "{grouped}");
    for (text, word) in [
        ("lstm.weight_ih_l0 8x4\n", "a recurrent layer"),
        ("conv.weight 4x3x3\n", "1, 2 or 4 extents"),
        ("conv.weight 4x3x3x5\n", "expected a square"),
        ("bn.running_mean 4\nbn.running_var 4\n", "no weight"),
        ("fc.weight 4x3\nfc.bias 5\n", "expected [4]"),
        ("fc.weight 4x3\nfc.table 4\n", "of no known layer"),
        ("fc1.weight 4x3\nfc2.weight 2x5\n", "2 outputs of 5 inputs after a layer of 4"),
        ("class_token 1x1x8\nencoder.self_attention.in_proj_weight 24x8\n", "attention, which"),
        ("", "holds no layers"),
        ("q.lora_A.weight 8x64\nq.lora_B.weight 64x8\n", "a low-rank adapter"),
        ("arr_0 784x32\narr_1 32\n", "was saved without a name"),
    ] {
        assert!(refusal(text).contains(word), "{text}: {}", refusal(text));
    }
}

#[test]
fn that_the_first_convolution_reads_whole_images_is_an_assumption_unless_images_are_known() {
    // Three groups of colour images, or one of grey ones: the shapes are the same.
    let text = listed("0.weight 48x1x3x3\n0.bias 48\n2.weight 10x48\n2.bias 10\n");
    let says = |known: &Known| infer(&text, known).unwrap().assumed.iter().any(|line| line.starts_with("images have 1 channel: "));
    assert!(says(&Known::default()));
    assert!(!says(&Known { input: Some(Shape::new(1, 28, 28)), ..Known::default() }));
    let colour = infer(&text, &Known { input: Some(Shape::new(3, 32, 32)), ..Known::default() }).unwrap_err().to_string();
    assert!(colour.contains("takes images of 1 channel, and they have shape [3, 32, 32]; a convolution in several groups"), "{colour}");
}

#[test]
fn layers_whose_names_say_no_order_are_ordered_by_their_widths() {
    let text = "hidden.weight 32x64\nhidden.bias 32\ninput.weight 64x784\ninput.bias 64\nnorm.weight 64\nnorm.bias 64\noutput.weight 10x32\noutput.bias 10\n";
    let inferred = infer(&listed(text), &Known::default()).unwrap();
    let layers: Vec<&str> = inferred.bound.iter().map(|bound| bound.parameter.split('.').next().unwrap()).collect();
    assert_eq!(layers, ["input_layer", "input_layer", "norm", "norm", "hidden", "hidden", "output_layer", "output_layer"]);
    // Two layers of one width could stand either way round.
    let two = "last.weight 10x16\none.weight 16x16\nbegin.weight 16x784\nother.weight 16x16\n";
    assert!(infer(&listed(two), &Known::default()).is_err());
}

#[test]
fn small_convolutional_networks_lead_from_a_usual_size_to_what_the_first_linear_layer_reads() {
    let lenet = "0.weight 6x1x5x5\n3.weight 16x6x5x5\n7.weight 120x400\n9.weight 84x120\n11.weight 10x84\n";
    let (inferred, _) = inferred(lenet);
    assert_eq!(inferred.architecture.input, Shape::new(1, 28, 28));
    assert!(inferred.assumed.iter().any(|line| line.contains("the first convolution alone pads")), "{:?}", inferred.assumed);
    let (inferred, _) = self::inferred("conv1.weight 32x1x3x3\nconv2.weight 64x32x3x3\nfc1.weight 128x9216\nfc2.weight 10x128\n");
    assert!(inferred.assumed.iter().any(|line| line.contains("do not pad, a max pool of 2 is behind 1 of 2")), "{:?}", inferred.assumed);
}

const DROPOUT: &str = "features.0.weight 16x3x3x3\nfeatures.0.bias 16\nfeatures.2.weight 16x16x3x3\nfeatures.2.bias 16\n\
    features.6.weight 32x16x3x3\nfeatures.6.bias 32\nfeatures.8.weight 32x32x3x3\nfeatures.8.bias 32\n\
    classifier.1.weight 10x2048\nclassifier.1.bias 10\n";

#[test]
fn a_dropout_behind_a_pool_does_not_hide_the_pool() {
    let (inferred, _) = inferred(DROPOUT);
    assert_eq!(inferred.architecture.input, Shape::new(3, 32, 32));
    let pools = inferred.architecture.layers.iter().filter(|layer| matches!(layer, onebasin_network::Layer::MaxPool { .. })).count();
    assert_eq!(pools, 2, "{:?}", inferred.assumed);
}

#[test]
fn images_that_lead_to_another_number_of_pixels_are_refused_by_the_layer_that_reads_them() {
    let known = Known { input: Some(Shape::new(3, 64, 64)), ..ORDERED };
    let error = infer(&listed(DROPOUT), &known).unwrap_err().to_string();
    assert!(
        error.contains("classifier.1") && error.contains("reads 64 pixels of each channel") && error.contains("[3, 64, 64]"),
        "{error}"
    );
}

#[test]
fn shortcuts_without_weights_pad_channels_and_hold_the_order_of_what_blocks_share() {
    let text = "conv1.weight 16x3x3x3\nlayer1.0.conv1.weight 16x16x3x3\nlayer1.0.conv2.weight 16x16x3x3\n\
         layer2.0.conv1.weight 32x16x3x3\nlayer2.0.conv2.weight 32x32x3x3\nlinear.weight 10x32\n";
    let (inferred, graph) = inferred(text);
    assert!(inferred.assumed.iter().any(|line| line.contains("option A")), "{:?}", inferred.assumed);
    let pad = graph.nodes.iter().find(|node| matches!(node.operation, Operation::PadChannels { before: 8, behind: 8, stride: 2 }));
    assert_eq!(pad.unwrap().shape, Shape::new(32, 16, 16));
    let groups: Vec<&str> = graph.spec().groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(groups, ["layer1.0.conv1", "layer2.0.conv1"]);
}

/// Two stages of one block, as published for CIFAR, norms before convolutions.
const BEFORE: &str = "conv1.weight 8x3x3x3\n\
    layer1.0.bn1.weight 8\nlayer1.0.bn1.bias 8\nlayer1.0.conv1.weight 8x8x3x3\n\
    layer1.0.bn2.weight 8\nlayer1.0.bn2.bias 8\nlayer1.0.conv2.weight 8x8x3x3\n\
    layer2.0.bn1.weight 8\nlayer2.0.bn1.bias 8\nlayer2.0.conv1.weight 16x8x3x3\n\
    layer2.0.bn2.weight 16\nlayer2.0.bn2.bias 16\nlayer2.0.conv2.weight 16x16x3x3\nlayer2.0.shortcut.0.weight 16x8x1x1\n";

#[test]
fn residual_networks_with_norms_before_their_convolutions_are_told_by_the_widths_of_norms() {
    let (without, graph) = inferred(&format!("{BEFORE}linear.weight 10x16\n"));
    assert!(without.family.contains("blocks with norms before their convolutions"), "{}", without.family);
    assert_eq!(graph.spec().groups.len(), 4);
    // The shortcut with weights reads what the first norm and ReLU give: both stand before the sum.
    let kinds: Vec<&str> = without.architecture.layers.iter().map(kind).collect();
    assert_eq!(kinds, ["conv", "residual", "norm", "relu", "residual", "mean", "linear"]);
    let (with, graph) = inferred(&format!("{BEFORE}bn1.weight 16\nbn1.bias 16\nlinear.weight 10x16\n"));
    let kinds: Vec<&str> = with.architecture.layers.iter().map(kind).collect();
    assert_eq!(kinds[kinds.len() - 4..], ["norm", "relu", "mean", "linear"]);
    assert_eq!(graph.spec().groups.len(), 4);
    assert_eq!(with.bound.len(), 17);
}

fn kind(layer: &Layer) -> &'static str {
    match layer {
        Layer::Conv { .. } => "conv",
        Layer::Residual { .. } => "residual",
        Layer::Norm { .. } => "norm",
        Layer::Relu {} => "relu",
        Layer::GlobalMean {} => "mean",
        Layer::AdaptiveMean { .. } => "adaptive",
        Layer::MaxPool { .. } => "pool",
        Layer::Flatten {} => "flatten",
        Layer::Linear { .. } => "linear",
        Layer::PadChannels { .. } => "pad",
    }
}

#[test]
fn a_number_left_out_before_a_norm_is_its_relu() {
    let layer = |number: usize, shape: &str| format!("{number}.weight {shape}\n{number}.bias {}\n", shape.split('x').next().unwrap());
    let kinds = |text: &str| inferred(text).0.architecture.layers.iter().map(kind).collect::<Vec<_>>();
    let before = [layer(0, "8x6"), layer(2, "8"), layer(3, "8x8"), layer(5, "8"), layer(6, "4x8")].concat();
    assert_eq!(kinds(&before), ["flatten", "linear", "relu", "norm", "linear", "relu", "norm", "linear"]);
    let behind = [layer(0, "8x6"), layer(1, "8"), layer(3, "8x8"), layer(4, "8"), layer(6, "4x8")].concat();
    assert_eq!(kinds(&behind), ["flatten", "linear", "norm", "relu", "linear", "norm", "relu", "linear"]);
    // With pools behind the norms.
    let pooled = [layer(0, "8x1x3x3"), layer(2, "8"), layer(4, "8x8x3x3"), layer(6, "8"), layer(9, "4x392")].concat();
    assert_eq!(kinds(&pooled), ["conv", "relu", "norm", "pool", "conv", "relu", "norm", "pool", "flatten", "linear"]);
}

#[test]
fn the_vgg_of_torchvision_takes_small_images_by_its_adaptive_mean() {
    let known = Known { input: Some(Shape::new(3, 32, 32)), ..ORDERED };
    let small = infer(&listed(include_str!("shapes/torchvision-vgg11.txt")), &known).unwrap();
    assert!(small.architecture.layers.contains(&Layer::AdaptiveMean { size: 7 }), "{:?}", small.assumed);
    assert!(small.assumed.iter().any(|line| line.contains("brings the 1 by 1 pixels")), "{:?}", small.assumed);
    let graph = Graph::build(&small.architecture).unwrap();
    assert_eq!(graph.spec().parameter("classifier.0.weight").unwrap().columns.unwrap().block, 49);
}

fn resnet20() -> Graph {
    let blueprint: Blueprint = toml::from_str("family = 'resnet'\ndepth = 20\nnorm = 'layer'\nshortcut = 1").unwrap();
    Graph::build(&blueprint.build(Shape::new(3, 32, 32), 10).unwrap()).unwrap()
}

#[test]
fn a_known_network_takes_the_layers_of_a_file_one_after_the_other() {
    let text = cifar(3, 1, ["layerSTAGE.BLOCK", "bn", "downsample", "fc"]);
    let bound = bind(&resnet20(), &listed(&text), &[], true).unwrap();
    assert_eq!((bound.bound[0].parameter.as_str(), bound.bound[0].tensor), ("stem.conv.weight", 0));
    let wide = text.replace("fc.weight 10x64", "fc.weight 11x64").replace("fc.bias 10", "fc.bias 11");
    let error = bind(&resnet20(), &listed(&wide), &[], true).unwrap_err().to_string();
    assert!(
        error.contains(
            "layer `head`: is a linear layer of shape [10, 64] with a bias, but `fc` in the file is a linear layer of shape [11, 64]"
        ),
        "{error}"
    );
}

#[test]
fn a_known_network_takes_layers_by_mapped_names_in_any_order() {
    let graph =
        Graph::build(&Blueprint::build(&toml::from_str("family = 'mlp'\nhidden = [4, 4]").unwrap(), Shape::new(2, 1, 1), 4).unwrap())
            .unwrap();
    let text = "c.weight 4x4\nc.bias 4\nb.weight 4x4\nb.bias 4\na.weight 4x2\na.bias 4\n";
    let names = [("a", "fc1"), ("b", "fc2"), ("c", "fc3")].map(|(from, to)| Rename { from: from.to_owned(), to: to.to_owned() });
    let tensors: Vec<usize> = bind(&graph, &listed(text), &names, true).unwrap().bound.iter().map(|bound| bound.tensor).collect();
    assert_eq!(tensors, [4, 5, 2, 3, 0, 1]);
    let error = bind(&graph, &listed(text), &names[..2], true).unwrap_err();
    assert!(matches!(&error, NetworkError::Layer { layer, .. } if layer == "fc3"), "{error}");
}

#[test]
fn a_name_that_is_the_same_by_accident_does_not_hide_the_order() {
    let graph =
        Graph::build(&Blueprint::build(&toml::from_str("family = 'mlp'\nhidden = [4, 5]").unwrap(), Shape::new(2, 1, 1), 3).unwrap())
            .unwrap();
    let text = "fc1.weight 4x2\nfc1.bias 4\nmiddle.weight 5x4\nmiddle.bias 5\nhead.weight 3x5\nhead.bias 3\n";
    let bound = bind(&graph, &listed(text), &[], true).unwrap();
    assert_eq!(bound.bound.iter().map(|bound| bound.tensor).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert!(bound.assumed[0].contains("`middle` is `fc2`, `head` is `fc3`"), "{:?}", bound.assumed);
    // Where most names are the network's, the one that is missing is told.
    let text = "fc1.weight 4x2\nfc1.bias 4\nfc2.weight 5x4\nfc2.bias 5\nhead.weight 9x5\nhead.bias 9\n";
    let error = bind(&graph, &listed(text), &[], true).unwrap_err().to_string();
    assert!(error.contains("layer `fc3`: the file has no tensors for it, though for 2 of 3 layers"), "{error}");
}

#[test]
fn slips_in_names_are_told_on_both_sides() {
    let graph =
        Graph::build(&Blueprint::build(&toml::from_str("family = 'mlp'\nhidden = [4]").unwrap(), Shape::new(2, 1, 1), 3).unwrap()).unwrap();
    let text = "hidden.weight 4x2\nhidden.bias 4\nout.weight 3x4\nout.bias 3\n";
    let error = |names: [(&str, &str); 2]| {
        let names = names.map(|(from, to)| Rename { from: from.to_owned(), to: to.to_owned() });
        bind(&graph, &listed(text), &names, true).unwrap_err().to_string()
    };
    let target = error([("hidden", "fc1"), ("out", "fcc2")]);
    assert!(target.contains("`names` makes `fcc2` of `out`") && target.contains("did you mean `fc2`?"), "{target}");
    let source = error([("hiden", "fc1"), ("out", "fc2")]);
    assert!(source.contains("`names` has `hiden`, and nothing in the file") && source.contains("did you mean `hidden`?"), "{source}");
}

#[test]
fn weights_go_back_as_they_were_stored() {
    let text = "a.kernel 2x3\na.bias 3\nb.kernel 3x2\nb.bias 2\n";
    let tensors = listed(text);
    let (inferred, graph) = inferred(text);
    let values = |tensor: usize| {
        (0..tensors[tensor].shape.iter().product::<usize>()).map(|value| (10 * tensor + value) as f32).collect::<Vec<f32>>()
    };
    let weights = inferred.weights(&graph, values).unwrap();
    assert_eq!(weights.get("a.weight").shape(), [3, 2]);
    for (tensor, stored) in inferred.stored(&weights) {
        assert_eq!(stored, values(tensor));
    }
}
