use onebasin_training::evaluate;

use crate::common::{cpu, graph, normalisation, stripes, train, training};

// Wide enough that products are shared out when there are threads to share them among.
const WIDE: &str = r#"{ "family": "mlp", "hidden": [384, 256] }"#;
const CONVOLUTIONS: &str = r#"{ "family": "resnet", "depth": 8, "width": 8, "norm": "batch" }"#;
const OPTIONS: &str = r#"{ "steps": 12, "batch": 64, "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let (graph, data, options) = (graph(WIDE), stripes(200, 1), training(OPTIONS));
    let first = train(&graph, &data, &options, 1, &cpu()).unwrap();
    assert!(first == train(&graph, &data, &options, 1, &cpu()).unwrap());
    assert!(first != train(&graph, &data, &options, 2, &cpu()).unwrap());
}

#[test]
fn two_trainings_at_once_give_the_bytes_of_one_after_another() {
    for blueprint in [WIDE, CONVOLUTIONS] {
        let (graph, data, options) = (graph(blueprint), stripes(200, 1), training(OPTIONS));
        let run = |seed| train(&graph, &data, &options, seed, &cpu()).unwrap();
        let apart = (run(1), run(2));
        for _ in 0..3 {
            let together = std::thread::scope(|scope| {
                let [one, two] = [1, 2].map(|seed| scope.spawn(move || pool(1).install(|| run(seed))));
                (one.join().unwrap(), two.join().unwrap())
            });
            assert!(together == apart, "{blueprint}");
        }
    }
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    for blueprint in [WIDE, CONVOLUTIONS] {
        let (graph, data, options) = (graph(blueprint), stripes(200, 1), training(OPTIONS));
        let run = || {
            let weights = train(&graph, &data, &options, 1, &cpu()).unwrap();
            let evaluation = evaluate(&graph, &weights, &stripes(1500, 2), &normalisation(), &cpu()).unwrap();
            (weights, evaluation)
        };
        let one = pool(1).install(run);
        for threads in [2, 5] {
            assert!(one == pool(threads).install(run), "{blueprint}, {threads} threads");
        }
    }
}
