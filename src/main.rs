//! The `adaptive-mpi` command: the library's command line with no functions of its own.

fn main() -> std::process::ExitCode {
    adaptive_mpi::cli::App::new().main()
}
