"""The example servers as processes, and code that the checks share."""

import json
import select
import subprocess
import tempfile
import time
import unittest

import requests

EXAMPLES = ""
PATIENCE = 60
_running = []


class Server:
    """A running example server. `demo` holds its keys by name."""

    def __init__(self, name):
        self.name = name
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [f"{EXAMPLES}/{name}", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        _running.append(self)
        readable, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            self._process.kill()
            raise RuntimeError(f"{name} is not ready: {self.log()}")
        ready = json.loads(line)
        self.url, self.demo = ready["listening"], ready["demo"]

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def stop(self):
        if self not in _running:
            return
        _running.remove(self)
        self._process.terminate()
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process.stdout.close()
        log = self.log()
        self._log.close()
        if code != 0 or "panicked" in log:
            raise AssertionError(f"{self.name} ended with {code}: {log}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def stop_all():
    for server in list(_running):
        server._process.kill()
        server._process.wait()
    _running.clear()


class Checks(unittest.TestCase):
    """Checks against a server of their own, because they use up budgets and keys."""

    name = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.name)
        cls.addClassCleanup(cls.server.stop)
        cls.demo = cls.server.demo

    def error(self, headers, body):
        """Returns the error of a response, and checks that it has the fields that every client reads."""
        self.assertIsInstance(body, dict)
        self.assertNotIn("detail", body)
        error = body["error"]
        self.assertIsInstance(error, dict)
        for field in ["code", "message"]:
            self.assertIsInstance(error[field], str)
            self.assertTrue(error[field])
        self.assertTrue(headers["x-request-id"])
        if "trace_id" in error:
            self.assertEqual(error["trace_id"], headers["x-request-id"])
        return error

    def log_in(self):
        """Returns the tokens of a new session of the demo's user. No published client signs in with a password alone."""
        login = {name: self.demo[name] for name in ["email", "password"]}
        response = requests.post(f"{self.server.url}/v1/auth/login", json=login, timeout=PATIENCE)
        self.assertEqual(response.status_code, 200)
        return response.json()

    def waits_as_told(self, use_up, ask, answers):
        """Checks a client with its own retries: after a 429 it waits as `Retry-After` says, and its first retry succeeds."""
        for _ in range(5):
            use_up()
            answers.clear()
            ask()
            # On a slow machine, the limit may have refilled before the client sends its request. Then try again.
            if len(answers) > 1:
                break
        self.assertEqual([answer.status_code for _, answer in answers], [429, 200])
        (refused_at, refused), (answered_at, _) = answers
        told = int(refused.headers["retry-after"])
        self.assertGreaterEqual(told, 1)
        self.assertGreaterEqual(answered_at - refused_at, told)
        self.assertLess(answered_at - refused_at, told + PATIENCE / 4)


def recorder(answers):
    """Returns a hook that records each response of an httpx client and its time."""

    def note(response):
        answers.append((time.monotonic(), response))

    return {"response": [note]}
