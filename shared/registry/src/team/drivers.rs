//! What the registry holds about one driver, and how it is erased.
//!
//! Both are for the registry's team, which the law obliges to tell and to erase. They take a licence, an identity key or a
//! truncated identity. What a claim item says is found by its key; the archive, the journeys and the first answers have no such
//! key and are read whole.
//!
//! Erasing takes away everything that names the driver and leaves what the scheme's controls need: that an application was
//! granted, to which operator, for which date, and the claims, whose keys are hashes under a secret. So the driver stays known
//! to have had the certificate, by nothing that tells who it was.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{
    ApplicationId, DrivingLicense, EarlierApplication, IdentityKey, Instant, JourneyType, OperatorId, TruncatedIdentity,
};

use crate::StoreError;
use crate::applications::{Application, get_application};
use crate::claim_item::{Item, PK, date, number, same_person, text};
use crate::claims::{Claims, compared_tags};
use crate::delete::DELETED_AT;
use crate::error::{Backoff, Deadline};
use crate::idempotency::ANSWER;
use crate::journeys::{OwnJourney, WITHOUT_DRIVER, change_own_journey, journey_key};
use crate::keys::ClaimKind;
use crate::rewrite::{TOO_LARGE, Transacted, transact};

/// By what a driver is looked for. Personal data.
#[derive(Clone)]
pub struct Sought {
    /// The licence.
    pub driving_license: Option<DrivingLicense>,
    /// The identity key.
    pub identity_key: Option<IdentityKey>,
    /// The truncated identity, which up to a hundred phones and many names share.
    pub truncated: Option<TruncatedIdentity>,
}

/// One thing that a claim item says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    /// Which certificate.
    pub journey_type: JourneyType,
    /// By which kind of key it was found.
    pub kind: ClaimKind,
    /// Its date.
    pub datetime: Instant,
    /// Whose it is.
    pub operator: OperatorId,
    /// Its name, of a standardized one; a specific one has none.
    pub uuid: Option<ApplicationId>,
}

/// An application in the archive.
#[derive(Clone, Debug)]
pub struct Archived {
    /// The application.
    pub application: Application,
    /// When it was deleted.
    pub deleted_at: Instant,
}

/// A journey with the driver's identity key or truncated phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldJourney {
    /// Its operator and the operator's name for it.
    pub key: String,
    /// The registry's number for it.
    pub journey_id: u64,
}

/// Everything that the registry holds about one driver. Personal data.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// What the claims say.
    pub recorded: BTreeSet<Recorded>,
    /// The applications that they name, as far as they are this driver's: not those of who only shares a truncated identity.
    pub applications: Vec<Application>,
    /// Those that were deleted.
    pub archived: Vec<Archived>,
    /// Journeys that carry the identity key, or the truncated phone: then perhaps somebody else's.
    pub journeys: Vec<HeldJourney>,
}

/// What an erasure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The applications of which only a trace is left.
    pub applications: Vec<ApplicationId>,
    /// How many remembered answers went.
    pub answers: usize,
    /// How many journeys lost their driver.
    pub journeys: usize,
    /// Applications that somebody deleted or erased meanwhile: another erasure finds them in the archive.
    pub missed: Vec<ApplicationId>,
}

impl Claims {
    /// Everything that is held about a driver. Reads the archive and the journeys whole.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time, or holds something else.
    pub async fn held(&self, sought: &Sought, deadline: Deadline) -> Result<Held, StoreError> {
        let mut held = Held::default();
        for journey_type in JourneyType::ALL {
            let keys = self.keys_of(journey_type, sought);
            for item in self.items(keys.iter().map(|(_, key)| key.as_str()), deadline).await? {
                let pk = text(&item, PK);
                let kind = keys.iter().find(|(_, key)| Some(key.as_str()) == pk).map(|(kind, _)| *kind);
                let kind = kind.ok_or(StoreError::Corrupt { table: "claims", what: "a key" })?;
                let tags: Vec<_> = sought.identity_key.iter().map(|key| self.keys.tag(key)).collect();
                for earlier in same_person(&item, compared_tags(kind, &tags))? {
                    let uuid = match earlier {
                        EarlierApplication::Standardized { uuid, .. } => Some(uuid),
                        EarlierApplication::Specific { .. } => None,
                    };
                    let (datetime, operator) = (earlier.datetime(), earlier.operator());
                    held.recorded.insert(Recorded { journey_type, kind, datetime, operator, uuid });
                }
            }
        }
        let named: BTreeSet<ApplicationId> = held.recorded.iter().filter_map(|recorded| recorded.uuid).collect();
        for uuid in named {
            let found = get_application(&self.db, &self.tables.applications, uuid).await?;
            held.applications.extend(found.filter(|application| sought.is(application)));
        }
        let archive = self.db.scan().table_name(&self.tables.archive);
        each(archive, |mut item| {
            // What is erased has no name any more.
            let Some(at) = item.remove(DELETED_AT).and_then(|at| at.as_n().ok()?.parse().ok()) else { return Ok(()) };
            let deleted_at =
                Instant::from_millis(at).ok_or(StoreError::Corrupt { table: "archive", what: "a date" })?;
            let application = Application::from_item(item)?;
            if sought.is(&application) {
                held.archived.push(Archived { application, deleted_at });
            }
            Ok(())
        })
        .await?;
        let Some(journeys) = sought.journeys(self.db.scan().table_name(&self.tables.journeys)) else { return Ok(held) };
        each(journeys, |item| {
            let corrupt = || StoreError::Corrupt { table: "journeys", what: "an attribute" };
            let key = text(&item, PK).ok_or_else(corrupt)?.to_owned();
            let journey_id = item.get("journey_id").and_then(|id| id.as_n().ok()?.parse().ok());
            held.journeys.push(HeldJourney { key, journey_id: journey_id.ok_or_else(corrupt)? });
            Ok(())
        })
        .await?;
        Ok(held)
    }

    fn keys_of(&self, journey_type: JourneyType, sought: &Sought) -> Vec<(ClaimKind, String)> {
        let truncated = sought.truncated.as_ref().map(|t| self.keys.truncated_identity(journey_type, t));
        let license = sought.driving_license.as_ref().map(|l| self.keys.driving_license(journey_type, l));
        let key = sought.identity_key.as_ref().map(|k| self.keys.identity_key(journey_type, k));
        let keys = [
            (ClaimKind::TruncatedIdentity, truncated),
            (ClaimKind::DrivingLicense, license),
            (ClaimKind::IdentityKey, key),
        ];
        keys.into_iter().filter_map(|(kind, key)| key.map(|key| (kind, key))).collect()
    }

    /// Erases applications, live and deleted: of each a trace is left in the archive, with the reason. Their journeys lose their
    /// driver, and so do others with the identity key; answers that are remembered of them go. May be repeated.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time; what was erased before it stays so.
    pub async fn erase(
        &self,
        held: &Held,
        reason: &str,
        now: Instant,
        deadline: Deadline,
    ) -> Result<Erased, StoreError> {
        let mut erased = Erased { applications: Vec::new(), answers: 0, journeys: 0, missed: Vec::new() };
        for application in &held.applications {
            let done = self.erase_application(application, reason, now, deadline).await?;
            let list = if done { &mut erased.applications } else { &mut erased.missed };
            list.push(application.uuid);
        }
        for Archived { application, deleted_at } in &held.archived {
            let mut trace = trace(application, reason, now);
            trace.insert(DELETED_AT_OF_ERASED.to_owned(), date(*deleted_at));
            let put = self.db.put_item().table_name(&self.tables.archive).set_item(Some(trace));
            put.send().await.map_err(|error| StoreError::request("PutItem", &error))?;
            erased.applications.push(application.uuid);
        }
        let own = held.archived.iter().filter_map(|archived| journey_key(&archived.application));
        // Found by the identity key, they are this driver's. The journey of a deleted application is free, and perhaps used again
        // by another: then it is that one's.
        let keys: BTreeSet<String> = held.journeys.iter().map(|journey| journey.key.clone()).chain(own).collect();
        for key in keys {
            let update = self.db.update_item().table_name(&self.tables.journeys).key(PK, AttributeValue::S(key));
            let update = update.update_expression(WITHOUT_DRIVER);
            let sent =
                update.condition_expression("attribute_exists(phone_trunc) AND attribute_not_exists(used_by)").send();
            match sent.await {
                Ok(_) => erased.journeys += 1,
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(StoreError::request("UpdateItem", &error)),
                },
            }
        }
        let mut answers = Vec::new();
        each(self.db.scan().table_name(&self.tables.idempotency), |item| {
            let answer = text(&item, ANSWER);
            let is_about = |uuid: &ApplicationId| answer.is_some_and(|answer| answer.contains(&uuid.to_string()));
            if erased.applications.iter().any(is_about) {
                answers.extend(item.get(PK).cloned());
            }
            Ok(())
        })
        .await?;
        for pk in answers {
            let delete = self.db.delete_item().table_name(&self.tables.idempotency).key(PK, pk);
            delete.send().await.map_err(|error| StoreError::request("DeleteItem", &error))?;
            erased.answers += 1;
        }
        Ok(erased)
    }

    /// The application out of its table, its trace into the archive, its journey without a driver. Its claims stay. `false`: it is
    /// not in its table any more.
    async fn erase_application(
        &self,
        application: &Application,
        reason: &str,
        now: Instant,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        let mut backoff = Backoff::until(deadline);
        let mut application = application.clone();
        loop {
            let mut items = Vec::from(self.to_archive(&application, trace(&application, reason, now))?);
            items.extend(change_own_journey(&self.tables.journeys, &application, OwnJourney::Erase)?);
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(true),
                Transacted::Unknown(heard) => backoff.note(heard),
                Transacted::NoRoom => return Err(TOO_LARGE),
                Transacted::Lost(_) => {}
            }
            match get_application(&self.db, &self.tables.applications, application.uuid).await? {
                Some(now) => application = now,
                // By a try whose answer was lost, or deleted meanwhile: then it is in the archive, for the next call to find.
                None => return Ok(backoff.heard().is_some()),
            }
            backoff.pause().await?;
        }
    }
}

/// When a deleted application that is erased was deleted. Another name than that of one that can still be read.
pub(crate) const DELETED_AT_OF_ERASED: &str = "was_deleted_at";

/// What stays of an application: what the scheme's controls need and nothing more.
fn trace(application: &Application, reason: &str, now: Instant) -> Item {
    let mut trace = Item::from([
        ("uuid".to_owned(), AttributeValue::S(application.uuid.to_string())),
        ("operator_id".to_owned(), number(i64::from(application.operator.get()))),
        ("journey_type".to_owned(), AttributeValue::S(application.journey_type.as_str().to_owned())),
        ("datetime".to_owned(), date(application.datetime)),
        ("registered_at".to_owned(), date(application.registered_at)),
        ("erased_at".to_owned(), date(now)),
        ("reason".to_owned(), AttributeValue::S(reason.to_owned())),
    ]);
    if let Some(journey) = &application.journey {
        trace.insert("journey_id".to_owned(), AttributeValue::N(journey.journey_id.to_string()));
    }
    trace
}

/// Reads a table page by page, however large it is.
async fn each(scan: ScanFluentBuilder, mut look: impl FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut items = scan.consistent_read(true).into_paginator().items().send();
    while let Some(item) = items.next().await {
        look(item.map_err(|error| StoreError::request("Scan", &error))?)?;
    }
    Ok(())
}

impl Sought {
    /// Whether an application is this driver's, to be told in full. Where a licence or a key is given, one of them decides: who
    /// only shares the truncated identity is perhaps somebody else, of whom nothing may be told.
    fn is(&self, application: &Application) -> bool {
        let identity = &application.identity;
        if self.driving_license.is_none() && self.identity_key.is_none() {
            return self.truncated.as_ref().is_some_and(|truncated| *truncated == identity.truncated);
        }
        let same_key = self.identity_key.as_ref().is_some_and(|key| identity.identity_keys.contains(key));
        let same_license = self.driving_license.is_some() && self.driving_license == identity.driving_license;
        same_key || same_license
    }

    /// The journeys that carry this driver's identity key, or the truncated phone and no other key.
    fn journeys(&self, scan: ScanFluentBuilder) -> Option<ScanFluentBuilder> {
        let key = self.identity_key.as_ref().map(|key| AttributeValue::B(key.as_bytes().to_vec().into()));
        let phone = self.truncated.as_ref().map(|t| AttributeValue::S(t.phone_trunc.as_str().to_owned()));
        let filter = match (&key, &phone) {
            (Some(_), Some(_)) => {
                "identity_key = :key OR (attribute_not_exists(identity_key) AND phone_trunc = :phone)"
            }
            (Some(_), None) => "identity_key = :key",
            (None, Some(_)) => "phone_trunc = :phone",
            (None, None) => return None,
        };
        let values = [(":key", key), (":phone", phone)].into_iter();
        let values = values.filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect();
        Some(scan.filter_expression(filter).set_expression_attribute_values(Some(values)))
    }
}
