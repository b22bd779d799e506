use onebasin_network::{Permutation, permute};
use onebasin_repro::Stream;
use onebasin_training::{Initialisation, initialise, logits};
use rand::Rng;

use crate::common::{cpu, graph, normalisation, stripes};

#[test]
fn permuting_any_group_leaves_the_outputs_equal() {
    let data = stripes(20, 1);
    for blueprint in [
        r#"{ "family": "mlp", "hidden": [12, 9, 7] }"#,
        r#"{ "family": "mlp", "hidden": [12, 9], "bias": false, "norm": "layer" }"#,
        r#"{ "family": "vgg", "stages": [[4], [6, 5]], "head": [10], "norm": "layer" }"#,
        r#"{ "family": "vgg", "stages": [[4], [6]], "head": [10], "norm": "batch" }"#,
        r#"{ "family": "resnet", "depth": 14, "width": 4, "norm": "layer" }"#,
        r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch", "shortcut": 1 }"#,
    ] {
        let graph = graph(blueprint);
        let weights = initialise(&graph, Initialisation::Pytorch, &Stream::root(3)).unwrap();
        // Norms start all alike, which would hide a group that is not carried through them.
        let mut rng = Stream::root(4).rng();
        let offsets: Vec<f32> = weights.flat().iter().map(|_| 0.3 * rng.random::<f32>()).collect();
        let offset = std::cell::Cell::new(0);
        let weights = weights.map(|value| {
            let place = offset.replace(offset.get() + 1);
            value + offsets[place]
        });
        let before = logits(&graph, &weights, &data, &normalisation(), &cpu()).unwrap();
        let scale = before.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
        let groups = &graph.spec().groups;
        assert!(!groups.is_empty());
        for (place, group) in groups.iter().enumerate() {
            let maps: Vec<Permutation> = groups
                .iter()
                .enumerate()
                .map(|(other, group)| match other == place {
                    true => Permutation::new(Stream::root(5).child(&group.name).shuffled(group.units)).unwrap(),
                    false => Permutation::identity(group.units),
                })
                .collect();
            assert!(!maps[place].is_identity());
            let moved = permute(graph.spec(), &weights, &maps);
            assert!(moved != weights);
            let after = logits(&graph, &moved, &data, &normalisation(), &cpu()).unwrap();
            let worst = (&after - &before).iter().fold(0.0f32, |worst, value| worst.max(value.abs()));
            assert!(worst <= 2e-5 * scale, "{blueprint}, group {}: {worst} of {scale}", group.name);
        }
    }
}
