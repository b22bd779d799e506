//! `SHA256SUMS`: the digests of what a run wrote into its folders, in the form that `sha256sum --check` reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The name of the file.
pub const FILE: &str = "SHA256SUMS";

/// Digests by the way from the results folder to the file.
pub type Checksums = BTreeMap<String, String>;

/// The digest of a file's bytes.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file's bytes. Names with a line break or a backslash, which need a form of their own, are left out.
pub fn bytes(checksums: &Checksums) -> Vec<u8> {
    let plain = checksums.iter().filter(|(name, _)| !name.contains(['\n', '\r', '\\']));
    plain.map(|(name, digest)| format!("{digest}  {name}\n")).collect::<String>().into_bytes()
}

/// Those of a results folder; none where a version before them wrote it.
pub fn read(results: &Path) -> Checksums {
    let text = fs::read_to_string(results.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once("  ")).map(|(digest, name)| (name.to_owned(), digest.to_owned())).collect()
}

/// The tables of a results folder, and `run.json`, that are not as the run wrote them: edited, cut off, gone, or of another run.
///
/// Nothing is known, and none is named, of a folder without `SHA256SUMS`. Line ends that a checkout changed are no difference.
pub fn altered(results: &Path) -> Vec<String> {
    let is_read = |name: &str| !name.contains('/') && (name.ends_with(".csv") || name.ends_with(".json"));
    let is_whole = |name: &str, expected: &str| {
        let Ok(bytes) = fs::read(results.join(name)) else { return false };
        digest(&bytes) == expected || digest(String::from_utf8_lossy(&bytes).replace("\r\n", "\n").as_bytes()) == expected
    };
    let other = read(results).into_iter().filter(|(name, expected)| is_read(name) && !is_whole(name, expected));
    other.map(|(name, _)| name).collect()
}

/// The same in a sentence; `None` where all is as it was.
pub fn altered_text(results: &Path) -> Option<String> {
    let names: Vec<String> = altered(results).into_iter().map(|name| format!("`{name}`")).collect();
    let [what, them] = if names.len() == 1 { ["is", "it"] } else { ["are", "them"] };
    (!names.is_empty()).then(|| format!("{} in `{}` {what} not as the run wrote {them}", names.join(", "), results.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_as_it_was_is_named_and_other_line_ends_are_no_difference() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let texts =
            [("models.csv", "a\n1\n"), ("merged.csv", "a\n2\n"), ("run.json", "{}\n"), ("table.md", "# a\n"), ("../plots/a.svg", "")];
        let sums: Checksums = texts.iter().map(|(name, text)| ((*name).to_owned(), digest(text.as_bytes()))).collect();
        texts[..4].iter().for_each(|(name, text)| write(name, text));
        assert_eq!(altered(folder.path()), [""; 0], "nothing is known yet");
        fs::write(folder.path().join(FILE), bytes(&sums)).unwrap();
        assert_eq!(read(folder.path()), sums);
        assert_eq!(altered(folder.path()), [""; 0], "pictures are elsewhere, and `table.md` is for notes too");
        write("merged.csv", "a\r\n2\r\n");
        assert_eq!(altered_text(folder.path()), None);
        write("merged.csv", "a\n3\n");
        fs::remove_file(folder.path().join("models.csv")).unwrap();
        write("table.md", "# noted\n");
        assert_eq!(altered(folder.path()), ["merged.csv", "models.csv"]);
        assert!(altered_text(folder.path()).unwrap().starts_with("`merged.csv`, `models.csv` in `"));
    }

    #[test]
    fn the_digest_is_that_of_the_usual_tools() {
        assert_eq!(digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
