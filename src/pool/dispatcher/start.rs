//! The start: all workers introduce themselves and are told who rank 0 is.

use super::{Appetite, Dispatcher, GroupBook, ROUND};
use crate::pool::error::LaunchError;
use crate::pool::options::PoolOptions;
use crate::pool::presence::Presence;
use crate::pool::scheduler::Scheduler;
use crate::pool::stats::{ManagerStats, WorkerStats};
use crate::pool::transport::{Received, Transport};
use crate::pool::watch::{Eyes, Sign, Watch};
use crate::pool::wire::{self, HEADER, Header, Kind};
use crate::pool::world::{Hello, Welcome, WorkerSummary, World};
use std::collections::VecDeque;
use std::time::Duration;

/// What the program has on all ranks: its tasks, their names in one text, and what else should be alike.
pub(in crate::pool) type Common<'a> = (&'a [String], &'a str, &'a [(String, String)]);

impl Dispatcher {
    /// Waits for the first word of all workers and answers it.
    pub(in crate::pool) fn start(
        mut transport: Box<dyn Transport>,
        mut world: World,
        workers: u32,
        tasks: Common<'_>,
        options: &PoolOptions,
        eyes: Eyes,
    ) -> Result<Self, LaunchError> {
        let began = transport.now();
        let mut hellos: Vec<Option<Hello>> = (0..workers).map(|_| None).collect();
        let mut missing = workers as usize;
        while missing > 0 {
            let left = options.start_limit.saturating_sub(transport.now() - began);
            if left.is_zero() {
                let ranks = (1..=workers).filter(|rank| hellos[*rank as usize - 1].is_none()).collect();
                release(transport.as_mut(), workers);
                return Err(LaunchError::Missing { ranks, limit: options.start_limit });
            }
            let received = transport.receive(left.min(ROUND)).inspect_err(|_| {
                release(transport.as_mut(), workers);
            });
            let Some(Received { from, message, .. }) = received? else { continue };
            let hello = Header::read(&message)
                .ok()
                .filter(|header| header.kind == Kind::Hello)
                .and_then(|_| wire::decode::<Hello>(message.get(HEADER..)?).ok());
            let Some(place) = (from as usize).checked_sub(1).and_then(|i| hellos.get_mut(i)) else {
                continue;
            };
            if let (Some(hello), None) = (hello, &place) {
                *place = Some(hello);
                missing -= 1;
            }
        }
        let hellos: Vec<Hello> = hellos.into_iter().flatten().collect();
        if let Some(odd) = hellos.iter().find_map(|hello| odd(hello, &tasks)) {
            release(transport.as_mut(), workers);
            return Err(odd);
        }
        let failures: Vec<_> = hellos
            .iter()
            .filter_map(|hello| Some((hello.info.rank, hello.info.host.clone(), hello.fatal.clone()?)))
            .collect();
        if !failures.is_empty() {
            release(transport.as_mut(), workers);
            return Err(LaunchError::Initialiser { failures, workers });
        }
        let own = Presence::own();
        let mut by_host = rustc_hash::FxHashMap::default();
        world.hosts = vec![(own.host.clone(), vec![0])];
        by_host.insert(own.host.clone(), 0);
        for hello in &hellos {
            let next = world.hosts.len();
            let at = *by_host.entry(hello.info.host.clone()).or_insert(next);
            if at == next {
                world.hosts.push((hello.info.host.clone(), Vec::new()));
            }
            world.hosts[at].1.push(hello.info.rank);
        }
        let separate = |presence: &Presence| presence.pid != own.pid || presence.host != own.host;
        let visible = |hello: &Hello| {
            let near = hello.info.rank < eyes.node_size;
            Some(hello.presence.clone()).filter(|p| near && separate(p) && p.is_visible())
        };
        let hosts = hellos.iter().map(|hello| by_host[&hello.info.host]).collect();
        let watch = Watch::new(hellos.iter().map(visible).collect(), hosts, eyes.pulses);
        world.workers = hellos
            .into_iter()
            .map(|hello| WorkerSummary {
                rank: hello.info.rank,
                host: hello.info.host,
                pid: hello.info.pid,
                init_error: hello.init_error,
            })
            .collect();
        let mut welcome =
            Welcome { presence: own, manager_silence: options.manager_silence, pulse: watch.address() };
        let mut encoded = |far: bool| {
            if far {
                welcome.presence.host.clear();
            }
            wire::single(Kind::Welcome, &welcome).map_err(|e| LaunchError::Start(e.to_string()))
        };
        let (near, far) = (encoded(false)?, encoded(true)?);
        for rank in 1..=workers {
            transport.send(rank, if rank < eyes.node_size { near.clone() } else { far.clone() })?;
        }
        let used = options.workers.map_or(workers, |n| (n as u32).clamp(1, workers));
        let now = transport.now();
        let keep_tasks = world.survival.possible || options.duplicate_stragglers;
        let mut scheduler = Scheduler::new(tasks.0.len(), used as usize, options);
        let workers_of = |(_, ranks): &(String, Vec<u32>)| {
            ranks.iter().filter(|rank| (1..=used).contains(*rank)).map(|rank| rank - 1).collect()
        };
        scheduler.set_hosts(world.hosts.iter().map(workers_of).collect());
        Ok(Self {
            scheduler,
            groups: GroupBook::new(options.kept_groups),
            manager_silence: options.manager_silence,
            used,
            signs: vec![Sign::Unknown; workers as usize],
            lost: Vec::new(),
            unresponsive_after: options.unresponsive_after,
            duplicate_stragglers: options.duplicate_stragglers,
            deadline_for_all: options.lost_after.is_some(),
            watch,
            slots: Vec::new(),
            names: tasks.0.to_vec(),
            tickets: Vec::new(),
            free_tickets: Vec::new(),
            settling: VecDeque::new(),
            watchers: Vec::new(),
            due: VecDeque::new(),
            detached: 0,
            refusing: None,
            queues: Vec::new(),
            frames: Vec::new(),
            free_frames: Vec::new(),
            batch: Vec::new(),
            keep_tasks,
            round: now,
            excused: Duration::ZERO,
            beat: now,
            visited: None,
            turn: (now, now),
            dry: Duration::ZERO,
            appetite: Appetite::default(),
            fresh: false,
            closed: None,
            exit_code: None,
            stats: (1..=workers).map(|rank| WorkerStats { rank, ..WorkerStats::default() }).collect(),
            manager: ManagerStats::default(),
            transport,
            world,
        })
    }
}

/// Why a worker does not belong to the others, if it doesn't.
fn odd(hello: &Hello, (_, ours, alike): &Common<'_>) -> Option<LaunchError> {
    let rank = hello.info.rank;
    if hello.tasks != *ours {
        let theirs = hello.tasks.clone();
        return Some(LaunchError::DifferentPrograms { rank, theirs, ours: (*ours).to_owned() });
    }
    let is_other = |(name, theirs): &&(String, String)| {
        alike.iter().any(|(known, ours)| known == name && ours != theirs)
    };
    let (name, _) = hello.alike.iter().find(is_other)?;
    Some(LaunchError::Unlike { rank, host: hello.info.host.clone(), name: name.clone() })
}

/// Tells all workers to leave, when the pool could not start.
fn release(transport: &mut dyn Transport, workers: u32) {
    for rank in 1..=workers {
        let shutdown = wire::signal(Kind::Shutdown, 1, Vec::new());
        // Whoever can't be told is gone already.
        let _ = transport.send(rank, shutdown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::world::WorkerInfo;

    #[test]
    fn a_rank_with_other_tasks_or_another_file_is_named() {
        let own = |name: &str, digest: &str| vec![(name.to_owned(), digest.to_owned())];
        let refused = |tasks: &str, alike: Vec<(String, String)>| {
            let info = WorkerInfo { rank: 3, workers: 4, local_rank: None, host: "node7".into(), pid: 1 };
            let (presence, tasks) = (Presence::own(), tasks.to_owned());
            let hello = Hello { info, presence, init_error: None, fatal: None, tasks, alike };
            odd(&hello, &(&[], "evaluate", &own("study", "12ab"))).map(|error| error.to_string())
        };
        assert_eq!(refused("evaluate", own("study", "12ab")), None);
        // It could not read it, which is told elsewhere.
        assert_eq!(refused("evaluate", Vec::new()), None);
        let error = refused("evaluate", own("study", "34cd")).unwrap();
        assert!(error.starts_with("rank 3 on node7 has read another study than rank 0\nhelp: "), "{error}");
        assert!(refused("sum", own("study", "12ab")).unwrap().contains("rank 3 has other tasks"));
    }
}
