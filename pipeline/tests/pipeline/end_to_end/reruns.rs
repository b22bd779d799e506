//! What a second run does, and that it gives the same bytes.

use std::fs;

use super::place::Place;

#[test]
fn a_second_run_is_all_hits_and_an_emptied_store_gives_the_same_bytes() {
    let place = Place::new();
    let first = place.complete(&[]);
    assert!(first.number("ran") > 50, "{}", first.stdout);
    let (published, artifacts) = (place.published(), place.artifacts());
    let modified = |name: &str| fs::metadata(place.path().join(name)).unwrap().modified().unwrap();
    let written = modified("results/smoke/timings.csv");

    let second = place.complete(&[]);
    assert_eq!((second.number("ran"), second.number("cached")), (0, first.number("stages")));
    assert!(second.ran().is_empty());
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    assert_eq!(modified("results/smoke/timings.csv"), written, "what has the right bytes is not touched");

    fs::remove_dir_all(place.path().join(".store")).unwrap();
    let third = place.complete(&[]);
    assert_eq!(third.number("ran"), first.number("ran"));
    assert!(place.published() == published, "published bytes differ");
    assert!(place.artifacts() == artifacts, "artifacts differ");
}

#[test]
fn one_job_and_two_give_the_same_bytes() {
    let (one, two) = (Place::new(), Place::new());
    one.complete(&["--jobs", "1"]);
    two.complete(&["--jobs", "2"]);
    assert!(one.published() == two.published(), "published bytes differ");
    assert!(one.artifacts() == two.artifacts(), "artifacts differ");
}

#[test]
fn a_changed_key_reruns_exactly_its_dependents() {
    let place = Place::new();
    let all = place.complete(&[]).ran();

    // Another number of points: lines and what is made of them.
    place.edit("lambdas = 5", "lambdas = 4");
    let ran = place.complete(&[]).ran();
    let expected = all.iter().filter(|stage| stage.starts_with("line/") || ["tabulate", "plot"].contains(&stage.as_str()));
    assert_eq!(ran, expected.cloned().collect());

    // An option of one method: all of this method and nothing of another.
    place.edit("matching = { by = \"c2m3\" }", "matching = { by = \"c2m3\", iterations = 3 }");
    let ran = place.complete(&[]).ran();
    let expected = all.iter().filter(|stage| stage.contains("/c2m3/") || ["tabulate", "plot"].contains(&stage.as_str()));
    assert_eq!(ran, expected.cloned().collect());

    // A method's name is only a label: tables and pictures change, no work is done again.
    place.edit("name = \"merge-many\"", "name = \"renamed\"");
    let ran = place.complete(&[]).ran();
    assert_eq!(ran, ["plot", "tabulate"].map(str::to_owned).into());

    // A training: everything.
    place.edit("learning-rate = 3e-3", "learning-rate = 2e-3");
    let ran = place.complete(&[]);
    assert_eq!(ran.number("ran"), all.len() as u64);

    // Back again: all at hand, but for the tables of the new names.
    place.edit("learning-rate = 2e-3", "learning-rate = 3e-3");
    assert_eq!(place.complete(&[]).number("ran"), 0);
}

#[test]
fn a_damaged_artifact_is_told_and_made_again() {
    let place = Place::new();
    place.complete(&[]);
    let published = place.published();
    let lines = fs::read_to_string(place.path().join("results/smoke/timings.csv")).unwrap();
    let row = lines.lines().find(|row| row.starts_with("tabulate,")).unwrap();
    let short = row.split(',').nth(5).unwrap();
    let entry = fs::read_dir(place.path().join(".store")).unwrap().map(|entry| entry.unwrap().path());
    let entry = entry.into_iter().find(|entry| entry.file_name().unwrap().to_string_lossy().starts_with(short)).unwrap();
    fs::remove_file(entry.join("models.csv")).unwrap();
    let again = place.complete(&[]);
    assert!(again.stderr.contains("DAMAGED") && again.stderr.contains("`models.csv` is missing"), "{}", again.stderr);
    assert_eq!(again.ran(), ["tabulate".to_owned()].into());
    assert!(place.published() == published);
}
