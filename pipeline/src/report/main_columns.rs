//! The columns of the main table of `table.md`.

use crate::drawing::list;
use crate::identity::Part;
use crate::spec::BarrierOver;

/// A column of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A metric on a split.
    Figure(&'static str, Part),
    /// Accuracy over that of the end points, on a split.
    Kept(Part),
    /// A barrier over what there is to lose, on a split.
    Lost(BarrierOver, Part),
}

/// The columns of the main table with their headings; those without a cell are left out.
pub(super) fn columns(barriers: &[BarrierOver]) -> Vec<(String, Column)> {
    const SPLITS: [Part; 2] = [Part::Train, Part::Test];
    let figure = |heading: &str, metric| SPLITS.map(|split| (format!("{heading}, {split}"), Column::Figure(metric, split))).to_vec();
    let kept = SPLITS.map(|split| (format!("merged / ends, {split}"), Column::Kept(split))).to_vec();
    let barriers_of = barriers.iter().flat_map(|over| figure(over.words(), over.metric()));
    let shares = barriers.first().map(|over| SPLITS.map(|split| (format!("barrier / to lose, {split}"), Column::Lost(*over, split))));
    let scores = [figure("accuracy", "accuracy"), kept, figure("loss", "loss")].concat();
    scores.into_iter().chain(barriers_of).chain(shares.into_iter().flatten()).collect()
}

/// What the barriers that are shown are.
pub(super) fn explained(barriers: &[BarrierOver]) -> String {
    let over = |over: &BarrierOver| match over {
        BarrierOver::Line => "the straight line between the end losses",
        BarrierOver::Mean => "the mean of the end losses",
    };
    format!("Barrier: the highest loss on a line between two models over {}, mean over pairs.", list(barriers.iter().map(over)))
}
