use super::args::{BenchArgs, BenchKind, CheckpointArgs, RunArgs, StudyArg};
use super::exit::{CommandError, Exit};
use super::run::run;
use crate::function::Natives;

/// `adaptive-mpi bench`: on all ranks of a job.
pub(super) fn bench(args: &BenchArgs) -> Result<Exit, CommandError> {
    match args.what {
        BenchKind::Pool => bench_pool(args),
        BenchKind::Run => bench_run(args),
    }
}

#[cfg(feature = "mpi")]
fn bench_pool(args: &BenchArgs) -> Result<Exit, CommandError> {
    use super::output;
    use crate::pool::bench::{BenchOptions, run};
    use crate::report::{Align, TextTable};
    use serde_json::json;

    let mut options = BenchOptions::default();
    (options.rounds, options.only) = (args.rounds.max(1), args.only.clone());
    let Some(rows) = run(&options).map_err(|error| super::run::launch_error(&error))? else {
        return Ok(Exit::Done);
    };
    if args.report.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({"what": row.what, "unit": row.unit, "workers": row.workers,
                       "bare": row.bare, "pool": row.pool, "ratio": crate::model::json::from_number(row.ratio())})
            })
            .collect();
        output::print(json!({ "rows": rows }));
        return Ok(Exit::Done);
    }
    let mut table = TextTable::new(&[
        ("median of rounds", Align::Left),
        ("workers", Align::Right),
        ("unit", Align::Left),
        ("bare loop", Align::Right),
        ("pool", Align::Right),
        ("ratio", Align::Right),
    ]);
    let number = |x: f64| match x {
        x if x.is_nan() => String::new(),
        x if x >= 1000.0 => crate::report::count(x as u64),
        x => format!("{x:.3}"),
    };
    for row in rows {
        let ratio = if row.bare.is_empty() { String::new() } else { format!("{:.2}", row.ratio()) };
        let (bare, pool) = (number(row.bare_median()), number(row.pool_median()));
        table.row([row.what.clone(), row.workers.to_string(), row.unit.to_owned(), bare, pool, ratio]);
    }
    output::print(table);
    Ok(Exit::Done)
}

#[cfg(not(feature = "mpi"))]
fn bench_pool(_: &BenchArgs) -> Result<Exit, CommandError> {
    Err(CommandError::new(
        Exit::Usage,
        "this program is built without MPI: there is no bare loop to compare with",
    ))
}

/// The real `run` of a real study, in a folder that is removed afterwards.
fn bench_run(args: &BenchArgs) -> Result<Exit, CommandError> {
    let failed =
        |error: std::io::Error| CommandError::new(Exit::NotSaved, format!("a temporary folder: {error}"));
    // Every rank writes the same study for itself; only rank 0 makes files beside it.
    let folder = tempfile::tempdir().map_err(failed)?;
    let study = folder.path().join("bench.toml");
    let text = format!(
        "[function]\nbuiltin = \"constant\"\n\n[learner]\ntype = \"1d\"\nbounds = [-1, 1]\n\n\
         [goal]\nnpoints = {}\n\n[checkpoint]\nfolder = {:?}\n",
        args.points,
        folder.path().join("data"),
    );
    std::fs::write(&study, text).map_err(failed)?;
    let run_args = RunArgs {
        study: StudyArg { study },
        workers: None,
        max_workers: None,
        walltime: None,
        checkpoint: CheckpointArgs {
            accept_changes: false,
            accept_losses: false,
            break_lock: false,
            retry_failed: false,
        },
        json: args.report.json,
        quiet: false,
    };
    Ok(run(&run_args, &Natives::default()))
}
