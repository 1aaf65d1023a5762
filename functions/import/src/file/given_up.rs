//! An import that was given up: its event is in the dead-letter queue, and no invocation works on it.

use cee_eligibility::{Language, OperatorId};
use cee_history::{Progress, Report, UndoProgress, name};
use cee_registry::{Begun, FileOutcome, ImportId, ImportStatus};
use cee_service::clock::machine_now;

use crate::context::{Context, ImportError};
use crate::file::checkpoint::{Checkpoint, Reported};
use crate::file::ending::{Finished, Lists, end, report};

/// Ends an import that was given up, as failed, because the file of another import has come to take its place. `false`: something has it
/// in hand again. Its lists are not made: the pieces may have expired.
pub(crate) async fn end_given_up(
    context: &Context,
    (operator, id): (OperatorId, ImportId),
    by: ImportId,
    worker: &str,
) -> Result<bool, ImportError> {
    let status = context.imports.find::<Progress, Report, UndoProgress>(operator, id, machine_now()).await?;
    let Some(ImportStatus { record, .. }) = status else { return Ok(false) };
    let begun =
        context.imports.begin_given_up::<Checkpoint, Report>(&record, worker, context.clock.now(), machine_now());
    let (hold, progress) = match begun.await? {
        Begun::Yours(hold, checkpoint) => (hold, checkpoint.unwrap_or_default()),
        Begun::Held => return Ok(false),
        Begun::Ended(_) => return Ok(true),
    };
    let language = hold.wishes().language.or(name::language(&record.key)).unwrap_or_default();
    let reported = Reported::of(&progress, &record, worker);
    let finished = Finished { progress, lists: Lists::default(), reported };
    let report = report(context, &hold, Some(why(by, language)), &finished, None);
    tracing::warn!(import_id = %id, operator_id = operator.get(), %by, "an import that was given up is ended");
    end(context, &hold, FileOutcome::Failed, report, finished).await?;
    Ok(true)
}

/// Why an import that was given up has failed. `by` is the import whose file came for the same old import.
fn why(by: ImportId, language: Language) -> String {
    match language {
        Language::English => format!(
            "The registry could not finish this import, and gave it up. Then the file of the import {by} came for the import that this \
             file was to replace. The rows counted here are imported, and perhaps some after them. If they are wrong, undo this import."
        ),
        Language::French => format!(
            "Le registre n'a pas pu terminer cet import et l'a abandonné. Ensuite, le fichier de l'import {by} est arrivé pour l'import \
             que ce fichier devait remplacer. Les lignes comptées ici sont importées, et peut-être quelques-unes après elles. Si elles \
             sont fausses, annulez cet import."
        ),
    }
}
