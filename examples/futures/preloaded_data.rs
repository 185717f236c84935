//! Data read once, and a state per worker. In Python: `initializer=…` of an executor, `init_function=…` in executorlib.
//!
//! ```text
//! mpiexec -n 4 target/release/examples/futures_preloaded_data
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use adaptive_mpi::pool::Program;
use std::collections::BTreeMap;

/// What each worker keeps between its tasks.
struct Cache {
    seen: BTreeMap<usize, f64>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut program = Program::new();
    // Read by rank 0 alone; the other ranks get it by a broadcast.
    let names = program.data("names", || Ok(vec!["sine".to_owned(), "cosine".to_owned()]));
    // In memory once per node, however many ranks run there.
    let table = program.node_data("table", || Ok((0..1_000_000).map(|i| f64::from(i) * 1e-6).collect()));
    program.init(|_worker| Ok(Cache { seen: BTreeMap::new() }));
    let look_up = program.task("look up", move |worker, i: usize| {
        let name = worker.data(names)[i % 2].clone();
        let (cache, table) = worker.state_and_data::<Cache, _>(table);
        let x = table.get(i).copied().ok_or_else(|| format!("the table ends before {i}"))?;
        let y = *cache.seen.entry(i).or_insert_with(|| if i.is_multiple_of(2) { x.sin() } else { x.cos() });
        Ok((name, y, cache.seen.len()))
    });
    let ran = program.run(|pool| {
        println!("{} numbers, {} functions", pool.data(table).len(), pool.data(names).len());
        for (name, y, cached) in pool.map(look_up, (0..1_000_000).step_by(200_001))? {
            println!("{name}: {y:.6} (this worker has {cached} values by now)");
        }
        Ok(())
    })?;
    ran.unwrap_or(Ok(()))
}
