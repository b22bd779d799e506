//! What a network computes, as data: an input shape, a number of classes and a list of layers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::NetworkError;

/// Channels, height and width of an image or of a layer's output; a flat vector is `[features, 1, 1]`. Written `[c, h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 3]", into = "[usize; 3]")]
pub struct Shape {
    /// Colours, channels or features.
    pub channels: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
}

impl Shape {
    /// A shape from its three extents.
    pub fn new(channels: usize, height: usize, width: usize) -> Shape {
        Shape { channels, height, width }
    }

    /// Height times width.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Numbers in one image of this shape.
    pub fn volume(self) -> usize {
        self.channels * self.pixels()
    }
}

impl From<[usize; 3]> for Shape {
    fn from([channels, height, width]: [usize; 3]) -> Shape {
        Shape { channels, height, width }
    }
}

impl From<Shape> for [usize; 3] {
    fn from(shape: Shape) -> [usize; 3] {
        [shape.channels, shape.height, shape.width]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}, {}, {}]", self.channels, self.height, self.width)
    }
}

/// A network as data: the form that checkpoints carry and that a [`Graph`](crate::Graph) is built from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The shape of one image.
    pub input: Shape,
    /// How many numbers come out.
    pub classes: usize,
    /// From the input to the output.
    pub layers: Vec<Layer>,
}

/// One step of a network.
///
/// Layers with parameters may be given a `name`; the others are counted by kind in graph order: `conv1`, `norm1`, `fc1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Layer {
    /// Image to vector, channel after channel.
    Flatten {},
    /// `y = W x + b`, on vectors.
    Linear {
        /// The prefix of its parameters' names; `fc` and a number if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Features of the output.
        out: Width,
        /// Whether there is a `b`.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// A square convolution (cross-correlation, as everywhere) with zero padding, the same on all sides.
    Conv {
        /// The prefix of its parameters' names; `conv` and a number if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Channels of the output.
        out: Width,
        /// Height and width of the kernel.
        #[serde(default = "three")]
        kernel: usize,
        /// Step in both directions.
        #[serde(default = "one")]
        stride: usize,
        /// Rows and columns of zeros on each side; `(kernel - 1) / 2` if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padding: Option<usize>,
        /// Whether each output channel has a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// A normalisation with a scale and a shift for each channel.
    Norm {
        /// The prefix of its parameters' names; `norm` and a number if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Over what mean and variance are taken.
        kind: NormKind,
        /// Added to the variance.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
    },
    /// `max(x, 0)`.
    Relu {},
    /// The largest of each window; padding never wins.
    MaxPool {
        /// Height and width of the window.
        #[serde(default = "two")]
        size: usize,
        /// Step in both directions; the size if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
        /// Rows and columns added on each side.
        #[serde(default)]
        padding: usize,
    },
    /// The mean over all pixels of each channel: image to vector.
    GlobalMean {},
    /// Means over windows that cover the image, so that `size` by `size` pixels come out; smaller images are enlarged.
    AdaptiveMean {
        /// Height and width of what comes out.
        size: usize,
    },
    /// Further channels of zeros, and every so many-th pixel alone: the shortcut without weights of the first ResNets for CIFAR (option A).
    /// The channels on both sides keep their order.
    PadChannels {
        /// Channels of zeros before those that are there.
        before: usize,
        /// Channels of zeros behind them.
        behind: usize,
        /// Step in both directions.
        #[serde(default = "one")]
        stride: usize,
    },
    /// `body(x) + shortcut(x)`; an empty shortcut is the identity.
    Residual {
        /// The long way; not empty.
        body: Vec<Layer>,
        /// The short way.
        #[serde(default)]
        shortcut: Vec<Layer>,
    },
}

/// Over what a normalisation takes mean and variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Over the channels, at each pixel of each image by itself.
    Layer,
    /// Over images and pixels, for each channel; running statistics at inference.
    Batch,
}

/// The number of units a layer makes: a number, or `"classes"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// This many.
    Count(usize),
    /// As many as there are classes.
    Classes,
}

impl Width {
    /// The number, where there are so many classes.
    pub fn resolve(self, classes: usize) -> usize {
        match self {
            Width::Count(count) => count,
            Width::Classes => classes,
        }
    }
}

impl From<usize> for Width {
    fn from(count: usize) -> Width {
        Width::Count(count)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Width {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Width".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "classes" }] })
    }
}

impl Serialize for Width {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Width::Count(count) => count.serialize(serializer),
            Width::Classes => serializer.serialize_str("classes"),
        }
    }
}

impl<'de> Deserialize<'de> for Width {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Width;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a positive number of units or \"classes\"")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Width, E> {
                match usize::try_from(value) {
                    Ok(count) if count > 0 => Ok(Width::Count(count)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Width, E> {
                match u64::try_from(value) {
                    Ok(count) => self.visit_u64(count),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Width, E> {
                match value {
                    "classes" => Ok(Width::Classes),
                    _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Architecture {
    /// The same network with nothing left to defaults: paddings and strides filled in, `"classes"` replaced by the number.
    pub fn resolved(mut self) -> Architecture {
        resolve(&mut self.layers, self.classes);
        self
    }

    /// Reads the JSON of a checkpoint.
    ///
    /// # Errors
    /// If the text is no architecture; names the place in the text.
    pub fn from_json(text: &str) -> Result<Architecture, NetworkError> {
        serde_json::from_str(text).map_err(|error| NetworkError::Architecture {
            problem: format!("the text is no architecture: {error}"),
            hint: "expected `input`, `classes` and `layers`".to_owned(),
        })
    }

    /// The JSON that checkpoints carry: keys in the order of declaration, no spaces.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an architecture has string keys and finite numbers only")
    }
}

fn resolve(layers: &mut [Layer], classes: usize) {
    for layer in layers {
        match layer {
            Layer::Linear { out, .. } => *out = Width::Count(out.resolve(classes)),
            Layer::Conv { out, kernel, padding, .. } => {
                *out = Width::Count(out.resolve(classes));
                *padding = Some(padding.unwrap_or(half(*kernel)));
            }
            Layer::MaxPool { size, stride, .. } => *stride = Some(stride.unwrap_or(*size)),
            Layer::Residual { body, shortcut } => {
                resolve(body, classes);
                resolve(shortcut, classes);
            }
            Layer::Flatten {}
            | Layer::Norm { .. }
            | Layer::Relu {}
            | Layer::GlobalMean {}
            | Layer::AdaptiveMean { .. }
            | Layer::PadChannels { .. } => {}
        }
    }
}

/// The padding that keeps height and width at stride 1 for odd kernels.
pub(crate) fn half(kernel: usize) -> usize {
    kernel.saturating_sub(1) / 2
}

/// PyTorch's epsilon; Flax has 1e-6.
pub(crate) const EPSILON: f64 = 1e-5;

fn default_epsilon() -> f64 {
    EPSILON
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn three() -> usize {
    3
}
