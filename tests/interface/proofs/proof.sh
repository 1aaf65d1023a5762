#!/usr/bin/env bash
# openssl, jq and xxd: bash proof.sh keys.json TOKEN
set -euo pipefail
refuse() { echo "refused: $1" >&2 && exit 1; }
bytes() {
    local text=${1//-/+}
    text=${text//_/\/}
    while ((${#text} % 4 > 0)); do text+="="; done
    printf '%s' "$text" | openssl base64 -d -A
}
hex() { bytes "$1" | xxd -p -c 0; }
member() { jq -er --arg name "$1" '.[$name]' <<<"$2"; }
IFS=. read -r header payload signature more <<<"$2"
[[ -n $signature && -z $more ]] || refuse "not a JWS"
head=$(bytes "$header")
kid=$(member kid "$head") || refuse "no kid"
key=$(jq -ec --arg kid "$kid" '.keys[] | select(.kid == $kid)' "$1") || refuse "unknown kid"
[[ $(member typ "$head") == cee-proof+jwt ]] || refuse "not a proof token"
alg=$(member alg "$key")
[[ $(member alg "$head") == "$alg" ]] || refuse "another algorithm than the key's"
folder=$(mktemp -d) && trap 'rm -r "$folder"' EXIT && cd "$folder"
case $alg in
ES256)
    printf '3059301306072a8648ce3d020106082a8648ce3d03010703420004%s%s' "$(hex "$(member x "$key")")" "$(hex "$(member y "$key")")" |
        xxd -r -p | openssl pkey -pubin -inform DER -out key.pem
    both=$(hex "$signature")
    ((${#both} == 128)) || refuse "the signature is wrong"
    printf 'asn1=SEQUENCE:both\n[both]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' "${both:0:64}" "${both:64}" >signature.conf
    openssl asn1parse -genconf signature.conf -noout -out signature
    hash=-sha256
    ;;
RS512)
    printf 'asn1=SEQUENCE:key\n[key]\nn=INTEGER:0x%s\ne=INTEGER:0x%s\n' "$(hex "$(member n "$key")")" "$(hex "$(member e "$key")")" >key.conf
    openssl asn1parse -genconf key.conf -noout -out key.der
    openssl rsa -RSAPublicKey_in -inform DER -in key.der -pubout -out key.pem 2>/dev/null
    bytes "$signature" >signature
    hash=-sha512
    ;;
*) refuse "$alg" ;;
esac
printf '%s.%s' "$header" "$payload" | openssl dgst "$hash" -verify key.pem -signature signature >/dev/null 2>&1 ||
    refuse "the signature is wrong"
bytes "$payload" && echo
