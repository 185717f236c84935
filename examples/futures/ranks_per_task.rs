//! Functions that need several ranks, of different sizes in one run. In executorlib: `resource_dict={"cores": 4}`.
//!
//! ```text
//! mpiexec -n 5 target/release/examples/futures_ranks_per_task
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::{Launch, PoolOptions, Program};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = Program::new();
    // Without a launcher the ranks are threads: as many as the largest task asks for.
    let mut options = PoolOptions::default();
    options.workers = Launch::of_process().launcher.is_none().then_some(4);
    program.options(options);

    // All ranks of a task call its function. `group.communicator()` has their communicator, for MPI calls of your own.
    let pi = program.group_task("pi", |_worker, group, terms: u64| {
        let (rank, size) = (u64::from(group.rank()), u64::from(group.size()));
        let own = (rank..terms).step_by(size as usize);
        let mut sum = [own.map(|k| (1.0 - 2.0 * (k % 2) as f64) / (2 * k + 1) as f64).sum::<f64>()];
        group.sum(&mut sum)?;
        Ok((4.0 * sum[0], group.members().to_vec()))
    });
    let square = program.task("square", |_worker, x: f64| Ok(x * x));

    let ran = program.run(|pool| {
        let most = pool.workers() as u32;
        let sizes: Vec<u32> = [1, 2, 4].into_iter().filter(|ranks| *ranks <= most).collect();
        let futures: Vec<_> = sizes.iter().map(|ranks| pool.submit(pi.on(*ranks), 1_000_000)).collect();
        // Tasks of one rank go on beside them, on the ranks that are left.
        let squares = pool.map(square, (0..1000).map(f64::from))?;
        for (ranks, future) in sizes.iter().zip(futures) {
            let (value, members) = future.wait()?;
            println!("pi = {value:.6} by {ranks} of {most} ranks: {members:?}");
        }
        println!("and {} squares", squares.len());
        Ok(())
    })?;
    ran.unwrap_or(Ok(()))
}
