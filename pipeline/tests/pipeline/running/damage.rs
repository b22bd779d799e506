//! Entries of the store that something happened to.

use std::fs;
use std::path::Path;

use onebasin::store::Lookup;

use super::world::{World, diamond, fingerprint, mock, plan};

/// Makes a file that artifacts keep from being written writable again.
fn unlock(path: &Path) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of a test's own folder")]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
}

pub fn overwrite(path: &Path, content: &str) {
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
    assert!(damaged(|entry| overwrite(&entry.join("receipt.json"), "{\"files\": {")).starts_with("`receipt.json` is an invalid receipt"));
    assert!(damaged(|entry| overwrite(&entry.join("receipt.json"), "")).starts_with("`receipt.json` is an invalid receipt"));
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
fn a_damaged_target_runs_again_in_any_run_since_it_will_be_read() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    overwrite(&world.entry(&plan, "d").join("text"), &world.text(&plan, "d").to_uppercase());
    let (outcome, record) = world.run(&plan);
    assert_eq!((outcome.ran, outcome.cached, record.count("damaged d: ")), (1, 3, 1));
    assert_eq!(world.text(&plan, "d"), "d(b(a()),c(a()))");
}

#[test]
fn bytes_that_no_stage_reads_are_checked_on_demand_and_what_was_made_of_them_stays_if_they_come_out_the_same() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    let whole = world.content();
    overwrite(&world.entry(&plan, "a").join("text"), "A()");
    assert_eq!(world.run(&plan).0.ran, 0, "a plain run reads the target alone");
    let (outcome, record) = world.run_with(&plan, |options| options.verify = true);
    assert_eq!((outcome.ran, outcome.cached, record.count("damaged a: ")), (1, 3, 1), "{:?}", record.lines());
    assert_eq!(world.content(), whole);
}

#[test]
fn what_was_made_of_damaged_bytes_runs_again_where_they_come_out_otherwise() {
    let world = World::new();
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = runs.clone();
    let mut stages = diamond();
    // Another machine may round otherwise.
    stages[1] = mock("b", &["a"]).first(move |context| {
        let run = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(fs::write(context.out.join("run"), run.to_string())?)
    });
    let plan = plan(stages);
    world.run(&plan);
    overwrite(&world.entry(&plan, "b").join("text"), "B(a())");
    let (outcome, record) = world.run_with(&plan, |options| options.verify = true);
    assert_eq!((outcome.ran, outcome.cached, outcome.is_complete()), (2, 2, true), "{:?}", record.lines());
    let d: Vec<String> = record.lines().into_iter().filter(|line| line.starts_with("damaged d: ")).collect();
    let expected = format!("damaged d: was made of other bytes of `{}` than are there now", fingerprint(&plan, "b").short());
    assert_eq!(d, [expected]);
    assert_eq!(world.run_with(&plan, |options| options.verify = true).0.ran, 0);
}

#[test]
fn the_entry_of_another_stage_is_damage_though_it_is_whole() {
    let said = damaged(|entry| {
        let other = fs::read_dir(entry.parent().unwrap())
            .unwrap()
            .map(|item| item.unwrap().path())
            .find(|path| fs::read_to_string(path.join("recipe.json")).is_ok_and(|recipe| recipe.contains("\"setting\": \"c\"")));
        for name in ["text", "recipe.json", "receipt.json"] {
            overwrite(&entry.join(name), &fs::read_to_string(other.as_ref().unwrap().join(name)).unwrap());
        }
    });
    assert!(said.starts_with("`recipe.json` is that of `"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_damage_and_not_waited_for() {
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let said = damaged(|entry| pipe(&entry.join("receipt.json")));
    assert_eq!(said, "`receipt.json` cannot be read: it is not a regular file");
    assert_eq!(damaged(|entry| pipe(&entry.join("recipe.json"))), "`recipe.json` is not a file");
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
