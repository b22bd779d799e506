//! An experiment's TOML: layered, read, checked, and resolved into an [`Experiment`].

mod asked;
mod barrier;
mod checkpoints;
mod comparison;
mod curve;
mod deviations;
mod distillation;
mod document;
mod environment;
mod error;
mod executor;
mod experiment;
mod fault;
mod idle_keys;
mod interpolation;
mod layers;
mod limits;
mod merge_sets;
mod methods;
mod notices;
mod origin;
mod overlay;
mod override_value;
mod pairs;
mod repair;
mod resolve;
mod schema;
mod sequence;
mod sweep;
mod text;
mod warnings;
mod widths;

pub use asked::{Asked, EvaluationKeys, Needs, Requests};
pub use barrier::BarrierOver;
pub use curve::{At, Bends, Curve, Ends};
pub use environment::COMMAND_VARIABLES;
pub(crate) use error::chain;
pub use error::{Excerpt, SpecError};
pub use executor::{Executor, KINDS, Resources, Slurm, parse_bytes};
pub use experiment::{
    Checkpoint, Columns, Evaluation, Experiment, FirstWeights, Lesson, Lost, Merging, Method, Model, Pair, Pruned, Width,
};
pub(crate) use fault::{shown, whole};
pub use interpolation::Interpolation;
pub use layers::Overrides;
pub use limits::MOST_STAGES;
pub use notices::unknown_names;
pub use origin::{Origin, Override};
pub use repair::{Endpoints, Renormalise, Repair, Reset};
pub use sequence::{Onto, Sequence};
pub use sweep::Sweep;

use std::path::Path;

use onebasin_datasets::SearchPaths;

pub(crate) use schema::Either;
pub use schema::schema;

use layers::Layers;
use text::Text;

/// The key that names reported figures, as notices call their file.
const REPORTED: &str = "reported.file";

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
    let (there, mut used) = notices::tables(&layers);
    let bare = Layers::of(layers.spec().clone(), &Overrides::default())?;
    used.extend(notices::tables(&bare).1);
    let mut measured = notices::moments(&layers);
    measured.extend(notices::moments(&bare));
    // A fault in a profile is better found before the night on which it is used.
    for profile in layers.profiles() {
        if overrides.profile.as_ref() != Some(&profile) {
            let alone = Overrides { profile: Some(profile), ..Overrides::default() };
            let other = Layers::of(layers.spec().clone(), &alone)?;
            used.extend(notices::tables(&other).1);
            measured.extend(notices::moments(&other));
            resolve::resolve(&other, folder, places, measurements)?;
        }
    }
    experiment.notices.extend(notices::strangers(&experiment.comparison.figures, REPORTED, &experiment.methods));
    experiment.notices.extend(notices::of_no_pair(&experiment.comparison.figures, REPORTED, &used));
    experiment.notices.extend(notices::of_no_moment(&experiment.comparison.figures, &measured));
    experiment.notices.extend(notices::unused(&there, &used));
    Ok(experiment)
}
