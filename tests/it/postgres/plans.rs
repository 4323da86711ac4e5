//! Whether the server finds an index for each statement.

use super::Tables;

/// Small tables, which are read as a whole.
const SMALL: [&str; 5] = ["holders", "schema_version", "usage_writers", "signing_keys", "cache_bound"];

/// With `enable_seqscan = off`, a plan reads a table as a whole only if no index serves.
#[tokio::test]
async fn no_statement_reads_a_large_table_as_a_whole() {
    let Some(tables) = Tables::new().await else { return };
    let client = tables.pool.get().await.unwrap();
    client.batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await.unwrap();
    let mut whole = Vec::new();
    for (number, text) in tables.store.statements().into_iter().enumerate() {
        client.batch_execute(&format!("PREPARE p{number} AS {text}")).await.unwrap();
        let nulls = vec!["NULL"; (1..40).take_while(|place| text.contains(&format!("${place}"))).count()].join(", ");
        let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
        let rows = client.query(&format!("EXPLAIN EXECUTE p{number}{arguments}"), &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let is_whole = |line: &String| {
            let table = line.split("Seq Scan on ").nth(1).and_then(|rest| rest.split(' ').next());
            table.is_some_and(|table| !SMALL.contains(&table) && !table.starts_with("pg_"))
        };
        if plan.iter().any(is_whole) {
            whole.push((text, plan.join("\n")));
        }
    }
    // An operator asks for the count before a pepper goes. It waits for nobody, and an index would cost every write.
    let others: Vec<_> = whole.iter().filter(|(text, _)| !text.contains("GROUP BY pepper")).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(whole.len(), 1, "the test sees what it is made for");
}
