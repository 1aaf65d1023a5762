//! The registry's data about one driver, for the registry's team, which must disclose it by law.
//!
//! The team searches by a licence, an identity key or a truncated identity. These lead to the claim items. The archive and the journeys
//! have no such key, so they are read completely.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{
    ApplicationId, DrivingLicense, EarlierApplication, IdentityKey, Instant, JourneyType, OperatorId, TruncatedIdentity,
};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{PK, text};
use crate::dynamo::read::each;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::application::Application;
use crate::records::archive::DELETED_AT;
use crate::records::claim_item::{compared_tags, same_person};
use crate::records::claim_keys::{ClaimKeys, ClaimKind};
use crate::stores::applications::Applications;
use crate::stores::archive::Archive;
use crate::stores::claims::ClaimTable;
use crate::stores::journeys::Journeys;

/// The data by which the team searches for a driver. Personal data.
#[derive(Clone)]
pub struct DriverQuery {
    /// The licence.
    pub driving_license: Option<DrivingLicense>,
    /// The identity key.
    pub identity_key: Option<IdentityKey>,
    /// The truncated identity, which up to a hundred phones and many names share.
    pub truncated: Option<TruncatedIdentity>,
}

/// A record on a claim item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The kind of key that led to it.
    pub kind: ClaimKind,
    /// The application's date.
    pub datetime: Instant,
    /// The operator that registered or imported it.
    pub operator: OperatorId,
    /// The UUID of a standardized application; a specific application has none.
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
pub struct DriverJourney {
    /// The operator's number and its ID of the journey.
    pub key: String,
    /// The registry's number of the journey.
    pub journey_id: u64,
    /// The application that uses it or, if that was erased, used it.
    pub used_by: Option<ApplicationId>,
}

/// All data of the registry about one driver. Personal data.
#[derive(Clone, Debug, Default)]
pub struct DriverData {
    /// The records on claim items.
    pub recorded: BTreeSet<Recorded>,
    /// The applications of these records that are this driver's, without those of drivers who only share a truncated identity.
    pub applications: Vec<Application>,
    /// The deleted applications.
    pub archived: Vec<Archived>,
    /// Journeys with the identity key, or with the truncated phone only, which may be another driver's.
    pub journeys: Vec<DriverJourney>,
}

/// Finds the data about a driver.
#[derive(Clone, Debug)]
pub struct DriverFinder {
    keys: ClaimKeys,
    claims: ClaimTable,
    applications: Applications,
    archive: Archive,
    journeys: Journeys,
}

impl DriverFinder {
    /// A finder in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self {
            keys,
            claims: ClaimTable::new(db.clone(), tables),
            applications: Applications::new(db.clone(), tables),
            archive: Archive::new(db.clone(), tables),
            journeys: Journeys::new(db, tables),
        }
    }

    /// All data about a driver. It reads the archive and the journeys completely.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or if an item is malformed.
    pub async fn find(&self, query: &DriverQuery, deadline: Deadline) -> Result<DriverData, StoreError> {
        let mut data = DriverData::default();
        for journey_type in JourneyType::ALL {
            let keys = self.keys_of(journey_type, query);
            for item in self.claims.table.items(keys.iter().map(|(_, key)| key.as_str()), deadline).await? {
                let pk = text(&item, PK);
                let kind = keys.iter().find(|(_, key)| Some(key.as_str()) == pk).map(|(kind, _)| *kind);
                let kind = kind.ok_or(StoreError::Corrupt { table: "claims", what: "a key" })?;
                let tags: Vec<_> = query.identity_key.iter().map(|key| self.keys.tag(key)).collect();
                for earlier in same_person(&item, compared_tags(kind, &tags))? {
                    let uuid = match earlier {
                        EarlierApplication::Standardized { uuid, .. } => Some(uuid),
                        EarlierApplication::Specific { .. } => None,
                    };
                    let (datetime, operator) = (earlier.datetime(), earlier.operator());
                    data.recorded.insert(Recorded { journey_type, kind, datetime, operator, uuid });
                }
            }
        }
        let named: BTreeSet<ApplicationId> = data.recorded.iter().filter_map(|recorded| recorded.uuid).collect();
        for uuid in named {
            let found = self.applications.find(uuid).await?;
            data.applications.extend(found.filter(|application| query.is(application)));
        }
        each(self.archive.table.scan(), |mut item| {
            // An erased application has no `deleted_at`.
            let Some(at) = item.remove(DELETED_AT).and_then(|at| at.as_n().ok()?.parse().ok()) else { return Ok(()) };
            let deleted_at =
                Instant::from_millis(at).ok_or(StoreError::Corrupt { table: "archive", what: "a date" })?;
            let application = Application::from_item(item)?;
            if query.is(&application) {
                data.archived.push(Archived { application, deleted_at });
            }
            Ok(())
        })
        .await?;
        let Some(journeys) = query.journeys(self.journeys.table.scan()) else { return Ok(data) };
        each(journeys, |item| {
            let corrupt = || StoreError::Corrupt { table: "journeys", what: "an attribute" };
            let key = text(&item, PK).ok_or_else(corrupt)?.to_owned();
            let journey_id = item.get("journey_id").and_then(|id| id.as_n().ok()?.parse().ok());
            let used_by =
                text(&item, "used_by").map(|uuid| ApplicationId::parse(uuid).ok_or_else(corrupt)).transpose()?;
            data.journeys.push(DriverJourney { key, journey_id: journey_id.ok_or_else(corrupt)?, used_by });
            Ok(())
        })
        .await?;
        Ok(data)
    }

    fn keys_of(&self, journey_type: JourneyType, query: &DriverQuery) -> Vec<(ClaimKind, String)> {
        let truncated = query.truncated.as_ref().map(|t| self.keys.truncated_identity(journey_type, t));
        let license = query.driving_license.as_ref().map(|l| self.keys.driving_license(journey_type, l));
        let key = query.identity_key.as_ref().map(|k| self.keys.identity_key(journey_type, k));
        let keys = [
            (ClaimKind::TruncatedIdentity, truncated),
            (ClaimKind::DrivingLicense, license),
            (ClaimKind::IdentityKey, key),
        ];
        keys.into_iter().filter_map(|(kind, key)| key.map(|key| (kind, key))).collect()
    }
}

impl DriverQuery {
    /// Whether an application is this driver's and may be disclosed in full. If a licence or a key is given, one of them must match: an
    /// application that only shares the truncated identity may be another driver's, whose data must not be disclosed.
    fn is(&self, application: &Application) -> bool {
        let identity = &application.identity;
        if self.driving_license.is_none() && self.identity_key.is_none() {
            return self.truncated.as_ref().is_some_and(|truncated| *truncated == identity.truncated);
        }
        let same_key = self.identity_key.as_ref().is_some_and(|key| identity.identity_keys.contains(key));
        let same_license = self.driving_license.is_some() && self.driving_license == identity.driving_license;
        same_key || same_license
    }

    /// The journeys with this driver's identity key, or with the truncated phone and no other key.
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
