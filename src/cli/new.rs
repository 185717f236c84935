use super::args::NewArgs;
use super::exit::{CommandError, Exit};
use super::output;
use crate::study::template;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

/// `adaptive-mpi new`: a commented study file to start from.
pub(super) fn new(args: &NewArgs) -> Result<Exit, CommandError> {
    let text = template::template(&args.function, &args.learner)
        .map_err(|error| CommandError::new(Exit::Usage, error))?;
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let path = args.path.display();
    options.open(&args.path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let taken = error.kind() == ErrorKind::AlreadyExists;
        let help = if taken {
            "name another file, or replace it with --force"
        } else {
            "check folder and permissions"
        };
        CommandError::new(Exit::Usage, format!("{path} can't be written: {error}")).help(help)
    })?;
    output::note(format!(
        "wrote {path}; next: edit it, `adaptive-mpi check {path}`, `adaptive-mpi run {path}`"
    ));
    Ok(Exit::Done)
}
