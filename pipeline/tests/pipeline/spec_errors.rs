//! What a person reads when a spec is wrong: every text, whole.

use std::fmt::Write;
use std::path::Path;

use crate::settings::lines;
use onebasin::experiment;
use onebasin::spec::{self, Overrides};
use onebasin_datasets::SearchPaths;

mod idle_keys;
mod in_layers;
mod in_vain;

/// A sound spec; each case spoils one thing.
const SOUND: &str = r#"name = "table-1"
seed = 42
models = 3

[architectures.small]
family = "mlp"
hidden = [32, 32]

[architectures.deep]
family = "resnet"
depth = 20
width = 16
norm = "layer"

[trainings.adam]
epochs = 3
optimizer = { kind = "adam", learning-rate = 1e-3 }

[[pairs]]
dataset = "glyphs"
architecture = "small"
training = "adam"

[[methods]]
name = "naive"
matching = { by = "identity" }

[[methods]]
name = "matched"
matching = { by = "c2m3" }

[evaluation]
lambdas = 25
merges = [2, 3]

[profiles.cpu.trainings.adam]
epochs = 1
"#;

/// The methods of the sound spec, from the first one's matching on.
const BOTH_METHODS: &str =
    "matching = { by = \"identity\" }\n\n[[methods]]\nname = \"matched\"\nmatching = { by = \"c2m3\" }\n\n[evaluation]";

fn parse(text: &str, overrides: &Overrides) -> Result<spec::Experiment, spec::SpecError> {
    experiment::parse(text, Path::new("table-1.toml"), overrides, &SearchPaths::offline([], "/nonexistent"))
}

/// The text shown when `from` stands as `to` in the sound spec.
fn shown(from: &str, to: &str, overrides: &Overrides) -> String {
    assert!(from.is_empty() || SOUND.contains(from), "the sound spec has no `{from}`");
    let text = if from.is_empty() { format!("{to}{SOUND}") } else { SOUND.replacen(from, to, 1) };
    match parse(&text, overrides) {
        Ok(_) => panic!("no fault found with `{to}`"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_sound_spec_is_sound() {
    let experiment = parse(SOUND, &Overrides::default()).unwrap();
    assert_eq!(experiment.pairs[0].name().to_string(), "glyphs-small");
    assert_eq!(lines(&experiment), ["a..b", "a..c", "b..c"]);
}

#[test]
fn every_fault_of_a_spec_is_told_with_file_line_key_and_hint() {
    let cases = [
        ("unknown key at the top", "seed = 42", "sead = 42"),
        ("unknown key in a pair", "training = \"adam\"", "training = \"adam\"\nbatch = 3"),
        ("unknown key in a training", "epochs = 3", "epoch = 3"),
        ("unknown key in an optimizer", "learning-rate = 1e-3", "learning-rate = 1e-3, momentun = 0.9"),
        ("unknown key in an architecture", "hidden = [32, 32]", "hiden = [32, 32]"),
        ("unknown key in a matching", "by = \"c2m3\"", "by = \"c2m3\", iteration = 3"),
        ("unknown key in a profile", "[profiles.cpu.trainings.adam]\nepochs = 1", "[profiles.cpu.trainings.adam]\nepoch = 1"),
        ("missing key", "seed = 42\nmodels = 3", "seed = 42"),
        ("missing key in a table", "optimizer = { kind = \"adam\", learning-rate = 1e-3 }", "optimizer = { kind = \"adam\" }"),
        ("wrong type at the top", "seed = 42", "seed = \"forty-two\""),
        ("wrong type in a training", "epochs = 3", "epochs = \"three\""),
        ("wrong type in an optimizer", "learning-rate = 1e-3", "learning-rate = \"fast\""),
        ("wrong type in a list", "hidden = [32, 32]", "hidden = [32, \"32\"]"),
        ("wrong type in an evaluation", "merges = [2, 3]", "merges = 2"),
        ("unknown data set", "dataset = \"glyphs\"", "dataset = \"mnits\""),
        ("an unknown stand-in", "dataset = \"glyphs\"", "dataset = \"mnist\"\nstand-in = \"glyhps\""),
        ("unknown architecture", "architecture = \"small\"", "architecture = \"smal\""),
        ("unknown training", "training = \"adam\"", "training = \"adamw\""),
        ("unknown family", "family = \"mlp\"", "family = \"mpl\""),
        ("unknown matching", "by = \"c2m3\"", "by = \"c2m\""),
        ("unknown optimizer", "kind = \"adam\"", "kind = \"adan\""),
        ("unknown augmentation", "epochs = 3", "epochs = 3\naugmentation = \"cifar-c2m\""),
        ("a setting of an augmentation out of range", "epochs = 3", "epochs = 3\naugmentation = [{ kind = \"flip\", probability = 2.0 }]"),
        ("no images measured", "merges = [2, 3]", "images = 0"),
        ("unknown split", "merges = [2, 3]", "splits = [\"train\", \"valid\"]"),
        ("unknown model in a pair", "merges = [2, 3]", "pairs = [[\"a\", \"d\"]]"),
        ("impossible depth", "depth = 20", "depth = 21"),
        ("zero models", "models = 3", "models = 0"),
        ("models of a wrong type", "models = 3", "models = \"three\""),
        ("duplicate model names", "models = 3", "models = [{ name = \"a\" }, { name = \"b\" }, { name = \"a\" }]"),
        ("a share that is none", "models = 3", "models = [{ name = \"a\", subset = 1.5 }, { name = \"b\" }, { name = \"c\" }]"),
        (
            "a share of zero in a table",
            "models = 3",
            "models = [{ name = \"a\", subset = { share = 0.0 } }, { name = \"b\" }, { name = \"c\" }]",
        ),
        ("duplicate method names", "name = \"matched\"", "name = \"naive\""),
        ("a method named like the models before merging", "name = \"matched\"", "name = \"endpoints\""),
        ("a method without a matching", "matching = { by = \"c2m3\" }", ""),
        ("an unknown repair", "matching = { by = \"c2m3\" }", "matching = { by = \"c2m3\" }\nrepair = { kind = \"repare\" }"),
        (
            "unknown key in a repair",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"repair\", image = 3 }",
        ),
        (
            "unknown end points",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"repair\", endpoints = \"all\" }",
        ),
        (
            "a repair by no images",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"batch-norm\", images = 0 }",
        ),
        (
            "a repair in batches of none",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"repair\", batch = 0 }",
        ),
        ("an ensemble that is repaired", "matching = { by = \"c2m3\" }", "merging = { by = \"ensemble\" }\nrepair = { kind = \"repair\" }"),
        ("an ensemble that is matched", "matching = { by = \"c2m3\" }", "matching = { by = \"c2m3\" }\nmerging = { by = \"ensemble\" }"),
        (
            "coefficients that fit no merge",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nmerging = { by = \"mean\", coefficients = [0.5, 0.5] }",
        ),
        (
            "coefficients that do not add up",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nmerging = { by = \"mean\", coefficients = [0.5, 0.6] }",
        ),
        (
            "a pair listed twice",
            "training = \"adam\"",
            "training = \"adam\"\n[[pairs]]\ndataset = \"glyphs\"\narchitecture = \"small\"\ntraining = \"adam\"",
        ),
        ("a name that is none", "name = \"table-1\"", "name = \"Table 1\""),
        ("a split named twice", "merges = [2, 3]", "splits = [\"test\", \"test\"]"),
        ("a share above one", "models = 3", "models = [{ name = \"a\", subset = 2 }, { name = \"b\" }, { name = \"c\" }]"),
        (
            "a subset of more images than there are",
            "models = 3",
            "models = [{ name = \"a\", subset = { count = 20001 } }, { name = \"b\" }]",
        ),
        (
            "a name longer than a file's",
            "name = \"matched\"",
            "name = \"a-method-whose-name-is-longer-than-any-that-fits-into-names-of-files\"",
        ),
        ("epochs that never end", "epochs = 3", "epochs = 1_000_000_000_000"),
        ("more steps than anyone waits for", "epochs = 3", "epochs = 1_000_000"),
        ("a warm-up longer than the training", "epochs = 3", "epochs = 3\nschedule = { warmup-epochs = 5 }"),
        ("a batch larger than the data", "epochs = 3", "epochs = 3\nbatch = 20001\ndrop-last = true"),
        (
            "a batch of one under a batch norm",
            "hidden = [32, 32]\n",
            "hidden = [32, 32]\nnorm = \"batch\"\n\n[trainings.one]\nepochs = 1\nbatch = 1\noptimizer = { kind = \"adam\", learning-rate = 1e-3 }\n\n[[pairs]]\ndataset = \"mnist\"\narchitecture = \"small\"\ntraining = \"one\"\n",
        ),
        (
            "a repair with more images than there are",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nrepair = { kind = \"repair\", images = 20001 }",
        ),
        ("more lines than a run gets through", "models = 3", "models = 10000"),
        ("more numbers than memory in a network", "hidden = [32, 32]", "hidden = [1_000_000, 1_000_000]"),
        ("more numbers than memory in a cost matrix", "hidden = [32, 32]", "hidden = [1_000_000]"),
        (
            "more numbers than memory in all networks",
            "models = 3\n\n[architectures.small]\nfamily = \"mlp\"\nhidden = [32, 32]",
            "models = 300\n\n[architectures.small]\nfamily = \"mlp\"\nhidden = [100_000]",
        ),
        (
            "more images than memory",
            "[[pairs]]\ndataset = \"glyphs\"",
            "[datasets.mine]\nformat = \"glyphs\"\ntrain = 10_000_000\nsize = 128\ncolour = true\n\n[[pairs]]\ndataset = \"mine\"",
        ),
        ("a text that is a number", "name = \"table-1\"", "name = 111"),
        ("a number beyond 64 bits", "seed = 42", "seed = 99999999999999999999"),
        ("a fraction where a whole number belongs", "seed = 42", "seed = 1_000.5"),
        ("three moments", "learning-rate = 1e-3", "learning-rate = 1e-3, betas = [0.9, 0.99, 0.999]"),
        ("one moment", "learning-rate = 1e-3", "learning-rate = 1e-3, betas = 0.9"),
        ("a matching without its kind", "matching = { by = \"c2m3\" }", "matching = { iterations = 3 }"),
        ("a norm without its kind", "family = \"mlp\"\nhidden = [32, 32]", "layers = [{ op = \"flatten\" }, { op = \"norm\" }]"),
        ("not TOML", "seed = 42", "seed = = 42"),
        ("a key twice", "seed = 42", "seed = 42\nseed = 43"),
        ("a negative learning rate", "learning-rate = 1e-3", "learning-rate = -1e-3"),
        ("a negative number of epochs", "epochs = 3", "epochs = -3"),
        ("no epochs", "epochs = 3", "batch = 10"),
        (
            "a repair of units by one image at a time",
            "by = \"c2m3\" }\n\n[evaluation]",
            "by = \"c2m3\" }\nrepair = { kind = \"repair\", batch = 1 }\n\n[evaluation]",
        ),
        ("one lambda", "lambdas = 25", "lambdas = 1"),
        ("more lambdas than memory", "lambdas = 25", "lambdas = 100000000000"),
        ("more merged than trained", "merges = [2, 3]", "merges = [2, 5]"),
        (
            "glyphs that cannot be drawn",
            "[[pairs]]\ndataset = \"glyphs\"",
            "[datasets.mine]\nformat = \"glyphs\"\nclasses = 1\n\n[[pairs]]\ndataset = \"mine\"",
        ),
        ("an unknown format", "[[pairs]]", "[datasets.mine]\nformat = \"idz\"\n\n[[pairs]]"),
        (
            "constants for another number of channels",
            "training = \"adam\"",
            "training = \"adam\"\nnormalisation = { mean = [0, 0, 0], deviation = [1, 1, 1] }",
        ),
        (
            "reported figures that are not there",
            "[evaluation]",
            "[reported]\nfile = \"reported/none.csv\"\nprofile = \"cpu\"\n\n[evaluation]",
        ),
        ("reported figures of unknown settings", "[evaluation]", "[reported]\nfile = \"reported/none.csv\"\n\n[evaluation]"),
        ("a cycle of two", "merges = [2, 3]", "cycles = [[\"a\", \"b\"]]"),
        ("a cycle with an unknown model", "merges = [2, 3]", "cycles = [[\"a\", \"b\", \"x\"]]"),
        ("a cycle that meets a model twice", "merges = [2, 3]", "cycles = [[\"a\", \"b\", \"a\"]]"),
        ("a cycle that is none", "merges = [2, 3]", "cycles = [\"a\", \"b\", \"c\"]"),
        ("a similarity that is neither true nor false", "merges = [2, 3]", "similarity = \"yes\""),
        ("a plane of two models", "merges = [2, 3]", "plane = { models = [\"a\", \"b\"] }"),
        ("a plane without a middle", "merges = [2, 3]", "plane = { points = 20 }"),
        ("a plane larger than memory", "merges = [2, 3]", "plane = { points = 100001 }"),
        ("an unknown key of a plane", "merges = [2, 3]", "plane = { image = 500 }"),
        (
            "a part without an image",
            "models = 3",
            "models = [{ name = \"a\", subset = { parts = [{ skip = 20000 }] } }, { name = \"b\" }, { name = \"c\" }]",
        ),
        (
            "a part without a label",
            "models = 3",
            "models = [{ name = \"a\", subset = { parts = [{ except = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }] } }, { name = \"b\" }, { name = \"c\" }]",
        ),
        (
            "a subset said twice",
            "models = 3",
            "models = [{ name = \"a\", subset = { share = 0.5, count = 9 } }, { name = \"b\" }, { name = \"c\" }]",
        ),
        ("no iterates", "merges = [2, 3]", "iterates = 0"),
        ("iterates of an unknown group", "merges = [2, 3]", "iterates = { group = \"fc3\" }"),
        ("iterates of an unknown model", "merges = [2, 3]", "iterates = { model = \"d\" }"),
        ("iterates that are a text", "merges = [2, 3]", "iterates = \"six\""),
        ("an unknown key of iterates", "merges = [2, 3]", "iterates = { counts = 6 }"),
        ("iterates of another ascent", "by = \"c2m3\" }\n\n[evaluation]", "by = \"frank-wolfe\" }\n\n[evaluation]\niterates = 6"),
        ("variances over more images than there are", "[evaluation]", "[evaluation]\nvariances = 1000000"),
        ("margins of nothing", "by = \"c2m3\" }\n\n[evaluation]", "by = \"identity\" }\n\n[evaluation]\nmargins = true"),
        ("a subset with an unknown model", "merges = [2, 3]", "merges = [2, [\"a\", \"d\"]]"),
        ("a subset of one", "merges = [2, 3]", "merges = [2, [\"a\"]]"),
        ("a subset listed twice", "merges = [2, 3]", "merges = [[\"a\", \"b\"], [\"b\", \"a\"]]"),
        ("subsets of all models", "merges = [2, 3]", "subsets = [2, 3]"),
        ("subsets of one", "merges = [2, 3]", "subsets = [1]"),
        ("joint subsets without subsets", "merges = [2, 3]", "joint-subsets = true"),
        ("features of one image", "merges = [2, 3]", "features = { images = 1 }"),
        ("features that are a number", "merges = [2, 3]", "features = 1000"),
        (
            "features of a network that ends in a pool",
            "hidden = [32, 32]",
            "hidden = [32, 32]\n\n[architectures.pooled]\nlayers = [{ op = \"conv\", out = \"classes\" }, { op = \"global-mean\" }]\n\n\
             [[pairs]]\ndataset = \"glyphs\"\narchitecture = \"pooled\"\ntraining = \"adam\"\n\n[profiles.all]\nevaluation.features = true",
        ),
        ("a merge of text", "merges = [2, 3]", "merges = [\"a\"]"),
        ("no matching seeds", "matching = { by = \"c2m3\" }", "matching = { by = \"git-re-basin\" }\nmatching-seeds = 0"),
        (
            "matching seeds of a method that draws nothing",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"c2m3\" }\nmatching-seeds = 9",
        ),
        ("an unknown reference", "by = \"c2m3\"", "by = \"git-re-basin\", reference = \"d\""),
        ("a reference beyond the models", "by = \"c2m3\"", "by = \"frank-wolfe\", reference = 3"),
        ("a reference that is not merged", "by = \"c2m3\"", "by = \"ot-fusion\", reference = \"c\""),
        ("a reference of a method without one", "by = \"c2m3\"", "by = \"c2m3\", reference = \"a\""),
        ("a number where a list of starts belongs", "by = \"c2m3\"", "by = \"c2m3\", restarts = 2, refine = 2"),
        ("a list where a start belongs", "by = \"c2m3\"", "by = \"frank-wolfe\", start = [\"identity\"]"),
        ("a table where a number belongs", "by = \"c2m3\"", "by = \"frank-wolfe\", trials = { a = 1 }"),
        ("a number in a list of starts", "by = \"c2m3\"", "by = \"c2m3\", restarts = [2], refine = 2"),
        ("a start with the name of the method", "by = \"c2m3\"", "by = \"c2m3\", start = \"c2m3\""),
        ("an unknown start of a pair", "by = \"c2m3\"", "by = \"frank-wolfe\", start = \"barycentre\""),
        ("a start that only many models have", "by = \"c2m3\"", "by = \"frank-wolfe\", start = \"merge-many\""),
        ("no trials", "by = \"c2m3\"", "by = \"frank-wolfe\", start = \"sinkhorn\", trials = 0"),
        ("trials of a start that draws nothing", "by = \"c2m3\"", "by = \"frank-wolfe\", start = \"barycenter\", trials = 10"),
        (
            "matching seeds of a start that draws nothing",
            "matching = { by = \"c2m3\" }",
            "matching = { by = \"frank-wolfe\", start = \"barycenter\" }\nmatching-seeds = 10",
        ),
        ("profiles that are no tables", "[profiles.cpu.trainings.adam]\nepochs = 1", "[profiles]\ncpu = 1"),
    ];
    let mut texts = String::new();
    for (title, from, to) in cases {
        write!(texts, "## {title}\n\n{}\n\n", shown(from, to, &Overrides::default())).unwrap();
    }
    insta::assert_snapshot!("spec_errors", texts);
}

#[test]
fn a_spec_that_is_not_there_or_is_a_folder_is_told() {
    let load = |path: &str| {
        experiment::load(Path::new(path), &Overrides::default(), &SearchPaths::offline([], "/nonexistent")).unwrap_err().to_string()
    };
    assert!(load("nowhere/spec.toml").starts_with("cannot read the spec `nowhere/spec.toml`: "), "{}", load("nowhere/spec.toml"));
    assert!(load("src").starts_with("cannot read the spec `src`: it is a folder"), "{}", load("src"));
}

#[test]
fn a_long_list_of_layers_is_refused_before_it_is_read() {
    let layers = "{ op = \"relu\" }, ".repeat(20_001);
    let text = SOUND.replace("family = \"mlp\"\nhidden = [32, 32]", &format!("layers = [{layers}]"));
    let error = parse(&text, &Overrides::default()).unwrap_err().to_string();
    assert!(error.starts_with("`architectures.small.layers` has 20001 layers, expected at most 20000"), "{}", &error[..200]);
}

#[test]
fn a_file_that_is_no_spec_by_its_length_or_bytes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let load = |bytes: &[u8]| {
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, bytes).unwrap();
        experiment::load(&path, &Overrides::default(), &SearchPaths::offline([], "/nonexistent")).unwrap_err().to_string()
    };
    assert!(load(b"name = \"a\"\nseed = 1 # \xff\n").contains("line 2 is not UTF-8"));
    assert!(load(&vec![b'#'; (1 << 20) + 1]).contains("it is longer than 1048576 bytes"));
}

#[test]
fn what_a_data_set_has_wrong_is_blamed_on_it_and_not_on_the_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let spec = |size: &str| {
        let table = format!("[datasets.own]\nformat = \"idx\"\ndirectory = \"own\"\nclasses = 2{size}\n\n[[pairs]]\ndataset = \"own\"");
        SOUND.replacen("[[pairs]]\ndataset = \"glyphs\"", &table, 1)
    };
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let write = |rows: [u8; 4]| {
        for split in ["train", "t10k"] {
            let header = [[0, 0, 8, 3], [0, 0, 0, 3], [0, 0, 0, 4], rows].concat();
            std::fs::write(own.join(format!("{split}-images-idx3-ubyte")), [header, vec![0; 48]].concat()).unwrap();
            std::fs::write(own.join(format!("{split}-labels-idx1-ubyte")), [0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 0]).unwrap();
        }
    };
    let places = SearchPaths::offline([folder.path().to_owned()], folder.path().join("cache"));
    let load =
        |text: &str| experiment::parse(text, Path::new("table-1.toml"), &Overrides::default(), &places).map_err(|error| error.to_string());
    write([0, 0, 0, 4]);
    load(&spec("")).unwrap();
    let wrong_size = load(&spec("\nsize = [3000, 3000]")).unwrap_err();
    assert!(
        wrong_size.contains("size of the images: expected 3000x3000, got 4x4") && wrong_size.contains("[datasets.own]"),
        "{wrong_size}"
    );
    let too_large = load(&spec("\nsize = [10, 2147483648]")).unwrap_err();
    assert!(too_large.contains("got `[10, 2147483648]`") && too_large.contains("size = ["), "{too_large}");
    let repaired = spec("").replace("by = \"c2m3\" }", "by = \"c2m3\" }\nrepair = { kind = \"repair\", images = 4 }");
    let too_few = load(&repaired).unwrap_err();
    assert!(too_few.contains("`methods[1].repair.images` is 4, but `own` has 3 training images"), "{too_few}");
    write([128, 0, 0, 0]);
    let header = load(&spec("")).unwrap_err();
    assert!(header.contains("train-images-idx3-ubyte`: header: expected images of at most"), "{header}");
    assert!(header.contains("[datasets.own]") && !header.contains("architectures"), "{header}");
}

#[test]
fn tables_that_nothing_uses_and_methods_that_merge_nothing_are_worth_a_word() {
    let notices = |text: &str| parse(text, &Overrides::default()).unwrap().notices;
    assert_eq!(notices(SOUND), ["no pair uses `[architectures.deep]`"]);
    let used = SOUND.replace("[profiles.cpu.trainings.adam]\nepochs = 1", "[profiles.cpu.pairs.0]\narchitecture = \"deep\"");
    assert_eq!(notices(&used), Vec::<String>::new());
    let alone = SOUND.replace("models = 3", "models = 1").replace("merges = [2, 3]", "");
    assert!(notices(&alone).iter().any(|notice| notice.contains("`models` is 1")), "{:?}", notices(&alone));
}
