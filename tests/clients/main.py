"""Runs the checks and prints each by name. The exit status is 1 if a check did not pass."""

import os
import signal
import sys
import unittest
from importlib.metadata import version

import servers

MODULES = [
    "checks_halfred",
    "checks_openai",
    "checks_aitronos",
    "checks_freddy",
    "checks_oauth",
    "checks_http",
    "checks_snippets",
]
CLIENTS = [
    "halfred",
    "openai",
    "aitronos-sdk",
    "aitronos-freddy",
    "freddy-backend-client",
    "authlib",
    "requests-oauthlib",
    "oauthlib",
    "requests",
]


class Result(unittest.TextTestResult):
    def getDescription(self, test):
        return test.id().removeprefix("checks_")


def stop(signum, _frame):
    raise KeyboardInterrupt(f"signal {signum}")


def main():
    servers.EXAMPLES = sys.argv[1]
    # The environment must not change the clients' target or credentials.
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(("OPENAI_", "AITRONOS_", "HALFRED_", "FREDDY_")):
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"
    signal.signal(signal.SIGTERM, stop)
    for client in CLIENTS:
        print(client, version(client), flush=True)
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{word}*" for word in sys.argv[2:]] or None
    checks = loader.loadTestsFromNames(MODULES)
    try:
        result = unittest.TextTestRunner(verbosity=2, resultclass=Result, stream=sys.stdout).run(checks)
    finally:
        servers.stop_all()
    if result.testsRun == 0 or result.skipped or result.expectedFailures:
        sys.exit("no check ran, or one was skipped or expected to fail")
    sys.exit(not result.wasSuccessful())


main()
