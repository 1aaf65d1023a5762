//! The program as an operator runs it.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = "journey_type,last_name_trunc,phone_trunc,datetime\nshort,DUP,+336399801,2021-02-15\n";
const MIXED: &str = "journey_type;last_name_trunc;phone_trunc;datetime\r\nshort;DUP;+336399801;2021-02-15\r\n\
                     short;TO;6399802;15/02/2021\r\nlong;Zoé;+336399803;2021-02-15\r\nlong;DUP;3,36E+08;2021-02-15\r\n";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(output: Output) -> Ran {
    // Shown if the test fails.
    println!("{output:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cee-check"));
    ran(command.current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap())
}

/// A command that reads its standard input.
fn spawn(folder: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cee-check"));
    command.current_dir(folder).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn files(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn read(folder: &TempDir, name: &str) -> String {
    String::from_utf8(std::fs::read(folder.path().join(name)).unwrap()).unwrap()
}

#[test]
fn check_exits_with_code_of_worst_file() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(MIXED.as_bytes()).unwrap();
    let folder = files(&[
        ("good.csv", GOOD.as_bytes()),
        ("mixed.csv", MIXED.as_bytes()),
        ("mixed2.csv.gz", &packed.finish().unwrap()),
        ("workbook.xlsx", include_bytes!("../../../tests/files/history/workbook.xlsx")),
    ]);
    let folder_path = folder.path();
    let good = run(folder_path, &["good.csv"]);
    assert_eq!((good.code, good.err.as_str()), (0, ""), "{}", good.out);
    assert!(good.out.contains("good.csv: 1 rows read, 1 would be accepted, 0 rejected"), "{}", good.out);
    assert!(!folder_path.join("good.rejected.csv").exists());

    let mixed = run(folder_path, &["check", "mixed.csv"]);
    assert_eq!(mixed.code, 1, "{}", mixed.out);
    for told in [
        "4 rows read, 2 would be accepted, 2 rejected",
        "name_padded: repaired in 1 rows",
        "phone_lost_zero: repaired in 1 rows",
        "line 4, last_name_trunc: contains an accent",
        "line 5, phone_trunc: was rounded by Excel",
        "mixed.rejected.csv",
    ] {
        assert!(mixed.out.contains(told), "{told}: {}", mixed.out);
    }
    for personal in ["Zoé", "6399803", "DUP", "6399801"] {
        assert!(!mixed.out.contains(personal) && !mixed.err.contains(personal), "{personal}: {}", mixed.out);
    }
    let rejected = read(&folder, "mixed.rejected.csv");
    assert!(rejected.contains("long;Zoé;+336399803;2021-02-15;4;last_name_trunc;"), "{rejected}");
    // Compressed, it is the same.
    assert_eq!(run(folder_path, &["mixed2.csv.gz"]).code, 1);
    assert_eq!(read(&folder, "mixed2.rejected.csv"), rejected);

    let all = run(folder_path, &["good.csv", "missing.csv", "workbook.xlsx", "mixed.csv"]);
    assert_eq!(all.code, 2);
    assert!(all.err.contains("missing.csv"), "{}", all.err);
    assert!(all.out.contains("workbook.xlsx: would be refused. The file is a workbook"), "{}", all.out);
    assert!(all.out.contains("mixed.csv: 4 rows read"), "the others are checked all the same: {}", all.out);
}

#[test]
fn json_output_reports_state_and_counts() {
    let folder = files(&[("mixed.csv", MIXED.as_bytes()), ("future.csv", GOOD.replace("2021", "2031").as_bytes())]);
    let json = |args: &[&str]| -> Value { serde_json::from_str(&run(folder.path(), args).out).unwrap() };
    let mixed = json(&["mixed.csv", "--json", "--rejected", "bad.csv"]);
    assert_eq!(
        (&mixed["state"], mixed["read"].as_u64(), mixed["accepted"].as_u64()),
        (&"completed".into(), Some(4), Some(2))
    );
    assert_eq!((mixed["rejected"].as_u64(), mixed["bytes"].as_u64()), (Some(2), Some(MIXED.len() as u64)));
    assert_eq!((&mixed["rejected_rows"], mixed["sha256"].as_str().unwrap().len()), (&"bad.csv".into(), 64));
    assert!(folder.path().join("bad.csv").exists());
    assert_eq!(json(&["future.csv", "--json"])["rejected"], 1);
    // By then no longer in the future, and never history.
    assert_eq!(json(&["future.csv", "--json", "--now", "2032-01-01T00:00:00Z"])["rejected"], 1);
    assert_eq!(json(&["mixed.csv", "--json", "--now", "2020-01-01T00:00:00Z"])["accepted"], 0, "in the future of 2020");
    assert_eq!(run(folder.path(), &["mixed.csv", "future.csv", "--rejected", "bad.csv"]).code, 2);
    assert_eq!(run(folder.path(), &["mixed.csv", "--rejected", "no/such/folder.csv"]).code, 2);
    assert_eq!(run(folder.path(), &[]).code, 2, "it says how it is used");
}

#[test]
fn check_reads_standard_input() {
    let folder = files(&[]);
    let mut child = spawn(folder.path(), &["-", "--rejected", "r.csv"]);
    child.stdin.take().unwrap().write_all(MIXED.as_bytes()).unwrap();
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("-: 4 rows read"), "{}", ran.out);
    assert!(read(&folder, "r.csv").contains("Zoé"));
}

#[test]
fn check_surveys_the_whole_file_first() {
    let header = "journey_type,last_name_trunc,phone_trunc,datetime\n";
    let low: String =
        (0..30).map(|n| format!("long,DUP,+336399801,20{}-{:02}-05\n", 15 + n / 12, n % 12 + 1)).collect();
    let both = format!("{header}long,DUP,+336399801,13/05/2021\nlong,DUP,+336399801,05/13/2021\n");
    let open = format!("{header}long,DUP,+336399801,03/05/2021\n");
    let swapped = format!("{header}{low}");
    let folder = files(&[
        ("swapped.csv", swapped.as_bytes()),
        ("swapped dates-confirmed.csv", swapped.as_bytes()),
        ("both.csv", both.as_bytes()),
        ("open.csv", open.as_bytes()),
    ]);
    let table = [
        (vec!["swapped.csv"], 2, "would be refused. The file has 30 or more different days"),
        (vec!["--dates-confirmed", "swapped.csv"], 0, "30 rows read, 30 would be accepted"),
        (vec!["swapped dates-confirmed.csv"], 0, "30 rows read, 30 would be accepted"),
        (vec!["--dates-confirmed", "both.csv"], 2, "(line 2) and others with the month first (line 3)"),
        (vec!["open.csv"], 0, "are read with the day first"),
        (vec!["--json", "open.csv"], 0, "\"survey\":{\"rows\":1,\"encoding\":\"utf-8\",\"date_order\":\"undecided\"}"),
    ];
    for (args, code, part) in table {
        let ran = run(folder.path(), &args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.out);
        assert!(ran.out.contains(part), "{args:?}: {}", ran.out);
    }
}

#[test]
fn journeys_option_checks_journeys_file() {
    let header = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,start_insee,\
                  end_insee,driver_phone_trunc,acquisition_status\n";
    let row = "7,1,a:1,C,2024-03-15T07:00:00Z,2024-03-15T07:30:00Z,20000,75056,91377,+336399801,processed\n";
    let folder = files(&[("trips.csv", format!("{header}{row}{}", row.replace(",C,", ",X,")).as_bytes())]);
    let ran = run(folder.path(), &["trips.csv", "--journeys"]);
    assert!(ran.code == 1 && ran.out.contains("line 3, operator_class"), "{}", ran.out);
    assert_eq!(run(folder.path(), &["trips.csv"]).code, 2, "as a history it has the wrong columns");
}

#[test]
fn drivers_option_checks_list_of_drivers() {
    let list =
        "journey_type,last_name_trunc,phone_trunc,driving_license\nshort,DUP,+336399801,\nshort,DUP,+336399801,?\n";
    let folder = files(&[("drivers.csv", list.as_bytes()), ("drivers simulate-only.csv", list.as_bytes())]);
    for words in [&["drivers.csv", "--drivers"][..], &["drivers simulate-only.csv"]] {
        let ran = run(folder.path(), words);
        assert_eq!(ran.code, 1, "{words:?}: {} {}", ran.out, ran.err);
        assert!(ran.out.contains("2 rows read, 1 would be accepted, 1 rejected"), "{words:?}: {}", ran.out);
        assert!(ran.out.contains("line 3, driving_license"), "{words:?}: {}", ran.out);
    }
    assert_eq!(run(folder.path(), &["drivers.csv"]).code, 2, "as a history it has no dates");
    assert_eq!(run(folder.path(), &["drivers.csv", "--drivers", "--journeys"]).code, 2);
}

#[test]
fn normalise_turns_list_into_history_file() {
    // windows-1252, as Excel saves it in France.
    let list = "Phone;last_name;datetime;journey_type;note\n07 01 02 03 04;D'H\u{e9}rug de l'H\u{e9}rault;2021-02-15;short;a\n\
                12;Martin;2021-02-15;long;b\n0692 92 01 02;To;15/02/2021;long;c\n";
    let list: Vec<u8> = list.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let folder = files(&[("list.csv", &list)]);
    let ran = run(folder.path(), &["normalise", "list.csv"]);
    assert_eq!(ran.code, 1, "{} {}", ran.out, ran.err);
    assert!(
        ran.out.contains("2 drivers normalised into list.normalised.csv, 1 rejected into list.rejected.csv"),
        "{}",
        ran.out
    );
    let normalised = read(&folder, "list.normalised.csv");
    let expected = "datetime;journey_type;note;last_name_trunc;phone_trunc;identity_key\n\
        2021-02-15;short;a;D H;+337010203;f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30\n";
    assert!(normalised.starts_with(expected), "{normalised}");
    let rejected = read(&folder, "list.rejected.csv");
    assert!(rejected.contains("12;Martin;2021-02-15;long;b;3;phone;"), "{rejected}");

    assert_eq!(run(folder.path(), &["normalise", "list.csv", "--history", "-o", "history.csv"]).code, 1);
    let checked = run(folder.path(), &["history.csv"]);
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.contains("2 rows read, 2 would be accepted"), "{}", checked.out);
    let standard = run(folder.path(), &["normalise", "list.csv", "--history", "-o", "-"]);
    assert_eq!(standard.out, read(&folder, "history.csv"));

    for (content, why) in
        [("", "is empty"), ("a,phone\n", "no column last_name"), ("phone,last_name,PHONE\n", "more than once")]
    {
        std::fs::write(folder.path().join("bad.csv"), content).unwrap();
        let ran = run(folder.path(), &["normalise", "bad.csv"]);
        assert!(ran.code == 2 && ran.err.contains(why), "{why}: {}", ran.err);
    }
}

#[test]
fn normalise_skips_separator_line_and_names_separators() {
    let list = "last_name;phone;note\nTo;0601020304;a\nTo;12;b\n";
    for before in ["sep=;\n", "\u{feff}sep=;\r\n", "\"sep=;\"\n", "SEP=;\n"] {
        let folder = files(&[("list.csv", format!("{before}{list}").as_bytes())]);
        let ran = run(folder.path(), &["normalise", "list.csv"]);
        assert_eq!(ran.code, 1, "{before:?}: {} {}", ran.out, ran.err);
        assert!(
            read(&folder, "list.normalised.csv").starts_with("note;last_name_trunc;phone_trunc;identity_key\na;TO ;")
        );
        assert!(read(&folder, "list.rejected.csv").contains("To;12;b;4;phone;"), "{before:?}");
    }
    let folder = files(&[("pipes.csv", list.replace(';', "|").as_bytes()), ("only.csv", b"sep=;")]);
    for (name, why) in [("pipes.csv", "separated by commas, semicolons or tabs"), ("only.csv", "is empty")] {
        let ran = run(folder.path(), &["normalise", name]);
        assert!(ran.code == 2 && ran.err.contains(why), "{name}: {}", ran.err);
    }
}

/// Line and reason of each rejected row of a list of phones.
fn rejected_phones(list: &[u8]) -> Vec<(String, String)> {
    let folder = files(&[("list.csv", list)]);
    assert_eq!(run(folder.path(), &["normalise", "list.csv"]).code, 1);
    let rejected = read(&folder, "list.rejected.csv");
    let mut rejected = csv::Reader::from_reader(rejected.as_bytes());
    rejected.records().map(|row| row.unwrap()).map(|row| (row[3].to_owned(), row[5].to_owned())).collect()
}

#[test]
fn normalise_names_rejected_line_for_every_line_end() {
    let list = "last_name,phone,note\nTo,0601020304,a\n\n\nTo,12,b\nTo,0601020304,\"two\nlines\"\nTo,13,\"two\nlines\"\nTo,14,c";
    for end in ["\n", "\r\n", "\r"] {
        for last in ["", end] {
            let list = format!("{}{last}", list.replace('\n', end));
            let lines: Vec<String> = rejected_phones(list.as_bytes()).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, ["5", "8", "10"], "{list:?}");
        }
    }
}

/// The rows behind a quote that was never closed must not be lost without a word.
#[test]
fn normalise_rejects_a_cell_that_holds_whole_rows() {
    let head = "last_name,phone,note\nTo,0601020304,\"two\nlines, a comma\"\n";
    for (rows, normalised) in [
        // Up to the end of the list, or up to the next quote.
        ("Ma,0601020305,\"b\nNo,0601020306,c\nLi,0601020307,d\n", 1),
        ("Ma,0601020305,\"b\nNo,0601020306,\"c\nLi,0601020307,d\n", 2),
        ("\"Ma,0601020305,b\nNo,0601020306,\"c\nLi,0601020307,d\n", 2),
    ] {
        let folder = files(&[("list.csv", format!("{head}{rows}").as_bytes())]);
        let ran = run(folder.path(), &["normalise", "list.csv"]);
        let told =
            format!("{normalised} drivers normalised into list.normalised.csv, 1 rejected into list.rejected.csv");
        assert!(ran.code == 1 && ran.out.contains(&told), "{rows}: {} {}", ran.out, ran.err);
        let rejected = read(&folder, "list.rejected.csv");
        assert!(
            rejected.contains(",4,note,\"opens a quote") || rejected.contains(",4,last_name,\"opens a quote"),
            "{rejected}"
        );
    }
}

#[test]
fn normalise_repairs_phone_with_one_possible_reading() {
    let good =
        "last_name,phone\nTo,612345678\nTo,33612345678\nTo, 33612345678.0\nTo,0692 01 02 03\nTo,+33 692 01 02 03\n";
    let folder = files(&[("list.csv", good.as_bytes())]);
    let ran = run(folder.path(), &["normalise", "list.csv"]);
    assert!(ran.code == 0 && ran.out.contains("5 drivers normalised"), "{} {}", ran.out, ran.err);
    assert!(ran.out.contains("3 phones had lost a + or a 0"), "{}", ran.out);
    let phones: Vec<String> =
        read(&folder, "list.normalised.csv").lines().skip(1).map(|row| row.split(',').nth(1).unwrap().into()).collect();
    assert_eq!(phones, ["+336123456", "+336123456", "+336123456", "+2626920102", "+2626920102"]);
    let bad = "last_name,phone,note\nTo,687751234,\nTo,3.36E+10,\nTo,+3312,\nTo,0601020304\u{200b},\nTo,,\n";
    let reasons = rejected_phones(bad.as_bytes());
    let expected = ["more than one reading", "rounded by Excel", "too many or too few", "U+200B", "is empty"];
    assert_eq!(reasons.len(), expected.len());
    for ((_, reason), words) in reasons.iter().zip(expected) {
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn normalise_reads_standard_input() {
    let folder = files(&[]);
    let mut child = spawn(folder.path(), &["normalise", "-", "-o", "-"]);
    // The header arrives in two parts: the separator is in the second.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"last_name").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    input.write_all(b";phone\nTo;0601020304\nTo;12\n").unwrap();
    drop(input);
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.starts_with("last_name_trunc;phone_trunc;identity_key\nTO ;+336010203;"), "{}", ran.out);
    assert!(read(&folder, "stdin.rejected.csv").contains("To;12;3;phone;"));
}

#[test]
fn normalise_rejects_utf_16_by_name() {
    let list = "last_name,phone\nTo,0601020304\n";
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let marked = format!("\u{feff}{list}");
    for content in [little(&marked), big(&marked), little(list), big(list)] {
        let folder = files(&[("list.csv", &content)]);
        let ran = run(folder.path(), &["normalise", "list.csv"]);
        assert!(ran.code == 2 && ran.err.contains("UTF-16"), "{}", ran.err);
    }
}

#[test]
fn normalise_reads_compressed_list_and_names_what_is_no_csv() {
    let list = "last_name,phone\nTo,0601020304\nTo,12\n";
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(list.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let cut = &packed[..packed.len() - 9];
    let folder = files(&[
        ("list.csv.gz", &packed),
        ("cut.csv.gz", cut),
        ("workbook.xlsx", include_bytes!("../../../tests/files/history/workbook.xlsx")),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("list.parquet", b"PAR1\x15\x04\x15\n"),
        ("list.csv.xz", b"\xfd7zXZ\0\0"),
        ("list.json", b"[{\"last_name\": \"To\", \"phone\": \"0601020304\"}]\n"),
    ]);
    let ran = run(folder.path(), &["normalise", "list.csv.gz"]);
    assert_eq!(ran.code, 1, "{} {}", ran.out, ran.err);
    assert!(read(&folder, "list.normalised.csv").contains("\nTO ,+336010203,"));
    assert!(read(&folder, "list.rejected.csv").contains("\nTo,12,3,phone,"));
    for (name, why) in [
        ("cut.csv.gz", "is a damaged or incomplete gzip or zip"),
        ("workbook.xlsx", "is a workbook (such as .xlsx or .ods)"),
        ("old.xls", "is an Excel workbook"),
        ("list.parquet", "is a Parquet file"),
        ("list.csv.xz", "is compressed, and not once with gzip or zip"),
        ("list.json", "is JSON, not a CSV file"),
    ] {
        let ran = run(folder.path(), &["normalise", name]);
        assert!(ran.code == 2 && ran.err.contains(name) && ran.err.contains(why), "{name}: {}", ran.err);
        assert!(!ran.err.contains("To") && !ran.err.contains("/policies/"), "{}", ran.err);
    }
}

#[test]
fn normalise_and_vectors_print_identity_key() {
    let folder = files(&[]);
    let key = "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30";
    let one = run(folder.path(), &["normalise", "--last-name", "D'Hérug de l'Hérault", "--phone", "07 01 02 03 04"]);
    let one: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!((&one["hashed"], &one["identity_key"]), (&"+33701020304-D HERUG DE L HERAULT".into(), &key.into()));
    let overseas = run(folder.path(), &["normalise", "--last-name", "Payet", "--phone", "+33 692 92 01 02"]);
    assert!(overseas.out.contains("\"hashed\":\"+262692920102-PAYET\""), "{}", overseas.out);
    let wrong = run(folder.path(), &["normalise", "--last-name", "Дюпон", "--phone", "07 01 02 03 04"]);
    assert!(
        wrong.code == 2 && wrong.err.contains("the last name contains a character") && !wrong.err.contains("Дюпон")
    );
    let vectors = run(folder.path(), &["vectors"]);
    assert!(vectors.out.contains(key) && vectors.out.contains("+33701020304-D HERUG DE L HERAULT"), "{}", vectors.out);
    let json = run(folder.path(), &["vectors", "--json"]);
    assert!(json.out.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["identity_key"].is_string()));
    assert_eq!(json.out.lines().count(), cee_eligibility::normalise::VECTORS.len());
}

/// The page for operators holds the vectors of the code and no others.
#[test]
fn normalisation_page_holds_exactly_the_vectors() {
    let page = include_str!("../../../docs/normalisation.md");
    for v in cee_eligibility::normalise::VECTORS {
        let row = format!(
            "| `{}` | `{}` | `{}` | `{}` | `{}` | `{}` |",
            v.last_name, v.phone, v.hashed, v.last_name_trunc, v.phone_trunc, v.identity_key
        );
        assert!(page.contains(&row), "docs/normalisation.md lacks {row}");
    }
    let vectors = page.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 7);
    assert_eq!(vectors.count(), cee_eligibility::normalise::VECTORS.len());
}

/// The names in a folder, and what each file holds.
fn content(folder: &TempDir) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let mut found: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap_or_default()))
        .collect();
    found.sort();
    found
}

const LIST: &str = "last_name,phone\nTo,0601020304\nTo,12\n";

/// `h.csv` and `list.csv`, each under five more names, a folder, a link that points nowhere, and a file.
fn files_under_many_names() -> TempDir {
    let folder =
        files(&[("h.csv", MIXED.as_bytes()), ("list.csv", LIST.as_bytes()), ("mine.csv", b"corrected by hand\n")]);
    for (name, kind) in [("h.csv", "h"), ("list.csv", "list")] {
        std::os::unix::fs::symlink(name, folder.path().join(format!("{kind}-symbolic.csv"))).unwrap();
        std::fs::hard_link(folder.path().join(name), folder.path().join(format!("{kind}-hard.csv"))).unwrap();
    }
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("nothing.csv", folder.path().join("dangling.csv")).unwrap();
    folder
}

#[test]
fn check_never_overwrites_existing_file() {
    let folder = files_under_many_names();
    let before = content(&folder);
    let absolute = folder.path().join("h.csv");
    let (input, exists, is_folder) = ("is the file that is read", "exists already", "is a folder");
    for (place, why) in [
        ("h.csv", input),
        ("./h.csv", input),
        ("folder/../h.csv", input),
        (absolute.to_str().unwrap(), input),
        ("h-symbolic.csv", input),
        ("h-hard.csv", input),
        ("folder", is_folder),
        ("folder/", is_folder),
        ("..", is_folder),
        ("dangling.csv", exists),
        ("mine.csv", exists),
        ("-", "is the standard output"),
    ] {
        for file in ["h.csv", "h-symbolic.csv"] {
            let ran = run(folder.path(), &["check", file, "--rejected", place]);
            assert!(ran.code == 2 && ran.err.contains(why), "{place}: {} {}", ran.code, ran.err);
            assert!(ran.err.contains(place), "{place} is named: {}", ran.err);
            assert_eq!(content(&folder), before, "{place}");
        }
    }
    // The standard input is a file, too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_cee-check"));
    let input = std::fs::File::open(&absolute).unwrap();
    let ran =
        ran(command.current_dir(folder.path()).args(["-", "--rejected", "h-hard.csv"]).stdin(input).output().unwrap());
    assert!(ran.code == 2 && ran.err.contains("is the file that is read"), "{}", ran.err);
    assert_eq!(content(&folder), before);
}

#[test]
fn check_keeps_a_corrected_rejected_file() {
    let folder = files(&[("h.csv", MIXED.as_bytes())]);
    assert_eq!(run(folder.path(), &["h.csv"]).code, 1);
    let first = content(&folder);
    assert_eq!(run(folder.path(), &["h.csv"]).code, 1, "what it holds already is there already");
    assert_eq!(content(&folder), first);

    // As long as before.
    let corrected = read(&folder, "h.rejected.csv").replace("Zoé", "ZOE ");
    std::fs::write(folder.path().join("h.rejected.csv"), &corrected).unwrap();
    let again = run(folder.path(), &["h.csv"]);
    assert_eq!(again.code, 2);
    assert!(
        again.out.contains("4 rows read, 2 would be accepted, 2 rejected"),
        "it is reported nevertheless: {}",
        again.out
    );
    assert!(!again.out.contains("the rejected rows, with their reasons"), "{}", again.out);
    let why = "h.rejected.csv exists already and stays as it is: you may have corrected it. Rename or remove it";
    assert!(again.err.contains(why), "{}", again.err);
    assert_eq!(read(&folder, "h.rejected.csv"), corrected);
    let json = run(folder.path(), &["h.csv", "--json"]);
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert!(json.code == 2 && told["rejected"] == 2 && told.get("rejected_rows").is_none(), "{told}");
    assert_eq!(content(&folder).len(), 2, "nothing is left beside them");

    // A second file whose rejected rows would have the same place is a file as any other.
    std::fs::remove_file(folder.path().join("h.rejected.csv")).unwrap();
    std::fs::write(folder.path().join("h.txt"), MIXED.replace("Zoé", "Noé")).unwrap();
    let both = run(folder.path(), &["h.csv", "h.txt"]);
    assert!(both.code == 2 && both.err.contains("h.rejected.csv exists already"), "{}", both.err);
    assert!(read(&folder, "h.rejected.csv").contains("Zoé"));
}

#[test]
fn normalise_never_overwrites_existing_file() {
    let folder = files_under_many_names();
    let before = content(&folder);
    let (input, exists) = ("is the file that is read", "exists already");
    for (place, why) in [
        ("list.csv", input),
        ("./list.csv", input),
        ("list-symbolic.csv", input),
        ("list-hard.csv", input),
        ("folder", "is a folder"),
        ("dangling.csv", exists),
        ("mine.csv", exists),
    ] {
        for (option, other) in [("-o", "--rejected"), ("--rejected", "-o")] {
            let ran = run(folder.path(), &["normalise", "list.csv", option, place, other, "other.csv"]);
            assert!(ran.code == 2 && ran.err.contains(why) && ran.err.contains(place), "{option} {place}: {}", ran.err);
            let mut after = content(&folder);
            after.retain(|(name, _)| name != "other.csv");
            assert_eq!(after, before, "{option} {place}");
            let _ = std::fs::remove_file(folder.path().join("other.csv"));
        }
    }
    for (result, rejected) in
        [("a.csv", "./a.csv"), ("list.rejected.csv", ""), ("list.rejected.csv", "./list.rejected.csv")]
    {
        let mut args = vec!["normalise", "list.csv", "-o", result];
        args.extend([["--rejected", rejected]].iter().filter(|_| !rejected.is_empty()).flatten());
        let ran = run(folder.path(), &args);
        assert!(ran.code == 2 && ran.err.contains("two results"), "{result} {rejected}: {}", ran.err);
        assert_eq!(content(&folder), before);
    }
    // If the result cannot be kept, the rejected rows are kept nevertheless.
    assert_eq!(run(folder.path(), &["normalise", "list.csv", "-o", "mine.csv"]).code, 2);
    assert!(read(&folder, "list.rejected.csv").contains("To,12,3,phone,"));
}

#[test]
fn output_redirected_to_input_is_rejected() {
    let folder = files(&[("list.csv", LIST.as_bytes()), ("h.csv", MIXED.as_bytes())]);
    let before = content(&folder);
    for words in [&["normalise", "list.csv", "-o", "-"][..], &["check", "h.csv"], &["normalise", "-", "-o", "-"]] {
        let name = if words.contains(&"h.csv") { "h.csv" } else { "list.csv" };
        let output = std::fs::OpenOptions::new().append(true).open(folder.path().join(name)).unwrap();
        let input = std::fs::File::open(folder.path().join(name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cee-check"));
        let done = command.current_dir(folder.path()).args(words).stdin(input).stdout(output).output().unwrap();
        let ran = ran(done);
        assert!(ran.code == 2 && ran.err.contains("send the output to another file"), "{words:?}: {}", ran.err);
        assert_eq!(content(&folder), before, "{words:?}");
    }
}

#[test]
fn rejected_rows_may_go_to_a_device() {
    let folder = files(&[("h.csv", MIXED.as_bytes())]);
    assert_eq!(run(folder.path(), &["h.csv", "--rejected", "/dev/null"]).code, 1);
    let full = run(folder.path(), &["h.csv", "--rejected", "/dev/full"]);
    assert!(full.code == 2 && full.err.contains("/dev/full: No space left"), "{}", full.err);
    assert!(full.out.contains("2 rejected"), "{}", full.out);
    let missing = run(folder.path(), &["h.csv", "--rejected", "no/such/folder.csv"]);
    // The temporary name is no user's.
    let why = "error: no/such/folder.csv: No such file or directory (os error 2)";
    assert_eq!((missing.code, missing.err.trim_end()), (2, why));
}

/// A `normalise` that reads its standard input, and has begun its result.
fn begun(folder: &TempDir) -> Child {
    let before = content(folder);
    let has_begun = || {
        content(folder).iter().any(|(name, _)| name.starts_with(".cee-") && before.iter().all(|(old, _)| old != name))
    };
    let mut child = spawn(folder.path(), &["normalise", "-", "-o", "result.csv"]);
    child.stdin.as_mut().unwrap().write_all(b"last_name,phone\nTo,0601020304\n").unwrap();
    while !has_begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

#[test]
fn stopped_command_leaves_nothing_for_long_and_a_running_one_is_left_alone() {
    let folder = files(&[("list.csv", LIST.as_bytes())]);
    let mut stopped = begun(&folder);
    stopped.kill().unwrap();
    stopped.wait().unwrap();
    let left = content(&folder).into_iter().find(|(name, _)| name.starts_with(".cee-")).unwrap().0;
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join(&left)).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    drop(file);
    let running = begun(&folder);
    assert!(!folder.path().join(&left).exists(), "the next one removes it");
    assert_eq!(run(folder.path(), &["normalise", "list.csv"]).code, 1);
    let ran = ran(running.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(read(&folder, "result.csv").contains("\nTO ,+336010203,"));
    assert!(content(&folder).iter().all(|(name, _)| !name.starts_with(".cee-")));
}

#[test]
fn result_that_cannot_be_printed_is_an_error() {
    let folder = files(&[("good.csv", GOOD.as_bytes()), ("list.csv", b"last_name,phone\nTo,0601020304\n")]);
    for words in [
        &["good.csv"][..],
        &["good.csv", "--json"],
        &["vectors"],
        &["normalise", "list.csv"],
        &["normalise", "list.csv", "-o", "-"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cee-check"));
        let ran = ran(command.current_dir(folder.path()).args(words).stdout(full).output().unwrap());
        assert!(ran.code == 2 && ran.err.contains("No space left"), "{words:?}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn full_disk_leaves_no_partial_file() {
    let many = format!("journey_type,last_name_trunc,phone_trunc,datetime\n{}", "long,Zoé,x,y\n".repeat(2000));
    let list = format!("last_name,phone\n{}", "To,0601020304\nTo,1\n".repeat(2000));
    let folder = files(&[("h.csv", many.as_bytes()), ("list.csv", list.as_bytes())]);
    let before = content(&folder);
    for words in ["check h.csv", "normalise list.csv"] {
        // No file may grow beyond 8 KiB.
        let script = format!("trap '' XFSZ; ulimit -f 8; exec '{}' {words}", env!("CARGO_BIN_EXE_cee-check"));
        let ran = ran(Command::new("bash").current_dir(folder.path()).args(["-c", &script]).output().unwrap());
        assert!(ran.code == 2 && ran.err.contains("too large"), "{words}: {} {}", ran.code, ran.err);
        assert!(
            ran.err.contains(if words.starts_with("check") { "h.rejected.csv" } else { "error: list." }),
            "{}",
            ran.err
        );
        assert_eq!(content(&folder), before, "{words}");
    }
}
