//! What this machine, or the cgroup that this process lives in, has to give.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Cores that this process may use: CPU affinity and cgroup quota are honoured.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Tells glibc's allocator to keep what is freed for what comes next, in one heap for all threads. By itself it gives large
/// pieces back to the kernel at once, and the next image costs a page fault every 4 KiB: a tenth of what a large photo costs
/// in the process that only passes it on. Call it before there are threads.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Larger pieces are mapped by themselves: the largest limit that there is.
        const MAPPED: i32 = 32 << 20;
        /// Free memory at the end of the heap beyond which it is given back.
        const KEPT: i32 = 64 << 20;
        for (parameter, value) in
            [(libc::M_MMAP_THRESHOLD, MAPPED), (libc::M_TRIM_THRESHOLD, KEPT), (libc::M_ARENA_MAX, 1)]
        {
            // SAFETY: it only sets numbers of the allocator, under its own lock. A refusal changes nothing.
            let _refused = unsafe { libc::mallopt(parameter, value) };
        }
    }
}

/// Gives what is free now back to the kernel, once: loading a model takes several times what is kept of it.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the allocator looks through its free pieces under its own lock; pieces in use stay as they are.
    let _nothing_to_give = unsafe { libc::malloc_trim(0) };
}

/// Memory kept beside everything that is measured: what the parent may yet grow by, and what the kernel charges to the cgroup.
const MARGIN: u64 = 64 << 20;

/// Bytes of memory that another engine may use now: `budget`, or what the cgroup allows less the parent's peak and a
/// margin, or half of the machine's memory where there is no limit; less what the engines that run hold. A cgroup ends the
/// whole container when it is exceeded, so the sum counts, and an engine must fail before. None if nothing is known.
pub fn engine_memory(budget: Option<u64>) -> Option<u64> {
    let budget = budget.or_else(|| match cgroup_memory_limit() {
        Some(limit) => Some(beside_parent(limit, status_bytes("self", "VmHWM:"))),
        None => total_memory().map(|total| total / 2),
    })?;
    // Too little for any model is no help: then the container is too small for what was asked of it.
    Some(budget.saturating_sub(resident_memory().engines).max(budget / 4))
}

/// Bytes of memory that all of this program may use: `budget`, or what the cgroup allows, or half of the machine's. It is the same as long
/// as the program runs.
pub fn memory_limit(budget: Option<u64>) -> Option<u64> {
    budget.or_else(cgroup_memory_limit).or_else(|| total_memory().map(|total| total / 2))
}

fn beside_parent(limit: u64, parent_peak: u64) -> u64 {
    limit.saturating_sub(parent_peak + MARGIN).max(limit / 4)
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

/// CPU seconds, user and system.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime {
    /// Of this process.
    pub parent: f64,
    /// Of its children, ended ones and running ones.
    pub engines: f64,
}

/// Ticks of this process and of its ended children when the program began.
static BEFORE: OnceLock<(u64, u64)> = OnceLock::new();

/// Takes what was spent until now for somebody else's work: `cargo run` becomes the program that it built, and leaves it the
/// compilers' time.
pub fn begin() {
    BEFORE.get_or_init(|| (ticks("self", 0), ticks("self", 2)));
}

/// CPU seconds of this process and its children, since the program began.
pub fn cpu_time() -> CpuTime {
    // Linux shows 100 clock ticks a second to user space on every architecture.
    const TICKS: f64 = 100.0;
    // utime and stime; then, for children that were waited for, cutime and cstime.
    let before = BEFORE.get().copied().unwrap_or_default();
    let own = ticks("self", 0).saturating_sub(before.0);
    let ended = ticks("self", 2).saturating_sub(before.1);
    let running: u64 = children().iter().map(|child| ticks(child, 0)).sum();
    CpuTime { parent: own as f64 / TICKS, engines: (ended + running) as f64 / TICKS }
}

/// CPU seconds of this process and its children together.
pub fn cpu_seconds() -> f64 {
    let time = cpu_time();
    time.parent + time.engines
}

/// Bytes of memory that are held now.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// By this process.
    pub parent: u64,
    /// By its children.
    pub engines: u64,
}

/// Resident memory of this process and its children.
pub fn resident_memory() -> Memory {
    let engines = children().iter().map(|child| status_bytes(child, "VmRSS:")).sum();
    Memory { parent: status_bytes("self", "VmRSS:"), engines }
}

/// A size from a process's `status`; 0 if it has just ended.
fn status_bytes(process: &str, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value =
        status.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix("kB")?.trim().parse().ok());
    value.unwrap_or(0_u64) * 1024
}

/// The sum of two time fields (user, system) of a process's `stat`, after `skipped` other ones; 0 if it has just ended.
fn ticks(process: &str, skipped: usize) -> u64 {
    const FIELDS_BEFORE: usize = 11;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(FIELDS_BEFORE + skipped).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
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
    fn an_engine_gets_what_the_container_has_beside_the_parent() {
        assert_eq!(beside_parent(1 << 30, 100 << 20), (1 << 30) - (164 << 20));
        assert_eq!(beside_parent(256 << 20, 400 << 20), 64 << 20);
    }

    #[test]
    fn the_machine_has_something_to_give() {
        assert!(cores() >= 1);
        assert!(engine_memory(None).is_some_and(|bytes| bytes > 0));
        assert!(engine_memory(Some(1 << 40)).is_some_and(|bytes| (1 << 38..=1 << 40).contains(&bytes)));
        let until = std::time::Instant::now() + std::time::Duration::from_millis(50);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(cpu_seconds() > 0.0);
        assert!(resident_memory().parent > 1 << 20);
    }
}
