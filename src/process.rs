//! Processes of this host as `/proc` shows them, dead ones that nobody has waited for included.

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) life: Life,
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
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Those of all processes; `None` where there is no `/proc`.
    pub(crate) fn all() -> Option<impl Iterator<Item = Self>> {
        let entries = std::fs::read_dir("/proc").ok()?;
        Some(entries.flatten().filter_map(|entry| Self::of(entry.file_name().to_str()?.parse().ok()?)))
    }

    /// `PID (NAME) STATE PARENT GROUP …`, where the name may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        let life = match fields.next()? {
            "Z" | "X" | "x" => Life::Ended,
            "T" | "t" => Life::Stopped,
            _ => Life::Running,
        };
        Some(Self { life, group: fields.nth(1)?.parse().ok()?, started: fields.nth(16)?.parse().ok()? })
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
    fn names_with_parentheses_and_spaces_do_no_harm() {
        let rest = (5..=21).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        let stat = Stat::parse(&format!("7 (a) Z (b)) S 1 {rest} 22 23")).unwrap();
        assert_eq!(stat, Stat { life: Life::Running, group: 5, started: 22 });
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }
}
