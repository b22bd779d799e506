//! Cycles, similarities, a plane, subsets and draws, on tiny networks.

use std::fs;

use super::place::Place;
use super::rows::Rows;
use super::shared::{ask_for_everything, everything, smoke};

#[test]
fn one_job_and_two_measure_everything_with_the_same_bytes() {
    let two = smoke().place.copy();
    ask_for_everything(&two);
    two.complete(&["--jobs", "2"]);
    two.assert_same_bytes(everything());
}

#[test]
fn cycles_of_joint_maps_close() {
    let place = everything();
    let cycles = Rows::read(place, "cycles.csv");
    for method in ["c2m3", "merge-many", "naive"] {
        let rows = cycles.with(&[("method", method), ("split", "test")]);
        assert_eq!(rows.len(), 5, "{method}");
        for row in &rows {
            assert_eq!((cycles.text(row, "distance"), cycles.text(row, "cycle")), ("0.0", "a-b-c"), "{method}");
            assert_eq!(cycles.text(row, "accuracy"), cycles.text(rows[0], "accuracy"), "{method}");
            assert!((cycles.number(row, "loss") - cycles.number(rows[0], "loss")).abs() < 1e-5, "{method}");
        }
    }
    // Pairs that are matched apart do not come back, but what comes back computes the same at both ends.
    for method in ["git-re-basin#1", "git-re-basin#2", "frank-wolfe"] {
        let rows = cycles.with(&[("method", method), ("split", "test")]);
        assert!(cycles.number(rows[0], "distance") > 1.0, "{method}");
        let (start, end) = (rows[0], rows[4]);
        assert_eq!((cycles.text(start, "lambda"), cycles.text(end, "lambda")), ("0.0", "1.0"));
        assert!((cycles.number(start, "loss") - cycles.number(end, "loss")).abs() < 1e-4, "{method}");
        assert!(cycles.number(rows[2], "loss") > cycles.number(start, "loss") + 1e-3, "{method}");
    }
    // The line starts at the model itself.
    let models = Rows::read(place, "models.csv");
    let own = models.with(&[("model", "a"), ("split", "test")])[0];
    let start = cycles.with(&[("method", "c2m3"), ("split", "test")])[0];
    assert!((models.number(own, "loss") - cycles.number(start, "loss")).abs() < 1e-5);
}

#[test]
fn weights_are_more_alike_once_they_are_matched() {
    let place = everything();
    let table = Rows::read(place, "similarity.csv");
    assert_eq!(table.columns.join(","), "dataset,architecture,method,replicate,first,second,parameter,cosine,distance,stage");
    let whole = |method: &str| table.with(&[("method", method), ("parameter", "all")]);
    let before = whole("endpoints");
    let pairs: Vec<(&str, &str)> = before.iter().map(|row| (table.text(row, "first"), table.text(row, "second"))).collect();
    assert_eq!(pairs, [("a", "b"), ("a", "c"), ("b", "c")]);
    for (before, after) in before.iter().zip(whole("c2m3")) {
        assert!(table.number(after, "cosine") > table.number(before, "cosine") + 0.05);
        assert!(table.number(after, "distance") < table.number(before, "distance"));
    }
    // Of a method that moves nothing, and of further draws, nothing is to be said.
    assert!(whole("naive").is_empty() && whole("git-re-basin#2").is_empty() && !whole("git-re-basin#1").is_empty());
    // The whole is made of the parts.
    let parts: f64 = table
        .with(&[("method", "c2m3"), ("first", "a"), ("second", "b")])
        .iter()
        .filter(|row| !["all", "matrices"].contains(&table.text(row, "parameter")))
        .map(|row| table.number(row, "distance").powi(2))
        .sum();
    assert!((parts.sqrt() - table.number(whole("c2m3")[0], "distance")).abs() < 1e-4);
}

#[test]
fn features_come_closer_and_stay_as_alike() {
    let place = everything();
    let table = Rows::read(place, "features.csv");
    assert_eq!(table.columns.join(","), "dataset,architecture,method,replicate,first,second,cka,distance,stage");
    let of = |method: &str| table.with(&[("method", method)]);
    let before = of("endpoints");
    let pairs: Vec<(&str, &str)> = before.iter().map(|row| (table.text(row, "first"), table.text(row, "second"))).collect();
    assert_eq!(pairs, [("a", "b"), ("a", "c"), ("b", "c")]);
    for method in ["c2m3", "merge-many", "git-re-basin#1", "frank-wolfe"] {
        assert_eq!(of(method).len(), 3, "{method}");
        for (before, after) in before.iter().zip(of(method)) {
            let alike = table.number(before, "cka");
            assert!((table.number(after, "cka") - alike).abs() < 1e-5 && (0.2..0.999).contains(&alike), "{method}");
            assert!(table.number(after, "distance") < table.number(before, "distance"), "{method}");
        }
    }
    assert!(of("naive").is_empty() && of("ensemble").is_empty());
    for picture in ["features", "layers", "similarity", "subsets"] {
        assert!(place.plot(&format!("{picture}-tiny-glyphs-mlp.svg")).exists(), "{picture}");
    }
}

#[test]
fn corners_of_the_plane_are_the_models() {
    let place = everything();
    let (plane, models) = (Rows::read(place, "plane.csv"), Rows::read(place, "models.csv"));
    let rows = plane.with(&[("method", "c2m3")]);
    assert_eq!(rows.len(), 19);
    for name in ["a", "b", "c"] {
        let own = models.with(&[("model", name), ("split", "test")])[0];
        for frame in ["own", "common"] {
            let corner = plane.with(&[("method", "c2m3"), ("vertex", name), ("frame", frame)]);
            assert_eq!(corner.len(), 1);
            // The split has 500 images, so the corner sees what the model was measured on.
            assert!((plane.number(corner[0], "loss") - models.number(own, "loss")).abs() < 1e-4, "{name} {frame}");
            assert_eq!(plane.text(corner[0], "accuracy"), models.text(own, "accuracy"));
        }
    }
    let corner = plane.with(&[("method", "c2m3"), ("vertex", "a"), ("frame", "own")])[0];
    assert_eq!((plane.text(corner, "x"), plane.text(corner, "y")), ("0.45", "0.0"));
}

#[test]
fn subsets_matched_apart_and_jointly_are_rows_of_their_own() {
    let place = everything();
    let (subsets, merged) = (Rows::read(place, "subsets.csv"), Rows::read(place, "merged.csv"));
    assert_eq!(subsets.columns.join(","), "dataset,architecture,method,replicate,models,subset,matched,split,loss,accuracy,stage");
    let names = |method: &str, matched: &str| -> Vec<&str> {
        let rows = subsets.with(&[("method", method), ("matched", matched), ("split", "test")]);
        rows.iter().map(|row| subsets.text(row, "subset")).collect()
    };
    let all = ["a+b", "b+c", "a+b+c"];
    for (method, jointly) in [("c2m3", &all[..]), ("git-re-basin#2", &all), ("frank-wolfe", &all), ("naive", &[]), ("ensemble", &[])] {
        assert_eq!((names(method, "apart"), names(method, "jointly")), (all.to_vec(), jointly.to_vec()), "{method}");
    }
    assert!(merged.rows.iter().all(|row| merged.text(row, "models") == "3"), "only counted merges stand in merged.csv");
    let matching = Rows::read(place, "matching.csv");
    assert_eq!(matching.with(&[("method", "c2m3"), ("models", "2"), ("names", "b+c")]).len(), 1);
    let loss = |method: &str, subset: &str, matched: &str| {
        let rows = subsets.with(&[("method", method), ("subset", subset), ("matched", matched), ("split", "test")]);
        subsets.number(rows[0], "loss")
    };
    // All of the models jointly are what all of them are; two of them, the middle of the line in the frame of all.
    for method in ["c2m3", "merge-many", "git-re-basin#1"] {
        let whole = merged.number(merged.with(&[("method", method), ("split", "test")])[0], "loss");
        assert_eq!(loss(method, "a+b+c", "jointly"), whole, "{method}");
    }
    let lines = Rows::read(place, "barriers.csv");
    for (first, second) in [("a", "b"), ("b", "c")] {
        let middle = lines.with(&[("method", "c2m3"), ("fixed", first), ("permutee", second), ("lambda", "0.5"), ("split", "test")])[0];
        let (ours, subset) = (lines.number(middle, "loss"), format!("{first}+{second}"));
        assert!((loss("c2m3", &subset, "jointly") - ours).abs() < 1e-5, "{subset}");
    }
    assert!(["a+b", "b+c"].iter().any(|subset| loss("c2m3", subset, "jointly") != loss("c2m3", subset, "apart")));
}

#[test]
fn a_subset_is_repaired_towards_its_own_models_in_the_frame_of_all_and_tables_say_what_was_merged() {
    let place = Place::with(
        r#"
name = "smoke"
models = 3

[datasets.tiny-glyphs]
format = "glyphs"
train = 400
test = 200
size = 12
difficulty = 0.1

[architectures.residual]
family = "resnet"
depth = 8
width = 4
norm = "layer"

[trainings.adam]
epochs = 4
batch = 20
optimizer = { kind = "adam", learning-rate = 3e-3 }

[[pairs]]
dataset = "tiny-glyphs"
architecture = "residual"
training = "adam"

[[methods]]
name = "repaired"
matching = { by = "c2m3" }
repair = { kind = "repair" }

[evaluation]
pairs = [["b", "c"]]
lambdas = 3
merges = [["b", "c"]]
joint-subsets = true
splits = ["test"]
"#,
    );
    place.complete(&[]);
    let (subsets, lines) = (Rows::read(&place, "subsets.csv"), Rows::read(&place, "barriers.csv"));
    let of = |matched: &str| subsets.number(subsets.with(&[("subset", "b+c"), ("matched", matched)])[0], "loss");
    let middle = lines.number(lines.with(&[("lambda", "0.5")])[0], "loss");
    assert!((of("jointly") / middle - 1.0).abs() < 1e-3, "{} {middle}", of("jointly"));
    assert!((of("apart") / middle - 1.0).abs() > 1e-3, "{} {middle}", of("apart"));
    // Nothing was merged by number: the table names the subsets instead, and no picture is empty.
    let table = fs::read_to_string(place.result("table.md")).unwrap();
    assert!(table.contains("| repaired | 2 | apart | 1 |") && table.contains("| repaired | 2 | jointly | 1 |"), "{table}");
    assert!(place.plot("subsets-tiny-glyphs-residual.svg").exists());
    assert!(!place.plot("merged-tiny-glyphs-residual.svg").exists());
}

#[test]
fn iterates_are_doubly_stochastic_and_take_the_steps_of_their_trace() {
    let place = everything();
    let (iterates, traces) = (Rows::read(place, "iterates.csv"), Rows::read(place, "traces.csv"));
    let columns = "dataset,architecture,method,replicate,models,model,group,units,iteration,step,row,column,value,stage";
    assert_eq!(iterates.columns.join(","), columns);
    assert!(iterates.rows.iter().all(|row| iterates.text(row, "method") == "c2m3" && iterates.text(row, "group") == "fc1"));
    for iteration in ["0", "1", "2", "3"] {
        let entries = iterates.with(&[("iteration", iteration), ("model", "a"), ("models", "3")]);
        let mut sums = [[0.0; 32]; 2];
        for entry in &entries {
            let [row, column] = ["row", "column"].map(|name| iterates.text(entry, name).parse::<usize>().unwrap());
            sums[0][row] += iterates.number(entry, "value");
            sums[1][column] += iterates.number(entry, "value");
        }
        assert!(sums.iter().flatten().all(|sum: &f64| (sum - 1.0).abs() < 1e-4), "{sums:?}");
        let traced = traces.with(&[("method", "c2m3"), ("models", "3"), ("iteration", iteration)])[0];
        assert_eq!(iterates.text(entries[0], "step"), traces.text(traced, "step"));
    }
    assert!(iterates.with(&[("iteration", "4")]).is_empty());
}

#[test]
fn margins_tell_every_unit_of_every_method_that_moves_any() {
    let place = everything();
    let margins = Rows::read(place, "margins.csv");
    assert_eq!(margins.columns.join(","), "dataset,architecture,method,replicate,models,model,group,unit,slot,margin,stage");
    for method in ["c2m3", "frank-wolfe", "git-re-basin#1", "merge-many", "ot-fusion"] {
        let rows = margins.with(&[("method", method)]);
        assert_eq!(rows.len(), 3 * (32 + 32), "{method}");
        for model in ["a", "b", "c"] {
            let mut units: Vec<usize> = margins
                .with(&[("method", method), ("model", model), ("group", "fc2")])
                .iter()
                .map(|row| margins.text(row, "unit").parse().unwrap())
                .collect();
            units.sort_unstable();
            assert_eq!(units, (0..32).collect::<Vec<_>>(), "{method} {model}");
        }
    }
    // Its fixed point is the best of every group of every model, all else staying; the others stop elsewhere.
    let sure = |method: &str| margins.with(&[("method", method)]).iter().filter(|row| margins.number(row, "margin") > 0.0).count();
    assert_eq!(sure("merge-many"), 192);
    assert!(sure("c2m3") > 96 && sure("git-re-basin#1") < 192, "{} {}", sure("c2m3"), sure("git-re-basin#1"));
    assert!(margins.with(&[("method", "naive")]).is_empty() && margins.with(&[("method", "git-re-basin#2")]).is_empty());
}

#[test]
fn draws_differ_and_the_first_is_that_of_a_method_drawn_once() {
    let place = everything();
    let drawn = Rows::read(place, "matching.csv");
    let objectives: Vec<&str> = (1..=3)
        .map(|draw| drawn.text(drawn.with(&[("method", &format!("git-re-basin#{draw}")), ("models", "3")])[0], "objective"))
        .collect();
    assert!(objectives[0] != objectives[1] || objectives[1] != objectives[2], "{objectives:?}");
    let plain = &smoke().place;
    let table = Rows::read(plain, "merged.csv");
    let first = Rows::read(place, "merged.csv");
    let stage = |table: &Rows, method: &str| table.text(table.with(&[("method", method), ("models", "3")])[0], "stage").to_owned();
    assert_eq!(stage(&first, "git-re-basin#1"), stage(&table, "git-re-basin"));
    assert_ne!(stage(&first, "git-re-basin#2"), stage(&table, "git-re-basin"));
    // What is not asked for has no file.
    for name in [
        "cycles.csv",
        "subsets.csv",
        "similarity.csv",
        "features.csv",
        "plane.csv",
        "iterates.csv",
        "margins.csv",
        "norms.csv",
        "class-accuracy.csv",
        "seeds.csv",
    ] {
        assert!(!plain.result(name).exists() && place.result(name).exists(), "{name}");
    }
    let seeds = Rows::read(place, "seeds.csv");
    let middle = seeds.with(&[("fixed", "a"), ("permutee", "b"), ("split", "test"), ("metric", "accuracy")])[0];
    assert_eq!((seeds.text(middle, "method"), seeds.text(middle, "seeds"), seeds.text(middle, "lambda")), ("git-re-basin", "3", "0.5"));
    assert!(seeds.number(middle, "least") <= seeds.number(middle, "mean"));
}

#[test]
fn accuracies_of_classes_weighed_by_their_images_are_the_accuracy() {
    let place = everything();
    let classes = Rows::read(place, "class-accuracy.csv");
    for (file, method) in [("models.csv", "endpoints"), ("merged.csv", "c2m3"), ("merged.csv", "ensemble")] {
        let scores = Rows::read(place, file);
        for split in ["train", "test"] {
            let (which, score) = match method {
                "endpoints" => (vec![("method", method), ("model", "b")], scores.with(&[("model", "b"), ("split", split)])[0]),
                _ => (vec![("method", method), ("models", "3")], scores.with(&[("method", method), ("models", "3"), ("split", split)])[0]),
            };
            let rows = classes.with(&[which, vec![("split", split)]].concat());
            assert_eq!(rows.len(), 10, "{method} on {split}");
            let right: f64 = rows.iter().map(|row| classes.number(row, "images") * classes.number(row, "accuracy")).sum();
            let images: f64 = rows.iter().map(|row| classes.number(row, "images")).sum();
            assert!((right / images - scores.number(score, "accuracy")).abs() < 1e-5, "{method} on {split}");
        }
    }
}

#[test]
fn pairs_are_summarised_over_their_draws() {
    let place = everything();
    let (pairwise, summary) = (Rows::read(place, "pairwise.csv"), Rows::read(place, "summary.csv"));
    for (method, draws) in [("git-re-basin", "3"), ("c2m3", "1")] {
        let row = pairwise.with(&[("method", method), ("split", "test")])[0];
        assert_eq!((pairwise.text(row, "pairs"), pairwise.text(row, "draws"), pairwise.text(row, "replicates")), ("3", draws, "1"));
        assert!(pairwise.number(row, "barrier_mean_sd") > 0.0 && pairwise.number(row, "midpoint_accuracy") > 0.0, "{method}");
    }
    // One replicate and one draw: the mean over pairs is the summary's.
    for metric in ["barrier_mean", "barrier_line"] {
        let row = pairwise.with(&[("method", "c2m3"), ("split", "test")])[0];
        let whole = summary.with(&[("method", "c2m3"), ("split", "test"), ("metric", metric)])[0];
        assert_eq!(pairwise.text(row, metric), summary.text(whole, "mean"), "{metric}");
    }
    let table = fs::read_to_string(place.result("table.md")).unwrap();
    assert!(table.contains("### Barriers of pairs") && table.contains("| git-re-basin | test | 3 × 3 × 1 |"), "{table}");
    assert!(place.plot("pairwise-tiny-glyphs.svg").exists());
    let architectures = Rows::read(place, "architectures.csv");
    assert_eq!(architectures.rows.len(), 1);
    assert_eq!(architectures.rows[0][..7], ["tiny-glyphs", "mlp", "", "mlp", "1:1", "32", "9610"].map(str::to_owned));
}
