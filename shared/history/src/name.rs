//! Options in the name of a file. An operator that puts a file into its own folder makes no call that could say it.

use cee_eligibility::Language;

/// The name of a file with the key or path `path`, in the form for a search of words: in lower case, with `-` for `_` and spaces.
#[must_use]
pub fn words(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().replace(['_', ' '], "-")
}

/// Whether the name of a file holds these words. Folders do not count.
pub(crate) fn says(path: &str, wanted: &str) -> bool {
    words(path).contains(wanted)
}

/// Whether the name says that the file is only checked, not imported: `check-only`. A folder can say so too: importing a file that
/// was only to be checked is worse than the opposite.
///
/// ```
/// use cee_history::name::is_check_only;
/// assert!(is_check_only("imports/1/history Check_Only.csv"));
/// assert!(is_check_only("imports/1/history check only.csv"));
/// assert!(is_check_only("imports/1/check-only/history.csv"));
/// assert!(!is_check_only("imports/1/checked.csv"));
/// ```
#[must_use]
pub fn is_check_only(path: &str) -> bool {
    path.split('/').any(|part| says(part, "check-only"))
}

/// Whether the name says that the file is a list of drivers, whom the registry is only asked about: `simulate-only`. A folder can say
/// so too: importing a file that was only a question is worse than the opposite.
///
/// ```
/// use cee_history::name::is_list_of_drivers;
/// assert!(is_list_of_drivers("imports/1/new drivers Simulate_Only.csv"));
/// assert!(is_list_of_drivers("imports/1/simulate-only/drivers.csv"));
/// assert!(!is_list_of_drivers("imports/1/drivers.csv"));
/// ```
#[must_use]
pub fn is_list_of_drivers(path: &str) -> bool {
    path.split('/').any(|part| says(part, "simulate-only"))
}

/// Whether the name says that nothing of the file is imported: it is only checked, or a list of drivers.
///
/// ```
/// use cee_history::name::imports_nothing;
/// assert!(imports_nothing("imports/1/history check-only.csv"));
/// assert!(imports_nothing("imports/1/simulate-only/drivers.csv"));
/// assert!(!imports_nothing("imports/1/history.csv"));
/// ```
#[must_use]
pub fn imports_nothing(path: &str) -> bool {
    is_check_only(path) || is_list_of_drivers(path)
}

/// The language of the reasons for rejected rows, from the name: `language-fr` or `language-en`.
///
/// ```
/// use cee_eligibility::Language;
/// use cee_history::name::language;
/// assert_eq!(language("imports/1/historique language-fr.csv"), Some(Language::French));
/// assert_eq!(language("imports/1/historique-fr.csv"), None);
/// ```
#[must_use]
pub fn language(path: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| says(path, &format!("language-{}", language.as_str())))
}
