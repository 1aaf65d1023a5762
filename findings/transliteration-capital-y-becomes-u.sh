#!/usr/bin/env bash
# Tools: transliteration 2.6.1 (npm) beside any-ascii 0.3.3 and remove-accents 0.5.0 (npm). Observed 2026-11-29.
#
# Expected: Ý becomes Y, as ý becomes y: Unicode takes both apart into the letter and an accent. The two other packages write Y.
# Observed: the capital becomes U and the small letter y. So Novotný is "Novotny" and NOVOTNÝ is "NOVOTNU".
# What it means: names on licences are in capitals. A driver called Ý Lan gets the first letters "U L" from the licence and "Y L" from
#   anywhere else, and is two drivers. Convert to small letters first, or use another package.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . transliteration@2.6.1 any-ascii@0.3.3 remove-accents@0.5.0

cat > names.mjs <<'JS'
import { transliterate } from "transliteration";
import anyAscii from "any-ascii";
import removeAccents from "remove-accents";
const names = ["Novotný", "NOVOTNÝ", "Ý Lan"];
for (const [tool, write] of Object.entries({ transliteration: transliterate, "any-ascii": anyAscii, "remove-accents": removeAccents })) {
  console.log(`${tool}: ${names.map((name) => write(name)).join(", ")}`);
}
JS
observed=$(node names.mjs | paste -sd '|' | sed 's/|/ - /g')
recorded='transliteration: Novotny, NOVOTNU, U Lan - any-ascii: Novotny, NOVOTNY, Y Lan - remove-accents: Novotny, NOVOTNY, Y Lan'
echo "expected: Novotny, NOVOTNY, Y Lan from all three"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
