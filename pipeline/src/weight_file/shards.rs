//! Files that hold a part of a network.

use std::path::Path;

use anyhow::{Result, bail};

/// The digits of each number in the name of a part.
const DIGITS: usize = 5;

/// Refuses one of several parts, as large networks are saved: `model-00001-of-00003.safetensors`. What is cut off at its end would be taken for class
/// scores.
pub fn is_whole(path: &Path) -> Result<()> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let parts = stem.rsplit_once("-of-").and_then(|(rest, count)| Some((rest.rsplit_once('-')?.1, count)));
    let numbers = parts.filter(|(part, count)| part.len() == DIGITS && count.len() == DIGITS);
    let numbers = numbers.and_then(|(part, count)| Some((part.parse::<usize>().ok()?, count.parse::<usize>().ok()?)));
    if let Some((part, count)) = numbers.filter(|(part, count)| *count > 1 && part <= count) {
        bail!(
            "`{}` is part {part} of {count} of a network\nhint: join the parts: save `{{**load_file(first), **load_file(second)}}` as one file",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_several_is_no_network() {
        for whole in ["net.safetensors", "model-00001-of-00001.safetensors", "end-of-2.pt", "seed-1-of-5.pt"] {
            assert!(is_whole(Path::new(whole)).is_ok(), "{whole}");
        }
        let error = is_whole(Path::new("hf/model-00002-of-00003.safetensors")).unwrap_err().to_string();
        assert!(error.starts_with("`hf/model-00002-of-00003.safetensors` is part 2 of 3 of a network\nhint: "), "{error}");
    }
}
