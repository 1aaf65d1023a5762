//! An embedded DynamoDB behind the real protocol, so that the code under test uses the real SDK.
//!
//! Every answered write is in the file: SQLite's write-ahead log with `synchronous=NORMAL`. A `kill -9` loses no answered write and
//! leaves no half of a transaction; a power cut may lose the latest writes, and leaves whole transactions.
//!
//! What it does not do, so that you must test it in another way (see [`faults`](crate::faults)):
//!
//! - It serialises writes: no `TransactionConflict`, no `TransactionInProgress`, no `ThrottlingException`, no lost response, and
//!   every read is consistent whether or not the request asks for it.
//! - The tokens that make `TransactWriteItems` repeatable are kept in memory: a repeated call after a restart is a new one. dynoxide
//!   3.2.0 searches all tokens of the last ten minutes at each call with a token, so a call takes longer the more calls there were.
//!   Under load, send no tokens.
//! - Capacity is reported, never limited; a hot partition is as fast as any other.
//! - Signatures are not checked: any access key reaches every table, whatever an IAM policy would say.
//! - No point-in-time recovery, no backups, no global tables, no encryption.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::Error;

mod front;

pub use self::front::{Front, hidden};

/// How long requests that are under way may take once a stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// A running local DynamoDB. Dropping it closes its port; [`shutdown`](Self::shutdown) also waits for the file.
#[derive(Debug)]
pub struct DynamoServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Serves DynamoDB on `listener`, from the file at `path` (created with its folder if need be) or from memory.
///
/// # Errors
/// When the file cannot be opened or was written by a newer version.
pub async fn start(listener: TcpListener, path: Option<&Path>) -> Result<DynamoServer, Error> {
    let address = listener.local_addr()?;
    let path = path.map(Path::to_path_buf);
    // Opening replays the write-ahead log, which may take a moment after a crash.
    let opening = tokio::task::spawn_blocking(move || match path {
        None => Database::memory().map_err(|error| Error::Dynamo(error.to_string())),
        Some(path) => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
            }
            let name =
                path.to_str().ok_or_else(|| Error::Dynamo(format!("{}: the path must be UTF-8", path.display())))?;
            let database = Database::new(name).map_err(|error| Error::Dynamo(format!("{name}: {error}")))?;
            // dynoxide's name for `synchronous=NORMAL`: by default each write waits for the disk, which only a power cut requires,
            // and which makes writes ten times slower.
            database.disable_bulk_loading().map_err(|error| Error::Dynamo(format!("{name}: {error}")))?;
            Ok(database)
        }
    });
    let database = opening.await.map_err(|error| Error::Dynamo(error.to_string()))??;
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        // A dropped sender stops the server as a message does.
        let stopped = async move { drop(stopped.await) };
        if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stopped).await {
            tracing::error!(%error, "local DynamoDB stopped");
        }
    });
    Ok(DynamoServer { address, stop: Some(stop), task })
}

impl DynamoServer {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint to give to an SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers what is under way, then closes the file.
    pub async fn shutdown(mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes, Put,
        ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem,
    };

    use super::*;

    async fn client(path: Option<&Path>) -> (DynamoServer, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = start(listener, path).await.unwrap();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-3"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(server.url())
            .build();
        let client = Client::from_conf(config);
        (server, client)
    }

    async fn create_table(client: &Client) {
        client
            .create_table()
            .table_name("claims")
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name("pk")
                    .attribute_type(ScalarAttributeType::S)
                    .build()
                    .unwrap(),
            )
            .key_schema(KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap())
            .send()
            .await
            .unwrap();
    }

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    fn put_if_absent(pk: &str, owner: &str) -> TransactWriteItem {
        let put = Put::builder()
            .table_name("claims")
            .item("pk", text(pk))
            .item("owner", text(owner))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn cancelled_transaction_returns_items_of_failed_conditions() {
        let (server, client) = client(None).await;
        create_table(&client).await;
        let first = client.transact_write_items();
        first.transact_items(put_if_absent("a", "one")).transact_items(put_if_absent("b", "two")).send().await.unwrap();
        let error = client
            .transact_write_items()
            .transact_items(put_if_absent("a", "late"))
            .transact_items(put_if_absent("c", "late"))
            .transact_items(put_if_absent("b", "late"))
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
        let reasons: Vec<_> = cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| {
                (reason.code().unwrap().to_owned(), reason.item().and_then(|item| item.get("owner")).cloned())
            })
            .collect();
        let failed = "ConditionalCheckFailed".to_owned();
        assert_eq!(
            reasons,
            [(failed.clone(), Some(text("one"))), ("None".to_owned(), None), (failed, Some(text("two")))]
        );
        let got = client
            .batch_get_item()
            .request_items(
                "claims",
                KeysAndAttributes::builder()
                    .consistent_read(true)
                    .keys([("pk".to_owned(), text("a"))].into())
                    .keys([("pk".to_owned(), text("c"))].into())
                    .build()
                    .unwrap(),
            )
            .send()
            .await
            .unwrap();
        assert_eq!(got.responses().unwrap()["claims"].len(), 1, "the third item was rolled back");
        server.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answered_writes_survive_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/dynamodb.sqlite");
        let (server, first) = client(Some(&path)).await;
        create_table(&first).await;
        let begin = Instant::now();
        let count = 20;
        for number in 0..count {
            first
                .update_item()
                .table_name("claims")
                .key("pk", text(&format!("k{number}")))
                .update_expression("SET #o = :o")
                .expression_attribute_names("#o", "owner")
                .expression_attribute_values(":o", text("one"))
                .send()
                .await
                .unwrap();
        }
        eprintln!("UpdateItem on a file: {:?} each", begin.elapsed() / count);
        // No shutdown, and the log is not folded into the file: the copy is what a crash leaves.
        let copy = folder.path().join("copy.sqlite");
        for suffix in ["", "-wal"] {
            let from = format!("{}{suffix}", path.display());
            if Path::new(&from).exists() {
                std::fs::copy(&from, format!("{}{suffix}", copy.display())).unwrap();
            }
        }
        let (second_server, second) = client(Some(&copy)).await;
        let scanned = second.scan().table_name("claims").send().await.unwrap();
        assert_eq!(scanned.count(), i32::try_from(count).unwrap());
        second_server.shutdown().await;
        drop(server);
    }
}
