//! The gateway's own refusals, as problem+json, in the language that the caller prefers. On AWS the gateway answers them itself.

use aws_stand_in::gateway::GatewayRefusal;
use cee_edge::ProblemType;
use cee_edge::language::accepted;
use http::{HeaderMap, Response};
use lambda_http::Body;
use serde_json::{Map, json};

/// The gateway's own refusals, in the words of the interface.
pub(crate) fn refusal(refusal: GatewayRefusal, headers: &HeaderMap, request_id: &str) -> Response<String> {
    let problem = match refusal {
        GatewayRefusal::InvalidHeader | GatewayRefusal::UnreadableHead | GatewayRefusal::ForeignOrigin => {
            ProblemType::InvalidHeader
        }
        GatewayRefusal::BrokenBody => ProblemType::MalformedBody,
        GatewayRefusal::NotFound => ProblemType::NotFound,
        GatewayRefusal::RequestTimeout => ProblemType::RequestTimeout,
        GatewayRefusal::PayloadTooLarge => ProblemType::BodyTooLarge,
        GatewayRefusal::HeadersTooLarge => ProblemType::HeadersTooLarge,
        GatewayRefusal::FunctionFailed => ProblemType::Internal,
        GatewayRefusal::IntegrationTimeout => ProblemType::Busy,
    };
    let members = Map::from_iter([("request_id".to_owned(), json!(request_id))]);
    let language = accepted(headers);
    let (english, french) = texts(refusal);
    problem.answer(language.choose(english, french), members, language).map(|body| match body {
        Body::Text(text) => text,
        _ => String::new(),
    })
}

/// What happened, in English and in French.
const fn texts(refusal: GatewayRefusal) -> (&'static str, &'static str) {
    match refusal {
        GatewayRefusal::InvalidHeader => (
            "a header holds a character outside visible ASCII, or Host is not a host: send ASCII, or encode what is not",
            "un en-tête contient un caractère hors de l'ASCII visible, ou « Host » n'est pas un hôte : envoyez de l'ASCII, ou encodez le reste",
        ),
        GatewayRefusal::UnreadableHead => (
            "the request line or a header cannot be read, or two headers contradict each other (two values of Content-Length that \
             differ, a line without a colon)",
            "la ligne de requête ou un en-tête est illisible, ou deux en-têtes se contredisent (deux valeurs différentes de Content-Length, \
             une ligne sans deux-points)",
        ),
        GatewayRefusal::ForeignOrigin => (
            "Origin names another site: no page of it may call the service on this machine",
            "«\u{a0}Origin\u{a0}» désigne un autre site\u{a0}: aucune de ses pages ne peut appeler le service de cette machine",
        ),
        GatewayRefusal::BrokenBody => (
            "the body is not framed as the headers say (a chunk is damaged), or ended before its length",
            "le corps n'est pas découpé comme l'annoncent les en-têtes (un morceau est abîmé), ou s'arrête avant sa longueur",
        ),
        GatewayRefusal::HeadersTooLarge => (
            "the request line and the headers are longer than 10,240 bytes together",
            "la ligne de requête et les en-têtes dépassent ensemble 10 240 octets",
        ),
        GatewayRefusal::NotFound => (
            "no call has this method and path: /v3/openapi.json lists the calls",
            "aucun appel n'a cette méthode et ce chemin : /v3/openapi.json donne la liste des appels",
        ),
        GatewayRefusal::RequestTimeout => (
            "the body did not arrive in time: send the call again",
            "le corps n'est pas arrivé à temps : renvoyez l'appel",
        ),
        GatewayRefusal::PayloadTooLarge => (
            "the body is longer than the gateway takes: send less at once",
            "le corps est plus long que ce que la passerelle accepte : envoyez-en moins à la fois",
        ),
        GatewayRefusal::FunctionFailed => (
            "the function gave no answer: it may have done its work, or not",
            "la fonction n'a pas répondu : elle a peut-être fait son travail, ou non",
        ),
        GatewayRefusal::IntegrationTimeout => (
            "the function did not answer in time: it may have done its work, or not",
            "la fonction n'a pas répondu à temps : elle a peut-être fait son travail, ou non",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::Language;
    use http::HeaderValue;
    use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE};
    use serde_json::Value;

    #[test]
    fn gateways_refusals_are_in_the_language_that_the_caller_prefers() {
        let all = [
            GatewayRefusal::InvalidHeader,
            GatewayRefusal::UnreadableHead,
            GatewayRefusal::BrokenBody,
            GatewayRefusal::ForeignOrigin,
            GatewayRefusal::NotFound,
            GatewayRefusal::RequestTimeout,
            GatewayRefusal::PayloadTooLarge,
            GatewayRefusal::HeadersTooLarge,
            GatewayRefusal::FunctionFailed,
            GatewayRefusal::IntegrationTimeout,
        ];
        for refused in all {
            let [english, french] = Language::ALL.map(|language| {
                let mut headers = HeaderMap::new();
                headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(language.as_str()));
                let response = refusal(refused, &headers, "id");
                assert_eq!(response.headers()[CONTENT_LANGUAGE], language.as_str());
                serde_json::from_str::<Value>(response.body()).unwrap()
            });
            for text in ["title", "detail"] {
                assert_ne!(english[text], french[text]);
                assert_eq!(Language::english_left_in(french[text].as_str().unwrap()), None, "{french}");
            }
            for same in ["type", "status", "request_id"] {
                assert_eq!(english[same], french[same]);
            }
        }
    }
}
