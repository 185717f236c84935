//! The files that a function is started from. In a run that goes on for days somebody may well edit them: values of other
//! code must not be taken for those of the code that the run began with.

use crate::model::{Failure, FailureKind};
use jiff::Zoned;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Of larger files only the time, the size and the like are compared: every worker would have to read them.
const LARGEST: u64 = 64 << 20;

/// The files of a function's code, as they were when this was made.
#[derive(Clone, Debug, Default)]
pub struct Code {
    files: Vec<Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    name: String,
    path: PathBuf,
    stamp: Stamp,
    digest: Option<[u8; 32]>,
}

/// What changes with the contents of a file, and can be seen without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    times: [(i64, i64); 2],
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            file: (file.dev(), file.ino()),
            size: file.len(),
            // The second one can't be set by programs that copy files with their times.
            times: [(file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec())],
        }
    }
}

fn digest(file: &mut File, size: u64) -> io::Result<Option<[u8; 32]>> {
    if size > LARGEST {
        return Ok(None);
    }
    let mut contents = Vec::new();
    file.read_to_end(&mut contents)?;
    Ok(Some(Sha256::digest(&contents).into()))
}

/// Opened, and not only looked at: a shared file system may answer from what it knew a minute ago otherwise.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

impl Code {
    /// Files by their names, which start at a folder. Those that can't be read are left out.
    pub fn of(folder: &Path, names: impl IntoIterator<Item = String>) -> Self {
        let watched = |name: String| {
            let path = folder.join(&name);
            let (mut file, metadata) = open(&path).ok()?;
            let digest = digest(&mut file, metadata.len()).ok()?;
            Some(Watched { name, path, stamp: Stamp::of(&metadata), digest })
        };
        Self { files: names.into_iter().filter_map(watched).collect() }
    }

    /// The files that lie below the folder, each with a text that says what is in it.
    pub fn contents(&self) -> impl Iterator<Item = (&str, String)> {
        let below = self.files.iter().filter(|file| !Path::new(&file.name).is_absolute());
        below.filter_map(|file| Some((file.name.as_str(), format!("{:x?}", file.digest?))))
    }

    /// Fails if a file has other contents now, with [`FailureKind::Changed`]: to be asked before something is started from
    /// them, and once more when it has surely read them. A file that can't be read says nothing about its contents.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.files.iter_mut().try_for_each(Watched::check)
    }
}

impl Watched {
    fn check(&mut self) -> Result<(), Failure> {
        let unread = |error| {
            let message = format!("can't see whether {} is as before: {error}", self.path.display());
            Failure::new(FailureKind::Setup, message)
        };
        let (mut file, metadata) = open(&self.path).map_err(unread)?;
        let stamp = Stamp::of(&metadata);
        if stamp == self.stamp {
            return Ok(());
        }
        let now = digest(&mut file, metadata.len()).map_err(unread)?;
        // Of a large file only what its contents change: another link to it, or a remount, does not.
        let (before, after) = (self.stamp, stamp);
        let looks_same = now.is_none() && (before.size, before.times[0]) == (after.size, after.times[0]);
        if now == self.digest && (now.is_some() || looks_same) {
            self.stamp = stamp;
            return Ok(());
        }
        let since = metadata.modified().ok().and_then(|time| Zoned::try_from(time).ok());
        let since = since.map_or_else(String::new, |time| time.strftime(" since %F %T").to_string());
        let message = format!("{} has other contents{since} than when this run began", self.name);
        Err(Failure::new(FailureKind::Changed, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_contents_are_a_change_and_another_time_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("a"), text).unwrap();
        write("1");
        let mut code = Code::of(folder.path(), ["a".to_owned(), "none".to_owned()]);
        assert_eq!(code.contents().count(), 1);
        assert_eq!(code.check(), Ok(()));
        write("2");
        let failure = code.check().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Changed);
        assert!(failure.message.starts_with("a has other contents since 2"), "{failure}");
        // Put back, in another file.
        std::fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(code.check().unwrap_err().kind, FailureKind::Setup);
        write("1");
        assert_eq!(code.check(), Ok(()));
        assert_eq!(code.files[0].stamp, Code::of(folder.path(), ["a".to_owned()]).files[0].stamp);
    }
}
