//! "Did you mean": the known name closest to a wrong one.

/// The known name that is closest to `wrong`, if it is close enough to be a slip of the pen: at most a third of the letters (and at
/// least one) inserted, left out, exchanged, or swapped with a neighbour, or `wrong` the beginning of exactly one name. Case does
/// not count. The first of equally close ones.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let known: Vec<&str> = known.into_iter().collect();
    let distance = |name: &str| strsim::osa_distance(&wrong, &name.to_lowercase());
    let slips = (wrong.chars().count() / 3).max(1);
    let closest = known.iter().copied().min_by_key(|name| distance(name)).filter(|name| distance(name) <= slips && !wrong.is_empty());
    closest.or_else(|| {
        let mut begun = known.iter().copied().filter(|name| wrong.chars().count() >= 3 && name.to_lowercase().starts_with(&wrong));
        begun.next().filter(|_| begun.next().is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_is_corrected_and_another_word_is_not() {
        let known = ["mlp", "vgg", "resnet", "learning-rate", "fashion-mnist"];
        assert_eq!(did_you_mean("resnt", known), Some("resnet"));
        assert_eq!(did_you_mean("MPL", known), Some("mlp"));
        assert_eq!(did_you_mean("learning_rate", known), Some("learning-rate"));
        assert_eq!(did_you_mean("fashion", known), Some("fashion-mnist"));
        assert_eq!(did_you_mean("transformer", known), None);
        assert_eq!(did_you_mean("", known), None);
        assert_eq!(did_you_mean("vgg", []), None);
    }

    #[test]
    fn equally_close_names_give_the_first() {
        assert_eq!(did_you_mean("cifar1", ["cifar10", "cifar11"]), Some("cifar10"));
    }
}
