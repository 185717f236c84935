//! Pairs the faces around the new vertex by the ridges that they share.

use super::VertexId;

/// Where a ridge was seen first, and how often.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    stamp: u32,
    /// Row of the sheet, place of the vertex that is not in the ridge.
    sheet: u32,
    place: u8,
    /// Among faces to be joined with the new vertex.
    count: u8,
    /// Among opened hull faces: even or odd.
    odd: bool,
    hash: u64,
}

/// A hash table of ridges (D-1 vertices); emptied by a new stamp. It grows to twice the number of ridges.
#[derive(Clone, Debug, Default)]
pub(super) struct Ridges {
    table: Vec<Entry>,
    used: Vec<u32>,
    stamp: u32,
}

#[inline]
fn mix(vertex: VertexId) -> u64 {
    let mut x = (u64::from(vertex) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 29)
}

/// Whether two faces without one vertex each are the same.
#[inline]
fn same(a: &[VertexId], without_a: usize, b: &[VertexId], without_b: usize) -> bool {
    let skip = |face: &[VertexId], without: usize, i: usize| face[i + usize::from(i >= without)];
    (0..a.len() - 1).all(|i| skip(a, without_a, i) == skip(b, without_b, i))
}

impl Ridges {
    /// Fills `links`: row i, place j is the row of the face that shares with face i the ridge without its vertex j, or
    /// `none`. Faces are rows of `width` ascending vertices: first `joined` ones to be joined with the new vertex,
    /// then hull faces that are hull faces no more. False if they are not the faces of a ball.
    pub(super) fn pair(
        &mut self,
        faces: &[VertexId],
        width: usize,
        joined: usize,
        none: u32,
        links: &mut Vec<u32>,
    ) -> bool {
        let rows = faces.len() / width;
        links.clear();
        links.resize(joined * width, none);
        self.start(rows * width);
        let mut pairs = 0;
        for row in 0..rows {
            let face = &faces[row * width..(row + 1) * width];
            let whole = face.iter().fold(0_u64, |sum, vertex| sum.wrapping_add(mix(*vertex)));
            for place in 0..width {
                let hash = whole.wrapping_sub(mix(face[place]));
                let (entry, new) = self.find(hash, row as u32, place as u8, faces, width);
                if row >= joined {
                    entry.odd = !entry.odd;
                    continue;
                }
                entry.count += 1;
                match entry.count {
                    1 => debug_assert!(new, "hull faces come last"),
                    2 => {
                        links[row * width + place] = entry.sheet;
                        links[entry.sheet as usize * width + usize::from(entry.place)] = row as u32;
                        pairs += 1;
                    }
                    _ => return false,
                }
            }
        }
        if rows == joined {
            return 2 * pairs == joined * width;
        }
        // With the hull opened a ridge has one face left exactly where it is on the rim of the opening.
        self.used.iter().all(|at| {
            let entry = &self.table[*at as usize];
            if entry.odd { entry.count == 1 } else { entry.count != 1 }
        })
    }

    fn start(&mut self, ridges: usize) {
        if self.table.len() < 2 * ridges {
            self.table.clear();
            self.table.resize((2 * ridges).next_power_of_two().max(64), Entry::default());
            self.stamp = 0;
        }
        if self.stamp == u32::MAX {
            self.table.fill(Entry::default());
            self.stamp = 0;
        }
        self.stamp += 1;
        self.used.clear();
    }

    #[inline]
    fn find(
        &mut self,
        hash: u64,
        row: u32,
        place: u8,
        faces: &[VertexId],
        width: usize,
    ) -> (&mut Entry, bool) {
        let mask = self.table.len() - 1;
        let mut at = (hash >> 20) as usize & mask;
        let face = |row: u32| &faces[row as usize * width..(row as usize + 1) * width];
        loop {
            let entry = &self.table[at];
            if entry.stamp != self.stamp {
                self.table[at] = Entry { stamp: self.stamp, sheet: row, place, count: 0, odd: false, hash };
                self.used.push(at as u32);
                return (&mut self.table[at], true);
            }
            if entry.hash == hash && same(face(entry.sheet), entry.place.into(), face(row), place.into()) {
                return (&mut self.table[at], false);
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_surface_is_paired_and_an_open_one_is_refused() {
        let (mut ridges, mut links) = (Ridges::default(), Vec::new());
        let tetrahedron = [0, 1, 2, 0, 1, 3, 0, 2, 3, 1, 2, 3];
        assert!(ridges.pair(&tetrahedron, 3, 4, 9, &mut links));
        assert_eq!(links, [3, 2, 1, 3, 2, 0, 3, 1, 0, 2, 1, 0]);
        assert!(!ridges.pair(&tetrahedron[..9], 3, 3, 9, &mut links));
        // The missing face as an opening of the hull: its three ridges are the rim.
        assert!(ridges.pair(&tetrahedron, 3, 3, 9, &mut links));
        assert_eq!(links, [9, 2, 1, 9, 2, 0, 9, 1, 0]);
    }

    #[test]
    fn three_faces_at_one_ridge_are_refused() {
        let (mut ridges, mut links) = (Ridges::default(), Vec::new());
        assert!(!ridges.pair(&[0, 1, 2, 0, 1, 3, 0, 1, 4], 3, 3, 9, &mut links));
    }

    #[test]
    fn in_one_dimension_both_faces_share_the_empty_ridge() {
        let (mut ridges, mut links) = (Ridges::default(), Vec::new());
        assert!(ridges.pair(&[4, 7], 1, 2, 9, &mut links));
        assert_eq!(links, [1, 0]);
    }
}
