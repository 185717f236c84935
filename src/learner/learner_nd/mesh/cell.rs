//! A simplex of the mesh: what its loss is, and how urgent it is to split it.

use super::super::inside::Inside;

/// A simplex of told points.
#[derive(Clone, Default)]
pub(super) struct Cell<const D: usize> {
    pub(super) volume: f64,
    pub(super) loss: f64,
    /// The greatest loss since the cell was made or all losses were computed anew: the cell waits with this one. (A
    /// loss can change when a neighbour does; upstream leaves the older entry in its queue.)
    pub(super) queued: f64,
    /// It was found that the cell can't be split: its point is known already.
    pub(super) spent: bool,
    /// Whether it has no point of whole numbers to ask, and so no loss; `None` until that is looked at.
    pub(super) full: Option<bool>,
    /// Its loss is infinite, and that means that it comes before all others.
    pub(super) first: bool,
    pub(super) inside: Inside<D>,
}

/// More than any finite loss: where cells begin that come first.
const FIRST: f64 = 1e9;

impl<const D: usize> Cell<D> {
    /// The loss by which cells are compared: what is infinite or NaN counts by volume.
    pub(super) fn urgency(&self) -> f64 {
        match self.loss.is_finite() {
            true => self.loss,
            false if self.first => FIRST * (1.0 + self.volume),
            false => self.volume,
        }
    }

    /// Whether there is no pending point inside.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.inside, Inside::Empty)
    }

    /// Loss per volume, for the parts.
    pub(super) fn density(&self) -> f64 {
        if self.loss.is_finite() && self.volume > 0.0 { self.loss / self.volume } else { 1.0 }
    }

    /// The loss that is expected when the pending points are told, as [`Cell::urgency`].
    pub(super) fn expected(&self) -> f64 {
        match self.inside {
            Inside::Empty => self.urgency(),
            _ => self.inside.largest(self.volume) * self.density(),
        }
    }

    /// The loss with which the cell waits to be split, and the volume that has it; `None` if it can't be.
    pub(super) fn waiting(&self) -> Option<(f64, f64)> {
        match &self.inside {
            Inside::Empty => (!self.spent).then_some((self.queued, self.volume)),
            Inside::One { largest, density, .. } => Some((largest * density, *largest)),
            Inside::Many(parts) => parts.top_share(),
        }
    }
}
