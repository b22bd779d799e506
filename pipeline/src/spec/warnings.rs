//! What a checked spec asks for that a person may not have meant: known causes of bad or empty figures.

use onebasin_datasets::Class;
use onebasin_network::{Graph, Role};

use super::{Experiment, Pair};
use crate::identity::Part;

impl Pair {
    /// Whether its networks have batch norms, whose running statistics a mean of weights does not have.
    pub fn has_batch_norms(&self) -> bool {
        has_batch_norms(&self.graph)
    }
}

/// Whether a network has batch norms.
pub(super) fn has_batch_norms(graph: &Graph) -> bool {
    graph.spec().parameters.iter().any(|parameter| parameter.role == Role::RunningMean)
}

impl Experiment {
    /// One text for each, in the order of the spec; none where nothing is to be said.
    pub fn warnings(&self) -> Vec<String> {
        // One model is not merged, whatever the methods.
        let merges = self.models.len() > 1;
        let bare: Vec<String> = self
            .methods
            .iter()
            .filter(|method| merges && method.repair.is_none() && method.merging.averages() && method.name.is_first())
            .filter(|method| method.sequential.is_none())
            .map(|method| format!("`{}`", method.name.name))
            .collect();
        let steps =
            self.methods.iter().filter(|method| method.sequential.is_some() && method.merging.averages() && method.fine_tuning.is_none());
        let steps: Vec<String> = steps.map(|method| format!("`{}`", method.name)).collect();
        let mut warnings = Vec::new();
        for (place, pair) in self.pairs.iter().enumerate() {
            if pair.has_batch_norms() && !bare.is_empty() {
                warnings.push(format!(
                    "`{}` has batch norms, and {} {} it without new running statistics\nhint: a method with \
                     `repair = {{ kind = \"batch-norm\" }}` estimates them anew",
                    pair.architecture,
                    bare.join(", "),
                    if bare.len() == 1 { "merges" } else { "merge" }
                ));
            }
            if pair.has_batch_norms() && !steps.is_empty() {
                warnings.push(format!(
                    "`{}` has batch norms, and {} {} it step by step without new running statistics\nhint: no step of a sequence is repaired; \
                     `fine-tuning` estimates them as it trains",
                    pair.architecture,
                    steps.join(", "),
                    if steps.len() == 1 { "merges" } else { "merge" }
                ));
            }
            let is_first = self.pairs[..place].iter().all(|earlier| earlier.dataset != pair.dataset);
            let empty: Vec<String> =
                pair.classes.iter().filter(|class| class.test == 0).map(|class| format!("`{}`", class.folder)).collect();
            if is_first {
                warnings.extend(self.unmeasured(pair));
                warnings.extend(self.sampled(pair));
            }
            if is_first && !empty.is_empty() {
                warnings.push(format!(
                    "data set `{}` has no test pictures of {} of {} classes: {}\nhint: no figure on test says anything about them",
                    pair.dataset,
                    empty.len(),
                    pair.classes.len(),
                    empty.join(", ")
                ));
            }
        }
        warnings
    }

    /// Classes without an image among those that are measured: the first ones, and a folder of pictures is read class by class.
    fn unmeasured(&self, pair: &Pair) -> Option<String> {
        let limits = self.evaluation.images;
        let parts = self.evaluation.parts.iter().filter_map(|part| shown(pair, *part, limits.of(*part)?));
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| {
            format!(
                "{} measures the first images of data set `{}`, which show only {}\nhint: leave it out to \
                 measure all images",
                limits.keys(&self.evaluation.parts),
                pair.dataset,
                parts.join(" and ")
            )
        })
    }

    /// The same of the first training images that repairs, matchings and measurements look at.
    fn sampled(&self, pair: &Pair) -> Option<String> {
        let of_methods = self.methods.iter().filter(|method| method.name.is_first()).flat_map(|method| {
            let name = &method.name.name;
            let repaired = method.repair.as_ref().and_then(|repair| Some((format!("the repair of `{name}`"), repair.images()?)));
            let needed = method.matching.needs().filter(|activations| !activations.drawn);
            let matched = needed.and_then(|activations| Some((format!("the matching of `{name}`"), activations.images?)));
            repaired.into_iter().chain(matched)
        });
        let settings = &self.origin.settings["evaluation"];
        let features = if settings["features"] == true { Some(1000) } else { settings["features"]["images"].as_u64() };
        let measured = [("`variances`", settings["variances"].as_u64()), ("`features`", features)];
        let measured = measured.into_iter().filter_map(|(key, images)| Some((key.to_owned(), usize::try_from(images?).ok()?)));
        let few: Vec<String> = of_methods
            .chain(measured)
            .filter_map(|(what, images)| Some(format!("{what}: {}", shown(pair, Part::Train, images)?)))
            .collect();
        (!few.is_empty()).then(|| {
            format!(
                "data set `{}` is read class by class, and its first images show only some of them: {}\nhint: take more images, or all; `drawn` \
                 draws those of a matching",
                pair.dataset,
                few.join("; ")
            )
        })
    }
}

/// `3 of 10 classes on train`, where the first so many images of a split show no more of a folder of pictures.
fn shown(pair: &Pair, part: Part, images: usize) -> Option<String> {
    let count = |class: &Class| if part == Part::Train { class.train } else { class.test };
    let mut before = 0;
    let shown = pair.classes.iter().filter(|class| {
        let is_reached = before < images && count(class) > 0;
        before += count(class);
        is_reached
    });
    let (shown, all) = (shown.count(), pair.classes.iter().filter(|class| count(class) > 0).count());
    (shown < all).then(|| format!("{shown} of {} classes on {part}", pair.classes.len()))
}
