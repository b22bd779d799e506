//! What an `[architectures.NAME]` table says, before it is known to make sense.
//!
//! One flat table with every family's keys, so that a wrong type or an unknown key is reported where it stands; which keys belong to
//! which family is checked afterwards.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::resnet::Plan;
use super::{Blueprint, Listed, Mlp, NormChoice, Resnet, Stem, Vgg, impossible};
use crate::architecture::EPSILON;
use crate::{Layer, NetworkError, did_you_mean};

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Raw {
    family: Option<String>,
    layers: Option<Vec<Layer>>,
    hidden: Option<Vec<usize>>,
    depth: Option<usize>,
    stages: Option<Vec<Vec<usize>>>,
    head: Option<Vec<usize>>,
    width: Option<usize>,
    stem: Option<Stem>,
    shortcut: Option<usize>,
    norm: Option<NormChoice>,
    bias: Option<bool>,
    head_bias: Option<bool>,
    epsilon: Option<f64>,
}

/// The keys of each family.
const MLP: &[&str] = &["hidden", "bias", "norm", "epsilon"];
const VGG: &[&str] = &["depth", "width", "stages", "head", "bias", "norm", "epsilon"];
const RESNET: &[&str] = &["depth", "width", "stem", "shortcut", "norm", "bias", "head-bias", "epsilon"];
const LAYERS: &[&str] = &["layers"];

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Blueprint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Architecture".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let every = Raw::json_schema(generator).to_value();
        let family = |name: &str, keys: &[&str], required: &[&str]| {
            let own = keys.iter().map(|&key| (key.to_owned(), every["properties"][key].clone()));
            let properties: serde_json::Map<_, _> = own.chain([("family".to_owned(), serde_json::json!({ "const": name }))]).collect();
            serde_json::json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        };
        schemars::json_schema!({ "anyOf": [
            family("mlp", MLP, &["family", "hidden"]),
            family("vgg", VGG, &["family"]),
            family("resnet", RESNET, &["family", "depth"]),
            family("layers", LAYERS, LAYERS),
        ] })
    }
}

impl Raw {
    /// The keys that are there, `family` apart.
    fn keys(&self) -> Vec<&'static str> {
        let keys = BTreeMap::from([
            ("layers", self.layers.is_some()),
            ("hidden", self.hidden.is_some()),
            ("depth", self.depth.is_some()),
            ("stages", self.stages.is_some()),
            ("head", self.head.is_some()),
            ("width", self.width.is_some()),
            ("stem", self.stem.is_some()),
            ("shortcut", self.shortcut.is_some()),
            ("norm", self.norm.is_some()),
            ("bias", self.bias.is_some()),
            ("head-bias", self.head_bias.is_some()),
            ("epsilon", self.epsilon.is_some()),
        ]);
        keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect()
    }

    fn only(&self, family: &str, allowed: &[&str]) -> Result<(), NetworkError> {
        match self.keys().into_iter().find(|key| !allowed.contains(key)) {
            None => Ok(()),
            Some(key) => {
                let list = allowed.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                Err(impossible(format!("family `{family}` has no key `{key}`"), format!("its keys are {list}")))
            }
        }
    }
}

impl TryFrom<Raw> for Blueprint {
    type Error = NetworkError;

    fn try_from(raw: Raw) -> Result<Blueprint, NetworkError> {
        match raw.family.as_deref() {
            None if raw.layers.is_some() => listed(raw),
            Some("layers") => listed(raw),
            Some("mlp") => mlp(raw),
            Some("vgg") => vgg(raw),
            Some("resnet") => resnet(raw),
            None => Err(impossible(
                "`family` is missing".to_owned(),
                "write `family = \"mlp\"`, `\"vgg\"` or `\"resnet\"`, or give `layers = [..]`",
            )),
            Some(other) => {
                let hint = match did_you_mean(other, Blueprint::FAMILIES.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "use `mlp`, `vgg` or `resnet`, or give `layers = [..]`".to_owned(),
                };
                Err(impossible(format!("family `{other}` is not known"), hint))
            }
        }
    }
}

fn listed(raw: Raw) -> Result<Blueprint, NetworkError> {
    raw.only("layers", LAYERS)?;
    match raw.layers {
        Some(layers) if !layers.is_empty() => Ok(Blueprint::Layers(Listed { layers })),
        _ => Err(impossible(
            "there are no layers".to_owned(),
            "write them: `layers = [{ op = \"flatten\" }, { op = \"linear\", out = \"classes\" }]`",
        )),
    }
}

fn mlp(raw: Raw) -> Result<Blueprint, NetworkError> {
    raw.only("mlp", MLP)?;
    let Some(hidden) = raw.hidden else {
        return Err(impossible("family `mlp` needs `hidden`".to_owned(), "write the hidden layers' units: `hidden = [512, 512]`"));
    };
    let (bias, norm, epsilon) = (raw.bias.unwrap_or(true), raw.norm.unwrap_or_default(), raw.epsilon.unwrap_or(EPSILON));
    checked(Blueprint::Mlp(Mlp { hidden, bias, norm, epsilon }))
}

fn vgg(raw: Raw) -> Result<Blueprint, NetworkError> {
    raw.only("vgg", VGG)?;
    let stages = match (raw.depth, raw.stages, raw.width) {
        (Some(depth), None, width) => Vgg::stages(depth, width.unwrap_or(64))?,
        (None, Some(stages), None) => stages,
        (None, Some(_), Some(_)) => return Err(impossible("`width` does not go with `stages`".to_owned(), "`stages` says every width")),
        (Some(_), Some(_), _) => return Err(impossible("`depth` does not go with `stages`".to_owned(), "give one of the two")),
        (None, None, _) => {
            return Err(impossible("family `vgg` needs `depth` or `stages`".to_owned(), "write `depth = 16` or `stages = [[64], [128]]`"));
        }
    };
    let last = stages.last().and_then(|stage| stage.last()).copied();
    let head = raw.head.unwrap_or_else(|| last.map_or(Vec::new(), |channels| vec![channels; 2]));
    let (bias, norm, epsilon) = (raw.bias.unwrap_or(true), raw.norm.unwrap_or_default(), raw.epsilon.unwrap_or(EPSILON));
    checked(Blueprint::Vgg(Vgg { stages, head, bias, norm, epsilon }))
}

fn resnet(raw: Raw) -> Result<Blueprint, NetworkError> {
    raw.only("resnet", RESNET)?;
    let Some(depth) = raw.depth else {
        return Err(impossible("family `resnet` needs `depth`".to_owned(), "write `depth = 20`, 26, 32 .. or 18, 34, 50"));
    };
    let plan = Plan::of(depth)?;
    checked(Blueprint::Resnet(Resnet {
        depth: plan.depth,
        width: raw.width.unwrap_or(plan.width),
        stem: raw.stem.unwrap_or(plan.stem),
        shortcut: raw.shortcut.unwrap_or(plan.shortcut),
        norm: raw.norm.unwrap_or_default(),
        bias: raw.bias.unwrap_or(false),
        head_bias: raw.head_bias.unwrap_or(true),
        epsilon: raw.epsilon.unwrap_or(EPSILON),
    }))
}

/// Impossible values are reported where the spec is read, not first where the network is built.
fn checked(blueprint: Blueprint) -> Result<Blueprint, NetworkError> {
    match &blueprint {
        Blueprint::Mlp(mlp) => mlp.layers().map(drop)?,
        Blueprint::Vgg(vgg) => vgg.layers().map(drop)?,
        Blueprint::Resnet(resnet) => resnet.layers().map(drop)?,
        Blueprint::Layers(_) => {}
    }
    Ok(blueprint)
}
