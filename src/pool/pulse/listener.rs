use super::{Address, GREETING};
use crate::pool::presence;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};

/// Looks at a broken connection before its process counts as ended: one that lives comes back at once.
const LOOKS: u32 = 2;
/// File descriptors left to everything else.
const RESERVE: u64 = 256;
/// More strangers than this at a time are turned away.
const STRANGERS: usize = 64;

/// What a look at a worker's pulse shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Beat {
    /// It has none (yet).
    Unknown,
    /// It has beaten since the last look.
    Felt,
    /// It has not.
    Missed,
    /// Its process has ended.
    Ended,
}

enum Link {
    Never,
    Up(TcpStream),
    /// Broken for so many looks.
    Down(u32),
}

/// Rank 0's end of all pulses. Never waits.
pub(in crate::pool) struct Pulses {
    listener: TcpListener,
    key: u64,
    /// By worker, from 0.
    links: Vec<Link>,
    /// Those that have not said who they are, with what they have said.
    strangers: Vec<(TcpStream, Vec<u8>)>,
    room: usize,
}

impl Pulses {
    /// Listens for so many workers. `None` where no port is to be had.
    pub(in crate::pool) fn open(workers: u32) -> Option<Self> {
        let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).ok()?;
        listener.set_nonblocking(true).ok()?;
        // Two words from the system's source of randomness, by way of the keys of a hash map.
        let key = RandomState::new().hash_one(std::process::id()) ^ RandomState::new().hash_one(workers);
        let room = descriptors(u64::from(workers)).saturating_sub(RESERVE) as usize;
        let links = (0..workers).map(|_| Link::Never).collect();
        Some(Self { listener, key, links, strangers: Vec::new(), room })
    }

    /// How workers reach it.
    pub(in crate::pool) fn address(&self) -> Option<Address> {
        let mut hosts = vec![presence::host()];
        hosts.extend(local_addresses(&std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default()));
        Some(Address { hosts, port: self.listener.local_addr().ok()?.port(), key: self.key })
    }

    /// Lets in who has come since the last look.
    pub(in crate::pool) fn welcome(&mut self) {
        while self.strangers.len() < STRANGERS
            && let Ok((stream, _)) = self.listener.accept()
        {
            if self.room > 0 && stream.set_nonblocking(true).is_ok() {
                self.room -= 1;
                self.strangers.push((stream, Vec::new()));
            }
        }
        let (key, links, room) = (self.key, &mut self.links, &mut self.room);
        self.strangers.retain_mut(|(stream, said)| {
            let mut rest = vec![0; GREETING - said.len()];
            match stream.read(&mut rest) {
                Ok(n) if n > 0 => said.extend_from_slice(&rest[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                _ => {
                    *room += 1;
                    return false;
                }
            }
            if said.len() < GREETING {
                return true;
            }
            let (name, rank) = said.split_at(8);
            let rank = rank.try_into().map_or(0, u32::from_le_bytes);
            let place = (rank as usize).checked_sub(1).and_then(|worker| links.get_mut(worker));
            match (place, stream.try_clone()) {
                (Some(place), Ok(stream)) if name == key.to_le_bytes() => {
                    if let Link::Up(_) = place {
                        *room += 1;
                    }
                    *place = Link::Up(stream);
                }
                _ => *room += 1,
            }
            false
        });
    }

    /// Whether a connection has broken of which nobody knows yet why.
    pub(in crate::pool) fn is_in_doubt(&self) -> bool {
        self.links.iter().any(|link| matches!(link, Link::Down(looks) if *looks < LOOKS))
    }

    /// Looks at one worker's pulse.
    pub(in crate::pool) fn feel(&mut self, worker: u32) -> Beat {
        let link = &mut self.links[worker as usize];
        match link {
            Link::Never => Beat::Unknown,
            Link::Down(looks) if *looks >= LOOKS => Beat::Ended,
            Link::Down(looks) => {
                *looks += 1;
                Beat::Missed
            }
            Link::Up(stream) => match stream.read(&mut [0; 64]) {
                Ok(n) if n > 0 => Beat::Felt,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    Beat::Missed
                }
                _ => {
                    *link = Link::Down(0);
                    self.room += 1;
                    Beat::Missed
                }
            },
        }
    }
}

/// How many file descriptors this process may have, after asking for as many as it takes.
fn descriptors(workers: u64) -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    let wanted = (workers + 2 * RESERVE).min(hard);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft }
}

/// The addresses of this host (IPv4, without loopback), from the kernel's routing table.
fn local_addresses(table: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut address = None;
    for line in table.lines().map(str::trim) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = Some(leaf);
        } else if line == "/32 host LOCAL"
            && let Some(address) = address
            && !address.starts_with("127.")
            && !found.iter().any(|known| known == address)
        {
            found.push(address.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Pulse, greet};
    use super::*;
    use std::time::{Duration, Instant};

    fn until(pulses: &mut Pulses, worker: u32, wanted: Beat) {
        let began = Instant::now();
        loop {
            pulses.welcome();
            if pulses.feel(worker) == wanted {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no {wanted:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_worker_is_felt_and_its_end_is_told_apart_from_silence() {
        let mut pulses = Pulses::open(2).unwrap();
        assert_eq!([pulses.feel(0), pulses.feel(1)], [Beat::Unknown; 2]);
        let address = pulses.address().unwrap();
        let (mut stream, _) = address.connect(2).unwrap();
        std::io::Write::write_all(&mut stream, &[1]).unwrap();
        until(&mut pulses, 1, Beat::Felt);
        assert_eq!([pulses.feel(0), pulses.feel(1)], [Beat::Unknown, Beat::Missed]);
        drop(stream);
        until(&mut pulses, 1, Beat::Ended);
        // One that lives comes back.
        let (mut stream, _) = address.connect(2).unwrap();
        std::io::Write::write_all(&mut stream, &[1]).unwrap();
        until(&mut pulses, 1, Beat::Felt);
    }

    #[test]
    fn nobody_gets_in_without_the_key() {
        let mut pulses = Pulses::open(1).unwrap();
        let address = pulses.address().unwrap();
        let mut stranger = TcpStream::connect(("127.0.0.1", address.port)).unwrap();
        greet(&mut stranger, address.key ^ 1, 1).unwrap();
        let began = Instant::now();
        let mut end = [0; 1];
        while stranger.read(&mut end).is_err() && began.elapsed() < Duration::from_secs(20) {
            pulses.welcome();
        }
        assert!(pulses.strangers.is_empty());
        assert_eq!(pulses.feel(0), Beat::Unknown);
    }

    #[test]
    fn a_worker_that_leaves_does_not_mind_the_end_of_rank_0() {
        let mut pulses = Pulses::open(1).unwrap();
        let pulse = Pulse::start(pulses.address().unwrap(), 1);
        until(&mut pulses, 0, Beat::Felt);
        pulse.leave();
        drop(pulses);
        assert!(!pulse.manager_is_gone());
    }

    #[test]
    fn the_addresses_of_a_host_are_read_from_its_routing_table() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.1.2.3\n        \
                     /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.1.2.255\n        \
                     /32 link BROADCAST\nLocal:\n     |-- 10.1.2.3\n        /32 host LOCAL\n";
        assert_eq!(local_addresses(table), ["10.1.2.3"]);
    }
}
