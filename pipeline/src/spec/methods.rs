//! Methods: a matching, a merging, a repair, and what is trained on after that.

use onebasin_matching::Matching;
use onebasin_training::{Averaging, Training};

use super::document;
use super::experiment::{Columns, Evaluation, Merging, Method, Model};
use super::repair::Repair;
use super::resolve::{MOST_IMAGES, Resolver, Result, path};
use super::text::End;
use crate::identity::{MethodLabel, MethodName};

impl Resolver<'_> {
    /// All methods, each once.
    pub(super) fn methods(&self, models: &[Model]) -> Result<Vec<Method>> {
        let mut methods = Vec::new();
        for (index, written) in self.document.methods.iter().enumerate() {
            let at = |key: &str| path(["methods", &index.to_string(), key]);
            self.name(&at("name"), &written.name)?;
            if MethodLabel::is_reserved(&written.name) {
                let message = format!("`{}` is no name for a method: in the results it stands for the models before merging", written.name);
                return Err(self.wrong(&at("name"), message).hint("take another name"));
            }
            let merging = match &written.merging {
                None => Merging::Mean { coefficients: None, columns: Columns::Aligned },
                Some(document::Merging::Mean(mean)) => Merging::Mean { coefficients: mean.coefficients.clone(), columns: mean.columns },
                Some(document::Merging::Spherical(_)) => Merging::Spherical,
                Some(document::Merging::Ensemble(document::Ensemble { average, coefficients })) => {
                    Merging::Ensemble { average: *average, coefficients: coefficients.clone() }
                }
                Some(document::Merging::Model(document::OneModel { model })) => {
                    let here = [at("merging"), path(["model"])].concat();
                    Merging::Model { model: self.position(&here, model, models)? }
                }
                Some(document::Merging::Fresh(document::Fresh { like })) => {
                    let here = [at("merging"), path(["like"])].concat();
                    if written.fine_tuning.is_none() {
                        let message = "fresh weights that nothing trains say nothing";
                        return Err(self.wrong(&at("merging"), message).hint("write `fine-tuning = \"TRAINING\"`"));
                    }
                    Merging::Fresh { like: like.as_ref().map(|name| self.position(&here, name, models)).transpose()? }
                }
                Some(document::Merging::Curve(curve)) => Merging::Curve(Box::new(self.curve(&at("merging"), curve)?)),
            };
            let chosen = written.models.as_ref().map(|names| self.merged_models(&at("models"), names, models)).transpose()?;
            let matching = match (&written.matching, &merging) {
                (Some(_), _) => self.matching(&at("matching"), models)?,
                (None, Merging::Ensemble { .. } | Merging::Model { .. } | Merging::Fresh { .. }) => Matching::Identity(Default::default()),
                (None, Merging::Mean { .. } | Merging::Spherical | Merging::Curve(_)) => {
                    let message = format!("missing key `matching` in `methods[{index}]`");
                    return Err(self
                        .layers
                        .fault(&path(["methods", &index.to_string()]), End::Key, message)
                        .hint("`matching = { by = \"identity\" }` averages models as they are")
                        .known("", Matching::NAMES.iter().copied()));
                }
            };
            matching.check().map_err(|error| self.library(&at("matching"), &error))?;
            if !merging.aligns() && !matches!(matching, Matching::Identity(_)) {
                let message = format!("{}: it has no use for a matching", alone(&merging));
                return Err(self.wrong(&at("matching"), message).hint("leave `matching` out"));
            }
            let repair = written.repair.as_ref().map(|_| self.repair(&at("repair"), &merging)).transpose()?;
            let fine_tuning = written.fine_tuning.as_ref().map(|name| self.fine_tuning(&at("fine-tuning"), name, &merging)).transpose()?;
            let lesson =
                written.distillation.as_ref().map(|lesson| self.lesson(index, lesson, fine_tuning.is_some(), models)).transpose()?;
            if written.interpolation.is_some() && !(merging.averages() && fine_tuning.is_none() && written.sequential.is_none()) {
                let message = format!("`{}` has no lines, which `interpolation` is about", written.name);
                return Err(self.layers.fault(&at("interpolation"), End::Key, message).hint("leave `interpolation` out"));
            }
            methods.push(Method {
                name: MethodName::new(&written.name),
                models: chosen,
                matching,
                merging,
                repair,
                fine_tuning,
                lesson,
                interpolation: written.interpolation,
                sequential: written.sequential,
            });
        }
        self.distinct("methods", "name", "method", methods.iter().map(|method| method.name.name.as_str()))?;
        Ok(methods)
    }

    /// Refuses a method that has the name of a model, unless it is that model.
    pub(super) fn apart_from_models(&self, methods: &[Method], models: &[Model]) -> Result<()> {
        for (index, method) in methods.iter().enumerate() {
            let is_that_model = |place: usize| matches!(method.merging, Merging::Model { model } if model == place);
            if models.iter().position(|model| model.name == method.name.name).is_some_and(|place| !is_that_model(place)) {
                let message =
                    format!("method `{}` has the name of a model: tables and pictures could not tell them apart", method.name.name);
                return Err(self.wrong(&path(["methods", &index.to_string(), "name"]), message).hint("take another name"));
            }
        }
        Ok(())
    }

    fn repair(&self, here: &[String], merging: &Merging) -> Result<Repair> {
        let repair: Repair = self.layers.read_at(here)?;
        if !merging.averages() {
            let message = format!("{}: it has no merged model to repair", alone(merging));
            return Err(self.layers.fault(here, End::Key, message).hint("leave `repair` out, or merge by \"mean\""));
        }
        let at = |key: &str| here.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
        self.within(&at("batch"), repair.batch(), 1..=MOST_IMAGES, "the published figures have 100")?;
        if let Some(images) = repair.images() {
            // One image has no variance from image to image.
            self.within(&at("images"), images, 2..=MOST_IMAGES, "leave it out to take all training images")?;
        }
        Ok(repair)
    }

    /// The training that a method names.
    fn fine_tuning(&self, here: &[String], name: &str, merging: &Merging) -> Result<Training> {
        if matches!(merging, Merging::Ensemble { .. }) {
            let message = format!("{}: it has no model to train on", alone(merging));
            return Err(self.layers.fault(here, End::Key, message).hint("leave `fine-tuning` out, or merge by \"mean\""));
        }
        self.training_named(here, name)
    }

    /// Factors of a mean fit one number of models only.
    pub(super) fn coefficients(&self, methods: &[Method], evaluation: &Evaluation) -> Result<()> {
        for (index, method) in methods.iter().enumerate() {
            let counts = || {
                let of_evaluation = evaluation.merges.iter().copied().chain(evaluation.subsets.iter().map(Vec::len));
                method.models.as_ref().map_or_else(|| of_evaluation.collect(), |models| vec![models.len()]).into_iter()
            };
            if method.merging.is_of_two()
                && method.sequential.is_none()
                && let Some(count) = counts().find(|&count| count != 2)
            {
                let here = path(["methods", &index.to_string(), "merging"]);
                let what = if method.merging == Merging::Spherical { "the middle of an arc" } else { "a curve" };
                let message = format!("{what} is between 2 models: it cannot merge {count}");
                return Err(self
                    .wrong(&here, message)
                    .hint("let `evaluation.merges` and `subsets` ask for 2 models only, or merge by \"mean\""));
            }
            let (Merging::Mean { coefficients: Some(factors), .. } | Merging::Ensemble { coefficients: Some(factors), .. }) =
                &method.merging
            else {
                continue;
            };
            let here = path(["methods", &index.to_string(), "merging", "coefficients"]);
            if factors.iter().any(|factor| !factor.is_finite()) {
                return Err(self.wrong(&here, "`coefficients` should be finite numbers"));
            }
            if factors.len() < 2 {
                let message = format!("`coefficients` should be one number for each model merged, at least 2, not {}", factors.len());
                return Err(self.wrong(&here, message));
            }
            let sum: f64 = factors.iter().sum();
            if (sum - 1.0).abs() > 1e-6 {
                return Err(self.wrong(&here, format!("`coefficients` should add up to 1, not {sum}")));
            }
            if matches!(method.merging, Merging::Ensemble { average: Averaging::Probabilities, .. })
                && let Some(below) = factors.iter().find(|&&factor| factor < 0.0)
            {
                let message = format!("`coefficients` has {below}: a mean of probabilities so weighed is none");
                return Err(self.wrong(&here, message).hint("take numbers from 0 to 1, or `average = \"log-probabilities\"`"));
            }
            if let Some(count) = counts().find(|&count| count != factors.len()) {
                let message = format!("{} `coefficients` cannot weigh a merge of {count} models", factors.len());
                return Err(self.wrong(&here, message).hint(format!(
                    "let `evaluation.merges` and `subsets` ask for {} models only, or leave the coefficients out",
                    factors.len()
                )));
            }
        }
        Ok(())
    }
}

/// Why a merging that averages no weights takes little else.
fn alone(merging: &Merging) -> &'static str {
    match merging {
        Merging::Ensemble { .. } => "an ensemble averages predictions",
        Merging::Model { .. } => "one model is taken as it is",
        Merging::Fresh { .. } => "fresh weights are of no model",
        Merging::Curve(_) => "a point of a curve is trained",
        Merging::Mean { .. } | Merging::Spherical => "a mean of weights",
    }
}
