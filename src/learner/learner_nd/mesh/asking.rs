//! Which point of the mesh is asked next, for good or on trial.

use super::super::super::cut::cut;
use super::super::choose::choose;
use super::super::inside::Inside;
use super::super::stretch::Stretch;
use super::super::told::Told;
use super::Mesh;
use super::cell::Cell;
use crate::geometry::SimplexId;
use rustc_hash::FxHashMap;

/// A point to ask.
pub(in super::super) struct Split<const D: usize> {
    /// In user coordinates.
    pub(in super::super) point: [f64; D],
    pub(in super::super) improvement: f64,
    /// The simplex that it splits.
    pub(in super::super) cell: SimplexId,
}

/// What a trial has changed, to be undone.
#[derive(Clone)]
pub(super) struct Trial<const D: usize> {
    pub(super) cells: FxHashMap<SimplexId, Cell<D>>,
    pub(super) outside: usize,
}

impl<const D: usize> Mesh<D> {
    /// Takes the next point to ask, which must be made pending then. Simplices whose point is known already are not
    /// looked at again until something changes. O(log N) amortised.
    pub(in super::super) fn next(
        &mut self,
        told: &Told<D>,
        is_known: impl Fn(&[f64; D]) -> bool,
    ) -> Option<Split<D>> {
        loop {
            let (_, id) = self.queue.top()?;
            self.touch(id);
            if matches!(self.cells[id as usize].inside, Inside::One { .. }) {
                // Its parts are needed now; their numbers may decide which one is taken.
                let (corners, division) = (self.corners(id, told), self.division);
                self.cells[id as usize].inside.parts(&corners, division);
            }
            let Some((split, part)) = self.candidate(id, told, &is_known) else {
                self.cells[id as usize].spent = true;
                self.queue.remove(id);
                continue;
            };
            match (&mut self.cells[id as usize].inside, part) {
                (Inside::Many(parts), Some(part)) => parts.give_up(part),
                _ => self.cells[id as usize].spent = true,
            }
            self.enqueue(id);
            if !is_known(&split.point) {
                return Some(split);
            }
        }
    }

    /// The point that [`Mesh::next`] would return, where that can be seen without a change. O(1).
    pub(in super::super) fn peek(
        &self,
        told: &Told<D>,
        is_known: impl Fn(&[f64; D]) -> bool,
    ) -> Option<Split<D>> {
        let (_, id) = self.queue.top()?;
        self.candidate(id, told, &is_known).map(|(split, _)| split).filter(|split| !is_known(&split.point))
    }

    /// The next point in a cell, and the part that it splits if there are parts.
    ///
    /// Where only whole numbers are asked and none is free, that of one of its corners, which is known.
    fn candidate(
        &self,
        id: SimplexId,
        told: &Told<D>,
        is_known: impl Fn(&[f64; D]) -> bool,
    ) -> Option<(Split<D>, Option<SimplexId>)> {
        let cell = &self.cells[id as usize];
        let (part, share, mut corners) = match &cell.inside {
            Inside::Empty => (None, cell.queued, self.corners(id, told)),
            Inside::One { .. } => return None,
            Inside::Many(parts) => {
                let (part, share, corners) = parts.top()?;
                (Some(part), share, corners)
            }
        };
        if self.options.anisotropic
            && let Some(stretch) = Stretch::along_gradients(&self.triangulation, id, told)
        {
            corners.scaled.iter_mut().for_each(|corner| *corner = stretch.apply(corner));
        }
        let choice = if self.options.loss.demands().splits_towards_error {
            let gradients = if part.is_none() { self.gradients(id, told) } else { Vec::new() };
            cut(&corners.scaled, gradients.as_chunks().0, told.range.multiplier()).into()
        } else {
            choose::<D>(corners.scaled.as_flattened())
        };
        let improvement = if cell.loss == f64::INFINITY { f64::INFINITY } else { share };
        let mut point = choice.point(|i| corners.user[i], self.frame.as_ref());
        if let Some(lattice) = &self.lattice {
            point = lattice.free_point(&corners.user, &point, is_known).unwrap_or(corners.user[0]);
        }
        Some((Split { point, improvement, cell: id }, part))
    }

    /// The gradients at the corners of a cell, if they say where it is split: per corner, component by component.
    fn gradients(&self, id: SimplexId, told: &Told<D>) -> Vec<f64> {
        let mut gradients = Vec::new();
        // Stretched along the gradients, a cell is split by its lengths.
        if self.options.loss.demands().sees_gradients && !self.options.anisotropic {
            gradients.reserve_exact((D + 1) * told.dim * D);
            let corners = self.triangulation.vertices(id).iter();
            corners.for_each(|vertex| self.slopes.append(*vertex, told.dim, 1.0, &mut gradients));
        }
        gradients
    }

    /// From now on, changes by [`Mesh::next`] and [`Mesh::add_pending`] can be undone.
    pub(in super::super) fn begin_trial(&mut self) {
        self.trial = Some(Trial { cells: FxHashMap::default(), outside: self.outside.len() });
    }

    /// Undoes all changes since [`Mesh::begin_trial`].
    pub(in super::super) fn end_trial(&mut self) {
        let Some(trial) = self.trial.take() else { return };
        self.outside.truncate(trial.outside);
        for (id, cell) in trial.cells {
            self.cells[id as usize] = cell;
            self.enqueue(id);
        }
    }

    /// A cell is about to change.
    pub(super) fn touch(&mut self, id: SimplexId) {
        if let Some(trial) = &mut self.trial {
            trial.cells.entry(id).or_insert_with(|| self.cells[id as usize].clone());
        }
    }
}
