//! All told points in memory, as columns in shared segments.
//!
//! A segment holds up to 64 Ki rows behind an `Arc`. A background snapshot gets clones of the `Arc`s, so that
//! handing 1e6 points to it costs rank 0 a few dozen reference counts.

use super::{Meta, Told};
use crate::model::{Detail, Point, Sample, Value};
use std::sync::Arc;

/// Rows per segment.
pub(super) const SEGMENT_ROWS: usize = 65_536;
/// Coordinates and components per segment: large values begin a new one earlier.
const SEGMENT_NUMBERS: usize = 1 << 20;
/// A shorter open segment is copied when a snapshot starts; a longer one is closed instead.
const COPY_ROWS: usize = 4096;

/// The told points in the order told. A clone shares its memory with the original.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    segments: Vec<Arc<Segment>>,
    /// Index of the first row of each segment.
    starts: Vec<usize>,
    len: usize,
}

/// One told point, borrowed from [`Columns`].
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Index of the learner.
    pub learner: u32,
    /// Replica of the sample.
    pub replica: u64,
    /// Coordinates.
    pub point: &'a [f64],
    /// Components of the value.
    pub values: &'a [f64],
    /// What the function wanted kept beside the value, as JSON text.
    pub extra: Option<&'a str>,
    /// Provenance.
    pub meta: Meta,
}

impl Row<'_> {
    /// What was evaluated.
    pub fn sample(&self) -> Sample {
        Sample { learner: self.learner, replica: self.replica, point: Point::new(self.point) }
    }

    /// What came back. The names of the components are those of the header, not repeated here.
    pub fn value(&self) -> Value {
        let mut value = Value::vector(self.values);
        if let Some(extra) = self.extra {
            value.detail = Some(Box::new(Detail { names: Vec::new(), extra: Some(extra.to_owned()) }));
        }
        value
    }

    /// The row as a fact of its own.
    pub fn told(&self) -> Told {
        Told { sample: self.sample(), value: self.value(), meta: self.meta }
    }
}

impl<'a> From<&'a Told> for Row<'a> {
    fn from(told: &'a Told) -> Self {
        Self {
            learner: told.sample.learner,
            replica: told.sample.replica,
            point: &told.sample.point,
            values: &told.value.components,
            extra: told.value.detail.as_ref().and_then(|d| d.extra.as_deref()),
            meta: told.meta,
        }
    }
}

impl Columns {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of this index, in O(log segments).
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        if index >= self.len {
            return None;
        }
        let at = self.starts.partition_point(|start| *start <= index).checked_sub(1)?;
        Some(self.segments.get(at)?.row(index - self.starts.get(at)?))
    }

    /// All rows in the order told.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> + '_ {
        self.segments.iter().flat_map(|segment| (0..segment.rows()).map(|i| segment.row(i)))
    }

    /// The largest number of coordinates of any point.
    pub fn x_width(&self) -> usize {
        self.segments.iter().map(|s| s.x.max_width()).max().unwrap_or(0)
    }

    /// The largest number of components of any value.
    pub fn y_width(&self) -> usize {
        self.segments.iter().map(|s| s.y.max_width()).max().unwrap_or(0)
    }

    /// Memory in bytes, heap only.
    pub fn bytes(&self) -> usize {
        self.segments.iter().map(|s| s.bytes()).sum()
    }

    /// Appends a told point, in O(1) amortised.
    pub fn push(&mut self, told: &Told) {
        self.push_row(&Row::from(told));
    }

    pub(super) fn push_row(&mut self, row: &Row<'_>) {
        if self.segments.last().is_none_or(|segment| segment.is_full()) {
            self.segments.push(Arc::new(Segment::default()));
            self.starts.push(self.len);
        }
        if let Some(last) = self.segments.last_mut() {
            Arc::make_mut(last).push(row);
            self.len += 1;
        }
    }

    /// Appends a whole segment as read from a file.
    #[cfg(feature = "hdf5")]
    pub(super) fn push_segment(&mut self, segment: Segment) {
        self.starts.push(self.len);
        self.len += segment.rows();
        self.segments.push(Arc::new(segment));
    }

    /// The same rows for another thread. A long open segment is closed, so that the next
    /// [`push`](Self::push) need not copy it.
    pub(super) fn share(&mut self) -> Self {
        let shared = self.clone();
        if self.segments.last().is_some_and(|last| last.rows() > COPY_ROWS) {
            self.segments.push(Arc::new(Segment::default()));
            self.starts.push(self.len);
        }
        shared
    }

    #[cfg(feature = "hdf5")]
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().map(|s| &**s).filter(|s| s.rows() > 0)
    }
}

/// Up to [`SEGMENT_ROWS`] rows, column by column.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub(super) learner: Vec<u32>,
    pub(super) replica: Vec<u64>,
    pub(super) worker: Vec<u32>,
    pub(super) attempt: Vec<u32>,
    pub(super) started: Vec<f64>,
    pub(super) duration: Vec<f64>,
    pub(super) x: Ragged,
    pub(super) y: Ragged,
    /// (row, text), by row.
    pub(super) extra: Vec<(u32, Arc<str>)>,
}

impl Segment {
    pub(super) fn rows(&self) -> usize {
        self.learner.len()
    }

    fn is_full(&self) -> bool {
        self.rows() >= SEGMENT_ROWS || self.x.numbers.len() + self.y.numbers.len() >= SEGMENT_NUMBERS
    }

    fn push(&mut self, row: &Row<'_>) {
        if let Some(extra) = row.extra {
            self.extra.push((self.rows() as u32, extra.into()));
        }
        self.learner.push(row.learner);
        self.replica.push(row.replica);
        self.worker.push(row.meta.worker);
        self.attempt.push(row.meta.attempt);
        self.started.push(row.meta.started);
        self.duration.push(row.meta.duration);
        self.x.push(row.point);
        self.y.push(row.values);
    }

    fn row(&self, i: usize) -> Row<'_> {
        let extra = if self.extra.is_empty() {
            None
        } else {
            let found = self.extra.binary_search_by_key(&(i as u32), |(row, _)| *row).ok();
            found.map(|at| &*self.extra[at].1)
        };
        Row {
            learner: self.learner[i],
            replica: self.replica[i],
            point: self.x.get(i),
            values: self.y.get(i),
            extra,
            meta: Meta {
                worker: self.worker[i],
                attempt: self.attempt[i],
                started: self.started[i],
                duration: self.duration[i],
            },
        }
    }

    fn bytes(&self) -> usize {
        4 * (self.learner.capacity() + self.worker.capacity() + self.attempt.capacity())
            + 8 * (self.replica.capacity() + self.started.capacity() + self.duration.capacity())
            + self.x.bytes()
            + self.y.bytes()
            + self.extra.iter().map(|(_, text)| text.len() + 40).sum::<usize>()
    }
}

/// Rows of numbers, usually all of one length; their ends are kept only where they are not.
#[derive(Clone, Debug, Default)]
pub(super) struct Ragged {
    numbers: Vec<f64>,
    /// Length of every row while `ends` is `None`, else of the first.
    width: usize,
    ends: Option<Vec<usize>>,
    rows: usize,
}

impl Ragged {
    /// Rows of one length.
    #[cfg(feature = "hdf5")]
    pub(super) fn uniform(numbers: Vec<f64>, width: usize, rows: usize) -> Self {
        Self { numbers, width, ends: None, rows }
    }

    pub(super) fn push(&mut self, row: &[f64]) {
        if self.rows == 0 {
            self.width = row.len();
        } else if self.ends.is_none() && row.len() != self.width {
            self.ends = Some((1..=self.rows).map(|i| i * self.width).collect());
        }
        self.numbers.extend_from_slice(row);
        self.rows += 1;
        if let Some(ends) = &mut self.ends {
            ends.push(self.numbers.len());
        }
    }

    pub(super) fn get(&self, i: usize) -> &[f64] {
        match &self.ends {
            None => &self.numbers[i * self.width..(i + 1) * self.width],
            Some(ends) => {
                let start = if i == 0 { 0 } else { ends[i - 1] };
                &self.numbers[start..ends[i]]
            }
        }
    }

    /// The length of all rows, if it is the same.
    #[cfg(feature = "hdf5")]
    pub(super) fn uniform_width(&self) -> Option<usize> {
        self.ends.is_none().then_some(self.width)
    }

    #[cfg(feature = "hdf5")]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    #[cfg(feature = "hdf5")]
    pub(super) fn iter(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.rows).map(|i| self.get(i))
    }

    /// All numbers one after another.
    #[cfg(feature = "hdf5")]
    pub(super) fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    pub(super) fn max_width(&self) -> usize {
        match &self.ends {
            None => self.width,
            Some(_) => (0..self.rows).map(|i| self.get(i).len()).max().unwrap_or(0),
        }
    }

    fn bytes(&self) -> usize {
        8 * (self.numbers.capacity() + self.ends.as_ref().map_or(0, Vec::capacity))
    }
}

/// A growing list whose clones share memory; a clone costs one reference count per 1024 items.
#[derive(Clone, Debug)]
pub(super) struct Chunks<T>(Vec<Arc<Vec<T>>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Chunks<T> {
    const ITEMS: usize = 1024;

    pub(super) fn push(&mut self, item: T) {
        if self.0.last().is_none_or(|chunk| chunk.len() >= Self::ITEMS) {
            self.0.push(Arc::new(Vec::new()));
        }
        if let Some(last) = self.0.last_mut() {
            Arc::make_mut(last).push(item);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|chunk| chunk.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(i: usize, x: &[f64], y: &[f64], extra: Option<&str>) -> Told {
        let mut value = Value::vector(y);
        if let Some(extra) = extra {
            value.detail = Some(Box::new(Detail { names: vec![], extra: Some(extra.into()) }));
        }
        let sample = Sample { learner: i as u32 % 7, replica: i as u64, point: Point::new(x) };
        Told { sample, value, meta: Meta { worker: 1, attempt: 2, started: i as f64, duration: 0.5 } }
    }

    #[test]
    fn rows_of_any_length_come_back_as_they_went_in() {
        let facts: Vec<Told> = (0..5000)
            .map(|i| {
                let x = vec![i as f64; i % 4];
                let y = vec![-(i as f64); (i * i) % 5];
                told(i, &x, &y, (i % 3 == 0).then_some("{\"a\":1}"))
            })
            .collect();
        let mut columns = Columns::default();
        facts.iter().for_each(|fact| columns.push(fact));
        assert_eq!(columns.len(), facts.len());
        assert!(columns.iter().map(|row| row.told()).eq(facts.iter().cloned()));
        for i in [0, 1, 2, 4999] {
            assert_eq!(columns.get(i).map(|row| row.told()).as_ref(), facts.get(i));
        }
        assert!(columns.get(5000).is_none());
        assert_eq!((columns.x_width(), columns.y_width()), (3, 4));
    }

    #[test]
    fn a_shared_copy_does_not_change_when_more_is_pushed() {
        let mut columns = Columns::default();
        for i in 0..SEGMENT_ROWS + 10_000 {
            columns.push(&told(i, &[1.0], &[2.0], None));
        }
        let shared = columns.share();
        for i in 0..3 {
            columns.push(&told(i, &[3.0], &[4.0], None));
        }
        assert_eq!(shared.len(), SEGMENT_ROWS + 10_000);
        assert_eq!(shared.iter().count(), shared.len());
        assert_eq!(columns.len(), shared.len() + 3);
        assert_eq!(columns.get(shared.len()).map(|row| row.point.to_vec()), Some(vec![3.0]));
    }

    #[test]
    fn a_scalar_point_takes_less_than_eighty_bytes() {
        let mut columns = Columns::default();
        let n = 4 * SEGMENT_ROWS;
        for i in 0..n {
            columns.push(&told(i, &[1.0], &[2.0], None));
        }
        assert!(columns.bytes() < 80 * n, "{} bytes per point", columns.bytes() / n);
    }
}
