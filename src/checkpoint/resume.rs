//! What a writer does about the files that it finds, before it goes on with them.

use super::columns::Row;
use super::files::{Files, Part};
use super::journal::{FORMAT, Journal};
use super::load::Found;
use super::loaded::{Borrowed, in_order};
use super::snapshot;
use super::{CheckpointError, Header, Options};
use std::io;

/// Refuses what must not be written to. `options` are those of the writer, with a normalised header.
pub(super) fn refuse(options: &Options, files: &Files, found: &Found) -> Result<(), CheckpointError> {
    if let Some((format, part)) = found.format
        && format > FORMAT
    {
        return Err(CheckpointError::Newer { path: files.path(part), found: format, known: FORMAT });
    }
    // The index of a learner is its place in the header, also in what is there already.
    if let Some(known) = &found.header
        && !options.header.learners.starts_with(&known.learners)
    {
        return Err(CheckpointError::Changed { path: files.path(Part::Journal) });
    }
    match found.losses.first() {
        Some((part, reason)) if !options.accept_losses => {
            Err(CheckpointError::unreadable(&files.path(*part), reason.clone()))
        }
        _ => Ok(()),
    }
}

/// Gives generations that can't be read other names, and removes drafts that a killed run left.
pub(super) fn set_aside(files: &Files, found: &mut Found) -> io::Result<()> {
    // Without HDF5, a file that can't be read is not a damaged one.
    if snapshot::AVAILABLE {
        for (part, reason) in std::mem::take(&mut found.unreadable) {
            let path = files.path(part);
            let aside = files.set_aside(part)?;
            found.notices.push(format!(
                "{} could not be read ({reason}); it is now {}, and the run goes on from the older files",
                path.display(),
                aside.display()
            ));
        }
    }
    files.remove(Part::SnapshotNew)?;
    files.remove(Part::JournalNew)
}

/// The header to write: the new one, with what only the files know.
pub(super) fn merged(mut header: Header, found: &Found) -> Header {
    if let Some(known) = &found.header {
        header.created = known.created;
        if header.outputs.is_empty() {
            header.outputs.clone_from(&known.outputs);
        }
    }
    header
}

/// The journal to go on with: the one that is there, a new one, or one made anew from what could be read.
pub(super) fn journal(files: &Files, found: &mut Found, header: &Header) -> io::Result<Journal> {
    if found.damaged {
        // From where the oldest generation ends, so that the new journal serves both.
        let start = found.snapshot_old.unwrap_or(0);
        let mut journal = Journal::create(files, start, header)?;
        let failures = found.failures.iter().map(|(number, failed)| (*number, failed));
        for (number, fact) in in_order(&found.columns, failures).enumerate().skip(start as usize) {
            match fact {
                Borrowed::Told(row) => journal.told(number as u64, &row),
                Borrowed::Failed(failed) => journal.failed(number as u64, failed),
            }
            if number % 4096 == 0 {
                journal.commit(files)?;
            }
        }
        for told in &found.early {
            journal.early(found.len(), &Row::from(told));
        }
        journal.commit(files)?;
        files.sync(&journal.file())?;
        for part in [Part::Journal, Part::JournalOld].into_iter().filter(|part| files.exists(*part)) {
            let path = files.path(part);
            let aside = files.keep_aside(part)?;
            found.notices.push(format!(
                "{} was made anew; it is kept as {}",
                path.display(),
                aside.display()
            ));
        }
        // Until here the old files are in place, and from here on the new one holds everything.
        files.rename(Part::JournalNew, Part::Journal)?;
        files.remove(Part::JournalOld)?;
        return Ok(journal);
    }
    if let Some((start, end)) = found.journal {
        found.tell_torn_tail(files, "cut");
        return Journal::resume(files, start, end);
    }
    let journal = Journal::create(files, found.len(), header)?;
    files.rename(Part::JournalNew, Part::Journal)?;
    Ok(journal)
}
