//! Entries of the store that something happened to.

use std::fs;
use std::path::Path;

use onebasin::store::Lookup;

use super::world::{World, diamond, fingerprint, plan};

/// Makes a file that artifacts keep from being written writable again.
fn unlock(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of a test's own folder")]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
}

fn overwrite(path: &Path, content: &str) {
    unlock(path);
    fs::write(path, content).unwrap();
}

/// Damages `b` of a finished run, runs again with `d` gone, and gives what was said of `b`.
fn damaged(spoil: impl FnOnce(&Path)) -> String {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    let whole = world.content();
    spoil(&world.entry(&plan, "b"));
    fs::remove_dir_all(world.entry(&plan, "d")).unwrap();
    let (outcome, record) = world.run(&plan);
    assert!(outcome.is_complete(), "{:?}", record.lines());
    assert_eq!(outcome.ran, 2, "`b` and `d` run again: {:?}", record.lines());
    assert!(world.is_hit(&plan, "b"));
    assert_eq!(world.content(), whole);
    assert!(world.unfinished().is_empty(), "the damaged entry is gone");
    let said: Vec<String> = record.lines().into_iter().filter_map(|line| line.strip_prefix("damaged b: ").map(str::to_owned)).collect();
    assert_eq!(said.len(), 1, "{:?}", record.lines());
    said.concat()
}

#[test]
fn a_missing_file_is_damage() {
    assert_eq!(damaged(|entry| fs::remove_file(entry.join("text")).unwrap()), "`text` is missing");
    assert_eq!(damaged(|entry| fs::remove_file(entry.join("recipe.json")).unwrap()), "`recipe.json` is missing");
}

#[test]
fn a_short_file_is_damage() {
    assert_eq!(damaged(|entry| overwrite(&entry.join("text"), "b(")), "`text` has 2 bytes, its receipt says 6");
}

#[test]
fn other_bytes_of_the_same_length_are_damage_once_a_stage_reads_them() {
    assert_eq!(damaged(|entry| overwrite(&entry.join("text"), "B(a())")), "`text` does not have the content of its receipt");
}

#[test]
fn a_receipt_that_is_missing_or_no_json_is_damage() {
    assert!(damaged(|entry| fs::remove_file(entry.join("receipt.json")).unwrap()).starts_with("`receipt.json` cannot be read"));
    assert!(damaged(|entry| overwrite(&entry.join("receipt.json"), "{\"files\": {")).starts_with("`receipt.json` is no receipt"));
    assert!(damaged(|entry| overwrite(&entry.join("receipt.json"), "")).starts_with("`receipt.json` is no receipt"));
}

#[test]
fn an_empty_folder_or_a_file_in_the_place_of_an_entry_is_damage() {
    let empty = damaged(|entry| {
        fs::remove_dir_all(entry).unwrap();
        fs::create_dir(entry).unwrap();
    });
    assert!(empty.starts_with("`receipt.json` cannot be read"), "{empty}");
    let file = damaged(|entry| {
        fs::remove_dir_all(entry).unwrap();
        fs::write(entry, "").unwrap();
    });
    assert!(file.starts_with("`receipt.json` cannot be read"), "{file}");
}

#[test]
fn bytes_that_no_stage_reads_are_checked_on_demand() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    overwrite(&world.entry(&plan, "d").join("text"), &world.text(&plan, "d").to_uppercase());
    assert_eq!(world.run(&plan).0.ran, 0);
    let (outcome, record) = world.run_with(&plan, |options| options.verify = true);
    assert_eq!((outcome.ran, record.count("damaged d: ")), (1, 1));
    assert_eq!(world.text(&plan, "d"), "d(b(a()),c(a()))");
}

#[test]
fn files_of_artifacts_are_not_for_writing() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    for name in ["text", "recipe.json", "receipt.json"] {
        assert!(fs::metadata(world.entry(&plan, "a").join(name)).unwrap().permissions().readonly(), "{name}");
    }
}

#[test]
fn entries_say_what_they_were_made_of_and_broken_ones_are_left_out() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    overwrite(&world.entry(&plan, "a").join("recipe.json"), "[]");
    let entries = world.store.entries();
    let mut stages: Vec<&str> = entries.iter().map(|entry| entry.stage.as_str()).collect();
    stages.sort_unstable();
    assert_eq!(stages, ["b", "c", "d"]);
    let d = entries.iter().find(|entry| entry.stage.as_str() == "d").unwrap();
    assert_eq!(d.fingerprint, fingerprint(&plan, "d"));
    assert_eq!((d.kind.as_str(), d.version, &d.settings["setting"]), ("mock", 1, &serde_json::json!("d")));
    let inputs: Vec<_> = d.inputs.iter().map(|input| (input.stage.as_str(), input.fingerprint)).collect();
    assert_eq!(inputs, [("b", fingerprint(&plan, "b")), ("c", fingerprint(&plan, "c"))]);
}

#[test]
fn a_store_that_is_not_there_misses() {
    let world = World::new();
    let plan = plan(diamond());
    assert_eq!(world.store.lookup(&fingerprint(&plan, "a")), Lookup::Miss);
    assert!(world.store.entries().is_empty());
}
