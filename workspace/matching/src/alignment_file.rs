use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ndarray::{Array2, Axis};
use onebasin_network::Permutation;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Alignment, Certificate, Frame, Iterate, MatchingError, Outcome, Restart, Transport, UnitMap, UnitMaps, Untied};

const ALIGNMENT: &str = "alignment.json";
const PERMUTATIONS: &str = "permutations.json";
const PLANS: &str = "plans.safetensors";

/// Said in the file itself, because the other direction is the commonest mistake of its readers.
const DIRECTION: &str = "slot i of the frame holds the model's unit p[i]";

/// What `alignment.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Summary {
    frame: Frame,
    models: usize,
    groups: Vec<String>,
    outcome: Outcome,
    iterations: usize,
    objective: f64,
    cycle_error: f64,
    certificate: Certificate,
    #[serde(default, skip_serializing_if = "is_none")]
    marginal_error: f64,
    trace: Vec<Iterate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refinement: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    starts: Vec<Restart>,
}

/// By reference, as serde hands it over.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_none(error: &f64) -> bool {
    *error == 0.0
}

/// What `permutations.json` holds: for each model, the groups that have a permutation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Permutations {
    direction: String,
    models: Vec<BTreeMap<String, Permutation>>,
}

impl Alignment {
    /// Writes `permutations.json` (one list of indices for each model and group), `alignment.json` (the rest) and, if some map is soft,
    /// `plans.safetensors` into an existing directory: arrays `MODEL/GROUP`, or `MODEL/GROUP/incoming` and `MODEL/GROUP/outgoing`, or
    /// `MODEL/GROUP/rows/PARAMETER` and `MODEL/GROUP/columns/PARAMETER`. Equal alignments give equal bytes.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), MatchingError> {
        let hard = |maps: &UnitMaps| {
            let named = self.groups.iter().zip(maps).filter_map(|(group, map)| match map {
                UnitMap::Permutation(permutation) => Some((group.clone(), permutation.clone())),
                UnitMap::Plan(_) | UnitMap::Transport(_) | UnitMap::Untied(_) => None,
            });
            named.collect()
        };
        let permutations = Permutations { direction: DIRECTION.to_owned(), models: self.maps.iter().map(hard).collect() };
        let summary = Summary {
            frame: self.frame,
            models: self.maps.len(),
            groups: self.groups.clone(),
            outcome: self.outcome,
            iterations: self.iterations,
            objective: self.objective,
            cycle_error: self.cycle_error,
            certificate: self.certificate,
            marginal_error: self.marginal_error,
            trace: self.trace.clone(),
            refinement: self.refinement.clone(),
            starts: self.starts.clone(),
        };
        write(&directory.join(PERMUTATIONS), &json(&permutations))?;
        write(&directory.join(ALIGNMENT), &json(&summary))?;
        if self.is_hard() { Ok(()) } else { write(&directory.join(PLANS), &self.plans()) }
    }

    fn plans(&self) -> Vec<u8> {
        let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (model, maps) in self.maps.iter().enumerate() {
            for (group, map) in self.groups.iter().zip(maps) {
                let mut add = |behind: &str, plan: &Array2<f32>| {
                    let bytes = plan.iter().flat_map(|share| share.to_le_bytes()).collect();
                    arrays.push((format!("{model}/{group}{behind}"), plan.shape().to_vec(), bytes));
                };
                match map {
                    UnitMap::Permutation(_) => {}
                    UnitMap::Plan(plan) => add("", plan),
                    UnitMap::Transport(Transport { incoming, outgoing }) => {
                        add("/incoming", incoming);
                        add("/outgoing", outgoing);
                    }
                    UnitMap::Untied(Untied { rows, columns }) => {
                        rows.iter().for_each(|(parameter, plan)| add(&format!("/rows/{parameter}"), plan));
                        columns.iter().for_each(|(parameter, plan)| add(&format!("/columns/{parameter}"), plan));
                    }
                }
            }
        }
        let view = |shape: &Vec<usize>, bytes| TensorView::new(Dtype::F32, shape.clone(), bytes).expect("four bytes for each share");
        let views = arrays.iter().map(|(name, shape, bytes)| (name.as_str(), view(shape, bytes)));
        safetensors::serialize(views, None).expect("names and shapes of plans are valid")
    }

    /// Reads what [`Alignment::save`] wrote.
    ///
    /// # Errors
    /// A file is missing or unreadable; one is damaged or does not fit the others.
    pub fn load(directory: &Path) -> Result<Alignment, MatchingError> {
        let summary: Summary = parse(&directory.join(ALIGNMENT))?;
        let path = directory.join(PERMUTATIONS);
        let Permutations { mut models, .. } = parse(&path)?;
        let corrupt = |problem| MatchingError::Corrupt { path: path.clone(), problem };
        if models.len() != summary.models {
            return Err(corrupt(format!("{} models, expected {}", models.len(), summary.models)));
        }
        let soft = models.iter().any(|maps| maps.len() < summary.groups.len());
        let mut plans = if soft { load_plans(&directory.join(PLANS))? } else { BTreeMap::new() };
        let mut maps = Vec::new();
        for (model, named) in models.iter_mut().enumerate() {
            let mut found = UnitMaps::new();
            for group in &summary.groups {
                let hard = named.remove(group).map(UnitMap::Permutation);
                let map = hard.or_else(|| soft_map(&mut plans, &format!("{model}/{group}")));
                found.push(map.ok_or_else(|| corrupt(format!("model {model} has no map for group `{group}`")))?);
            }
            if let Some(group) = named.keys().next() {
                return Err(corrupt(format!("model {model} has a map for `{group}`, which is no group")));
            }
            maps.push(found);
        }
        let sizes = |maps: &UnitMaps| -> Vec<usize> { maps.iter().map(UnitMap::units).collect() };
        if let Some(model) = maps.iter().position(|found| sizes(found) != sizes(&maps[0])) {
            return Err(corrupt(format!("the maps of model {model} have other sizes than those of model 0")));
        }
        Ok(Alignment {
            frame: summary.frame,
            groups: summary.groups,
            maps,
            trace: summary.trace,
            refinement: summary.refinement,
            starts: summary.starts,
            outcome: summary.outcome,
            objective: summary.objective,
            iterations: summary.iterations,
            certificate: summary.certificate,
            marginal_error: summary.marginal_error,
            cycle_error: summary.cycle_error,
        })
    }
}

/// The soft map whose arrays have this name or begin with it, taken out of all.
fn soft_map(plans: &mut BTreeMap<String, Array2<f32>>, name: &str) -> Option<UnitMap> {
    if let Some(plan) = plans.remove(name) {
        return Some(UnitMap::Plan(plan));
    }
    if let (Some(incoming), Some(outgoing)) = (plans.remove(&format!("{name}/incoming")), plans.remove(&format!("{name}/outgoing"))) {
        return Some(UnitMap::Transport(Transport { incoming, outgoing }));
    }
    let mut all = |part: &str| -> BTreeMap<String, Array2<f32>> {
        let start = format!("{name}/{part}/");
        let names: Vec<String> = plans.keys().filter(|name| name.starts_with(&start)).cloned().collect();
        names.into_iter().filter_map(|name| Some((name[start.len()..].to_owned(), plans.remove(&name)?))).collect()
    };
    let (rows, columns) = (all("rows"), all("columns"));
    (!rows.is_empty()).then(|| UnitMap::Untied(Untied { rows, columns }))
}

/// One line, keys in a fixed order.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).expect("plain structures have a JSON form");
    text.push(b'\n');
    text
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), MatchingError> {
    fs::write(path, bytes).map_err(|source| MatchingError::File { doing: "write", path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, MatchingError> {
    fs::read(path).map_err(|source| MatchingError::File { doing: "read", path: path.to_owned(), source })
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, MatchingError> {
    serde_json::from_slice(&read(path)?).map_err(|error| MatchingError::Corrupt { path: path.to_owned(), problem: error.to_string() })
}

fn load_plans(path: &Path) -> Result<BTreeMap<String, Array2<f32>>, MatchingError> {
    let corrupt = |problem: String| MatchingError::Corrupt { path: path.to_owned(), problem };
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| corrupt(error.to_string()))?;
    let mut plans = BTreeMap::new();
    for (name, view) in file.tensors() {
        let &[rows, columns] = view.shape() else { return Err(corrupt(format!("`{name}` has {} axes, expected 2", view.shape().len()))) };
        if view.dtype() != Dtype::F32 {
            return Err(corrupt(format!("`{name}` is {:?} of {rows} × {columns}, expected F32", view.dtype())));
        }
        let shares = view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        let plan = Array2::from_shape_vec((rows, columns), shares).expect("checked by the format");
        if let Some(share) = plan.iter().find(|share: &&f32| !(share.is_finite() && **share >= 0.0)) {
            return Err(corrupt(format!("`{name}` holds the share `{share}`, expected a number that is not negative")));
        }
        // Whoever reads a sum of layers gets the mean of their plans, which may leave out different units.
        if name.contains("/columns/") {
            plans.insert(name, plan);
            continue;
        }
        // What becomes of a unit is shared out among slots, so there its shares sum to 1.
        let (axis, line) = if name.ends_with("/outgoing") { (Axis(1), "column") } else { (Axis(0), "row") };
        let sums = plan.sum_axis(Axis(1 - axis.index()));
        if let Some(index) = sums.iter().position(|&sum| sum != 0.0 && !(0.999..=1.001).contains(&sum)) {
            return Err(corrupt(format!(
                "{line} {index} of `{name}` sums to `{}`, expected 1, or 0 for what no mass reaches",
                sums[index]
            )));
        }
        plans.insert(name, plan);
    }
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn alignment() -> Alignment {
        let hard = |indices: &[u32]| UnitMap::Permutation(Permutation::new(indices.to_vec()).unwrap());
        Alignment {
            frame: Frame::Reference(0),
            groups: vec!["fc2".to_owned(), "fc1".to_owned()],
            maps: vec![vec![hard(&[0, 1]), hard(&[0, 1, 2])], vec![hard(&[1, 0]), hard(&[2, 0, 1])]],
            trace: vec![Iterate { objective: 0.1 + 0.2, step: None }, Iterate { objective: 7.0 / 3.0, step: Some(0.3) }],
            refinement: Vec::new(),
            starts: Vec::new(),
            outcome: Outcome::Converged,
            objective: 7.0 / 3.0,
            iterations: 2,
            certificate: Certificate { duality_gap: 1e-17, worst_violation: 0.0 },
            marginal_error: 0.0,
            cycle_error: 0.0,
        }
    }

    fn soft() -> Alignment {
        let mut soft = alignment();
        soft.maps[1][0] = UnitMap::Plan(array![[0.25, 0.75], [0.75, 0.25]]);
        soft
    }

    fn of_widths() -> Alignment {
        let mut wide = alignment();
        let (incoming, outgoing) = (array![[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], array![[1.0, 0.25, 0.0], [0.0, 0.75, 0.0]]);
        let rows = [("a.weight", array![[0.5, 0.5], [0.0, 1.0]]), ("a.bias", array![[1.0, 0.0], [0.0, 1.0]])];
        let columns = [("b.weight".to_owned(), array![[0.5, 0.5], [0.25, 0.75]])].into();
        let rows = rows.map(|(name, plan)| (name.to_owned(), plan)).into();
        wide.maps[0] = vec![UnitMap::Permutation(Permutation::identity(2)), UnitMap::Permutation(Permutation::identity(2))];
        wide.maps[1] = vec![UnitMap::Transport(Transport { incoming, outgoing }), UnitMap::Untied(Untied { rows, columns })];
        wide
    }

    fn restarted() -> Alignment {
        let restart = |start: &str, objective: f64, chosen: bool| Restart {
            start: start.to_owned(),
            objective,
            iterations: 2,
            outcome: Outcome::Converged,
            chosen,
        };
        let starts = vec![restart("identity", 0.1, false), restart("sinkhorn", 7.0 / 3.0, true)];
        Alignment { starts, refinement: vec![2.0, 7.0 / 3.0], ..alignment() }
    }

    #[test]
    fn what_was_not_asked_for_leaves_no_trace_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        alignment().save(directory.path()).unwrap();
        let text = fs::read_to_string(directory.path().join(ALIGNMENT)).unwrap();
        assert!(
            text.ends_with(
                "\"trace\":[{\"objective\":0.30000000000000004,\"step\":null},{\"objective\":2.3333333333333335,\"step\":0.3}]}\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_was_saved_is_loaded_and_equal_alignments_have_equal_bytes() {
        for alignment in [alignment(), soft(), restarted(), of_widths()] {
            let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            alignment.save(first.path()).unwrap();
            let loaded = Alignment::load(first.path()).unwrap();
            assert_eq!(loaded, alignment);
            loaded.save(second.path()).unwrap();
            for name in [ALIGNMENT, PERMUTATIONS, PLANS] {
                assert_eq!(fs::read(first.path().join(name)).ok(), fs::read(second.path().join(name)).ok(), "{name}");
            }
            assert_eq!(first.path().join(PLANS).exists(), !alignment.is_hard());
        }
    }

    #[test]
    fn permutations_are_a_list_of_indices_for_each_model_and_group() {
        let directory = tempfile::tempdir().unwrap();
        alignment().save(directory.path()).unwrap();
        let text = fs::read_to_string(directory.path().join(PERMUTATIONS)).unwrap();
        let expected = r#"{"direction":"slot i of the frame holds the model's unit p[i]","models":[{"fc1":[0,1,2],"fc2":[0,1]},{"fc1":[2,0,1],"fc2":[1,0]}]}"#;
        assert_eq!(text.trim_end(), expected);
    }

    /// What loading says after one file's text was changed.
    fn damaged(alignment: &Alignment, name: &str, damage: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
        let directory = tempfile::tempdir().unwrap();
        alignment.save(directory.path()).unwrap();
        let path = directory.path().join(name);
        fs::write(&path, damage(fs::read(&path).unwrap())).unwrap();
        let error = Alignment::load(directory.path()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let swap =
            |from: &'static str, to: &'static str| move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(from, to).into_bytes();
        for name in [ALIGNMENT, PERMUTATIONS, PLANS] {
            damaged(&soft(), name, |bytes| bytes[..bytes.len() / 2].to_vec());
        }
        assert!(damaged(&alignment(), PERMUTATIONS, swap("[1,0]", "[1,1]")).contains("comes a second time"));
        assert!(damaged(&alignment(), PERMUTATIONS, swap("[1,0]", "[1,0,2]")).contains("other sizes"));
        assert!(damaged(&alignment(), PERMUTATIONS, swap("fc2", "fc3")).contains("`fc2`"));
        assert!(damaged(&alignment(), PERMUTATIONS, swap("{\"fc1\"", "{\"fc9\":[0],\"fc1\"")).contains("`fc9`"));
        let more = swap(r#"{"fc1":[0,1,2],"fc2":[0,1]}"#, r#"{"fc1":[0,1,2],"fc2":[0,1]},{"fc1":[0,1,2],"fc2":[0,1]}"#);
        assert!(damaged(&alignment(), PERMUTATIONS, more).contains("3 models, expected 2"));
        let broken = |mut bytes: Vec<u8>| {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
            bytes
        };
        assert!(damaged(&soft(), PLANS, broken).contains("`1/fc2` holds the share `NaN`"));
    }

    #[test]
    fn half_of_the_plans_of_a_map_is_no_map() {
        let directory = tempfile::tempdir().unwrap();
        of_widths().save(directory.path()).unwrap();
        let path = directory.path().join(PLANS);
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let kept = file.tensors().into_iter().filter(|(name, _)| !name.ends_with("/outgoing"));
        fs::write(&path, safetensors::serialize(kept, None).unwrap()).unwrap();
        assert!(Alignment::load(directory.path()).unwrap_err().to_string().contains("no map for group `fc2`"));
    }

    #[test]
    fn a_missing_file_is_an_error_that_says_which() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Alignment::load(directory.path()).unwrap_err().to_string().contains(ALIGNMENT));
    }
}
