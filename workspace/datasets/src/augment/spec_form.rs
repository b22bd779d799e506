//! How a spec writes an augmentation.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Augmentation, Step};

impl Augmentation {
    /// The recipe of this name.
    fn named(name: &str) -> Option<Augmentation> {
        match name {
            "cifar-c2m3" => Some(Augmentation::CifarC2m3),
            "cifar-git-rebasin" => Some(Augmentation::CifarGitRebasin),
            "cifar-otfusion" => Some(Augmentation::CifarOtfusion),
            _ => None,
        }
    }
}

impl Serialize for Augmentation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Augmentation::CifarC2m3 => serializer.serialize_str("cifar-c2m3"),
            Augmentation::CifarGitRebasin => serializer.serialize_str("cifar-git-rebasin"),
            Augmentation::CifarOtfusion => serializer.serialize_str("cifar-otfusion"),
            Augmentation::Steps(steps) => steps.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Augmentation, D::Error> {
        deserializer.deserialize_any(SpecForm)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Augmentation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Augmentation".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let step = generator.subschema_for::<Step>();
        schemars::json_schema!({ "anyOf": [{ "enum": Augmentation::NAMES }, step, { "type": "array", "items": step }] })
    }
}

struct SpecForm;

impl<'de> Visitor<'de> for SpecForm {
    type Value = Augmentation;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of an augmentation, a step such as `{ kind = \"flip\" }`, or a list of steps")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Augmentation, E> {
        Augmentation::named(name).ok_or_else(|| {
            let nearest = Augmentation::NAMES
                .iter()
                .map(|known| (strsim::jaro_winkler(&name.to_lowercase(), known), known))
                .filter(|(likeness, _)| *likeness >= 0.8)
                .max_by(|left, right| left.0.total_cmp(&right.0));
            let hint = match nearest {
                Some((_, nearest)) => format!("did you mean `{nearest}`?"),
                None => "a list of steps such as `[{ kind = \"flip\" }]` says any other".to_owned(),
            };
            let names: Vec<String> = Augmentation::NAMES.iter().map(|known| format!("`{known}`")).collect();
            E::custom(format!("unknown augmentation `{name}`: expected one of {}\nhint: {hint}", names.join(", ")))
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, steps: A) -> Result<Augmentation, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(steps)).map(Augmentation::Steps)
    }

    fn visit_map<A: MapAccess<'de>>(self, step: A) -> Result<Augmentation, A::Error> {
        Step::deserialize(MapAccessDeserializer::new(step)).map(|step| Augmentation::Steps(vec![step]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Crop, Flip, ResizedCrop};
    use super::*;

    fn read(text: &str) -> Result<Augmentation, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn names_steps_and_lists_are_read_and_the_written_form_is_read_back() {
        for name in Augmentation::NAMES {
            let augmentation = read(&format!("\"{name}\"")).unwrap();
            augmentation.check().unwrap();
            assert_eq!(serde_json::to_string(&augmentation).unwrap(), format!("\"{name}\""));
        }
        let flip = Augmentation::Steps(vec![Step::Flip(Flip { probability: 0.5 })]);
        assert_eq!(read(r#"{"kind": "flip"}"#).unwrap(), flip);
        let list = read(r#"[{"kind": "crop", "padding": 2}, {"kind": "resized-crop"}]"#).unwrap();
        assert_eq!(list, Augmentation::Steps(vec![Step::Crop(Crop { padding: 2 }), Step::ResizedCrop(ResizedCrop::default())]));
        for augmentation in [flip, list, Augmentation::Steps(Vec::new())] {
            assert_eq!(read(&serde_json::to_string(&augmentation).unwrap()).unwrap(), augmentation);
        }
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest_and_unknown_steps_and_keys_are_errors() {
        for (text, words) in [
            ("\"cifar-c2m\"", ["unknown augmentation `cifar-c2m`", "did you mean `cifar-c2m3`?"]),
            ("\"weather\"", ["`cifar-otfusion`", "a list of steps"]),
            (r#"{"kind": "blur"}"#, ["`blur`", "`resized-crop`"]),
            (r#"{"kind": "flip", "chance": 0.5}"#, ["`chance`", "`probability`"]),
            ("3", ["integer `3`", "the name of an augmentation"]),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn settings_out_of_range_name_the_key() {
        for (text, words) in [
            (r#"{"kind": "crop", "padding": 0}"#, ["`augmentation.padding`", "got `0`"]),
            (r#"{"kind": "flip", "probability": 1.5}"#, ["`augmentation.probability`", "from 0 to 1"]),
            (r#"{"kind": "resized-crop", "scale": [1.2, 0.8]}"#, ["`augmentation.scale`", "got `[1.2, 0.8]`"]),
            (r#"{"kind": "resized-crop", "ratio": [0, 1]}"#, ["`augmentation.ratio`", "from 0.001 to 1000"]),
            (r#"{"kind": "rotate", "degrees": -3}"#, ["`augmentation.degrees`", "from 0 to 180"]),
            (r#"{"kind": "zoom-shift-rotate", "zoom": [-1, 1]}"#, ["`augmentation.zoom`", "from 0.001 to 1000"]),
        ] {
            let error = read(text).unwrap().check().unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
