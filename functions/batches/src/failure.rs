//! Why a row of a batch failed, in English and in French.

use cee_edge::Refusal;
use cee_eligibility::{Instant, JourneyType, Language, NoRoom};

/// Why a row failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The row cannot be read. It is refused with the text of a single call.
    Refused(Refusal),
    /// The row could not be written in time.
    TooBusy,
    /// The function panicked at the row or read a corrupt item. The row may be written or not; sending it again is safe.
    Internal,
    /// The operator has no such application.
    Unknown,
    /// The call is closed for this journey type.
    Closed(JourneyType),
    /// The application carries another identity key.
    HasAnother,
    /// The key would give the driver a second application: this is the date of the other.
    Second(Instant),
    /// The registry keeps no more of this driver.
    NoRoom(NoRoom),
}

impl Failure {
    /// What is wrong with the row, for a person.
    pub(crate) fn message(&self, language: Language) -> String {
        let say = |english: &str, french: &str| match language {
            Language::English => english.to_owned(),
            Language::French => french.to_owned(),
        };
        match self {
            Self::Refused(refusal @ (Refusal::InvalidFields(_) | Refusal::MalformedBody(_))) => {
                refusal.detail(language)
            }
            Self::Refused(_) => say("cannot be read", "ne peut pas être lue"),
            Self::TooBusy => say(
                "the registry was too busy: send this row again",
                "le registre était trop occupé : renvoyez cette ligne",
            ),
            Self::Internal => say(
                "internal error: the registry failed on this row and has informed its team. Send the row again later",
                "erreur interne : le registre a échoué sur cette ligne et a prévenu son équipe. Renvoyez la ligne plus tard",
            ),
            Self::Unknown => say("you have no such application", "vous n'avez pas de telle demande"),
            Self::Closed(journey_type) => {
                let distance = match journey_type {
                    JourneyType::Short => "courte distance",
                    JourneyType::Long => "longue distance",
                };
                say(
                    &format!("the registry has closed this call for {journey_type} applications for the time being"),
                    &format!("pour le moment, le registre a fermé cet appel aux demandes {distance}"),
                )
            }
            Self::HasAnother => say(
                "the application already has another identity key, and keeps it",
                "la demande a déjà une autre clé d'identité et la conserve",
            ),
            Self::Second(other) => say(
                &format!(
                    "with this identity key it would be the driver's second application (opération standardisée): the other is \
                     dated {other}"
                ),
                &format!(
                    "avec cette clé d'identité, ce serait la deuxième opération standardisée du conducteur : l'autre est datée du {}",
                    other.for_person(Language::French)
                ),
            ),
            // As any other fault of that field.
            Self::NoRoom(NoRoom::Dates) => format!("/datetime {}", NoRoom::Dates.message(language)),
            Self::NoRoom(why) => why.message(language).into_owned(),
        }
    }
}

/// The report of a batch whose call never recorded its result.
pub(crate) const fn unanswered(language: Language) -> &'static str {
    match language {
        Language::English => {
            "The call got no response, and its rows were not counted: some of them may have been imported. Send the batch again, which \
             is safe, or undo the import."
        }
        Language::French => {
            "L'appel est resté sans réponse et ses lignes n'ont pas été comptées : certaines ont peut-être été importées. Renvoyez le \
             lot, ce qui est sans risque, ou annulez l'import."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_edge::problem::Malformed;

    #[test]
    fn every_failure_has_both_languages() {
        let other = Instant::parse("2024-03-15T07:30:00Z").unwrap();
        let failures = [
            Failure::Refused(Refusal::MalformedBody(Malformed::Row)),
            Failure::Refused(Refusal::Busy),
            Failure::TooBusy,
            Failure::Internal,
            Failure::Unknown,
            Failure::Closed(JourneyType::Short),
            Failure::Closed(JourneyType::Long),
            Failure::HasAnother,
            Failure::Second(other),
            Failure::NoRoom(NoRoom::Dates),
            Failure::NoRoom(NoRoom::Applications),
            Failure::NoRoom(NoRoom::Record),
        ];
        let texts = failures.iter().map(|failure| Language::ALL.map(|language| failure.message(language)));
        let texts = texts.chain([Language::ALL.map(|language| unanswered(language).to_owned())]);
        for [english, french] in texts {
            assert_ne!(english, french);
            assert_eq!(Language::english_left_in(&french), None, "{french}");
            assert_eq!(Language::loose_punctuation_in(&french), None, "{french}");
        }
    }

    #[test]
    fn a_date_too_many_is_a_fault_of_its_field() {
        let said = Language::ALL.map(|language| Failure::NoRoom(NoRoom::Dates).message(language));
        assert!(said[0].starts_with("/datetime is one date too many"), "{}", said[0]);
        assert!(said[1].starts_with("/datetime est une date de trop"), "{}", said[1]);
    }
}
