//! The learner as the runner sees it.

use super::super::{Interpolant, Learner, Loss, Suggestion, TellError};
use super::known::State;
use super::mesh::Mesh;
use super::{KIND, LearnerNd, suggestion};
use crate::model::{Sample, Signature, Value};

impl<const D: usize> Learner for LearnerNd<D> {
    fn needs(&self, sample: &Sample) -> bool {
        self.domain.corners.iter().any(|corner| corner[..] == *sample.point)
    }

    fn lacks_needed(&self) -> bool {
        !self.corners_told() || !self.told.range.is_known()
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature { names: Signature::usual_names(D), scalar: false, seeded: false }
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        out.extend(std::iter::from_fn(|| self.ask_one()).take(n));
    }

    /// O(1) for one point; for more, they are asked, and all is undone.
    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        if n == 1
            && self.start.corners_done(&self.domain)
            && let Some(mesh) = &self.mesh
            && let Some(split) = mesh.peek(&self.told, |point| self.known.contains(point))
        {
            return vec![suggestion(&split.point, split.improvement)];
        }
        let bookmark = self.start.bookmark();
        let order = self.known.order();
        if let Some(mesh) = &mut self.mesh {
            mesh.begin_trial();
        }
        let asked = self.ask(n);
        if let Some(mesh) = &mut self.mesh {
            mesh.end_trial();
        }
        for suggestion in &asked {
            if let Ok(point) = Self::coordinates(&suggestion.sample) {
                self.known.forget(&point);
            }
        }
        self.known.set_order(order);
        self.start.go_back(bookmark);
        asked
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let point = self.point_of(sample)?;
        if self.known.is_told(&point) {
            return Ok(());
        }
        self.check_shape(value.components.len())?;
        let state = self.known.tell(point);
        self.note_corners();
        if let Some(State::GivenUp(vertex)) = state {
            self.tell_given_up(point, vertex, &value.components);
            return Ok(());
        }
        // A point that was chosen in a simplex is inside, whatever rounding has done to it.
        if state.is_some_and(|state| state.cell().is_some()) || self.domain.contains(&point) {
            self.place(point, &value.components, state);
        } else {
            self.aside.push((point, value.components.as_slice().into()));
        }
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        let Ok(point) = self.point_of(sample) else { return };
        if self.known.contains(&point) {
            return;
        }
        if self.domain.contains(&point) {
            self.make_pending(point, None);
        } else {
            self.known.add_outside(point);
        }
    }

    fn give_up(&mut self, sample: &Sample) {
        self.tell_pending(sample);
        let Ok(point) = self.point_of(sample) else { return };
        let Some(state @ State::Pending { .. }) = self.known.get(&point) else { return };
        if self.mesh.is_some() {
            self.give_up_inside(point, state);
        } else {
            self.given_up_early.push(point);
        }
    }

    fn remove_unfinished(&mut self) {
        self.given_up_early.clear();
        if self.known.npending() > 0 {
            self.known.forget_pending();
        }
        // Even without pending points, a simplex may have been found to have no new point because of an earlier one.
        self.start.restart();
        if let Some(mesh) = &mut self.mesh {
            mesh.remove_pending();
        }
    }

    fn loss(&self, which: Loss) -> f64 {
        let loss = self.mesh.as_ref().map_or(f64::INFINITY, |mesh| mesh.largest(which));
        // Between whole numbers there may be no loss, but beyond the told points there are others.
        if loss > 0.0 || self.domain.lattice.is_none() || self.corners_told() { loss } else { f64::INFINITY }
    }

    fn npoints(&self) -> usize {
        self.told.points.len() + self.aside.len() - self.given_up.len()
    }

    fn npending(&self) -> usize {
        self.known.npending()
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::empty(self.domain.clone(), self.options.clone()))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }

    /// Of whole numbers along all axes: whether all of them are told. O(1), but for O(N) where no simplex has a loss.
    fn done(&self) -> Option<bool> {
        self.domain.lattice.as_ref().filter(|lattice| lattice.is_finite())?;
        let is_full =
            |mesh: &Mesh<D>| self.given_up.is_empty() && self.loss(Loss::Real) == 0.0 && mesh.is_full();
        Some(self.mesh.as_ref().is_some_and(is_full))
    }

    fn refuses(&self, point: &[f64]) -> Option<String> {
        self.domain.refuses(point)
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        Some(self.domain.bounding_box())
    }

    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        at.len() == D && self.interpolate_all(at, out)
    }

    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        self.with_linear(|field| field.interpolate(at, |point| Some(self.domain.scaled(point)), out))
            .is_some()
    }

    fn interpolant(&self) -> Option<Interpolant> {
        self.with_linear(|field| field.to_interpolant())
    }
}
