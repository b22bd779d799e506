//! Files and folders that lie where others are looked for, under names a little different or in another form.

use std::path::Path;

/// Where was looked, and what lay there.
#[derive(Default)]
pub(crate) struct Search {
    lines: Vec<String>,
    absent: Vec<String>,
}

impl Search {
    /// What is looked for.
    pub fn wanted(&mut self, text: String) {
        self.lines.push(format!("  wanted: {text}"));
    }

    /// What was found in a folder.
    pub fn note(&mut self, folder: &Path, text: String) {
        self.lines.push(format!("  `{}`: {text}", folder.display()));
    }

    /// What may be what is looked for.
    pub fn hint(&mut self, text: String) {
        let line = format!("  {text}");
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// A folder that does not exist.
    pub fn absent(&mut self, folder: &Path) {
        self.absent.push(format!("`{}`", folder.display()));
    }

    /// One line each; the folders that do not exist in the last one.
    pub fn told(mut self) -> String {
        if !self.absent.is_empty() {
            self.lines.push(format!("  no such folder: {}", self.absent.join(", ")));
        }
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Entries of a folder that are looked at; more would take time for a message alone.
const LOOKED_AT: usize = 1000;
/// Entries that a message names.
const NAMED: usize = 5;

/// Names of entries that are not hidden, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().take(LOOKED_AT).flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    names
}

/// Letters and digits, in lower case: what a name keeps when tools and people change it.
fn key(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What else lies in a folder: the end of a line.
pub(crate) fn others(folder: &Path) -> String {
    let names = names(folder);
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "; it is empty".to_owned(),
        count if count <= NAMED => format!("; it holds {}", shown.join(", ")),
        count => format!("; it holds {} and {} more", shown.join(", "), count - NAMED),
    }
}

/// Folders beside the one that is absent whose names differ in case or punctuation.
pub(crate) fn folder(absent: &Path) -> Vec<String> {
    let (Some(parent), Some(name)) = (absent.parent(), absent.file_name().and_then(|name| name.to_str())) else { return Vec::new() };
    let near = |other: &String| key(other) == key(name) && parent.join(other).is_dir();
    let told = |other: String| format!("found folder `{}`, expected `{name}`: rename it", parent.join(other).display());
    names(parent).into_iter().filter(near).map(told).collect()
}

/// Entries that may be the missing files: under another name, in a folder of their own, or in a form that is not read.
///
/// In a folder that does not belong to the set, other forms are told only where they have the name `of` the set.
pub(crate) fn files(folder: &Path, missing: &[&str], of: Option<&str>) -> Vec<String> {
    let told = |name: String| {
        let path = folder.join(&name);
        let own = of.is_none_or(|of| key(&name).contains(&key(of)));
        let file = missing.iter().filter(|file| key(&name).starts_with(&key(file))).max_by_key(|file| file.len());
        match (file, form(&name)) {
            (Some(file), _) if path.is_dir() => {
                let inner = names(&path).into_iter().find(|inner| key(inner).starts_with(&key(file)))?;
                Some(format!("found `{}`, expected `{file}` in `{}`: move it there", path.join(inner).display(), folder.display()))
            }
            (Some(_), Some(form)) if own => Some(format!("found `{}`, {form}", path.display())),
            (Some(file), _) => Some(format!("found `{}`, expected `{file}`: rename it", path.display())),
            (None, Some(form)) if own => Some(format!("found `{}`, {form}", path.display())),
            (None, _) => None,
        }
    };
    names(folder).into_iter().filter_map(told).collect()
}

/// What an entry is, and what to do about it, by the end of its name; `None` for forms that may be read.
fn form(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let packed = [".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"];
    // The archive of a form is no more to be read than the form.
    let name = packed
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .filter(|name| ["-py", "-python", "-matlab", "-mat"].iter().any(|form| name.ends_with(form)))
        .unwrap_or(&name);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match () {
        () if ends(&["-py", "-python", ".pkl", ".pickle"]) => Some("the version for Python: the binary version is read"),
        () if ends(&["-matlab", "-mat", ".mat"]) => Some("the version for MATLAB: the binary version is read"),
        () if ends(&[".npz", ".npy"]) => Some("arrays of NumPy: the official files are read"),
        () if ends(&[".csv", ".parquet", ".h5", ".hdf5", ".arff", ".pt"]) => Some("another form of the set: the official files are read"),
        () if ends(&packed) => Some("an archive: unpack it there"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

    #[test]
    fn a_file_under_another_name_in_a_folder_or_in_another_form_is_told() {
        let house = tempfile::tempdir().unwrap();
        for (entry, told) in [
            ("train_images.idx3_ubyte", Some("expected `train-images-idx3-ubyte`: rename it")),
            ("T10K-labels-idx1-ubyte (1).gz", Some("expected `t10k-labels-idx1-ubyte`: rename it")),
            ("train-images-idx3-ubyte/train-images-idx3-ubyte", Some("move it there")),
            ("train-images-idx3-ubyte.zip", Some("an archive: unpack it there")),
            ("mnist-python.tar.gz", Some("the version for Python: the binary version is read")),
            ("mnist.npz", Some("arrays of NumPy")),
            ("notes.txt", None),
        ] {
            let folder = house.path().join(entry.replace('/', "-of-"));
            let path = folder.join(entry);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
            let lines = files(&folder, &NAMES, None);
            assert_eq!(lines.len(), usize::from(told.is_some()), "{entry}: {lines:?}");
            assert!(lines.iter().all(|line| line.contains(told.unwrap())), "{lines:?}");
        }
    }

    #[test]
    fn a_folder_that_differs_in_case_is_told() {
        let house = tempfile::tempdir().unwrap();
        std::fs::create_dir(house.path().join("CIFAR-10")).unwrap();
        std::fs::create_dir(house.path().join("cifar100")).unwrap();
        let lines = folder(&house.path().join("cifar10"));
        assert!(lines.len() == 1 && lines[0].contains("CIFAR-10`, expected `cifar10`: rename it"), "{lines:?}");
    }
}
