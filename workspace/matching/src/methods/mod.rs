//! The methods: one file each, with its options, its algorithm and its tests.

/// What units give, to a reference.
pub mod activation_matching;
/// All models at once, by Frank–Wolfe in a universe.
pub mod c2m3;
mod coordinate_ascent;
/// A pair at a time, by Frank–Wolfe.
pub mod frank_wolfe;
/// Weight matching by coordinate ascent.
pub mod git_rebasin;
/// Weight matching by incoming weights, in one sweep.
pub mod greedy_matching;
/// No matching.
pub mod identity;
/// What units give, all models at once.
pub mod joint_activation_matching;
/// Each model to the mean of the others, in turn.
pub mod merge_many;
mod mix;
/// Optimal transport, layer by layer.
pub mod ot_fusion;
mod refine;
/// By where the loss of the reference falls.
pub mod steepest_descent;
/// By the loss halfway.
pub mod straight_through;
/// Wasserstein barycenters, layer by layer, all models at once.
pub mod wb_fusion;

pub use mix::Mix;

use serde::{Deserialize, Serialize};

use crate::{Activations, Matcher, MatchingError};

/// Declares [`Matching`] from its variants, so that a method is one line of the list.
macro_rules! matchings {
    ($( $(#[doc = $doc:literal])* $name:literal => $variant:ident($options:ty), )*) => {
        /// A method and its options, as a spec writes it: `{ by = "c2m3", iterations = 200 }`.
        ///
        /// Its serialised form holds every option, defaults filled in.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "by")]
        pub enum Matching {
            $( $(#[doc = $doc])* #[serde(rename = $name)] $variant($options), )*
        }

        impl Matching {
            /// What `by` may say.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The method itself.
            pub fn matcher(&self) -> &dyn Matcher {
                match self {
                    $( Matching::$variant(options) => options, )*
                }
            }

            fn matcher_mut(&mut self) -> &mut dyn Matcher {
                match self {
                    $( Matching::$variant(options) => options, )*
                }
            }
        }
    };
}

matchings! {
    /// No matching at all: naive averaging.
    "identity" => Identity(identity::Identity),
    /// Git Re-Basin's weight matching of every model to a reference.
    "git-re-basin" => GitReBasin(git_rebasin::GitReBasin),
    /// Git Re-Basin's weight matching in one sweep, by incoming weights alone.
    "greedy-matching" => GreedyMatching(greedy_matching::GreedyMatching),
    /// Git Re-Basin's straight-through estimator: by the loss halfway to a reference.
    "straight-through" => StraightThrough(straight_through::StraightThrough),
    /// The permutation along which the loss of a reference falls most steeply.
    "steepest-descent" => SteepestDescent(steepest_descent::SteepestDescent),
    /// Git Re-Basin's matching of each model to the mean of the others.
    "merge-many" => MergeMany(merge_many::MergeMany),
    /// Frank–Wolfe over all models at once, in a universe.
    "c2m3" => C2m3(c2m3::C2m3),
    /// Frank–Wolfe between each model and a reference.
    "frank-wolfe" => FrankWolfe(frank_wolfe::FrankWolfe),
    /// Activation matching of every model to a reference.
    "activation-matching" => ActivationMatching(activation_matching::ActivationMatching),
    /// Activation matching of all models at once, in a universe.
    "joint-activation-matching" => JointActivationMatching(joint_activation_matching::JointActivationMatching),
    /// Optimal transport between each model and a reference.
    "ot-fusion" => OtFusion(ot_fusion::OtFusion),
    /// The Wasserstein barycenter of all models, layer by layer.
    "wb-fusion" => WbFusion(wb_fusion::WbFusion),
}

impl Matching {
    /// Says whether the options make sense.
    ///
    /// # Errors
    /// The key with its value, what was expected, and a hint.
    pub fn check(&self) -> Result<(), MatchingError> {
        self.matcher().check()
    }

    /// Whether another stream could give other maps.
    pub fn is_random(&self) -> bool {
        self.matcher().is_random()
    }

    /// The model whose units are the frame, by index, of methods that take one as their reference.
    pub fn reference(&self) -> Option<usize> {
        self.matcher().reference()
    }

    /// The same with another model as its reference; methods that take none stay as they are.
    #[must_use]
    pub fn with_reference(mut self, reference: usize) -> Matching {
        self.matcher_mut().set_reference(reference);
        self
    }

    /// Whether every map is a permutation of hidden units, so that a model in the frame computes what it did.
    pub fn permutes(&self) -> bool {
        self.matcher().permutes()
    }

    /// Whether the maps of all models are sought together (a pair's maps then depend on the other models too).
    pub fn is_joint(&self) -> bool {
        self.matcher().is_joint()
    }

    /// The activations whose moments it needs besides weights.
    pub fn needs(&self) -> Option<Activations> {
        self.matcher().needs()
    }

    /// Whether it looks at the activations of each layer, class scores included, besides those of each group.
    pub fn needs_layers(&self) -> bool {
        self.matcher().needs_layers()
    }

    /// Whether it needs the loss on the training images besides weights.
    pub fn needs_loss(&self) -> bool {
        self.matcher().needs_loss()
    }
}

/// An error unless `value` is at least 1.
pub(crate) fn at_least_one(key: &'static str, value: usize) -> Result<(), MatchingError> {
    if value == 0 {
        let hint = "an iteration is needed to find any map";
        return Err(MatchingError::Setting { key, value: value.to_string(), expected: "a number of at least 1", hint });
    }
    Ok(())
}

/// A number as people write it: the very large and the very small with an exponent.
pub(crate) fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e16).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// An error unless `value` is finite and not negative.
pub(crate) fn tolerance(key: &'static str, value: f64) -> Result<(), MatchingError> {
    if !(value.is_finite() && value >= 0.0) {
        let hint = "1e-9 is a good choice";
        return Err(MatchingError::Setting { key, value: number(value), expected: "a finite number of at least 0", hint });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Matching, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn every_name_parses_alone_and_is_written_back_under_its_name() {
        for name in Matching::NAMES {
            let matching = parse(&format!("{{\"by\": \"{name}\"}}")).unwrap();
            let written = serde_json::to_value(&matching).unwrap();
            assert_eq!(written["by"], *name);
            assert_eq!(serde_json::from_value::<Matching>(written).unwrap(), matching);
            matching.check().unwrap();
        }
    }

    #[test]
    fn an_unknown_key_or_name_is_an_error_that_quotes_it() {
        for name in Matching::NAMES {
            let error = parse(&format!("{{\"by\": \"{name}\", \"sweepz\": 3}}")).unwrap_err();
            assert!(error.to_string().contains("`sweepz`"), "{name}: {error}");
        }
        assert!(parse(r#"{"by": "c2m4"}"#).unwrap_err().to_string().contains("`c2m4`"));
    }

    #[test]
    fn a_reference_is_changed_where_there_is_one_and_the_first_is_not_written_by_frank_wolfe() {
        for name in Matching::NAMES {
            let matching = parse(&format!("{{\"by\": \"{name}\"}}")).unwrap();
            let other = matching.clone().with_reference(2);
            assert_eq!(other.reference(), matching.reference().map(|_| 2), "{name}");
            assert_eq!(other.with_reference(0), matching);
        }
        let written = |text: &str| serde_json::to_value(parse(text).unwrap()).unwrap();
        // Alignments made before the option was there keep their names.
        assert_eq!(written(r#"{"by": "frank-wolfe", "reference": 0}"#).get("reference"), None);
        assert_eq!(written(r#"{"by": "frank-wolfe", "reference": 1}"#)["reference"], 1);
    }

    #[test]
    fn only_soft_plans_and_moved_class_scores_are_no_permutations_of_hidden_units() {
        for name in Matching::NAMES {
            assert!(parse(&format!("{{\"by\": \"{name}\"}}")).unwrap().permutes(), "{name}");
        }
        let options = [
            r#""plan": "sinkhorn""#,
            r#""output": "transported""#,
            r#""plan": "unbalanced""#,
            r#""plan": "partial", "mass": 0.9"#,
            r#""masses": "l2""#,
            r#""residual": "skips""#,
        ];
        for option in options {
            assert!(!parse(&format!("{{\"by\": \"ot-fusion\", {option}}}")).unwrap().permutes(), "{option}");
        }
    }

    #[test]
    fn only_joint_methods_seek_all_maps_together() {
        for name in Matching::NAMES {
            let matching = parse(&format!("{{\"by\": \"{name}\"}}")).unwrap();
            assert_eq!(matching.is_joint(), matches!(*name, "c2m3" | "merge-many" | "joint-activation-matching" | "wb-fusion"), "{name}");
        }
    }
}
