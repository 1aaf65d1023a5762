//! Looks through the tables for what the claim protocol says cannot be: the invariants 1 and 2 of the design, on the data itself.
//!
//! Reading takes time, and the tables change meanwhile. So what looks wrong is read again before it counts: a registration or
//! a delete that was in between is no finding. Findings name applications and hashed keys, no driver.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use cee_eligibility::{ApplicationId, Instant, JourneyType, Rules};

use crate::StoreError;
use crate::applications::{Application, get_application};
use crate::claim_item::{Granted, Item, LatestDates, PK, application_attribute, granted, latest, text};
use crate::claims::Claims;
use crate::error::Deadline;
use crate::keys::ClaimKind;
use crate::read::{batch_get, page};
use crate::rewrite::{Rewrite, Transacted, transact};

/// How many items are looked at with one request: what DynamoDB gives in one batch.
const PAGE: i32 = 100;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Two live applications of one person stand within one another's window.
    GrantedTwice(ApplicationId, ApplicationId),
    /// An application lacks the claim on one of its keys.
    Unclaimed(ApplicationId, ClaimKind),
    /// A claim names an application that there is not. Here is the key of its item.
    Orphan(ApplicationId, String),
    /// A latest date of the item with this key is not that of its records.
    WrongDate(String, &'static str),
}

/// Where an audit is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// It begins.
    #[default]
    Start,
    /// Among the applications, after this one.
    Applications(String),
    /// Among the claims, after the item with this key; `None`: before the first.
    Claims(Option<String>),
    /// It has seen everything.
    End,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Applications(after) => write!(f, "applications:{after}"),
            Self::Claims(after) => write!(f, "claims:{}", after.as_deref().unwrap_or_default()),
            Self::End => f.write_str("end"),
        }
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "start" => Ok(Self::Start),
            None if text == "end" => Ok(Self::End),
            Some(("applications", after)) => Ok(Self::Applications(after.to_owned())),
            Some(("claims", after)) => Ok(Self::Claims(Some(after.to_owned()).filter(|after| !after.is_empty()))),
            _ => Err("must be a place as an audit tells it"),
        }
    }
}

/// What a part of an audit came to.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// Applications that were looked at.
    pub applications: u64,
    /// Claim items that were looked at.
    pub claims: u64,
    /// What is wrong. One may be found more than once.
    pub findings: BTreeSet<Finding>,
    /// Where the next part goes on.
    pub place: Place,
}

impl Claims {
    /// Looks at the next part of the tables: a hundred items.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time, or holds what cannot be read.
    pub async fn audit(&self, place: &Place, rules: &Rules, deadline: Deadline) -> Result<Audited, StoreError> {
        match place {
            Place::Start => self.audit_applications(None, deadline).await,
            Place::Applications(after) => self.audit_applications(Some(after), deadline).await,
            Place::Claims(after) => self.audit_claims(after.as_deref(), rules, deadline).await,
            Place::End => Ok(Audited { place: Place::End, ..Audited::default() }),
        }
    }

    async fn audit_applications(&self, after: Option<&String>, deadline: Deadline) -> Result<Audited, StoreError> {
        let (items, next) =
            page(&self.db, &self.tables.applications, "uuid", after.map(String::as_str), PAGE, deadline).await?;
        let mut audited =
            Audited { place: next.map_or(Place::Claims(None), Place::Applications), ..Audited::default() };
        let applications = items.into_iter().map(Application::from_item).collect::<Result<Vec<_>, _>>()?;
        audited.applications = applications.len() as u64;
        for application in applications {
            for kind in self.unclaimed(&application, deadline).await? {
                // Deleted, or given a key, since it was read?
                let again = get_application(&self.db, &self.tables.applications, application.uuid).await?;
                if let Some(now) = again
                    && self.unclaimed(&now, deadline).await?.contains(&kind)
                {
                    audited.findings.insert(Finding::Unclaimed(application.uuid, kind));
                }
            }
        }
        Ok(audited)
    }

    /// On which of its keys an application has no claim.
    async fn unclaimed(&self, application: &Application, deadline: Deadline) -> Result<Vec<ClaimKind>, StoreError> {
        let claims = self.keys.claims(application.journey_type, &application.identity);
        let record = application_attribute(application.uuid);
        let mut claimed = BTreeSet::new();
        for item in self.items(claims.iter().map(|claim| claim.key.as_str()), deadline).await? {
            if item.contains_key(&record) {
                claimed.extend(text(&item, PK).map(str::to_owned));
            }
        }
        Ok(claims.into_iter().filter(|claim| !claimed.contains(&claim.key)).map(|claim| claim.kind).collect())
    }

    async fn audit_claims(
        &self,
        after: Option<&str>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let (items, next) = page(&self.db, &self.tables.claims, PK, after, PAGE, deadline).await?;
        let mut audited = Audited {
            claims: items.len() as u64,
            place: next.map_or(Place::End, |next| Place::Claims(Some(next))),
            ..Audited::default()
        };
        let mut named = BTreeSet::new();
        for item in &items {
            named.extend(granted(item)?.into_iter().map(|granted| granted.uuid));
        }
        let known = self.journey_types(&named, deadline).await?;
        for item in &items {
            let key = text(item, PK).unwrap_or_default().to_owned();
            let suspicious = findings(item, &key, &known, rules)?;
            if suspicious.is_empty() {
                continue;
            }
            // What has changed since it was read is seen now.
            let Some(item) = self.items([key.as_str()], deadline).await?.pop() else { continue };
            let named = granted(&item)?.into_iter().map(|granted| granted.uuid).collect();
            let known = self.journey_types(&named, deadline).await?;
            audited
                .findings
                .extend(findings(&item, &key, &known, rules)?.into_iter().filter(|f| suspicious.contains(f)));
        }
        Ok(audited)
    }

    /// The kinds of those applications that there are, live or erased to a trace.
    async fn journey_types(
        &self,
        named: &BTreeSet<ApplicationId>,
        deadline: Deadline,
    ) -> Result<HashMap<ApplicationId, JourneyType>, StoreError> {
        let mut known = self.types_in(&self.tables.applications, named, deadline).await?;
        let missing: BTreeSet<_> = named.iter().filter(|uuid| !known.contains_key(uuid)).copied().collect();
        known.extend(self.types_in(&self.tables.archive, &missing, deadline).await?);
        Ok(known)
    }

    async fn types_in(
        &self,
        table: &str,
        named: &BTreeSet<ApplicationId>,
        deadline: Deadline,
    ) -> Result<HashMap<ApplicationId, JourneyType>, StoreError> {
        let mut known = HashMap::new();
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        for named in named.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            for item in batch_get(&self.db, table, "uuid", named.iter().map(String::as_str), deadline).await? {
                // A deleted application has no claims; one that is erased keeps them.
                let counts = table == self.tables.applications || item.contains_key("erased_at");
                let uuid = text(&item, "uuid").and_then(ApplicationId::parse);
                let journey_type = text(&item, "journey_type").and_then(|word| JourneyType::parse(word).ok());
                if counts && let (Some(uuid), Some(journey_type)) = (uuid, journey_type) {
                    known.insert(uuid, journey_type);
                }
            }
        }
        Ok(known)
    }

    /// Takes the record of an application that there is not out of a claim item, and says whether it did: not where the item
    /// has changed meanwhile, or the application is there after all.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn remove_orphan(&self, uuid: ApplicationId, key: &str, deadline: Deadline) -> Result<bool, StoreError> {
        let Some(item) = self.items([key], deadline).await?.pop() else { return Ok(false) };
        // After the item and not before: an application that is registered from now on gives the item a new stamp.
        if self.journey_types(&BTreeSet::from([uuid]), deadline).await?.contains_key(&uuid) {
            return Ok(false);
        }
        let mut rewrite = Rewrite::of(&item)?;
        rewrite.remove(&application_attribute(uuid));
        if rewrite.is_empty() {
            return Ok(false);
        }
        let change = rewrite.change()?.in_transaction(&self.tables.claims)?;
        Ok(matches!(transact(&self.db, vec![change]).await?, Transacted::Done))
    }
}

/// What is wrong with an item, by what is known of the applications that it names.
fn findings(
    item: &Item,
    key: &str,
    known: &HashMap<ApplicationId, JourneyType>,
    rules: &Rules,
) -> Result<BTreeSet<Finding>, StoreError> {
    let mut found = BTreeSet::new();
    let mut live: BTreeMap<(Instant, ApplicationId), Granted<'_>> = BTreeMap::new();
    for granted in granted(item)? {
        if known.contains_key(&granted.uuid) {
            live.insert((granted.datetime, granted.uuid), granted);
        } else {
            found.insert(Finding::Orphan(granted.uuid, key.to_owned()));
        }
    }
    for (number, later) in live.values().enumerate() {
        let Some(journey_type) = known.get(&later.uuid) else { continue };
        let cutoff = rules.cutoffs(*journey_type, later.datetime).standardized;
        for earlier in live.values().take(number) {
            if earlier.datetime >= cutoff && !cee_eligibility::identity::keys_differ(earlier.tag, later.tag) {
                let (one, other) = (earlier.uuid.min(later.uuid), earlier.uuid.max(later.uuid));
                found.insert(Finding::GrantedTwice(one, other));
            }
        }
    }
    for (attribute, expected) in LatestDates::of(item)?.attributes() {
        if latest(item, attribute) != expected {
            found.insert(Finding::WrongDate(key.to_owned(), attribute));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_and_read_back() {
        let after = Some("x:y".to_owned());
        for place in [
            Place::Start,
            Place::Applications("1c9d8b1e".to_owned()),
            Place::Claims(None),
            Place::Claims(after),
            Place::End,
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for nowhere in ["", "middle", "started", "claim:x", "end:"] {
            assert!(nowhere.parse::<Place>().is_err(), "{nowhere}");
        }
    }
}
