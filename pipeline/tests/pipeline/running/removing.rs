//! Removal of entries from the store.

use std::collections::BTreeSet;
use std::fs;

use onebasin_repro::Fingerprint;

use super::world::{World, diamond, fingerprint, mock, plan};

#[test]
fn entries_are_listed_with_what_made_them_and_their_size() {
    let world = World::new();
    assert!(world.store.holdings().unwrap().is_empty(), "a store that is not there holds nothing");
    let plan = plan(diamond());
    world.run(&plan);
    fs::create_dir(world.store.root().join("f".repeat(64))).unwrap();
    fs::write(world.store.root().join("README"), "not an entry").unwrap();
    let holdings = world.store.holdings().unwrap();
    assert_eq!(holdings.len(), 5);
    let a = holdings.iter().find(|holding| holding.fingerprint == fingerprint(&plan, "a")).unwrap();
    let (stage, kind) = a.made_by.clone().unwrap();
    assert_eq!((stage.as_str(), kind.as_str()), ("a", "mock"));
    let sizes = ["text", "recipe.json", "receipt.json"].map(|name| fs::metadata(world.entry(&plan, "a").join(name)).unwrap().len());
    assert_eq!(a.bytes, sizes.iter().sum::<u64>());
    assert_eq!(holdings.last().map(|holding| (holding.made_by.is_none(), holding.bytes)), Some((true, 0)));
}

#[test]
fn removed_entries_are_gone_and_claimed_ones_stay() {
    let world = World::new();
    let plan = plan(diamond());
    world.run(&plan);
    let [b, c] = ["b", "c"].map(|id| fingerprint(&plan, id));
    let claim = world.store.claim(&c).unwrap().unwrap();
    let removed = world.store.remove(&BTreeSet::from([b, c]), |_| true).unwrap();
    assert_eq!((removed.entries, removed.claimed), (vec![b], vec![c]));
    drop(claim);
    assert!(!world.entry(&plan, "b").exists() && world.is_hit(&plan, "c") && world.is_hit(&plan, "a"));
    assert!(world.unfinished().is_empty());
}

#[test]
fn nothing_is_removed_while_a_run_uses_the_store() {
    let world = World::new();
    let whole = plan(diamond());
    world.run(&whole);
    let (store, a) = (world.store.clone(), fingerprint(&whole, "a"));
    let stage = mock("e", &["a"]).first(move |_| {
        let error = store.remove(&BTreeSet::from([a]), |_| true).unwrap_err().to_string();
        anyhow::ensure!(error.starts_with("a run is using the store `") && error.contains("hint: "), "{error}");
        Ok(())
    });
    let (outcome, record) = world.run(&plan(vec![mock("a", &[]), stage]));
    assert!(outcome.is_complete(), "{:?}", record.lines());
    assert_eq!(world.store.remove(&BTreeSet::<Fingerprint>::from([a]), |_| true).unwrap().entries, [a]);
}
