//! Undoing an import, over as many invocations as it takes.
//!
//! The registry's team, or the operator by a call, requests an undo with a note on S3, the same way an invocation asks the next one
//! to continue. An import that replaces another one undoes that one itself ([`replace`](crate::replace)). First everything that the
//! import added is counted, then it is withdrawn: the report counts everything once, even after a crash. The undo makes passes
//! until a pass finds nothing: during a pass, an identity key given to one of the rows may put a copy of it on an item that the
//! pass has already visited.

use std::sync::Arc;
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_history::{Report, UndoProgress, Undone};
use cee_registry::{Brought, FileOutcome, Hold, HoldError, ImportId, ImportRecord, UndoBegun, UndoRefusal};
use cee_service::clock::machine_now;
use cee_service::metrics::{Metric, Numbers};
use cee_service::objects::{put, s3_error};
use tokio::time::Instant as Moment;

use crate::context::{Budget, Context, ImportError, NAME};
use crate::file::checkpoint::{Checkpoint, ForTheTeam};
use crate::file::ending::{counted, put_report};
use crate::s3::event::undo_note;
use crate::workers::lanes::{Done, Lanes};
use crate::workers::pace::Pace;

/// The longest time between two checkpoints.
const PAUSE: Duration = Duration::from_secs(20);

/// The result of an undo in one invocation.
pub(crate) enum Taken {
    /// This invocation or an earlier one has undone the import; its report.
    Done(Box<Report>),
    /// The invocation has used its budget and released the import.
    Paused,
    /// Another invocation works on it or has taken over.
    Elsewhere,
    /// It cannot be undone now.
    Refused(UndoRefusal),
}

/// The import that replaces the one being undone, and waits for the undo.
#[derive(Clone, Copy)]
pub(crate) struct Replacing<'a> {
    pub(crate) hold: &'a Hold,
    /// Its progress: all its rows are written.
    pub(crate) checkpoint: &'a Checkpoint,
}

/// Undoes an import, or the next part of it, as a note on S3 requests.
pub(crate) async fn undo(
    context: &Arc<Context>,
    operator: OperatorId,
    id: ImportId,
    worker: &str,
    budget: Budget,
) -> Result<(), ImportError> {
    let operator_id = operator.get();
    match take_back(context, operator, id, (worker, budget), None).await? {
        Taken::Done(_) => Ok(()),
        Taken::Paused => wake_next(context, operator, id).await,
        Taken::Elsewhere => {
            tracing::info!(import_id = %id, operator_id, "an undo that another invocation works on");
            Ok(())
        }
        Taken::Refused(reason) => {
            tracing::warn!(import_id = %id, operator_id, %reason, "an import that cannot be undone");
            Ok(())
        }
    }
}

/// Starts another invocation for an undo.
pub(crate) async fn wake_next(context: &Context, operator: OperatorId, id: ImportId) -> Result<(), ImportError> {
    Ok(put(&context.s3, &context.bucket, &undo_note(operator, id), "application/json", Vec::new()).await?)
}

/// Undoes an import, or the next part of it. The caller does the rest.
pub(crate) async fn take_back(
    context: &Arc<Context>,
    operator: OperatorId,
    id: ImportId,
    (worker, budget): (&str, Budget),
    by: Option<Replacing<'_>>,
) -> Result<Taken, ImportError> {
    context.pepper.ensure(budget.deadline).await?;
    let operator_id = operator.get();
    let begun =
        context.imports.begin_undo::<UndoProgress, Report>(operator, id, worker, context.clock.now(), machine_now());
    let (hold, progress, report) = match begun.await? {
        UndoBegun::Yours(hold, progress, report) => (hold, progress, report),
        UndoBegun::Held => return Ok(Taken::Elsewhere),
        // The invocation that ended it may have had no time left for the rest.
        UndoBegun::Ended(report) => {
            let record = ImportRecord { id, operator: Some(operator), key: report.key.clone() };
            put_report(context, &record, &report).await?;
            remove_contradictions(context, &record).await;
            return Ok(Taken::Done(Box::new(report)));
        }
        UndoBegun::Refused(reason) => return Ok(Taken::Refused(reason)),
    };
    tracing::info!(import_id = %id, operator_id, resumed = progress.is_some(), "an undo begins");
    match run(context, &hold, progress.unwrap_or_default(), budget, by).await {
        Ok(Some(progress)) => end(context, &hold, report, &progress, worker, by).await,
        Ok(None) => match context.imports.release(&hold).await {
            Ok(()) => Ok(Taken::Paused),
            Err(HoldError::Lost) => Ok(Taken::Elsewhere),
            Err(error) => Err(error.into()),
        },
        Err(ImportError::Hold(HoldError::Lost)) => Ok(Taken::Elsewhere),
        Err(error) => Err(error),
    }
}

/// Counts, then withdraws. `None`: the invocation has used its budget.
async fn run(
    context: &Arc<Context>,
    hold: &Hold,
    mut progress: UndoProgress,
    budget: Budget,
    by: Option<Replacing<'_>>,
) -> Result<Option<UndoProgress>, ImportError> {
    let import = hold.record().id;
    let withdrawing = Arc::clone(context);
    let mut lanes = Lanes::start(&Arc::new(Pace::new()), move |brought: Brought, done: u64| {
        let context = Arc::clone(&withdrawing);
        async move {
            let records = brought.removed + brought.kept;
            context.remover.withdraw(brought, import, budget.deadline).await?;
            Ok(Done { tally: done + records, throttled: false })
        }
    });
    let mut last = Moment::now();
    let mut withdrawn = 0;
    loop {
        let page = context.remover.brought_by(import, progress.after.as_deref(), budget.deadline).await?;
        // A page may hold more than there is time for. The withdrawn items no longer list the import, so the next invocation reads
        // the same page again and finds the rest.
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
            context.imports.checkpoint(hold, &progress, machine_now()).await?;
            // Renews the lease on the import that waits for this undo.
            if let Some(Replacing { hold, checkpoint }) = by {
                context.imports.checkpoint(hold, checkpoint, machine_now()).await?;
            }
            last = Moment::now();
        }
        if is_over {
            return Ok(None);
        }
    }
}

async fn end(
    context: &Context,
    hold: &Hold,
    mut report: Report,
    progress: &UndoProgress,
    worker: &str,
    by: Option<Replacing<'_>>,
) -> Result<Taken, ImportError> {
    report.state = FileOutcome::Undone.as_str().to_owned();
    report.undone = Some(Undone {
        removed: progress.removed,
        kept: progress.kept,
        started_at: hold.started_at().to_string(),
        ended_at: context.clock.now().to_string(),
        replaced_by: by.map(|by| by.hold.record().id.to_string()),
    });
    match context.imports.end(hold, FileOutcome::Undone, &report, &ForTheTeam::default()).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(Taken::Elsewhere),
        Err(error) => return Err(error.into()),
    }
    let numbers = Numbers::default();
    numbers.count(Metric::Imports(counted(FileOutcome::Undone)), 1);
    context.metrics.write(&numbers, NAME, worker);
    put_report(context, hold.record(), &report).await?;
    remove_contradictions(context, hold.record()).await;
    let operator_id = hold.record().operator.map(OperatorId::get);
    let (removed, kept) = (progress.removed, progress.kept);
    tracing::info!(import_id = %hold.record().id, operator_id, removed, kept, "an import was undone");
    Ok(Taken::Done(Box::new(report)))
}

/// Removes the list of contradictions of an undone import: the records that contradicted granted applications are gone.
async fn remove_contradictions(context: &Context, record: &ImportRecord) {
    let list = context.s3.delete_object().bucket(&context.bucket).key(ForTheTeam::key(record)).send().await;
    if let Err(error) = list.map_err(s3_error("DeleteObject")) {
        tracing::warn!(%error, "a list of contradictions is left behind");
    }
}
