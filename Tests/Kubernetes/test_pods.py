"""What must hold for the pods, in everything that was rendered."""

import pathlib
import re
import unittest

import yaml

from rendered import ALL, mount_of, sidecar_of


class Pods(unittest.TestCase):
    def each(self, check):
        """Runs a check for every StatefulSet of every file."""
        for manifests in ALL:
            for workload, names in manifests.pods():
                with self.subTest(f"{manifests.name}: {workload['metadata']['name']}"):
                    check(manifests, workload, names)

    def test_files(self):
        """there are manifests of the base, of the examples and of the chart"""
        names = " ".join(manifests.name for manifests in ALL)
        for expected in ("base", "base-all", "base-lease", "example-app", "example-app-lease", "chart-minimal", "chart-failover"):
            self.assertIn(expected, names)
        self.assertEqual({manifests.moves for manifests in ALL}, {True, False})

    def test_sidecar_first(self):
        """litefs is a native sidecar, and comes before all other containers"""
        def check(manifests, workload, names):
            first = workload["spec"]["template"]["spec"]["initContainers"][0]
            self.assertEqual((first["name"], first["restartPolicy"]), ("litefs", "Always"))

        self.each(check)

    def test_privileges(self):
        """the sidecar is privileged, and no other container is"""
        def check(manifests, workload, names):
            pod = workload["spec"]["template"]["spec"]
            self.assertIs(sidecar_of(workload)["securityContext"]["privileged"], True)
            for container in pod["initContainers"][1:] + pod["containers"]:
                context = container.get("securityContext", {})
                self.assertFalse(context.get("privileged", False), container["name"])
                self.assertIs(context.get("allowPrivilegeEscalation"), False, container["name"])

        self.each(check)

    def test_propagation(self):
        """the mount goes from the sidecar to all other containers, through an emptyDir"""
        def check(manifests, workload, names):
            pod = workload["spec"]["template"]["spec"]
            self.assertIn("emptyDir", [v for v in pod["volumes"] if v["name"] == "mount"][0])
            self.assertEqual(mount_of(sidecar_of(workload), "mount")["mountPropagation"], "Bidirectional")
            for container in pod["initContainers"][1:] + pod["containers"]:
                mount = mount_of(container, "mount")
                self.assertEqual(mount["mountPropagation"], "HostToContainer", container["name"])
                self.assertEqual(mount["mountPath"], mount_of(sidecar_of(workload), "mount")["mountPath"])

        self.each(check)

    def test_folders(self):
        """fuse.dir is a folder inside the shared volume, and data.dir is the persistent volume"""
        def check(manifests, workload, names):
            config = yaml.safe_load(manifests.litefs_yml(workload))
            shared = mount_of(sidecar_of(workload), "mount")["mountPath"]
            self.assertEqual(str(pathlib.PurePath(config["fuse"]["dir"]).parent), shared)
            self.assertTrue(config["fuse"]["allow-other"])
            self.assertEqual(config["data"]["dir"], mount_of(sidecar_of(workload), "litefs-data")["mountPath"])
            (claim,) = workload["spec"]["volumeClaimTemplates"]
            self.assertEqual(claim["metadata"]["name"], "litefs-data")

        self.each(check)

    def test_candidates(self):
        """with a static lease the first pod alone is a candidate; with one that moves all pods of the first StatefulSet are"""
        for manifests in ALL:
            with self.subTest(manifests.name):
                _, names = next(manifests.pods())
                expected = names if manifests.moves else names[:1]
                self.assertEqual(list(manifests.candidates()), expected)
                self.assertTrue(expected[0].endswith("-0"))

    def test_hostname(self):
        """no container sets HOSTNAME, and no pod has another host name than its own"""
        def check(manifests, workload, names):
            pod = workload["spec"]["template"]["spec"]
            for key in ("hostNetwork", "hostname", "setHostnameAsFQDN"):
                self.assertNotIn(key, pod)
            for container in pod["initContainers"] + pod["containers"]:
                self.assertNotIn("HOSTNAME", [e["name"] for e in container.get("env", [])])

        self.each(check)

    def test_probes(self):
        """the probes of litefs ask the health checks, and no long copy is cut off"""
        def check(manifests, workload, names):
            sidecar = sidecar_of(workload)
            for probe, path in (("startup", "startup"), ("readiness", "ready"), ("liveness", "live")):
                get = sidecar[f"{probe}Probe"]["httpGet"]
                self.assertEqual((get["path"], get["port"]), (f"/health/{path}", 20202))
            startup = sidecar["startupProbe"]
            self.assertGreaterEqual(startup["periodSeconds"] * startup["failureThreshold"], 3600)

        self.each(check)

    def test_ends(self):
        """the application may end before litefs does: there is time, and litefs has no hook that ends it first"""
        def check(manifests, workload, names):
            self.assertGreaterEqual(workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 60)
            self.assertNotIn("lifecycle", sidecar_of(workload))

        self.each(check)

    def test_token(self):
        """no container has a token for the API server, but for litefs where the lease moves"""
        for manifests in ALL:
            for workload, _ in manifests.pods():
                with self.subTest(f"{manifests.name}: {workload['metadata']['name']}"):
                    pod = workload["spec"]["template"]["spec"]
                    self.assertIs(pod["automountServiceAccountToken"], False)
                    account = manifests.named("ServiceAccount", pod["serviceAccountName"])
                    self.assertIs(account["automountServiceAccountToken"], False)
                    tokens = [v["name"] for v in pod["volumes"] if "serviceAccountToken" in str(v)]
                    self.assertEqual(tokens, ["token"] if manifests.moves else [])
                    having = [c["name"] for c in pod["initContainers"] + pod["containers"] if mount_of(c, "token")]
                    self.assertEqual(having, ["litefs"] if manifests.moves else [])
                    if manifests.moves:
                        # Where the daemon looks, and what it needs there: lease.kubernetes has no other paths.
                        where = mount_of(sidecar_of(workload), "token")
                        self.assertEqual(where["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount")
                        self.assertIs(where["readOnly"], True)
                        (volume,) = [v for v in pod["volumes"] if v["name"] == "token"]
                        self.assertEqual(set(re.findall(r"'path': '([^']+)'", str(volume))), {"token", "ca.crt", "namespace"})
                        self.assertEqual(set(manifests.lease(workload)["kubernetes"]), {"name", "duration"})

    def test_rights(self):
        """where the lease moves the account has a Role, which names the Lease of litefs.yml; elsewhere there is none"""
        for manifests in ALL:
            with self.subTest(manifests.name):
                roles, bindings = manifests.of("Role"), manifests.of("RoleBinding")
                self.assertEqual(manifests.of("ClusterRole") + manifests.of("ClusterRoleBinding"), [])
                if not manifests.moves:
                    self.assertEqual(roles + bindings, [])
                    continue
                ((role,), (binding,)) = roles, bindings
                (subject,) = binding["subjects"]
                self.assertEqual((binding["roleRef"]["kind"], binding["roleRef"]["name"]), ("Role", role["metadata"]["name"]))
                named = [name for rule in role["rules"] for name in rule.get("resourceNames", [])]
                for workload, _ in manifests.pods():
                    self.assertEqual(named, [manifests.lease(workload)["kubernetes"]["name"]])
                    self.assertEqual(subject["name"], workload["spec"]["template"]["spec"]["serviceAccountName"])

    def test_kept_data(self):
        """the volume of a pod that may be the primary is kept"""
        def check(manifests, workload, names):
            if not set(names) & set(manifests.candidates()):
                return
            policy = workload["spec"]["persistentVolumeClaimRetentionPolicy"]
            self.assertEqual(policy, {"whenDeleted": "Retain", "whenScaled": "Retain"})

        self.each(check)

    def test_resources(self):
        """every container says what it needs"""
        def check(manifests, workload, names):
            pod = workload["spec"]["template"]["spec"]
            for container in pod["initContainers"] + pod["containers"]:
                self.assertIn("memory", container["resources"]["limits"], container["name"])
                self.assertIn("cpu", container["resources"]["requests"], container["name"])

        self.each(check)

    def test_namespace(self):
        """a namespace that is made lets privileged pods in"""
        for manifests in ALL:
            for namespace in manifests.of("Namespace"):
                self.assertEqual(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged")


class StandIn(unittest.TestCase):
    def test_whole(self):
        """the ConfigMap of zero-cache's stand-in has every module that its modules import"""
        for manifests in ALL:
            for config in manifests.of("ConfigMap"):
                files = config["data"]
                if "register.mjs" not in files:
                    continue
                with self.subTest(manifests.name):
                    for name, text in files.items():
                        imported = set(re.findall(r"'\./([\w.-]+\.mjs)'", text))
                        self.assertEqual(imported - set(files), set(), f"{name} imports what is missing")

    def test_listed(self):
        """zero/kustomization.yaml names all modules of its folder"""
        folder = pathlib.Path(__file__).parents[2] / "zero"
        modules = sorted(path.name for path in folder.glob("*.mjs"))
        if not modules:
            self.skipTest("zero/ has no modules")
        (generator,) = yaml.safe_load((folder / "kustomization.yaml").read_text())["configMapGenerator"]
        self.assertEqual(sorted(generator["files"]), modules)
