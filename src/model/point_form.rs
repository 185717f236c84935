//! How points are written as JSON: the one place that turns a [`Sample`] into text for people and programs, and back.

use super::{Point, Sample, Signature, json};
use serde_json::Value as Json;

/// How the samples of a learner are written as JSON.
///
/// | learner | a point is | |
/// |---|---|---|
/// | 1d, integrator | a number | `0.5` |
/// | 2d, nd | a list | `[0.5, 0.1]` |
/// | average | its seed | `7` |
/// | average1d | seed and point | `[7, 0.5]` |
/// | sequence | index and element | `[3, 0.5]`, `[3, [0.5, 0.1]]` |
/// | data_saver | as of the learner inside | |
/// | one learner for each combo | index of the learner and point | `[2, 0.5]`, `[2, [7, 0.5]]` |
///
/// Coordinates are finite numbers. Seeds and indices are whole numbers from 0 on; `3.0` counts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointForm {
    names: Vec<String>,
    scalar: bool,
    replica: Replica,
    children: Option<usize>,
}

/// What the replica of a sample is to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replica {
    /// Nothing: it is 0.
    Hidden,
    Seed,
    Index,
}

/// JSON that is no point of a learner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got} is no point: {why}; write it as {form}")]
pub struct NoPoint {
    /// What was given, shortened.
    pub got: String,
    /// What is wrong with it.
    pub why: String,
    /// The form of a point, as [`PointForm`] displays it.
    pub form: String,
}

impl PointForm {
    /// For samples of this signature; with `indexed`, the replica is the index in a sequence.
    pub fn new(signature: &Signature, indexed: bool) -> Self {
        let replica = match (signature.seeded, indexed) {
            (_, true) => Replica::Index,
            (true, false) => Replica::Seed,
            (false, false) => Replica::Hidden,
        };
        Self { names: signature.names.clone(), scalar: signature.scalar, replica, children: None }
    }

    /// The same, for one learner of so many: the index of the learner comes first.
    #[must_use]
    pub fn of_children(self, children: usize) -> Self {
        Self { children: Some(children), ..self }
    }

    /// The form of the points of a single learner of many.
    #[must_use]
    pub fn of_one_child(&self) -> Self {
        Self { children: None, ..self.clone() }
    }

    /// Number of learners, where points begin with the index of theirs.
    pub fn children(&self) -> Option<usize> {
        self.children
    }

    /// Whether a point begins with an index (of a sequence) that says nothing to a function.
    pub fn is_indexed(&self) -> bool {
        self.replica == Replica::Index
    }

    /// A sample as JSON.
    pub fn to_json(&self, sample: &Sample) -> Json {
        let coordinates = || match &sample.point[..] {
            [x] if self.scalar => json::from_number(*x),
            all => all.iter().copied().map(json::from_number).collect(),
        };
        let own = match self.replica {
            Replica::Hidden => coordinates(),
            Replica::Seed if self.names.is_empty() => sample.replica.into(),
            Replica::Seed | Replica::Index => Json::Array(vec![sample.replica.into(), coordinates()]),
        };
        if self.children.is_some() { Json::Array(vec![sample.learner.into(), own]) } else { own }
    }

    /// The sample that JSON stands for. O(coordinates).
    pub fn from_json(&self, json: &Json) -> Result<Sample, NoPoint> {
        self.sample(json).map_err(|why| NoPoint { got: shown(json), why, form: self.to_string() })
    }

    fn sample(&self, json: &Json) -> Result<Sample, String> {
        let Some(children) = self.children else { return self.own(json) };
        let [child, own] = pair(json)?;
        let child = whole(child).ok_or_else(|| format!("{} is no index of a learner", shown(child)))?;
        match u32::try_from(child) {
            Ok(child) if (child as usize) < children => Ok(self.own(own)?.of_learner(child)),
            _ => Err(format!("there is no learner {child}, there are {children}, counted from 0")),
        }
    }

    fn own(&self, json: &Json) -> Result<Sample, String> {
        let replica = |json: &Json, what: &str| {
            whole(json).ok_or_else(|| format!("{} is no {what}, a whole number from 0 on", shown(json)))
        };
        match self.replica {
            Replica::Hidden => Ok(Sample::at(self.coordinates(json)?)),
            Replica::Seed if self.names.is_empty() => {
                Ok(Sample { replica: replica(json, "seed")?, ..Sample::default() })
            }
            Replica::Seed | Replica::Index => {
                let [first, point] = pair(json)?;
                let what = if self.replica == Replica::Seed { "seed" } else { "index" };
                Ok(Sample { learner: 0, replica: replica(first, what)?, point: self.coordinates(point)? })
            }
        }
    }

    fn coordinates(&self, json: &Json) -> Result<Point, String> {
        let finite = |json: &Json| match json::to_number(json) {
            Some(x) if x.is_finite() => Ok(x),
            _ => Err(format!("{} is no finite number", shown(json))),
        };
        match json {
            Json::Array(all) if !self.scalar => {
                if all.len() != self.names.len() {
                    return Err(format!("it has {} coordinates instead of {}", all.len(), self.names.len()));
                }
                all.iter().map(finite).collect()
            }
            Json::Array(_) => Err("it is a list instead of a number".into()),
            one if self.scalar => Ok(Point::scalar(finite(one)?)),
            _ => Err("it is no list".into()),
        }
    }
}

/// In words: `x`, `[x, y]`, `seed`, `[seed, x]`, `[learner, [index, x]]`.
impl std::fmt::Display for PointForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let point = match &self.names[..] {
            [x] if self.scalar => x.clone(),
            names => format!("[{}]", names.join(", ")),
        };
        let own = match self.replica {
            Replica::Hidden => point,
            Replica::Seed if self.names.is_empty() => "seed".to_owned(),
            Replica::Seed => format!("[seed, {point}]"),
            Replica::Index => format!("[index, {point}]"),
        };
        if self.children.is_some() { write!(f, "[learner, {own}]") } else { f.write_str(&own) }
    }
}

fn pair(json: &Json) -> Result<[&Json; 2], String> {
    match json.as_array().map(Vec::as_slice) {
        Some([first, second]) => Ok([first, second]),
        Some(list) => Err(format!("it is a list of {}, not of two", list.len())),
        None => Err("it is no list of two".into()),
    }
}

/// A whole number from 0 on; programs without integers write `3.0`.
fn whole(json: &Json) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let from_float = |x: f64| ((0.0..=EXACT).contains(&x) && x.fract() == 0.0).then_some(x as u64);
    json.as_u64().or_else(|| json.as_f64().and_then(from_float))
}

/// The start of some JSON, for messages.
fn shown(json: &Json) -> String {
    const LONGEST: usize = 60;
    let text = json.to_string();
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn form(names: usize, scalar: bool, seeded: bool, indexed: bool) -> PointForm {
        PointForm::new(&Signature { names: Signature::usual_names(names), scalar, seeded }, indexed)
    }

    fn sample(learner: u32, replica: u64, point: &[f64]) -> Sample {
        Sample { learner, replica, point: Point::new(point) }
    }

    #[test]
    fn each_kind_of_learner_has_its_form() {
        for (form, sample, text, words) in [
            (form(1, true, false, false), sample(0, 0, &[0.5]), json!(0.5), "x"),
            (form(2, false, false, false), sample(0, 0, &[0.5, -1.0]), json!([0.5, -1.0]), "[x, y]"),
            (form(1, false, false, false), sample(0, 0, &[0.5]), json!([0.5]), "[x]"),
            (form(0, false, true, false), sample(0, 7, &[]), json!(7), "seed"),
            (form(1, true, true, false), sample(0, 7, &[0.5]), json!([7, 0.5]), "[seed, x]"),
            (form(1, true, false, true), sample(0, 3, &[0.5]), json!([3, 0.5]), "[index, x]"),
            (
                form(2, false, false, true),
                sample(0, 3, &[0.5, 1.0]),
                json!([3, [0.5, 1.0]]),
                "[index, [x, y]]",
            ),
            (
                form(1, true, true, false).of_children(3),
                sample(2, 7, &[0.5]),
                json!([2, [7, 0.5]]),
                "[learner, [seed, x]]",
            ),
        ] {
            assert_eq!(form.to_json(&sample), text, "{form}");
            assert_eq!(form.from_json(&text), Ok(sample), "{form}");
            assert_eq!(form.to_string(), words);
        }
    }

    #[test]
    fn what_is_no_point_is_refused_with_the_right_form() {
        let line = form(1, true, false, false);
        for (form, json, why) in [
            (line.clone(), json!([0.5]), "a list instead of a number"),
            (line.clone(), json!("nan"), "no finite number"),
            (line.clone(), json!(null), "no finite number"),
            (line.clone().of_children(2), json!(0.5), "no list of two"),
            (line.clone().of_children(2), json!([2, 0.5]), "there is no learner 2"),
            (line.of_children(2), json!([-1, 0.5]), "no index of a learner"),
            (form(2, false, false, false), json!([1.0]), "1 coordinates instead of 2"),
            (form(0, false, true, false), json!(1.5), "no seed"),
            (form(1, true, true, false), json!([1, 2, 3]), "a list of 3"),
            (form(1, true, false, true), json!(["a", 2]), "no index"),
        ] {
            let error = form.from_json(&json).unwrap_err();
            assert!(error.why.contains(why), "{json}: {error}");
            assert!(error.to_string().ends_with(&format!("write it as {form}")), "{error}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        assert_eq!(form(0, false, true, false).from_json(&json!(3.0)), Ok(sample(0, 3, &[])));
        let large = u64::MAX;
        assert_eq!(form(0, false, true, false).from_json(&json!(large)), Ok(sample(0, large, &[])));
    }

    proptest! {
        #[test]
        fn every_sample_comes_back_bit_by_bit(
            x in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO, 0..4),
            scalar: bool, seeded: bool, indexed: bool, balanced: bool, replica: u64, learner in 0_u32..5,
        ) {
            let mut form = form(x.len(), scalar && x.len() == 1, seeded || x.is_empty(), indexed);
            let mut sample = sample(0, replica, &x);
            if balanced {
                form = form.of_children(5);
                sample.learner = learner;
            }
            if form.replica == Replica::Hidden {
                sample.replica = 0;
            }
            let text = form.to_json(&sample).to_string();
            let back = form.from_json(&serde_json::from_str(&text).unwrap()).unwrap();
            let bits = |sample: &Sample| sample.point.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&back), bits(&sample));
            prop_assert_eq!((back.learner, back.replica), (sample.learner, sample.replica));
        }
    }
}
