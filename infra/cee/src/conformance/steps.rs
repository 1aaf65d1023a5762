//! The steps: one for each thing that the store expects of DynamoDB, with its expressions.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, DeleteRequest, KeySchemaElement, KeyType, KeysAndAttributes,
    PutRequest, ReturnValue, ScalarAttributeType, Select, TimeToLiveSpecification, WriteRequest,
};

use super::request::{Item, Write, binary, item, number, numbers, text};
use super::show::{self, failure};
use super::{Bench, Need, Step};

/// How often a step reads an index before it reports what it finds: an index may lag behind its table.
const INDEX_READS: u32 = 40;

/// How long it waits between two such reads.
const INDEX_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// The condition of a registration on a claim: no date at or after the cut-off.
const FREE: &str = "(attribute_not_exists(sd) OR sd < :cutoff)";

/// The condition and the update of an imported row.
const ROW_IS_NEW: &str = "(attribute_not_exists(#record) OR (size(#record) < :most AND NOT contains(#record, :source))) \
     AND (attribute_exists(#record) OR attribute_not_exists(#dates) OR size(#dates) < :most_dates)";
const ADD_ROW: &str = "SET #record = list_append(if_not_exists(#record, :none), :sources), v = :v ADD #dates :dates";

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "creates the tables and their indexes",
        needed_for: Need::Promise,
        expected: "every table; the indexes by_creation, by_date, working",
        run: |b| Box::pin(tables(b)),
    },
    Step {
        name: "reports a missing table and a table that exists",
        needed_for: Need::Service,
        expected: "missing: ResourceNotFoundException; exists: ResourceInUseException",
        run: |b| Box::pin(missing_and_existing(b)),
    },
    Step {
        name: "PutItem: a condition refuses an existing item and returns it",
        needed_for: Need::Promise,
        expected: "written; refused, returns {n: 1, pk: 'put'}; {n: 1, pk: 'put'}",
        run: |b| {
            Box::pin(async move {
                let put = |n| {
                    let put = Write::put(&b.tables.claims, item([("pk", text("put")), ("n", number(n))]));
                    put.when("attribute_not_exists(#pk)").name("#pk", "pk")
                };
                said([put(1).send(b).await, put(2).send(b).await, claim(b, "put").await])
            })
        },
    },
    Step {
        name: "UpdateItem: a condition on dates holds on a missing item, and refuses a later date",
        needed_for: Need::Promise,
        expected: "written; refused, returns {pk: 'dates', sd: 100}; refused, returns {pk: 'dates', sd: 100}; written; \
                   {pk: 'dates', sd: 300}",
        run: |b| {
            Box::pin(async move {
                let register = |at, cutoff| {
                    let update = update(b, "dates", "SET sd = :at").when(FREE);
                    update.value(":at", number(at)).value(":cutoff", number(cutoff))
                };
                said([
                    register(100, 50).send(b).await,
                    register(200, 50).send(b).await,
                    // A cut-off that equals the date blocks, too.
                    register(200, 100).send(b).await,
                    register(300, 101).send(b).await,
                    claim(b, "dates").await,
                ])
            })
        },
    },
    Step {
        name: "conditions compare numbers as numbers, below zero too",
        needed_for: Need::Promise,
        expected: "written; written; refused, returns {pk: 'numbers', sd: 1000}; written; written; refused, returns {pk: \
                   'below', sd: -3}",
        run: |b| {
            Box::pin(async move {
                let register = |pk, at, cutoff| {
                    let update = update(b, pk, "SET sd = :at").when(FREE);
                    update.value(":at", number(at)).value(":cutoff", number(cutoff))
                };
                said([
                    register("numbers", 999, 0).send(b).await,
                    register("numbers", 1000, 1000).send(b).await,
                    register("numbers", 1001, 999).send(b).await,
                    register("below", -20, -30).send(b).await,
                    register("below", -3, -19).send(b).await,
                    register("below", -1, -3).send(b).await,
                ])
            })
        },
    },
    Step {
        name: "a date keeps all its digits",
        needed_for: Need::Promise,
        expected: "written; {pk: 'digits', sd: 1710488700123, sp: -62135596800000}",
        run: |b| {
            Box::pin(async move {
                let dates = [("sd", number(1_710_488_700_123)), ("sp", number(-62_135_596_800_000))];
                let [sd, sp] = dates;
                let put = Write::put(&b.tables.claims, item([("pk", text("digits")), sd, sp]));
                said([put.send(b).await, claim(b, "digits").await])
            })
        },
    },
    Step {
        name: "conditions with AND, OR and parentheses are evaluated as written",
        needed_for: Need::Promise,
        expected: "written; refused, returns {pk: 'logic', sd: 10, sp: 90}; refused, returns {pk: 'logic', sd: 10, sp: 90}; \
                   written",
        run: |b| {
            Box::pin(async move {
                let put =
                    Write::put(&b.tables.claims, item([("pk", text("logic")), ("sd", number(10)), ("sp", number(90))]));
                let both = "(attribute_not_exists(sd) OR sd < :sd) AND (attribute_not_exists(sp) OR sp < :sp)";
                let register = |sd, sp| {
                    let update = update(b, "logic", "SET x = :sd").when(both);
                    update.value(":sd", number(sd)).value(":sp", number(sp))
                };
                said([
                    put.send(b).await,
                    register(11, 90).send(b).await,
                    register(10, 91).send(b).await,
                    register(11, 91).send(b).await,
                ])
            })
        },
    },
    Step {
        name: "<= and > are exact opposites",
        needed_for: Need::Promise,
        expected: "written; written; refused, returns {pk: 'latest', sdk: 5}; refused, returns {pk: 'latest', sdk: 5}; written",
        run: |b| {
            Box::pin(async move {
                let at = |expression: &str, condition: &str, at| {
                    update(b, "latest", expression).when(condition).value(":at", number(at))
                };
                let advance = "attribute_not_exists(sdk) OR sdk <= :at";
                said([
                    at("SET sdk = :at", advance, 5).send(b).await,
                    at("SET sdk = :at", advance, 5).send(b).await,
                    at("SET sdk = :at", advance, 4).send(b).await,
                    at("SET x = :at", "sdk > :at", 5).send(b).await,
                    at("SET x = :at", "sdk > :at", 4).send(b).await,
                ])
            })
        },
    },
    Step {
        name: "UpdateItem: SET and ADD together, in attributes whose names hold #",
        needed_for: Need::Promise,
        expected: "written; written; {a#1: {o: 7, t: 10}, a#2: {o: 7, t: 20}, n#7: 2, pk: 'record', sd: 20, v: 0x02}",
        run: |b| {
            Box::pin(async move {
                let register = |name: &str, at, stamp| {
                    let update = update(b, "record", "SET #record = :record, v = :v, sd = :at ADD #number :one");
                    update
                        .name("#record", name)
                        .name("#number", "n#7")
                        .value(":record", AttributeValue::M(item([("t", number(at)), ("o", number(7))])))
                        .value(":v", binary(&[stamp]))
                        .value(":at", number(at))
                        .value(":one", number(1))
                };
                said([
                    register("a#1", 10, 1).send(b).await,
                    register("a#2", 20, 2).send(b).await,
                    claim(b, "record").await,
                ])
            })
        },
    },
    Step {
        name: "a counter stops at its bound",
        needed_for: Need::Promise,
        expected: "written; written; refused, returns {n#1: 2, pk: 'bound'}",
        run: |b| {
            Box::pin(async move {
                let count = update(b, "bound", "ADD #n :one").when("attribute_not_exists(#n) OR #n < :most");
                let count = count.name("#n", "n#1").value(":one", number(1)).value(":most", number(2));
                said([count.send(b).await, count.send(b).await, count.send(b).await])
            })
        },
    },
    Step {
        name: "GetItem: a consistent read returns what was just written",
        needed_for: Need::Promise,
        expected: "20 of 20",
        run: |b| Box::pin(read_after_write(b)),
    },
    Step {
        name: "TransactWriteItems writes to several tables at once: Update, Put and Delete",
        needed_for: Need::Promise,
        expected: "written; written; {pk: 'mixed', sd: 1}; {at: 1, uuid: 'mixed'}; no item",
        run: |b| {
            Box::pin(async move {
                let old = Write::put(&b.tables.claims, item([("pk", text("mixed-old")), ("v", binary(b"1"))]));
                let delete = Write::delete(&b.tables.claims, pk("mixed-old")).when("v = :v").value(":v", binary(b"1"));
                let writes = [register(b, "mixed", 1, 0), application(b, "mixed", 1), delete];
                said([
                    old.send(b).await,
                    b.transact(writes).await.to_string(),
                    claim(b, "mixed").await,
                    b.read(&b.tables.applications, item([("uuid", text("mixed"))])).await,
                    claim(b, "mixed-old").await,
                ])
            })
        },
    },
    Step {
        name: "TransactWriteItems: the reasons stand in the order of the items, with the items",
        needed_for: Need::Promise,
        expected: "written; cancelled: refused {pk: 'order-1', sd: 5}, fine, refused {at: 5, uuid: 'order'}, refused no item",
        run: |b| {
            Box::pin(async move {
                let journey = Write::update(&b.tables.journeys, pk("order"), "SET used_by = :u").when("#version = :v");
                let journey = journey.name("#version", "version").value(":u", text("order")).value(":v", text("1"));
                let first = [register(b, "order-1", 5, 0), application(b, "order", 5)];
                let second =
                    [register(b, "order-1", 6, 0), register(b, "order-2", 6, 0), application(b, "order", 6), journey];
                said([b.transact(first).await.to_string(), b.transact(second).await.to_string()])
            })
        },
    },
    Step {
        name: "TransactWriteItems: a cancelled transaction writes nothing",
        needed_for: Need::Promise,
        expected: "written; cancelled: fine, fine, refused {pk: 'whole-3', sd: 5}; no item; no item; {pk: 'whole-3', sd: 5}",
        run: |b| {
            Box::pin(async move {
                let writes = [register(b, "whole-1", 6, 0), application(b, "whole", 6), register(b, "whole-3", 6, 0)];
                said([
                    register(b, "whole-3", 5, 0).send(b).await,
                    b.transact(writes).await.to_string(),
                    claim(b, "whole-1").await,
                    b.read(&b.tables.applications, item([("uuid", text("whole"))])).await,
                    claim(b, "whole-3").await,
                ])
            })
        },
    },
    Step {
        name: "TransactWriteItems: the same transaction again, without a token, is evaluated again",
        needed_for: Need::Promise,
        expected: "written; cancelled: refused {pk: 'again', sd: 5}, refused {at: 5, uuid: 'again'}",
        run: |b| {
            Box::pin(async move {
                let writes = || [register(b, "again", 5, 0), application(b, "again", 5)];
                said([b.transact(writes()).await.to_string(), b.transact(writes()).await.to_string()])
            })
        },
    },
    Step {
        name: "TransactWriteItems: a stamp that was read guards an update and a delete",
        needed_for: Need::Promise,
        expected: "written; written; cancelled: refused {pk: 'stamp', sd: 1, v: 0x3031}, fine; cancelled: refused {pk: 'stamp', \
                   sd: 1, v: 0x3031}; written; no item",
        run: |b| {
            Box::pin(async move {
                let put = |pk: &str, stamp: &[u8]| {
                    let attributes = [("pk", text(pk)), ("sd", number(1)), ("v", binary(stamp))];
                    Write::put(&b.tables.claims, item(attributes))
                };
                let rewrite = |stamp: &[u8]| {
                    let write = update(b, "stamp", "SET v = :stamp, #set0 = :set0 REMOVE #remove0").when("v = :seen");
                    let write = write.name("#set0", "sp").name("#remove0", "sd").value(":set0", number(2));
                    write.value(":stamp", binary(b"02")).value(":seen", binary(stamp))
                };
                let delete = |pk_: &str, stamp: &[u8]| {
                    Write::delete(&b.tables.claims, pk(pk_)).when("v = :seen").value(":seen", binary(stamp))
                };
                let other = || delete("stamp-2", b"09");
                said([
                    put("stamp", b"01").send(b).await,
                    put("stamp-2", b"09").send(b).await,
                    b.transact([rewrite(b"00"), other()]).await.to_string(),
                    b.transact([delete("stamp", b"00")]).await.to_string(),
                    b.transact([rewrite(b"01"), other()]).await.to_string(),
                    claim(b, "stamp-2").await,
                ])
            })
        },
    },
    Step {
        name: "a journey is used once, and only as it was read: texts compare byte by byte",
        needed_for: Need::Promise,
        expected: "written; refused, returns {pk: 'journey', version: '2024-05-02'}; written; refused, returns {pk: 'journey', \
                   used_by: 'a', version: '2024-05-02'}",
        run: |b| {
            Box::pin(async move {
                let newer = |version: &str| {
                    let write = Write::update(&b.tables.journeys, pk("journey"), "SET #version = :version");
                    let write = write.when("attribute_not_exists(#version) OR #version < :version");
                    write.name("#version", "version").value(":version", text(version))
                };
                let claim = |by: &str| {
                    let write = Write::update(&b.tables.journeys, pk("journey"), "SET used_by = :uuid");
                    let write = write.when("#version = :version AND attribute_not_exists(used_by)");
                    let write = write.name("#version", "version").value(":version", text("2024-05-02"));
                    write.value(":uuid", text(by))
                };
                said([
                    newer("2024-05-02").send(b).await,
                    newer("2024-05-01T23:59:59").send(b).await,
                    claim("a").send(b).await,
                    claim("b").send(b).await,
                ])
            })
        },
    },
    Step {
        name: "an idempotency record is replaced only when it has expired",
        needed_for: Need::Promise,
        expected: "written; refused, returns {body: 'first', forgotten_at: 100, pk: 'record'}; written",
        run: |b| {
            Box::pin(async move {
                let record = |body: &str, now, until| {
                    let attributes = [("pk", text("record")), ("body", text(body)), ("forgotten_at", number(until))];
                    let write = Write::put(&b.tables.idempotency, item(attributes));
                    write.when("attribute_not_exists(pk) OR forgotten_at <= :now").value(":now", number(now))
                };
                said([
                    record("first", 10, 100).send(b).await,
                    record("second", 99, 200).send(b).await,
                    // Far enough in the future that no sweeper of expired items removes it.
                    record("third", 100, 99_999_999_999).send(b).await,
                ])
            })
        },
    },
    Step {
        name: "an item of 399 kB is accepted, a larger one refused as too large",
        needed_for: Need::Promise,
        expected: "written; refused as too large; refused as too large",
        run: |b| {
            Box::pin(async move {
                let fill = "x".repeat(399 * 1024);
                let put = |pk: &str, more: &str| {
                    let attributes = [("pk", text(pk)), ("fill", text(&format!("{fill}{more}")))];
                    Write::put(&b.tables.claims, item(attributes))
                };
                let grow = update(b, "large", "SET more = :more").value(":more", text(&"x".repeat(2048)));
                said([
                    put("large", "").send(b).await,
                    put("larger", &"x".repeat(2048)).send(b).await,
                    grow.send(b).await,
                ])
            })
        },
    },
    Step {
        name: "TransactWriteItems: an item that would be too large cancels the transaction, with that reason",
        needed_for: Need::Promise,
        expected: "written; cancelled: fine, refused as too large; no item",
        run: |b| {
            Box::pin(async move {
                let full = item([("pk", text("full")), ("fill", text(&"x".repeat(399 * 1024)))]);
                let grow = update(b, "full", "SET more = :more").value(":more", text(&"x".repeat(2048)));
                said([
                    Write::put(&b.tables.claims, full).send(b).await,
                    b.transact([register(b, "beside-full", 1, 0), grow]).await.to_string(),
                    claim(b, "beside-full").await,
                ])
            })
        },
    },
    Step {
        name: "history: list_append with if_not_exists begins and extends a list, and the old item is returned",
        needed_for: Need::Promise,
        expected: "written; written, returns {d#1: <9>, h#1#9: [0x01], pk: 'rows', v: 0x00}; {d#1: <9>, h#1#9: [0x01, 0x02], pk: \
                   'rows', v: 0x00}",
        run: |b| {
            Box::pin(async move {
                let (first, second) = (row(b, "rows", 9, 1), row(b, "rows", 9, 2));
                said([first.send(b).await, second.send(b).await, claim(b, "rows").await])
            })
        },
    },
    Step {
        name: "history: contains() finds a row in a list of binary values",
        needed_for: Need::Promise,
        expected: "written; refused, returns {d#1: <9>, h#1#9: [0x01], pk: 'same', v: 0x00}",
        run: |b| {
            Box::pin(async move {
                let same = row(b, "same", 9, 1);
                said([same.send(b).await, same.send(b).await])
            })
        },
    },
    Step {
        name: "history: size() bounds a list",
        needed_for: Need::Service,
        expected: "written; written; refused, returns {d#1: <9>, h#1#9: [0x01, 0x02], pk: 'list', v: 0x00}; written; refused, \
                   returns {d#1: <9>, h#1#9: [0x01, 0x02, null], pk: 'list', v: 0x00}",
        run: |b| {
            Box::pin(async move {
                let row = |line| row(b, "list", 9, line).returning(ReturnValue::None).value(":most", number(2));
                let more = update(b, "list", "SET #record = list_append(#record, :more)");
                let more = more.when("size(#record) = :most").name("#record", "h#1#9");
                let more = more.value(":more", AttributeValue::L(vec![AttributeValue::Null(true)]));
                let more = more.value(":most", number(2));
                said([
                    row(1).send(b).await,
                    row(2).send(b).await,
                    row(3).send(b).await,
                    more.send(b).await,
                    more.send(b).await,
                ])
            })
        },
    },
    Step {
        name: "history: ADD to a set of numbers, and size() bounds the set",
        needed_for: Need::Promise,
        expected: "written; written; refused, returns {d#1: <-1, 9>, h#1#-1: [0x02], h#1#9: [0x01], pk: 'set', v: 0x00}; \
                   written; {d#1: <-1, 9>, h#1#-1: [0x02, 0x04], h#1#9: [0x01], pk: 'set', v: 0x00}",
        run: |b| {
            Box::pin(async move {
                let row =
                    |date, line| row(b, "set", date, line).returning(ReturnValue::None).value(":most_dates", number(2));
                said([
                    row(9, 1).send(b).await,
                    row(-1, 2).send(b).await,
                    row(10, 3).send(b).await,
                    // A date that is there already is not one more.
                    row(-1, 4).send(b).await,
                    claim(b, "set").await,
                ])
            })
        },
    },
    Step {
        name: "an update sets and removes many attributes at once, and returns the item as it is then",
        needed_for: Need::Promise,
        expected: "written; written, returns {d#1: <3>, pk: 'many', v: 0x02}; refused, returns {d#1: <3>, pk: 'many', v: 0x02}",
        run: |b| {
            Box::pin(async move {
                let attributes = [
                    ("pk", text("many")),
                    ("v", binary(&[1])),
                    ("d#1", numbers(&[1, 2, 3])),
                    ("h#1#1", AttributeValue::L(vec![binary(&[1])])),
                    ("h#1#2", AttributeValue::L(vec![binary(&[2])])),
                ];
                let rewrite = update(b, "many", "SET v = :stamp, #set0 = :set0 REMOVE #remove0, #remove1, #remove2");
                let rewrite = rewrite
                    .when("v = :seen")
                    .name("#set0", "d#1")
                    .name("#remove0", "h#1#1")
                    .name("#remove1", "h#1#2")
                    // To remove what is not there changes nothing.
                    .name("#remove2", "h#1#99")
                    .value(":stamp", binary(&[2]))
                    .value(":seen", binary(&[1]))
                    .value(":set0", numbers(&[3]))
                    .returning(ReturnValue::AllNew);
                said([
                    Write::put(&b.tables.claims, item(attributes)).send(b).await,
                    rewrite.send(b).await,
                    rewrite.send(b).await,
                ])
            })
        },
    },
    Step {
        name: "DeleteItem: a condition refuses, and returns the item",
        needed_for: Need::Promise,
        expected: "written; refused, returns {pk: 'delete', v: 0x01}; written; no item",
        run: |b| {
            Box::pin(async move {
                let delete = |stamp| {
                    let delete = Write::delete(&b.tables.claims, pk("delete"));
                    delete.when("v = :seen").value(":seen", binary(&[stamp]))
                };
                said([
                    Write::put(&b.tables.claims, item([("pk", text("delete")), ("v", binary(&[1]))])).send(b).await,
                    delete(2).send(b).await,
                    delete(1).send(b).await,
                    claim(b, "delete").await,
                ])
            })
        },
    },
    Step {
        name: "values of every type that is stored come back as they were",
        needed_for: Need::Promise,
        expected: "written; {b: 0x00ff, l: ['TO ', null], m: {é: false}, n: 0, pk: 'types', s: ' D H', yes: true}",
        run: |b| {
            Box::pin(async move {
                let attributes = [
                    ("pk", text("types")),
                    ("s", text(" D H")),
                    ("n", number(0)),
                    ("b", binary(&[0, 255])),
                    ("yes", AttributeValue::Bool(true)),
                    ("l", AttributeValue::L(vec![text("TO "), AttributeValue::Null(true)])),
                    ("m", AttributeValue::M(item([("é", AttributeValue::Bool(false))]))),
                ];
                said([Write::put(&b.tables.claims, item(attributes)).send(b).await, claim(b, "types").await])
            })
        },
    },
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

/// Several observations as one text.
fn said<const N: usize>(parts: [String; N]) -> String {
    parts.join("; ")
}

fn pk(pk: &str) -> Item {
    item([("pk", text(pk))])
}

/// An update of a claim item.
fn update(b: &Bench, key: &str, expression: &str) -> Write {
    Write::update(&b.tables.claims, pk(key), expression)
}

/// A claim item, in a consistent read.
async fn claim(b: &Bench, key: &str) -> String {
    b.read(&b.tables.claims, pk(key)).await
}

/// The update of a claim in a registration.
fn register(b: &Bench, key: &str, at: i64, cutoff: i64) -> Write {
    update(b, key, "SET sd = :at").when(FREE).value(":at", number(at)).value(":cutoff", number(cutoff))
}

/// The put of an application in a registration.
fn application(b: &Bench, uuid: &str, at: i64) -> Write {
    let put = Write::put(&b.tables.applications, item([("uuid", text(uuid)), ("at", number(at))]));
    put.when("attribute_not_exists(#uuid)").name("#uuid", "uuid")
}

/// An imported row of operator 1 on a claim item. Returns the item as it was before.
fn row(b: &Bench, key: &str, date: i64, line: u8) -> Write {
    update(b, key, ADD_ROW)
        .when(ROW_IS_NEW)
        .name("#record", &format!("h#1#{date}"))
        .name("#dates", "d#1")
        .value(":none", AttributeValue::L(Vec::new()))
        .value(":sources", AttributeValue::L(vec![binary(&[line])]))
        .value(":source", binary(&[line]))
        .value(":dates", numbers(&[date]))
        .value(":most", number(4))
        .value(":most_dates", number(20))
        .value(":v", binary(&[0]))
        .returning(ReturnValue::AllOld)
}

async fn tables(b: &Bench) -> String {
    let mut indexes = Vec::new();
    for table in b.tables.names() {
        match b.db.describe_table().table_name(table).send().await {
            Ok(described) => {
                let described = described.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
                indexes.extend(described.into_iter().filter_map(|index| index.index_name));
            }
            Err(error) => return failure(&error),
        }
    }
    indexes.sort();
    format!("every table; the indexes {}", indexes.join(", "))
}

async fn missing_and_existing(b: &Bench) -> String {
    let missing = b.db.describe_table().table_name(format!("{}missing", b.prefix)).send().await;
    let missing = match missing {
        Ok(_) => "described".to_owned(),
        Err(error) => error.code().map_or_else(|| failure(&error), str::to_owned),
    };
    let attribute = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build();
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
    let (Ok(attribute), Ok(key)) = (attribute, key) else { return "the request cannot be built".to_owned() };
    let create = b.db.create_table().table_name(&b.tables.claims).billing_mode(BillingMode::PayPerRequest);
    let exists = match create.attribute_definitions(attribute).key_schema(key).send().await {
        Ok(_) => "created".to_owned(),
        Err(error) => error.code().map_or_else(|| failure(&error), str::to_owned),
    };
    format!("missing: {missing}; exists: {exists}")
}

async fn read_after_write(b: &Bench) -> String {
    let mut right = 0;
    for n in 0..20 {
        let written = update(b, "fresh", "SET n = :n").value(":n", number(n)).send(b).await;
        if written != "written" {
            return written;
        }
        if claim(b, "fresh").await == format!("{{n: {n}, pk: 'fresh'}}") {
            right += 1;
        }
    }
    format!("{right} of 20")
}

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
