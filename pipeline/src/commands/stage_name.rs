//! The ways to name a stage on the command line.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use onebasin_network::did_you_mean;

use super::Failure;
use crate::input_file;
use crate::plan::{Plan, Planned};
use crate::stage::StageId;

/// Shorter beginnings of a fingerprint are more likely a mistake.
const LEAST: usize = 4;

/// The stage of a name, of the beginning of a fingerprint, or of a row of a results file: `results/x/merged.csv:4`.
pub fn find<'a>(plan: &'a Plan, text: &str) -> Result<&'a Planned, Failure> {
    if let Some(planned) = plan.find(text) {
        return Ok(planned);
    }
    // The beginning of a name that no other stage has.
    let mut beginning = plan.stages.iter().filter(|planned| !text.is_empty() && planned.stage.id().as_str().starts_with(text));
    if let (Some(only), None) = (beginning.next(), beginning.next()) {
        return Ok(only);
    }
    if let Some(error) = no_row(text) {
        return Err(Failure::Input(error));
    }
    let row = text.rsplit_once(':').and_then(|(file, line)| Some((Path::new(file), line.parse::<usize>().ok()?)));
    if let Some((file, line)) = row.filter(|(file, _)| file.extension().is_some_and(|extension| extension == "csv")) {
        let stage = stage_of_row(file, line).map_err(Failure::Input)?;
        // `timings.csv` names stages as `plan` does, the other files by their fingerprints.
        if let Some(planned) = plan.find(&stage) {
            return Ok(planned);
        }
        return by_fingerprint(plan, &stage).map_err(Failure::Input)?.ok_or_else(|| {
            let made = format!("line {line} of `{}` was made by stage `{stage}`, which this plan does not have", file.display());
            Failure::Input(anyhow!("{made}\nhint: give the spec, the profile, the `--set` and the `--device` that the row was made with"))
        });
    }
    if let Some(planned) = by_fingerprint(plan, text).map_err(Failure::Input)? {
        return Ok(planned);
    }
    if text.len() < LEAST && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let short = anyhow!(
            "`{text}` is too short for the beginning of a fingerprint: expected at least {LEAST} characters\nhint: `onebasin plan SPEC` lists the stages and their fingerprints"
        );
        return Err(Failure::Input(short));
    }
    let beginning: Vec<&str> =
        plan.stages.iter().map(|planned| planned.stage.id().as_str()).filter(|id| !text.is_empty() && id.starts_with(text)).collect();
    if let [one, other, ..] = beginning.as_slice() {
        let several =
            anyhow!("`{text}` is the beginning of the names of {} stages\nhint: say more of one: `{one}`, `{other}`", beginning.len());
        return Err(Failure::Input(several));
    }
    let known = plan.stages.iter().map(|planned| planned.stage.id().as_str());
    let hint = match did_you_mean(text, known) {
        Some(likely) => format!("did you mean `{likely}`?"),
        None => "`onebasin plan SPEC` lists the stages and their fingerprints".to_owned(),
    };
    Err(Failure::Input(anyhow!("unknown stage `{text}`\nhint: {hint}")))
}

/// Why a text that looks like a row of a results file is none.
fn no_row(text: &str) -> Option<anyhow::Error> {
    const HINT: &str = "hint: name a line of a CSV file of results: `results/NAME/merged.csv:4`";
    let (file, line) = match text.rsplit_once(':') {
        Some((file, line)) => (file, Some(line)),
        None => (text, None),
    };
    let extension = Path::new(file).extension()?.to_str()?;
    match (extension, line) {
        ("csv", None) => Some(anyhow!("`{text}` names a file, expected a row of it\n{HINT}")),
        ("csv", Some(line)) if line.parse::<usize>().is_err() => {
            Some(anyhow!("`{line}` in `{text}` is no number of a line: expected a whole number from 2\n{HINT}"))
        }
        ("md" | "json" | "svg" | "png", _) => Some(anyhow!("`{file}` has no rows that name stages: expected a CSV file\n{HINT}")),
        _ => None,
    }
}

/// The stages of a kind, as the first part of their names or their recipes call it.
pub fn of_kind(plan: &Plan, kind: &str) -> Result<Vec<StageId>, Failure> {
    let word = |planned: &'_ Planned| planned.stage.id().as_str().split('/').next().unwrap_or_default().to_owned();
    let of = plan.stages.iter().filter(|planned| word(planned) == kind || planned.stage.recipe().kind == kind);
    let found: Vec<StageId> = of.map(|planned| planned.stage.id().clone()).collect();
    if found.is_empty() {
        let known: BTreeSet<String> = plan.stages.iter().map(word).collect();
        let hint = match did_you_mean(kind, known.iter().map(String::as_str)) {
            Some(likely) => format!("did you mean `{likely}`?"),
            None => format!("the kinds of this plan are {}", known.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ")),
        };
        return Err(Failure::Input(anyhow!("no stage of the kind `{kind}`\nhint: {hint}")));
    }
    Ok(found)
}

/// The stage whose fingerprint alone begins so.
fn by_fingerprint<'a>(plan: &'a Plan, text: &str) -> Result<Option<&'a Planned>> {
    if text.len() < LEAST || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let begins = |planned: &&Planned| planned.fingerprint.to_string().starts_with(&text.to_ascii_lowercase());
    let mut found = plan.stages.iter().filter(begins);
    let first = found.next();
    // Stages that do the same work share a fingerprint; any of them answers.
    let fingerprints: BTreeSet<String> = first.into_iter().chain(found).map(|planned| planned.fingerprint.short()).collect();
    if fingerprints.len() > 1 {
        let fingerprints: Vec<String> = fingerprints.iter().map(|fingerprint| format!("`{fingerprint}`")).collect();
        bail!("`{text}` is the beginning of {} fingerprints\nhint: say more of one: {}", fingerprints.len(), fingerprints.join(", "));
    }
    Ok(first)
}

/// The cell of the column `stage` in a line of a CSV, counted from 1 as editors do.
fn stage_of_row(file: &Path, line: usize) -> Result<String> {
    let text = input_file::text(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let mut rows = text.lines();
    let header = cells(rows.next().unwrap_or_default());
    let column = header.iter().position(|name| name == "stage");
    let column =
        column.with_context(|| format!("`{}` has no column `stage`\nhint: `merged.csv` and `barriers.csv` have one", file.display()))?;
    if line < 2 {
        bail!("line {line} of `{}` is no row\nhint: the first row is line 2", file.display());
    }
    let row =
        rows.nth(line - 2).with_context(|| format!("`{}` has {} lines, there is no line {line}", file.display(), text.lines().count()))?;
    cells(row).get(column).cloned().with_context(|| format!("line {line} of `{}` has no cell in column `stage`", file.display()))
}

/// The cells of a line of CSV.
pub fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            // A doubled quote is two turns that come to nothing; names have none.
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            character => cells.last_mut().expect("there is always a cell").push(character),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_commas_do_not_part_cells() {
        assert_eq!(cells("a,\"b, c\",,d"), ["a", "b, c", "", "d"]);
    }

    #[test]
    fn what_is_no_row_and_too_short_for_a_fingerprint_is_told_in_its_own_words() {
        let error = |text: &str| match find(&Plan::default(), text) {
            Err(Failure::Input(error)) => error.to_string(),
            _ => panic!("`{text}` is no stage"),
        };
        assert!(error("6fa").starts_with("`6fa` is too short for the beginning of a fingerprint: expected at least 4 characters\nhint: "));
        assert!(error("merged.csv:x").starts_with("`x` in `merged.csv:x` is no number of a line: "));
        assert!(error("results/a/merged.csv").starts_with("`results/a/merged.csv` names a file, expected a row of it\nhint: "));
        assert!(error("table.md:3").starts_with("`table.md` has no rows that name stages: expected a CSV file\nhint: "));
        assert!(error("train/a").starts_with("unknown stage `train/a`"));
    }

    #[test]
    fn a_row_names_its_stage_and_a_wrong_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("merged.csv");
        std::fs::write(&file, "method,stage\nnaive,abcd\nc2m3,ef01\n").unwrap();
        assert_eq!(stage_of_row(&file, 3).unwrap(), "ef01");
        for (line, expected) in [(0, "is no row"), (1, "is no row"), (4, "has 3 lines")] {
            assert!(stage_of_row(&file, line).unwrap_err().to_string().contains(expected), "{line}");
        }
        std::fs::write(&file, "method\nnaive\n").unwrap();
        assert!(stage_of_row(&file, 2).unwrap_err().to_string().contains("no column `stage`"));
    }
}
