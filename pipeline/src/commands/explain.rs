//! `onebasin explain`: the recipe of one stage, and what differs from the nearest earlier one.

use serde_json::json;

use super::session::Session;
use super::stage_name::find;
use super::{Failure, Verdict};
use crate::cli;
use crate::console;
use crate::explain;
use crate::store::{Entry, Lookup, Receipt, Store};

/// Prints the recipe of a stage.
pub fn explain(arguments: &cli::Explain) -> Result<Verdict, Failure> {
    let session = Session::read(&arguments.spec, &arguments.shared, false)?;
    let digests = session.digests();
    let plan = session.plan(&digests, &arguments.shared)?;
    let planned = find(&plan, &arguments.stage)?;
    if let Some(error) = digests.absent.values().next() {
        return Err(Failure::Input(anyhow::anyhow!("{error}").context("the recipe names the content of the data, which is not there")));
    }
    let store = Store::new(&arguments.shared.store);
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
    if arguments.json {
        let nearest = nearest.map(
            |nearest| json!({ "stage": nearest.earlier.stage, "fingerprint": nearest.earlier.fingerprint, "changes": nearest.changes }),
        );
        console::data(&format!(
            "{:#}",
            json!({
                "stage": planned.stage.id(), "fingerprint": planned.fingerprint, "standing": standing, "artifact": place,
                "recipe": recipe, "inputs": inputs, "receipt": receipt, "nearest": nearest,
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
    lines.extend(receipt.as_ref().map(made_by));
    lines.push(format!("kind         {} (version {})", recipe.kind, recipe.version));
    lines.push("settings".to_owned());
    lines.extend(format!("{:#}", recipe.settings).lines().map(|line| format!("  {line}")));
    if !inputs.is_empty() {
        lines.push("inputs".to_owned());
        lines.extend(inputs.iter().map(|(id, fingerprint)| format!("  {}  {id}", fingerprint.short())));
    }
    match nearest {
        None => lines.push(format!("nothing of the kind `{}` has run before", recipe.kind)),
        Some(nearest) => {
            lines.push(format!("against the nearest other recipe: {}  {}", nearest.earlier.fingerprint.short(), nearest.earlier.stage));
            lines.extend(nearest.changes.iter().map(|change| format!("  {}", explain::change_text(change))));
        }
    }
    console::data(&lines.join("\n"))?;
    Ok(Verdict::Fine)
}

/// Which program made an artifact, in what time, on what machine.
fn made_by(receipt: &Receipt) -> String {
    let Receipt { seconds, threads, device, program, machine, .. } = receipt;
    let threads = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    format!("made         by {program} in {seconds:.1} s, device {device}, {threads}, {} {}", machine.architecture, machine.processor)
}
