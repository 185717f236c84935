use super::args::ReportArgs;
use super::exit::{CommandError, Exit};
use super::output;
use super::run::launch_error;
use super::together;
use crate::pool::{Pool, Program, Task, WorkerInfo, linked_mpi};
use crate::report::{Align, TextTable};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Round trips per worker.
const ROUND_TRIPS: usize = 200;
/// A pause after which a worker has gone to sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// What a worker finds where it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    rank: u32,
    host: String,
    pid: u32,
    cores: usize,
    /// What `OMP_NUM_THREADS` says.
    threads: Option<u32>,
    /// The devices that it is to use, by the variables that say so.
    devices: Option<String>,
    python: Option<String>,
}

/// `adaptive-mpi doctor`: what this program runs on, measured, with warnings that matter.
pub(super) fn doctor(args: ReportArgs) -> Result<Exit, CommandError> {
    let mut program = Program::new();
    let echo = program.task("echo", |_, number: u64| Ok(number));
    let place = program.task("place", |worker, (): ()| Ok(place(worker.info())));
    let outcome = program.run(|pool| examine(args, pool, echo, place));
    match outcome {
        Ok(None) => Ok(Exit::Done),
        Ok(Some(result)) => result,
        Err(error) => Err(launch_error(&error)),
    }
}

fn place(info: &WorkerInfo) -> Place {
    // The cores that this process may use: a launcher may have bound it to one.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    let threads = variable("OMP_NUM_THREADS").and_then(|text| text.trim().parse().ok());
    let devices = variable("CUDA_VISIBLE_DEVICES").or_else(|| variable("ROCR_VISIBLE_DEVICES"));
    Place {
        rank: info.rank,
        host: info.host.clone(),
        pid: info.pid,
        cores,
        threads,
        devices,
        python: python(),
    }
}

fn python() -> Option<String> {
    let program = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let code = "import sys; print(sys.executable, sys.version.split()[0])";
    let said =
        Command::new(&program).args(["-c", code]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn examine(
    args: ReportArgs,
    pool: &Pool,
    echo: Task<u64, u64>,
    place: Task<(), Place>,
) -> Result<Exit, CommandError> {
    let failed = |error: crate::pool::TaskError| CommandError::new(Exit::Fault, error);
    // More tasks than workers, so that each worker gets one; doubles are dropped.
    let mut places: Vec<Place> =
        pool.map(place, (0..4 * pool.workers()).map(|_| ())).map_err(|error| failed(error.into()))?;
    places.sort_by_key(|place| place.rank);
    places.dedup_by_key(|place| place.rank);
    let mut hot: Vec<f64> = Vec::new();
    for number in 0..(ROUND_TRIPS * pool.workers()) as u64 {
        let start = Instant::now();
        pool.submit(echo, number).wait().map_err(failed)?;
        hot.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mut cold: Vec<f64> = Vec::new();
    for number in 0..9 {
        std::thread::sleep(PAUSE);
        let start = Instant::now();
        pool.submit(echo, number).wait().map_err(failed)?;
        cold.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let (hot, cold) = (median(&mut hot), median(&mut cold));
    let world = pool.world();
    let hdf5 = hdf5_version();
    let warnings = warnings(pool, &places, hdf5.is_none());
    if args.json {
        output::print(json!({
            "world": world.summary(), "launcher": world.launcher, "transport": world.transport,
            "mpi": world.library, "thread_level": world.thread_level, "hdf5": hdf5,
            "workers": places, "hosts": world.hosts,
            "loss_survivable": world.survival.possible, "loss_reason": world.survival.reason,
            "round_trip_us": {"hot": hot, "after_pause": cold}, "warnings": warnings,
        }));
        return Ok(Exit::Done);
    }
    let mpi = match (world.library.as_str(), linked_mpi()) {
        ("", linked) if !linked.is_empty() => format!("{linked} (not in use: there is no launcher)"),
        (library, _) => library.to_owned(),
    };
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let mut text = format!(
        "world        {}\nlauncher     {}\nMPI          {}\nthread level {}\nHDF5         {}\n\
         round trip   {hot:.1} us hot, {cold:.0} us after a pause of {} ms (medians)\n",
        world.summary(),
        or_none(world.launcher),
        or_none(&mpi),
        or_none(world.thread_level),
        hdf5.unwrap_or_else(|| "none: built without it".to_owned()),
        PAUSE.as_millis(),
    );
    let mut table = TextTable::new(&[
        ("rank", Align::Right),
        ("host", Align::Left),
        ("pid", Align::Right),
        ("cores", Align::Right),
        ("threads", Align::Right),
        ("GPUs", Align::Left),
        ("Python", Align::Left),
    ]);
    for place in &places {
        let python = place.python.clone().unwrap_or_else(|| "none".to_owned());
        table.row([
            place.rank.to_string(),
            place.host.clone(),
            place.pid.to_string(),
            place.cores.to_string(),
            place.threads.map_or_else(|| "unset".to_owned(), |threads| threads.to_string()),
            place.devices.clone().unwrap_or_else(|| "unset".to_owned()),
            python,
        ]);
    }
    text.push_str(&format!("\n{table}"));
    for warning in &warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    output::print(text.trim_end());
    Ok(Exit::Done)
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(feature = "hdf5")]
fn hdf5_version() -> Option<String> {
    let (major, minor, release) = hdf5::library_version();
    Some(format!("{major}.{minor}.{release}"))
}

#[cfg(not(feature = "hdf5"))]
fn hdf5_version() -> Option<String> {
    None
}

fn warnings(pool: &Pool, places: &[Place], without_hdf5: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for (host, _) in &pool.world().hosts {
        let on_host = places.iter().filter(|place| place.host == *host);
        let cores = on_host.clone().map(|place| place.cores).max().unwrap_or(1);
        let threads = on_host.clone().filter_map(|place| place.threads).max().unwrap_or(1);
        let working = on_host.count();
        if working <= cores
            && let Some(warning) = together::too_many_threads(working, threads, cores)
        {
            warnings.push(format!("{host}: {warning} (here: OMP_NUM_THREADS)"));
        }
        if pool.world().transport == "mpi" && working > cores {
            warnings.push(format!(
                "{working} workers share {cores} core{} on {host}: start fewer ranks there, or let the launcher \
                 not bind them (Open MPI: --bind-to none)",
                if cores == 1 { "" } else { "s" }
            ));
        }
    }
    if places.iter().all(|place| place.python.is_none()) {
        warnings.push(
            "no worker finds Python: set PYTHON, or load the module, if your function needs it".to_owned(),
        );
    } else if let Some(place) = places.iter().find(|place| place.python.is_none()) {
        warnings.push(format!("rank {} on {} finds no Python, others do", place.rank, place.host));
    }
    if without_hdf5 {
        warnings.push("built without HDF5: results stay in the journal only".to_owned());
    }
    if pool.world().launcher.is_empty() && std::env::var_os("SLURM_JOB_ID").is_some() {
        warnings.push(
            "inside of a SLURM job, but not started by srun or mpiexec: only this host is used".to_owned(),
        );
    }
    warnings
}
