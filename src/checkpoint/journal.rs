//! The journal: an append-only log of facts. Each record has its length, a checksum and a sequence number,
//! so that a reader knows what is whole, what is torn and what is missing. `layout.md` is the norm.

use super::codec::{self, Record, kind};
use super::columns::Row;
use super::files::{Files, Part};
use super::{Ended, Failed, Header};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// First bytes of every journal. The byte beyond ASCII and the line ends show damage by text conversion.
pub(super) const MAGIC: [u8; 8] = *b"\x93AMJ\r\n\x1a\n";
/// Format of journals and snapshots that this program writes: (major, minor). A reader refuses a newer
/// major; a writer refuses a newer minor too.
pub(super) const FORMAT: (u16, u16) = (1, 2);
/// Magic, major, minor, length and checksum of the head.
const HEAD: usize = 20;
/// Length and checksum.
const FRAME: usize = 8;
/// Kind and sequence number: what every payload begins with.
const LEAST_PAYLOAD: usize = 9;

/// The writer's end of a journal.
pub(super) struct Journal {
    file: Arc<File>,
    /// Number of the first fact.
    pub(super) start: u64,
    /// Bytes that the system has.
    written: u64,
    /// Records that it has not.
    buffer: Vec<u8>,
    /// How many of them are facts.
    buffered_facts: u64,
    /// A record of more than 4 GiB was asked for.
    too_large: bool,
}

impl Journal {
    /// Begins `NAME.journal.new`; the caller renames it when all is in place.
    pub(super) fn create(files: &Files, start: u64, header: &Header) -> io::Result<Self> {
        let file = files.create(Part::JournalNew)?;
        let head = head(start, header);
        files.write_at(&file, &head, 0)?;
        let written = head.len() as u64;
        Ok(Self {
            file: Arc::new(file),
            start,
            written,
            buffer: Vec::new(),
            buffered_facts: 0,
            too_large: false,
        })
    }

    /// Goes on with `NAME.journal`, cut after `end` bytes.
    pub(super) fn resume(files: &Files, start: u64, end: u64) -> io::Result<Self> {
        let file = files.open_for_writing(Part::Journal)?;
        if file.metadata()?.len() > end {
            files.cut(&file, end)?;
        }
        Ok(Self {
            file: Arc::new(file),
            start,
            written: end,
            buffer: Vec::new(),
            buffered_facts: 0,
            too_large: false,
        })
    }

    pub(super) fn told(&mut self, sequence: u64, row: &Row<'_>) {
        self.buffered_facts += 1;
        self.record(|out| codec::put_told(out, sequence, row));
    }

    /// A value that waits for its turn. It has no number of its own.
    pub(super) fn early(&mut self, sequence: u64, row: &Row<'_>) {
        self.record(|out| codec::put_early(out, sequence, row));
    }

    pub(super) fn failed(&mut self, sequence: u64, failed: &Failed) {
        self.buffered_facts += 1;
        self.record(|out| codec::put_failed(out, sequence, failed));
    }

    pub(super) fn header(&mut self, sequence: u64, header: &Header) {
        self.record(|out| codec::put_header_record(out, sequence, header));
    }

    pub(super) fn ended(&mut self, sequence: u64, ended: &Ended) {
        self.record(|out| codec::put_ended(out, sequence, ended));
    }

    /// The last record of a journal that can't take what is buffered any more: often there is still room for it. `next` is the
    /// number that the next fact would have.
    pub(super) fn ended_without_buffered(&mut self, files: &Files, next: u64, ended: &Ended) {
        let sequence = next - self.buffered_facts;
        self.buffer.clear();
        self.too_large = false;
        self.ended(sequence, ended);
        // Why nothing can be written has been told already.
        let _ = self.commit(files);
        self.buffer.clear();
    }

    fn record(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; FRAME]);
        put(&mut self.buffer);
        let Ok(length) = u32::try_from(self.buffer.len() - start - FRAME) else {
            self.buffer.truncate(start);
            self.too_large = true;
            return;
        };
        let checksum = crc32fast::hash(&self.buffer[start + FRAME..]);
        self.buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.buffer[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Whether there is something to [`commit`](Self::commit).
    pub(super) fn is_dirty(&self) -> bool {
        !self.buffer.is_empty() || self.too_large
    }

    /// Facts that the system does not have.
    pub(super) fn buffered_facts(&self) -> u64 {
        self.buffered_facts
    }

    /// Hands the buffered records to the system. After an error they are still buffered, and what was
    /// written of them is overwritten by the next try.
    pub(super) fn commit(&mut self, files: &Files) -> io::Result<()> {
        if self.too_large {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a value is larger than 4 GiB"));
        }
        if let Err(error) = files.write_at(&self.file, &self.buffer, self.written) {
            // Not needed for correctness, as readers cut a torn tail; it spares them the notice.
            let _ = files.cut(&self.file, self.written);
            return Err(error);
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffered_facts = 0;
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Bytes in the file.
    pub(super) fn bytes(&self) -> u64 {
        self.written
    }
}

fn head(start: u64, header: &Header) -> Vec<u8> {
    let mut payload = start.to_le_bytes().to_vec();
    codec::put_header(&mut payload, header);
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.0.to_le_bytes());
    bytes.extend_from_slice(&FORMAT.1.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&bytes[8..16]);
    checksum.update(&payload);
    bytes.extend_from_slice(&checksum.finalize().to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

/// What a journal holds beside its records.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Start sequence and header, if the head is whole.
    pub(super) head: Option<(u64, Header)>,
    /// The format that the head names.
    pub(super) format: Option<(u16, u16)>,
    /// Number of whole records.
    pub(super) records: usize,
    /// End of the last whole record, or of the head.
    pub(super) end: usize,
    /// Bytes after that: the torn tail.
    pub(super) torn: usize,
    /// Damaged places with whole records after them.
    pub(super) damaged: Vec<Range<usize>>,
    /// Whole records that this version can't read.
    pub(super) unknown: usize,
    /// Nothing but zeros: a file whose contents never reached the disk before the machine went down.
    pub(super) blank: bool,
    /// It ends within its head, so that nothing was ever behind it: the machine went down while it was begun.
    pub(super) torn_head: bool,
}

/// Reads all whole records, in order, with their sequence numbers. Never fails: what is wrong is told.
///
/// After a damaged place the reader looks for the next whole record, byte by byte: O(n) as long as not many
/// places look like the beginning of one.
pub(super) fn scan(bytes: &[u8], deliver: &mut dyn FnMut(u64, Record)) -> Scan {
    let mut scan = Scan { blank: bytes.iter().all(|b| *b == 0), ..Scan::default() };
    if scan.blank {
        scan.torn = bytes.len();
        return scan;
    }
    let mut at = 0;
    let mut expected = 0;
    if let Some((format, length, head)) = take_head(bytes) {
        scan.format = Some(format);
        if format.0 != FORMAT.0 {
            return scan;
        }
        at = length;
        expected = head.as_ref().map_or(0, |(start, _)| *start);
        scan.head = head;
        scan.end = at;
    }
    while at < bytes.len() {
        let Some((payload, next)) = record_at(bytes, at) else {
            let Some(found) = next_record(bytes, at + 1, expected) else { break };
            scan.damaged.push(at..found);
            at = found;
            continue;
        };
        if let (Some((_, sequence)), Some(record)) = (codec::peek(payload), codec::take_record(payload)) {
            expected = sequence;
            deliver(sequence, record);
        } else {
            scan.unknown += 1;
        }
        scan.records += 1;
        at = next;
        scan.end = at;
    }
    scan.torn = bytes.len() - scan.end;
    scan.torn_head = scan.records == 0 && ends_in_head(bytes);
    scan
}

type Head = ((u16, u16), usize, Option<(u64, Header)>);

/// Whether there are fewer bytes than the head says that it has.
fn ends_in_head(bytes: &[u8]) -> bool {
    let known = bytes.len().min(MAGIC.len());
    let length = || u32_at(bytes, 12).map_or(usize::MAX, |length| HEAD.saturating_add(length as usize));
    bytes[..known] == MAGIC[..known] && bytes.len() < length()
}

/// Format, length, and start with header if this version can read them; `None` if the head is damaged.
fn take_head(bytes: &[u8]) -> Option<Head> {
    let fixed = bytes.get(..HEAD)?;
    if fixed[..8] != MAGIC {
        return None;
    }
    let format = (u16::from_le_bytes([fixed[8], fixed[9]]), u16::from_le_bytes([fixed[10], fixed[11]]));
    let length = u32_at(bytes, 12)? as usize;
    let payload = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&fixed[8..16]);
    checksum.update(payload);
    if checksum.finalize() != u32_at(bytes, 16)? {
        return None;
    }
    Some((format, HEAD + length, codec::take_head(payload)))
}

/// The payload of a whole record that begins here, and where the next one begins.
fn record_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = u32_at(bytes, at)? as usize;
    if length < LEAST_PAYLOAD {
        return None;
    }
    let end = (at + FRAME).checked_add(length)?;
    let payload = bytes.get(at + FRAME..end)?;
    (crc32fast::hash(payload) == u32_at(bytes, at + 4)?).then_some((payload, end))
}

/// Where the next whole record begins, from `from` on.
fn next_record(bytes: &[u8], from: usize, expected: u64) -> Option<usize> {
    // Each fact takes some bytes, so a sequence number can't be far ahead: that sorts out nearly all
    // places without a checksum.
    let most = expected.saturating_add(bytes.len() as u64);
    (from..bytes.len().saturating_sub(FRAME + LEAST_PAYLOAD - 1)).find(|at| {
        let Some((kind, sequence)) = bytes.get(at + FRAME..).and_then(codec::peek) else { return false };
        let plausible = (kind::TOLD..=kind::EARLY).contains(&kind)
            && (expected == 0 || (expected..=most).contains(&sequence));
        plausible && record_at(bytes, *at).is_some()
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b))
}
