//! What the registry's team runs to take an import back: asks the import function for it, and watches.

use std::time::{Duration, Instant as Moment};

use cee_eligibility::OperatorId;
use cee_fn_import::event::undo_note;
use cee_history::{Progress, Report, UndoProgress, Undone};
use cee_registry::{ImportId, ImportState, ImportStatus, Imports, Tables, undo_refusal};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;

use crate::error::Error;

/// How often the table is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// How long nothing may happen before we say so: an invocation that crashed is taken over after two minutes.
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

    /// An import, if it can be undone.
    ///
    /// # Errors
    /// [`Error::Undo`] where it cannot.
    pub async fn undoable(&self, operator: OperatorId, id: ImportId) -> Result<Status, Error> {
        let status = self.status(operator, id).await?;
        match undo_refusal(status.state, status.haunted_until, machine_now()) {
            Some(refusal) => Err(Error::Undo(refusal.to_string())),
            None => Ok(status),
        }
    }

    async fn status(&self, operator: OperatorId, id: ImportId) -> Result<Status, Error> {
        let found =
            self.imports.find(operator, id, machine_now()).await.map_err(|error| Error::Dynamo(error.to_string()))?;
        found.ok_or_else(|| Error::Undo("there is no such import".to_owned()))
    }

    /// Has an import undone, and waits until it is. `tell` hears how far it is. Whoever stops watching stops nothing, and
    /// may come back.
    ///
    /// # Errors
    /// [`Error::Undo`] where it cannot be, or where nothing happens.
    pub async fn undo(
        &self,
        operator: OperatorId,
        id: ImportId,
        mut tell: impl FnMut(&UndoProgress),
    ) -> Result<Undone, Error> {
        self.undoable(operator, id).await?;
        let put = self.aws.s3().put_object().bucket(&self.bucket).key(undo_note(operator, id));
        put.send().await.map_err(|error| Error::S3(error.to_string()))?;
        let mut last = (Moment::now(), None);
        loop {
            let Status { state, undo, report, .. } = self.status(operator, id).await?;
            if state == ImportState::Undone {
                let undone = report.and_then(|report| report.undone);
                return undone.ok_or_else(|| Error::Undo("its report does not say what was undone".to_owned()));
            }
            if let Some(undo) = &undo {
                tell(undo);
            }
            if last.1 != undo {
                last = (Moment::now(), undo);
            }
            if last.0.elapsed() > SILENCE {
                let what =
                    "nothing happens: look for the import in the import function's log and in its dead-letter queue";
                return Err(Error::Undo(what.to_owned()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
