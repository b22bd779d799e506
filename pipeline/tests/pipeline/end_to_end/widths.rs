//! Models of several widths: transported onto each other, pruned, taught.

use super::place::Place;
use super::rows::Rows;

const SPEC: &str = r#"
name = "smoke"
models = [{ name = "wide" }, { name = "narrow" }, { name = "pruned", pruned = { from = "wide", norm = "l2" } }]

[datasets.tiny-glyphs]
format = "glyphs"
train = 400
test = 200
size = 12
difficulty = 0.3

[architectures.mlp]
family = "mlp"
hidden = [16, 12]

[architectures.half]
family = "mlp"
hidden = [8, 6]

[trainings.adam]
epochs = 2
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "mlp"
architectures = { narrow = "half", pruned = "half" }
training = "adam"

[[methods]]
name = "into-wide"
models = ["wide", "narrow"]
matching = { by = "ot-fusion", correction = "as-published", append-vectors = false, output = "transported" }

[[methods]]
name = "into-narrow"
models = ["wide", "narrow"]
matching = { by = "ot-fusion", reference = "narrow" }

[[methods]]
name = "by-activations"
models = ["wide", "narrow"]
matching = { by = "ot-fusion", reference = "narrow", features = "activations", activations = { tap = "before-relu", images = 100 }, output = "transported", residual = "skips" }

[[methods]]
name = "back"
models = ["wide", "pruned"]
matching = { by = "ot-fusion", reference = "pruned" }

[[methods]]
name = "alike"
models = ["narrow", "pruned"]
matching = { by = "git-re-basin", reference = "narrow" }

[[methods]]
name = "ensemble"
models = ["wide", "narrow"]
merging = { by = "ensemble", coefficients = [0.75, 0.25] }

[[methods]]
name = "taught"
models = ["wide", "narrow"]
matching = { by = "ot-fusion", reference = "narrow" }
fine-tuning = "adam"
distillation = { teachers = ["wide"], temperature = 4 }

[[methods]]
name = "fresh-taught"
models = ["wide", "narrow"]
merging = { by = "fresh", like = "narrow" }
fine-tuning = "adam"
distillation = { teachers = ["wide"], temperature = 4, mean = "elements" }

[evaluation]
lambdas = 3
pairs = [["wide", "narrow"], ["narrow", "wide"], ["narrow", "pruned"]]
splits = ["train"]
class-accuracy = true
"#;

#[test]
fn models_of_several_widths_are_merged_into_either_and_the_result_has_the_shape_of_the_reference() {
    let place = Place::with(SPEC);
    let ran = place.complete(&[]).ran();
    let of = |kind: &str| ran.iter().filter(|stage| stage.starts_with(kind)).cloned().collect::<Vec<_>>();
    assert_eq!(of("prune/"), ["prune/tiny-glyphs-mlp/replicate-0/pruned"]);
    assert_eq!((of("train/").len(), of("moments/").len(), of("fine-tune/").len()), (2, 1, 2));
    // Four bytes for each number of a network, and little else.
    let numbers = |[first, second]: [u64; 2]| 4 * (144 * first + first + first * second + second + second * 10 + 10);
    let sizes = |kind: &str| -> Vec<bool> {
        let kind = format!("\"kind\":\"{kind}\"");
        let entries = place.entries().into_iter();
        let mut sizes: Vec<u64> = entries
            .filter(|entry| std::fs::read_to_string(entry.join("recipe.json")).unwrap().replace(' ', "").contains(&kind))
            .map(|entry| std::fs::metadata(entry.join("weights.safetensors")).unwrap().len())
            .collect();
        sizes.sort_unstable();
        sizes.into_iter().map(|size| size > numbers([16, 12])).collect()
    };
    // `taught` begins with what `into-narrow` merges.
    assert_eq!(sizes("merge"), [false, false, false, false, true]);
    assert_eq!(sizes("prune"), [false]);
    assert_eq!(sizes("train"), [false, false, false, true], "two models, two that are taught");
    let (merged, models) = (Rows::read(&place, "merged.csv"), Rows::read(&place, "models.csv"));
    let loss = |method: &str| merged.number(merged.with(&[("method", method)])[0], "loss");
    assert!(models.number(models.with(&[("model", "pruned")])[0], "loss").is_finite());
    assert!(loss("taught") < loss("into-narrow"), "what is taught learns");
    assert!(loss("fresh-taught") < (10f64).ln(), "and so do fresh weights");
    // An ensemble that counts its members alike is another one.
    let alike = Place::with(&SPEC.replace(", coefficients = [0.75, 0.25]", ""));
    place.copy_into(alike.path());
    std::fs::write(alike.path().join("smoke.toml"), SPEC.replace(", coefficients = [0.75, 0.25]", "")).unwrap();
    let again = alike.complete(&[]).ran();
    assert!(again.iter().all(|stage| !stage.starts_with("train/")), "{again:?}");
    let other = Rows::read(&alike, "merged.csv");
    assert_ne!(other.number(other.with(&[("method", "ensemble")])[0], "loss"), loss("ensemble"));
    // Lines begin at the fixed model and end at the other one in its shape; of a plan that is not the other one itself.
    let lines = Rows::read(&place, "barriers.csv");
    let start = lines.with(&[("method", "into-narrow"), ("fixed", "narrow"), ("permutee", "wide"), ("lambda", "0.0")]);
    let own = models.number(models.with(&[("model", "narrow")])[0], "loss");
    assert!((lines.number(start[0], "loss") - own).abs() < 1e-5, "{} and {own}", lines.number(start[0], "loss"));
    assert!(lines.rows.iter().all(|row| lines.number(row, "loss").is_finite()));
}

#[test]
fn what_needs_one_width_is_refused_before_anything_runs() {
    let refused = |from: &str, to: &str, expected: &str| {
        assert!(SPEC.contains(from), "{from}");
        let ended = Place::with(&SPEC.replacen(from, to, 1)).run(&[]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected) && ended.stderr.contains("hint: "), "{}", ended.stderr);
    };
    let matching = "matching = { by = \"ot-fusion\", reference = \"narrow\" }";
    refused(matching, "matching = { by = \"git-re-basin\" }", "does not match units of other numbers");
    refused(matching, "matching = { by = \"identity\" }", "does not match units of other numbers");
    refused(matching, &format!("{matching}\nrepair = {{ kind = \"repair\" }}"), "has a repair, which compares models unit by unit");
    refused("class-accuracy = true", "similarity = true", "`evaluation.similarity` is about models of one width");
    refused("hidden = [8, 6]", "hidden = [8]", "has other layers than `mlp`");
    refused("hidden = [8, 6]", "hidden = [8, 20]", "has more units than `wide`");
    refused(", pruned = \"half\"", "", "there is nothing to prune");
    refused("pruned = { from = \"wide\"", "pruned = { from = \"pruned\"", "is no model before this one");
    refused("pruned = { from = \"wide\", norm = \"l2\" }", "subset = 0.5, pruned = { from = \"wide\" }", "has no meaning beside `pruned`");
    refused("architectures = { narrow = \"half\"", "architectures = { narow = \"half\"", "unknown model `narow`");
    refused("teachers = [\"wide\"], temperature = 4 }", "teachers = [\"wide\"], temperature = 0 }", "`temperature` is `0`");
    refused("fine-tuning = \"adam\"\ndistillation", "distillation", "`distillation` says what `fine-tuning` learns");
    refused(
        "merging = { by = \"fresh\", like = \"narrow\" }\nfine-tuning = \"adam\"\n",
        "merging = { by = \"fresh\" }\n",
        "fresh weights that nothing trains",
    );
}
