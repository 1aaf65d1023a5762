//! Writes of several items at once, what guards them, and items that are too large.

use crate::conformance::bench::{Need, Step};
use crate::conformance::item::{binary, item, number, pk, text};
use crate::conformance::request::{Write, application, claim, register, update};
use crate::conformance::show::said;

pub(super) const STEPS: &[Step] = &[
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
];
