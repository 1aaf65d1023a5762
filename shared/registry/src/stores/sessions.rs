//! The table of sessions of the console. An item is a session that has not been ended; it expires.

use aws_sdk_dynamodb::Client;
use cee_eligibility::Instant;

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::PK;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::records::session::{Session, SessionId};

/// The table of sessions.
#[derive(Clone, Debug)]
pub struct Sessions {
    table: Table,
}

impl Sessions {
    /// The sessions in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.sessions, PK) }
    }

    /// Begins a session under an id that has none. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the id has a session.
    pub async fn begin(&self, id: &SessionId, session: Session) -> Result<(), StoreError> {
        let put = self.table.put(session.to_item(id)).condition_expression("attribute_not_exists(pk)");
        match met("PutItem", put.send().await)? {
            true => Ok(()),
            false => Err(StoreError::Corrupt { table: "sessions", what: "an id twice" }),
        }
    }

    /// The session under an id, unless it has been ended or has expired at `machine_now`, the time of the machine's clock. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn find(&self, id: &SessionId, machine_now: Instant) -> Result<Option<Session>, StoreError> {
        let found = self.table.get(id.key()).await?;
        let found = found.as_ref().map(Session::from_item).transpose()?;
        // DynamoDB removes an expired item late, by days.
        Ok(found.filter(|session| machine_now < session.expires_at))
    }

    /// Ends a session. From this moment on, nobody finds it. One request. Ending it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn end(&self, id: &SessionId) -> Result<(), StoreError> {
        let deleted = self.table.delete(id.key()).send().await;
        deleted.map(drop).map_err(|error| StoreError::request("DeleteItem", &error))
    }
}
