# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, spoken to through a pipe by its DevTools protocol; nothing listens."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--remote-debugging-pipe"]


def find():
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


class Browser:
    def __init__(self, program):
        self.profile = tempfile.mkdtemp(prefix="browser-")
        to_us, from_them = os.pipe()
        from_us, to_them = os.pipe()

        def wire():
            low, high = os.dup(from_us), os.dup(from_them)
            os.dup2(low, 3)
            os.dup2(high, 4)

        self.process = subprocess.Popen([program] + FLAGS + ["--user-data-dir=" + self.profile],
                                        preexec_fn=wire, close_fds=False, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(from_them)
        os.close(from_us)
        self.read_fd, self.write_fd, self.buffer, self.number, self.events = to_us, to_them, b"", 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(domain + ".enable")

    session, scripted = None, True

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read_fd)
        os.close(self.write_fd)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.read_fd], [], [], left)[0]:
                raise TimeoutError("the browser is silent")
            part = os.read(self.read_fd, 1 << 20)
            if not part:
                raise EOFError("the browser has ended")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, timeout=60, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def open(self, url, timeout=120):
        """Until it has been loaded and drawn once; seconds."""
        start = time.monotonic()
        self.events = []
        self.call("Page.navigate", url=url)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.receive(start + timeout))
        if self.scripted:
            self.run("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
        return time.monotonic() - start

    def run(self, script):
        got = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in got:
            raise RuntimeError(got["exceptionDetails"])
        return got["result"].get("value")

    def screen(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def scripts(self, allowed):
        self.scripted = allowed
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def complaints(self):
        """What a console would show in red, what was asked of the network, dialogs."""
        out = []
        for e in self.events:
            method, p = e.get("method"), e.get("params", {})
            if method == "Network.requestWillBeSent" and not p["request"]["url"].startswith(("file:", "data:")):
                out.append("request " + p["request"]["url"])
            elif method == "Log.entryAdded" and p["entry"]["level"] == "error":
                out.append("log " + p["entry"]["text"])
            elif method == "Runtime.exceptionThrown":
                out.append("exception " + str(p["exceptionDetails"].get("text")))
            elif method == "Runtime.consoleAPICalled" and p["type"] in ("error", "assert"):
                out.append("console " + str(p["args"]))
            elif method == "Page.javascriptDialogOpening":
                out.append("dialog " + p["message"])
        return out
