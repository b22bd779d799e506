//! Names of several models as one text.

use serde::Serialize;

/// Names of models, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ModelNames(pub Vec<String>);

impl ModelNames {
    /// `a-b-c`: the models of a pair or cycle, as tables write them and as streams are named; `a-b..c` where a name holds a hyphen.
    pub fn hyphenated(&self) -> String {
        if self.0.iter().any(|name| name.contains('-')) { self.path() } else { self.0.join("-") }
    }

    /// `a..b..c`: the same in the name of a stage. No name of a model holds a dot.
    pub fn path(&self) -> String {
        self.0.join("..")
    }

    /// `a+c`: the models of a subset. No name of a model holds a plus sign.
    pub fn sum(&self) -> String {
        self.0.join("+")
    }
}

/// Orders `wide-2x` before `wide-16x`.
pub fn by_length(name: &str) -> (usize, &str) {
    (name.len(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_models_that_join_to_one_text_are_told_apart() {
        let names = |names: &[&str]| ModelNames(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(names(&["a", "b"]).hyphenated(), "a-b");
        assert_eq!(names(&["a-b", "c"]).hyphenated(), "a-b..c");
        assert_ne!(names(&["a-b", "c"]).hyphenated(), names(&["a", "b-c"]).hyphenated());
    }
}
