//! The faults of a body, a field, a parameter or a caller, in English and in French side by side: the parts of the sentences of
//! [refusals](super::Refusal).
//!
//! Each `match` names every case: one without its French does not compile. What programs read (names of fields, headers,
//! parameters and scopes) is the same in both languages, and no sentence repeats a value.

use std::fmt;

use cee_eligibility::{FieldError, JourneyStatus, JourneyType, Language};
use serde::Serialize;

/// A sentence in one of two languages: only the one that is needed is written.
pub(super) fn sentence(language: Language, english: fmt::Arguments<'_>, french: fmt::Arguments<'_>) -> String {
    match language {
        Language::English => english.to_string(),
        Language::French => french.to_string(),
    }
}

/// A sentence with values, which are variables: `say!(language, "byte {from}", "octet {from}")`.
macro_rules! say {
    ($language:expr, $english:literal, $french:literal $(,)?) => {
        $crate::problem::detail::sentence($language, format_args!($english), format_args!($french))
    };
}
pub(super) use say;

/// Names, the last one after "and".
pub(super) fn and(names: &[&str], language: Language) -> String {
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
pub(super) fn parameters(names: &[&str], language: Language) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| match language {
            Language::English => (*name).to_owned(),
            Language::French => format!("« {name} »"),
        })
        .collect();
    and(&quoted.iter().map(String::as_str).collect::<Vec<_>>(), language)
}

/// The separator between faults.
pub(super) fn between(language: Language) -> &'static str {
    match language {
        Language::English => "; ",
        Language::French => " ; ",
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
                say!(language, "the body is empty: send {shape}", "le corps est vide : envoyez {shape}")
            }
            Self::Utf16 => {
                say!(language, "the body is UTF-16: send UTF-8", "le corps est en UTF-16 : envoyez de l'UTF-8")
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

/// The kinds of application, and of file, that tell fields apart.
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
    /// No application: a list of drivers that the registry is asked about.
    List,
}

impl From<JourneyType> for ApplicationKind {
    fn from(journey_type: JourneyType) -> Self {
        match journey_type {
            JourneyType::Short => Self::Short,
            JourneyType::Long => Self::Long,
        }
    }
}

/// The rule that a field of a body or a parameter of a query breaks.
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
    /// It must be the format of an export.
    ExportFormat,
    /// It must be a `next_cursor` that this call returned to this caller.
    Cursor,
    /// It must be a `next_cursor` that this call returned to this caller, with the same filter.
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
            Self::Repeated => say!(language, "must be given only once", "ne doit figurer qu'une fois"),
            Self::String => say!(language, "must be a string", "doit être une chaîne de caractères"),
            Self::Boolean => say!(language, "must be true or false", "doit être « true » ou « false »"),
            Self::Foreign(kind) => {
                let (english, french) = match kind {
                    ApplicationKind::Short => ("a short application", "une demande courte distance"),
                    ApplicationKind::Long => ("a long application", "une demande longue distance"),
                    ApplicationKind::Standardized => ("a standardized application", "une opération standardisée"),
                    ApplicationKind::Specific => ("a specific application", "une opération spécifique"),
                    ApplicationKind::List => ("a list of drivers", "une liste de conducteurs"),
                };
                say!(language, "does not belong to {english}", "n'appartient pas à {french}")
            }
            Self::Unknown => say!(language, "is not a field of this call", "n'est pas un champ de cet appel"),
            Self::Rows(most) => say!(language, "must have 1 to {most} rows", "doit contenir 1 à {most} lignes"),
            Self::NoParameter(known) => {
                let known = parameters(known, language);
                say!(
                    language,
                    "is not a parameter of this call: the parameters are {known}",
                    "n'est pas un paramètre de cet appel : les paramètres sont {known}",
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
                    Language::French => format!("doit être l'un de « {} »", words.join(" », « ")),
                }
            }
            Self::After(other) => {
                let other = parameters(&[other], language);
                say!(language, "must be after {other}", "doit être postérieur à {other}")
            }
            Self::ExportFormat => {
                say!(language, "must be \"csv\" or \"parquet\"", "doit être « csv » ou « parquet »")
            }
            Self::Cursor => {
                say!(
                    language,
                    "must be a next_cursor that this call returned to you",
                    "doit être un next_cursor que cet appel vous a renvoyé",
                )
            }
            Self::CursorOfFilter => say!(
                language,
                "must be a next_cursor that this call returned to you, with the same journey type, status and periods",
                "doit être un next_cursor que cet appel vous a renvoyé, avec le même type de trajet, le même statut et les mêmes périodes",
            ),
        }
    }
}

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// Where it is: a JSON Pointer (RFC 6901) into the body, or `/` and the name of the parameter of the query.
    #[schema(examples("/last_name_trunc"))]
    pub pointer: String,
    /// What is expected. Never repeats the value.
    #[schema(examples("is missing"))]
    pub message: String,
}

/// A fault of one field of a body, or of one parameter of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Where it is: a JSON Pointer (RFC 6901), or `/` and the name of the parameter. Empty for the whole body.
    pub pointer: String,
    /// The broken rule.
    pub rule: BrokenRule,
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

impl NoToken {
    pub(super) fn message(self, language: Language) -> String {
        match self {
            Self::WrongPair => {
                say!(language, "unknown access key or wrong secret", "clé d'accès inconnue ou secret erroné",)
            }
            Self::OperatorUnknown => say!(
                language,
                "the registry does not know this operator any more",
                "le registre ne connaît plus cet opérateur",
            ),
            Self::OperatorSuspended => NotAdmitted::Suspended.message(language),
        }
    }
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

impl NotAdmitted {
    pub(super) fn message(self, language: Language) -> String {
        match self {
            Self::Unknown => {
                say!(language, "the registry does not know this operator", "le registre ne connaît pas cet opérateur")
            }
            Self::Suspended => {
                say!(language, "the registry has suspended this operator", "le registre a suspendu cet opérateur")
            }
            Self::OtherSiret => say!(
                language,
                "the token's SIRET is not the operator's",
                "le SIRET du jeton n'est pas celui de l'opérateur",
            ),
        }
    }
}
