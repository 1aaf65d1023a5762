//! Tables, and writes and reads of one item: conditions, dates, counters.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};

use crate::conformance::bench::{Bench, Need, Step};
use crate::conformance::item::{binary, item, number, text};
use crate::conformance::request::{FREE, Write, claim, update};
use crate::conformance::show::{failure, said};

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
];

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
