use onebasin_repro::Stream;
use onebasin_training::{BatchLoss, Initialisation, evaluate, initialise};

use crate::common::{cpu, graph, normalisation, stripes};

const MLP: &str = r#"{ "family": "mlp", "hidden": [24, 16] }"#;
const BATCH_NORM: &str = r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#;

#[test]
fn the_loss_is_that_of_an_evaluation_and_the_gradient_is_its_slope() {
    let (graph, data, device) = (graph(MLP), stripes(40, 1), cpu());
    let loss = BatchLoss::new(&graph, &data, &normalisation(), &device).unwrap();
    let weights = initialise(&graph, Initialisation::Pytorch, &Stream::root(1)).unwrap();
    let all: Vec<u32> = (0..40).collect();
    let (value, gradient) = loss.gradient(&weights, &all).unwrap();
    let evaluated = evaluate(&graph, &weights, &data, &normalisation(), &device).unwrap().loss;
    assert!((value - evaluated).abs() < 1e-6 && (loss.value(&weights, &all).unwrap() - evaluated).abs() < 1e-6, "{value} and {evaluated}");
    // Halves weigh alike.
    let parts = (loss.value(&weights, &all[..20]).unwrap() + loss.value(&weights, &all[20..]).unwrap()) / 2.0;
    assert!((parts - evaluated).abs() < 1e-6, "{parts} and {evaluated}");
    let steepness: f64 = gradient.flat().iter().map(|&slope| f64::from(slope).powi(2)).sum();
    let step = 1e-3 / steepness.sqrt();
    let moved = |sign: f64| loss.value(&weights.zip_map(&gradient, |value, slope| value + (sign * step) as f32 * slope), &all).unwrap();
    let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
    assert!((slope - steepness).abs() < 1e-2 * steepness, "{slope} and {steepness}");
}

#[test]
fn running_statistics_have_no_slope_and_bytes_do_not_depend_on_the_number_of_threads() {
    let (graph, data, device) = (graph(BATCH_NORM), stripes(40, 1), cpu());
    let loss = BatchLoss::new(&graph, &data, &normalisation(), &device).unwrap();
    let weights = initialise(&graph, Initialisation::Pytorch, &Stream::root(1)).unwrap();
    let images: Vec<u32> = (5..30).rev().collect();
    let taken = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| loss.gradient(&weights, &images).unwrap())
    };
    let (value, gradient) = taken(1);
    assert!(taken(2) == (value, gradient.clone()));
    for (name, slopes) in gradient.iter() {
        let flat = slopes.iter().all(|&slope| slope == 0.0);
        assert_eq!(flat, name.contains("running"), "{name}");
    }
}

#[test]
fn one_image_is_refused_where_a_batch_norm_sees_one_value_of_a_channel() {
    let data = stripes(40, 1);
    let device = cpu();
    let rows = |norm: &str| graph(&format!(r#"{{ "family": "mlp", "hidden": [6], "norm": "{norm}" }}"#));
    for (norm, is_fine) in [("batch", false), ("layer", true)] {
        let graph = rows(norm);
        let loss = BatchLoss::new(&graph, &data, &normalisation(), &device).unwrap();
        let weights = initialise(&graph, Initialisation::Pytorch, &Stream::root(1)).unwrap();
        for error in [loss.gradient(&weights, &[3]).err(), loss.value(&weights, &[3]).err()] {
            assert_eq!(error.is_none(), is_fine, "{norm}: {error:?}");
            assert!(error.is_none_or(|error| error.to_string().starts_with("`batch` is `1`, expected batches of at least 2")));
        }
        loss.gradient(&weights, &[3, 4]).unwrap();
    }
}
