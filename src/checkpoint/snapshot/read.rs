//! Reads a snapshot file and checks every column against its checksum. `layout.md` is the norm.

use super::super::columns::{Chunks, Columns, Ragged, SEGMENT_ROWS, Segment};
use super::super::journal::FORMAT;
use super::super::{Ended, Ending, EndingKind, Failed, Header, Meta};
use super::text::{Checksum, attribute, has, text, texts};
use super::write::header_checksum;
use super::{ReadError, Snapshot, learners};
use crate::model::{Failure, FailureKind, Point, Sample};
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Error, File, Group, H5Type, Result};
use ndarray::s;
use std::ops::Range;
use std::path::Path;

/// Numbers per segment when values are large.
const SEGMENT_NUMBERS: usize = 1 << 20;

/// Reads all of a snapshot file.
pub(in crate::checkpoint) fn read(path: &Path) -> std::result::Result<Snapshot, ReadError> {
    let file = open(path)?;
    read_file(&file).map_err(|error| ReadError::Unreadable(error.to_string()))
}

/// Reads only the number of facts, after a look at the format.
pub(in crate::checkpoint) fn read_sequence(path: &Path) -> std::result::Result<u64, ReadError> {
    let file = open(path)?;
    attribute(&file, "sequence").map_err(|error| ReadError::Unreadable(error.to_string()))
}

fn open(path: &Path) -> std::result::Result<File, ReadError> {
    if !path.exists() {
        return Err(ReadError::Missing);
    }
    let unreadable = |error: Error| ReadError::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let format: (u16, u16) = (
        attribute(&file, "format_major").map_err(unreadable)?,
        attribute(&file, "format_minor").map_err(unreadable)?,
    );
    if format.0 != FORMAT.0 { Err(ReadError::Newer(format)) } else { Ok(file) }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::Internal(what.into())
}

fn read_file(file: &File) -> Result<Snapshot> {
    let header = Header {
        name: text(file, "name")?,
        study_text: text(file, "study")?,
        study_hash: text(file, "study_hash")?,
        dimensions: texts(file, "x_names")?,
        outputs: texts(file, "y_names")?,
        learners: learners::read(&file.group("learners")?)?,
        created: attribute(file, "created")?,
        program: text(file, "program")?,
    };
    if attribute::<u32>(file, "header_crc32")? != header_checksum(&header) {
        return Err(wrong("the attributes or the learners were changed"));
    }
    let ended = if file.attr_names()?.iter().any(|name| name == "ending") {
        let kind = EndingKind::from_name(&text(file, "ending")?).ok_or_else(|| wrong("unknown ending"))?;
        let ending = Ending::new(kind, text(file, "ending_reason")?);
        Some(Ended { ending, at: attribute(file, "ended")? })
    } else {
        None
    };
    let snapshot = Snapshot {
        format: (attribute(file, "format_major")?, attribute(file, "format_minor")?),
        header,
        columns: points(&file.group("points")?)?,
        failures: failures(&file.group("failures")?)?,
        in_flight: in_flight(&file.group("in_flight")?)?,
        sequence: attribute(file, "sequence")?,
        generation: attribute(file, "generation")?,
        written: attribute(file, "written")?,
        ended,
    };
    let facts = (snapshot.columns.len() + snapshot.failures.len()) as u64;
    if facts != snapshot.sequence {
        return Err(wrong(format!("it holds {facts} facts, but says {}", snapshot.sequence)));
    }
    Ok(snapshot)
}

fn points(group: &Group) -> Result<Columns> {
    let mut learner = Checked::open(group, "learner")?;
    let mut replica = Checked::open(group, "replica")?;
    let mut worker = Checked::open(group, "worker")?;
    let mut attempt = Checked::open(group, "attempt")?;
    let mut started = Checked::open(group, "started")?;
    let mut duration = Checked::open(group, "duration")?;
    let mut x = Rows::open(group, "x")?;
    let mut y = Rows::open(group, "y")?;
    let mut extra = if has(group, "extra") { Some(Checked::open(group, "extra")?) } else { None };
    let n = learner.dataset.size();
    let rows = (SEGMENT_NUMBERS / (x.width + y.width).max(1)).clamp(1, SEGMENT_ROWS);
    let mut columns = Columns::default();
    for start in (0..n).step_by(rows) {
        let range = start..n.min(start + rows);
        let mut segment = Segment {
            learner: learner.part(range.clone())?,
            replica: replica.part(range.clone())?,
            worker: worker.part(range.clone())?,
            attempt: attempt.part(range.clone())?,
            started: started.part(range.clone())?,
            duration: duration.part(range.clone())?,
            x: x.part(range.clone())?,
            y: y.part(range.clone())?,
            extra: Vec::new(),
        };
        if let Some(extra) = &mut extra {
            let texts: Vec<VarLenUnicode> = extra.part(range)?;
            let some = texts.iter().enumerate().filter(|(_, text)| !text.is_empty());
            segment.extra = some.map(|(row, text)| (row as u32, text.as_str().into())).collect();
        }
        columns.push_segment(segment);
    }
    for column in [learner, replica, worker, attempt, started, duration].into_iter().chain(extra) {
        column.finish()?;
    }
    x.column.finish()?;
    y.column.finish()?;
    Ok(columns)
}

fn failures(group: &Group) -> Result<Chunks<(u64, Failed)>> {
    let sequence = values::<u64>(group, "sequence")?;
    let samples = samples(group, sequence.len())?;
    let worker = values::<u32>(group, "worker")?;
    let attempt = values::<u32>(group, "attempt")?;
    let started = values::<f64>(group, "started")?;
    let duration = values::<f64>(group, "duration")?;
    let kind = values::<u8>(group, "kind")?;
    let kinds = group.dataset("kind")?;
    let names = texts(&kinds, "names")?;
    let message = values::<VarLenUnicode>(group, "message")?;
    let detail = values::<VarLenUnicode>(group, "detail")?;
    let given_up = values::<bool>(group, "given_up")?;
    let lengths = [worker.len(), attempt.len(), started.len(), duration.len(), kind.len(), message.len()];
    if lengths.iter().chain(&[detail.len(), given_up.len()]).any(|n| *n != sequence.len()) {
        return Err(wrong("the columns of /failures differ in length"));
    }
    let mut failures = Chunks::default();
    for (i, sample) in samples.into_iter().enumerate() {
        let name = names.get(kind[i] as usize).map_or("", String::as_str);
        let kind = FailureKind::from_name(name).unwrap_or(FailureKind::Error);
        let failure = Failure::new(kind, message[i].as_str()).with_detail(detail[i].as_str());
        let meta =
            Meta { worker: worker[i], attempt: attempt[i], started: started[i], duration: duration[i] };
        failures.push((sequence[i], Failed { sample, failure, meta, given_up: given_up[i] }));
    }
    Ok(failures)
}

fn in_flight(group: &Group) -> Result<Vec<Sample>> {
    let n = group.dataset("learner")?.size();
    samples(group, n)
}

fn samples(group: &Group, n: usize) -> Result<Vec<Sample>> {
    let learner = values::<u32>(group, "learner")?;
    let replica = values::<u64>(group, "replica")?;
    let mut rows = Rows::open(group, "x")?;
    let x = rows.part(0..n)?;
    rows.column.finish()?;
    if learner.len() != n || replica.len() != n {
        return Err(wrong("columns differ in length"));
    }
    let each = learner.into_iter().zip(replica).enumerate();
    Ok(each.map(|(i, (learner, replica))| Sample { learner, replica, point: Point::new(x.get(i)) }).collect())
}

/// A whole column.
pub(super) fn values<T: H5Type + Checksum>(group: &Group, name: &str) -> Result<Vec<T>> {
    let mut column = Checked::open(group, name)?;
    let n = column.dataset.size();
    let values = column.part(0..n)?;
    column.finish()?;
    Ok(values)
}

/// A column that is read part by part, from first to last, and compared to its checksum at the end.
struct Checked {
    name: String,
    dataset: Dataset,
    checksum: crc32fast::Hasher,
}

impl Checked {
    fn open(group: &Group, name: &str) -> Result<Self> {
        let dataset = group.dataset(name)?;
        Ok(Self { name: name.to_owned(), dataset, checksum: crc32fast::Hasher::new() })
    }

    fn part<T: H5Type + Checksum>(&mut self, range: Range<usize>) -> Result<Vec<T>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (values, _) = self.dataset.read_slice_1d::<T, _>(s![range])?.into_raw_vec_and_offset();
        T::add(&values, &mut self.checksum);
        Ok(values)
    }

    /// Rows of an `(n, width)` matrix.
    fn matrix(&mut self, range: Range<usize>) -> Result<Vec<f64>> {
        let (values, _) = self.dataset.read_slice_2d::<f64, _>(s![range, ..])?.into_raw_vec_and_offset();
        f64::add(&values, &mut self.checksum);
        Ok(values)
    }

    fn finish(self) -> Result<()> {
        if attribute::<u32>(&self.dataset, "crc32")? == self.checksum.finalize() {
            Ok(())
        } else {
            Err(wrong(format!("the column {} is damaged: its checksum differs", self.name)))
        }
    }
}

/// Rows of numbers, as [`Columnar::rows`](super::write::Columnar) writes them.
struct Rows {
    column: Checked,
    /// The length of each row, where they differ.
    lengths: Option<Vec<u32>>,
    /// Rows are stored one after another, without padding; where the next one begins.
    flat: Option<usize>,
    width: usize,
}

impl Rows {
    fn open(group: &Group, name: &str) -> Result<Self> {
        let column = Checked::open(group, name)?;
        let lengths = format!("n{name}");
        let lengths = if has(group, &lengths) { Some(values::<u32>(group, &lengths)?) } else { None };
        let shape = column.dataset.shape();
        let longest = lengths.iter().flatten().copied().max().unwrap_or(0) as usize;
        let (flat, width) = match (&shape[..], &lengths) {
            ([_], Some(_)) => (Some(0), longest),
            ([_, width], _) if longest <= *width => (None, *width),
            _ => return Err(wrong(format!("{name} has the wrong shape"))),
        };
        Ok(Self { column, lengths, flat, width })
    }

    fn part(&mut self, range: Range<usize>) -> Result<Ragged> {
        let rows = range.len();
        let Some(lengths) = &self.lengths else {
            let numbers = if rows * self.width == 0 { Vec::new() } else { self.column.matrix(range)? };
            if numbers.len() != rows * self.width {
                return Err(wrong(format!("{} has too few rows", self.column.name)));
            }
            return Ok(Ragged::uniform(numbers, self.width, rows));
        };
        let lengths = lengths.get(range.clone()).ok_or_else(|| wrong("too few lengths"))?;
        let mut ragged = Ragged::default();
        if let Some(start) = self.flat {
            let end = start + lengths.iter().map(|n| *n as usize).sum::<usize>();
            let numbers: Vec<f64> = self.column.part(start..end)?;
            self.flat = Some(end);
            let mut rest = &numbers[..];
            for length in lengths {
                let (row, after) =
                    rest.split_at_checked(*length as usize).ok_or_else(|| wrong("too few numbers"))?;
                ragged.push(row);
                rest = after;
            }
        } else if self.width > 0 {
            let numbers = self.column.matrix(range)?;
            for (row, length) in numbers.chunks_exact(self.width).zip(lengths) {
                ragged.push(&row[..*length as usize]);
            }
        }
        Ok(ragged)
    }
}
