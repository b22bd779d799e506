//! What a run wrote, and what is no longer so: digests of tables and pictures, data that were replaced, and tables that are cut off.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::command::{SPEC, folder, onebasin, texts};

fn run(folder: &Path) -> String {
    let (code, _, error) = texts(&onebasin(folder, &["run", "small.toml"]));
    assert_eq!(code, 0, "{error}");
    error
}

/// Figures as they are now, as what later ones are held against.
fn keep(folder: &Path) {
    assert_eq!(texts(&onebasin(folder, &["check", "small.toml", "--against", "kept.csv", "--renew"])).0, 0);
}

fn check(folder: &Path) -> (i32, String, String) {
    texts(&onebasin(folder, &["check", "small.toml", "--against", "kept.csv"]))
}

/// The results as they are, in another folder.
fn copy(folder: &Path, name: &str) -> String {
    let to = folder.join("results").join(name);
    fs::create_dir(&to).unwrap();
    for file in fs::read_dir(folder.join("results/small")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    format!("results/{name}")
}

/// The results beside those of another folder.
fn beside(folder: &Path, other: &str) -> String {
    let (code, _, error) = texts(&onebasin(folder, &["compare", other, "results/small", "--to", "beside"]));
    assert_eq!(code, 0, "{error}");
    fs::read_to_string(folder.join("beside/beside.md")).unwrap()
}

#[test]
fn the_digests_of_a_run_are_those_of_its_files_and_the_same_in_equal_runs() {
    let (one, _) = folder();
    run(one.path());
    let results = one.path().join("results/small");
    let sums = fs::read_to_string(results.join("SHA256SUMS")).unwrap();
    for name in ["  run.json\n", "  merged.csv\n", "  table.md\n", "  ../../plots/small/merged-few-glyphs-mlp.svg\n"] {
        assert!(sums.contains(name), "{sums}");
    }
    for name in ["timings.csv", "machine.json", "seconds"] {
        assert!(!sums.contains(name), "`{name}` is not the same in equal runs");
    }
    if let Ok(checked) = Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&results).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    let (other, _) = folder();
    run(other.path());
    assert_eq!(fs::read_to_string(other.path().join("results/small/SHA256SUMS")).unwrap(), sums);
}

#[test]
fn a_table_that_is_not_as_the_run_wrote_it_is_told_wherever_it_is_read() {
    let (folder, _) = folder();
    run(folder.path());
    keep(folder.path());
    let table = folder.path().join("results/small/merged.csv");
    let whole = fs::read_to_string(&table).unwrap();
    assert_eq!(check(folder.path()).0, 0);
    fs::write(&table, whole.replacen("naive,0,2,test,", "naive,0,2,test,0", 1)).unwrap();
    let altered = "`merged.csv` in `results/small` is not as the run wrote it";
    let (code, out, error) = check(folder.path());
    assert!(code == 2 && out.is_empty() && error.contains(altered) && error.contains("hint: run the spec again"), "{error}");
    let (code, _, error) = texts(&onebasin(folder.path(), &["report", "small.toml"]));
    assert!(code == 0 && error.contains(&format!("warning: {altered}")), "{error}");
    let page = fs::read_to_string(folder.path().join("results/small/report.html")).unwrap();
    assert!(page.contains("merged.csv in results/small is not as the run wrote it."), "the page says so too");
    let (_, out, _) = texts(&onebasin(folder.path(), &["why", "results/small/merged.csv:2"]));
    assert!(out.contains("\nwarning      `merged.csv` is not as the run wrote it"), "{out}");
    let (_, out, _) = texts(&onebasin(folder.path(), &["why", "results/small/models.csv:2"]));
    assert!(!out.contains("warning"), "{out}");
    let text = beside(folder.path(), &copy(folder.path(), "before"));
    assert!(text.contains(&format!("**{altered}.**")), "{text}");
    // A run writes it anew.
    run(folder.path());
    assert_eq!((fs::read_to_string(&table).unwrap(), check(folder.path()).0), (whole, 0));
}

#[test]
fn a_table_that_is_cut_off_is_no_table_even_where_no_digest_tells() {
    let (folder, _) = folder();
    run(folder.path());
    fs::remove_file(folder.path().join("results/small/SHA256SUMS")).unwrap();
    keep(folder.path());
    let table = folder.path().join("results/small/by-models.csv");
    let whole = fs::read_to_string(&table).unwrap();
    copy(folder.path(), "before");
    for less in [1, 20, 60] {
        fs::write(&table, &whole[..whole.len() - less]).unwrap();
        for arguments in [
            &["check", "small.toml", "--against", "kept.csv"][..],
            &["compare", "results/small", "results/before"],
            &["report", "small.toml"],
        ] {
            let (code, out, error) = texts(&onebasin(folder.path(), arguments));
            assert!(code == 2 && out.is_empty() && error.contains("by-models.csv` is cut off"), "{arguments:?}: {error}");
        }
    }
}

#[test]
fn pictures_of_an_earlier_run_are_removed_as_its_tables_are_and_a_persons_own_stay() {
    let (folder, spec) = folder();
    let pair =
        |architecture: &str| format!("\n[[pairs]]\ndataset = \"few-glyphs\"\narchitecture = \"{architecture}\"\ntraining = \"adam\"\n");
    let more = format!("{SPEC}{}\n[architectures.wide]\nfamily = \"mlp\"\nhidden = [9]\n", pair("wide"));
    fs::write(&spec, more).unwrap();
    run(folder.path());
    let picture = |name: &str| folder.path().join("plots/small").join(name);
    fs::write(picture("merged-few-glyphs-wide.png"), "a person's own by now").unwrap();
    fs::write(&spec, SPEC).unwrap();
    let error = run(folder.path());
    assert!(error.contains("REMOVED           `plots/small`: of an earlier run, and not of this one: "), "{error}");
    assert!(error.contains("STALE ") && error.contains("merged-few-glyphs-wide.png"), "{error}");
    let there =
        ["merged-few-glyphs-wide.svg", "merged-few-glyphs-wide.png", "merged-few-glyphs-mlp.svg"].map(|name| picture(name).exists());
    assert_eq!(there, [false, true, true]);
}

#[test]
fn results_of_another_spec_or_of_other_images_are_not_held_against_figures() {
    let (folder, spec) = folder();
    run(folder.path());
    keep(folder.path());
    let swapped = SPEC.replace("\"naive\"", "\"x\"").replace("\"weights\"", "\"naive\"").replace("\"x\"", "\"weights\"");
    for other in [swapped, SPEC.replace("models = 2", "models = 2\nreplicates = 2")] {
        fs::write(&spec, other).unwrap();
        for more in [&[][..], &["--renew"]] {
            let (code, out, error) = texts(&onebasin(folder.path(), &[&["check", "small.toml", "--against", "kept.csv"], more].concat()));
            assert!(code == 2 && out.is_empty() && error.contains("were made at other settings"), "{error}");
        }
    }
    // What is drawn or kept for other reasons decides no figure.
    fs::write(&spec, SPEC.replace("models = 2", "models = 2\ncheckpoint-seconds = 5")).unwrap();
    assert_eq!(check(folder.path()).0, 0, "{}", check(folder.path()).2);
    fs::write(&spec, SPEC).unwrap();
    let record = folder.path().join("results/small/run.json");
    let text = fs::read_to_string(&record).unwrap();
    let record_of: serde_json::Value = serde_json::from_str(&text).unwrap();
    let digest = record_of["data"]["few-glyphs"].as_str().expect("the digest of the images");
    fs::remove_file(folder.path().join("results/small/SHA256SUMS")).unwrap();
    fs::write(&record, text.replace(digest, "of other images")).unwrap();
    let (code, out, error) = check(folder.path());
    assert!(code == 2 && out.is_empty() && error.contains("are of other images of `few-glyphs`\nhint: "), "{error}");
    // Beside each other they are called other images, too; and where nothing tells, that is said.
    let before = copy(folder.path(), "before");
    let beside = || beside(folder.path(), &before);
    assert!(!beside().contains("not the same data set"));
    fs::write(&record, &text).unwrap();
    assert!(beside().contains("**`few-glyphs` is not the same data set in all folders"), "{}", beside());
    let (_, out, _) = texts(&onebasin(folder.path(), &["diff", "results/before", "results/small"]));
    assert!(out.contains("data.few-glyphs"), "{out}");
    fs::remove_file(&record).unwrap();
    assert!(beside().contains("**Without `run.json`: `small`; whether settings and data are those of the others cannot be told.**"));
}
