//! Finds the simplices that hold a point.

use super::{NEAR, NONE, SimplexId, Triangulation};

/// Steps in floats before the walk goes on with exact signs.
const FLOAT_STEPS: usize = 1000;

/// Weights above this are inside for a walk in floats, so that rounding doesn't send it to and fro.
const ROUNDING: f64 = -1e-12;

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The simplex holds the point.
    Inside(SimplexId),
    /// The point lies beyond this hull face.
    Outside(SimplexId, usize),
}

impl<const D: usize> Triangulation<D> {
    /// A simplex that holds the point (within 1e-8 in barycentric coordinates), or `None` if it lies outside of the hull.
    ///
    /// With a hint the walk starts there; without one from the better of the simplex that was added last and a
    /// sample of n^(1/(D+1)) vertices: O(n^(1/(D+1))) for points that are spread evenly.
    #[must_use]
    pub fn locate(&self, point: &[f64; D], hint: Option<SimplexId>) -> Option<SimplexId> {
        if !point.iter().all(|x| x.is_finite()) {
            return None;
        }
        match self.walk(point, self.start(point, hint)) {
            Place::Inside(simplex) => Some(simplex),
            Place::Outside(..) => None,
        }
    }

    /// As [`locate`](Self::locate), from where the last search ended, which `near` remembers: O(1) for points that follow
    /// each other closely, also beyond the hull.
    #[must_use]
    pub fn locate_near(&self, point: &[f64; D], near: &mut Option<SimplexId>) -> Option<SimplexId> {
        if !point.iter().all(|x| x.is_finite()) {
            return None;
        }
        match self.walk(point, self.start(point, *near)) {
            Place::Inside(simplex) => {
                *near = Some(simplex);
                Some(simplex)
            }
            Place::Outside(simplex, _) => {
                *near = Some(simplex);
                None
            }
        }
    }

    /// All simplices whose closure holds the point, within 1e-8 in barycentric coordinates, appended to `out`: more than
    /// one if it lies on a face. `simplex` is one that does (as [`locate`](Self::locate) finds it).
    pub fn containing(&self, point: &[f64; D], simplex: SimplexId, out: &mut Vec<SimplexId>) {
        let start = out.len();
        if !self.holds(simplex, point) {
            return;
        }
        out.push(simplex);
        let mut next = start;
        while next < out.len() {
            let simplex = out[next];
            next += 1;
            let (first, others) = self.weights(simplex, point);
            for k in 0..=D {
                let weight = if k == 0 { first } else { others[k - 1] };
                let other = self.neighbours(simplex)[k];
                if weight <= NEAR
                    && other != NONE
                    && !out[start..].contains(&other)
                    && self.holds(other, point)
                {
                    out.push(other);
                }
            }
        }
    }

    /// Whether a simplex holds the point within 1e-8.
    pub(super) fn holds(&self, simplex: SimplexId, point: &[f64; D]) -> bool {
        let (first, others) = self.weights(simplex, point);
        first >= -NEAR && others.iter().all(|weight| *weight >= -NEAR)
    }

    /// Where a walk to the point starts.
    pub(super) fn start(&self, point: &[f64; D], hint: Option<SimplexId>) -> SimplexId {
        if let Some(hint) = hint.filter(|hint| self.is_alive(*hint)) {
            return hint;
        }
        let n = self.points.len();
        if n < 64 {
            return self.last;
        }
        let distance = |vertex: usize| -> f64 {
            self.points[vertex].iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        let samples = (n as f64).powf(1.0 / (D + 1) as f64) as usize;
        let mut best = (self.last, distance(self.vertices(self.last)[0] as usize));
        for sample in 0..samples {
            let vertex = sample * n / samples;
            let d = distance(vertex);
            if d < best.1 && self.incident[vertex] != NONE {
                best = (self.incident[vertex], d);
            }
        }
        best.0
    }

    /// Walks in floats to a simplex that holds the point within 1e-8, always through the face that the point lies
    /// farthest beyond; through the hull only if there is no other way.
    pub(super) fn walk(&self, point: &[f64; D], start: SimplexId) -> Place {
        let mut simplex = start;
        for _ in 0..FLOAT_STEPS {
            let (first, others) = self.weights(simplex, point);
            let neighbours = self.neighbours(simplex);
            let (mut onward, mut exit) = ((ROUNDING, NONE), (ROUNDING, D + 1));
            let mut sound = true;
            for (k, &other) in neighbours.iter().enumerate() {
                let weight = if k == 0 { first } else { others[k - 1] };
                sound &= weight.is_finite();
                if other == NONE {
                    if weight < exit.0 {
                        exit = (weight, k);
                    }
                } else if weight < onward.0 {
                    onward = (weight, other);
                }
            }
            if !sound {
                break;
            }
            if onward.1 != NONE {
                simplex = onward.1;
            } else if exit.0 < -NEAR {
                return Place::Outside(simplex, exit.1);
            } else {
                return Place::Inside(simplex);
            }
        }
        self.exact_walk(point, simplex)
    }

    /// The same with exact signs. In a Delaunay triangulation such a walk comes to an end; should slack and rounding
    /// have left one where it doesn't, all simplices are tried.
    pub(super) fn exact_walk(&self, point: &[f64; D], start: SimplexId) -> Place {
        let (mut simplex, mut turn) = (start, 0);
        for _ in 0..2 * self.len + 64 {
            let mut exit = None;
            turn += 1;
            let onward = (0..=D).map(|i| (i + turn) % (D + 1)).find_map(|k| {
                let other = self.neighbours(simplex)[k];
                if other == NONE && exit.is_some() || self.side(simplex, k, point) >= 0 {
                    return None;
                }
                if other == NONE {
                    exit = Some(k);
                }
                (other != NONE).then_some(other)
            });
            match (onward, exit) {
                (Some(other), _) => simplex = other,
                (None, Some(k)) => return Place::Outside(simplex, k),
                (None, None) => return Place::Inside(simplex),
            }
        }
        let beyond = |simplex, k| self.side(simplex, k, point) < 0;
        if let Some(simplex) = self.simplices().find(|simplex| !(0..=D).any(|k| beyond(*simplex, k))) {
            return Place::Inside(simplex);
        }
        match self.hull_faces().find(|(simplex, k)| beyond(*simplex, *k)) {
            Some((simplex, k)) => Place::Outside(simplex, k),
            None => Place::Inside(simplex),
        }
    }
}
