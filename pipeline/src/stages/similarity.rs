//! The stage that compares the weights of models, as they are or in a common frame.

use std::sync::Arc;

use anyhow::{Result, ensure};
use onebasin_matching::{Alignment, to_frame};
use onebasin_network::{PermutationSpec, Weights};
use serde::Serialize;
use serde_json::json;

use super::files;
use crate::likeness::Likeness;
use crate::stage::{Context, Recipe, Stage, StageId};
use crate::subject::Subject;

/// How the sums over all parameters are called among the parameters.
const ALL: &str = "all";

/// Compares each pair of models, over all trained weights and for each parameter: `similarity.json`. Running statistics are compared
/// for themselves and take no part in the sums, as they take none in matching.
pub struct Similarity {
    id: StageId,
    inputs: Vec<StageId>,
    aligned: bool,
    subject: Arc<Subject>,
}

/// One parameter of one pair: an item of `similarity.json`.
#[derive(Serialize)]
struct Item {
    first: usize,
    second: usize,
    parameter: String,
    cosine: Option<f64>,
    distance: f64,
}

impl Similarity {
    /// Of `models`, which `alignment` brings into one frame, if there is one.
    pub fn new(id: StageId, alignment: Option<StageId>, models: Vec<StageId>, subject: Arc<Subject>) -> Similarity {
        let aligned = alignment.is_some();
        Similarity { id, inputs: alignment.into_iter().chain(models).collect(), aligned, subject }
    }

    /// The models in the frame.
    fn models(&self, context: &Context<'_>) -> Result<Vec<Weights>> {
        let graph = &self.subject.graph;
        let (alignment, models) = context.inputs.split_at(usize::from(self.aligned));
        let alignment = alignment.first().map(|artifact| Alignment::load(&artifact.directory)).transpose()?;
        if let Some(alignment) = &alignment {
            ensure!(alignment.maps.len() == models.len(), "an alignment of {} models for {} models", alignment.maps.len(), models.len());
        }
        let mut loaded = Vec::with_capacity(models.len());
        for (index, artifact) in models.iter().enumerate() {
            context.look()?;
            let weights = files::load(artifact, graph)?;
            loaded.push(match &alignment {
                Some(alignment) => to_frame(graph.spec(), &weights, &alignment.maps[index]),
                None => weights,
            });
        }
        Ok(loaded)
    }
}

impl Stage for Similarity {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        Recipe { kind: "similarity", version: 1, settings: json!({ "aligned": self.aligned }) }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let models = self.models(context)?;
        let mut items = Vec::new();
        for (first, one) in models.iter().enumerate() {
            for (second, other) in models.iter().enumerate().skip(first + 1) {
                context.look()?;
                let compared = compare(self.subject.graph.spec(), one, other);
                items.extend(compared.into_iter().map(|(parameter, likeness)| Item {
                    first,
                    second,
                    parameter,
                    cosine: likeness.cosine(),
                    distance: likeness.distance(),
                }));
            }
        }
        files::write_json(&context.out.join("similarity.json"), &items)
    }
}

/// Two models over all trained weights, then parameter by parameter.
fn compare(spec: &PermutationSpec, one: &Weights, other: &Weights) -> Vec<(String, Likeness)> {
    let mut compared = vec![(ALL.to_owned(), Likeness::default())];
    for parameter in &spec.parameters {
        let likeness = Likeness::of(one.values(&parameter.name), other.values(&parameter.name));
        if parameter.role.is_matched() {
            compared[0].1 = compared[0].1.and(likeness);
        }
        compared.push((parameter.name.clone(), likeness));
    }
    compared
}

#[cfg(test)]
mod tests {
    use onebasin_matching::{Matching, Problem};
    use onebasin_network::{Blueprint, Graph, Permutation, Shape, permute};
    use onebasin_repro::Stream;
    use onebasin_training::{Initialisation, initialise};

    use super::*;

    #[test]
    fn a_shuffled_copy_is_unlike_its_model_until_it_is_matched() {
        let blueprint: Blueprint = serde_json::from_str(r#"{"family": "mlp", "hidden": [24, 16]}"#).unwrap();
        let graph = Graph::build(&blueprint.build(Shape::new(1, 6, 6), 5).unwrap()).unwrap();
        let (spec, stream) = (graph.spec(), Stream::root(7));
        let model = initialise(&graph, Initialisation::default(), &stream).unwrap();
        let shuffle: Vec<Permutation> =
            spec.groups.iter().map(|group| Permutation::new(stream.child(&group.name).shuffled(group.units)).unwrap()).collect();
        let copy = permute(spec, &model, &shuffle);
        assert!(compare(spec, &model, &copy)[0].1.cosine().unwrap() < 0.5);
        for by in ["git-re-basin", "frank-wolfe"] {
            let matching: Matching = serde_json::from_str(&format!(r#"{{"by": "{by}"}}"#)).unwrap();
            let alignment = matching.matcher().align(&Problem { spec, models: vec![&model, &copy] }, &stream).unwrap();
            let images = [(&model, 0), (&copy, 1)].map(|(weights, place)| to_frame(spec, weights, &alignment.maps[place]));
            for (name, likeness) in compare(spec, &images[0], &images[1]) {
                assert_eq!((likeness.cosine(), likeness.distance()), (Some(1.0), 0.0), "{by}: {name}");
            }
        }
    }
}
