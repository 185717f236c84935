mod interpolated;
mod place;
mod points;
mod select;

use super::args::ExportArgs;
use super::exit::{CommandError, Exit};
use super::open::{checkpoint_error, lost, places_of};
use super::output;
use super::own::refuse_own;
use crate::checkpoint::{self, Loaded};
use crate::model::settings::nearest;
use crate::report::export::{EXPORTERS, Exporter, Rows, Table, exporter};
use crate::study::{Reader, Study};
use place::{Place, replace};
use std::io::{BufWriter, ErrorKind, Write};

/// `adaptive-mpi export`: the results as a table, or what the learners make of them.
pub(super) fn export(args: &ExportArgs) -> Result<Exit, CommandError> {
    let study = Study::load_for(Reader::Learners, &args.study.study)?;
    if let Some(output) = &args.output {
        refuse_own(&study, output, "the table")?;
    }
    let format = choose(args)?;
    interpolated::check(&args.interpolation)?;
    let loaded = checkpoint::read(&study.checkpoint.folder, &study.name).map_err(checkpoint_error)?;
    loaded.notices.iter().for_each(output::note);
    if let Some(lost) = lost(&loaded) {
        if loaded.header.is_none() || !args.accept_losses {
            return Err(
                lost.help("bring the files back from a copy, or export what is left by `--accept-losses`")
            );
        }
        output::note(format!("warning: {}", lost.message));
    }
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
    table(args, &study, &loaded, format)
}

fn table(args: &ExportArgs, study: &Study, loaded: &Loaded, format: Format) -> Result<Exit, CommandError> {
    match format {
        Format::Rows(exporter) => {
            let stored = loaded.header.as_ref().map(|header| &header.learners[..]).unwrap_or_default();
            let combos: Vec<_> = study.combos.iter().collect();
            let all = Table::new(loaded).with_places(places_of(stored, &combos));
            let table = match select::stored(&args.interpolation, study, loaded)? {
                Some(chosen) => all.of_learners(&chosen),
                None => all,
            };
            write(args, exporter, &table)
        }
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
    let put = |output: &mut dyn Write| {
        let mut output = BufWriter::new(output);
        (exporter.write)(rows, &mut output)?;
        output.flush()
    };
    let written = match &args.output {
        Some(path) => Place::find(path).and_then(|place| match place {
            Place::File(path) => replace(&path, |file| put(file)),
            Place::Stream(mut stream) => put(&mut stream),
        }),
        None => put(&mut std::io::stdout().lock()),
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
