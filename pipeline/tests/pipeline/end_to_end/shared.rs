//! Runs that several tests look at and none changes: each is done once, by the first that asks for it.

use std::sync::LazyLock;

use super::place::{Ended, Place};
use super::repairing;

/// A run that came to a good end.
pub struct Finished {
    pub place: Place,
    pub ended: Ended,
}

/// The shipped spec, one stage at a time.
pub fn smoke() -> &'static Finished {
    static RUN: LazyLock<Finished> = LazyLock::new(|| {
        let place = Place::lasting("smoke", None);
        let ended = place.complete(&["--jobs", "1"]);
        Finished { place, ended }
    });
    &RUN
}

/// The shipped spec, asking for everything, one stage at a time. What the shipped spec asks for is at hand.
pub fn everything() -> &'static Place {
    static RUN: LazyLock<Place> = LazyLock::new(|| {
        let place = Place::lasting("everything", None);
        smoke().place.copy_into(place.path());
        ask_for_everything(&place);
        place.complete(&["--jobs", "1"]);
        place
    });
    &RUN
}

/// A merge repaired in every way, one stage at a time.
pub fn repaired() -> &'static Finished {
    static RUN: LazyLock<Finished> = LazyLock::new(|| {
        let place = Place::lasting("repaired", Some(repairing::SPEC));
        let ended = place.complete(&["--jobs", "1"]);
        Finished { place, ended }
    });
    &RUN
}

/// Adds every measurement to the shipped spec.
pub fn ask_for_everything(place: &Place) {
    place.edit("merges = [2, 3]", MEASUREMENTS);
    place.edit("matching = { by = \"git-re-basin\" }", "matching = { by = \"git-re-basin\" }\nmatching-seeds = 3");
    place.edit("matching = { by = \"frank-wolfe\" }", "matching = { by = \"frank-wolfe\", reference = \"b\" }");
}

const MEASUREMENTS: &str = r#"merges = [3, ["b", "c"], ["a", "b"], ["a", "b", "c"]]
joint-subsets = true
cycles = [["a", "b", "c"]]
similarity = true
features = true
plane = { models = ["a", "b", "c"], points = 5, images = 500 }
iterates = 4
margins = true
norms = true
class-accuracy = true"#;
