//! What ranks say to each other: a header, then entries of tasks or results. Little-endian, one layout for all
//! transports. Arguments and results inside are bincode, by [`encode`] and [`decode`] and nowhere else.
//!
//! ```text
//! message   kind u32 | count u32 | extra u64 | entry*            (16 bytes)
//! task      slot u32 | attempt u32 | task u32 | 0 u32 | length u64 | arguments            (24 bytes + length)
//! group     anew u32 | member u32 * count | task          (the whole of a message of kind `Group`)
//! result    slot u32 | attempt u32 | status u32 | void u32 | started f64 | ns u64 | length u64 | payload   (40 + length)
//! ```
//!
//! Bytes after the last entry are padding. Messages never go to disk, and both ends are the same binary, so
//! there is no version in them.

use serde::{Serialize, de::DeserializeOwned};

/// Size of the header of a message.
pub(crate) const HEADER: usize = 16;
/// Size of the head of a task.
pub(crate) const TASK_HEAD: usize = 24;
/// Size of the head of a result.
pub(crate) const RESULT_HEAD: usize = 40;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Rank 0 hands out tasks.
    Tasks = 1,
    /// A worker answers; `extra` is the time in ns that it had waited before the first of these tasks.
    Results = 2,
    /// A worker is ready; the payload is a [`super::world::Hello`].
    Hello = 3,
    /// Rank 0 says who it is; the payload is a [`super::world::Welcome`].
    Welcome = 4,
    /// Rank 0 is alive.
    Beat = 5,
    /// Rank 0 releases the workers; `extra` is 1 if it does not wait for them, and nobody should finalise.
    Shutdown = 6,
    /// A worker has dropped its states and leaves; nothing follows.
    Goodbye = 7,
    /// Rank 0 hands a task to a group: `count` members, each of which gets this; `extra` is the [`TaskHead::id`].
    Group = 8,
    /// A member of a group has failed, or nobody waits any more; `extra` is the [`TaskHead::id`].
    GiveUp = 9,
    /// A group is not needed any more: `count` members, as in `Group`, and no task.
    Forget = 10,
    /// All have said goodbye, or will not; `extra` is 1 if ranks are missing and nobody should finalise.
    Farewell = 11,
    /// A task that its worker has not begun waits for another one; `extra` is the [`TaskHead::id`].
    Withdraw = 12,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    /// With a result.
    Done = 0,
    /// With an error of its own; the payload is a [`Fault`].
    Error = 1,
    /// With a panic; the payload is a [`Fault`].
    Panic = 2,
    /// Its arguments or its result could not be coded; the payload is a [`Fault`].
    Malformed = 3,
    /// With a result that is the task's, though other members of its group have not ended.
    Final = 4,
}

/// The payload of a result that is none: message and place.
pub(crate) type Fault = (String, String);

/// Bytes that are no message of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WireError(pub(crate) String);

const fn wide() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<{ 1 << 40 }>()
}

/// Appends a value to a buffer.
pub(crate) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), WireError> {
    bincode::serde::encode_into_std_write(value, out, wide())
        .map(drop)
        .map_err(|error| WireError(format!("could not encode: {error}")))
}

/// Reads a value that fills the whole slice.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    // A corrupt length must not make the decoder reserve much more than the message could hold.
    let decoded = if bytes.len() <= 1 << 12 {
        bincode::serde::decode_from_slice(
            bytes,
            bincode::config::standard().with_fixed_int_encoding().with_limit::<{ 1 << 16 }>(),
        )
    } else if bytes.len() <= 1 << 20 {
        bincode::serde::decode_from_slice(
            bytes,
            bincode::config::standard().with_fixed_int_encoding().with_limit::<{ 1 << 24 }>(),
        )
    } else {
        bincode::serde::decode_from_slice(bytes, wide())
    };
    let (value, used) = decoded.map_err(|error| WireError(format!("could not decode: {error}")))?;
    if used != bytes.len() {
        return Err(WireError(format!("could not decode: {} bytes are left over", bytes.len() - used)));
    }
    Ok(value)
}

/// Starts a message in an empty buffer.
pub(crate) fn begin(kind: Kind, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&(kind as u32).to_le_bytes());
    out.extend_from_slice(&[0; HEADER - 4]);
}

/// Sets the number of entries of a message.
pub(crate) fn set_count(message: &mut [u8], count: u32) {
    message[4..8].copy_from_slice(&count.to_le_bytes());
}

/// Sets the extra number of a message.
pub(crate) fn set_extra(message: &mut [u8], extra: u64) {
    message[8..16].copy_from_slice(&extra.to_le_bytes());
}

/// A message that holds one value and no entries.
pub(crate) fn single<T: Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    begin(kind, &mut out);
    encode(value, &mut out)?;
    Ok(out)
}

/// A message that holds nothing but its extra number.
pub(crate) fn signal(kind: Kind, extra: u64, mut out: Vec<u8>) -> Vec<u8> {
    begin(kind, &mut out);
    set_extra(&mut out, extra);
    out
}

/// The head of a task or of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TaskHead {
    /// Index of the task on rank 0.
    pub(crate) slot: u32,
    /// Which attempt at it.
    pub(crate) attempt: u32,
    /// What to run: the index in the program.
    pub(crate) task: u32,
}

impl TaskHead {
    /// Tells this attempt from all others of the run, but for four billion attempts later.
    pub(crate) fn id(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.attempt)
    }

    /// Writes the head over the first [`TASK_HEAD`] bytes; `length` is that of the arguments behind it.
    pub(crate) fn write(&self, at: &mut [u8], length: usize) {
        at[0..4].copy_from_slice(&self.slot.to_le_bytes());
        at[4..8].copy_from_slice(&self.attempt.to_le_bytes());
        at[8..12].copy_from_slice(&self.task.to_le_bytes());
        at[12..16].copy_from_slice(&[0; 4]);
        at[16..24].copy_from_slice(&(length as u64).to_le_bytes());
    }
}

/// Starts a message to a group: who belongs to it. `anew`: their communicator has to be made, even if they have one.
pub(crate) fn begin_group(kind: Kind, id: u64, anew: bool, members: &[u32], out: &mut Vec<u8>) {
    begin(kind, out);
    set_count(out, members.len() as u32);
    set_extra(out, id);
    out.extend_from_slice(&u32::from(anew).to_le_bytes());
    members.iter().for_each(|member| out.extend_from_slice(&member.to_le_bytes()));
}

/// Reads who belongs to a group, whether its communicator is to be made anew, and where what follows begins.
pub(crate) fn group_at(message: &[u8]) -> Option<(Vec<u32>, bool, usize)> {
    let count = Header::read(message).ok()?.count as usize;
    let anew = u32_at(message, HEADER)? != 0;
    let end = HEADER.checked_add(4)?.checked_add(count.checked_mul(4)?)?;
    let members = message.get(HEADER + 4..end)?.chunks_exact(4);
    let members = members.map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
    Some((members, anew, end))
}

/// The head of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ResultHead {
    /// Index of the task on rank 0.
    pub(crate) slot: u32,
    /// Which attempt at it.
    pub(crate) attempt: u32,
    /// How it ended.
    pub(crate) status: Status,
    /// When it started, in unix seconds by the worker's clock.
    pub(crate) started: f64,
    /// How long it ran, in nanoseconds.
    pub(crate) nanos: u64,
    /// That says nothing about how long others take.
    pub(crate) void: bool,
}

impl ResultHead {
    /// Writes the head over the first [`RESULT_HEAD`] bytes; `length` is that of the payload behind it.
    pub(crate) fn write(&self, at: &mut [u8], length: usize) {
        at[0..4].copy_from_slice(&self.slot.to_le_bytes());
        at[4..8].copy_from_slice(&self.attempt.to_le_bytes());
        at[8..12].copy_from_slice(&(self.status as u32).to_le_bytes());
        at[12..16].copy_from_slice(&u32::from(self.void).to_le_bytes());
        at[16..24].copy_from_slice(&self.started.to_le_bytes());
        at[24..32].copy_from_slice(&self.nanos.to_le_bytes());
        at[32..40].copy_from_slice(&(length as u64).to_le_bytes());
    }
}

/// The header of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What it is.
    pub(crate) kind: Kind,
    /// Number of entries.
    pub(crate) count: u32,
    /// A number whose meaning depends on the kind.
    pub(crate) extra: u64,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Header {
    /// Reads the header of a message.
    pub(crate) fn read(message: &[u8]) -> Result<Self, WireError> {
        let torn = || WireError(format!("a message of {} bytes has no header", message.len()));
        let kind = match u32_at(message, 0).ok_or_else(torn)? {
            1 => Kind::Tasks,
            2 => Kind::Results,
            3 => Kind::Hello,
            4 => Kind::Welcome,
            5 => Kind::Beat,
            6 => Kind::Shutdown,
            7 => Kind::Goodbye,
            8 => Kind::Group,
            9 => Kind::GiveUp,
            10 => Kind::Forget,
            11 => Kind::Farewell,
            12 => Kind::Withdraw,
            other => return Err(WireError(format!("message of unknown kind {other}"))),
        };
        Ok(Self {
            kind,
            count: u32_at(message, 4).ok_or_else(torn)?,
            extra: u64_at(message, 8).ok_or_else(torn)?,
        })
    }
}

/// Where a payload lies within its message.
pub(crate) type Span = std::ops::Range<usize>;

fn span(message: &[u8], start: usize, length: u64) -> Option<Span> {
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= message.len()).then_some(start..end)
}

/// Reads the task at `at`: its head and where its arguments lie. The next entry begins where they end.
pub(crate) fn task_at(message: &[u8], at: usize) -> Option<(TaskHead, Span)> {
    let head = message.get(at..at + TASK_HEAD)?;
    let span = span(message, at + TASK_HEAD, u64_at(head, 16)?)?;
    Some((TaskHead { slot: u32_at(head, 0)?, attempt: u32_at(head, 4)?, task: u32_at(head, 8)? }, span))
}

/// Reads the result at `at`: its head and where its payload lies. The next entry begins where it ends.
pub(crate) fn result_at(message: &[u8], at: usize) -> Option<(ResultHead, Span)> {
    let head = message.get(at..at + RESULT_HEAD)?;
    let status = match u32_at(head, 8)? {
        0 => Status::Done,
        1 => Status::Error,
        2 => Status::Panic,
        3 => Status::Malformed,
        4 => Status::Final,
        _ => return None,
    };
    let span = span(message, at + RESULT_HEAD, u64_at(head, 32)?)?;
    let head = ResultHead {
        slot: u32_at(head, 0)?,
        attempt: u32_at(head, 4)?,
        status,
        started: f64::from_bits(u64_at(head, 16)?),
        nanos: u64_at(head, 24)?,
        void: u32_at(head, 12)? != 0,
    };
    Some((head, span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_left_over_are_an_error() {
        let mut bytes = Vec::new();
        encode(&(1_u32, "two"), &mut bytes).unwrap();
        assert_eq!(decode::<(u32, String)>(&bytes), Ok((1, "two".into())));
        bytes.push(0);
        assert!(decode::<(u32, String)>(&bytes).unwrap_err().0.contains("1 bytes are left over"));
    }

    #[test]
    fn a_corrupt_length_is_an_error_and_not_a_huge_allocation() {
        let bytes = u64::MAX.to_le_bytes();
        assert!(decode::<String>(&bytes).is_err());
        assert!(decode::<Vec<f64>>(&(1_u64 << 39).to_le_bytes()).is_err());
    }

    #[test]
    fn long_payloads_come_back_whole() {
        for n in [0, 500, 511, 513, 20_000, 200_000] {
            let value: Vec<f64> = (0..n).map(f64::from).collect();
            let mut bytes = Vec::new();
            encode(&value, &mut bytes).unwrap();
            assert_eq!(decode::<Vec<f64>>(&bytes).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..300) {
            let _ = Header::read(&bytes);
            for (start, end) in [(task_at(&bytes, at).map(|t| t.1)), (result_at(&bytes, at).map(|r| r.1))]
                .into_iter()
                .flatten()
                .map(|span| (span.start, span.end))
            {
                prop_assert!(start <= end && end <= bytes.len());
            }
            let _ = group_at(&bytes);
            let _ = decode::<Vec<(String, Option<f64>)>>(&bytes);
        }

        #[test]
        fn groups_come_back_as_written(members in prop::collection::vec(any::<u32>(), 0..20), anew: bool, id: u64) {
            let mut message = Vec::new();
            begin_group(Kind::Group, id, anew, &members, &mut message);
            prop_assert_eq!(Header::read(&message).unwrap().extra, id);
            let end = message.len();
            prop_assert_eq!(group_at(&message), Some((members, anew, end)));
        }

        #[test]
        fn heads_come_back_as_written(slot: u32, attempt: u32, task: u32, nanos: u64, void: bool, n in 0_usize..50) {
            let mut message = Vec::new();
            begin(Kind::Tasks, &mut message);
            let head = TaskHead { slot, attempt, task };
            message.resize(HEADER + TASK_HEAD + n, 7);
            head.write(&mut message[HEADER..], n);
            let at = message.len();
            prop_assert_eq!(task_at(&message, HEADER), Some((head, at - n..at)));

            let result = ResultHead { slot, attempt, status: Status::Panic, started: 1.5, nanos, void };
            message.resize(at + RESULT_HEAD + n, 9);
            result.write(&mut message[at..], n);
            prop_assert_eq!(result_at(&message, at), Some((result, message.len() - n..message.len())));
        }
    }
}
