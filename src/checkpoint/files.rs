//! The files of one checkpoint, and every step that changes the folder.
//!
//! All changes go through [`Files`], so that a test can stop the world between any two of them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The newest generation.
    Snapshot,
    /// The generation before.
    SnapshotOld,
    /// A generation being written.
    SnapshotNew,
    /// What came since.
    Journal,
    /// What came before that, as long as a generation may need it.
    JournalOld,
    /// A journal about to begin.
    JournalNew,
    /// Who writes.
    Lock,
}

impl Part {
    fn suffix(self) -> &'static str {
        match self {
            Self::Snapshot => "h5",
            Self::SnapshotOld => "h5.old",
            Self::SnapshotNew => "h5.new",
            Self::Journal => "journal",
            Self::JournalOld => "journal.old",
            Self::JournalNew => "journal.new",
            Self::Lock => "lock",
        }
    }
}

/// The paths of all files that a checkpoint may have.
pub fn files_of(folder: &Path, name: &str) -> Vec<PathBuf> {
    let parts = [
        Part::Snapshot,
        Part::SnapshotOld,
        Part::SnapshotNew,
        Part::Journal,
        Part::JournalOld,
        Part::JournalNew,
        Part::Lock,
    ];
    let files = Files::new(folder, name);
    parts.iter().map(|part| files.path(*part)).collect()
}

/// Called before each step with its name; an error stops the step.
pub(super) type BeforeStep = Arc<dyn Fn(&'static str) -> io::Result<()> + Send + Sync>;

/// The folder and name of a checkpoint.
#[derive(Clone)]
pub(super) struct Files {
    folder: PathBuf,
    name: String,
    before: Option<BeforeStep>,
}

impl Files {
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        Self { folder: folder.to_owned(), name: name.to_owned(), before: None }
    }

    #[cfg(test)]
    pub(super) fn before_each_step(mut self, before: BeforeStep) -> Self {
        self.before = Some(before);
        self
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, part: Part) -> PathBuf {
        self.folder.join(format!("{}.{}", self.name, part.suffix()))
    }

    /// Announces a step that is taken elsewhere.
    pub(super) fn step(&self, name: &'static str) -> io::Result<()> {
        self.before.as_ref().map_or(Ok(()), |before| before(name))
    }

    pub(super) fn create_folder(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)
    }

    /// An empty file of this name, for reading and writing.
    pub(super) fn create(&self, part: Part) -> io::Result<File> {
        self.step("create")?;
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(part))
    }

    pub(super) fn open_for_writing(&self, part: Part) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(part))
    }

    pub(super) fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step("write")?;
        file.write_all_at(bytes, offset)
    }

    pub(super) fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.step("cut")?;
        file.set_len(length)
    }

    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.step("sync")?;
        file.sync_data()
    }

    pub(super) fn sync_folder(&self) -> io::Result<()> {
        self.step("sync folder")?;
        File::open(&self.folder)?.sync_all()
    }

    pub(super) fn rename(&self, from: Part, to: Part) -> io::Result<()> {
        self.step("rename")?;
        fs::rename(self.path(from), self.path(to))
    }

    pub(super) fn remove(&self, part: Part) -> io::Result<()> {
        self.step("remove")?;
        absent_is_fine(fs::remove_file(self.path(part)))
    }

    /// Lets `to` be what `from` is now, while `from` stays: at every moment there is a file of either name.
    /// Where the file system has no hard links, `from` is missing until its successor comes.
    pub(super) fn keep_as(&self, from: Part, to: Part) -> io::Result<()> {
        let (source, target) = (self.path(from), self.path(to));
        let link = self.folder.join(format!("{}.{}.link", self.name, to.suffix()));
        self.step("remove")?;
        absent_is_fine(fs::remove_file(&link))?;
        self.step("link")?;
        match fs::hard_link(&source, &link) {
            Ok(()) => {
                self.step("rename")?;
                fs::rename(&link, &target)?;
                // Renaming one name of a file over another name of the same file leaves both.
                self.step("remove")?;
                absent_is_fine(fs::remove_file(&link))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(_) => {
                self.step("rename")?;
                fs::rename(&source, &target)
            }
        }
    }

    /// Gives a damaged file another name, `….unreadable-1` or the next free number.
    pub(super) fn set_aside(&self, part: Part) -> io::Result<PathBuf> {
        self.step("set aside")?;
        let aside = self.aside(part);
        fs::rename(self.path(part), &aside)?;
        Ok(aside)
    }

    /// Keeps a file under another name as well.
    pub(super) fn keep_aside(&self, part: Part) -> io::Result<PathBuf> {
        self.step("keep aside")?;
        let (path, aside) = (self.path(part), self.aside(part));
        fs::hard_link(&path, &aside).or_else(|_| fs::copy(&path, &aside).map(drop))?;
        Ok(aside)
    }

    fn aside(&self, part: Part) -> PathBuf {
        let name = |number| format!("{}.{}.unreadable-{number}", self.name, part.suffix());
        let mut number = 1;
        while self.folder.join(name(number)).exists() {
            number += 1;
        }
        self.folder.join(name(number))
    }

    /// What tells whether a file of any part was replaced by another since.
    pub(super) fn identities(&self) -> [Option<(u64, u64)>; 4] {
        [Part::Snapshot, Part::SnapshotOld, Part::JournalOld, Part::Journal]
            .map(|part| identity(&self.path(part)))
    }

    pub(super) fn exists(&self, part: Part) -> bool {
        self.path(part).exists()
    }
}

/// Device and inode of a path.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

/// Whether there is no such file; what is below a file instead of a folder is not there either.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
