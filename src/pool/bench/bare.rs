//! The yardstick: what a short C program would do. Blocking sends and receives, waiting ranks spin.

use super::{Bench, IN_FLIGHT, Load};
use crate::pool::error::LaunchError;
use std::time::{Duration, Instant};

/// Told to a worker in place of a task.
const STOP: u64 = u64::MAX;

impl Bench {
    /// The bare loop; tasks per second on rank 0.
    pub(super) fn bare(&self, load: Load) -> Result<f64, LaunchError> {
        let world = &self.world;
        if world.rank() > 0 {
            loop {
                let (_, micros) = world.bare_receive()?;
                if micros == STOP {
                    return Ok(f64::NAN);
                }
                if micros > 0 {
                    std::thread::sleep(Duration::from_micros(micros));
                }
                world.bare_send(0, micros)?;
            }
        }
        let began = Instant::now();
        let (mut sent, mut received) = (0, 0);
        for _ in 0..load.in_flight {
            for rank in 1..world.size() {
                if sent < load.tasks {
                    world.bare_send(rank, load.sleep)?;
                    sent += 1;
                }
            }
        }
        while received < load.tasks {
            let (from, _) = world.bare_receive()?;
            received += 1;
            if sent < load.tasks {
                world.bare_send(from, load.sleep)?;
                sent += 1;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        for rank in 1..world.size() {
            world.bare_send(rank, STOP)?;
        }
        Ok(load.tasks as f64 / seconds)
    }

    /// The bare loop with results of so many numbers; bytes per second on rank 0. Workers make each result anew, rank 0
    /// receives all in one place.
    pub(super) fn bare_results(&self, numbers: usize, tasks: u64) -> Result<f64, LaunchError> {
        let world = &self.world;
        if world.rank() > 0 {
            loop {
                let (_, n) = world.bare_receive()?;
                if n == STOP {
                    return Ok(f64::NAN);
                }
                world.bare_send_numbers(0, &vec![1.5; n as usize])?;
            }
        }
        let mut room = vec![0.0; numbers];
        let began = Instant::now();
        let first = (0..IN_FLIGHT).flat_map(|_| 1..world.size());
        let mut sent = 0;
        for rank in first.take(tasks as usize) {
            world.bare_send(rank, numbers as u64)?;
            sent += 1;
        }
        for _ in 0..tasks {
            let from = world.bare_receive_numbers(&mut room)?;
            if sent < tasks {
                world.bare_send(from, numbers as u64)?;
                sent += 1;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        for rank in 1..world.size() {
            world.bare_send(rank, STOP)?;
        }
        Ok((tasks as usize * numbers * size_of::<f64>()) as f64 / seconds)
    }
}
