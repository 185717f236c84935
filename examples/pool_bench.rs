//! Prints what `pool::bench` measures; `scripts/bench-pool` runs it with 1, 2 and 4 workers.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

#[cfg(feature = "mpi")]
fn main() -> Result<(), adaptive_mpi::pool::LaunchError> {
    let mut options = adaptive_mpi::pool::bench::BenchOptions::default();
    if let Some(rounds) = std::env::args().nth(1).and_then(|text| text.parse().ok()) {
        options.rounds = rounds;
    }
    let Some(rows) = adaptive_mpi::pool::bench::run(&options)? else { return Ok(()) };
    println!("{:<30} {:>8} {:<10} {:>12} {:>12} {:>7}", "", "workers", "unit", "bare loop", "pool", "ratio");
    for row in rows {
        let (bare, pool, ratio) = (row.bare_median(), row.pool_median(), row.ratio());
        let digits = if row.unit == "tasks/s" { 0 } else { 3 };
        println!(
            "{:<30} {:>8} {:<10} {bare:>12.digits$} {pool:>12.digits$} {ratio:>7.2}",
            row.what, row.workers, row.unit
        );
    }
    Ok(())
}

#[cfg(not(feature = "mpi"))]
fn main() {
    println!("built without MPI: nothing to measure");
}
