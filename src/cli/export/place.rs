//! Where a table goes.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A place to write to. Only files are ever replaced.
pub(super) enum Place {
    /// A file, or what is to be one: it gets its contents when they are complete, by [`replace`].
    File(PathBuf),
    /// A device, a pipe, or standard output.
    Stream(File),
}

impl Place {
    /// What this path leads to.
    pub(super) fn find(path: &Path) -> io::Result<Self> {
        let is_absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        let there = path.metadata();
        // Also where it is a file, which may have more in it: `-o /dev/stdout >> all.csv`.
        if let Some(stdout) = there.as_ref().ok().and_then(stdout_if) {
            return Ok(Self::Stream(stdout));
        }
        match there {
            Ok(there) if there.is_file() => path.canonicalize().map(Self::File),
            Ok(_) => OpenOptions::new().write(true).open(path).map(Self::Stream),
            Err(error) if is_absent(&error) && path.is_symlink() => {
                // The link stays; the file that it names begins here.
                File::create(path)?;
                path.canonicalize().map(Self::File)
            }
            Err(error) if is_absent(&error) => Ok(Self::File(path.to_owned())),
            Err(error) => Err(error),
        }
    }
}

fn stdout_if(there: &std::fs::Metadata) -> Option<File> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let own = stdout.metadata().ok()?;
    (own.dev() == there.dev() && own.ino() == there.ino()).then_some(stdout)
}

/// Whole or not at all: an earlier file is replaced only by a complete one.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    write(&mut file)?;
    // A temporary file is for its owner's eyes only; a table is not.
    let usual = || Permissions::from_mode(0o644);
    let permissions = path.metadata().map_or_else(|_| usual(), |known| known.permissions());
    file.as_file().set_permissions(permissions)?;
    file.persist(path)?;
    Ok(())
}
