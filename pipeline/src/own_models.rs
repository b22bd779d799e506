//! Methods that merge other models than the first ones: beside others of as many models their figures are of other networks.

use std::collections::BTreeMap;

use crate::drawing::list;
use crate::identity::MethodLabel;
use crate::spec::Experiment;

/// Such methods, by name, with the names of their models.
pub type OwnModels = BTreeMap<String, Vec<String>>;

/// Those of an experiment.
pub fn own_models(experiment: &Experiment) -> OwnModels {
    let names = |models: &Vec<usize>| models.iter().map(|&model| experiment.models[model].name.clone()).collect();
    let methods = experiment.methods.iter().filter_map(|method| Some((method.name.name.clone(), method.models.as_ref()?)));
    let others = methods.filter(|(_, models)| models.iter().any(|&model| model >= models.len()));
    others.map(|(method, models)| (method, names(models))).collect()
}

/// What must be known of such methods; nothing where there are none.
pub fn sentence<'m>(own: impl IntoIterator<Item = (&'m String, &'m Vec<String>)>) -> Option<String> {
    let mut alike: BTreeMap<&Vec<String>, Vec<String>> = BTreeMap::new();
    for (method, models) in own {
        alike.entry(models).or_default().push(format!("`{method}`"));
    }
    let told: Vec<String> = alike.into_iter().map(|(models, methods)| format!("{} of {}", list(&methods), list(models))).collect();
    (!told.is_empty()).then(|| {
        format!(
            "Merged are the first models, as many as a row says, but by some methods their own: {}. Beside a method of other models a \
             figure compares not methods alone but models too.",
            told.join("; ")
        )
    })
}

/// Whether a method uses a model, which stands at a place among all; `count` models are merged.
pub fn uses(own: &OwnModels, label: &MethodLabel, (place, model): (usize, &str), count: usize) -> bool {
    own.get(label.name()).map_or(place < count, |models| models.iter().any(|name| name == model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_other_models_than_the_first_are_told_and_use_their_own() {
        let own = |models: &[&str]| models.iter().map(|&model| model.to_owned()).collect::<Vec<_>>();
        let methods =
            OwnModels::from([("x".to_owned(), own(&["a", "c"])), ("y".to_owned(), own(&["a", "c"])), ("z".to_owned(), own(&["b", "c"]))]);
        assert_eq!(sentence(&OwnModels::new()), None);
        let text = sentence(&methods).unwrap();
        assert!(text.contains("but by some methods their own: `x` and `y` of a and c; `z` of b and c."), "{text}");
        let is_used = |method: &str| [(0, "a"), (1, "b"), (2, "c")].map(|model| uses(&methods, &MethodLabel::method(method), model, 2));
        assert_eq!((is_used("naive"), is_used("x")), ([true, true, false], [true, false, true]));
    }
}
