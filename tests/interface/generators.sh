#!/usr/bin/env bash
# Generates clients from the OpenAPI document with OpenAPI Generator, compiles them and a program that uses them under strict settings,
# and runs it on a local stack: a token, simulate, register, a typed 409, the errors of a 400, an import of two rows.
#   bash tests/interface/generators.sh [go] [java] [php] [python] [rust] [typescript]
# OPENAPI_GENERATOR names openapi-generator-cli (pip), with a python3 beside it that has mypy and what the Python client needs.
# If a language is missing, it is skipped, and a line that begins with !!! SKIPPED names it. CARGO_TARGET_DIR keeps the crates of Rust.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(go java php python rust typescript)
generator=$(realpath -s "$(command -v "${OPENAPI_GENERATOR:-openapi-generator-cli}")")
python=$(dirname "$generator")/python
set --
source tests/interface/stack.sh
export API=$api KEYS
KEYS=$("$python" -c 'import json, sys
operators = json.load(open(sys.argv[1]))["operators"]
print(json.dumps([{"access_key": one["access_key"], "secret_key": one["secret_key"]} for one in operators]))' "$data/local.json")
cp -r tests/interface/generators "$work/generators"
document=$PWD/docs/openapi.json
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$work/target}
export GOTOOLCHAIN=local GOFLAGS=-mod=mod GOCACHE=${GOCACHE:-$work/go}

# skipped LANGUAGE WHY
skipped() {
    printf '!!! SKIPPED: the client in %s (%s)\n' "$1" "$2"
}
# have LANGUAGE COMMAND…: whether all commands are there. If not, the language is skipped.
have() {
    local command
    for command in "${@:2}"; do
        command -v "$command" >/dev/null || { skipped "$1" "no $command"; return 1; }
    done
}
# generate NAME OPTION…: into the folder `generated`.
generate() {
    "$generator" generate -i "$document" -g "$1" -o generated "${@:2}" >generator.log 2>&1 || { cat generator.log; exit 1; }
}

go_client() {
    have go go || return 0
    generate go --additional-properties=packageName=cee,withGoMod=false,useOneOfDiscriminatorLookup=true,disallowAdditionalPropertiesIfNotPresent=false
    rm -r generated/test
    # Debian's package golang-gopkg-validator.v2-dev, for a machine that does not reach Go's proxy.
    local debian=/usr/share/gocode/src/gopkg.in/validator.v2
    if [[ -d $debian ]]; then
        cp -r "$debian" validator
        printf 'module gopkg.in/validator.v2\n' >validator/go.mod
        printf 'replace gopkg.in/validator.v2 => ./validator\n' >>go.mod
    elif ! go mod download gopkg.in/validator.v2 2>download.log; then
        skipped go "gopkg.in/validator.v2 cannot be fetched, and golang-gopkg-validator.v2-dev is not installed"
        return 0
    fi
    go vet . ./generated
    go run .
}
java_client() {
    have java java javac || return 0
    generate java --library native --template-dir templates \
        --additional-properties=invokerPackage=cee,apiPackage=cee.api,modelPackage=cee.model,openApiNullable=false,hideGenerationTimestamp=true
    # The generator's own archive contains the Jackson that the client needs.
    local jar
    jar=$("$python" -c 'import pathlib, openapi_generator_cli as one; print(pathlib.Path(one.__file__).parent / "openapi-generator.jar")')
    mapfile -t sources < <(find generated/src/main -name '*.java')
    # The generated serializers have no serialVersionUID, and ApiClient uses a method that Jackson 2.21 deprecates.
    javac -Xlint:all,-serial,-deprecation -Werror -XDsuppressNotes -proc:none -cp "$jar" -d classes "${sources[@]}"
    javac -Xlint:all -Werror -proc:none -cp "classes:$jar" -d classes Client.java
    java -cp "classes:$jar" Client
}
php_client() {
    have php php || return 0
    php -r 'exit((@include "GuzzleHttp/autoload.php") ? 0 : 1);' || { skipped php "no GuzzleHttp in PHP's include path"; return 0; }
    generate php --additional-properties=invokerPackage=Cee
    find generated/lib client.php -name '*.php' -exec php -l {} + >lint.log 2>&1 || { cat lint.log; exit 1; }
    php client.php
}
python_client() {
    generate python --additional-properties=packageName=cee_client --name-mappings datetime=date_time
    MYPYPATH=generated "$python" -m mypy --strict --implicit-reexport --follow-imports=silent client.py
    PYTHONPATH=generated "$python" client.py
}
rust_client() {
    have rust cargo jq || return 0
    # With a discriminator, the generated types write it twice and do not find it when they read.
    jq 'del(.. | objects | .discriminator)' "$document" >document.json
    document=document.json generate rust --additional-properties=packageName=cee_client
    # The variants are named after the constants of `type`, in capitals.
    RUSTFLAGS="-D warnings -A non_camel_case_types" cargo run --quiet --locked
}
typescript_client() {
    have typescript node npm || return 0
    npm ci --silent --ignore-scripts
    generate typescript-fetch --additional-properties=importFileExtension=.js
    npx --no-install tsc
    node built/client.js
}

for language in "${wanted[@]}"; do
    cd "$work/generators/$language" || { echo "no such language: $language" >&2; exit 1; }
    began=$SECONDS
    "${language}_client"
    printf '%s: %d s\n' "$language" $((SECONDS - began))
done
