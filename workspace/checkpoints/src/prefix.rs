use std::collections::HashSet;

use crate::error::Fault;
use crate::{CheckpointError, StateDict};

/// Components of names that wrappers put in, wherever they stand.
const WRAPPERS: [&str; 4] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// The collections of Flax: parameters, and the statistics of batch norms.
const COLLECTIONS: [&str; 2] = ["params", "batch_stats"];

/// The names of a file without the prefixes that wrappers leave, one for each tensor in its order.
///
/// `_orig_mod.` and its like go wherever they stand, `module.` where it stands first, and the collections of Flax where all stand in one. Then what all names begin with goes
/// (`backbone.`), as long as each keeps a layer.
///
/// # Errors
/// Where two names would become one.
pub fn short_names(dict: &StateDict, path: &std::path::Path) -> Result<Vec<String>, CheckpointError> {
    let full: Vec<&str> = dict.tensors.iter().map(|(name, _)| name.as_str()).collect();
    shorten(&full).map_err(|fault| fault.at(path))
}

/// As [`short_names`], of names that are in no file.
///
/// # Errors
/// Where two names would become one.
pub fn shorten(full: &[&str]) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = full.iter().map(|name| unwrapped(name)).collect();
    let in_collection =
        |name: &String| name.split_once('.').is_some_and(|(first, rest)| COLLECTIONS.contains(&first) && rest.contains('.'));
    if names.iter().all(in_collection) {
        names.iter_mut().for_each(|name| *name = name.split_once('.').map_or_else(String::new, |(_, rest)| rest.to_owned()));
    }
    let mut seen = HashSet::new();
    if let Some(place) = names.iter().position(|name| !seen.insert(name)) {
        let (first, second) = (names.iter().position(|name| *name == names[place]).expect("it was seen"), place);
        return Err(Fault::new(
            format!("without prefixes `{}` and `{}` give a name that would stand twice: `{}`", full[first], full[second], names[place]),
            "the file holds two networks, or one twice; save the one that is meant",
        ));
    }
    while let Some((prefix, rest)) = names.first().and_then(|name| name.split_once('.')) {
        // A layer's own name stays: `fc.weight` and `fc.bias` alone are a network.
        let is_layer = rest.is_empty()
            || names
                .iter()
                .any(|name| name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).is_none_or(|rest| !rest.contains('.')));
        if is_layer {
            break;
        }
        let cut = prefix.len() + 1;
        names.iter_mut().for_each(|name| drop(name.drain(..cut)));
    }
    Ok(names)
}

fn unwrapped(name: &str) -> String {
    // Flax joins names with slashes.
    let name = name.replace('/', ".");
    let kept: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    let leading = kept.iter().take(kept.len().saturating_sub(2)).take_while(|part| **part == "module").count();
    kept[leading..].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(names: &[&str]) -> Vec<String> {
        shorten(names).unwrap()
    }

    #[test]
    fn wrappers_go_in_any_order_and_what_all_share_goes_too() {
        for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "backbone.", "model.module.net.", ""] {
            let names = ["0.weight", "0.bias", "2.weight"].map(|name| format!("{prefix}{name}"));
            assert_eq!(short(&names.each_ref().map(String::as_str)), ["0.weight", "0.bias", "2.weight"], "{prefix}");
        }
        assert_eq!(short(&["a._orig_mod.weight", "b.weight"]), ["a.weight", "b.weight"]);
    }

    #[test]
    fn the_collections_of_flax_hold_one_network() {
        let names = ["batch_stats/BatchNorm_0/mean", "params/BatchNorm_0/scale", "params/Dense_0/kernel"];
        assert_eq!(short(&names), ["BatchNorm_0.mean", "BatchNorm_0.scale", "Dense_0.kernel"]);
        assert_eq!(short(&["params/kernel", "params/bias"]), ["params.kernel", "params.bias"], "one layer");
        assert_eq!(short(&["params.weight", "fc.weight"]), ["params.weight", "fc.weight"]);
    }

    #[test]
    fn a_layer_keeps_its_name() {
        assert_eq!(short(&["fc.weight", "fc.bias"]), ["fc.weight", "fc.bias"]);
        assert_eq!(short(&["net.fc.weight", "net.fc.bias"]), ["fc.weight", "fc.bias"]);
        assert_eq!(short(&["net.a.0.weight", "net.b.weight"]), ["a.0.weight", "b.weight"]);
        assert_eq!(short(&["module.weight", "module.bias"]), ["module.weight", "module.bias"]);
    }

    #[test]
    fn names_that_would_stand_twice_are_refused() {
        let fault = shorten(&["module.fc.weight", "fc.weight"]).unwrap_err();
        assert!(fault.problem.contains("a name that would stand twice: `fc.weight`"), "{}", fault.problem);
    }
}
