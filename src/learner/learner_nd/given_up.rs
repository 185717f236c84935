//! Points that failed for good: vertices whose value is NaN, until a value comes after all.

use super::LearnerNd;
use super::known::State;

impl<const D: usize> LearnerNd<D> {
    /// A pending point of the domain stands as told NaN from now on.
    pub(super) fn give_up_inside(&mut self, point: [f64; D], state: State) {
        let (known, told) = (&self.known, &mut self.told);
        let Some(mesh) = &mut self.mesh else { return };
        let (vertex, unknown) = (told.points.len() as u32, vec![f64::NAN; told.dim]);
        let is_pending = |other: &[f64; D]| *other != point && known.is_pending(other);
        let scaled = self.domain.scaled(&point);
        let placed = mesh.insert(scaled, state.cell(), told, (point, &unknown), is_pending);
        let vertex = placed.is_ok().then_some(vertex);
        self.given_up.extend(vertex);
        self.known.give_up(&point, vertex);
    }

    /// A value for a point that was given up.
    pub(super) fn tell_given_up(&mut self, point: [f64; D], vertex: Option<u32>, value: &[f64]) {
        let Some(vertex) = vertex else { return self.aside.push((point, value.into())) };
        self.given_up.remove(&vertex);
        self.told.set_value(vertex, value);
        self.told.range.extend(value);
        if let Some(mesh) = &mut self.mesh {
            mesh.see_all(&self.told);
        }
    }
}
