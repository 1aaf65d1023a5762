# pip install 'pyjwt[crypto]', then: python3 pyjwt.py keys.json TOKEN
import json
import sys

import jwt

keys = jwt.PyJWKSet.from_dict(json.load(open(sys.argv[1])))
token = sys.argv[2]
header = jwt.get_unverified_header(token)
if header.get("typ") != "cee-proof+jwt":
    sys.exit("refused: not a proof token")
# An unknown kid is a KeyError. The key's own "alg" must be the token's.
proof = jwt.decode(token, keys[header["kid"]], algorithms=["ES256", "RS512"])
print(json.dumps(proof))
