//! Every figure with its interval, what was reported, and its difference from the best: a long table to sort and to filter.

use anyhow::Result;
use maud::{Markup, html};

use super::{Tables, class_of, number};
use crate::table::Csv;

/// Columns of `by-models.csv` and their headings; those of numbers are sorted as numbers.
const TEXTS: [(&str, &str); 6] = [
    ("dataset", "data set"),
    ("architecture", "architecture"),
    ("method", "method"),
    ("models", "models"),
    ("metric", "metric"),
    ("split", "split"),
];

/// The section.
pub fn section(tables: &Tables<'_>) -> Result<Markup> {
    let Some(csv) = tables.read("by-models.csv")? else { return Ok(html! {}) };
    let texts = TEXTS.map(|(name, _)| csv.texts(name));
    let texts: Vec<Vec<String>> = texts.into_iter().collect::<Result<_>>()?;
    let column = |name: &str| -> Result<Vec<String>> { csv.texts(name) };
    let (mean, low, high) = (column("mean")?, column("low")?, column("high")?);
    let (reported, verdict, stage) = (column("reported")?, column("verdict")?, column("stage")?);
    let (versus, difference, p) = (optional(&csv, "versus"), optional(&csv, "difference"), optional(&csv, "p_holm"));
    let range = |row: usize| if low[row].is_empty() { String::new() } else { format!("{} to {}", low[row], high[row]) };
    Ok(html! {
        section id="figures" aria-labelledby="figures-title" {
            h2 id="figures-title" { "All figures" }
            p {
                label { "Show rows with " input id="filter" type="search" placeholder="c2m3 test" autocomplete="off"; }
                " " output id="filtered" aria-live="polite" {}
            }
            div.wide { table.sortable id="figure-rows" {
                thead { tr {
                    @for (_, heading) in TEXTS { th scope="col" { (heading) } }
                    th scope="col" { "mean" } th scope="col" { "95 % interval" } th scope="col" { "reported" } th scope="col" { "verdict" }
                    th scope="col" { "against" } th scope="col" { "difference" } th scope="col" { "p, Holm" }
                } }
                tbody { @for row in 0..csv.height() {
                    @let method = &texts[2][row];
                    tr data-method=(method.split('#').next().unwrap_or_default()) {
                        @for (place, column) in texts.iter().enumerate() {
                            @if place == 2 { th scope="row" class=(class_of(tables, method)) { span.swatch {} (column[row]) } } @else { td { (column[row]) } }
                        }
                        td data-sort=(mean[row]) { (number(&mean[row], &stage[row])) }
                        td data-sort=(low[row]) { (range(row)) }
                        td data-sort=(reported[row]) { (reported[row]) } td.verdict { (verdict[row]) }
                        td { (versus[row]) } td data-sort=(difference[row]) { (difference[row]) } td data-sort=(p[row]) { (p[row]) }
                    }
                } }
            } }
        }
    })
}

/// A column that tables of earlier versions lack.
fn optional(csv: &Csv, name: &str) -> Vec<String> {
    csv.texts(name).unwrap_or_else(|_| vec![String::new(); csv.height()])
}
