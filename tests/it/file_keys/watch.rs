//! The task that looks for changes. Its time is paused, so that it looks as often as the test waits.

use std::{fs, time::Duration};

use tokio::time::sleep;
use tower_auth::Health;

use super::{Folder, ONE, TWO, knows, table};

/// Longer than between two looks.
const LOOK: Duration = Duration::from_millis(1100);

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_in_place_is_read_again() {
    let folder = Folder::with(&table("one", ONE, ""));
    let keys = folder.open();
    let task = keys.start();
    sleep(LOOK).await;
    assert!(knows(&keys, ONE).await);
    // The same length, and perhaps the same time, as a file system tells it.
    folder.write(&table("one", ONE, "").replace("acme", "amce"));
    sleep(LOOK).await;
    assert_eq!(super::find(&keys, ONE).await.unwrap().principal().account(), Some("amce"));
    folder.write(&table("two", TWO, ""));
    sleep(LOOK).await;
    assert!(!knows(&keys, ONE).await && knows(&keys, TWO).await);
    assert_eq!(task.health(), Health::Good);
    task.stop().await;
    folder.write(&table("one", ONE, ""));
    sleep(10 * LOOK).await;
    assert!(!knows(&keys, ONE).await, "nothing runs after the task was stopped");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_renamed_over_it_is_read_again() {
    let folder = Folder::with(&table("one", ONE, ""));
    let keys = folder.open();
    let _task = keys.start();
    sleep(LOOK).await;
    fs::rename(folder.write_as("new.toml", &table("two", TWO, "")), folder.file()).unwrap();
    sleep(LOOK).await;
    assert!(!knows(&keys, ONE).await && knows(&keys, TWO).await);
}

/// The time of its change is long past, and its length and content time are those of the file before.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn another_file_with_the_same_time_and_length_is_read_again() {
    let folder = Folder::with(&table("one", ONE, ""));
    let past = std::time::SystemTime::now() - Duration::from_secs(3600);
    let age = |path: &std::path::Path| fs::File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
    age(&folder.file());
    let keys = folder.open();
    let _task = keys.start();
    sleep(LOOK).await;
    let new = folder.write_as("new.toml", &table("two", TWO, "\n"));
    let text = table("one", ONE, "").replace("acme", "amce");
    fs::write(&new, text).unwrap();
    age(&new);
    fs::rename(new, folder.file()).unwrap();
    sleep(LOOK).await;
    assert_eq!(super::find(&keys, ONE).await.unwrap().principal().account(), Some("amce"));
}

/// As Kubernetes does: the file is a link into a folder that is itself a link, and that one is replaced.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_that_leads_elsewhere_is_read_again() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    for (name, text) in [("v1", table("one", ONE, "")), ("v2", table("two", TWO, ""))] {
        fs::create_dir(folder.0.join(name)).unwrap();
        folder.write_as(&format!("{name}/keys.toml"), &text);
    }
    symlink("v1", folder.0.join("..data")).unwrap();
    symlink("..data/keys.toml", folder.file()).unwrap();
    let keys = folder.open();
    let _task = keys.start();
    sleep(LOOK).await;
    assert!(knows(&keys, ONE).await);
    symlink("v2", folder.0.join("..tmp")).unwrap();
    fs::rename(folder.0.join("..tmp"), folder.0.join("..data")).unwrap();
    sleep(LOOK).await;
    assert!(!knows(&keys, ONE).await && knows(&keys, TWO).await);
}

#[tokio::test(start_paused = true)]
async fn a_half_written_file_and_a_missing_one_are_waited_out() {
    let folder = Folder::with(&table("one", ONE, ""));
    let keys = folder.open();
    let task = keys.start();
    let new = table("one", ONE, "") + &table("two", TWO, "");
    folder.write(&new[..new.len() - 30]);
    sleep(LOOK).await;
    assert!(matches!(task.health(), Health::Degraded(_)), "{:?}", task.health());
    assert!(knows(&keys, ONE).await && !knows(&keys, TWO).await);
    folder.write(&new);
    sleep(LOOK).await;
    assert_eq!(task.health(), Health::Good);
    assert!(knows(&keys, ONE).await && knows(&keys, TWO).await);
    fs::remove_file(folder.file()).unwrap();
    sleep(LOOK).await;
    assert!(matches!(task.health(), Health::Degraded(_)) && knows(&keys, TWO).await);
    folder.write(&table("two", TWO, ""));
    sleep(LOOK).await;
    assert_eq!((task.health(), keys.health()), (Health::Good, Health::Good));
    assert!(!knows(&keys, ONE).await && knows(&keys, TWO).await);
}

/// A change of the mode is none of the content.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_mode_that_is_corrected_is_noticed() {
    let folder = Folder::with(&table("one", ONE, ""));
    let keys = folder.open();
    let task = keys.start();
    sleep(LOOK).await;
    super::mode(&folder.file(), 0o666);
    sleep(LOOK).await;
    assert!(matches!(task.health(), Health::Degraded(_)) && knows(&keys, ONE).await);
    super::mode(&folder.file(), 0o600);
    sleep(LOOK).await;
    assert_eq!(task.health(), Health::Good);
}

#[test]
fn outside_of_a_runtime_the_task_is_down_and_reload_works() {
    let folder = Folder::with("");
    let keys = folder.open();
    assert!(matches!(keys.start().health(), Health::Down(_)));
    keys.reload().unwrap();
    assert_eq!(keys.health(), Health::Good);
}
