//! Looks through the tables for what the claim protocol says cannot be: the invariants of the design, on the data itself.
//!
//! Reading takes time, and the tables change meanwhile. So what looks wrong is read again before it counts: a registration or
//! a delete that was in between is no finding. Findings name applications, imports and hashed keys, no driver.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{ApplicationId, Instant, JourneyType, OperatorId, Rules};

use crate::StoreError;
use crate::applications::{Application, NameTaken, get_application};
use crate::claim_item::{Granted, Item, LatestDates, PK, application_attribute, counts, granted, latest, number, text};
use crate::claims::{Claims, compared_tags};
use crate::drivers::DELETED_AT_OF_ERASED;
use crate::error::Deadline;
use crate::imports::{ImportId, audit_import};
use crate::journeys::{StoredJourney, journey_key};
use crate::keys::{Claim, ClaimKind, Tag};
use crate::pepper::is_check;
use crate::read::{batch_get, page, page_after};
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
    /// A short application's journey does not say that it carries it.
    JourneyUnclaimed(ApplicationId),
    /// A short application's journey names another phone or identity key than the application claims: it was corrected after the
    /// registration.
    JourneyCorrected(ApplicationId),
    /// A claim names an application that there is not. Here is the key of its item.
    Orphan(ApplicationId, String),
    /// A claim lies on an item to which none of its application's keys leads. Here is the key of that item.
    Misplaced(ApplicationId, String),
    /// A claim's date, operator or identity keys are not its application's. Here is the key of its item.
    Disagrees(ApplicationId, String),
    /// A latest date of the item with this key, or a count, is not that of its records.
    WrongDate(String, &'static str),
    /// The counts of an import's report do not add up.
    Miscounted(Option<OperatorId>, ImportId),
    /// An operator could read what is not its own: what is kept under its number speaks of another's. `None`: under the registry's.
    Foreign(Option<OperatorId>, &'static str),
    /// An item of this table is not what the store writes. Here is its key, where that can hold nothing personal.
    Unreadable(&'static str, String),
    /// Looking at a part panicked, and it was passed over. Here is the place where it begins, as far as that can hold nothing
    /// personal.
    PassedOver(String),
}

/// The kinds of what can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// [`Finding::GrantedTwice`]
    GrantedTwice,
    /// [`Finding::Unclaimed`]
    Unclaimed,
    /// [`Finding::JourneyUnclaimed`]
    JourneyUnclaimed,
    /// [`Finding::JourneyCorrected`]
    JourneyCorrected,
    /// [`Finding::Orphan`]
    Orphan,
    /// [`Finding::Misplaced`]
    Misplaced,
    /// [`Finding::Disagrees`]
    Disagrees,
    /// [`Finding::WrongDate`]
    WrongDate,
    /// [`Finding::Miscounted`]
    Miscounted,
    /// [`Finding::Foreign`]
    Foreign,
    /// [`Finding::Unreadable`], [`Finding::PassedOver`]
    Unreadable,
}

impl FindingKind {
    /// Every one there is.
    pub const ALL: &[Self] = &[
        Self::GrantedTwice,
        Self::Unclaimed,
        Self::JourneyUnclaimed,
        Self::JourneyCorrected,
        Self::Orphan,
        Self::Misplaced,
        Self::Disagrees,
        Self::WrongDate,
        Self::Miscounted,
        Self::Foreign,
        Self::Unreadable,
    ];

    /// Its name, in a metric and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GrantedTwice => "granted_twice",
            Self::Unclaimed => "unclaimed",
            Self::JourneyUnclaimed => "journey_unclaimed",
            Self::JourneyCorrected => "journey_corrected",
            Self::Orphan => "orphan",
            Self::Misplaced => "misplaced",
            Self::Disagrees => "disagrees",
            Self::WrongDate => "wrong_date",
            Self::Miscounted => "miscounted",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Finding {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FindingKind {
        match self {
            Self::GrantedTwice(..) => FindingKind::GrantedTwice,
            Self::Unclaimed(..) => FindingKind::Unclaimed,
            Self::JourneyUnclaimed(..) => FindingKind::JourneyUnclaimed,
            Self::JourneyCorrected(..) => FindingKind::JourneyCorrected,
            Self::Orphan(..) => FindingKind::Orphan,
            Self::Misplaced(..) => FindingKind::Misplaced,
            Self::Disagrees(..) => FindingKind::Disagrees,
            Self::WrongDate(..) => FindingKind::WrongDate,
            Self::Miscounted(..) => FindingKind::Miscounted,
            Self::Foreign(..) => FindingKind::Foreign,
            Self::Unreadable(..) | Self::PassedOver(_) => FindingKind::Unreadable,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = |operator: &Option<OperatorId>| {
            operator.map_or_else(|| "the registry".to_owned(), |o| format!("operator {o}"))
        };
        match self {
            Self::GrantedTwice(one, other) => write!(f, "granted twice: {one} and {other} are one driver's"),
            Self::Unclaimed(uuid, kind) => write!(f, "unclaimed: {uuid} has no claim on its {}", kind.as_str()),
            Self::JourneyUnclaimed(uuid) => write!(f, "journey unclaimed: the journey of {uuid} does not carry it"),
            Self::JourneyCorrected(uuid) => {
                let what = "names another phone or identity key than the application claims";
                write!(f, "journey corrected: the journey of {uuid} {what}")
            }
            Self::Orphan(uuid, key) => write!(f, "orphan: the item {key} names {uuid}, which there is not"),
            Self::Misplaced(uuid, key) => write!(f, "misplaced: the item {key} names {uuid}, which has no such key"),
            Self::Disagrees(uuid, key) => {
                write!(f, "disagrees: the item {key} gives {uuid} another date, operator or identity key than it has")
            }
            Self::WrongDate(key, attribute) => {
                write!(f, "wrong date: {attribute} of the item {key} is not what its records say")
            }
            Self::Miscounted(operator, id) => {
                write!(f, "miscounted: the report of the import {id} of {} does not add up", whose(operator))
            }
            Self::Foreign(operator, what) => write!(f, "foreign: {} could read {what}", whose(operator)),
            Self::Unreadable(table, key) => write!(f, "unreadable: the item {key} of the table of {table}"),
            Self::PassedOver(place) => write!(f, "unreadable: looking at the part after {place} panicked"),
        }
    }
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
    /// Among the imports, after this one of this operator (0: the registry); `None`: before the first.
    Imports(Option<(u32, ImportId)>),
    /// Among the reports on S3, after the one of this key; `None`: before the first. [`Claims::audit`] reaches no bucket: it neither
    /// goes there nor looks there.
    Reports(Option<String>),
    /// It has seen everything.
    End,
}

const NO_PLACE: &str = "must be a place as an audit tells it";

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Applications(after) => write!(f, "applications:{after}"),
            Self::Claims(after) => write!(f, "claims:{}", after.as_deref().unwrap_or_default()),
            Self::Imports(None) => f.write_str("imports:"),
            Self::Imports(Some((operator, id))) => write!(f, "imports:{operator}/{id}"),
            Self::Reports(after) => write!(f, "reports:{}", after.as_deref().unwrap_or_default()),
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
            Some(("imports", "")) => Ok(Self::Imports(None)),
            Some(("imports", after)) => {
                let after = after
                    .split_once('/')
                    .and_then(|(operator, id)| Some((operator.parse().ok()?, ImportId::parse(id)?)));
                after.map(|after| Self::Imports(Some(after))).ok_or(NO_PLACE)
            }
            Some(("reports", after)) => Ok(Self::Reports(Some(after.to_owned()).filter(|after| !after.is_empty()))),
            _ => Err(NO_PLACE),
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
    /// Imports that were looked at.
    pub imports: u64,
    /// Reports on S3 that were looked at.
    pub reports: u64,
    /// What is wrong. One may be found more than once.
    pub findings: BTreeSet<Finding>,
    /// Where the next part goes on.
    pub place: Place,
}

impl Audited {
    /// Of a part at which looking panicked: it goes on with the next one.
    #[must_use]
    pub fn passed_over(place: &Place, next: Place) -> Self {
        // What somebody has put there by hand may be anything.
        let place = match place {
            Place::Applications(after) if ApplicationId::parse(after).is_none() => "applications:".to_owned(),
            Place::Reports(_) => "reports:".to_owned(),
            place => place.to_string(),
        };
        Self { findings: [Finding::PassedOver(place)].into(), place: next, ..Self::default() }
    }

    /// How much was looked at.
    #[must_use]
    pub const fn items(&self) -> u64 {
        self.applications + self.claims + self.imports + self.reports
    }
}

/// What the audit knows of an application that a claim names.
struct Known {
    journey_type: Option<JourneyType>,
    operator: Option<OperatorId>,
    datetime: Option<Instant>,
    /// `None`: nobody can tell any more, for it is erased, or cannot be read.
    belongs: Option<Belongs>,
}

/// Where the claims of an application belong.
struct Belongs {
    claims: Vec<Claim>,
    /// Of its identity keys, which its record on the truncated identity carries.
    tags: Vec<Tag>,
}

impl Belongs {
    /// Its claim on the item with this key.
    fn on(&self, key: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.key == key)
    }
}

impl Claims {
    /// Looks at the next part of the tables: a hundred items. The imports too, where their table is known.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time, or holds what cannot be read.
    pub async fn audit(&self, place: &Place, rules: &Rules, deadline: Deadline) -> Result<Audited, StoreError> {
        match place {
            Place::Start => self.audit_applications(None, deadline).await,
            Place::Applications(after) => self.audit_applications(Some(after), deadline).await,
            Place::Claims(after) => self.audit_claims(after.as_deref(), rules, deadline).await,
            Place::Imports(after) if !self.tables.imports.is_empty() => self.audit_imports(*after, deadline).await,
            Place::Imports(_) | Place::Reports(_) | Place::End => {
                Ok(Audited { place: Place::End, ..Audited::default() })
            }
        }
    }

    /// Passes over the part at this place, at which looking panicked, so that one item does not keep all that comes after it from
    /// being looked at. It is found to be unreadable.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn pass_over(&self, place: &Place, deadline: Deadline) -> Result<Audited, StoreError> {
        let next = match place {
            Place::Start => self.applications_after(None, deadline).await?.1,
            Place::Applications(after) => self.applications_after(Some(after), deadline).await?.1,
            Place::Claims(after) => self.claims_after(after.as_deref(), deadline).await?.1,
            Place::Imports(after) if !self.tables.imports.is_empty() => self.imports_after(*after, deadline).await?.1,
            Place::Imports(_) | Place::Reports(_) | Place::End => Place::End,
        };
        Ok(Audited::passed_over(place, next))
    }

    async fn applications_after(
        &self,
        after: Option<&str>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Place), StoreError> {
        let (items, next) = page(&self.db, &self.tables.applications, "uuid", after, PAGE, deadline).await?;
        Ok((items, next.map_or(Place::Claims(None), Place::Applications)))
    }

    async fn audit_applications(&self, after: Option<&str>, deadline: Deadline) -> Result<Audited, StoreError> {
        let (mut items, place) = self.applications_after(after, deadline).await?;
        items.retain(|item| NameTaken::of(item).is_none());
        let mut audited = Audited { applications: items.len() as u64, place, ..Audited::default() };
        let mut applications = Vec::with_capacity(items.len());
        for item in items {
            // Its key, where it is a name of ours: what somebody has put there by hand may be anything.
            let uuid = text(&item, "uuid").and_then(ApplicationId::parse);
            match Application::from_item(item) {
                Ok(application) => applications.push(application),
                Err(_) => {
                    let key = uuid.map_or_else(|| "of no uuid".to_owned(), |uuid| uuid.to_string());
                    audited.findings.insert(Finding::Unreadable("applications", key));
                }
            }
        }
        audited.findings.extend(self.journey_findings(&applications, deadline).await?);
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

    /// What is wrong with the journeys of these applications.
    async fn journey_findings(
        &self,
        applications: &[Application],
        deadline: Deadline,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        for (uuid, suspicious) in self.look_at_journeys(applications, deadline).await? {
            // Deleted, or given a key, since it was read?
            let Some(now) = get_application(&self.db, &self.tables.applications, uuid).await? else { continue };
            let again = self.look_at_journeys(&[now], deadline).await?;
            found.extend(again.into_iter().map(|(_, finding)| finding).filter(|finding| *finding == suspicious));
        }
        Ok(found)
    }

    /// One request, where any of these applications has a journey.
    async fn look_at_journeys(
        &self,
        applications: &[Application],
        deadline: Deadline,
    ) -> Result<Vec<(ApplicationId, Finding)>, StoreError> {
        let short: Vec<(&Application, String)> =
            applications.iter().filter_map(|application| Some((application, journey_key(application)?))).collect();
        if short.is_empty() {
            return Ok(Vec::new());
        }
        let keys: BTreeSet<&str> = short.iter().map(|(_, key)| key.as_str()).collect();
        let items = batch_get(&self.db, &self.tables.journeys, PK, keys, deadline).await?;
        let items: HashMap<&str, &Item> = items.iter().filter_map(|item| Some((text(item, PK)?, item))).collect();
        let finding = |(application, key): (&Application, String)| {
            journey_finding(application, items.get(key.as_str()).copied()).map(|finding| (application.uuid, finding))
        };
        Ok(short.into_iter().filter_map(finding).collect())
    }

    /// On which of its keys an application has no claim.
    pub(crate) async fn unclaimed(
        &self,
        application: &Application,
        deadline: Deadline,
    ) -> Result<Vec<ClaimKind>, StoreError> {
        let claims = self.keys.claims(application.journey_type, &application.identity);
        self.without_record(application.uuid, &claims, deadline).await
    }

    /// Which of these claims of an application are not on their items.
    async fn without_record(
        &self,
        uuid: ApplicationId,
        claims: &[Claim],
        deadline: Deadline,
    ) -> Result<Vec<ClaimKind>, StoreError> {
        let record = application_attribute(uuid);
        let mut claimed = BTreeSet::new();
        for item in self.items(claims.iter().map(|claim| claim.key.as_str()), deadline).await? {
            if item.contains_key(&record) {
                claimed.extend(text(&item, PK).map(str::to_owned));
            }
        }
        Ok(claims.iter().filter(|claim| !claimed.contains(&claim.key)).map(|claim| claim.kind).collect())
    }

    async fn claims_after(&self, after: Option<&str>, deadline: Deadline) -> Result<(Vec<Item>, Place), StoreError> {
        let (mut items, next) = page(&self.db, &self.tables.claims, PK, after, PAGE, deadline).await?;
        items.retain(|item| !is_check(item));
        Ok((items, next.map_or(Place::Imports(None), |next| Place::Claims(Some(next)))))
    }

    async fn audit_claims(
        &self,
        after: Option<&str>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<Audited, StoreError> {
        let (items, place) = self.claims_after(after, deadline).await?;
        let mut audited = Audited { claims: items.len() as u64, place, ..Audited::default() };
        let mut named = BTreeSet::new();
        for item in &items {
            // What cannot be read is told further down.
            named.extend(granted(item).unwrap_or_default().into_iter().map(|granted| granted.uuid));
        }
        let known = self.named(&named, deadline).await?;
        for item in &items {
            let key = text(item, PK).unwrap_or_default().to_owned();
            let suspicious = findings(item, &key, &known, rules);
            if suspicious.is_empty() {
                continue;
            }
            // What has changed since it was read is seen now.
            let Some(item) = self.items([key.as_str()], deadline).await?.pop() else { continue };
            let named = granted(&item).unwrap_or_default().into_iter().map(|granted| granted.uuid).collect();
            let known = self.named(&named, deadline).await?;
            audited
                .findings
                .extend(findings(&item, &key, &known, rules).into_iter().filter(|f| suspicious.contains(f)));
        }
        Ok(audited)
    }

    async fn imports_after(
        &self,
        after: Option<(u32, ImportId)>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Place), StoreError> {
        let mut after = after.map(|(operator, id)| {
            let id = AttributeValue::S(id.to_string());
            Item::from([("operator_id".to_owned(), number(i64::from(operator))), ("import_id".to_owned(), id)])
        });
        let mut items = Vec::new();
        loop {
            let (more, last) = page_after(&self.db, &self.tables.imports, after, PAGE, deadline).await?;
            items.extend(more);
            let Some(last) = last else { return Ok((items, Place::End)) };
            let name = || {
                let operator = last.get("operator_id")?.as_n().ok()?.parse().ok()?;
                Some((operator, ImportId::parse(text(&last, "import_id")?)?))
            };
            if let Some(name) = name() {
                return Ok((items, Place::Imports(Some(name))));
            }
            // No place to come back to: what somebody has put there by hand may be anything, and a place is told.
            after = Some(last);
        }
    }

    async fn audit_imports(&self, after: Option<(u32, ImportId)>, deadline: Deadline) -> Result<Audited, StoreError> {
        let (items, place) = self.imports_after(after, deadline).await?;
        let mut audited = Audited { imports: items.len() as u64, place, ..Audited::default() };
        for item in &items {
            audited.findings.extend(audit_import(item));
        }
        Ok(audited)
    }

    /// What there is of those applications that there are: live, or erased to a trace, which says nothing of whose it was.
    async fn named(
        &self,
        named: &BTreeSet<ApplicationId>,
        deadline: Deadline,
    ) -> Result<HashMap<ApplicationId, Known>, StoreError> {
        let mut known = self.named_in(&self.tables.applications, named, deadline).await?;
        let missing: BTreeSet<_> = named.iter().filter(|uuid| !known.contains_key(uuid)).copied().collect();
        known.extend(self.named_in(&self.tables.archive, &missing, deadline).await?);
        Ok(known)
    }

    async fn named_in(
        &self,
        table: &str,
        named: &BTreeSet<ApplicationId>,
        deadline: Deadline,
    ) -> Result<HashMap<ApplicationId, Known>, StoreError> {
        let mut known = HashMap::new();
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        for named in named.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            for item in batch_get(&self.db, table, "uuid", named.iter().map(String::as_str), deadline).await? {
                // A deleted application has no claims; one that is erased keeps them, unless it was deleted before. One that
                // cannot be read is there all the same.
                let is_live = table == self.tables.applications && NameTaken::of(&item).is_none();
                let is_erased = item.contains_key("erased_at") && !item.contains_key(DELETED_AT_OF_ERASED);
                let Some(uuid) = text(&item, "uuid").and_then(ApplicationId::parse) else { continue };
                if !is_live && !is_erased {
                    continue;
                }
                let journey_type = text(&item, "journey_type").and_then(|word| JourneyType::parse(word).ok());
                let operator = item.get("operator_id").and_then(|id| id.as_n().ok());
                let operator = operator.and_then(|id| OperatorId::parse(id).ok());
                let datetime = latest(&item, "datetime");
                let application = Application::from_item(item).ok();
                let belongs = application.map(|Application { journey_type, identity, .. }| Belongs {
                    claims: self.keys.claims(journey_type, &identity),
                    tags: self.keys.tags(&identity.identity_keys),
                });
                known.insert(uuid, Known { journey_type, operator, datetime, belongs });
            }
        }
        Ok(known)
    }

    /// Takes a record that stands for nothing out of a claim item, and says whether it did: that of an application that there is
    /// not, or that has all its claims on other items. Not where the item has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn remove_stray(&self, uuid: ApplicationId, key: &str, deadline: Deadline) -> Result<bool, StoreError> {
        let Some(item) = self.items([key], deadline).await?.pop() else { return Ok(false) };
        // After the item and not before: an application that is registered, or given a key, from now on gives the item a new
        // stamp.
        if let Some(known) = self.named(&BTreeSet::from([uuid]), deadline).await?.get(&uuid) {
            let Some(belongs) = known.belongs.as_ref().filter(|belongs| belongs.on(key).is_none()) else {
                return Ok(false);
            };
            // Under another pepper every record looks misplaced, and none is where it is looked for.
            if !self.without_record(uuid, &belongs.claims, deadline).await?.is_empty() {
                return Ok(false);
            }
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

/// What is wrong with an application's journey.
fn journey_finding(application: &Application, item: Option<&Item>) -> Option<Finding> {
    let uuid = application.uuid;
    let Some(item) = item.filter(|item| text(item, "used_by").and_then(ApplicationId::parse) == Some(uuid)) else {
        return Some(Finding::JourneyUnclaimed(uuid));
    };
    match StoredJourney::from_item(item.clone()) {
        Ok(Some(stored)) if stored.journey.is_driven_by(&application.identity) => None,
        Ok(Some(_)) => Some(Finding::JourneyCorrected(uuid)),
        // Its driver is erased.
        Ok(None) => None,
        // Its own key may be anything that the operator has chosen.
        Err(_) => Some(Finding::Unreadable("journeys", format!("that {uuid} uses"))),
    }
}

/// What is wrong with an item, by what is known of the applications that it names.
fn findings(item: &Item, key: &str, known: &HashMap<ApplicationId, Known>, rules: &Rules) -> BTreeSet<Finding> {
    let (Ok(records), Ok(dates), Ok(counts)) = (granted(item), LatestDates::of(item), counts(item)) else {
        return [Finding::Unreadable("claims", key.to_owned())].into();
    };
    let mut found = BTreeSet::new();
    let mut live: BTreeMap<(Instant, ApplicationId), Granted> = BTreeMap::new();
    for mut granted in records {
        let Some(application) = known.get(&granted.uuid) else {
            found.insert(Finding::Orphan(granted.uuid, key.to_owned()));
            continue;
        };
        // Who asks is told all of its own application by the claim's word, and of another's nothing but date and reason.
        let mut agrees =
            application.operator == Some(granted.operator) && application.datetime == Some(granted.datetime);
        if let Some(belongs) = &application.belongs {
            let Some(claim) = belongs.on(key) else {
                // In somebody else's way, and no second one of that driver's.
                found.insert(Finding::Misplaced(granted.uuid, key.to_owned()));
                continue;
            };
            let tags = compared_tags(claim.kind, &belongs.tags);
            agrees &= granted.tags == tags;
            // Whether two are one person their applications say: a record with a wrong tag may be why there are two.
            granted.tags = tags.to_vec();
        }
        if !agrees {
            found.insert(Finding::Disagrees(granted.uuid, key.to_owned()));
        }
        live.insert((granted.datetime, granted.uuid), granted);
    }
    for (number, later) in live.values().enumerate() {
        let Some(journey_type) = known.get(&later.uuid).and_then(|known| known.journey_type) else { continue };
        let cutoff = rules.cutoffs(journey_type, later.datetime).standardized;
        for earlier in live.values().take(number) {
            if earlier.datetime >= cutoff && !cee_eligibility::identity::keys_differ(&earlier.tags, &later.tags) {
                let (one, other) = (earlier.uuid.min(later.uuid), earlier.uuid.max(later.uuid));
                found.insert(Finding::GrantedTwice(one, other));
            }
        }
    }
    for (attribute, expected) in dates.attributes() {
        if latest(item, attribute) != expected {
            found.insert(Finding::WrongDate(key.to_owned(), attribute));
        }
    }
    for (attribute, _) in counts {
        // Not all of it: the rest is an operator's number.
        let kind = if attribute.starts_with('d') { "d#" } else { "n#" };
        found.insert(Finding::WrongDate(key.to_owned(), kind));
    }
    found
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
            Place::Imports(None),
            Place::Imports(Some((7, ImportId::from_bytes([7; 16])))),
            Place::Reports(None),
            Place::Reports(Some("reports/7/a:b.json".to_owned())),
            Place::End,
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for nowhere in ["", "middle", "started", "claim:x", "end:", "imports:x", "imports:7/x"] {
            assert!(nowhere.parse::<Place>().is_err(), "{nowhere}");
        }
    }
}
