#!/usr/bin/env bash
# Tool: PyJWT 2.15.1. Observed 2026-11-27.
#
# Expected: a published RSA key without "alg" (RFC 7517 makes it optional) verifies an RS512 token, since the caller allows
#   RS512 by name: decode(token, key, algorithms=["RS512"]). The same key in PEM form does.
# Observed: PyJWT takes "no alg" to mean RS256 when it reads the JWK, and then refuses the token because its algorithm is not
#   the key's. Its documentation says only that the key's "alg" is used.
# What it means: a registry that signs with RS512 has to publish "alg": "RS512" with the key. A verifier that meets a key
#   without it passes the algorithm itself: PyJWK(key, algorithm="RS512").
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet 'pyjwt[crypto]==2.15.1' cryptography==50.0.2

observed=$(venv/bin/python - <<'PY'
import json
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
token = jwt.encode({"journey_type": "short"}, private, "RS512")
full = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
published = {member: full[member] for member in ("kty", "n", "e")}

def verify(key):
    try:
        jwt.decode(token, key, algorithms=["RS512"])
        return "verifies"
    except jwt.InvalidTokenError as error:
        return type(error).__name__

print(
    "PEM:", verify(private.public_key()),
    "- JWK without alg:", verify(jwt.PyJWK(published)),
    "- JWK with alg:", verify(jwt.PyJWK({**published, "alg": "RS512"})),
    "- JWK without alg, algorithm given:", verify(jwt.PyJWK(published, algorithm="RS512")),
)
PY
)
recorded='PEM: verifies - JWK without alg: InvalidAlgorithmError - JWK with alg: verifies - JWK without alg, algorithm given: verifies'
echo "expected: verifies, four times"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
