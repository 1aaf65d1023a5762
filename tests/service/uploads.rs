//! Places for files, who may put what there, and what the registry reports about a running import.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cee_tokens::Scope;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::resume::in_parts;
use crate::support::{Answer, World, world, world_with};
use crate::wire::Wire;

const IMPORTS: &str = "/policies/cee/imports";
const FILE: &str = "journey_type;last_name_trunc;phone_trunc;datetime\n\
                    long;DUP;+336010203;15/02/2021\nlong;TO;+336010204;2021-02-15\nlong;Dup;+336010205;2021-02-15\n";

impl World {
    pub async fn place(&self, operator: u32, body: Value) -> Value {
        let answer = self.api.post(IMPORTS, &self.token(operator), &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        answer.json()
    }

    async fn get_as(&self, operator: u32, path: &str) -> Answer {
        self.api.send(self.api.request(Method::GET, path, Some(&self.token(operator)), Vec::new())).await.unwrap()
    }

    /// A request to S3 without credentials except those in the URL.
    pub async fn plain(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.api.send(request.body(body.to_vec()).unwrap()).await.unwrap()
    }

    pub async fn put(&self, place: &Value, body: &[u8]) -> StatusCode {
        let headers: Vec<(&str, &str)> = place["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|header| (header["name"].as_str().unwrap(), header["value"].as_str().unwrap()))
            // The client counts by itself.
            .filter(|(name, _)| *name != "content-length")
            .collect();
        self.plain(Method::PUT, place["upload_url"].as_str().unwrap(), &headers, body).await.status
    }
}

fn id(place: &Value) -> &str {
    place["import_id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploaded_file_is_followed_to_its_report() {
    let world = world().await;
    let place = world.place(1, json!({"file_name": "mes conducteurs été.csv", "size": FILE.len()})).await;
    let path = format!("{IMPORTS}/{}", id(&place));
    let awaiting = world.get_as(1, &path).await.json();
    assert_eq!((&awaiting["state"], &awaiting["read"]), (&json!("awaiting_upload"), &json!(0)));
    assert_eq!(awaiting["expires_at"], place["expires_at"]);
    assert!(awaiting.get("report_url").is_none() && awaiting.get("bytes_total").is_none(), "{awaiting}");

    assert_eq!(world.put(&place, FILE.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let done = world.get_as(1, &path).await.json();
    assert_eq!(done["import_id"], place["import_id"], "the import goes by the name that was promised");
    assert_eq!(done["key"], format!("imports/1/{}/mes conducteurs été.csv", id(&place)));
    assert_eq!(done["state"], "completed", "{done}");
    let counts = ["read", "imported", "already_known", "rejected"].map(|name| done[name].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 0, 1]);
    assert_eq!(done["repairs"], json!({"name_padded": 1}));
    assert_eq!((done["bytes"].as_u64(), &done["bytes_total"]), (Some(FILE.len() as u64), &done["bytes"]));
    assert!(done["rows_per_second"].is_u64() && done["started_at"].is_string() && done["ended_at"].is_string());
    assert!(done.get("expires_at").is_none());

    // The links need no credentials.
    let report = world.plain(Method::GET, done["report_url"].as_str().unwrap(), &[], b"").await;
    assert_eq!((report.status, &report.json()["import_id"]), (StatusCode::OK, &place["import_id"]));
    let rejected = world.plain(Method::GET, done["rejected_rows_url"].as_str().unwrap(), &[], b"").await;
    assert!(rejected.text.contains("long;Dup;+336010205;2021-02-15;4;last_name_trunc;"), "{rejected:?}");

    // A file that arrived another way is listed too, the latest first.
    world.upload("imports/1/other.csv", "nothing\n").await;
    world.place(1, json!({})).await;
    let listed = world.get_as(1, IMPORTS).await.json();
    let listed = listed["imports"].as_array().unwrap();
    let mut states: Vec<&str> = listed.iter().map(|import| import["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["awaiting_upload", "completed", "failed"]);
    let failed = listed.iter().find(|import| import["state"] == "failed").unwrap();
    assert!(failed["error"].as_str().unwrap().contains("has no header"), "{failed}");
    let nameless = listed.iter().find(|import| import["state"] == "awaiting_upload").unwrap();
    assert!(nameless["key"].as_str().unwrap().ends_with("/history.csv"), "{nameless}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_import_reports_progress() {
    const ROWS: u64 = 2_000;
    let (world, wire) = Wire::world_with(|options| options.settings = in_parts(500)).await;
    let mut file = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for row in 0..ROWS {
        file.push_str(&format!("long,DUP,+336{row:06},2021-02-15\n"));
    }
    let place = world.place(1, json!({"size": file.len()})).await;
    let path = format!("{IMPORTS}/{}", id(&place));
    let mut held = wire.hold("SET checkpoint");
    assert_eq!(world.put(&place, file.as_bytes()).await, StatusCode::OK);
    let mut seen = (0, 0);
    // Before its first, second and third checkpoint; each comes when the previous one is written.
    for checkpoints in 0..3 {
        held.come().await;
        let now = world.get_as(1, &path).await.json();
        assert_eq!((&now["state"], &now["read"]), (&json!("running"), &now["imported"]), "{now}");
        let (read, bytes) = (now["read"].as_u64().unwrap(), now["bytes"].as_u64().unwrap());
        if checkpoints == 0 {
            assert_eq!((read, bytes), (0, 0), "{now}");
        } else {
            // Bytes count when they arrive, and a small file may arrive at once.
            let arrived = bytes > 0 && bytes >= seen.1 && bytes <= file.len() as u64;
            assert!(read > seen.0 && read < ROWS && arrived, "{seen:?}: {now}");
            assert_eq!(now["bytes_total"].as_u64(), Some(file.len() as u64));
            assert!(now["rows_per_second"].as_u64() > Some(0), "{now}");
        }
        seen = (read, bytes);
        if checkpoints < 2 {
            let next = wire.hold("SET checkpoint");
            std::mem::replace(&mut held, next).release();
        }
    }
    held.release();
    world.imported().await;
    let ended = world.get_as(1, &path).await.json();
    assert_eq!((&ended["state"], ended["read"].as_u64()), (&json!("completed"), Some(ROWS)));
    assert_eq!(ended["bytes"].as_u64(), Some(file.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_must_match_declared_size_type_and_checksum() {
    let world = world().await;
    let sha256 = digest(&SHA256, FILE.as_bytes());
    let hex: String = sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({"file_name": "h.csv", "size": FILE.len(), "sha256": hex, "content_type": "text/csv"});
    let place = world.place(1, body).await;
    let header = |name: &str| {
        let headers = place["headers"].as_array().unwrap();
        headers.iter().find(|header| header["name"] == name).map(|header| header["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(header("content-type").as_deref(), Some("text/csv"));
    assert_eq!(header("content-length"), None, "clients set it by themselves, and some refuse to set it by hand");
    let checksum = STANDARD.encode(sha256);
    assert_eq!(header("x-amz-checksum-sha256").as_ref(), Some(&checksum));
    let url = place["upload_url"].as_str().unwrap();
    let put = async |content_type: &str, checksum: &str, body: &[u8]| {
        let headers = [("content-type", content_type), ("x-amz-checksum-sha256", checksum)];
        world.plain(Method::PUT, url, &headers, body).await.status
    };
    let other = FILE.replace("DUP", "XXX");
    let other_sum = STANDARD.encode(digest(&SHA256, other.as_bytes()));
    assert_ne!(put("text/plain", &checksum, FILE.as_bytes()).await, StatusCode::OK, "another content type");
    assert_ne!(put("text/csv", &checksum, other.as_bytes()).await, StatusCode::OK, "another content");
    assert_ne!(put("text/csv", &other_sum, other.as_bytes()).await, StatusCode::OK, "another checksum");
    assert_ne!(put("text/csv", &checksum, &FILE.as_bytes()[1..]).await, StatusCode::OK, "another size");
    assert_eq!(world.get_as(1, &format!("{IMPORTS}/{}", id(&place))).await.json()["state"], "awaiting_upload");
    assert_eq!(put("text/csv", &checksum, FILE.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    assert_eq!(world.get_as(1, &format!("{IMPORTS}/{}", id(&place))).await.json()["state"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_reaches_no_place_or_import_of_another() {
    let world = world().await;
    let (ours, theirs) = (world.place(1, json!({"file_name": "h.csv"})).await, world.place(2, json!({})).await);
    assert_eq!(world.put(&theirs, FILE.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let done = world.get_as(2, &format!("{IMPORTS}/{}", id(&theirs))).await.json();
    assert_eq!(done["state"], "completed");
    let capitals = world.get_as(2, &format!("{IMPORTS}/{}", id(&theirs).to_uppercase())).await.json();
    assert_eq!((&capitals["import_id"], &capitals["state"]), (&done["import_id"], &done["state"]));
    // The interface.
    // The last three are paths that lambda_http 1.3.2 shortens when it makes a URI of them.
    let others = ["0".repeat(32).as_str(), "x", "%0B", "%09", "%2E%2E"].map(|name| format!("{IMPORTS}/{name}"));
    for path in [format!("{IMPORTS}/{}", id(&theirs))].into_iter().chain(others) {
        let answer = world.get_as(1, &path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_import"), "{path}");
    }
    let listed = world.get_as(1, IMPORTS).await;
    assert!(!listed.text.contains(id(&theirs)) && listed.text.contains(id(&ours)), "{listed:?}");
    // Our upload URL, changed in every way.
    let url = ours["upload_url"].as_str().unwrap();
    let key = format!("imports/1/{}/h.csv", id(&ours));
    assert!(url.contains(&key), "{url}");
    let (place, theirs_key) = (id(&ours), format!("imports/2/{}/history.csv", id(&theirs)));
    for other in [
        "imports/2/x.csv".to_owned(),
        theirs_key.clone(),
        format!("imports/2/{place}/h.csv"),
        "imports/1/other.csv".to_owned(),
        format!("imports/1/{place}/../../2/h.csv"),
        "journeys/x.csv".to_owned(),
        "undo/2/x".to_owned(),
    ] {
        let status = world.plain(Method::PUT, &url.replace(&key, &other), &[], FILE.as_bytes()).await.status;
        assert!(status.is_client_error(), "{other}: {status}");
    }
    for method in [Method::GET, Method::DELETE, Method::HEAD] {
        let status = world.plain(method.clone(), url, &[], b"").await.status;
        assert!(status.is_client_error(), "{method}: {status}");
    }
    let expired = url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000");
    assert!(expired != url && world.plain(Method::PUT, &expired, &[], b"x").await.status.is_client_error());
    // A link to our report, changed to point at another operator's.
    let report = done["report_url"].as_str().unwrap();
    assert!(report.contains("reports/2/"), "{report}");
    let status = world.plain(Method::GET, &report.replace("reports/2/", "reports/1/"), &[], b"").await.status;
    assert!(status.is_client_error(), "{status}");
    // The credentials of an operator.
    let about = world.stack.description();
    let keys = &about.operators[0];
    let s3 = crate::support::aws(&about.dynamodb_url, &about.s3_url, &keys.access_key, &keys.secret_key).s3();
    let their_report = format!("reports/2/{}.json", id(&theirs));
    for key in [&theirs_key, &their_report] {
        assert!(s3.get_object().bucket(&about.bucket).key(key).send().await.is_err(), "{key}");
        assert!(s3.delete_object().bucket(&about.bucket).key(key).send().await.is_err(), "{key}");
        let copy = s3.copy_object().bucket(&about.bucket).key("imports/1/copy.csv");
        assert!(copy.copy_source(format!("{}/{key}", about.bucket)).send().await.is_err(), "{key}");
    }
    for prefix in ["", "imports/", "imports/2/", "reports/2/", "work/", "contradictions/"] {
        let list = s3.list_objects_v2().bucket(&about.bucket).prefix(prefix).send().await;
        assert!(list.is_err(), "{prefix:?}");
    }
    for key in ["undo/1/x", "continue/x.json", "work/x", "contradictions/1/x.csv", "reports/1/x.json"] {
        let put = s3.put_object().bucket(&about.bucket).key(key).body(b"x".to_vec().into());
        assert!(put.send().await.is_err(), "{key}");
    }
}

/// Mistakes of clients, with S3's responses.
#[tokio::test(flavor = "multi_thread")]
async fn stand_in_refuses_uploads_that_s3_refuses() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = world().await;
    let place = world.place(1, json!({"file_name": "h.csv"})).await;
    let url = place["upload_url"].as_str().unwrap();
    let token = format!("Bearer {}", world.token(1));
    for (header, status, code) in [
        (("authorization", token.as_str()), 400, "<Code>InvalidArgument</Code>"),
        (("authorization", "Basic eDp5"), 400, "Only one auth mechanism allowed"),
        (("x-amz-acl", "bucket-owner-full-control"), 403, "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"),
        (("x-amz-server-side-encryption", "aws:kms"), 403, "not signed"),
    ] {
        let answer = world.plain(Method::PUT, url, &[header], FILE.as_bytes()).await;
        assert_eq!(answer.status.as_u16(), status, "{header:?}: {answer:?}");
        assert!(answer.text.contains(code), "{header:?}: {answer:?}");
    }
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let chunked = format!(
        "PUT /{path} HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 411") && answer.contains("MissingContentLength"), "{answer}");
    // None of these was an upload.
    let path = format!("{IMPORTS}/{}", id(&place));
    assert_eq!(world.get_as(1, &path).await.json()["state"], "awaiting_upload");
    assert_eq!(world.put(&place, FILE.as_bytes()).await, StatusCode::OK);
}

/// The actions that an operator's own credentials allow on its own files, according to the policy of the template.
#[tokio::test(flavor = "multi_thread")]
async fn s3_credentials_allow_owner_acl_and_own_copies_only() {
    use aws_sdk_s3::error::ProvideErrorMetadata as _;
    use aws_sdk_s3::types::ObjectCannedAcl;
    let world = world().await;
    let about = world.stack.description();
    let keys = &about.operators[0];
    let s3 = crate::support::aws(&about.dynamodb_url, &about.s3_url, &keys.access_key, &keys.secret_key).s3();
    let put = |key: &str, acl| {
        let put = s3.put_object().bucket(&about.bucket).key(key).body(FILE.as_bytes().to_vec().into());
        put.acl(acl).send()
    };
    put("imports/1/h.csv", ObjectCannedAcl::BucketOwnerFullControl).await.unwrap();
    let refused = put("imports/1/public.csv", ObjectCannedAcl::PublicRead).await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessControlListNotSupported"), "{refused:?}");
    let copy = |to: &str, from: &str| {
        s3.copy_object().bucket(&about.bucket).key(to).copy_source(format!("{}/{from}", about.bucket)).send()
    };
    copy("imports/1/copy.csv", "imports/1/h.csv").await.unwrap();
    world.stack.queue().idle().await;
    let reports = crate::support::reports(&world.aws, "reports/1/").await;
    assert_eq!(
        reports["imports/1/copy.csv"]["already_known"].as_u64().unwrap()
            + reports["imports/1/copy.csv"]["imported"].as_u64().unwrap(),
        2
    );
    let report = format!("reports/1/{}.json", reports["imports/1/h.csv"]["import_id"].as_str().unwrap());
    copy("imports/1/a-report.csv", &report).await.unwrap();
    for (to, from) in [
        ("reports/1/x.json", "imports/1/h.csv"),
        ("imports/2/h.csv", "imports/1/h.csv"),
        ("undo/1/x", "imports/1/h.csv"),
    ] {
        assert_eq!(copy(to, from).await.unwrap_err().code(), Some("AccessDenied"), "{to}");
    }
}

/// The operator does not know the import ID of a second file at one URL.
#[tokio::test(flavor = "multi_thread")]
async fn second_file_at_upload_url_is_ignored_and_reported() {
    let world = world().await;
    let place = world.place(1, json!({"file_name": "h.csv"})).await;
    let path = format!("{IMPORTS}/{}", id(&place));
    assert_eq!(world.put(&place, FILE.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let first = world.get_as(1, &path).await.json();
    assert!(first["state"] == "completed" && first.get("ignored_upload").is_none(), "{first}");
    let other = FILE.replace("+3360102", "+3360103");
    assert_eq!(world.put(&place, other.as_bytes()).await, StatusCode::OK, "S3 takes it");
    world.imported().await;
    let mut second = world.get_as(1, &path).await.json();
    assert_eq!(second["ignored_upload"], true, "{second}");
    assert_eq!(
        world.get_as(1, IMPORTS).await.json()["imports"].as_array().unwrap().len(),
        1,
        "no import of another name"
    );
    let free = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010303"});
    assert_eq!(world.api.simulate(&world.token(2), &free).await.status, StatusCode::OK, "nothing of it counts");
    // Everything else is unchanged.
    second.as_object_mut().unwrap().remove("ignored_upload");
    for member in ["state", "key", "read", "imported", "rejected", "ended_at"] {
        assert_eq!(second[member], first[member], "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn place_call_refuses_missing_scope_and_invalid_fields() {
    let world = world().await;
    let siret = world.stack.description().operators[0].siret.clone();
    let narrow = world.token_of(1, &siret, &[Scope::Simulate, Scope::Register]);
    let answer = world.api.post(IMPORTS, &narrow, &json!({})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "missing_scope"));
    let answer = world.api.get(IMPORTS).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    let body =
        json!({"file_name": "../h.csv", "size": 5_368_709_121_u64, "sha256": "x", "content_type": "text/html", "a": 1});
    let answer = world.api.post(IMPORTS, &world.token(1), &body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_fields"));
    assert_eq!(answer.pointers(), ["/file_name", "/size", "/sha256", "/content_type", "/a"]);
    for size in [json!(-1), json!(1.5), json!("7")] {
        let answer = world.api.post(IMPORTS, &world.token(1), &json!({"size": size})).await;
        assert_eq!(answer.pointers(), ["/size"], "{size}");
    }
    // Open for one journey type: a file may contain rows of it.
    let half = world_with(|options| options.settings = vec![("IMPORT_ENABLED".to_owned(), "long".to_owned())]).await;
    assert_eq!(half.api.post(IMPORTS, &half.token(1), &json!({})).await.status, StatusCode::CREATED);
    let closed = world_with(|options| options.settings = vec![("IMPORT_ENABLED".to_owned(), "false".to_owned())]).await;
    let answer = closed.api.post(IMPORTS, &closed.token(1), &json!({})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "call_closed"));
    assert_eq!(closed.get_as(1, IMPORTS).await.json(), json!({"imports": []}), "what was can still be looked at");
}
