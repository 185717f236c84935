use super::args::ExportArgs;
use super::exit::{CommandError, Exit};
use super::open::checkpoint_error;
use crate::checkpoint;
use crate::model::settings::nearest;
use crate::report::export::{EXPORTERS, Exporter, exporter};
use crate::study::{Reader, Study};
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

/// `adaptive-mpi export`: the results as a table.
pub(super) fn export(args: &ExportArgs) -> Result<Exit, CommandError> {
    let study = Study::load_for(Reader::Learners, &args.study.study)?;
    let exporter = choose(args)?;
    let loaded = checkpoint::read(&study.checkpoint.folder, &study.name).map_err(checkpoint_error)?;
    if loaded.header.is_none() {
        let files = study.checkpoint.folder.join(&study.name);
        return Err(CommandError::new(
            Exit::Usage,
            format!("there are no results of {} yet", files.display()),
        )
        .help("run the study first, in the same folder"));
    }
    let written = match &args.output {
        Some(path) => save(path, |file| (exporter.write)(&loaded, file)),
        None => {
            let mut output = BufWriter::new(std::io::stdout().lock());
            (exporter.write)(&loaded, &mut output).and_then(|()| output.flush())
        }
    };
    match written {
        Ok(()) => Ok(Exit::Done),
        // `adaptive-mpi export | head`
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => {
            let place =
                args.output.as_ref().map(|path| format!(" to {}", path.display())).unwrap_or_default();
            Err(CommandError::new(Exit::NotSaved, format!("the table can't be written{place}: {error}")))
        }
    }
}

/// Whole or not at all: an earlier table is replaced only by a complete one.
fn save(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder)?;
    let mut output = BufWriter::new(file);
    write(&mut output)?;
    let file: File = output.into_inner().map_err(std::io::IntoInnerError::into_error)?.persist(path)?;
    // A temporary file is for its owner's eyes only; a table is not.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(())
}

fn choose(args: &ExportArgs) -> Result<&'static Exporter, CommandError> {
    let ending = args.output.as_ref().and_then(|path| path.extension()).and_then(|ending| ending.to_str());
    let name = args.format.as_deref().or(ending).unwrap_or("csv");
    exporter(name).ok_or_else(|| {
        let names = || EXPORTERS.iter().map(|exporter| exporter.name);
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}; choose one by --format", names().collect::<Vec<_>>().join(", ")),
        };
        CommandError::new(Exit::Usage, format!("unknown format `{name}`")).help(help)
    })
}
