//! The local stack's data is private to the user: neither another user of the machine nor a page in its browser reaches it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::crash::serve;
use crate::support::Api;

/// The path of each file and folder of a directory, itself included, with its permissions. A running stack removes files, such as
/// those of finished events, while this reads: a removed file is left out.
fn permissions(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut left = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                found.push((path, metadata.permissions().mode()));
            }
            Ok(metadata) => found.push((path, metadata.permissions().mode())),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{path:?}"),
        }
    }
    found
}

/// Every file and folder of a directory, itself included, that another user may read, write or enter.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    permissions(folder).into_iter().filter(|(_, mode)| mode & 0o077 != 0).map(|(path, _)| path).collect()
}

fn widen(folder: &Path) {
    for (path, mode) in permissions(folder) {
        let wide = mode | if path.is_dir() { 0o055 } else { 0o044 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wide)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_directory_is_closed_to_other_users() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let upload = async |about: &Value, name: &str| {
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][0]["token"].as_str().unwrap();
        let place = api.post("/policies/cee/imports", token, &json!({"file_name": name})).await.json();
        let request = Request::put(place["upload_url"].as_str().unwrap());
        let body = b"journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336399801,2021-02-15\n";
        assert_eq!(api.send(request.body(body.to_vec()).unwrap()).await.unwrap().status, StatusCode::OK);
        let path = format!("/policies/cee/imports/{}", place["import_id"].as_str().unwrap());
        while api.call(Method::GET, &path, token).await.json()["state"] != "completed" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (mut child, about) = serve(&folder, &[]).await;
    upload(&about, "first.csv").await;
    assert_eq!(open_to_others(&data_dir), Vec::<PathBuf>::new());
    child.kill().await.unwrap();

    // As an earlier release left it.
    widen(&data_dir);
    assert!(open_to_others(&data_dir).len() > 10);
    let (mut child, about) = serve(&folder, &[]).await;
    assert_eq!(open_to_others(&data_dir), Vec::<PathBuf>::new());
    upload(&about, "second.csv").await;
    assert_eq!(open_to_others(&data_dir), Vec::<PathBuf>::new());
    child.kill().await.unwrap();

    // In a directory that also holds other files, only the stack's own files are closed.
    std::fs::write(data_dir.join("mine.txt"), "mine").unwrap();
    widen(&data_dir);
    let (mut child, _) = serve(&folder, &[]).await;
    let mut open = open_to_others(&data_dir);
    open.sort();
    assert_eq!(open, [data_dir.clone(), data_dir.join("mine.txt")]);
    child.kill().await.unwrap();
}

/// Sends a request as it is written, and returns the raw response.
async fn raw(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_refuse_pages_of_other_sites() {
    let folder = TempDir::new().unwrap();
    let (mut child, about) = serve(&folder, &[]).await;
    let address = |name: &str| {
        let url = about[name].as_str().unwrap();
        url.trim_start_matches("http://").trim_end_matches("/v3").to_owned()
    };
    let list = "POST / HTTP/1.1\r\nx-amz-target: DynamoDB_20120810.ListTables\r\ncontent-type: application/x-amz-json-1.0\r\n\
                authorization: AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-3/dynamodb/aws4_request, SignedHeaders=host, \
                Signature=a\r\nx-amz-date: 20260101T000000Z\r\ncontent-length: 2\r\n";
    let preflight = "OPTIONS / HTTP/1.1\r\naccess-control-request-method: POST\r\n";
    let cases = [
        ("dynamodb_url", list, "{}", 200, 403),
        ("dynamodb_url", preflight, "", 200, 403),
        ("dynamodb_url", "GET / HTTP/1.1\r\n", "", 200, 403),
        ("s3_url", "GET / HTTP/1.1\r\n", "", 403, 403),
        ("s3_url", preflight, "", 403, 403),
        ("api_url", "GET /v3/health HTTP/1.1\r\n", "", 200, 400),
        ("api_url", "OPTIONS /v3/health HTTP/1.1\r\n", "", 404, 400),
    ];
    for (name, head, body, own, foreign) in cases {
        let address = address(name);
        let port = address.split(':').nth(1).unwrap();
        let ask = async |origin: &str, host: &str| {
            let origin = if origin.is_empty() { String::new() } else { format!("origin: {origin}\r\n") };
            raw(&address, &format!("{head}host: {host}\r\nconnection: close\r\n{origin}\r\n{body}")).await
        };
        for origin in ["", "http://localhost:5173", "http://LOCALHOST", "http://127.0.0.1:3000", "http://[::1]:80"] {
            let answer = ask(origin, &address).await;
            let denied = answer.contains("A page of another site");
            // Without Origin it is not a preflight.
            let own = if head == preflight && origin.is_empty() && own == 200 { 404 } else { own };
            assert!(!denied && (own == 403 || status(&answer) == own), "{name} {origin}: {answer}");
        }
        let rebound = format!("http://evil.example:{port}");
        for (origin, host) in [
            ("https://evil.example", address.as_str()),
            ("http://localhost.evil.example", &address),
            ("http://127.0.0.1.evil.example", &address),
            ("http://192.0.2.1", &address),
            ("null", &address),
            ("file://", &address),
            ("not an origin", &address),
            // A name that the site has pointed to this machine.
            (&rebound, &rebound[7..]),
        ] {
            let answer = ask(origin, host).await;
            assert_eq!(status(&answer), foreign, "{name} {origin}: {answer}");
            let lower = answer.to_lowercase();
            assert!(
                !lower.contains("access-control-allow") && !answer.contains("cee-local"),
                "{name} {origin}: {answer}"
            );
            assert!(lower.contains("another site"), "{name} {origin}: {answer}");
        }
    }
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn host_open_to_network_prints_warning() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    for (host, is_warned) in [("0.0.0.0", true), ("127.0.0.1", false), ("::1", false)] {
        let folder = TempDir::new().unwrap();
        let mut command = tokio::process::Command::new(crate::support::cee());
        command.args(["serve", "--port", "0", "--dynamodb-port", "0", "--s3-port", "0", "--host", host]);
        command.arg("--data-dir").arg(folder.path()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == "ready" {
                break;
            }
            said.push_str(&line);
            said.push('\n');
        }
        assert_eq!(said.contains("warning: the service listens on 0.0.0.0"), is_warned, "{said}");
        if is_warned {
            for words in [
                "DynamoDB: to read and change every name",
                "S3: files and reports",
                "the API: with a token",
                "--host 127.0.0.1",
            ] {
                assert!(said.contains(words), "{words}: {said}");
            }
        }
        child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_with_prior_knowledge_is_answered() {
    let folder = TempDir::new().unwrap();
    let (mut child, about) = serve(&folder, &[]).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<hyper::body::Bytes>>();
    let api = about["api_url"].as_str().unwrap();
    let health = Request::get(format!("{api}/health")).body(Full::default()).unwrap();
    let answer = client.request(health).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_2));
    let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "phone_trunc": "+336399801"}).to_string();
    let request = Request::post(format!("{api}/policies/cee/simulate"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", about["operators"][0]["token"].as_str().unwrap()));
    assert_eq!(client.request(request.body(Full::from(body)).unwrap()).await.unwrap().status(), StatusCode::OK);
    for name in ["dynamodb_url", "s3_url"] {
        let request = Request::get(about[name].as_str().unwrap()).body(Full::default()).unwrap();
        assert_eq!(client.request(request).await.unwrap().version(), http::Version::HTTP_2, "{name}");
    }
    // A request that only begins like that is HTTP/1.1, at any speed.
    let address = api.trim_start_matches("http://").trim_end_matches("/v3");
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in ["P", "O", "ST /v3/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_return_problem_with_reason() {
    let folder = TempDir::new().unwrap();
    let (mut child, about) = serve(&folder, &[]).await;
    let address = about["api_url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches("/v3");
    let many: String = (0..150).map(|number| format!("x-{number}: a\r\n")).collect();
    let too_many: String = (0..1500).map(|number| format!("x-{number}: aaaa\r\n")).collect();
    let long = |length: usize| format!("x-long: {}\r\n", "a".repeat(length));
    for (headers, body, code, problem, why) in [
        ("x-name: Zo\u{e9}\r\ncontent-length: 2\r\n".to_owned(), "{}", 400, "invalid_header", "outside visible ASCII"),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            "zz\r\n{}\r\n0\r\n\r\n",
            400,
            "malformed_body",
            "a chunk is damaged",
        ),
        (
            "content-length: 2\r\ncontent-length: 3\r\n".to_owned(),
            "{}",
            400,
            "invalid_header",
            "two values of Content-Length that differ",
        ),
        ("content-length: two\r\n".to_owned(), "{}", 400, "invalid_header", "cannot be read"),
        ("no colon\r\n".to_owned(), "{}", 400, "invalid_header", "a line without a colon"),
        (too_many, "", 431, "headers_too_large", "10,240 bytes"),
        (long(20_000), "", 431, "headers_too_large", "10,240 bytes"),
        (long(200_000), "", 431, "headers_too_large", "10,240 bytes"),
    ] {
        let head = "POST /v3/policies/cee/simulate HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n";
        let answer = raw(address, &format!("{head}{headers}\r\n{body}")).await;
        assert_eq!(status(&answer), code, "{why}: {answer}");
        assert!(answer.contains(&format!("#{problem}\"")) && answer.contains(why), "{why}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    // The response is complete, and holds the request id.
    let answer =
        raw(address, "GET /v3/health HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("content-length: {}", body.len())) && head.contains("connection: close"),
        "{answer}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(head.contains(body["request_id"].as_str().unwrap()), "{answer}");
    // The same length twice is one length.
    let twice =
        "GET /v3/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(status(&raw(address, twice).await), 200);
    // More than a hundred headers are answered if they are short enough.
    let answer = raw(address, &format!("GET /v3/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{many}\r\n")).await;
    assert_eq!(status(&answer), 200, "{answer}");
    child.kill().await.unwrap();
}
