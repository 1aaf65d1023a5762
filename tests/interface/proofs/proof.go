// Only Go's standard library: go run proof.go keys.json TOKEN
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
)

type key struct{ Kty, Kid, Alg, X, Y, N, E string }

func main() {
	file, err := os.ReadFile(os.Args[1])
	check(err == nil, "no key set")
	var set struct{ Keys []key }
	check(json.Unmarshal(file, &set) == nil, "no key set")
	parts := strings.Split(os.Args[2], ".")
	check(len(parts) == 3, "not a JWS")
	var header struct{ Typ, Kid, Alg string }
	check(json.Unmarshal(bytes(parts[0]), &header) == nil, "no header")
	check(header.Typ == "cee-proof+jwt", "not a proof token")
	for _, key := range set.Keys {
		if key.Kid == header.Kid && key.Kid != "" {
			check(key.Alg == header.Alg, "another algorithm than the key's")
			check(key.verifies(parts[0]+"."+parts[1], bytes(parts[2])), "the signature is wrong")
			fmt.Println(string(bytes(parts[1])))
			return
		}
	}
	check(false, "unknown kid")
}

func (k key) verifies(text string, signature []byte) bool {
	switch {
	case k.Alg == "ES256" && k.Kty == "EC" && len(signature) == 64:
		public := ecdsa.PublicKey{Curve: elliptic.P256(), X: number(bytes(k.X)), Y: number(bytes(k.Y))}
		hash := sha256.Sum256([]byte(text))
		return ecdsa.Verify(&public, hash[:], number(signature[:32]), number(signature[32:]))
	case k.Alg == "RS512" && k.Kty == "RSA":
		public := rsa.PublicKey{N: number(bytes(k.N)), E: int(number(bytes(k.E)).Int64())}
		hash := sha512.Sum512([]byte(text))
		return rsa.VerifyPKCS1v15(&public, crypto.SHA512, hash[:], signature) == nil
	}
	return false
}

func number(bytes []byte) *big.Int { return new(big.Int).SetBytes(bytes) }

func bytes(text string) []byte {
	bytes, err := base64.RawURLEncoding.DecodeString(text)
	check(err == nil, "not base64url")
	return bytes
}

func check(holds bool, otherwise string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "refused:", otherwise)
		os.Exit(1)
	}
}
