//! How points become pending and told.

use super::expected::Expected;
use super::field::Field;
use super::plan::Hint;
use super::{Known, Learner2D, key};
use crate::geometry::{SimplexId, VertexId};

impl Learner2D {
    /// The field of told and pending points, made anew.
    pub(super) fn expect(&self) -> Option<Expected> {
        let made = match &self.told {
            Some(told) => Ok(Expected::of(told)),
            None => Expected::of_corners(&self.domain, &self.loss, self.dim),
        };
        // A rectangle can always be triangulated; should it fail, nothing is suggested.
        let mut expected = made.ok()?;
        let pending = self.known.iter().filter_map(|(key, known)| match known {
            Known::Pending { order, inside: true, .. } => {
                Some((*order, [f64::from_bits(key.0), f64::from_bits(key.1)]))
            }
            _ => None,
        });
        let mut pending: Vec<_> = pending.collect();
        pending.sort_unstable_by_key(|(order, _)| *order);
        for (at, point) in self.early.0.iter().enumerate() {
            let row = &self.early.1[at * self.dim..(at + 1) * self.dim];
            self.tell_early(&mut expected, *point, row);
        }
        for (_, point) in pending {
            expected.insert_pending(&self.domain, self.told.as_ref(), point, Hint::default());
        }
        expected.field.settle();
        Some(expected)
    }

    /// A value that is told while corners are missing. Upstream uses it, with 0 for all that is not known; losses of our own take
    /// such a place for one where nothing is known, as a corner of value 0 may be a cliff that is none.
    fn tell_early(&self, expected: &mut Expected, point: [f64; 2], row: &[f64]) {
        let row = (!self.loss.uses_every_value()).then_some(row);
        expected.tell_early(&self.domain, point, row, self.range.widest_with_zero());
    }

    pub(super) fn make_pending(&mut self, point: [f64; 2], hint: Hint) {
        let inside = self.domain.holds(point);
        let mut home = hint.told;
        if inside {
            self.npending_inside += 1;
            if let Some(expected) = &mut self.expected {
                home = expected.insert_pending(&self.domain, self.told.as_ref(), point, hint);
            }
            if let Some(watched) = self.watched.get_mut() {
                let hint = Hint { told: home, expected: None };
                watched.insert_pending(&self.domain, self.told.as_ref(), point, hint);
                watched.field.settle();
            }
        }
        let pending = Known::Pending { order: self.counter, hint: home, inside, given_up: false };
        self.known.insert(key(point), pending);
        self.counter += 1;
        self.npending += 1;
    }

    /// A point of the domain and its value; NaN for a point that is given up. Returns its vertex, if it has one by now.
    pub(super) fn tell_inside(
        &mut self,
        point: [f64; 2],
        y: &[f64],
        hint: Option<SimplexId>,
    ) -> Option<VertexId> {
        self.range.put(y);
        let Some(told) = &mut self.told else {
            self.early.0.push(point);
            self.early.1.extend_from_slice(y);
            if let Some(mut expected) = self.expected.take() {
                self.tell_early(&mut expected, point, y);
                self.expected = Some(expected);
            }
            self.start_with_corners();
            return None;
        };
        let placed = told.insert(&self.domain, point, y, hint).ok();
        told.set_range(self.range.widest());
        told.settle();
        for expected in self.expected.iter_mut().chain(self.watched.get_mut()) {
            expected.tell(&self.domain, told, point, y, placed.is_some());
            expected.field.set_range(self.range.widest());
        }
        if let Some(watched) = self.watched.get_mut() {
            watched.field.settle();
        }
        placed
    }

    /// A pending point of the domain stands as told NaN from now on.
    pub(super) fn give_up_inside(&mut self, point: [f64; 2], hint: Option<SimplexId>) {
        self.npending_inside -= 1;
        let vertex = self.tell_inside(point, &vec![f64::NAN; self.dim], hint);
        self.given_up.extend(vertex);
        self.known.insert(key(point), Known::GivenUp(vertex));
    }

    /// A value for a point that was given up.
    pub(super) fn tell_given_up(&mut self, vertex: Option<VertexId>, y: &[f64]) {
        self.range.put(y);
        let (Some(told), Some(vertex)) = (&mut self.told, vertex) else { return };
        self.given_up.remove(&vertex);
        told.set_value(vertex, y);
        told.set_range(self.range.widest());
        told.settle();
        // A rare event: made anew when needed.
        (self.expected, *self.watched.get_mut()) = (None, None);
    }

    /// Triangulates what is known by now, if all corners are told or given up: those stand as told NaN, like any other point.
    pub(super) fn start_with_corners(&mut self) {
        let corners = self.domain.corners();
        let settled = |corner: &[f64; 2]| {
            let known = self.known.get(&key(*corner));
            matches!(known, Some(Known::Told | Known::Pending { given_up: true, .. }))
        };
        // Without any value, nobody knows how many components it has.
        if self.dim == 0 || !corners.iter().all(settled) {
            return;
        }
        for (vertex, corner) in corners.iter().enumerate() {
            // One that was given up may have a value after all.
            if matches!(self.known.get(&key(*corner)), Some(Known::Pending { .. })) {
                self.npending_inside -= 1;
                self.early.0.push(*corner);
                self.early.1.extend(std::iter::repeat_n(f64::NAN, self.dim));
                self.given_up.insert(vertex as VertexId);
                self.known.insert(key(*corner), Known::GivenUp(Some(vertex as VertexId)));
            }
        }
        (self.expected, *self.watched.get_mut()) = (None, None);
        self.start();
    }

    /// Triangulates the corners and what is known beside them.
    fn start(&mut self) {
        let (points, rows) = std::mem::take(&mut self.early);
        let row = |at: usize| &rows[at * self.dim..(at + 1) * self.dim];
        let corners = self.domain.corners();
        let of_corner = |corner: &[f64; 2]| points.iter().position(|point| point == corner);
        let corner_values: Vec<f64> = corners.iter().filter_map(of_corner).flat_map(row).copied().collect();
        let Ok(mut field) = Field::new(&self.domain, &self.loss, &corner_values, self.range.widest()) else {
            return;
        };
        for (at, point) in points.iter().enumerate().filter(|(_, point)| !corners.contains(point)) {
            // A point that can't be told apart from another one changes nothing.
            let _ = field.insert(&self.domain, *point, row(at), None);
        }
        field.settle();
        self.told = Some(field);
        for point in std::mem::take(&mut self.given_up_early) {
            if let Some(&Known::Pending { hint, .. }) = self.known.get(&key(point)) {
                self.give_up_inside(point, hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::{Learner, Suggestion};
    use crate::loss::triangle::default_triangle_loss;
    use crate::model::{Point, Sample};

    #[test]
    fn values_that_come_before_all_corners_do_not_make_all_that_is_known_anew() {
        let mut learner = Learner2D::new([(-1.0, 1.0); 2], default_triangle_loss()).unwrap();
        let tell = |learner: &mut Learner2D, point: &[f64]| {
            let value = (3.0 * point[0]).sin() * point[1];
            learner.tell(&Sample::at(Point::new(point)), &value.into()).unwrap();
        };
        let corner = learner.ask(4)[3].sample.point.clone();
        tell(&mut learner, &[0.25, 0.5]);
        learner.ask(1);
        for i in 0..50 {
            tell(&mut learner, &[f64::from(i) / 64.0, 0.3]);
            let asked: Vec<Suggestion> = learner.ask(2);
            tell(&mut learner, &asked[0].sample.point);
            let points = |expected: &Expected| {
                let mut points: Vec<_> = expected.field.points().iter().copied().map(key).collect();
                points.sort_unstable();
                points
            };
            let kept = learner.expected.as_ref().expect("to make it takes ever longer");
            assert_eq!(points(kept), points(&learner.expect().unwrap()));
        }
        // The other corners are still to come.
        for point in [&[-1.0, -1.0][..], &[-1.0, 1.0], &[1.0, -1.0], &corner] {
            assert!(learner.told.is_none());
            tell(&mut learner, point);
        }
        assert_eq!(learner.told.as_ref().unwrap().points().len(), 105);
    }
}
