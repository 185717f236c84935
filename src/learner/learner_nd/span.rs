//! Whether points fill the space, so that a triangulation of them can exist.

/// Distances from a plane that are smaller than this count as none.
const FLAT: f64 = 1e-10;

/// The affine space that some points span.
#[derive(Clone)]
pub(super) struct Span<const D: usize> {
    origin: Option<[f64; D]>,
    /// Directions at right angles, of length 1.
    directions: Vec<[f64; D]>,
}

impl<const D: usize> Span<D> {
    pub(super) fn new() -> Self {
        Self { origin: None, directions: Vec::new() }
    }

    /// Takes a point in; says whether the points so far fill the space. O(D^2).
    pub(super) fn add(&mut self, point: &[f64; D]) -> bool {
        let Some(origin) = self.origin else {
            self.origin = Some(*point);
            return false;
        };
        if self.directions.len() < D {
            let mut rest: [f64; D] = std::array::from_fn(|i| point[i] - origin[i]);
            for direction in &self.directions {
                let along: f64 = rest.iter().zip(direction).map(|(a, b)| a * b).sum();
                rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= along * d);
            }
            let length = rest.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > FLAT {
                self.directions.push(rest.map(|x| x / length));
            }
        }
        self.directions.len() == D
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_do_not_fill_the_plane() {
        let mut span = Span::new();
        for i in 0..10 {
            let x = f64::from(i) * 0.1;
            assert!(!span.add(&[x, 0.3 + 0.7 * x]));
        }
        assert!(span.add(&[0.1, 0.9]));
        assert!(span.add(&[0.1, 0.9]));
    }
}
