//! Imports, changes and statistics, and everything that is read as a list: indexes, pages, batches, scans.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue, Select, TimeToLiveSpecification,
    WriteRequest,
};

use crate::conformance::bench::{Bench, Need, Step};
use crate::conformance::item::{binary, item, number, pk, text};
use crate::conformance::request::Write;
use crate::conformance::show::{self, failure, said};

/// How often a step reads an index before it reports what it finds: an index may lag behind its table.
const INDEX_READS: u32 = 40;

/// How long it waits between two such reads.
const INDEX_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "imports: a lease is taken and fenced: if_not_exists() + 1, IN, REMOVE",
        needed_for: Need::Service,
        expected: "written, returns {fence: 1, import_id: 'x', leased_until: 10, operator_id: 1, state: 'running', taken_from: 0}; \
                   refused, returns {fence: 1, import_id: 'x', leased_until: 10, operator_id: 1, state: 'running', taken_from: \
                   0}; written, returns {fence: 2, import_id: 'x', leased_until: 30, operator_id: 1, state: 'running', \
                   taken_from: 10}",
        run: |b| {
            Box::pin(async move {
                let key = item([("operator_id", number(1)), ("import_id", text("x"))]);
                let take = |now, until| {
                    let take = Write::update(
                        &b.tables.imports,
                        key.clone(),
                        "SET fence = if_not_exists(fence, :zero) + :one, taken_from = if_not_exists(leased_until, :zero), \
                         leased_until = :until, #state = :running REMOVE expires_at",
                    );
                    take.when(
                        "attribute_not_exists(#state) OR (#state IN (:running, :awaiting) AND leased_until < :now)",
                    )
                    .name("#state", "state")
                    .value(":zero", number(0))
                    .value(":one", number(1))
                    .value(":until", number(until))
                    .value(":now", number(now))
                    .value(":running", text("running"))
                    .value(":awaiting", text("awaiting_upload"))
                    .returning(ReturnValue::AllNew)
                };
                said([take(0, 10).send(b).await, take(10, 20).send(b).await, take(11, 30).send(b).await])
            })
        },
    },
    Step {
        name: "imports: an index lists them newest first, page by page",
        needed_for: Need::Service,
        expected: "[30, 20] [10]",
        run: |b| Box::pin(newest_first(b)),
    },
    Step {
        name: "imports: an index without most items, with some attributes",
        needed_for: Need::Service,
        expected: "{import_id: 'busy', operator_id: 3, started_at: 7, state: 'running', working: 'yes'}",
        run: |b| Box::pin(sparse_index(b)),
    },
    Step {
        name: "changes: a number is taken once, and a consistent read lists them in order from a number",
        needed_for: Need::Promise,
        expected: "written; written; written; cancelled: refused {number: 10, operator_id: 4}, fine; [1, 2]; [2, 10]; [10]",
        run: |b| Box::pin(numbered_changes(b)),
    },
    Step {
        name: "Query: counts in a consistent read",
        needed_for: Need::Service,
        expected: "written; 1; 0",
        run: |b| Box::pin(counted(b)),
    },
    Step {
        name: "BatchGetItem: 100 keys of which three are missing, in a consistent read",
        needed_for: Need::Promise,
        expected: "97 items",
        run: |b| Box::pin(batch_get(b)),
    },
    Step {
        name: "Scan: each item once, page by page",
        needed_for: Need::Service,
        expected: "25 items, 25 of them different, no page above 7",
        run: |b| Box::pin(paged_scan(b)),
    },
    Step {
        name: "Scan: a filter with OR",
        needed_for: Need::Service,
        expected: "a b",
        run: |b| Box::pin(filtered_scan(b)),
    },
    Step {
        name: "GetItem: a projection leaves out the rest",
        needed_for: Need::Service,
        expected: "written; {status: 'ok', uuid: 'projection'}",
        run: |b| Box::pin(projection(b)),
    },
    Step {
        name: "statistics: several counts of a new item are added at once, set and removed",
        needed_for: Need::Service,
        expected: "written; written; {-#invalid: 2, pk: '1#2026-W48', short#duplicate: 4}; written; {pk: '1#2026-W48', short#duplicate: 4, short#granted: 7}",
        run: |b| Box::pin(several_counts(b)),
    },
    Step {
        name: "BatchWriteItem: puts and deletes",
        needed_for: Need::Service,
        expected: "written; 0 unprocessed; no item; {pk: 'batch-new'}",
        run: |b| Box::pin(batch_write(b)),
    },
    Step {
        name: "an attribute for expiry is accepted",
        needed_for: Need::Service,
        expected: "forgotten_at, enabled",
        run: |b| Box::pin(expiry(b)),
    },
];

/// An import, with its place in both indexes.
fn import<const N: usize>(b: &Bench, operator: i64, id: &str, more: [(&str, AttributeValue); N]) -> Write {
    let mut attributes = item([("operator_id", number(operator)), ("import_id", text(id))]);
    attributes.extend(item(more));
    Write::put(&b.tables.imports, attributes)
}

/// The last of several reads of an index, which stop when `wanted` items are there.
async fn of_index<F>(wanted: usize, read: impl Fn() -> F) -> String
where
    F: Future<Output = Result<(usize, String), String>>,
{
    let mut reads = 0;
    loop {
        let (found, result) = match read().await {
            Ok(read) => read,
            Err(why) => return why,
        };
        reads += 1;
        if found >= wanted || reads >= INDEX_READS {
            return result;
        }
        tokio::time::sleep(INDEX_PAUSE).await;
    }
}

async fn newest_first(b: &Bench) -> String {
    for (id, at) in [("b", 20), ("c", 10), ("a", 30)] {
        let written = import(b, 2, id, [("created_at", number(at))]).send(b).await;
        if written != "written" {
            return written;
        }
    }
    of_index(3, || list(b, 2)).await
}

/// The dates of an operator's imports, newest first, page by page; and their number.
async fn list(b: &Bench, operator: i64) -> Result<(usize, String), String> {
    let (mut pages, mut count, mut after) = (Vec::new(), 0, None);
    loop {
        let query = b.db.query().table_name(&b.tables.imports).index_name("by_creation");
        let query = query.key_condition_expression("operator_id = :operator");
        let query = query.expression_attribute_values(":operator", number(operator));
        let query = query.scan_index_forward(false).limit(2).set_exclusive_start_key(after);
        let page = query.send().await.map_err(|error| failure(&error))?;
        let dates: Vec<_> =
            page.items().iter().filter_map(|item| item.get("created_at")?.as_n().ok().cloned()).collect();
        count += dates.len();
        // DynamoDB may return an empty last page.
        if !dates.is_empty() {
            pages.push(format!("[{}]", dates.join(", ")));
        }
        after = page.last_evaluated_key;
        // An engine whose pages never end must not keep the run for ever.
        if after.is_none() || pages.len() > 3 {
            return Ok((count, pages.join(" ")));
        }
    }
}

/// Changes of an operator with the numbers 1, 2 and 10, which are in the order of numbers, not of texts.
async fn numbered_changes(b: &Bench) -> String {
    let key = |n| item([("operator_id", number(4)), ("number", number(n))]);
    let add = async |n, last: Option<i64>| {
        let put = Write::put(&b.tables.changes, key(n)).when("attribute_not_exists(#number)");
        let outlived = last.map(|last| {
            let update = Write::update(&b.tables.changes, key(last), "SET forgotten_at = :at");
            let update = update.when("attribute_exists(#number)").name("#number", "number");
            // Far enough in the future that no sweeper of expired items removes it.
            update.value(":at", number(99_999_999_999))
        });
        b.transact([put.name("#number", "number")].into_iter().chain(outlived)).await.to_string()
    };
    let query = || {
        let query = b.db.query().table_name(&b.tables.changes).consistent_read(true);
        query.expression_attribute_values(":operator", number(4))
    };
    let from = |first, most| {
        let query = query().key_condition_expression("operator_id = :operator AND #number >= :first").limit(most);
        query.expression_attribute_names("#number", "number").expression_attribute_values(":first", number(first))
    };
    let last = query().key_condition_expression("operator_id = :operator").scan_index_forward(false).limit(1);
    let listed = async |query: QueryFluentBuilder| match query.send().await {
        Err(error) => failure(&error),
        Ok(page) => {
            let numbers = page.items().iter().filter_map(|item| item.get("number")?.as_n().ok().cloned());
            format!("[{}]", numbers.collect::<Vec<_>>().join(", "))
        }
    };
    said([
        add(1, None).await,
        add(2, Some(1)).await,
        add(10, Some(2)).await,
        add(10, Some(1)).await,
        listed(from(1, 2)).await,
        listed(from(2, 3)).await,
        listed(last).await,
    ])
}

async fn sparse_index(b: &Bench) -> String {
    let busy = [
        ("working", text("yes")),
        ("state", text("running")),
        ("started_at", number(7)),
        ("file_name", text("not in the index")),
        ("created_at", number(1)),
    ];
    for written in [
        import(b, 3, "busy", busy).send(b).await,
        import(b, 3, "done", [("state", text("completed")), ("created_at", number(2))]).send(b).await,
    ] {
        if written != "written" {
            return written;
        }
    }
    of_index(1, || working(b)).await
}

/// The items of the index of imports in progress, and their number.
async fn working(b: &Bench) -> Result<(usize, String), String> {
    let query = b.db.query().table_name(&b.tables.imports).index_name("working");
    let query = query.key_condition_expression("working = :working");
    let found = query.expression_attribute_values(":working", text("yes")).send().await;
    let found = found.map_err(|error| failure(&error))?;
    let shown: Vec<_> = found.items().iter().map(show::item).collect();
    Ok((shown.len(), shown.join(" ")))
}

async fn counted(b: &Bench) -> String {
    let written = import(b, 4, "x", [("created_at", number(1))]).send(b).await;
    let count = async |operator| {
        let query = b.db.query().table_name(&b.tables.imports).key_condition_expression("operator_id = :operator");
        let query = query.expression_attribute_values(":operator", number(operator));
        match query.consistent_read(true).select(Select::Count).limit(1).send().await {
            Ok(found) => found.count.to_string(),
            Err(error) => failure(&error),
        }
    };
    said([written, count(4).await, count(5).await])
}

async fn batch_get(b: &Bench) -> String {
    for n in 0..97 {
        let written = Write::put(&b.tables.archive, item([("uuid", text(&format!("b{n}")))])).send(b).await;
        if written != "written" {
            return written;
        }
    }
    let keys = (0..100).map(|n| item([("uuid", text(&format!("b{n}")))])).collect();
    let mut left = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().ok();
    let mut found = std::collections::BTreeSet::new();
    while let Some(wanted) = left.take() {
        match b.db.batch_get_item().request_items(&b.tables.archive, wanted).send().await {
            Ok(answer) => {
                let items = answer.responses.unwrap_or_default().remove(&b.tables.archive).unwrap_or_default();
                found.extend(items.iter().map(show::item));
                left = answer.unprocessed_keys.unwrap_or_default().remove(&b.tables.archive);
                left = left.filter(|left| !left.keys.is_empty());
            }
            Err(error) => return failure(&error),
        }
    }
    format!("{} items", found.len())
}

async fn paged_scan(b: &Bench) -> String {
    for n in 0..25 {
        let written = Write::put(&b.tables.credentials, item([("access_key", text(&format!("k{n}")))])).send(b).await;
        if written != "written" {
            return written;
        }
    }
    let (mut items, mut largest, mut after) = (Vec::new(), 0, None);
    // An engine whose pages never end must not keep the run for ever.
    while items.len() <= 100 {
        let scan = b.db.scan().table_name(&b.tables.credentials).consistent_read(true).limit(7);
        match scan.set_exclusive_start_key(after).send().await {
            Ok(page) => {
                largest = largest.max(page.items().len());
                items.extend(page.items().iter().map(show::item));
                after = page.last_evaluated_key;
            }
            Err(error) => return failure(&error),
        }
        if after.is_none() {
            break;
        }
    }
    let count = items.len();
    let different = items.into_iter().collect::<std::collections::BTreeSet<_>>().len();
    let page = if largest <= 7 { "no page above 7".to_owned() } else { format!("a page of {largest}") };
    format!("{count} items, {different} of them different, {page}")
}

async fn filtered_scan(b: &Bench) -> String {
    for (operator, name, attributes) in [
        (1, "a", vec![("key", binary(&[1]))]),
        (2, "b", vec![("phone", text("+3361"))]),
        (3, "c", vec![("key", binary(&[2])), ("phone", text("+3361"))]),
        (4, "d", vec![("phone", text("+3362"))]),
    ] {
        let mut operator = item([("operator_id", number(operator)), ("name", text(name))]);
        operator.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let written = Write::put(&b.tables.operators, operator).send(b).await;
        if written != "written" {
            return written;
        }
    }
    let scan = b.db.scan().table_name(&b.tables.operators).consistent_read(true);
    let scan = scan.filter_expression("#key = :key OR (attribute_not_exists(#key) AND phone = :phone)");
    let scan = scan.expression_attribute_names("#key", "key").expression_attribute_values(":key", binary(&[1]));
    match scan.expression_attribute_values(":phone", text("+3361")).send().await {
        Ok(page) => {
            let mut names: Vec<_> =
                page.items().iter().filter_map(|item| item.get("name")?.as_s().ok().cloned()).collect();
            names.sort();
            names.join(" ")
        }
        Err(error) => failure(&error),
    }
}

async fn projection(b: &Bench) -> String {
    let attributes = [("uuid", text("projection")), ("status", text("ok")), ("license", text("not read"))];
    let written = Write::put(&b.tables.applications, item(attributes)).send(b).await;
    let get = b.db.get_item().table_name(&b.tables.applications).key("uuid", text("projection"));
    let get = get.expression_attribute_names("#p0", "uuid").expression_attribute_names("#p1", "status");
    let read = match get.consistent_read(true).projection_expression("#p0, #p1").send().await {
        Ok(answer) => show::found(answer.item.as_ref()),
        Err(error) => failure(&error),
    };
    said([written, read])
}

async fn several_counts(b: &Bench) -> String {
    let key = || pk("1#2026-W48");
    let names = |write: Write| write.name("#0", "-#invalid").name("#1", "short#duplicate");
    let add = names(Write::update(&b.tables.statistics, key(), "ADD #0 :0, #1 :1"));
    let add = add.value(":0", number(1)).value(":1", number(2));
    let (one, two) = (add.send(b).await, add.send(b).await);
    let added = b.read(&b.tables.statistics, key()).await;
    let set = Write::update(&b.tables.statistics, key(), "SET #s0 = :s0 REMOVE #r0");
    let set = set.name("#s0", "short#granted").name("#r0", "-#invalid").value(":s0", number(7));
    said([one, two, added, set.send(b).await, b.read(&b.tables.statistics, key()).await])
}

async fn batch_write(b: &Bench) -> String {
    let written = Write::put(&b.tables.limits, pk("batch-old")).send(b).await;
    let put = PutRequest::builder().set_item(Some(pk("batch-new"))).build();
    let delete = DeleteRequest::builder().set_key(Some(pk("batch-old"))).build();
    let (Ok(put), Ok(delete)) = (put, delete) else { return "the request cannot be built".to_owned() };
    let requests =
        vec![WriteRequest::builder().put_request(put).build(), WriteRequest::builder().delete_request(delete).build()];
    let sent = match b.db.batch_write_item().request_items(&b.tables.limits, requests).send().await {
        Ok(answer) => format!("{} unprocessed", answer.unprocessed_items.unwrap_or_default().len()),
        Err(error) => failure(&error),
    };
    let (old, new) = (b.read(&b.tables.limits, pk("batch-old")).await, b.read(&b.tables.limits, pk("batch-new")).await);
    said([written, sent, old, new])
}

async fn expiry(b: &Bench) -> String {
    let wanted = TimeToLiveSpecification::builder().attribute_name("forgotten_at").enabled(true).build();
    let Ok(wanted) = wanted else { return "the request cannot be built".to_owned() };
    match b.db.update_time_to_live().table_name(&b.tables.limits).time_to_live_specification(wanted).send().await {
        Ok(answer) => answer.time_to_live_specification.map_or_else(
            || "no answer of what is set".to_owned(),
            |set| format!("{}, {}", set.attribute_name, if set.enabled { "enabled" } else { "disabled" }),
        ),
        Err(error) => failure(&error),
    }
}
