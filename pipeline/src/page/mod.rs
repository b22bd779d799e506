//! `report.html`: one self-contained page of everything a results folder holds, made from its tables alone, and of the stages that made them.
//!
//! The page opens from disk: styles and script stand in it, and nothing is fetched. Equal tables, plan and receipts make equal bytes.

mod chart;
mod charts;
mod class_map;
mod figures;
mod graph;
mod overview;
mod plane;
mod stages;
mod timeline;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::checksums;
use crate::drawing::{MethodRow, MethodStyles};
use crate::gaps::gaps;
use crate::identity::PairName;
use crate::moved::Moved;
use crate::own_models;
use crate::plan::Plan;
use crate::run_record::RunRecord;
use crate::spec::Experiment;
use crate::store::Store;
use crate::table::{Csv, Row};
use crate::untrained::{SIGN, UntrainedRow, named};

use stages::Stages;

/// The name of the file.
pub const FILE: &str = "report.html";

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Everything that the page is made of.
pub struct Source<'a> {
    pub experiment: &'a Experiment,
    /// How the command line names the spec.
    pub spec: String,
    pub plan: &'a Plan,
    pub store: &'a Store,
    /// The folder with the tables.
    pub results: &'a Path,
    /// What moved since other results, if that is asked for.
    pub since: Option<&'a Since>,
}

/// What moved since other results.
pub struct Since {
    /// Where these are.
    pub name: String,
    /// The figures, by table.
    pub moved: Vec<(String, Moved)>,
    /// The settings that changed, in words.
    pub settings: Vec<String>,
}

/// The tables of a results folder, and how methods look.
struct Tables<'a> {
    folder: &'a Path,
    styles: MethodStyles,
}

impl Tables<'_> {
    /// A table, if it is there.
    fn read(&self, file: &str) -> Result<Option<Csv>> {
        let path = self.folder.join(file);
        if path.exists() { Csv::read(&path).map(Some) } else { Ok(None) }
    }

    /// The colour of a method, as CSS writes it, on light and on dark ground.
    fn colours(&self, method: &str) -> [String; 2] {
        let colour = self.styles.of(method).colour;
        let parts = [colour.0, colour.1, colour.2];
        let light = 0.3 * f64::from(parts[0]) + 0.59 * f64::from(parts[1]) + 0.11 * f64::from(parts[2]);
        // Dark colours are mixed with white where the ground is dark.
        let white = if light < 110.0 { 0.5 } else { 0.15 };
        let mixed = parts.map(|part| (f64::from(part) * (1.0 - white) + 255.0 * white).round() as u8);
        [parts, mixed].map(|[red, green, blue]| format!("#{red:02x}{green:02x}{blue:02x}"))
    }
}

/// The bytes of the page.
///
/// # Errors
/// When the folder has no results, or a table in it is malformed.
pub fn bytes(source: &Source<'_>) -> Result<Vec<u8>> {
    let folder = source.results;
    let options = RunRecord::new(source.experiment, source.plan, "cpu", &BTreeMap::new()).options();
    let hint = format!("hint: `onebasin run {}{options}` makes them", source.spec);
    let record = RunRecord::read(folder).with_context(|| format!("`{}` holds no results\n{hint}", folder.display()))?;
    for name in ["summary.csv", "by-models.csv"] {
        ensure!(folder.join(name).is_file(), "`{}` holds no `{name}`\n{hint}", folder.display());
    }
    let tables = Tables { folder, styles: MethodStyles::new(MethodRow::read_from(folder)?) };
    let stages = Stages::of(source, &record);
    let panels = charts::sections(&tables)?;
    let machine: Value =
        fs::read(folder.join("machine.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let gaps = gaps(folder);
    let untrained = untrained(folder)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (record.name) " - onebasin" }
                style { (PreEscaped(STYLE)) (PreEscaped(method_colours(&tables))) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header {
                    h1 { (record.name) }
                    p { (record.settings_text().replace('`', "")) ". Seed " (record.settings["seed"]) ". What is underlined, a curve, a dot and a bar tell how they were made." }
                    @if !gaps.is_empty() {
                        div.stale role="alert" {
                            p { "A stage failed, and these have no rows:" }
                            ul { @for gap in &gaps { li { (gap) } } }
                        }
                    } @else if !record.is_of(source.plan) {
                        p.stale role="alert" { "These tables were made at other settings than the spec has now, or by another version: stages and recipes below are those of the spec." }
                    }
                    @if let Some(altered) = checksums::altered_text(folder) { p.stale role="alert" { (altered.replace('`', "")) "." } }
                    @for (pair, names) in &untrained { p.stale role="alert" { (SIGN) " " (pair) ": " (names) " did not train, and figures that use them say nothing of a method." } }
                    (deviations(source.experiment))
                    @if let Some(sentence) = own_models::sentence(&own_models::own_models(source.experiment)) { p { (sentence.replace('`', "")) } }
                    nav aria-label="Sections" {
                        a href="#overview" { "Overview" } a href="#figures" { "All figures" }
                        @for section in &panels { a href={ "#" (section.id) } { (section.title) } }
                        @if source.since.is_some() { a href="#moved" { "Moved" } }
                        a href="#stages" { "Stages" } a href="#time" { "Time" } a href="#environment" { "Environment" }
                    }
                    (method_switches(&tables))
                }
                main id="main" {
                    (overview::section(&tables)?)
                    (figures::section(&tables)?)
                    @for section in &panels {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            p { (section.note) }
                            div.charts { @for chart in &section.charts { (chart) } }
                        }
                    }
                    @if let Some(since) = source.since { (moves(since)) }
                    (graph::section(&stages))
                    (timeline::section(&stages))
                    (environment(&machine, &record, folder))
                }
                dialog id="why" aria-labelledby="why-title" {
                    form method="dialog" { button type="submit" aria-label="Close" { "×" } }
                    h2 id="why-title" { "How this was made" }
                    div id="why-text" {}
                }
                script type="application/json" id="stage-data" { (PreEscaped(stages.json())) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string().into_bytes())
}

/// The networks of each pair that did not train.
fn untrained(folder: &Path) -> Result<Vec<(PairName, String)>> {
    let rows = UntrainedRow::read_if_present(folder)?;
    Ok(rows.chunk_by(|one, other| one.pair == other.pair).map(|rows| (rows[0].pair.clone(), named(rows))).collect())
}

/// How the settings differ from the published ones: first of all, since it says what figures can be compared with.
fn deviations(experiment: &Experiment) -> Markup {
    let comparison = &experiment.comparison;
    let pairs: Vec<_> = comparison.deviations.iter().filter(|(_, found)| !found.is_empty()).collect();
    html! {
        @if !comparison.differs.is_empty() || !pairs.is_empty() {
            section.deviations aria-label="Deviations from the published settings" {
                h2 { "Not the published settings" }
                @if !comparison.differs.is_empty() { p { (comparison.differs) } }
                @for (pair, found) in pairs {
                    details open[pairs_are_few(comparison.deviations.len())] {
                        summary { (pair) ": " (found.len()) " settings differ" }
                        ul { @for text in found { li { (text) } } }
                    }
                }
            }
        }
    }
}

fn pairs_are_few(count: usize) -> bool {
    count <= 2
}

/// One rule for each method, so that a method has one colour throughout.
fn method_colours(tables: &Tables<'_>) -> String {
    let rules = |place: usize| {
        let rule = |(index, row): (usize, &MethodRow)| format!(".m{index}{{--method:{}}}", tables.colours(&row.method)[place]);
        tables.styles.rows().iter().enumerate().map(rule).collect::<String>()
    };
    format!("{}@media(prefers-color-scheme:dark){{{}}}", rules(0), rules(1))
}

/// A box for each method that charts and tables show.
fn method_switches(tables: &Tables<'_>) -> Markup {
    html! {
        fieldset.methods {
            legend { "Methods shown" }
            @for (index, row) in tables.styles.rows().iter().enumerate() {
                label class={ "m" (index) } { input type="checkbox" checked data-switch=(row.method); span.swatch {} (row.method) }
            }
        }
    }
}

/// A number that tells how it was made.
fn number(text: &str, stage: &str) -> Markup {
    html! { button.number type="button" data-stage=(stage) { (text) } }
}

/// The class by which a method has its colour.
fn class_of(tables: &Tables<'_>, method: &str) -> String {
    let base = method.split('#').next().unwrap_or(method);
    tables.styles.rows().iter().position(|row| row.method == base).map_or_else(|| "ends".to_owned(), |place| format!("m{place}"))
}

/// Figures that are others than before, those beyond the spread of their replicates first.
fn moves(since: &Since) -> Markup {
    let mut moved: Vec<&(String, Moved)> = since.moved.iter().collect();
    moved.sort_by_key(|(_, moved)| moved.is_beyond() != Some(true));
    let beside = |moved: &Moved| match moved.is_beyond() {
        Some(true) => "beyond",
        Some(false) => "within",
        None => "not known",
    };
    html! {
        section id="moved" aria-labelledby="moved-title" {
            h2 id="moved-title" { "Moved since " (since.name) }
            @if !since.settings.is_empty() {
                p { "Settings that changed:" }
                ul { @for change in &since.settings { li { (change) } } }
            }
            p { (since.moved.len()) " figures are others; beside each, whether by more than the standard deviation over replicates." }
            div.wide { table.sortable {
                thead { tr {
                    th scope="col" { "table" } th scope="col" { "of" } th scope="col" { "figure" } th scope="col" { "before" }
                    th scope="col" { "now" } th scope="col" { "spread" } th scope="col" { "the spread" }
                } }
                tbody { @for (file, moved) in moved {
                    tr {
                        td { (file) } td { (moved.key.join(" ")) } td { (moved.column) }
                        @for mean in moved.means { td data-sort=(mean) { (format!("{mean:.4}")) } }
                        td { @if let Some(spread) = moved.spread { (format!("{spread:.4}")) } } td { (beside(moved)) }
                    }
                } }
            } }
        }
    }
}

/// Which programs and machines made it, and where the tables are.
fn environment(machine: &Value, record: &RunRecord, folder: &Path) -> Markup {
    let made_by = machine["made_by"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut files: Vec<String> = fs::read_dir(folder).map_or_else(
        |_| Vec::new(),
        |items| items.flatten().map(|item| item.file_name().to_string_lossy().into_owned()).filter(|name| name.ends_with(".csv")).collect(),
    );
    files.sort();
    html! {
        section id="environment" aria-labelledby="environment-title" {
            h2 id="environment-title" { "Environment" }
            div.wide { table {
                caption { "What made the stages; program version " (record.program) ", device " (record.device) }
                thead { tr { th scope="col" { "stages" } th scope="col" { "program" } th scope="col" { "toolchain" } th scope="col" { "processor" } th scope="col" { "vectors" } th scope="col" { "cores" } th scope="col" { "threads" } th scope="col" { "from" } th scope="col" { "to" } } }
                tbody { @for maker in &made_by { tr {
                    td { (maker["stages"]) } td { (text(&maker["program"])) } td { (text(&maker["build"]["toolchain"])) }
                    td { (text(&maker["machine"]["processor"])) } td { (text(&maker["machine"]["vectors"])) } td { (maker["machine"]["cores"]) }
                    td { (maker["threads"]) } td { (text(&maker["first"])) } td { (text(&maker["last"])) }
                } } }
            } }
            p { "Tables beside this page: " @for (index, file) in files.iter().enumerate() { @if index > 0 { ", " } a href=(file) { (file) } } }
        }
    }
}
