//! "Did you mean": the known name closest to a wrong one.

/// The known name that is closest to `wrong`, if it is close enough to be a slip of the pen: a Jaro-Winkler similarity of at
/// least 0.8. The first of equally close ones.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let similarity = strsim::jaro_winkler(&wrong, &name.to_lowercase());
        if similarity >= 0.8 && best.is_none_or(|(so_far, _)| similarity > so_far) {
            best = Some((similarity, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_is_corrected_and_another_word_is_not() {
        let known = ["mlp", "vgg", "resnet"];
        assert_eq!(did_you_mean("resnt", known), Some("resnet"));
        assert_eq!(did_you_mean("MPL", known), Some("mlp"));
        assert_eq!(did_you_mean("transformer", known), None);
        assert_eq!(did_you_mean("", known), None);
    }
}
