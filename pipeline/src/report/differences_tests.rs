use super::*;
use crate::identity::ResultKey;
use crate::statistics::Summary;

fn pair() -> PairName {
    PairName::new("cifar10", "resnet20")
}

fn side(method: &str, models: usize) -> Side {
    Side { pair: pair(), method: MethodLabel::method(method), models }
}

/// A model that is right on the images for which `is_right` says so.
fn outcomes(method: &str, models: usize, replicate: usize, images: usize, is_right: impl Fn(usize) -> bool) -> Outcomes {
    let right: Vec<bool> = (0..images).map(is_right).collect();
    let losses = right.iter().map(|right| if *right { 0.1 } else { 2.0 }).collect();
    let key = ResultKey { pair: pair(), method: MethodLabel::method(method), replicate };
    Outcomes { key, models, right, losses, stage: method.to_owned() }
}

fn reported(method: &str, models: usize, reported: f64) -> SummaryRow {
    SummaryRow {
        pair: pair(),
        method: MethodLabel::method(method),
        models,
        metric: "accuracy",
        split: Part::Test,
        summary: Summary::of(&[0.5]).unwrap(),
        reported: Some(reported),
        reported_sd: None,
        verdict: String::new(),
        source: String::new(),
        stage: String::new(),
    }
}

fn of(all: Vec<Outcomes>, cells: &[SummaryRow]) -> Vec<DifferenceRow> {
    let mut tables = Tables::made_by("maker".to_owned());
    all.into_iter().for_each(|outcomes| tables.keep(outcomes));
    differences(&tables, cells, &[])
}

#[test]
fn a_reported_order_is_held_reversed_or_not_told_apart() {
    let all = vec![
        outcomes("best", 5, 0, 2000, |image| image < 1400),
        outcomes("close", 5, 0, 2000, |image| image < 1000 || image == 1999),
        outcomes("middle", 5, 0, 2000, |image| image < 1000),
    ];
    let cells = [reported("best", 5, 0.5), reported("close", 5, 0.6), reported("middle", 5, 0.3)];
    let rows = of(all, &cells);
    let found = Differences::new(&rows);
    assert_eq!(found.outcome(&side("best", 5), &side("middle", 5)), Outcome::Held);
    assert_eq!(found.outcome(&side("close", 5), &side("best", 5)), Outcome::Reversed);
    assert_eq!(found.outcome(&side("close", 5), &side("middle", 5)), Outcome::NotToldApart);
    let verdicts: Vec<&str> = rows.iter().filter(|row| row.metric == "accuracy").map(|row| row.verdict.as_str()).collect();
    assert_eq!(verdicts, ["reversed", "held", "not told apart"]);
}

#[test]
fn one_set_of_networks_is_paired_by_images_and_several_by_replicates() {
    let rows = of(vec![outcomes("a", 2, 0, 100, |image| image < 60), outcomes("b", 2, 0, 100, |image| image < 50)], &[]);
    let accuracy = rows.iter().find(|row| row.metric == "accuracy").unwrap();
    assert_eq!((accuracy.tested_by.as_str(), accuracy.paired.as_str(), accuracy.count), ("mcnemar", "images", 100));
    assert!((accuracy.difference - 0.1).abs() < 1e-12 && accuracy.low < Some(0.1) && accuracy.high > Some(0.1));
    let all = (0..3).flat_map(|replicate| {
        let more = 60 + replicate;
        [outcomes("a", 2, replicate, 100, move |image| image < more), outcomes("b", 2, replicate, 100, |image| image < 50)]
    });
    let rows = of(all.collect(), &[]);
    let accuracy = rows.iter().find(|row| row.metric == "accuracy").unwrap();
    assert_eq!((accuracy.tested_by.as_str(), accuracy.paired.as_str(), accuracy.count), ("paired-t", "replicates", 3));
    assert!((accuracy.difference - 0.11).abs() < 1e-12, "{accuracy:?}");
}

#[test]
fn more_comparisons_need_a_greater_difference() {
    // Ten images of ten: p = 1/512 for one test, more than 1/20 for the 45 of ten methods.
    let method = |index: usize| outcomes(&format!("m{index}"), 5, 0, 200, move |image| image < 100 + if index == 0 { 10 } else { 0 });
    let alone = of((0..2).map(method).collect(), &[]);
    assert!(Differences::new(&alone).told_apart("accuracy", &side("m0", 5), &side("m1", 5)).unwrap());
    let many = of((0..10).map(method).collect(), &[]);
    assert!(!Differences::new(&many).told_apart("accuracy", &side("m0", 5), &side("m1", 5)).unwrap());
}

#[test]
fn draws_of_one_method_are_not_compared_and_numbers_of_models_only_where_print_has_an_order() {
    let all = vec![
        outcomes("a#1", 2, 0, 10, |_| true),
        outcomes("a#2", 2, 0, 10, |_| false),
        outcomes("b", 2, 0, 10, |_| true),
        outcomes("b", 3, 0, 10, |_| true),
        outcomes("b", 4, 0, 10, |_| true),
    ];
    let mut all = all;
    all[0].key.method = "a#1".parse().unwrap();
    all[1].key.method = "a#2".parse().unwrap();
    let rows = of(all, &[reported("b", 2, 0.9), reported("b", 3, 0.5)]);
    let named: Vec<String> = rows
        .iter()
        .filter(|row| row.metric == "accuracy")
        .map(|row| format!("{} {} {} {}", row.method, row.models, row.other_method, row.other_models))
        .collect();
    assert_eq!(named, ["a#1 2 b 2", "a#2 2 b 2", "b 2 b 3"]);
}

#[test]
fn models_that_saw_other_images_are_not_compared() {
    assert!(of(vec![outcomes("a", 2, 0, 10, |_| true), outcomes("b", 2, 0, 20, |_| true)], &[]).is_empty());
}
