//! CPU time and memory of a process, from /proc.

use std::collections::BTreeSet;
use std::fs;

/// The unit of the times in /proc/PID/stat; fixed at 100 for programs, whatever the kernel ticks at.
const NS_PER_STAT_TICK: u64 = 10_000_000;

/// A process to watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

/// The processes of a server, taken together.
#[derive(Debug)]
pub(crate) struct Processes {
    each: Vec<Process>,
}

impl Processes {
    /// Those with these numbers, each once; `None` for none.
    pub(crate) fn new(pids: &[u32]) -> Result<Option<Processes>, String> {
        let pids: BTreeSet<u32> = pids.iter().copied().collect();
        let each = pids
            .into_iter()
            .map(Process::new)
            .collect::<Result<Vec<_>, _>>()?;
        Ok((!each.is_empty()).then_some(Processes { each }))
    }

    /// As of one process; `None` when one of them has ended. So are the others.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        self.each.iter().map(Process::cpu_ns).sum()
    }

    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.each.iter().map(Process::resident_bytes).sum()
    }

    pub(crate) fn resident_bytes_roughly(&self) -> Option<u64> {
        self.each.iter().map(Process::resident_bytes_roughly).sum()
    }
}

impl Process {
    /// Fails with a clear text when there is no such process.
    pub(crate) fn new(pid: u32) -> Result<Process, String> {
        let process = Process { pid };
        match process.cpu_ns() {
            Some(_) => Ok(process),
            None => Err(format!("--pid {pid}: no such process")),
        }
    }

    /// This program.
    pub(crate) fn own() -> Process {
        Process {
            pid: std::process::id(),
        }
    }

    /// CPU time of all threads since the start, user and system.
    ///
    /// The scheduler's own count is exact to the nanosecond but that of threads that have ended is gone, so the
    /// coarse one of the whole process wins when it is ahead by more than its own grain.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        let coarse = self.stat_cpu_ns()?;
        let exact = self.scheduled_ns().unwrap_or(0);
        let grain = 5 * NS_PER_STAT_TICK;
        Some(if exact + grain >= coarse {
            exact
        } else {
            coarse
        })
    }

    fn scheduled_ns(&self) -> Option<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?;
        let of_thread = |path: std::path::PathBuf| -> Option<u64> {
            fs::read_to_string(path.join("schedstat"))
                .ok()?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        threads.map(|thread| of_thread(thread.ok()?.path())).sum()
    }

    fn stat_cpu_ns(&self) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name, in parentheses, may hold anything; utime and stime are the 12th and 13th fields after it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(ticks * NS_PER_STAT_TICK)
    }

    /// Resident memory, exact: it walks the page tables, so it is not for every tick.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.kib_line("smaps_rollup", "Rss:")
            .or_else(|| self.kib_line("status", "VmRSS:"))
    }

    /// Resident memory as the kernel keeps count of it, off by some pages.
    pub(crate) fn resident_bytes_roughly(&self) -> Option<u64> {
        self.kib_line("status", "VmRSS:")
    }

    fn kib_line(&self, file: &str, name: &str) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1_024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_and_memory_are_seen() {
        let own = Process::own();
        let before = own.cpu_ns().unwrap();
        let mut sum = 0_u64;
        while own.cpu_ns().unwrap() < before + 2 * NS_PER_STAT_TICK {
            sum = std::hint::black_box(sum + 1);
        }
        let filled = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(own.resident_bytes().unwrap() > filled.len() as u64);
        assert!(own.resident_bytes_roughly().unwrap() > filled.len() as u64);
    }

    #[test]
    fn processes_are_added_and_counted_once() {
        let own = std::process::id();
        let Some(all) = Processes::new(&[own, own]).unwrap() else {
            panic!("there is one");
        };
        assert_eq!(all.each.len(), 1);
        assert!(all.cpu_ns().is_some() && all.resident_bytes_roughly().is_some());
        assert!(Processes::new(&[]).unwrap().is_none());
        assert!(Processes::new(&[own, u32::MAX]).is_err());
    }

    #[test]
    fn no_process_is_an_error() {
        assert!(
            Process::new(u32::MAX)
                .unwrap_err()
                .contains("no such process")
        );
    }
}
