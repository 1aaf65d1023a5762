//! The problem types: one entry for each, in the order of `docs/problems.md`.
//!
//! An entry holds everything about a type that is the same for every refusal of this type: its name and status, its title in English and
//! in French, and the texts, members and examples of the page of problem types and of the OpenAPI document. The reason of one refusal, and
//! its sentence, are in [`refusal`](super::refusal).

use std::time::Duration;

use cee_eligibility::{ApplicationId, Criterion, FieldError, JourneyType, Language, NoRoom, Reason};
use cee_registry::{MOST_EXPORTS, MOST_EXPORTS_A_DAY, TakeBackRefusal, UndoRefusal};
use cee_tokens::{Scope, TokenError};
use http::StatusCode;
use utoipa::openapi::Ref;

use super::{BrokenRule, FieldFault, InternalError, Malformed, NoToken, NotAdmitted, Refusal};
use crate::answer::OwnApplication;
use crate::body::BODY_LIMIT;
use crate::openapi::problems::{
    Described, Example, Member, SAMPLE_DATETIME, SAMPLE_UUID, always, at, criteria, earlier_application, example,
    faults, moment, of_gateway, one, reason, request_id, request_id_of_gateway, sometimes,
};

/// Declares each problem type once, as `Variant: "name", STATUS { … }`:
///
/// - `title`: in English and in French;
/// - `meaning` and `remedy`: what the page of problem types says, in English;
/// - `members`: the members of its problems beside those of every problem;
/// - `examples`: refusals of this type for the OpenAPI document, made by the code that refuses. The closure gets the call that is described.
///
/// The macro writes the enum, and for each part of an entry a method with one `match`. (One table of entries may keep the OpenAPI
/// document's code in every deployed function: the linker removes a method that nothing calls, but no part of a table.)
macro_rules! problem_types {
    ($(
        $(#[$doc:meta])+
        $variant:ident: $name:literal, $status:ident {
            title: $title:expr,
            meaning: $meaning:expr,
            remedy: $remedy:expr,
            members: $members:expr,
            examples: $examples:expr,
        }
    )+) => {
        /// The kinds of refusal. Their names and statuses are part of the interface and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $($(#[$doc])+ $variant,)+
        }

        impl ProblemType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The type's name, the last part of `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The type's HTTP status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The type's title in this language: the same for every refusal of this type.
            #[must_use]
            pub const fn title(self, language: Language) -> &'static str {
                let [english, french] = match self { $(Self::$variant => $title,)+ };
                match language {
                    Language::English => english,
                    Language::French => french,
                }
            }

            /// The meaning of a refusal of this type, and its other members.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// The remedy for the caller.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }

            /// The members of a refusal of this type, beside those of every problem.
            pub(crate) fn members(self) -> Vec<Member> {
                match self { $(Self::$variant => $members,)+ }
            }

            /// Refusals of this type as examples of a call.
            pub(crate) fn examples(self, call: &Described<'_>) -> Vec<Example> {
                let examples: fn(&Described<'_>) -> Vec<Example> = match self { $(Self::$variant => $examples,)+ };
                examples(call)
            }
        }
    };
}

/// The remedy where the driver has had the certificate.
const WAIT_UNTIL_OLD_ENOUGH: &str = "The driver has had this certificate (prime CEE): there is no other until the application in the way is old enough.";

problem_types! {
    /// The body is not the JSON object, or for a batch the JSON array, of the call.
    MalformedBody: "malformed_body", BAD_REQUEST {
        title: ["The body is not the JSON of this call", "Le corps n'est pas le JSON de cet appel"],
        meaning: "\
            The body is not one JSON object, or for a batch one JSON array: not JSON at all, nested too deeply, not UTF-8, \
            or empty; or the request is no HTTP that a function could be given. `detail` says where.",
        remedy: "Send one JSON object, or for a batch one JSON array, as a JSON library writes it.",
        members: request_id_of_gateway(),
        examples: |_| one("Not JSON", Refusal::MalformedBody(Malformed::NotJson { line: 1, column: 18 })),
    }

    /// Fields of the body are invalid; `errors` lists every one.
    InvalidFields: "invalid_fields", BAD_REQUEST {
        title: ["Fields of the body are at fault", "Des champs du corps sont incorrects"],
        meaning: "\
            Fields are missing, unknown, of the wrong form, or belong to the other journey type. `errors` lists every \
            fault of the body at once, each as `pointer` (a JSON Pointer, [RFC \
            6901](https://www.rfc-editor.org/rfc/rfc6901)) and `message`. A message says what is expected and never \
            repeats the value.",
        remedy: "Correct every field in `errors` and send the call again.",
        members: vec![always("errors", faults("Every fault of the body."))],
        examples: |call| one("Every fault at once", Refusal::InvalidFields(call.faults.to_vec())),
    }

    /// A header is invalid.
    InvalidHeader: "invalid_header", BAD_REQUEST {
        title: ["A header is at fault", "Un en-tête est incorrect"],
        meaning: "A header is not what it should be. `detail` names it and says what is expected.",
        remedy: "Correct the header and send the call again.",
        members: request_id_of_gateway(),
        examples: |_| one("A key with a space", Refusal::InvalidHeader("idempotency-key", FieldError::IdempotencyKey)),
    }

    /// Parameters of the query are invalid; `errors` lists every one.
    InvalidQuery: "invalid_query", BAD_REQUEST {
        title: ["A parameter of the query is at fault", "Un paramètre de la requête est incorrect"],
        meaning: "\
            Parameters of the query are unknown or not what they should be. `errors` lists every fault of the query at \
            once, each as `pointer` (`/` and the name of the parameter) and `message`. A message says what is expected \
            and never repeats the value.",
        remedy: "\
            Correct the parameters and send the call again. Where the cursor is at fault, begin the list again without \
            it.",
        members: vec![always("errors", faults("Every fault of the query."))],
        examples: |_| {
            let cursor = FieldFault::of("cursor", BrokenRule::Cursor);
            one("A cursor of one's own making", Refusal::InvalidQuery(vec![cursor]))
        },
    }

    /// The application can be registered from `available_at` on.
    TooEarly: "too_early", BAD_REQUEST {
        title: ["The application comes too early", "La demande arrive trop tôt"],
        meaning: "\
            Everything is in order but the date: an application can be registered seven days after the journey's end \
            (short) or after `datetime` (long). `available_at` is the first moment at which the same call is \
            accepted.",
        remedy: "Send the same call at `available_at` or later.",
        members: vec![always("available_at", moment())],
        examples: |_| one("Too young", Refusal::TooEarly(at("2024-05-08T07:30:00Z"))),
    }

    /// The token is missing or not valid now.
    Unauthenticated: "unauthenticated", UNAUTHORIZED {
        title: ["A valid application token is needed", "Un jeton applicatif valable est nécessaire"],
        meaning: "\
            The header `Authorization: Bearer <application token>` is missing, or the token is malformed, expired, \
            signed under another key, or made for another service. The header `WWW-Authenticate` says which.",
        remedy: "Get a fresh application token and send the call again.",
        members: Vec::new(),
        examples: |_| vec![
            example("", "No token", Refusal::Unauthenticated(None)),
            example("_expired", "An old token", Refusal::Unauthenticated(Some(TokenError::Expired))),
        ],
    }

    /// The access key and secret yield no token.
    InvalidCredentials: "invalid_credentials", UNAUTHORIZED {
        title: ["The access key and the secret give no token", "La clé d'accès et le secret ne donnent pas de jeton"],
        meaning: "\
            `POST /auth/access_token` alone: the access key is not known, its secret is another, it was retired, or \
            the registry has suspended its operator. `detail` names the suspension only if the secret \
            is right.",
        remedy: "Compare both halves with what the registry's team gave you; write to it where they are right.",
        members: Vec::new(),
        examples: |_| one("Not a pair that the registry gave", Refusal::InvalidCredentials(NoToken::WrongPair)),
    }

    /// The token does not carry the scope that the call needs.
    MissingScope: "missing_scope", FORBIDDEN {
        title: ["The token does not allow this call", "Le jeton ne permet pas cet appel"],
        meaning: "\
            The token is valid but does not carry the scope of this call: `cee:simulate`, `cee:register` or \
            `cee:import`.",
        remedy: "Get a token from `POST /auth/access_token`: it carries every scope.",
        members: Vec::new(),
        examples: |call| one("Another call's token", Refusal::MissingScope(call.scope.unwrap_or(Scope::Simulate))),
    }

    /// The registry does not know the operator, or has suspended it.
    OperatorNotAdmitted: "operator_not_admitted", FORBIDDEN {
        title: ["The operator is not admitted", "L'opérateur n'est pas admis"],
        meaning: "\
            The token is valid, but the registry does not know its operator, has suspended it, or knows it under \
            another SIRET.",
        remedy: "Write to the registry's team.",
        members: Vec::new(),
        examples: |_| one("A suspended operator", Refusal::OperatorNotAdmitted(NotAdmitted::Suspended)),
    }

    /// The registry has switched this call off.
    CallClosed: "call_closed", FORBIDDEN {
        title: ["The registry has closed this call", "Le registre a fermé cet appel"],
        meaning: "\
            The registry has switched this call off for everybody: altogether, or for the journey type that `detail` \
            names.",
        remedy: "Keep the call and send it when the registry's team has opened it again.",
        members: Vec::new(),
        examples: |_| one("Closed for everybody", Refusal::CallClosed(None)),
    }

    /// No call has this path and method.
    NotFound: "not_found", NOT_FOUND {
        title: ["Nothing answers here", "Rien ne répond ici"],
        meaning: "\
            Nothing answers at this path with this method. Where the path belongs to a call with another method, `detail` and the \
            header `Allow` may name it.",
        remedy: "Compare method and path with the reference; `/v3` (or `/v3.2`, `/v3.3`) belongs to the path.",
        members: request_id_of_gateway(),
        examples: |_| of_gateway(ProblemType::NotFound, "Not Found"),
    }

    /// The caller has no such application.
    UnknownApplication: "unknown_application", NOT_FOUND {
        title: ["The application is not known", "La demande est inconnue"],
        meaning: "\
            The registry knows no application of *yours* with this `uuid`, or knows it no more because it was deleted. \
            Another operator's application is as unknown as one that never was.",
        remedy: "Compare the `uuid` with that of the 201; if it was deleted, there is nothing to do.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownApplication),
    }

    /// The registry has granted no application of this UUID.
    UnknownProof: "unknown_proof", NOT_FOUND {
        title: ["The proof is not known", "La preuve est inconnue"],
        meaning: "\
            `GET /proofs/{uuid}` alone: the registry has never granted an application with this `uuid`. (An \
            application that was granted and deleted later is no refusal: its state is `deleted`.)",
        remedy: "\
            Compare the `uuid` with that of the proof's payload. A proof that verifies names one that was granted: \
            write to the registry's team.",
        members: Vec::new(),
        examples: |_| one("Never granted", Refusal::UnknownProof { is_uuid: true }),
    }

    /// The caller has no such import.
    UnknownImport: "unknown_import", NOT_FOUND {
        title: ["The import is not known", "L'import est inconnu"],
        meaning: "\
            The registry knows no import of *yours* with this `import_id`. Another operator's import is as unknown as \
            one that never was.",
        remedy: "List your imports: `GET /policies/cee/imports`.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownImport),
    }

    /// The caller has no such export.
    UnknownExport: "unknown_export", NOT_FOUND {
        title: ["The export is not known", "L'export est inconnu"],
        meaning: "\
            The registry knows no export of *yours* with this `export_id`. Another operator's export is as unknown as \
            one that never was, and an export is forgotten after 30 days.",
        remedy: "List your exports: `GET /policies/cee/exports`.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownExport),
    }

    /// The caller has no such journey.
    UnknownJourney: "unknown_journey", NOT_FOUND {
        title: ["The journey is not known", "Le trajet est inconnu"],
        meaning: "\
            The registry knows no journey of *yours* under this `operator_journey_id`. Another operator's journey is \
            as unknown as one that never was. A journey sent today may take until tomorrow to be known.",
        remedy: "Check the name that you gave the journey; if it is right, try again tomorrow.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownJourney),
    }

    /// The journey fails one or more of the scheme's criteria.
    IneligibleJourney: "ineligible_journey", NOT_FOUND {
        title: ["The journey cannot carry an application", "Le trajet ne peut pas porter de demande"],
        meaning: "\
            The journey is known and can carry no application. `criteria` names every criterion that it fails, each as \
            `criterion` and `message`:\n\n\
            | `criterion` | the journey |\n\
            |---|---|\n\
            | `operator_class` | is not of proof class `C` |\n\
            | `distance` | is longer than 80,000 m |\n\
            | `france` | neither starts nor ends in France |\n\
            | `period` | does not start within the scheme's period, which begins on 2023-01-01 in Paris |",
        remedy: "Register another journey of this driver; this one will not do.",
        members: vec![always("criteria", criteria())],
        examples: |_| {
            let failed = vec![Criterion::OperatorClass, Criterion::Distance];
            one("Every criterion that fails", Refusal::IneligibleJourney { failed, rules: Box::default() })
        },
    }

    /// A specific application, imported from before the scheme, blocks the new one.
    History: "history", CONFLICT {
        title: [
            "An application from before the scheme is in the way",
            "Une opération antérieure au dispositif fait obstacle",
        ],
        meaning: "\
            A *specific* application (opération spécifique, from before the scheme, imported) is in the way. \
            `datetime` is its date, `reason` is `history`.",
        remedy: WAIT_UNTIL_OLD_ENOUGH,
        members: vec![always("datetime", moment()), always("reason", reason())],
        examples: |_| {
            let datetime = at("2021-02-14T23:00:00Z");
            one("From before the scheme", Refusal::Blocked { reason: Reason::History, datetime, own: None })
        },
    }

    /// A standardized application, registered through this interface, blocks the new one.
    Duplicate: "duplicate", CONFLICT {
        title: ["An earlier application is in the way", "Une demande antérieure fait obstacle"],
        meaning: "\
            A *standardized* application (opération standardisée, registered through this interface) is in the way. \
            `datetime` is its date, `reason` is `duplicate`. When it is **your own**, `uuid`, `token` and, for a short \
            one, `journey_id` and `journey_status` are there too: an operator that lost an answer gets all of it. \
            (The journey's status is called `journey_status` here because `status` is the HTTP status in a problem; in \
            a 201 it is `status`.) Of another operator's application it holds only date and reason.\n\n\
            Where several applications are in the way, the one with the latest date is named; at equal dates a \
            `duplicate` before a `history`, your own before another's.",
        remedy: WAIT_UNTIL_OLD_ENOUGH,
        members: earlier_application(),
        examples: |_| {
            let (reason, datetime) = (Reason::Duplicate, at(SAMPLE_DATETIME));
            let own = Some(Box::new(OwnApplication::sample(JourneyType::Short)));
            vec![
                example("", "Another operator's: date and reason", Refusal::Blocked { reason, datetime, own: None }),
                example("_own", "Your own: all of it", Refusal::Blocked { reason, datetime, own }),
            ]
        },
    }

    /// The journey carries an application already.
    JourneyUsed: "journey_used", CONFLICT {
        title: ["The journey carries an application already", "Le trajet porte déjà une demande"],
        meaning: "\
            The journey carries an application already, under another identity. `datetime` is that application's date, \
            `reason` is `journey_used`, and since journeys are known to their own operator only, the application is \
            yours: `uuid`, `token`, `journey_id` and `journey_status` are there too. An identity in the way is named \
            first.",
        remedy: "Register another journey, or compare the identities: one of the two is not the driver's.",
        members: earlier_application(),
        examples: |_| {
            let own = Some(Box::new(OwnApplication::sample(JourneyType::Short)));
            one("Under another identity", Refusal::JourneyUsed { datetime: at(SAMPLE_DATETIME), own })
        },
    }

    /// The import cannot be undone now, or its operator may no longer undo it.
    ImportStays: "import_stays", CONFLICT {
        title: ["The import cannot be taken back", "L'import ne peut pas être annulé"],
        meaning: "\
            An import of yours is to be taken back, by `DELETE` or by a file that replaces it, and cannot be: it has \
            not ended yet; it was begun too long ago (30 days, or what the registry's team has set); an invocation \
            that stopped answering may still write a row of it until `available_at`; or a file is to replace what is \
            taken back already, what another file replaces at this moment, or what was only a check or a list of \
            drivers. `detail` says which.",
        remedy: "\
            Wait until the import has ended, or the one that `detail` names, or until `available_at`; write to the \
            registry's team if it is too old; name the import that has the rows to be replaced.",
        members: vec![sometimes("available_at", moment())],
        examples: |_| {
            let silent = UndoRefusal::Haunted(at("2024-05-01T09:15:00Z"));
            vec![
                example("", "Too old", Refusal::ImportStays(TakeBackRefusal::TooOld(30))),
                example("_for_now", "Not quite ended", Refusal::ImportStays(silent.into())),
                example("_for_check", "Only a check", Refusal::ImportStays(TakeBackRefusal::NothingImported)),
            ]
        },
    }

    /// As many exports of the operator are in progress as may be.
    TooManyExports: "too_many_exports", CONFLICT {
        title: ["Too many exports are in progress", "Trop d'exports sont en cours"],
        meaning: "\
            Two exports of *yours* are in progress already. Calls at the same moment count each other: of several, all \
            may be refused. Or you have requested a hundred exports within 24 hours.",
        remedy: "\
            Wait until one of your exports is `ready` or `failed`, and send the call again. A program that needs the state of its \
            applications more often reads the changes: `GET /policies/cee/changes`.",
        members: Vec::new(),
        examples: |_| {
            vec![
                example("", "Two are in progress", Refusal::TooManyExports(MOST_EXPORTS)),
                example("_a_day", "A hundred within a day", Refusal::TooManyExportsADay(MOST_EXPORTS_A_DAY)),
            ]
        },
    }

    /// The request did not arrive in time.
    RequestTimeout: "request_timeout", REQUEST_TIMEOUT {
        title: ["The request came too slowly", "La requête est arrivée trop lentement"],
        meaning: "The request did not arrive in time.",
        remedy: "Send it again.",
        members: request_id_of_gateway(),
        examples: |_| of_gateway(ProblemType::RequestTimeout, "Request Timeout"),
    }

    /// The body is longer than any call accepts.
    BodyTooLarge: "body_too_large", PAYLOAD_TOO_LARGE {
        title: ["The body is too long", "Le corps est trop long"],
        meaning: "The body is longer than 64 KiB, or that of a batch longer than 512 KiB.",
        remedy: "Send one application a call; bring a long history as a file.",
        members: request_id_of_gateway(),
        examples: |_| one("Too long", Refusal::BodyTooLarge(BODY_LIMIT)),
    }

    /// The body is not declared as JSON.
    UnsupportedMediaType: "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE {
        title: ["The body must be declared as JSON", "Le corps doit être déclaré comme JSON"],
        meaning: "The body is not declared as JSON in UTF-8, or is compressed.",
        remedy: "Send `Content-Type: application/json`, in UTF-8 and not compressed.",
        members: Vec::new(),
        examples: |_| one("Not declared as JSON", Refusal::UnsupportedMediaType),
    }

    /// The call's `Idempotency-Key` was used for a different call.
    IdempotencyKeyReused: "idempotency_key_reused", UNPROCESSABLE_ENTITY {
        title: ["The Idempotency-Key was used for another call", "L'Idempotency-Key a servi à un autre appel"],
        meaning: "\
            This `Idempotency-Key` of yours came with another body before, and that call succeeded. Nothing was done.",
        remedy: "A key names one call: send another call with another key.",
        members: Vec::new(),
        examples: |_| one("Another body", Refusal::IdempotencyKeyReused),
    }

    /// The application that the call's `Idempotency-Key` registered was deleted.
    ApplicationDeleted: "application_deleted", GONE {
        title: ["The application was deleted", "La demande a été supprimée"],
        meaning: "\
            This `Idempotency-Key` of yours came with the same body before, and that call succeeded. Its application, \
            `uuid`, was deleted since. Nothing was done.",
        remedy: "\
            To register the driver once more, send the call with another key. Where a program sends a call again by \
            itself, give each attempt a key of its own, and not each driver.",
        members: vec![always("uuid", Ref::from_schema_name("ApplicationId"))],
        examples: |_| {
            let uuid = ApplicationId::parse(SAMPLE_UUID).map(Refusal::ApplicationDeleted);
            uuid.map(|refusal| one("The same call again", refusal)).unwrap_or_default()
        },
    }

    /// The changes after the cursor are no longer kept.
    CursorExpired: "cursor_expired", GONE {
        title: [
            "The changes after this cursor are no longer kept",
            "Les changements postérieurs à ce curseur ne sont plus conservés",
        ],
        meaning: "\
            The registry keeps a change for 400 days after your next change. Changes after this cursor have expired. Or the \
            registry's team has restored the tables to an earlier moment, at which the change before this cursor had not \
            happened.",
        remedy: "\
            List your applications with `GET /policies/cee`, and take their statuses from there. Then read the changes without \
            `since`, from the oldest that is kept, and go on from there. Read them at least once a year.",
        members: Vec::new(),
        examples: |_| one("A cursor of two years ago", Refusal::CursorExpired),
    }

    /// The registry accepts no more applications of this driver.
    DriverRecordFull: "driver_record_full", UNPROCESSABLE_ENTITY {
        title: ["The driver's record is full", "La fiche du conducteur est pleine"],
        meaning: "\
            Nothing is in the driver's way, but the registry takes no more applications of it. An operator has at most \
            20 live applications of one journey type for one name and truncated phone (drivers who share both are told \
            apart by their identity keys). Or the record of the driver is full of what operators have sent. Nothing \
            was written, and the same call again has the same answer.",
        remedy: "\
            Delete applications that are wrong, a placeholder's for example; otherwise write to the registry's team.",
        members: Vec::new(),
        examples: |_| one("Twenty applications stand already", Refusal::DriverRecordFull(NoRoom::Applications)),
    }

    /// Too many wrong secrets in a row: for a while no secret is checked.
    TooManyAttempts: "too_many_attempts", TOO_MANY_REQUESTS {
        title: ["Too many wrong secrets in a row", "Trop de secrets erronés de suite"],
        meaning: "\
            `POST /auth/access_token` alone: five wrong secrets in a row for this access key. For ten seconds none is \
            looked at, and after each further failure for twice as long, up to five minutes. The header `Retry-After` \
            says when to try again. A right secret ends the row. An operator's other access keys, and the tokens it \
            has, are not concerned.",
        remedy: "Wait as long as `Retry-After` says, and look for the client that has an old secret.",
        members: Vec::new(),
        examples: |_| one("After five wrong ones", Refusal::TooManyAttempts(Duration::from_secs(10))),
    }

    /// The operator has made too many calls: for a moment all are refused.
    TooManyCalls: "too_many_calls", TOO_MANY_REQUESTS {
        title: ["Too many calls", "Trop d'appels"],
        meaning: "\
            Your calls are used up: an operator may make fifty a second, counted over ten seconds, or what the \
            registry's team has set. The call was not looked at. The header `Retry-After` says when there are more. \
            `POST /auth/access_token` gives one access key twenty tokens in ten seconds; calls that name no known \
            access key are counted by their address, and together.",
        remedy: "\
            Wait as long as the header `Retry-After` says, and send the call again, with fewer at once. Keep a token \
            for its five minutes.",
        members: Vec::new(),
        examples: |_| one("More in four seconds", Refusal::TooManyCalls(Duration::from_millis(3210))),
    }

    /// The head of the request is longer than the gateway accepts.
    HeadersTooLarge: "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE {
        title: ["The headers are too long", "Les en-têtes sont trop longs"],
        meaning: "Request line and headers together are longer than the gateway takes (10,240 bytes).",
        remedy: "Leave out headers that the call does not need.",
        members: request_id_of_gateway(),
        examples: |_| of_gateway(ProblemType::HeadersTooLarge, "Request Header Fields Too Large"),
    }

    /// An internal error.
    Internal: "internal", INTERNAL_SERVER_ERROR {
        title: ["Something failed inside", "Une erreur interne s'est produite"],
        meaning: "\
            The registry failed. The response holds only `request_id`, by which the registry's team finds the call. \
            Whether an application was registered is then unknown.",
        remedy: "Send the call again; if the application was registered, the answer is a `duplicate` with all of it.",
        members: vec![always("request_id", request_id())],
        examples: |_| one("Ask the registry's team", Refusal::Internal(InternalError::Panic)),
    }

    /// Other calls for the same driver kept the tables busy; nothing was written.
    Busy: "busy", SERVICE_UNAVAILABLE {
        title: ["The registry is busy", "Le registre est occupé"],
        meaning: "Other calls for the same driver came first until the time was up. Nothing was written.",
        remedy: "Wait as long as the header `Retry-After` says, and send the call again.",
        members: request_id_of_gateway(),
        examples: |_| one("Send it again", Refusal::Busy),
    }
}

/// The refusals that many calls share. The descriptions of calls name these lists, so a new type in one of them reaches every such call.
impl ProblemType {
    /// Of every call: by the gateway, by a failure inside, or because the registry is busy.
    pub const OF_EVERY_CALL: &'static [Self] =
        &[Self::MalformedBody, Self::InvalidHeader, Self::HeadersTooLarge, Self::Internal, Self::Busy];

    /// Of every call with an application token.
    pub const OF_A_TOKEN: &'static [Self] =
        &[Self::Unauthenticated, Self::MissingScope, Self::OperatorNotAdmitted, Self::TooManyCalls];

    /// Of every call with a body.
    pub const OF_A_BODY: &'static [Self] =
        &[Self::InvalidFields, Self::RequestTimeout, Self::BodyTooLarge, Self::UnsupportedMediaType];

    /// Of every call about whether a driver may have a certificate.
    pub const OF_A_DRIVER: &'static [Self] = &[Self::History, Self::Duplicate, Self::DriverRecordFull];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_type_names_are_unique() {
        let mut names: Vec<&str> = ProblemType::ALL.iter().map(|problem| problem.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ProblemType::ALL.len());
    }
}
