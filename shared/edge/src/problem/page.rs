//! The meaning and the remedy of each problem type: the text of `docs/problems.md`, the target of every `type`.
//!
//! The page is generated, and a test compares it: a type without a text does not compile.

use std::fmt::Write as _;

use crate::problem::ProblemType;

/// The width of the page's lines, in characters.
const WIDTH: usize = 120;

impl ProblemType {
    /// The meaning of a refusal of this type, and its other members.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::MalformedBody => {
                "The body is not one JSON object: not JSON at all, nested too deeply, not UTF-8, or empty; or the request is no \
                 HTTP that a function could be given. `detail` says where."
            }
            Self::InvalidFields => {
                "Fields are missing, unknown, of the wrong form, or belong to the other journey type. `errors` lists every fault \
                 of the body at once, each as `pointer` (a JSON Pointer, [RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) and \
                 `message`. A message says what is expected and never repeats the value."
            }
            Self::InvalidHeader => "A header is not what it should be. `detail` names it and says what is expected.",
            Self::InvalidQuery => {
                "Parameters of the query are unknown or not what they should be. `errors` lists every fault of the query at once, \
                 each as `pointer` (`/` and the name of the parameter) and `message`. A message says what is expected and never \
                 repeats the value."
            }
            Self::ImportStays => {
                "An import of yours is to be taken back, by `DELETE` or by a file that replaces it, and cannot be: it has not ended yet; it \
                 was begun too long ago (30 days, or what the registry's team has set); or what fell silent while it worked on the import \
                 may still write a row until `available_at`. `detail` says which."
            }
            Self::TooEarly => {
                "Everything is in order but the date: an application can be registered seven days after the journey's end (short) \
                 or after `datetime` (long). `available_at` is the first moment at which the same call is accepted."
            }
            Self::Unauthenticated => {
                "The header `Authorization: Bearer <application token>` is missing, or the token is malformed, expired, signed \
                 under another key, or made for another service. The header `WWW-Authenticate` says which."
            }
            Self::InvalidCredentials => {
                "`POST /auth/access_token` alone: the access key is not known, its secret is another, it was retired, or the \
                 registry has suspended its operator. `detail` tells the last one to whoever knows the secret, and to nobody else."
            }
            Self::MissingScope => {
                "The token is valid but does not carry the scope of this call: `cee:simulate`, `cee:register` or `cee:import`."
            }
            Self::OperatorNotAdmitted => {
                "The token is valid, but the registry does not know its operator, has suspended it, or knows it under another \
                 SIRET."
            }
            Self::CallClosed => {
                "The registry has switched this call off for everybody: altogether, or for the journey type that `detail` names."
            }
            Self::NotFound => "Nothing answers at this path with this method.",
            Self::UnknownApplication => {
                "The registry knows no application of *yours* with this `uuid`, or knows it no more because it was deleted. \
                 Another operator's application is as unknown as one that never was."
            }
            Self::UnknownProof => {
                "`GET /proofs/{uuid}` alone: the registry has never granted an application with this `uuid`. (An application that was \
                 granted and deleted later is no refusal: its state is `deleted`.)"
            }
            Self::UnknownImport => {
                "The registry knows no import of *yours* with this `import_id`. Another operator's import is as unknown as one \
                 that never was."
            }
            Self::UnknownJourney => {
                "The registry knows no journey of *yours* under this `operator_journey_id`. Another operator's journey is as \
                 unknown as one that never was. A journey sent today may take until tomorrow to be known."
            }
            Self::IneligibleJourney => {
                "The journey is known and can carry no application. `criteria` names every criterion that it fails, each as \
                 `criterion` and `message`:\n\n\
                 | `criterion` | the journey |\n\
                 |---|---|\n\
                 | `operator_class` | is not of proof class `C` |\n\
                 | `distance` | is longer than 80,000 m |\n\
                 | `france` | neither starts nor ends in France |\n\
                 | `period` | does not start within the scheme's period, which begins on 2023-01-01 in Paris |"
            }
            Self::History => {
                "A *specific* application (opération spécifique, from before the scheme, imported) is in the way. `datetime` is \
                 its date, `reason` is `history`."
            }
            Self::Duplicate => {
                "A *standardized* application (opération standardisée, registered through this interface) is in the way. \
                 `datetime` is its date, `reason` is `duplicate`. When it is **your own**, `uuid`, `token` and, for a short one, \
                 `journey_id` and `journey_status` are there too: whoever lost an answer gets everything it missed. (The \
                 journey's status is called `journey_status` here because `status` is the HTTP status in a problem; in a 201 it \
                 is `status`.) Of another operator's application nothing but date and reason is told.\n\n\
                 Where several applications are in the way, the one with the latest date is named; at equal dates a `duplicate` \
                 before a `history`, your own before another's."
            }
            Self::JourneyUsed => {
                "The journey carries an application already, under another identity. `datetime` is that application's date, \
                 `reason` is `journey_used`, and since journeys are known to their own operator only, the application is yours: \
                 `uuid`, `token`, `journey_id` and `journey_status` are there too. An identity in the way is named first."
            }
            Self::RequestTimeout => "The request did not arrive in time.",
            Self::BodyTooLarge => "The body is longer than 64 KiB, or that of a batch longer than 512 KiB.",
            Self::UnsupportedMediaType => "The body is not declared as JSON in UTF-8, or is compressed.",
            Self::IdempotencyKeyReused => {
                "This `Idempotency-Key` of yours came with another body before, and that call succeeded. Nothing was done."
            }
            Self::ApplicationDeleted => {
                "This `Idempotency-Key` of yours came with the same body before, and that call succeeded. Its application, `uuid`, was \
                 deleted since. Nothing was done."
            }
            Self::DriverRecordFull => {
                "Nothing is in the driver's way, but the registry takes no more applications of it. An operator has at most 20 live \
                 applications of one journey type for one name and truncated phone (drivers who share both are told apart by their \
                 identity keys). Or the record of the driver is full of what operators have sent. Nothing was written, and the same \
                 call again has the same answer."
            }
            Self::TooManyAttempts => {
                "`POST /auth/access_token` alone: five wrong secrets in a row for this access key. For ten seconds none is looked \
                 at, and after each further failure for twice as long, up to five minutes. The header `Retry-After` says when to \
                 try again. A right secret ends the row. An operator's other access keys, and the tokens it has, are not concerned."
            }
            Self::TooManyCalls => {
                "Your calls are used up: an operator may make fifty a second, counted over ten seconds, or what the registry's team \
                 has set. The call was not looked at. The header `Retry-After` says when there are more. `POST \
                 /auth/access_token` gives one access key twenty tokens in ten seconds; calls that name no known access key are \
                 counted by their address, and together."
            }
            Self::HeadersTooLarge => {
                "Request line and headers together are longer than the gateway takes (10,240 bytes)."
            }
            Self::Internal => {
                "Something failed inside; nothing is told but `request_id`, by which the registry's team finds the call. Whether \
                 an application was registered is then unknown."
            }
            Self::Busy => "Other calls for the same driver came first until the time was up. Nothing was written.",
        }
    }

    /// The remedy for the caller.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::MalformedBody => "Send one JSON object, as a JSON library writes it.",
            Self::InvalidFields => "Correct every field in `errors` and send the call again.",
            Self::InvalidHeader => "Correct the header and send the call again.",
            Self::InvalidQuery => {
                "Correct the parameters and send the call again. Where the cursor is at fault, begin the list again without it."
            }
            Self::ImportStays => {
                "Wait until the import has ended, or until `available_at`; write to the registry's team where it is too old."
            }
            Self::TooEarly => "Send the same call at `available_at` or later.",
            Self::Unauthenticated => "Get a fresh application token and send the call again.",
            Self::InvalidCredentials => {
                "Compare both halves with what the registry's team gave you; write to it where they are right."
            }
            Self::MissingScope => {
                "Ask for a token with the scope that `detail` names, or the registry's team for the right to it."
            }
            Self::OperatorNotAdmitted => "Write to the registry's team.",
            Self::CallClosed => "Keep the call and send it when the registry's team has opened it again.",
            Self::NotFound => {
                "Compare method and path with the reference; `/v3` (or `/v3.2`, `/v3.3`) belongs to the path."
            }
            Self::UnknownApplication => {
                "Compare the `uuid` with that of the 201; if it was deleted, there is nothing to do."
            }
            Self::UnknownProof => {
                "Compare the `uuid` with that of the proof's payload. A proof that verifies names one that was granted: write to the \
                 registry's team."
            }
            Self::UnknownImport => "List your imports: `GET /policies/cee/imports`.",
            Self::UnknownJourney => "Check the name that you gave the journey; if it is right, try again tomorrow.",
            Self::IneligibleJourney => "Register another journey of this driver; this one will not do.",
            Self::History | Self::Duplicate => {
                "The driver has had this certificate (prime CEE): there is no other until the application in the way is old enough."
            }
            Self::JourneyUsed => {
                "Register another journey, or compare the identities: one of the two is not the driver's."
            }
            Self::RequestTimeout => "Send it again.",
            Self::BodyTooLarge => "Send one application a call; bring a long history as a file.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`, in UTF-8 and not compressed.",
            Self::IdempotencyKeyReused => "A key names one call: send another call with another key.",
            Self::ApplicationDeleted => {
                "To register the driver once more, send the call with another key. Where a program sends a call again by itself, give \
                 each attempt a key of its own, and not each driver."
            }
            Self::DriverRecordFull => {
                "Delete applications that are wrong, a placeholder's for example; otherwise write to the registry's team."
            }
            Self::TooManyAttempts => {
                "Wait as long as `Retry-After` says, and look for the client that has an old secret."
            }
            Self::TooManyCalls => {
                "Wait as long as the header `Retry-After` says, and send the call again, with fewer at once. Keep a token for its five minutes."
            }
            Self::HeadersTooLarge => "Leave out headers that the call does not need.",
            Self::Internal => {
                "Send the call again; if the application was registered, the answer is a `duplicate` with all of it."
            }
            Self::Busy => "Wait as long as the header `Retry-After` says, and send the call again.",
        }
    }
}

/// The page of all problem types, in Markdown: `docs/problems.md`.
#[must_use]
pub fn page() -> String {
    let mut page =
        "# Problem types\n\n<!-- Generated from shared/edge/src/problem/page.rs; CONTRIBUTING.md says how. -->\n"
            .to_owned();
    let introduction = "Every refusal is `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)): `type`, \
                        `title`, `status` (the HTTP status) and `detail` (a sentence for a person; its wording may change). \
                        Programs decide by the last part of `type`, which never changes and is a heading of this page. What else \
                        a refusal holds stands at its top level and is listed under its heading. With `Accept-Language: fr`, \
                        `title`, `detail` and every `message` are in French; `Content-Language` says which language they are in.";
    paragraphs(&mut page, introduction);
    for problem in ProblemType::ALL {
        let _ = write!(page, "\n## {}\n", problem.as_str());
        paragraphs(&mut page, &format!("**{}** {}", problem.status().as_u16(), problem.meaning()));
        paragraphs(&mut page, &format!("**What to do:** {}", problem.remedy()));
    }
    page
}

/// Adds paragraphs, each after an empty line and wrapped. Tables stay as they are.
fn paragraphs(page: &mut String, text: &str) {
    for paragraph in text.split("\n\n") {
        page.push('\n');
        if paragraph.starts_with('|') {
            page.push_str(paragraph);
        } else {
            wrap(page, paragraph);
        }
        page.push('\n');
    }
}

fn wrap(page: &mut String, paragraph: &str) {
    let mut column = 0;
    for word in paragraph.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            page.push('\n');
            column = 0;
        } else if column > 0 {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_type_has_an_anchor() {
        let page = page();
        for problem in ProblemType::ALL {
            assert!(page.contains(&format!("\n## {}\n\n**{}** ", problem.as_str(), problem.status().as_u16())));
        }
        assert_eq!(page.matches("\n## ").count(), ProblemType::ALL.len());
        assert!(page.lines().all(|line| line.starts_with('|') || line.chars().count() <= WIDTH));
    }
}
