//! How the registry's team undoes an import: it asks the import function to undo it, and waits.

use std::time::{Duration, Instant as Moment};

use anyhow::{Result, anyhow, bail};
use cee_eligibility::OperatorId;
use cee_fn_import::event::undo_note;
use cee_history::{Progress, Report, UndoProgress, Undone};
use cee_local::stack::{Description, tables};
use cee_registry::{ImportId, ImportState, ImportStatus, Imports, Tables, undo_refusal};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;

/// How long to wait between two reads of the table.
const LOOK: Duration = Duration::from_millis(300);

/// How long nothing may happen before that is an error: another invocation continues after a crash when two minutes have passed.
const SILENCE: Duration = Duration::from_secs(300);

/// An import as the team sees it.
pub type Status = ImportStatus<Progress, Report, UndoProgress>;

/// The registry's imports, here or on AWS.
#[derive(Debug)]
pub struct Team {
    aws: Aws,
    bucket: String,
    imports: Imports,
}

impl Team {
    /// With the credentials of `aws`, which must be the team's.
    #[must_use]
    pub fn new(aws: Aws, bucket: String, imports_table: String) -> Self {
        let imports = Imports::new(aws.dynamodb(), &Tables { imports: imports_table, ..Tables::default() });
        Self { aws, bucket, imports }
    }

    /// Of a local stack.
    #[must_use]
    pub fn local(description: &Description) -> Self {
        Self::new(description.aws(), description.bucket.clone(), tables().imports)
    }

    /// An import, if it can be undone.
    ///
    /// # Errors
    /// If it cannot, with the reason.
    pub async fn undoable(&self, operator: OperatorId, id: ImportId) -> Result<Status> {
        let status = self.status(operator, id).await?;
        match undo_refusal(status.state, status.stale_writer_until, machine_now()) {
            Some(refusal) => Err(anyhow!(refusal.to_string())),
            None => Ok(status),
        }
    }

    async fn status(&self, operator: OperatorId, id: ImportId) -> Result<Status> {
        let found = self.imports.find(operator, id, machine_now()).await?;
        found.ok_or_else(|| anyhow!("there is no such import"))
    }

    /// Asks the import function to undo an import, and waits until it has. `tell` gets the progress. Dropping the future does not stop
    /// the function, and another call continues to wait.
    ///
    /// # Errors
    /// If the import cannot be undone, or nothing happens for too long.
    pub async fn undo(
        &self,
        operator: OperatorId,
        id: ImportId,
        mut tell: impl FnMut(&UndoProgress),
    ) -> Result<Undone> {
        self.undoable(operator, id).await?;
        let put = self.aws.s3().put_object().bucket(&self.bucket).key(undo_note(operator, id));
        put.send().await.map_err(|error| anyhow!("the request to undo cannot be written to the bucket: {error}"))?;
        let mut last = (Moment::now(), None);
        loop {
            let Status { state, undo, report, .. } = self.status(operator, id).await?;
            if state == ImportState::Undone {
                let undone = report.and_then(|report| report.undone);
                return undone.ok_or_else(|| anyhow!("its report does not say what was undone"));
            }
            if let Some(undo) = &undo {
                tell(undo);
            }
            if last.1 != undo {
                last = (Moment::now(), undo);
            }
            if last.0.elapsed() > SILENCE {
                bail!(
                    "no progress for five minutes: look for the import in the log of the import function and in its dead-letter queue"
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
