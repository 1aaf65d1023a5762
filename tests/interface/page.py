"""Tests the reference page in a headless Chromium: the page shows every operation and an example, the search finds results, the console
has no errors, and the page sends no request to another host.

    python3 tests/interface/page.py http://127.0.0.1:3000 [screenshot.png]

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
        self.process = subprocess.Popen([program, *arguments], preexec_fn=numbered, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
                sys.exit("the browser ended")
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
    root = sys.argv[1]
    program = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if program is None:
        sys.exit("no chromium")
    with urllib.request.urlopen(f"{root}/v3/openapi.json") as answer:
        document = json.load(answer)
    operations = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        try:
            look(browser, root, operations)
            if len(sys.argv) > 2:
                picture = browser.call("Page.captureScreenshot", browser.session)["data"]
                with open(sys.argv[2], "wb") as file:
                    file.write(base64.b64decode(picture))
        finally:
            browser.process.kill()
            browser.process.wait()
    requests = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    foreign = [url for url in requests if not url.startswith((f"{root}/", "data:", "blob:"))]
    problems = complaints(browser.events)
    assert requests and not foreign, f"another host was asked: {foreign}"
    assert not problems, f"the console says: {problems}"
    print(f"{len(operations)} operations, {len(requests)} requests, none to another host; the console is silent")


def look(browser, root, operations):
    browser.call("Page.navigate", browser.session, url=f"{root}/docs")
    for operation in operations:
        browser.until(operation, f"document.querySelector('[id$=\"operation/{operation}\"]') !== null")
    # The first example of a register call, and of a response.
    browser.until("an example of a request", "document.body.innerText.includes('822146819')")
    browser.until("an example of an answer", "document.body.innerText.includes('\"eligible\": true')")
    browser.evaluate("document.querySelector('input[type=text]').focus()")
    browser.call("Input.insertText", browser.session, text="presigned")
    found = browser.until(
        "what the search finds",
        "[...document.querySelectorAll('[data-role=\"search:results\"] li')].map(item => item.innerText).join('; ')",
    )
    assert "history file" in found, f"the search found {found!r}"
    browser.evaluate("document.querySelector('[id$=\"operation/register\"]').scrollIntoView()")
    time.sleep(1)


if __name__ == "__main__":
    main()
