//! Domains in which only whole numbers are asked along some axes or all of them.

use crate::geometry::simplex::barycentric;
use crate::model::settings::{self, SettingValue, Table};
use smallvec::{SmallVec, smallvec};

/// How many cuts and points of one simplex are looked at. Only a simplex that is thousands of whole numbers long and hardly
/// wide needs as many; the points that it might have are found last, by [`Lattice::first_free`].
const LOOKS: usize = 4096;

/// Weights of corners above this count as inside.
const INSIDE: f64 = -1e-9;

/// A distance below this part of the domain is none.
const NEAR: f64 = 1e-12;

/// The points of a domain whose coordinates are whole numbers along some axes, and anything along the others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lattice<const D: usize> {
    whole: [bool; D],
    bounds: [(f64, f64); D],
}

/// A corner of a domain that is no point of its lattice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NotWhole {
    pub(super) axis: usize,
    pub(super) x: f64,
}

/// A cut through a simplex where some coordinates have given values: its corners.
type Cut<const D: usize> = SmallVec<[[f64; D]; 8]>;

/// A search for the nearest point.
struct Search<'a, const D: usize> {
    corners: &'a [[f64; D]],
    near: [f64; D],
    /// Whole axes, along which the simplex is short first.
    axes: SmallVec<[usize; 8]>,
    looks_left: usize,
    /// Squared distance along the whole axes.
    best: Option<(f64, [f64; D])>,
}

impl<const D: usize> Lattice<D> {
    /// Of a domain with this box around it and these corners. Nothing if no axis is of whole numbers.
    pub(super) fn new(
        whole: &[bool],
        bounds: &[(f64, f64)],
        corners: &[[f64; D]],
    ) -> Result<Option<Self>, NotWhole> {
        let (Ok(whole), Ok(bounds)) = (<[bool; D]>::try_from(whole), <[(f64, f64); D]>::try_from(bounds))
        else {
            return Ok(None);
        };
        for axis in (0..D).filter(|axis| whole[*axis]) {
            // Beyond 2^53 whole numbers have gaps.
            let bad = |x: &f64| x.fract() != 0.0 || x.abs() > 9e15;
            if let Some(x) = corners.iter().map(|corner| corner[axis]).find(bad) {
                return Err(NotWhole { axis, x });
            }
        }
        Ok(whole.contains(&true).then_some(Self { whole, bounds }))
    }

    /// Whether all axes are of whole numbers, so that the points of the domain can be counted.
    pub(super) fn is_finite(&self) -> bool {
        self.whole.iter().all(|whole| *whole)
    }

    pub(super) fn is_whole(&self, axis: usize) -> bool {
        self.whole[axis]
    }

    /// The first axis along which a point should be a whole number, but is not.
    pub(super) fn misfit(&self, point: &[f64; D]) -> Option<usize> {
        (0..D).find(|axis| self.whole[*axis] && point[*axis].fract() != 0.0)
    }

    /// The nearest point of the lattice, anywhere; halves go down.
    pub(super) fn rounded(&self, point: &[f64; D]) -> [f64; D] {
        std::array::from_fn(|i| {
            // Adding 0.0 turns -0.0 into 0.0: they are the same point.
            if self.whole[i] { (point[i] - 0.5).ceil() + 0.0 } else { point[i] }
        })
    }

    /// In units of the domain.
    fn square(&self, axis: usize, distance: f64) -> f64 {
        let (lo, hi) = self.bounds[axis];
        let share = distance / (hi - lo);
        share * share
    }

    /// The point of the lattice in or on a simplex (D + 1 corners) that is nearest to `near` and not taken, in units of the
    /// domain. Of several as near, the one that is lower along the axes in which the simplex is short.
    ///
    /// Where some axes are not of whole numbers, the cut through the simplex at whole numbers near to `near` is sought, and
    /// in it the point below or above `near`, moved into the simplex; or the middle of the cut, if that point is so
    /// close to a corner that it would hardly split anything.
    pub(super) fn free_point(
        &self,
        corners: &[[f64; D]],
        near: &[f64; D],
        is_taken: impl Fn(&[f64; D]) -> bool,
    ) -> Option<[f64; D]> {
        if self.is_finite() {
            let rounded = self.rounded(near);
            let weights = barycentric(corners.as_flattened(), D, &rounded);
            if weights.is_some_and(|weights| weights.iter().all(|b| *b >= INSIDE)) && !is_taken(&rounded) {
                return Some(rounded);
            }
        }
        let length = |axis: &usize| {
            let (lo, hi) = range(corners.iter(), *axis);
            hi - lo
        };
        let mut axes: SmallVec<[usize; 8]> = (0..D).filter(|axis| self.whole[*axis]).collect();
        axes.sort_by(|a, b| length(a).total_cmp(&length(b)));
        let mut search = Search { corners, near: *near, axes, looks_left: LOOKS, best: None };
        let mut at = *near;
        self.descend(&mut search, 0, &mut at, 0.0, &is_taken);
        search.best.map(|(_, point)| point)
    }

    /// Whether a simplex has no point of the lattice but its corners.
    pub(super) fn is_full(&self, corners: &[[f64; D]]) -> bool {
        // Nothing lies between the corners of a unit cube.
        let is_short = |axis: usize| {
            let (lo, hi) = range(corners.iter(), axis);
            hi - lo <= 1.0
        };
        if self.is_finite() && (0..D).all(is_short) {
            return true;
        }
        let even = 1.0 / corners.len() as f64;
        let centre = std::array::from_fn(|i| corners.iter().map(|corner| corner[i]).sum::<f64>() * even);
        self.free_point(corners, &centre, |point| corners.contains(point)).is_none()
    }

    /// The first free point of the box, the last axis counted fastest: for domains whose simplices have no more to
    /// give. Nothing unless all axes are of whole numbers. O(points that are taken).
    pub(super) fn first_free(&self, is_taken: impl Fn(&[f64; D]) -> bool) -> Option<[f64; D]> {
        let mut point = self.is_finite().then(|| self.bounds.map(|(lo, _)| lo))?;
        while is_taken(&point) {
            let axis = (0..D).rev().find(|axis| point[*axis] < self.bounds[*axis].1)?;
            point[axis] += 1.0;
            (axis + 1..D).for_each(|later| point[later] = self.bounds[later].0);
        }
        Some(point)
    }

    /// Looks at all whole numbers along the next axis, the nearest first.
    fn descend(
        &self,
        search: &mut Search<'_, D>,
        depth: usize,
        at: &mut [f64; D],
        square: f64,
        is_taken: &impl Fn(&[f64; D]) -> bool,
    ) {
        if search.looks_left == 0 {
            return;
        }
        search.looks_left -= 1;
        if depth == D {
            // The numbers were taken from a little beyond the simplex too.
            let weights = barycentric(search.corners.as_flattened(), D, at);
            if weights.is_some_and(|weights| weights.iter().all(|b| *b >= INSIDE)) && !is_taken(at) {
                search.offer(square, *at);
            }
            return;
        }
        let cut = cut(search.corners, &search.axes[..depth], at);
        if cut.is_empty() {
            return;
        }
        let Some(&axis) = search.axes.get(depth) else {
            if let Some(point) = self.within(search, &cut, at, is_taken) {
                search.offer(square, point);
            }
            return;
        };
        let (lo, hi) = range(cut.iter(), axis);
        // Weights are right to INSIDE, so the corners of a cut are to that part of the simplex, however narrow the cut is.
        let (least, most) = range(search.corners.iter(), axis);
        let rounding = -INSIDE * (most - least) + 1e-13 * lo.abs().max(hi.abs());
        let (lo, hi) = ((lo - rounding).ceil(), (hi + rounding).floor());
        let near = search.near[axis];
        let (mut up, mut down) = (near.ceil().clamp(lo, hi.max(lo)), near.ceil().clamp(lo, hi.max(lo)) - 1.0);
        while up <= hi || down >= lo {
            let go_down = up > hi || down >= lo && near - down <= up - near;
            let x = if go_down { down } else { up };
            let here = square + self.square(axis, x - near);
            if search.looks_left == 0 || search.best.is_some_and(|(best, _)| here >= best) {
                return;
            }
            at[axis] = x + 0.0;
            self.descend(search, depth + 1, at, here, is_taken);
            *(if go_down { &mut down } else { &mut up }) += if go_down { -1.0 } else { 1.0 };
        }
    }

    /// A free point in a cut, whose corners these are; the whole coordinates of `at` hold in it.
    fn within(
        &self,
        search: &Search<'_, D>,
        cut: &[[f64; D]],
        at: &[f64; D],
        is_taken: &impl Fn(&[f64; D]) -> bool,
    ) -> Option<[f64; D]> {
        let corners = search.corners;
        let even = 1.0 / cut.len() as f64;
        // A corner of a cut may stick out of the box by a rounding error.
        let boxed = |i: usize, x: f64| x.clamp(self.bounds[i].0, self.bounds[i].1) + 0.0;
        let mean = |i: usize| boxed(i, cut.iter().map(|corner| corner[i]).sum::<f64>() * even);
        let middle: [f64; D] = std::array::from_fn(|i| if self.whole[i] { at[i] } else { mean(i) });
        let distance = |a: &[f64; D], b: &[f64; D]| (0..D).map(|i| self.square(i, a[i] - b[i])).sum::<f64>();
        if corners.iter().any(|corner| distance(corner, &middle) < NEAR * NEAR) {
            return None;
        }
        let beside: [f64; D] = std::array::from_fn(|i| if self.whole[i] { at[i] } else { search.near[i] });
        // How far one can go from the middle towards the point beside `near` without leaving the simplex.
        let start = barycentric(corners.as_flattened(), D, &middle)?;
        let end = barycentric(corners.as_flattened(), D, &beside)?;
        let limits = start.iter().zip(&end).filter(|(_, end)| **end < INSIDE);
        let share = limits.fold(1.0f64, |share, (from, to)| share.min(from.max(0.0) / (from.max(0.0) - to)));
        let (lower, upper) = (|i| range(cut.iter(), i).0, |i| range(cut.iter(), i).1);
        let moved: [f64; D] = std::array::from_fn(|i| {
            let x = middle[i] + share * (beside[i] - middle[i]);
            if self.whole[i] { at[i] } else { boxed(i, x.clamp(lower(i), upper(i))) }
        });
        let hugs = |corner: &[f64; D]| 4.0 * distance(corner, &moved) < distance(corner, &middle);
        if !corners.iter().any(hugs) && !is_taken(&moved) {
            return Some(moved);
        }
        (!is_taken(&middle)).then_some(middle)
    }
}

impl<const D: usize> Search<'_, D> {
    fn offer(&mut self, square: f64, point: [f64; D]) {
        if self.best.is_none_or(|(best, _)| square < best) {
            self.best = Some((square, point));
        }
    }
}

/// The lowest and the highest coordinate.
fn range<'a, const D: usize>(points: impl Iterator<Item = &'a [f64; D]>, axis: usize) -> (f64, f64) {
    points.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), point| {
        (lo.min(point[axis]), hi.max(point[axis]))
    })
}

/// The corners of the cut through a simplex where the coordinates of `at` along these axes hold; none if it misses the
/// simplex. O(C(D + 1, m + 1) m^3) for m axes.
///
/// They are the basic solutions of the linear programme for the weights of the simplex' corners: in each, m + 1 corners
/// have a weight, and the others none.
fn cut<const D: usize>(corners: &[[f64; D]], axes: &[usize], at: &[f64; D]) -> Cut<D> {
    if axes.is_empty() {
        return SmallVec::from_slice(corners);
    }
    let (n, m) = (corners.len(), axes.len());
    let mut found = Cut::new();
    let mut chosen: SmallVec<[usize; 9]> = (0..=m).collect();
    loop {
        if let Some(weights) = weights(corners, &chosen, axes, at)
            && weights.iter().all(|weight| *weight >= INSIDE)
        {
            found.push(std::array::from_fn(|i| {
                chosen.iter().zip(&weights).map(|(corner, weight)| corners[*corner][i] * weight).sum()
            }));
        }
        // The next choice in lexicographic order.
        let Some(last) = (0..=m).rev().find(|place| chosen[*place] < n - 1 - (m - place)) else {
            return found;
        };
        chosen[last] += 1;
        (last + 1..=m).for_each(|place| chosen[place] = chosen[place - 1] + 1);
    }
}

/// The weights of m + 1 corners that give the m coordinates; `None` if there is no one solution.
fn weights<const D: usize>(
    corners: &[[f64; D]],
    chosen: &[usize],
    axes: &[usize],
    at: &[f64; D],
) -> Option<SmallVec<[f64; 9]>> {
    let m = axes.len();
    // Of the differences from the first corner: m equations for the weights of the others.
    let first = &corners[chosen[0]];
    let mut rows: SmallVec<[SmallVec<[f64; 9]>; 8]> = SmallVec::new();
    for axis in axes {
        let mut row: SmallVec<[f64; 9]> =
            chosen[1..].iter().map(|corner| corners[*corner][*axis] - first[*axis]).collect();
        row.push(at[*axis] - first[*axis]);
        let largest = row[..m].iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        if largest == 0.0 {
            return None;
        }
        row.iter_mut().for_each(|x| *x /= largest);
        rows.push(row);
    }
    for column in 0..m {
        let pivot = (column..m).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        if rows[column][column].abs() < 1e-13 {
            return None;
        }
        let top = rows[column].clone();
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / top[column];
            (column..=m).for_each(|i| row[i] -= factor * top[i]);
        }
    }
    let mut weights: SmallVec<[f64; 9]> = smallvec![0.0; m + 1];
    for row in (0..m).rev() {
        let known: f64 = (row + 1..m).map(|i| rows[row][i] * weights[i + 1]).sum();
        weights[row + 1] = (rows[row][m] - known) / rows[row][row];
    }
    weights[0] = 1.0 - weights[1..].iter().sum::<f64>();
    Some(weights)
}

/// Reads `integer`: `true` for all axes, or a list of one truth value for each.
pub(super) fn whole_axes(table: &Table, dim: usize) -> settings::Result<Vec<bool>> {
    let Some(setting) = table.get("integer") else { return Ok(vec![false; dim]) };
    let path = table.path_of("integer");
    let help =
        "write it as integer = true, or with one of true and false for each coordinate, as [true, false]";
    let read = || match &setting.value {
        SettingValue::Bool(all) => Ok(vec![*all; dim]),
        SettingValue::List(axes) => {
            axes.iter().enumerate().map(|(i, axis)| axis.bool(&format!("{path}[{i}]"))).collect()
        }
        _ => Err(table.error("integer", format!("`{path}` should be true, false, or a list of them"))),
    };
    let axes: Vec<bool> = read().map_err(|error: settings::SettingError| error.help(help))?;
    if axes.len() == dim {
        return Ok(axes);
    }
    let message = format!("`{path}` has {} values, but there are {dim} coordinates", axes.len());
    Err(table.error("integer", message).help(help))
}

/// Whether all coordinates are whole numbers, as `integer` says.
#[must_use]
pub fn is_integer(table: &Table) -> bool {
    table.get("integer").is_some_and(|setting| match &setting.value {
        SettingValue::Bool(all) => *all,
        SettingValue::List(axes) => {
            !axes.is_empty() && axes.iter().all(|axis| axis.value == SettingValue::Bool(true))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests;
