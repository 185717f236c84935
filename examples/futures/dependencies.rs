//! Tasks that need the results of others. In executorlib: futures as arguments of `submit`, `split_future`.
//!
//! ```text
//! mpiexec -n 4 target/release/examples/futures_dependencies
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::Program;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = Program::new();
    let scatter = program.task("scatter", |_, n: u32| Ok((0..n).map(f64::from).collect::<Vec<_>>()));
    let work = program.task("work", |_, x: f64| Ok(x.sqrt()));
    let mean = program.task("mean", |_, (all, by): (Vec<f64>, f64)| {
        if by == 0.0 { Err("division by zero".to_owned()) } else { Ok(all.iter().sum::<f64>() / by) }
    });
    let ran = program.run(|pool| {
        // None of these lines waits: the tasks start as their inputs arrive.
        let parts = pool.submit(scatter, 10).split(10);
        let roots: Vec<_> = parts.iter().map(|part| pool.submit_after(work, part, |x| x)).collect();
        let mean_root = pool.submit_after(mean, &roots, |all| (all, 10.0));
        let broken = pool.submit_after(mean, (&roots, &mean_root), |(all, m)| (all, m * 0.0));
        let after_that = pool.submit_after(work, &broken, |x| x);

        println!("the mean of the roots is {:.6}", mean_root.wait()?);
        // The error of the last one shows what led to it.
        if let Err(error) = after_that.wait() {
            println!("{error}");
        }
        Ok(())
    })?;
    ran.unwrap_or(Ok(()))
}
