//! The methods of an experiment as `methods.csv` lists them.

use serde_json::{Value, json};

use crate::drawing::MethodRow;
use crate::spec::{Experiment, Merging, Method};

/// A row for each method of the spec, in its order; the draws of a method are one.
pub fn method_rows(experiment: &Experiment) -> Vec<MethodRow> {
    let methods: Vec<&Method> = experiment.methods.iter().filter(|method| method.name.is_first()).collect();
    let row = |method: &&Method| {
        let plain = methods.iter().find(|other| method.repairs(other));
        MethodRow {
            method: method.name.name.clone(),
            matching: tag(&json!(method.matching), "by"),
            merging: merging(method),
            repair: method.repair.as_ref().map(|repair| tag(&json!(repair), "kind")).unwrap_or_default(),
            plain: plain.map(|plain| plain.name.name.clone()).unwrap_or_default(),
        }
    };
    methods.iter().map(row).collect()
}

/// What is made of matched models, and whether it is trained on.
fn merging(method: &Method) -> String {
    let merging = match &method.merging {
        Merging::Mean { .. } => "mean",
        Merging::Spherical => "spherical",
        Merging::Ensemble { .. } => "ensemble",
        Merging::Model { .. } => "model",
        Merging::Fresh { .. } => "fresh",
        Merging::Curve(_) => "curve",
    };
    match (&method.fine_tuning, &method.lesson) {
        (None, _) => merging.to_owned(),
        (Some(_), None) => format!("{merging} fine-tuned"),
        (Some(_), Some(_)) => format!("{merging} distilled"),
    }
}

/// The tag of a tagged table.
fn tag(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
