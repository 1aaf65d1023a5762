#!/usr/bin/env bash
# Tools: frformat 0.5.0 (PyPI), the validators that csv-detective and Validata share, beside @etalab/decoupage-administratif
# 6.0.0 (npm), the state's list of communes. Observed 2026-11-27.
#
# Expected: CodeCommuneInsee accepts the commune codes of the overseas collectivities as it accepts those of the overseas
#   departments: 97502 (Saint-Pierre), 97701 (Saint-Barthélemy), 98735 (Papeete), 98818 (Nouméa). CodeDepartement of the same
#   package accepts 975, 987 and 988, CodePostal accepts 98800, and the npm package lists all four as current communes.
# Observed: it refuses all four, in the newest vintage.
# What it means: real journeys that start or end there fail a check of start_insee or end_insee with these tools. Such a report
#   is not a reason to reject the row.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet frformat==0.5.0
npm install --silent --no-audit --no-fund --prefix . @etalab/decoupage-administratif@6.0.0

observed="$(venv/bin/python - <<'PY'
from frformat import CodeCommuneInsee, CodeDepartement, CodePostal, Millesime

def accepted(check, codes):
    return " ".join(code for code in codes if check.is_valid(code)) or "none"

communes = CodeCommuneInsee(Millesime.LATEST)
print(
    "departments' communes:", accepted(communes, ["75056", "2A004", "97105", "97411"]),
    "- collectivities' communes:", accepted(communes, ["97502", "97701", "98735", "98818"]),
    "- collectivities:", accepted(CodeDepartement(Millesime.LATEST), ["975", "987", "988"]),
    "- post code:", accepted(CodePostal(), ["98800"]),
)
PY
) - listed on npm: $(node -p '
require("@etalab/decoupage-administratif/data/communes.json")
  .filter((commune) => commune.type === "commune-actuelle")
  .map((commune) => commune.code)
  .filter((code) => ["97502", "97701", "98735", "98818"].includes(code))
  .sort()
  .join(" ")
')"
recorded="departments' communes: 75056 2A004 97105 97411 - collectivities' communes: none - collectivities: 975 987 988 - post code: 98800 - listed on npm: 97502 97701 98735 98818"
echo "expected: collectivities' communes: 97502 97701 98735 98818"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
