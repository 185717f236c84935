//! Results that are computed once. In Python: `joblib.Memory`, or `cache_directory` in executorlib.
//!
//! Start it twice: the second run finds everything in `data/results.h5`.
//!
//! ```text
//! mpiexec -n 4 target/release/examples/futures_cached
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::cache::TaskCache;
use adaptive_mpi::pool::Program;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = Program::new();
    let simulate = program.task("simulate", |_worker, (mass, steps): (f64, u32)| {
        let (mut x, mut v) = (1.0, 0.0);
        for _ in 0..steps {
            v -= 1e-3 * x / mass;
            x += 1e-3 * v;
        }
        Ok((x, v))
    });
    let ran = program.run(|pool| {
        // The file is rank 0's. A new version is for when the task computes something else than before.
        let cache = TaskCache::open("data/results.h5")?;
        let simulate = cache.task(pool, simulate, "1");

        // Twice the same: the second one waits for the first.
        let (one, same) = (simulate.submit((2.0, 100_000)), simulate.submit((2.0, 100_000)));
        println!("{:?}, {:?}", one.wait()?, same.wait()?);
        let all = simulate.map((1..=200_u32).map(|i| (0.01 * f64::from(i), 100_000)))?;
        println!("{} results: {} computed, {} known", all.len() + 2, cache.computed(), cache.found());
        cache.close()?;
        Ok(())
    })?;
    ran.unwrap_or(Ok(()))
}
