//! The seal of a snapshot: 40 bytes after the end of the HDF5 data, where HDF5 does not look.
//!
//! It says how long the data is, its checksum, and how many facts it holds. A file is given to the HDF5
//! library only if its seal is right, because the library may crash on damaged files.

use super::super::files::is_absent;
use super::super::journal::FORMAT;
use super::ReadError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const MAGIC: [u8; 8] = *b"\x93AMSEAL\n";
/// Magic, major, minor, zero (4), sequence, length, checksum of the data, checksum of the seal.
const SEAL: usize = 40;

/// What a whole seal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) format: (u16, u16),
    /// Number of facts.
    pub(super) sequence: u64,
    checksum: u32,
}

/// Appends the seal to a file that is complete otherwise.
pub(in crate::checkpoint) fn seal(path: &Path, sequence: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let checksum = checksum_of(&mut file, length)?;
    let mut seal = MAGIC.to_vec();
    seal.extend_from_slice(&FORMAT.0.to_le_bytes());
    seal.extend_from_slice(&FORMAT.1.to_le_bytes());
    seal.extend_from_slice(&[0; 4]);
    seal.extend_from_slice(&sequence.to_le_bytes());
    seal.extend_from_slice(&length.to_le_bytes());
    seal.extend_from_slice(&checksum.to_le_bytes());
    seal.extend_from_slice(&crc32fast::hash(&seal).to_le_bytes());
    file.seek(SeekFrom::Start(length))?;
    file.write_all(&seal)
}

/// Reads only the number of facts; the data is not looked at.
pub(in crate::checkpoint) fn read_sequence(path: &Path) -> Result<u64, ReadError> {
    unseal(path).map(|(_, seal)| seal.sequence)
}

/// The seal of a file whose data fits it.
pub(super) fn check(path: &Path) -> Result<Seal, ReadError> {
    let (mut file, seal) = unseal(path)?;
    let unreadable = |error: io::Error| ReadError::Unreadable(error.to_string());
    let length = file.metadata().map_err(unreadable)?.len() - SEAL as u64;
    if checksum_of(&mut file, length).map_err(unreadable)? != seal.checksum {
        return Err(ReadError::Unreadable("it is damaged: its checksum differs".into()));
    }
    Ok(seal)
}

fn unseal(path: &Path) -> Result<(File, Seal), ReadError> {
    let unreadable = |error: io::Error| ReadError::Unreadable(error.to_string());
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Err(ReadError::Missing),
        Err(error) => return Err(unreadable(error)),
    };
    let size = file.metadata().map_err(unreadable)?.len();
    let mut seal = [0; SEAL];
    if size >= SEAL as u64 {
        file.seek(SeekFrom::End(-(SEAL as i64))).map_err(unreadable)?;
        file.read_exact(&mut seal).map_err(unreadable)?;
    }
    let u16_at = |at: usize| u16::from_le_bytes([seal[at], seal[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([seal[at], seal[at + 1], seal[at + 2], seal[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    let whole = seal[..8] == MAGIC && u32_at(36) == crc32fast::hash(&seal[..36]);
    if !whole || u64_at(24).checked_add(SEAL as u64) != Some(size) {
        let reason = "it is cut off, or another program wrote to it: its seal is not in place";
        return Err(ReadError::Unreadable(reason.into()));
    }
    let format = (u16_at(8), u16_at(10));
    if format.0 != FORMAT.0 {
        return Err(ReadError::Newer(format));
    }
    Ok((file, Seal { format, sequence: u64_at(16), checksum: u32_at(32) }))
}

/// Of the first `length` bytes.
fn checksum_of(file: &mut File, length: u64) -> io::Result<u32> {
    file.rewind()?;
    let mut checksum = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut rest = file.take(length);
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(checksum.finalize()),
            n => checksum.update(&buffer[..n]),
        }
    }
}
