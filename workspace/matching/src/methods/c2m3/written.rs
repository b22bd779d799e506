//! The options as a spec writes them, with the defaults that depend on others.

use serde::Deserialize;

use super::{C2m3, Schedule, Start, Stop};

/// What is left out is filled in by [`C2m3::from`].
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    /// Where to start; default identity, as in the paper.
    pub start: Start,
    /// The most iterations of a plain schedule, default 200; the number of a graduated one, default 20.
    pub iterations: Option<usize>,
    /// When to stop a plain schedule earlier; default relative. As published: `{ rule = "absolute" }`.
    pub stop: Option<Stop>,
    /// What is ascended; default graduated, but plain where `stop` is written or `refine = 0`.
    pub schedule: Option<Schedule>,
    /// Several starts in place of `start`; the one with the greatest objective in the end is kept. Default none.
    pub restarts: Vec<Start>,
    /// The most rounds of coordinate ascent over the models after the final permutations are found; default 50. As published: 0.
    pub refine: Option<usize>,
}

impl From<Written> for C2m3 {
    fn from(written: Written) -> C2m3 {
        let Written { start, iterations, stop, schedule, restarts, refine } = written;
        // Whoever says when to stop, or takes the ascent's end as it is, means the published ascent.
        let plain = stop.is_some() || refine == Some(0);
        let schedule = schedule.unwrap_or(if plain { Schedule::Plain } else { Schedule::Graduated });
        let iterations = iterations.unwrap_or(match schedule {
            Schedule::Graduated => 20,
            Schedule::Plain => 200,
        });
        C2m3 { start, iterations, stop: stop.unwrap_or_default(), schedule, restarts, refine: refine.unwrap_or(50) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> C2m3 {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_left_out_depends_on_what_is_written() {
        let of = |text: &str| (read(text).schedule, read(text).iterations, read(text).refine);
        assert_eq!(of("{}"), (Schedule::Graduated, 20, 50));
        assert_eq!(of(r#"{"refine": 3}"#), (Schedule::Graduated, 20, 3));
        assert_eq!(of(r#"{"iterations": 7}"#), (Schedule::Graduated, 7, 50));
        assert_eq!(of(r#"{"refine": 0}"#), (Schedule::Plain, 200, 0));
        assert_eq!(of(r#"{"stop": {"rule": "absolute"}}"#), (Schedule::Plain, 200, 50));
        assert_eq!(of(r#"{"schedule": "plain"}"#), (Schedule::Plain, 200, 50));
        assert_eq!(of(r#"{"schedule": "graduated", "refine": 0}"#), (Schedule::Graduated, 20, 0));
    }

    #[test]
    fn recipes_hold_every_default_and_those_of_published_settings_are_as_they_were() {
        let says = |text: &str| serde_json::to_string(&read(text)).unwrap();
        let stop = r#""stop":{"rule":"relative","tolerance":1e-7,"patience":5}"#;
        assert_eq!(says("{}"), format!(r#"{{"start":"identity","iterations":20,{stop},"schedule":"graduated","refine":50}}"#));
        assert_eq!(says(r#"{"refine": 0}"#), format!(r#"{{"start":"identity","iterations":200,{stop},"refine":0}}"#));
        for text in ["{}", r#"{"refine": 0}"#, r#"{"schedule": "graduated", "refine": 0, "iterations": 9}"#, r#"{"schedule": "plain"}"#] {
            assert_eq!(read(&says(text)), read(text), "{text}");
        }
    }
}
