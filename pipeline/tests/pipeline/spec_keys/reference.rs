//! The tables of keys of `experiments/spec.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

pub fn reference_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/spec.md")
}

/// The tables of keys of the document, by their headings without backticks.
pub struct Reference {
    pub sections: BTreeMap<String, BTreeMap<String, Row>>,
}

/// What the document says of a key.
pub struct Row {
    pub values: String,
    pub default: String,
}

impl Reference {
    pub fn read() -> Reference {
        Reference::parse(&fs::read_to_string(reference_file()).unwrap())
    }

    pub fn parse(text: &str) -> Reference {
        let mut sections: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
        let mut heading = String::new();
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with('#') {
                heading = line.trim_start_matches('#').trim().replace('`', "");
            }
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells.as_slice() {
                ["key", "values", "default", "meaning"] => {
                    inside = true;
                    assert!(sections.insert(heading.clone(), BTreeMap::new()).is_none(), "two tables of keys in the section `{heading}`");
                }
                _ if !line.starts_with('|') => inside = false,
                [key, values, default, _] if inside && key.starts_with('`') => {
                    let row = Row { values: (*values).to_owned(), default: (*default).to_owned() };
                    let before = sections.get_mut(&heading).unwrap().insert(key.trim_matches('`').to_owned(), row);
                    assert!(before.is_none(), "the section `{heading}` has the key {key} twice");
                }
                _ => assert!(!inside || cells[0] == "---", "a row of four cells is expected in the section `{heading}`: {line}"),
            }
        }
        Reference { sections }
    }

    pub fn keys(&self, section: &str) -> BTreeSet<String> {
        self.sections.get(section).map(|rows| rows.keys().cloned().collect()).unwrap_or_default()
    }

    /// The names in quotes among the values of a key.
    pub fn names(&self, section: &str, key: &str) -> BTreeSet<String> {
        let values = self.sections.get(section).and_then(|rows| rows.get(key)).map_or("", |row| row.values.as_str());
        let names = values.split('`').skip(1).step_by(2);
        let whole = names.filter_map(|code| code.strip_prefix('"')?.strip_suffix('"').filter(|name| !name.contains('"')));
        whole.map(str::to_owned).collect()
    }
}
