//! `SequenceLearner`: a given list of points, each evaluated once.

use super::{Learner, LearnerKind, Loss, Suggestion, TellError};
use crate::model::settings::{self, Setting, SettingValue, Table};
use crate::model::{Point, Sample, Signature, Value};
use std::sync::Arc;

/// A list longer than this is taken for a slip of the pen.
const MOST_ELEMENTS: u64 = 100_000_000;

/// Evaluates all elements of a sequence, in order (upstream: `SequenceLearner`).
///
/// An element is a number or a list of numbers. A sample's point holds the coordinates of the element, its
/// replica the element's index: elements may be equal. All operations are O(1) per point, amortised.
#[derive(Clone, Debug)]
pub struct SequenceLearner {
    elements: Arc<Elements>,
    states: Vec<State>,
    /// No element before this one can be asked.
    cursor: usize,
    ntold: usize,
    npending: usize,
    /// Components of a value; 0 before the first.
    value_dim: usize,
}

#[derive(Debug)]
struct Elements {
    /// Coordinates of an element.
    dim: usize,
    /// Elements are numbers, not lists of one.
    scalar: bool,
    /// Element after element.
    coordinates: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Pending,
    Told,
}

/// A list that is no sequence of points.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// Elements of different lengths, or of none.
    #[error("element {index} has {got} coordinates, but there should be {expected}")]
    UnequalLengths {
        /// Position of the element.
        index: usize,
        /// Coordinates of the first element (at least one).
        expected: usize,
        /// Coordinates of this element.
        got: usize,
    },
    /// An infinite or undefined coordinate.
    #[error("element {index} is not finite")]
    NotFinite {
        /// Position of the element.
        index: usize,
    },
}

pub(super) const KIND: LearnerKind = LearnerKind {
    name: "sequence",
    about: "a given list of points, each once: sequence",
    from_settings: |table| Ok(Box::new(SequenceLearner::from_settings(table)?)),
};

impl SequenceLearner {
    /// A learner over a list of numbers.
    pub fn of_numbers(numbers: Vec<f64>) -> Result<Self, SequenceError> {
        Self::new(numbers, 1, true)
    }

    /// A learner over a list of points with the same number of coordinates each.
    pub fn of_points(points: &[Vec<f64>]) -> Result<Self, SequenceError> {
        let dim = points.first().map_or(1, Vec::len).max(1);
        if let Some((index, point)) = points.iter().enumerate().find(|(_, point)| point.len() != dim) {
            return Err(SequenceError::UnequalLengths { index, expected: dim, got: point.len() });
        }
        Self::new(points.concat(), dim, false)
    }

    fn new(coordinates: Vec<f64>, dim: usize, scalar: bool) -> Result<Self, SequenceError> {
        if let Some(at) = coordinates.iter().position(|x| !x.is_finite()) {
            return Err(SequenceError::NotFinite { index: at / dim });
        }
        Ok(Self::over(Arc::new(Elements { dim, scalar, coordinates })))
    }

    fn over(elements: Arc<Elements>) -> Self {
        let states = vec![State::Open; elements.coordinates.len() / elements.dim];
        Self { elements, states, cursor: 0, ntold: 0, npending: 0, value_dim: 0 }
    }

    /// Reads `sequence`: a list of numbers or of equally long lists of numbers, or `{ start, stop, num }` for
    /// `num` numbers from start to stop, both included, at equal distances.
    pub fn from_settings(table: &Table) -> settings::Result<Self> {
        let help = "write it as sequence = [0, 1, 4], [[0, 0], [0, 1]], or { start = 0, stop = 1, num = 11 }";
        let setting = table.get("sequence").ok_or_else(|| table.missing("sequence").help(help))?;
        let path = table.path_of("sequence");
        let learner = match &setting.value {
            SettingValue::Table(range) => Self::of_numbers(evenly(range)?),
            SettingValue::List(items)
                if items.iter().any(|item| matches!(item.value, SettingValue::List(_))) =>
            {
                let point = |(i, item): (usize, &Setting)| item.floats(&format!("{path}[{i}]"));
                Self::of_points(&items.iter().enumerate().map(point).collect::<settings::Result<Vec<_>>>()?)
            }
            SettingValue::List(_) => Self::of_numbers(setting.floats(&path)?),
            _ => {
                let message = format!("`{path}` should be a list or a range, but is {}", setting.kind());
                return Err(table.error("sequence", message).help(help));
            }
        };
        let learner =
            learner.map_err(|error| table.error("sequence", format!("`{path}`: {error}")).help(help))?;
        if learner.is_empty() {
            return Err(table.error("sequence", format!("`{path}` has no elements")).help(help));
        }
        Ok(learner)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    fn element(&self, index: usize) -> &[f64] {
        let dim = self.elements.dim;
        &self.elements.coordinates[index * dim..(index + 1) * dim]
    }

    fn index(&self, sample: &Sample) -> Result<usize, TellError> {
        let index =
            usize::try_from(sample.replica).ok().filter(|index| *index < self.len()).ok_or_else(|| {
                TellError::Foreign(format!(
                    "index {} in a sequence of {} elements",
                    sample.replica,
                    self.len()
                ))
            })?;
        if *sample.point == *self.element(index) {
            Ok(index)
        } else {
            let (got, element) = (&*sample.point, self.element(index));
            Err(TellError::Foreign(format!("element {index} of the sequence is {element:?}, not {got:?}")))
        }
    }

    fn suggestion(&self, index: usize) -> Suggestion {
        let point = Point::new(self.element(index));
        Suggestion {
            sample: Sample { learner: 0, replica: index as u64, point },
            loss_improvement: 1.0 / self.len() as f64,
        }
    }
}

/// `num` numbers from `start` to `stop`, computed as NumPy's `linspace` does.
fn evenly(range: &Table) -> settings::Result<Vec<f64>> {
    let help = "write it as { start = 0, stop = 1, num = 11 }, both ends included";
    let missing = |key| range.missing(key).help(help);
    let start = range.float("start")?.ok_or_else(|| missing("start"))?;
    let stop = range.float("stop")?.ok_or_else(|| missing("stop"))?;
    let num = range.count("num")?.ok_or_else(|| missing("num"))?;
    range.finish()?;
    if !(1..=MOST_ELEMENTS).contains(&num) {
        let message = format!("`{}` should be between 1 and {MOST_ELEMENTS}", range.path_of("num"));
        return Err(range.error("num", message).help(help));
    }
    let step = (stop - start) / (num.max(2) - 1) as f64;
    let at = |i| if i > 0 && i == num - 1 { stop } else { i as f64 * step + start };
    Ok((0..num).map(at).collect())
}

impl Learner for SequenceLearner {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        let Elements { dim, scalar, .. } = *self.elements;
        Signature { names: Signature::usual_names(dim), scalar, seeded: false }
    }

    fn is_indexed(&self) -> bool {
        true
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let mut asked = 0;
        while asked < n && self.cursor < self.len() {
            if self.states[self.cursor] == State::Open {
                self.states[self.cursor] = State::Pending;
                self.npending += 1;
                out.push(self.suggestion(self.cursor));
                asked += 1;
            }
            self.cursor += 1;
        }
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        let open = |index: &usize| self.states[*index] == State::Open;
        (self.cursor..self.len()).filter(open).take(n).map(|index| self.suggestion(index)).collect()
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let index = self.index(sample)?;
        let got = value.components.len();
        if self.states[index] == State::Told {
            return Ok(());
        }
        if got == 0 || self.value_dim > 0 && got != self.value_dim {
            return Err(TellError::WrongShape { expected: self.value_dim.max(1), got });
        }
        self.value_dim = got;
        if self.states[index] == State::Pending {
            self.npending -= 1;
        }
        self.states[index] = State::Told;
        self.ntold += 1;
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        if let Ok(index) = self.index(sample)
            && self.states[index] == State::Open
        {
            self.states[index] = State::Pending;
            self.npending += 1;
        }
    }

    fn remove_unfinished(&mut self) {
        if self.npending == 0 {
            return;
        }
        for (index, state) in self.states.iter_mut().enumerate().rev() {
            if *state == State::Pending {
                *state = State::Open;
                self.cursor = self.cursor.min(index);
            }
        }
        self.npending = 0;
    }

    /// The part of the elements that is not told ([`Loss::Real`]), or neither told nor pending.
    fn loss(&self, which: Loss) -> f64 {
        let left = match which {
            Loss::Real => self.len() - self.ntold,
            Loss::Expected => self.len() - self.ntold - self.npending,
        };
        if left == 0 { 0.0 } else { left as f64 / self.len() as f64 }
    }

    fn npoints(&self) -> usize {
        self.ntold
    }

    fn npending(&self) -> usize {
        self.npending
    }

    fn done(&self) -> Option<bool> {
        Some(self.ntold == self.len())
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::over(self.elements.clone()))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: &[f64]) -> SettingValue {
        let item = |x: &f64| Setting { value: SettingValue::Float(*x), span: 0..0 };
        SettingValue::List(numbers.iter().map(item).collect())
    }

    fn read(sequence: SettingValue) -> settings::Result<SequenceLearner> {
        SequenceLearner::from_settings(&Table::new("learner").with("sequence", sequence))
    }

    #[test]
    fn each_element_is_asked_once_and_told_once() {
        let mut learner = SequenceLearner::of_numbers(vec![5.0, 5.0, 7.0]).unwrap();
        let asked = learner.ask(5);
        assert_eq!(asked.iter().map(|s| s.sample.replica).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(learner.ask(1).is_empty());
        for suggestion in &asked {
            assert_eq!(learner.done(), Some(false));
            learner.tell(&suggestion.sample, &1.0.into()).unwrap();
        }
        assert_eq!((learner.done(), learner.loss(Loss::Real)), (Some(true), 0.0));
    }

    #[test]
    fn a_sample_of_another_sequence_is_refused() {
        let mut learner = SequenceLearner::of_numbers(vec![5.0, 6.0]).unwrap();
        let sample = |replica, x| Sample { learner: 0, replica, point: Point::scalar(x) };
        assert!(matches!(learner.tell(&sample(2, 5.0), &1.0.into()), Err(TellError::Foreign(_))));
        assert!(matches!(learner.tell(&sample(0, 6.0), &1.0.into()), Err(TellError::Foreign(_))));
        learner.tell_pending(&sample(0, 6.0));
        assert_eq!(learner.npending(), 0);
    }

    #[test]
    fn ranges_include_both_ends() {
        let range = |num| {
            SettingValue::Table(
                Table::new("learner.sequence")
                    .with("start", SettingValue::Float(-3.0))
                    .with("stop", SettingValue::Float(0.3))
                    .with("num", SettingValue::Integer(num)),
            )
        };
        let learner = read(range(12)).unwrap();
        assert_eq!((learner.len(), learner.element(0), learner.element(11)), (12, &[-3.0][..], &[0.3][..]));
        assert_eq!(read(range(1)).unwrap().element(0), [-3.0]);
        assert!(read(range(0)).is_err());
        assert!(read(range(1_000_000_000_000)).is_err());
    }

    #[test]
    fn lists_of_lists_become_points() {
        let rows = |rows: &[&[f64]]| {
            SettingValue::List(rows.iter().map(|row| Setting { value: list(row), span: 0..0 }).collect())
        };
        let learner = read(rows(&[&[0.0, 1.0], &[2.0, 3.0]])).unwrap();
        assert_eq!(learner.signature().names, ["x", "y"]);
        assert_eq!(learner.element(1), [2.0, 3.0]);
        let error = read(rows(&[&[0.0, 1.0], &[2.0]])).unwrap_err();
        assert_eq!(error.message, "`learner.sequence`: element 1 has 1 coordinates, but there should be 2");
        assert!(read(list(&[0.0, f64::NAN])).unwrap_err().message.contains("element 1 is not finite"));
        assert!(read(list(&[])).is_err());
    }
}
