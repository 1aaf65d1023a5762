//! Exports: one invocation at a time works on one, an operator has few in progress, and a list shows each once.

use crate::support::{Store, at, operator, store};
use cee_eligibility::*;
use cee_registry::*;

fn minute(minute: i64) -> Instant {
    Instant::from_millis(at("2030-01-01T00:00:00Z").millis() + minute * 60_000).unwrap()
}

fn export(by: u32, requested: i64) -> ExportRecord {
    let created_at = minute(requested);
    let (id, filter) = (ExportId::new(created_at, 7), ListFilter::default());
    ExportRecord { id, operator: operator(by), format: ExportFormat::Csv, filter, created_at }
}

async fn requested(store: &Store, by: u32, moment: i64) -> ExportRecord {
    let export = export(by, moment);
    assert_eq!(store.exports.add(&export, minute(moment)).await, Ok(ExportAdded::Done));
    export
}

async fn begin(store: &Store, export: &ExportRecord, worker: &str, moment: i64) -> ExportBegun {
    store.exports.begin(export.operator, export.id, worker, minute(moment)).await.unwrap()
}

async fn held(store: &Store, export: &ExportRecord, worker: &str, moment: i64) -> (ExportHold, ExportProgress) {
    match begin(store, export, worker, moment).await {
        ExportBegun::Yours(hold, progress) => (hold, progress),
        other => panic!("{other:?}"),
    }
}

fn so_far(applications: u64) -> ExportProgress {
    ExportProgress { applications, ..ExportProgress::default() }
}

#[tokio::test]
async fn export_is_held_by_one_invocation_at_a_time() {
    let store = store().await;
    let export = requested(&store, 1, 0).await;
    let (first, progress) = held(&store, &export, "a", 0).await;
    assert_eq!(progress, so_far(0));
    assert_eq!(begin(&store, &export, "b", 1).await, ExportBegun::Held, "the lease has not ended");
    for (applications, moment) in [(20, 1), (40, 2)] {
        store.exports.checkpoint(&first, &so_far(applications), minute(moment)).await.unwrap();
    }
    assert_eq!(begin(&store, &export, "b", 3).await, ExportBegun::Held, "a checkpoint renews it");
    // Another invocation takes over when the lease has expired. The earlier holder can write nothing.
    let (second, progress) = held(&store, &export, "b", 5).await;
    assert_eq!(progress, so_far(40));
    assert_eq!(store.exports.checkpoint(&first, &so_far(99), minute(5)).await, Err(HoldError::Lost));
    assert_eq!(store.exports.release(&first).await, Err(HoldError::Lost));
    assert_eq!(store.exports.end(&first, 99, 9, (minute(5), minute(5))).await, Err(HoldError::Lost));
    store.exports.end(&second, 60, 6, (minute(6), minute(6))).await.unwrap();
    let lost = store.exports.checkpoint(&second, &so_far(70), minute(6)).await;
    assert_eq!(lost, Err(HoldError::Lost), "it has ended");
    for worker in ["a", "b"] {
        assert_eq!(begin(&store, &export, worker, 50).await, ExportBegun::Over);
    }
    let status = store.exports.find(operator(1), export.id, minute(50)).await.unwrap().unwrap();
    assert_eq!((status.state, status.applications, status.bytes), (ExportState::Ready, 60, Some(6)));
    assert_eq!(store.exports.find(operator(2), export.id, minute(50)).await, Ok(None));
}

#[tokio::test]
async fn export_fails_two_hours_after_last_work_on_it() {
    let store = store().await;
    let export = requested(&store, 1, 0).await;
    let state =
        async |moment: i64| store.exports.find(operator(1), export.id, minute(moment)).await.unwrap().unwrap().state;
    let states = [ExportState::Running, ExportState::Failed];
    assert_eq!([state(120).await, state(121).await], states, "requested");
    let (hold, _) = held(&store, &export, "a", 100).await;
    assert_eq!([state(220).await, state(221).await], states, "begun");
    store.exports.checkpoint(&hold, &so_far(1), minute(200)).await.unwrap();
    assert_eq!([state(320).await, state(321).await], states, "continued");
}

#[tokio::test]
async fn third_export_in_progress_is_refused() {
    let store = store().await;
    for moment in [0, 1] {
        requested(&store, 1, moment).await;
    }
    let third = export(1, 2);
    assert_eq!(store.exports.add(&third, minute(2)).await, Ok(ExportAdded::TooManyInProgress));
    assert_eq!(store.exports.find(operator(1), third.id, minute(2)).await, Ok(None));
    requested(&store, 2, 2).await;
}

#[tokio::test]
async fn list_shows_exports_of_operator_once_latest_first() {
    let store = store().await;
    let mut made = Vec::new();
    // Each has failed before the next one is requested.
    for moment in [0, 200, 400] {
        made.push(requested(&store, 1, moment).await);
        requested(&store, 2, moment).await;
    }
    let page = async |after: Option<ExportId>| {
        let (page, next) = store.exports.list(operator(1), (after, 2), minute(400)).await.unwrap();
        (page.into_iter().map(|export| export.record).collect::<Vec<_>>(), next)
    };
    assert_eq!(page(None).await, (vec![made[2], made[1]], Some(made[1].id)));
    assert_eq!(page(Some(made[1].id)).await, (vec![made[0]], None));
}
