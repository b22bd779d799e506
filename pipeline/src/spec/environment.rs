//! Variables of the environment: those that set keys of a spec, and those that belong to the command.

use std::ffi::OsString;

use super::error::SpecError;
use super::override_value::Assignment;

/// What every variable that is read begins with.
const PREFIX: &str = "ONEBASIN_";

/// Variables that belong to the command, to data sets or to tests, and not to a spec.
pub const COMMAND_VARIABLES: [&str; 13] = [
    "ONEBASIN_PROFILE",
    "ONEBASIN_JOBS",
    "ONEBASIN_DEVICE",
    "ONEBASIN_STORE",
    "ONEBASIN_EXECUTOR",
    "ONEBASIN_EXECUTOR_FILE",
    "ONEBASIN_RESULTS",
    "ONEBASIN_PLOTS",
    "ONEBASIN_DATA",
    "ONEBASIN_CACHE",
    "ONEBASIN_MIRROR",
    "ONEBASIN_BLESS",
    "ONEBASIN_TEST_CACHE",
];

/// The keys that the environment of this process sets, in the order of the variables' names.
///
/// `ONEBASIN_TRAININGS__SGD__EPOCHS=3`: two underscores go one table down, one stands for a hyphen. An empty variable is unset.
///
/// # Errors
/// A value cannot be read.
pub fn overrides() -> Result<Vec<Assignment>, SpecError> {
    of(std::env::vars_os())
}

fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<Assignment>, SpecError> {
    let mut named: Vec<(String, OsString)> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty() && !COMMAND_VARIABLES.contains(&name.as_str()))
        .collect();
    named.sort();
    let read = |(name, value): &(String, OsString)| {
        let text = value.to_str().ok_or_else(|| SpecError::new(format!("environment variable `{name}` is not UTF-8")))?;
        let path = name[PREFIX.len()..].to_lowercase();
        let steps: Vec<String> = path.split("__").map(|step| step.replace('_', "-")).collect();
        if steps.iter().any(String::is_empty) || steps.len() > super::override_value::DEEPEST {
            return Err(SpecError::new(format!("environment variable `{name}` names no key"))
                .hint("`ONEBASIN_TRAININGS__SGD__EPOCHS` sets `trainings.sgd.epochs`"));
        }
        Assignment::variable(name, steps, text)
    };
    named.iter().map(read).collect()
}

/// The variable that sets a key.
pub fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("__").to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let pairs = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        of(pairs).map(|all| all.into_iter().map(|it| it.source).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn empty_variables_those_of_the_command_and_strangers_are_left_out() {
        let variables = [("ONEBASIN_SEED", ""), ("ONEBASIN_JOBS", "2"), ("HOME", "x"), ("ONEBASIN_MODELS", "3")];
        assert_eq!(sources(&variables).unwrap(), ["environment variable `ONEBASIN_MODELS`"]);
    }

    #[test]
    fn a_value_that_is_none_and_a_name_that_is_no_path_are_refused() {
        assert!(sources(&[("ONEBASIN_SEED", "1 # one")]).unwrap_err().contains("ONEBASIN_SEED"));
        assert!(sources(&[("ONEBASIN_A____B", "1")]).unwrap_err().contains("names no key"));
        assert!(sources(&[("ONEBASIN_SEED", &"[".repeat(10_000))]).unwrap_err().contains("ONEBASIN_SEED"));
    }

    #[test]
    fn a_key_and_its_variable_have_one_spelling() {
        assert_eq!(variable(&["trainings", "sgd", "weight-decay"].map(str::to_owned)), "ONEBASIN_TRAININGS__SGD__WEIGHT_DECAY");
    }
}
