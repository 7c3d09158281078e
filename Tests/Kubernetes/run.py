"""Runs the tests of this folder and prints a line for each: "ok" or "FAILED" and what it says; at last "end".

The environment gives LITEFS_RENDERED (folder of rendered manifests), LITEFS_BINARY (the daemon) and LITEFS_PROMTOOL.
"""

import os
import sys
import unittest


class Lines(unittest.TestResult):
    def addSuccess(self, test):
        print("ok", test.shortDescription(), flush=True)

    def addFailure(self, test, error):
        print("FAILED", test.shortDescription() or test, flush=True)
        for line in self._exc_info_to_string(error, test).splitlines():
            print("|", line, flush=True)

    addError = addFailure

    def addSkip(self, test, reason):
        print("|", f"skipped: {test.shortDescription()}: {reason}", flush=True)

    def addSubTest(self, test, subtest, error):
        # The test itself is then no success, and its line would be missing.
        if error is not None:
            self.addFailure(test, error)


if __name__ == "__main__":
    folder = os.path.dirname(os.path.abspath(__file__))
    result = Lines()
    unittest.defaultTestLoader.discover(folder, pattern="test_*.py").run(result)
    print("end", flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)
