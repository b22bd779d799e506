//! In which order layers, norms and blocks stand: what names and files tell, and what is refused because nothing does.

use onebasin_network::{Graph, Known, Layer, Shape, bind, infer};

use crate::inference::{ORDERED, listed};

const SORTED: Known = Known { is_ordered: false, ..ORDERED };

/// Layers in a row, each `name outputs x inputs`, norms `name units`.
fn text(layers: &[&str]) -> String {
    let lines = layers.iter().flat_map(|layer| {
        let (name, shape) = layer.split_once(' ').unwrap();
        let outputs = shape.split('x').next().unwrap();
        let running = if shape.contains('x') {
            vec![]
        } else {
            vec![format!("{name}.running_mean {outputs}"), format!("{name}.running_var {outputs}")]
        };
        [vec![format!("{name}.weight {shape}"), format!("{name}.bias {outputs}")], running].concat()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Layers with weights by name, and activations and pools by what they are.
fn row(known: &Known, layers: &[&str]) -> Result<String, String> {
    let found = infer(&listed(&text(layers)), known).map_err(|error| error.to_string())?;
    let word = |layer: &Layer| match layer {
        Layer::Linear { name, .. } | Layer::Conv { name, .. } | Layer::Norm { name, .. } => name.clone(),
        Layer::Relu {} => Some("relu".to_owned()),
        Layer::MaxPool { .. } => Some("pool".to_owned()),
        _ => None,
    };
    Ok(found.architecture.layers.iter().filter_map(word).collect::<Vec<_>>().join(" "))
}

fn refused(known: &Known, layers: &[&str], problem: &str) {
    let error = row(known, layers).unwrap_err();
    assert!(error.contains(problem), "{error}");
}

#[test]
fn norms_stand_where_numbers_or_the_file_say() {
    let fcs = ["fc1 8x9", "fc2 8x8", "fc3 3x8"];
    let with = |norms: &[&'static str]| [&fcs[..], norms].concat();
    let each = "fc1 N1 relu fc2 N2 relu fc3";
    for [one, two] in [["bn1", "bn2"], ["norm_1", "norm_2"], ["n", "n_1"]] {
        let norms = [format!("{one} 8"), format!("{two} 8")];
        let layers: Vec<&str> = fcs.iter().copied().chain(norms.iter().map(String::as_str)).collect();
        assert_eq!(row(&SORTED, &layers).unwrap(), each.replace("N1", one).replace("N2", two));
    }
    assert_eq!(row(&ORDERED, &with(&["n_in 8", "n_end 8"])).unwrap(), "fc1 n_in relu fc2 n_end relu fc3", "in the order of the file");
    assert_eq!(row(&ORDERED, &["fc1 8x9", "n_x 8", "fc2 8x8", "fc3 3x8"]).unwrap(), "fc1 n_x relu fc2 relu fc3");
    assert!(row(&SORTED, &["a.fc 8x8", "a.n 8", "b.fc 8x8", "b.n 8", "head 3x8"]).unwrap_err().contains("neither their names"));
    assert_eq!(row(&SORTED, &["b1.fc 8x9", "b1.n 8", "b2.fc 8x8", "b2.n 8", "head 3x8"]).unwrap(), "b1.fc b1.n relu b2.fc b2.n relu head");
    assert_eq!(row(&SORTED, &["fc1 8x9", "fc2 7x8", "fc3 3x7", "x 7"]).unwrap(), "fc1 relu fc2 x relu fc3", "one width fits");
}

#[test]
fn sorted_layers_follow_by_their_numbers_and_widths_whatever_their_letters() {
    // Numbers are whole: 1 stands before 2 and 10.
    let blocks: Vec<String> = (0..12).flat_map(|block| [format!("blocks.{block}.bn 8"), format!("blocks.{block}.conv 8x8x3x3")]).collect();
    let mut sorted: Vec<&str> = blocks.iter().map(String::as_str).chain(["stem 8x3x3x3", "classes 3x8"]).collect();
    sorted.sort_unstable();
    let each = (0..12).map(|block| format!("blocks.{block}.conv blocks.{block}.bn relu "));
    assert_eq!(row(&SORTED, &sorted).unwrap(), format!("stem relu {}classes", each.collect::<String>()));
    // A head that sorts first, layers by words of which one order alone has fitting widths, norms in a list of their own.
    assert_eq!(
        row(&SORTED, &["fc 3x8", "layers.0.fc 8x9", "layers.0.n 8", "layers.1.fc 8x8"]).unwrap(),
        "layers.0.fc layers.0.n relu layers.1.fc relu fc"
    );
    assert_eq!(
        row(&SORTED, &["hidden.0 8x8", "hidden.1 8x8", "input 8x9", "output 3x8"]).unwrap(),
        "input_layer relu hidden.0 relu hidden.1 relu output_layer"
    );
    for known in [&ORDERED, &SORTED] {
        let lists = ["head 3x8", "layers.0 8x9", "layers.1 8x8", "norms.0 8", "norms.1 8"];
        assert_eq!(row(known, &lists).unwrap(), "layers.0 norms.0 relu layers.1 norms.1 relu head");
    }
    // Widths tell an order that numbers speak against, where it is the only one.
    assert_eq!(row(&SORTED, &["fc1 8x5", "fc2 5x9", "fc3 3x8"]).unwrap(), "fc2 relu fc1 relu fc3");
    refused(&SORTED, &["down 4x8", "up 8x4"], "could stand where `down` does, and neither their names");
    refused(&SORTED, &["fc1 8x9", "fc2 3x7"], "3 outputs of 7 inputs after a layer of 8");
    let many: Vec<String> = (0..2_001).map(|number| format!("layers.{number} 4x4")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    refused(&SORTED, &many, "layer `layers.0`: stands in a row of 2001 layers");
    assert!(row(&ORDERED, &many).is_ok(), "the file tells");
}

#[test]
fn the_order_of_a_pytorch_file_is_taken_where_widths_fit_and_no_number_speaks_against_it() {
    assert_eq!(row(&ORDERED, &["low 8x9", "up 8x8", "mid 8x8", "out 3x8"]).unwrap(), "low relu up relu mid relu out");
    // Where the file cannot be the order, what is left is not filled in as the file has it.
    for layers in [
        ["dec.0 8x8", "dec.2 3x8", "enc.0 8x9", "enc.2 8x8"],
        ["h.0 8x8", "h.1 8x8", "inp 8x9", "mid 8x8"],
        ["inp 8x9", "out 3x8", "w 8x8", "u 8x8"],
    ] {
        refused(&ORDERED, &layers, "neither their names nor the file, in whose order widths do not fit, say which comes first");
    }
    refused(
        &ORDERED,
        &["fc1 8x9", "fc3 8x8", "fc2 8x8", "fc4 3x8"],
        "layer `fc2`: stands behind `fc3` in the file and before it by its number",
    );
    assert_eq!(row(&ORDERED, &["up2 4x9", "up1 8x4", "out 3x8"]).unwrap(), "up2 relu up1 relu out", "no other order has fitting widths");
}

#[test]
fn what_is_beside_a_row_by_its_name_is_no_layer_of_it() {
    for (name, what) in
        [("se.fc1", "a squeeze-and-excitation block"), ("gate", "a gate"), ("aux", "a second head"), ("logvar", "a second head")]
    {
        refused(&ORDERED, &["fc1 8x9", &format!("{name} 8x8"), "fc2 3x8"], what);
    }
    refused(&ORDERED, &["fc1 8x9", "res0_fc1 4x8", "res0_fc2 8x4", "fc2 3x8"], "is of a residual block by its name");
    assert!(row(&ORDERED, &["rescale 8x9", "resample 3x8"]).is_ok());
}

#[test]
fn guesses_about_norms_and_ways_around_layers_are_told() {
    let told = |known: &Known, layers: &[&str]| infer(&listed(&text(layers)), known).unwrap().assumed.join("\n");
    let row = ["blocks.0.fc 8x8", "blocks.0.norm 8", "blocks.1.fc 8x8", "blocks.1.norm 8", "head 3x8", "stem 8x9"];
    assert!(told(&SORTED, &row).contains("norms stand behind the layers of their names and numbers: `blocks.0.norm` behind `blocks.0.fc`"));
    assert!(told(&SORTED, &row).contains("nothing leads around any"));
    // Where widths or the file tell, nothing is guessed.
    let told = told(&ORDERED, &["fc1 8x9", "bn1 8", "fc2 7x8", "bn2 7", "fc3 3x7"]);
    assert!(!told.contains("names and numbers") && !told.contains("leads around"), "{told}");
    let words = ["first 8x9", "first_norm 8", "second 8x8", "second_norm 8", "third 3x8"];
    assert_eq!(self::row(&SORTED, &words).unwrap(), "first first_norm relu second second_norm relu third");
}

#[test]
fn a_norm_of_an_image_stands_behind_its_flatten_and_one_of_channels_before_it() {
    let layers = |layers: &[&str], input: Shape| {
        let known = Known { input: Some(input), ..ORDERED };
        let found = infer(&listed(&text(layers)), &known).unwrap().architecture.layers;
        found.iter().map(|layer| matches!(layer, Layer::Flatten {})).collect::<Vec<_>>()
    };
    assert_eq!(layers(&["0 12", "1 8x12", "3 3x8"], Shape::new(3, 2, 2)), [true, false, false, false, false]);
    assert_eq!(layers(&["0 3", "2 8x12", "4 3x8"], Shape::new(3, 2, 2)), [false, true, false, false, false]);
    // One that is listed first and is neither stands where it fits.
    assert_eq!(row(&ORDERED, &["bn2 4", "fc1 6x12", "fc2 4x6", "fc3 3x4"]).unwrap(), "fc1 relu fc2 bn2 relu fc3");
}

#[test]
fn norms_that_could_stand_elsewhere_are_refused() {
    let untold = "neither names nor the file say which layer it stands behind";
    refused(&SORTED, &["fc1 8x9", "fc2 8x8", "fc3 8x8", "n_end 8", "n_in 8", "n_mid 8"], untold);
    refused(&SORTED, &["conv1 8x3x3x3", "conv2 8x8x3x3", "fc 3x8", "norm_hidden 8", "norm_in 8"], untold);
    for known in [&ORDERED, &SORTED] {
        // Behind class scores, or behind any of the others.
        refused(known, &["fcs.0 8x9", "fcs.1 8x8", "fcs.2 8x8", "bn 8"], untold);
        refused(known, &["fcs.0 8x9", "fcs.1 8x8", "fcs.2 8x8", "fcs.3 3x8", "bn1 8", "bn2 8"], untold);
    }
    // Numbers of one sequence count norms and layers together, so that a norm before its layer stays there.
    refused(&ORDERED, &["0 8x3x3x3", "1 8", "3 8", "4 8x8x3x3", "8 3x8"], "is a norm, and so is `1` before it");
}

#[test]
fn activations_stand_where_numbers_leave_room() {
    assert_eq!(row(&ORDERED, &["0 8x9", "1 8x8", "3 3x8"]).unwrap(), "0 1 relu 3");
    assert_eq!(row(&ORDERED, &["0 8x9", "1 8x8", "2 8", "4 3x8"]).unwrap(), "0 1 2 relu 4");
    assert_eq!(row(&ORDERED, &["0 8x9", "2 8", "3 8x8", "5 8", "6 3x8"]).unwrap(), "0 relu 2 3 relu 5 6");
    assert_eq!(row(&ORDERED, &["0 8x9", "3 8", "4 3x8"]).unwrap(), "0 relu 3 4", "a dropout between changes nothing");
    // Of two norms one may stand before the ReLU and the other behind it.
    assert_eq!(row(&ORDERED, &["0 8x9", "1 8", "3 8x8", "5 8", "6 3x8"]).unwrap(), "0 1 relu 3 relu 5 6");
    assert_eq!(row(&ORDERED, &["0 8x9", "2 8", "3 8x8", "4 8", "6 3x8"]).unwrap(), "0 relu 2 3 4 relu 6");
    // A list of modules counts these alone.
    assert_eq!(row(&ORDERED, &["fcs.0 8x9", "fcs.1 8x8", "fcs.2 3x8"]).unwrap(), "fcs.0 relu fcs.1 relu fcs.2");
    refused(&ORDERED, &["0 8x3x3x3", "3 8", "4 8x8x3x3", "8 3x8"], "is a norm 3 places behind `0`: what stands between is not told");
    let found = infer(&listed(&text(&["0 8x9", "1 8x8", "3 3x8"])), &ORDERED).unwrap();
    assert!(found.assumed.iter().any(|line| line.contains("no ReLU stands behind `0`")), "{:?}", found.assumed);
}

/// A residual network of blocks by these names, each with norms by these.
fn blocks(names: [&str; 3], norms: [&str; 2]) -> String {
    let block = |name: &str| {
        let [one, two] = norms.map(|norm| format!("{name}.{norm} 8"));
        text(&[&format!("{name}.conv1 8x8x3x3"), &one, &format!("{name}.conv2 8x8x3x3"), &two])
    };
    [vec![text(&["stem 8x3x3x3"])], names.map(block).to_vec(), vec![text(&["fc 3x8"])]].concat().join("\n")
}

#[test]
fn blocks_and_their_norms_stand_as_a_pytorch_file_has_them_and_are_refused_where_nothing_tells() {
    let order = |known: &Known, text: &str| {
        let found = infer(&listed(text), known).map_err(|error| error.to_string())?;
        Ok::<Vec<String>, String>(
            found
                .bound
                .into_iter()
                .map(|bound| bound.parameter)
                .filter(|name| name.ends_with(".weight") || name.ends_with(".scale"))
                .collect(),
        )
    };
    let words = blocks(["block_one", "block_two", "block_three"], ["norm_mid", "norm_final"]);
    let found = order(&ORDERED, &words).unwrap();
    assert_eq!(found[1..5], ["block_one.conv1.weight", "block_one.norm_mid.scale", "block_one.conv2.weight", "block_one.norm_final.scale"]);
    assert_eq!([&found[5], &found[9]], ["block_two.conv1.weight", "block_three.conv1.weight"]);
    assert!(
        order(&SORTED, &words).unwrap_err().contains("neither their names nor the file, whose tensors are sorted, say which comes first")
    );
    let words = blocks(["block_x", "block_b", "block_a"], ["bn1", "bn2"]);
    assert!(order(&SORTED, &words).unwrap_err().contains("layer `block_b`: could stand where `block_a` does"));
    // Numbers tell, whatever the order of the file.
    let numbered = order(&SORTED, &blocks(["layer.10", "layer.2", "layer.1"], ["bn2", "bn1"])).unwrap();
    assert_eq!([&numbered[1], &numbered[2], &numbered[9]], ["layer.1.conv1.weight", "layer.1.bn1.scale", "layer.10.conv1.weight"]);
}

#[test]
fn blocks_of_any_words_are_residual_where_a_convolution_stands_before_them() {
    let block = |path: &str, [one, two]: [&str; 2], inputs: usize, units: usize| {
        text(&[&format!("{path}.{one} {units}x{inputs}x3x3"), &format!("{path}.{two} {units}x{units}x3x3")])
    };
    let family = |known: &Known, parts: Vec<String>| {
        infer(&listed(&parts.join("\n")), known).map(|found| found.family).map_err(|error| error.to_string())
    };
    let (stem, head) = (text(&["stem 8x3x3x3"]), text(&["fc 3x8"]));
    for words in [["c1", "c2"], ["conv0", "conv1"], ["first", "second"]] {
        let parts = || vec![stem.clone(), block("blocks.0", words, 8, 8), block("blocks.1", words, 8, 8), head.clone()];
        assert!(family(&ORDERED, parts()).unwrap().starts_with("a ResNet6 of 2 basic blocks"), "{words:?}");
        assert_eq!(family(&SORTED, parts()).is_ok(), words[0] != "first", "{words:?}");
    }
    // Without a convolution before them nothing can lead around the first.
    let plain = vec![block("stage1", ["conv1", "conv2"], 3, 8), block("stage2", ["conv1", "conv2"], 8, 8), head.clone()];
    assert!(family(&ORDERED, plain).unwrap().starts_with("a sequence of 4 convolutions"));
    // Parts of blocks deeper inside may be added up, numbers alone may not.
    let deep = |path: &str| block(path, ["conv1.conv", "conv2.conv"], 8, 8);
    let error = family(&ORDERED, vec![stem.clone(), deep("blocks.0"), deep("blocks.1"), head.clone()]).unwrap_err();
    assert!(error.contains("layer `blocks.0`: has several layers and gives as many units as it reads, as `blocks.1` does"), "{error}");
    let linear = |path: &str| text(&[&format!("{path}.fc1 16x8"), &format!("{path}.fc2 8x16")]);
    assert!(family(&ORDERED, vec![text(&["stem 8x9"]), linear("blocks.0"), linear("blocks.1"), head.clone()]).is_err());
    let numbers = |path: &str| block(path, ["0", "2"], 8, 8);
    assert!(family(&ORDERED, vec![stem, numbers("stages.0"), numbers("stages.1"), head]).unwrap().starts_with("a sequence of 5"));
}

#[test]
fn norms_that_a_pytorch_file_has_before_their_convolutions_stand_there() {
    let block = |path: &str| {
        text(&[&format!("{path}.bn1 8"), &format!("{path}.conv1 8x8x3x3"), &format!("{path}.bn2 8"), &format!("{path}.conv2 8x8x3x3")])
    };
    let parts = [text(&["stem 8x3x3x3"]), block("stage.0"), block("stage.1"), text(&["final_bn 8", "fc 3x8"])].join("\n");
    let family = |known: &Known| infer(&listed(&parts), known).unwrap();
    assert!(family(&ORDERED).family.contains("norms before their convolutions"), "{}", family(&ORDERED).family);
    // A sorted file does not say so, which is told.
    assert!(
        family(&SORTED).assumed.iter().any(|line| line == "`final_bn` stands behind the first convolution, and not behind the last block")
    );
}

#[test]
fn blocks_of_flax_have_their_last_convolution_around_them_where_it_fits_there_alone() {
    let block = |path: &str, inputs: usize, units: usize| {
        let mut layers = vec![format!("{path}.Conv_0 {units}x{inputs}x3x3"), format!("{path}.Conv_1 {units}x{units}x3x3")];
        layers.extend((inputs != units).then(|| format!("{path}.Conv_2 {units}x{inputs}x1x1")));
        layers.extend((0..layers.len()).map(|number| format!("{path}.BatchNorm_{number} {units}")));
        text(&layers.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let parts =
        [text(&["Conv_0 8x3x3x3", "BatchNorm_0 8"]), block("Block_0", 8, 8), block("Block_1", 8, 16), text(&["Dense_0 3x16"])].join("\n");
    let found = infer(&listed(&parts), &SORTED).unwrap();
    assert!(found.family.starts_with("a ResNet6 of 2 basic blocks"), "{}", found.family);
    // Of blocks in one list, one that widens halves the image.
    let strides = |layer: &Layer| match layer {
        Layer::Residual { shortcut, .. } => shortcut.iter().any(|layer| matches!(layer, Layer::Conv { stride: 2, .. })),
        _ => false,
    };
    assert_eq!(found.architecture.layers.iter().filter(|layer| strides(layer)).count(), 1);
}

#[test]
fn a_network_that_is_said_takes_sorted_tensors_by_their_numbers_and_not_by_their_letters() {
    let blueprint: onebasin_network::Blueprint = toml::from_str(&format!("family = 'mlp'\nhidden = {:?}", [4; 11])).unwrap();
    let graph = Graph::build(&blueprint.build(Shape::new(4, 1, 1), 4).unwrap()).unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("w{number} 4x4")).collect();
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let tensors = listed(&text(&sorted));
    let bound = bind(&graph, &tensors, &[], false).unwrap().bound;
    let of_third = bound.iter().find(|bound| bound.parameter == "fc3.weight").unwrap();
    assert_eq!(tensors[of_third.tensor].name, "w2.weight");
    let blueprint: onebasin_network::Blueprint = toml::from_str("family = 'mlp'\nhidden = [4, 4]").unwrap();
    let graph = Graph::build(&blueprint.build(Shape::new(4, 1, 1), 4).unwrap()).unwrap();
    let words = listed(&text(&["enc 4x4", "lower 4x4", "top 4x4"]));
    assert!(bind(&graph, &words, &[], true).is_ok(), "a PyTorch file has an order");
    let error = bind(&graph, &words, &[], false).unwrap_err().to_string();
    assert!(
        error.contains("layer `lower`: has the shape of `enc`, and neither their names nor the file")
            && error.contains("hint: a table `names`"),
        "{error}"
    );
}
