//! What is left of a method's lead over another beside controls: `lead.csv`, a sentence and a table of `table.md`.
//!
//! A control is given what the method is given. Accuracies on test are paired by replicate: Student's paired t, adjusted over the controls of a
//! pair of data set and architecture after Holm.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{Measurement, MergedRow};
use crate::identity::{MethodLabel, PairName, Part};
use crate::number;
use crate::paired_test::{LEVEL, holm, paired_t};
use crate::plan::{PairPlanner, Record};
use crate::spec::{Asked, SpecError};
use crate::stage::Artifact;
use crate::table::{Tables, row};
use crate::untrained::Unlearned;

/// The measurement.
pub struct Lead;

/// `evaluation.lead` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Lead")]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Keys {
    /// The method.
    of: String,
    /// The method that it was ahead of.
    over: String,
    /// Methods that are given what it is given.
    controls: Vec<String>,
}

/// A method, the one that it was ahead of, and the controls, by name.
#[derive(Clone, Debug, Serialize)]
pub struct LeadRequest {
    of: String,
    over: String,
    controls: Vec<String>,
}

row! {
    /// What a method has more than another on test: a row of `lead.csv`. The first of a pair is the lead, the others are of controls.
    pub struct LeadRow in "lead.csv", order |_, _| Ordering::Equal;
    {
        pair: PairName,
        method: String,
        other: String,
        /// `lead` or `control`.
        role: String,
        replicates: usize,
        /// The mean over replicates.
        difference: f64,
        /// Its 95 % interval; empty for one replicate, and where equal differences tell no spread.
        low: Option<f64>,
        high: Option<f64>,
        p: Option<f64>,
        /// Adjusted over the controls of the pair.
        p_holm: Option<f64>,
        stage: String,
    }
}

/// What is asked, kept until every figure is there.
struct Wanted {
    pair: PairName,
    request: LeadRequest,
}

/// Which pair is asked about.
#[derive(Serialize)]
struct LeadRecord {
    pair: PairName,
    request: LeadRequest,
    /// Nothing is tested.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    one_replicate: bool,
}

impl Record for LeadRecord {
    const OF: &'static str = "lead";

    fn collect(&self, _: &Artifact, _: &str, tables: &mut Tables) -> Result<()> {
        tables.keep(Wanted { pair: self.pair.clone(), request: self.request.clone() });
        Ok(())
    }
}

impl Measurement for Lead {
    type Request = LeadRequest;

    const KEYS: &'static [&'static str] = &["lead"];

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Keys>()]
    }

    fn check(asked: &Asked<'_>) -> Result<Option<LeadRequest>, SpecError> {
        let Some(Keys { of, over, controls }) = asked.optional::<Keys>("lead")? else { return Ok(None) };
        let known: Vec<&str> = asked.methods.iter().map(|method| method.name.name.as_str()).collect();
        let named = |here: Vec<String>, name: &str| match known.contains(&name) {
            true => Ok(()),
            false => Err(asked.wrong(&here, format!("unknown method `{name}`")).known(name, known.iter().copied())),
        };
        named(asked.at(["lead", "of"]), &of)?;
        named(asked.at(["lead", "over"]), &over)?;
        for (place, control) in controls.iter().enumerate() {
            named(asked.at(["lead", "controls", &place.to_string()]), control)?;
        }
        if controls.is_empty() || controls.contains(&of) || over == of {
            let message = "`evaluation.lead` compares a method with others: `over`, and at least one of `controls`";
            return Err(asked.wrong(&asked.at(["lead"]), message).hint("name neither of them as `of` does"));
        }
        for (place, control) in controls.iter().enumerate() {
            // A second row of it would count twice where p values are adjusted.
            if *control == over || controls[..place].contains(control) {
                let here = asked.at(["lead", "controls", &place.to_string()]);
                return Err(asked.wrong(&here, format!("`{control}` is compared with `{of}` already")).hint("name each method once"));
            }
        }
        let counts =
            |name: &str| asked.methods.iter().find(|method| method.name.name == name).map_or_else(BTreeSet::new, |it| asked.counts(it));
        let of_counts = counts(&of);
        let place = |(place, name)| (asked.at(["lead", "controls", &usize::to_string(&place)]), name);
        let others = std::iter::once((asked.at(["lead", "over"]), &over)).chain(controls.iter().enumerate().map(place));
        for (here, other) in others {
            if counts(other).is_disjoint(&of_counts) {
                let message = format!("`{of}` and `{other}` never merge equally many models, so nothing can be compared");
                let hint = "let `merges` hold a number, lists do not count, that both merge, or give both methods `models`";
                return Err(asked.wrong(&here, message).hint(hint));
            }
        }
        if !asked.splits().contains(&Part::Test) {
            return Err(asked
                .wrong(&asked.at(["lead"]), "`evaluation.lead` compares on test, and `splits` has no \"test\"")
                .hint("add it"));
        }
        Ok(Some(LeadRequest { of, over, controls }))
    }

    /// Everything that it looks at is measured already; any stage of the pair says that it is asked for.
    fn plan(request: &LeadRequest, planner: &mut PairPlanner<'_, '_>) {
        if planner.key(None).replicate == 0 {
            let (pair, request) = (planner.pair().name(), request.clone());
            let one_replicate = planner.experiment().replicates < 2;
            planner.record(planner.model(0), LeadRecord { pair, request, one_replicate });
        }
    }

    fn derive(tables: &mut Tables) -> Result<()> {
        let wanted: Vec<(PairName, LeadRequest)> =
            tables.kept::<Wanted>().iter().map(|Wanted { pair, request }| (pair.clone(), request.clone())).collect();
        for (pair, request) in wanted {
            let rows = leads(tables, &pair, &request);
            if !rows.is_empty() {
                tables.extend(rows);
            }
        }
        Ok(())
    }

    fn section(tables: &Tables, pair: &PairName, unlearned: &Unlearned) -> String {
        let rows: Vec<&LeadRow> = tables.of::<LeadRow>().iter().filter(|row| row.pair == *pair).collect();
        let Some((lead, controls)) = rows.split_first() else { return String::new() };
        let merged = tables.of::<MergedRow>().iter().filter(|row| row.key.pair == *pair);
        let several = merged.map(|row| row.models).collect::<BTreeSet<_>>().len() > 1;
        let models = |row: &LeadRow| paired(tables, pair, &row.method, &row.other).map_or(0, |(models, _)| models);
        let mut text = format!("\n### What is left of the lead\n\n{}\n\n", sentence(lead, controls));
        if several {
            text.push_str("Each two are compared at the greatest number of models that both merge; it stands behind the name.\n\n");
        }
        text.push_str("| `of` less | role | difference, points | 95 % interval | p, adjusted |\n| --- | --- | ---: | ---: | ---: |\n");
        for row in &rows {
            let interval = row.low.zip(row.high).map(|(low, high)| format!("{} to {}", points(low), points(high)));
            let p = row.p_holm.map(number::shown).unwrap_or_default();
            let other = if several { format!("{}, {}", row.other, models(row)) } else { row.other.clone() };
            // Where one of the two says nothing, their difference does not.
            let sign = unlearned.sign_of_any([&row.method, &row.other].map(MethodLabel::method));
            let _ =
                writeln!(text, "| {other}{sign} | {} | {} | {} | {p} |", row.role, points(row.difference), interval.unwrap_or_default());
        }
        text.replace("`of`", &format!("`{}`", lead.method))
    }
}

/// The figures of a method and another in one replicate, of each draw.
type Both<'a> = [Vec<&'a MergedRow>; 2];

/// The greatest number of models that both methods merge, and their figures by replicate.
fn paired<'a>(tables: &'a Tables, pair: &PairName, of: &str, other: &str) -> Option<(usize, Vec<Both<'a>>)> {
    let mut figures: BTreeMap<usize, BTreeMap<usize, Both<'a>>> = BTreeMap::new();
    for row in tables.of::<MergedRow>().iter().filter(|row| row.key.pair == *pair && row.split == Part::Test) {
        for (place, _) in [of, other].iter().enumerate().filter(|(_, name)| row.key.method.name() == **name) {
            figures.entry(row.models).or_default().entry(row.key.replicate).or_default()[place].push(row);
        }
    }
    let of_both = |replicates: BTreeMap<usize, Both<'a>>| -> Vec<Both<'a>> {
        replicates.into_values().filter(|both| both.iter().all(|rows| !rows.is_empty())).collect()
    };
    figures.into_iter().rev().map(|(models, replicates)| (models, of_both(replicates))).find(|(_, both)| !both.is_empty())
}

/// The lead and every control that has figures.
fn leads(tables: &Tables, pair: &PairName, request: &LeadRequest) -> Vec<LeadRow> {
    let compare = |other: &str, role: &str| {
        let (_, both) = paired(tables, pair, &request.of, other)?;
        let mean = |rows: &[&MergedRow]| rows.iter().map(|row| row.accuracy).sum::<f64>() / rows.len() as f64;
        let differences: Vec<f64> = both.iter().map(|[ours, theirs]| mean(ours) - mean(theirs)).collect();
        let stage = tables.stage_of(both.iter().flatten().flatten().map(|row| row.stage.as_str()).collect::<BTreeSet<&str>>());
        let test = paired_t(&differences);
        Some(LeadRow {
            pair: pair.clone(),
            method: request.of.clone(),
            other: other.to_owned(),
            role: role.to_owned(),
            replicates: differences.len(),
            difference: differences.iter().sum::<f64>() / differences.len() as f64,
            low: test.and_then(|test| test.interval).map(|(low, _)| low),
            high: test.and_then(|test| test.interval).map(|(_, high)| high),
            p: test.map(|test| test.p),
            p_holm: None,
            stage,
        })
    };
    let Some(lead) = compare(&request.over, "lead") else { return Vec::new() };
    let mut controls: Vec<LeadRow> = request.controls.iter().filter_map(|control| compare(control, "control")).collect();
    if let Some(ps) = controls.iter().map(|row| row.p).collect::<Option<Vec<f64>>>() {
        controls.iter_mut().zip(holm(&ps)).for_each(|(row, p)| row.p_holm = Some(p));
    }
    std::iter::once(lead).chain(controls).collect()
}

/// What is left, in one sentence.
fn sentence(lead: &LeadRow, controls: &[&LeadRow]) -> String {
    let told = |row: &LeadRow| row.p_holm.is_some_and(|p| p < LEVEL);
    let names = |of: &dyn Fn(&LeadRow) -> bool| {
        let names: Vec<String> = controls.iter().filter(|row| of(row)).map(|row| format!("`{}`", row.other)).collect();
        crate::drawing::list(names)
    };
    let (ahead, behind) = (names(&|row| told(row) && row.difference > 0.0), names(&|row| told(row) && row.difference < 0.0));
    let not = names(&|row| !told(row));
    let mut parts = Vec::new();
    for (names, words) in [(ahead, "ahead of"), (behind, "behind"), (not, "not told apart from")] {
        if !names.is_empty() {
            parts.push(format!("{words} {names}"));
        }
    }
    let over = format!("`{}` has {} points more than `{}`", lead.method, points(lead.difference), lead.other);
    let over = if lead.p.is_none_or(|p| p < LEVEL) { over } else { format!("{over}, which is not told apart from it") };
    if lead.replicates < 2 {
        return format!("{over} in one replicate; nothing is tested, which takes two.");
    }
    format!("{over}; beside what is given the same it is {}.", parts.join(", "))
}

/// A difference of accuracies in percentage points.
fn points(difference: f64) -> String {
    number::fixed(100.0 * difference, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{MethodName, ResultKey};

    fn tables(figures: &[(&str, [f64; 3])]) -> Tables {
        let mut tables = Tables::default();
        for (method, accuracies) in figures {
            tables.extend(accuracies.iter().enumerate().map(|(replicate, &accuracy)| MergedRow {
                key: ResultKey { pair: PairName::new("mnist", "mlp"), method: MethodLabel::method(*method), replicate },
                models: 2,
                split: Part::Test,
                loss: 1.0,
                accuracy,
                stage: "s".to_owned(),
            }));
        }
        tables
    }

    #[test]
    fn a_method_is_compared_by_the_mean_of_its_draws_and_at_the_number_of_models_that_both_merge() {
        let pair = PairName::new("mnist", "mlp");
        let row = |method: MethodLabel, models, accuracy| MergedRow {
            key: ResultKey { pair: pair.clone(), method, replicate: 0 },
            models,
            split: Part::Test,
            loss: 1.0,
            accuracy,
            stage: "s".to_owned(),
        };
        let mut tables = Tables::default();
        tables.extend(
            [1, 2].map(|draw| {
                row(MethodLabel::Method(MethodName { draw: Some(draw), ..MethodName::new("drawn") }), 2, 0.4 + 0.2 * draw as f64)
            }),
        );
        tables.extend([row(MethodLabel::method("both"), 2, 0.5), row(MethodLabel::method("both"), 3, 0.1)]);
        tables.extend([row(MethodLabel::method("three"), 3, 0.3)]);
        let controls = ["three".to_owned()].to_vec();
        let request = LeadRequest { of: "drawn".to_owned(), over: "both".to_owned(), controls };
        let rows = leads(&tables, &pair, &request);
        // 0.6 and 0.8 less 0.5; the control has no figure of two models.
        assert_eq!(rows.len(), 1);
        assert!((rows[0].difference - 0.2).abs() < 1e-12, "{}", rows[0].difference);
        assert_eq!(paired(&tables, &pair, "both", "three").map(|(models, both)| (models, both.len())), Some((3, 1)));
    }

    #[test]
    fn one_sentence_says_what_is_left_of_a_lead() {
        let tables = tables(&[
            ("mpf", [0.90, 0.91, 0.92]),
            ("avg", [0.50, 0.51, 0.521]),
            ("tuned", [0.95, 0.9601, 0.97]),
            ("random", [0.80, 0.8101, 0.82]),
            ("joint", [0.89, 0.93, 0.91]),
        ]);
        let controls = ["tuned", "random", "joint", "absent"].map(str::to_owned).to_vec();
        let request = LeadRequest { of: "mpf".to_owned(), over: "avg".to_owned(), controls };
        let rows = leads(&tables, &PairName::new("mnist", "mlp"), &request);
        assert_eq!(rows.iter().map(|row| row.other.as_str()).collect::<Vec<_>>(), ["avg", "tuned", "random", "joint"]);
        let (lead, controls) = rows.split_first().unwrap();
        assert_eq!(
            sentence(lead, &controls.iter().collect::<Vec<_>>()),
            "`mpf` has 39.97 points more than `avg`; beside what is given the same it is ahead of `random`, behind `tuned`, not told apart from `joint`."
        );
        let uncertain = sentence(&LeadRow { p: Some(0.22), ..(*lead).clone() }, &controls.iter().collect::<Vec<_>>());
        assert!(uncertain.starts_with("`mpf` has 39.97 points more than `avg`, which is not told apart from it; beside"), "{uncertain}");
        let alone = LeadRow { replicates: 1, ..(*lead).clone() };
        assert_eq!(sentence(&alone, &[]), "`mpf` has 39.97 points more than `avg` in one replicate; nothing is tested, which takes two.");
    }
}
