//! An experiment's TOML: layered, read, checked, and resolved into an [`Experiment`].

mod asked;
mod comparison;
mod deviations;
mod document;
mod error;
mod experiment;
mod fault;
mod layers;
mod merge_sets;
mod origin;
mod repair;
mod resolve;
mod sweep;
mod text;

pub use asked::{Asked, EvaluationKeys, Requests};
pub(crate) use error::chain;
pub use error::{Excerpt, SpecError};
pub use experiment::{Evaluation, Experiment, Lost, Merging, Method, Model, Pair};
pub(crate) use fault::{shown, whole};
pub use layers::Overrides;
pub use origin::{Origin, Override};
pub use repair::{Endpoints, Renormalise, Repair, Reset};
pub use sweep::Sweep;

use std::path::Path;

use onebasin_datasets::SearchPaths;

use layers::Layers;
use text::Text;

/// Reads a spec with what is laid over it, and checks it together with each of its profiles. `measurements` own keys of `[evaluation]`.
///
/// No image is read; of a data set given by files, at most one header.
///
/// # Errors
/// The first fault found, with its place.
pub fn load(
    path: &Path,
    overrides: &Overrides,
    places: &SearchPaths,
    measurements: &[&dyn EvaluationKeys],
) -> Result<Experiment, SpecError> {
    resolve_all(Layers::read(path, overrides)?, path, overrides, places, measurements)
}

/// As [`load`], of a text at hand; `path` names it in errors and is what its relative paths start from.
///
/// # Errors
/// The first fault found, with its place.
pub fn parse(
    text: &str,
    path: &Path,
    overrides: &Overrides,
    places: &SearchPaths,
    measurements: &[&dyn EvaluationKeys],
) -> Result<Experiment, SpecError> {
    let text = Text::parse(&path.display().to_string(), text.to_owned())?;
    resolve_all(Layers::of(text, overrides)?, path, overrides, places, measurements)
}

fn resolve_all(
    layers: Layers,
    path: &Path,
    overrides: &Overrides,
    places: &SearchPaths,
    measurements: &[&dyn EvaluationKeys],
) -> Result<Experiment, SpecError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut experiment = resolve::resolve(&layers, folder, places, measurements)?;
    experiment.origin = layers.origin(path);
    if let Some(profile) = &experiment.comparison.profile {
        let alone = Overrides { profile: Some(profile.clone()), ..Overrides::default() };
        let reported = resolve::resolve(&Layers::of(layers.spec().clone(), &alone)?, folder, places, measurements)?;
        experiment.comparison.deviations = deviations::deviations(&experiment, &reported);
    }
    // A fault in a profile is better found before the night on which it is used.
    for profile in layers.profiles() {
        if overrides.profile.as_ref() != Some(&profile) {
            let alone = Overrides { profile: Some(profile), ..Overrides::default() };
            resolve::resolve(&Layers::of(layers.spec().clone(), &alone)?, folder, places, measurements)?;
        }
    }
    Ok(experiment)
}
