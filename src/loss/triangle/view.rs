use smallvec::SmallVec;

/// A triangle as a loss sees it.
///
/// Corners lie in the domain scaled to one unit (times the aspect ratio in y). Values and gradients are divided by
/// the range of the values seen so far (the widest of the components), except where a method says otherwise.
/// Vertices are numbered 0, 1, 2, in any order and orientation.
#[derive(Clone, Debug)]
pub struct Triangle<'a> {
    points: [[f64; 2]; 3],
    values: [&'a [f64]; 3],
    gradients: [&'a [[f64; 2]]; 3],
    neighbours: SmallVec<[([f64; 2], &'a [f64]); 3]>,
    /// One over the range of values.
    scale: f64,
}

impl<'a> Triangle<'a> {
    /// Corners, values at the corners as the function returned them, and the factor that brings these to a range
    /// of one.
    #[inline]
    pub fn new(points: [[f64; 2]; 3], values: [&'a [f64]; 3], scale: f64) -> Self {
        Self { points, values, gradients: [&[]; 3], neighbours: SmallVec::new(), scale }
    }

    /// The same triangle with gradients (per corner, one per component) of the unscaled values.
    #[inline]
    #[must_use]
    pub fn with_gradients(mut self, gradients: [&'a [[f64; 2]]; 3]) -> Self {
        self.gradients = gradients;
        self
    }

    /// The same triangle with up to three vertices opposite to its sides, and their unscaled values.
    #[inline]
    #[must_use]
    pub fn with_neighbours(mut self, neighbours: &[([f64; 2], &'a [f64])]) -> Self {
        self.neighbours.extend(neighbours.iter().copied());
        self
    }

    /// Components of a value.
    #[inline]
    pub fn components(&self) -> usize {
        self.values[0].len()
    }

    /// The corners.
    #[inline]
    pub fn points(&self) -> &[[f64; 2]; 3] {
        &self.points
    }

    /// A component of the value at a corner; NaN if it is infinite: both say that nothing is known there.
    #[inline]
    pub fn value(&self, corner: usize, component: usize) -> f64 {
        known(self.values[corner][component]) * self.scale
    }

    /// The values at a corner in the function's own units.
    #[inline]
    pub fn raw(&self, corner: usize) -> &'a [f64] {
        self.values[corner]
    }

    /// The gradient of a component at a corner; zero if the loss did not ask for gradients.
    #[inline]
    pub fn gradient(&self, corner: usize, component: usize) -> [f64; 2] {
        match self.gradients[corner].get(component) {
            Some([x, y]) => [x * self.scale, y * self.scale],
            None => [0.0; 2],
        }
    }

    /// The vertices opposite to the sides, as coordinates x, y and all components of the value. Empty if the loss
    /// did not ask for neighbours.
    pub fn neighbours(&self) -> impl Iterator<Item = Place> + '_ {
        self.neighbours.iter().map(|(point, values)| place(*point, values, self.scale))
    }

    /// A corner as coordinates x, y and all components of the value.
    pub fn corner(&self, corner: usize) -> Place {
        place(self.points[corner], self.values[corner], self.scale)
    }

    /// Points and unscaled values: of the corners, then of the vertices opposite to the sides.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&[f64; 2], &'a [f64])> + '_ {
        let corners = self.points.iter().zip(self.values);
        corners.chain(self.neighbours.iter().map(|(point, values)| (point, *values)))
    }

    /// Unscaled gradients of all components at a corner; empty if the loss did not ask for them.
    #[inline]
    pub(super) fn gradients(&self, corner: usize) -> &'a [[f64; 2]] {
        self.gradients[corner]
    }

    /// What brings values to a range of one.
    #[inline]
    pub(super) fn scale(&self) -> f64 {
        self.scale
    }

    /// The area.
    #[inline]
    pub fn area(&self) -> f64 {
        let [a, b, c] = &self.points;
        0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).abs()
    }

    /// How far the values at the corners are from the planes that touch the function at the other corners: for each
    /// corner the largest distance, summed over the corners (upstream: `deviations`). Zero for a linear function.
    /// NaN if a value is.
    #[inline]
    pub fn deviation(&self, component: usize) -> f64 {
        let value = |corner: usize| self.value(corner, component);
        let mut sum = 0.0;
        for i in 0..3 {
            let gradient = self.gradient(i, component);
            let miss = |j: usize| {
                let edge = [self.points[j][0] - self.points[i][0], self.points[j][1] - self.points[i][1]];
                (value(i) - value(j) + gradient[0] * edge[0] + gradient[1] * edge[1]).abs()
            };
            let (left, right) = (miss((i + 1) % 3), miss((i + 2) % 3));
            // NaN wins, so that a triangle with one unknown corner is ranked by its area.
            sum += if left > right || left.is_nan() { left } else { right };
        }
        sum
    }
}

/// A point of the graph of the function: x, y, then the components of the value.
pub type Place = SmallVec<[f64; 6]>;

#[inline]
fn place(point: [f64; 2], values: &[f64], scale: f64) -> Place {
    let mut place = Place::from_slice(&point);
    place.extend(values.iter().map(|value| known(*value) * scale));
    place
}

#[inline]
fn known(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}
