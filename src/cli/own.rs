//! The files of a study: nothing else may be written in their place.

use super::exit::{CommandError, Exit};
use crate::checkpoint;
use crate::runner::is_log;
use crate::study::{self, Study};
use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Refuses to write `what` to a file that the study needs.
pub(super) fn refuse_own(study: &Study, path: &Path, what: &str) -> Result<(), CommandError> {
    let named = study.function_file_names().into_iter().map(|name| study.folder().join(name));
    let mut own = std::iter::once(study.path.clone())
        .chain(checkpoint::files_of(&study.checkpoint.folder, &study.name))
        .chain(study.cache.clone())
        .chain(named);
    match own.find(|own| is_same(own, path)) {
        None => Ok(()),
        Some(_) => {
            let message =
                format!("{what} can't be written to {}: that is a file of the study", path.display());
            Err(CommandError::new(Exit::Usage, message).help("choose another name"))
        }
    }
}

/// Where the log of a study goes, if it wants one.
pub(super) fn log_of(study: &Study) -> Option<PathBuf> {
    match &study.run.log {
        study::Log::Off => None,
        study::Log::Default => Some(study.checkpoint.folder.join(format!("{}.log", study.name))),
        study::Log::File(path) => Some(path.clone()),
    }
}

/// Refuses a log in the place of anything else: what stands there would be moved away.
pub(super) fn refuse_log(study: &Study) -> Result<(), CommandError> {
    let Some(path) = log_of(study) else { return Ok(()) };
    refuse_own(study, &path, "the log")?;
    let refuse = |why: &dyn Display| {
        let message = format!("the log can't be written to {}: {why}", path.display());
        Err(CommandError::new(Exit::Usage, message).help("choose another name, or move away what is there"))
    };
    match path.metadata() {
        Ok(found) if found.is_dir() => refuse(&"that is a folder"),
        // A pipe or a device would wait, or never end.
        Ok(found) if found.is_file() => match File::open(&path).and_then(is_log) {
            Ok(true) => Ok(()),
            Ok(false) => refuse(&"that file is not a log of asks and tells"),
            Err(error) => refuse(&format!("what is there can't be read: {error}")),
        },
        _ => Ok(()),
    }
}

/// Whether two paths mean one file: by what is there, or by their folder and name.
fn is_same(a: &Path, b: &Path) -> bool {
    if let (Ok(a), Ok(b)) = (a.metadata(), b.metadata()) {
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    let folder = |path: &Path| match path.parent() {
        Some(folder) if folder != Path::new("") => folder.canonicalize().ok(),
        _ => Path::new(".").canonicalize().ok(),
    };
    a.file_name() == b.file_name() && folder(a).is_some_and(|a| folder(b) == Some(a))
}
