#!/usr/bin/env bash
# Tests the smallest function as it is deployed: `sam build` builds it, and the Runtime Interface Emulator that comes with sam starts it
# as Lambda does, without Docker: bash tests/interface/sam_build.sh
# Needs sam (SAM names the program, in the environment of its package) and cargo-lambda with zig on the PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
sam=$(command -v "${SAM:-sam}")
export SAM_CLI_TELEMETRY=0
# Built for this machine's processor, so that it can run here.
case $(uname -m) in
x86_64) architecture=x86_64 config=x86_64 built=.aws-sam/x86_64 machine=62 ;;
*) architecture=arm64 config=default built=.aws-sam/build machine=183 ;;
esac
"$sam" build PublicFunction --config-env "$config"
binary=$built/PublicFunction/bootstrap

# The binary is for that processor, and needs no C library newer than that of Amazon Linux 2023, which is 2.34.
python3 - "$binary" "$machine" <<'PYTHON'
import re, struct, sys
content = open(sys.argv[1], "rb").read()
assert content[:4] == b"\x7fELF", "no ELF file"
assert struct.unpack_from("<H", content, 18)[0] == int(sys.argv[2]), "for another processor"
versions = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"\0GLIBC_(\d+\.\d+)(?:\.\d+)?(?=\0)", content)}
print(f"{len(content):,} bytes; glibc {'.'.join(map(str, max(versions)))} or later")
assert max(versions) <= (2, 34), sorted(versions)
PYTHON

work=$(mktemp -d)
trap 'kill "$emulator" 2>/dev/null; wait "$emulator" 2>/dev/null; rm -rf "$work"' EXIT
# The Python that sam is installed in knows the path of sam's package.
rie=$("$(dirname "$sam")/python" -c 'import pathlib, samcli; print(pathlib.Path(samcli.__file__).parent / "local/rapid")')/aws-lambda-rie-$architecture
read -r port runtime_port < <(python3 -c 'import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))')
keys='{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}'
APPLICATIONS_TABLE=a ARCHIVE_TABLE=b PROOF_JWKS=$keys "$rie" --log-level error --runtime-interface-emulator-address "127.0.0.1:$port" \
    --runtime-api-address "127.0.0.1:$runtime_port" "$binary" >"$work/log" 2>&1 &
emulator=$!
# shellcheck disable=SC2016 # `$default` is what API Gateway calls its stage
event='{"version":"2.0","routeKey":"GET /{version}/health","rawPath":"/v3/health","rawQueryString":"","headers":{"host":"h"},"isBase64Encoded":false,
"requestContext":{"accountId":"1","apiId":"a","domainName":"h","domainPrefix":"h","requestId":"r","routeKey":"GET /{version}/health",
"stage":"$default","time":"24/Nov/2026:10:00:00 +0000","timeEpoch":1795514400000,
"http":{"method":"GET","path":"/v3/health","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"u"}}}'
until answer=$(curl -s --max-time 60 "http://127.0.0.1:$port/2015-03-31/functions/function/invocations" -d "$event"); do
    kill -0 "$emulator" || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
echo "$answer"
[[ $answer == *'"statusCode":200'* && $answer == *'\"status\":\"ok\"'* ]] || { cat "$work/log" >&2; exit 1; }
