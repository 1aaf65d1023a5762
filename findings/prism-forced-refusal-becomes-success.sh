#!/usr/bin/env bash
# Tool: Prism 5.14.2 (@stoplight/prism-cli, npm), mock server. Observed 2026-11-27.
#
# Expected: "Prefer: code=409" returns the document's 409, as Prism's guide says. If the refusal's media type does not fit the
#   Accept header, one expects a 406, which is what Prism answers to an Accept header that fits nothing.
# Observed: the refusal is application/problem+json alone, and the request says "Accept: application/json", as clients made by
#   openapi-generator do. Prism gives up the 409 and answers 201 with the example of a success.
# What it means: a client's test of "the driver already has a certificate" passes through Prism as a granted one. Let such tests
#   send "Accept: application/json, application/problem+json" and check the status.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . @stoplight/prism-cli@5.14.2 2>/dev/null

cat > openapi.json <<'JSON'
{
  "openapi": "3.1.0",
  "info": {"title": "Registry", "version": "1"},
  "paths": {"/policies/cee": {"post": {"responses": {
    "201": {"description": "granted", "content": {"application/json": {
      "schema": {"type": "object"}, "example": {"journey_type": "short"}}}},
    "409": {"description": "refused", "content": {"application/problem+json": {
      "schema": {"type": "object"}, "example": {"status": 409, "reason": "duplicate"}}}}
  }}}}
}
JSON
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
node node_modules/@stoplight/prism-cli/dist/index.js mock openapi.json --host 127.0.0.1 --port "$port" > prism.log 2>&1 &
server=$!
# shellcheck disable=SC2016 # the quotes hold JavaScript
observed=$(node -e '
const url = `http://127.0.0.1:${process.argv[1]}/policies/cee`;
const ask = async (accept) => {
  const answer = await fetch(url, { method: "POST", headers: { prefer: "code=409", accept } });
  return `Accept ${accept}: ${answer.status}`;
};
(async () => {
  for (let tries = 0; ; tries++) {
    try { await fetch(url); break; } catch (error) { if (tries > 300) throw error; }
    await new Promise((wake) => setTimeout(wake, 100));
  }
  const answers = [];
  for (const accept of ["*/*", "application/json, application/problem+json", "application/json"]) answers.push(await ask(accept));
  console.log(answers.join("; "));
})();' "$port")
recorded='Accept */*: 409; Accept application/json, application/problem+json: 409; Accept application/json: 201'
echo "expected: 409 for the first two, 409 or 406 for the third"
echo "observed: $observed"
[ "$observed" = "$recorded" ] || { echo "changed since this was recorded: $recorded" >&2; exit 1; }
