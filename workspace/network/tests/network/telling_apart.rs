//! Networks whose names and shapes could mislead: told rightly, or refused, never taken for another in silence.

use onebasin_network::{Graph, Known, Layer, Shape, Stored, infer};

use crate::inference::{ORDERED, inferred, listed, refusal, sorted};

/// The layers with parameters, one after the other.
fn names(tensors: &[Stored], known: &Known) -> Vec<String> {
    let graph = Graph::build(&infer(tensors, known).unwrap().architecture).unwrap();
    graph.nodes.iter().filter(|node| node.operation.parameters().next().is_some()).map(|node| node.name.clone()).collect()
}

fn norm(name: &str, units: usize) -> String {
    ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.{part} {units}\n")).concat()
}

#[test]
fn norms_that_stand_together_in_the_file_follow_the_layers_of_their_numbers() {
    let layers = "conv1.weight 16x3x3x3\nconv1.bias 16\nconv2.weight 16x16x3x3\nconv2.bias 16\n";
    let text = format!("{layers}{}{}fc.weight 10x1024\nfc.bias 10\n", norm("bn1", 16), norm("bn2", 16));
    let behind = ["conv1", "bn1", "conv2", "bn2", "fc"];
    assert_eq!(names(&listed(&text), &ORDERED), behind);
    // As a safetensors file sorts them, and with norms behind some layers alone.
    assert_eq!(names(&sorted(&text), &Known::default()), behind);
    let some = format!("{layers}{}fc.weight 10x1024\nfc.bias 10\n", norm("bn2", 16));
    assert_eq!(names(&sorted(&some), &Known::default()), ["conv1", "conv2", "bn2", "fc"]);
    let lists = "convs.0.weight 16x3x3x3\nconvs.1.weight 16x16x3x3\n";
    let lists = format!("{lists}{}{}fc.weight 10x1024\n", norm("bns.0", 16), norm("bns.1", 16));
    assert_eq!(names(&listed(&lists), &ORDERED), ["convs.0", "bns.0", "convs.1", "bns.1", "fc"]);
}

#[test]
fn layers_of_one_shape_without_numbers_have_no_order_in_a_sorted_file() {
    let text = "base.weight 32x784\nmid.weight 32x32\nlate.weight 32x32\nout.weight 10x32\n";
    let error = infer(&sorted(text), &Known::default()).unwrap_err().to_string();
    assert!(error.contains("layer `mid`: has the shape of `late`") && error.contains("--architecture"), "{error}");
    assert_eq!(names(&listed(text), &ORDERED), ["base", "mid", "late", "out"]);
    // Numbers tell, and a name that goes on with one.
    let keras = "dense.kernel 784x32\ndense_1.kernel 32x32\ndense_2.kernel 32x32\ndense_3.kernel 32x10\n";
    assert!(infer(&sorted(keras), &Known::default()).is_ok());
}

#[test]
fn names_of_what_is_no_chain_are_refused() {
    let block = |name: &str| format!("{name}.0.weight 8x8x3x3\n{name}.0.bias 8\n");
    let nine = format!("conv1.weight 8x3x3x3\nconv1.bias 8\n{}{}fc.weight 10x8\nfc.bias 10\n", block("res1.0"), block("res1.1"));
    assert!(refusal(&nine).contains("layer `res1.0.0`: is of a residual block by its name"), "{}", refusal(&nine));
    for projections in [["query", "key", "value"], ["q", "k", "v"]] {
        let text: String = projections.iter().map(|name| format!("block.{name}.weight 16x16\n")).collect();
        assert!(refusal(&format!("{text}block.dense.weight 16x16\n")).contains("is of attention"), "{text}");
    }
    for name in ["gn1", "features.groupnorm"] {
        let text = format!("conv1.weight 8x3x3x3\n{name}.weight 8\n{name}.bias 8\nfc.weight 10x8\n");
        assert!(refusal(&text).contains("is of a group norm"), "{}", refusal(&text));
    }
    assert!(refusal("experts.0.weight 16x16\nexperts.1.weight 16x16\n").contains("a mixture of experts"));
    let separable = "dw.weight 12x1x3x3\npw.weight 16x12x1x1\nfc.weight 10x16\n";
    assert!(refusal(separable).contains("`--input 1,H,W` says"), "{}", refusal(separable));
    assert!(infer(&listed(separable), &Known { input: Some(Shape::new(1, 8, 8)), ..ORDERED }).is_ok());
}

#[test]
fn numbers_of_a_sequence_leave_no_room_for_pools_that_are_not_there() {
    // Two convolutions, each with a ReLU alone behind it.
    let text = "0.weight 8x3x3x3\n0.bias 8\n2.weight 8x8x3x3\n2.bias 8\n5.weight 10x512\n5.bias 10\n";
    let pools = |text: &str| {
        let layers = infer(&listed(text), &ORDERED).unwrap().architecture.layers;
        layers.iter().filter(|layer| matches!(layer, Layer::MaxPool { .. })).count()
    };
    assert!(pools(text) <= 1);
    // A mean over all pixels behind the last convolution, one pool between the two.
    let mean = "0.weight 8x3x3x3\n0.bias 8\n3.weight 16x8x3x3\n3.bias 16\n7.weight 10x16\n7.bias 10\n";
    let (told, _) = inferred(mean);
    assert_eq!(pools(mean), 1, "{:?}", told.assumed);
    assert!(
        told.assumed.iter().any(|line| line.contains("the mean over all pixels"))
            && told.assumed.iter().any(|line| line.contains("no pool is behind the last"))
    );
}

#[test]
fn parts_of_convolutions_end_in_pools_where_these_lead_to_what_the_linear_layer_reads() {
    let part = |part: usize, inputs: usize, units: usize| {
        format!("block{part}.conv1.weight {units}x{inputs}x3x3\nblock{part}.conv2.weight {units}x{units}x3x3\n")
    };
    let (told, _) = inferred(&format!("{}{}fc.weight 10x1024\n", part(1, 3, 8), part(2, 8, 16)));
    assert_eq!(told.architecture.input, Shape::new(3, 32, 32));
    assert!(told.assumed.iter().any(|line| line.contains("a max pool of 2 is behind 2 of 4")), "{:?}", told.assumed);
    let (told, _) = inferred("conv.weight 8x3x3x3\nfc.weight 10x72\n");
    assert!(told.assumed.iter().any(|line| line.contains("images have 3 by 3 pixels")), "{:?}", told.assumed);
}

#[test]
fn what_is_assumed_of_norms_and_numbers_beside_layers_is_told() {
    let text = format!("n_averaged \nconv1.weight 16x3x3x3\nconv1.bias 16\n{}fc.weight 10x16\nfc.bias 10\n", norm("bn1", 16));
    let (told, _) = inferred(&text);
    assert_eq!(told.kept.len(), 1);
    for words in ["norms add 1e-5 to variances", "are not dilated"] {
        assert!(told.assumed.iter().any(|line| line.contains(words)), "{words}: {:?}", told.assumed);
    }
}

#[test]
fn a_norm_of_a_shortcut_comes_behind_its_convolution_whatever_the_alphabet_says() {
    let block = |path: &str, inputs: usize, units: usize| {
        let mut text = format!("{path}.conv1.weight {units}x{inputs}x3x3\n{path}.conv2.weight {units}x{units}x3x3\n");
        text += &norm(&format!("{path}.bn1"), units);
        text += &norm(&format!("{path}.bn2"), units);
        if inputs != units {
            text += &format!("{path}.shortcut.conv.weight {units}x{inputs}x1x1\n");
            text += &norm(&format!("{path}.shortcut.bn"), units);
        }
        text
    };
    let stem = format!("conv1.weight 8x3x3x3\n{}", norm("bn1", 8));
    let text = format!("{stem}{}{}fc.weight 10x16\nfc.bias 10\n", block("layer1.0", 8, 8), block("layer2.0", 8, 16));
    let (told, _) = inferred(&text);
    assert!(told.family.starts_with("a ResNet6"), "{}", told.family);
}

#[test]
fn norms_alone_and_more_norms_than_layers_are_refused_by_name() {
    assert!(refusal(&norm("bn1", 8)).contains("no layers with weights"), "{}", refusal(&norm("bn1", 8)));
    let text = format!("fc1.weight 8x4\n{}{}{}fc2.weight 3x8\n", norm("bn1", 8), norm("bn2", 8), norm("bn3", 8));
    assert!(
        refusal(&text).contains("layer `bn1`: is one of 3 norms of 8, and one layer without a norm gives as many"),
        "{}",
        refusal(&text)
    );
    assert!(infer(&sorted(&text), &Known::default()).is_err());
}
