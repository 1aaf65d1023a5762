#!/usr/bin/env bash
# Runs every recipe of docs/proofs.md on proofs that the service signed, under two P-256 keys and an RSA key, and on forged ones:
# bash tests/interface/proofs.sh
# If a language is missing, its recipe is skipped, and a line that begins with SKIPPED names it. PROOFS_PYTHON has PyJWT and joserfc;
# without it the script installs them, and jose, into a temporary folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
set --
source tests/interface/stack.sh
proofs=$work/proofs
mkdir "$proofs"

# register LICENCE: a proof under the current signing key, and that key.
register() {
    local body
    body=$(printf '{"journey_type": "long", "last_name_trunc": "%s", "phone_trunc": "+336399801", "driving_license": "%s", "datetime": "2024-03-15T07:30:00Z"}' "$1" "$2")
    curl -sSf "$api/policies/cee" -H "authorization: Bearer $("$cee" token --operator 1 --data-dir "$data")" \
        -H 'content-type: application/json' -d "$body" >"$proofs/$2.json"
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["proof_key"], end="")' "$data/secrets.json" >"$proofs/$2.pem"
}
# next_key KIND: makes another key sign from now on.
next_key() {
    stop_stack
    "$cee" secret announce --signer proof --key "$1" --data-dir "$data" >/dev/null
    "$cee" secret sign --signer proof --token-format jws --data-dir "$data" >/dev/null
    start_stack
}
register ONE 99-DE0001
next_key p256
register TWO 99-DE0002
next_key rsa
register SIX 99-DE0003
curl -sSf "$api/.well-known/jwks.json" >"$proofs/keys.json"
python3 tests/interface/proofs.py "$proofs"
