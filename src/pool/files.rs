//! Files that rank 0 reads once, and every node has in a folder of its own: a thousand ranks that open one file of a shared
//! file system would bring it to its knees.

#[cfg(feature = "mpi")]
use super::data::{How, SpreadError, spread_value};
use super::data::{Item, Preloaded, Source, sealed};
use super::program::Program;
#[cfg(feature = "mpi")]
use super::transport::mpi::{MpiWorld, Nodes};
use std::ffi::OsString;
use std::fs::File;
use std::io;
#[cfg(feature = "mpi")]
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Bytes on their way at a time.
#[cfg(feature = "mpi")]
const CHUNK: usize = 1 << 24;

/// How folders of ours begin.
#[cfg(feature = "mpi")]
const PREFIX: &str = "adaptive-mpi-data-";

/// In each folder; locked as long as its run lives, also towards other containers on the node.
#[cfg(feature = "mpi")]
const LOCK: &str = ".lock";

/// A younger folder may not have been locked yet.
#[cfg(feature = "mpi")]
const YOUNG: std::time::Duration = std::time::Duration::from_secs(60);

/// Memory that looks like a disk, where Linux has it.
#[cfg(feature = "mpi")]
const MEMORY: &str = "/dev/shm";

/// A handle of files that are there once per node; from [`Program::node_files`].
pub struct NodeFiles {
    index: u32,
}

impl Clone for NodeFiles {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for NodeFiles {}

impl sealed::Handle for NodeFiles {}

impl Preloaded for NodeFiles {
    type Target = Path;

    fn find<'s>(&self, store: &'s super::data::DataStore) -> Option<&'s Path> {
        store.item(self.index)?.downcast_ref::<Folder>().map(|folder| folder.path.as_path())
    }
}

/// Where the files are for this rank.
struct Folder {
    path: PathBuf,
    /// Removed with the run, by the rank that made it.
    _own: Option<Own>,
}

/// A folder that this rank has made.
#[cfg_attr(not(feature = "mpi"), expect(dead_code, reason = "copies are for nodes"))]
struct Own {
    folder: tempfile::TempDir,
    /// Goes when the process ends, however it does.
    _lock: File,
}

struct Files {
    name: String,
    paths: Vec<PathBuf>,
}

impl Program {
    /// Adds files that every worker needs, which lie in one folder: rank 0 reads them once, before any task, and every node gets
    /// copies in a folder in its memory (`/dev/shm`; where there is too little of it, in the folder for temporary files). The handle stands
    /// for that folder, in which they have their names. Without MPI it is their own folder, and nothing is copied.
    ///
    /// The copies go when the run ends. Those of a run that was killed go with the next run on that node.
    ///
    /// If a file can't be read, [`Self::run`] fails with [`LaunchError::Data`](super::LaunchError::Data).
    pub fn node_files(&mut self, name: &str, paths: Vec<PathBuf>) -> NodeFiles {
        let index = self.add_source(Box::new(Files { name: name.to_owned(), paths }));
        NodeFiles { index }
    }
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

impl Files {
    /// All files, open, with their names and lengths.
    fn open(&self) -> Result<Vec<(OsString, File, u64)>, String> {
        let open = |path: &PathBuf| {
            let opened = File::open(path).and_then(|file| {
                let about = file.metadata()?;
                if about.is_file() { Ok((file, about.len())) } else { Err(io::Error::other("it is no file")) }
            });
            let (file, length) = opened.map_err(|error| said(path, &error))?;
            let name = path.file_name().ok_or_else(|| format!("{} names no file", path.display()))?;
            Ok((name.to_owned(), file, length))
        };
        self.paths.iter().map(open).collect()
    }
}

impl Source for Files {
    fn name(&self) -> &str {
        &self.name
    }

    fn load(&self) -> Result<Item, String> {
        self.open()?;
        let folder = self.paths.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let path = std::path::absolute(folder).map_err(|error| said(folder, &error))?;
        Ok(Box::new(Folder { path, _own: None }))
    }

    #[cfg(feature = "mpi")]
    fn spread(&self, world: &MpiWorld, how: &How) -> Result<Item, SpreadError> {
        let nodes = world.nodes(how.node_size)?;
        let opened = if world.rank() == 0 { self.open() } else { Ok(Vec::new()) };
        let list = opened.as_ref().map(|files| listed(files)).map_err(Clone::clone);
        // Known to all ranks, as any data is; the contents then only to the first ones of the nodes.
        let list = spread_value(&self.name, list, world, how)?;
        let mut sources = opened.unwrap_or_default().into_iter().map(|(_, file, _)| file);
        let mut written = Ok(None);
        if nodes.is_first() {
            written = copy_to_node(&nodes, &list, &mut sources)?.map(Some);
        }
        let place = in_node(&nodes, written.as_ref().map(|own| own.as_ref().map(|own| own.folder.path())))?;
        nodes.free()?;
        let path = place.map_err(|message| SpreadError::Malformed(self.name.clone(), message))?;
        Ok(Box::new(Folder { path, _own: written.ok().flatten() }))
    }
}

/// What the first rank of the node says, on all of its ranks: the folder, or what went wrong.
#[cfg(feature = "mpi")]
fn in_node(
    nodes: &Nodes,
    written: Result<Option<&Path>, &String>,
) -> Result<Result<PathBuf, String>, SpreadError> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let (ok, mut text) = match written {
        Ok(path) => (true, path.map_or_else(Vec::new, |path| path.as_os_str().as_bytes().to_vec())),
        Err(message) => (false, message.clone().into_bytes()),
    };
    let mut length = (text.len() as u64).to_le_bytes();
    nodes.broadcast_in_node(&mut length)?;
    text.resize(u64::from_le_bytes(length) as usize, 0);
    nodes.broadcast_in_node(&mut text)?;
    let mut ok = [u8::from(ok)];
    nodes.broadcast_in_node(&mut ok)?;
    Ok(if ok == [1] {
        Ok(OsString::from_vec(text).into())
    } else {
        Err(String::from_utf8_lossy(&text).into_owned())
    })
}

/// On the first rank of each node: takes part in all broadcasts, whatever goes wrong here, so that the others don't wait. The inner error
/// is what went wrong.
#[cfg(feature = "mpi")]
fn copy_to_node(
    nodes: &Nodes,
    list: &[(Vec<u8>, u64)],
    sources: &mut dyn Iterator<Item = File>,
) -> Result<Result<Own, String>, SpreadError> {
    use std::os::unix::ffi::OsStrExt;
    let total = list.iter().map(|(_, length)| length).sum::<u64>();
    let mut folder = room_for(total).map_err(|error| format!("no folder for the copies: {error}"));
    let mut buffer = Vec::new();
    for (name, length) in list {
        let name = Path::new(std::ffi::OsStr::from_bytes(name));
        let path = folder.as_ref().map(|own| own.folder.path().join(name)).unwrap_or_default();
        let mut target = match &folder {
            Ok(_) => File::create(&path),
            Err(_) => Err(io::Error::other("no folder")),
        };
        let mut source = sources.next();
        let mut unread = None;
        let mut left = *length;
        while left > 0 {
            let chunk = left.min(CHUNK as u64) as usize;
            buffer.resize(chunk, 0);
            if let Some(file) = &mut source
                && let Err(error) = file.read_exact(&mut buffer)
            {
                unread = Some(error);
            }
            nodes.broadcast_among_firsts(&mut buffer)?;
            if let Ok(file) = &mut target
                && let Err(error) = file.write_all(&buffer)
            {
                target = Err(error);
            }
            left -= chunk as u64;
        }
        if let (Ok(_), Err(error)) = (&folder, target) {
            folder = Err(format!("can't write {}: {error}", path.display()));
        }
        // All have to know: what the others have written is nothing.
        let mut whole = [u8::from(unread.is_none())];
        nodes.broadcast_among_firsts(&mut whole)?;
        if whole == [0] {
            let why = unread.map_or_else(|| "rank 0 could not read it".to_owned(), |error| error.to_string());
            folder = Err(format!("{}: {why}", name.display()));
        }
    }
    Ok(folder)
}

/// The names and lengths.
#[cfg(feature = "mpi")]
fn listed(files: &[(OsString, File, u64)]) -> Vec<(Vec<u8>, u64)> {
    use std::os::unix::ffi::OsStrExt;
    files.iter().map(|(name, _, length)| (name.as_bytes().to_vec(), *length)).collect()
}

/// A new folder where so many bytes fit, in memory if possible.
#[cfg(feature = "mpi")]
fn room_for(bytes: u64) -> io::Result<Own> {
    let fits = |place: &Path| {
        let about = nix::sys::statvfs::statvfs(place).ok()?;
        // Some is left for others.
        (about.blocks_available() * about.fragment_size() > bytes + bytes / 4).then_some(())
    };
    let memory = Path::new(MEMORY);
    let place = fits(memory).map_or_else(std::env::temp_dir, |()| memory.to_owned());
    remove_abandoned(&place);
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
    let lock = File::create(folder.path().join(LOCK))?;
    lock.lock()?;
    Ok(Own { folder, _lock: lock })
}

/// Removes folders of runs that were killed. Those of other users stay, as their locks can't be opened.
#[cfg(feature = "mpi")]
fn remove_abandoned(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let is_free = || {
            File::options()
                .write(true)
                .open(entry.path().join(LOCK))
                .is_ok_and(|lock| lock.try_lock().is_ok())
        };
        if is_ours && age().is_some_and(|age| age > YOUNG) && is_free() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(all(test, feature = "mpi"))]
mod tests {
    use super::*;

    #[test]
    fn folders_of_runs_that_are_gone_are_removed_and_others_are_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, age: u64| {
            let path = place.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let lock = File::create(path.join(LOCK)).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            File::open(&path).unwrap().set_modified(then).unwrap();
            (path, lock)
        };
        let (alive, lock) = folder("adaptive-mpi-data-alive", 1000);
        lock.lock().unwrap();
        let (young, _) = folder("adaptive-mpi-data-young", 0);
        let (gone, _) = folder("adaptive-mpi-data-gone", 1000);
        let (foreign, _) = folder("something-else", 1000);
        remove_abandoned(place.path());
        let there = [alive, young, gone, foreign].map(|path| path.exists());
        assert_eq!(there, [true, true, false, true]);
    }
}
