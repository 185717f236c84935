use super::args::ExportArgs;
use super::exit::{CommandError, Exit};

/// `adaptive-mpi export`: the results as a table.
pub(super) fn export(_args: &ExportArgs) -> Result<Exit, CommandError> {
    Err(CommandError::new(Exit::Fault, "being built"))
}
