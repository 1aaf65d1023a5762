//! The problem types: one entry for each, in the order of `docs/problems.md`.
//!
//! An entry holds everything about a type that is the same for every refusal of this type: its name and status, its title in English and
//! in French, and the texts, members and examples of the page of problem types and of the OpenAPI document. The reason of one refusal, and
//! its sentence, are in [`refusal`](super::refusal); which type a refusal has is said at the end of this file.

use std::time::Duration;

use cee_eligibility::{ApplicationId, Criterion, FieldError, JourneyType, Language, NoRoom, Reason};
use cee_registry::{MOST_EXPORTS, MOST_EXPORTS_A_DAY, ReplaceRefusal, TakeBackRefusal, UndoRefusal};
use cee_tokens::{Scope, TokenError};
use http::StatusCode;
use serde_json::{Map, json};
use utoipa::openapi::Ref;

use super::detail::{BrokenRule, FieldFault, Malformed, NoToken, NotAdmitted};
use super::refusal::{InternalError, Refusal};
use crate::answer::OwnApplication;
use crate::limits::BODY_LIMIT;
use crate::openapi::entry::{
    Described, Example, Member, REQUEST_ID, SAMPLE_DATETIME, SAMPLE_UUID, always, at, criteria, earlier_application,
    example, faults, moment, one, reason, request_id, request_id_of_gateway, sometimes,
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

/// The remedy if the driver has had the certificate.
const WAIT_UNTIL_OLD_ENOUGH: &str = "The driver has had this certificate (prime CEE) and can get another only when the blocking application is old enough.";

problem_types! {
    /// The body is not the JSON object, or for a batch the JSON array, of the call.
    MalformedBody: "malformed_body", BAD_REQUEST {
        title: ["Malformed body", "Corps de requête mal formé"],
        meaning: "\
            The body is not one JSON object, or for a batch one JSON array: it is empty, not UTF-8, not JSON, or \
            nested too deeply. Or the request is not valid HTTP. `detail` says which.",
        remedy: "Send one JSON object, or for a batch one JSON array, as a JSON library writes it.",
        members: request_id_of_gateway(),
        examples: |_| one("Not JSON", Refusal::MalformedBody(Malformed::NotJson { line: 1, column: 18 })),
    }

    /// Fields of the body are invalid; `errors` lists every one.
    InvalidFields: "invalid_fields", BAD_REQUEST {
        title: ["Invalid fields", "Champs non valides"],
        meaning: "\
            Fields are missing, unknown or malformed, or belong to the other journey type. `errors` lists every \
            fault of the body, each as `pointer` (a JSON Pointer, [RFC \
            6901](https://www.rfc-editor.org/rfc/rfc6901)) and `message`. A message says what is expected and never \
            repeats the value.",
        remedy: "Correct every field in `errors` and send the call again.",
        members: vec![always("errors", faults("Every fault of the body."))],
        examples: |call| one("Every fault at once", Refusal::InvalidFields(call.faults.to_vec())),
    }

    /// A header is invalid.
    InvalidHeader: "invalid_header", BAD_REQUEST {
        title: ["Invalid header", "En-tête non valide"],
        meaning: "A header is invalid. `detail` names it and says what is expected.",
        remedy: "Correct the header and send the call again.",
        members: request_id_of_gateway(),
        examples: |_| one("A key with a space", Refusal::InvalidHeader("idempotency-key", FieldError::IdempotencyKey)),
    }

    /// Parameters of the query are invalid; `errors` lists every one.
    InvalidQuery: "invalid_query", BAD_REQUEST {
        title: ["Invalid query parameters", "Paramètres de requête non valides"],
        meaning: "\
            Parameters of the query are unknown or invalid. `errors` lists every fault of the query, each as \
            `pointer` (`/` and the name of the parameter) and `message`. A message says what is expected and never \
            repeats the value.",
        remedy: "\
            Correct the parameters and send the call again. If the cursor is invalid, start the list again without \
            it.",
        members: vec![always("errors", faults("Every fault of the query."))],
        examples: |_| {
            let cursor = FieldFault::of("cursor", BrokenRule::Cursor);
            one("A made-up cursor", Refusal::InvalidQuery(vec![cursor]))
        },
    }

    /// The application can be registered from `available_at` on.
    TooEarly: "too_early", BAD_REQUEST {
        title: ["Application sent too early", "Demande envoyée trop tôt"],
        meaning: "\
            Everything is valid except the date: an application can be registered seven days after the journey's end \
            (short) or after `datetime` (long). `available_at` is the first moment at which the same call is \
            accepted.",
        remedy: "Send the same call at `available_at` or later.",
        members: vec![always("available_at", moment())],
        examples: |_| one("Before the seventh day", Refusal::TooEarly(at("2024-05-08T07:30:00Z"))),
    }

    /// The token is missing or not valid now.
    Unauthenticated: "unauthenticated", UNAUTHORIZED {
        title: ["Missing or invalid token", "Jeton absent ou non valide"],
        meaning: "\
            The header `Authorization: Bearer <application token>` is missing, or the token is malformed, expired, \
            signed with another key, or issued for another service. The header `WWW-Authenticate` says which.",
        remedy: "Get a new application token and send the call again.",
        members: Vec::new(),
        examples: |_| vec![
            example("", "No token", Refusal::Unauthenticated(None)),
            example("_expired", "An expired token", Refusal::Unauthenticated(Some(TokenError::Expired))),
        ],
    }

    /// The access key and secret yield no token.
    InvalidCredentials: "invalid_credentials", UNAUTHORIZED {
        title: ["Invalid access key or secret", "Clé d'accès ou secret non valide"],
        meaning: "\
            `POST /auth/access_token` only: the access key is unknown or retired, the secret is wrong, or the \
            registry has suspended the operator. `detail` mentions the suspension only if the secret is right.",
        remedy: "\
            Compare the access key and the secret with those that the registry's team gave you. If they are the \
            same, write to the team.",
        members: Vec::new(),
        examples: |_| one("Unknown access key or wrong secret", Refusal::InvalidCredentials(NoToken::WrongPair)),
    }

    /// The token does not carry the scope that the call needs.
    MissingScope: "missing_scope", FORBIDDEN {
        title: ["Missing scope", "Portée manquante"],
        meaning: "\
            The token is valid but lacks the scope of this call: `cee:simulate`, `cee:register` or `cee:import`.",
        remedy: "Get a token from `POST /auth/access_token`: it has every scope.",
        members: Vec::new(),
        examples: |call| one("A token without this scope", Refusal::MissingScope(call.scope.unwrap_or(Scope::Simulate))),
    }

    /// The registry does not know the operator, or has suspended it.
    OperatorNotAdmitted: "operator_not_admitted", FORBIDDEN {
        title: ["Operator not admitted", "Opérateur non admis"],
        meaning: "\
            The token is valid, but the registry does not know its operator, has suspended the operator, or has \
            another SIRET for it.",
        remedy: "Write to the registry's team.",
        members: Vec::new(),
        examples: |_| one("A suspended operator", Refusal::OperatorNotAdmitted(NotAdmitted::Suspended)),
    }

    /// The registry has switched this call off.
    CallClosed: "call_closed", FORBIDDEN {
        title: ["Call closed", "Appel fermé"],
        meaning: "\
            The registry has closed this call for all operators: for both journey types, or only for the one that \
            `detail` names.",
        remedy: "Keep the request, and send it when the registry's team has opened the call again.",
        members: Vec::new(),
        examples: |_| one("Closed for both journey types", Refusal::CallClosed(None)),
    }

    /// No call has this path and method.
    NotFound: "not_found", NOT_FOUND {
        title: ["No such call", "Appel inexistant"],
        meaning: "\
            The API has no call with this method and path. If the path belongs to a call with another method, `detail` and \
            the header `Allow` may name the method.",
        remedy: "\
            Compare the method and the path with the reference. The path begins with `/v3` (or `/v3.2`, `/v3.3`).",
        members: request_id_of_gateway(),
        examples: |_| of_gateway(ProblemType::NotFound, "Not Found"),
    }

    /// The caller has no such application.
    UnknownApplication: "unknown_application", NOT_FOUND {
        title: ["Unknown application", "Demande inconnue"],
        meaning: "\
            The registry has no application of *yours* with this `uuid`, or the application was deleted. Another \
            operator's application gets the same response.",
        remedy: "\
            Compare the `uuid` with the one in the 201. If the application was deleted, there is nothing to do.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownApplication),
    }

    /// The registry has granted no application of this UUID.
    UnknownProof: "unknown_proof", NOT_FOUND {
        title: ["Unknown proof", "Preuve inconnue"],
        meaning: "\
            `GET /proofs/{uuid}` only: the registry has never granted an application with this `uuid`. (An \
            application that was granted and later deleted is not refused: its state is `deleted`.)",
        remedy: "\
            Compare the `uuid` with the one in the proof's payload. If the proof verifies, the registry has granted \
            its application: write to the registry's team.",
        members: Vec::new(),
        examples: |_| one("Never granted", Refusal::UnknownProof { is_uuid: true }),
    }

    /// The caller has no such import.
    UnknownImport: "unknown_import", NOT_FOUND {
        title: ["Unknown import", "Import inconnu"],
        meaning: "\
            The registry has no import of *yours* with this `import_id`. Another operator's import gets the same \
            response.",
        remedy: "List your imports: `GET /policies/cee/imports`.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownImport),
    }

    /// The caller has no such export.
    UnknownExport: "unknown_export", NOT_FOUND {
        title: ["Unknown export", "Export inconnu"],
        meaning: "\
            The registry has no export of *yours* with this `export_id`: it keeps an export for 30 days. Another \
            operator's export gets the same response.",
        remedy: "List your exports: `GET /policies/cee/exports`.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownExport),
    }

    /// The caller has no such journey.
    UnknownJourney: "unknown_journey", NOT_FOUND {
        title: ["Unknown journey", "Trajet inconnu"],
        meaning: "\
            The registry has no journey of *yours* with this `operator_journey_id`. Another operator's journey gets \
            the same response. A journey sent today may reach the registry tomorrow.",
        remedy: "Check the `operator_journey_id`. If it is right, try again tomorrow.",
        members: Vec::new(),
        examples: |_| one("Not one of yours", Refusal::UnknownJourney),
    }

    /// The journey fails one or more of the scheme's criteria.
    IneligibleJourney: "ineligible_journey", NOT_FOUND {
        title: ["Ineligible journey", "Trajet non éligible"],
        meaning: "\
            The registry knows the journey, but it is not eligible. `criteria` lists every criterion that it fails, \
            each as `criterion` and `message`:\n\n\
            | `criterion` | the journey |\n\
            |---|---|\n\
            | `operator_class` | is not of proof class `C` |\n\
            | `distance` | is longer than 80,000 m |\n\
            | `france` | neither starts nor ends in France |\n\
            | `period` | does not start within the scheme's period, which begins on 2023-01-01 in Paris |",
        remedy: "Register another journey of this driver.",
        members: vec![always("criteria", criteria())],
        examples: |_| {
            let failed = vec![Criterion::OperatorClass, Criterion::Distance];
            one("Every criterion that fails", Refusal::IneligibleJourney { failed, rules: Box::default() })
        },
    }

    /// A specific application, imported from before the scheme, blocks the new one.
    History: "history", CONFLICT {
        title: [
            "Blocked by an application from before the scheme",
            "Demande bloquée par une opération antérieure au dispositif",
        ],
        meaning: "\
            A *specific* application (opération spécifique, imported from before the scheme) blocks the new one. \
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
        title: ["Blocked by an earlier application", "Demande bloquée par une demande antérieure"],
        meaning: "\
            A *standardized* application (opération standardisée, registered through this API) blocks the new one. \
            `datetime` is its date, `reason` is `duplicate`. If it is **your own**, the problem also has its `uuid` \
            and `token` and, for a short application, `journey_id` and `journey_status`: an operator that lost a \
            response gets all of it. (The journey's status is called `journey_status` here because `status` is the \
            HTTP status in a problem; in a 201 it is `status`.) For another operator's application, it has only the \
            date and the reason.\n\n\
            If several applications block, the problem names the one with the latest date; at equal dates, a \
            `duplicate` before a `history`, and your own before another operator's.",
        remedy: WAIT_UNTIL_OLD_ENOUGH,
        members: earlier_application(),
        examples: |_| {
            let (reason, datetime) = (Reason::Duplicate, at(SAMPLE_DATETIME));
            let own = Some(Box::new(OwnApplication::sample(JourneyType::Short)));
            vec![
                example("", "Another operator's: date and reason", Refusal::Blocked { reason, datetime, own: None }),
                example("_own", "Your own: all members", Refusal::Blocked { reason, datetime, own }),
            ]
        },
    }

    /// The journey carries an application already.
    JourneyUsed: "journey_used", CONFLICT {
        title: ["Journey already used", "Trajet déjà utilisé"],
        meaning: "\
            The journey already has an application, under another identity. `datetime` is the date of that \
            application, `reason` is `journey_used`. An operator can use only its own journeys, so the application \
            is yours: the problem also has its `uuid`, `token`, `journey_id` and `journey_status`. If an application \
            of the same identity blocks too, the problem is a `history` or a `duplicate` instead.",
        remedy: "Register another journey, or compare the two identities: one of them is not the driver's.",
        members: earlier_application(),
        examples: |_| {
            let own = Some(Box::new(OwnApplication::sample(JourneyType::Short)));
            one("Under another identity", Refusal::JourneyUsed { datetime: at(SAMPLE_DATETIME), own })
        },
    }

    /// The import cannot be undone now, or its operator may no longer undo it.
    ImportStays: "import_stays", CONFLICT {
        title: ["Import cannot be undone", "Import impossible à annuler"],
        meaning: "\
            You want to undo an import of yours, with `DELETE` or with a file that replaces it, but it cannot be \
            undone: it has not ended; or it began too long ago (30 days, or what the registry's team has set); or an \
            interrupted invocation may still write rows of it until `available_at`; or it was only a check or a list of \
            drivers; or the import to replace was already undone, or is being replaced by another file. `detail` says \
            which.",
        remedy: "\
            Wait until the import (or the one that `detail` names) has ended, or until `available_at`. If it is too old, write to the registry's \
            team. To replace rows, name the import that added them.",
        members: vec![sometimes("available_at", moment())],
        examples: |_| {
            let silent = UndoRefusal::StaleWriter(at("2024-05-01T09:15:00Z"));
            vec![
                example("", "Too old", Refusal::ImportStays(TakeBackRefusal::TooOld(30))),
                example("_for_now", "An interrupted invocation may still write", Refusal::ImportStays(silent.into())),
                example("_for_check", "Only a check", Refusal::ImportStays(ReplaceRefusal::NothingImported.into())),
            ]
        },
    }

    /// As many exports of the operator are in progress as may be.
    TooManyExports: "too_many_exports", CONFLICT {
        title: ["Too many exports", "Trop d'exports"],
        meaning: "\
            Two of *your* exports are already in progress (of several calls at the same moment, all may be refused), \
            or you have requested a hundred exports within 24 hours.",
        remedy: "\
            After a hundred exports, wait until `available_at`. Without this member, wait until one of your exports is \
            `ready` or `failed`. Then send the call again. A program that needs \
            the state of its applications more often should read the changes: `GET /policies/cee/changes`.",
        members: vec![sometimes("available_at", moment())],
        examples: |_| {
            let (most, available_at) = (MOST_EXPORTS_A_DAY, at("2024-05-02T09:00:00.001Z"));
            vec![
                example("", "Two exports in progress", Refusal::TooManyExports(MOST_EXPORTS)),
                example("_a_day", "A hundred within 24 hours", Refusal::TooManyExportsADay { most, available_at }),
            ]
        },
    }

    /// The request did not arrive in time.
    RequestTimeout: "request_timeout", REQUEST_TIMEOUT {
        title: ["Request timeout", "Délai de la requête dépassé"],
        meaning: "The gateway did not receive the whole request in time.",
        remedy: "Send it again.",
        members: request_id_of_gateway(),
        examples: |_| of_gateway(ProblemType::RequestTimeout, "Request Timeout"),
    }

    /// The body is longer than any call accepts.
    BodyTooLarge: "body_too_large", PAYLOAD_TOO_LARGE {
        title: ["Body too large", "Corps de requête trop volumineux"],
        meaning: "The body is longer than 64 KiB, or for a batch longer than 512 KiB.",
        remedy: "Send one application per call. Send a long history as a file.",
        members: request_id_of_gateway(),
        examples: |_| one("Too long", Refusal::BodyTooLarge(BODY_LIMIT)),
    }

    /// The body is not declared as JSON.
    UnsupportedMediaType: "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE {
        title: ["Unsupported content type", "Type de contenu non pris en charge"],
        meaning: "The body is not declared as JSON in UTF-8, or is compressed.",
        remedy: "Send `Content-Type: application/json`, in UTF-8 and not compressed.",
        members: Vec::new(),
        examples: |_| one("No JSON content type", Refusal::UnsupportedMediaType),
    }

    /// The call's `Idempotency-Key` was used for a different call.
    IdempotencyKeyReused: "idempotency_key_reused", UNPROCESSABLE_ENTITY {
        title: ["Idempotency-Key used with another body", "Idempotency-Key utilisée avec un autre corps"],
        meaning: "\
            You have already used this `Idempotency-Key` with another body, and that call succeeded. This call has \
            changed nothing.",
        remedy: "Use one key per call: send this call with another key.",
        members: Vec::new(),
        examples: |_| one("Another body", Refusal::IdempotencyKeyReused),
    }

    /// The application that the call's `Idempotency-Key` registered was deleted.
    ApplicationDeleted: "application_deleted", GONE {
        title: ["Application deleted", "Demande supprimée"],
        meaning: "\
            You have already used this `Idempotency-Key` with the same body, and that call succeeded. Its \
            application, `uuid`, was deleted since. This call has changed nothing.",
        remedy: "\
            To register the driver again, send the call with another key. If your program repeats calls by itself, \
            use one key per registration, not one per driver.",
        members: vec![always("uuid", Ref::from_schema_name("ApplicationId"))],
        examples: |_| {
            let uuid = ApplicationId::parse(SAMPLE_UUID).map(Refusal::ApplicationDeleted);
            uuid.map(|refusal| one("The same call again", refusal)).unwrap_or_default()
        },
    }

    /// The changes after the cursor are no longer kept.
    CursorExpired: "cursor_expired", GONE {
        title: ["Cursor expired", "Curseur expiré"],
        meaning: "\
            The registry keeps a change for 400 days after your next change, and changes after this cursor have \
            expired. Or the registry's team has restored the tables to a moment before the change of this cursor.",
        remedy: "\
            List your applications with `GET /policies/cee`, and take their statuses from the list. Then read the \
            changes without `since`, from the oldest one that the registry keeps. Read the changes at least once a \
            year.",
        members: Vec::new(),
        examples: |_| one("A cursor of two years ago", Refusal::CursorExpired),
    }

    /// The registry accepts no more applications of this driver.
    DriverRecordFull: "driver_record_full", UNPROCESSABLE_ENTITY {
        title: ["Driver record full", "Fiche du conducteur pleine"],
        meaning: "\
            No application blocks the new one, but the registry stores no more applications of this driver. An \
            operator can have at most 20 live applications of one journey type for one name and truncated phone \
            (identity keys distinguish drivers who share both). Or the driver's record is full of entries from all \
            operators. Nothing was written, and a retry gets the same response.",
        remedy: "\
            Delete the applications that are wrong, such as those of a placeholder. Otherwise write to the \
            registry's team.",
        members: Vec::new(),
        examples: |_| one("Twenty live applications", Refusal::DriverRecordFull(NoRoom::Applications)),
    }

    /// Too many wrong secrets in a row: for a while no secret is checked.
    TooManyAttempts: "too_many_attempts", TOO_MANY_REQUESTS {
        title: ["Too many wrong secrets", "Trop de secrets erronés"],
        meaning: "\
            `POST /auth/access_token` only: five wrong secrets in a row for this access key. The registry then \
            checks no secret for ten seconds, and after each further failure for twice as long, up to five minutes. \
            The header `Retry-After` says when to try again. A right secret resets the count. The operator's other \
            access keys and its valid tokens are not affected.",
        remedy: "Wait as long as `Retry-After` says, and look for the client that has an old secret.",
        members: Vec::new(),
        examples: |_| one("After five wrong secrets", Refusal::TooManyAttempts(Duration::from_secs(10))),
    }

    /// The operator has made too many calls: for a moment all are refused.
    TooManyCalls: "too_many_calls", TOO_MANY_REQUESTS {
        title: ["Too many calls", "Trop d'appels"],
        meaning: "\
            You have used up your calls: an operator may make fifty a second, counted over ten seconds, or what the \
            registry's team has set. A registration of a batch counts as a call, and so do ten rows of history or of \
            identity keys. The call was not processed. The header `Retry-After` says when to call again. \
            `POST /auth/access_token` issues at most twenty tokens in ten seconds for one access key; calls with an \
            unknown access key are counted by address, and all of them together.",
        remedy: "\
            Wait as long as the header `Retry-After` says, then send the call again, with fewer calls at once. Use \
            each token for its five minutes.",
        members: Vec::new(),
        examples: |_| one("Calls again in four seconds", Refusal::TooManyCalls(Duration::from_millis(3210))),
    }

    /// The head of the request is longer than the gateway accepts.
    HeadersTooLarge: "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE {
        title: ["Headers too large", "En-têtes trop volumineux"],
        meaning: "Request line and headers together are longer than the gateway accepts (10,240 bytes).",
        remedy: "Remove headers that the call does not need.",
        members: request_id_of_gateway(),
        examples: |_| of_gateway(ProblemType::HeadersTooLarge, "Request Header Fields Too Large"),
    }

    /// An internal error.
    Internal: "internal", INTERNAL_SERVER_ERROR {
        title: ["Internal error", "Erreur interne"],
        meaning: "\
            The registry failed. The response has only a `request_id`, with which the registry's team finds the \
            call. You cannot tell from it whether an application was registered.",
        remedy: "\
            Send the call again. If the application was registered, the response is a `duplicate` with all of its \
            members.",
        members: vec![always("request_id", request_id())],
        examples: |_| one("An internal error", Refusal::Internal(InternalError::Panic)),
    }

    /// Other calls for the same driver kept the tables busy; nothing was written.
    Busy: "busy", SERVICE_UNAVAILABLE {
        title: ["Registry busy", "Registre occupé"],
        meaning: "Other calls for the same driver came first until the time was up. Nothing was written.",
        remedy: "Wait as long as the header `Retry-After` says, then send the call again.",
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

impl Refusal {
    /// The problem type of the refusal.
    #[must_use]
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::MalformedBody(_) => ProblemType::MalformedBody,
            Self::InvalidFields(_) => ProblemType::InvalidFields,
            Self::InvalidHeader(..) => ProblemType::InvalidHeader,
            Self::InvalidQuery(_) => ProblemType::InvalidQuery,
            Self::ImportStays(_) => ProblemType::ImportStays,
            Self::TooManyExports(_) | Self::TooManyExportsADay { .. } => ProblemType::TooManyExports,
            Self::TooEarly(_) => ProblemType::TooEarly,
            Self::Unauthenticated(_) => ProblemType::Unauthenticated,
            Self::InvalidCredentials(_) => ProblemType::InvalidCredentials,
            Self::TooManyAttempts(_) => ProblemType::TooManyAttempts,
            Self::TooManyCalls(_) | Self::TooManyStrangers(_) => ProblemType::TooManyCalls,
            Self::MissingScope(_) => ProblemType::MissingScope,
            Self::OperatorNotAdmitted(_) => ProblemType::OperatorNotAdmitted,
            Self::CallClosed(_) => ProblemType::CallClosed,
            Self::NotFound | Self::NoSuchCall { .. } => ProblemType::NotFound,
            Self::UnknownApplication => ProblemType::UnknownApplication,
            Self::UnknownProof { .. } => ProblemType::UnknownProof,
            Self::UnknownImport => ProblemType::UnknownImport,
            Self::UnknownExport => ProblemType::UnknownExport,
            Self::UnknownJourney => ProblemType::UnknownJourney,
            Self::IneligibleJourney { .. } => ProblemType::IneligibleJourney,
            Self::Blocked { reason: Reason::History, .. } => ProblemType::History,
            Self::Blocked { reason: Reason::Duplicate, .. } => ProblemType::Duplicate,
            Self::JourneyUsed { .. } => ProblemType::JourneyUsed,
            Self::IdempotencyKeyReused => ProblemType::IdempotencyKeyReused,
            Self::ApplicationDeleted(_) => ProblemType::ApplicationDeleted,
            Self::CursorExpired => ProblemType::CursorExpired,
            Self::DriverRecordFull(_) => ProblemType::DriverRecordFull,
            Self::BodyTooLarge(_) => ProblemType::BodyTooLarge,
            Self::UnsupportedMediaType => ProblemType::UnsupportedMediaType,
            Self::Internal(_) => ProblemType::Internal,
            Self::Busy => ProblemType::Busy,
        }
    }
}

/// The only example of a refusal by the gateway, with this detail.
fn of_gateway(problem: ProblemType, detail: &str) -> Vec<Example> {
    let members = Map::from_iter([("request_id".to_owned(), json!(REQUEST_ID))]);
    vec![Example {
        suffix: "",
        summary: problem.title(Language::English),
        response: problem.answer(detail, members, Language::English),
    }]
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
