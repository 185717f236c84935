//! One function over many arguments. In Python: `executor.map(f, xs, chunksize=…)`.
//!
//! ```text
//! mpiexec -n 4 target/release/examples/futures_map
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::{MapOptions, Program};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = Program::new();
    let collatz = program.task("collatz", |_worker, start: u64| {
        let next = |n: &u64| (*n > 1).then(|| if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 });
        Ok(std::iter::successors(Some(start), next).count() - 1)
    });
    let ran = program.run(|pool| {
        // All results, in order. How many tasks share a message follows from their measured duration.
        let steps = pool.map(collatz, 1..100_000)?;
        let (most, start) = steps.iter().zip(1_u64..).max().unwrap_or((&0, 1));
        println!("{start} takes {most} steps");

        // One by one from an endless iterator: only a window of it is held.
        let mut lazily = pool.imap(collatz, 1.., &MapOptions::new().window(1000));
        let long = lazily.position(|steps| steps.is_ok_and(|steps| steps > 300));
        println!("the first one with more than 300 steps is {}", long.map_or(0, |place| place + 1));
        Ok(())
    })?;
    ran.unwrap_or(Ok(()))
}
