"""Tests the reference page in a headless Chromium: it holds every call, object and refusal, its search finds fields and refusals, its
commands work as they stand, nothing is cut off on a wide or a narrow screen, it needs no script and no mouse, axe finds nothing, the console
has no errors, and the page sends no request to another host.

    API=http://127.0.0.1:3000/v3 TOKEN=… python3 tests/interface/page.py axe.min.js [folder for screenshots]

Uses the DevTools protocol over a pipe, so that only the browser must be installed.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

WAIT = 60

# A small laptop, and a phone.
WIDTHS = (1280, 390)


class Browser:
    """A Chromium and one page in it."""

    def __init__(self, program, folder):
        to_browser, self.write = os.pipe()
        self.read, from_browser = os.pipe()

        def numbered():
            # Duplicates above 10 first: one of the two might already be number 3 or 4.
            one, two = os.dup2(to_browser, 10), os.dup2(from_browser, 11)
            os.dup2(one, 3)
            os.dup2(two, 4)

        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
                     "--remote-debugging-pipe", "--window-size=1440,1000", f"--user-data-dir={folder}"]
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program, *arguments], preexec_fn=numbered, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=self.said)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.sent, self.answers, self.events = b"", 0, {}, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.watch(self.session)

    def watch(self, session):
        # Workers (the search is one) are watched too.
        self.call("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        for domain in ["Network", "Runtime", "Log"]:
            self.call(f"{domain}.enable", session)

    def receive(self):
        while b"\0" not in self.buffer:
            more = os.read(self.read, 1 << 20)
            if not more:
                self.said.seek(0)
                sys.exit(f"the browser ended: {self.said.read().decode(errors='replace')}")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.sent += 1
        number = self.sent
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while number not in self.answers:
            message = self.receive()
            if "id" in message:
                self.answers[message["id"]] = message
                continue
            self.events.append(message)
            if message.get("method") == "Target.attachedToTarget":
                # Reads the responses during the calls: each response is kept until its call looks for it.
                self.watch(message["params"]["sessionId"])
        message = self.answers.pop(number)
        if "error" in message:
            sys.exit(f"{method}: {message['error']}")
        return message["result"]

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", self.session, expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            sys.exit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, what, expression):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.2)
        sys.exit(f"not seen within {WAIT} s: {what}; complaints: {complaints(self.events)}")


def complaints(events):
    """The errors of the console and the page."""
    found = []
    for event in events:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            found.append(parameters["exceptionDetails"].get("exception", {}).get("description", parameters["exceptionDetails"]["text"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            found.append(" ".join(str(argument.get("value", argument.get("description"))) for argument in parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            found.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method == "Network.loadingFailed" and not parameters.get("canceled"):
            found.append(f"{parameters['errorText']} {parameters.get('blockedReason', '')}")
    return found


def main():
    api = os.environ["API"]
    root = api.removesuffix("/v3")
    program = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if program is None:
        sys.exit("no chromium")
    with urllib.request.urlopen(f"{api}/openapi.json") as answer:
        document = json.load(answer)
    with open(sys.argv[1], encoding="utf-8") as file:
        axe = file.read()
    folder = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for width in WIDTHS:
                look(browser, root, document, width, axe)
                if folder:
                    picture = browser.call("Page.captureScreenshot", browser.session)["data"]
                    with open(os.path.join(folder, f"reference-{width}.png"), "wb") as file:
                        file.write(base64.b64decode(picture))
            without_script(browser, root)
        finally:
            browser.process.kill()
            browser.process.wait()
    requests = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    foreign = [url for url in requests if not url.startswith((f"{root}/", "data:", "blob:"))]
    problems = complaints(browser.events)
    assert requests and not foreign, f"another host was asked: {foreign}"
    assert not problems, f"the console says: {problems}"
    print(f"the page holds all of the document at {WIDTHS} px, {len(requests)} requests, none to another host; the console is silent")


def look(browser, root, document, width, axe):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", browser.session, **metrics)
    load(browser, root, "!document.getElementById('search').hidden")
    holds_all(browser, document)
    nothing_is_cut_off(browser, width)
    # A field and a refusal: first the place with that name, then the calls.
    first = search(browser, "phone_trunc")
    assert first[0].startswith("phone_trunc in POST /v3/policies/cee"), first
    assert any(found.startswith("Could this driver still get a certificate?") for found in first), first
    first = search(browser, "too_early")
    assert first[0].startswith("too_early refusal"), first
    assert any(found.startswith("Register an application") for found in first), first
    assert search(browser, "nothingofthisname") == []
    assert browser.evaluate("document.getElementById('count').textContent") == "No results"
    # Accents and capitals make no difference.
    assert any("Register an application" in found for found in search(browser, "Operation Standardisee")), "accents"
    checked = "axe.run().then(found => found.violations.map(one => `${one.id}: ${one.nodes[0].html}`))"
    violations = browser.evaluate(f"{axe}; {checked}")
    assert violations == [], f"axe at {width} px: {violations}"
    # With the keyboard alone: `/` leads to the search, Enter to its first result.
    browser.evaluate("document.activeElement.blur()")
    press(browser, "/", "Slash", 191)
    browser.until("the search", "document.activeElement.id === 'query'")
    search(browser, "too_early")
    press(browser, "Enter", "Enter", 13)
    browser.until("the refusal", "location.hash === '#too_early'")
    top = "document.getElementById('too_early').getBoundingClientRect().top"
    browser.until("the refusal near the top", f"{top} >= 0 && {top} < 450")
    if width == WIDTHS[0]:
        commands_work(browser)


def load(browser, root, ready):
    browser.call("Page.navigate", browser.session, url="about:blank")
    browser.call("Page.navigate", browser.session, url=f"{root}/docs")
    browser.until("the page", f"document.querySelector('main') !== null && {ready}")


def holds_all(browser, document):
    """A section for each call, object and refusal, and an entry for each field, none of them twice."""
    ids = browser.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)), "an id is given twice"
    calls = [call for path in document["paths"].values() for call in path.values()]
    wanted = {call["operationId"] for call in calls}
    for name, schema in document["components"]["schemas"].items():
        is_problem = name.endswith("Problem")
        place = schema["properties"]["type"]["const"].split("#")[1] if is_problem else name
        general = {"type", "title", "status", "detail"} if is_problem else set()
        wanted |= {place} | {f"{place}.{field}" for field in schema.get("properties", {}) if field not in general}
    for call in calls:
        wanted |= {f"{call['operationId']}.{parameter['name']}" for parameter in call.get("parameters", [])}
    assert wanted <= set(ids), f"missing: {sorted(wanted - set(ids))}"
    dead = browser.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(link => link.hash.slice(1)).filter(id => !document.getElementById(id))")
    assert dead == [], f"links that lead nowhere: {dead}"


def nothing_is_cut_off(browser, width):
    """No part is wider than the screen, and none hides what it holds. Patterns are folded away: unfolded, they fit too."""
    wide = browser.evaluate(
        """[...document.querySelectorAll('details')].forEach(details => details.open = true);
        [...document.querySelectorAll('main, main *, nav, nav *')].filter(element => {
            const { right, width } = element.getBoundingClientRect();
            return width > 0 && (right > innerWidth || (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0));
        }).map(element => element.outerHTML.slice(0, 200))"""
    )
    assert wide == [], f"cut off at {width} px: {wide[:5]}"
    scrolled = browser.evaluate("document.documentElement.scrollWidth")
    assert scrolled <= width, f"the page is {scrolled} px wide on a screen of {width} px"


def search(browser, words):
    """What the search finds, in order."""
    browser.evaluate("document.getElementById('query').select(); document.getElementById('query').focus()")
    browser.call("Input.insertText", browser.session, text=words)
    found = browser.evaluate("[...document.querySelectorAll('#results li')].map(item => item.textContent)")
    count = browser.evaluate("document.getElementById('count').textContent")
    assert count.startswith(str(len(found) or "No")), f"{count}, and {len(found)} are shown"
    return found


def press(browser, key, code, number):
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", browser.session, type=kind, key=key, code=code, windowsVirtualKeyCode=number)


def commands_work(browser):
    """Commands of the page as somebody copies them, in the order of the page: each has the answer that it should have."""
    blocks = "[...document.querySelectorAll('#{} pre')].map(block => block.textContent).filter(text => text.startsWith('curl'))"
    for call, expected in {
        "simulate": ['"eligible":true', '"eligible":true'],
        "listApplications": ['"applications":', "uuid,journey_type,"],
        "register": ['"uuid":"', '"uuid":"'],
        "importHistory": ['"import_id":"'],
        "listImports": ['"imports":'],
        "getKeys": ['"keys":'],
        "headHealth": ["HTTP/1.1 200"],
    }.items():
        commands = browser.evaluate(blocks.format(call))
        assert len(commands) == len(expected), f"{call}: {commands}"
        for command, wanted in zip(commands, expected):
            answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
            assert answer.returncode == 0 and wanted in answer.stdout, f"{command}: {answer}"


def without_script(browser, root):
    """Without a script the page holds the same, and shows no search that would not work."""
    browser.call("Emulation.setScriptExecutionDisabled", browser.session, value=True)
    load(browser, root, "document.getElementById('search').hidden")
    text = browser.evaluate("document.querySelector('main').innerText")
    for word in ("phone_trunc", "too_early", 'curl -s "$API/policies/cee/simulate"', "822146819"):
        assert word in text, f"{word} is not there without a script"


if __name__ == "__main__":
    main()
