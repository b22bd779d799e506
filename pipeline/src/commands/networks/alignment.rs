use std::path::PathBuf;
use std::sync::atomic::Ordering;

use onebasin_matching::MatchingError;

use super::{check_inputs, read, tell_assumptions};
use crate::cli::{MatchOptions, NetworkOptions};
use crate::commands::Failure;
use crate::console;
use crate::interrupt;
use crate::maps_file::{self, Read};
use crate::network_match::{self, Matched};
use crate::number::legible;
use crate::weight_file::Network;

/// Networks of files in one frame.
pub struct Aligned {
    pub networks: Vec<Network>,
    pub matched: Matched,
}

/// Reads the files, finds or reads their maps, and checks that each model computes in the frame what it did.
///
/// `None` where the first file does not give the outputs that are expected.
pub fn align(files: &[PathBuf], options: &MatchOptions, network: &NetworkOptions) -> Result<Option<Aligned>, Failure> {
    let matching = network_match::method_of_text(&options.method).map_err(Failure::Input)?;
    let (networks, fine) = read(files, network)?;
    if !fine {
        return Ok(None);
    }
    tell_assumptions(&networks[0], network);
    let graph = networks[0].graph.clone();
    let inputs = check_inputs(&graph, network)?;
    let named: Vec<_> = networks.iter().map(|network| (network.path.display().to_string(), &network.weights)).collect();
    // Maps that are none are the user's input, not a failure of the work.
    let maps = options.maps.as_deref().map(|path| maps_file::read(path, &graph, &named)).transpose().map_err(Failure::Input)?;
    if let (Some(path), Some(Read { others, .. })) = (&options.maps, maps.as_ref().filter(|read| !read.others.is_empty())) {
        let others = others.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        console::note(&format!("warning: `{}` was made of other weights than {others}", path.display()));
    }
    let method = options.maps.as_ref().map_or(options.method.clone(), |path| path.display().to_string());
    let family = networks[0].inferred.family.clone();
    let interrupted = || interrupt::install().load(Ordering::Relaxed);
    let matched = Matched::of(&graph, &named, (family, method), &inputs, |weights| match maps {
        Some(maps) => Ok(maps_file::alignment(&graph, weights, maps.maps)),
        None => network_match::seek(&graph, weights, &matching, options.seed, &interrupted),
    });
    // What a method refuses is the user's: a reference that is no model, networks of several widths.
    let is_refused =
        |error: &anyhow::Error| error.downcast_ref::<MatchingError>().is_some_and(|it| !matches!(it, MatchingError::Interrupted));
    let matched = matched.map_err(|error| if is_refused(&error) { Failure::Input(error) } else { Failure::Running(error) })?;
    Ok(Some(Aligned { networks, matched }))
}

/// What was found, for a person.
pub fn text(matched: &Matched) -> String {
    let Matched { alignment, check, before, .. } = matched;
    let certificate = alignment.certificate;
    let mut rows = vec![
        ["network".to_owned(), matched.family.clone()],
        ["method".to_owned(), matched.method.clone()],
        ["objective".to_owned(), format!("{} as they came, {} matched", legible(*before, 6), legible(alignment.objective, 6))],
    ];
    if alignment.iterations > 0 {
        let (gap, violation) = (certificate.duality_gap, certificate.worst_violation);
        rows.push(["iterations".to_owned(), format!("{}, {}", alignment.iterations, word(&alignment.outcome))]);
        if alignment.is_hard() {
            rows.push(["assignments".to_owned(), format!("duality gap {gap:.1e}, worst violation {violation:.1e}: 0 proves the best")]);
        }
    }
    if !alignment.is_hard() {
        rows.push(["maps".to_owned(), "plans that share units out: they change what a network computes".to_owned()]);
    }
    if let Some(model) = &matched.moved_outputs {
        rows.push(["class scores".to_owned(), format!("moved, as of `{model}`: networks compute something else in the frame")]);
    }
    let (error, images, scale) = (check.function_error, check.images, check.scale);
    rows.push(["function".to_owned(), format!("outputs differ by at most {error:.1e} on {images} inputs, for logits of up to {scale:.3}")]);
    console::columns(&rows).join("\n")
}

/// A variant as a file spells it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
