//! What a spec asks to see of single units: iterates of the ascent, and how sure their matches are.

use figment::value::Value;
use onebasin_matching::Matching;

use super::document;
use super::experiment::{Iterates, Merging, Method, Model, Pair};
use super::fault::{shown, whole};
use super::resolve::{Resolver, Result, path};

const MOST_ITERATES: usize = 24;

impl Resolver<'_> {
    pub(super) fn iterates(&self, models: &[Model], pairs: &[Pair], methods: &[Method]) -> Result<Option<Iterates>> {
        let here = path(["evaluation", "iterates"]);
        let at = |key: &str| path(["evaluation", "iterates", key]);
        let written = match &self.document.evaluation.iterates {
            None => return Ok(None),
            Some(Value::Num(_, number)) => {
                let Some(count) = whole(number).and_then(|count| usize::try_from(count).ok()) else {
                    return Err(self
                        .wrong(&here, format!("`evaluation.iterates` should be a whole number from 1 to {MOST_ITERATES}"))
                        .hint("the paper shows 6"));
                };
                self.within(&here, count, 1..=MOST_ITERATES, "the paper shows 6")?;
                document::Iterates { count, ..document::Iterates::default() }
            }
            Some(Value::Dict(..)) => {
                let written: document::Iterates = self.layers.read_at(&here)?;
                self.within(&at("count"), written.count, 1..=MOST_ITERATES, "the paper shows 6")?;
                written
            }
            Some(_) => {
                return Err(self
                    .wrong(&here, "`evaluation.iterates` should be a whole number, or a table")
                    .hint("`iterates = 6`, or `iterates = { count = 6, group = \"fc1\", model = \"a\" }`"));
            }
        };
        if models.len() < 2 || !methods.iter().any(|method| matches!(method.matching, Matching::C2m3(_))) {
            return Err(self
                .wrong(&here, "`evaluation.iterates` shows the ascent of C²M³, but no models are matched by it")
                .hint("add a method with `matching = { by = \"c2m3\" }`, or leave it out"));
        }
        let model = match &written.model {
            Some(name) => self.position(&at("model"), name, models)?,
            None => 0,
        };
        for pair in pairs {
            let groups = || pair.graph.spec().groups.iter().map(|group| group.name.as_str());
            if let Some(group) = written.group.as_ref().filter(|group| !groups().any(|known| known == group.as_str())) {
                let message = format!("the architecture `{}` has no group of units `{group}`", pair.architecture);
                return Err(self.wrong(&at("group"), message).known(group, groups()));
            }
        }
        Ok(Some(Iterates { count: written.count, group: written.group, model }))
    }

    pub(super) fn margins(&self, models: &[Model], methods: &[Method]) -> Result<bool> {
        let asked = self.document.evaluation.margins;
        let moves = |method: &Method| {
            method.merging != Merging::Ensemble && !matches!(method.matching, Matching::Identity(_)) && method.matching.permutes()
        };
        if asked && (models.len() < 2 || !methods.iter().any(moves)) {
            let here = path(["evaluation", "margins"]);
            return Err(self
                .wrong(&here, format!("`{}` asks how sure matches are, but no units are matched one to one", shown(&here)))
                .hint("add a method whose matching is neither \"identity\" nor a plan that mixes units, or leave it out"));
        }
        Ok(asked)
    }
}
