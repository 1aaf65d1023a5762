//! Taking an import back, over as many invocations as it takes.
//!
//! The registry's team asks for it with a note on S3, as an invocation asks the next one to go on. First everything that
//! the import added is counted, then it is withdrawn: what is told at the end was counted once, whatever crashed later.
//! It is withdrawn pass by pass until one finds nothing: while a pass goes by, an identity key that comes for one of the rows
//! may put a copy of it on an item that the pass has behind it.

use std::sync::Arc;
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_history::{Report, UndoProgress, Undone};
use cee_registry::{Brought, FileOutcome, Hold, HoldError, ImportId, ImportRecord, UndoBegun};
use cee_service::clock::machine_now;
use cee_service::metrics::{Metric, Numbers};
use tokio::time::Instant as Moment;

use crate::event::undo_note;
use crate::lanes::{Done, Lanes};
use crate::pace::Pace;
use crate::report::{put, s3_error};
use crate::run::{ForTheTeam, counted, put_report};
use crate::{Budget, ImportError, Inner, NAME};

/// How long it goes without a checkpoint at most.
const PAUSE: Duration = Duration::from_secs(20);

/// Undoes an import, or the next part of it.
pub(crate) async fn undo(
    inner: &Arc<Inner>,
    operator: OperatorId,
    id: ImportId,
    worker: &str,
    budget: Budget,
) -> Result<(), ImportError> {
    inner.pepper.ensure(budget.deadline).await?;
    let operator_id = operator.get();
    let begun =
        inner.imports.begin_undo::<UndoProgress, Report>(operator, id, worker, inner.clock.now(), machine_now());
    let (hold, progress, report) = match begun.await? {
        UndoBegun::Yours(hold, progress, report) => (hold, progress, report),
        UndoBegun::Held => {
            tracing::info!(import_id = %id, operator_id, "an undo that another invocation works on");
            return Ok(());
        }
        UndoBegun::Ended(report) => {
            let record = ImportRecord { id, operator: Some(operator), key: report.key.clone() };
            return put_report(inner, &record, &report).await;
        }
        UndoBegun::Refused(reason) => {
            tracing::warn!(import_id = %id, operator_id, %reason, "an import that cannot be undone");
            return Ok(());
        }
    };
    tracing::info!(import_id = %id, operator_id, resumed = progress.is_some(), "an undo begins");
    match run(inner, &hold, progress.unwrap_or_default(), budget).await {
        Ok(Some(progress)) => end(inner, &hold, report, &progress, worker).await,
        Ok(None) => {
            match inner.imports.release(&hold).await {
                Ok(()) => {}
                Err(HoldError::Lost) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            put(&inner.s3, &inner.bucket, &undo_note(operator, id), "application/json", Vec::new()).await
        }
        Err(ImportError::Hold(HoldError::Lost)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Counts, then withdraws. `None`: the invocation has used its budget.
async fn run(
    inner: &Arc<Inner>,
    hold: &Hold,
    mut progress: UndoProgress,
    budget: Budget,
) -> Result<Option<UndoProgress>, ImportError> {
    let import = hold.record().id;
    let withdrawing = Arc::clone(inner);
    let mut lanes = Lanes::start(&Arc::new(Pace::new()), move |brought: Brought, done: u64| {
        let inner = Arc::clone(&withdrawing);
        async move {
            let records = brought.removed + brought.kept;
            inner.claims.withdraw(brought, import, budget.deadline).await?;
            Ok(Done { tally: done + records, throttled: false })
        }
    });
    let mut last = Moment::now();
    let mut withdrawn = 0;
    loop {
        let page = inner.claims.brought_by(import, progress.after.as_deref(), budget.deadline).await?;
        // A page may hold more than there is time for. What was withdrawn of it lists the import no more, so the next
        // invocation reads the same page again and finds the rest.
        let whole = if progress.counted {
            progress.found |= !page.brought.is_empty();
            let jobs = page.brought.into_iter().map(|brought| (brought.key().to_owned(), brought));
            let (given, whole) = lanes.send_until(jobs, |given| budget.is_over(withdrawn + given)).await?;
            withdrawn += given;
            whole
        } else {
            progress.removed += page.brought.iter().map(|brought| brought.removed).sum::<u64>();
            progress.kept += page.brought.iter().map(|brought| brought.kept).sum::<u64>();
            true
        };
        let end_of_pass = whole && page.next.is_none();
        if whole {
            progress.items += page.items;
            progress.after = page.next;
        }
        let is_over = budget.is_over(withdrawn);
        if end_of_pass || is_over || last.elapsed() >= PAUSE {
            progress.done += lanes.collect().await?.into_iter().sum::<u64>();
            if end_of_pass && progress.counted && !progress.found {
                return Ok(Some(progress));
            }
            if end_of_pass {
                progress.counted = true;
                progress.found = false;
            }
            inner.imports.checkpoint(hold, &progress, machine_now()).await?;
            last = Moment::now();
        }
        if is_over {
            return Ok(None);
        }
    }
}

async fn end(
    inner: &Inner,
    hold: &Hold,
    mut report: Report,
    progress: &UndoProgress,
    worker: &str,
) -> Result<(), ImportError> {
    report.state = FileOutcome::Undone.as_str().to_owned();
    report.undone = Some(Undone {
        removed: progress.removed,
        kept: progress.kept,
        started_at: hold.started_at().to_string(),
        ended_at: inner.clock.now().to_string(),
    });
    match inner.imports.end(hold, FileOutcome::Undone, &report, &ForTheTeam::default()).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let numbers = Numbers::default();
    numbers.count(Metric::Imports(counted(FileOutcome::Undone)), 1);
    inner.metrics.write(&numbers, NAME, worker);
    put_report(inner, hold.record(), &report).await?;
    // What contradicted granted applications is gone.
    let list = inner.s3.delete_object().bucket(&inner.bucket).key(ForTheTeam::key(hold.record())).send().await;
    if let Err(error) = list.map_err(s3_error("DeleteObject")) {
        tracing::warn!(%error, "a list of contradictions is left behind");
    }
    let operator_id = hold.record().operator.map(OperatorId::get);
    let (removed, kept) = (progress.removed, progress.kept);
    tracing::info!(import_id = %hold.record().id, operator_id, removed, kept, "an import was undone");
    Ok(())
}
