//! The reported figures of a run, what keeps ours from being compared with them, and the verdict of ours beside them.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::identity::{MethodLabel, PairName, Part};
use crate::number;
use crate::reported::{Moment, Reported};

/// A setting that is not the one under which figures were reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// The setting with both values, in words.
    pub what: String,
    /// The methods that it concerns; all of the pair, and its models, where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Which of their figures it moves.
    #[serde(skip)]
    pub reach: Reach,
}

/// Which figures a setting moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All of them.
    #[default]
    All,
    /// Those along lines between models.
    Barriers,
    /// Those measured on a split.
    Split(Part),
}

impl Deviation {
    /// One that concerns everything of a pair.
    pub fn of_all(what: impl Into<String>) -> Deviation {
        Deviation { what: what.into(), methods: Vec::new(), reach: Reach::All }
    }

    fn concerns(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|name| name == method)
    }

    fn moves(&self, figure: &Reported) -> bool {
        self.concerns(&figure.method)
            && match self.reach {
                Reach::All => true,
                Reach::Barriers => figure.metric.starts_with("barrier"),
                Reach::Split(part) => figure.split == part.name(),
            }
    }
}

impl Display for Deviation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.methods.is_empty() { Ok(()) } else { write!(f, " ({})", self.methods.join(", ")) }
    }
}

/// What a spec compares itself with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The reported figures.
    pub figures: Vec<Reported>,
    /// Why cells of this run cannot be compared with them; empty when the settings are the published ones.
    pub differs: String,
    /// The profile whose settings are those of the figures, where the spec names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How the settings of a pair differ from that profile's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<(PairName, Vec<Deviation>)>,
    /// Pairs whose data set stands in for another, under whose name the figures are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stand_ins: Vec<(PairName, String)>,
    /// Groups of methods that are draws of one thing, so that only their spread and ranks are compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interchangeable: Vec<Vec<String>>,
}

impl Comparison {
    /// Whether a method is one of several draws of one thing.
    pub fn is_interchangeable(&self, method: &str) -> bool {
        self.interchangeable.iter().any(|group| group.iter().any(|name| name == method))
    }

    /// Adds to what differs in a pair, once.
    pub fn deviate(&mut self, pair: &PairName, deviation: Deviation) {
        match self.deviations.iter_mut().find(|(name, _)| name == pair) {
            Some((_, found)) if found.contains(&deviation) => {}
            Some((_, found)) => found.push(deviation),
            None => self.deviations.push((pair.clone(), vec![deviation])),
        }
    }

    /// What differs in a pair, in any of its methods.
    pub fn deviations_of(&self, pair: &PairName) -> &[Deviation] {
        self.deviations.iter().find(|(name, _)| name == pair).map_or(&[], |(_, found)| found)
    }

    /// The data set that a pair's stands in for.
    pub fn stood_in_for(&self, pair: &PairName) -> Option<&str> {
        self.stand_ins.iter().find(|(name, _)| name == pair).map(|(_, other)| other.as_str())
    }

    /// The figure reported for a cell of finished networks; of a data set that stands in for another, the other's.
    pub fn find(&self, pair: &PairName, method: &MethodLabel, models: usize, metric: &str, split: Part) -> Option<&Reported> {
        self.find_at(Moment::END, pair, method, models, metric, split)
    }

    /// As [`Comparison::find`] of the networks of a moment.
    pub fn find_at(
        &self,
        moment: Moment,
        pair: &PairName,
        method: &MethodLabel,
        models: usize,
        metric: &str,
        split: Part,
    ) -> Option<&Reported> {
        let dataset = self.stood_in_for(pair).unwrap_or(&pair.dataset);
        let method = method.to_string();
        self.figures.iter().find(|figure| {
            figure.moment == moment
                && figure.dataset == dataset
                && figure.architecture == pair.architecture
                && figure.method == method
                && figure.models == models
                && figure.metric == metric
                && figure.split == split.name()
        })
    }

    /// Why a reported figure is not judged by: `other settings`, `one of several draws`.
    pub fn not_judged(&self, figure: &Reported) -> Option<&'static str> {
        if self.is_interchangeable(&figure.method) {
            return Some("one of several draws");
        }
        let mut found = self.deviations.iter().filter(|(pair, _)| self.is_of(figure, pair)).flat_map(|(_, found)| found);
        let deviates = found.any(|deviation| deviation.moves(figure));
        (deviates || !self.differs.is_empty()).then_some("other settings")
    }

    /// Whether some figure is judged although a setting of its method differs: one that does not move it.
    pub fn judges_at_other_settings(&self) -> bool {
        self.figures.iter().any(|figure| {
            let mut of_pair = self.deviations.iter().filter(|(pair, _)| self.is_of(figure, pair)).flat_map(|(_, found)| found);
            of_pair.any(|deviation| deviation.concerns(&figure.method)) && self.not_judged(figure).is_none()
        })
    }

    /// Whether a figure is reported for a pair.
    fn is_of(&self, figure: &Reported, pair: &PairName) -> bool {
        let dataset = self.stood_in_for(pair).unwrap_or(&pair.dataset);
        (dataset, &pair.architecture) == (figure.dataset.as_str(), &figure.architecture)
    }

    /// The verdict on our value of a pair beside a reported one. A method at other settings never matches a cell.
    pub fn verdict(&self, pair: &PairName, ours: f64, figure: &Reported) -> String {
        if self.is_interchangeable(&figure.method) {
            return "not compared: one of several draws".to_owned();
        }
        if !self.differs.is_empty() {
            return format!("not comparable: {}", self.differs);
        }
        let found = self.deviations_of(pair);
        if found.iter().any(|deviation| deviation.moves(figure)) {
            // All of the method's, so that one text stands beside all of its figures.
            let found = found.iter().filter(|deviation| deviation.concerns(&figure.method));
            let found: Vec<String> = found.map(Deviation::to_string).collect();
            return format!("not comparable: {}", found.join("; "));
        }
        let distance = (ours - figure.value).abs();
        let is_within = figure.allows(ours, figure.tolerance);
        let distance = number::share(distance);
        if is_within {
            format!("comparable: off by {distance}, within {}", figure.tolerance)
        } else {
            format!("comparable: off by {distance}, beyond {}", figure.tolerance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reported::{parse, write};

    const HEADER: &str = "dataset,architecture,method,models,metric,split,value,sd,tolerance,source\n";

    #[test]
    fn a_figure_is_read_with_its_source_and_judged_only_at_equal_settings() {
        let figures = parse(format!("{HEADER}mnist,mlp,c2m3,5,accuracy,test,0.9832,,0.006,figure 7a\n").as_bytes(), "a.csv").unwrap();
        let mut comparison = Comparison { figures, ..Comparison::default() };
        let (pair, method) = (PairName::new("mnist", "mlp"), MethodLabel::method("c2m3"));
        let figure = comparison.find(&pair, &method, 5, "accuracy", Part::Test).unwrap().clone();
        assert_eq!(comparison.verdict(&pair, 0.98, &figure), "comparable: off by 0.0032, within 0.006");
        assert_eq!(comparison.verdict(&pair, 0.97, &figure), "comparable: off by 0.0132, beyond 0.006");
        for (value, tolerance, ours) in [(0.375, 0.02, 0.395), (0.5475, 0.02, 0.5275), (0.71, 0.405, 0.305)] {
            let edge = Reported { value, tolerance, ..figure.clone() };
            assert!(comparison.verdict(&pair, ours, &edge).contains("within"), "{value} {tolerance} {ours}");
        }
        comparison.differs = "trained for 10 epochs, not 85".to_owned();
        assert_eq!(comparison.verdict(&pair, 0.9832, &figure), "not comparable: trained for 10 epochs, not 85");
        assert!(comparison.find(&pair, &method, 4, "accuracy", Part::Test).is_none());
    }

    #[test]
    fn a_stand_in_is_shown_the_figures_of_what_it_stands_for_and_never_matches_them() {
        let figures = parse(format!("{HEADER}emnist,mlp,c2m3,5,accuracy,test,0.87,,0.02,table 1\n").as_bytes(), "a.csv").unwrap();
        let (pair, method) = (PairName::new("fashion", "mlp"), MethodLabel::method("c2m3"));
        let deviations = vec![(pair.clone(), vec![Deviation::of_all("data set fashion instead of emnist")])];
        let stand_ins = vec![(pair.clone(), "emnist".to_owned())];
        let comparison = Comparison { figures, deviations, stand_ins, ..Comparison::default() };
        let figure = comparison.find(&pair, &method, 5, "accuracy", Part::Test).unwrap();
        assert_eq!(comparison.verdict(&pair, 0.87, figure), "not comparable: data set fashion instead of emnist");
        assert!(comparison.verdict(&PairName::new("emnist", "mlp"), 0.87, figure).starts_with("comparable"));
        assert!(
            comparison.find(&PairName::new("fashion", "wide"), &method, 5, "accuracy", Part::Test).is_none(),
            "another pair stands for itself"
        );
    }

    #[test]
    fn a_figure_may_be_of_networks_after_an_epoch_or_a_round() {
        const HEADER: &str = "dataset,architecture,method,models,round,metric,split,value,sd,tolerance,source,epoch\n";
        let read = |rows: &str| parse(format!("{HEADER}{rows}\n").as_bytes(), "a.csv");
        let rows = "mnist,mlp,c2m3,5,,accuracy,test,0.9,,0.006,x,\nmnist,mlp,c2m3,5,2,accuracy,test,0.8,,0.006,x,\n\
                    mnist,mlp,c2m3,5,,barrier_mean,train,0.3,,0.1,x,4";
        let figures = read(rows).unwrap();
        assert_eq!(parse(&write(&figures).unwrap(), "b.csv").unwrap(), figures);
        let comparison = Comparison { figures, ..Comparison::default() };
        let (pair, method) = (PairName::new("mnist", "mlp"), MethodLabel::method("c2m3"));
        let at = |moment| comparison.find_at(moment, &pair, &method, 5, "accuracy", Part::Test).map(|figure| figure.value);
        assert_eq!([at(Moment::END), at(Moment::round(2)), at(Moment::round(3))], [Some(0.9), Some(0.8), None]);
        assert_eq!(comparison.figures[2].moment, Moment::epoch(4));
        let wrong = |row: &str| read(row).unwrap_err().to_string();
        assert!(wrong("mnist,mlp,c2m3,5,2,accuracy,test,0.9,,0.006,x,2").contains("row 2: an epoch and a round"));
        assert!(wrong("mnist,mlp,endpoints,5,2,accuracy,test,0.9,,0.006,x,").contains("of the finished models alone"));
        assert!(wrong("mnist,mlp,c2m3,5,2,accuracy,test,0.9,-1,0.006,x,").contains("`sd` is `-1`"));
        let misspelt = parse(b"dataset,architecture,method,models,epochs,metric,split,value,sd,tolerance,source\n", "a.csv");
        assert!(misspelt.unwrap_err().to_string().contains("has a column `epochs` that figures do not have"));
        assert!(
            wrong("mnist,mlp,c2m3,5,0,accuracy,test,0.9,,0.006,x,").contains("`round` is `0`, expected a whole number from 1, or nothing")
        );
        assert!(wrong("mnist,mlp,c2m3,5,2,barrier_mean,test,0.9,,0.006,x,").contains("of a round there are accuracy and loss alone"));
        assert!(wrong("mnist,mlp,c2m3,5,,loss,test,0.9,,0.006,x,2").contains("of an epoch there are barriers alone"));
    }

    #[test]
    fn figures_of_other_settings_and_of_draws_are_not_judged() {
        let rows = "mnist,mlp,c2m3,5,loss,test,0.9,,0.006,x\nmnist,mlp,to-a,5,loss,test,0.9,,0.006,x\n";
        let figures = parse(format!("{HEADER}{rows}").as_bytes(), "a.csv").unwrap();
        let interchangeable = vec![vec!["to-a".to_owned(), "to-b".to_owned()]];
        let comparison = Comparison { interchangeable, ..Comparison::default() };
        let of = |comparison: &Comparison| figures.iter().map(|figure| comparison.not_judged(figure)).collect::<Vec<_>>();
        assert_eq!(of(&comparison), [None, Some("one of several draws")]);
        let deviating = |deviation: Deviation| {
            of(&Comparison { deviations: vec![(PairName::new("mnist", "mlp"), vec![deviation])], ..comparison.clone() })[0]
        };
        assert_eq!(deviating(Deviation::of_all("training epochs 1 instead of 100")), Some("other settings"));
        let of_methods = |methods: &[&str]| Deviation {
            what: "repair images 9 instead of unset".to_owned(),
            methods: methods.iter().map(|&name| name.to_owned()).collect(),
            reach: Reach::All,
        };
        assert_eq!(deviating(of_methods(&["c2m3"])), Some("other settings"));
        assert_eq!(deviating(of_methods(&["naive"])), None, "another method's setting");
    }

    #[test]
    fn a_setting_of_lines_or_of_a_split_leaves_other_figures_judged() {
        let rows = "mnist,mlp,c2m3,5,accuracy,test,0.9,,0.006,x\nmnist,mlp,c2m3,5,accuracy,train,0.9,,0.006,x\n\
                    mnist,mlp,c2m3,2,barrier_mean,test,0.9,,0.006,x\nmnist,mlp,c2m3,2,barrier_line,train,0.9,,0.006,x\n";
        let figures = parse(format!("{HEADER}{rows}").as_bytes(), "a.csv").unwrap();
        let pair = PairName::new("mnist", "mlp");
        let at = |reach: Reach| {
            let deviation = Deviation { reach, ..Deviation::of_all("points on a line 3 instead of 25") };
            let deviations = vec![(pair.clone(), vec![deviation])];
            let comparison = Comparison { figures: figures.clone(), deviations, ..Comparison::default() };
            let judged = figures.iter().map(|figure| {
                let verdict = comparison.verdict(&pair, 0.9, figure);
                assert_eq!(verdict.starts_with("comparable"), comparison.not_judged(figure).is_none(), "table and check agree");
                verdict.starts_with("comparable")
            });
            let judged: Vec<bool> = judged.collect();
            assert_eq!(comparison.judges_at_other_settings(), judged.contains(&true));
            judged
        };
        assert_eq!(at(Reach::All), [false; 4]);
        assert_eq!(at(Reach::Barriers), [true, true, false, false]);
        assert_eq!(at(Reach::Split(Part::Train)), [true, false, true, false]);
    }
}
