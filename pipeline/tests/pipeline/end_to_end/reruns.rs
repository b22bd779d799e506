//! What a second run does, and that it gives the same bytes.

use std::fs;

use super::place::Place;
use super::shared::smoke;

#[test]
fn a_second_run_is_all_hits_and_touches_nothing() {
    let (first, place) = (&smoke().ended, smoke().place.copy());
    assert!(first.number("ran") > 50, "{}", first.stdout);
    let modified = || fs::metadata(place.result("timings.csv")).unwrap().modified().unwrap();
    let written = modified();
    let second = place.complete(&[]);
    assert_eq!((second.number("ran"), second.number("cached")), (0, first.number("stages")));
    assert!(second.ran().is_empty());
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    assert_eq!(modified(), written, "what has the right bytes is not touched");
    place.assert_same_bytes(&smoke().place);
}

#[test]
fn two_jobs_on_an_empty_store_give_the_bytes_of_one() {
    let place = Place::new();
    let ended = place.complete(&["--jobs", "2"]);
    assert_eq!(ended.number("ran"), smoke().ended.number("ran"));
    place.assert_same_bytes(&smoke().place);
}

#[test]
fn a_changed_key_reruns_exactly_its_dependents() {
    let (all, place) = (smoke().ended.ran(), smoke().place.copy());

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

    // A training: everything but the counts of images.
    place.edit("epochs = 3", "epochs = 1");
    let ran = place.complete(&[]);
    assert_eq!(ran.number("ran"), all.iter().filter(|stage| !stage.starts_with("classes/")).count() as u64);

    // Back again: all at hand.
    place.edit("epochs = 1", "epochs = 3");
    assert_eq!(place.complete(&[]).number("ran"), 0);
}

#[test]
fn a_damaged_artifact_is_told_and_made_again() {
    let place = smoke().place.copy();
    let timings = fs::read_to_string(place.result("timings.csv")).unwrap();
    let row = timings.lines().find(|row| row.starts_with("tabulate,")).unwrap();
    let short = row.split(',').nth(5).unwrap();
    let entries = place.entries();
    let entry = entries.iter().find(|entry| entry.file_name().unwrap().to_string_lossy().starts_with(short)).unwrap();
    fs::remove_file(entry.join("models.csv")).unwrap();
    let again = place.complete(&[]);
    assert!(again.stderr.contains("DAMAGED") && again.stderr.contains("`models.csv` is missing"), "{}", again.stderr);
    assert_eq!(again.ran(), ["tabulate".to_owned()].into());
    place.assert_same_bytes(&smoke().place);
}
