"""A headless Chromium for the tests of pages, driven over ChromeDriver's own protocol."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.request

import pytest

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs chromium and chromedriver on the path: Debian's chromium and chromium-driver",
)
DRAWN = "return [...document.querySelectorAll('[data-component]')].map(e => ({...e.dataset}))"
COLLECT = """
window.problems = [];
window.addEventListener('error', e => problems.push(e.message));
window.addEventListener('securitypolicyviolation', e => problems.push(e.blockedURI));
"""


class Browser:
    """One headless session of Chromium."""

    def __init__(self, address, profile):
        self.address = address
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.address += f"/session/{answer['sessionId']}"

    def ask(self, verb, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=verb)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=60) as response:
            return json.load(response)["value"]

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def open(self, file):
        self.log("performance")
        self.log("browser")
        script = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": COLLECT}}
        self.ask("POST", "/goog/cdp/execute", script)
        self.ask("POST", "/url", {"url": file.as_uri()})

    def log(self, kind):
        return self.ask("POST", "/se/log", {"type": kind})

    def asked(self):
        """Addresses asked for since the page was opened, beside its own data and the browser's."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        urls = {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }
        return {url for url in urls if not url.startswith(("data:", "chrome:"))}

    def press(self, button, times=1):
        press = "const b = document.getElementById(arguments[0]);"
        self.run(press + "for (let i = 0; i < arguments[1]; i++) b.click()", button, times)

    def key(self, name):
        event = "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true})"
        self.run(f"document.body.dispatchEvent({event})", name)

    def choose(self, method):
        self.run(
            "const s = document.getElementById('method');"
            "s.selectedIndex = [...s.options].findIndex(o => o.text === arguments[0]);"
            "s.dispatchEvent(new Event('change'))",
            method,
        )

    def drawn(self):
        return [{k: float(v) for k, v in shape.items()} for shape in self.run(DRAWN)]

    def status(self):
        return self.run("return document.getElementById('status').textContent")


@contextlib.contextmanager
def started(profile):
    """A browser with a fresh profile, closed at the end."""
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        lines = (re.search(r"on port (\d+)\.", line) for line in driver.stdout)
        port = next(match.group(1) for match in lines if match)
        session = Browser(f"http://127.0.0.1:{port}", profile)
        try:
            yield session
        finally:
            session.ask("DELETE", "")
            driver.terminate()
