//! Which models are merged, how often a matching is drawn, and the model it refers to.

use std::collections::BTreeSet;

use figment::value::Value;
use onebasin_matching::Matching;
use serde::Deserialize;

use super::experiment::{Evaluation, Merging, Method, Model};
use super::fault::{explain, shown, whole};
use super::resolve::{Resolver, Result, path};
use crate::identity::MethodName;

const MOST_SEEDS: usize = 1000;
const MOST_SUBSETS: usize = 1000;

impl Resolver<'_> {
    /// The index of a model that the value at `here` names.
    pub(super) fn position(&self, here: &[String], name: &str, models: &[Model]) -> Result<usize> {
        models
            .iter()
            .position(|model| model.name == name)
            .ok_or_else(|| self.wrong(here, format!("unknown model `{name}`")).known(name, models.iter().map(|model| model.name.as_str())))
    }

    /// The indices of models that the list at `here` names, each once.
    pub(super) fn positions(&self, here: &[String], names: &[String], models: &[Model]) -> Result<Vec<usize>> {
        let mut positions = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let inner = [here, &[index.to_string()]].concat();
            let position = self.position(&inner, name, models)?;
            if positions.contains(&position) {
                return Err(self.wrong(&inner, format!("`{}` names the model `{name}` twice", shown(here))).hint("name each model once"));
            }
            positions.push(position);
        }
        Ok(positions)
    }

    /// The indices of the models that a method merges, in the models' own order.
    pub(super) fn merged_models(&self, here: &[String], names: &[String], models: &[Model]) -> Result<Vec<usize>> {
        let mut positions = self.positions(here, names, models)?;
        positions.sort_unstable();
        if positions.len() < 2 {
            let message = format!("`{}` names {} models, expected at least 2", shown(here), positions.len());
            return Err(self.wrong(here, message).hint("models are merged in their own order; leave `models` out to merge the first"));
        }
        Ok(positions)
    }

    /// The matching at `at`; its `reference` may be the name of a model.
    pub(super) fn matching(&self, at: &[String], models: &[Model]) -> Result<Matching> {
        let here = [at, &path(["reference"])].concat();
        let (Some(Value::String(_, name)), Some(Value::Dict(tag, entries))) = (self.layers.get(&here), self.layers.get(at)) else {
            return self.layers.read_at(at);
        };
        let mut entries = entries.clone();
        entries.insert("reference".to_owned(), Value::from(self.position(&here, name, models)? as u64));
        let value = Value::Dict(*tag, entries);
        Matching::deserialize(&value).map_err(|error| explain::<Matching>(self.layers, at, &value, &error))
    }

    /// Whether each reference is among the models that are merged.
    pub(super) fn references(&self, methods: &[Method], evaluation: &Evaluation, models: &[Model]) -> Result<()> {
        for (index, method) in methods.iter().enumerate() {
            // The first model may be left out of a subset, whose own first model takes its place: it is what nobody needs to ask for. A sequence
            // has no reference.
            let reference = method.matching.reference().filter(|&reference| reference > 0 && method.sequential.is_none());
            let Some(reference) = reference else { continue };
            let here = path(["methods", &index.to_string(), "matching", "reference"]);
            let Some(model) = models.get(reference) else {
                let message = format!("`{}` is {reference}, but there are {} models, counted from 0", shown(&here), models.len());
                return Err(self.wrong(&here, message).known("", models.iter().map(|model| model.name.as_str())));
            };
            if let Some(chosen) = &method.models {
                if !chosen.contains(&reference) {
                    let message = format!("the reference `{}` is not among the `models` that `{}` merges", model.name, method.name);
                    return Err(self.wrong(&here, message).hint("a merged model has the units of its reference: merge it too"));
                }
                continue;
            }
            let counted = evaluation.merges.iter().find(|&&count| count <= reference).map(|count| format!("the first {count} models"));
            let listed = evaluation.subsets.iter().find(|subset| !subset.contains(&reference)).map(|subset| {
                let names: Vec<&str> = subset.iter().map(|&index| models[index].name.as_str()).collect();
                format!("the models {}", names.join(", "))
            });
            if let Some(others) = counted.or(listed) {
                let message = format!("the reference `{}` is not among {others}, which `evaluation` asks to merge", model.name);
                return Err(self.wrong(&here, message).hint("a merged model has the units of its reference: merge only models with it"));
            }
        }
        Ok(())
    }

    /// Each method once for every draw of its matching.
    pub(super) fn with_draws(&self, methods: Vec<Method>) -> Result<Vec<Method>> {
        let mut drawn = Vec::new();
        for (index, method) in methods.into_iter().enumerate() {
            let Some(seeds) = self.document.methods[index].matching_seeds else {
                drawn.push(method);
                continue;
            };
            let here = path(["methods", &index.to_string(), "matching-seeds"]);
            self.within(&here, seeds, 1..=MOST_SEEDS, "the paper draws 9 times")?;
            if !method.matching.is_random() || !method.merging.aligns() {
                let message =
                    format!("`{}` is {seeds}, but `{}` is deterministic: `matching-seeds` has no effect", shown(&here), method.name);
                return Err(self.wrong(&here, message).hint("leave it out; plots show the one result beside the draws of other methods"));
            }
            if seeds == 1 {
                drawn.push(method);
                continue;
            }
            let name = |draw| MethodName { draw: Some(draw), ..method.name.clone() };
            drawn.extend((1..=seeds).map(|draw| Method { name: name(draw), ..method.clone() }));
        }
        Ok(drawn)
    }

    /// Numbers of the first models, and lists of models.
    pub(super) fn merges(&self, models: &[Model]) -> Result<(Vec<usize>, Vec<Vec<usize>>)> {
        let Some(written) = &self.evaluation.merges else {
            return Ok((if models.len() > 1 { vec![models.len()] } else { Vec::new() }, Vec::new()));
        };
        let mut counts = BTreeSet::new();
        let mut subsets: Vec<Vec<usize>> = Vec::new();
        for (index, value) in written.iter().enumerate() {
            let here = path(["evaluation", "merges", &index.to_string()]);
            match value {
                Value::Num(_, number) => {
                    let count = whole(number).unwrap_or(-1);
                    match usize::try_from(count) {
                        Ok(count) if (2..=models.len()).contains(&count) => {
                            if !counts.insert(count) {
                                return Err(self.wrong(&here, format!("`evaluation.merges` holds {count} twice")).hint("say each once"));
                            }
                        }
                        _ => {
                            let holds = if count < 0 { "no whole number".to_owned() } else { count.to_string() };
                            let message = format!(
                                "`evaluation.merges` holds {holds}, but there are {} models: expected numbers from 2 to that",
                                models.len()
                            );
                            return Err(self.wrong(&here, message).hint("raise `models`, or merge fewer"));
                        }
                    }
                }
                Value::Array(..) => {
                    let names: Vec<String> = self.layers.read_at(&here)?;
                    let mut subset = self.positions(&here, &names, models)?;
                    subset.sort_unstable();
                    if subset.len() < 2 {
                        let message = format!("`{}` names {} models, expected at least 2", shown(&here), subset.len());
                        return Err(self.wrong(&here, message).hint("`[\"a\", \"c\"]` merges two models that are not the first"));
                    }
                    if subsets.contains(&subset) {
                        return Err(self
                            .wrong(&here, "`evaluation.merges` lists the same models twice")
                            .hint("models are merged in their own order"));
                    }
                    subsets.push(subset);
                }
                _ => {
                    return Err(self
                        .wrong(&here, "`evaluation.merges` should hold numbers of models, or lists of their names")
                        .hint("`merges = [2, 5, [\"a\", \"c\"]]` merges the first two, the first five, and a with c"));
                }
            }
        }
        Ok((counts.into_iter().collect(), subsets))
    }

    /// Refuses merges that are asked of every method but those with `models` of their own, where there are no others.
    pub(super) fn asked_of_some(&self, methods: &[Method]) -> Result<()> {
        let keys = [("merges", self.evaluation.merges.is_some()), ("subsets", self.evaluation.subsets.is_some())];
        let Some((key, _)) = keys.into_iter().find(|(_, there)| *there) else { return Ok(()) };
        if methods.is_empty() || methods.iter().any(|method| method.models.is_none()) {
            return Ok(());
        }
        let message = format!("`evaluation.{key}` is for methods without `models` of their own, and there is none");
        Err(self.wrong(&path(["evaluation", key]), message).hint("leave it out, or the `models` of a method"))
    }

    /// Refuses names in another order than the spec's `models`, by which they are taken, where a method weighs or takes models by their places.
    pub(super) fn orders(&self, methods: &[Method], models: &[Model]) -> Result<()> {
        let by_place = |method: &Method| match &method.merging {
            Merging::Mean { coefficients: Some(_), .. } | Merging::Ensemble { coefficients: Some(_), .. } => Some("weighs"),
            _ => method.sequential.map(|_| "merges"),
        };
        let in_order = |here: Vec<String>, method: &Method, does: &str| {
            let names: Vec<String> = self.layers.read_at(&here)?;
            let mut positions = self.positions(&here, &names, models)?;
            if positions.is_sorted() {
                return Ok(());
            }
            positions.sort_unstable();
            let sorted: Vec<String> = positions.iter().map(|&model| format!("\"{}\"", models[model].name)).collect();
            let message = format!("`{}` {does} models in the order of the spec's `models`, and these are named in another", method.name);
            Err(self.wrong(&here, message).hint(format!("write [{}], or change the order of `models`", sorted.join(", "))))
        };
        let lists = self.evaluation.merges.iter().flatten().enumerate().filter(|(_, value)| matches!(value, Value::Array(..)));
        let lists: Vec<Vec<String>> = lists.map(|(index, _)| path(["evaluation", "merges", &index.to_string()])).collect();
        for (index, method) in methods.iter().enumerate() {
            let Some(does) = by_place(method) else { continue };
            if method.models.is_some() {
                in_order(path(["methods", &index.to_string(), "models"]), method, does)?;
            } else {
                lists.iter().try_for_each(|here| in_order(here.clone(), method, does))?;
            }
        }
        Ok(())
    }

    /// The `listed` choices of models, then every other choice of the numbers that `evaluation.subsets` holds.
    pub(super) fn subsets(&self, listed: Vec<Vec<usize>>, models: &[Model]) -> Result<Vec<Vec<usize>>> {
        let mut subsets = listed;
        for (index, &size) in self.evaluation.subsets.iter().flatten().enumerate() {
            let here = path(["evaluation", "subsets", &index.to_string()]);
            if size < 2 || size >= models.len() {
                let message = format!(
                    "`evaluation.subsets` holds {size}, but there are {} models: expected numbers from 2 to one less than that",
                    models.len()
                );
                return Err(self.wrong(&here, message).hint("`merges` says whether all are merged"));
            }
            for subset in choices(models.len(), size) {
                if subsets.len() >= MOST_SUBSETS {
                    let message = format!("`evaluation.subsets` asks for more than {MOST_SUBSETS} merges of {size} models");
                    return Err(self.wrong(&here, message).hint("list some in `evaluation.merges` instead"));
                }
                if !subsets.contains(&subset) {
                    subsets.push(subset);
                }
            }
        }
        if self.evaluation.joint_subsets && subsets.is_empty() {
            let here = path(["evaluation", "joint-subsets"]);
            return Err(self
                .wrong(&here, "`evaluation.joint-subsets` merges subsets, but there are none")
                .hint("`subsets = [2]` merges every two models, `merges = [[\"a\", \"c\"]]` those"));
        }
        Ok(subsets)
    }
}

/// Every choice of `size` of the first `count` numbers, each in rising order, in the order of words in a dictionary.
fn choices(count: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let first: Vec<usize> = (0..size).collect();
    std::iter::successors((size <= count).then_some(first), move |choice| {
        // The last that can still rise does, and those behind it follow closely.
        let place = (0..size).rev().find(|&place| choice[place] < count - size + place)?;
        let mut next = choice.clone();
        next[place] += 1;
        for behind in place + 1..size {
            next[behind] = next[behind - 1] + 1;
        }
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_those_worked_by_hand() {
        let all: Vec<Vec<usize>> = choices(4, 2).collect();
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(choices(3, 3).collect::<Vec<_>>(), [[0, 1, 2]]);
        assert_eq!((choices(5, 3).count(), choices(5, 4).count(), choices(2, 3).count()), (10, 5, 0));
    }
}
