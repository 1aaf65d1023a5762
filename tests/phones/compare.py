#!/usr/bin/env python3
"""Compares our normalised phones with libphonenumber's, for numbers of all countries in every way to write them.

    cargo build --example phones -p cee-eligibility
    python3 tests/phones/compare.py target/debug/examples/phones            # fails if disagreements.csv is not what it finds
    python3 tests/phones/compare.py target/debug/examples/phones --update   # writes it

Needs PyPI `phonenumbers==9.0.43`, the version that `shared/eligibility/src/phone/plan.rs` was generated from. The script generates the
numbers from the metadata, the same ones each time. It neither prints nor stores a number, because some numbers belong to real people.

disagreements.csv counts, by country and reason, the texts that the two read differently. The script fails on a difference without a
known reason.
"""

import csv
import io
import random
import re._parser as sre
import subprocess
import sys
from collections import Counter
from pathlib import Path

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat
from phonenumbers.data import _COUNTRY_CODE_TO_REGION_CODE as REGIONS

VERSION = "9.0.43"
EACH = 100
LEAST = 20_000
LISTED = Path(__file__).with_name("disagreements.csv")
FRENCH = {33, 262, 508, 590, 594, 596}
# Some whole numbers of these countries are as long as other numbers without their last two digits: the contract allows both readings.
AMBIGUOUS = {27, 31, 43, 62, 64, 95, 220, 231, 243, 252, 354, 358, 381, 423, 677, 690}


def made_up(pattern, dice):
    """A text that the pattern matches."""

    def text(parsed):
        return "".join(one(kind, what) for kind, what in parsed)

    def one(kind, what):
        if kind is sre.LITERAL:
            return chr(what)
        if kind is sre.IN:
            return one(*dice.choice(what))
        if kind is sre.RANGE:
            return chr(dice.randint(*what))
        if kind is sre.CATEGORY:
            return str(dice.randint(0, 9))
        if kind is sre.BRANCH:
            return text(dice.choice(what[1]))
        if kind is sre.SUBPATTERN:
            return text(what[3])
        if kind is sre.MAX_REPEAT:
            return "".join(text(what[2]) for _ in range(dice.randint(what[0], what[1])))
        raise AssertionError(kind)

    return text(sre.parse(pattern))


def numbers():
    """Country code, region, whether the number is a mobile number, and the national number, for all regions."""
    for code, regions in sorted(REGIONS.items()):
        for region in regions:
            if region == "001":
                plan = PhoneMetadata.metadata_for_nongeo_region(code)
            else:
                plan = PhoneMetadata.metadata_for_region(region)
            dice = random.Random(f"{code} {region}")
            for mobile, kind, count in ((True, plan.mobile, EACH), (False, plan.fixed_line, EACH // 5)):
                if not kind or not kind.national_number_pattern:
                    continue
                made = (made_up(kind.national_number_pattern, dice) for _ in range(count))
                for number in dict.fromkeys([kind.example_number, *made] if kind.example_number else made):
                    yield code, region, mobile, number


def gap(digits, separator):
    """`6 01 02 03 04`"""
    first = 1 + (len(digits) + 1) % 2
    return separator.join([digits[:first], *(digits[at : at + 2] for at in range(first, len(digits), 2))])


def ways(code, region, number):
    yield f"+{code}{number}"
    yield f"00{code}{number}"
    for separator in (" ", "\u00a0", "\u202f", ".", "-", "/", " - "):
        yield f"+{code}{separator}{gap(number, separator)}"
    yield f"00 {code} {gap(number, ' ')}"
    yield f"(+{code}) {gap(number, ' ')}"
    if region != "001":
        trunk = PhoneMetadata.metadata_for_region(region).national_prefix
        if trunk:
            yield f"+{code}{trunk}{number}"
            yield f"+{code} {trunk}{gap(number, '.')}"
            yield f"+{code} ({trunk}){gap(number, ' ')}"
            yield f"00{code}({trunk}){number}"
    if code in FRENCH and len(number) == 9:
        yield f"0{number}"
        yield gap(f"0{number}", " ")
        yield gap(f"0{number}", ".")
        yield f"+33{number}"
        yield f"+33 (0){gap(number, ' ')}"
    if code == 508 and len(number) == 6:
        yield f"0508{number}"
        yield f"+33 508 {gap(number, ' ')}"


def theirs(text):
    """What libphonenumber reads, or None."""
    try:
        number = phonenumbers.parse(text, "FR")
    except NumberParseException:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if phonenumbers.is_valid_number(number) else None


def less_two(text):
    """A text without the last two digits of its number."""
    for _ in range(2):
        text = text.rstrip(" .-/\u00a0\u202f")[:-1]
    return text


def ours(program, form, texts):
    done = subprocess.run([program, form], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(texts)
    return lines


def reason(code, mobile, number, text, read, expected):
    """Why the two differ. `expected` is a whole number, or None if libphonenumber accepts no number."""
    refused = read.startswith("!")
    plain = f"+{code}{number}"
    if "\u202f" in text:
        # libphonenumber knows only U+00A0 as a no-break space.
        with_it = theirs(text.replace("\u202f", "\u00a0"))
        if not refused and with_it in (read, f"{read}{number[-2:]}"):
            return "U+202F separates digits"
        expected = with_it
    if REGIONS[code] == ("001",) and refused:
        return "a satellite or freephone code belongs to no country"
    if code in FRENCH and not refused:
        if read.startswith("+508") and "508" in text:
            return "0508 and +33 508 are how France dials +508"
        if expected and expected.startswith("+33") and not read.startswith("+33"):
            return "a number of overseas France belongs under its own code"
        if expected and not expected.startswith("+33") and read.startswith("+33"):
            return "08 and 09 belong to no territory"
        if expected is None and read in (plain, plain[: len(read)]):
            return "libphonenumber takes the national form for the mainland's alone"
    if not mobile and refused:
        return "only a landline has this length"
    if expected is None and read in (plain, plain[:-2]):
        return "libphonenumber does not leave out its own trunk prefix here"
    if expected and expected != plain:
        return "libphonenumber rewrites the number"
    return None


def main():
    assert phonenumbers.__version__ == VERSION, f"needs phonenumbers {VERSION}"
    program = sys.argv[1]
    of, texts, whole = [], [], set()
    for code, region, mobile, number in numbers():
        whole.add((code, number))
        for text in ways(code, region, number):
            of.append((code, mobile, number))
            texts.append(text)
    assert len(whole) >= LEAST, len(whole)
    expected = [theirs(text) for text in texts]
    counts, unexplained = Counter(), Counter()

    def differs(form, code, why):
        (counts if why else unexplained)[form, code, why or "no reason is known"] += 1

    for (code, mobile, number), text, read, other in zip(of, texts, ours(program, "whole", texts), expected):
        if (None if read.startswith("!") else read) != other:
            differs("whole", code, reason(code, mobile, number, text, read, other))
    cut = [less_two(text) for text in texts]
    for (code, mobile, number), text, read, other in zip(of, texts, ours(program, "truncated", cut), expected):
        if (None if read.startswith("!") else read) != (other and other[:-2]):
            differs("truncated", code, reason(code, mobile, number, text, read, other))
    # A whole number is not a truncated number.
    for (code, mobile, number), text, read in zip(of, texts, ours(program, "truncated", texts)):
        if not read.startswith("!"):
            why = "whole numbers are as long as truncated ones" if code in AMBIGUOUS else None
            if not mobile:
                why = why or "a landline is as long as a truncated mobile number"
            differs("whole as truncated", code, why)
        elif mobile and REGIONS[code] != ("001",) and not read.startswith("! is a whole phone number"):
            differs("whole as truncated", code, None)
    # Accepts every country code, and no other code.
    codes = [f"{code:03}" for code in range(1000)]
    for code, read in zip(codes, ours(program, "whole", [f"+{code}6666666666" for code in codes])):
        country = any(REGIONS.get(int(code[:n]), ("001",)) != ("001",) for n in (1, 2, 3) if code[0] != "0")
        if ("country code" in read) == country:
            differs("country code", code, None)

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["form", "reason", "country_code", "texts"])
    writer.writerows([form, why, code, n] for (form, code, why), n in sorted(counts.items(), key=lambda at: (at[0][0], at[0][2], at[0][1])))
    print(f"{len(whole):,} numbers of {len(REGIONS)} country codes, {len(texts):,} texts, each whole and truncated")
    by_reason = Counter()
    for (form, code, why), n in counts.items():
        by_reason[form, why] += n
    for (form, why), n in sorted(by_reason.items()):
        print(f"{n:7,}  {form}: {why}")
    for (form, code, why), n in sorted(unexplained.items()):
        print(f"{n:7,}  {form}, +{code}: {why}", file=sys.stderr)
    if sys.argv[2:] == ["--update"]:
        LISTED.write_text(out.getvalue())
    elif LISTED.read_text() != out.getvalue():
        sys.exit(f"{LISTED.name} does not list what was found: run with --update, and look at what changed")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
