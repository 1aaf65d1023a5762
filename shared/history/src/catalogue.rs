//! The messages of rejected rows and refused files, in English and in French. The English of [`FileRefusal`] is at its declaration.
//! `cee_eligibility` has the messages of [`FieldError`] and [`NoRoom`](cee_eligibility::NoRoom) in both languages.
//! [docs/reasons.md](../../../docs/reasons.md) shows every sentence in both languages side by side, and a test writes that page.
//!
//! The sentence of a row follows the name of its column. Each says what to do, and none repeats a value.

use std::borrow::Cow;

use cee_eligibility::{FieldError, Language};

use crate::fault::Fault;
use crate::lines::{KEPT, MAX_LINE};
use crate::refusal::{FileError, FileRefusal, Form, MANY, MOST_NAMED, RATIO, SurveyError, UnpackError};

/// A sentence, or its words in one language.
type Words = Cow<'static, str>;

/// A fault of a row as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowFault {
    /// The row has fewer cells than the header.
    CellsMissing {
        /// The number of its cells.
        count: usize,
        /// The number of columns in the header.
        named: usize,
    },
    /// The row has a cell under no column.
    CellBeyond {
        /// The number of columns in the header.
        named: usize,
    },
    /// The line is longer than [`MAX_LINE`].
    TooLong,
    /// The line cannot be read, and no cell says why.
    Unreadable,
    /// This software failed at the row. The row is not at fault, and a retry may succeed.
    GivenUp,
}

/// The columns that a rejected file has in addition: the line, the column at fault and the reason.
pub(crate) const fn columns(language: Language) -> [&'static str; 3] {
    match language {
        Language::English => ["line", "column", "reason"],
        Language::French => ["ligne", "colonne", "motif"],
    }
}

/// The separator between the faults of one row.
pub(crate) const fn between(language: Language) -> &'static str {
    match language {
        Language::English => "; ",
        Language::French => " ; ",
    }
}

/// The message for a fault of a cell.
pub(crate) fn cell(fault: Fault, language: Language) -> Words {
    choose(language, both_of_cell(fault))
}

/// The message for a fault of a row as a whole.
pub(crate) fn row(fault: RowFault, language: Language) -> Words {
    choose(language, both_of_row(fault))
}

/// Why a whole file is refused.
#[must_use]
pub fn file(refusal: &FileRefusal, language: Language) -> String {
    match language {
        Language::English => refusal.to_string(),
        Language::French => french_of_file(refusal),
    }
}

/// Why the registry refuses a file regardless of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Imports are closed.
    Imports,
    /// Simulations are closed.
    Simulations,
    /// The operator is suspended.
    Suspended,
    /// The operator does not exist.
    Unknown,
    /// The file was removed.
    Gone,
    /// Another file has taken its place.
    Replaced,
    /// The event says neither which version of it nor its ETag.
    Unnamed,
}

/// Why the registry refuses a file regardless of its content.
#[must_use]
pub fn closed(why: Closed, language: Language) -> &'static str {
    let (english, french) = both_of_closed(why);
    match language {
        Language::English => english,
        Language::French => french,
    }
}

const fn both_of_closed(why: Closed) -> (&'static str, &'static str) {
    match why {
        Closed::Imports => (
            "The registry has closed imports for the time being: upload the file again when they are open.",
            "Le registre a fermé les imports pour le moment : redéposez le fichier quand ils seront rouverts.",
        ),
        Closed::Simulations => (
            "The registry answers no questions about drivers for the time being: upload the file again when it does.",
            "Pour le moment, le registre ne répond à aucune question sur les conducteurs : redéposez le fichier quand il y répondra.",
        ),
        Closed::Suspended => ("The registry has suspended this operator.", "Le registre a suspendu cet opérateur."),
        Closed::Unknown => ("The registry does not know this operator.", "Le registre ne connaît pas cet opérateur."),
        Closed::Gone => (
            "The file was removed before the registry could read it: upload it again.",
            "Le fichier a été retiré avant que le registre ait pu le lire : redéposez-le.",
        ),
        Closed::Unnamed => (
            "The storage service announced the file without its version and its ETag, so the registry cannot tell which content was \
             meant. Write to the registry's team.",
            "Le service de stockage a annoncé le fichier sans sa version ni son ETag : le registre ne peut pas savoir de quel contenu il \
             s'agit. Écrivez à l'équipe du registre.",
        ),
        Closed::Replaced => (
            "The file was replaced before the registry could read it: the later file has its own report.",
            "Le fichier a été remplacé avant que le registre ait pu le lire : le suivant a son propre rapport.",
        ),
    }
}

/// Why a list of drivers is refused whole: its operator would ask about more drivers than it may in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyDrivers {
    /// The rows of the list.
    pub rows: u64,
    /// The number of drivers that an operator may ask about in a day.
    pub most: u64,
    /// The number left of this day.
    pub left: u64,
}

/// Why a list of drivers is refused whole.
#[must_use]
pub fn too_many_drivers(why: TooManyDrivers, language: Language) -> String {
    let (english, french) = both_of_too_many(why);
    match language {
        Language::English => english,
        Language::French => french,
    }
}

fn both_of_too_many(TooManyDrivers { rows, most, left }: TooManyDrivers) -> (String, String) {
    let [(english_left, english_part), (french_left, french_part)] = match left {
        0 => [("none is left".to_owned(), String::new()), ("il n'en reste aucun".to_owned(), String::new())],
        left => [
            (format!("{left} are left"), format!("at most {left} rows today, or ")),
            (format!("il en reste {left}"), format!("au plus {left} lignes aujourd'hui, ou ")),
        ],
    };
    (
        format!(
            "The list has {rows} rows. With lists, an operator may ask about {most} drivers a day (Paris time), and {english_left} for today. \
             No row was answered, and no row counts: send {english_part}the list on a later day, in parts if it is longer than the daily \
             limit."
        ),
        format!(
            "La liste compte {rows} lignes. Au moyen de listes, un opérateur peut interroger le registre sur {most} conducteurs par jour \
             (heure de Paris) ; {french_left} pour aujourd'hui. Aucune ligne n'a reçu de réponse et aucune n'est comptée : envoyez \
             {french_part}la liste un autre jour, en plusieurs parties si elle dépasse la limite quotidienne."
        ),
    )
}

fn french_of_file(refusal: &FileRefusal) -> String {
    let what: Words = match refusal {
        FileRefusal::TooLarge => "dépasse 5 Gio : déposez-le en plusieurs parties, chacune avec son en-tête".into(),
        FileRefusal::Unpack(error) => french_of_unpack(*error).into(),
        FileRefusal::Survey(error) => french_of_survey(*error).into(),
        FileRefusal::Header(error) => french_of_header(error),
    };
    format!("Le fichier {what}.")
}

fn french_of_unpack(error: UnpackError) -> String {
    match error {
        UnpackError::Damaged => {
            "est un gzip ou un zip endommagé ou incomplet : compressez-le et déposez-le de nouveau".to_owned()
        }
        UnpackError::Bomb => {
            format!("se décompresse à plus de {RATIO} fois sa taille, ce qu'aucune liste de conducteurs ne fait")
        }
        UnpackError::TooLarge => {
            "se décompresse à plus de 5 Gio : déposez-le en plusieurs parties, chacune avec son en-tête".to_owned()
        }
        UnpackError::ZipOfSeveral => {
            "est un zip qui contient plusieurs fichiers : envoyez chacun séparément".to_owned()
        }
        UnpackError::ZipOfNothing => {
            "est un zip qui ne contient aucun fichier : mettez-y le fichier CSV, ou envoyez le fichier CSV tel quel".to_owned()
        }
        UnpackError::ZipEncrypted => {
            "est un zip avec mot de passe : envoyez-le sans mot de passe, car la connexion est chiffrée".to_owned()
        }
        UnpackError::ZipMethod => {
            "est un zip dont le registre ne lit pas la compression : choisissez deflate, ou utilisez gzip".to_owned()
        }
        UnpackError::Workbook => {
            "est un classeur (par exemple .xlsx ou .ods), pas un fichier CSV : ouvrez-le et exportez-le en « CSV UTF-8 »".to_owned()
        }
    }
}

fn french_of_survey(error: SurveyError) -> String {
    match error {
        SurveyError::BothOrders { day_first, month_first } => format!(
            "écrit certaines dates avec le jour d'abord (ligne {day_first}) et d'autres avec le mois d'abord (ligne {month_first}), \
             comme le font les programmes qui réécrivent les dates qu'ils comprennent et laissent les autres (SheetJS, LibreOffice en \
             anglais). Personne ne peut dire ce que signifie une date comme 03/05/2021 dans ce fichier : écrivez toutes les dates au \
             format AAAA-MM-JJ"
        ),
        SurveyError::DayBeforeMonth { line } => format!(
            "écrit les dates dans l'ordre année, jour, mois (ligne {line}), si bien qu'une date comme 2021-05-03 y signifie le 5 mars : \
             écrivez toutes les dates au format AAAA-MM-JJ, le mois au milieu"
        ),
        SurveyError::HalfDays { line } => format!(
            "écrit des heures avec AM ou PM (ligne {line}), comme le font les programmes en anglais, et aucune date ne dit si le jour ou \
             le mois vient d'abord : écrivez toutes les dates au format AAAA-MM-JJ. Si le jour vient d'abord, envoyez le fichier avec \
             dates_confirmed, ou avec « dates-confirmed » dans son nom"
        ),
        SurveyError::SwappedDays => format!(
            "a {MANY} jours différents ou plus, mais aucun après le 12 du mois parmi ceux qui pourraient être échangés : jour et mois \
             semblent échangés. Un programme qui devine les dates (pandas, csvkit, Gnumeric en anglais) lit 03/05/2021 comme le 5 mars \
             et écrit 2021-03-05. Réécrivez les dates à partir de leur source, dans pandas avec format='%d/%m/%Y'. Si les dates sont justes, \
             envoyez le fichier avec dates_confirmed, ou avec « dates-confirmed » dans son nom"
        ),
    }
}

fn french_of_header(error: &FileError) -> Words {
    match error {
        FileError::Empty => "est vide : il faut un en-tête et au moins une ligne".into(),
        FileError::Utf16 => "a été enregistré en UTF-16 sans indicateur d'ordre des octets : enregistrez-le en « CSV UTF-8 »".into(),
        FileError::Form(form) => french_of_form(*form).into(),
        FileError::NotText => {
            "n'est pas un fichier texte : il commence par des caractères de contrôle. Exportez-le en « CSV UTF-8 »".into()
        }
        FileError::HeaderTooLong { limit } => {
            format!("n'a pas d'en-tête : sa première ligne compte plus de {limit} octets").into()
        }
        FileError::HeaderQuote => {
            "a un en-tête avec un guillemet qui n'est pas fermé ou se trouve à l'intérieur d'un nom".into()
        }
        FileError::NoHeader { expected } => format!(
            "n'a pas d'en-tête : sa première ligne doit nommer les colonnes {expected}, séparées par des virgules, des points-virgules \
             ou des tabulations"
        )
        .into(),
        FileError::Columns { missing, unknown, duplicate } => {
            let (named, rest) = unknown.split_at(unknown.len().min(MOST_NAMED));
            let more = if rest.is_empty() { String::new() } else { format!(" et {} de plus", rest.len()) };
            let unknown = named.join(", ").replace("column ", "colonne ") + &more;
            let parts = [("il manque", missing.join(", ")), ("inconnu :", unknown), ("répété :", duplicate.join(", "))];
            let parts = parts.into_iter().filter(|(_, columns)| !columns.is_empty());
            let parts: Vec<String> = parts.map(|(what, columns)| format!("{what} {columns}")).collect();
            format!("a un en-tête incorrect : {}", parts.join(" ; ")).into()
        }
    }
}

const fn french_of_form(form: Form) -> &'static str {
    match form {
        Form::Workbook => "est un classeur Excel, pas un fichier CSV : ouvrez-le et exportez-le en « CSV UTF-8 »",
        Form::Twice => "est compressé deux fois : envoyez-le compressé une fois (gzip ou zip), ou non compressé",
        Form::Zstd => "est compressé avec Zstandard (.zst) : compressez-le avec gzip, ou envoyez-le non compressé",
        Form::Xz => "est compressé avec xz : compressez-le avec gzip, ou envoyez-le non compressé",
        Form::Bzip2 => "est compressé avec bzip2 (.bz2) : compressez-le avec gzip, ou envoyez-le non compressé",
        Form::Lz4 => "est compressé avec LZ4 : compressez-le avec gzip, ou envoyez-le non compressé",
        Form::SevenZip => "est une archive 7-Zip (.7z) : envoyez le fichier CSV lui-même, ou un zip de celui-ci",
        Form::Rar => "est une archive RAR : envoyez le fichier CSV lui-même, ou un zip de celui-ci",
        Form::Parquet => {
            "est un fichier Parquet : écrivez-le en CSV (`copy … to 'history.csv'`, `to_csv`, `write_csv`)"
        }
        Form::Arrow => "est un fichier Arrow (Feather) : écrivez-le en CSV (`to_csv`, `write_csv`)",
        Form::Sqlite => "est une base SQLite : exportez la table en CSV (`sqlite3 -header -csv`)",
        Form::R => "est un fichier R (.rds ou .RData) : écrivez-le en CSV (`write.csv(…, row.names = FALSE)`)",
        Form::Pdf => "est un PDF : exportez le tableau en « CSV UTF-8 »",
        Form::Markup => "est une page web ou du XML, pas un fichier CSV : exportez le tableau en « CSV UTF-8 »",
        Form::Json => {
            "est du JSON, pas un fichier CSV : écrivez-le en CSV, ou envoyez ses lignes à POST /policies/cee/import"
        }
        Form::Multipart => {
            "est un formulaire (multipart/form-data) qui contient le fichier : déposez le fichier lui-même, comme le fait \
             `curl --upload-file`, et non `curl --form`"
        }
    }
}

fn choose(language: Language, (english, french): (Words, Words)) -> Words {
    match language {
        Language::English => english,
        Language::French => french,
    }
}

fn both_of_cell(fault: Fault) -> (Words, Words) {
    let with = |(english, french): (&str, &str), rule: FieldError| {
        let (of_rule, de_la_regle) = both_of_field(rule);
        (Cow::Owned(format!("{english}: {of_rule}")), Cow::Owned(format!("{french} : {de_la_regle}")))
    };
    let (english, french) = match fault {
        Fault::Field(fault) => return both_of_field(fault),
        Fault::Empty => ("is empty, but every row needs it", "est vide, alors que chaque ligne doit l'indiquer"),
        Fault::NameEmpty => (
            "is empty, but every row needs it. Some programs (in2csv, fread, R, pandas) take the name \"NA \" for a missing value: if it \
             was that name, write it again, and tell the program to keep it (in2csv --blanks, na.strings = NULL, keep_default_na=False)",
            "est vide, alors que chaque ligne doit l'indiquer. Certains programmes (in2csv, fread, R, pandas) prennent le nom « NA  » \
             pour une valeur manquante : si c'était ce nom, écrivez-le de nouveau et demandez au programme de le conserver (in2csv \
             --blanks, na.strings = NULL, keep_default_na=False)",
        ),
        Fault::Unclosed => (
            "opens a quote that is not closed on its line: close it, or double a quote that belongs to the value",
            "ouvre un guillemet qui n'est pas fermé sur sa ligne : fermez-le, ou doublez un guillemet qui fait partie de la valeur",
        ),
        Fault::Stray => (
            "continues after its closing quote: a quote within a quoted value must be doubled",
            "continue après son guillemet fermant : un guillemet à l'intérieur d'une valeur entre guillemets doit être doublé",
        ),
        Fault::NameAccent => {
            return with(
                (
                    "contains an accent or another character outside A-Z",
                    "contient un accent ou un autre caractère que A-Z",
                ),
                FieldError::LastNameTrunc,
            );
        }
        Fault::NameLowerCase => {
            return with(("contains a lower-case letter", "contient une lettre minuscule"), FieldError::LastNameTrunc);
        }
        Fault::NameHyphen => {
            return with(
                ("contains a hyphen or an apostrophe", "contient un trait d'union ou une apostrophe"),
                FieldError::LastNameTrunc,
            );
        }
        Fault::NameTooLong => return with(("is too long", "est trop long"), FieldError::LastNameTrunc),
        Fault::NameTrimmed => {
            return with(
                (
                    "begins with a space, so a letter of the name may be missing",
                    "commence par une espace : une lettre du nom manque peut-être",
                ),
                FieldError::LastNameSpace,
            );
        }
        Fault::Date => (
            "must be a date: RFC 3339 with an offset (\"2024-03-15T08:30:00+01:00\"), YYYY-MM-DD or DD/MM/YYYY",
            "doit être une date : RFC 3339 avec décalage (« 2024-03-15T08:30:00+01:00 »), AAAA-MM-JJ ou JJ/MM/AAAA",
        ),
        Fault::NoSuchDay => (
            "is a date that does not exist: check the day and the month (DD/MM/YYYY or YYYY-MM-DD)",
            "est une date qui n'existe pas : vérifiez le jour et le mois (JJ/MM/AAAA ou AAAA-MM-JJ)",
        ),
        Fault::ShortYear => (
            "has a two-digit year, as spreadsheets show a date that is typed in: write the year with four digits (DD/MM/YYYY or \
             YYYY-MM-DD), and give the column this format",
            "a une année à deux chiffres, comme un tableur affiche une date saisie : écrivez l'année sur quatre chiffres (JJ/MM/AAAA ou \
             AAAA-MM-JJ), et mettez la colonne à ce format",
        ),
        Fault::InWords => (
            "names the month or the day in words: write DD/MM/YYYY or YYYY-MM-DD",
            "nomme le mois ou le jour en toutes lettres : écrivez JJ/MM/AAAA ou AAAA-MM-JJ",
        ),
        Fault::DaySerial => (
            "looks like an Excel day number, and Excel has two calendars: format the column as a date (DD/MM/YYYY or YYYY-MM-DD)",
            "ressemble à un numéro de jour d'Excel, et Excel a deux calendriers : mettez la colonne au format date (JJ/MM/AAAA ou \
             AAAA-MM-JJ)",
        ),
        Fault::Hashes => (
            "was written as #### by Excel because its column was too narrow: widen the column and export again",
            "a été écrit #### par Excel, car sa colonne était trop étroite : élargissez la colonne et exportez de nouveau",
        ),
        Fault::ClockTwice => (
            "is a time that clocks in Paris showed twice that day: write it as RFC 3339 with an offset",
            "est une heure que les horloges ont affichée deux fois à Paris ce jour-là : écrivez-la en RFC 3339 avec décalage",
        ),
        Fault::ClockNever => (
            "is a time that clocks in Paris skipped that day: write it as RFC 3339 with an offset",
            "est une heure que les horloges ont sautée à Paris ce jour-là : écrivez-la en RFC 3339 avec décalage",
        ),
    };
    (english.into(), french.into())
}

fn both_of_field(fault: FieldError) -> (Words, Words) {
    (fault.message(Language::English), fault.message(Language::French))
}

fn both_of_row(fault: RowFault) -> (Words, Words) {
    match fault {
        RowFault::CellsMissing { count, named } => (
            format!("the row has {count} of the header's {named} cells: this is the first missing cell").into(),
            format!("la ligne a {count} des {named} cellules de l'en-tête : celle-ci est la première qui manque").into(),
        ),
        RowFault::CellBeyond { named } => (
            format!(
                "the row has more cells than the header, which has {named}: quote a value that contains the separator, or remove the \
                 extra cell"
            )
            .into(),
            format!(
                "la ligne a plus de cellules que l'en-tête, qui en a {named} : mettez entre guillemets une valeur qui contient le \
                 séparateur, ou retirez la cellule en trop"
            )
            .into(),
        ),
        RowFault::TooLong => (
            format!(
                "the line is longer than {MAX_LINE} bytes, so it is not a row: look for a missing line break. Only its first {KEPT} \
                 bytes are kept"
            )
            .into(),
            format!(
                "la ligne compte plus de {MAX_LINE} octets et n'est donc pas une ligne de données : cherchez une fin de ligne \
                 manquante. Seuls ses {KEPT} premiers octets sont conservés"
            )
            .into(),
        ),
        RowFault::Unreadable => ("the row cannot be read".into(), "la ligne ne peut pas être lue".into()),
        RowFault::GivenUp => (
            "internal error: the registry failed on this row and has informed its team. Send the row again later".into(),
            "erreur interne : le registre a échoué sur cette ligne et a prévenu son équipe. Renvoyez la ligne plus tard".into(),
        ),
    }
}

#[cfg(test)]
mod tests;
