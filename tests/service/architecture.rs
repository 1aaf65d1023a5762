//! The list of tables in docs/architecture.md: written from the code that declares the tables, and from the rights that the template grants.

use std::fmt::Write as _;

use cee_registry::Tables;

use crate::openapi::compare_part;
use crate::template::functions;

/// The actions that change an item.
const WRITES: [&str; 3] = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];

/// The functions that may write a table, and those that may only read it: each name in backticks.
fn users(table: &str) -> [String; 2] {
    let resource = format!("{}{}Table", table[..1].to_uppercase(), &table[1..]);
    let [mut writers, mut readers] = [Vec::new(), Vec::new()];
    for function in functions() {
        let on_table =
            |action: &str, of: &str| action.starts_with("dynamodb:") && of.split('/').next() == Some(&resource);
        let mut rights = function.rights.iter().filter(|right| on_table(&right.action, &right.resource)).peekable();
        let name = format!("`{}`", function.binary.strip_prefix("cee-").unwrap());
        if rights.peek().is_some() {
            let writes = rights.any(|right| WRITES.contains(&right.action.as_str()));
            if writes { writers.push(name) } else { readers.push(name) }
        }
    }
    [writers, readers].map(|names| if names.is_empty() { "no function".to_owned() } else { names.join(", ") })
}

#[test]
fn architecture_lists_tables_and_their_users() {
    let mut list = "| table | its items | written by | only read by |\n|---|---|---|---|\n".to_owned();
    for (table, items) in Tables::ALL.iter().zip(Tables::ITEMS) {
        let [writers, readers] = users(table);
        writeln!(list, "| {table} | {} | {writers} | {readers} |", items.trim()).unwrap();
    }
    compare_part("docs/architecture.md", "tables", &list);
}
