//! Properties that must hold in every state, and examples that must occur in some state.

use stateright::Property;

use super::*;

/// Invariant 1 of docs/protocol.md. It uses the shorter of two windows, because an application that was granted under the old law stays
/// valid.
pub(crate) const ONE_EACH: &str = "no two live applications of one person stand within one another's window";
/// Invariant 1 at the moment of granting: under the law of the call, and against history too.
pub(crate) const GRANTED_RIGHTLY: &str = "nothing is granted that an application on the tables blocks";
/// Invariant 1 at the moment of granting, against history.
pub(crate) const NOT_AGAINST_HISTORY: &str = "nothing is granted that history on the tables blocks";
/// Invariant 2, first half.
pub(crate) const SENT_IS_THERE: &str = "every 201 that was sent and not deleted has its application";
/// Invariant 2, second half.
pub(crate) const CLAIMS_FIT: &str = "every application has all its claims, and no claim lacks its application";
/// Every row that was reported as imported is listed, and a specific application with a key has its copy.
pub(crate) const HISTORY_IS_THERE: &str = "every imported row is listed, with its copy where it has a key";
/// Invariant 3.
pub(crate) const LATEST_FIT: &str = "the latest dates on an item are those of its records";
/// Every refusal has a reason.
pub(crate) const EXPLAINED: &str = "every refusal names what is in the way, and never the call itself";
/// A refusal is final: no try of the call is carried out afterwards.
pub(crate) const STAYS_REFUSED: &str = "whoever is told of a refusal is not registered, then or later";
/// A refusal of a key is final too.
pub(crate) const STAYS_WITHOUT_KEY: &str =
    "an application whose key is refused is not given it by that call, then or later";
/// No 404 after a key was given.
pub(crate) const NOT_DENIED: &str = "whoever is told that an application is unknown has given it no key";
/// A deleted application stays deleted.
pub(crate) const STAYS_DELETED: &str = "a deleted application does not come back";

/// The properties of a protocol.
pub(super) fn of(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::always(ONE_EACH, |_, state: &State| {
            state.pairs().all(|(a, b)| {
                let window = LAWS[usize::from(a.law.min(b.law))].0;
                (a.date - b.date).abs() > window
            })
        }),
        Property::always(GRANTED_RIGHTLY, |_, state: &State| !state.wrong.doubled),
        Property::always(NOT_AGAINST_HISTORY, |_, state: &State| !state.wrong.against_history),
        Property::always(SENT_IS_THERE, |_, state: &State| {
            state.sent.iter().all(|(uuid, sent)| {
                let same = |stored: &Application| {
                    let key = sent.driver.key.or(stored.driver.key);
                    *stored == Application { driver: Driver { key, ..sent.driver }, ..*sent }
                };
                state.tables.applications.get(uuid).or(state.tables.archive.get(uuid)).is_some_and(same)
            })
        }),
        Property::always(CLAIMS_FIT, |_, state: &State| {
            let all_claims = state.live().all(|(uuid, application)| {
                application.driver.claims().into_iter().all(|key| {
                    let item = state.tables.claims.get(&key);
                    item.and_then(|item| item.records.get(&Record::Application(uuid))).is_some_and(|entry| {
                        let is_truncated = matches!(key, ClaimKey::Truncated(_));
                        let tags = if is_truncated { application.driver.keys() } else { Keys::default() };
                        let Application { operator, date, .. } = application;
                        *entry == Entry { operator, date, tags, rows: Vec::new() }
                    })
                })
            });
            let no_claim_alone = state.tables.claims.iter().all(|(key, item)| {
                !item.records.is_empty()
                    && item.records.keys().all(|record| match record {
                        Record::Application(uuid) => {
                            let application = state.tables.applications.get(uuid);
                            application.is_some_and(|application| application.driver.claims().contains(key))
                        }
                        Record::History { .. } | Record::Copy { .. } => true,
                    })
            });
            all_claims && no_claim_alone
        }),
        Property::always(HISTORY_IS_THERE, |_, state: &State| {
            let listed = state.clients.iter().all(|client| {
                let Call::Import { truncated, date } = client.call else { return true };
                let record = Record::History { operator: client.operator, date };
                let item = state.tables.claims.get(&ClaimKey::Truncated(truncated));
                client.place != Place::Done(Answer::Imported)
                    || item.is_some_and(|item| item.records.contains_key(&record))
            });
            let with_copy = state.tables.claims.values().all(|item| {
                item.records.iter().all(|(record, entry)| match (record, entry.tags[0]) {
                    (Record::History { operator, date }, Some(key)) => {
                        let copy = Record::Copy { operator: *operator, date: *date };
                        let item = state.tables.claims.get(&ClaimKey::Identity(key));
                        item.is_some_and(|item| item.records.contains_key(&copy))
                    }
                    _ => true,
                })
            });
            listed && with_copy
        }),
        Property::always(LATEST_FIT, |_, state: &State| {
            state.tables.claims.values().all(|item| item.latest == item.latest_of_records())
        }),
        Property::always(STAYS_REFUSED, |_, state: &State| {
            state.clients.iter().zip(0..).all(|(client, name)| {
                let uuid = Uuid { client: name, invocation: client.invocation };
                !matches!(client.place, Place::Done(Answer::Blocked { .. }))
                    || !(state.tables.applications.contains_key(&uuid) || state.tables.archive.contains_key(&uuid))
            })
        }),
        Property::always(STAYS_WITHOUT_KEY, |_, state: &State| {
            let gives = |client: &&Client| matches!(client.call, Call::GiveKey { .. });
            let mut giving = state.clients.iter().filter(gives);
            // With two such calls, or with a repeated call, the other one may have given the key.
            let (Some(client), None) = (giving.next(), giving.next()) else { return true };
            let (Call::GiveKey { key }, Some(target), 0) = (client.call, client.target, client.invocation) else {
                return true;
            };
            let known = state.tables.applications.get(&target).or(state.tables.archive.get(&target));
            let has_it = known.is_some_and(|application| application.driver.key == Some(key));
            !(has_it && client.place == Place::Done(Answer::KeyBlocked))
        }),
        Property::always(NOT_DENIED, |_, state: &State| {
            state.clients.iter().all(|client| {
                let (Call::GiveKey { key }, Some(target)) = (client.call, client.target) else { return true };
                let has_it = state.tables.archive.get(&target).is_some_and(|gone| gone.driver.key == Some(key));
                !(has_it && client.perhaps && client.place == Place::Done(Answer::Unknown))
            })
        }),
        Property::always(EXPLAINED, |_, state: &State| !state.has(|answer| answer == Answer::Unexplained)),
    ];
    if protocol.revived {
        properties.push(Property::always(STAYS_DELETED, |_, state: &State| state.no_revived()));
    }
    properties.extend(examples().into_iter().filter(|example| protocol.examples.contains(&example.name)));
    properties
}

/// Examples that must occur: a model in which nothing happens has no counterexample either.
fn examples() -> Vec<Property<Protocol>> {
    const fn only_by(answer: Answer, kind: usize) -> bool {
        let Answer::Blocked { by, .. } = answer else { return false };
        by[kind] && (by[0] as u8 + by[1] as u8 + by[2] as u8) == 1
    }
    vec![
        Property::sometimes("a 201 after a cooldown", |_, state: &State| state.pairs().next().is_some()),
        Property::sometimes("a 201 after a delete", |_, state: &State| {
            let window = LAWS[0].0;
            state.live().any(|(uuid, live)| {
                let gone = |gone: &Application| {
                    gone.driver.is_same_person(live.driver) && (gone.date - live.date).abs() <= window
                };
                state.sent.contains_key(&uuid) && state.tables.archive.values().any(gone)
            })
        }),
        Property::sometimes("a 409 by the truncated identity alone", |_, state: &State| state.has(|a| only_by(a, 0))),
        Property::sometimes("a 409 by the licence alone", |_, state: &State| state.has(|a| only_by(a, 1))),
        Property::sometimes("a 409 by the identity key alone", |_, state: &State| state.has(|a| only_by(a, 2))),
        Property::sometimes("a 409 by the journey's own key alone", |_, state: &State| {
            state.clients.iter().any(|client| {
                let (Call::Register { driver, .. }, Place::Done(answer)) = (client.call, &client.place) else {
                    return false;
                };
                let known = |key| state.live().any(|(_, live)| live.driver.keys().contains(&Some(key)));
                only_by(*answer, 2) && driver.journey.is_some() && driver.key.is_some_and(|key| !known(key))
            })
        }),
        Property::sometimes("a key is given beside the journey's own", |_, state: &State| {
            state.live().any(|(uuid, live)| {
                let given = state.sent.get(&uuid).is_some_and(|sent| sent.driver.key.is_none());
                given && live.driver.key.is_some() && live.driver.journey.is_some()
            })
        }),
        Property::sometimes("a 409 by history", |_, state: &State| {
            state.has(|answer| matches!(answer, Answer::Blocked { history: true, .. }))
        }),
        Property::sometimes("a register meets the name that its own application left", |_, state: &State| {
            state.has(|answer| answer == Answer::Created(How::OwnName))
        }),
        Property::sometimes("a retry after a lost answer finds itself written", |_, state: &State| {
            state.has(|answer| answer == Answer::Created(How::OwnRecord))
        }),
        Property::sometimes("a replay gets the first answer again", |_, state: &State| {
            state.has(|answer| answer == Answer::Created(How::Remembered))
        }),
        Property::sometimes("a driver with another key under the same name gets a 201", |_, state: &State| {
            let mut live = state.live();
            live.any(|(_, a)| {
                state.live().any(|(_, b)| {
                    a.driver.truncated == b.driver.truncated && keys_differ(a.driver.keys(), b.driver.keys())
                })
            })
        }),
        Property::sometimes("a key is given", |_, state: &State| {
            state.live().any(|(uuid, live)| {
                live.driver.key.is_some() && state.sent.get(&uuid).is_some_and(|sent| sent.driver.key.is_none())
            })
        }),
        Property::sometimes("a key is refused", |_, state: &State| state.has(|answer| answer == Answer::KeyBlocked)),
        Property::sometimes("a history is given its key", |_, state: &State| {
            let items = state.tables.claims.values();
            items.flat_map(|item| item.records.keys()).any(|record| matches!(record, Record::Copy { .. }))
        }),
        Property::sometimes("a late request is carried out after its call has gone on", |_, state: &State| {
            let waits = |client: &Client| matches!(client.place, Place::Done(_));
            state.live().any(|(uuid, _)| {
                let client = &state.clients[usize::from(uuid.client)];
                waits(client) && client.invocation > uuid.invocation && !state.sent.contains_key(&uuid)
            })
        }),
        Property::sometimes("a delete whose answer was lost is told as done", |_, state: &State| {
            let told = |client: &Client| client.perhaps && client.place == Place::Done(Answer::Deleted);
            state.clients.iter().any(told)
        }),
        Property::sometimes("a refusal is told after its try was called off", |_, state: &State| {
            let refused = |uuid: &Uuid| {
                matches!(state.clients[usize::from(uuid.client)].place, Place::Done(Answer::Blocked { .. }))
            };
            state.tables.called_off.iter().any(refused)
        }),
        Property::sometimes("a try is carried out before it is called off", |_, state: &State| {
            state.has(|answer| answer == Answer::Created(How::Late))
        }),
        Property::sometimes("the law changes between two grants", |_, state: &State| {
            state.live().any(|(_, a)| a.law == 0) && state.live().any(|(_, b)| b.law == 1)
        }),
    ]
}
