//! Models that are files of weights.

use onebasin_repro::Fingerprint;

use super::SpecError;
use super::experiment::{Checkpoint, Model, Pair};
use super::resolve::{Resolver, Result, path};
use crate::error_text::error_text;
use crate::input_file;
use crate::weight_file;

impl Resolver<'_> {
    /// The checkpoint of the model at an index.
    pub(super) fn model_checkpoint(
        &self,
        index: &str,
        has_subset: bool,
        file: Option<&str>,
        key: Option<String>,
    ) -> Result<Option<Checkpoint>> {
        let at = |key: &str| path(["models", index, key]);
        match file {
            Some(_) if has_subset && !self.asks_what_files_saw() => Err(self.sees_nothing(&at("subset"))),
            Some(file) => {
                let without_meaning = ["training", "first-weights"].into_iter().find(|key| self.layers.get(&at(key)).is_some());
                if let Some(key) = without_meaning {
                    let message = format!("a model from a file is not trained: `{key}` has no meaning beside `checkpoint`");
                    return Err(self.wrong(&at(key), message).hint("leave one of the two out"));
                }
                self.checkpoint(&at("checkpoint"), file, key).map(Some)
            }
            None if key.is_some() => {
                Err(self.wrong(&at("key"), "`key` says where in a `checkpoint`, and there is none").hint("write `checkpoint = \"FILE\"`"))
            }
            None => Ok(None),
        }
    }

    /// Whether something asks which training images a model from a file saw, or sees later.
    pub(super) fn asks_what_files_saw(&self) -> bool {
        let of_evaluation = ["tasks", "rounds"].iter().any(|key| self.layers.get(&path(["evaluation", key])).is_some());
        of_evaluation || self.document.methods.iter().any(|method| method.sequential.is_some())
    }

    /// The fault of a subset, at `here`, of a model from a file.
    pub(super) fn sees_nothing(&self, here: &[String]) -> SpecError {
        let message = "a model from a file sees no training images: `subset` has no meaning beside `checkpoint`";
        self.wrong(here, message).hint("leave one of the two out: `tasks`, `rounds` and methods with `sequential` alone ask what it saw")
    }

    /// A file of weights, which is relative to the spec. Its content enters recipes, so it is read here.
    pub(super) fn checkpoint(&self, at: &[String], file: &str, key: Option<String>) -> Result<Checkpoint> {
        let path = self.folder.join(file);
        match input_file::bytes(&path) {
            Ok(bytes) => Ok(Checkpoint { digest: Fingerprint::of_bytes(&bytes).to_string(), path, key }),
            Err(error) => Err(self
                .wrong(at, format!("cannot read `{}`: {error}", path.display()))
                .hint("a checkpoint is a file of weights: safetensors, PyTorch or NumPy; a relative path starts at the spec's folder")),
        }
    }

    /// Refuses files that hold no network of the pair's architecture, before anything runs.
    pub(super) fn checkpoints_fit(&self, index: usize, pair: &Pair, models: &[Model]) -> Result<()> {
        for (number, model) in models.iter().enumerate() {
            let (checkpoint, at) = match (pair.checkpoints.get(&model.name), &model.checkpoint) {
                (Some(own), _) => (own, path(["pairs", &index.to_string(), "checkpoints", &model.name])),
                (None, Some(checkpoint)) => (checkpoint, path(["models", &number.to_string(), "checkpoint"])),
                (None, None) => continue,
            };
            let graph = pair.widths.get(&number).map_or(&pair.graph, |width| &width.graph);
            let Checkpoint { path: file, key, .. } = checkpoint;
            let read = weight_file::bytes(file).and_then(|bytes| weight_file::weights_of(&bytes, file, key.as_deref(), graph));
            read.map_err(|error| {
                let text = error_text(&error.context(format!("cannot take a model from `{}`", file.display())));
                self.wrong(&at, text.trim_start_matches("error: "))
            })?;
        }
        Ok(())
    }
}
