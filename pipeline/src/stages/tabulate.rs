//! The stage that turns measurements into the result files.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::report::{ArchitectureRow, Cell, Comparison, Rows, architectures, markdown, pairwise, summary};
use crate::stage::{Context, Recipe, Stage, StageId};

/// Writes every CSV of an experiment and `table.md`.
pub struct Tabulate {
    id: StageId,
    title: String,
    inputs: Vec<StageId>,
    cells: Vec<Cell>,
    architectures: Vec<ArchitectureRow>,
    comparison: Comparison,
    missing: Vec<String>,
}

impl Tabulate {
    /// A table of the given cells: one per input, in their order. It says first what is `missing`.
    pub fn new(
        title: &str,
        cells: Vec<(StageId, Cell)>,
        architectures: Vec<ArchitectureRow>,
        comparison: Comparison,
        missing: Vec<String>,
    ) -> Tabulate {
        let (inputs, cells) = cells.into_iter().unzip();
        Tabulate { id: StageId::new("tabulate"), title: title.to_owned(), inputs, cells, architectures, comparison, missing }
    }
}

impl Stage for Tabulate {
    fn id(&self) -> &StageId {
        &self.id
    }

    fn inputs(&self) -> &[StageId] {
        &self.inputs
    }

    fn recipe(&self) -> Recipe {
        let mut settings = json!({
            "title": self.title, "cells": self.cells, "architectures": self.architectures, "comparison": self.comparison
        });
        if !self.missing.is_empty() {
            settings["missing"] = json!(self.missing);
        }
        Recipe { kind: "tabulate", version: 5, settings }
    }

    fn run(&self, context: &Context<'_>) -> Result<()> {
        let mut rows = Rows::default();
        for ((cell, artifact), id) in self.cells.iter().zip(context.inputs).zip(&self.inputs) {
            cell.collect(artifact, &mut rows).with_context(|| format!("stage `{id}`"))?;
        }
        rows.sort();
        rows.write(context.out)?;
        architectures::write(&self.architectures, context.out)?;
        let cells = summary::summarise(&rows, &self.comparison)?;
        summary::write(&cells, context.out)?;
        let pairs = pairwise::summarise(&rows.barriers)?;
        pairwise::write(&pairs, context.out)?;
        let text = markdown::render(&self.title, &cells, &rows, &pairs, &self.architectures, &self.comparison, &self.missing);
        std::fs::write(context.out.join("table.md"), text).context("cannot write `table.md`")
    }
}
