//! The French of the messages of this crate. The English is at the declaration of each type.
//!
//! Each `match` names every variant: a message without its French does not compile. A sentence about a field follows the field's name,
//! as in English. The words are those of the law: conducteur, trajet, demande, opération standardisée, opération spécifique.

use std::borrow::Cow;

use crate::error::{FieldError, NormaliseError};
use crate::journey::Criterion;
use crate::language::Language;
use crate::rules::{MOST_APPLICATIONS, MOST_HISTORY_DATES, NoRoom, Period, Rules};

impl FieldError {
    /// What is expected of the field, in this language. Never repeats the value.
    ///
    /// ```
    /// use cee_eligibility::{FieldError, Language};
    /// assert_eq!(FieldError::InTheFuture.message(Language::English), "must be in the past");
    /// assert_eq!(FieldError::InTheFuture.message(Language::French), "doit être dans le passé");
    /// ```
    #[must_use]
    pub fn message(self, language: Language) -> Cow<'static, str> {
        match language {
            Language::English => self.to_string().into(),
            Language::French => self.french(),
        }
    }

    fn french(self) -> Cow<'static, str> {
        let text = match self {
            Self::JourneyType => "doit être « short » (courte distance) ou « long » (longue distance)",
            Self::LastNameTrunc => {
                "doit compter exactement 3 caractères parmi A-Z et l'espace : majuscules, sans accent, une espace à la place d'un \
                 trait d'union ou d'une apostrophe, complété par des espaces (« TO  » : TO et une espace)"
            }
            Self::LastNameSpace => {
                "doit commencer par une lettre : retirez les espaces devant le nom, tronquez-le, puis complétez-le par des espaces à la \
                 fin seulement"
            }
            Self::PhoneTrunc => {
                "doit être un numéro de téléphone E.164 sans ses deux derniers chiffres (« +336010203 ») ou sa forme nationale \
                 française (« 06010203 »)"
            }
            Self::Phone => {
                "doit être un numéro de téléphone entier : + et son indicatif de pays (« +33701020304 »), ou 10 chiffres en France \
                 (« 07 01 02 03 04 »)"
            }
            Self::PhoneCountry => "commence par un indicatif de pays qui n'existe pas",
            Self::PhoneLength => "a trop ou trop peu de chiffres pour un numéro de mobile de ce pays",
            Self::PhoneWhole => "est un numéro de téléphone entier : retirez ses deux derniers chiffres",
            Self::PhoneInvisible(character) => {
                return format!("contient le caractère invisible U+{:04X} : retirez-le", u32::from(character)).into();
            }
            Self::PhoneAmbiguous => {
                "a peut-être perdu un 0 initial ou un + dans un programme qui l'a pris pour un nombre, et plusieurs lectures sont \
                 possibles : écrivez-le avec son + et des espaces (« +33 6 01 02 03 »), pour qu'il reste du texte"
            }
            Self::PhoneRounded => {
                "a été arrondi par Excel, qui l'a pris pour un nombre (« 3,36E+08 ») : ses derniers chiffres sont perdus. Exportez de \
                 nouveau avec la colonne au format texte"
            }
            Self::DrivingLicense => {
                "doit être un numéro de permis de conduire : 12 chiffres, ou 1 à 15 caractères parmi A-Z et 0-9 suivis ou non de 4 \
                 chiffres, ou pour un permis étranger « 99- » et 1 à 61 lettres et chiffres"
            }
            Self::LicenseCharacter(character) => {
                return format!(
                    "contient le caractère {}, qu'aucun numéro de permis de conduire ne contient : écrivez-le avec A-Z et 0-9",
                    character.french()
                )
                .into();
            }
            Self::ForeignLicense => {
                "doit être « 99- », avec un trait d'union, puis 1 à 61 lettres et chiffres, s'il s'agit d'un permis étranger"
            }
            Self::IdentityKey => "doit être un SHA-256 écrit en 64 chiffres hexadécimaux minuscules",
            Self::FileName => {
                "doit être le nom d'un fichier sans dossier : 1 à 200 octets, sans /, sans \\ et sans caractère de contrôle"
            }
            Self::FileSize => "doit être la taille du fichier en octets, au plus 5 Gio",
            Self::FileKind => "doit être « file » ou « drivers »",
            Self::ContentType => "doit être « text/csv », « application/gzip » ou « application/zip »",
            Self::Language => "doit être « en » ou « fr »",
            Self::ImportId => "doit être l'import_id d'un import : 32 chiffres hexadécimaux",
            Self::OperatorJourneyId => "doit compter 1 à 255 caractères, sans caractère de contrôle",
            Self::IdempotencyKey => "doit compter 1 à 255 caractères ASCII visibles",
            Self::ApplicationType => {
                "doit être « standardized » (opération standardisée) ou « specific » (opération spécifique)"
            }
            Self::ApplicationId => "doit être un UUID, par exemple « 1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b »",
            Self::Credential => "doit compter 1 à 128 caractères, sans caractère de contrôle",
            Self::OperatorId => "doit être le numéro d'un opérateur, 1 ou plus",
            Self::Siret => "doit être un SIRET : 14 chiffres",
            Self::Datetime => {
                "doit être une date et heure RFC 3339 avec décalage, par exemple « 2024-03-15T08:30:00+01:00 »"
            }
            Self::Years => "doit se situer entre les années 0001 et 9998",
            Self::Bound => {
                "doit être une date et heure RFC 3339 avec décalage, par exemple « 2024-03-15T08:30:00+01:00 » (dans une requête, le + \
                 s'écrit %2B), ou un jour, par exemple « 2024-03-15 », qui signifie son minuit à Paris"
            }
            Self::InTheFuture => "doit être dans le passé",
            Self::NotHistory { before } => {
                return format!(
                    "doit être antérieure au {} (minuit à Paris) : l'historique précède les opérations standardisées, et une demande \
                     ultérieure s'enregistre au lieu de s'importer",
                    before.format("%d/%m/%Y")
                )
                .into();
            }
            Self::ImportClosed => {
                "est fermé : pour le moment, le registre n'accepte pas d'historique de ce type de trajet"
            }
            Self::SimulateClosed => {
                "est fermé : pour le moment, le registre ne répond à aucune question sur ce type de trajet"
            }
            Self::OutsidePeriod => "doit être dans la période du dispositif",
            Self::Insee => "doit être un code INSEE : 5 caractères, par exemple « 75056 », « 2A004 » ou « 99100 »",
            Self::Distance => "doit être un nombre entier de mètres",
            Self::WholeNumber => "doit être un nombre entier, 0 ou plus",
            Self::OperatorClass => "doit être une classe d'opérateur : A, B ou C",
            Self::AcquisitionStatus => {
                "doit être « received », « updated », « processed », « failed », « canceled », « expired » ou \
                 « terms_violation_error », ou un statut de l'interface : « ok », « pending », « acquisition_error », \
                 « anomaly_error », « fraud_error », « unknown »"
            }
            Self::CheckStatus => "doit être « passed », « failed », « pending » ou vide",
            Self::EndBeforeStart => "ne doit pas précéder start_datetime",
        };
        text.into()
    }
}

impl NormaliseError {
    /// Why the name or the phone cannot be normalised, in this language. Never repeats it.
    #[must_use]
    pub fn message(self, language: Language) -> Cow<'static, str> {
        match (language, self) {
            (Language::English, _) => self.to_string().into(),
            (Language::French, Self::Empty) => "est vide".into(),
            (Language::French, Self::Name) => {
                "contient un caractère qui n'est ni une lettre latine, ni une espace, ni un trait d'union, ni une apostrophe : écrivez \
                 le nom comme sur le permis de conduire"
                    .into()
            }
            (Language::French, Self::Phone(error)) => error.french(),
        }
    }
}

impl NoRoom {
    /// Why the registry cannot store one more record of the driver, in this language. For [`NoRoom::Dates`] it follows the name of the
    /// field.
    #[must_use]
    pub fn message(self, language: Language) -> Cow<'static, str> {
        match (language, self) {
            (Language::English, _) => self.to_string().into(),
            (Language::French, Self::Dates) => format!(
                "est une date de trop : pour un conducteur (nom et téléphone) et un type de trajet, le registre conserve au plus \
                 {MOST_HISTORY_DATES} dates d'un opérateur. Un nom et un téléphone communs à beaucoup de lignes ne désignent pas un seul \
                 conducteur : corrigez ou retirez ces lignes"
            )
            .into(),
            (Language::French, Self::Applications) => format!(
                "vous avez {MOST_APPLICATIONS} demandes de ce type de trajet pour ce nom et ce téléphone tronqué, et le registre n'en \
                 conserve pas davantage : supprimez celles qui sont erronées"
            )
            .into(),
            (Language::French, Self::Record) => {
                "la fiche de ce conducteur dans le registre est pleine, et un nouvel envoi ne sert à rien : écrivez à l'équipe du \
                 registre"
                    .into()
            }
        }
    }
}

impl Criterion {
    /// One sentence for a person, in this language, without the journey's data.
    #[must_use]
    pub fn message(self, rules: &Rules, language: Language) -> String {
        match language {
            Language::English => self.english(rules),
            Language::French => self.french(rules),
        }
    }

    fn french(self, rules: &Rules) -> String {
        match self {
            Self::OperatorClass => format!("le trajet n'est pas de classe {}", rules.journey.operator_class),
            Self::Distance => format!("le trajet dépasse {} mètres", rules.journey.max_distance_metres),
            Self::France => "le trajet ne commence ni ne se termine en France".to_owned(),
            Self::Period => {
                let Period { start, end } = rules.short.period;
                let start = start.for_person(Language::French);
                match end {
                    Some(end) => {
                        format!(
                            "le trajet ne commence pas entre le {start}, inclus, et le {}, exclu",
                            end.for_person(Language::French)
                        )
                    }
                    None => format!("le trajet commence avant le {start}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::character::CharacterName;
    use crate::time::Instant;

    fn fields() -> Vec<FieldError> {
        let before = Rules::default().short.history_before.paris_day();
        vec![
            FieldError::JourneyType,
            FieldError::LastNameTrunc,
            FieldError::LastNameSpace,
            FieldError::PhoneTrunc,
            FieldError::Phone,
            FieldError::PhoneCountry,
            FieldError::PhoneLength,
            FieldError::PhoneWhole,
            FieldError::PhoneInvisible('\u{200b}'),
            FieldError::PhoneAmbiguous,
            FieldError::PhoneRounded,
            FieldError::DrivingLicense,
            FieldError::LicenseCharacter(CharacterName('?')),
            FieldError::ForeignLicense,
            FieldError::IdentityKey,
            FieldError::FileName,
            FieldError::FileSize,
            FieldError::FileKind,
            FieldError::ContentType,
            FieldError::Language,
            FieldError::ImportId,
            FieldError::OperatorJourneyId,
            FieldError::IdempotencyKey,
            FieldError::ApplicationType,
            FieldError::ApplicationId,
            FieldError::Credential,
            FieldError::OperatorId,
            FieldError::Siret,
            FieldError::Datetime,
            FieldError::Years,
            FieldError::Bound,
            FieldError::InTheFuture,
            FieldError::NotHistory { before },
            FieldError::ImportClosed,
            FieldError::SimulateClosed,
            FieldError::OutsidePeriod,
            FieldError::Insee,
            FieldError::Distance,
            FieldError::WholeNumber,
            FieldError::OperatorClass,
            FieldError::AcquisitionStatus,
            FieldError::CheckStatus,
            FieldError::EndBeforeStart,
        ]
    }

    fn numbers(text: &str) -> Vec<String> {
        let mut numbers: Vec<String> =
            text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).map(str::to_owned).collect();
        numbers.sort();
        numbers
    }

    #[test]
    fn every_message_has_both_languages_and_the_same_numbers() {
        let kinds = ['\0', '\u{200b}', '\u{301}', 'Α', 'Ѕ', 'Օ', 'Ꭺ', 'ß'];
        let kinds = kinds.map(|character| FieldError::LicenseCharacter(CharacterName(character)));
        let both = |message: &dyn Fn(Language) -> String| Language::ALL.map(message);
        let mut messages: Vec<[String; 2]> =
            fields().into_iter().chain(kinds).map(|error| both(&|language| error.message(language).into())).collect();
        messages.extend(
            [NormaliseError::Empty, NormaliseError::Name, FieldError::Phone.into()]
                .map(|error| both(&|language| error.message(language).into())),
        );
        messages.extend(
            [NoRoom::Dates, NoRoom::Applications, NoRoom::Record]
                .map(|why| both(&|language| why.message(language).into())),
        );
        for [english, french] in &messages {
            assert_eq!(numbers(english), numbers(french), "{french}");
        }
        let mut rules = Rules::default();
        let criteria = |rules: &Rules| {
            Criterion::ALL.map(|criterion| Language::ALL.map(|language| criterion.message(rules, language)))
        };
        messages.extend(criteria(&rules));
        rules.short.period.end = Instant::parse("2025-01-01T00:00:00+01:00").ok();
        messages.extend(criteria(&rules));
        for [english, french] in messages {
            assert_ne!(english, french);
            assert!(!french.contains('"'), "quotes are « »: {french}");
            assert_eq!(Language::english_left_in(&french), None, "{french}");
            assert_eq!(Language::loose_punctuation_in(&french), None, "{french}");
        }
    }

    #[test]
    fn a_character_that_a_licence_may_not_hold_is_named_in_french() {
        let said = |character| FieldError::LicenseCharacter(CharacterName(character)).message(Language::French);
        assert!(said('\u{410}').contains("U+0410 (une lettre cyrillique)"));
        assert!(said('?').contains("U+003F, qu'aucun"));
    }

    #[test]
    fn a_period_is_told_in_the_time_of_paris() {
        let mut rules = Rules::default();
        let said = |rules: &Rules| Criterion::Period.message(rules, Language::French);
        assert_eq!(said(&rules), "le trajet commence avant le 01/01/2023 à 00:00 (heure de Paris)");
        rules.short.period.end = Instant::parse("2025-01-01T00:00:00+01:00").ok();
        assert_eq!(
            said(&rules),
            "le trajet ne commence pas entre le 01/01/2023 à 00:00 (heure de Paris), inclus, et le 01/01/2025 à 00:00 (heure de Paris), \
             exclu"
        );
    }
}
