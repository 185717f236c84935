use super::export::{Cell, Rows, free_name, parameter_columns};
use super::sheet::{Part, component_names, parameter_names};
use crate::geometry::level::{self, LevelLine, LevelSurface};
use crate::learner::Interpolant;
use crate::model::Parameters;
use std::collections::HashSet;
use std::io;

/// Why there are no level sets.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LevelSetError {
    /// No learner knows enough to interpolate.
    #[error("too few points are known to interpolate between them")]
    TooFew,
    /// Levels are points in one dimension, lines in two and surfaces in three.
    #[error("isolines are for one to three coordinates that vary, but there are {dim}")]
    Dimension {
        /// How many coordinates vary.
        dim: usize,
    },
    /// The learners learn no such output.
    #[error("there is no learned output `{name}`; known: {}", known.join(", "))]
    Unknown {
        /// The name as given.
        name: String,
        /// All outputs.
        known: Vec<String>,
    },
}

/// Where the interpolants of some learners, or slices of them, have given values: points where one coordinate varies, lines
/// where two do, surfaces where three do.
///
/// Of points, a row is a point. Of lines, a row is a point: its line, its coordinates, and whether the line is closed (then its first point comes
/// again at the end, so that plots are closed too). Of surfaces, a row is the corner of a triangle, three in a row.
#[derive(Clone, Debug)]
pub struct LevelSets {
    /// Name and text of the study, where they are to be written.
    pub study: Option<(String, String)>,
    /// Names of the coordinates.
    pub coordinates: Vec<String>,
    /// The coordinates that are fixed, and where; ascending.
    pub fixed: Vec<(usize, f64)>,
    /// The learners: their places in the study, and their parameter values.
    pub learners: Vec<(usize, Parameters)>,
    /// For each learner (a place in `learners`) and each level: what was found.
    pub found: Vec<(usize, f64, LevelSet)>,
}

/// The points where a function has one value.
#[derive(Clone, Debug, PartialEq)]
pub enum LevelSet {
    /// Where one coordinate varies.
    Points(Vec<f64>),
    /// Where two do.
    Lines(Vec<LevelLine>),
    /// Where three do.
    Surface(LevelSurface),
}

impl LevelSets {
    /// Finds them on the simplices of the interpolants, cut where coordinates are `fixed`. `names` are those of the
    /// components, if they are known; `output` is the name of the component, the first one if nothing is said. O(N) for
    /// each learner and level.
    pub fn new(
        parts: &[Part<'_>],
        coordinates: &[String],
        fixed: &[(usize, f64)],
        names: &[String],
        output: Option<&str>,
        levels: &[f64],
    ) -> Result<Self, LevelSetError> {
        let mut fixed = fixed.to_vec();
        fixed.sort_by_key(|(axis, _)| *axis);
        let dim = coordinates.len() - fixed.len();
        if !(1..=3).contains(&dim) {
            return Err(LevelSetError::Dimension { dim });
        }
        let mut sets = Self {
            study: None,
            coordinates: coordinates.to_vec(),
            fixed,
            learners: parts.iter().map(|part| (part.index, part.parameters.clone())).collect(),
            found: Vec::new(),
        };
        let mut known = false;
        for (place, part) in parts.iter().enumerate() {
            let Some(interpolant) = part.interpolant() else { continue };
            known = true;
            let outputs = component_names(interpolant.width, names, std::iter::empty());
            let component = match output {
                None => 0,
                Some(name) => outputs.iter().position(|known| known == name).ok_or_else(|| {
                    LevelSetError::Unknown { name: name.to_owned(), known: outputs.clone() }
                })?,
            };
            // From the last axis on, so that places before it stay.
            let slice =
                sets.fixed.iter().rev().fold(interpolant, |whole, (axis, at)| whole.slice(*axis, *at));
            let values: Vec<f64> = slice.component(component).collect();
            for &level in levels {
                let set = find(&slice, &values, level).ok_or(LevelSetError::Dimension { dim: slice.dim })?;
                sets.found.push((place, level, set));
            }
        }
        if known { Ok(sets) } else { Err(LevelSetError::TooFew) }
    }

    /// How many coordinates vary.
    fn dim(&self) -> usize {
        self.coordinates.len() - self.fixed.len()
    }

    /// All coordinates of a point, from those that vary.
    fn whole<'a>(&'a self, free: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let mut free = free.iter().copied();
        let at = |axis: usize| self.fixed.iter().find(|fixed| fixed.0 == axis).map(|fixed| fixed.1);
        (0..self.coordinates.len()).filter_map(move |axis| at(axis).or_else(|| free.next()))
    }

    fn parameters(&self) -> Vec<&str> {
        parameter_names(self.learners.iter().map(|(_, parameters)| parameters))
    }
}

/// The level set of an interpolant of one to three coordinates, one value for each of its points.
fn find(interpolant: &Interpolant, values: &[f64], level: f64) -> Option<LevelSet> {
    if let (Some(points), Some(intervals)) = (interpolant.rows(), interpolant.cells()) {
        return Some(LevelSet::Points(level::crossings(points, values, intervals, level)));
    }
    if let (Some(points), Some(triangles)) = (interpolant.rows(), interpolant.cells()) {
        return Some(LevelSet::Lines(level::lines(points, values, triangles, level)));
    }
    let (points, tetrahedra) = (interpolant.rows()?, interpolant.cells()?);
    Some(LevelSet::Surface(level::surface(points, values, tetrahedra, level)))
}

impl Rows for LevelSets {
    fn study(&self) -> Option<(&str, &str)> {
        self.study.as_ref().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    fn columns(&self) -> Vec<String> {
        let (own, last): (&[&str], &[&str]) = match self.dim() {
            1 => (&["learner", "level", "point"], &[]),
            2 => (&["learner", "level", "line"], &["closed"]),
            _ => (&["learner", "level", "triangle"], &[]),
        };
        let all = [own, last].concat();
        let parameters = parameter_columns(&self.parameters(), &all);
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut taken: HashSet<String> = text(&all).into_iter().chain(parameters.clone()).collect();
        let coordinates = self.coordinates.iter().map(|name| free_name(name, &mut taken)).collect();
        [text(&own[..1]), parameters, text(&own[1..]), coordinates, text(last)].concat()
    }

    fn for_each(&self, row: &mut dyn FnMut(&[Cell<'_>]) -> io::Result<()>) -> io::Result<()> {
        let names = self.parameters();
        let mut cells = Vec::new();
        for (place, level, set) in &self.found {
            let (index, parameters) = &self.learners[*place];
            cells.clear();
            cells.push(Cell::Count(*index as u64));
            cells.extend(names.iter().map(|name| parameters.get(name).map_or(Cell::Absent, Cell::from)));
            cells.push(Cell::Number(*level));
            let fixed = cells.len();
            let mut write = |piece: usize, point: &[f64], closed: Option<bool>| {
                cells.truncate(fixed);
                cells.push(Cell::Count(piece as u64));
                cells.extend(self.whole(point).map(Cell::Number));
                cells.extend(closed.map(Cell::Bool));
                row(&cells)
            };
            match set {
                LevelSet::Points(points) => {
                    for (i, x) in points.iter().enumerate() {
                        write(i, &[*x], None)?;
                    }
                }
                LevelSet::Lines(lines) => {
                    for (i, line) in lines.iter().enumerate() {
                        let again = line.points.first().filter(|_| line.closed);
                        for point in line.points.iter().chain(again) {
                            write(i, point, Some(line.closed))?;
                        }
                    }
                }
                LevelSet::Surface(surface) => {
                    for (i, triangle) in surface.triangles.iter().enumerate() {
                        for corner in triangle {
                            write(i, &surface.points[*corner as usize], None)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
