//! The weights that trainings begin with.

use onebasin_network::Checkpoint;

use super::place::Place;

const SPEC: &str = r#"
name = "smoke"
models = [{ name = "own" }, { name = "first", first-weights = "shared" }, { name = "second", first-weights = "shared" }]

[datasets.tiny-glyphs]
format = "glyphs"
train = 200
test = 100
size = 12

[architectures.net]
layers = [
  { op = "conv", out = 4 },
  { op = "residual", body = [
    { op = "conv", out = 4 }, { op = "norm", kind = "layer", name = "inner" }, { op = "relu" },
    { op = "conv", out = 4 }, { op = "norm", kind = "layer", name = "last" },
  ] },
  { op = "relu" },
  { op = "flatten" },
  { op = "linear", out = "classes" },
]

[trainings.still]
steps = 1
optimizer = { kind = "sgd", learning-rate = 1e-30 }
zero-init-residual = true

[[pairs]]
dataset = "tiny-glyphs"
architecture = "net"
training = "still"

[[methods]]
name = "ensemble"
merging = { by = "ensemble" }

[evaluation]
pairs = "none"
splits = ["test"]
"#;

#[test]
fn residual_bodies_begin_at_zero_in_models_with_first_weights_of_their_own_and_with_shared_ones() {
    let place = Place::with(SPEC);
    place.complete(&[]);
    let files = place.entries().into_iter().map(|entry| entry.join("weights.safetensors")).filter(|path| path.exists());
    let models: Vec<Checkpoint> = files.map(|path| Checkpoint::load(&path).unwrap()).collect();
    assert_eq!(models.len(), 3);
    for model in &models {
        assert!(model.weights.get("inner.scale").iter().all(|&scale| scale == 1.0));
        // One step of next to no rate.
        assert!(model.weights.get("last.scale").iter().all(|&scale| scale.abs() < 1e-20));
    }
    // Two of the three begin alike.
    let mut first: Vec<&[f32]> = models.iter().map(|model| model.weights.values("conv1.weight")).collect();
    first.sort_by(|a, b| a.partial_cmp(b).unwrap());
    first.dedup();
    assert_eq!(first.len(), 2);
}
