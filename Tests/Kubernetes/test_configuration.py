"""Whether the daemon takes the rendered litefs.yml, in each pod."""

import os
import subprocess
import tempfile
import unittest

from daemon import BINARY
from rendered import ALL


def check_config(text, pod, hostname=None, cluster=True):
    """litefs check-config as in a pod: the machine's name is the pod's, and so is HOSTNAME if no other is given. Without a
    cluster nothing says where the API server is."""
    environment = {key: value for key, value in os.environ.items() if key != "KUBERNETES_SERVICE_HOST"}
    environment["HOSTNAME"] = hostname or pod
    if cluster:
        environment["KUBERNETES_SERVICE_HOST"] = "10.96.0.1"
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        return subprocess.run(
            ["unshare", "--uts", "sh", "-c", f'hostname "{pod}" && exec "$0" check-config -config "$1"', BINARY, file.name],
            capture_output=True, text=True, env=environment,
        )


class Configuration(unittest.TestCase):
    def test_accepted(self):
        """litefs check-config takes litefs.yml of every pod without a warning, and finds the right primary"""
        for manifests in ALL:
            primary = None
            for workload, names in manifests.pods():
                for pod in names:
                    primary = primary or pod
                    with self.subTest(f"{manifests.name}: {pod}"):
                        result = check_config(manifests.litefs_yml(workload), pod)
                        said = result.stdout + result.stderr
                        self.assertEqual(result.returncode, 0, said)
                        self.assertNotIn("warning", said)
                        role = "this node is the primary" if pod == primary else f"this node is a replica of {primary}"
                        if manifests.moves:
                            role = "this node is one of a cluster with lease.type kubernetes"
                        self.assertIn(role, said)

    def test_renamed(self):
        """where HOSTNAME was overwritten with the same value in all pods, no pod takes itself for the primary"""
        for manifests in ALL:
            workload, _ = next(manifests.pods())
            result = check_config(manifests.litefs_yml(workload), "somewhere-else")
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            if not manifests.moves:
                self.assertIn("this node is a replica", result.stdout)
