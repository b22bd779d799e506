//! Notes on figures at chance, unfinished matchings, missing statistics and classes.

use super::*;
use crate::comparison::Comparison;
use crate::identity::ResultKey;
use crate::measurements::MatchingRow;
use crate::spec::BarrierOver;

fn pair() -> PairName {
    PairName::new("digits", "mlp")
}

fn key(method: &str) -> ResultKey {
    ResultKey { pair: pair(), method: MethodLabel::method(method), replicate: 0 }
}

fn known() -> Known {
    let method = |names: [&str; 4]| {
        let [method, matching, merging, repair] = names.map(str::to_owned);
        MethodRow { method, matching, merging, repair, plain: String::new() }
    };
    Known {
        title: "digits".to_owned(),
        architectures: Vec::new(),
        methods: vec![
            method(["naive", "identity", "mean", ""]),
            method(["mended", "identity", "mean", "batch-norm"]),
            method(["ensemble", "identity", "ensemble", ""]),
        ],
        comparison: Comparison::default(),
        barriers: vec![BarrierOver::Line],
        lost: Vec::new(),
        origin: String::new(),
        images: ImageLimits::default(),
        batch_norms: Vec::new(),
        interpolation: Default::default(),
        own_models: Default::default(),
        off_lines: Default::default(),
        splits: vec![Part::Train, Part::Test],
    }
}

/// Ten classes of 100 training and 10 test images.
fn classes() -> Tables {
    let mut tables = Tables::default();
    tables.extend((0..10).map(|label| ClassRow {
        dataset: "digits".to_owned(),
        label,
        class: String::new(),
        train: 100,
        test: 10,
        stage: String::new(),
    }));
    tables
}

/// Two models with these losses and accuracies on train and test, and merged ones.
fn tables(train: (f64, f64), test: (f64, f64)) -> Tables {
    let mut tables = classes();
    for model in ["a", "b"] {
        tables.extend([(Part::Train, train), (Part::Test, test)].map(|(split, (loss, accuracy))| ModelRow {
            pair: pair(),
            replicate: 0,
            model: model.to_owned(),
            split,
            loss,
            accuracy,
            stage: String::new(),
        }));
    }
    tables.extend(["ensemble", "mended", "naive"].map(|method| MergedRow {
        key: key(method),
        models: 2,
        split: Part::Test,
        loss: 2.0,
        accuracy: 0.3,
        stage: String::new(),
    }));
    tables
}

fn text(tables: &Tables, known: &Known) -> String {
    Notes::of(&pair(), tables, known).text()
}

#[test]
fn end_points_at_chance_are_told_and_mark_every_row() {
    // Of 1000 images a share of 0.1 has a standard error of 0.0095.
    for (train, test) in [((2.35, 0.1), (2.36, 0.1)), ((2.0, 0.128), (2.0, 0.1)), ((8.8e9, 0.06), (9e9, 0.05))] {
        let tables = tables(train, test);
        let notes = Notes::of(&pair(), &tables, &known());
        let text = notes.text();
        assert!(text.contains("On train, 2 of 2 end points are no better than chance"), "{train:?}: {text}");
        assert!(text.contains("did not learn; barriers mean nothing there"), "{text}");
        for label in [MethodLabel::Endpoints, MethodLabel::method("naive"), MethodLabel::method("mended")] {
            assert_eq!(notes.marks(&label), " †", "{label}");
            assert!(notes.is_chance(&label));
        }
    }
    let text = text(&tables((2.35, 0.1), (2.36, 0.1)), &known());
    assert!(text.contains("accuracy 0.1000 (the largest class has 0.1000), loss 2.350 (guessing evenly: ln 10 = 2.303)"), "{text}");
}

/// Models `a`, `b`, ... with these accuracies on train, of which the first two are merged by `pairs` and all by `naive`.
fn with_accuracies(accuracies: &[f64]) -> Tables {
    let mut tables = classes();
    tables.extend(["a", "b", "c", "d", "e"].into_iter().zip(accuracies).map(|(model, &accuracy)| ModelRow {
        pair: pair(),
        replicate: 0,
        model: model.to_owned(),
        split: Part::Train,
        loss: 2.3,
        accuracy,
        stage: String::new(),
    }));
    tables.extend([("naive", accuracies.len()), ("pairs", 2)].map(|(method, models)| MergedRow {
        key: key(method),
        models,
        split: Part::Train,
        loss: 2.0,
        accuracy: 0.3,
        stage: String::new(),
    }));
    tables
}

#[test]
fn figures_are_not_compared_where_half_of_their_own_end_points_are_at_chance() {
    let marks = |accuracies: &[f64]| {
        let notes = Notes::of(&pair(), &with_accuracies(accuracies), &known());
        let labels = [MethodLabel::Endpoints, MethodLabel::method("naive"), MethodLabel::method("pairs")];
        (labels.map(|label| notes.is_chance(&label)), notes.text())
    };
    let (marked, text) = marks(&[0.9, 0.8, 0.1, 0.9, 0.9]);
    assert_eq!(marked, [false; 3]);
    assert!(text.contains("† On train, 1 of 5 end points is no better than chance"), "{text}");
    assert!(text.contains("Those did not learn, and barriers of theirs mean nothing."), "{text}");
    assert_eq!(marks(&[0.9, 0.1, 0.9, 0.9, 0.9]).0, [false, false, true], "one of two is half");
    assert_eq!(marks(&[0.9, 0.9, 0.1, 0.1]).0, [true, true, false]);
}

#[test]
fn every_row_that_uses_a_network_which_did_not_train_has_the_sign() {
    let mut tables = with_accuracies(&[0.9, 0.8, 0.11, 0.9, 0.9]);
    tables.extend([UntrainedRow {
        pair: pair(),
        replicate: 0,
        model: "c".to_owned(),
        loss: 10f64.ln(),
        classes: 10,
        stage: String::new(),
    }]);
    let line = |method: &str, permutee: &str| BarrierRow {
        key: key(method),
        fixed: "a".to_owned(),
        permutee: permutee.to_owned(),
        split: Part::Train,
        lambda: 0.0,
        loss: 1.0,
        accuracy: 0.5,
        stage: String::new(),
    };
    tables.extend([line("pairs", "b"), line("crossing", "c")]);
    let notes = Notes::of(&pair(), &tables, &known());
    let labels = [MethodLabel::Endpoints, MethodLabel::method("naive"), MethodLabel::method("pairs"), MethodLabel::method("crossing")];
    assert_eq!(labels.clone().map(|label| notes.marks(&label)), [" †", " †", "", " †"]);
    assert_eq!(labels.map(|label| notes.is_chance(&label)), [false; 4], "methods can still be compared");
    assert_eq!([1, 2, 3, 5].map(|models| notes.marks_of(models)), ["", "", " †", " †"]);
    let text = notes.text();
    assert!(text.contains("† Not trained: c (training loss 2.303 of ln 10 = 2.303)."), "{text}");
    assert!(text.contains("Rows that use one have the sign."), "{text}");
}

#[test]
fn a_loss_of_guessing_beside_an_accuracy_above_chance_is_no_chance() {
    for (train, test) in [((2.4, 0.7012), (2.5, 0.7)), ((8.8e9, 0.4), (9e9, 0.4))] {
        let tables = tables(train, test);
        let notes = Notes::of(&pair(), &tables, &known());
        let text = notes.text();
        assert!(text.contains("On train, 2 of 2 end points are worse than guessing evenly by the loss, though above chance"), "{text}");
        assert!(!text.contains("did not learn") && !text.contains('†'), "{text}");
        assert!(!notes.is_chance(&MethodLabel::Endpoints) && !notes.is_chance(&MethodLabel::method("naive")));
    }
}

#[test]
fn end_points_that_learned_are_not_told_even_if_sure_of_their_mistakes() {
    for (train, test) in [((0.01, 1.0), (0.2, 0.95)), ((2.0, 0.14), (2.0, 0.3)), ((0.01, 1.0), (4.0, 0.7))] {
        assert_eq!(text(&tables(train, test), &known()), "", "{train:?} {test:?}");
    }
    // Fewer images have more room for chance.
    let few = with_measured(tables((2.0, 0.14), (2.0, 0.3)), &[10; 10]);
    assert!(text(&few, &known()).contains("On train"));
    let hardly_any = with_measured(tables((2.0, 0.2), (2.0, 0.3)), &[5; 10]);
    let text = text(&hardly_any, &known());
    assert!(text.contains("On train, 2 of 2 end points cannot be told from chance by 50 images"), "{text}");
    assert!(text.contains("If the end points did not learn"), "{text}");
}

/// So many training images of each class are measured.
fn with_measured(mut tables: Tables, images: &[usize]) -> Tables {
    tables.extend(images.iter().enumerate().map(|(label, &images)| MeasuredClassRow {
        dataset: "digits".to_owned(),
        split: Part::Train,
        label,
        images,
        stage: String::new(),
    }));
    tables
}

#[test]
fn chance_is_that_of_the_images_that_are_measured_and_classes_missing_there_are_told() {
    let tables = with_measured(tables((1.0, 0.72), (1.0, 0.7)), &[70, 30, 0, 0, 0, 0, 0, 0, 0, 0]);
    let text = text(&tables, &Known { images: ImageLimits { train: Some(100), test: Some(100) }, ..known() });
    assert!(
        text.contains("On train, 2 of 2 end points are no better than chance: accuracy 0.7200 (the largest class has 0.7000)"),
        "{text}"
    );
    assert!(text.contains("(`evaluation.images = 100`: the first of a split) show only 2 of 10 classes on train."), "{text}");
}

#[test]
fn images_of_one_class_prove_nothing_of_chance() {
    let tables = with_measured(tables((0.1, 1.0), (0.1, 0.9)), &[0, 40, 0, 0, 0, 0, 0, 0, 0, 0]);
    let notes = Notes::of(&pair(), &tables, &Known { images: ImageLimits { train: Some(40), test: None }, ..known() });
    assert!(notes.text().contains("On train, 2 of 2 end points cannot be told from chance by 40 images"), "{}", notes.text());
    assert!(notes.text().contains("If the end points did not learn"), "{}", notes.text());
    assert!(notes.text().contains("show only 1 of 10 classes on train."), "{}", notes.text());
}

#[test]
fn batch_norms_merged_without_new_statistics_are_told_with_the_key_that_adds_them() {
    let tables = tables((0.01, 1.0), (0.2, 0.95));
    let known = Known { batch_norms: vec![pair()], ..known() };
    let notes = Notes::of(&pair(), &tables, &known);
    assert!(notes.text().contains("`repair = { kind = \"batch-norm\" }`"), "{}", notes.text());
    let marks = ["naive", "mended", "ensemble"].map(|name| notes.marks(&MethodLabel::method(name)));
    assert_eq!(marks, [" §", "", ""]);
    assert_eq!(notes.marks(&MethodLabel::Endpoints), "");
}

#[test]
fn networks_merged_along_an_arc_keep_averaged_statistics_too() {
    let tables = tables((0.01, 1.0), (0.2, 0.95));
    let mut known = Known { batch_norms: vec![pair()], ..known() };
    known.methods.iter_mut().find(|row| row.method == "naive").unwrap().merging = "spherical".to_owned();
    assert_eq!(Notes::of(&pair(), &tables, &known).marks(&MethodLabel::method("naive")), " §");
}

#[test]
fn lines_that_pass_by_what_is_merged_are_told() {
    let mut tables = tables((0.01, 1.0), (0.2, 0.95));
    let known = Known { off_lines: ["naive".to_owned()].into(), ..known() };
    assert!(!text(&tables, &known).contains("straight"), "without lines");
    tables.extend([BarrierRow {
        key: key("naive"),
        fixed: "a".to_owned(),
        permutee: "b".to_owned(),
        split: Part::Test,
        lambda: 0.5,
        loss: 1.0,
        accuracy: 0.5,
        stage: String::new(),
    }]);
    assert!(text(&tables, &known).contains("The lines of `naive` are straight"));
}

#[test]
fn lines_that_are_arcs_are_told_where_there_are_any() {
    let mut tables = tables((0.01, 1.0), (0.2, 0.95));
    let known = Known { interpolation: Interpolation::Spherical, ..known() };
    assert!(!Notes::of(&pair(), &tables, &known).text().contains("arcs"));
    tables.extend([0.0, 1.0].map(|lambda| BarrierRow {
        key: key("naive"),
        fixed: "a".to_owned(),
        permutee: "b".to_owned(),
        split: Part::Test,
        lambda,
        loss: 0.1,
        accuracy: 0.9,
        stage: String::new(),
    }));
    assert!(Notes::of(&pair(), &tables, &known).text().contains("arcs around the origin (`interpolation = \"spherical\"`)"));
    assert!(!Notes::of(&pair(), &tables, &self::known()).text().contains("arcs"));
}

#[test]
fn matchings_that_were_stopped_or_miss_their_marginals_are_told() {
    let row = |method: &str, outcome: &str, marginal_error: f64| MatchingRow {
        key: key(method),
        models: 2,
        objective: 1.0,
        iterations: 3,
        outcome: outcome.to_owned(),
        cycle_error: 0.0,
        function_error: 0.0,
        names: String::new(),
        marginal_error,
        stage: String::new(),
    };
    let mut tables = tables((0.01, 1.0), (0.2, 0.95));
    tables.extend([row("mended", "converged", 1e-10), row("naive", "iteration-limit", 0.62), row("naive", "converged", 0.0)]);
    let notes = Notes::of(&pair(), &tables, &known());
    let expected = "`naive` (1 of 2 alignments at the limit of iterations; plans miss their marginals by up to 0.62 of the mass)";
    assert!(notes.text().contains(expected), "{}", notes.text());
    assert_eq!([notes.marks(&MethodLabel::method("naive")), notes.marks(&MethodLabel::method("mended"))], [" ‡", ""]);
    assert!(notes.text().contains("Key `iterations` of the matching allows more."), "{}", notes.text());
    // Each matching has a key of its own.
    let mut known = known();
    known.methods.iter_mut().find(|row| row.method == "naive").unwrap().matching = "git-re-basin".to_owned();
    let notes = Notes::of(&pair(), &tables, &known);
    assert!(notes.text().contains("Key `sweeps` of the matching allows more."), "{}", notes.text());
}

#[test]
fn classes_that_are_tested_and_never_shown_are_told() {
    let mut tables = Tables::default();
    tables.extend([("cat", 3, 1), ("dog", 0, 2), ("bird", 0, 0)].into_iter().enumerate().map(|(label, (class, train, test))| ClassRow {
        dataset: "digits".to_owned(),
        label,
        class: class.to_owned(),
        train,
        test,
        stage: String::new(),
    }));
    let text = text(&tables, &known());
    assert!(text.contains("No training images show `dog`:"), "{text}");
}

#[test]
fn classes_without_test_images_are_told_by_folder_or_label() {
    let mut tables = Tables::default();
    tables.extend([("cat", 3), ("dog", 0), ("", 0)].into_iter().enumerate().map(|(label, (class, test))| ClassRow {
        dataset: "digits".to_owned(),
        label,
        class: class.to_owned(),
        train: 1,
        test,
        stage: String::new(),
    }));
    let text = text(&tables, &known());
    assert!(text.contains("2 of 3 classes have no test images: `dog` and label 2."), "{text}");
}
