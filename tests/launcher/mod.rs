//! The launcher that the tests with MPI use, and what it is like.

use std::process::Command;

/// The launcher of the tests with MPI.
pub(crate) fn launcher() -> String {
    std::env::var("MPIEXEC").unwrap_or_else(|_| "mpiexec.openmpi".into())
}

/// Whether that launcher is MPICH's.
pub(crate) fn is_mpich() -> bool {
    launcher().contains("mpich")
}

/// The flags with which the launcher lets the others live when a rank dies; MPICH's has none.
pub(crate) fn with_recovery() -> &'static [&'static str] {
    static FLAGS: std::sync::OnceLock<&[&str]> = std::sync::OnceLock::new();
    FLAGS.get_or_init(|| {
        let said = Command::new(launcher()).arg("--version").output().map(|output| output.stdout);
        match String::from_utf8_lossy(&said.unwrap_or_default()) {
            _ if is_mpich() => &[],
            version if version.contains("(Open MPI) 5") => &["--with-ft", "ulfm"],
            _ => &["--enable-recovery"],
        }
    })
}
