//! Sessions of the console against an embedded DynamoDB.

use cee_eligibility::Instant;
use cee_registry::{Session, SessionId, Sessions};

use crate::support::{at, operator, store};

const NOON: &str = "2024-05-01T12:00:00Z";

fn after(millis: i64) -> Instant {
    Instant::from_millis(at(NOON).millis() + millis).unwrap()
}

#[tokio::test]
async fn session_is_found_until_it_expires_or_is_ended() {
    let store = store().await;
    let sessions = Sessions::new(store.db.clone(), &store.tables);
    let (one, two) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
    let session = Session { operator: operator(4), expires_at: after(1000) };
    assert_eq!(sessions.find(&one, at(NOON)).await.unwrap(), None);
    sessions.begin(&one, session).await.unwrap();
    sessions.begin(&two, Session { operator: operator(5), ..session }).await.unwrap();
    assert!(sessions.begin(&one, session).await.is_err(), "an id is used once");
    assert_eq!(sessions.find(&one, after(999)).await.unwrap(), Some(session));
    assert_eq!(sessions.find(&one, after(1000)).await.unwrap(), None, "although the item is still there");
    sessions.end(&one).await.unwrap();
    assert_eq!(sessions.find(&one, at(NOON)).await.unwrap(), None);
    assert_eq!(sessions.find(&two, at(NOON)).await.unwrap().map(|session| session.operator), Some(operator(5)));
    sessions.end(&one).await.unwrap();
}
