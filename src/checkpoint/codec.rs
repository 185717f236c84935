//! Facts and headers as bytes: little endian, lengths before contents. `layout.md` is the norm.

use super::columns::Row;
use super::{Ended, Ending, EndingKind, Failed, Header, Meta};
use crate::model::{Failure, FailureKind, Parameter, Parameters, Point, Sample};

/// First byte of a record's payload.
pub(super) mod kind {
    pub(in crate::checkpoint) const TOLD: u8 = 1;
    pub(in crate::checkpoint) const FAILED: u8 = 2;
    pub(in crate::checkpoint) const HEADER: u8 = 3;
    pub(in crate::checkpoint) const ENDED: u8 = 4;
    pub(in crate::checkpoint) const EARLY: u8 = 5;
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_texts<'a>(out: &mut Vec<u8>, texts: impl ExactSizeIterator<Item = &'a String>) {
    out.extend_from_slice(&(texts.len() as u32).to_le_bytes());
    texts.for_each(|text| put_text(out, text));
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[f64]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The part that told and failed records share, 45 bytes.
fn put_who(out: &mut Vec<u8>, kind: u8, sequence: u64, learner: u32, replica: u64, meta: &Meta) {
    let mut bytes = [0; 45];
    bytes[0] = kind;
    bytes[1..9].copy_from_slice(&sequence.to_le_bytes());
    bytes[9..13].copy_from_slice(&learner.to_le_bytes());
    bytes[13..21].copy_from_slice(&replica.to_le_bytes());
    bytes[21..25].copy_from_slice(&meta.worker.to_le_bytes());
    bytes[25..29].copy_from_slice(&meta.attempt.to_le_bytes());
    bytes[29..37].copy_from_slice(&meta.started.to_le_bytes());
    bytes[37..45].copy_from_slice(&meta.duration.to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// A told point as the payload of a record.
pub(super) fn put_told(out: &mut Vec<u8>, sequence: u64, row: &Row<'_>) {
    put_value(out, kind::TOLD, sequence, row);
}

/// A value that waits for its turn to be told, as the payload of a record.
pub(super) fn put_early(out: &mut Vec<u8>, sequence: u64, row: &Row<'_>) {
    put_value(out, kind::EARLY, sequence, row);
}

fn put_value(out: &mut Vec<u8>, kind: u8, sequence: u64, row: &Row<'_>) {
    put_who(out, kind, sequence, row.learner, row.replica, &row.meta);
    out.push(u8::from(row.extra.is_some()));
    out.extend_from_slice(&(row.point.len() as u32).to_le_bytes());
    out.extend_from_slice(&(row.values.len() as u32).to_le_bytes());
    put_numbers(out, row.point);
    put_numbers(out, row.values);
    if let Some(extra) = row.extra {
        put_text(out, extra);
    }
}

/// A failed attempt as the payload of a record.
pub(super) fn put_failed(out: &mut Vec<u8>, sequence: u64, failed: &Failed) {
    let sample = &failed.sample;
    put_who(out, kind::FAILED, sequence, sample.learner, sample.replica, &failed.meta);
    out.push(u8::from(failed.given_up));
    out.extend_from_slice(&(sample.point.len() as u32).to_le_bytes());
    put_numbers(out, &sample.point);
    put_text(out, failed.failure.kind.name());
    put_text(out, &failed.failure.message);
    put_text(out, &failed.failure.detail);
}

/// A header that replaces the one before, as the payload of a record.
pub(super) fn put_header_record(out: &mut Vec<u8>, sequence: u64, header: &Header) {
    out.push(kind::HEADER);
    out.extend_from_slice(&sequence.to_le_bytes());
    put_header(out, header);
}

/// An ending as the payload of a record.
pub(super) fn put_ended(out: &mut Vec<u8>, sequence: u64, ended: &Ended) {
    out.push(kind::ENDED);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&ended.at.to_le_bytes());
    put_text(out, ended.ending.kind.name());
    put_text(out, &ended.ending.reason);
}

/// A header on its own.
pub(super) fn put_header(out: &mut Vec<u8>, header: &Header) {
    put_text(out, &header.name);
    put_text(out, &header.study_text);
    put_text(out, &header.study_hash);
    put_texts(out, header.dimensions.iter());
    put_texts(out, header.outputs.iter());
    out.extend_from_slice(&header.created.to_le_bytes());
    put_text(out, &header.program);
    out.extend_from_slice(&(header.learners.len() as u32).to_le_bytes());
    for Parameters(parameters) in &header.learners {
        out.extend_from_slice(&(parameters.len() as u32).to_le_bytes());
        for (name, value) in parameters {
            put_text(out, name);
            match value {
                Parameter::Bool(b) => out.extend_from_slice(&[1, u8::from(*b)]),
                Parameter::Integer(i) => {
                    out.push(2);
                    out.extend_from_slice(&i.to_le_bytes());
                }
                Parameter::Float(x) => {
                    out.push(3);
                    out.extend_from_slice(&x.to_le_bytes());
                }
                Parameter::Text(s) => {
                    out.push(4);
                    put_text(out, s);
                }
            }
        }
    }
    put_texts(out, header.function_files.keys());
    put_texts(out, header.function_files.values());
}

/// What a record holds.
#[derive(Debug)]
pub(super) enum Record {
    Told(ToldRecord),
    Early(ToldRecord),
    Failed(Failed),
    Header(Header),
    Ended(Ended),
}

/// A told point with room of its own for its numbers.
#[derive(Debug)]
pub(super) struct ToldRecord {
    learner: u32,
    replica: u64,
    numbers: Vec<f64>,
    x_width: usize,
    extra: Option<String>,
    meta: Meta,
}

impl ToldRecord {
    pub(super) fn row(&self) -> Row<'_> {
        let (point, values) = self.numbers.split_at(self.x_width);
        Row {
            learner: self.learner,
            replica: self.replica,
            point,
            values,
            extra: self.extra.as_deref(),
            meta: self.meta,
        }
    }
}

/// The kind and the sequence number of a payload, if it is long enough to have them.
pub(super) fn peek(payload: &[u8]) -> Option<(u8, u64)> {
    let mut bytes = Bytes(payload);
    Some((bytes.u8()?, bytes.u64()?))
}

/// Reads a payload; `None` for an unknown kind or for contents that don't fit it.
pub(super) fn take_record(payload: &[u8]) -> Option<Record> {
    let mut bytes = Bytes(payload);
    let kind = bytes.u8()?;
    let _sequence = bytes.u64()?;
    match kind {
        kind::TOLD | kind::EARLY => {
            let (learner, replica, meta) = bytes.who()?;
            let has_extra = bytes.u8()? & 1 != 0;
            let x_width = bytes.u32()? as usize;
            let y_width = bytes.u32()? as usize;
            let numbers = bytes.numbers(x_width.checked_add(y_width)?)?;
            let extra = if has_extra { Some(bytes.text()?) } else { None };
            let told = ToldRecord { learner, replica, numbers, x_width, extra, meta };
            Some(if kind == kind::TOLD { Record::Told(told) } else { Record::Early(told) })
        }
        kind::FAILED => {
            let (learner, replica, meta) = bytes.who()?;
            let given_up = bytes.u8()? & 1 != 0;
            let width = bytes.u32()? as usize;
            let point = Point::new(&bytes.numbers(width)?);
            // A kind that only a newer minor version knows is still an error.
            let kind = FailureKind::from_name(&bytes.text()?).unwrap_or(FailureKind::Error);
            let failure = Failure::new(kind, bytes.text()?).with_detail(bytes.text()?);
            Some(Record::Failed(Failed {
                sample: Sample { learner, replica, point },
                failure,
                meta,
                given_up,
            }))
        }
        kind::HEADER => bytes.header().map(Record::Header),
        kind::ENDED => {
            let at = bytes.f64()?;
            let kind = EndingKind::from_name(&bytes.text()?)?;
            Some(Record::Ended(Ended { ending: Ending::new(kind, bytes.text()?), at }))
        }
        _ => None,
    }
}

/// Reads a start sequence and a header: the payload of a journal's head.
pub(super) fn take_head(payload: &[u8]) -> Option<(u64, Header)> {
    let mut bytes = Bytes(payload);
    Some((bytes.u64()?, bytes.header()?))
}

/// Reads from the front, never beyond the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[b]| b)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(head.to_vec()).ok()
    }

    fn texts(&mut self) -> Option<Vec<String>> {
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    fn numbers(&mut self, count: usize) -> Option<Vec<f64>> {
        let (head, rest) = self.0.split_at_checked(count.checked_mul(8)?)?;
        self.0 = rest;
        Some(head.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    }

    fn who(&mut self) -> Option<(u32, u64, Meta)> {
        let learner = self.u32()?;
        let replica = self.u64()?;
        let meta =
            Meta { worker: self.u32()?, attempt: self.u32()?, started: self.f64()?, duration: self.f64()? };
        Some((learner, replica, meta))
    }

    fn header(&mut self) -> Option<Header> {
        let (name, study_text, study_hash) = (self.text()?, self.text()?, self.text()?);
        let (dimensions, outputs) = (self.texts()?, self.texts()?);
        let (created, program) = (self.f64()?, self.text()?);
        let learners = (0..self.u32()?).map(|_| self.parameters()).collect::<Option<_>>()?;
        // Since 1.2.
        let files = if self.0.is_empty() { Vec::new() } else { self.texts()? };
        let digests = if self.0.is_empty() { Vec::new() } else { self.texts()? };
        let function_files = files.into_iter().zip(digests).collect();
        Some(Header {
            name,
            study_text,
            study_hash,
            function_files,
            dimensions,
            outputs,
            learners,
            created,
            program,
        })
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let entries = (0..self.u32()?).map(|_| {
            let name = self.text()?;
            let value = match self.u8()? {
                1 => Parameter::Bool(self.u8()? != 0),
                2 => Parameter::Integer(self.u64()? as i64),
                3 => Parameter::Float(self.f64()?),
                4 => Parameter::Text(self.text()?),
                _ => return None,
            };
            Some((name, value))
        });
        entries.collect::<Option<_>>().map(Parameters)
    }
}
