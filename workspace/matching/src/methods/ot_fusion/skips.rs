//! Layers apart: residual networks as the authors' program transports them.
//!
//! Layers are visited in their order, and each has its own plan. Who reads a group's units uses the plan of the layer that wrote them last.
//! Where two layers wrote since the units were last read, their outputs are summed (the last layer of a block and the layer on its
//! shortcut), and the reader uses the mean of both plans. A layer on a shortcut reads what the block read, so it uses the plan that the
//! block's first layer used. A skip without a layer leaves no trace, though half of the sum that is read came in the order of an earlier
//! plan.

use std::collections::BTreeMap;

use ndarray::Array2;
use onebasin_network::{Parameter, Role};

use super::{Found, OtFusion, OutputUnits, Pair, is_output};
use crate::align::Side;
use crate::ground_metric::Rows;
use crate::matcher::{Interrupted, go_on};
use crate::{Certificate, MatchingError, UnitMap, Untied};

/// What is known of a group of units on the way through the layers.
#[derive(Default)]
struct Units {
    /// Maps of the layers whose sum the units hold now.
    summands: Vec<UnitMap>,
    /// Whether anyone has read them since.
    read: bool,
    /// How many layers have written them.
    writers: usize,
    rows: BTreeMap<String, Array2<f32>>,
    columns: BTreeMap<String, Array2<f32>>,
}

impl Units {
    fn write(&mut self, map: UnitMap) {
        if std::mem::take(&mut self.read) {
            self.summands.clear();
        }
        self.summands.push(map);
        self.writers += 1;
    }

    /// The plan of whoever reads them now, `[slots, units]`: what becomes of a unit.
    fn plan(&self) -> Array2<f32> {
        let outgoing = |map: &UnitMap| map.matrices().expect("a layer has one plan").outgoing;
        let mut plans = self.summands.iter().map(outgoing);
        let first = plans.next().expect("units are written before they are read");
        plans.fold(first, |sum, plan| sum + plan) / self.summands.len() as f32
    }

    /// What the units are made of in the layer that wrote them last.
    fn latest(&self) -> Array2<f32> {
        let map = self.summands.last().expect("units are written before anything follows them");
        map.matrices().expect("a layer has one plan").incoming
    }

    /// The map of the group: that of its only layer, or all of them apart.
    fn map(mut self) -> UnitMap {
        match self.summands.pop() {
            Some(map) if self.writers == 1 => map,
            _ => UnitMap::Untied(Untied { rows: self.rows, columns: self.columns }),
        }
    }
}

impl OtFusion {
    /// The maps of one model onto the reference, each layer by itself.
    pub(super) fn transport_apart(&self, interrupted: Interrupted<'_>, pair: &Pair<'_>) -> Result<Found, MatchingError> {
        let mut solver_trace = self.trace();
        let spec = pair.fixed_spec();
        let mut groups: Vec<Units> = spec.groups.iter().map(|_| Units::default()).collect();
        let mut output = None;
        let mut layer = 0;
        for (index, parameter) in spec.parameters.iter().enumerate() {
            if parameter.role != Role::Weight {
                if let Some(rows) = parameter.rows {
                    let units = &mut groups[rows.group];
                    let latest = units.latest();
                    units.rows.insert(parameter.name.clone(), latest);
                }
                continue;
            }
            go_on(interrupted)?;
            let columns = parameter.columns.map(|binding| {
                let units = &mut groups[binding.group];
                let plan = units.plan();
                units.columns.insert(parameter.name.clone(), plan.clone());
                units.read = true;
                (plan, binding.block)
            });
            let (name, sizes) = match parameter.rows {
                Some(rows) => (spec.groups[rows.group].name.as_str(), pair.units(rows.group)),
                None => (crate::matcher::OUTPUT, [parameter.shape[0]; 2]),
            };
            layer += 1;
            if parameter.rows.is_none() && self.output == OutputUnits::Fixed {
                continue;
            }
            // A bias, and the norms behind the layer, up to the next one.
            let behind = || spec.parameters[index + 1..].iter().take_while(|next| next.role != Role::Weight);
            let is_own = |next: &&Parameter| match parameter.rows {
                Some(rows) => next.rows.is_some_and(|other| other.group == rows.group),
                None => is_output(next),
            };
            let vectors = || behind().filter(is_own).filter(|next| self.counts(next));
            let costs = match pair.seen.layers {
                Some(moments) => self.distances(&moments[layer - 1], pair),
                None => {
                    let [fixed, moving] = pair.weights;
                    let mut rows = Rows::new(sizes[0], sizes[1]);
                    rows.add(parameter, fixed, moving, columns.as_ref().map(|(plan, block)| (Side::Matrix(plan), *block)));
                    vectors().for_each(|vector| rows.add(vector, fixed, moving, None));
                    rows.costs(self.ground, self.normalise_rows)
                }
            };
            let own = || std::iter::once(parameter).chain(vectors());
            let masses = if parameter.rows.is_some() { self.masses.of(pair.weights, sizes, own) } else { None };
            let (map, certificate) = self.solve(costs, masses, name, &mut solver_trace)?;
            solver_trace.certificate = Certificate::worst(solver_trace.certificate, certificate);
            match parameter.rows {
                Some(rows) => {
                    let units = &mut groups[rows.group];
                    units.write(map);
                    let latest = units.latest();
                    units.rows.insert(parameter.name.clone(), latest);
                }
                None => output = Some(map),
            }
        }
        Ok((groups.into_iter().map(Units::map).chain(output).collect(), solver_trace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{graph, random, shuffles};
    use crate::{Matcher, Outcome, Problem, UnitMaps, to_frame};
    use onebasin_network::{Graph, permute};
    use onebasin_repro::Stream;

    fn resnet() -> Graph {
        graph(r#"{"family": "resnet", "depth": 8, "width": 4, "norm": "batch"}"#, (3, 8, 8), 4)
    }

    fn apart() -> OtFusion {
        OtFusion { residual: super::super::Residual::Skips, ..OtFusion::default() }
    }

    fn untied(maps: &UnitMaps, group: usize) -> &Untied {
        match &maps[group] {
            UnitMap::Untied(untied) => untied,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn readers_of_a_sum_of_two_layers_have_the_mean_of_their_plans_and_an_identity_skip_leaves_no_trace() {
        let graph = resnet();
        let spec = graph.spec();
        let (a, b) = (random(spec, 1), random(spec, 2));
        let alignment = apart().align(&Problem::new(spec, vec![&a, &b]), &Stream::root(0)).unwrap();
        assert!(!alignment.is_hard() && alignment.outcome == Outcome::Direct);
        let stem = untied(&alignment.maps[1], 0);
        let names = |plans: &BTreeMap<String, Array2<f32>>| plans.keys().filter(|name| name.contains("conv")).cloned().collect::<Vec<_>>();
        assert_eq!(names(&stem.rows), ["stage1.block1.conv2.weight", "stem.conv.weight"]);
        assert_eq!(stem.columns["stage1.block1.conv1.weight"], stem.rows["stem.conv.weight"]);
        // Past the first block the skip is an identity.
        assert_ne!(stem.rows["stem.conv.weight"], stem.rows["stage1.block1.conv2.weight"]);
        assert_eq!(stem.columns["stage2.block1.conv1.weight"], stem.rows["stage1.block1.conv2.weight"]);
        // The layer on the shortcut reads what the block reads.
        assert_eq!(stem.columns["stage2.block1.shortcut.conv.weight"], stem.columns["stage2.block1.conv1.weight"]);
        let next = alignment.maps[1].iter().find_map(|map| match map {
            UnitMap::Untied(untied) if untied.rows.contains_key("stage2.block1.conv2.weight") => Some(untied),
            _ => None,
        });
        let next = next.unwrap();
        let (body, shortcut) = (&next.rows["stage2.block1.conv2.weight"], &next.rows["stage2.block1.shortcut.conv.weight"]);
        assert_eq!(names(&next.rows).len(), 2);
        assert_ne!(body, shortcut);
        let half = (body + shortcut) / 2.0;
        assert!(next.columns.len() == 2 && next.columns.values().all(|plan| *plan == half));
        // A norm goes with its layer.
        assert_eq!((&next.rows["stage2.block1.norm2.scale"], &next.rows["stage2.block1.shortcut.norm.scale"]), (body, shortcut));
    }

    #[test]
    fn a_shuffled_copy_of_a_residual_network_is_matched_back_exactly() {
        let graph = resnet();
        let spec = graph.spec();
        let a = random(spec, 1);
        let b = permute(spec, &a, &shuffles(spec, 2));
        let alignment = apart().align(&Problem::new(spec, vec![&a, &b]), &Stream::root(0)).unwrap();
        assert_eq!(to_frame(spec, &b, &alignment.maps[1]), a);
    }

    #[test]
    fn a_chain_of_layers_has_the_maps_it_has_when_units_are_tied() {
        let graph = crate::testing::graph(r#"{"family": "mlp", "hidden": [12, 10]}"#, (1, 4, 4), 5);
        let (a, b) = (random(graph.spec(), 1), random(graph.spec(), 2));
        for output in [OutputUnits::Fixed, OutputUnits::Transported] {
            let of = |matching: OtFusion| matching.align(&Problem::new(graph.spec(), vec![&a, &b]), &Stream::root(0)).unwrap();
            assert_eq!(of(OtFusion { output, ..apart() }), of(OtFusion { output, ..OtFusion::default() }));
        }
    }
}
