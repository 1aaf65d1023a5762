//! Pages of other sites (CORS): which may call the interface, and which may put files on S3.

use cee_local::stack::CORS_METHODS;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World, at, world, world_with};
use crate::template::TEMPLATE;

const PAGE: &str = "http://localhost:5173";
/// Of this machine too, so the local gateway lets it through; but no deployment named it.
const OTHER: &str = "http://localhost:5174";

async fn open_world() -> World {
    world_with(|options| {
        options.now = Some(at(crate::support::NOW));
        options.api_origins = format!("https://app.example,{PAGE}");
    })
    .await
}

async fn from(world: &World, origin: &str, method: Method, path: &str, token: &str) -> Answer {
    let mut request = world.api.request(method, path, Some(token), Vec::new());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    if request.method() == Method::OPTIONS {
        request.headers_mut().remove("authorization");
        request.headers_mut().insert("access-control-request-method", "POST".parse().unwrap());
    }
    world.api.send(request).await.unwrap()
}

fn cors(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let headers = headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control"));
    headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn named_origin_may_call_and_no_other() {
    let world = open_world().await;
    let token = world.token(1);
    let asked = from(&world, PAGE, Method::OPTIONS, "/policies/cee", "").await;
    assert_eq!((asked.status, asked.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let allowed: Vec<_> = asked.headers["access-control-allow-headers"].to_str().unwrap().split(", ").collect();
    for header in ["authorization", "content-type", "idempotency-key", "accept-language"] {
        assert!(allowed.contains(&header), "{header}");
    }
    assert_eq!(asked.headers["access-control-allow-origin"], PAGE);
    assert_eq!(asked.headers["access-control-allow-methods"], "GET, POST, DELETE");
    for (method, path, status) in [
        (Method::GET, "/policies/cee", StatusCode::OK),
        (Method::GET, "/policies/cee/imports", StatusCode::OK),
        (Method::DELETE, "/policies/cee/1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b", StatusCode::NOT_FOUND),
        (Method::POST, "/policies/cee", StatusCode::BAD_REQUEST),
    ] {
        let answer = from(&world, PAGE, method.clone(), path, &token).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.headers["access-control-allow-origin"], PAGE, "{method} {path}: refusals too");
        let vary: Vec<_> = answer.headers["vary"].to_str().unwrap().split(", ").collect();
        assert!(vary.contains(&"origin"), "{vary:?}");
        let other = from(&world, OTHER, method, path, &token).await;
        assert_eq!((other.status, cors(&other.headers)), (status, vec![]), "{path}");
    }
    let asked = from(&world, OTHER, Method::OPTIONS, "/policies/cee", "").await;
    assert_eq!((asked.status, cors(&asked.headers)), (StatusCode::NOT_FOUND, vec![]));
    // The public calls are open to every page, as before; the console is for none.
    for origin in [PAGE, OTHER] {
        let keys = from(&world, origin, Method::GET, "/.well-known/jwks.json", &token).await;
        assert_eq!(cors(&keys.headers), [("access-control-allow-origin", "*")], "{origin}");
        let root = world.api.url.strip_suffix(crate::document::base()).unwrap();
        let page = world.plain(Method::GET, &format!("{root}/console/proof"), &[("origin", origin)], b"").await;
        assert_eq!((page.status, cors(&page.headers)), (StatusCode::OK, vec![]), "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_named_origins_no_page_may_call() {
    let world = world().await;
    for origin in [PAGE, "http://127.0.0.1:3000"] {
        let asked = from(&world, origin, Method::OPTIONS, "/policies/cee", "").await;
        assert_eq!((asked.status, cors(&asked.headers)), (StatusCode::NOT_FOUND, vec![]));
        let answer = from(&world, origin, Method::GET, "/policies/cee", &world.token(1)).await;
        assert_eq!((answer.status, cors(&answer.headers)), (StatusCode::OK, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_puts_a_file_on_s3_by_a_presigned_url() {
    let world = open_world().await;
    let place = world.place(1, json!({"file_name": "h.csv", "content_type": "text/csv"})).await;
    let url = place["upload_url"].as_str().unwrap();
    let asked = |method: &'static str| {
        let headers = [
            ("origin", PAGE),
            ("access-control-request-method", method),
            ("access-control-request-headers", "content-type"),
        ];
        let world = &world;
        async move { world.plain(Method::OPTIONS, url, &headers, b"").await }
    };
    for method in CORS_METHODS {
        let answer = asked(method).await;
        assert_eq!(
            (answer.status, &answer.headers["access-control-allow-origin"]),
            (StatusCode::OK, &PAGE.parse().unwrap())
        );
    }
    let answer = asked("DELETE").await;
    assert_eq!((answer.status, cors(&answer.headers)), (StatusCode::FORBIDDEN, vec![]));
    let headers = [("origin", PAGE), ("content-type", "text/csv")];
    let file = b"journey_type,last_name_trunc,phone_trunc,datetime\n";
    let put = world.plain(Method::PUT, url, &headers, file).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    assert_eq!(put.headers["access-control-allow-origin"], PAGE);
    assert_eq!(put.headers["access-control-expose-headers"], "ETag");
    world.stack.queue().idle().await;
}

#[test]
fn template_names_origins_for_the_api_and_the_bucket() {
    let api = &TEMPLATE["Resources"]["Api"]["Properties"];
    // By configuration API Gateway would drop the headers of the functions.
    assert!(api.get("CorsConfiguration").is_none());
    let origins = json!({"Fn::If": ["HasApiOrigins", {"Ref": "ApiOrigins"}, "none"]});
    assert_eq!(api["StageVariables"], json!({ "api_origins": origins }));
    let bucket = &TEMPLATE["Resources"]["DataBucket"]["Properties"]["CorsConfiguration"]["CorsRules"];
    let named = &bucket[1]["Fn::If"];
    assert_eq!((&named[0], &named[2]), (&json!("HasApiOrigins"), &json!({"Ref": "AWS::NoValue"})));
    for rule in [&bucket[0], &named[1]] {
        let methods: Vec<&str> = rule["AllowedMethods"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(methods, CORS_METHODS, "as the local S3");
        assert_eq!((&rule["AllowedHeaders"], &rule["ExposedHeaders"]), (&json!(["*"]), &json!(["ETag"])));
        assert!(!rule["AllowedOrigins"].to_string().contains('*'), "{rule}");
    }
    let parameter = &TEMPLATE["Parameters"]["ApiOrigins"];
    assert_eq!(parameter["Default"], "");
    let pattern = regex::Regex::new(parameter["AllowedPattern"].as_str().unwrap()).unwrap();
    for (origins, is_taken) in [
        ("", true),
        ("https://app.example", true),
        ("https://app.example,http://localhost:5173", true),
        ("*", false),
        ("https://*.example", false),
        ("https://app.example/", false),
        ("https://app.example, https://b.example", false),
        ("app.example", false),
        ("null", false),
    ] {
        assert_eq!(pattern.is_match(origins), is_taken, "{origins}");
    }
}
