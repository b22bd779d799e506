use std::collections::BTreeMap;

use onebasin_network::{GroupMoments, Parameter, Permutation, PermutationSpec, Role, Weights};

use crate::{Frame, Loss, MatchingError};

/// Models of one architecture that want a common order of units.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// Which axes of which parameters belong to which group of units.
    pub spec: &'a PermutationSpec,
    /// At least two, each checked against `spec` by [`Problem::check`].
    pub models: Vec<&'a Weights>,
    /// The spec of each model, where they differ in widths; `spec` is the first one's.
    pub specs: Option<Vec<&'a PermutationSpec>>,
    /// The moments of the models' activations, for each group, where a method asks for them ([`Matcher::needs`](crate::Matcher::needs));
    /// behind them those of each layer, in the order of the weights in the spec, where it asks for these too
    /// ([`Matcher::needs_layers`](crate::Matcher::needs_layers)).
    pub moments: Option<&'a [GroupMoments]>,
    /// The loss that the models were trained on, where a method asks for it ([`Matcher::needs_loss`](crate::Matcher::needs_loss)).
    pub loss: Option<&'a dyn Loss>,
}

impl<'a> Problem<'a> {
    /// Models to be matched by their weights.
    pub fn new(spec: &'a PermutationSpec, models: Vec<&'a Weights>) -> Problem<'a> {
        Problem { spec, models, specs: None, moments: None, loss: None }
    }

    /// Models of the same layers and groups with other numbers of units, each with its own spec.
    ///
    /// # Panics
    /// Without as many specs as models, or without any.
    pub fn of_widths(specs: Vec<&'a PermutationSpec>, models: Vec<&'a Weights>) -> Problem<'a> {
        assert_eq!(specs.len(), models.len(), "one spec for each model is expected");
        let spec = specs[0];
        // Models of one width are what they are without this.
        let specs = specs.iter().any(|other| *other != spec).then_some(specs);
        Problem { spec, models, specs, moments: None, loss: None }
    }

    /// The spec of one model.
    pub fn spec_of(&self, model: usize) -> &'a PermutationSpec {
        self.specs.as_ref().map_or(self.spec, |specs| specs[model])
    }

    /// The spec of models in a frame.
    pub(crate) fn frame_spec(&self, frame: Frame) -> &'a PermutationSpec {
        match frame {
            Frame::Reference(reference) => self.spec_of(reference),
            Frame::Universe => self.spec,
        }
    }

    /// The same with the moments of their activations.
    #[must_use]
    pub fn with_moments(self, moments: &'a [GroupMoments]) -> Problem<'a> {
        Problem { moments: Some(moments), ..self }
    }

    /// The same with the loss that they were trained on.
    #[must_use]
    pub fn with_loss(self, loss: &'a dyn Loss) -> Problem<'a> {
        Problem { loss: Some(loss), ..self }
    }

    /// Says whether there is something to match.
    ///
    /// # Errors
    /// Fewer than two models, a model of another architecture or width, a weight that is not finite, moments of other models.
    pub fn check(&self) -> Result<(), MatchingError> {
        if let Some(model) = (0..self.models.len()).find(|&model| self.spec_of(model) != self.spec) {
            return Err(MatchingError::OtherWidth { model });
        }
        self.check_widths()
    }

    /// As [`Problem::check`], for methods that match models of several widths.
    ///
    /// # Errors
    /// As [`Problem::check`], where layers, groups or fixed axes of models differ.
    pub fn check_widths(&self) -> Result<(), MatchingError> {
        if self.models.len() < 2 {
            return Err(MatchingError::TooFewModels { found: self.models.len() });
        }
        for model in 1..self.models.len() {
            same_layers(self.spec, self.spec_of(model), model)?;
        }
        for (model, weights) in self.models.iter().enumerate() {
            self.check_shapes(model, weights)?;
            if let Some((name, _)) = weights.iter().find(|(_, array)| !array.iter().all(|value| value.is_finite())) {
                return Err(MatchingError::NotFinite { model, parameter: name.to_owned() });
            }
        }
        self.moments.map_or(Ok(()), |moments| self.check_moments(moments))
    }

    fn check_moments(&self, moments: &[GroupMoments]) -> Result<(), MatchingError> {
        let wrong = |problem| Err(MatchingError::Moments { problem });
        let groups = self.spec.groups.len();
        if moments.len() != groups && moments.len() != groups + layers(self.spec).count() {
            return wrong(format!("{} groups, expected {groups}", moments.len()));
        }
        let names = self.spec.groups.iter().map(|group| ("group", &group.name));
        let names = names.chain(layers(self.spec).map(|layer| ("layer", &layer.name)));
        let sizes = |model: usize| {
            let spec = self.spec_of(model);
            let of_layer = |layer: &Parameter| layer.shape[0] / layer.rows.map_or(1, |rows| rows.block);
            spec.groups.iter().map(|group| group.units).chain(layers(spec).map(of_layer)).collect::<Vec<usize>>()
        };
        let sizes: Vec<Vec<usize>> = (0..self.models.len()).map(sizes).collect();
        for (index, (moments, (kind, name))) in moments.iter().zip(names).enumerate() {
            let models = moments.models();
            let expected = |model: usize| sizes.get(model).map_or(0, |sizes| sizes[index]);
            let other = (0..models).find(|&model| moments.sums[model].len() != expected(model));
            if models != self.models.len() || other.is_some() {
                let model = other.unwrap_or(0);
                let units = moments.sums.get(model).map_or(0, |sums| sums.len());
                let expected = format!("{} models and {} units", self.models.len(), expected(model));
                return wrong(format!("{kind} `{name}` is of {models} models and {units} units, expected {expected}"));
            }
            let vectors = moments.sums.iter().chain(&moments.squares).flatten();
            if !vectors.chain(moments.products.iter().flatten()).all(|value| value.is_finite()) {
                return wrong(format!("{kind} `{name}` holds a sum that is not finite"));
            }
        }
        Ok(())
    }

    /// The moments of layers, in the order of the weights in the spec, if there are any.
    pub(crate) fn layer_moments(&self) -> Option<&'a [GroupMoments]> {
        self.moments.map(|moments| &moments[self.spec.groups.len()..]).filter(|moments| !moments.is_empty())
    }

    fn check_shapes(&self, model: usize, weights: &Weights) -> Result<(), MatchingError> {
        let wrong = |problem| MatchingError::OtherArchitecture { model, problem };
        let found: BTreeMap<&str, &[usize]> = weights.iter().map(|(name, array)| (name, array.shape())).collect();
        let spec = self.spec_of(model);
        for parameter in &spec.parameters {
            match found.get(parameter.name.as_str()) {
                None => return Err(wrong(format!("`{}` is missing", parameter.name))),
                Some(&shape) if shape != parameter.shape => {
                    return Err(wrong(format!("`{}` has shape {shape:?}, expected {:?}", parameter.name, parameter.shape)));
                }
                Some(_) => {}
            }
        }
        if found.len() != spec.parameters.len() {
            return Err(wrong(format!("it has {} arrays, expected {}", found.len(), spec.parameters.len())));
        }
        Ok(())
    }

    /// The identity for every model and group.
    pub fn identity_maps(&self) -> Vec<Vec<Permutation>> {
        vec![self.spec.groups.iter().map(|group| Permutation::identity(group.units)).collect(); self.models.len()]
    }
}

/// Says whether two networks have the same layers and groups, and the same axes that are fixed; groups may have other numbers of units.
///
/// # Errors
/// The first difference, as one of the model with this index.
pub fn same_layers(first: &PermutationSpec, other: &PermutationSpec, model: usize) -> Result<(), MatchingError> {
    let wrong = |problem| Err(MatchingError::OtherArchitecture { model, problem });
    if first.groups.len() != other.groups.len() || first.parameters.len() != other.parameters.len() {
        let of = |spec: &PermutationSpec| format!("{} groups and {} parameters", spec.groups.len(), spec.parameters.len());
        return wrong(format!("it has {}, expected {}", of(other), of(first)));
    }
    for (here, there) in first.parameters.iter().zip(&other.parameters) {
        let bound = |parameter: &Parameter| (parameter.name.clone(), parameter.role, parameter.rows, parameter.columns);
        if bound(here) != bound(there) {
            return wrong(format!("`{}` stands where `{}` should, or belongs to other groups", there.name, here.name));
        }
        let bindings = [here.rows, here.columns];
        let is_free = |axis: usize| bindings.get(axis).is_some_and(|binding| binding.is_some());
        let fixed = |parameter: &Parameter| -> Vec<usize> {
            parameter.shape.iter().enumerate().filter(|(axis, _)| !is_free(*axis)).map(|(_, &length)| length).collect()
        };
        if fixed(here) != fixed(there) {
            return wrong(format!(
                "`{}` has shape {:?}, which differs from {:?} in an axis that is fixed",
                there.name, there.shape, here.shape
            ));
        }
    }
    Ok(())
}

/// The weights of linear layers and convolutions, one for each layer.
pub(crate) fn layers(spec: &PermutationSpec) -> impl Iterator<Item = &Parameter> {
    spec.parameters.iter().filter(|parameter| parameter.role == Role::Weight)
}
