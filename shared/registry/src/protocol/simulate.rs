//! Simulates whether a driver can get a certificate now. Nothing is written.

use aws_sdk_dynamodb::Client;
use cee_eligibility::{
    Blocker, Cutoffs, EarlierApplication, Identity, JourneyType, NoRoom, OperatorId, latest_blocker,
};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::claim_item::{compared_tags, no_room, same_person};
use crate::records::claim_keys::{Claim, ClaimKeys, Tag};
use crate::stores::claims::ClaimTable;

/// The result of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// Nothing blocks the driver.
    Eligible,
    /// An earlier application of the same person blocks the driver.
    Blocked(Blocker),
    /// Nothing blocks the driver, but the operator has reached its bound, or an item is full.
    NoRoom(NoRoom),
}

/// Answers whether an earlier application blocks a driver, for a call and for each row of a list of drivers. Writes nothing.
#[derive(Clone, Debug)]
pub struct Simulator {
    keys: ClaimKeys,
    claims: ClaimTable,
}

impl Simulator {
    /// A simulator of these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self { keys, claims: ClaimTable::new(db, tables) }
    }

    /// Whether an operator could register a driver now. One request, and nothing is reserved.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn simulate(
        &self,
        journey_type: JourneyType,
        identity: &Identity,
        cutoffs: &Cutoffs,
        caller: OperatorId,
        deadline: Deadline,
    ) -> Result<Simulated, StoreError> {
        let (claims, tags) = (self.keys.claims(journey_type, identity), self.keys.tags(&identity.identity_keys));
        let (mut earlier, mut full) = (Vec::new(), None);
        for item in self.claims.items_of(&claims, deadline).await? {
            earlier.extend(records(&claims, &item, &tags)?);
            full = full.or(no_room(&item, caller));
        }
        Ok(match (latest_blocker(earlier, cutoffs, caller), full) {
            (Some(blocker), _) => Simulated::Blocked(blocker),
            (None, Some(why)) => Simulated::NoRoom(why),
            (None, None) => Simulated::Eligible,
        })
    }
}

/// The records on a claim item that belong to the same person. The kind of the item decides whether keys are compared.
fn records(claims: &[Claim], item: &Item, tags: &[Tag]) -> Result<Vec<EarlierApplication>, StoreError> {
    let pk = text(item, PK);
    match claims.iter().find(|claim| Some(claim.key.as_str()) == pk) {
        Some(claim) => same_person(item, compared_tags(claim.kind, tags)),
        None => Err(StoreError::Corrupt { table: "claims", what: "a key" }),
    }
}
