"""`POST /v3/policies/cee` for a long application: see the README of the twins."""

import base64
import hashlib
import hmac
import json
import os
import random
import re
import secrets
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import jwt
from botocore.config import Config
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from runtime import run

STANDARDIZED_YEARS, SPECIFIC_YEARS, DELAY = 12, 10, timedelta(days=7)
# Midnight in Paris.
SPECIFIC_FLOOR = datetime(2014, 12, 31, 23, tzinfo=UTC)
PERIOD_START = datetime(2022, 12, 31, 23, tzinfo=UTC)
MOST_APPLICATIONS = 20
LEEWAY = 30
DEADLINE = 8
PATTERNS = {
    "journey_type": re.compile(r"long"),
    "last_name_trunc": re.compile(r"[A-Z][A-Z ]{2}"),
    "phone_trunc": re.compile(r"\+[1-9][0-9]{5,12}"),
    "driving_license": re.compile(r"[A-Z0-9]{1,19}|99-.{1,61}"),
    "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)"),
}
CONTENTION = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(key):
    """RFC 7638."""
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    members = {name: public[name] for name in ("crv", "kty", "x", "y")}
    return b64(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


tables = {name: os.environ[f"{name}_TABLE"] for name in ("CLAIMS", "APPLICATIONS", "OPERATORS")}
pepper = os.environ["CLAIM_PEPPER"].encode()
proof_key = load_pem_private_key(os.environ["PROOF_KEY"].encode(), None)
proof_kid = thumbprint(proof_key)
token_keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(os.environ["APPLICATION_TOKEN_JWKS"]).keys}
# The function itself tries again, because it knows what a lost answer means.
db = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))
verified = {}
operators = {}


class Refusal(Exception):
    def __init__(self, status, kind, **members):
        super().__init__(kind)
        self.status, self.kind, self.members = status, kind, members


def authenticate(headers):
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refusal(401, "unauthenticated")
    digest = hashlib.sha256(token.encode()).digest()
    claims = verified.get(digest)
    if claims is None:
        claims = verify(token)
        if len(verified) >= 1000:
            verified.clear()
        verified[digest] = claims
    now = time.time()
    if claims["exp"] <= now or claims["iat"] > now + LEEWAY:
        raise Refusal(401, "unauthenticated")
    if "cee:register" not in claims["scope"].split(" "):
        raise Refusal(403, "missing-scope")
    operator = find_operator(claims["operator_id"])
    if operator is None or operator.get("suspended", {}).get("BOOL") or operator["siret"]["S"] != claims["siret"]:
        raise Refusal(403, "operator-not-admitted")
    return claims


def verify(token):
    try:
        key = token_keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token,
            key,
            algorithms=["ES256"],
            issuer=os.environ["APPLICATION_TOKEN_ISSUER"],
            audience=os.environ["APPLICATION_TOKEN_AUDIENCE"],
            options={"require": ["iss", "aud", "exp", "iat", "operator_id", "siret", "scope"], "verify_exp": False, "verify_iat": False},
        )
    except (KeyError, jwt.PyJWTError) as error:
        raise Refusal(401, "unauthenticated") from error


def find_operator(number):
    asked, operator = operators.get(number, (0, None))
    if operator is None or time.monotonic() - asked >= 60:
        asked = time.monotonic()
        found = db.get_item(TableName=tables["OPERATORS"], Key={"operator_id": {"N": str(number)}}, ConsistentRead=True)
        operator = found.get("Item")
        operators[number] = (asked, operator)
    return None if operator is None or operator.get("removed", {}).get("BOOL") else operator


def read(event):
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise Refusal(400, "malformed-body") from error
    if not isinstance(fields, dict):
        raise Refusal(400, "malformed-body")
    wrong = [name for name in fields if name not in PATTERNS]
    wrong += [
        name
        for name, pattern in PATTERNS.items()
        if not isinstance(fields.get(name), str) or not pattern.fullmatch(fields[name])
    ]
    at = None
    if "datetime" not in wrong:
        try:
            at = datetime.fromisoformat(fields["datetime"]).astimezone(UTC)
        except ValueError:
            wrong.append("datetime")
    if at is not None and at < PERIOD_START:
        wrong.append("datetime")
    if wrong:
        raise Refusal(400, "invalid-fields", errors=[{"pointer": f"/{name}", "message": "is not valid"} for name in wrong])
    return fields, at


def millis(at):
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def rfc3339(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def years_before(at, years):
    try:
        return at.replace(year=at.year - years)
    except ValueError:
        return at.replace(year=at.year - years, day=28)


def claim_key(kind, value):
    mac = hmac.new(pepper, digestmod="sha256")
    for part in (b"long", kind, value.encode()):
        mac.update(len(part).to_bytes(4, "big") + part)
    return b64(mac.digest())


def number(value):
    return {"N": str(value)}


def claim_update(key, on_truncated_identity, application, cutoffs):
    """The condition is the eligibility rule, as in shared/registry/src/protocol/register.rs."""
    latest = ("sd", "standardized"), ("sp", "specific")
    if on_truncated_identity:
        latest += ("sdk", "standardized"), ("spk", "specific")
    conditions = [f"(attribute_not_exists({name}) OR {name} < :{cutoff})" for name, cutoff in latest]
    expression = "SET #record = :record, v = :stamp, sd = :at"
    names = {"#record": f"a#{application['uuid']}"}
    values = {
        ":record": {"M": {"t": number(application["datetime"]), "o": number(application["operator"])}},
        ":stamp": {"B": secrets.token_bytes(8)},
        ":at": number(application["datetime"]),
        ":standardized": number(cutoffs[0]),
        ":specific": number(cutoffs[1]),
    }
    if on_truncated_identity:
        conditions.append("(attribute_not_exists(#number) OR #number < :most)")
        expression += " ADD #number :one"
        names["#number"] = f"n#{application['operator']}"
        values |= {":one": number(1), ":most": number(MOST_APPLICATIONS)}
    return {
        "Update": {
            "TableName": tables["CLAIMS"],
            "Key": {"pk": {"S": key}},
            "UpdateExpression": expression,
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def earlier(item):
    """The applications on a claim item: date, whether standardized, operator, UUID."""
    for name, value in item.items():
        kind, _, rest = name.partition("#")
        if kind == "a":
            yield int(value["M"]["t"]["N"]), True, int(value["M"]["o"]["N"]), rest
        elif kind in ("h", "c"):
            operator, _, at = rest.partition("#")
            yield int(at), False, int(operator), None


def refuse(reasons, application, cutoffs):
    """The refusal for the conditions that failed; `None` if this application was written before."""
    blocking = []
    for reason in reasons[:2]:
        if reason["Code"] == "ConditionalCheckFailed":
            if f"a#{application['uuid']}" in reason["Item"]:
                return None
            blocking += [one for one in earlier(reason["Item"]) if one[0] >= cutoffs[0 if one[1] else 1]]
    if not blocking:
        return Refusal(409, "driver-record-full")
    at, standardized, operator, name = max(blocking, key=lambda one: (one[0], one[1], one[2] == application["operator"]))
    members = {"datetime": rfc3339(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at))}
    members["reason"] = "duplicate" if standardized else "history"
    if standardized and operator == application["operator"]:
        found = db.get_item(TableName=tables["APPLICATIONS"], Key={"uuid": {"S": name}}, ConsistentRead=True)
        members |= {"uuid": name, "token": ".".join(b64(part["B"]) for part in found["Item"]["token"]["L"])}
    return Refusal(409, members["reason"], **members)


def register(event):
    caller = authenticate(event["headers"])
    fields, at = read(event)
    now = datetime.now(UTC)
    if now < at + DELAY:
        raise Refusal(400, "too-early", available_at=rfc3339(at + DELAY))
    application = {"uuid": str(uuid.uuid4()), "operator": caller["operator_id"], "datetime": millis(at)}
    cutoffs = millis(years_before(at, STANDARDIZED_YEARS)), millis(max(years_before(at, SPECIFIC_YEARS), SPECIFIC_FLOOR))
    proof = {
        "siret": caller["siret"],
        "journey_type": "long",
        "driving_license": fields["driving_license"],
        "datetime": rfc3339(at),
        "uuid": application["uuid"],
        "iat": int(now.timestamp()),
    }
    token = jwt.encode(proof, proof_key, "ES256", {"typ": "cee-proof+jwt", "kid": proof_kid})
    item = {name: {"S": fields[name]} for name in ("journey_type", "last_name_trunc", "phone_trunc", "driving_license")}
    item |= {
        "uuid": {"S": application["uuid"]},
        "operator_id": number(application["operator"]),
        "datetime": number(application["datetime"]),
        "application_timestamp": number(millis(now)),
        "registered_at": number(millis(now)),
        "token": {"L": [{"B": from_b64(part)} for part in token.split(".")]},
    }
    truncated_identity = claim_key(b"truncated_identity", fields["last_name_trunc"] + fields["phone_trunc"])
    licence = claim_key(b"driving_license", fields["driving_license"])
    items = [
        claim_update(truncated_identity, True, application, cutoffs),
        claim_update(licence, False, application, cutoffs),
        {
            "Put": {
                "TableName": tables["APPLICATIONS"],
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#uuid)",
                "ExpressionAttributeNames": {"#uuid": "uuid"},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
    ]
    until = time.monotonic() + DEADLINE
    while True:
        try:
            db.transact_write_items(TransactItems=items)
        except db.exceptions.TransactionCanceledException as error:
            reasons = error.response["CancellationReasons"]
            codes = {reason["Code"] for reason in reasons} - {"None"}
            if codes <= CONTENTION:
                if time.monotonic() > until:
                    raise Refusal(503, "busy") from error
                time.sleep(random.uniform(0.01, 0.1))
                continue
            refusal = refuse(reasons, application, cutoffs)
            if refusal is not None:
                raise refusal from error
        return {"uuid": application["uuid"], "journey_type": "long", "datetime": rfc3339(at), "token": token}


def handler(event, request_id):
    began = time.monotonic()
    try:
        status, kind, body = 201, "application/json", register(event)
    except Refusal as refusal:
        status, kind = refusal.status, "application/problem+json"
        body = {"type": f"#{refusal.kind}", "title": refusal.kind, "status": status} | refusal.members
    except Exception as error:
        status, kind, body = 500, "application/problem+json", {"type": "#internal", "title": "Internal error", "status": 500}
        print(json.dumps({"level": "ERROR", "request_id": request_id, "error": type(error).__name__}), file=sys.stderr)
    took = int(1000 * (time.monotonic() - began))
    line = {"level": "INFO", "message": "answered", "function": "register", "request_id": request_id, "status": status, "duration_ms": took}
    print(json.dumps(line, separators=(",", ":")), flush=True)
    return {"statusCode": status, "headers": {"content-type": kind}, "body": json.dumps(body, separators=(",", ":")), "isBase64Encoded": False}


if __name__ == "__main__":
    # The first request opens the connection, so that the first call is as fast as the others.
    find_operator(1)
    run(handler)
