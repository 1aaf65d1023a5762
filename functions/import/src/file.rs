//! One file from its first byte to its report, over as many invocations as it takes.
//!
//! The file is read twice: the survey reads it from beginning to end before the first row is written, then it is imported. The
//! survey's verdict is part of the checkpoint. A run that ends within the survey leaves nothing; the next run surveys the same
//! version of the file from its beginning, with the same verdict.
//!
//! The invocation that holds the lease reads the file and gives its rows to the workers. At intervals it waits for the rows under
//! way and writes a checkpoint: the place in the file, the counts, the rejected rows so far. A later run continues from there. Rows
//! after the last checkpoint are written again, which has no effect.

use std::sync::Arc;

use cee_eligibility::{Language, OperatorId};
use cee_history::catalogue::Closed;
use cee_history::{Counts, FileRefusal, LARGEST_FILE, Report, catalogue, name};
use cee_registry::{Begun, FileOutcome, Hold, HoldError, ImportRecord};
use cee_service::clock::machine_now;
use cee_service::objects::{List, put};
use futures_util::FutureExt as _;
use tokio::time::Instant as Moment;

use crate::context::{Budget, Context, ImportError};
use crate::drivers::{Questions, is_list_of_drivers};
use crate::replace::{self, Replaces};
use crate::s3::event::{File, Owner};
use crate::workers::rows::{History, Journeys};

pub(crate) mod checkpoint;
pub(crate) mod ending;
pub(crate) mod given_up;
mod rows;
mod run;
mod survey;

use checkpoint::{Checkpoint, Reported, work};
use ending::{end, put_report, report};
use run::{Ran, Run};

/// Imports a file, or the next part of it, unless that has ended before.
pub(crate) async fn import(
    context: &Arc<Context>,
    file: &File,
    worker: &str,
    budget: Budget,
) -> Result<(), ImportError> {
    let operator = match file.owner {
        Owner::Operator(operator) => Some(operator),
        Owner::Registry => None,
    };
    let operator_id = operator.map(OperatorId::get);
    let record = ImportRecord { id: file.id, operator, key: file.key.clone() };
    let begun =
        context.imports.begin::<Checkpoint, Report>(&record, worker, context.clock.now(), machine_now()).await?;
    let (hold, progress) = match begun {
        Begun::Yours(hold, progress) => (hold, progress),
        Begun::Held => {
            tracing::info!(import_id = %file.id, operator_id, "an import that another invocation works on");
            return Ok(());
        }
        // The invocation that ended it may have had no time left to put the report or to clean up.
        Begun::Ended(report) => {
            tracing::info!(import_id = %file.id, operator_id, "an import that has ended");
            put_report(context, &record, &report).await?;
            List::clear(&context.s3, &context.bucket, &work(file.id)).await;
            return Ok(());
        }
    };
    tracing::info!(import_id = %file.id, operator_id, resumed = progress.is_some(), "an import begins");
    let mut checkpoint = progress.unwrap_or_default();
    let ran = loop {
        match run(context, file, &hold, (checkpoint, worker), budget).await {
            Ok(Ran::Panicked(_)) if budget.is_over(0) => break Ok(Ran::Paused),
            Ok(Ran::Panicked(before)) => checkpoint = before,
            ran => break ran,
        }
    };
    match ran {
        Ok(Ran::Paused | Ran::Panicked(_)) => go_on_later(context, file, &hold).await,
        Ok(Ran::Completed { finished, sha256 }) => {
            let (mut replaced, mut not_replaced) = (None, None);
            if let Replaces::Import(operator, old) = Replaces::of(file, &hold) {
                let rows = &finished.progress;
                not_replaced = replace::stays(&rows.progress.counts, language(file, &hold));
                if not_replaced.is_none() {
                    let old = (operator, old);
                    replaced = match replace::take_back_replaced(context, old, &hold, rows, (worker, budget)).await {
                        Ok(Some(replaced)) => Some(replaced),
                        Ok(None) => return go_on_later(context, file, &hold).await,
                        Err(ImportError::Hold(HoldError::Lost)) => return Ok(()),
                        Err(error) => return Err(error),
                    };
                }
            }
            let report = Report { replaced, not_replaced, ..report(context, &hold, None, &finished, Some(sha256)) };
            end(context, &hold, FileOutcome::Completed, report, finished).await
        }
        Ok(Ran::Refused { why, finished }) => {
            let report = report(context, &hold, Some(why), &finished, None);
            end(context, &hold, FileOutcome::Failed, report, finished).await
        }
        // The invocation that has taken over does the rest.
        Err(ImportError::Hold(HoldError::Lost)) => {
            tracing::info!(import_id = %file.id, operator_id, "another invocation has taken the import over");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Releases the import and starts another invocation for it.
async fn go_on_later(context: &Context, file: &File, hold: &Hold) -> Result<(), ImportError> {
    match context.imports.release(hold).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    wake_next(context, file).await?;
    tracing::info!(import_id = %file.id, "an import goes on in another invocation");
    Ok(())
}

/// Starts another invocation for a file: a note on S3 raises an event as a file does, and the event goes to the end of the queue.
pub(crate) async fn wake_next(context: &Context, file: &File) -> Result<(), ImportError> {
    let key = format!("continue/{}.json", file.id);
    Ok(put(&context.s3, &context.bucket, &key, "application/json", file.to_note().into_bytes()).await?)
}

/// The language of the reasons: from the call that created the upload, or else from the file's name.
fn language(file: &File, hold: &Hold) -> Language {
    hold.wishes().language.or(name::language(&file.key)).unwrap_or_default()
}

/// Reads the file, unless it must not be read.
async fn run(
    context: &Arc<Context>,
    file: &File,
    hold: &Hold,
    (mut checkpoint, worker): (Checkpoint, &str),
    budget: Budget,
) -> Result<Ran, ImportError> {
    let wishes = hold.wishes();
    let is_list = is_list_of_drivers(file, hold);
    let counts = &mut checkpoint.progress.counts;
    if wishes.check_only || name::is_check_only(&file.key) {
        counts.accepted.get_or_insert(0);
    } else if is_list && !counts.is_of_drivers() {
        *counts = Counts::of_drivers();
    }
    let language = language(file, hold);
    let reported = Reported::of(&checkpoint, hold.record(), worker);
    let kept = checkpoint.clone();
    let (rejected, answered, held, worked) = (Vec::new(), Vec::new(), 0, Moment::now());
    let mut run =
        Run { context, file, hold, budget, language, checkpoint, kept, rejected, answered, held, reported, worked };
    // Even if the file is gone, its operator suspended or imports closed: half of a replacement would leave both histories.
    if let Some(sha256) = run.checkpoint.sha256.clone() {
        // A later invocation may need them again.
        let pieces = (run.checkpoint.rejected_pieces.clone(), run.checkpoint.contradiction_pieces.clone());
        let lists = run.lists();
        let mut finished = run.finish(lists).await?;
        (finished.progress.rejected_pieces, finished.progress.contradiction_pieces) = pieces;
        return Ok(Ran::Completed { finished, sha256 });
    }
    // If the call is closed for one journey type, only the rows of that type are rejected.
    let (is_open, closed) = if is_list {
        (context.rules.any_open(|open| open.simulate), Closed::Simulations)
    } else {
        (context.rules.any_open(|open| open.import), Closed::Imports)
    };
    if !is_open {
        return run.refuse(catalogue::closed(closed, language)).await;
    }
    if let Owner::Operator(operator) = file.owner {
        match context.operators.find(operator).await? {
            Some(operator) if operator.suspended => {
                return run.refuse(catalogue::closed(Closed::Suspended, language)).await;
            }
            Some(_) => {}
            None => return run.refuse(catalogue::closed(Closed::Unknown, language)).await,
        }
    }
    if file.size > LARGEST_FILE {
        return run.refuse(&catalogue::file(&FileRefusal::TooLarge, language)).await;
    }
    // Boxed, so that the stack holds the frame of one kind of file and not of all.
    match file.owner {
        Owner::Operator(operator) if is_list => {
            let context = Arc::clone(context);
            let deadline = budget.deadline;
            run.read(|_| Questions { context, operator, language, deadline }).boxed().await
        }
        Owner::Operator(operator) => {
            let context = Arc::clone(context);
            let deadline = budget.deadline;
            run.read(|_| History { context, operator, import: file.id, language, deadline }).boxed().await
        }
        Owner::Registry => {
            run.read(|put_at| Journeys {
                context: Arc::clone(context),
                import: file.id,
                put_at,
                deadline: budget.deadline,
            })
            .boxed()
            .await
        }
    }
}
