use proptest::prelude::*;
use proptest::sample::{Index, select};
use regex::Regex;

use super::number::{FRENCH, INDEX, SAINT_PIERRE};
use super::plan::{OVERSEAS, PLANS};
use super::*;
use FieldError::{
    Phone as NoPhone, PhoneAmbiguous as Ambiguous, PhoneCountry as Country, PhoneInvisible as Invisible,
    PhoneLength as Length, PhoneRounded as Rounded, PhoneTrunc as NoTruncated, PhoneWhole as TooWhole,
};

fn truncated(text: &str) -> Result<String, FieldError> {
    PhoneTrunc::parse(text).map(|phone| phone.as_str().to_owned())
}

fn whole(text: &str) -> Result<String, NormaliseError> {
    Phone::parse(text).map(|phone| phone.as_str().to_owned())
}

/// A number and ways to write it, whole; without their last two digits they are ways to write it truncated.
const WAYS: [(&str, &[&str]); 27] = [
    (
        "+33601020304",
        &[
            "0601020304",
            "06 01 02 03 04",
            "06.01.02.03.04",
            "06-01-02-03-04",
            "06/01/02/03/04",
            "(06) 01 02 03 04",
            "06\u{a0}01\u{202f}02\u{2009}03 04",
            "06\t01\u{2010}02\u{2013}03 04",
            "0033601020304",
            "0033 6 01 02 03 04",
            "00 33 (0)6 01 02 03 04",
            "+33 6 01 02 03 04",
            "+330601020304",
            "+33 06 01 02 03 04",
            "+33 (0)6-01-02-03-04",
            "(+33) 601020304",
            " +33.6.01.02.03.04",
        ],
    ),
    // Reserved for films, in a range of Mayotte that Mayotte's code does not reach.
    ("+33639980102", &["0639980102", "06 39 98 01 02", "+33 (0)6 39 98 01 02", "+262639980102", "+262 0639 98 01 02"]),
    ("+262639691234", &["0639691234", "+33639691234", "+33 0639 69 12 34", "+262 (0)639 69 12 34"]),
    ("+262692010203", &["0692010203", "+33692010203", "+262 0692 01 02 03", "00262692010203", "+590 692 01 02 03"]),
    ("+262693010203", &["0693010203", "+33693010203"]),
    ("+590690123456", &["0690123456", "+33690123456", "+5900690123456"]),
    ("+590691123456", &["0691123456", "+33691123456"]),
    ("+594694123456", &["0694123456", "+33694123456"]),
    ("+596696123456", &["0696123456", "+33696123456"]),
    ("+596697123456", &["0697123456", "+33697123456"]),
    ("+508708401234", &["0708401234", "+33708401234", "+508 0708 40 12 34"]),
    ("+508708561234", &["0708561234", "+33708561234"]),
    ("+590709041234", &["0709041234", "+33709041234"]),
    ("+596709131234", &["0709131234", "+33709131234"]),
    ("+262709231234", &["0709231234", "+33709231234"]),
    ("+262709371234", &["0709371234", "+33709371234"]),
    ("+594709331234", &["0709331234", "+33709331234"]),
    // Landlines that the mainland's plan calls valid as well.
    ("+262269123456", &["0269123456", "+33269123456"]),
    ("+596596123456", &["0596123456", "+33596123456"]),
    ("+33976123456", &["0976123456", "+262976123456", "+590976123456"]),
    // Numbers of Saint-Pierre have six digits, and are dialled with their country code behind a 0.
    ("+508411234", &["0508411234", "+33508411234", "+33 0508 41 12 34", "+508508411234", "+508 0508 41 12 34"]),
    // Trunk prefixes of other kinds.
    ("+447911123456", &["+44 (0)7911 123456", "+4407911123456"]),
    ("+32470123456", &["+32 0470 12 34 56"]),
    ("+36201234567", &["+36 06 20 123 4567"]),
    ("+79123456789", &["+7 8 912 345 67 89"]),
    ("+78123456789", &["+7 8 812 345 67 89"]),
    ("+12125550123", &["+1 (212) 555-0123", "+1 1 212 555 0123"]),
];

#[test]
fn spellings_of_one_number_give_one_form() {
    for (form, ways) in WAYS {
        for way in ways.iter().chain([&form]) {
            assert_eq!(whole(way).as_deref(), Ok(form), "{way}");
            let cut = &way[..way.len() - 2];
            assert_eq!(truncated(cut).as_deref(), Ok(&form[..form.len() - 2]), "{cut}");
            assert_eq!(Phone::parse(way).unwrap().truncated(), PhoneTrunc::parse(cut).unwrap(), "{way}");
            assert_eq!(truncated(way), Err(TooWhole), "{way}");
        }
    }
}

#[test]
fn mainland_number_keeps_country_code_33() {
    let blocks = [
        "610000", "638990", "639980", "639989", "640000", "688000", "695000", "698000", "699999", "700000", "707999",
        "708000", "708390", "708460", "708499", "708570", "709050", "709099", "709140", "709199", "709240", "709340",
        "709349", "709380", "730000", "799999", "800000", "500000", "598600", "264000",
    ];
    for block in blocks {
        let form = format!("+33{block}1");
        for way in [form.clone(), format!("0{block}1"), format!("+262{block}1"), format!("+596 0{block}1")] {
            assert_eq!(truncated(&way).as_deref(), Ok(form.as_str()), "{way}");
        }
    }
}

#[test]
fn overseas_ranges_have_their_own_country_code() {
    // The first and the last block of each range of the contract, by the digits behind the 0.
    let ranges = [
        (262, "26200", "26399"),
        (262, "26800", "26999"),
        (590, "59000", "59099"),
        (594, "59400", "59499"),
        (596, "59600", "59699"),
        (590, "59870", "59879"),
        (594, "59880", "59889"),
        (596, "59890", "59899"),
        (262, "63900", "63997"),
        (262, "63999", "63999"),
        (590, "69000", "69199"),
        (262, "69200", "69399"),
        (594, "69400", "69499"),
        (596, "69600", "69799"),
        (508, "70840", "70845"),
        (508, "70850", "70856"),
        (590, "70900", "70904"),
        (596, "70910", "70913"),
        (262, "70920", "70923"),
        (594, "70930", "70933"),
        (262, "70935", "70937"),
    ];
    for (code, first, last) in ranges {
        for block in [first, last] {
            let form = format!("+{code}{block}12");
            for way in [format!("0{block}12"), format!("+33{block}12"), format!("+330{block}12"), form.clone()] {
                assert_eq!(truncated(&way).as_deref(), Ok(form.as_str()), "{way}");
            }
        }
    }
}

#[test]
fn short_plans_are_accepted() {
    for form in ["+6877512", "+6818212", "+5084123", "+247123", "+69012"] {
        assert_eq!(truncated(form).as_deref(), Ok(form));
    }
    assert_eq!(whole("+687751234").as_deref(), Ok("+687751234"));
    assert_eq!(truncated("+687751234"), Err(TooWhole));
    assert_eq!(truncated("+508411234"), Err(TooWhole));
}

#[test]
fn leading_zero_is_kept_only_where_numbers_begin_with_it() {
    // Landlines of Italy, mobiles of Côte d'Ivoire.
    assert_eq!(truncated("+39 06 698 12").as_deref(), Ok("+390669812"));
    assert_eq!(truncated("+39 (0)6 698 12").as_deref(), Ok("+390669812"));
    assert_eq!(truncated("+225 07 01 02 03").as_deref(), Ok("+22507010203"));
    // Spain and Luxembourg have neither.
    for text in ["+34 061 234 5", "+34 0612 345 6", "+352 (0)621 123 4"] {
        assert_eq!(truncated(text), Err(Length), "{text}");
    }
}

#[test]
fn invalid_truncated_phone_is_rejected() {
    let long = format!("+33 6 01 02 0{}3", " ".repeat(60));
    let longest = format!("+33601020{}3", " ".repeat(54));
    assert_eq!((longest.len(), truncated(&longest).as_deref()), (64, Ok("+336010203")));
    let table = [
        ("", NoTruncated),
        ("+", Country),
        ("12", NoTruncated),
        ("6010203", NoTruncated),
        ("336010203", NoTruncated),
        ("++336010203", NoTruncated),
        ("0+336010203", NoTruncated),
        ("+33601020a", NoTruncated),
        ("+33_6010203", NoTruncated),
        ("٠٦٠١٠٢٠٣", NoTruncated),
        ("０６０１０２０３", NoTruncated),
        (long.as_str(), NoTruncated),
        ("+3360102031234567890", Length),
        ("+33 601020312345678901", NoTruncated),
        ("0601020", Length),
        ("060102034", Length),
        ("06010203041", Length),
        ("00336", Length),
        ("+3", Length),
        ("+1", Length),
        ("+33", Length),
        ("+33601020", Length),
        ("+3360102034", Length),
        ("+330601020", Length),
        ("+3300601020", Length),
        ("+33 0 06 01 02", Length),
        ("05080123", Length),
        ("+335080123", Length),
        ("+3360102030405", Length),
        ("+12345678", Length),
        ("+34612345", Length),
        ("+78123456", Length),
        ("+508411", Length),
        ("000336010203", Country),
        ("00010203", Country),
        ("+0336010203", Country),
        ("+9991234567", Country),
        ("+2101234567", Country),
        ("+8001234567", Country),
        ("+33612345678", TooWhole),
        ("+33 06 12 34 56 78", TooWhole),
        ("0612345678", TooWhole),
        ("+262692010203", TooWhole),
        ("+4407911123456", TooWhole),
        ("+336010203\0", Invisible('\0')),
        ("+336010203\n", Invisible('\n')),
        ("\u{200b}+336010203", Invisible('\u{200b}')),
        ("\u{202a}06010203\u{202c}", Invisible('\u{202a}')),
        ("06\u{2060}010203", Invisible('\u{2060}')),
        ("06010203\u{fe0f}", Invisible('\u{fe0f}')),
    ];
    for (text, error) in table {
        assert_eq!(truncated(text), Err(error), "{text:?}");
    }
    // No message repeats the number; an invisible character is named.
    assert_eq!(Invisible('\u{200b}').to_string(), "contains the invisible character U+200B: remove it");
    assert_eq!(TooWhole.to_string(), "is a whole phone number: leave out its last two digits");
}

#[test]
fn invalid_whole_phone_is_rejected() {
    for text in ["", " ()", "-", "\u{a0}"] {
        assert_eq!(whole(text), Err(NormaliseError::Empty), "{text:?}");
    }
    let table = [
        ("0601020", Length),
        ("060102030", Length),
        ("06010203040", Length),
        ("06010203", Length),
        ("+336010203", Length),
        ("+3360102030", Length),
        ("+336010203040", Length),
        ("601020304", NoPhone),
        ("33601020304", NoPhone),
        ("+33 6 O1 02 03 04", NoPhone),
        ("tel:+33601020304", NoPhone),
        ("06 01 02 03 04 / 07 01 02 03 04", NoPhone),
        ("3615", NoPhone),
        ("0000601020304", Country),
        ("+0601020304", Country),
        ("+9990601020304", Country),
        ("0033601", Length),
        ("+49123456789012", Length),
        ("+33601020304\u{200e}", Invisible('\u{200e}')),
    ];
    for (text, error) in table {
        assert_eq!(whole(text), Err(NormaliseError::Phone(error)), "{text:?}");
    }
}

#[test]
fn truncated_phone_with_one_reading_is_repaired() {
    let good = [
        ("6010203", "+336010203", Lost::Zero),
        ("6 010 203", "+336010203", Lost::Zero),
        ("6\u{a0}010\u{202f}203", "+336010203", Lost::Zero),
        ("6010203.0", "+336010203", Lost::Zero),
        ("6920102", "+2626920102", Lost::Zero),
        // 0508 41 23 and +508 41 23 are one number.
        ("5084123", "+5084123", Lost::Zero),
        ("3312345", "+333312345", Lost::Zero),
        ("336010203", "+336010203", Lost::Plus),
        ("33 6 01 02 03", "+336010203", Lost::Plus),
        ("3306010203", "+336010203", Lost::Plus),
        ("336920102", "+2626920102", Lost::Plus),
        ("336250000.0", "+336250000", Lost::Plus),
        ("336250000,0", "+336250000", Lost::Plus),
        ("2626920102", "+2626920102", Lost::Plus),
        ("5906900102", "+5906900102", Lost::Plus),
        ("3933312345", "+3933312345", Lost::Plus),
        ("4479111234", "+4479111234", Lost::Plus),
    ];
    for (text, form, lost) in good {
        let read = PhoneTrunc::repair(text).map(|(phone, lost)| (phone.as_str().to_owned(), lost));
        assert_eq!(read, Ok((form.to_owned(), lost)), "{text}");
    }
    let bad = [
        // 06 87 75 12 and +687 75 12; 06 83 12 34 and a whole number of Niue.
        ("6877512", Ambiguous),
        ("6831234", Ambiguous),
        // 06 01 02 03 04 whole, and +60 102 03 04 less two digits; so with Australia and Russia.
        ("612345678", Ambiguous),
        ("712345678", Ambiguous),
        ("601020304", Ambiguous),
        ("689401234", Ambiguous),
        ("324701234", Ambiguous),
        ("417901234", Ambiguous),
        ("632345678", TooWhole),
        ("33601020304", TooWhole),
        ("262692010203", TooWhole),
        ("3.36E+08", Rounded),
        ("3,36E+08", Rounded),
        ("3E+08", Rounded),
        ("6,01e6", Rounded),
        ("", NoTruncated),
        ("E", NoTruncated),
        ("E+08", NoTruncated),
        ("3.36E", NoTruncated),
        ("3.36E+0x", NoTruncated),
        ("3.x6E+08", NoTruncated),
        (".36E+08", NoTruncated),
        ("601020", NoTruncated),
        ("60102030", NoTruncated),
        ("06010203", NoTruncated),
        ("6010203.00", NoTruncated),
        ("6 010 203.0", NoTruncated),
        ("6010203.5", NoTruncated),
        ("6.010203", NoTruncated),
        // Nine digits behind +1: neither whole nor truncated.
        ("1212555012", NoTruncated),
        ("123456789012345678901234567890", NoTruncated),
        ("336010203\u{200b}", Invisible('\u{200b}')),
    ];
    for (text, error) in bad {
        assert_eq!(PhoneTrunc::repair(text).map(|(phone, _)| phone.as_str().to_owned()), Err(error), "{text}");
    }
}

#[test]
fn whole_phone_with_one_reading_is_repaired() {
    let good = [
        ("612345678", "+33612345678", Lost::Zero),
        ("6 12 34 56 78", "+33612345678", Lost::Zero),
        ("692010203", "+262692010203", Lost::Zero),
        ("508411234", "+508411234", Lost::Zero),
        ("33612345678", "+33612345678", Lost::Plus),
        ("33612345678.0", "+33612345678", Lost::Plus),
        ("262692010203", "+262692010203", Lost::Plus),
        ("32470123456", "+32470123456", Lost::Plus),
    ];
    for (text, form, lost) in good {
        let read = Phone::repair(text).map(|(phone, lost)| (phone.as_str().to_owned(), lost));
        assert_eq!(read, Ok((form.to_owned(), lost)), "{text}");
    }
    let bad = [
        // 06 87 75 12 34 and +687 75 12 34.
        ("687751234", Ambiguous),
        ("336010203", NoPhone),
        ("6010203", NoPhone),
        ("3.36E+10", Rounded),
    ];
    for (text, error) in bad {
        let read = Phone::repair(text).map(|(phone, _)| phone.as_str().to_owned());
        assert_eq!(read, Err(NormaliseError::Phone(error)), "{text}");
    }
    assert_eq!(Phone::repair(" ").map(|(_, lost)| lost), Err(NormaliseError::Empty));
}

#[test]
fn debug_hides_personal_data() {
    let (phone, trunc) = (Phone::parse("0639980001").unwrap(), PhoneTrunc::parse("06399800").unwrap());
    assert_eq!(format!("{phone:?} {trunc:?}"), "Phone(…) PhoneTrunc(…)");
}

/// On the path of every row of a history.
#[test]
fn fast_path_reads_common_phones() {
    for text in ["+336010203", "06010203", "06391234", "+336920102", "07091234", "01010203"] {
        assert!(PhoneTrunc::plain(text.as_bytes()).is_some(), "{text}");
    }
    let others = [
        "00336010203",
        "06 01 02 03",
        "336010203",
        "05081234",
        "+335081234",
        "0601020",
        "+3360102",
        "+346010203",
        "16010203",
        "0601020:",
        "06/10203",
        "00601020",
        "+330601020",
    ];
    for text in others {
        assert!(PhoneTrunc::plain(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn ambiguous_countries_are_those_listed() {
    let ambiguous: Vec<u16> =
        PLANS.iter().filter(|plan| plan.lengths & plan.lengths >> 2 != 0).map(|plan| plan.code).collect();
    assert_eq!(ambiguous, PhoneTrunc::AMBIGUOUS);
    // Such a country reads a possible whole number as a truncated one.
    assert_eq!(truncated("+43664123456").as_deref(), Ok("+43664123456"));
}

#[test]
fn country_codes_are_prefix_free_and_ranges_ascend() {
    for (at, plan) in PLANS.iter().enumerate() {
        let code = plan.code.to_string();
        let place = format!("{code:0<3}").parse::<usize>().unwrap();
        assert_eq!(usize::from(INDEX[place]), at, "{code}");
        assert_ne!(plan.lengths, 0);
    }
    let used: usize = PLANS.iter().map(|plan| 10_usize.pow(3 - plan.code.to_string().len() as u32)).sum();
    assert_eq!(INDEX.iter().filter(|at| **at != u8::MAX).count(), used, "a code is the beginning of another");
    assert!(OVERSEAS.windows(2).all(|pair| pair[0].1 < pair[1].0) && OVERSEAS.iter().all(|(a, b, _)| a <= b));
    assert!(OVERSEAS.iter().all(|(.., code)| FRENCH[1..].contains(code)));
}

/// A whole number of a plan: its country code and its digits, as they are kept.
fn numbers() -> impl Strategy<Value = (u16, String)> {
    let plan = select(&PLANS[..]);
    // French numbers twice as often: they have more rules.
    let french = select(PLANS.iter().copied().filter(|plan| FRENCH.contains(&plan.code)).collect::<Vec<_>>());
    (prop_oneof![2 => plan, 1 => french], any::<Index>(), "[0-9]{15}")
        .prop_map(|(plan, length, mut digits)| {
            let lengths: Vec<usize> = (0..16).filter(|n| plan.lengths >> n & 1 == 1).collect();
            digits.truncate(*length.get(&lengths));
            (plan, digits)
        })
        .prop_filter("no number begins like this", |(plan, digits)| {
            let trunk = plan.trunks.iter().any(|trunk| trunk.always && digits.as_bytes().starts_with(trunk.digits));
            let saint_pierre = FRENCH.contains(&plan.code) && digits.len() == 9 && digits.starts_with("5080");
            !trunk && !saint_pierre && (plan.zero || !digits.starts_with('0'))
        })
        .prop_map(|(plan, digits)| (plan.code, digits))
}

/// A number as a person may type it: a way to begin, and something before each digit.
fn typed(code: u16, digits: &str, way: usize, gaps: &[&str]) -> String {
    let trunk = PLANS.iter().find(|plan| plan.code == code).and_then(|plan| plan.trunks.first());
    let trunk = trunk.map_or("", |trunk| std::str::from_utf8(trunk.digits).unwrap());
    let beginning = match way {
        0 => format!("+{code}"),
        1 => format!("00{code}"),
        2 => format!("+{code}{trunk}"),
        3 => format!("00{code}({trunk})"),
        4 => format!("(+{code})"),
        // 0692… for +262 692…, 0508 41… for +508 41….
        _ if code == SAINT_PIERRE && digits.len() < 7 => "0508".to_owned(),
        _ if FRENCH.contains(&code) => "0".to_owned(),
        _ => format!("+{code}"),
    };
    beginning.chars().chain(digits.chars()).zip(gaps.iter().cycle()).map(|(c, gap)| format!("{gap}{c}")).collect()
}

const GAPS: [&str; 12] = ["", "", "", " ", ".", "-", "/", "\u{a0}", "\u{202f}", "\u{2009}", " -", "\t"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_text_is_rejected_or_canonical_after_one_pass(text in "[+0-9 .()/-]{0,24}|\\PC{0,40}") {
        if let Ok(phone) = Phone::parse(&text) {
            prop_assert!(Phone::parse(phone.as_str()) == Ok(phone.clone()));
            prop_assert!(PhoneTrunc::parse(phone.truncated().as_str()) == Ok(phone.truncated()));
        }
        if let Ok(phone) = PhoneTrunc::parse(&text) {
            prop_assert!(PhoneTrunc::parse(phone.as_str()) == Ok(phone.clone()));
            prop_assert!(Regex::new(PhoneTrunc::PATTERN).unwrap().is_match(phone.as_str()));
        }
    }

    #[test]
    fn spellings_of_any_number_give_one_form(
        (code, digits) in numbers(),
        ways in (0..6_usize, 0..6_usize),
        gaps in proptest::collection::vec(select(&GAPS[..]), 1..30),
    ) {
        let one = whole(&typed(code, &digits, ways.0, &gaps));
        prop_assert!(one.is_ok(), "+{code}{digits}");
        prop_assert_eq!(&one, &whole(&typed(code, &digits, ways.1, &[""])), "+{}{}", code, digits);
        let one = one.unwrap();
        prop_assert_eq!(whole(&one), Ok(one.clone()));
        // The same of the truncated number, which is the beginning of the whole one.
        let cut = &digits[..digits.len() - 2];
        for text in [typed(code, cut, ways.0, &gaps), typed(code, cut, ways.1, &[""])] {
            prop_assert_eq!(truncated(&text), Ok(one[..one.len() - 2].to_owned()), "{}", text);
        }
        // A whole number is refused as a truncated one, unless the plan leaves both open.
        let read = truncated(&typed(code, &digits, ways.0, &[""]));
        let open = PhoneTrunc::AMBIGUOUS.contains(&code) && read.is_ok();
        prop_assert!(open || read == Err(TooWhole), "+{code}{digits}: {read:?}");
    }

    #[test]
    fn fast_path_agrees_with_slow_path(text in "(\\+33|0)([67]|508|598|63|70)[0-9]{4,6}|(\\+33|0|00|\\+)[0-9:/]{6,9}") {
        if let Some(phone) = PhoneTrunc::plain(text.as_bytes()) {
            prop_assert!(PhoneTrunc::any(&text) == Ok(phone));
        }
    }

    /// A number damaged by a spreadsheet is repaired or refused: it never becomes another number.
    #[test]
    fn damaged_number_is_repaired_exactly_or_rejected((code, digits) in numbers(), national in any::<bool>()) {
        let national = national && FRENCH.contains(&code) && digits.len() == 9;
        let form = Phone::parse(&format!("+{code}{digits}")).unwrap();
        let left = if national { digits } else { format!("{code}{digits}") };
        let repaired = Phone::repair(&left);
        prop_assert!(repaired.is_err() || repaired.map(|(phone, _)| phone) == Ok(form.clone()), "{left}");
        let repaired = PhoneTrunc::repair(&left[..left.len() - 2]);
        prop_assert!(repaired.is_err() || repaired.map(|(phone, _)| phone) == Ok(form.truncated()), "{left}");
    }
}

#[test]
fn stored_phone_is_read_unchanged() {
    for text in ["+1", "+336920102", "+33612345678", "+999", "+1234567890123"] {
        assert_eq!(PhoneTrunc::from_stored(text).unwrap().as_str(), text);
    }
    for text in ["", "+", "+0336010203", "336010203", "+33601020x", "+33 6010203", "+12345678901234", "++33"] {
        assert_eq!(PhoneTrunc::from_stored(text), Err(FieldError::PhoneTrunc), "{text}");
    }
    let phone = PhoneTrunc::parse("0692 01 02").unwrap();
    assert_eq!(PhoneTrunc::from_stored(phone.as_str()), Ok(phone));
}

/// A wider table would only cost time, a narrower one a driver.
#[test]
fn may_be_overseas_table_matches_ranges() {
    for (three, found) in (0_u32..).zip(super::number::MAY_BE_OVERSEAS) {
        let expected = OVERSEAS.iter().any(|(first, last, _)| first / 100 <= three && three <= last / 100);
        assert_eq!(found, expected, "0{three}");
    }
}

#[test]
fn phone_with_too_many_digits_is_rejected() {
    let spaced = format!("06010203{}", " ".repeat(MAX_LENGTH));
    for text in ["+33601020304050607080", "06010203040506070809", "+33 6 01 02 03 04 05 06 07 08 09", &spaced] {
        assert_eq!(truncated(text), Err(NoTruncated), "{text}");
    }
    assert_eq!(truncated("+336010203040506070"), Err(Length), "nineteen");
}
