//! The details of refusals, in English and in French side by side. The titles are at [`ProblemType`](super::ProblemType).
//!
//! Each `match` names every case: a refusal without its French does not compile. What programs read (names of fields, headers,
//! parameters and scopes) is the same in both languages, and no sentence repeats a value.

use std::fmt;

use cee_eligibility::{FieldError, JourneyStatus, JourneyType, Language, Reason};
use cee_registry::{TakeBackRefusal, UndoRefusal};
use cee_tokens::TokenError;

use super::{Fault, Refusal, seconds};
use crate::version::VERSIONS;

/// A sentence in one of two languages: only the one that is needed is written.
fn say(language: Language, english: fmt::Arguments<'_>, french: fmt::Arguments<'_>) -> String {
    match language {
        Language::English => english.to_string(),
        Language::French => french.to_string(),
    }
}

macro_rules! say {
    ($language:expr, $english:literal, $french:literal $(,)?) => {
        say($language, format_args!($english), format_args!($french))
    };
}

/// Names, the last one after "and".
fn and(names: &[&str], language: Language) -> String {
    let word = match language {
        Language::English => " and ",
        Language::French => " et ",
    };
    match names {
        [before @ .., last] if !before.is_empty() => format!("{}{word}{last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// Parameters of a query, the last one after "and". Their names are English words, which a French sentence quotes.
fn parameters(names: &[&str], language: Language) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| match language {
            Language::English => (*name).to_owned(),
            Language::French => format!("« {name} »"),
        })
        .collect();
    and(&quoted.iter().map(String::as_str).collect::<Vec<_>>(), language)
}

/// The separator between faults.
fn between(language: Language) -> &'static str {
    match language {
        Language::English => "; ",
        Language::French => " ; ",
    }
}

/// Whether a body is to be one object or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One JSON object.
    Object,
    /// One JSON array.
    Array,
}

impl Shape {
    const fn name(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Object, Language::English) => "one JSON object",
            (Self::Object, Language::French) => "un objet JSON",
            (Self::Array, Language::English) => "one JSON array",
            (Self::Array, Language::French) => "un tableau JSON",
        }
    }
}

/// Why a body cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is empty.
    Empty(Shape),
    /// It is UTF-16.
    Utf16,
    /// It is not UTF-8.
    NotUtf8 {
        /// The first byte that is not.
        from: usize,
    },
    /// It is JSON of another shape.
    Not(Shape),
    /// It is not JSON, or nested too deeply.
    NotJson {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A row of a batch is not an object.
    Row,
}

impl Malformed {
    /// What is wrong, without repeating any of the body.
    #[must_use]
    pub fn message(self, language: Language) -> String {
        match self {
            Self::Empty(shape) => {
                let shape = shape.name(language);
                say!(language, "the body is empty: send {shape}", "le corps est vide : envoyez {shape}")
            }
            Self::Utf16 => {
                say!(language, "the body is UTF-16: send UTF-8", "le corps est en UTF-16 : envoyez de l'UTF-8")
            }
            Self::NotUtf8 { from } => say!(
                language,
                "the body is not UTF-8 from byte {from} on",
                "le corps n'est plus de l'UTF-8 à partir de l'octet {from}",
            ),
            Self::Not(shape) => {
                let shape = shape.name(language);
                say!(language, "the body must be {shape}", "le corps doit être {shape}")
            }
            Self::NotJson { line, column } => say!(
                language,
                "the body is not JSON, or nested too deeply, at line {line}, column {column}",
                "le corps n'est pas du JSON, ou est trop imbriqué, à la ligne {line}, colonne {column}",
            ),
            Self::Row => say!(language, "must be a JSON object", "doit être un objet JSON"),
        }
    }
}

/// The kinds of application that tell fields apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationKind {
    /// A short application.
    Short,
    /// A long application.
    Long,
    /// One that was registered here.
    Standardized,
    /// One from before the scheme.
    Specific,
}

impl From<JourneyType> for ApplicationKind {
    fn from(journey_type: JourneyType) -> Self {
        match journey_type {
            JourneyType::Short => Self::Short,
            JourneyType::Long => Self::Long,
        }
    }
}

/// What a field of a body or a parameter of a query breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// A rule about its value.
    Field(FieldError),
    /// It must be there.
    Missing,
    /// It must be there once.
    Repeated,
    /// It must be a string.
    String,
    /// It must be true or false.
    Boolean,
    /// It belongs to other applications than this kind.
    Foreign(ApplicationKind),
    /// The call has no such field.
    Unknown,
    /// The body must hold 1 to this number of rows.
    Rows(usize),
    /// The call has no such parameter: it has these.
    NoParameter(&'static [&'static str]),
    /// It must be a whole number from the first to the second.
    Number(usize, usize),
    /// It must be the status of a journey, in the words of the interface.
    Status,
    /// It must be a later moment than this parameter.
    After(&'static str),
    /// It must be the `next_cursor` of an answer.
    Cursor,
    /// It must be the `next_cursor` of an answer to this caller, with the same filter.
    CursorOfFilter,
}

impl From<FieldError> for BrokenRule {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl BrokenRule {
    /// What is expected, after the name of the field or the parameter. Never repeats the value.
    #[must_use]
    pub fn message(self, language: Language) -> String {
        match self {
            Self::Field(error) => error.message(language).into_owned(),
            Self::Missing => say!(language, "is missing", "manque"),
            Self::Repeated => say!(language, "must be given once", "ne doit figurer qu'une fois"),
            Self::String => say!(language, "must be a string", "doit être une chaîne de caractères"),
            Self::Boolean => say!(language, "must be true or false", "doit être « true » ou « false »"),
            Self::Foreign(kind) => {
                let (english, french) = match kind {
                    ApplicationKind::Short => ("a short application", "une demande courte distance"),
                    ApplicationKind::Long => ("a long application", "une demande longue distance"),
                    ApplicationKind::Standardized => ("a standardized application", "une opération standardisée"),
                    ApplicationKind::Specific => ("a specific application", "une opération spécifique"),
                };
                say!(language, "does not belong to {english}", "n'appartient pas à {french}")
            }
            Self::Unknown => say!(language, "is not a field of this call", "n'est pas un champ de cet appel"),
            Self::Rows(most) => say!(language, "must hold 1 to {most} rows", "doit contenir 1 à {most} lignes"),
            Self::NoParameter(known) => {
                let known = parameters(known, language);
                say!(
                    language,
                    "is not a parameter of this call: there are {known}",
                    "n'est pas un paramètre de cet appel : il y a {known}",
                )
            }
            Self::Number(from, to) => say!(
                language,
                "must be a whole number from {from} to {to}",
                "doit être un nombre entier de {from} à {to}",
            ),
            Self::Status => {
                let words = JourneyStatus::ALL.map(|(_, word)| word);
                match language {
                    Language::English => format!("must be one of {}", words.join(", ")),
                    Language::French => format!("doit être l'un de « {} »", words.join(" », « ")),
                }
            }
            Self::After(other) => {
                let other = parameters(&[other], language);
                say!(language, "must lie after {other}", "doit être postérieur à {other}")
            }
            Self::Cursor => {
                say!(language, "must be the next_cursor of an answer", "doit être le next_cursor d'une réponse")
            }
            Self::CursorOfFilter => say!(
                language,
                "must be the next_cursor of an answer to you, with the same journey type, status and periods",
                "doit être le next_cursor d'une réponse qui vous a été adressée, avec le même type de trajet, le même statut et les mêmes \
                 périodes",
            ),
        }
    }
}

/// A fault of one field of a body, or of one parameter of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Where it is: a JSON Pointer (RFC 6901), or `/` and the name of the parameter. Empty for the whole body.
    pub pointer: String,
    /// What it breaks.
    pub rule: BrokenRule,
}

impl FieldFault {
    /// The fault as a response shows it.
    #[must_use]
    pub fn to_fault(&self, language: Language) -> Fault {
        Fault { pointer: self.pointer.clone(), message: self.rule.message(language) }
    }
}

/// Why an access key and its secret yield no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The key is unknown or retired, or the secret is wrong: one message for all, for a caller that does not show the secret.
    WrongPair,
    /// The operator does not exist any more.
    OperatorUnknown,
    /// The operator is suspended.
    OperatorSuspended,
}

/// Why an operator with a valid token may not call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The registry does not know it.
    Unknown,
    /// The registry has suspended it.
    Suspended,
    /// The token has another SIRET.
    OtherSiret,
}

fn token(error: TokenError, language: Language) -> String {
    let french = match (language, error) {
        (Language::English, _) => return error.to_string(),
        (Language::French, TokenError::Malformed) => {
            "le jeton n'est pas un « JSON Web Token » doté de iss, aud, exp, iat, operator_id, siret et scope"
        }
        (Language::French, TokenError::UnknownKey) => "le kid du jeton ne désigne aucune clé de ce registre",
        (Language::French, TokenError::Signature) => "la signature du jeton ne correspond pas à sa clé",
        (Language::French, TokenError::Expired) => "le jeton a expiré",
        (Language::French, TokenError::NotYetValid) => "le jeton n'est pas encore valable",
        (Language::French, TokenError::Issuer) => "l'émetteur du jeton n'est pas ce registre",
        (Language::French, TokenError::Audience) => "le jeton est destiné à un autre service",
    };
    french.to_owned()
}

fn take_back(why: TakeBackRefusal, language: Language) -> String {
    match (language, why) {
        (Language::English, _) => why.to_string(),
        (Language::French, TakeBackRefusal::Undo(UndoRefusal::Unknown)) => "cet import n'existe pas".to_owned(),
        (Language::French, TakeBackRefusal::Undo(UndoRefusal::NotEnded(state))) => {
            format!("l'import n'est pas terminé : son état est « {} »", state.as_str())
        }
        (Language::French, TakeBackRefusal::Undo(UndoRefusal::Haunted(until))) => format!(
            "une invocation interrompue peut encore y écrire jusqu'au {} : annulez l'import après ce moment",
            until.for_person(language)
        ),
        (Language::French, TakeBackRefusal::TooOld(days)) => {
            format!("l'import a commencé il y a {days} jours ou plus : demandez son annulation à l'équipe du registre")
        }
    }
}

impl Refusal {
    /// A sentence for a person, in this language. Its wording may change.
    #[must_use]
    pub fn detail(&self, language: Language) -> String {
        match self {
            Self::MalformedBody(why) => why.message(language),
            Self::InvalidFields(faults) => {
                let faults =
                    faults.iter().map(|FieldFault { pointer, rule }| format!("{pointer} {}", rule.message(language)));
                faults.collect::<Vec<_>>().join(between(language))
            }
            Self::InvalidHeader(name, expected) => {
                let expected = expected.message(language);
                say!(language, "the header {name} {expected}", "l'en-tête {name} {expected}")
            }
            Self::InvalidQuery(faults) => {
                let faults = faults.iter().map(|FieldFault { pointer, rule }| {
                    let name = match (pointer.strip_prefix('/').unwrap_or_default(), language) {
                        ("", Language::English) => "a name".to_owned(),
                        ("", Language::French) => "un nom".to_owned(),
                        (name, _) => parameters(&[name], language),
                    };
                    format!("{name} {}", rule.message(language))
                });
                let what = faults.collect::<Vec<_>>().join(between(language));
                say!(language, "the query: {what}", "la requête : {what}")
            }
            Self::ImportStays(why) => take_back(*why, language),
            Self::TooEarly(at) => {
                let moment = at.for_person(language);
                say!(
                    language,
                    "this application can be registered from {at} on",
                    "cette demande pourra être enregistrée à partir du {moment}",
                )
            }
            Self::Unauthenticated(None) => say!(
                language,
                "send the header Authorization: Bearer <application token>",
                "envoyez l'en-tête « Authorization: Bearer <jeton applicatif> »",
            ),
            Self::Unauthenticated(Some(error)) => token(*error, language),
            Self::InvalidCredentials(NoToken::WrongPair) => say!(
                language,
                "the registry knows no such access key, or it has another secret",
                "le registre ne connaît pas cette clé d'accès, ou elle a un autre secret",
            ),
            Self::InvalidCredentials(NoToken::OperatorUnknown) => say!(
                language,
                "the registry does not know this operator any more",
                "le registre ne connaît plus cet opérateur",
            ),
            Self::OperatorNotAdmitted(NotAdmitted::Unknown) => {
                say!(language, "the registry does not know this operator", "le registre ne connaît pas cet opérateur")
            }
            Self::InvalidCredentials(NoToken::OperatorSuspended)
            | Self::OperatorNotAdmitted(NotAdmitted::Suspended) => {
                say!(language, "the registry has suspended this operator", "le registre a suspendu cet opérateur")
            }
            Self::OperatorNotAdmitted(NotAdmitted::OtherSiret) => say!(
                language,
                "the token's SIRET is not the operator's",
                "le SIRET du jeton n'est pas celui de l'opérateur",
            ),
            Self::TooManyCalls(wait) => {
                let seconds = seconds(*wait);
                say!(
                    language,
                    "your calls are used up: there are more in {seconds} seconds",
                    "vos appels sont épuisés : il y en aura d'autres dans {seconds} s",
                )
            }
            Self::TooManyStrangers(wait) => {
                let seconds = seconds(*wait);
                say!(
                    language,
                    "too many calls name an access key that the registry does not know: none is looked at for {seconds} seconds",
                    "trop d'appels donnent une clé d'accès que le registre ne connaît pas : aucun n'est examiné pendant {seconds} s",
                )
            }
            Self::TooManyAttempts(wait) => {
                let seconds = seconds(*wait);
                say!(
                    language,
                    "too many wrong secrets in a row: none is looked at for {seconds} seconds",
                    "trop de secrets erronés de suite : aucun n'est examiné pendant {seconds} s",
                )
            }
            Self::MissingScope(scope) => {
                let scope = scope.as_str();
                say!(language, "the call needs the scope {scope}", "l'appel demande la portée {scope}")
            }
            Self::CallClosed(None) => say!(
                language,
                "the registry has closed this call for the time being; no date is known",
                "le registre a fermé cet appel pour le moment ; aucune date n'est connue",
            ),
            Self::CallClosed(Some(journey_type)) => {
                let distance = match journey_type {
                    JourneyType::Short => "courte distance",
                    JourneyType::Long => "longue distance",
                };
                say!(
                    language,
                    "the registry has closed this call for {journey_type} applications for the time being; no date is known",
                    "le registre a fermé cet appel pour les demandes {distance} pour le moment ; aucune date n'est connue",
                )
            }
            Self::NotFound => {
                let versions = VERSIONS.join(", /");
                say!(language, "a path begins with /{versions}", "un chemin commence par /{versions}")
            }
            Self::NoSuchCall { path, methods } => {
                let methods = and(methods, language);
                say!(language, "{path} takes {methods}", "{path} attend {methods}")
            }
            Self::UnknownApplication => say!(
                language,
                "the registry knows no application of yours with this uuid",
                "le registre ne vous connaît aucune demande avec cet uuid",
            ),
            Self::UnknownProof { is_uuid: true } => say!(
                language,
                "the registry has granted no application with this uuid",
                "le registre n'a accordé aucune demande avec cet uuid",
            ),
            Self::UnknownProof { is_uuid: false } => say!(
                language,
                "the path does not end with a UUID, such as 1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b: copy it from the proof again",
                "le chemin ne finit pas par un UUID, par exemple 1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b : recopiez-le depuis la preuve",
            ),
            Self::UnknownImport => say!(
                language,
                "the registry knows no import of yours with this import_id",
                "le registre ne vous connaît aucun import avec cet import_id",
            ),
            Self::UnknownJourney => say!(
                language,
                "the registry knows no journey of yours with this operator_journey_id; a journey sent today may take a day to be known",
                "le registre ne vous connaît aucun trajet avec cet operator_journey_id ; un trajet envoyé aujourd'hui peut mettre une \
                 journée à être connu",
            ),
            Self::IneligibleJourney { failed, rules } => {
                let failed = failed.iter().map(|criterion| criterion.message(rules, language));
                failed.collect::<Vec<_>>().join(between(language))
            }
            Self::Blocked { reason, datetime, .. } => {
                let moment = datetime.for_person(language);
                match reason {
                    Reason::History => say!(
                        language,
                        "the driver has a specific application (opération spécifique) dated {datetime}",
                        "le conducteur a une opération spécifique du {moment}",
                    ),
                    Reason::Duplicate => say!(
                        language,
                        "the driver has a standardized application (opération standardisée) dated {datetime}",
                        "le conducteur a une opération standardisée du {moment}",
                    ),
                }
            }
            Self::JourneyUsed { .. } => say!(
                language,
                "the journey carries another application of yours",
                "le trajet porte une autre demande de votre part",
            ),
            Self::IdempotencyKeyReused => say!(
                language,
                "this Idempotency-Key came with another body before: another call needs another key",
                "cette Idempotency-Key a déjà accompagné un autre corps : un autre appel demande une autre clé",
            ),
            Self::ApplicationDeleted(_) => say!(
                language,
                "this Idempotency-Key registered an application that was deleted since: a new application needs another key",
                "cette Idempotency-Key a enregistré une demande supprimée depuis : une nouvelle demande exige une autre clé",
            ),
            Self::DriverRecordFull(why) => why.message(language).into_owned(),
            Self::BodyTooLarge(limit) => {
                say!(language, "the body may hold {limit} bytes", "le corps peut compter {limit} octets")
            }
            Self::UnsupportedMediaType => say!(
                language,
                "send the header Content-Type: application/json (UTF-8), and the body uncompressed",
                "envoyez l'en-tête « Content-Type: application/json » (UTF-8), et le corps non compressé",
            ),
            Self::Internal(_) => say!(
                language,
                "the registry's team finds the call by its request_id",
                "l'équipe du registre retrouve l'appel par son request_id",
            ),
            Self::Busy => say!(
                language,
                "other calls for the same driver came first; nothing was written, send the call again",
                "d'autres appels pour le même conducteur sont passés avant ; rien n'a été écrit, renvoyez l'appel",
            ),
        }
    }
}
