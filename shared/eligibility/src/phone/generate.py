#!/usr/bin/env python3
"""Writes plan.rs, the numbering plans that number.rs reads, from the metadata of libphonenumber.

    python3 -m venv /tmp/plan && /tmp/plan/bin/pip install phonenumbers==9.0.43 regex==2026.11.19
    /tmp/plan/bin/python shared/eligibility/src/phone/generate.py          # writes plan.rs beside this file
    /tmp/plan/bin/python shared/eligibility/src/phone/generate.py --check  # fails if plan.rs would change

`phonenumbers` is libphonenumber for Python, with the same version number and the same metadata. `regex` can test whether a text is the
beginning of a match of a pattern.
"""

import sys
from itertools import groupby
from pathlib import Path

import phonenumbers
import regex
from phonenumbers import PhoneMetadata
from phonenumbers.data import _COUNTRY_CODE_TO_REGION_CODE as REGIONS

VERSION = "9.0.43"
TARGET = Path(__file__).with_name("plan.rs")

# The country codes that share the French national plan: what France dials as 0692… is +262 692….
OVERSEAS = {262: ("RE", "YT"), 508: ("PM",), 590: ("GP", "BL", "MF"), 594: ("GF",), 596: ("MQ",)}
# The plan assigns 01 to 06 to territories by the three digits after the 0, and 07 by five. libphonenumber lists the part of a range that
# is in use, and that part grows, so a range of three digits is taken whole. 08 and 09 belong to no territory and stay under +33.
BY_THREE, BY_FIVE = "12345", "7"
# 06 is assigned like 01 to 05.
BY_THREE += "6"
# Arcep reserves this part of a range of Mayotte for fiction. Nobody has these numbers, and documentation uses them.
FICTION = 63998


def begins(pattern, digits, lengths):
    """Whether the pattern matches a number of one of these lengths that begins with these digits."""
    if regex.fullmatch(pattern, digits, partial=True) is None or len(digits) > max(lengths):
        return False
    if len(digits) in lengths and regex.fullmatch(pattern, digits):
        return True
    return any(begins(pattern, f"{digits}{next_one}", lengths) for next_one in range(10))


def plans():
    """For each country code: its mobile lengths, whether a number may begin with 0, and its trunk prefixes."""
    for code, regions in sorted(REGIONS.items()):
        # Satellites and freephone numbers belong to no country.
        if regions == ("001",):
            continue
        plan = [PhoneMetadata.metadata_for_region(region) for region in regions]
        # Tristan da Cunha has no mobile numbers, and shares +290 with Saint Helena.
        plan = [m for m in plan if m.mobile]
        lengths = {n for m in plan for n in m.mobile.possible_length}
        assert lengths and min(lengths) > 2 and len(str(code)) + max(lengths) <= 15, code
        # Only people's phones of a mobile number's length: some freephone numbers begin with 0 although 0 is the trunk prefix of all
        # other numbers.
        kinds = [kind.national_number_pattern for m in plan for kind in (m.mobile, m.fixed_line) if kind]
        kinds = [pattern for pattern in kinds if pattern]
        trunks = []
        for digits in [str(n) for n in range(10)] + sorted({m.national_prefix for m in plan} - {None}):
            known = any(digits == m.national_prefix or is_left_out(code, digits, m.mobile.example_number) for m in plan)
            if known and digits not in [trunk for trunk, _ in trunks]:
                trunks.append((digits, not any(begins(pattern, digits, lengths) for pattern in kinds)))
        for digits, always in trunks:
            # If a number may begin like the trunk prefix, the length must tell which it is.
            assert always or not {n + len(digits) + less for n in lengths for less in (0, -2)} & lengths, code
        yield code, sorted(lengths), any(begins(pattern, "0", lengths) for pattern in kinds), trunks


def is_left_out(code, digits, example):
    """Whether libphonenumber leaves these digits out before a mobile number."""
    if not example:
        return False
    number = phonenumbers.parse(f"+{code}{example}")
    try:
        return phonenumbers.parse(f"+{code}{digits}{example}") == number
    except phonenumbers.NumberParseException:
        return False


def owners(block):
    """The overseas country codes with numbers of nine digits that begin with these five."""
    kinds = ("fixed_line", "mobile")
    patterns = {
        code: [getattr(PhoneMetadata.metadata_for_region(r), kind).national_number_pattern for r in regions for kind in kinds]
        for code, regions in OVERSEAS.items()
    }
    return {code for code, of in patterns.items() if any(regex.fullmatch(pattern, f"{block}1234") for pattern in of)}


def overseas():
    """Ranges of the first five digits after the 0, and the country code of each."""
    blocks = {}
    for three in range(100, 800):
        found = {block: owners(block) for block in range(three * 100, three * 100 + 100)}
        codes = set().union(*found.values())
        first = str(three)[0]
        if first in BY_THREE and len(codes) == 1:
            blocks |= dict.fromkeys(found, codes.pop())
        elif first in BY_THREE + BY_FIVE:
            assert all(len(of) <= 1 for of in found.values()), three
            blocks |= {block: of.copy().pop() for block, of in found.items() if of}
    assert blocks.pop(FICTION) == 262
    # Consecutive blocks become one range.
    for _, run in groupby(enumerate(sorted(blocks)), key=lambda at: (at[1] - at[0], blocks[at[1]])):
        run = [block for _, block in run]
        yield run[0], run[-1], blocks[run[0]]


def pattern(of):
    """A regular expression for the numbers of all these plans without their last two digits."""

    def key(plan):
        _, lengths, zero, trunks = plan
        refused = "" if zero else "0"
        refused += "".join(digits for digits, always in trunks if always and len(digits) == 1 and digits not in refused)
        return lengths, refused

    forms = []
    for (lengths, refused), same in groupby(sorted(of, key=key), key=key):
        first = {"": "[0-9]", "0": "[1-9]", "01": "[2-9]", "08": "[1-79]"}[refused]
        runs = []
        for _, run in groupby(enumerate(lengths), key=lambda at: at[1] - at[0]):
            run = [length - 3 for _, length in run]
            runs.append(f"[0-9]{{{run[0]}}}" if len(run) == 1 else f"[0-9]{{{run[0]},{run[-1]}}}")
        rest = runs[0] if len(runs) == 1 else f"({'|'.join(runs)})"
        codes = "|".join(str(code) for code, *_ in same)
        forms.append(f"({codes}){first}{rest}" if "|" in codes else f"{codes}{first}{rest}")
    return rf"^\+({'|'.join(forms)})$"


def rust():
    of = list(plans())
    lines = [
        f"//! The numbering plans, generated by `generate.py` from the metadata of libphonenumber {VERSION}",
        f"//! (PyPI `phonenumbers=={VERSION}`). Do not edit: the script says how to write this file again.",
        "",
        "use super::country::{Plan, Trunk, plan};",
        "",
        "const NONE: &[Trunk] = &[];",
        'const ZERO: &[Trunk] = &[Trunk { digits: b"0", always: true }];',
        "",
        "/// Each country code with the lengths of its mobile numbers, whether its numbers may begin with 0, and its trunk prefixes.",
        "#[rustfmt::skip]",
        f"pub(super) static PLANS: [Plan; {len(of)}] = [",
    ]
    for code, lengths, zero, trunks in of:
        match trunks:
            case []:
                names = "NONE"
            case [("0", True)]:
                names = "ZERO"
            case _:
                each = [f'Trunk {{ digits: b"{digits}", always: {str(always).lower()} }}' for digits, always in trunks]
                names = f"&[{', '.join(each)}]"
        lines.append(f"    plan({code}, &{lengths}, {str(zero).lower()}, {names}),")
    ranges = list(overseas())
    lines += [
        "];",
        "",
        "/// The numbers of overseas France in the French plan: ranges of their first five digits behind the 0, and their country",
        "/// code. In ascending order.",
        "#[rustfmt::skip]",
        f"pub(super) static OVERSEAS: [(u32, u32, u16); {len(ranges)}] = [",
        *(f"    ({first}, {last}, {code})," for first, last, code in ranges),
        "];",
        "",
        "/// A truncated phone in E.164, as a regular expression.",
        f'pub(super) const PATTERN: &str = r"{pattern(of)}";',
        "",
    ]
    return "\n".join(lines)


def main():
    assert phonenumbers.__version__ == VERSION, f"needs phonenumbers {VERSION}"
    text = rust()
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if TARGET.read_text() == text else f"{TARGET.name} is not what generate.py writes")
    TARGET.write_text(text)


main()
