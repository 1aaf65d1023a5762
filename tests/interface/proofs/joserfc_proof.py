# pip install joserfc, then: python3 joserfc_proof.py keys.json TOKEN
import json
import sys

from joserfc import jwt
from joserfc.jwk import KeySet

keys = json.load(open(sys.argv[1]))["keys"]
token = jwt.decode(sys.argv[2], KeySet.import_key_set({"keys": keys}), algorithms=["ES256", "RS512"])
key = {key["kid"]: key for key in keys}.get(token.header.get("kid"))
if key is None or key["alg"] != token.header["alg"] or token.header.get("typ") != "cee-proof+jwt":
    sys.exit("refused: not a proof token of this registry")
print(json.dumps(token.claims))
