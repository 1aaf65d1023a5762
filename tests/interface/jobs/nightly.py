"""What changed about our applications: API=… ACCESS_KEY=… SECRET_KEY=… python3 nightly.py applications.json"""
import json, os, pathlib, sys, urllib.error, urllib.request

api, file = os.environ["API"], pathlib.Path(sys.argv[1])

def call(path, token=None, body=None):
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(api + path, body and json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)

keys = {"access_key": os.environ["ACCESS_KEY"], "secret_key": os.environ["SECRET_KEY"]}
token = call("/auth/access_token", body=keys)["access_token"]
state = json.loads(file.read_text()) if file.exists() else {"since": "", "statuses": {}}
more = True
while more:
    try:
        page = call("/policies/cee/changes?limit=500" + state["since"], token)
    except urllib.error.HTTPError as error:
        if error.code != 410 or not state["since"]:
            raise  # The next run goes on from the file.
        state["since"] = ""  # Not run for over a year: compare with GET /policies/cee, too.
        continue
    for change in page["changes"]:
        state["statuses"][change["uuid"]] = change.get("status", change["change"])
    state["since"], more = "&since=" + page["next_cursor"], page["more"]
    new = file.with_name(file.name + ".new")  # The page and its cursor together, or neither.
    new.write_text(json.dumps(state))
    new.replace(file)
