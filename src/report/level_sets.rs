use super::export::{Cell, Rows};
use super::sheet::{Part, component_names, parameter_names};
use crate::geometry::level::{self, LevelLine, LevelSurface};
use crate::model::Parameters;
use std::io;

/// Why there are no level sets.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LevelSetError {
    /// No learner knows enough to interpolate.
    #[error("too few points are known to interpolate between them")]
    TooFew,
    /// Levels are lines in two dimensions and surfaces in three.
    #[error("isolines are for functions of two or three coordinates, but there {}", if *.dim == 1 { "is 1".into() } else { format!("are {}", dim) })]
    Dimension {
        /// How many coordinates there are.
        dim: usize,
    },
    /// The function has no such output.
    #[error("there is no output `{name}`; known: {}", known.join(", "))]
    Unknown {
        /// The name as given.
        name: String,
        /// All outputs.
        known: Vec<String>,
    },
}

/// Where the interpolants of some learners have given values: lines in two dimensions, surfaces in three.
///
/// Of lines, a row is a point: its line, its coordinates, and whether the line is closed (then its first point comes
/// again at the end, so that plots are closed too). Of surfaces, a row is the corner of a triangle, three in a row.
#[derive(Clone, Debug)]
pub struct LevelSets {
    /// Name and text of the study, where they are to be written.
    pub study: Option<(String, String)>,
    /// Names of the coordinates.
    pub coordinates: Vec<String>,
    /// The learners: their places in the study, and their parameter values.
    pub learners: Vec<(usize, Parameters)>,
    /// For each learner (a place in `learners`) and each level: what was found.
    pub found: Vec<(usize, f64, LevelSet)>,
}

/// The points where a function has one value.
#[derive(Clone, Debug, PartialEq)]
pub enum LevelSet {
    /// In two dimensions.
    Lines(Vec<LevelLine>),
    /// In three dimensions.
    Surface(LevelSurface),
}

impl LevelSets {
    /// Finds them on the learners' own simplices. `names` are those of the components, if they are known; `output` is
    /// the name of the component, the first one if nothing is said. O(N) for each learner and level.
    pub fn new(
        parts: &[Part<'_>],
        coordinates: &[String],
        names: &[String],
        output: Option<&str>,
        levels: &[f64],
    ) -> Result<Self, LevelSetError> {
        let dim = coordinates.len();
        if !(2..=3).contains(&dim) {
            return Err(LevelSetError::Dimension { dim });
        }
        let mut sets = Self {
            study: None,
            coordinates: coordinates.to_vec(),
            learners: parts.iter().map(|part| (part.index, part.parameters.clone())).collect(),
            found: Vec::new(),
        };
        let mut known = false;
        for (place, part) in parts.iter().enumerate() {
            let Some(interpolant) = part.learner.interpolant() else { continue };
            known = true;
            let outputs = component_names(interpolant.width, names, std::iter::empty());
            let component = match output {
                None => 0,
                Some(name) => outputs.iter().position(|known| known == name).ok_or_else(|| {
                    LevelSetError::Unknown { name: name.to_owned(), known: outputs.clone() }
                })?,
            };
            let values: Vec<f64> = interpolant.component(component).collect();
            for &level in levels {
                let set = match (interpolant.rows(), interpolant.rows()) {
                    (Some(points), _) => {
                        let triangles = interpolant.cells().unwrap_or_default();
                        LevelSet::Lines(level::lines(points, &values, triangles, level))
                    }
                    (_, Some(points)) => {
                        let tetrahedra = interpolant.cells().unwrap_or_default();
                        LevelSet::Surface(level::surface(points, &values, tetrahedra, level))
                    }
                    (None, None) => return Err(LevelSetError::Dimension { dim: interpolant.dim }),
                };
                sets.found.push((place, level, set));
            }
        }
        if known { Ok(sets) } else { Err(LevelSetError::TooFew) }
    }

    fn is_plane(&self) -> bool {
        self.coordinates.len() == 2
    }

    fn parameters(&self) -> Vec<&str> {
        parameter_names(self.learners.iter().map(|(_, parameters)| parameters))
    }
}

impl Rows for LevelSets {
    fn study(&self) -> Option<(&str, &str)> {
        self.study.as_ref().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    fn columns(&self) -> Vec<&str> {
        let (own, last) =
            if self.is_plane() { (["level", "line"], Some("closed")) } else { (["level", "triangle"], None) };
        let coordinates = self.coordinates.iter().map(String::as_str);
        std::iter::once("learner")
            .chain(self.parameters())
            .chain(own)
            .chain(coordinates)
            .chain(last)
            .collect()
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
                cells.extend(point.iter().map(|x| Cell::Number(*x)));
                cells.extend(closed.map(Cell::Bool));
                row(&cells)
            };
            match set {
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
