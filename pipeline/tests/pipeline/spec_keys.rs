//! `experiments/spec.md` lists every key of a spec, the names that a key takes, and defaults.
//!
//! What is known is asked of the code: it refuses a spec with an unknown key or name, and its message lists those that are known.

mod places;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use places::{KINDS, Kinds, NAMES, TABLES, TEXTS};
use reference::{Reference, reference_file};

use crate::schema::Tables;
use onebasin::experiment;
use onebasin::spec::{Experiment, Overrides, Repair, SpecError};
use onebasin_datasets::{Augmentation, SearchPaths, Source, known_names};
use onebasin_matching::Matching;
use onebasin_network::Layer;
use onebasin_training::{Distillation, Training};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// A sound spec, into which strange keys and names are put.
const SOUND: &str = r#"
name = "sound"
models = [{ name = "a", subset = { share = 0.5 } }, { name = "b", subset = { parts = [{ to = 0.5 }] } }, { name = "c" }]
datasets = { own = { format = "glyphs", classes = 2 } }
architectures = { net = { family = "mlp", hidden = [4] } }
trainings = { short = { steps = 1, optimizer = { kind = "sgd", learning-rate = 0.1 }, schedule = { kind = "constant" } } }
pairs = [{ dataset = "own", architecture = "net", training = "short" }]
methods = [
  { name = "first", matching = { by = "c2m3" }, merging = { by = "mean" } },
  { name = "second", matching = { by = "activation-matching" } },
  { name = "third", matching = { by = "git-re-basin" } },
]
reported = { profile = "other" }
profiles = { other = { seed = 1 } }
"#;

/// A key and a name that no spec knows.
const STRANGE: &str = "qqqq";

#[test]
fn every_key_stands_in_the_reference_and_the_code_knows_every_key_of_it() {
    let reference = Reference::read();
    let mut faults = Vec::new();
    for (section, keys) in known_tables() {
        faults.extend(differences(&keys, &reference.keys(&section), &format!("section `{section}`, key")));
    }
    let known: BTreeSet<String> = known_tables().into_keys().collect();
    let strangers = reference.sections.keys().filter(|section| !known.contains(*section));
    faults.extend(strangers.map(|section| format!("section `{section}`: a table of keys that the code does not have")));
    assert!(faults.is_empty(), "experiments/spec.md and the code differ:\n  {}", faults.join("\n  "));
}

#[test]
fn every_name_a_key_takes_stands_in_the_reference_and_the_code_knows_every_name_of_it() {
    let reference = Reference::read();
    let mut faults = Vec::new();
    let mut seen: BTreeSet<(String, String)> = TEXTS.map(|(section, key)| (section.to_owned(), key.to_owned())).into();
    for (section, key, names) in known_names_of_keys() {
        faults.extend(differences(&names, &reference.names(&section, &key), &format!("section `{section}`, key `{key}`, name")));
        seen.insert((section, key));
    }
    for (section, rows) in &reference.sections {
        for key in rows.keys().filter(|key| !reference.names(section, key).is_empty()) {
            let known = seen.contains(&(section.clone(), key.clone()));
            faults.extend((!known).then(|| format!("section `{section}`, key `{key}`: no test asks the code for its names")));
        }
    }
    let text = fs::read_to_string(reference_file()).unwrap();
    let unnamed = known_names().filter(|name| !text.contains(&format!("`{name}`")));
    faults.extend(unnamed.map(|name| format!("section `[datasets.NAME]`: the known data set `{name}` is missing")));
    assert!(faults.is_empty(), "experiments/spec.md and the code differ:\n  {}", faults.join("\n  "));
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_code() {
    let reference = Reference::read();
    let mut faults = Vec::new();
    let mut compare = |section: &str, written: serde_json::Value| {
        for (key, row) in reference.sections.get(section).into_iter().flatten() {
            let Some(value) = written.get(key) else { continue };
            let Some(text) = row.default.strip_prefix('`').and_then(|text| text.strip_suffix('`')) else { continue };
            let table: toml::Table = format!("value = {text}").parse().unwrap_or_else(|_| panic!("`{key}` in `{section}`: `{text}`"));
            let told = serde_json::to_value(&table["value"]).unwrap();
            if !alike(&told, value) {
                faults.push(format!("section `{section}`, key `{key}`: the default is `{value}`, not `{told}`"));
            }
        }
    };
    for (name, keys) in
        [("idx", ", \"directory\": \"x\""), ("cifar", ", \"directory\": \"x\""), ("folder", ", \"directory\": \"x\""), ("glyphs", "")]
    {
        compare(&format!("format = \"{name}\""), filled::<Source>(&format!("{{\"format\": \"{name}\"{keys}}}")));
    }
    for name in Matching::NAMES.iter().filter(|name| **name != "identity") {
        compare(&format!("matching = {{ by = \"{name}\" }}"), filled::<Matching>(&format!("{{\"by\": \"{name}\"}}")));
    }
    for name in ["repair", "rescale", "batch-norm"] {
        compare(&format!("repair = {{ kind = \"{name}\" }}"), filled::<Repair>(&format!("{{\"kind\": \"{name}\"}}")));
    }
    compare("distillation", filled::<Distillation>("{}"));
    for name in ["crop", "flip", "resized-crop", "rotate", "zoom-shift-rotate"] {
        let steps = filled::<Augmentation>(&format!("{{\"kind\": \"{name}\"}}"));
        compare(&format!("Augmentation {{ kind = \"{name}\" }}"), steps[0].clone());
    }
    let experiment = read(&toml::Value::Table(SOUND.parse().unwrap())).unwrap();
    compare(
        "Top level",
        json!({ "seed": experiment.seed, "replicates": experiment.replicates, "checkpoint-seconds": experiment.checkpoint_seconds }),
    );
    let evaluation = &experiment.evaluation;
    let written = json!({ "lambdas": evaluation.lambdas, "splits": evaluation.parts, "interpolation": evaluation.interpolation });
    compare("[evaluation]", written);
    for (name, keys) in [
        ("linear", ", \"out\": 1"),
        ("conv", ", \"out\": 1"),
        ("norm", ", \"kind\": \"layer\""),
        ("max-pool", ""),
        ("residual", ", \"body\": []"),
    ] {
        compare(&format!("op = \"{name}\""), filled::<Layer>(&format!("{{\"op\": \"{name}\"{keys}}}")));
    }
    for name in ["sgd", "adam"] {
        let training = filled::<Training>(&format!("{{\"optimizer\": {{\"kind\": \"{name}\", \"learning-rate\": 1}}}}"));
        compare(&format!("optimizer = {{ kind = \"{name}\" }}"), training["optimizer"].clone());
        compare("schedule", training["schedule"].clone());
        compare("[trainings.NAME]", training);
    }
    assert!(faults.is_empty(), "experiments/spec.md and the code differ:\n  {}", faults.join("\n  "));
}

#[test]
fn a_table_is_read_by_heading_with_its_names_and_its_default() {
    let text =
        "## `[x.NAME]`\n\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n| `a` | `\"b\"`, `\"c-d\"`, 3 | `\"b\"` | e |\n";
    let reference = Reference::parse(&format!("{text}\n### None\n\n| name | x |\n| --- | --- |\n| `f` | g |\n"));
    assert_eq!(reference.sections.keys().collect::<Vec<_>>(), ["[x.NAME]"]);
    assert_eq!(reference.names("[x.NAME]", "a"), set(["b", "c-d"]));
    assert_eq!(reference.sections["[x.NAME]"]["a"].default, "`\"b\"`");
}

#[test]
fn the_schema_has_the_keys_of_the_reference_and_no_others() {
    let (schema, reference) = (Tables::new(), Reference::read());
    let mut faults = Vec::new();
    let mut compare = |section: &str, tables: Vec<&serde_json::Value>, kind: Option<&str>| {
        let keys = tables.iter().flat_map(|table| table["properties"].as_object().unwrap().keys().cloned());
        let keys: BTreeSet<String> = keys.filter(|key| Some(key.as_str()) != kind).collect();
        faults.extend(differences(&keys, &reference.keys(section), &format!("section `{section}`, key of the schema")));
    };
    for (section, at) in TABLES {
        compare(section, schema.at(at).iter().collect(), None);
    }
    let families = Kinds { at: "architectures.net", section: "[architectures.NAME]", key: "family", one: "family = \"KIND\"" };
    for Kinds { at, section, key, one } in KINDS.into_iter().chain([families]) {
        let tables = schema.at(at);
        for name in reference.names(section, key) {
            let own: Vec<&serde_json::Value> = tables.iter().filter(|table| table["properties"][key]["const"] == *name).collect();
            assert!(!own.is_empty(), "the schema has no table with `{key} = \"{name}\"` at `{at}`");
            for table in own {
                compare(&one.replace("KIND", &name), vec![table], Some(key));
            }
        }
    }
    assert!(faults.is_empty(), "experiments/spec.md and the schema differ:\n  {}", faults.join("\n  "));
}

/// Every table of keys that the code has, by the heading it should stand under.
fn known_tables() -> BTreeMap<String, BTreeSet<String>> {
    let mut tables = BTreeMap::new();
    for (section, at) in TABLES {
        tables.insert(section.to_owned(), keys_at(at, "{}"));
    }
    // Profiles are taken out before the other keys are read.
    tables.entry("Top level".to_owned()).or_default().insert("profiles".to_owned());
    for Kinds { at, section, key, one } in KINDS {
        tables.insert(section.to_owned(), set([key]));
        for kind in kinds_at(at, key) {
            let keys = keys_at(at, &format!("{{ {key} = \"{kind}\" }}"));
            // A kind without keys has no table.
            if !keys.is_empty() {
                tables.insert(one.replace("KIND", &kind), keys);
            }
        }
    }
    // One table holds the keys of all families: each is asked which of them are its own.
    let every = keys_at("architectures.net", "{}");
    let mut owned = set(["family"]);
    for family in families() {
        let foreign = if family == "layers" { "hidden = [4]" } else { "layers = []" };
        let complaint = complaint("architectures.net", &format!("{{ family = \"{family}\", {foreign} }}"), false);
        assert!(complaint.contains("has no key"), "{complaint}");
        let keys = after(&complaint, "its keys are ");
        owned.extend(keys.iter().cloned());
        tables.insert(format!("family = \"{family}\""), keys);
    }
    assert_eq!(owned, every, "keys of `[architectures.NAME]`, and those of its families");
    tables.insert("[architectures.NAME]".to_owned(), set(["family"]));
    tables
}

/// Every key that takes one of a list of names: heading, key, names.
fn known_names_of_keys() -> Vec<(String, String, BTreeSet<String>)> {
    let kinds = KINDS.iter().map(|kinds| (kinds.section.to_owned(), kinds.key.to_owned(), kinds_at(kinds.at, kinds.key)));
    let names = NAMES.iter().map(|&(section, key, at, value)| {
        let complaint = complaint(at, &value.replace("STRANGE", &format!("\"{STRANGE}\"")), false);
        let names = match (section, key) {
            ("[evaluation]", "pairs") => quoted(complaint.lines().next().unwrap_or_default(), '"'),
            _ => after(&complaint, "expected one of "),
        };
        (section.to_owned(), key.to_owned(), names)
    });
    let families = ("[architectures.NAME]".to_owned(), "family".to_owned(), families());
    kinds.chain(names).chain([families]).collect()
}

/// The families of architectures, as the code suggests them, and the list of layers.
fn families() -> BTreeSet<String> {
    onebasin_network::Blueprint::FAMILIES.iter().copied().chain(["layers"]).map(str::to_owned).collect()
}

/// The keys that a table at a path of the spec may have; `{}` keeps the keys that are there.
fn keys_at(path: &str, table: &str) -> BTreeSet<String> {
    let strange = if table == "{}" { format!("{{ {STRANGE} = 1 }}") } else { table.replace(" }", &format!(", {STRANGE} = 1 }}")) };
    let complaint = complaint(path, &strange, table == "{}");
    assert!(complaint.contains(&format!("unknown key `{STRANGE}`")), "{path}: {complaint}");
    if complaint.contains("none is known here") { BTreeSet::new() } else { after(&complaint, "expected one of ") }
}

/// The kinds of table at a path of the spec.
fn kinds_at(path: &str, key: &str) -> BTreeSet<String> {
    let complaint = complaint(path, &format!("{{ {key} = \"{STRANGE}\" }}"), false);
    assert!(complaint.contains(&format!("unknown name `{STRANGE}`")), "{path}: {complaint}");
    after(&complaint, "expected one of ")
}

/// What the code says of the sound spec with a value put at a path, or with a table's entries added to those that are there.
fn complaint(path: &str, value: &str, add: bool) -> String {
    let mut spec = toml::Value::Table(SOUND.parse().unwrap());
    let table: toml::Table = format!("value = {value}").parse().unwrap_or_else(|error| panic!("{value}: {error}"));
    let steps: Vec<&str> = path.split('.').filter(|step| !step.is_empty()).collect();
    put(&mut spec, &steps, table["value"].clone(), add);
    match read(&spec) {
        Ok(_) => panic!("nothing is wrong with `{value}` at `{path}`"),
        Err(error) => error.to_string(),
    }
}

fn read(spec: &toml::Value) -> Result<Experiment, SpecError> {
    let places = SearchPaths::offline([], "/nonexistent");
    experiment::parse(&toml::to_string(spec).unwrap(), Path::new("sound.toml"), &Overrides::default(), &places)
}

/// Puts a value at a path, making tables and lists on the way; or adds the entries of a table to the one that is there.
fn put(spec: &mut toml::Value, path: &[&str], value: toml::Value, add: bool) {
    let Some((step, rest)) = path.split_first() else {
        match (spec.as_table_mut().filter(|_| add), value) {
            (Some(table), toml::Value::Table(entries)) => table.extend(entries),
            (_, value) => *spec = value,
        }
        return;
    };
    let empty = || toml::Value::Table(toml::Table::new());
    let inner = match step.parse::<usize>() {
        Ok(index) => {
            if !spec.is_array() {
                *spec = toml::Value::Array(vec![empty()]);
            }
            &mut spec.as_array_mut().unwrap()[index]
        }
        Err(_) => spec.as_table_mut().unwrap().entry(*step).or_insert_with(empty),
    };
    put(inner, rest, value, add);
}

/// The names in backticks behind some words, up to the end of the line.
fn after(text: &str, words: &str) -> BTreeSet<String> {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("no `{words}` in: {text}")).1;
    quoted(rest.lines().next().unwrap_or_default(), '`')
}

/// What stands between marks.
fn quoted(text: &str, mark: char) -> BTreeSet<String> {
    text.split(mark).skip(1).step_by(2).map(str::to_owned).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// A value with every default filled in, as recipes have it.
fn filled<T: Serialize + DeserializeOwned>(json: &str) -> serde_json::Value {
    let value: T = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    serde_json::to_value(value).unwrap()
}

/// Whether two values are equal, `1` and `1.0` being one.
fn alike(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (one, other) {
        (Number(one), Number(other)) => one.as_f64() == other.as_f64(),
        (Array(one), Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other)),
        (Object(one), Object(other)) => one.iter().all(|(key, one)| other.get(key).is_some_and(|other| alike(one, other))),
        _ => one == other,
    }
}

/// What is missing on either side.
fn differences(code: &BTreeSet<String>, document: &BTreeSet<String>, what: &str) -> Vec<String> {
    let missing = code.difference(document).map(|name| format!("{what} `{name}`: missing from the document"));
    let unknown = document.difference(code).map(|name| format!("{what} `{name}`: the code does not know it"));
    missing.chain(unknown).collect()
}
