//! The servers and the bad network of the tests behave as the tests of the backends rely on.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Read as _},
    net::TcpStream,
    path::Path,
    pin::pin,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio_postgres::{Client, NoTls, error::SqlState};

use crate::support::{
    postgres::{self, Installation, execute, servers_required},
    process::{ended, free_address, running, signal, spawn, until},
    proxy::Proxy,
    server::PATIENCE,
};

/// In which something does not happen. On a slow machine such a check passes too easily, and never fails.
const MOMENT: Duration = Duration::from_millis(200);

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The numbers in table `kept`.
async fn kept(url: &str) -> Vec<i32> {
    let rows = connect(url).await.query("SELECT number FROM kept ORDER BY number", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_database_is_private_to_its_test() {
    let (Some(mine), Some(other)) = (postgres::database().await, postgres::database().await) else { return };
    assert_eq!(mine.address(), other.address());
    execute(&mine.url(), "CREATE TABLE kept (number int); INSERT INTO kept VALUES (1)").unwrap();
    assert_eq!(kept(&mine.url()).await, [1]);
    let error = execute(&other.url(), "SELECT * FROM kept").unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_TABLE));
}

#[tokio::test]
async fn a_database_is_dropped_with_its_value() {
    let (Some(dropped), Some(other)) = (postgres::database().await, postgres::database().await) else { return };
    let (client, observer) = (connect(&dropped.url()).await, connect(&other.superuser()).await);
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    drop(dropped);
    let gone = async {
        while observer.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert!(client.query_one("SELECT 1", &[]).await.is_err());
}

#[tokio::test]
async fn a_pool_opens_as_many_connections_as_it_may() {
    let Some(database) = postgres::database().await else { return };
    let pool = database.pool(2);
    let (one, two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let mut third = pin!(pool.get());
    assert!(third.as_mut().now_or_never().is_none());
    assert_eq!(two.query_one("SELECT 1 + 1", &[]).await.unwrap().get::<_, i32>(0), 2);
    drop(one);
    drop(tokio::time::timeout(PATIENCE, third).await.unwrap().unwrap());
}

#[tokio::test]
async fn another_role_may_only_what_it_was_granted() {
    let Some(database) = postgres::database().await else { return };
    execute(&database.url(), "CREATE TABLE kept (number int); INSERT INTO kept VALUES (1)").unwrap();
    let reader = database.role("reader");
    for statement in ["SELECT * FROM kept", "CREATE TABLE mine ()", "CREATE ROLE mine"] {
        let error = execute(&reader.url, statement).unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}");
    }
    execute(&database.url(), &format!("GRANT SELECT ON kept TO {}", reader.name)).unwrap();
    assert_eq!(kept(&reader.url).await, [1]);
    assert!(execute(&reader.url, "DELETE FROM kept").is_err());
    // The owner is no superuser either: a migration that needs one fails in the tests.
    assert!(execute(&database.url(), "CREATE ROLE mine").is_err());
}

/// The thread of a test, and threads of a runtime, end before the shared server does.
#[test]
fn a_process_survives_the_thread_that_started_it() {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "sleep", "1000"]);
    // Not every machine of a developer has this program.
    let starter = thread::spawn(|| {
        let child = spawn(command);
        // The signal counts from the moment when `setpriv` has asked for it.
        assert!(child.as_ref().map_or(true, |child| until(|| running("sleep", "1000").contains(&child.id()))));
        child
    });
    // Not every machine of a developer has this program.
    let Ok(mut child) = starter.join().unwrap() else { return };
    // The kernel sends the signal shortly after `join` returns.
    thread::sleep(MOMENT);
    assert_eq!(child.try_wait().unwrap(), None);
    assert!(signal("KILL", &[child.id()]));
    assert!(ended(&mut child).is_some());
}

/// Set in the child of [`a_server_ends_with_its_test_binary`].
const HOLD: &str = "TOWER_AUTH_TEST_HOLDS_A_SERVER";

#[test]
fn a_server_ends_with_its_test_binary() {
    let Some(server) = postgres::private(&[]) else { return };
    if std::env::var_os(HOLD).is_some() {
        println!("holds {}", server.address());
        loop {
            thread::park();
        }
    }
    let mut same = Command::new(std::env::current_exe().unwrap());
    same.args(["--exact", "test_kit::a_server_ends_with_its_test_binary", "--nocapture"]).env(HOLD, "1");
    let mut child = same.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.split_once("holds ").map(|(_, address)| address.to_owned())).unwrap();
    TcpStream::connect(&address).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(until(|| TcpStream::connect(&address).is_err()));
}

#[tokio::test]
async fn a_killed_server_keeps_what_was_committed() {
    let Some(mut server) = postgres::private(&["max_connections=7"]) else { return };
    let database = server.database();
    let client = connect(&database.url()).await;
    for (setting, value) in [("max_connections", "7"), ("fsync", "on"), ("synchronous_commit", "on")] {
        let row = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), value, "{setting}");
    }
    client.batch_execute("CREATE TABLE kept (number int)").await.unwrap();
    for number in 1..=3 {
        client.execute("INSERT INTO kept VALUES ($1)", &[&number]).await.unwrap();
    }
    client.batch_execute("BEGIN; INSERT INTO kept VALUES (4)").await.unwrap();
    server.kill();
    assert!(client.query_one("SELECT 1", &[]).await.is_err());
    assert!(TcpStream::connect(server.address()).is_err());
    server.start();
    assert_eq!(kept(&database.url()).await, [1, 2, 3]);
    assert!(server.log().contains("was not properly shut down"), "{}", server.log());

    server.stop();
    assert!(execute(&server.url(), "SELECT 1").is_err());
    server.start();
    assert_eq!(kept(&database.url()).await, [1, 2, 3]);
    assert_eq!(server.log().matches("was not properly shut down").count(), 1);
}

#[tokio::test]
async fn the_files_of_a_server_can_be_searched_and_are_removed_with_it() {
    let Some(mut server) = postgres::private(&[]) else { return };
    let planted = "kit-4f9a0c77d1";
    execute(&server.url(), &format!("CREATE TABLE kept AS SELECT '{planted}' AS text")).unwrap();
    server.stop();
    let folder = server.data_folder();
    let files = |folder: &Path| Command::new("grep").args(["-rl", planted]).arg(folder).output().unwrap().stdout;
    let found = String::from_utf8(files(&folder)).unwrap();
    assert!(found.contains("/base/") && found.contains("/pg_wal/"), "{found}");
    drop(server);
    assert!(!fs::exists(folder).unwrap());
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_thaws() {
    let Some(server) = postgres::private(&[]) else { return };
    let client = connect(&server.url()).await;
    server.freeze();
    // The system accepts the connection, and nobody reads from it.
    TcpStream::connect(server.address()).unwrap();
    let mut answer = pin!(client.query_one("SELECT 1", &[]));
    assert!(still_waits(&mut answer).await);
    server.thaw();
    tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
}

async fn still_waits(answer: impl Future) -> bool {
    tokio::time::timeout(MOMENT, answer).await.is_err()
}

#[tokio::test]
async fn a_black_hole_swallows_everything_and_releases_it() {
    let Some(database) = postgres::database().await else { return };
    let proxy = Proxy::to(database.address());
    let url = database.url_at(proxy.address());
    let client = connect(&url).await;
    client.batch_execute("CREATE TABLE kept (number int)").await.unwrap();
    proxy.black_hole();
    let mut answer = pin!(client.execute("INSERT INTO kept VALUES (1)", &[]));
    let mut new = pin!(connect(&url));
    assert!(still_waits(&mut answer).await && still_waits(&mut new).await);
    assert!(kept(&database.url()).await.is_empty());
    proxy.release();
    assert_eq!(tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap(), 1);
    tokio::time::timeout(PATIENCE, new).await.unwrap().query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(kept(&database.url()).await, [1]);
}

#[tokio::test]
async fn a_cut_resets_open_connections_only() {
    let Some(database) = postgres::database().await else { return };
    let proxy = Proxy::to(database.address());
    let url = database.url_at(proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.query_one("SELECT 1", &[]).await.unwrap();
    proxy.cut();
    let error = connection.await.unwrap().unwrap_err().into_source().unwrap();
    let kind = error.downcast_ref::<std::io::Error>().unwrap().kind();
    assert_eq!(kind, ErrorKind::ConnectionReset);
    assert!(client.is_closed());
    execute(&url, "SELECT 1").unwrap();
}

#[test]
fn a_proxy_without_a_server_resets() {
    let proxy = Proxy::to(free_address());
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_missing_server_says_what_to_install() {
    let missing = Installation::find_in(OsStr::new("/nowhere"), Path::new("/nowhere")).unwrap_err();
    assert!(missing.contains("apt-get install postgresql"), "{missing}");
}

#[test]
fn servers_are_required_in_ci_and_on_demand() {
    let required =
        |name: &'static str, value: &'static str| servers_required(|asked| (asked == name).then(|| value.to_owned()));
    assert!(required("CI", "true") && required("CI", "1") && required("TOWER_AUTH_SERVERS", "required"));
    assert!(!required("CI", "") && !required("CI", "false") && !required("TOWER_AUTH_SERVERS", "optional"));
}
