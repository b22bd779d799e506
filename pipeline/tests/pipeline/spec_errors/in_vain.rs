//! What is asked for in vain, or twice: nothing of it is left unread.

use std::fmt::Write;

use super::{BOTH_METHODS, SOUND, parse, shown};
use onebasin::spec::Overrides;

#[test]
fn a_key_of_a_transport_that_nothing_would_read_is_told_where_it_is_written() {
    let default = Overrides::default();
    for (keys, key, says) in [
        ("mass = 0.5", "mass", "`mass` is `0.5`, expected `plan = \"partial\"` beside it"),
        ("plan = \"partial\", mass = 2", "mass", "`mass` is `2`, expected a share above 0, at most 1"),
        ("plan = \"unbalanced\", relaxation = 0", "relaxation", "`relaxation` is `0`, expected a finite number above 0"),
        (
            "regularisation = 0.5",
            "regularisation",
            "`regularisation` is `0.5`, expected `plan = \"sinkhorn\"` or `\"unbalanced\"` beside it",
        ),
        ("clip-costs = [-2, -1]", "clip-costs", "`clip-costs` is `[-2, -1]`, expected two numbers"),
        ("relaxation = 3", "relaxation", "`relaxation` is `3`, expected `plan = \"unbalanced\"` beside it"),
        ("activations = { images = 9 }", "activations", "expected `features = \"activations\"` beside it"),
        ("features = \"activations\", activations = { images = 0 }", "images", "`images` is `0`"),
        ("iterations = 5", "iterations", "`iterations` is `5`, expected `plan = \"sinkhorn\"` or `\"unbalanced\"` beside it"),
        ("plan = \"partial\", tolerance = 1e-3", "tolerance", "`tolerance` is `0.001`, expected `plan = \"sinkhorn\"`"),
        ("features = \"activations\", iterated = true", "iterated", "`iterated` is `true`, expected `features = \"weights\"`"),
    ] {
        let text = format!("by = \"ot-fusion\", {keys}");
        let error = shown("by = \"c2m3\"", &text, &default);
        let line = error.lines().find(|line| line.contains("by = \"ot-fusion\"")).unwrap_or_else(|| panic!("{error}"));
        let mark = error.lines().find(|line| line.contains('^')).unwrap_or_else(|| panic!("{error}"));
        assert!(error.contains(says) && error.contains("hint: "), "{error}");
        // The sign stands below the key or its value.
        let (sign, place) = (mark.find('^').unwrap(), line.rfind(key).unwrap());
        assert!(sign >= place && sign <= place + key.len() + 4, "{error}");
    }
}

#[test]
fn what_can_have_no_effect_or_no_meaning_is_refused() {
    for (from, to, says) in [
        ("name = \"matched\"", "name = \"b\"", "method `b` has the name of a model"),
        ("merges = [2, 3]", "merges = [2, 3, 2]", "`evaluation.merges` holds 2 twice"),
        ("by = \"c2m3\" }", "by = \"c2m3\" }\nrepair = { kind = \"repair\", images = 1 }", "`methods[1].repair.images` should be from 2"),
        (
            "matching = { by = \"c2m3\" }",
            "models = [\"a\", \"b\"]\nmerging = { by = \"ensemble\", coefficients = [-1, 2] }",
            "`coefficients` has -1: a mean of probabilities so weighed is none",
        ),
    ] {
        let error = shown(from, to, &Overrides::default());
        assert!(error.contains(says) && error.contains("hint: "), "{error}");
    }
}

#[test]
fn a_matching_by_the_loss_of_one_image_is_refused_where_batch_norms_see_one_value() {
    for (options, place, says) in [
        ("by = \"straight-through\", batch = 1", "batch", "batches of 1 image hold one value of each unit of a batch norm"),
        ("by = \"straight-through\", batch = 19_999", "batch", "the last batch has 1 image, which holds one value"),
        ("by = \"straight-through\", images = 1", "images", "1 image holds one value"),
        ("by = \"steepest-descent\", images = 1", "images", "1 image holds one value"),
    ] {
        let text = SOUND.replace("by = \"c2m3\"", options);
        parse(&text, &Overrides::default()).unwrap();
        let error = parse(&text.replace("[32, 32]", "[32, 32]\nnorm = \"batch\""), &Overrides::default()).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&format!("take another `{place}`")), "{error}");
        assert!(error.contains("`glyphs` has 20000 training images"), "{error}");
    }
}

#[test]
fn a_measurement_that_no_method_has_is_refused_where_it_is_asked_for() {
    let cases = [
        (
            "a plane without a frame",
            "matching = { by = \"c2m3\" }\n\n[evaluation]",
            "matching = { by = \"identity\" }\n\n[evaluation]\nplane = {}",
        ),
        ("cycles without lines", BOTH_METHODS, "merging = { by = \"ensemble\" }\n\n[evaluation]\ncycles = [[\"a\", \"b\", \"c\"]]"),
        ("norms without a mean", BOTH_METHODS, "merging = { by = \"ensemble\" }\n\n[evaluation]\nnorms = true"),
        (
            "variances of a mean of other models",
            "matching = { by = \"c2m3\" }\n\n[evaluation]\nlambdas = 25\nmerges = [2, 3]",
            "matching = { by = \"c2m3\" }\nmerging = { by = \"mean\", coefficients = [0.5, 0.5] }\n\n[evaluation]\nmerges = [2]\nvariances = 100",
        ),
        (
            "weights of models in another order",
            "matching = { by = \"c2m3\" }\n\n[evaluation]\nlambdas = 25\nmerges = [2, 3]",
            "matching = { by = \"c2m3\" }\nmerging = { by = \"mean\", coefficients = [1.0, 0.0] }\n\n[evaluation]\nmerges = [[\"c\", \"b\"]]",
        ),
        (
            "merges of methods with models of their own",
            BOTH_METHODS,
            "models = [\"a\", \"b\"]\nmatching = { by = \"identity\" }\n\n[evaluation]",
        ),
        (
            "a lead over what is never merged alike",
            "merges = [2, 3]",
            "merges = [[\"a\", \"b\"]]\nlead = { of = \"naive\", over = \"matched\", controls = [\"third\"] }\n\n\
             [[methods]]\nname = \"third\"\nmatching = { by = \"merge-many\" }",
        ),
    ];
    let mut texts = String::new();
    for (title, from, to) in cases {
        write!(texts, "## {title}\n\n{}\n\n", shown(from, to, &Overrides::default())).unwrap();
    }
    insta::assert_snapshot!("in_vain", texts);
}

#[test]
fn reported_figures_that_nothing_is_compared_with_are_worth_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "glyphs,small,drawn,2,accuracy,test,0.9,,0.1,x\nglyphs,small,drawn#2,2,accuracy,test,0.9,,0.1,x\nglyphs,small,other,2,accuracy,test,0.9,,0.1,x\n";
    let file = folder.path().join("reported.csv");
    std::fs::write(&file, format!("dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n{rows}")).unwrap();
    let drawn = "name = \"drawn\"\nmatching-seeds = 3\nmatching = { by = \"git-re-basin\" }\n\n[reported]\ndiffers = \"x\"";
    let text =
        SOUND.replace("name = \"matched\"\nmatching = { by = \"c2m3\" }", &format!("{drawn}\nfile = {:?}", file.display().to_string()));
    let notices = parse(&text, &Overrides::default()).unwrap().notices.join("\n");
    assert!(notices.contains("has figures of `other`, which is no method of the spec"), "{notices}");
    assert!(notices.contains("has figures of `drawn`, which are compared with nothing: its draws are `drawn#1`"), "{notices}");
}

#[test]
fn a_batch_norm_that_is_not_trained_asks_for_no_batch() {
    let network = "[architectures.small]\nfamily = \"mlp\"\nhidden = [32, 32]";
    let text = SOUND
        .replace(network, &format!("{network}\nnorm = \"batch\""))
        .replace(
            "models = 3",
            "models = [{ name = \"a\", checkpoint = \"a.safetensors\" }, { name = \"b\", checkpoint = \"b.safetensors\" }]",
        )
        .replace("merges = [2, 3]", "merges = [2]")
        .replace("training = \"adam\"\n", "");
    let told = parse(&text, &Overrides::default()).map(|_| String::new()).unwrap_or_else(|error| error.to_string());
    assert!(!told.contains("`batch` is"), "{told}");
}
