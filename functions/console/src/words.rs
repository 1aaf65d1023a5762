//! The texts of the pages, in English and in French side by side. The texts of refusals come from `cee_edge::problem`, those of fields from
//! `cee_eligibility`: nothing is said twice.

use cee_eligibility::{JourneyStatus, JourneyType, Language};
use cee_history::Repair;
use cee_registry::Outcome;
use cee_tokens::ProofError;

/// Declares the texts: each has both languages, or does not compile.
macro_rules! texts {
    ($($name:ident: $english:literal, $french:literal;)+) => {
        /// A text of the pages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Text { $($name,)+ }

        impl Text {
            /// Every text.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The text in this language.
            pub(crate) const fn to(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::English) => $english, (Self::$name, Language::French) => $french,)+
                }
            }
        }
    };
}

texts! {
    // Every page
    Registry: "Certificate registry for carpooling", "Registre des certificats de covoiturage";
    SkipToContent: "Skip to the content", "Aller au contenu";
    MainMenu: "Main menu", "Menu principal";
    SignIn: "Sign in", "Se connecter";
    SignOut: "Sign out", "Se déconnecter";
    SignedInAs: "Signed in as", "Connecté en tant que";
    Files: "Files", "Fichiers";
    Application: "Application", "Demande";
    Applications: "Applications", "Demandes";
    Simulate: "Simulate", "Simuler";
    CheckProof: "Check a proof", "Vérifier une preuve";
    OtherLanguage: "Français", "English";
    Error: "Error", "Erreur";

    // Where things are
    HomeIntro: "This registry records which drivers have received an energy-saving certificate for carpooling, whichever operator asked \
                for it.",
               "Ce registre recense les conducteurs qui ont obtenu un certificat d'économies d'énergie (CEE) pour le covoiturage, quel que \
                soit l'opérateur qui l'a demandé.";
    HomeConsole: "For operators' staff: send a file and follow its import, find applications, simulate.",
                 "Pour le personnel des opérateurs : envoyer un fichier et suivre son import, retrouver des demandes, simuler.";
    HomeProof: "For everybody: does this proof come from this registry, and is its application still valid?",
               "Pour tous : cette preuve vient-elle de ce registre, et sa demande est-elle toujours valable ?";
    HomeReference: "For operators' developers: every call, field and refusal, with examples and a search.",
                   "Pour les développeurs des opérateurs : tous les appels, champs et refus, avec des exemples (en anglais).";
    HomeDocumentation: "For operators, auditors and the registry's team: the guides.",
                       "Pour les opérateurs, les auditeurs et l'équipe du registre : les guides.";
    HomeDocument: "For programs: the reference as an OpenAPI 3.1 document.",
                  "Pour les programmes : la référence sous forme de document OpenAPI 3.1.";
    HomeKeys: "For auditors: the public keys with which proofs are verified.",
              "Pour les auditeurs : les clés publiques qui servent à vérifier les preuves.";
    HomeHealth: "For monitoring: whether the service responds.", "Pour la supervision : le service répond-il ?";
    Console: "Console", "Console";
    Reference: "API reference", "Référence de l'API";
    Documentation: "Documentation", "Documentation";
    OpenApi: "OpenAPI document", "Document OpenAPI";
    PublicKeys: "Public keys", "Clés publiques";
    Health: "Health", "État du service";

    // Signing in
    SignInIntro: "With the access key and the secret that the registry's team gave your company.",
                 "Avec la clé d'accès et le secret que l'équipe du registre a remis à votre entreprise.";
    AccessKey: "Access key", "Clé d'accès";
    Secret: "Secret", "Secret";
    SessionEnds: "Your session lasts 30 minutes.", "Votre session dure 30 minutes.";
    SessionEnded: "Your session has ended", "Votre session est terminée";
    SessionEndedDetail: "What you sent was not carried out. Sign in and do it again.",
                        "Ce que vous avez envoyé n'a pas été traité. Connectez-vous et recommencez.";

    // Overview
    Overview: "Overview", "Vue d'ensemble";
    UnderWay: "Imports in progress", "Imports en cours";
    NoneUnderWay: "None of your latest files is being imported or undone.",
                  "Aucun de vos derniers fichiers n'est en cours d'import ou d'annulation.";
    AllFiles: "All files", "Tous les fichiers";
    WeeksShown: "Weeks", "Semaines";
    WeeksToShow: "Number of weeks", "Nombre de semaines";
    ShowWeeks: "Show", "Afficher";
    EarlierWeeks: "Earlier weeks", "Semaines précédentes";
    LaterWeeks: "Later weeks", "Semaines suivantes";
    CountedAt: "Certificates and rows of history were last counted:",
               "Dernier comptage des certificats et des lignes d'historique :";
    CountedAfter: "Later ones appear after the next count, usually the next night.",
                  "Les suivants apparaîtront après le prochain comptage, en général la nuit suivante.";
    CountIsOld: "This count is more than two days old. Ask the registry's team for a new one.",
                "Ce comptage date de plus de deux jours. Demandez-en un nouveau à l'équipe du registre.";
    NeverCounted: "The registry has not counted certificates and rows of history yet",
                  "Le registre n'a pas encore compté les certificats et les lignes d'historique";
    NeverCountedDetail: "Until its team does, this page shows only refusals.",
                        "En attendant que son équipe le fasse, cette page ne montre que les refus.";
    CertificatesByWeek: "Certificates by week", "Certificats par semaine";
    CertificatesAbout: "By the week of their registration, from Monday to Sunday in Paris. Certificates that were deleted later are \
                        included.",
                       "Selon la semaine de leur enregistrement, du lundi au dimanche à Paris. Les certificats supprimés depuis sont \
                        inclus.";
    NoCertificates: "No certificate was counted in these weeks.", "Aucun certificat n'a été compté pour ces semaines.";
    NotCountedYet: "not counted yet", "pas encore compté";
    WeekName: "Week", "Semaine";
    WeekLetter: "W", "S";
    MostInAWeek: "Highest week:", "Maximum en une semaine :";
    InAll: "In total", "Au total";
    DeletedInWeek: "Deleted", "Supprimés";
    ShowTable: "These numbers as a table", "Ces nombres en tableau";
    RefusalsByReason: "Refusals by reason", "Refus par motif";
    RefusalsAbout: "Refusals appear soon after the calls. There were at least as many as this page shows.",
                   "Les refus apparaissent peu après les appels. Il y en a eu au moins autant que cette page en indique.";
    NoRefusals: "No refusal was counted in these weeks.", "Aucun refus n'a été compté pour ces semaines.";
    Reason: "Reason", "Motif";
    TypeNotRead: "type not read", "type non lu";
    RowsOfHistory: "Rows of history", "Lignes d'historique";
    RowsOfHistoryAbout: "Rows of files and batches, by the week in which their import began.",
                        "Lignes des fichiers et des lots, selon la semaine où leur import a commencé.";
    NoRows: "No row of history was counted in these weeks.", "Aucune ligne d'historique n'a été comptée pour ces semaines.";

    // Files
    FilesIntro: "All files and batches that your company has sent, the latest first.",
                "Tous les fichiers et tous les lots que votre entreprise a envoyés, du plus récent au plus ancien.";
    NoFiles: "Your company has not sent a file yet.", "Votre entreprise n'a encore envoyé aucun fichier.";
    NoFilesHere: "There is no file on this page.", "Il n'y a aucun fichier sur cette page.";
    File: "File", "Fichier";
    Batch: "Batch sent by a program", "Lot envoyé par un programme";
    Sent: "Sent", "Envoi";
    State: "State", "État";
    RowsRead: "Rows read", "Lignes lues";
    Imported: "Imported", "Importées";
    AlreadyKnown: "Already known", "Déjà connues";
    Rejected: "Rejected", "Rejetées";
    Accepted: "Would be accepted", "Seraient acceptées";
    Older: "Older files", "Fichiers plus anciens";
    AnsweredEligible: "Eligible", "Éligibles";
    AnsweredHistory: "Blocked by history", "Bloquées par l'historique";
    AnsweredDuplicate: "Blocked by an application", "Bloquées par une demande";
    ListOfDrivers: "list of drivers, nothing was imported", "liste de conducteurs, rien n'a été importé";
    DownloadAnswers: "Download the answers (CSV)", "Télécharger les réponses (CSV)";
    CheckedOnly: "checked only, nothing was imported", "vérification seule, rien n'a été importé";
    StateAwaiting: "awaiting its file", "en attente du fichier";
    StateArrived: "received, waits for its turn", "reçu, en attente de son tour";
    StateLate: "file not received", "fichier non reçu";
    StateRunning: "in progress", "en cours";
    StateCompleted: "completed", "terminé";
    StateFailed: "refused", "refusé";
    StateStopped: "stopped early", "interrompu";
    StateUndoing: "being undone", "annulation en cours";
    StateUndone: "undone", "annulé";

    // One file
    Began: "Began", "Début";
    Ended: "Ended", "Fin";
    RefusedWhole: "The file was refused as a whole", "Le fichier a été refusé en entier";
    Stopped: "The import stopped before its end", "L'import s'est arrêté avant la fin";
    IgnoredUpload: "A second file was sent to the same upload address and was not imported. If it was the same file, sent again, nothing is \
                    missing. If it was another file, send it as a new file.",
                   "Un deuxième fichier a été envoyé à la même adresse de dépôt et n'a pas été importé. Si c'était le même, envoyé de nouveau, \
                    il ne manque rien. Si c'était un autre fichier, envoyez-le comme nouveau fichier.";
    Outcome: "Outcome of the rows", "Résultat des lignes";
    Rows: "Rows", "Lignes";
    DayFirst: "Dates such as 03/05/2021 were read with the day first, because no date of the file shows which number is the day. If the \
               month comes first, write all dates as YYYY-MM-DD.",
              "Les dates comme 03/05/2021 ont été lues avec le jour d'abord, car aucune date du fichier ne montre quel nombre est le jour. \
               Si le mois vient d'abord, écrivez toutes les dates au format AAAA-MM-JJ.";
    RepairsTitle: "Repairs", "Réparations";
    RepairsIntro: "What the registry understood although it was written differently.",
                  "Ce que le registre a compris bien que ce soit écrit autrement.";
    RejectedTitle: "Rejected rows", "Lignes rejetées";
    RejectedIntro: "The last three columns name the line, the column and the reason.",
                   "Les trois dernières colonnes indiquent la ligne, la colonne et le motif.";
    RejectedSend: "Correct the rows in the downloaded file and send it: these three columns are ignored.",
                  "Corrigez les lignes dans le fichier téléchargé et envoyez-le : ces trois colonnes sont ignorées.";
    RejectedLine: "Line", "Ligne";
    RejectedColumn: "Column", "Colonne";
    RejectedReason: "Reason", "Motif";
    RejectedFirst: "The table shows the first rows. The file contains all of them.",
                   "Le tableau montre les premières lignes. Le fichier les contient toutes.";
    RejectedGone: "The registry no longer keeps the rejected rows of this file.",
                  "Le registre ne conserve plus les lignes rejetées de ce fichier.";
    DownloadRejected: "Download the rejected rows (CSV)", "Télécharger les lignes rejetées (CSV)";
    DownloadReport: "Download the report (JSON)", "Télécharger le rapport (JSON)";
    Refresh: "Refresh the progress", "Actualiser l'avancement";
    Progress: "Progress", "Avancement";

    // Send a file
    SendFile: "Send a file", "Envoyer un fichier";
    UploadIntro: "A history file: CSV, compressed as gzip or zip or not at all. The registry can check it first and show what it would \
                  import.",
                 "Un fichier d'historique : CSV, compressé en gzip ou en zip, ou non compressé. Le registre peut d'abord le vérifier et \
                  montrer ce qu'il importerait.";
    WhatToDo: "What should the registry do with the file?", "Que faire du fichier ?";
    OnlyCheck: "Only check it: the result is shown, nothing is imported",
               "Le vérifier seulement : le résultat s'affiche, rien n'est importé";
    ImportIt: "Import it", "L'importer";
    ReplaceIt: "Import it and undo the earlier import", "L'importer et annuler l'import précédent";
    DatesConfirmed: "The dates are right: the registry refused this file because day and month may be swapped",
                    "Les dates sont justes : le registre a refusé ce fichier parce que le jour et le mois sont peut-être inversés";
    NameInList: "Name in the list (optional)", "Nom dans la liste (facultatif)";
    Drop: "Choose the file, or drop it here.", "Choisissez le fichier, ou déposez-le ici.";
    Continue: "Continue", "Continuer";
    Send: "Send", "Envoyer";
    Sending: "The file is being sent. Stay on this page.", "Le fichier est en cours d'envoi. Restez sur cette page.";
    SendingElsewhere: "Another tab is sending the file. Leave that tab open.", "Un autre onglet envoie le fichier. Laissez-le ouvert.";
    SendFailed: "The file has not arrived, or the connection was lost. Send it again: the registry takes it once.",
                "Le fichier n'est pas arrivé, ou la connexion a été perdue. Envoyez-le de nouveau : le registre ne le prend qu'une fois.";
    SendNow: "Choose the file and send it. Sending must begin before", "Choisissez le fichier et envoyez-le. L'envoi doit commencer avant";
    PlaceIsOver: "It is too late to begin to send this file here. If it is still being sent, wait until it has arrived.",
                 "Il est trop tard pour commencer à envoyer ce fichier ici. S'il est encore en cours d'envoi, attendez qu'il soit arrivé.";
    NotReceived: "The registry has not received the file yet. If it was sent a moment ago, wait. Otherwise send it again.",
                 "Le registre n'a pas encore reçu le fichier. S'il vient d'être envoyé, patientez. Sinon, envoyez-le de nouveau.";
    Arrived: "The file has arrived", "Le fichier est arrivé";
    ArrivedSoon: "The registry will begin to read it in a moment.", "Le registre va commencer à le lire.";
    SeeImport: "Show the import", "Voir l'import";
    NotImported: "The file was only checked, nothing was imported. If the result is right, send it again to import it.",
                 "Le fichier a seulement été vérifié, rien n'a été importé. Si le résultat convient, renvoyez-le pour l'importer.";
    ImportChecked: "Send this file to import it", "Envoyer ce fichier pour l'importer";
    SendCorrected: "Send the corrected rows", "Envoyer les lignes corrigées";
    SendReplacement: "Send a file that replaces this one", "Envoyer un fichier qui remplace celui-ci";
    Replaces: "Replaces", "Remplace";
    NotReplaced: "The earlier file was not taken back", "Le fichier précédent n'a pas été annulé";
    ReplaceAgain: "Send the whole file again, to replace the earlier one",
                  "Renvoyer le fichier entier, pour remplacer le précédent";

    // Take an import back
    TakeBack: "Undo this import", "Annuler cet import";
    TakeBackAbout: "Everything that this import added is removed and no longer blocks its drivers. What another file of yours also \
                    contains is kept.",
                   "Tout ce que cet import a ajouté est retiré et ne bloque plus les conducteurs concernés. Ce qu'un autre de vos fichiers \
                    contient aussi est conservé.";
    TakeBackYes: "Yes, undo it", "Oui, l'annuler";
    ChangeNothing: "No, change nothing", "Non, ne rien changer";

    // Applications
    ApplicationsIntro: "The applications that your company has registered, the latest date first.",
                       "Les demandes que votre entreprise a enregistrées, de la plus récente à la plus ancienne.";
    NoApplications: "There is no such application on this page.", "Il n'y a aucune demande de ce type sur cette page.";
    OlderApplications: "Older applications", "Demandes plus anciennes";
    Any: "all", "tous";
    FromDay: "From (date of the application)", "À partir du (date de la demande)";
    BeforeDay: "Before (date of the application)", "Avant le (date de la demande)";
    ShowList: "Show the list", "Afficher la liste";
    Export: "Download this list (CSV)", "Télécharger cette liste (CSV)";
    ListTooLong: "The list is too long to download here", "La liste est trop longue pour être téléchargée ici";
    ListTooLongDetail: "It has more than 5,000 applications, is larger than 6 MB, or takes too long to read. Choose a shorter period, and \
                        download the list in parts.",
                       "Elle contient plus de 5 000 demandes, dépasse 6 Mo ou prend trop de temps à lire. Choisissez une période plus \
                        courte et téléchargez la liste en plusieurs parties.";
    RegisteredAt: "Registered", "Enregistrement";
    OwnJourney: "Your ID of the journey", "Votre identifiant du trajet";
    Delete: "Delete this application", "Supprimer cette demande";
    DeleteAbout: "The driver can then get a certificate again, from any operator. The proof is then no longer valid. Nobody can restore \
                  the application.",
                 "Le conducteur pourra alors obtenir de nouveau un certificat, auprès de tout opérateur. La preuve ne sera plus valable. \
                  Personne ne pourra rétablir la demande.";
    DeleteYes: "Yes, delete it", "Oui, la supprimer";
    Deleted: "The application was deleted.", "La demande a été supprimée.";
    ApplicationIntro: "Find an application of your company by its uuid.",
                      "Retrouvez une demande de votre entreprise par son uuid.";
    Find: "Find", "Rechercher";
    JourneyTypeName: "Journey type", "Type de trajet";
    ApplicationDate: "Date of the application", "Date de la demande";
    JourneyNumber: "Journey", "Trajet";
    JourneyState: "Status of the journey", "Statut du trajet";
    ProofToken: "Proof", "Preuve";

    // Simulate
    SimulateIntro: "Can this driver still get a certificate? Nothing is recorded and nothing is reserved.",
                   "Ce conducteur peut-il encore obtenir un certificat ? Rien n'est enregistré ni réservé.";
    LastName: "First three characters of the last name", "Trois premiers caractères du nom";
    LastNameHint: "Capitals without accents; a space instead of a hyphen or an apostrophe, and at the end of a shorter name.",
                  "Majuscules sans accent ; une espace à la place d'un trait d'union ou d'une apostrophe, et à la fin d'un nom plus court.";
    Phone: "Phone without its last two digits", "Téléphone sans ses deux derniers chiffres";
    PhoneHint: "For example +336010203 or 06010203.", "Par exemple +336010203 ou 06010203.";
    Licence: "Driving licence (optional)", "Permis de conduire (facultatif)";
    IdentityKeyName: "Identity key (optional)", "Clé d'identité (facultative)";
    Eligible: "This driver can get a certificate.", "Ce conducteur peut obtenir un certificat.";

    // Check a proof
    ProofIntro: "Paste a proof token: a long text in three parts with dots between them. The registry does not store it.",
                "Collez un jeton de preuve : un long texte en trois parties séparées par des points. Le registre ne le conserve pas.";
    Check: "Check", "Vérifier";
    ProofValid: "This registry has signed this proof, and its application is valid.",
                "Ce registre a signé cette preuve, et sa demande est valable.";
    ProofDeleted: "This registry has signed this proof, but its operator has since deleted the application.",
                  "Ce registre a signé cette preuve, mais son opérateur a depuis supprimé la demande.";
    ProofUnknown: "This registry has signed this proof, but does not have its application. Write to the registry's team.",
                  "Ce registre a signé cette preuve, mais n'a pas la demande correspondante. Écrivez à l'équipe du registre.";
    ProofInvalid: "This is not a proof from this registry", "Ce n'est pas une preuve de ce registre";
    Siret: "SIRET of the operator", "SIRET de l'opérateur";
    LicenceOfDriver: "Driving licence", "Permis de conduire";
    SignedAt: "Signed", "Signature";

    // Refused
    InvalidForm: "Something in the form is not right", "Une saisie du formulaire est incorrecte";
    LaterDay: "must be a later day than “From”", "doit être un jour postérieur à « À partir du »";
    WantedDay: "must be a day, such as 2024-03-15", "doit être un jour, par exemple 2024-03-15";
    OtherList: "This page belongs to another list. Show the list again.",
               "Cette page appartient à une autre liste. Affichez de nouveau la liste.";
    Back: "Go back and send the form again.", "Revenez en arrière et renvoyez le formulaire.";
    ForeignForm: "The form was not sent", "Le formulaire n'a pas été envoyé";
    ForeignFormDetail: "It came from another site, or from a page of a session that has ended.",
                       "Il venait d'un autre site, ou d'une page d'une session terminée.";
    NoSuchPage: "This page does not exist", "Cette page n'existe pas";
    CallNumber: "Request ID, for the registry's team:", "Identifiant de l'appel, pour l'équipe du registre :";
}

/// A journey type in words.
pub(crate) const fn journey_type(journey_type: JourneyType, language: Language) -> &'static str {
    let (english, french) = match journey_type {
        JourneyType::Short => ("short distance", "courte distance"),
        JourneyType::Long => ("long distance", "longue distance"),
    };
    language.choose(english, french)
}

/// A state of an import, as the interface returns it, in words.
pub(crate) fn state(state: &str) -> Option<Text> {
    Some(match state {
        "awaiting_upload" => Text::StateAwaiting,
        "running" => Text::StateRunning,
        "completed" => Text::StateCompleted,
        "failed" => Text::StateFailed,
        "undoing" => Text::StateUndoing,
        "undone" => Text::StateUndone,
        _ => return None,
    })
}

/// A repair in words.
pub(crate) const fn repair(repair: Repair, language: Language) -> &'static str {
    let (english, french) = match repair {
        Repair::SurroundingSpaces => ("Spaces around a value were removed.", "Espaces retirées autour d'une valeur."),
        Repair::LetterCase => ("A journey type was written in capitals.", "Type de trajet écrit en majuscules."),
        Repair::NamePadded => {
            ("A name was padded to three characters.", "Nom complété par des espaces jusqu'à trois caractères.")
        }
        Repair::PhoneLostZero => ("A phone had lost its first 0.", "Téléphone qui avait perdu son 0 initial."),
        Repair::PhoneLostPlus => ("A phone had lost its +.", "Téléphone qui avait perdu son +."),
        Repair::TextGuard => (
            "A character that protects a value from a spreadsheet was removed.",
            "Caractère qui protège une valeur contre un tableur, retiré.",
        ),
        Repair::ParisTime => {
            ("A date without an offset was read as Paris time.", "Date sans décalage lue à l'heure de Paris.")
        }
        Repair::InseeLostZero => ("An INSEE code had lost its first 0.", "Code INSEE qui avait perdu son 0 initial."),
        Repair::MonthFirst => (
            "A date with the month first was read as such, as in the whole file.",
            "Date écrite avec le mois d'abord, comme dans tout le fichier.",
        ),
        Repair::RowName => (
            "A row number or row name that a program had added was removed.",
            "Numéro ou nom de ligne ajouté par un programme, retiré.",
        ),
        Repair::EmptyCell => {
            ("An empty cell at the end of the row was removed.", "Cellule vide retirée en fin de ligne.")
        }
    };
    language.choose(english, french)
}

/// The state of a journey in words, with its name in the interface.
pub(crate) const fn journey_status(status: JourneyStatus, language: Language) -> &'static str {
    let (english, french) = match status {
        JourneyStatus::Ok => ("accepted", "accepté"),
        JourneyStatus::Pending => ("checks in progress", "contrôles en cours"),
        JourneyStatus::AcquisitionError => ("could not be recorded", "non enregistré en raison d'une erreur"),
        JourneyStatus::AnomalyError => ("refused: anomaly", "refusé : anomalie"),
        JourneyStatus::FraudError => ("refused: fraud", "refusé : fraude"),
        JourneyStatus::Canceled => ("cancelled", "annulé"),
        JourneyStatus::TermsViolationError => ("refused: terms of the scheme", "refusé : conditions du dispositif"),
        JourneyStatus::Unknown => ("not known", "inconnu"),
    };
    language.choose(english, french)
}

/// An outcome that statistics count, in words that fit on one line of a phone.
pub(crate) const fn outcome(outcome: Outcome, language: Language) -> &'static str {
    let (english, french) = match outcome {
        Outcome::Granted => ("Certificates granted", "Certificats accordés"),
        Outcome::Deleted => ("Applications deleted", "Demandes supprimées"),
        Outcome::Imported => ("Rows imported", "Lignes importées"),
        Outcome::AlreadyKnown => ("Rows already known", "Lignes déjà connues"),
        Outcome::Rejected => ("Rows rejected", "Lignes rejetées"),
        Outcome::TakenBack => ("Imported applications undone", "Opérations importées annulées"),
        Outcome::Repeated => ("Responses sent again", "Réponses renvoyées"),
        Outcome::History => ("Blocked by history", "Bloquée par l'historique"),
        Outcome::Duplicate => ("Blocked by an application", "Bloquée par une demande"),
        Outcome::JourneyUsed => ("Journey already used", "Trajet déjà utilisé"),
        Outcome::TooEarly => ("Too early", "Trop tôt"),
        Outcome::UnknownJourney => ("Unknown journey", "Trajet inconnu"),
        Outcome::OperatorClass => ("Journey without proof of class C", "Trajet sans preuve de classe C"),
        Outcome::Distance => ("Journey too long", "Trajet trop long"),
        Outcome::France => ("Journey outside France", "Trajet hors de France"),
        Outcome::Period => ("Journey outside the period", "Trajet hors de la période"),
        Outcome::SeveralCriteria => ("Several criteria not met", "Plusieurs critères non remplis"),
        Outcome::Invalid => ("Invalid fields or headers", "Champs ou en-têtes non valides"),
        Outcome::CallClosed => ("Registration closed", "Enregistrement fermé"),
        Outcome::IdempotencyKey => ("Idempotency-Key already used", "Idempotency-Key déjà utilisée"),
        Outcome::DriverRecordFull => ("Too many applications of a driver", "Trop de demandes pour un conducteur"),
        Outcome::TooManyCalls => ("Too many calls", "Trop d'appels"),
        Outcome::Busy => ("Registry busy", "Registre occupé"),
        Outcome::Failed => ("Internal error", "Erreur interne"),
        Outcome::Other => ("Another reason", "Autre motif"),
    };
    language.choose(english, french)
}

/// Why a text is not a proof.
pub(crate) const fn proof_error(error: ProofError, language: Language) -> &'static str {
    let (english, french) = match error {
        ProofError::Malformed => (
            "The text is not a proof token: copy the whole token again.",
            "Le texte n'est pas un jeton de preuve : recopiez-le en entier.",
        ),
        ProofError::UnknownKey => (
            "It was signed with a key that is not one of this registry's.",
            "Il a été signé avec une clé qui n'est pas une clé de ce registre.",
        ),
        ProofError::Signature => (
            "Its signature does not match: the text was changed.",
            "Sa signature ne correspond pas : le texte a été modifié.",
        ),
    };
    language.choose(english, french)
}

/// The label of a field of a form, by the name that the interface has for it.
pub(crate) fn field(name: &str) -> Option<Text> {
    Some(match name {
        "access_key" => Text::AccessKey,
        "secret_key" => Text::Secret,
        "file_name" => Text::NameInList,
        "replaces" => Text::Replaces,
        "journey_type" => Text::JourneyTypeName,
        "last_name_trunc" => Text::LastName,
        "phone_trunc" => Text::Phone,
        "driving_license" => Text::Licence,
        "identity_key" => Text::IdentityKeyName,
        "status" => Text::JourneyState,
        "from" => Text::FromDay,
        "to" => Text::BeforeDay,
        _ => return None,
    })
}

/// What is wrong with a field: its label without what stands in brackets, and the message.
pub(crate) fn about(label: &str, message: &str, language: Language) -> String {
    let label = label.split(" (").next().unwrap_or(label);
    match language {
        Language::English => format!("“{label}” {message}"),
        // No-break spaces.
        Language::French => format!("«\u{a0}{label}\u{a0}» {message}"),
    }
}

/// A label and what it is for, with the colon of the language.
pub(crate) fn labelled(label: &str, value: &str, language: Language) -> String {
    match language {
        Language::English => format!("{label}: {value}"),
        // A no-break space.
        Language::French => format!("{label}\u{a0}: {value}"),
    }
}

/// A whole number with separators between thousands.
pub(crate) fn number(number: u64, language: Language) -> String {
    let separator = match language {
        Language::English => ',',
        // A narrow no-break space.
        Language::French => '\u{202f}',
    };
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_both_languages() {
        let mut texts: Vec<[&str; 2]> =
            Text::ALL.iter().map(|text| Language::ALL.map(|language| text.to(language))).collect();
        texts.extend(JourneyType::ALL.map(|kind| Language::ALL.map(|language| journey_type(kind, language))));
        texts.extend(Repair::ALL.map(|kind| Language::ALL.map(|language| repair(kind, language))));
        let errors = [ProofError::Malformed, ProofError::UnknownKey, ProofError::Signature];
        texts.extend(errors.map(|error| Language::ALL.map(|language| proof_error(error, language))));
        texts.extend(
            JourneyStatus::ALL.map(|(status, _)| Language::ALL.map(|language| journey_status(status, language))),
        );
        texts.extend(Outcome::ALL.iter().map(|kind| Language::ALL.map(|language| outcome(*kind, language))));
        // The name of the other language is written in that language.
        let other = Text::OtherLanguage.to(Language::English);
        // Words that are the same in both languages.
        let same = [Text::Console, Text::Documentation, Text::Secret].map(|text| text.to(Language::English));
        for [english, french] in texts {
            assert!(!english.is_empty() && !french.is_empty());
            assert!(english != french || same.contains(&english), "{french}");
            if english != other {
                assert_eq!(Language::english_left_in(french), None, "{french}");
                assert_eq!(Language::loose_punctuation_in(french), None, "{french}");
            }
        }
    }

    #[test]
    fn outcomes_fit_on_a_line_of_a_phone() {
        for (kind, language) in Outcome::ALL.iter().flat_map(|kind| Language::ALL.map(|language| (*kind, language))) {
            assert!(outcome(kind, language).chars().count() <= 36, "{}", outcome(kind, language));
        }
    }

    #[test]
    fn states_of_the_interface_have_words() {
        for known in cee_registry::ImportState::ALL {
            assert!(state(known.as_str()).is_some(), "{known:?}");
        }
        assert_eq!(state("else"), None);
    }

    #[test]
    fn thousands_are_set_apart_as_the_language_does() {
        for (value, english, french) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1000, "1,000", "1\u{202f}000"),
            (3_150_000, "3,150,000", "3\u{202f}150\u{202f}000"),
        ] {
            assert_eq!(number(value, Language::English), english);
            assert_eq!(number(value, Language::French), french);
        }
    }
}
