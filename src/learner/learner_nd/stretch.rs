//! Coordinates in which a function is about as steep in all directions.

use super::told::Told;
use crate::geometry::{SimplexId, Triangulation};
use nalgebra::{DMatrix, DVector};

/// Gradients smaller than this count as none.
const NO_GRADIENT: f64 = 1e-8;

/// A linear map after which lengths include the rise of the function: |Lx|^2 = |x|^2 + |Jx|^2, with the gradients J
/// of all components.
pub(super) struct Stretch<const D: usize> {
    /// An upper triangle.
    rows: [[f64; D]; D],
}

impl<const D: usize> Stretch<D> {
    /// From the linear function that fits the values around a simplex best: at all vertices of all simplices that
    /// share a corner with it. Coordinates are scaled, values are not (as upstream). `None` where there is no gradient
    /// to speak of, or no number.
    pub(super) fn along_gradients(
        triangulation: &Triangulation<D>,
        id: SimplexId,
        told: &Told<D>,
    ) -> Option<Self> {
        let (mut near, mut around) = (Vec::new(), Vec::new());
        for corner in triangulation.vertices(id) {
            triangulation.around(*corner, &mut around);
            for simplex in &around {
                near.extend_from_slice(triangulation.vertices(*simplex));
            }
        }
        near.sort_unstable();
        near.dedup();
        let count = near.len() as f64;
        let mut mean = [0.0; D];
        for vertex in &near {
            mean.iter_mut().zip(triangulation.point(*vertex)).for_each(|(m, x)| *m += x / count);
        }
        let offsets =
            DMatrix::from_fn(near.len(), D, |i, axis| triangulation.point(near[i])[axis] - mean[axis]);
        let normal = (offsets.transpose() * &offsets).cholesky()?;
        let mut metric = DMatrix::identity(D, D);
        let mut steepest = 0.0f64;
        for component in 0..told.dim {
            let values = DVector::from_iterator(near.len(), near.iter().map(|v| told.value(*v)[component]));
            let gradient = normal.solve(&(offsets.transpose() * values));
            steepest = steepest.max(gradient.norm());
            metric += &gradient * gradient.transpose();
        }
        if steepest <= NO_GRADIENT {
            return None;
        }
        let lower = metric.cholesky()?.unpack();
        Some(Self { rows: std::array::from_fn(|i| std::array::from_fn(|j| lower[(j, i)])) })
    }

    /// The image of a point.
    pub(super) fn apply(&self, point: &[f64; D]) -> [f64; D] {
        std::array::from_fn(|i| self.rows[i].iter().zip(point).map(|(l, x)| l * x).sum())
    }
}
