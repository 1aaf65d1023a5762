"""The tour (docs/tour.md) with a client that openapi-python-client generated from the OpenAPI document."""

import json
import os
import time

import httpx
from cee_client import AuthenticatedClient, Client
from cee_client.api.access import get_access_token
from cee_client.api.applications import delete_application, get_application, list_changes, register, simulate
from cee_client.api.history import get_import, list_imports, place_import
from cee_client.api.public import get_proof
from cee_client.models import (
    AccessToken,
    Application,
    ChangeKind,
    Changes,
    Credentials,
    DuplicateProblem,
    Eligible,
    HistoryImport,
    HistoryImportKind,
    Imports,
    HistoryImportState,
    InvalidFieldsProblem,
    JourneyType,
    Place,
    Proof,
    ProofState,
    ShortRegistration,
    Simulation,
    UnknownApplicationProblem,
    Upload,
)

api = os.environ["API"]


def client(keys):
    token = get_access_token.sync(client=Client(base_url=api), body=Credentials.from_dict(keys))
    assert isinstance(token, AccessToken), token
    return AuthenticatedClient(base_url=api, token=token.access_token)


ours, theirs = [client(keys) for keys in json.loads(os.environ["KEYS"])[:2]]


def registration(journey, name="TO "):
    return ShortRegistration(journey_type="short", last_name_trunc=name, driving_license="99-DE/B072RRE2I55",
                             operator_journey_id=journey)


question = Simulation(journey_type=JourneyType.SHORT, last_name_trunc="TO ", phone_trunc="06 39 98 02")
assert isinstance(simulate.sync(client=ours, body=question), Eligible)

granted = register.sync(client=ours, body=registration("ar:2024-03-15_0002"))
assert isinstance(granted, Application), granted
again = register.sync_detailed(client=ours, body=registration("ar:2024-03-15_0002"))
assert again.status_code == 409 and isinstance(again.parsed, DuplicateProblem), again
assert (again.parsed.uuid, again.parsed.token) == (granted.uuid, granted.token)

assert get_application.sync(granted.uuid, client=ours) == granted
assert isinstance(get_application.sync(granted.uuid, client=theirs), UnknownApplicationProblem)

late = register.sync(client=theirs, body=registration("bv_0002"))
assert isinstance(late, DuplicateProblem) and late.datetime_ == granted.datetime_, late
wrong = register.sync(client=ours, body=registration("ar:2024-03-15_0002", "Mar"))
assert isinstance(wrong, InvalidFieldsProblem) and wrong.errors[0].pointer == "/last_name_trunc", wrong

place = place_import.sync(client=ours, body=Upload(file_name="placed.csv"))
assert isinstance(place, Place), place
csv = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,PIE,+336399838,2021-02-15\n"
httpx.request(place.method, place.upload_url, content=csv).raise_for_status()
for _ in range(600):
    status = get_import.sync(place.import_id, client=ours)
    assert isinstance(status, HistoryImport), status
    if status.state == HistoryImportState.COMPLETED:
        break
    time.sleep(0.1)
assert (status.state, status.imported) == (HistoryImportState.COMPLETED, 1), status

listed = list_imports.sync(client=ours, limit=1)
assert isinstance(listed, Imports) and len(listed.imports) == 1, listed
assert (listed.imports[0].import_id, listed.imports[0].kind) == (place.import_id, HistoryImportKind.FILE), listed

proof = get_proof.sync(granted.uuid, client=ours)
assert isinstance(proof, Proof) and proof.state == ProofState.GRANTED, proof
assert delete_application.sync_detailed(granted.uuid, client=ours).status_code == 204
changed = list_changes.sync(client=ours)
assert isinstance(changed, Changes), changed
assert (changed.changes[-1].uuid, changed.changes[-1].change) == (granted.uuid, ChangeKind.DELETED), changed
assert list_changes.sync(client=ours, since=changed.next_cursor).changes == []
assert isinstance(simulate.sync(client=theirs, body=question), Eligible)
print("Python: the tour is done")
