use onebasin_training::{Averaging, evaluate, logits, predict_ensemble};

use crate::common::{cpu, distance, graph, normalisation, stripes, train, training};

const MLP: &str = r#"{ "family": "mlp", "hidden": [32, 16] }"#;

#[test]
fn a_small_network_learns_a_separable_set_with_every_optimiser() {
    let graph = graph(MLP);
    let (seen, unseen) = (stripes(600, 1), stripes(400, 2));
    for optimizer in [
        r#"{ "kind": "sgd", "learning-rate": 0.1 }"#,
        r#"{ "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9, "nesterov": true, "weight-decay": 1e-4 }"#,
        r#"{ "kind": "adam", "learning-rate": 3e-3 }"#,
    ] {
        let text = format!(
            r#"{{ "epochs": 8, "batch": 32, "optimizer": {optimizer}, "gradient-clip": 10.0, "schedule": {{ "kind": "cosine" }} }}"#
        );
        let weights = train(&graph, &seen, &training(&text), 5, &cpu()).unwrap();
        let evaluation = evaluate(&graph, &weights, &unseen, &normalisation(), &cpu()).unwrap();
        assert!(evaluation.accuracy > 0.97 && evaluation.loss < 0.15, "{optimizer}: {evaluation:?}");
        assert_eq!(evaluation.count, 400);
    }
}

#[test]
fn convolutions_and_both_norms_learn_too() {
    for blueprint in [
        r#"{ "family": "vgg", "stages": [[4], [8]], "head": [16], "norm": "layer" }"#,
        r#"{ "family": "resnet", "depth": 8, "width": 4, "norm": "batch" }"#,
    ] {
        let graph = graph(blueprint);
        let options = training(r#"{ "epochs": 3, "batch": 25, "optimizer": { "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9 } }"#);
        let weights = train(&graph, &stripes(300, 1), &options, 5, &cpu()).unwrap();
        // Batch norms are judged by their running statistics here.
        let evaluation = evaluate(&graph, &weights, &stripes(200, 2), &normalisation(), &cpu()).unwrap();
        assert!(evaluation.accuracy > 0.9, "{blueprint}: {evaluation:?}");
    }
}

#[test]
fn own_kernels_and_burns_reach_the_same_weights_within_rounding() {
    let graph = graph(MLP);
    let data = stripes(300, 1);
    for optimizer in [
        r#"{ "kind": "sgd", "learning-rate": 0.05, "momentum": 0.9, "weight-decay": 1e-3 }"#,
        r#"{ "kind": "adam", "learning-rate": 1e-3 }"#,
    ] {
        let options = training(&format!(r#"{{ "steps": 20, "batch": 25, "gradient-clip": 0.5, "optimizer": {optimizer} }}"#));
        let own = train(&graph, &data, &options, 3, &cpu()).unwrap();
        let plain = train(&graph, &data, &options, 3, &cpu().plain()).unwrap();
        assert!(distance(&own, &plain) < 2e-5, "{optimizer}: {}", distance(&own, &plain));
        let (own, plain) =
            (logits(&graph, &own, &data, &normalisation(), &cpu()), logits(&graph, &own, &data, &normalisation(), &cpu().plain()));
        let worst = (own.unwrap() - plain.unwrap()).iter().fold(0.0f32, |worst, difference| worst.max(difference.abs()));
        assert!(worst < 1e-5, "{worst}");
    }
}

#[test]
fn own_convolutions_and_burns_train_alike() {
    let data = stripes(100, 1);
    let options = training(
        r#"{ "steps": 2, "batch": 50, "optimizer": { "kind": "sgd", "learning-rate": 0.02, "momentum": 0.9, "weight-decay": 1e-4 } }"#,
    );
    for (network, shortcut) in [("vgg", ""), ("resnet", ""), ("resnet", r#", "shortcut": 1"#)] {
        for norm in ["layer", "batch", "none"] {
            let rest = match network {
                "vgg" => r#""stages": [[16], [20, 32], [32]], "head": [16]"#.to_owned(),
                _ => format!(r#""depth": 20, "width": 8{shortcut}"#),
            };
            let blueprint = format!(r#"{{ "family": "{network}", {rest}, "norm": "{norm}" }}"#);
            let graph = graph(&blueprint);
            let own = train(&graph, &data, &options, 3, &cpu()).unwrap();
            let plain = train(&graph, &data, &options, 3, &cpu().plain()).unwrap();
            assert!(distance(&own, &plain) < 1e-3, "{blueprint}: {}", distance(&own, &plain));
            let [own_loss, plain_loss] = [(&own, cpu()), (&plain, cpu().plain())]
                .map(|(weights, device)| evaluate(&graph, weights, &data, &normalisation(), &device));
            let (own_loss, plain_loss) = (own_loss.unwrap().loss, plain_loss.unwrap().loss);
            assert!((own_loss - plain_loss).abs() < 1e-3 * plain_loss, "{blueprint}: {own_loss} and {plain_loss}");
            let (own, plain) =
                (logits(&graph, &own, &data, &normalisation(), &cpu()), logits(&graph, &own, &data, &normalisation(), &cpu().plain()));
            let plain = plain.unwrap();
            let scale = plain.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
            let worst = (own.unwrap() - plain).iter().fold(0.0f32, |worst, difference| worst.max(difference.abs()));
            assert!(worst < 2e-5 * scale, "{blueprint}: {worst} of {scale}");
        }
    }
}

#[test]
fn an_ensemble_averages_what_its_models_predict() {
    let graph = graph(MLP);
    let (seen, unseen) = (stripes(200, 1), stripes(100, 2));
    let options = training(r#"{ "epochs": 2, "batch": 20, "optimizer": { "kind": "adam", "learning-rate": 1e-3 } }"#);
    let models = [1, 2, 3].map(|seed| train(&graph, &seen, &options, seed, &cpu()).unwrap());
    let all = models.each_ref().map(|model| logits(&graph, model, &unseen, &normalisation(), &cpu()).unwrap().mapv(f64::from));
    for averaging in [Averaging::Probabilities, Averaging::LogProbabilities] {
        let ensemble =
            predict_ensemble(&models.each_ref().map(|model| (&graph, model)), &unseen, &normalisation(), &cpu(), (averaging, None), false)
                .unwrap()
                .evaluation();
        let mut loss = 0.0;
        for (image, &label) in unseen.labels.iter().enumerate() {
            let mut means = [0.0f64; 4];
            for model in &all {
                let sum: f64 = model.row(image).iter().map(|logit| logit.exp()).sum();
                for (mean, logit) in means.iter_mut().zip(model.row(image)) {
                    let probability = logit.exp() / sum;
                    *mean += if averaging == Averaging::Probabilities { probability } else { probability.ln() } / 3.0;
                }
            }
            let weights = means.map(|mean| if averaging == Averaging::Probabilities { mean } else { mean.exp() });
            loss -= (weights[usize::from(label)] / weights.iter().sum::<f64>()).ln() / 100.0;
        }
        assert!((ensemble.loss - loss).abs() < 1e-6, "{averaging:?}: {} and {loss}", ensemble.loss);
    }
    let alone = evaluate(&graph, &models[0], &unseen, &normalisation(), &cpu()).unwrap();
    let one = predict_ensemble(&[(&graph, &models[0])], &unseen, &normalisation(), &cpu(), (Averaging::default(), None), false)
        .unwrap()
        .evaluation();
    assert!((alone.loss - one.loss).abs() < 1e-6 && alone.accuracy == one.accuracy);
}

#[test]
fn a_student_learns_from_a_teacher_what_labels_do_not_say() {
    use onebasin_repro::Stream;
    use onebasin_training::{Distillation, MeanOver, TrainingRun};

    let (wide, narrow) = (graph(MLP), graph(r#"{ "family": "mlp", "hidden": [12, 8] }"#));
    let (seen, unseen) = (stripes(600, 1), stripes(400, 2));
    let options = training(r#"{ "epochs": 8, "batch": 32, "optimizer": { "kind": "adam", "learning-rate": 3e-3 } }"#);
    let teacher = train(&wide, &seen, &options, 5, &cpu()).unwrap();
    // Labels that say nothing: all that the student can learn comes from the teacher.
    let unlabelled = onebasin_datasets::Split { labels: vec![0; seen.labels.len()], ..seen.clone() };
    let student = |distillation: Option<Distillation>| {
        let (device, stream) = (cpu(), Stream::root(9));
        let mut run = TrainingRun::new(&narrow, &unlabelled, &normalisation(), &options, &stream, &device).unwrap();
        if let Some(distillation) = distillation {
            run = run.taught_by(&[(&wide, &teacher), (&wide, &teacher)], distillation).unwrap();
        }
        while !run.is_done() {
            run.advance().unwrap();
        }
        let trained = run.finish().unwrap();
        evaluate(&narrow, &trained.weights, &unseen, &normalisation(), &cpu()).unwrap().accuracy
    };
    let soft = Distillation { temperature: 2.0, weight: 1.0, mean: MeanOver::Images };
    assert!(student(Some(soft)) > 0.9, "{}", student(Some(soft)));
    assert!(student(Some(Distillation { mean: MeanOver::Elements, ..soft })) > 0.9);
    assert!(student(None) < 0.5);
    let device = cpu();
    let run = TrainingRun::new(&narrow, &seen, &normalisation(), &options, &Stream::root(1), &device).unwrap();
    assert!(run.taught_by(&[], soft).err().unwrap().to_string().contains("`teachers` is `0`"));
}
