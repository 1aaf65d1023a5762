//! Rows of history on a claim item, rewrites of the item, and its values.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::conformance::bench::{Bench, Need, Step};
use crate::conformance::item::{binary, item, number, numbers, pk, text};
use crate::conformance::request::{Write, claim, update};
use crate::conformance::show::said;

/// The condition and the update of an imported row.
const ROW_IS_NEW: &str = "(attribute_not_exists(#record) OR (size(#record) < :most AND NOT contains(#record, :source))) \
     AND (attribute_exists(#record) OR attribute_not_exists(#dates) OR size(#dates) < :most_dates)";
const ADD_ROW: &str = "SET #record = list_append(if_not_exists(#record, :none), :sources), v = :v ADD #dates :dates";

pub(super) const STEPS: &[Step] = &[
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
];

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
