//! The triangulation of the told points, with the losses of its simplices kept up to date.

use super::super::Loss;
use super::super::cut::cut;
use super::super::heap::{IndexedHeap, ordered_bits};
use super::super::lattice::Lattice;
use super::super::ranking::Ranking;
use super::super::slopes::Slopes;
use super::Options;
use super::choose::choose;
use super::inside::{Corners, Inside, Pending};
use super::rank::{Rank, Rounding};
use super::stretch::Stretch;
use super::told::Told;
use crate::geometry::{InsertError, SimplexId, Triangulation};
use crate::loss::simplex::View;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// How far outside of a simplex a point may lie and still count as inside, in barycentric coordinates.
const TOLERANCE: f64 = 1e-8;

/// A simplex of told points.
#[derive(Clone, Default)]
struct Cell<const D: usize> {
    volume: f64,
    loss: f64,
    /// The greatest loss since the cell was made or all losses were computed anew: the cell waits with this one. (A
    /// loss can change when a neighbour does; upstream leaves the older entry in its queue.)
    queued: f64,
    /// It was found that the cell can't be split: its point is known already.
    spent: bool,
    /// Whether it has no point of whole numbers to ask, and so no loss; `None` until that is looked at.
    full: Option<bool>,
    /// Its loss is infinite, and that means that it comes before all others.
    first: bool,
    inside: Inside<D>,
}

/// More than any finite loss: where cells begin that come first.
const FIRST: f64 = 1e9;

impl<const D: usize> Cell<D> {
    /// The loss by which cells are compared: what is infinite or NaN counts by volume.
    fn urgency(&self) -> f64 {
        match self.loss.is_finite() {
            true => self.loss,
            false if self.first => FIRST * (1.0 + self.volume),
            false => self.volume,
        }
    }

    /// Whether there is no pending point inside.
    fn is_whole(&self) -> bool {
        matches!(self.inside, Inside::Empty)
    }

    /// Loss per volume, for the parts.
    fn density(&self) -> f64 {
        if self.loss.is_finite() && self.volume > 0.0 { self.loss / self.volume } else { 1.0 }
    }

    /// The loss that is expected when the pending points are told, as [`Cell::urgency`].
    fn expected(&self) -> f64 {
        match self.inside {
            Inside::Empty => self.urgency(),
            _ => self.inside.largest(self.volume) * self.density(),
        }
    }

    /// The loss with which the cell waits to be split, and the volume that has it; `None` if it can't be.
    fn waiting(&self) -> Option<(f64, f64)> {
        match &self.inside {
            Inside::Empty => (!self.spent).then_some((self.queued, self.volume)),
            Inside::One { largest, density, .. } => Some((largest * density, *largest)),
            Inside::Many(parts) => parts.top_share(),
        }
    }
}

/// A point to ask.
pub(super) struct Split<const D: usize> {
    /// In user coordinates.
    pub(super) point: [f64; D],
    pub(super) improvement: f64,
    /// The simplex that it splits.
    pub(super) cell: SimplexId,
}

/// All simplices of told points: their losses, their pending points, and which is to be split next.
///
/// With N told points, making a point pending or telling it costs O(k log N), where k simplices change.
#[derive(Clone)]
pub(super) struct Mesh<const D: usize> {
    options: Arc<Options>,
    triangulation: Triangulation<D>,
    /// Where only whole numbers are asked.
    lattice: Option<Lattice<D>>,
    /// Kept if the loss looks at them.
    slopes: Slopes<D>,
    cells: Vec<Cell<D>>,
    queue: IndexedHeap<Rank<D>>,
    losses: Ranking<u64>,
    /// Pending points outside of the triangulation, which has not reached all corners of the domain yet.
    outside: Vec<Pending<D>>,
    trial: Option<Trial<D>>,
    scratch: Scratch<D>,
}

/// What a trial has changed, to be undone.
#[derive(Clone)]
struct Trial<const D: usize> {
    cells: FxHashMap<SimplexId, Cell<D>>,
    outside: usize,
}

/// Space that is used again and again.
#[derive(Clone, Default)]
struct Scratch<const D: usize> {
    points: Vec<f64>,
    values: Vec<f64>,
    gradients: Vec<f64>,
    freed: Vec<Pending<D>>,
    removed: Vec<SimplexId>,
    added: Vec<SimplexId>,
    found: Vec<SimplexId>,
}

impl<const D: usize> Mesh<D> {
    /// The first triangulation; its vertices are all told points.
    pub(super) fn new(
        triangulation: Triangulation<D>,
        options: Arc<Options>,
        lattice: Option<Lattice<D>>,
        told: &Told<D>,
    ) -> Self {
        let mut mesh = Self {
            options,
            triangulation,
            lattice,
            slopes: Slopes::default(),
            cells: Vec::new(),
            queue: IndexedHeap::default(),
            losses: Ranking::default(),
            outside: Vec::new(),
            trial: None,
            scratch: Scratch::default(),
        };
        let all: Vec<SimplexId> = mesh.triangulation.simplices().collect();
        all.iter().for_each(|id| mesh.clear(*id));
        mesh.see_all(told);
        mesh
    }

    /// Computes all gradients and losses anew, as after the value of a vertex has changed. O(N).
    pub(super) fn see_all(&mut self, told: &Told<D>) {
        if self.options.loss.demands().sees_gradients {
            self.slopes = Slopes::default();
            let ids = self.triangulation.simplices();
            // In an order that does not depend on the numbers of simplices.
            let mut all: Vec<&[u32]> = ids.map(|id| self.triangulation.vertices(id)).collect();
            all.sort_unstable();
            for vertices in all {
                self.slopes.count(1.0, vertices, &self.triangulation, told.rows());
            }
        }
        self.recompute_all(told);
    }

    /// The triangulation, in scaled coordinates.
    pub(super) fn triangulation(&self) -> &Triangulation<D> {
        &self.triangulation
    }

    /// The loss of a simplex.
    pub(super) fn loss_of(&self, id: SimplexId) -> f64 {
        self.cells[id as usize].loss
    }

    /// The largest loss. O(1).
    pub(super) fn largest(&self, which: Loss) -> f64 {
        self.losses.top(which).map_or(f64::INFINITY, |id| {
            let cell = &self.cells[id as usize];
            if which == Loss::Real || !cell.loss.is_finite() { cell.loss } else { cell.expected() }
        })
    }

    /// Whether no simplex has a point of whole numbers to ask. O(N).
    pub(super) fn is_full(&self) -> bool {
        self.triangulation.simplices().all(|id| self.cells[id as usize].full == Some(true))
    }

    /// Makes a new point a vertex, with the last of the told values. `told` has it already if this succeeds: the
    /// caller hands over how to add it.
    pub(super) fn insert(
        &mut self,
        scaled: [f64; D],
        hint: Option<SimplexId>,
        told: &mut Told<D>,
        (point, value): ([f64; D], &[f64]),
        is_pending: impl Fn(&[f64; D]) -> bool,
    ) -> Result<(), InsertError> {
        // Whole numbers lie on common spheres and planes, where the simplices depend on where the search begins: it begins
        // where it would without a hint, so that a restart gives the same ones.
        let hint = hint.filter(|id| self.lattice.is_none() && self.triangulation.is_alive(*id));
        self.triangulation.insert(scaled, hint)?;
        told.push(point, value);
        if self.options.loss.demands().sees_gradients {
            // In an order that does not depend on where the search for the point began: sums are rounded alike then.
            let mut gone: Vec<&[u32]> = self.triangulation.removed().map(|(_, vertices)| vertices).collect();
            gone.sort_unstable();
            for vertices in gone {
                self.slopes.count(-1.0, vertices, &self.triangulation, told.rows());
            }
            let added = self.triangulation.added().iter();
            let mut come: Vec<&[u32]> = added.map(|id| self.triangulation.vertices(*id)).collect();
            come.sort_unstable();
            for vertices in come {
                self.slopes.count(1.0, vertices, &self.triangulation, told.rows());
            }
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let Scratch { freed, removed, added, .. } = &mut scratch;
        removed.clear();
        removed.extend(self.triangulation.removed().map(|(id, _)| id));
        added.clear();
        added.extend_from_slice(self.triangulation.added());

        freed.clear();
        freed.append(&mut self.outside);
        for id in &*removed {
            freed.extend_from_slice(self.cells[*id as usize].inside.points());
        }
        freed.sort_by_key(|pending| pending.order);
        freed.dedup_by_key(|pending| pending.order);
        freed.retain(|pending| is_pending(&pending.user));

        added.iter().for_each(|id| self.clear(*id));
        self.scratch = std::mem::take(&mut scratch);
        self.settle(told);
        Ok(())
    }

    /// Gives the added simplices their losses and the freed pending points, and brings the queues up to date.
    fn settle(&mut self, told: &Told<D>) {
        let mut freed = std::mem::take(&mut self.scratch.freed);
        let added = std::mem::take(&mut self.scratch.added);
        let removed = std::mem::take(&mut self.scratch.removed);
        for id in &added {
            self.refresh(*id, told, true);
        }
        for pending in freed.drain(..) {
            let mut found = false;
            for id in &added {
                let weights = self.triangulation.barycentric(*id, &pending.scaled);
                if weights.iter().all(|b| *b >= -TOLERANCE) {
                    self.add_inside(*id, &pending, told);
                    found = true;
                }
            }
            if !found && !self.options.as_upstream {
                self.outside.push(pending);
            }
        }
        for id in &removed {
            if !self.triangulation.is_alive(*id) {
                // After the hull was mended there may not even be a place of this number.
                if let Some(cell) = self.cells.get_mut(*id as usize) {
                    *cell = Cell::default();
                }
                self.queue.remove(*id);
                self.losses.remove(*id);
            }
        }
        added.iter().for_each(|id| self.enqueue(*id));
        if self.options.loss.demands().sees_neighbors {
            self.refresh_neighbors(&added, told);
        }
        (self.scratch.freed, self.scratch.added, self.scratch.removed) = (freed, added, removed);
    }

    /// Computes the losses of the simplices around the added ones anew: the vertices behind their faces have changed.
    fn refresh_neighbors(&mut self, added: &[SimplexId], told: &Told<D>) {
        let mut around = std::mem::take(&mut self.scratch.found);
        around.clear();
        for id in added {
            let neighbors = self.triangulation.neighbours(*id).iter().copied();
            around.extend(neighbors.filter(|id| self.triangulation.is_alive(*id) && !added.contains(id)));
        }
        around.sort_unstable();
        around.dedup();
        for id in &around {
            self.refresh(*id, told, false);
            self.enqueue(*id);
        }
        self.scratch.found = around;
    }

    /// Makes a cell anew.
    fn clear(&mut self, id: SimplexId) {
        if self.cells.len() <= id as usize {
            self.cells.resize_with(id as usize + 1, Cell::default);
        }
        self.cells[id as usize] = Cell { volume: self.triangulation.volume(id), ..Cell::default() };
    }

    /// Computes the loss of a cell. The queues are left to the caller.
    fn refresh(&mut self, id: SimplexId, told: &Told<D>, made_anew: bool) {
        let Scratch { points, values, gradients, .. } = &mut self.scratch;
        points.clear();
        values.clear();
        let multiplier = told.range.multiplier();
        let mut see = |vertex: u32| {
            points.extend_from_slice(self.triangulation.point(vertex));
            values.extend(told.value(vertex).iter().map(|y| y * multiplier));
        };
        self.triangulation.vertices(id).iter().for_each(|vertex| see(*vertex));
        if self.options.loss.demands().sees_neighbors {
            (0..=D).filter_map(|k| self.triangulation.opposing_vertex(id, k)).for_each(see);
        }
        gradients.clear();
        if self.options.loss.demands().sees_gradients {
            let corners = self.triangulation.vertices(id).iter();
            corners.for_each(|vertex| self.slopes.append(*vertex, told.dim, multiplier, gradients));
        }
        let cell = &mut self.cells[id as usize];
        let view = View::new(D, points, told.dim, values, cell.volume)
            .with_gradients(gradients)
            .with_scale(1.0 / multiplier);
        cell.loss = self.options.loss.evaluate(&view);
        if let Some(lattice) = &self.lattice {
            let is_full = cell.full.get_or_insert_with(|| {
                let corners = self.triangulation.vertices(id).iter().map(|vertex| told.point(*vertex));
                lattice.is_full(&corners.collect::<SmallVec<[[f64; D]; 6]>>())
            });
            if *is_full {
                cell.loss = 0.0;
            }
        }
        cell.first = cell.loss == f64::INFINITY && self.options.loss.demands().is_current;
        let urgency = cell.urgency();
        let anew = made_anew || self.options.loss.demands().is_current;
        cell.queued = if anew { urgency } else { cell.queued.max(urgency) };
        cell.spent = cell.spent && !made_anew || cell.full == Some(true);
        let density = cell.density();
        cell.inside.set_density(density, anew);
    }

    /// Computes all losses anew. O(N).
    pub(super) fn recompute_all(&mut self, told: &Told<D>) {
        let all: Vec<SimplexId> = self.triangulation.simplices().collect();
        all.iter().for_each(|id| self.refresh(*id, told, true));
        self.requeue_all();
    }

    /// Some losses of our own stay small everywhere.
    fn rounding(&self) -> Rounding {
        if self.options.loss.demands().is_current { Rounding::Fine } else { Rounding::AsUpstream }
    }

    /// Makes all queues anew. O(N).
    fn requeue_all(&mut self) {
        let (triangulation, cells) = (&self.triangulation, &self.cells);
        let cell = |id: &SimplexId| &cells[*id as usize];
        let rounding = self.rounding();
        self.queue.rebuild(triangulation.simplices().filter_map(|id| {
            let (loss, volume) = cell(&id).waiting()?;
            Some((rounding.rank(loss, volume, triangulation.vertices(id)), id))
        }));
        let ids = |whole: bool| triangulation.simplices().filter(move |id| cell(id).is_whole() == whole);
        let real = |id| (ordered_bits(cell(&id).urgency()), id);
        let expected = |id| (ordered_bits(cell(&id).expected()), id);
        self.losses.rebuild(ids(true).map(real), ids(false).map(real), ids(false).map(expected));
    }

    /// Brings the queues up to date for one cell.
    fn enqueue(&mut self, id: SimplexId) {
        let cell = &self.cells[id as usize];
        match cell.waiting() {
            Some((loss, volume)) => {
                let vertices = self.triangulation.vertices(id);
                self.queue.set(id, self.rounding().rank(loss, volume, vertices));
            }
            None => self.queue.remove(id),
        }
        let urgency = ordered_bits(cell.urgency());
        if cell.is_whole() {
            self.losses.set_whole(id, urgency);
        } else {
            self.losses.set_split(id, urgency);
            self.losses.set_part(id, ordered_bits(cell.expected()));
        }
    }

    fn corners(&self, id: SimplexId, told: &Told<D>) -> Corners<D> {
        let vertices = self.triangulation.vertices(id);
        Corners {
            scaled: vertices.iter().map(|vertex| *self.triangulation.point(*vertex)).collect(),
            user: vertices.iter().map(|vertex| told.point(*vertex)).collect(),
        }
    }

    /// Makes a point pending in all simplices that hold it; on a face that is more than one. Returns one of them.
    pub(super) fn add_pending(
        &mut self,
        pending: &Pending<D>,
        hint: Option<SimplexId>,
        told: &Told<D>,
    ) -> Option<SimplexId> {
        let Some(start) = hint.or_else(|| self.triangulation.locate(&pending.scaled, None)) else {
            if !self.options.as_upstream {
                self.outside.push(pending.clone());
            }
            return None;
        };
        let mut found = std::mem::take(&mut self.scratch.found);
        found.clear();
        self.triangulation.containing(&pending.scaled, start, &mut found);
        if !found.contains(&start) {
            found.push(start);
        }
        for id in &found {
            self.touch(*id);
            self.add_inside(*id, pending, told);
            self.enqueue(*id);
        }
        self.scratch.found = found;
        Some(start)
    }

    fn add_inside(&mut self, id: SimplexId, pending: &Pending<D>, told: &Told<D>) {
        let (corners, rounding) = (self.corners(id, told), self.rounding());
        let cell = &mut self.cells[id as usize];
        let density = cell.density();
        cell.inside.add(pending, &corners, density, rounding);
    }

    /// Forgets all pending points. O(N).
    pub(super) fn remove_pending(&mut self) {
        self.outside.clear();
        for cell in &mut self.cells {
            (cell.inside, cell.spent) = (Inside::Empty, false);
        }
        self.requeue_all();
    }

    /// Takes the next point to ask, which must be made pending then. Simplices whose point is known already are not
    /// looked at again until something changes. O(log N) amortised.
    pub(super) fn next(&mut self, told: &Told<D>, is_known: impl Fn(&[f64; D]) -> bool) -> Option<Split<D>> {
        loop {
            let (_, id) = self.queue.top()?;
            self.touch(id);
            if matches!(self.cells[id as usize].inside, Inside::One { .. }) {
                // Its parts are needed now; their numbers may decide which one is taken.
                let (corners, rounding) = (self.corners(id, told), self.rounding());
                self.cells[id as usize].inside.parts(&corners, rounding);
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
    pub(super) fn peek(&self, told: &Told<D>, is_known: impl Fn(&[f64; D]) -> bool) -> Option<Split<D>> {
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
        let mut point = choice.point(|i| corners.user[i]);
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
    pub(super) fn begin_trial(&mut self) {
        self.trial = Some(Trial { cells: FxHashMap::default(), outside: self.outside.len() });
    }

    /// Undoes all changes since [`Mesh::begin_trial`].
    pub(super) fn end_trial(&mut self) {
        let Some(trial) = self.trial.take() else { return };
        self.outside.truncate(trial.outside);
        for (id, cell) in trial.cells {
            self.cells[id as usize] = cell;
            self.enqueue(id);
        }
    }

    /// A cell is about to change.
    fn touch(&mut self, id: SimplexId) {
        if let Some(trial) = &mut self.trial {
            trial.cells.entry(id).or_insert_with(|| self.cells[id as usize].clone());
        }
    }
}
