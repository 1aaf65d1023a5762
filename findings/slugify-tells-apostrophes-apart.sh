#!/usr/bin/env bash
# Tool: python-slugify 9.2.0 (PyPI). Observed 2026-11-29.
#
# Expected: the last names L'Hôpital and L’Hôpital, with the typewriter's apostrophe and with the typographic one, become the same words:
#   "l hopital". Accents, ligatures and capitals are levelled, and the typewriter's apostrophe separates words.
# Observed: the typographic apostrophe is deleted, and the words on both sides become one: "lhopital", and "nguyen" for N’Guyen, which
#   is another name.
# What it means: the same driver has the first letters "L H" when typed on a keyboard and "LHO" when copied from a text processor, so two
#   operators compute two different last_name_trunc and identity keys. Replace U+2019 (and U+02BC) with "'" first, or use the registry's own
#   normalisation (docs/normalisation.md).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet python-slugify==9.2.0 text-unidecode==1.3

observed=$(venv/bin/python - <<'PY'
from slugify import slugify

names = ["L'Hôpital", "L\u2019Hôpital", "N'Guyen", "N\u2019Guyen", "Le-Bœuf"]
print("; ".join(f"{name} -> {slugify(name, separator=' ')}" for name in names))
PY
)
recorded="L'Hôpital -> l hopital; L’Hôpital -> lhopital; N'Guyen -> n guyen; N’Guyen -> nguyen; Le-Bœuf -> le boeuf"
echo "expected: L'Hôpital and L’Hôpital -> l hopital; N'Guyen and N’Guyen -> n guyen; Le-Bœuf -> le boeuf"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
