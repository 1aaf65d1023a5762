//! What the name of a file says of it. A file that an operator puts into its own folder comes without a call that could say it.

use cee_eligibility::Language;

/// Whether the name of a file, of which `path` is the key or the path, holds these words with `-` between them: in any case, and with
/// `_` for `-`. A folder says nothing of its files.
pub(crate) fn says(path: &str, words: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().replace('_', "-");
    name.contains(words)
}

/// Whether the name says that the file is only checked, not imported: `check-only`.
///
/// ```
/// use cee_history::name::is_check_only;
/// assert!(is_check_only("imports/1/history Check_Only.csv"));
/// assert!(!is_check_only("imports/1/check-only/history.csv"), "a folder is not the file");
/// ```
#[must_use]
pub fn is_check_only(path: &str) -> bool {
    says(path, "check-only")
}

/// In which language the name says that rejected rows are explained: `language-fr` or `language-en`.
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
