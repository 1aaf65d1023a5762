//! `GET /v3/policies/cee`: lists the operator's own applications ([`list`]). `GET /v3/policies/cee/changes`: tells what changed since
//! ([`changes`]). `GET` and `DELETE /v3/policies/cee/{uuid}`: returns or deletes one of them.
//!
//! Another operator's application is a 404, as if it did not exist: a 403 would reveal that it exists (docs/adr/0016).

use cee_edge::application::own;
use cee_edge::{Call, Gate, HttpFunction, Refusal, Reply};
use cee_eligibility::{ApplicationId, OperatorId};
use cee_registry::{
    Applications, Changes, ChangesPlace, ChangesRead, ClaimKeys, Deleted, Deleter, Limits, ListFilter, ListPlace,
    Operators, PepperCheck,
};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::Scope;
use http::{Method, StatusCode};

use crate::changes::{Changed, ChangesPage, WantedChanges};
use crate::list::answer::{Entry, Page};
use crate::list::format::{Format, to_csv};
use crate::list::query::Wanted;

pub mod changes;
pub mod list;
pub mod openapi;

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &[
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "CHANGES_TABLE",
    "JOURNEYS_TABLE",
    "OPERATORS_TABLE",
    "LIMITS_TABLE",
];

/// Answers `GET /v3/policies/cee`, `GET /v3/policies/cee/changes`, and `GET` and `DELETE /v3/policies/cee/{uuid}`.
#[derive(Debug)]
pub struct OwnApplications {
    gate: Gate,
    clock: Clock,
    applications: Applications,
    changes: Changes,
    deleter: Deleter,
    /// Sign the cursors of lists and of changes.
    keys: ClaimKeys,
}

impl OwnApplications {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let (db, keys) = (Aws::of_function(environment).dynamodb(), environment.claim_keys()?);
        Ok(Self {
            gate: Gate::before(
                PepperCheck::new(db.clone(), &tables, keys.clone()),
                environment,
                Operators::new(db.clone(), &tables),
                Limits::new(db.clone(), &tables),
            )
            .await?,
            clock: environment.clock()?,
            applications: Applications::new(db.clone(), &tables),
            changes: Changes::new(db.clone(), &tables),
            deleter: Deleter::new(db, &tables, keys.clone()),
            keys,
        })
    }

    async fn list(&self, call: &Call, operator: OperatorId) -> Result<Reply, Refusal> {
        let place = |text: &str, filter: &ListFilter| ListPlace::of_cursor(text, &self.keys, operator, filter);
        let wanted = Wanted::read(call.query(), place)?;
        let (found, next) = self.applications.list(operator, &wanted.filter, wanted.after, wanted.most).await?;
        let next_cursor = next.map(|next| next.cursor(&self.keys, operator, &wanted.filter));
        let next_query = next_cursor.as_deref().map(|cursor| wanted.next_query(cursor));
        let applications: Vec<Entry> = found.into_iter().map(Entry::from).collect();
        let reply = match Format::wanted(call.request().headers()) {
            Format::Json => Reply::json(StatusCode::OK, &Page { applications, next_cursor })?,
            Format::Csv => Reply::csv(StatusCode::OK, to_csv(&applications)?),
        };
        match next_query {
            Some(query) => reply.with_next(&query),
            None => Ok(reply),
        }
    }

    async fn changes(&self, call: &Call, operator: OperatorId) -> Result<Reply, Refusal> {
        let place = |text: &str| ChangesPlace::of_cursor(text, &self.keys, operator);
        let wanted = WantedChanges::read(call.query(), place)?;
        match self.changes.read(operator, wanted.since, wanted.most, self.clock.now()).await? {
            ChangesRead::Gone => Err(Refusal::CursorExpired),
            ChangesRead::Page(page) => {
                let next_cursor = page.next.cursor(&self.keys, operator);
                let changes = page.changes.into_iter().map(Changed::from).collect();
                Reply::json(StatusCode::OK, &ChangesPage { changes, next_cursor, more: page.more })
            }
        }
    }

    async fn find(&self, operator: OperatorId, uuid: ApplicationId) -> Result<Reply, Refusal> {
        let found = own(uuid, operator, &self.applications).await?;
        Reply::json(StatusCode::OK, &found.ok_or(Refusal::UnknownApplication)?)
    }

    async fn delete(&self, call: &Call, operator: OperatorId, uuid: ApplicationId) -> Result<Reply, Refusal> {
        match self.deleter.delete(operator, uuid, self.clock.now(), call.deadline()).await? {
            Deleted::Done => Ok(Reply::nothing()),
            Deleted::Unknown => Err(Refusal::UnknownApplication),
        }
    }
}

impl HttpFunction for OwnApplications {
    const NAME: &'static str = "applications";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let operator = self.gate.admit(call, Scope::Register).await?.operator;
        // API Gateway sends only its routes' paths here: `/{version}/policies/cee`, and the same with one more segment.
        let Some(name) = call.path().splitn(5, '/').nth(4) else {
            return self.list(call, operator).await;
        };
        let is_delete = call.request().method() == Method::DELETE;
        if name == "changes" && !is_delete {
            return self.changes(call, operator).await;
        }
        let uuid = ApplicationId::parse(name).ok_or(match name {
            // The other calls under this prefix, with the method of this one.
            "changes" => Refusal::NoSuchCall { path: "/policies/cee/changes", methods: &["GET"] },
            "batch" => Refusal::NoSuchCall { path: "/policies/cee/batch", methods: &["POST"] },
            "simulate" => Refusal::NoSuchCall { path: "/policies/cee/simulate", methods: &["POST"] },
            "import" => Refusal::NoSuchCall { path: "/policies/cee/import", methods: &["POST"] },
            "imports" => Refusal::NoSuchCall { path: "/policies/cee/imports", methods: &["POST", "GET"] },
            _ => Refusal::UnknownApplication,
        })?;
        if is_delete { self.delete(call, operator, uuid).await } else { self.find(operator, uuid).await }
    }
}
