//! Keys that nothing reads: refused, or told.

use onebasin::spec::Overrides;

use super::{SOUND, parse, shown};

#[test]
fn residual_bodies_that_begin_at_zero_are_refused_where_no_network_has_a_norm_at_their_end() {
    let (training, pair) = ("epochs = 3", "architecture = \"small\"");
    let asked = SOUND.replacen(training, &format!("{training}\nzero-init-residual = true"), 1);
    let with = |architecture: &str, norm: &str| {
        let text = asked.replacen(pair, &format!("architecture = \"{architecture}\""), 1).replacen("norm = \"layer\"", norm, 1);
        parse(&text, &Overrides::default()).map(|_| ()).map_err(|error| error.to_string())
    };
    for (architecture, norm) in [("small", ""), ("deep", ""), ("deep", "norm = \"none\"")] {
        let error = with(architecture, norm).unwrap_err();
        assert!(error.contains("`trainings.adam.zero-init-residual` is true, but no network") && error.contains("hint: "), "{error}");
        // The sign stands below the key or its value.
        assert!(error.contains("zero-init-residual = true"), "{error}");
    }
    with("deep", "norm = \"layer\"").unwrap();
    with("deep", "norm = \"batch\"").unwrap();
    // One training may serve networks that have such norms and others.
    let both = asked.replacen(pair, &format!("{pair}\ntraining = \"adam\"\n\n[[pairs]]\ndataset = \"glyphs\"\narchitecture = \"deep\""), 1);
    parse(&both, &Overrides::default()).unwrap();
}

#[test]
fn keys_that_nothing_could_read_are_refused() {
    let curve = "matching = { by = \"c2m3\" }\nmodels = [\"a\", \"b\"]\nmerging = { by = \"curve\", training = \"folding\" }";
    let folding = "\n\n[trainings.folding]\nepochs = 1\nfold-norms = true\noptimizer = { kind = \"adam\", learning-rate = 1e-3 }";
    let matching = "matching = { by = \"c2m3\" }";
    let with_folding = |method: &str| format!("{method}{folding}");
    for (from, to, says) in [
        (
            "epochs = 3",
            "epochs = 3\nfold-norms = true".to_owned(),
            "`trainings.adam.fold-norms` is true, but no network trained so has a batch norm",
        ),
        (
            matching,
            with_folding(&format!("{matching}\nfine-tuning = \"folding\"")),
            "`trainings.folding.fold-norms` is true, but no network",
        ),
        (matching, with_folding(curve), "`trainings.folding` has `fold-norms`, but what lies on a curve keeps its norms"),
        ("seed = 42", "seed = 42\nreplay = 5".to_owned(), "`replay` is for methods with `sequential`, and there is none"),
        (
            matching,
            "matching = { by = \"wb-fusion\", regularisation = 0.5 }".to_owned(),
            "`regularisation` is `0.5`, expected `plan = \"sinkhorn\"` beside it",
        ),
        (
            matching,
            "matching = { by = \"wb-fusion\", iterations = 5 }".to_owned(),
            "`iterations` is `5`, expected `plan = \"sinkhorn\"` beside it",
        ),
        (
            matching,
            "matching = { by = \"straight-through\", keep = \"last\", every = 3 }".to_owned(),
            "`every` is `3`, expected `keep = \"best\"` beside it",
        ),
        (
            matching,
            "matching = { by = \"straight-through\", keep = \"last\", images = 30 }".to_owned(),
            "`images` is `30`, expected `keep = \"best\"` beside it",
        ),
        (
            matching,
            "matching = { by = \"identity\" }\nmerging = { by = \"mean\", columns = \"unaligned\" }".to_owned(),
            "`methods[1].merging.columns` changes nothing: `matching` is \"identity\"",
        ),
        (
            matching,
            "matching = { by = \"identity\" }\nsequential = { onto = \"next\" }".to_owned(),
            "`methods[1].sequential.onto` changes nothing: `matching` is \"identity\"",
        ),
        (
            "lambdas = 25",
            "lambdas = 4\nepochs = [1, 2]".to_owned(),
            "`evaluation.epochs` measures the middle of lines, and of `lambdas` = 4 points on a line none lies there",
        ),
        (
            matching,
            "matching = { by = \"activation-matching\", activations = { images = 20_000, drawn = true } }".to_owned(),
            "`methods[1].matching.activations.drawn` is true, but `images` beside it is 20000, which is all of `glyphs`",
        ),
    ] {
        let error = shown(from, &to, &Overrides::default());
        assert!(error.contains(says) && error.contains("hint: "), "{error}");
    }
    let sequence = SOUND.replacen("seed = 42", "seed = 42\nreplay = 5", 1).replacen(
        matching,
        "matching = { by = \"git-re-basin\" }\nsequential = {}",
        1,
    );
    let error = parse(&sequence, &Overrides::default()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`replay` is for sequences that train, and none has a curve or `fine-tuning`"), "{error}");
    // What is trained on may be folded where there are batch norms.
    let folded = SOUND.replacen("hidden = [32, 32]", "hidden = [32, 32]\nnorm = \"batch\"", 1).replacen(
        matching,
        &with_folding(&format!("{matching}\nfine-tuning = \"folding\"")),
        1,
    );
    parse(&folded, &Overrides::default()).unwrap();
}

#[test]
fn keys_that_another_value_leaves_idle_are_told_and_not_refused() {
    let notices = |from: &str, to: &str| {
        assert!(SOUND.contains(from), "{from}");
        parse(&SOUND.replacen(from, to, 1), &Overrides::default()).unwrap().notices.join("\n")
    };
    let steps = |milestones: &str| format!("epochs = 3\nschedule = {{ kind = \"steps\", milestones = [{milestones}] }}");
    let tuned =
        |method: &str| format!("{method}\n\n[trainings.later]\n{}\noptimizer = {{ kind = \"adam\", learning-rate = 1e-3 }}", steps("2, 4"));
    for (from, to, says) in [
        (
            "epochs = 3",
            "epochs = 3\nschedule = { kind = \"cosine\", warmup-from = 0.01 }",
            "`trainings.adam.schedule.warmup-from` is not read: there is no warm-up",
        ),
        (
            "epochs = 3",
            &steps("2, 3, 150"),
            "2 of 3 `milestones` of `trainings.adam` are not reached: on `glyphs-small` it ends before them",
        ),
        (
            "matching = { by = \"c2m3\" }",
            &tuned("matching = { by = \"c2m3\" }\nfine-tuning = \"later\""),
            "1 of 2 `milestones` of `trainings.later` are not reached",
        ),
        (
            "matching = { by = \"c2m3\" }",
            &tuned("matching = { by = \"c2m3\" }\nmodels = [\"a\", \"b\"]\nmerging = { by = \"curve\", training = \"later\" }"),
            "1 of 2 `milestones` of `trainings.later` are not reached",
        ),
        ("hidden = [32, 32]", "hidden = [32, 32]\nepsilon = 0.1", "`architectures.small.epsilon` is not read: the network has no norms"),
        (
            "merges = [2, 3]",
            "merges = [2, 3]\nsplits = [\"test\"]\ntrain-images = 10",
            "`evaluation.train-images` says nothing: `train` is not among the splits",
        ),
        (
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"repair\", layers = \"convolutions\" }",
            "the repair of `matched` changes nothing: no network has layers that it is about",
        ),
        (
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"batch-norm\" }",
            "the repair of `matched` changes nothing",
        ),
    ] {
        let told = notices(from, to);
        assert!(told.contains(says), "{to}: {told}");
    }
    for (from, to) in [
        ("epochs = 3", "epochs = 3\nschedule = { kind = \"cosine\", warmup-steps = 2, warmup-from = 0.01 }"),
        ("epochs = 3", &steps("1, 2")),
        ("hidden = [32, 32]", "hidden = [32, 32]\nepsilon = 0.1\nnorm = \"layer\""),
        ("merges = [2, 3]", "merges = [2, 3]\ntrain-images = 10"),
        ("matching = { by = \"c2m3\" }", "matching = { by = \"c2m3\" }\nrepair = { kind = \"repair\", layers = \"hidden\" }"),
        ("hidden = [32, 32]", "hidden = [32, 32]\nnorm = \"batch\""),
    ] {
        let told = notices(from, to);
        assert!(!told.contains("not read") && !told.contains("reached") && !told.contains("nothing"), "{to}: {told}");
    }
}
