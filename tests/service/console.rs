//! The console as a browser uses it: sessions, forms of other sites, other operators' ids, and the headers of its pages.

use cee_registry::SessionId;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::document::base;
use crate::support::{Answer, World, keys, world, world_with};

const FILE: &str = "journey_type;last_name_trunc;phone_trunc;datetime\n\
                    long;DUP;+336010203;15/02/2021\nlong;<b>;+336010204;2021-02-15\n";

/// Pages that need no id.
pub const PAGES: [&str; 10] = [
    "/",
    "/console/overview",
    "/console/files",
    "/console/upload",
    "/console/applications",
    "/console/application",
    "/console/simulate",
    "/console/proof",
    "/console/sent/00000000000000000000000000000000",
    "/console/nothing",
];

/// A browser that keeps the cookie of its session.
pub struct Browser<'a> {
    world: &'a World,
    pub root: String,
    pub cookie: String,
    pub language: &'static str,
}

impl<'a> Browser<'a> {
    pub fn new(world: &'a World) -> Self {
        let root = world.api.url.strip_suffix(base()).unwrap().to_owned();
        Self { world, root, cookie: String::new(), language: "en" }
    }

    pub async fn signed_in(world: &'a World, operator: usize) -> Self {
        let mut browser = Self::new(world);
        browser.sign_in(operator).await;
        browser
    }

    pub fn host(&self) -> &str {
        self.root.split_once("://").unwrap().1
    }

    pub async fn get(&self, path: &str) -> Answer {
        let headers = [("cookie", self.cookie.as_str()), ("accept-language", self.language)];
        self.world.plain(Method::GET, &format!("{}{path}", self.root), &headers, b"").await
    }

    pub async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body: Vec<String> = fields.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("accept-language", self.language),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin),
        ];
        self.world.plain(Method::POST, &format!("{}{path}", self.root), &headers, body.join("&").as_bytes()).await
    }

    /// Sends a form of this host, with the token of the session if there is one.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let fields: Vec<(&str, &str)> =
            token.iter().map(|token| ("form", token.as_str())).chain(fields.iter().copied()).collect();
        self.post_from(&format!("http://{}", self.host()), path, &fields).await
    }

    pub fn form_token(&self) -> Option<String> {
        let (_, id) = self.cookie.split_once('=')?;
        SessionId::parse(id).map(|id| id.form_token())
    }

    /// Asks for the place of a file, and returns the path of the page that has the form for it.
    pub async fn place(&self, fields: &[(&str, &str)]) -> String {
        let answer = self.post("/console/upload", fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let path = answer.headers["location"].to_str().unwrap();
        assert!(path.starts_with("/console/files/"), "{path}");
        path.to_owned()
    }

    /// Sends a file as a browser without scripts does, and returns the id of its import.
    pub async fn send(&self, name: &str, fields: &[(&str, &str)], content: &str) -> String {
        let fields: Vec<_> = fields.iter().copied().chain([("file_name", name)]).collect();
        let path = self.place(&fields).await;
        let form = Form::of(&self.get(&path).await.text, "send").unwrap();
        let answer = form.send(self.world, content).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let id = path.rsplit('/').next().unwrap().to_owned();
        let sent = answer.headers["location"].to_str().unwrap();
        assert!(sent.starts_with(&format!("{}/console/sent/{id}?", self.root)), "{sent}");
        id
    }

    /// Signs in with the credential of a sample operator.
    pub async fn sign_in(&mut self, operator: usize) -> Answer {
        let about = &self.world.stack.description().operators[operator - 1];
        let pair = [("access_key", about.access_key.as_str()), ("secret_key", about.secret_key.as_str())];
        let answer = self.post_from(&format!("http://{}", self.host()), "/console/sign-in", &pair).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        assert_eq!(answer.headers["location"], "/console/overview");
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
        answer
    }
}

/// A form of a page.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
    /// What a script sends instead of two fields: the policy, and its signature.
    pub in_place: [String; 2],
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The value of an attribute of a tag.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(unescaped)
}

impl Form {
    /// The form with this id.
    pub fn of(page: &str, id: &str) -> Option<Self> {
        let has_id = |form: &&str| form.split('>').next().is_some_and(|tag| tag.contains(&format!("id=\"{id}\"")));
        let form = page.split("<form ").skip(1).find(has_id)?;
        let form = form.split("</form>").next()?;
        let tag = format!(" {}", form.split('>').next()?);
        let inputs = form.split("<input").skip(1).filter_map(|input| input.split('>').next());
        let hidden = inputs.filter(|input| input.contains("type=\"hidden\""));
        let fields = hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
        let data = |name: &str| attribute(&tag, name).unwrap_or_default();
        Some(Self {
            action: attribute(&tag, "action")?,
            fields: fields.collect(),
            in_place: [data("data-policy"), data("data-signature")],
        })
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.iter_mut().filter(|(one, _)| one == name).for_each(|(_, old)| value.clone_into(old));
    }

    /// The form as the script sends it, which stays on its page.
    pub fn of_script(mut self) -> Self {
        self.fields.retain(|(name, _)| name != "success_action_redirect");
        let [policy, signature] = self.in_place.clone();
        self.set("policy", &policy);
        self.set("x-amz-signature", &signature);
        self
    }

    /// Sends a file with it, as a page of the console.
    pub async fn send(&self, world: &World, content: &str) -> Answer {
        let mut body = String::new();
        for (name, value) in &self.fields {
            body += &format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        let of_file = "Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv";
        body += &format!("--edge\r\n{of_file}\r\n\r\n{content}\r\n--edge--\r\n");
        world.api.record.file(content.as_bytes());
        let origin = world.api.url.strip_suffix(base()).unwrap();
        let headers = [("content-type", "multipart/form-data; boundary=edge"), ("origin", origin)];
        world.plain(Method::POST, &self.action, &headers, body.as_bytes()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_begins_with_the_secret_and_ends_with_sign_out() {
    let world = world().await;
    let mut browser = Browser::new(&world);
    for path in ["/console", "/console/files", "/console/application", "/console/simulate", "/console/nothing"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.headers["location"], "/console/sign-in");
    }
    let form = browser.get("/console/sign-in").await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(!form.headers.contains_key("set-cookie"), "nobody is given a session before signing in");

    // An id that somebody chose for us is not the one of the session.
    let chosen = SessionId::generate().unwrap();
    browser.cookie = format!("__Host-session={}", chosen.reveal());
    let answer = browser.sign_in(1).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    for flag in ["__Host-session=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=1800"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains(chosen.reveal()));
    let files = browser.get("/console/files").await;
    assert_eq!(files.status, StatusCode::OK);
    assert!(files.text.contains(&world.stack.description().operators[0].name), "{}", files.text);

    // A cookie that was copied before is worth nothing afterwards.
    let copied = browser.cookie.clone();
    let answer = browser.post("/console/sign-out", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    browser.cookie = copied;
    assert_eq!(browser.get("/console/files").await.status, StatusCode::SEE_OTHER);
    // A form that was sent after the end was not carried out, and its sender is told so.
    let answer = browser.post("/console/take-back", &[("import_id", "0")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let again = answer.headers["location"].to_str().unwrap().to_owned();
    let page = browser.get(&again).await;
    assert!(page.status == StatusCode::OK && page.text.contains("What you sent was not carried out"), "{page:?}");
    browser.language = "fr";
    let page = browser.get(&again).await.text;
    assert!(page.contains("Votre session est terminée") && page.contains("id=\"access_key\""), "{page}");
    browser.language = "en";
    // Whoever wanted to sign out is signed out.
    assert_eq!(browser.post("/console/sign-out", &[]).await.headers["location"], "/console/sign-in");
    assert!(!browser.get("/console/sign-in").await.text.contains("session has ended"));
    // A second sign-in ends the first session of the browser.
    browser.sign_in(1).await;
    let first = browser.cookie.clone();
    browser.sign_in(2).await;
    browser.cookie = first;
    assert_eq!(browser.get("/console/files").await.status, StatusCode::SEE_OTHER);
}

/// A person sees neither `/last_name_trunc` nor a query.
#[tokio::test(flavor = "multi_thread")]
async fn faults_name_the_labels_of_the_page() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let same_day = "/console/applications?from=2024-03-02&to=2024-03-02";
    for (language, name, kind, day) in [
        (
            "en",
            "“First three characters of the last name” must",
            "“Journey type” is missing",
            "“Before” must be a later day than “From”",
        ),
        (
            "fr",
            "«\u{a0}Trois premiers caractères du nom\u{a0}» doit",
            "«\u{a0}Type de trajet\u{a0}» manque",
            "«\u{a0}Avant le\u{a0}» doit être un jour postérieur à «\u{a0}À partir du\u{a0}»",
        ),
    ] {
        browser.language = language;
        let page = browser.post("/console/simulate", &[("last_name_trunc", "DU"), ("phone_trunc", "+336010203")]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{page:?}");
        assert!(page.text.contains(name) && page.text.contains(kind), "{}", page.text);
        assert!(!page.text.contains("/last_name_trunc") && !page.text.contains("/journey_type"), "{}", page.text);
        assert!(browser.get(same_day).await.text.contains(day), "{language}");
    }
    browser.language = "en";
    let page = browser.get("/console/applications?from=15/03/2024").await.text;
    assert!(page.contains("“From” must be a day, such as 2024-03-15"), "{page}");
    let page = browser.get("/console/applications?cursor=x").await.text;
    assert!(page.contains("This page belongs to another list") && !page.contains("next_cursor"), "{page}");
}

/// A browser shows a day that it cannot read as none, and *Show the list* would then drop it from the filter.
#[tokio::test(flavor = "multi_thread")]
async fn later_page_of_a_list_shows_the_days_of_its_filter() {
    let world = world().await;
    for n in 0..26 {
        let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360102{n:02}"),
                          "driving_license": format!("L{n}"), "datetime": "2024-03-15T08:30:00Z"});
        assert_eq!(world.api.register(&world.token(1), &body).await.status, StatusCode::CREATED);
    }
    let browser = Browser::signed_in(&world, 1).await;
    let list = "/console/applications?journey_type=long&status=&from=2024-03-01&to=2024-04-01";
    let first = browser.get(list).await.text;
    let next = first.split("<a ").find(|tag| tag.starts_with("rel=\"next\"")).and_then(|tag| attribute(tag, "href"));
    let last = browser.get(&next.unwrap()).await.text;
    for page in [&first, &last] {
        for (name, day) in [("from", "2024-03-01"), ("to", "2024-04-01")] {
            let field = format!("<input id=\"{name}\" name=\"{name}\" type=\"date\" value=\"{day}\">");
            assert!(page.contains(&field), "{name}: {page}");
        }
        assert!(page.contains("/console/applications.csv?from=2024-03-01&amp;journey_type=long&amp;to=2024-04-01\""));
    }
    assert_eq!(last.matches("<tr>").count(), 2, "the header and the last application: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_lock_the_access_key_as_for_tokens() {
    let world = world_with(|_| {}).await;
    let browser = Browser::new(&world);
    let about = &world.stack.description().operators[0];
    let wrong = [("access_key", about.access_key.as_str()), ("secret_key", "not-this-one")];
    for _ in 0..5 {
        let answer = browser.post("/console/sign-in", &wrong).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(!answer.text.contains("not-this-one") && !answer.text.contains(&about.access_key));
    }
    let pair = json!({"access_key": about.access_key, "secret_key": about.secret_key});
    world.move_failure(&pair, 3600).await;
    let right = [("access_key", about.access_key.as_str()), ("secret_key", about.secret_key.as_str())];
    let answer = browser.post("/console/sign-in", &right).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers.contains_key("retry-after") && !answer.headers.contains_key("set-cookie"));
    let token = world.api.post("/auth/access_token", "", &pair).await;
    assert_eq!(token.problem(), "too_many_attempts", "one count for both");
}

#[tokio::test(flavor = "multi_thread")]
async fn form_of_another_site_or_session_is_refused() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let own = browser.form_token().unwrap();
    let other = SessionId::generate().unwrap().form_token();
    let question = [("journey_type", "long"), ("last_name_trunc", "DUP"), ("phone_trunc", "+336010203")];
    let origin = browser.root.clone();
    for (origin, token, status) in [
        (origin.as_str(), own.as_str(), StatusCode::OK),
        (&origin, &other, StatusCode::FORBIDDEN),
        (&origin, "", StatusCode::FORBIDDEN),
        // The local gateway refuses these before the console does, whose own refusal has a test in `session`.
        ("https://evil.example", &own, StatusCode::BAD_REQUEST),
        ("null", &own, StatusCode::BAD_REQUEST),
    ] {
        let fields: Vec<_> = question.into_iter().chain([("form", token)]).collect();
        let answer = browser.post_from(origin, "/console/simulate", &fields).await;
        assert_eq!(answer.status, status, "{origin} {token}: {answer:?}");
    }
    // Nobody is signed in, or out, by another site.
    let about = &world.stack.description().operators[0];
    let pair = [("access_key", about.access_key.as_str()), ("secret_key", about.secret_key.as_str())];
    let answer = browser.post_from("https://evil.example", "/console/sign-in", &pair).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(!answer.headers.contains_key("set-cookie"));
    for fields in [&[][..], &[("form", other.as_str())]] {
        assert_eq!(browser.post_from(&origin, "/console/sign-out", fields).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(browser.get("/console/files").await.status, StatusCode::OK, "still signed in");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operators_ids_show_nothing() {
    let world = world().await;
    let place = world.place(1, json!({"file_name": "<i>drivers.csv"})).await;
    assert_eq!(world.put(&place, FILE.as_bytes()).await, StatusCode::OK);
    world.imported().await;
    let import = place["import_id"].as_str().unwrap();
    let mut browser = Browser::signed_in(&world, 1).await;
    let page = browser.get(&format!("/console/files/{import}")).await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    assert!(page.text.contains("&lt;i&gt;drivers.csv"), "the file's name");
    assert!(page.text.contains(">&lt;b&gt;</td>"), "the rejected cell: {}", page.text);
    assert!(browser.get("/console/files").await.text.contains(import));

    browser.sign_in(2).await;
    let unknown = browser.get("/console/files/00000000000000000000000000000000").await;
    let foreign = browser.get(&format!("/console/files/{import}")).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(foreign.text.replace(import, ""), unknown.text.replace(&"0".repeat(32), ""), "as one that never was");
    let operator = &world.stack.description().operators[1].name;
    assert!(foreign.text.contains(operator) && !foreign.text.contains("/console/sign-in"), "{}", foreign.text);
    assert!(!browser.get("/console/files").await.text.contains(import));
    let answer = browser.get("/console/application?uuid=1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_a_file_outlives_its_rejected_rows() {
    let world = world().await;
    let place = world.place(1, json!({"file_name": "drivers.csv"})).await;
    assert_eq!(world.put(&place, FILE.as_bytes()).await, StatusCode::OK);
    world.imported().await;
    let rejected = keys(&world.aws, "reports/1/").await.into_iter().filter(|key| key.ends_with(".rejected.csv"));
    let bucket = &world.stack.description().bucket;
    for key in rejected {
        world.aws.s3().delete_object().bucket(bucket).key(key).send().await.unwrap();
    }
    let browser = Browser::signed_in(&world, 1).await;
    let page = browser.get(&format!("/console/files/{}", place["import_id"].as_str().unwrap())).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("no longer keeps the rejected rows of this file"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_of_a_suspended_operator_ends() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let siret = world.stack.description().operators[0].siret.clone();
    world.admit(1, &siret, true).await;
    let answer = browser.get("/console/files").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    assert_eq!(answer.headers["location"], "/console/sign-in");
    // It sees what anybody sees, and a new session does not begin.
    for path in ["/console/sign-in", "/console/proof"] {
        assert_eq!(browser.get(path).await.status, StatusCode::OK, "{path}");
    }
    let about = &world.stack.description().operators[0];
    let pair = [("access_key", about.access_key.as_str()), ("secret_key", about.secret_key.as_str())];
    browser.cookie.clear();
    let answer = browser.post("/console/sign-in", &pair).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("has suspended this operator"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn application_is_found_and_its_proof_checked() {
    let world = world().await;
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T08:30:05.999+01:00"});
    let granted = world.api.register(&world.token(1), &body).await.json();
    let (uuid, token) = (granted["uuid"].as_str().unwrap(), granted["token"].as_str().unwrap());
    let dated = |text: &str| format!("<time datetime=\"2024-03-15T07:30:05.999Z\">{text}</time>");
    let (english, french) =
        (dated("15 March 2024, 08:30:05 (Paris time)"), dated("15/03/2024 à 08:30:05 (heure de Paris)"));
    let mut browser = Browser::new(&world);
    // A proof is checked by anybody.
    let page = browser.post("/console/proof", &[("token", token)]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("its application is valid") && page.text.contains(uuid), "{}", page.text);
    assert!(page.text.contains(&english), "{}", page.text);
    let page = browser.post("/console/proof", &[("token", &token[1..])]).await;
    assert!(page.text.contains("not a proof from this registry"), "{}", page.text);

    browser.sign_in(1).await;
    let path = format!("/console/application?uuid={}", uuid.to_uppercase());
    let page = browser.get(&path).await.text;
    assert!(page.contains(token) && page.contains(&english), "{page}");
    browser.language = "fr";
    assert!(browser.get(&path).await.text.contains(&french));
    browser.language = "en";
    let question = [("journey_type", "long"), ("last_name_trunc", "DUP"), ("phone_trunc", "+336010203")];
    let refused = browser.post("/console/simulate", &question).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("dated 15 March 2024, 08:30:05 (Paris time)"), "{}", refused.text);
    browser.sign_in(2).await;
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);

    let path = format!("/policies/cee/{uuid}");
    assert_eq!(world.api.call(Method::DELETE, &path, &world.token(1)).await.status, StatusCode::NO_CONTENT);
    let page = browser.post("/console/proof", &[("token", token)]).await;
    assert!(page.text.contains("has since deleted the application"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn home_leads_to_reference_guides_console_keys_and_health() {
    let world = world().await;
    let browser = Browser::new(&world);
    let home = browser.get("/").await.text;
    let (_, places) = home.split_once("<ul class=\"places\">").unwrap();
    let (places, _) = places.split_once("</ul>").unwrap();
    let links: Vec<&str> = places.split("href=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    let guides = "https://github.com/cee-registry/cee-registry/blob/main/README.md";
    let (keys, health) = ("/v3/.well-known/jwks.json", "/v3/health");
    assert_eq!(links, ["/console", "/console/proof", "/docs", guides, "/v3/openapi.json", keys, health]);
    for path in links.into_iter().filter(|link| link.starts_with('/')) {
        let answer = browser.get(path).await;
        assert!(answer.status.is_success() || answer.status == StatusCode::SEE_OTHER, "{path}: {answer:?}");
    }
}

/// Monitors send `HEAD`.
#[tokio::test(flavor = "multi_thread")]
async fn pages_answer_head_without_body() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    for path in ["/", "/?lang=fr", "/docs", "/console", "/console/proof", "/console/files", "/console/style.css"] {
        let got = browser.get(path).await;
        let headers = [("cookie", browser.cookie.as_str()), ("accept-language", browser.language)];
        let head = world.plain(Method::HEAD, &format!("{}{path}", browser.root), &headers, b"").await;
        assert_eq!((head.status, head.text.as_str()), (got.status, ""), "{path}");
        for name in ["content-type", "content-language", "cache-control", "location", "set-cookie"] {
            assert_eq!(got.headers.get(name), head.headers.get(name), "{path}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_private_and_unframed_and_in_the_chosen_language() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    browser.language = "fr-FR,fr;q=0.9";
    for path in PAGES {
        let answer = browser.get(path).await;
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        let sends_files = header("content-security-policy").contains("form-action 'self' http");
        assert_eq!(header("referrer-policy"), if sends_files { "strict-origin" } else { "same-origin" });
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-language"), "fr");
        assert!(answer.text.contains("<html lang=\"fr\">"), "{path}");
        assert!(answer.text.len() < 100_000);
    }
    let english = browser.get("/console/files?lang=en").await;
    assert_eq!(english.headers["content-language"], "en");
    assert!(english.headers["set-cookie"].to_str().unwrap().starts_with("__Host-language=en; "));
    let page = browser.get("/").await.text;
    let style = page.split("href=\"").find(|part| part.contains("style.css")).unwrap().split('"').next().unwrap();
    let style = browser.get(style).await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    assert_eq!(style.headers["cache-control"], "public, max-age=31536000, immutable");
}
