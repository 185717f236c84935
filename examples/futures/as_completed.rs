//! Results as soon as they are there. In Python: `executor.submit(f, x)` and `as_completed(futures)`.
//!
//! ```text
//! mpiexec -n 4 target/release/examples/futures_as_completed
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::{Program, TaskOptions, Until};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = Program::new();
    let nap = program.task("nap", |worker, millis: u64| {
        std::thread::sleep(Duration::from_millis(millis));
        if millis == 40 { Err("40 is no good".into()) } else { Ok(worker.rank()) }
    });
    let ran = program.run(|pool| {
        let times = [90, 10, 40, 60];
        // A second attempt for each, and no more than ten seconds.
        let options = TaskOptions::new().retries(1).timeout(Duration::from_secs(10));
        let futures: Vec<_> = times.iter().map(|millis| pool.submit_with(nap, *millis, &options)).collect();
        let waited = pool.wait(&futures, Until::FirstCompleted, None);
        println!("done first: {:?}, still open: {:?}", waited.done, waited.open);
        for (place, result) in pool.as_completed(futures) {
            match result {
                Ok(rank) => println!("{} ms on rank {rank}", times[place]),
                Err(error) => println!("{} ms: {error}", times[place]),
            }
        }
    })?;
    ran.map_or(Ok(()), Ok)
}
