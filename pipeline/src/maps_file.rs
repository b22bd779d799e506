//! Permutations in files: ours, and those of other programs.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use onebasin_matching::{Alignment, Certificate, Frame, Outcome, UnitMap, UnitMaps, objective, to_frame};
use onebasin_network::{Graph, Permutation, PermutationSpec, Role, Weights};
use serde_json::{Map, Value, json};

use crate::input_file;
use crate::network_match::{Matched, digest};
use crate::whole_file;

/// Said in the file itself, because the other direction is the commonest mistake of its readers.
const DIRECTION: &str = "slot i of the frame holds the model's unit p[i]";

/// Writes permutations, what was found and the check, as JSON.
///
/// # Errors
/// When a map is no permutation or moves class scores, or the file cannot be written.
pub fn write(matched: &Matched, spec: &PermutationSpec, path: &Path) -> Result<()> {
    if let Some(model) = &matched.moved_outputs {
        let hint = "`onebasin merge` with the same `--method` merges by them; `output = \"fixed\"` leaves class scores as they are";
        bail!("the class scores of `{model}` are moved too, and a file of maps holds those of hidden units alone\nhint: {hint}");
    }
    let mut content = matched.summary();
    content["direction"] = json!(DIRECTION);
    content["digests"] = json!(matched.digests);
    let model = |maps: &UnitMaps| {
        let named = spec.groups.iter().zip(maps).map(|(group, map)| match map {
            UnitMap::Permutation(permutation) => Ok((group.name.clone(), json!(permutation))),
            _ => Err(anyhow!(
                "the map of group `{}` is a plan, which has no permutation\nhint: use `plan = \"exact\"`, and not `residual = \"skips\"`",
                group.name
            )),
        });
        named.collect::<Result<Map<String, Value>>>()
    };
    content["models"] = json!(matched.alignment.maps.iter().map(model).collect::<Result<Vec<_>>>()?);
    let text = format!("{:#}\n", content);
    whole_file::write(path, text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))
}

/// What a file of maps says.
pub struct Read {
    /// Of each model, by group.
    pub maps: Vec<Vec<Permutation>>,
    /// The models that the maps were not made of, by name, where the file says of which they were.
    pub others: Vec<String>,
}

/// Reads permutations of some models of one network, which are called so in errors.
///
/// # Errors
/// When the file is none of the forms that are known, is of the same models in another order, or a list in it is no permutation of its group: names
/// model, group and slot.
pub fn read(path: &Path, graph: &Graph, models: &[(String, &Weights)]) -> Result<Read> {
    let text = input_file::text(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("`{}` is no JSON", path.display()))?;
    let place = || format!("the maps of `{}`", path.display());
    let names: Vec<String> = models.iter().map(|(name, _)| name.clone()).collect();
    let digests: Vec<String> = models.iter().map(|(_, weights)| digest(weights)).collect();
    let others = of_these(&value, &names, &digests).with_context(place)?;
    Ok(Read { maps: parse(&value, graph.spec(), &names).with_context(place)?, others })
}

/// The models that maps were not made of. Refuses maps of the same ones in another order, by their contents, else by the names of their files, and
/// another direction.
fn of_these(maps: &Value, names: &[String], digests: &[String]) -> Result<Vec<String>> {
    if let Some(direction) = maps.get("direction").filter(|direction| direction.as_str() != Some(DIRECTION)) {
        bail!(
            "their direction is {direction}, expected \"{DIRECTION}\"\nhint: invert each list, or leave `direction` out where it is that one"
        );
    }
    let texts = |key: &str| -> Vec<String> {
        let listed = maps.get(key).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
    };
    let file = |text: &String| Path::new(text).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (made_of, files) = (texts("digests"), texts("files"));
    let (short, given): (Vec<String>, Vec<String>) = (files.iter().map(file).collect(), names.iter().map(file).collect());
    if is_another_order(&made_of, digests) || made_of != digests && is_another_order(&short, &given) {
        bail!("they are of {}, in this order\nhint: name the files in the order in which they were matched", files.join(", "));
    }
    let differs = |place: usize| !made_of.is_empty() && made_of.get(place) != digests.get(place);
    Ok((0..names.len()).filter(|&place| differs(place)).map(|place| names[place].clone()).collect())
}

fn is_another_order(known: &[String], given: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    known != given && sorted(known) == sorted(given)
}

/// The alignment of permutations that are known.
pub fn alignment(graph: &Graph, models: &[&Weights], maps: Vec<Vec<Permutation>>) -> Alignment {
    let spec = graph.spec();
    let maps: Vec<UnitMaps> = maps.into_iter().map(|maps| maps.into_iter().map(UnitMap::Permutation).collect()).collect();
    let moved: Vec<Weights> = models.iter().zip(&maps).map(|(model, maps)| to_frame(spec, model, maps)).collect();
    let objective = objective(spec, &moved.iter().collect::<Vec<_>>());
    let reference = maps.iter().position(|maps| maps.iter().all(|map| matches!(map, UnitMap::Permutation(map) if map.is_identity())));
    Alignment {
        frame: reference.map_or(Frame::Universe, Frame::Reference),
        groups: spec.groups.iter().map(|group| group.name.clone()).collect(),
        maps,
        trace: Vec::new(),
        refinement: Vec::new(),
        starts: Vec::new(),
        outcome: Outcome::Direct,
        objective,
        iterations: 0,
        certificate: Certificate::default(),
        marginal_error: 0.0,
        cycle_error: 0.0,
    }
}

/// The forms that are known:
///
/// - ours: an object with `models`, a list of objects of lists by group; or that list alone;
/// - Git Re-Basin's: one object of lists by group, the second model's onto the first (`w'[i] = w[p[i]]`);
/// - C²M³'s: an object by the models' names, each of lists by group, whose `p[i]` is the slot of unit `i` in the universe; or of pairs: of
///   one model's name, of another's, of lists by group, as Git Re-Basin's.
fn parse(value: &Value, spec: &PermutationSpec, names: &[String]) -> Result<Vec<Vec<Permutation>>> {
    let count = names.len();
    let list = match value {
        Value::Array(list) => Some(list),
        Value::Object(object) => object.get("models").and_then(Value::as_array),
        _ => None,
    };
    if let Some(list) = list {
        ensure!(list.len() == count, "{} models, expected {count}, one for each file", list.len());
        return list.iter().zip(names).map(|(maps, name)| of_model(maps, spec).with_context(|| format!("model `{name}`"))).collect();
    }
    let Value::Object(object) = value else {
        bail!("expected an object of permutations by group\nhint: `onebasin match .. --out` writes one")
    };
    if object.values().all(Value::is_array) {
        ensure!(count == 2, "one set of permutations for {count} files\nhint: it maps the second model onto the first: give two files");
        return Ok(vec![identities(spec), of_model(value, spec).with_context(|| format!("model `{}`", names[1]))?]);
    }
    let inner: Vec<&Map<String, Value>> = object.values().filter_map(Value::as_object).collect();
    ensure!(inner.len() == object.len(), "expected permutations by group, or by model and group");
    if inner.iter().all(|maps| maps.values().all(Value::is_array)) {
        ensure!(inner.len() == count, "{} models, expected {count}, one for each file", inner.len());
        let universe = |(name, maps): (&String, &Value)| {
            let maps = of_model(maps, spec).with_context(|| format!("model `{name}`"))?;
            Ok(maps.iter().map(Permutation::inverse).collect())
        };
        let keys: Vec<&String> = object.keys().collect();
        let order = by_name(&keys, names)?;
        let maps: Vec<Vec<Permutation>> = object.iter().map(universe).collect::<Result<_>>()?;
        return Ok(order.into_iter().map(|place| maps[place].clone()).collect());
    }
    pairs(object, spec, names)
}

/// For each file the place of its model among these names: by the name of the file, and where none of them is one, one after the other.
fn by_name(models: &[&String], files: &[String]) -> Result<Vec<usize>> {
    let stem = |file: &String| Path::new(file).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let stems: Vec<String> = files.iter().map(stem).collect();
    let place = |file: usize| models.iter().position(|model| **model == stems[file] || **model == files[file]);
    let found: Vec<Option<usize>> = (0..files.len()).map(place).collect();
    if found.iter().all(Option::is_none) {
        return Ok((0..files.len()).collect());
    }
    found
        .into_iter()
        .zip(files)
        .map(|(place, file)| {
            place.with_context(|| {
                let named = models.iter().map(|model| format!("`{model}`")).collect::<Vec<_>>().join(", ");
                format!("they are of {named}, and none of these is `{file}`\nhint: name the files that they are of")
            })
        })
        .collect()
}

fn identities(spec: &PermutationSpec) -> Vec<Permutation> {
    spec.groups.iter().map(|group| Permutation::identity(group.units)).collect()
}

/// Permutations of pairs: of the model of the outer name, those of the model of the inner name onto it. The first model is the frame.
fn pairs(object: &Map<String, Value>, spec: &PermutationSpec, names: &[String]) -> Result<Vec<Vec<Permutation>>> {
    let count = names.len();
    let mut found: Vec<(&String, &String, Vec<Permutation>)> = Vec::new();
    for (onto, others) in object {
        for (from, maps) in others.as_object().into_iter().flatten() {
            let maps = of_model(maps, spec).with_context(|| format!("model `{from}` onto `{onto}`"))?;
            found.push((onto, from, maps));
        }
    }
    // In the order of the files: that of the outer names, then of those which stand inside alone.
    let mut models: Vec<&String> = Vec::new();
    for name in found.iter().map(|(onto, ..)| *onto).chain(found.iter().map(|(_, from, _)| *from)) {
        if !models.contains(&name) {
            models.push(name);
        }
    }
    ensure!(models.len() == count, "permutations between {} models, expected {count}, one for each file", models.len());
    let models: Vec<&String> = by_name(&models, names)?.into_iter().map(|place| models[place]).collect();
    let mut maps: Vec<Option<Vec<Permutation>>> = vec![None; count];
    maps[0] = Some(identities(spec));
    let place = |name: &String| models.iter().position(|model| *model == name).unwrap_or_default();
    let through = |pair: &[Permutation], onto: &[Permutation]| -> Vec<Permutation> {
        pair.iter().zip(onto).map(|(pair, onto)| pair.then(onto)).collect()
    };
    // A pair leads from one of its models to the other, whichever is known.
    for _ in 0..count {
        for (onto, from, pair) in &found {
            let (onto, from) = (place(onto), place(from));
            if let (Some(known), None) = (&maps[onto], &maps[from]) {
                maps[from] = Some(through(pair, known));
            } else if let (None, Some(known)) = (&maps[onto], &maps[from]) {
                let back: Vec<Permutation> = pair.iter().map(Permutation::inverse).collect();
                maps[onto] = Some(through(&back, known));
            }
        }
    }
    let maps: Vec<Vec<Permutation>> = maps
        .into_iter()
        .zip(&models)
        .map(|(maps, name)| maps.with_context(|| format!("no permutations lead to model `{name}`")))
        .collect::<Result<_>>()?;
    for (onto, from, pair) in &found {
        ensure!(
            through(pair, &maps[place(onto)]) == maps[place(from)],
            "the permutations of `{from}` onto `{onto}` are not those that the others come to: pairs that do not fit each other bring no \
             {count} models into one frame\nhint: give the maps of two models one way, or C²M³'s of a universe"
        );
    }
    Ok(maps)
}

fn of_model(maps: &Value, spec: &PermutationSpec) -> Result<Vec<Permutation>> {
    let groups = &spec.groups;
    let Value::Object(maps) = maps else { bail!("expected an object of lists by group") };
    let names = || groups.iter().map(|group| format!("`{}` of {}", group.name, group.units)).collect::<Vec<_>>().join(", ");
    let known = maps.keys().filter(|name| groups.iter().any(|group| group.name == **name)).count();
    // Names of other programs stand for groups in their order, where the lengths say so.
    let by_order = known == 0 && maps.len() == groups.len();
    if let Some(name) = maps.keys().find(|name| !by_order && !groups.iter().any(|group| group.name == **name)) {
        bail!(
            "`{name}` is no group of this network\nhint: the groups are {}. Channels of images and class scores are in none: they are never permuted",
            names()
        );
    }
    let ordered = if by_order { others(maps, spec) } else { Vec::new() };
    let mut permutations = Vec::with_capacity(groups.len());
    for (place, group) in groups.iter().enumerate() {
        let name = if by_order { ordered[place] } else { &group.name };
        let list = maps.get(name).with_context(|| format!("group `{}` has no permutation", group.name))?;
        let at = |problem: String| anyhow!("group `{name}`: {problem}");
        let list = list.as_array().ok_or_else(|| at("expected a list of indices".to_owned()))?;
        let mut indices = Vec::with_capacity(list.len());
        for (slot, index) in list.iter().enumerate() {
            let index = index.as_u64().and_then(|index| u32::try_from(index).ok());
            indices.push(index.ok_or_else(|| at(format!("slot {slot} holds `{}`, expected an index", list[slot])))?);
        }
        let length = indices.len();
        if length != group.units {
            let expected = if by_order { format!(" of group `{}`", group.name) } else { String::new() };
            return Err(at(format!("{length} indices, expected {}, one for each unit{expected}", group.units)));
        }
        permutations.push(Permutation::new(indices).map_err(|error| at(error.to_string()))?);
    }
    Ok(permutations)
}

/// The names of other programs in the order of our groups: sorted, numbers by their value. Of residual networks they name the streams
/// (`P_bg0`) apart from what is inside of blocks (`P_layer1.0_inner`).
fn others<'a>(maps: &'a Map<String, Value>, spec: &PermutationSpec) -> Vec<&'a String> {
    let mut names: Vec<&String> = maps.keys().collect();
    names.sort_by_key(|name| natural(name));
    let (inner, streams): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.contains("inner"));
    // A stream is written to by several layers.
    let writers = |group: usize| {
        let writes = |parameter: &&onebasin_network::Parameter| {
            parameter.role == Role::Weight && parameter.rows.is_some_and(|rows| rows.group == group)
        };
        spec.parameters.iter().filter(writes).count()
    };
    let is_stream: Vec<bool> = (0..spec.groups.len()).map(|group| writers(group) > 1).collect();
    if inner.is_empty() || is_stream.iter().filter(|stream| **stream).count() != streams.len() {
        return names;
    }
    let (mut inner, mut streams) = (inner.into_iter(), streams.into_iter());
    is_stream.iter().filter_map(|stream| if *stream { streams.next() } else { inner.next() }).collect()
}

/// Parts of a name, numbers by their value.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = Vec::new();
    for letter in name.chars() {
        match (letter.to_digit(10), parts.last_mut()) {
            (Some(digit), Some((number, text))) if text.is_empty() => *number = number.saturating_mul(10).saturating_add(u64::from(digit)),
            (Some(digit), _) => parts.push((u64::from(digit), String::new())),
            (None, Some((_, text))) if !text.is_empty() => text.push(letter),
            (None, _) => parts.push((0, letter.to_string())),
        }
    }
    parts
}

#[cfg(test)]
mod tests;
