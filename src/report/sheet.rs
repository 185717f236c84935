use super::export::{Cell, Rows, free_name, parameter_columns, usual_outputs};
use super::grid::{self, Points};
use crate::learner::{Interpolant, Learner};
use crate::model::Parameters;
use std::collections::HashSet;
use std::io;

/// One learner of a study, and which one it is.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Its place in the study.
    pub index: usize,
    /// Its parameter values.
    pub parameters: &'a Parameters,
    /// The learner.
    pub learner: &'a dyn Learner,
    /// On which triangles its interpolant is linear.
    pub triangles: Triangles,
}

/// Which triangles an interpolant of two coordinates is linear on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Triangles {
    /// The learner's own: Delaunay's.
    #[default]
    Delaunay,
    /// Those of [`Interpolant::data_dependent`].
    DataDependent,
}

impl Part<'_> {
    /// The interpolant, where the learner can interpolate by now.
    #[must_use]
    pub fn interpolant(&self) -> Option<Interpolant> {
        let interpolant = self.learner.interpolant()?;
        Some(match self.triangles {
            Triangles::Delaunay => interpolant,
            Triangles::DataDependent => interpolant.data_dependent(),
        })
    }

    /// The interpolant at all these points, as by [`grid::interpolate`].
    fn at(&self, points: &Points) -> Option<Vec<f64>> {
        match self.triangles {
            Triangles::DataDependent if points.dim() == 2 => {
                grid::interpolate_surface(&self.interpolant()?, points)
            }
            _ => grid::interpolate(self.learner, points),
        }
    }
}

/// Why there is nothing to show.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SheetError {
    /// No learner knows enough to interpolate.
    #[error("too few points are known to interpolate between them")]
    TooFew,
    /// Learners whose values have different numbers of components can't stand in one table.
    #[error("the values of learner {index} have {got} components, but those of others {expected}")]
    Widths {
        /// Which learner.
        index: usize,
        /// Its components.
        got: usize,
        /// Those of the first one.
        expected: usize,
    },
}

/// The interpolants of some learners at the same points: one row for each learner and point.
///
/// The columns are `learner`, the parameters, the coordinates, and the components of the value; a name that is
/// there already gets a suffix. Where nothing is known, outside of the told points, components are absent.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Name and text of the study, where they are to be written.
    pub study: Option<(String, String)>,
    /// Names of the coordinates.
    pub coordinates: Vec<String>,
    /// Names of the components.
    pub outputs: Vec<String>,
    /// The learners: their places in the study, and their parameter values.
    pub learners: Vec<(usize, Parameters)>,
    /// Where.
    pub points: Points,
    /// For each learner, the components at each point, row after row; NaN where unknown.
    pub values: Vec<Vec<f64>>,
}

impl Sheet {
    /// Interpolates. `names` are those of the components, if they are known; others are called `value`, or `value_0`,
    /// `value_1`, …. A learner that knows too little gives NaN.
    pub fn new(
        parts: &[Part<'_>],
        coordinates: &[String],
        names: &[String],
        points: Points,
    ) -> Result<Self, SheetError> {
        let rows = points.len();
        let values: Vec<Option<Vec<f64>>> = parts.iter().map(|part| part.at(&points)).collect();
        let width = |values: &Vec<f64>| values.len() / rows.max(1);
        let first = values.iter().flatten().map(width).next().ok_or(SheetError::TooFew)?;
        for (part, values) in parts.iter().zip(&values) {
            if let Some(got) = values.as_ref().map(width).filter(|got| *got != first) {
                return Err(SheetError::Widths { index: part.index, got, expected: first });
            }
        }
        let parameters = parameter_names(parts.iter().map(|part| part.parameters));
        let own = FIXED.map(str::to_owned);
        let mut taken: HashSet<String> =
            parameter_columns(&parameters, &FIXED).into_iter().chain(own).collect();
        let coordinates: Vec<String> = coordinates.iter().map(|name| free_name(name, &mut taken)).collect();
        Ok(Self {
            study: None,
            coordinates,
            outputs: component_names(first, names, taken.into_iter()),
            learners: parts.iter().map(|part| (part.index, part.parameters.clone())).collect(),
            points,
            values: values.into_iter().map(|v| v.unwrap_or_else(|| vec![f64::NAN; rows * first])).collect(),
        })
    }

    /// Names of the parameters, in the order in which they first occur.
    #[must_use]
    pub fn parameters(&self) -> Vec<&str> {
        parameter_names(self.learners.iter().map(|(_, parameters)| parameters))
    }

    /// What they are called in the table.
    #[must_use]
    pub fn parameter_columns(&self) -> Vec<String> {
        parameter_columns(&self.parameters(), &FIXED)
    }
}

/// Names that nothing else can have: in an HDF5 file, `point` is a dimension.
const FIXED: [&str; 2] = ["learner", "point"];

/// Names of all parameters, in the order in which they first occur.
pub(super) fn parameter_names<'a>(all: impl Iterator<Item = &'a Parameters>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in all.flat_map(|parameters| &parameters.0) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Names for the components of values: the given ones if they are as many, else the usual ones; different from all taken
/// ones.
pub(super) fn component_names(
    width: usize,
    names: &[String],
    taken: impl Iterator<Item = String>,
) -> Vec<String> {
    let mut taken: HashSet<String> = taken.chain(FIXED.map(str::to_owned)).collect();
    let names = if names.len() == width { names.to_vec() } else { usual_outputs(width) };
    names.iter().map(|name| free_name(name, &mut taken)).collect()
}

impl Rows for Sheet {
    fn study(&self) -> Option<(&str, &str)> {
        self.study.as_ref().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    fn columns(&self) -> Vec<String> {
        let names = self.coordinates.iter().chain(&self.outputs).cloned();
        std::iter::once(FIXED[0].to_owned()).chain(self.parameter_columns()).chain(names).collect()
    }

    fn for_each(&self, row: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>) -> io::Result<()> {
        let names = self.parameters();
        let known = |x: &f64| if x.is_nan() { Cell::Absent } else { Cell::Number(*x) };
        let mut at = Vec::new();
        let mut cells = Vec::new();
        for ((index, parameters), values) in self.learners.iter().zip(&self.values) {
            cells.clear();
            cells.push(Cell::Count(*index as u64));
            cells.extend(names.iter().map(|name| parameters.get(name).map_or(Cell::Absent, Cell::from)));
            let fixed = cells.len();
            for (i, components) in values.chunks_exact(self.outputs.len()).enumerate() {
                at.clear();
                self.points.push(i, &mut at);
                cells.truncate(fixed);
                cells.extend(at.iter().map(|x| Cell::Number(*x)));
                cells.extend(components.iter().map(known));
                row(&cells)?;
            }
        }
        Ok(())
    }
}
