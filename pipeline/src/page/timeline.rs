//! When stages ran and how many cores they had, and where the seconds and the bytes went.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use maud::{Markup, html};

use super::stages::Stages;
use crate::number::shown;

/// Shorter runs have no timeline: the ends of stages are known to the second.
const SHORTEST: f64 = 60.0;
/// A longer break between two stages is left out.
const BREAK: f64 = 120.0;
const WIDTH: f64 = 900.0;
const LANE: f64 = 12.0;

/// A stage that ran.
struct Ran<'a> {
    id: &'a str,
    kind: &'a str,
    short: &'a str,
    start: f64,
    end: f64,
    threads: usize,
}

/// The section.
pub fn section(stages: &Stages) -> Markup {
    let mut kinds: BTreeMap<&str, (usize, f64, u64)> = BTreeMap::new();
    let mut ran = Vec::new();
    for stage in &stages.stages {
        let Some(receipt) = &stage.receipt else { continue };
        let entry = kinds.entry(&stage.kind).or_default();
        entry.0 += 1;
        entry.1 += receipt.seconds;
        entry.2 += receipt.files.values().map(|file| file.bytes).sum::<u64>();
        let end = receipt
            .made
            .as_ref()
            .and_then(|made| humantime::parse_rfc3339(made).ok())
            .and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        if let Some(end) = end.map(|end| end.as_secs_f64()) {
            let (id, kind, short) = (&stage.id, &stage.kind, &stage.short);
            ran.push(Ran { id, kind, short, start: end - receipt.seconds, end, threads: receipt.threads });
        }
    }
    ran.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.id.cmp(b.id)));
    let breaks = close_breaks(&mut ran);
    html! {
        section id="time" aria-labelledby="time-title" {
            h2 id="time-title" { "Time" }
            @if kinds.is_empty() { p { "The store does not have these stages, so nothing is known of their making but " a href="timings.csv" { "timings.csv" } "." } }
            @else {
                div.wide { table.sortable {
                    caption { "Seconds and bytes by kind of stage" }
                    thead { tr { th scope="col" { "kind" } th scope="col" { "stages" } th scope="col" { "seconds" } th scope="col" { "bytes" } } }
                    tbody { @for (kind, (count, seconds, bytes)) in &kinds { tr {
                        th scope="row" { (kind) } td data-sort=(count) { (count) } td data-sort=(seconds) { (shown(*seconds)) } td data-sort=(bytes) { (bytes) }
                    } } }
                } }
                @if ran.iter().map(|stage| stage.end).fold(0.0, f64::max) >= SHORTEST { (lanes(&ran, breaks)) }
            }
        }
    }
}

/// Moves stages so that long breaks between them go, and the first one starts at 0; how many breaks there were.
fn close_breaks(ran: &mut [Ran<'_>]) -> usize {
    let (mut shift, mut latest, mut breaks) = (ran.first().map_or(0.0, |first| first.start), f64::NEG_INFINITY, 0);
    for stage in ran {
        if latest.is_finite() && stage.start - latest > BREAK {
            shift += stage.start - latest - 1.0;
            breaks += 1;
        }
        latest = latest.max(stage.end);
        stage.start -= shift;
        stage.end -= shift;
    }
    breaks
}

/// The stages as bars in lanes: as many lanes as ran side by side.
fn lanes(ran: &[Ran<'_>], breaks: usize) -> Markup {
    let total = ran.iter().map(|stage| stage.end).fold(1e-9, f64::max);
    let mut free: Vec<f64> = Vec::new();
    let mut placed = Vec::with_capacity(ran.len());
    for stage in ran {
        // Times are rounded to seconds.
        let lane = free.iter().position(|&end| end <= stage.start + 1.0).unwrap_or(free.len());
        if lane == free.len() {
            free.push(0.0);
        }
        free[lane] = stage.end;
        placed.push(lane);
    }
    let used: f64 = ran.iter().map(|stage| (stage.end - stage.start) * stage.threads as f64).sum();
    let height = free.len() as f64 * LANE;
    html! {
        figure {
            figcaption { "When stages ran, in " (shown(total)) " s" @if breaks > 0 { ", " (breaks) " breaks of more than two minutes left out" } "; " (shown(used / total)) " cores on average, counted by the threads that stages could have" }
            svg.lanes viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label="Timeline of the stages" preserveAspectRatio="none" {
                @for (stage, lane) in ran.iter().zip(&placed) {
                    rect class={ "bar k" (hue(stage.kind)) } x=(format!("{:.1}", stage.start / total * WIDTH)) y=(*lane as f64 * LANE + 1.0) width=(format!("{:.1}", ((stage.end - stage.start) / total * WIDTH).max(0.6))) height=(LANE - 2.0)
                        data-stage=(stage.short) { title { (stage.id) ", " (shown(stage.end - stage.start)) " s, threads: " (stage.threads) } }
                }
            }
        }
    }
}

/// One of a few colours for a kind.
fn hue(kind: &str) -> usize {
    match kind {
        "train" | "fine-tune" => 0,
        "align" | "moments" => 1,
        "merge" | "repair" | "statistics" => 2,
        "predict" => 3,
        "line" => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(start: f64, end: f64) -> Ran<'static> {
        Ran { id: "train/x", kind: "train", short: "abc", start, end, threads: 1 }
    }

    #[test]
    fn long_breaks_go_and_short_ones_stay() {
        let mut stages = [ran(1000.0, 1010.0), ran(1050.0, 1060.0), ran(9000.0, 9005.0)];
        assert_eq!(close_breaks(&mut stages), 1);
        let times: Vec<(f64, f64)> = stages.iter().map(|stage| (stage.start, stage.end)).collect();
        assert_eq!(times, [(0.0, 10.0), (50.0, 60.0), (61.0, 66.0)]);
    }
}
