//! Points to ask before there is a triangulation: the corners of the domain, then random ones.

use super::domain::Domain;
use super::twister::Twister;

/// Whole numbers that are drawn before the rest of them is searched.
const MOST_DRAWS: usize = 100;

/// Which points come next while no simplex of told points is known.
///
/// The random points are those of upstream, so that recorded runs can be followed. They always come in the same order:
/// after pending points were forgotten, the sequence starts anew, and skips what is known.
#[derive(Clone)]
pub(super) struct Start<const D: usize> {
    /// No corner before this one can be asked.
    corner: usize,
    /// Random points so far, in user coordinates, and how many of them were looked at.
    random: Vec<[f64; D]>,
    used: usize,
    twister: Option<Box<Twister>>,
}

/// A place in the sequence, to go back to.
#[derive(Clone, Copy)]
pub(super) struct Bookmark {
    corner: usize,
    used: usize,
}

impl<const D: usize> Start<D> {
    pub(super) fn new() -> Self {
        Self { corner: 0, random: Vec::new(), used: 0, twister: None }
    }

    /// The next corner that is not known.
    pub(super) fn corner(
        &mut self,
        domain: &Domain<D>,
        is_known: impl Fn(&[f64; D]) -> bool,
    ) -> Option<[f64; D]> {
        while let Some(corner) = domain.corners.get(self.corner) {
            self.corner += 1;
            if !is_known(corner) {
                return Some(*corner);
            }
        }
        None
    }

    /// Whether [`Start::corner`] has no more to give.
    pub(super) fn corners_done(&self, domain: &Domain<D>) -> bool {
        self.corner >= domain.corners.len()
    }

    /// The next random point in the domain that is not known. Of whole numbers there may be no more.
    pub(super) fn random(
        &mut self,
        domain: &Domain<D>,
        is_known: impl Fn(&[f64; D]) -> bool,
    ) -> Option<[f64; D]> {
        let most = if domain.lattice.is_some() { MOST_DRAWS } else { usize::MAX };
        for _ in 0..most {
            if self.used == self.random.len() {
                let point = self.draw(domain);
                self.random.push(point);
            }
            let point = self.random[self.used];
            self.used += 1;
            if !is_known(&point) && domain.contains(&point) {
                return Some(point);
            }
        }
        domain.free_point(is_known)
    }

    /// A random point in the domain; of whole numbers, one near it that may lie outside of a hull.
    fn draw(&mut self, domain: &Domain<D>) -> [f64; D] {
        let twister = self.twister.get_or_insert_with(|| Box::new(Twister::new()));
        loop {
            let unit = std::array::from_fn(|_| twister.uniform());
            let point = domain.unscaled(unit).map(|x| x + 0.0);
            match &domain.lattice {
                Some(lattice) => return lattice.rounded(&point),
                None if domain.contains(&point) => return point,
                None => {}
            }
        }
    }

    pub(super) fn bookmark(&self) -> Bookmark {
        Bookmark { corner: self.corner, used: self.used }
    }

    pub(super) fn go_back(&mut self, to: Bookmark) {
        (self.corner, self.used) = (to.corner, to.used);
    }

    pub(super) fn restart(&mut self) {
        self.go_back(Bookmark { corner: 0, used: 0 });
    }
}
