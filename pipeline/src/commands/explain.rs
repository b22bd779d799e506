//! `onebasin explain`: the recipe of one stage, and what differs from the nearest earlier one.

use std::collections::BTreeSet;

use onebasin_datasets::files;
use serde_json::{Value, json};

use super::folders::Folders;
use super::session::Session;
use super::spec_keys::in_spec_keys;
use super::stage_name::find;
use super::{Failure, Verdict};
use crate::cli;
use crate::console;
use crate::explain;
use crate::plan::{Plan, Planned};
use crate::store::{Entry, Lookup, Receipt, Store};

/// Prints the recipe of a stage.
pub fn explain(arguments: &cli::Explain) -> Result<Verdict, Failure> {
    let mut session = Session::read(&arguments.spec, &arguments.shared, false)?;
    let digests = session.digests();
    digests.whole()?;
    let plan = session.plan(&digests, &arguments.shared)?;
    let planned = find(&plan, &arguments.stage)?;
    if let Some(error) = digests.absent.values().next() {
        return Err(Failure::Input(anyhow::anyhow!("{error}").context("the recipe names the content of the data, which is not there")));
    }
    let store = Store::new(Folders::of(&arguments.shared).store);
    let lookup = store.lookup(&planned.fingerprint);
    let (standing, place) = match &lookup {
        Lookup::Hit(artifact) => ("hit".to_owned(), Some(artifact.directory.display().to_string())),
        Lookup::Damaged(what) => (format!("damaged entry: {what}"), None),
        Lookup::Miss => ("miss".to_owned(), None),
    };
    let recipes: Vec<Entry> = store.entries().into_iter().filter(|entry| entry.fingerprint != planned.fingerprint).collect();
    let nearest = explain::nearest(planned, &recipes);
    let receipt = place.as_ref().and_then(|_| store.receipt(&planned.fingerprint).ok());
    let recipe = planned.stage.recipe();
    let inputs = explain::inputs(planned);
    let descent = if arguments.deep { Some(Descent::of(&session, &plan, planned)) } else { None };
    if arguments.json {
        let nearest = nearest.map(
            |nearest| json!({ "stage": nearest.earlier.stage, "fingerprint": nearest.earlier.fingerprint, "changes": nearest.changes }),
        );
        console::data(&format!(
            "{:#}",
            json!({
                "stage": planned.stage.id(), "fingerprint": planned.fingerprint, "standing": standing, "artifact": place,
                "recipe": recipe, "inputs": inputs, "receipt": receipt, "nearest": nearest,
                "descent": descent.as_ref().map(Descent::json),
            })
        ))?;
        return Ok(Verdict::Fine);
    }
    let mut lines = vec![
        format!("stage        {}", planned.stage.id()),
        format!("fingerprint  {}", planned.fingerprint),
        format!("standing     {standing}"),
    ];
    lines.extend(place.map(|place| format!("artifact     {place}")));
    lines.extend(receipt.iter().flat_map(made_by));
    lines.push(format!("kind         {} (version {})", recipe.kind, recipe.version));
    lines.push("settings".to_owned());
    lines.extend(shortened(format!("{:#}", recipe.settings).lines().map(|line| format!("  {line}"))));
    if !inputs.is_empty() {
        lines.push("inputs".to_owned());
        lines.extend(shortened(inputs.iter().map(|(id, fingerprint)| format!("  {}  {id}", fingerprint.short()))));
    }
    if let Some(descent) = descent {
        lines.extend(descent.lines());
    }
    match nearest {
        None => lines.push(format!("nothing of the kind `{}` has run before", recipe.kind)),
        Some(nearest) => {
            lines.push(format!("against the nearest other recipe: {}  {}", nearest.earlier.fingerprint.short(), nearest.earlier.stage));
            lines.extend(
                in_spec_keys(&session, planned.stage.id(), &nearest.changes)
                    .iter()
                    .map(|change| format!("  {}", explain::change_text(change))),
            );
        }
    }
    console::data(&lines.join("\n"))?;
    Ok(Verdict::Fine)
}

/// More lines than this of one thing are for programs.
const MOST: usize = 300;

/// The first of many lines, and how many there are: the recipe of tables names every number that they hold.
pub fn shortened(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("  ... and {more} more lines, which `--json` has"));
    }
    lines
}

/// Which program made an artifact, when, in what time, on what machine.
pub fn made_by(receipt: &Receipt) -> Vec<String> {
    let Receipt { seconds, threads, device, program, machine, build, made, .. } = receipt;
    let threads = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} of {} cores", machine.cores) };
    let when = made.as_ref().map_or_else(String::new, |made| format!(", {made}"));
    let accelerator = machine.accelerator.as_ref().map_or_else(String::new, |accelerator| format!(" ({accelerator})"));
    let vectors = if machine.vectors.is_empty() { String::new() } else { format!(", {}", machine.vectors) };
    let toolchain = build.as_ref().map_or_else(String::new, |build| format!(", built with {}", build.toolchain));
    vec![
        format!("made         by {program} in {seconds:.1} s{when}"),
        format!(
            "machine      {} {} {}{vectors}; device {device}{accelerator}, {threads}{toolchain}",
            machine.system, machine.architecture, machine.processor
        ),
    ]
}

/// Every stage on the way to one, and the data sets that it starts from.
struct Descent<'a> {
    /// Inputs before dependents.
    stages: Vec<&'a Planned>,
    /// A data set's name in the spec, its format, its digest and its files.
    datasets: Vec<Origin>,
}

struct Origin {
    name: String,
    format: &'static str,
    digest: Value,
    files: Vec<String>,
}

impl<'a> Descent<'a> {
    fn of(session: &Session, plan: &'a Plan, end: &Planned) -> Descent<'a> {
        let mut wanted: BTreeSet<_> = end.stage.inputs().iter().collect();
        // Inputs come before dependents: one walk back finds them all.
        for planned in plan.stages.iter().rev() {
            if wanted.contains(planned.stage.id()) {
                wanted.extend(planned.stage.inputs());
            }
        }
        let stages: Vec<&Planned> = plan.stages.iter().filter(|planned| wanted.contains(planned.stage.id())).collect();
        let mut datasets: Vec<Origin> = Vec::new();
        for planned in stages.iter().copied().chain([end]) {
            let settings = planned.stage.recipe().settings;
            let slug = planned.stage.id().pair_slug();
            let pair = session.experiment.pairs.iter().find(|pair| slug == Some(session.experiment.slug(pair).as_str()));
            let Some(pair) = pair.filter(|pair| !datasets.iter().any(|known| known.name == pair.dataset)) else { continue };
            let files = files(&pair.source, &session.places).unwrap_or_default();
            let files = files.iter().map(|file| file.display().to_string()).collect();
            let digest = settings["data"]["digest"].clone();
            datasets.push(Origin { name: pair.dataset.clone(), format: pair.source.format(), digest, files });
        }
        Descent { stages, datasets }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec!["descent".to_owned()];
        for Origin { name, format, digest, files } in &self.datasets {
            let digest: String = digest.as_str().unwrap_or_default().chars().take(12).collect();
            let made = if files.is_empty() { "generated" } else { "from files" };
            lines.push(format!("  {digest:<12}  data set {name} ({format}), {made}"));
            lines.extend(files.iter().map(|file| format!("                  {file}")));
        }
        lines.extend(self.stages.iter().map(|planned| format!("  {}  {}", planned.fingerprint.short(), planned.stage.id())));
        lines
    }

    fn json(&self) -> Value {
        let stages = self
            .stages
            .iter()
            .map(|planned| json!({ "stage": planned.stage.id(), "fingerprint": planned.fingerprint, "inputs": planned.stage.inputs() }));
        let datasets = self
            .datasets
            .iter()
            .map(|Origin { name, format, digest, files }| json!({ "name": name, "format": format, "digest": digest, "files": files }));
        json!({ "stages": stages.collect::<Vec<_>>(), "datasets": datasets.collect::<Vec<_>>() })
    }
}
