//! A control group with a limit of memory, as a container has one: version 1 or 2, wherever this process may make one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A group below that of this process, or beside it. Dropping it removes it; its processes have ended by then.
pub struct Cgroup {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    fn limit(self) -> &'static str {
        match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        }
    }

    /// Counts the processes that were killed for want of memory.
    fn kills(self) -> &'static str {
        match self {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        }
    }
}

impl Cgroup {
    /// A group whose processes have `bytes` of memory together.
    ///
    /// # Errors
    /// With the reason why this process may not make one.
    pub fn with_memory(bytes: u64) -> Result<Cgroup, String> {
        let cgroups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let mut reasons = Vec::new();
        for line in cgroups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let (root, version) = match controllers {
                "" => ("/sys/fs/cgroup", Version::Two),
                controllers if controllers.split(',').any(|name| name == "memory") => {
                    ("/sys/fs/cgroup/memory", Version::One)
                }
                _ => continue,
            };
            let own = Path::new(root).join(path.trim_start_matches('/'));
            // Version 2 gives limits only below groups without processes of their own: those are further up.
            for parent in own.ancestors().take_while(|parent| parent.starts_with(root)) {
                match make(parent, version, bytes) {
                    Ok(folder) => return Ok(Cgroup { folder, version }),
                    Err(reason) => reasons.push(format!("{}: {reason}", parent.display())),
                }
            }
        }
        Err(reasons.join("; "))
    }

    /// A command that runs `program` in this group.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(self.folder.join("cgroup.procs")).arg(program);
        command
    }

    /// How many of its processes were killed because the group had too much.
    ///
    /// # Panics
    /// When the kernel does not say.
    pub fn kills(&self) -> u64 {
        let file = fs::read_to_string(self.folder.join(self.version.kills())).expect("a file of the group");
        let count = file.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        count.expect("a kernel that counts")
    }
}

fn make(parent: &Path, version: Version, bytes: u64) -> std::io::Result<PathBuf> {
    let folder = parent.join(format!("pixelmill-test-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let limited = fs::write(folder.join(version.limit()), bytes.to_string());
    if limited.is_err() {
        fs::remove_dir(&folder)?;
    }
    limited.map(|()| folder)
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _still_used = fs::remove_dir(&self.folder);
    }
}
