#!/usr/bin/env bash
# Generates clients from the OpenAPI document with OpenAPI Generator, compiles them and a program that uses them under strict settings,
# and runs it on a local stack: a token, simulate, register, a typed 409, the errors of a 400, an import of two rows.
#   bash tests/interface/generators.sh [csharp] [go] [java] [kotlin] [php] [python] [rust] [typescript]
# OPENAPI_GENERATOR names openapi-generator-cli (pip), with a python3 beside it that has mypy and what the Python client needs.
# KOTLIN_JARS names the folder of the archives of Kotlin's compiler, as the Python package kotlin-jupyter-kernel has them (run_kotlin_kernel/jars).
# If a language is missing, it is skipped, and a line that begins with !!! SKIPPED names it. CARGO_TARGET_DIR keeps the crates of Rust.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(csharp go java kotlin php python rust typescript)
generator=$(realpath -s "$(command -v "${OPENAPI_GENERATOR:-openapi-generator-cli}")")
python=$(dirname "$generator")/python
set --
source tests/interface/stack.sh
export API=$api KEYS
KEYS=$("$python" -c 'import json, sys
operators = json.load(open(sys.argv[1]))["operators"]
print(json.dumps([{"access_key": one["access_key"], "secret_key": one["secret_key"]} for one in operators]))' "$data/local.json")
cp -r tests/interface/generators "$work/generators"
original=$PWD/docs/openapi.json
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

# edited PROGRAM: the document that this program of jq makes.
edited() {
    jq "$1" "$document" >document.json
    document=document.json
}

csharp_client() {
    have csharp jq mcs mono npm || return 0
    npm ci --silent --ignore-scripts
    cp "node_modules/jillejr.newtonsoft.json-for-unity/Plugins/Newtonsoft.Json Editor/Newtonsoft.Json.dll" .
    # With a discriminator, the generated types need JsonSubTypes, which is in no registry that CI reaches.
    edited 'del(.. | objects | .discriminator)'
    generate csharp --library httpclient \
        --additional-properties=packageName=Cee,targetFramework=net48,nullableReferenceTypes=false,supportsRetry=false
    local -a sources assemblies=(-r:Newtonsoft.Json.dll -r:System.ComponentModel.DataAnnotations -r:System.Net.Http)
    mapfile -t sources < <(find generated/src/Cee -name '*.cs')
    mcs -langversion:latest -target:library -out:Cee.dll "${assemblies[@]}" -r:System.Runtime.Serialization -r:System.Web "${sources[@]}" \
        >mcs.log 2>&1 || { cat mcs.log; exit 1; }
    mcs -langversion:latest -warnaserror -out:client.exe "${assemblies[@]}" -r:Cee.dll Client.cs
    mono client.exe
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
kotlin_client() {
    have kotlin java jq || return 0
    local gson=/usr/share/java/gson.jar library compiler
    [[ -n ${KOTLIN_JARS:-} ]] || { skipped kotlin "KOTLIN_JARS names no compiler"; return 0; }
    # Debian's package libgoogle-gson-java.
    [[ -e $gson ]] || { skipped kotlin "no $gson"; return 0; }
    # Otherwise the models compare a number with a text.
    edited 'del(.components.schemas[].properties?.status?.const)'
    generate kotlin --library jvm-retrofit2 --additional-properties=packageName=cee,serializationLibrary=gson,generateOneOfAnyOfWrappers=true
    library=$gson$(printf ':%s' "$KOTLIN_JARS"/kotlin-stdlib-*.jar "$KOTLIN_JARS"/kotlin-reflect-*.jar)
    compiler=$(printf '%s\n' "$KOTLIN_JARS"/kotlin-jupyter-kernel-*-all.jar)
    local sources=(generated/src/main/kotlin/cee/models generated/src/main/kotlin/cee/infrastructure/{Serializer.kt,*Adapter.kt} Client.kt)
    java -cp "$compiler" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -no-stdlib -no-reflect -cp "$library" -d classes "${sources[@]}" \
        >kotlinc.log 2>&1 || { cat kotlinc.log; exit 1; }
    java -cp "classes:$library" ClientKt
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
    edited 'del(.. | objects | .discriminator)'
    generate rust --additional-properties=packageName=cee_client
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
    document=$original
    "${language}_client"
    printf '%s: %d s\n' "$language" $((SECONDS - began))
done
