//! Puts together what the files of a checkpoint hold: the newest readable generation, and what the journals
//! tell beyond it. Reads only; what is wrong is told, and the caller decides.

use super::codec::Record;
use super::columns::{Chunks, Columns};
use super::files::{Files, Part, is_absent};
use super::journal::{self, FORMAT};
use super::lock;
use super::snapshot::{self, ReadError};
use super::{CheckpointError, Ended, Failed, Header, Loaded, Told};
use crate::model::Sample;
use rustc_hash::FxHashSet;
use std::path::Path;

/// How often a reader starts anew because a writer renamed files under it.
const MOST_TRIES: usize = 100;

/// Reads a checkpoint without taking its lock, also while a run goes on. A checkpoint without files is
/// empty; losses are told, not an error.
///
/// # Errors
/// Files of a newer format, or files that the system doesn't let us read.
pub fn read(folder: impl AsRef<Path>, name: &str) -> Result<Loaded, CheckpointError> {
    let files = Files::new(folder.as_ref(), name);
    let mut found = None;
    for _ in 0..MOST_TRIES {
        let before = files.identities();
        let now = load(&files)?;
        let still = files.identities() == before;
        found = Some(now);
        if still {
            break;
        }
    }
    let mut found = found.unwrap_or_default();
    let holder = lock::holder(&files);
    if holder.is_none() {
        found.tell_torn_tail(&files, "there are");
    }
    for (part, reason) in &found.unreadable {
        found.notices.push(format!("{} can't be read: {reason}", files.path(*part).display()));
    }
    Ok(Loaded { holder, ..found.loaded(&files) })
}

/// What was found on disk, with what a writer needs to go on.
#[derive(Default)]
pub(super) struct Found {
    pub(super) header: Option<Header>,
    pub(super) columns: Columns,
    pub(super) failures: Chunks<(u64, Failed)>,
    pub(super) in_flight: Vec<Sample>,
    pub(super) early: Vec<Told>,
    pub(super) ended: Option<Ended>,
    pub(super) generation: u64,
    pub(super) written: Option<f64>,
    /// Number of facts in the newest generation and in the one before, where they can be read.
    pub(super) snapshot: Option<u64>,
    pub(super) snapshot_old: Option<u64>,
    /// Start and end of the journal to go on with.
    pub(super) journal: Option<(u64, u64)>,
    /// Bytes after that end.
    pub(super) torn: u64,
    /// A journal is damaged and should be made anew from what could be read.
    pub(super) damaged: bool,
    /// Generations that can't be read, and why.
    pub(super) unreadable: Vec<(Part, String)>,
    /// The newest format seen, with its file.
    pub(super) format: Option<((u16, u16), Part)>,
    pub(super) notices: Vec<String>,
    pub(super) losses: Vec<(Part, String)>,
}

impl Found {
    /// Number of facts.
    pub(super) fn len(&self) -> u64 {
        (self.columns.len() + self.failures.len()) as u64
    }

    pub(super) fn tell_torn_tail(&mut self, files: &Files, verb: &str) {
        if self.torn > 0 {
            let path = files.path(Part::Journal);
            let notice = format!(
                "{verb} {} bytes of an unfinished record at the end of {}",
                self.torn,
                path.display()
            );
            self.notices.push(notice);
        }
    }

    /// For the caller of [`read`] or [`Checkpoint::open`](super::Checkpoint::open).
    pub(super) fn loaded(&self, files: &Files) -> Loaded {
        let loss = |(part, what): &(Part, String)| format!("{}: {what}", files.path(*part).display());
        Loaded {
            header: self.header.clone(),
            columns: self.columns.clone(),
            failures: self.failures.iter().map(|(_, failed)| failed.clone()).collect(),
            failure_numbers: self.failures.iter().map(|(number, _)| *number).collect(),
            in_flight: self.in_flight.clone(),
            early: self.early.clone(),
            notices: self.notices.clone(),
            losses: self.losses.iter().map(loss).collect(),
            generation: self.generation,
            written: self.written,
            ended: self.ended.clone(),
            holder: None,
        }
    }
}

/// Reads everything. Fails only where going on would be wrong in any case.
pub(super) fn load(files: &Files) -> Result<Found, CheckpointError> {
    let mut found = Found::default();
    let base = newest_generation(files, &mut found)?;
    let mut merge = Merge { next: base, base, gaps: Vec::new(), pending: None, found: &mut found };
    let mut earliest = None;
    for part in [Part::JournalOld, Part::Journal] {
        if let Some(start) = merge.journal(files, part)? {
            earliest = Some(earliest.unwrap_or(start).min(start));
        }
    }
    merge.drop_answered();
    // A journal that is lost may have told what an older one has as waiting, and the generation knows it.
    if !found.early.is_empty() {
        let early = |told: &Told| key(told.sample.learner, told.sample.replica, &told.sample.point);
        let early: FxHashSet<_> = found.early.iter().map(early).collect();
        for row in found.columns.iter() {
            if early.contains(&key(row.learner, row.replica, row.point)) {
                no_longer_early(&mut found.early, row.learner, row.replica, row.point);
            }
        }
    }
    // A generation that can't be read held facts up to an unknown number: they are all here only if the
    // journals go back to what could be read.
    if let Some((part, reason)) = found.unreadable.first()
        && found.snapshot.is_none()
        && earliest.is_none_or(|start| start > base)
    {
        found.losses.push((
            *part,
            format!("it can't be read ({reason}), and the journals don't hold all that it had"),
        ));
    }
    Ok(found)
}

/// Takes over the newest generation that can be read; returns its number of facts.
fn newest_generation(files: &Files, found: &mut Found) -> Result<u64, CheckpointError> {
    for part in [Part::Snapshot, Part::SnapshotOld] {
        let path = files.path(part);
        match snapshot::read(&path) {
            Ok(snapshot) => {
                let sequence = snapshot.sequence;
                found.see_format(snapshot.format, part);
                found.header = Some(snapshot.header);
                found.columns = snapshot.columns;
                found.failures = snapshot.failures;
                found.in_flight = snapshot.in_flight;
                found.ended = snapshot.ended;
                found.generation = snapshot.generation;
                found.written = Some(snapshot.written);
                if part == Part::SnapshotOld {
                    found.snapshot_old = Some(sequence);
                    return Ok(sequence);
                }
                found.snapshot = Some(sequence);
                match snapshot::read_sequence(&files.path(Part::SnapshotOld)) {
                    Ok(old) => found.snapshot_old = Some(old),
                    Err(ReadError::Missing) => {}
                    Err(ReadError::Unreadable(reason)) => {
                        found.unreadable.push((Part::SnapshotOld, reason));
                    }
                    Err(ReadError::Newer(_)) => {
                        found.unreadable.push((Part::SnapshotOld, "it has another format".into()));
                    }
                }
                return Ok(sequence);
            }
            Err(ReadError::Missing) => {}
            Err(ReadError::Newer(format)) => {
                return Err(CheckpointError::Newer { path, found: format, known: FORMAT });
            }
            Err(ReadError::Unreadable(reason)) => found.unreadable.push((part, reason)),
        }
    }
    Ok(0)
}

impl Found {
    fn see_format(&mut self, format: (u16, u16), part: Part) {
        if self.format.is_none_or(|(newest, _)| format > newest) {
            self.format = Some((format, part));
        }
    }
}

/// Adds what the journals hold beyond a generation.
struct Merge<'a> {
    found: &'a mut Found,
    /// Number of facts of the generation.
    base: u64,
    /// The number that the next fact should have on disk. Facts beyond a gap are numbered anew in memory.
    next: u64,
    /// First and last missing number + 1, in this journal.
    gaps: Vec<(u64, u64)>,
    /// Samples in flight that have had no result yet.
    pending: Option<FxHashSet<(u32, u64, Vec<u64>)>>,
}

/// A value that was told, or refused, no longer waits for its turn. In a deterministic run few wait; in any other none.
pub(super) fn no_longer_early(early: &mut Vec<Told>, learner: u32, replica: u64, point: &[f64]) {
    let same = |told: &Told| {
        told.sample.learner == learner && told.sample.replica == replica && *told.sample.point == *point
    };
    if let Some(at) = early.iter().position(same) {
        early.remove(at);
    }
}

fn key(learner: u32, replica: u64, point: &[f64]) -> (u32, u64, Vec<u64>) {
    (learner, replica, point.iter().map(|x| x.to_bits()).collect())
}

impl Merge<'_> {
    /// Reads one journal; returns where it starts, if that is known.
    fn journal(&mut self, files: &Files, part: Part) -> Result<Option<u64>, CheckpointError> {
        let path = files.path(part);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(CheckpointError::unreadable(&path, error.to_string())),
        };
        let mut records = Vec::new();
        let mut first = None;
        let base = self.base;
        let mut early = std::mem::take(&mut self.found.early);
        let scan = journal::scan(&bytes, &mut |sequence, record| {
            let fact = matches!(record, Record::Told(_) | Record::Failed(_));
            if fact && first.is_none() {
                first = Some(sequence);
            }
            match &record {
                Record::Told(told) => {
                    let row = told.row();
                    no_longer_early(&mut early, row.learner, row.replica, row.point);
                }
                // The learner refused it.
                Record::Failed(failed) => {
                    let sample = &failed.sample;
                    no_longer_early(&mut early, sample.learner, sample.replica, &sample.point);
                }
                Record::Early(told) => {
                    let told = told.row().told();
                    // It is written again when a new journal begins.
                    // The later one counts: its outputs may stand in another order.
                    match early.iter_mut().find(|known| known.sample == told.sample) {
                        Some(known) => *known = told,
                        None => early.push(told),
                    }
                }
                _ => {}
            }
            // What the generation has is not kept, so that memory stays bounded by what is new.
            if sequence >= base {
                records.push((sequence, record));
            }
        });
        self.found.early = early;
        if let Some(format) = scan.format {
            if format.0 != FORMAT.0 {
                return Err(CheckpointError::Newer { path, found: format, known: FORMAT });
            }
            self.found.see_format(format, part);
        }
        let start = scan.head.as_ref().map(|(start, _)| *start).or(first);
        if scan.blank {
            let what =
                format!("{} is blank: the machine went down before it reached the disk", path.display());
            self.found.notices.push(what);
            return Ok(None);
        }
        if scan.torn_head {
            let what =
                format!("{} ends within its head: the machine went down while it was begun", path.display());
            self.found.notices.push(what);
            return Ok(None);
        }
        if scan.head.is_none() {
            self.found.damaged = true;
            if scan.records == 0 {
                self.found.losses.push((part, "nothing in it can be read".into()));
                return Ok(None);
            }
            self.found.notices.push(format!("the head of {} is damaged", path.display()));
        }
        if !scan.damaged.is_empty() {
            self.found.damaged = true;
            let places: Vec<String> =
                scan.damaged.iter().map(|range| format!("{}-{}", range.start, range.end)).collect();
            self.found.notices.push(format!("{} is damaged at bytes {}", path.display(), places.join(", ")));
        }
        if let Some((start, header)) = scan.head {
            match &self.found.header {
                Some(known) if known.created.to_bits() != header.created.to_bits() => {
                    self.found.damaged = true;
                    self.found.losses.push((part, "it belongs to another run than the other files".into()));
                    return Ok(None);
                }
                Some(_) => {}
                None => self.found.header = Some(header),
            }
            self.expect(start);
            if part == Part::Journal {
                self.found.journal = Some((start, scan.end as u64));
                self.found.torn = scan.torn as u64;
            }
        }
        if self.pending.is_none() && !self.found.in_flight.is_empty() {
            let samples = self.found.in_flight.iter();
            self.pending = Some(samples.map(|s| key(s.learner, s.replica, &s.point)).collect());
        }
        for (sequence, record) in records {
            self.take(sequence, record);
        }
        for (from, to) in self.gaps.drain(..) {
            let what = match to - from {
                1 => format!("fact {from} is missing"),
                n => format!("facts {from} to {} are missing ({n} in all)", to - 1),
            };
            self.found.damaged = true;
            self.found.losses.push((part, what));
        }
        Ok(start)
    }

    fn expect(&mut self, sequence: u64) {
        if sequence > self.next {
            self.gaps.push((self.next, sequence));
            self.next = sequence;
        }
    }

    fn take(&mut self, sequence: u64, record: Record) {
        match record {
            Record::Told(_) | Record::Failed(_) if sequence < self.next => {}
            Record::Told(told) => {
                self.expect(sequence);
                let row = told.row();
                self.answered(row.learner, row.replica, row.point);
                self.found.columns.push_row(&row);
                self.found.ended = None;
                self.next += 1;
            }
            Record::Failed(failed) => {
                self.expect(sequence);
                if failed.given_up {
                    self.answered(failed.sample.learner, failed.sample.replica, &failed.sample.point);
                }
                let number = self.found.len();
                self.found.failures.push((number, failed));
                self.found.ended = None;
                self.next += 1;
            }
            Record::Early(_) => {}
            Record::Header(header) => {
                // A run that goes on from here begins with it.
                if sequence >= self.next {
                    self.found.ended = None;
                }
                self.found.header = Some(header);
            }
            // An end before what the generation holds is that of an earlier run.
            Record::Ended(ended) if sequence >= self.next => self.found.ended = Some(ended),
            Record::Ended(_) => {}
        }
    }

    fn answered(&mut self, learner: u32, replica: u64, point: &[f64]) {
        if let Some(pending) = &mut self.pending {
            pending.remove(&key(learner, replica, point));
        }
    }

    fn drop_answered(self) {
        if let Some(pending) = self.pending {
            self.found.in_flight.retain(|s| pending.contains(&key(s.learner, s.replica, &s.point)));
        }
    }
}
