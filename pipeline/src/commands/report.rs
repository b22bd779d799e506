//! `onebasin report`: one page of all that a results folder holds.

use anyhow::Context as _;

use super::diff::moves;
use super::folders::Folders;
use super::revision::results_folder;
use super::session::Session;
use super::{Failure, Verdict, unwritable};
use crate::checksums;
use crate::cli;
use crate::console;
use crate::gaps::gaps;
use crate::page;
use crate::run_record::RunRecord;
use crate::store::Store;
use crate::whole_file;

/// Writes `report.html` into the results folder of each spec.
pub fn report(arguments: &cli::Report) -> Result<Verdict, Failure> {
    let folders = Folders::of(&arguments.shared);
    let store = Store::new(folders.store.clone());
    let mut lines = Vec::new();
    for spec in &arguments.specs {
        let mut session = Session::read(spec, &arguments.shared, false)?;
        let digests = session.digests();
        let plan = session.plan(&digests, &arguments.shared)?;
        let results = folders.results_of(&session.experiment);
        session.one_setting(&results)?;
        let since = match &arguments.since {
            None => None,
            Some(name) => {
                let earlier = results_folder(name).map_err(Failure::Input)?;
                let (moved, settings) = moves(&earlier.path, &results).map_err(Failure::Input)?;
                Some(page::Since { name: earlier.name.clone(), moved, settings })
            }
        };
        let source = page::Source {
            experiment: &session.experiment,
            spec: spec.display().to_string(),
            plan: &plan,
            store: &store,
            results: &results,
            since: since.as_ref(),
        };
        if !gaps(&results).is_empty() {
            console::note(&format!(
                "warning: a stage failed on the way to `{}`: `table.md` says which rows are not there",
                results.display()
            ));
        } else if RunRecord::read(&results).is_some_and(|record| !record.is_of(&plan)) {
            let results = results.display();
            console::note(&format!("warning: the results in `{results}` were made at other settings than these, or by another version"));
        }
        if let Some(altered) = checksums::altered_text(&results) {
            console::note(&format!("warning: {altered}"));
        }
        let bytes = page::bytes(&source).map_err(Failure::Input)?;
        let path = results.join(page::FILE);
        whole_file::write(&path, &bytes).with_context(|| format!("cannot write `{}`", path.display())).map_err(unwritable)?;
        lines.push(path.display().to_string());
    }
    console::data(&lines.join("\n"))?;
    Ok(Verdict::Fine)
}
