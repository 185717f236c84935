//! The pending points inside of one simplex of told points.

use super::super::heap::{IndexedHeap, ordered_bits};
use super::rank::{Rank, Rounding};
use crate::geometry::{SimplexId, Triangulation, simplex};
use smallvec::SmallVec;

/// A point that is being evaluated.
#[derive(Clone, Debug)]
pub(super) struct Pending<const D: usize> {
    pub(super) user: [f64; D],
    pub(super) scaled: [f64; D],
    /// Position in the order in which points became pending.
    pub(super) order: u64,
}

/// The pending points inside of one simplex. They divide it into parts, among which its loss is shared out by volume.
#[derive(Clone, Default)]
pub(super) enum Inside<const D: usize> {
    /// None.
    #[default]
    Empty,
    /// One, and the volume of the largest of the D + 1 parts: enough while no part is split again, which is all that a
    /// run of single asks needs.
    One {
        point: Pending<D>,
        largest: f64,
        /// As in [`Parts`].
        density: f64,
    },
    /// Some, and the parts.
    Many(Box<Parts<D>>),
}

/// How simplices are divided by their pending points.
#[derive(Clone, Copy)]
pub(super) struct Division<const D: usize> {
    /// How parts are compared.
    pub(super) rounding: Rounding,
    /// By axis, what scaled coordinates are multiplied by. Upstream triangulates the parts of a simplex in the user's
    /// coordinates, though simplices themselves in scaled ones.
    pub(super) aspect: [f64; D],
    /// How exact coordinates are ([`Triangulation::new_rounded`]).
    pub(super) magnitude: f64,
}

impl<const D: usize> Division<D> {
    fn place(&self, scaled: &[f64; D]) -> [f64; D] {
        std::array::from_fn(|axis| scaled[axis] * self.aspect[axis])
    }
}

/// The parts of a simplex, as a triangulation of its corners (vertices 0 to D) and the pending points in it.
#[derive(Clone)]
pub(super) struct Parts<const D: usize> {
    division: Division<D>,
    /// In coordinates of the division.
    triangulation: Triangulation<D>,
    /// Volume in scaled coordinates by volume in these.
    unit: f64,
    /// Vertices.
    scaled: Vec<[f64; D]>,
    /// The same in user coordinates.
    user: Vec<[f64; D]>,
    points: Vec<Pending<D>>,
    /// By part: the greatest loss per volume that the simplex has had since the part was made.
    densities: Vec<f64>,
    /// Parts that can still be split, most urgent on top.
    queue: IndexedHeap<Rank<D>>,
    volumes: IndexedHeap<u64>,
}

impl<const D: usize> Inside<D> {
    /// All pending points.
    pub(super) fn points(&self) -> &[Pending<D>] {
        match self {
            Self::Empty => &[],
            Self::One { point, .. } => std::slice::from_ref(point),
            Self::Many(parts) => &parts.points,
        }
    }

    /// Adds a point to a simplex with these corners (scaled and in user coordinates) and this loss per volume.
    pub(super) fn add(
        &mut self,
        point: &Pending<D>,
        corners: &Corners<D>,
        density: f64,
        division: Division<D>,
    ) {
        match self {
            Self::Empty => {
                let largest = largest_part(&corners.scaled, &point.scaled);
                *self = Self::One { point: point.clone(), largest, density };
            }
            Self::One { .. } | Self::Many(_) => {
                if let Some(parts) = self.parts(corners, division) {
                    parts.add(point, density);
                }
            }
        }
    }

    /// The parts, made now if they were not needed so far; `None` without points.
    pub(super) fn parts(&mut self, corners: &Corners<D>, division: Division<D>) -> Option<&mut Parts<D>> {
        if let Self::One { point, density, .. } = self {
            let mut parts = Parts::new(corners, *density, division)?;
            parts.add(point, *density);
            *self = Self::Many(Box::new(parts));
        }
        match self {
            Self::Many(parts) => Some(parts),
            _ => None,
        }
    }

    /// Volume of the largest part.
    pub(super) fn largest(&self, whole: f64) -> f64 {
        match self {
            Self::Empty => whole,
            Self::One { largest, .. } => *largest,
            Self::Many(parts) => parts.volumes.top().map_or(0.0, |(bits, _)| f64::from_bits(bits ^ 1 << 63)),
        }
    }

    /// Takes note of a new loss per volume. Parts keep the greatest they have had, as simplices do, unless all losses
    /// are computed anew.
    pub(super) fn set_density(&mut self, new: f64, anew: bool) {
        let update = |old: f64| if anew { new } else { old.max(new) };
        match self {
            Self::Empty => {}
            Self::One { density, .. } => *density = update(*density),
            Self::Many(parts) => {
                parts.densities.iter_mut().for_each(|density| *density = update(*density));
                parts.requeue();
            }
        }
    }
}

/// Corners of a simplex.
pub(super) struct Corners<const D: usize> {
    pub(super) scaled: SmallVec<[[f64; D]; 6]>,
    pub(super) user: SmallVec<[[f64; D]; 6]>,
}

/// The largest volume that is left when a point takes the place of one corner.
fn largest_part<const D: usize>(corners: &[[f64; D]], point: &[f64; D]) -> f64 {
    let mut part: SmallVec<[[f64; D]; 6]> = SmallVec::from_slice(corners);
    let mut largest = 0.0f64;
    for k in 0..=D {
        let corner = std::mem::replace(&mut part[k], *point);
        largest = largest.max(simplex::volume(part.as_flattened(), D));
        part[k] = corner;
    }
    largest
}

impl<const D: usize> Parts<D> {
    /// A single part: the whole simplex.
    fn new(corners: &Corners<D>, density: f64, division: Division<D>) -> Option<Self> {
        let all: SmallVec<[u32; 8]> = (0..=D as u32).collect();
        let places: SmallVec<[[f64; D]; 6]> = corners.scaled.iter().map(|at| division.place(at)).collect();
        let mut parts = Self {
            division,
            triangulation: Triangulation::from_simplices(&places, &[&all]).ok()?.rounded(division.magnitude),
            unit: 1.0 / division.aspect.iter().product::<f64>(),
            scaled: corners.scaled.to_vec(),
            user: corners.user.to_vec(),
            points: Vec::new(),
            densities: Vec::new(),
            queue: IndexedHeap::default(),
            volumes: IndexedHeap::default(),
        };
        let first = parts.triangulation.simplices().next()?;
        parts.enter(first, density);
        Some(parts)
    }

    fn volume(&self, id: SimplexId) -> f64 {
        self.triangulation.volume(id) * self.unit
    }

    fn enter(&mut self, id: SimplexId, density: f64) {
        let volume = self.volume(id);
        if self.densities.len() <= id as usize {
            self.densities.resize(id as usize + 1, 0.0);
        }
        self.densities[id as usize] = density;
        let rank = self.division.rounding.rank(volume * density, volume, self.triangulation.vertices(id));
        self.queue.set(id, rank);
        self.volumes.set(id, ordered_bits(volume));
    }

    fn add(&mut self, point: &Pending<D>, density: f64) {
        self.points.push(point.clone());
        // A point so close to another that no part fits between them splits nothing.
        if self.triangulation.insert(self.division.place(&point.scaled), None).is_err() {
            return;
        }
        self.scaled.push(point.scaled);
        self.user.push(point.user);
        let removed: SmallVec<[SimplexId; 16]> = self.triangulation.removed().map(|(id, _)| id).collect();
        for id in removed {
            if !self.triangulation.is_alive(id) {
                self.queue.remove(id);
                self.volumes.remove(id);
            }
        }
        for at in 0..self.triangulation.added().len() {
            self.enter(self.triangulation.added()[at], density);
        }
    }

    /// The most urgent part that can still be split: its number, its share of the loss, its corners.
    pub(super) fn top(&self) -> Option<(SimplexId, f64, Corners<D>)> {
        let (_, id) = self.queue.top()?;
        let vertices = self.triangulation.vertices(id);
        let corners = Corners {
            scaled: vertices.iter().map(|v| self.scaled[*v as usize]).collect(),
            user: vertices.iter().map(|v| self.user[*v as usize]).collect(),
        };
        Some((id, self.share(id), corners))
    }

    /// The loss of the most urgent part, and its volume.
    pub(super) fn top_share(&self) -> Option<(f64, f64)> {
        self.queue.top().map(|(_, id)| (self.share(id), self.volume(id)))
    }

    fn share(&self, id: SimplexId) -> f64 {
        self.volume(id) * self.densities[id as usize]
    }

    /// Does not split a part again.
    pub(super) fn give_up(&mut self, id: SimplexId) {
        self.queue.remove(id);
    }

    fn requeue(&mut self) {
        let Self { triangulation, densities, division, unit, .. } = self;
        let rank = |id: SimplexId| {
            let volume = triangulation.volume(id) * *unit;
            let share = volume * densities[id as usize];
            (division.rounding.rank(share, volume, triangulation.vertices(id)), id)
        };
        self.queue.rebuild(triangulation.simplices().map(rank));
    }
}
