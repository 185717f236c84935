//! The learner as the runner sees it.

use super::super::points_first::refused_by_box;
use super::super::{Interpolant, Learner, Loss, Suggestion, TellError};
use super::field::Field;
use super::plan::suggestion;
use super::{KIND, Known, Learner2D, key};
use crate::model::{Sample, Signature, Value};

impl Learner for Learner2D {
    fn needs(&self, sample: &Sample) -> bool {
        let is_end = |(x, (lo, hi)): (&f64, &(f64, f64))| x == lo || x == hi;
        sample.point.len() == 2 && sample.point.iter().zip(&self.domain.bounds).all(is_end)
    }

    fn lacks_needed(&self) -> bool {
        let is_told = |corner: &[f64; 2]| matches!(self.known.get(&key(*corner)), Some(Known::Told));
        !self.domain.corners().iter().all(is_told) || !self.range.is_known()
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn signature(&self) -> Signature {
        Signature { names: Signature::usual_names(2), scalar: false, seeded: false }
    }

    fn ask_into(&mut self, n: usize, out: &mut Vec<Suggestion>) {
        let mut left = n;
        while left > 0 {
            let Some(next) = self.stack.pop_front() else {
                self.fill_stack(left);
                if self.stack.is_empty() {
                    return;
                }
                continue;
            };
            self.make_pending(next.point, next.hint);
            out.push(suggestion(&next));
            left -= 1;
        }
        self.settle_if_looked_at();
    }

    fn suggest(&mut self, n: usize) -> Vec<Suggestion> {
        if n <= self.stack.len() {
            return self.stack.iter().take(n).map(suggestion).collect();
        }
        if self.stack.is_empty() {
            let planned = self.plan(n).candidates;
            if n <= planned.len() {
                return planned.iter().take(n).map(suggestion).collect();
            }
        }
        self.clone().ask(n)
    }

    fn tell(&mut self, sample: &Sample, value: &Value) -> Result<(), TellError> {
        let point = self.point_of(sample)?;
        let known = self.known.get(&key(point)).copied();
        if matches!(known, Some(Known::Told)) {
            return Ok(());
        }
        self.check_shape(&value.components)?;
        if let Some(Known::GivenUp(vertex)) = known {
            self.known.insert(key(point), Known::Told);
            (self.ntold, self.npending) = (self.ntold + 1, self.npending - 1);
            self.tell_given_up(vertex, &value.components);
            return Ok(());
        }
        self.known.insert(key(point), Known::Told);
        self.ntold += 1;
        let mut near = None;
        match known {
            Some(Known::Pending { hint, inside, .. }) => {
                self.npending -= 1;
                self.npending_inside -= usize::from(inside);
                near = hint;
            }
            _ => self.stack.retain(|candidate| candidate.point != point),
        }
        if self.domain.holds(point) {
            self.tell_inside(point, &value.components, near);
        }
        self.settle_if_looked_at();
        Ok(())
    }

    fn tell_pending(&mut self, sample: &Sample) {
        let Ok(point) = self.point_of(sample) else { return };
        if !self.known.contains_key(&key(point)) {
            let on_stack = self.stack.iter().position(|candidate| candidate.point == point);
            let hint = on_stack.and_then(|at| self.stack.remove(at)).map(|candidate| candidate.hint);
            self.make_pending(point, hint.unwrap_or_default());
            self.settle_if_looked_at();
        }
    }

    fn give_up(&mut self, sample: &Sample) {
        self.tell_pending(sample);
        let Ok(point) = self.point_of(sample) else { return };
        let known = self.known.get_mut(&key(point));
        let Some(Known::Pending { hint, inside: true, given_up, .. }) = known else { return };
        if self.told.is_some() {
            let hint = *hint;
            self.give_up_inside(point, hint);
            self.settle_if_looked_at();
        } else if !std::mem::replace(given_up, true) {
            self.given_up_early.push(point);
            self.start_with_corners();
        }
    }

    fn remove_unfinished(&mut self) {
        self.known.retain(|_, known| !matches!(known, Known::Pending { .. }));
        (self.npending, self.npending_inside) = (self.known.len() - self.ntold, 0);
        self.given_up_early.clear();
        (self.expected, *self.watched.get_mut()) = (None, None);
        self.stack_corners();
    }

    fn loss(&self, which: Loss) -> f64 {
        let Some(told) = &self.told else { return f64::INFINITY };
        if which == Loss::Real || self.npending_inside == 0 {
            return told.largest();
        }
        if let Some(expected) = self.expected.as_ref().filter(|_| self.stack.is_empty()) {
            return expected.field.largest();
        }
        let mut watched = self.watched.borrow_mut();
        if watched.is_none() {
            *watched = self.expect();
        }
        watched.as_ref().map_or(f64::INFINITY, |watched| watched.field.largest())
    }

    fn npoints(&self) -> usize {
        self.ntold
    }

    fn npending(&self) -> usize {
        self.npending
    }

    /// Of whole numbers along both axes: whether all of them are told.
    fn done(&self) -> Option<bool> {
        let told = self.told.as_ref();
        self.domain.is_finite().then(|| told.is_some_and(Field::is_full) && self.given_up.is_empty())
    }

    fn refuses(&self, point: &[f64]) -> Option<String> {
        let whole = |axis| self.domain.lattice.as_ref().is_some_and(|lattice| lattice.is_whole(axis));
        refused_by_box(&Signature::usual_names(2), &self.domain.bounds, whole, point)
    }

    fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
        Some(self.domain.bounds.to_vec())
    }

    fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        at.len() == 2 && self.interpolate_all(at, out)
    }

    fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
        let scaled = |point: &[f64; 2]| self.domain.holds(*point).then(|| self.domain.scaled(*point));
        self.with_linear(|field| field.interpolate(at, scaled, out)).is_some()
    }

    fn interpolant(&self) -> Option<Interpolant> {
        self.with_linear(|field| field.to_interpolant())
    }

    fn new_empty(&self) -> Box<dyn Learner> {
        Box::new(Self::empty(self.domain.clone(), self.loss.clone(), self.stack_size))
    }

    fn boxed_clone(&self) -> Box<dyn Learner> {
        Box::new(self.clone())
    }
}
