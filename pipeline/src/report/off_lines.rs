//! Merged networks that lie on none of the lines between the models they are made of: barriers say nothing of them.

use std::collections::BTreeSet;

use crate::drawing::list;
use crate::identity::PairName;
use crate::measurements::BarrierRow;
use crate::spec::{Columns, Experiment, Interpolation, Merging, Method};
use crate::table::Tables;

/// The methods of an experiment whose straight lines pass by what they merge.
pub fn off_lines(experiment: &Experiment) -> BTreeSet<String> {
    let passes_by = |method: &&Method| {
        let is_straight = method.interpolation.unwrap_or(experiment.evaluation.interpolation) == Interpolation::Linear;
        is_straight
            && method.sequential.is_none()
            && matches!(method.merging, Merging::Spherical | Merging::Mean { columns: Columns::Unaligned, .. })
    };
    experiment.methods.iter().filter(passes_by).map(|method| method.name.name.clone()).collect()
}

/// What must be known of those that have lines in a pair; nothing where there are none.
pub fn note(methods: &BTreeSet<String>, pair: &PairName, tables: &Tables) -> Option<String> {
    let rows = tables.of::<BarrierRow>().iter().filter(|row| row.key.pair == *pair);
    let found: BTreeSet<&str> = rows.map(|row| row.key.method.name()).filter(|name| methods.contains(*name)).collect();
    let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!("The lines of {} are straight, between the models in their frame: what is merged lies on none of them, and barriers are not its own.", list(&names))
    })
}
