//! What pictures share: a canvas to save on, the look, axes, legends, charts. A picture is drawn from CSV files alone.

mod axis;
mod canvas;
mod curve_panels;
mod curves;
mod dot_plot;
mod heat_map;
mod layer_panels;
mod legend;
mod line_panel;
mod method_style;
mod pair_tables;
mod picture;
mod ticks;

pub use axis::{Axis, Scale};
pub use canvas::{Canvas, by_pair, methods_sharing_stages, shown_part};
pub use curve_panels::CurvePanels;
pub use curves::Curves;
pub use dot_plot::DotPlot;
pub use heat_map::{HeatMap, HeatPanel};
pub use layer_panels::{LayerPanels, LayerValue};
pub use legend::Legend;
pub use line_panel::{LineCurves, curve_values, line_panel};
pub use method_style::{BEFORE, MethodRow, MethodStyles, mark, method_rank};
pub use pair_tables::{Kind, Metric, PairValues, pair_tables};
pub use picture::{FONT, Picture, TEXT, backend, blend, list, names_width};
pub use ticks::{Tick, ticks};
