//! What this machine, or the cgroup that this process lives in, has to give.

use std::fs;
use std::path::PathBuf;

/// Cores that this process may use: CPU affinity and cgroup quota are honoured.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Memory kept for the parent process and for what the kernel charges to the cgroup.
const PARENT_MEMORY: u64 = 96 << 20;

/// Bytes of memory that an engine may use: what the cgroup allows less the parent's share, or half of the machine's
/// memory where there is no limit; none if neither is known.
pub fn engine_memory() -> Option<u64> {
    match cgroup_memory_limit() {
        Some(limit) => Some(limit.saturating_sub(PARENT_MEMORY).max(limit / 2)),
        None => total_memory().map(|total| total / 2),
    }
}

/// Name of the host or pod.
pub fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".into(), |name| name.trim().to_owned())
}

/// The smallest limit of this process's cgroup (version 2 or 1) and of those above it.
fn cgroup_memory_limit() -> Option<u64> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut limits = Vec::new();
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = PathBuf::from(root).join(path);
        let up_to_root = group.ancestors().take_while(|group| group.starts_with(root));
        limits.extend(up_to_root.filter_map(|group| read_limit(&fs::read_to_string(group.join(file)).ok()?)));
    }
    limits.into_iter().min()
}

/// `max`, and the huge number by which version 1 says the same, are no limits.
fn read_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < 1 << 60)
}

fn total_memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// CPU seconds, user and system, of this process and its children, ended ones and running ones.
pub fn cpu_seconds() -> f64 {
    // Linux shows 100 clock ticks a second to user space on every architecture.
    const TICKS: f64 = 100.0;
    // utime, stime and, for children that were waited for, cutime and cstime.
    let own = ticks("self", 4);
    let running: u64 = children().iter().map(|child| ticks(child, 2)).sum();
    (own + running) as f64 / TICKS
}

/// The sum of the first `count` time fields of a process's `stat`; 0 if it has just ended.
fn ticks(process: &str, count: usize) -> u64 {
    const FIELDS_BEFORE: usize = 11;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().skip(FIELDS_BEFORE).take(count).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Process ids of the running children of all threads.
fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_no_limit_is_none() {
        assert_eq!(read_limit("536870912\n"), Some(536_870_912));
        assert_eq!(read_limit("max\n"), None);
        assert_eq!(read_limit("9223372036854771712\n"), None);
    }

    #[test]
    fn the_machine_has_something_to_give() {
        assert!(cores() >= 1);
        assert!(engine_memory().is_some_and(|bytes| bytes > 0));
        let until = std::time::Instant::now() + std::time::Duration::from_millis(50);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(cpu_seconds() > 0.0);
    }
}
