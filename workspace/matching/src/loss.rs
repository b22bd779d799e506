use std::error::Error;
use std::fmt;

use onebasin_network::Weights;

use crate::{MatchingError, Problem};

/// The loss that models are trained on, for methods that look at images besides weights.
///
/// Training images are numbered from 0; which of them make a batch is up to the method. Figures are means over the images of a batch.
pub trait Loss: fmt::Debug + Sync {
    /// How many training images there are.
    fn images(&self) -> usize;

    /// The loss of a network on some images, and its gradient; entries of what is not trained are 0.
    ///
    /// # Errors
    /// Whatever keeps the loss from being taken.
    fn gradient(&self, weights: &Weights, images: &[u32]) -> Result<(f64, Weights), LossError>;

    /// The loss of a network on some images.
    ///
    /// # Errors
    /// Whatever keeps the loss from being taken.
    fn value(&self, weights: &Weights, images: &[u32]) -> Result<f64, LossError>;

    /// Told by a method after each of its steps: so many are done of so many.
    fn progress(&self, _done: usize, _total: usize) {}
}

/// Why a loss cannot be taken.
pub type LossError = Box<dyn Error + Send + Sync>;

/// Images taken at once where a method says nothing of batches.
pub(crate) const CHUNK: usize = 1000;

/// The loss that a method needs of a problem.
pub(crate) fn loss<'a>(problem: &Problem<'a>) -> Result<&'a dyn Loss, MatchingError> {
    problem.loss.ok_or(MatchingError::NoLoss)
}

/// The numbers of the first `count` images; all that there are if nothing is said.
pub(crate) fn first_images(loss: &dyn Loss, count: Option<usize>) -> Result<Vec<u32>, MatchingError> {
    let there = loss.images();
    let count = count.unwrap_or(there);
    if count > there {
        let expected = "no more than there are training images";
        return Err(MatchingError::Setting { key: "images", value: count.to_string(), expected, hint: "leave it out" });
    }
    Ok((0..count as u32).collect())
}

/// Images a chunk at a time. A last one alone goes with those before it: batch norms need a spread.
fn chunks(images: &[u32]) -> impl Iterator<Item = &[u32]> {
    let is_alone = images.len() > CHUNK && images.len() % CHUNK == 1;
    let (before, last) = images.split_at(if is_alone { images.len() - CHUNK - 1 } else { 0 });
    before.chunks(CHUNK).chain(last.chunks(if is_alone { last.len() } else { CHUNK }))
}

/// The mean gradient over some images, a chunk at a time.
pub(crate) fn mean_gradient(loss: &dyn Loss, weights: &Weights, images: &[u32]) -> Result<Weights, MatchingError> {
    let mut sum = weights.map(|_| 0.0);
    let mut done = 0;
    for chunk in chunks(images) {
        let (_, gradient) = loss.gradient(weights, chunk).map_err(|source| MatchingError::Loss { source })?;
        let share = (chunk.len() as f64 / images.len() as f64) as f32;
        sum = sum.zip_map(&gradient, |sum, gradient| sum + share * gradient);
        done += chunk.len();
        loss.progress(done, images.len());
    }
    Ok(sum)
}

/// The mean loss over some images, a chunk at a time.
pub(crate) fn mean_value(loss: &dyn Loss, weights: &Weights, images: &[u32]) -> Result<f64, MatchingError> {
    let mut sum = 0.0;
    for chunk in chunks(images) {
        sum += chunk.len() as f64 * loss.value(weights, chunk).map_err(|source| MatchingError::Loss { source })?;
    }
    Ok(sum / images.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_is_alone_in_its_chunk() {
        let sizes = |images: u32| {
            let images: Vec<u32> = (0..images).collect();
            let parts: Vec<&[u32]> = chunks(&images).collect();
            assert_eq!(parts.concat(), images);
            parts.iter().map(|part| part.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(1001), [1001]);
        assert_eq!(sizes(2001), [1000, 1001]);
        assert_eq!(sizes(2002), [1000, 1000, 2]);
        assert_eq!((sizes(2000), sizes(999), sizes(1), sizes(0)), (vec![1000, 1000], vec![999], vec![1], vec![]));
    }
}
