use onebasin_repro::Stream;
use onebasin_training::{Training, TrainingRun, evaluate, free_buffers};

use crate::common::{cpu, graph, normalisation, stripes, train, training};

// Wide enough that products are shared out when there are threads to share them among.
const WIDE: &str = r#"{ "family": "mlp", "hidden": [384, 256] }"#;
const CONVOLUTIONS: &str = r#"{ "family": "resnet", "depth": 8, "width": 8, "norm": "batch" }"#;
// Many channels over few pixels: products of their own, one for each place of the kernel.
const MANY_CHANNELS: &str = r#"{ "family": "vgg", "stages": [[8], [128, 128]], "head": [] }"#;
const AUGMENTED: &str = r#"{ "epochs": 3, "batch": 64, "augmentation": "cifar-c2m3",
    "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#;
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
    for blueprint in [WIDE, CONVOLUTIONS, MANY_CHANNELS] {
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
fn augmented_images_do_not_depend_on_threads_nor_on_a_training_beside() {
    let (graph, data, options) = (graph(CONVOLUTIONS), stripes(200, 1), training(AUGMENTED));
    let run = |seed| train(&graph, &data, &options, seed, &cpu()).unwrap();
    let one = pool(1).install(|| run(1));
    let beside = std::thread::scope(|scope| {
        let other = scope.spawn(|| pool(1).install(|| run(2)));
        let same = pool(3).install(|| run(1));
        other.join().unwrap();
        same
    });
    assert!(one == beside);
    let plain = train(&graph, &data, &Training { augmentation: None, ..options.clone() }, 1, &cpu()).unwrap();
    assert!(one != plain, "the augmentation changed nothing");
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    for blueprint in [WIDE, CONVOLUTIONS, MANY_CHANNELS] {
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

#[test]
fn bytes_do_not_depend_on_threads_that_come_and_go_in_the_middle() {
    let pools = [1, 3, 2].map(pool);
    for blueprint in [WIDE, CONVOLUTIONS] {
        let (graph, data, device) = (graph(blueprint), stripes(200, 1), cpu());
        // A pause at the end of each epoch, at least.
        let options = training(r#"{ "epochs": 6, "batch": 64, "optimizer": { "kind": "adam", "learning-rate": 1e-3 } }"#);
        let whole = train(&graph, &data, &options, 1, &device).unwrap();
        let stream = Stream::root(1);
        let mut run = TrainingRun::new(&graph, &data, &normalisation(), &options, &stream, &device).unwrap();
        let mut turns = pools.iter().cycle();
        while !run.is_done() {
            turns.next().unwrap().install(|| run.advance()).unwrap();
        }
        pools.iter().for_each(|pool| drop(pool.broadcast(|_| free_buffers())));
        assert!(run.finish().unwrap().weights == whole, "{blueprint}");
    }
}
