"""Calls the registry with the client that OpenAPI Generator's `python` made from the document."""

import json
import os
from datetime import datetime, timezone

from cee_client import AccessApi, ApiClient, ApplicationsApi, Configuration, HistoryApi
from cee_client.exceptions import BadRequestException, ConflictException
from cee_client.models import (
    Credentials,
    DuplicateProblem,
    HistoryRow,
    InvalidFieldsProblem,
    JourneyType,
    LongRegistration,
    Registration,
    Simulation,
)

NAME = "PYT"
PHONE = "+336399801"


def client(keys: dict[str, str]) -> ApiClient:
    host = os.environ["API"]
    access = AccessApi(ApiClient(Configuration(host=host)))
    credentials = Credentials(access_key=keys["access_key"], secret_key=keys["secret_key"])
    token = access.get_access_token(credentials).access_token
    return ApiClient(Configuration(host=host, access_token=token))


def registration(signed: datetime | None = None) -> Registration:
    return Registration(LongRegistration(journey_type="long", last_name_trunc=NAME, phone_trunc=PHONE, driving_license=f"99-DE{NAME}01",
                                         date_time=datetime(2024, 3, 15, 7, 30, tzinfo=timezone.utc), application_timestamp=signed))


ours, theirs = [client(keys) for keys in json.loads(os.environ["KEYS"])[:2]]
applications, history = ApplicationsApi(ours), HistoryApi(ours)

assert applications.simulate(Simulation(journey_type=JourneyType.LONG, last_name_trunc=NAME, phone_trunc=PHONE)).eligible
granted = applications.register(registration())
assert granted.date_time == datetime(2024, 3, 15, 7, 30, tzinfo=timezone.utc), granted

try:
    raise AssertionError(ApplicationsApi(theirs).register(registration()))
except ConflictException as refusal:
    blocked = refusal.data and refusal.data.actual_instance
    assert isinstance(blocked, DuplicateProblem), blocked
    assert (blocked.date_time, blocked.uuid, blocked.token) == (granted.date_time, None, None), blocked
try:
    raise AssertionError(applications.register(registration()))
except ConflictException as refusal:
    own = refusal.data and refusal.data.actual_instance
    assert isinstance(own, DuplicateProblem), own
    assert (own.uuid, own.token) == (granted.uuid, granted.token), own
try:
    raise AssertionError(applications.register(registration(signed=datetime(2124, 1, 1, tzinfo=timezone.utc))))
except BadRequestException as refusal:
    problem = refusal.data and refusal.data.actual_instance
    assert isinstance(problem, InvalidFieldsProblem), problem
    assert [fault.pointer for fault in problem.errors] == ["/application_timestamp"], problem

rows = [HistoryRow(journey_type=JourneyType.SHORT, last_name_trunc=NAME, phone_trunc=PHONE, date_time=datetime(2021, month, 1, tzinfo=timezone.utc))
        for month in (1, 2)]
batch = history.import_history(rows)
assert (batch.imported, batch.failed, batch.failed_details) == (2, 0, []), batch
print("python: done")
