//! What a name of a device says, on whatever machine.

use super::Device;
use crate::TrainingError;

/// The kind that `text` names, one of [`Device::KINDS`], and which device of it.
pub(super) fn parse(text: &str) -> Result<(&'static str, usize), TrainingError> {
    let unknown = |hint: String| Err(TrainingError::UnknownDevice { text: text.to_owned(), hint });
    let (name, index) = text.split_once(':').map_or((text, None), |(name, index)| (name, Some(index)));
    let Some(kind) = Device::KINDS.into_iter().find(|kind| *kind == name) else {
        return unknown(match Device::KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(name)) {
            Some(kind) => format!("names are in small letters: `{kind}`"),
            None if text.is_empty() => "the name is empty; `cpu` works everywhere".to_owned(),
            None if name.eq_ignore_ascii_case("gpu") => "`cuda` and `wgpu` are GPUs; `cpu` works everywhere".to_owned(),
            None => "`cpu` works everywhere".to_owned(),
        });
    };
    match index {
        None => Ok((kind, 0)),
        Some(_) if ["cpu", "ndarray"].contains(&kind) => unknown(format!("`{kind}` is all of the processor and takes no number")),
        // A sign is none, though Rust reads `+1` too.
        Some(index) => match index.parse::<usize>() {
            Ok(number) if index.bytes().all(|byte| byte.is_ascii_digit()) => Ok((kind, number)),
            _ => unknown(format!("the number after `{kind}:` is a whole one from 0, as in `{kind}:0`")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_kind_and_of_gpus_a_number() {
        assert_eq!(parse("cpu").unwrap(), ("cpu", 0));
        assert_eq!(parse("wgpu").unwrap(), ("wgpu", 0));
        assert_eq!(parse("cuda:12").unwrap(), ("cuda", 12));
    }

    #[test]
    fn a_name_that_means_nothing_is_an_error_that_lists_what_does() {
        let texts = ["", "gpu", "CPU", "cuda:", "cuda:one", "cuda:-1", "cuda:+1", "cpu:0", "ndarray:", "wgpu:", "wgpu:x", "gpu:0", "cpu "];
        for text in texts {
            let message = Device::select(text).unwrap_err().to_string();
            let begin = format!("unknown device `{text}`, expected `cpu`, `ndarray`, `cuda[:N]` or `wgpu[:N]`\nhint: ");
            assert!(message.starts_with(&begin), "{message}");
            assert_eq!(Device::check_name(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_hint_is_about_what_is_wrong() {
        for (text, hint) in [("CPU", "small letters: `cpu`"), ("cpu:0", "takes no number"), ("gpu", "`cuda` and `wgpu` are GPUs")] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
    }
}
