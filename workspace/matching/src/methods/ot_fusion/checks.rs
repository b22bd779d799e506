//! Which options make sense, alone and together.

use onebasin_network::{PermutationSpec, Role};

use super::{Features, OtFusion, OutputUnits, PlanKind, Target, is_output};
use crate::MatchingError;
use crate::methods::{at_least_one, number, tolerance};

impl OtFusion {
    /// [`crate::Matcher::check`].
    pub(super) fn check_options(&self) -> Result<(), MatchingError> {
        at_least_one("iterations", self.iterations)?;
        tolerance("tolerance", self.tolerance)?;
        let above_zero = |key, value: f64, hint| {
            let is_fine = value.is_finite() && value > 0.0;
            let wrong = || MatchingError::Setting { key, value: number(value), expected: "a finite number above 0", hint };
            if is_fine { Ok(()) } else { Err(wrong()) }
        };
        above_zero("regularisation", self.regularisation, "for no regularisation write `plan = \"exact\"`")?;
        above_zero("relaxation", self.relaxation, "for marginals that are kept write `plan = \"sinkhorn\"`")?;
        above_zero("cost-divisor", self.cost_divisor, "leave it out to keep costs as they are")?;
        if let Some([low, high]) = self.clip_costs
            && !(low.is_finite() && high.is_finite() && low < high && high > 0.0)
        {
            let (value, hint) = (format!("[{}, {}]", number(low), number(high)), "leave it out to keep costs as they are");
            // Costs are at least 0, so that below it all would be equal.
            let expected = "two numbers, the first below the second, and that one above 0";
            return Err(MatchingError::Setting { key: "clip-costs", value, expected, hint });
        }
        if !(self.mass > 0.0 && self.mass <= 1.0) {
            let hint = "0.9 leaves a tenth of the mass where it is";
            return Err(MatchingError::Setting { key: "mass", value: number(self.mass), expected: "a share above 0, at most 1", hint });
        }
        self.check_unused()?;
        self.activations.map_or(Ok(()), |activations| activations.check())
    }

    /// Keys that would be left unread.
    fn check_unused(&self) -> Result<(), MatchingError> {
        let wrong = |key, value: String, expected, hint| Err(MatchingError::Setting { key, value, expected, hint });
        if self.activations.is_some() && self.features == Features::Weights {
            let hint = "by default the incoming weights of units are compared";
            return wrong("activations", "a table".to_owned(), "`features = \"activations\"` beside it", hint);
        }
        if self.regularisation != OtFusion::default().regularisation && !matches!(self.plan, PlanKind::Sinkhorn | PlanKind::Unbalanced) {
            let hint = "exact and partial plans have no entropy";
            return wrong("regularisation", number(self.regularisation), "`plan = \"sinkhorn\"` or `\"unbalanced\"` beside it", hint);
        }
        let is_iterated = matches!(self.plan, PlanKind::Sinkhorn | PlanKind::Unbalanced);
        for (key, value, is_default) in [
            ("iterations", self.iterations.to_string(), self.iterations == OtFusion::default().iterations),
            ("tolerance", number(self.tolerance), self.tolerance == OtFusion::default().tolerance),
        ] {
            if !is_default && !is_iterated {
                return wrong(key, value, "`plan = \"sinkhorn\"` or `\"unbalanced\"` beside it", "other plans are found exactly");
            }
        }
        if self.relaxation != 1.0 && self.plan != PlanKind::Unbalanced {
            let hint = "other plans keep their marginals";
            return wrong("relaxation", number(self.relaxation), "`plan = \"unbalanced\"` beside it", hint);
        }
        if self.mass != 1.0 && self.plan != PlanKind::Partial {
            return wrong("mass", number(self.mass), "`plan = \"partial\"` beside it", "other plans move all of the mass");
        }
        if self.iterated && self.features == Features::Activations {
            let hint = "what the mean of the models before gives is not measured; leave `iterated` out";
            return wrong("iterated", "true".to_owned(), "`features = \"weights\"`", hint);
        }
        if self.target == Target::Random {
            self.check_random_target()?;
        }
        Ok(())
    }

    /// Keys that make no sense with a network that belongs to no model.
    fn check_random_target(&self) -> Result<(), MatchingError> {
        let wrong = |key, value: &str, expected, hint| Err(MatchingError::Setting { key, value: value.to_owned(), expected, hint });
        let hint = "a target with fresh weights belongs to no model; leave `target` out";
        if self.features == Features::Activations {
            return wrong("features", "activations", "`weights` beside `target = \"random\"`", hint);
        }
        if self.reference != 0 {
            return wrong("reference", &self.reference.to_string(), "nothing beside `target = \"random\"`", hint);
        }
        if self.iterated {
            return wrong("iterated", "true", "`false` beside `target = \"random\"`", hint);
        }
        if self.plan == PlanKind::Unbalanced || self.plan == PlanKind::Partial {
            return wrong("plan", "unbalanced or partial", "a plan that keeps its marginals beside `target = \"random\"`", hint);
        }
        if self.output == OutputUnits::Transported {
            return wrong("output", "transported", "`fixed` beside `target = \"random\"`", "classes have a meaning; leave `output` out");
        }
        Ok(())
    }

    /// Class scores can be transported where one layer makes them.
    pub(super) fn check_output(&self, spec: &PermutationSpec) -> Result<(), MatchingError> {
        let makers = spec.parameters.iter().filter(|parameter| parameter.role == Role::Weight && is_output(parameter)).count();
        if self.output == OutputUnits::Transported && makers != 1 {
            return Err(MatchingError::Setting {
                key: "output",
                value: "transported".to_owned(),
                expected: "`fixed`, as more than one layer writes to units whose order is fixed",
                hint: "leave `output` out",
            });
        }
        Ok(())
    }
}
