use super::*;
use crate::comparison::Comparison;
use crate::identity::PairName;
use crate::report::ArchitectureRow;
use crate::spec::BarrierOver;
use crate::statistics::Summary;

#[test]
fn where_fewer_models_are_merged_than_there_are_the_table_has_the_most_that_are() {
    let pair = PairName::new("mnist", "mlp");
    let of = |method: &str, models: usize| SummaryRow { models, ..cell(&pair, method, "accuracy", Part::Test, 0.5) };
    let all = [of("endpoints", 3), of("avg", 2), of("ot", 2)];
    let cells: Vec<&SummaryRow> = all.iter().collect();
    let most = Most::of(&cells);
    assert_eq!((most, most.of_table(&cells).len()), (Most { models: 3, merged: 2 }, 3));
    assert!(most.sentence().starts_with("3 models, 2 of them merged. "));
    // Of all merged, others have no place.
    let more = [of("endpoints", 3), of("avg", 2), of("avg", 3)];
    let cells: Vec<&SummaryRow> = more.iter().collect();
    let most = Most::of(&cells);
    assert_eq!((most.merged, most.of_table(&cells).len()), (3, 2));
    assert!(most.sentence().starts_with("3 models. "));
}

fn cell(pair: &PairName, method: &str, metric: &'static str, split: Part, value: f64) -> SummaryRow {
    SummaryRow {
        pair: pair.clone(),
        method: method.parse().unwrap(),
        models: 3,
        metric,
        split,
        summary: Summary::of(&[value]).unwrap(),
        reported: None,
        reported_sd: None,
        verdict: String::new(),
        source: String::new(),
        stage: String::new(),
    }
}

fn known(pairs: &[PairName]) -> Known {
    let architecture = |pair: &PairName| ArchitectureRow {
        pair: pair.clone(),
        stands_for: String::new(),
        family: "mlp".to_owned(),
        shape: "1".to_owned(),
        width: None,
        parameters: 1,
        training: String::new(),
    };
    let method = |(name, merging): (&str, &str)| {
        let [method, matching, merging] = [name, "identity", merging].map(str::to_owned);
        MethodRow { method, matching, merging, repair: String::new(), plain: String::new() }
    };
    Known {
        title: "t".to_owned(),
        architectures: pairs.iter().map(architecture).collect(),
        methods: [("naive", "mean"), ("ensemble", "ensemble"), ("c2m3", "mean"), ("also", "mean")].map(method).to_vec(),
        comparison: Comparison::default(),
        barriers: vec![BarrierOver::Line],
        lost: Vec::new(),
        origin: String::new(),
        images: Default::default(),
        batch_norms: Vec::new(),
        interpolation: Default::default(),
        own_models: Default::default(),
        off_lines: Default::default(),
        splits: vec![Part::Train, Part::Test],
    }
}

fn scores(pair: &PairName) -> Vec<SummaryRow> {
    let of = |method, accuracy, loss| [cell(pair, method, "accuracy", Part::Test, accuracy), cell(pair, method, "loss", Part::Test, loss)];
    [
        of("also", 0.950_01, 5.31e-6),
        of("c2m3", 0.950_04, 0.2),
        of("endpoints", 0.96, 0.1),
        of("ensemble", 0.97, 1e-9),
        of("naive", 0.4, 8.8e9),
    ]
    .concat()
}

#[test]
fn rows_and_sections_follow_the_spec_and_the_best_merged_models_are_bold() {
    let pairs = [PairName::new("z", "mlp"), PairName::new("a", "mlp")];
    let cells: Vec<SummaryRow> = pairs.iter().flat_map(scores).collect();
    let text = render(&cells, &Tables::default(), &known(&pairs));
    assert!(text.find("## z, mlp").unwrap() < text.find("## a, mlp").unwrap(), "{text}");
    let table = "| method | accuracy, test | merged / ends, test | loss, test |\n| --- | ---: | ---: | ---: |\n\
                 | endpoints | 0.9600 |  | 0.1000 |\n\
                 | naive | 0.4000 | 0.417 | 8.8e9 |\n\
                 | ensemble | 0.9700 | 1.010 | 1e-9 |\n\
                 | c2m3 | **0.9500** | 0.990 | 0.2000 |\n\
                 | also | **0.9500** | 0.990 | **5.31e-6** |\n";
    assert!(text.contains(table), "{text}");
    assert!(text.contains("`endpoints`: mean of the models before merging.") && !text.contains("In brackets"), "{text}");
}

#[test]
fn merges_of_fewer_models_stand_in_the_table_by_number_whichever_split_is_measured() {
    let pair = PairName::new("z", "mlp");
    for (split, heading) in [(Part::Train, "Train"), (Part::Test, "Test")] {
        let of = |method, models, accuracy| SummaryRow { models, ..cell(&pair, method, "accuracy", split, accuracy) };
        let cells = [of("endpoints", 3, 0.9), of("naive", 3, 0.3), of("naive", 2, 0.4), of("also", 2, 0.63)];
        let text = render(&cells, &Tables::default(), &known(std::slice::from_ref(&pair)));
        assert!(text.contains(&format!("{heading} accuracy by the number of models merged:")), "{text}");
        assert!(text.contains("| also | **0.6300** |  |"), "{text}");
    }
}

#[test]
fn barriers_are_over_what_the_spec_or_the_reported_figures_say_and_headings_tell_it() {
    let pair = PairName::new("z", "mlp");
    let barriers = [cell(&pair, "naive", "barrier_line", Part::Test, 0.5), cell(&pair, "naive", "barrier_mean", Part::Test, 0.75)];
    let cells = [scores(&pair), barriers.to_vec()].concat();
    let shown = |barriers: &[BarrierOver]| {
        let known = Known { barriers: barriers.to_vec(), ..known(std::slice::from_ref(&pair)) };
        render(&cells, &Tables::default(), &known)
    };
    let [line, mean] = [BarrierOver::Line, BarrierOver::Mean];
    let text = shown(&[line]);
    assert!(text.contains("| loss, test | barrier over line, test |\n") && text.contains("| 8.8e9 | 0.5000 |\n"), "{text}");
    assert!(text.contains("over the straight line between the end losses, mean over pairs."), "{text}");
    let text = shown(&[mean]);
    assert!(text.contains("| loss, test | barrier over mean, test |\n") && text.contains("| 8.8e9 | 0.7500 |\n"), "{text}");
    assert!(text.contains("over the mean of the end losses, mean over pairs.") && !text.contains("straight"), "{text}");
    let text = shown(&[mean, line]);
    assert!(text.contains("| barrier over mean, test | barrier over line, test |\n") && text.contains("| 0.7500 | 0.5000 |\n"), "{text}");
}

#[test]
fn brackets_are_explained_where_something_is_reported() {
    let pair = PairName::new("z", "mlp");
    let mut cells = scores(&pair);
    cells[0].reported = Some(0.93);
    let text = render(&cells, &Tables::default(), &known(&[pair]));
    assert!(text.contains("In brackets: the reported figure.") && text.contains("| also | **0.9500** [0.9300] |"), "{text}");
}
