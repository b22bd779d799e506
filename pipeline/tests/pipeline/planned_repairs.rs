//! What a repair adds to a plan, and what it shares with other methods.

use std::collections::BTreeSet;

use onebasin::stage::StageId;

use crate::plans::{SPEC, changed, ids, planned};

/// The sound spec with one more method, `c2m3` with a repair.
fn with_repair(repair: &str) -> String {
    let method = format!("[[methods]]\nname = \"repaired\"\nmatching = {{ by = \"c2m3\" }}\nrepair = {repair}\n\n[evaluation]");
    SPEC.replace("[evaluation]", &method)
}

#[test]
fn a_method_with_a_repair_shares_alignments_and_merges_with_the_one_without() {
    let before = planned(SPEC, &[]);
    let after = planned(&with_repair(r#"{ kind = "repair", layers = "convolutions" }"#), &[]);
    let of = |id: &str| after.find(id).unwrap().fingerprint;
    for rest in ["align/glyphs-mlp/#/replicate-0/3", "align/glyphs-mlp/#/replicate-0/2", "merge/glyphs-mlp/#/replicate-0/3"] {
        assert_eq!(of(&rest.replace('#', "universe")), of(&rest.replace('#', "repaired")));
    }
    // What is new is the repair, what measures it, and the tables.
    let new = ["repair/#/2", "predict/#/2", "repair/#/3", "predict/#/3", "line/#/a..b"];
    let new = new.iter().map(|id| id.replace('#', "glyphs-mlp/repaired/replicate-0")).chain(["tabulate".to_owned(), "plot".to_owned()]);
    assert_eq!(changed(&before, &after), new.collect());
}

#[test]
fn every_option_of_a_repair_changes_what_is_repaired_but_end_points_no_line() {
    let plain = planned(&with_repair(r#"{ kind = "repair" }"#), &[]);
    let of = |repair: &str| changed(&plain, &planned(&with_repair(repair), &[]));
    let (repair, line) = ("repair/glyphs-mlp/repaired/replicate-0/3".to_owned(), "line/glyphs-mlp/repaired/replicate-0/a..b".to_owned());
    for option in [r#"{ kind = "batch-norm" }"#, r#"{ kind = "repair", images = 50 }"#, r#"{ kind = "repair", batch = 50 }"#] {
        assert!(of(option).is_superset(&[repair.clone(), line.clone()].into()), "{option}");
    }
    let published = of(r#"{ kind = "repair", endpoints = "as-published" }"#);
    assert!(published.contains(&repair) && !published.contains(&line));
    assert_eq!(of(r#"{ kind = "repair", endpoints = "aligned", batch = 100 }"#), BTreeSet::new());
}

#[test]
fn each_model_is_measured_once_for_all_methods_that_repair_what_is_merged_of_it() {
    let mut text = SPEC.replace("family = \"mlp\"\nhidden = [8]", "family = \"vgg\"\nstages = [[4]]\nhead = [8]");
    for (name, matching, repair) in [
        ("frame", r#"by = "c2m3""#, r#"kind = "repair""#),
        ("pairs", r#"by = "git-re-basin""#, r#"kind = "repair", endpoints = "aligned""#),
        ("published", r#"by = "merge-many""#, r#"kind = "repair", endpoints = "as-published""#),
        ("few", r#"by = "merge-many""#, r#"kind = "repair", endpoints = "as-published", images = 50, batch = 25"#),
        ("soft", r#"by = "ot-fusion", plan = "sinkhorn""#, r#"kind = "repair""#),
        ("reset", r#"by = "c2m3""#, r#"kind = "batch-norm""#),
    ] {
        let method = format!("[[methods]]\nname = \"{name}\"\nmatching = {{ {matching} }}\nrepair = {{ {repair} }}\n\n[evaluation]");
        text = text.replace("[evaluation]", &method);
    }
    let plan = planned(&text.replace("merges = [2, 3]", "merges = [3]"), &[]);
    let statistics: Vec<String> = ids(&plan).into_iter().filter(|id| id.starts_with("statistics/")).collect();
    // The line's first end has nothing to do with the first of the merged, which the merged model stands for.
    let expected =
        ["a/hidden", "a/hidden/images-50/batch-25", "b/hidden", "b/hidden/images-50/batch-25", "c/hidden", "c/hidden/images-50/batch-25"];
    assert_eq!(statistics, expected.map(|last| format!("statistics/glyphs-mlp/replicate-0/{last}")));
    let inputs = |kind: &str, method: &str, last: &str| {
        let stage = &plan.find(&format!("{kind}/glyphs-mlp/{method}/replicate-0/{last}")).unwrap().stage;
        let short = |id: &StageId| {
            let parts: Vec<&str> = id.as_str().split('/').collect();
            let rest = parts.iter().position(|part| *part == "replicate-0").unwrap() + 1;
            format!("{} {}", parts[0], parts[rest..].join("/"))
        };
        stage.inputs().iter().map(short).collect::<Vec<_>>().join(", ")
    };
    for method in ["frame", "pairs"] {
        assert_eq!(inputs("repair", method, "3"), "merge 3, align 3, statistics a/hidden, statistics b/hidden, statistics c/hidden");
    }
    assert_eq!(inputs("repair", "published", "3"), "merge 3, statistics b/hidden, statistics c/hidden");
    assert_eq!(inputs("repair", "few", "3"), "merge 3, statistics b/hidden/images-50/batch-25, statistics c/hidden/images-50/batch-25");
    assert_eq!(inputs("repair", "soft", "3"), "merge 3, align 3, train a, train b, train c");
    assert_eq!(inputs("repair", "reset", "3"), "merge 3");
    assert_eq!(inputs("line", "pairs", "a..b"), "align a..b, train a, train b, statistics a/hidden, statistics b/hidden");
    assert_eq!(inputs("line", "published", "a..b"), "align 3, train a, train b, statistics a/hidden, statistics b/hidden");
    for method in ["soft", "reset", "weights"] {
        let last = if method == "reset" { "align 3" } else { "align a..b" };
        assert_eq!(inputs("line", method, "a..b"), format!("{last}, train a, train b"));
    }
}

#[test]
fn a_network_without_the_layers_that_are_repaired_is_not_measured_for_repairs() {
    let statistics = |layers: &str| -> Vec<String> {
        let plan = planned(&with_repair(&format!("{{ kind = \"repair\", layers = \"{layers}\" }}")), &[]);
        assert!(plan.find("repair/glyphs-mlp/repaired/replicate-0/3").is_some());
        ids(&plan).into_iter().filter(|id| id.starts_with("statistics/")).collect()
    };
    assert!(statistics("convolutions").is_empty());
    assert_eq!(statistics("hidden"), ["a", "b", "c"].map(|model| format!("statistics/glyphs-mlp/replicate-0/{model}/hidden")));
    assert_eq!(statistics("all").len(), 3);
}
