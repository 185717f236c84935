//! Writes a snapshot file. `layout.md` is the norm.

use super::super::columns::{Ragged, Segment};
use super::super::journal::FORMAT;
use super::text::{put_attribute, put_text, put_texts, unicode};
use super::{Snapshot, learners};
use crate::model::FailureKind;
use hdf5::plist::file_access::LibraryVersion;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Group, H5Type, Result};
use ndarray::{ArrayView1, ArrayView2, s};
use std::borrow::Cow;
use std::path::Path;

/// Rows per chunk of a compressed data set.
const CHUNK_ROWS: usize = 16_384;
/// Numbers that padding may add before values of different lengths are stored one after another.
const MOST_PADDING: usize = 1 << 23;

/// Writes all of a snapshot to a new file and closes it. The error is the reason, for people.
pub(in crate::checkpoint) fn write(
    path: &Path,
    snapshot: &Snapshot,
    compress: bool,
) -> std::result::Result<(), String> {
    write_file(path, snapshot, compress).map_err(|error| error.to_string())
}

fn write_file(path: &Path, snapshot: &Snapshot, compress: bool) -> Result<()> {
    // The 1.8 format: its headers have checksums, and any library since 2008 reads it.
    let file = hdf5::File::with_options()
        .with_fapl(|access| access.libver_bounds(LibraryVersion::V18, LibraryVersion::V18))
        .create(path)?;
    let to = Columnar { compress };
    root(&file, snapshot)?;
    points(&to, &file.create_group("points")?, snapshot)?;
    let mut npoints = vec![0_u64; snapshot.header.learners.len()];
    for learner in snapshot.columns.segments().flat_map(|segment| &segment.learner) {
        if let Some(count) = npoints.get_mut(*learner as usize) {
            *count += 1;
        }
    }
    learners::write(&to, &file.create_group("learners")?, &snapshot.header.learners, &npoints)?;
    failures(&to, &file.create_group("failures")?, snapshot)?;
    in_flight(&to, &file.create_group("in_flight")?, snapshot)?;
    file.flush()?;
    file.close()
}

fn root(file: &hdf5::File, snapshot: &Snapshot) -> Result<()> {
    let header = &snapshot.header;
    put_text(file, "Conventions", "adaptive-mpi")?;
    put_attribute(file, "format_major", &FORMAT.0)?;
    put_attribute(file, "format_minor", &FORMAT.1)?;
    put_attribute(file, "sequence", &snapshot.sequence)?;
    put_attribute(file, "npoints", &(snapshot.columns.len() as u64))?;
    put_attribute(file, "generation", &snapshot.generation)?;
    put_attribute(file, "written", &snapshot.written)?;
    put_attribute(file, "created", &header.created)?;
    put_text(file, "program", &header.program)?;
    put_text(file, "name", &header.name)?;
    put_text(file, "study", &header.study_text)?;
    put_text(file, "study_hash", &header.study_hash)?;
    put_texts(file, "function_files", header.function_files.keys().map(String::as_str))?;
    put_texts(file, "function_hashes", header.function_files.values().map(String::as_str))?;
    put_texts(file, "x_names", header.dimensions.iter().map(String::as_str))?;
    put_texts(file, "y_names", header.outputs.iter().map(String::as_str))?;
    if let Some(ended) = &snapshot.ended {
        put_text(file, "ending", ended.ending.kind.name())?;
        put_text(file, "ending_reason", &ended.ending.reason)?;
        put_attribute(file, "ended", &ended.at)?;
    }
    Ok(())
}

fn points(to: &Columnar, group: &Group, snapshot: &Snapshot) -> Result<()> {
    let n = snapshot.columns.len();
    let segments: Vec<&Segment> = snapshot.columns.segments().collect();
    let x = to.rows(group, "x", &segments.iter().map(|s| &s.x).collect::<Vec<_>>(), n)?;
    put_texts(&x, "names", snapshot.header.dimensions.iter().map(String::as_str))?;
    let y = to.rows(group, "y", &segments.iter().map(|s| &s.y).collect::<Vec<_>>(), n)?;
    put_texts(&y, "names", snapshot.header.outputs.iter().map(String::as_str))?;
    to.column(group, "learner", n, segments.iter().map(|s| &*s.learner))?;
    to.column(group, "replica", n, segments.iter().map(|s| &*s.replica))?;
    to.column(group, "worker", n, segments.iter().map(|s| &*s.worker))?;
    to.column(group, "attempt", n, segments.iter().map(|s| &*s.attempt))?;
    let started = to.column(group, "started", n, segments.iter().map(|s| &*s.started))?;
    put_text(&started, "units", "seconds since 1970-01-01 00:00:00")?;
    let duration = to.column(group, "duration", n, segments.iter().map(|s| &*s.duration))?;
    put_text(&duration, "units", "s")?;
    if segments.iter().any(|s| !s.extra.is_empty()) {
        let extra = to.create::<VarLenUnicode>(group, "extra", &[n])?;
        let mut at = 0;
        for segment in segments {
            let mut texts = vec![VarLenUnicode::new(); segment.rows()];
            for (row, text) in &segment.extra {
                texts[*row as usize] = unicode(text);
            }
            put_part(&extra, &texts, at)?;
            at += texts.len();
        }
    }
    Ok(())
}

fn failures(to: &Columnar, group: &Group, snapshot: &Snapshot) -> Result<()> {
    let n = snapshot.failures.len();
    let each = || snapshot.failures.iter().map(|(_, failed)| failed);
    let mut x = Ragged::default();
    each().for_each(|failed| x.push(&failed.sample.point));
    to.rows(group, "x", &[&x], n)?;
    to.values(group, "sequence", snapshot.failures.iter().map(|(sequence, _)| *sequence))?;
    to.values(group, "learner", each().map(|f| f.sample.learner))?;
    to.values(group, "replica", each().map(|f| f.sample.replica))?;
    to.values(group, "worker", each().map(|f| f.meta.worker))?;
    to.values(group, "attempt", each().map(|f| f.meta.attempt))?;
    let started = to.values(group, "started", each().map(|f| f.meta.started))?;
    put_text(&started, "units", "seconds since 1970-01-01 00:00:00")?;
    let duration = to.values(group, "duration", each().map(|f| f.meta.duration))?;
    put_text(&duration, "units", "s")?;
    let number = |kind| FailureKind::ALL.iter().position(|(k, _)| *k == kind).unwrap_or(0) as u8;
    let kind = to.values(group, "kind", each().map(|f| number(f.failure.kind)))?;
    put_texts(&kind, "names", FailureKind::ALL.iter().map(|(_, name)| *name))?;
    to.values(group, "message", each().map(|f| unicode(&f.failure.message)))?;
    to.values(group, "detail", each().map(|f| unicode(&f.failure.detail)))?;
    to.values(group, "given_up", each().map(|f| f.given_up))?;
    Ok(())
}

fn in_flight(to: &Columnar, group: &Group, snapshot: &Snapshot) -> Result<()> {
    let mut x = Ragged::default();
    snapshot.in_flight.iter().for_each(|sample| x.push(&sample.point));
    to.rows(group, "x", &[&x], snapshot.in_flight.len())?;
    to.values(group, "learner", snapshot.in_flight.iter().map(|s| s.learner))?;
    to.values(group, "replica", snapshot.in_flight.iter().map(|s| s.replica))?;
    Ok(())
}

/// Makes data sets.
pub(super) struct Columnar {
    compress: bool,
}

impl Columnar {
    fn create<T: H5Type>(&self, group: &Group, name: &str, shape: &[usize]) -> Result<Dataset> {
        let builder = group.new_dataset::<T>();
        let builder = if self.compress && shape.iter().all(|n| *n > 0) {
            let mut chunk = shape.to_vec();
            chunk[0] = chunk[0].min(CHUNK_ROWS);
            builder.chunk(chunk).shuffle().deflate(1)
        } else {
            builder
        };
        builder.shape(shape.to_vec()).create(name)
    }

    /// A column from its parts.
    fn column<'a, T: H5Type + 'a>(
        &self,
        group: &Group,
        name: &str,
        n: usize,
        parts: impl Iterator<Item = &'a [T]>,
    ) -> Result<Dataset> {
        let dataset = self.create::<T>(group, name, &[n])?;
        let mut at = 0;
        for part in parts {
            put_part(&dataset, part, at)?;
            at += part.len();
        }
        Ok(dataset)
    }

    /// A column from its values.
    pub(super) fn values<T: H5Type>(
        &self,
        group: &Group,
        name: &str,
        values: impl Iterator<Item = T>,
    ) -> Result<Dataset> {
        let values: Vec<T> = values.collect();
        self.column(group, name, values.len(), std::iter::once(&*values))
    }

    /// Rows of numbers as an `(n, width)` matrix. Rows of different lengths are padded with NaN, and their
    /// lengths stand in a column beside it; where that would waste much, they are stored one after another.
    fn rows(&self, group: &Group, name: &str, parts: &[&Ragged], n: usize) -> Result<Dataset> {
        let width = parts.iter().map(|part| part.max_width()).max().unwrap_or(0);
        let uniform = parts.iter().all(|part| part.uniform_width() == Some(width));
        let numbers: usize = parts.iter().map(|part| part.numbers().len()).sum();
        if !uniform && n > 0 {
            let lengths = parts.iter().flat_map(|part| part.iter().map(|row| row.len() as u32));
            self.values(group, &format!("n{name}"), lengths)?;
        }
        if !uniform && n.saturating_mul(width) - numbers > MOST_PADDING {
            return self.column(group, name, numbers, parts.iter().map(|part| part.numbers()));
        }
        let dataset = self.create::<f64>(group, name, &[n, width])?;
        let mut at = 0;
        for part in parts.iter().filter(|part| part.rows() > 0 && width > 0) {
            let padded = if part.uniform_width() == Some(width) {
                Cow::Borrowed(part.numbers())
            } else {
                let mut padded = vec![f64::NAN; part.rows() * width];
                for (to, row) in padded.chunks_exact_mut(width).zip(part.iter()) {
                    to[..row.len()].copy_from_slice(row);
                }
                Cow::Owned(padded)
            };
            let view = ArrayView2::from_shape((part.rows(), width), &padded)
                .map_err(|error| hdf5::Error::Internal(error.to_string()))?;
            dataset.write_slice(view, s![at..at + part.rows(), ..])?;
            at += part.rows();
        }
        Ok(dataset)
    }
}

fn put_part<T: H5Type>(dataset: &Dataset, part: &[T], at: usize) -> Result<()> {
    if !part.is_empty() {
        dataset.write_slice(ArrayView1::from(part), s![at..at + part.len()])?;
    }
    Ok(())
}
