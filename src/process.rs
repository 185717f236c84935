//! Processes of this host as `/proc` shows them, dead ones that nobody has waited for included.

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: u32,
    pub(crate) life: Life,
    /// The process that has started it, or the one that was given it when that one ended.
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: i32,
    /// In clock ticks since the host booted: tells it apart from a later process with the same id.
    pub(crate) started: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It can go on, or waits for something.
    Running,
    /// A signal has stopped it.
    Stopped,
    /// It is gone, or a zombie.
    Ended,
}

impl Stat {
    /// That of a process; `None` if there is none, or no `/proc`.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        // The kernel cuts names, where it may be within a character.
        Self::parse(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
    }

    /// Those of all processes; `None` where there is no `/proc`.
    pub(crate) fn all() -> Option<impl Iterator<Item = Self>> {
        let entries = std::fs::read_dir("/proc").ok()?;
        Some(entries.flatten().filter_map(|entry| Self::of(entry.file_name().to_str()?.parse().ok()?)))
    }

    /// `PID (NAME) STATE PARENT GROUP …`, where the name may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let id = stat.split(' ').next()?.parse().ok()?;
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let threads: u32 = fields.nth(14)?.parse().ok()?;
        let life = match state {
            // When only the first of its threads has ended, that counts itself and the others.
            "Z" | "X" | "x" if threads <= 1 => Life::Ended,
            "T" | "t" => Life::Stopped,
            _ => Life::Running,
        };
        Some(Self { id, life, parent, group, started: fields.nth(1)?.parse().ok()? })
    }
}

/// A process and all that come from it, whatever group or session they have put themselves into.
///
/// The children of one that ends are given another parent, so the family has to be looked at before that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// Each by its id and when it started: the id alone may be that of a later process.
    members: Vec<(u32, u64)>,
}

impl Family {
    /// That of a process; empty if there is none, or no `/proc`.
    pub(crate) fn of(id: u32) -> Self {
        let mut family = Self { members: Stat::of(id).map(|stat| (id, stat.started)).into_iter().collect() };
        if !family.members.is_empty() {
            family.grow(&Stat::all().map_or_else(Vec::new, Iterator::collect));
        }
        family
    }

    /// Takes in the children that its members have among these.
    pub(crate) fn grow(&mut self, processes: &[Stat]) {
        loop {
            let before = self.members.len();
            for child in processes.iter().filter(|stat| !self.has(stat)).collect::<Vec<_>>() {
                let is_parent = |&(id, started): &(u32, u64)| {
                    id == child.parent
                        && started <= child.started
                        && processes.iter().any(|stat| (stat.id, stat.started) == (id, started))
                };
                if self.members.iter().any(is_parent) {
                    self.members.push((child.id, child.started));
                }
            }
            if self.members.len() == before {
                return;
            }
        }
    }

    /// Whether this process is one of it.
    pub(crate) fn has(&self, process: &Stat) -> bool {
        self.members.contains(&(process.id, process.started))
    }

    /// Whether it has nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// The name of this host.
pub(crate) fn host() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_and_spaces_and_dead_first_threads_do_no_harm() {
        let rest = (5..=21).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        let life = |state: &str, threads: &str| {
            let rest = rest.replace(" 20 ", &format!(" {threads} "));
            Stat::parse(&format!("7 (a) {state} 1 {rest} 22 23")).unwrap().life
        };
        assert_eq!(
            [life("Z", "1"), life("Z", "0"), life("T", "1")],
            [Life::Ended, Life::Ended, Life::Stopped]
        );
        assert_eq!(life("Z", "2"), Life::Running, "only its first thread has ended");
        let stat = Stat::parse(&format!("7 (a) Z (b)) S 1 {rest} 22 23")).unwrap();
        assert_eq!(stat, Stat { id: 7, life: Life::Running, parent: 1, group: 5, started: 22 });
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }

    #[test]
    fn a_family_grows_by_children_of_its_members_and_not_by_later_processes_of_the_same_id() {
        let process = |id, parent, started| Stat { id, life: Life::Running, parent, group: 1, started };
        let mut family = Family { members: vec![(5, 10)] };
        let all =
            [process(9, 8, 13), process(8, 5, 12), process(5, 1, 10), process(6, 1, 11), process(7, 6, 12)];
        family.grow(&all);
        assert_eq!(all.map(|one| family.has(&one)), [true, true, true, false, false]);
        // 8 has ended, and its id is used again.
        let later = [process(8, 1, 20), process(10, 8, 21), process(9, 1, 13), process(11, 9, 22)];
        family.grow(&later);
        assert_eq!(later.map(|one| family.has(&one)), [false, false, true, true]);
    }

    #[test]
    fn a_child_in_a_session_of_its_own_is_of_the_family() {
        let mut parent = std::process::Command::new("sh")
            .args(["-c", "setsid sleep 100 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(&mut parent.stdout.take().unwrap(), &mut [0]).unwrap();
        let family = Family::of(parent.id());
        let members: Vec<Stat> = Stat::all().unwrap().filter(|stat| family.has(stat)).collect();
        assert_eq!(members.len(), 2, "{members:?}");
        for member in members {
            let id = nix::unistd::Pid::from_raw(member.id as i32);
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        parent.wait().unwrap();
        assert!(Family::of(u32::MAX).is_empty());
    }
}
