//! `kill -9` of rank 0, of a worker, of all, at random moments: the checkpoint opens, nothing that was told is
//! lost, no point is there twice, and a rerun reaches the goal.

use crate::study_run::{Folder, Random, Row, Running, check_rows, is_mpich, send, with_recovery};
use crate::{SLEEP, machine, results};
use nix::sys::signal::Signal;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Manager,
    Worker,
    All,
}

const RANKS: u32 = 4;
/// Rounds of each victim.
const ROUNDS: usize = 8;

fn kill(run: &Running, victim: Victim, random: &mut Random) {
    let rank = match victim {
        Victim::Manager => 0,
        Victim::Worker => 1 + random.below(u64::from(RANKS) - 1) as u32,
        Victim::All => return run.all_ranks().into_iter().for_each(|pid| send(pid, Signal::SIGKILL)),
    };
    if let Some(pid) = run.rank(rank) {
        send(pid, Signal::SIGKILL);
    }
}

/// A run with a victim; returns what was on disk right after its death.
fn round(folder: &Folder, victim: Victim, seed: u64) -> Vec<Row> {
    let mut random = Random(seed);
    let mut run = folder.ranks(RANKS, &["run", "--quiet"]).start();
    if random.below(4) == 0 {
        // Among the first steps, even before MPI is there.
        run.until(|run| run.rank(0).is_some());
        std::thread::sleep(Duration::from_millis(random.below(250)));
    } else {
        let points = 1 + random.below(100) as usize;
        run.until(|_| results(folder) >= points);
        std::thread::sleep(Duration::from_micros(random.below(4000)));
    }
    kill(&run, victim, &mut random);
    if let Victim::All = victim {
        run.kill_all();
    }
    // Told before its death, so it has to stay.
    let known = folder.rows();
    check_rows(&[], &known, |row| row.point[0]);
    // Open MPI's launcher may hang if a rank dies while it joins the others; no rank may.
    assert!(run.until(|run| run.all_ranks().is_empty()) || run.all_ranks().is_empty());
    run.end_or_kill(Duration::from_secs(4));
    let loaded = folder.read();
    assert!(loaded.losses.is_empty(), "{:?}", loaded.losses);
    let after = folder.rows();
    check_rows(&known, &after, |row| row.point[0]);
    after
}

fn many_rounds(victim: Victim) {
    let _machine = machine();
    for number in 0..ROUNDS {
        let seed = 88_172_645_463_325_252 + 7919 * number as u64 + 104_729 * victim as u64;
        println!("{victim:?}, round {number}, seed {seed}");
        let folder = Folder::new(SLEEP);
        let mut known = round(&folder, victim, seed);
        if number % 2 == 0 {
            let again = round(&folder, victim, seed + 1);
            check_rows(&known, &again, |row| row.point[0]);
            known = again;
        }
        // Another number of ranks takes over.
        folder.ranks(2 + number as u32 % 3, &["run", "--quiet"]).end().expect(0);
        let rows = folder.rows();
        check_rows(&known, &rows, |row| row.point[0]);
        assert!((0..2).all(|learner| rows.iter().filter(|row| row.learner == learner).count() >= 60));
        assert_eq!(folder.status()["state"], "goal reached");
    }
}

#[test]
fn nothing_is_lost_by_the_death_of_rank_0() {
    many_rounds(Victim::Manager);
}

#[test]
fn nothing_is_lost_by_the_death_of_a_worker() {
    many_rounds(Victim::Worker);
}

#[test]
fn nothing_is_lost_by_the_death_of_all() {
    many_rounds(Victim::All);
}

#[test]
fn a_run_outlives_its_workers_where_the_launcher_lets_it() {
    if is_mpich() {
        // Its launcher ends the job with its first rank, whatever it is told.
        return;
    }
    let _machine = machine();
    let folder = Folder::new(&SLEEP.replace("60", "300"));
    let mut run = folder.flagged_ranks(with_recovery(), 4, &["run"]).start();
    for (victim, points) in [(2, 30), (3, 120)] {
        assert!(run.until(|_| results(&folder) >= points), "{}", run.said());
        send(run.rank(victim).unwrap(), Signal::SIGKILL);
    }
    // What the launcher makes of the dead ranks is its own; the study is done.
    run.end().says("goal reached: npoints >= 300");
    check_rows(&[], &folder.rows(), |row| row.point[0]);
    assert_eq!(folder.status()["state"], "goal reached");
    assert!(folder.read().failures.is_empty(), "a lost worker is no fault of its points");
}

#[test]
fn processes_of_functions_die_with_their_ranks() {
    let _machine = machine();
    // A command that would go on for long after its rank.
    let folder = Folder::new(
        "goal = 'forever'\n[function]\ncommand = ['sh', '-c', 'echo $$ >> started; sleep 1000; echo 1']\n\
         [learner]\ntype = '1d'\nbounds = [0, 1]\n",
    );
    let mut run = folder.ranks(3, &["run", "--quiet"]).start();
    assert!(run.until(|_| folder.text("started").lines().count() == 2), "{}", run.said());
    // A command says that it has started a moment before its rank knows about it.
    std::thread::sleep(Duration::from_millis(50));
    send(run.rank(1).unwrap(), Signal::SIGKILL);
    // `end` fails if anything is left behind.
    run.end();
}
