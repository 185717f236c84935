//! From a checked study to learners and functions that can run.
//!
//! The study does not know the kinds of learners and functions: [`Makers`] says how their tables are read. This
//! keeps the step testable without any user code.

use super::{Study, StudyError, per_combo};
use crate::learner::Learner;
use crate::model::settings::{self, SettingError, Table};
use crate::model::{Parameter, Parameters, Signature, Value};

/// How the parts of a study are made.
pub trait Makers {
    /// What evaluates points.
    type Function;

    /// An empty learner from `[learner]`, all of whose keys are checked.
    fn learner(&self, table: &Table) -> settings::Result<Box<dyn Learner>>;

    /// One learner of many, by the name of a strategy (one of [`super::STRATEGIES`]) and the priority of each.
    fn balance(
        &self,
        children: Vec<Box<dyn Learner>>,
        strategy: &str,
        priorities: Vec<i32>,
    ) -> Box<dyn Learner>;

    /// A function from `[function]`, for points of this signature and parameters of these names.
    fn function(
        &self,
        table: &Table,
        signature: &Signature,
        parameters: &[String],
    ) -> settings::Result<Self::Function>;

    /// A value of the shape of all that a function returns, if that is known before any evaluation.
    fn outline(&self, _: &Self::Function) -> Option<Value> {
        None
    }

    /// Whether a function of this table takes parameters that are text.
    fn takes_text(&self, _: &Table) -> bool {
        true
    }
}

/// The parts of a study.
pub struct Built<F> {
    /// The learner of the one combo, or one that balances those of all combos; empty.
    pub learner: Box<dyn Learner>,
    /// What evaluates points.
    pub function: F,
    /// How points look to the function.
    pub signature: Signature,
    /// The parameter values of learner 0, 1, ….
    pub combos: Vec<Parameters>,
    /// How urgent the points of learner 0, 1, … are: `[function] priority`.
    pub priorities: Vec<i32>,
}

/// The learners of a study.
pub struct Learners {
    /// The learner of the one combo, or one that balances those of all combos; empty.
    pub learner: Box<dyn Learner>,
    /// How points look to the function.
    pub signature: Signature,
    /// The parameter values of learner 0, 1, ….
    pub combos: Vec<Parameters>,
    /// How urgent the points of learner 0, 1, … are: `[function] priority`.
    pub priorities: Vec<i32>,
}

impl Study {
    /// Makes the learners only, for those who evaluate the function by themselves.
    pub fn learners<M: Makers>(&self, makers: &M) -> Result<Learners, StudyError> {
        let combos: Vec<Parameters> = self.combos.iter().collect();
        let first = self.first_learner(makers, &combos).map_err(|problem| self.error(problem))?;
        self.join(makers, first, combos).map_err(|problem| self.error(problem))
    }

    fn first_learner<M: Makers>(
        &self,
        makers: &M,
        combos: &[Parameters],
    ) -> settings::Result<Box<dyn Learner>> {
        let nothing = Parameters::default();
        makers.learner(&per_combo::filled(&self.learner, combos.first().unwrap_or(&nothing))?)
    }

    /// All learners, given the first.
    fn join<M: Makers>(
        &self,
        makers: &M,
        first: Box<dyn Learner>,
        combos: Vec<Parameters>,
    ) -> settings::Result<Learners> {
        let signature = first.signature();
        let names: Vec<String> = self.combos.names().map(str::to_owned).collect();
        self.check_names(&names, &signature)?;
        let priorities: Vec<i32> = combos.iter().map(|combo| self.priority.of(combo)).collect();
        if combos.len() == 1 {
            return Ok(Learners { learner: first, signature, combos, priorities });
        }
        let differ = per_combo::mentions_parameters(&self.learner);
        let other = |combo: &Parameters| match differ {
            true => makers.learner(&per_combo::filled(&self.learner, combo)?),
            false => Ok(first.new_empty()),
        };
        let others = combos[1..].iter().map(other).collect::<settings::Result<Vec<_>>>()?;
        if others.iter().any(|other| other.signature() != signature) {
            let message = "the learners of the combos differ in the coordinates of their points";
            return Err(SettingError::new(&self.learner.span, message)
                .help("give all of them the same type and number of coordinates"));
        }
        let all = std::iter::once(first).chain(others).collect();
        let learner = makers.balance(all, self.strategy, priorities.clone());
        Ok(Learners { learner, signature, combos, priorities })
    }

    /// Makes the learners and the function. Problems of both are reported together.
    ///
    /// `[learner]` is read once where it mentions no parameters (`"{a}"`): the learners of the other combos are then
    /// made by [`Learner::new_empty`].
    pub fn build<M: Makers>(&self, makers: &M) -> Result<Built<M::Function>, StudyError> {
        let names: Vec<String> = self.combos.names().map(str::to_owned).collect();
        let invalid = |problems: Vec<SettingError>| StudyError::invalid(&self.path, &self.text, problems);
        let combos: Vec<Parameters> = self.combos.iter().collect();
        let first = self.first_learner(makers, &combos);
        // Without a learner a usual signature still finds most problems of the function, but not those of names.
        let signature = first.as_ref().map_or_else(|_| Signature::line(), |learner| learner.signature());
        // Before the function misses the name among its own.
        self.check_names(&names, &signature).map_err(|problem| invalid(vec![problem]))?;
        let function = makers.function(&self.function, &signature, &names);
        let (first, function) = match (first, function) {
            (Ok(first), Ok(function)) => (first, function),
            (first, function) => {
                return Err(invalid([first.err(), function.err()].into_iter().flatten().collect()));
            }
        };
        if let Some(value) = makers.outline(&function) {
            self.check_values(first.as_ref(), &value).map_err(|problem| invalid(vec![problem]))?;
        }
        let Learners { learner, signature, combos, priorities } =
            self.join(makers, first, combos).map_err(|problem| invalid(vec![problem]))?;
        if !makers.takes_text(&self.function) {
            self.refuse_text(&combos).map_err(|problem| invalid(vec![problem]))?;
        }
        Ok(Built { learner, function, signature, combos, priorities })
    }

    /// What a learner can't learn is found before anything is evaluated, if the function says what it returns.
    fn check_values(&self, learner: &dyn Learner, value: &Value) -> settings::Result<()> {
        let mut probe = learner.boxed_clone();
        match probe.ask(1).first().map(|next| probe.tell(&next.sample, value)) {
            Some(Err(error)) => {
                let message = format!("this learner can't learn from this function: {error}");
                let help = "let the function return what the learner needs, or correct the learner";
                Err(self.learner.error("loss", message).help(help))
            }
            _ => Ok(()),
        }
    }

    /// For functions of numbers only.
    fn refuse_text(&self, combos: &[Parameters]) -> settings::Result<()> {
        let mut all = combos.iter().flat_map(|combo| &combo.0);
        let Some((name, text)) = all.find(|(_, value)| matches!(value, Parameter::Text(_))) else {
            return Ok(());
        };
        let place = self.combos.place_of(name).unwrap_or(0..0);
        let message =
            format!("the parameter `{name}` is text (\"{text}\"), but this function takes only numbers");
        let help = "write numbers without quotes; text goes to functions of the kinds command, program, python and rust";
        Err(SettingError::new(&place, message).help(help))
    }

    /// A parameter and a coordinate of one name could not be told apart, by functions and in tables.
    fn check_names(&self, names: &[String], signature: &Signature) -> settings::Result<()> {
        let seed = signature.seeded.then(|| "seed".to_owned());
        let taken: Vec<&String> = signature.names.iter().chain(&seed).collect();
        match names.iter().find(|name| taken.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let place = self.combos.place_of(name).unwrap_or(0..0);
                let what = if seed.as_ref() == Some(name) { "the seed" } else { "a coordinate" };
                Err(SettingError::new(
                    &place,
                    format!("the parameter `{name}` has the name of {what} of the learner"),
                )
                .help(format!("`{name}` comes with each point: rename the parameter, or leave it out")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Loss, Suggestion, TellError};
    use crate::model::Sample;

    /// Counts how learners are made and joined; never runs.
    struct Fake {
        children: Vec<Box<dyn Learner>>,
    }

    impl Learner for Fake {
        fn kind(&self) -> &'static str {
            "fake"
        }
        fn signature(&self) -> Signature {
            Signature::line()
        }
        fn ask_into(&mut self, _: usize, _: &mut Vec<Suggestion>) {}
        fn suggest(&mut self, _: usize) -> Vec<Suggestion> {
            Vec::new()
        }
        fn tell(&mut self, _: &Sample, _: &Value) -> Result<(), TellError> {
            Ok(())
        }
        fn tell_pending(&mut self, _: &Sample) {}
        fn remove_unfinished(&mut self) {}
        fn loss(&self, _: Loss) -> f64 {
            f64::INFINITY
        }
        fn npoints(&self) -> usize {
            0
        }
        fn npending(&self) -> usize {
            0
        }
        fn boxed_clone(&self) -> Box<dyn Learner> {
            self.new_empty()
        }
        fn new_empty(&self) -> Box<dyn Learner> {
            Box::new(Self { children: Vec::new() })
        }
        fn children(&self) -> Option<&[Box<dyn Learner>]> {
            Some(&self.children)
        }
    }

    struct FakeMakers;

    impl Makers for FakeMakers {
        type Function = String;

        fn learner(&self, table: &Table) -> settings::Result<Box<dyn Learner>> {
            table.text("type")?;
            table.floats("bounds")?.ok_or_else(|| table.missing("bounds"))?;
            table.finish()?;
            Ok(Box::new(Fake { children: Vec::new() }))
        }

        fn balance(
            &self,
            children: Vec<Box<dyn Learner>>,
            strategy: &str,
            priorities: Vec<i32>,
        ) -> Box<dyn Learner> {
            assert_eq!((strategy, priorities), ("loss_improvements", vec![0; children.len()]));
            Box::new(Fake { children })
        }

        fn function(
            &self,
            table: &Table,
            signature: &Signature,
            parameters: &[String],
        ) -> settings::Result<String> {
            let name = table.text("builtin")?.ok_or_else(|| table.missing("builtin"))?;
            table.finish()?;
            Ok(format!("{name}({}; {})", signature.names.join(", "), parameters.join(", ")))
        }
    }

    fn build(parameters: &str, learner_keys: &str, function_keys: &str) -> Result<Built<String>, StudyError> {
        let text = format!(
            "[function]\n{function_keys}\n[parameters]\n{parameters}\n[learner]\ntype = '1d'\n{learner_keys}\n[goal]\nloss = 1\n"
        );
        Study::parse(&text, "a.toml")?.build(&FakeMakers)
    }

    #[test]
    fn each_combo_gets_a_learner() {
        let built = build("a = [1, 2, 3]\nb = 'u'", "bounds = [0, 1]", "builtin = 'peak'").unwrap();
        assert_eq!(built.learner.children().map(<[_]>::len), Some(3));
        assert_eq!(built.combos[2].to_string(), "a=3, b=u");
        assert_eq!(built.function, "peak(x; a, b)");
    }

    #[test]
    fn a_single_combo_needs_no_balancing() {
        let built = build("a = 1", "bounds = [0, 1]", "builtin = 'peak'").unwrap();
        assert_eq!(built.learner.children().map(<[_]>::len), Some(0));
        assert_eq!(built.combos.len(), 1);
    }

    #[test]
    fn problems_of_learner_and_function_are_shown_together() {
        let error = build("", "bouds = [0, 1]", "biltin = 'peak'").err().unwrap();
        let lines: Vec<_> = error.problems().iter().map(|p| p.line).collect();
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_parameter_with_the_name_of_a_coordinate_is_refused() {
        let error = build("a = 1\nx = 2", "bounds = [0, 1]", "builtin = 'peak'").err().unwrap();
        assert_eq!(
            error.problems()[0].message,
            "the parameter `x` has the name of a coordinate of the learner"
        );
        assert_eq!(error.problems()[0].line, 5);
    }
}
