mod interpolated;
mod points;
mod select;

use super::args::ExportArgs;
use super::exit::{CommandError, Exit};
use super::open::checkpoint_error;
use crate::checkpoint::{self, Loaded};
use crate::model::settings::nearest;
use crate::report::export::{EXPORTERS, Exporter, Rows, Table, exporter};
use crate::study::{Reader, Study};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

/// `adaptive-mpi export`: the results as a table, or what the learners make of them.
pub(super) fn export(args: &ExportArgs) -> Result<Exit, CommandError> {
    let study = Study::load_for(Reader::Learners, &args.study.study)?;
    let format = choose(args)?;
    let loaded = checkpoint::read(&study.checkpoint.folder, &study.name).map_err(checkpoint_error)?;
    if loaded.header.is_none() {
        let files = study.checkpoint.folder.join(&study.name);
        return Err(CommandError::new(
            Exit::Usage,
            format!("there are no results of {} yet", files.display()),
        )
        .help("run the study first, in the same folder"));
    }
    if interpolated::wanted(&args.interpolation) {
        return interpolated::export(args, &study, &loaded, format);
    }
    table(args, &loaded, format)
}

fn table(args: &ExportArgs, loaded: &Loaded, format: Format) -> Result<Exit, CommandError> {
    match format {
        Format::Rows(exporter) => write(args, exporter, &Table::new(loaded)),
        Format::Hdf5 => {
            Err(CommandError::new(Exit::Usage, "the points themselves are exported as csv or json").help(
                "the results file of the study has them as HDF5; labelled arrays are made by --grid and --at",
            ))
        }
    }
}

/// How to write.
#[derive(Clone, Copy)]
enum Format {
    Rows(&'static Exporter),
    /// Labelled arrays.
    Hdf5,
}

/// Writes a table to the file or to standard output.
fn write(args: &ExportArgs, exporter: &Exporter, rows: &dyn Rows) -> Result<Exit, CommandError> {
    let written = match &args.output {
        Some(path) => save(path, |file| {
            let mut output = BufWriter::new(file);
            (exporter.write)(rows, &mut output)?;
            output.flush()
        }),
        None => {
            let mut output = BufWriter::new(std::io::stdout().lock());
            (exporter.write)(rows, &mut output).and_then(|()| output.flush())
        }
    };
    match written {
        // `adaptive-mpi export | head`
        Err(error) if args.output.is_none() && error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        written => ended(args, written),
    }
}

fn ended(args: &ExportArgs, written: std::io::Result<()>) -> Result<Exit, CommandError> {
    written.map(|()| Exit::Done).map_err(|error| {
        let place = args.output.as_ref().map(|path| format!(" to {}", path.display())).unwrap_or_default();
        CommandError::new(Exit::NotSaved, format!("the table can't be written{place}: {error}"))
    })
}

/// Whole or not at all: an earlier table is replaced only by a complete one.
fn save(
    path: &Path,
    write: impl FnOnce(&mut tempfile::NamedTempFile) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    write(&mut file)?;
    let file = file.persist(path)?;
    // A temporary file is for its owner's eyes only; a table is not.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(())
}

fn choose(args: &ExportArgs) -> Result<Format, CommandError> {
    let ending = args.output.as_ref().and_then(|path| path.extension()).and_then(|ending| ending.to_str());
    let name = args.format.as_deref().or(ending).unwrap_or("csv");
    if matches!(name, "h5" | "hdf5" | "nc") {
        return Ok(Format::Hdf5);
    }
    exporter(name).map(Format::Rows).ok_or_else(|| {
        let names = || EXPORTERS.iter().map(|exporter| exporter.name).chain(["h5"]);
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}; choose one by --format", names().collect::<Vec<_>>().join(", ")),
        };
        CommandError::new(Exit::Usage, format!("unknown format `{name}`")).help(help)
    })
}
