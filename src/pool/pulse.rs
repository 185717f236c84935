//! Pulses: a connection from each worker to rank 0 beside MPI, over TCP, on which a byte travels a few times a second.
//!
//! A worker that runs a function says nothing over MPI until the function returns, and only one thread may call MPI. So
//! a thread of its own keeps this connection. Its end tells at once that the other process has ended, whatever host
//! it was on; silence on it tells that the process is stopped or its host is gone. A slow function keeps beating.
//!
//! Where no connection can be made (a firewall between hosts, too few file descriptors), nothing is said about it:
//! such a worker is judged by its answers alone. `ADAPTIVE_MPI_PULSE=0` switches all of it off.
//!
//! Rank 0 listens on a free port and takes only those in who know the key that went to the workers over MPI. Nothing
//! but who is there is ever read from a connection.

#[cfg_attr(not(feature = "mpi"), allow(dead_code, reason = "only ranks have pulses"))]
mod listener;

pub(super) use listener::{Beat, Pulses};

use super::presence::{self, Presence};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two beats.
const EVERY: Duration = Duration::from_millis(250);
/// Silence that says nothing: a loaded host may keep a thread waiting.
pub(in crate::pool) const PATIENCE: Duration = Duration::from_secs(2);
/// To reach rank 0 at one of its addresses.
const CONNECT: Duration = Duration::from_secs(2);
/// For a worker to leave in good order when rank 0 is gone; then it is ended.
const LAST_MOMENT: Duration = Duration::from_millis(700);
/// What a connection begins with: key, then rank.
const GREETING: usize = 12;

/// Where and how workers reach rank 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// The name of rank 0's host, then its numeric addresses.
    hosts: Vec<String>,
    port: u16,
    key: u64,
}

/// Whether pulses are wanted, by `ADAPTIVE_MPI_PULSE`.
#[cfg(feature = "mpi")]
pub(super) fn wanted(setting: Option<&str>) -> bool {
    !matches!(setting.map(str::trim), Some("0" | "false" | "no" | "off"))
}

/// A worker's end. Its thread ends with [`Self::leave`] or with rank 0.
pub(super) struct Pulse {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    leaving: AtomicBool,
    manager_gone: AtomicBool,
}

impl Pulse {
    /// Begins to beat, on a thread of its own.
    pub(super) fn start(address: Address, rank: u32) -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let beat = move || {
            if let Some((stream, peer)) = address.connect(rank) {
                shared.beat(stream, peer, address.key, rank);
            }
        };
        // Without this thread the worker is judged by its answers alone.
        if let Err(error) = std::thread::Builder::new().name("pulse".into()).spawn(beat) {
            tracing::debug!(%error, "no pulse");
        }
        Self { state }
    }

    /// Whether rank 0's process has ended.
    pub(super) fn manager_is_gone(&self) -> bool {
        self.state.manager_gone.load(Ordering::Relaxed)
    }

    /// From now on the end of rank 0 is nothing to worry about.
    pub(super) fn leave(&self) {
        self.state.leaving.store(true, Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.leave();
    }
}

fn greet(stream: &mut TcpStream, key: u64, rank: u32) -> std::io::Result<()> {
    let mut greeting = [0; GREETING];
    greeting[..8].copy_from_slice(&key.to_le_bytes());
    greeting[8..].copy_from_slice(&rank.to_le_bytes());
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(EVERY))?;
    stream.set_write_timeout(Some(4 * EVERY))?;
    stream.write_all(&greeting)
}

impl Address {
    /// Tries all addresses; the first that answers is it.
    fn connect(&self, rank: u32) -> Option<(TcpStream, SocketAddr)> {
        let here = self.hosts.first().is_some_and(|host| *host == presence::host());
        let local = if here { vec!["127.0.0.1".to_owned()] } else { Vec::new() };
        for host in local.iter().chain(&self.hosts) {
            for peer in (host.as_str(), self.port).to_socket_addrs().into_iter().flatten() {
                if let Ok(mut stream) = TcpStream::connect_timeout(&peer, CONNECT)
                    && greet(&mut stream, self.key, rank).is_ok()
                {
                    return Some((stream, peer));
                }
            }
        }
        tracing::debug!(rank, "rank 0 can't be reached over TCP: no pulse");
        None
    }
}

impl State {
    fn beat(&self, mut stream: TcpStream, peer: SocketAddr, key: u64, rank: u32) {
        let leaving = || self.leaving.load(Ordering::Relaxed);
        while !leaving() {
            if is_up(&mut stream) {
                continue;
            }
            // A connection may break between two living processes; then rank 0 still listens.
            match TcpStream::connect_timeout(&peer, CONNECT) {
                Ok(again) => stream = again,
                Err(_) => break,
            }
            if greet(&mut stream, key, rank).is_err() {
                break;
            }
        }
        if leaving() {
            return;
        }
        self.manager_gone.store(true, Ordering::Relaxed);
        std::thread::sleep(LAST_MOMENT);
        if !leaving() {
            // In the middle of a function, which nobody waits for any more.
            tracing::warn!("worker {rank} leaves: rank 0 has ended without a word");
            Presence::own().kill();
        }
    }
}

/// Sends a beat and waits for the time between two. False: the connection is over.
fn is_up(stream: &mut TcpStream) -> bool {
    match stream.write(&[1]) {
        Ok(n) if n > 0 => {}
        // Rank 0 does not read at the moment; that is no reason to leave.
        Err(error) if is_patience(&error) => {}
        _ => return false,
    }
    match stream.read(&mut [0; 8]) {
        Ok(n) => n > 0,
        Err(error) => is_patience(&error),
    }
}

fn is_patience(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
