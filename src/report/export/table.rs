use super::Rows;
use crate::checkpoint::{Header, Loaded, Row};
use crate::model::{Parameter, Signature};
use std::collections::HashSet;
use std::io;

/// The told points of a checkpoint, one row each, in the order told: the learner's place in the study and its
/// parameters, the coordinates, the components of the value, and the provenance.
///
/// The place of a learner whose combo has left the study is empty; its parameters say which one it was. A
/// parameter with the name of a column that every table has gets a suffix: `worker` is the column `worker_`.
pub struct Table<'a> {
    loaded: &'a Loaded,
    /// Parameter names, in the order in which they first occur.
    parameters: Vec<&'a str>,
    x: Vec<String>,
    y: Vec<String>,
    extra: bool,
    /// By index in the checkpoint: the place of a learner in the study, if it still has one. Beyond its end both
    /// are the same.
    places: Vec<Option<u32>>,
    /// By index in the checkpoint: whether the points of a learner are rows. Empty: of all learners.
    chosen: Vec<bool>,
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing: a shorter row, a parameter that this learner has not.
    Absent,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A count or an index.
    Count(u64),
    /// A number.
    Number(f64),
    /// Text.
    Text(&'a str),
    /// JSON text.
    Json(&'a str),
}

impl<'a> From<&'a Parameter> for Cell<'a> {
    fn from(parameter: &'a Parameter) -> Self {
        match parameter {
            Parameter::Bool(b) => Self::Bool(*b),
            Parameter::Integer(i) => Self::Integer(*i),
            Parameter::Float(x) => Self::Number(*x),
            Parameter::Text(s) => Self::Text(s),
        }
    }
}

impl<'a> Table<'a> {
    /// The columns of a checkpoint. Where names are not known, coordinates are called as usual (`x`, `y`, …)
    /// and components `value` or `value_0`, `value_1`, …; a name that is taken gets a suffix.
    pub fn new(loaded: &'a Loaded) -> Self {
        let none = Header::default();
        let header = loaded.header.as_ref().unwrap_or(&none);
        let mut parameters: Vec<&str> = Vec::new();
        for (name, _) in loaded.header.iter().flat_map(|h| &h.learners).flat_map(|p| &p.0) {
            if !parameters.contains(&name.as_str()) {
                parameters.push(name);
            }
        }
        let x_width = loaded.columns.x_width();
        let y_width = loaded.columns.y_width();
        let named = |names: &[String], usual: Vec<String>| {
            let known = names.iter().take(usual.len()).cloned();
            known.chain(usual.iter().skip(names.len()).cloned()).collect::<Vec<_>>()
        };
        let mut taken: HashSet<String> = FIXED.iter().map(|s| (*s).to_owned()).collect();
        taken.extend(parameter_columns(&parameters, &FIXED));
        let mut x = named(&header.dimensions, Signature::usual_names(x_width));
        let mut y = named(&header.outputs, usual_outputs(y_width));
        for name in x.iter_mut().chain(&mut y) {
            *name = free_name(name, &mut taken);
        }
        let extra = loaded.columns.iter().any(|row| row.extra.is_some());
        Self { loaded, parameters, x, y, extra, places: Vec::new(), chosen: Vec::new() }
    }

    /// With the places that learners have now in the study, by their indices in the checkpoint; none for a combo
    /// that left it.
    #[must_use]
    pub fn with_places(self, places: Vec<Option<u32>>) -> Self {
        Self { places, ..self }
    }

    /// Only the points of these learners, by their indices in the checkpoint.
    #[must_use]
    pub fn of_learners(mut self, learners: &[u32]) -> Self {
        let known = self.loaded.header.as_ref().map_or(0, |header| header.learners.len());
        self.chosen = (0..known.max(1)).map(|index| learners.contains(&(index as u32))).collect();
        self
    }

    fn has(&self, learner: u32) -> bool {
        self.chosen.is_empty() || self.chosen.get(learner as usize) == Some(&true)
    }

    /// The cells of a row, in the order of the columns.
    fn cells<'r>(&'r self, row: &'r Row<'r>) -> impl Iterator<Item = Cell<'r>> {
        let header = self.loaded.header.as_ref();
        let own = header.and_then(|h| h.learners.get(row.learner as usize));
        let parameter = move |name: &&str| own.and_then(|p| p.get(name)).map_or(Cell::Absent, Cell::from);
        let number = |numbers: &'r [f64], i: usize| numbers.get(i).map_or(Cell::Absent, |x| Cell::Number(*x));
        let place = self.places.get(row.learner as usize).copied().unwrap_or(Some(row.learner));
        std::iter::once(place.map_or(Cell::Absent, |place| Cell::Count(place.into())))
            .chain(self.parameters.iter().map(parameter))
            .chain((0..self.x.len()).map(move |i| number(row.point, i)))
            .chain((0..self.y.len()).map(move |i| number(row.values, i)))
            .chain([
                Cell::Count(row.replica),
                Cell::Count(row.meta.worker.into()),
                Cell::Count(row.meta.attempt.into()),
                Cell::Number(row.meta.started),
                Cell::Number(row.meta.duration),
            ])
            .chain(self.extra.then(|| row.extra.map_or(Cell::Absent, Cell::Json)))
    }
}

impl Rows for Table<'_> {
    fn study(&self) -> Option<(&str, &str)> {
        let header = self.loaded.header.as_ref();
        header.map(|header| (header.name.as_str(), header.study_text.as_str()))
    }

    fn columns(&self) -> Vec<String> {
        let [learner, provenance @ .., extra] = FIXED.map(str::to_owned);
        std::iter::once(learner)
            .chain(parameter_columns(&self.parameters, &FIXED))
            .chain(self.x.iter().chain(&self.y).cloned())
            .chain(provenance)
            .chain(self.extra.then_some(extra))
            .collect()
    }

    fn for_each(&self, write: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>) -> io::Result<()> {
        let mut rows = self.loaded.columns.iter().filter(|row| self.has(row.learner));
        rows.try_for_each(|row| write(&self.cells(&row).collect::<Vec<_>>()))
    }
}

/// The columns of parameters: their names, but for those that are columns of the table itself.
pub(crate) fn parameter_columns(names: &[&str], own: &[&str]) -> Vec<String> {
    let mut taken: HashSet<String> = own.iter().chain(names).map(|name| (*name).to_owned()).collect();
    let column = |name: &&str| match own.contains(name) {
        true => free_name(name, &mut taken),
        false => (*name).to_owned(),
    };
    names.iter().map(column).collect()
}

/// What the components of values are called where nobody has named them.
pub(crate) fn usual_outputs(width: usize) -> Vec<String> {
    match width {
        1 => vec!["value".to_owned()],
        n => (0..n).map(|i| format!("value_{i}")).collect(),
    }
}

/// A name with as many `_` behind it as it takes to be none of the taken ones, of which it is one from now on.
pub(crate) fn free_name(name: &str, taken: &mut HashSet<String>) -> String {
    let mut name = name.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    taken.insert(name.clone());
    name
}

/// Names that nothing else can have.
const FIXED: [&str; 7] = ["learner", "replica", "worker", "attempt", "started", "duration", "extra"];
