//! The triangulation of the told points, with the losses of its simplices kept up to date.

mod asking;
mod cell;

use super::super::Loss;
use super::super::heap::{IndexedHeap, ordered_bits};
use super::super::lattice::Lattice;
use super::super::ranking::Ranking;
use super::super::slopes::Slopes;
use super::Options;
use super::choose::Frame;
use super::domain::Domain;
use super::inside::{Corners, Division, Inside, Pending};
use super::rank::{Rank, Rounding};
use super::told::Told;
use crate::geometry::{InsertError, SimplexId, Triangulation};
use crate::loss::simplex::View;
use asking::Trial;
use cell::Cell;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::sync::Arc;

/// How far outside of a simplex a point may lie and still count as inside, in barycentric coordinates.
const TOLERANCE: f64 = 1e-8;

/// All simplices of told points: their losses, their pending points, and which is to be split next.
///
/// With N told points, making a point pending or telling it costs O(k log N), where k simplices change.
#[derive(Clone)]
pub(super) struct Mesh<const D: usize> {
    options: Arc<Options>,
    division: Division<D>,
    triangulation: Triangulation<D>,
    /// Where only whole numbers are asked.
    lattice: Option<Lattice<D>>,
    /// Where points are rounded as upstream rounds them.
    frame: Option<Frame<D>>,
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
        domain: &Domain<D>,
        told: &Told<D>,
    ) -> Self {
        // Some losses of our own stay small everywhere.
        let is_own = options.loss.demands().is_current;
        let division = Division {
            rounding: if is_own { Rounding::Fine } else { Rounding::AsUpstream },
            aspect: if options.as_upstream { domain.aspect() } else { [1.0; D] },
            magnitude: triangulation.magnitude(),
        };
        // Upstream knows no whole numbers, whose halves should not be rounded either way.
        let frame = (options.as_upstream && domain.lattice.is_none()).then(|| domain.frame());
        let mut mesh = Self {
            options,
            division,
            triangulation,
            lattice: domain.lattice.clone(),
            frame,
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
        if self.options.as_upstream {
            self.find_around_as_upstream(added, &mut around);
        } else {
            for id in added {
                let neighbors = self.triangulation.neighbours(*id).iter().copied();
                around.extend(neighbors.filter(|id| self.triangulation.is_alive(*id) && !added.contains(id)));
            }
            around.sort_unstable();
            around.dedup();
        }
        for id in &around {
            self.refresh(*id, told, false);
            self.enqueue(*id);
        }
        self.scratch.found = around;
    }

    /// What upstream takes for the neighbours of the added simplices: all others that have exactly D of their vertices. A
    /// true neighbour whose D + 1 vertices are all among them keeps its loss; simplices that share no face with an added one
    /// can be found too, which does no harm.
    fn find_around_as_upstream(&self, added: &[SimplexId], around: &mut Vec<SimplexId>) {
        let triangulation = &self.triangulation;
        let mut corners: Vec<u32> =
            added.iter().flat_map(|id| triangulation.vertices(*id)).copied().collect();
        corners.sort_unstable();
        corners.dedup();
        // The simplices at a vertex hang together, and one of them is an added one.
        let mut seen: FxHashSet<SimplexId> = added.iter().copied().collect();
        let mut open = added.to_vec();
        while let Some(id) = open.pop() {
            for next in triangulation.neighbours(id).iter().filter(|id| triangulation.is_alive(**id)) {
                let vertices = triangulation.vertices(*next).iter();
                let shared = vertices.filter(|vertex| corners.binary_search(vertex).is_ok()).count();
                if shared > 0 && seen.insert(*next) {
                    open.push(*next);
                    if shared == D {
                        around.push(*next);
                    }
                }
            }
        }
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

    /// Makes all queues anew. O(N).
    fn requeue_all(&mut self) {
        let (triangulation, cells) = (&self.triangulation, &self.cells);
        let cell = |id: &SimplexId| &cells[*id as usize];
        let rounding = self.division.rounding;
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
                self.queue.set(id, self.division.rounding.rank(loss, volume, vertices));
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
        let (corners, division) = (self.corners(id, told), self.division);
        let cell = &mut self.cells[id as usize];
        let density = cell.density();
        cell.inside.add(pending, &corners, density, division);
    }

    /// Forgets all pending points. O(N).
    pub(super) fn remove_pending(&mut self) {
        self.outside.clear();
        for cell in &mut self.cells {
            (cell.inside, cell.spent) = (Inside::Empty, false);
        }
        self.requeue_all();
    }
}
