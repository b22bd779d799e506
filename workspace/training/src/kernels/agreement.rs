//! Own operations on images against burn's, values and gradients, over strides, paddings, odd sizes and single images.

use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use onebasin_network::Threads;
use onebasin_repro::Stream;
use rand::Rng;

use super::{batch_norm, convolution, fixed_norm, global_mean, layer_norm, max_pool, sum};

fn noise<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    let mut rng = Stream::root(11).child(name).rng();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn assert_close(what: &str, own: &[f32], plain: &[f32]) {
    assert_eq!(own.len(), plain.len(), "{what}");
    let scale = plain.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    let worst = own.iter().zip(plain).map(|(own, plain)| (own - plain).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-5 * scale, "{what}: {worst} of {scale}");
}

fn to_pixels(images: Tensor<4>) -> Tensor<4> {
    images.permute([0, 2, 3, 1])
}

fn to_planes(pixels: Tensor<4>) -> Tensor<4> {
    pixels.permute([0, 3, 1, 2])
}

type Form<'a> = dyn Fn(Tensor<4>, Option<Tensor<4>>, &[Tensor<1>]) -> Tensor<4> + 'a;

/// Values and gradients of both forms, given images, weights and vectors; outputs are weighted by noise, so that no gradient is even.
fn compare(
    what: &str,
    images: [usize; 4],
    kernel: Option<[usize; 4]>,
    vectors: usize,
    own: impl Fn(Tensor<4>, Option<Tensor<4>>, &[Tensor<1>]) -> Tensor<4>,
    plain: impl Fn(Tensor<4>, Option<Tensor<4>>, &[Tensor<1>]) -> Tensor<4>,
) {
    let run = |form: &Form| {
        let length = kernel.map_or(images[1], |kernel| kernel[0]);
        let x = noise("images", images);
        let w = kernel.map(|kernel| noise("kernel", kernel));
        let vectors: Vec<Tensor<1>> = (0..vectors).map(|place| noise(&format!("vector {place}"), [length])).collect();
        let output = form(x.clone(), w.clone(), &vectors);
        let gradients = (output.clone() * noise("weights", output.dims())).sum().backward();
        let mut parts = vec![values(output), values(x.grad(&gradients).unwrap())];
        parts.extend(w.map(|w| values(w.grad(&gradients).unwrap())));
        parts.extend(vectors.iter().map(|vector| values(vector.grad(&gradients).unwrap())));
        parts
    };
    for (part, (own, plain)) in run(&own).iter().zip(&run(&plain)).enumerate() {
        assert_close(&format!("{what}, part {part}"), own, plain);
    }
}

#[test]
fn convolutions_agree_with_burns() {
    let threads = [Threads::One, Threads::All];
    let mut place = 0;
    for (count, [height, width]) in [(1, [6, 6]), (3, [9, 7]), (5, [16, 19])] {
        for (channels, units) in [(3, 5), (3, 16), (16, 16), (5, 32), (32, 48), (16, 7)] {
            for (kernel, stride, padding) in [
                (1, 1, 0),
                (1, 2, 0),
                (1, 1, 1),
                (3, 1, 1),
                (3, 1, 0),
                (3, 2, 1),
                (3, 3, 0),
                (5, 1, 2),
                (5, 2, 1),
                (2, 1, 1),
                (2, 2, 0),
                (3, 1, 3),
            ] {
                place += 1;
                let (bias, relu, threads) = (place % 2, place % 3 == 0, threads[place % 2]);
                let what =
                    format!("{count} × {height} × {width}, {channels} to {units}, kernel {kernel}, stride {stride}, padding {padding}");
                compare(
                    &what,
                    [count, channels, height, width],
                    Some([units, channels, kernel, kernel]),
                    bias,
                    |images, kernel, vectors| {
                        to_planes(convolution(
                            to_pixels(images),
                            kernel.unwrap(),
                            vectors.first().cloned(),
                            [stride, padding],
                            relu,
                            threads,
                        ))
                    },
                    |images, kernel, vectors| {
                        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
                        let output = conv2d(images, kernel.unwrap(), vectors.first().cloned(), options);
                        if relu { burn::tensor::activation::relu(output) } else { output }
                    },
                );
            }
        }
    }
}

#[test]
fn wide_convolutions_agree_with_burns() {
    let threads = [Threads::One, Threads::All];
    let mut place = 0;
    for (count, [height, width]) in [(8, [2, 2]), (9, [4, 3]), (70, [2, 1])] {
        for (kernel, padding) in [(3, 1), (5, 2), (2, 1), (1, 1), (3, 2), (3, 3)] {
            // Units that no vector divides: the form of few weights does not take them.
            let (channels, units) = (130, 131);
            place += 1;
            let (bias, relu, threads) = (place % 2, place % 3 == 0, threads[place % 2]);
            compare(
                &format!("{count} × {height} × {width}, kernel {kernel}, padding {padding}"),
                [count, channels, height, width],
                Some([units, channels, kernel, kernel]),
                bias,
                |images, kernel, vectors| {
                    let (images, kernel) = (to_pixels(images), kernel.unwrap());
                    to_planes(convolution(images, kernel, vectors.first().cloned(), [1, padding], relu, threads))
                },
                |images, kernel, vectors| {
                    let options = ConvOptions::new([1; 2], [padding; 2], [1; 2], 1);
                    let output = conv2d(images, kernel.unwrap(), vectors.first().cloned(), options);
                    if relu { burn::tensor::activation::relu(output) } else { output }
                },
            );
        }
    }
}

fn normalise(images: Tensor<4>, mean: Tensor<4>, variance: Tensor<4>, vectors: &[Tensor<1>], relu: bool) -> Tensor<4> {
    let per_channel = |vector: &Tensor<1>| vector.clone().reshape([1, -1, 1, 1]);
    let hat = (images - mean) / variance.add_scalar(1e-3).sqrt();
    let output = hat * per_channel(&vectors[0]) + per_channel(&vectors[1]);
    if relu { burn::tensor::activation::relu(output) } else { output }
}

#[test]
fn norms_agree_with_burns() {
    for (count, [height, width]) in [(1, [3, 3]), (4, [5, 2])] {
        for channels in [2, 5, 16, 24, 64] {
            for (relu, threads) in [(false, Threads::One), (true, Threads::All)] {
                let (shape, what) = ([count, channels, height, width], format!("{count} × {channels} × {height} × {width}, relu {relu}"));
                compare(
                    &format!("layer norm {what}"),
                    shape,
                    None,
                    2,
                    |x, _, v| to_planes(layer_norm(to_pixels(x), v[0].clone(), v[1].clone(), 1e-3, relu, threads)),
                    |x, _, v| {
                        let mean = x.clone().mean_dim(1);
                        let variance = (x.clone() - mean.clone()).square().mean_dim(1);
                        normalise(x, mean, variance, v, relu)
                    },
                );
                compare(
                    &format!("batch norm {what}"),
                    shape,
                    None,
                    2,
                    |x, _, v| to_planes(batch_norm(to_pixels(x), v[0].clone(), v[1].clone(), 1e-3, relu, threads).0),
                    |x, _, v| {
                        let mean = |x: Tensor<4>| x.mean_dim(0).mean_dim(2).mean_dim(3);
                        let variance = mean((x.clone() - mean(x.clone())).square());
                        normalise(x.clone(), mean(x), variance, v, relu)
                    },
                );
                let fixed = || [noise("mean", [channels]).detach(), noise("variance", [channels]).detach().square()];
                compare(
                    &format!("fixed norm {what}"),
                    shape,
                    None,
                    2,
                    |x, _, v| to_planes(fixed_norm(to_pixels(x), v[0].clone(), v[1].clone(), fixed(), 1e-3, relu, threads)),
                    |x, _, v| {
                        let [mean, variance] = fixed().map(|vector| vector.reshape([1, channels, 1, 1]));
                        normalise(x, mean, variance, v, relu)
                    },
                );
            }
        }
    }
}

#[test]
fn pools_and_sums_agree_with_burns() {
    for (count, [height, width]) in [(1, [4, 4]), (3, [7, 5])] {
        for (size, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 0), (1, 1, 0)] {
            compare(
                &format!("max pool {size} {stride} {padding}"),
                [count, 3, height, width],
                None,
                0,
                |x, _, _| to_planes(max_pool(to_pixels(x), size, stride, padding, Threads::All)),
                |x, _, _| max_pool2d(x, MaxPoolOptions::new([size; 2]).with_stride([stride; 2]).with_padding([padding; 2])),
            );
        }
        compare(
            "global mean",
            [count, 3, height, width],
            None,
            0,
            |x, _, _| global_mean(to_pixels(x), Threads::All).reshape([count, 3, 1, 1]),
            |x, _, _| x.mean_dim(2).mean_dim(3),
        );
        for relu in [false, true] {
            compare(
                "sum",
                [count, 3, height, width],
                None,
                0,
                // One value on both sides: its gradients add up.
                |x, _, _| to_planes(sum(to_pixels(x.clone()), to_pixels(x.clone() * x), relu)),
                |x, _, _| {
                    let output = x.clone() + x.clone() * x;
                    if relu { burn::tensor::activation::relu(output) } else { output }
                },
            );
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    let device = Device::flex();
    let image = Tensor::<4>::from_data(TensorData::new(vec![1.0f32, f32::NAN, 3.0, 2.0], [1, 2, 2, 1]), &device);
    assert!(values(max_pool(image.clone(), 2, 2, 0, Threads::One))[0].is_nan());
    assert!(values(sum(image.clone(), image, true))[1].is_nan());
}
