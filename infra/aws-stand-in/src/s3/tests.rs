//! Tests of the local S3 over HTTP, with the SDK as a client.

use aws_lambda_events::event::s3::S3Event;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::*;
use crate::listen::testing::send;

const BUCKET: &str = "registry-local";
const PART: usize = 5 * 1024 * 1024;

struct Setup {
    folder: tempfile::TempDir,
    server: S3Server,
    client: Client,
    events: UnboundedReceiver<Value>,
}

fn client(server: &S3Server, access_key: &str) -> Client {
    let credentials = aws_sdk_s3::config::Credentials::new(access_key, "secret", None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .credentials_provider(credentials)
        .endpoint_url(server.url())
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn setup() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    create_bucket(folder.path(), BUCKET).await.unwrap();
    create_bucket(folder.path(), BUCKET).await.unwrap();
    assert!(create_bucket(folder.path(), "../x").await.is_err());
    let (sender, events) = mpsc::unbounded_channel();
    let events_of = EventSink::channel("eu-west-3", &["imports/", "journeys/"], sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cors = CorsRule {
        origins: vec!["http://127.0.0.1:*".to_owned()],
        methods: vec!["POST".to_owned()],
        ..CorsRule::default()
    };
    let cors = vec![cors];
    let prefix = |name: &str| vec![format!("{name}/2/")];
    let own = Scope::Prefixes { bucket: BUCKET.to_owned(), read: prefix("reports"), write: prefix("imports") };
    let credentials = Credentials::root("root", "secret").with("operator", "secret", own);
    let server = start(listener, folder.path(), credentials, events_of, cors).await.unwrap();
    let client = client(&server, "root");
    Setup { folder, server, client, events }
}

impl Setup {
    async fn put(&self, key: &str, body: &'static [u8]) {
        let body = ByteStream::from_static(body);
        self.client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }

    async fn put_parts(&self, key: &str, parts: &[Vec<u8>]) -> String {
        let begun = self.client.create_multipart_upload().bucket(BUCKET).key(key).content_type("text/csv");
        let begun = begun.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.unwrap();
        let id = begun.upload_id().unwrap();
        let mut done = CompletedMultipartUpload::builder();
        for (number, part) in (1..).zip(parts) {
            let body = ByteStream::from(part.clone());
            let sent = self.client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number).body(body);
            let e_tag = sent.send().await.unwrap().e_tag;
            done = done.parts(CompletedPart::builder().part_number(number).set_e_tag(e_tag).build());
        }
        let listed = self.client.list_parts().bucket(BUCKET).key(key).upload_id(id).send().await.unwrap();
        assert_eq!(listed.parts().len(), parts.len());
        let done = self
            .client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key(key)
            .upload_id(id)
            .multipart_upload(done.build());
        done.send().await.unwrap().e_tag.unwrap()
    }
}

fn record(event: &Value) -> (&str, &Value) {
    let record = &event["Records"][0];
    (record["eventName"].as_str().unwrap(), &record["s3"]["object"])
}

#[tokio::test(flavor = "multi_thread")]
async fn put_copy_and_multipart_each_raise_an_event() {
    let mut setup = setup().await;
    setup.put("imports/2/a b.csv", b"hello").await;
    let first = setup.events.recv().await.unwrap();
    let parsed: S3Event = serde_json::from_value(first.clone()).unwrap();
    let parsed = &parsed.records[0];
    assert_eq!(parsed.s3.bucket.name.as_deref(), Some(BUCKET));
    assert_eq!(parsed.s3.object.key.as_deref(), Some("imports/2/a+b.csv"));
    assert_eq!(parsed.s3.object.size, Some(5));
    assert_eq!(parsed.s3.object.e_tag.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(parsed.aws_region.as_deref(), Some("eu-west-3"));
    assert_eq!(parsed.principal_id.principal_id.as_deref(), Some("AWS:root"));
    assert_eq!(record(&first).0, "ObjectCreated:Put");

    setup.put("reports/2/no.json", b"{}").await;
    let copy = setup.client.copy_object().bucket(BUCKET).key("journeys/copy");
    copy.copy_source(format!("{BUCKET}/imports/2/a%20b.csv")).send().await.unwrap();
    let second = setup.events.recv().await.unwrap();
    assert_eq!((record(&second).0, &record(&second).1["key"]), ("ObjectCreated:Copy", &json!("journeys/copy")));
    assert_eq!(setup.get("journeys/copy").await, b"hello");

    let parts = [vec![b'1'; PART], vec![b'2'; 100]];
    let e_tag = setup.put_parts("imports/2/a b.csv", &parts).await;
    let third = setup.events.recv().await.unwrap();
    let (name, object) = record(&third);
    assert_eq!(name, "ObjectCreated:CompleteMultipartUpload");
    assert_eq!(object["size"], PART + 100);
    assert_eq!(format!("\"{}\"", object["eTag"].as_str().unwrap()), e_tag);
    assert!(e_tag.ends_with("-2\""), "{e_tag}");
    // The checksum of the previous object must not be returned with this one.
    assert_eq!(setup.get("imports/2/a b.csv").await, parts.concat());
    let head = setup.client.head_object().bucket(BUCKET).key("imports/2/a b.csv").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
    assert_eq!(head.e_tag(), Some(e_tag.as_str()));

    let sequencers: Vec<_> =
        [&first, &second, &third].map(|event| record(event).1["sequencer"].as_str().unwrap()).into();
    assert!(sequencers.is_sorted_by(|left, right| left < right), "{sequencers:?}");
    assert!(setup.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_listed_copied_and_deleted() {
    let setup = setup().await;
    setup.put("x/1 é", b"0123456789").await;
    setup.put("x/2", b"b").await;
    setup.put("y/3", b"c").await;
    let range = setup.client.get_object().bucket(BUCKET).key("x/1 é").range("bytes=2-4").send().await.unwrap();
    assert_eq!(range.content_range(), Some("bytes 2-4/10"));
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"234");

    let list = setup.client.list_objects_v2().bucket(BUCKET).prefix("x/").max_keys(1).send().await.unwrap();
    assert_eq!(list.contents()[0].key(), Some("x/1 é"));
    let token = list.next_continuation_token().unwrap();
    let list = setup.client.list_objects_v2().bucket(BUCKET).prefix("x/").continuation_token(token);
    assert_eq!(list.send().await.unwrap().contents()[0].key(), Some("x/2"));
    let list = setup.client.list_objects().bucket(BUCKET).delimiter("/");
    let list = list.encoding_type(aws_sdk_s3::types::EncodingType::Url).send().await.unwrap();
    let prefixes: Vec<_> = list.common_prefixes().iter().filter_map(|common| common.prefix()).collect();
    assert_eq!(prefixes, ["x/", "y/"]);
    let list = setup.client.list_objects_v2().bucket(BUCKET).prefix("x/1");
    let list = list.encoding_type(aws_sdk_s3::types::EncodingType::Url).send().await.unwrap();
    assert_eq!(list.contents()[0].key(), Some("x/1%20%C3%A9"));

    let id = setup.client.create_multipart_upload().bucket(BUCKET).key("z").send().await.unwrap();
    let part = setup.client.upload_part_copy().bucket(BUCKET).key("z").upload_id(id.upload_id().unwrap());
    let part = part.part_number(1).copy_source(format!("{BUCKET}/x/2")).send().await.unwrap();
    assert!(part.copy_part_result().unwrap().e_tag().is_some());
    let abort = setup.client.abort_multipart_upload().bucket(BUCKET).key("z").upload_id(id.upload_id().unwrap());
    abort.send().await.unwrap();

    setup.client.delete_object().bucket(BUCKET).key("y/3").send().await.unwrap();
    let key = |key: &str| aws_sdk_s3::types::ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = aws_sdk_s3::types::Delete::builder().objects(key("x/1 é")).objects(key("x/none")).objects(key("x"));
    let delete = setup.client.delete_objects().bucket(BUCKET).delete(delete.build().unwrap()).send().await.unwrap();
    assert_eq!((delete.deleted().len(), delete.errors().len()), (3, 0));
    let left = setup.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(left.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["x/2"]);
    for folder in ["x", "y"] {
        let error = setup.client.get_object().bucket(BUCKET).key(folder).send().await.unwrap_err();
        assert_eq!(error.code(), Some("NoSuchKey"));
    }
    let error = setup.client.delete_bucket().bucket(BUCKET).send().await.unwrap_err();
    assert_eq!(error.code(), Some("BucketNotEmpty"));
    let buckets = setup.client.list_buckets().send().await.unwrap();
    assert_eq!(buckets.buckets().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn presigned_urls_work_without_credentials() {
    let mut setup = setup().await;
    let soon = || PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let target = |uri: &str| uri.strip_prefix(&setup.server.url()).unwrap().to_owned();
    let put = setup.client.put_object().bucket(BUCKET).key("imports/2/p.csv").presigned(soon()).await.unwrap();
    let host = format!("host: {}", setup.server.address());
    let head = format!("PUT {} HTTP/1.1\r\n{host}", target(put.uri()));
    assert_eq!(send(setup.server.address(), &head, b"a;b").await.status, 200);
    assert_eq!(record(&setup.events.recv().await.unwrap()).1["size"], 3);
    let get = setup.client.get_object().bucket(BUCKET).key("imports/2/p.csv").presigned(soon()).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\n{host}", target(get.uri()));
    assert_eq!(send(setup.server.address(), &head, b"").await.text(), "a;b");
    let head = format!("GET {} HTTP/1.1\r\n{host}", target(get.uri()).replace("p.csv", "q.csv"));
    assert_eq!(send(setup.server.address(), &head, b"").await.status, 403);
    let head = format!("GET /{BUCKET}/imports/2/p.csv HTTP/1.1\r\n{host}");
    assert_eq!(send(setup.server.address(), &head, b"").await.status, 403);
}

/// A form as a browser sends it: the fields, then the file.
fn form(fields: &[(&str, &str)], file: &str) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let of_file = "Content-Disposition: form-data; name=\"file\"; filename=\"h.csv\"\r\nContent-Type: text/csv";
    format!("{body}--edge\r\n{of_file}\r\n\r\n{file}\r\n--edge--\r\n").into_bytes()
}

fn signed(policy: &str, now: std::time::SystemTime) -> String {
    let key = aws_sigv4::sign::v4::generate_signing_key("secret", now, "eu-west-3", "s3");
    aws_sigv4::sign::v4::calculate_signature(key, policy.as_bytes())
}

/// Source: S3 API reference, "Browser-based uploads using POST".
#[tokio::test(flavor = "multi_thread")]
async fn form_is_stored_if_it_is_as_its_policy_says() {
    let mut setup = setup().await;
    let now = crate::invoke::machine_now();
    let date = now.format("%Y%m%dT%H%M%SZ").to_string();
    let address = setup.server.address();
    let head = format!(
        "POST /{BUCKET} HTTP/1.1\r\nhost: {address}\r\norigin: http://127.0.0.1:3000\r\n\
         content-type: multipart/form-data; boundary=edge"
    );
    let policy_of = |access_key: &str, key: &str, expiration: &str| {
        let credential = format!("{access_key}/{}/eu-west-3/s3/aws4_request", &date[..8]);
        let policy = json!({"expiration": expiration, "conditions": [
            {"bucket": BUCKET}, {"key": key}, ["content-length-range", 1, 5],
            {"success_action_redirect": "http://127.0.0.1:3000/done"},
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": credential}, {"x-amz-date": date},
        ]});
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, policy.to_string());
        (credential, encoded)
    };
    let (own, evil) = ("http://127.0.0.1:3000/done", "https://evil.example/");
    let late = "2099-01-01T00:00:00.000Z";
    for (access_key, key, sent_key, expiration, redirect, file, tampered, status) in [
        ("root", "imports/2/f.csv", "imports/2/f.csv", late, own, "a;b", false, 303),
        ("operator", "imports/2/g.csv", "imports/2/g.csv", late, own, "a;b", false, 303),
        ("operator", "imports/3/f.csv", "imports/3/f.csv", late, own, "a;b", false, 403),
        ("operator", "reports/2/f.csv", "reports/2/f.csv", late, own, "a;b", false, 403),
        ("root", "imports/2/f.csv", "imports/3/f.csv", late, own, "a;b", false, 403),
        ("root", "imports/2/f.csv", "imports/2/f.csv", late, evil, "a;b", false, 403),
        ("root", "imports/2/f.csv", "imports/2/f.csv", late, own, "too long", false, 400),
        ("root", "imports/2/f.csv", "imports/2/f.csv", late, own, "", false, 400),
        ("root", "imports/2/f.csv", "imports/2/f.csv", "2020-01-01T00:00:00.000Z", own, "a;b", false, 403),
        ("root", "imports/2/f.csv", "imports/2/f.csv", late, own, "a;b", true, 403),
        ("stranger", "imports/2/f.csv", "imports/2/f.csv", late, own, "a;b", false, 403),
    ] {
        let (credential, policy) = policy_of(access_key, key, expiration);
        let mut signature = signed(&policy, now.into());
        if tampered {
            signature = signature.chars().rev().collect();
        }
        let fields = [
            ("key", sent_key),
            ("success_action_redirect", redirect),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", &date),
            ("policy", &policy),
            ("x-amz-signature", &signature),
        ];
        let answer = send(address, &head, &form(&fields, file)).await;
        let case = format!("{access_key} {sent_key} {redirect} {file} {expiration} {tampered}: {answer:?}");
        // Where `s3s` has another code than S3, the form is refused all the same.
        assert!(answer.status == status || (status >= 400 && answer.status >= 400), "{case}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://127.0.0.1:3000"), "{case}");
        if status == 303 {
            let place = answer.header("location").unwrap();
            assert!(
                place.starts_with("http://127.0.0.1:3000/done?bucket=registry-local&key=imports%2F2%2F"),
                "{place}"
            );
            assert_eq!(setup.get(key).await, b"a;b");
            let event = setup.events.recv().await.unwrap();
            assert_eq!((record(&event).0, &record(&event).1["key"]), ("ObjectCreated:Post", &json!(key)));
        } else {
            assert!(setup.events.try_recv().is_err(), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn form_with_lines_of_windows_is_stored() {
    let setup = setup().await;
    let now = crate::invoke::machine_now();
    let date = now.format("%Y%m%dT%H%M%SZ").to_string();
    let credential = format!("root/{}/eu-west-3/s3/aws4_request", &date[..8]);
    let policy = json!({"expiration": "2099-01-01T00:00:00.000Z", "conditions": [
        {"bucket": BUCKET}, {"key": "imports/2/w.csv"}, ["content-length-range", 1, 10_000_000],
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": credential}, {"x-amz-date": date},
    ]});
    let policy = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, policy.to_string());
    let signature = signed(&policy, now.into());
    let fields = [
        ("key", "imports/2/w.csv"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", &date),
        ("policy", &policy),
        ("x-amz-signature", &signature),
    ];
    let address = setup.server.address();
    let head =
        format!("POST /{BUCKET} HTTP/1.1\r\nhost: {address}\r\ncontent-type: multipart/form-data; boundary=edge");
    // Each piece of the body ends with what may begin the boundary, wherever it ends.
    let file = "\r\n".repeat(2_000_000);
    let answer = send(address, &head, &form(&fields, &file)).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(setup.get("imports/2/w.csv").await == file.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_an_origin_without_a_rule_reads_nothing() {
    let setup = setup().await;
    let address = setup.server.address();
    let head = |method: &str, origin: &str| {
        format!(
            "OPTIONS /{BUCKET}/imports/2/a HTTP/1.1\r\nhost: {address}\r\norigin: {origin}\r\n\
             access-control-request-method: {method}"
        )
    };
    let answer = send(address, &head("POST", "http://127.0.0.1:3000"), b"").await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (200, Some("POST")));
    let answer = send(address, &head("DELETE", "http://127.0.0.1:3000"), b"").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
    // The server refuses other machines' pages before that.
    let answer = send(address, &head("POST", "https://evil.example"), b"").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn object_is_replaced_whole_or_not_at_all() {
    let setup = setup().await;
    // More than the buffers between the two ends hold.
    let old = vec![b'o'; 2 * PART];
    let body = ByteStream::from(old.clone());
    let put = setup.client.put_object().bucket(BUCKET).key("k").body(body).send().await.unwrap();
    let reading = setup.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    let wrong = setup.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"new"));
    let error = wrong.checksum_crc32("AAAAAA==").send().await.unwrap_err();
    assert_eq!(error.code(), Some("BadDigest"));
    assert_eq!(setup.get("k").await.len(), old.len(), "a refused upload changes nothing");
    let stale = setup.client.put_object().bucket(BUCKET).key("k").if_none_match("*").send().await.unwrap_err();
    assert_eq!(stale.code(), Some("PreconditionFailed"));
    setup.put("k", b"new").await;
    assert_eq!(reading.body.collect().await.unwrap().to_vec(), old, "what was open stays whole");
    assert_eq!(setup.get("k").await, b"new");
    let e_tag = put.e_tag().unwrap();
    let error = setup.client.get_object().bucket(BUCKET).key("k").if_match(e_tag).send().await.unwrap_err();
    assert_eq!(error.code(), Some("PreconditionFailed"));
    let error = setup.client.put_object().bucket(BUCKET).key("k").if_match(e_tag).send().await.unwrap_err();
    assert_eq!(error.code(), Some("PreconditionFailed"));
    let staged = std::fs::read_dir(setup.folder.path().join(STAGING)).unwrap().count();
    assert_eq!(staged, 0);

    for key in ["a/../b", "a//b", "./a", "/a"] {
        let error = setup.client.put_object().bucket(BUCKET).key(key).send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidArgument"), "{key}");
    }
    let error = setup.client.put_object().bucket(BUCKET).key("a".repeat(200)).send().await.unwrap_err();
    assert_eq!(error.code(), Some("KeyTooLongError"));
    let error = setup.client.put_object().bucket(BUCKET).key("k/below").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidRequest"));
    let error = setup.client.put_object().bucket("no-such-bucket").key("k").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchBucket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_fails_if_its_event_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    create_bucket(folder.path(), BUCKET).await.unwrap();
    let events = EventSink::new("eu-west-3", &["imports/"], |_| Err("the disk is full".into()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = start(listener, folder.path(), Credentials::root("root", "secret"), events, Vec::new()).await.unwrap();
    let client = client(&server, "root");
    let put = |key: &str| client.put_object().bucket(BUCKET).key(key).send();
    assert_eq!(put("imports/a").await.unwrap_err().code(), Some("InternalError"));
    put("reports/a").await.unwrap();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_reaches_only_its_prefixes() {
    let setup = setup().await;
    setup.put("reports/2/r.json", b"{}").await;
    setup.put("reports/3/r.json", b"{}").await;
    let operator = client(&setup.server, "operator");
    let put = |key: &str| operator.put_object().bucket(BUCKET).key(key).send();
    let get = |key: &str| operator.get_object().bucket(BUCKET).key(key).send();
    put("imports/2/a.csv").await.unwrap();
    get("reports/2/r.json").await.unwrap();
    operator.list_objects_v2().bucket(BUCKET).prefix("reports/2/").send().await.unwrap();
    let denied = Some("AccessDenied");
    assert_eq!(put("imports/3/a.csv").await.unwrap_err().code(), denied);
    assert_eq!(put("reports/2/a.json").await.unwrap_err().code(), denied);
    assert!(put("imports/2/../3/a.csv").await.is_err());
    assert_eq!(get("reports/3/r.json").await.unwrap_err().code(), denied);
    assert_eq!(get("imports/2/a.csv").await.unwrap_err().code(), denied);
    let list = |prefix: &str| operator.list_objects_v2().bucket(BUCKET).prefix(prefix).send();
    assert_eq!(list("reports/").await.unwrap_err().code(), denied);
    assert_eq!(operator.list_buckets().send().await.unwrap_err().code(), denied);
    let copy =
        operator.copy_object().bucket(BUCKET).key("imports/2/c").copy_source(format!("{BUCKET}/reports/3/r.json"));
    assert_eq!(copy.send().await.unwrap_err().code(), denied);
    let delete = operator.delete_object().bucket(BUCKET).key("imports/2/a.csv");
    assert_eq!(delete.send().await.unwrap_err().code(), denied);
    let stranger = client(&setup.server, "stranger");
    assert!(stranger.list_buckets().send().await.is_err());
}
