"""What changed about our applications: API=… ACCESS_KEY=… SECRET_KEY=… python3 nightly.py applications.json"""
import json, os, pathlib, sys, urllib.error, urllib.request

api, file = os.environ["API"], pathlib.Path(sys.argv[1])
keys = {"access_key": os.environ["ACCESS_KEY"], "secret_key": os.environ["SECRET_KEY"]}
headers = {"content-type": "application/json"}

def call(path, body=None):
    request = urllib.request.Request(api + path, body and json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)

def get(path):
    try:
        return call(path)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise  # The next run continues from the file.
    headers["authorization"] = "Bearer " + call("/auth/access_token", keys)["access_token"]
    return call(path)

def listed():
    """The statuses of all our applications that are not deleted. A long one has no status."""
    statuses, cursor = {}, ""
    while cursor is not None:
        page = get("/policies/cee?limit=500" + cursor)
        statuses.update((one["uuid"], one.get("status", "granted")) for one in page["applications"])
        cursor = "&cursor=" + page["next_cursor"] if "next_cursor" in page else None
    return statuses

state = json.loads(file.read_text()) if file.exists() else {"since": "", "statuses": {}}
more = True
while more:
    try:
        page = get("/policies/cee/changes?limit=500" + state["since"])
    except urllib.error.HTTPError as error:
        if error.code != 410 or not state["since"]:
            raise
        # Not run for over a year, or the registry was restored: what the list does not show was deleted.
        statuses = dict.fromkeys(state["statuses"], "deleted") | listed()
        state = {"since": "", "statuses": statuses}
        continue
    for change in page["changes"]:
        state["statuses"][change["uuid"]] = change.get("status", change["change"])
    state["since"], more = "&since=" + page["next_cursor"], page["more"]
    new = file.with_name(file.name + ".new")  # The page and its cursor together, or neither.
    new.write_text(json.dumps(state))
    new.replace(file)
