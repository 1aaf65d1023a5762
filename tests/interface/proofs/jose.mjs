// npm install jose, then: node jose.mjs keys.json TOKEN
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";

const keys = createLocalJWKSet(JSON.parse(readFileSync(process.argv[2], "utf8")));
// Finds the key whose kid, kty and alg fit the token's header, and throws if there is none.
const expected = { algorithms: ["ES256", "RS512"], typ: "cee-proof+jwt" };
const { payload, protectedHeader } = await jwtVerify(process.argv[3], keys, expected);
if (!protectedHeader.kid) throw new Error("refused: no kid");
console.log(JSON.stringify(payload));
