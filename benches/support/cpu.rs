//! CPU time of threads, on Linux.

use std::{fs, path::Path, time::Duration};

/// Returns the CPU time so far of those threads of this process whose name is accepted, if the system provides it.
pub(crate) fn of_threads(is_counted: impl Fn(&str) -> bool) -> Option<Duration> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.filter_map(|task| Some(task.ok()?.path()));
    let is_counted = |task: &Path| read(task, "comm").is_some_and(|name| is_counted(name.trim_end()));
    tasks.filter(|task| is_counted(task)).map(|task| on_cpu(&task)).sum()
}

/// Returns the CPU time of a thread in nanoseconds. A kernel may provide one of the two files, both or none.
fn on_cpu(task: &Path) -> Option<Duration> {
    if let Some(text) = read(task, "schedstat") {
        return text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos);
    }
    let text = read(task, "sched")?;
    let line = text.lines().find(|line| line.starts_with("se.sum_exec_runtime"))?;
    let millis: f64 = line.rsplit_once(':')?.1.trim().parse().ok()?;
    Some(Duration::from_secs_f64(millis / 1e3))
}

fn read(task: &Path, file: &str) -> Option<String> {
    fs::read_to_string(task.join(file)).ok()
}
