//! Reads a snapshot file. `layout.md` is the norm.

use super::super::columns::{Chunks, Columns, Ragged, SEGMENT_ROWS, Segment};
use super::super::{Ended, Ending, EndingKind, Failed, Header, Meta};
use super::text::{attribute, has, text, texts};
use super::{ReadError, Snapshot, learners, seal};
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
    let seal = seal::check(path)?;
    let unreadable = |error: Error| ReadError::Unreadable(error.to_string());
    let (_copy, file) = open(path).map_err(unreadable)?;
    let snapshot = read_file(&file).map_err(unreadable)?;
    Ok(Snapshot { format: seal.format, ..snapshot })
}

/// Opens a file, or a copy of it if HDF5 refuses: the data is right, so HDF5 can't get a lock on it. Either
/// the file system has none, or a process that was started while the file was written holds it still, having
/// inherited it.
fn open(path: &Path) -> Result<(Option<tempfile::TempPath>, File)> {
    let refused = match File::open(path) {
        Ok(file) => return Ok((None, file)),
        Err(error) => error,
    };
    let Ok(copy) = tempfile::NamedTempFile::new() else { return Err(refused) };
    let copy = copy.into_temp_path();
    if std::fs::copy(path, &copy).is_err() {
        return Err(refused);
    }
    let file = File::open(&copy)?;
    Ok((Some(copy), file))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::Internal(what.into())
}

fn read_file(file: &File) -> Result<Snapshot> {
    let attributes = file.attr_names()?;
    let has = |name: &str| attributes.iter().any(|known| known == name);
    let files = |name: &str| if has(name) { texts(file, name) } else { Ok(Vec::new()) };
    let header = Header {
        name: text(file, "name")?,
        study_text: text(file, "study")?,
        study_hash: text(file, "study_hash")?,
        // Since 1.2.
        function_files: files("function_files")?.into_iter().zip(files("function_hashes")?).collect(),
        dimensions: texts(file, "x_names")?,
        outputs: texts(file, "y_names")?,
        learners: learners::read(&file.group("learners")?)?,
        created: attribute(file, "created")?,
        program: text(file, "program")?,
    };
    let ended = if has("ending") {
        let kind = EndingKind::from_name(&text(file, "ending")?).ok_or_else(|| wrong("unknown ending"))?;
        let ending = Ending::new(kind, text(file, "ending_reason")?);
        Some(Ended { ending, at: attribute(file, "ended")? })
    } else {
        None
    };
    let snapshot = Snapshot {
        format: (0, 0),
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
    let learner = group.dataset("learner")?;
    let replica = group.dataset("replica")?;
    let worker = group.dataset("worker")?;
    let attempt = group.dataset("attempt")?;
    let started = group.dataset("started")?;
    let duration = group.dataset("duration")?;
    let mut x = Rows::open(group, "x")?;
    let mut y = Rows::open(group, "y")?;
    let extra = if has(group, "extra") { Some(group.dataset("extra")?) } else { None };
    let n = learner.size();
    let rows = (SEGMENT_NUMBERS / (x.width + y.width).max(1)).clamp(1, SEGMENT_ROWS);
    let mut columns = Columns::default();
    for start in (0..n).step_by(rows) {
        let range = start..n.min(start + rows);
        let mut segment = Segment {
            learner: part(&learner, range.clone())?,
            replica: part(&replica, range.clone())?,
            worker: part(&worker, range.clone())?,
            attempt: part(&attempt, range.clone())?,
            started: part(&started, range.clone())?,
            duration: part(&duration, range.clone())?,
            x: x.part(range.clone())?,
            y: y.part(range.clone())?,
            extra: Vec::new(),
        };
        if let Some(extra) = &extra {
            let texts: Vec<VarLenUnicode> = part(extra, range)?;
            let some = texts.iter().enumerate().filter(|(_, text)| !text.is_empty());
            segment.extra = some.map(|(row, text)| (row as u32, text.as_str().into())).collect();
        }
        columns.push_segment(segment);
    }
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
    if learner.len() != n || replica.len() != n {
        return Err(wrong("columns differ in length"));
    }
    let each = learner.into_iter().zip(replica).enumerate();
    Ok(each.map(|(i, (learner, replica))| Sample { learner, replica, point: Point::new(x.get(i)) }).collect())
}

/// A whole column.
pub(super) fn values<T: H5Type>(group: &Group, name: &str) -> Result<Vec<T>> {
    let dataset = group.dataset(name)?;
    if dataset.size() == 0 { Ok(Vec::new()) } else { dataset.read_raw() }
}

/// Some items of a column.
fn part<T: H5Type>(dataset: &Dataset, range: Range<usize>) -> Result<Vec<T>> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    Ok(dataset.read_slice_1d::<T, _>(s![range])?.into_raw_vec_and_offset().0)
}

/// Some rows of an `(n, width)` matrix.
fn matrix(dataset: &Dataset, range: Range<usize>) -> Result<Vec<f64>> {
    Ok(dataset.read_slice_2d::<f64, _>(s![range, ..])?.into_raw_vec_and_offset().0)
}

/// Rows of numbers, as [`Columnar::rows`](super::write::Columnar) writes them.
struct Rows {
    dataset: Dataset,
    /// The length of each row, where they differ.
    lengths: Option<Vec<u32>>,
    /// Rows are stored one after another, without padding; where the next one begins.
    flat: Option<usize>,
    width: usize,
}

impl Rows {
    fn open(group: &Group, name: &str) -> Result<Self> {
        let dataset = group.dataset(name)?;
        let lengths = format!("n{name}");
        let lengths = if has(group, &lengths) { Some(values::<u32>(group, &lengths)?) } else { None };
        let shape = dataset.shape();
        let longest = lengths.iter().flatten().copied().max().unwrap_or(0) as usize;
        let (flat, width) = match (&shape[..], &lengths) {
            ([_], Some(_)) => (Some(0), longest),
            ([_, width], _) if longest <= *width => (None, *width),
            _ => return Err(wrong(format!("{name} has the wrong shape"))),
        };
        Ok(Self { dataset, lengths, flat, width })
    }

    fn part(&mut self, range: Range<usize>) -> Result<Ragged> {
        let rows = range.len();
        let Some(lengths) = &self.lengths else {
            let numbers = if rows * self.width == 0 { Vec::new() } else { matrix(&self.dataset, range)? };
            if numbers.len() != rows * self.width {
                return Err(wrong("too few rows"));
            }
            return Ok(Ragged::uniform(numbers, self.width, rows));
        };
        let lengths = lengths.get(range.clone()).ok_or_else(|| wrong("too few lengths"))?;
        let mut ragged = Ragged::default();
        if let Some(start) = self.flat {
            let end = start + lengths.iter().map(|n| *n as usize).sum::<usize>();
            let numbers: Vec<f64> = part(&self.dataset, start..end)?;
            self.flat = Some(end);
            let mut rest = &numbers[..];
            for length in lengths {
                let (row, after) =
                    rest.split_at_checked(*length as usize).ok_or_else(|| wrong("too few numbers"))?;
                ragged.push(row);
                rest = after;
            }
        } else if self.width > 0 {
            let numbers = matrix(&self.dataset, range)?;
            for (row, length) in numbers.chunks_exact(self.width).zip(lengths) {
                ragged.push(&row[..*length as usize]);
            }
        }
        Ok(ragged)
    }
}
