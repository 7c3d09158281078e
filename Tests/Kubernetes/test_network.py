"""Who finds and who reaches whom, in everything that was rendered."""

import unittest

import yaml

from rendered import ALL, labels_of, matches


def selected(manifests, selector, primary=None):
    """The names of the pods of StatefulSets that a selector finds; where the lease moves it may be said who has it."""
    return [
        name
        for workload, names in manifests.pods()
        for name in names
        if matches(selector, labels_of(workload["spec"]["template"], name, manifests.moves and name == primary))
    ]


def every_pod(manifests):
    return [name for _, names in manifests.pods() for name in names]


def backups(manifests):
    for job in manifests.of("CronJob"):
        yield job["spec"]["jobTemplate"]["spec"]["template"]


class Network(unittest.TestCase):
    def service(self, manifests, ending):
        (found,) = [s for s in manifests.of("Service") if s["metadata"]["labels"]["app.kubernetes.io/component"] == ending]
        return found

    def test_workload_selectors(self):
        """each StatefulSet finds its own pods and no others"""
        for manifests in ALL:
            for workload, names in manifests.pods():
                with self.subTest(f"{manifests.name}: {workload['metadata']['name']}"):
                    self.assertEqual(selected(manifests, workload["spec"]["selector"]["matchLabels"]), names)

    def test_services(self):
        """the primary's Service finds whoever is it, once ready, the readers' all or all that cannot be, the headless one all"""
        for manifests in ALL:
            with self.subTest(manifests.name):
                candidates = list(manifests.candidates())
                primary = self.service(manifests, "primary")["spec"]
                self.assertNotIn("publishNotReadyAddresses", primary)
                for candidate in candidates:
                    self.assertEqual(selected(manifests, primary["selector"], candidate), [candidate])
                if manifests.moves:
                    self.assertEqual(selected(manifests, primary["selector"]), [])
                readers = selected(manifests, self.service(manifests, "readers")["spec"]["selector"], candidates[0])
                others = [pod for pod in every_pod(manifests) if pod not in candidates]
                self.assertIn(readers, [every_pod(manifests), others])
                self.assertTrue(readers)
                headless = self.service(manifests, "nodes")["spec"]
                self.assertEqual(selected(manifests, headless["selector"]), every_pod(manifests))
                self.assertEqual((headless["clusterIP"], headless["publishNotReadyAddresses"]), ("None", True))

    def test_advertised(self):
        """all pods name the same primary by its name in the headless Service, or each itself, and pods know their names there"""
        for manifests in ALL:
            with self.subTest(manifests.name):
                service = self.service(manifests, "nodes")["metadata"]["name"]
                primary = every_pod(manifests)[0]
                for workload, _ in manifests.pods():
                    lease = manifests.lease(workload)
                    self.assertEqual(lease.get("hostname"), None if manifests.moves else primary)
                    name = "${HOSTNAME}" if manifests.moves else primary
                    self.assertEqual(lease["advertise-url"], f"http://{name}.{service}:20202")
                    self.assertEqual(workload["spec"]["serviceName"], service)

    def test_ports(self):
        """every port of a Service is a port of a container of all its pods"""
        for manifests in ALL:
            for service in manifests.of("Service"):
                wanted = {p["targetPort"] for p in service["spec"]["ports"]}
                names = selected(manifests, service["spec"]["selector"], next(manifests.candidates()))
                self.assertTrue(names, f"{manifests.name}: {service['metadata']['name']}")
                for workload, own in manifests.pods():
                    if not set(own) & set(names):
                        continue
                    with self.subTest(f"{manifests.name}: {service['metadata']['name']}"):
                        pod = workload["spec"]["template"]["spec"]
                        containers = pod["initContainers"] + pod["containers"]
                        ports = {p["containerPort"] for c in containers for p in c.get("ports", [])}
                        self.assertLessEqual(wanted, ports)

    def test_listening(self):
        """litefs listens where probes, Services and policies expect it"""
        for manifests in ALL:
            for workload, _ in manifests.pods():
                self.assertEqual(yaml.safe_load(manifests.litefs_yml(workload))["http"]["addr"], ":20202")

    def test_no_name_twice(self):
        """no two objects have the same kind and name"""
        for manifests in ALL:
            keys = [(o["kind"], o["metadata"]["name"]) for o in manifests.objects]
            self.assertEqual(len(keys), len(set(keys)), manifests.name)

    def test_policy(self):
        """port 20202 is open to this application's pods, to backups and to Prometheus only"""
        for manifests in ALL:
            with self.subTest(manifests.name):
                open_to = []
                for policy in manifests.of("NetworkPolicy"):
                    # Each protects every pod of the application.
                    found = selected(manifests, policy["spec"]["podSelector"]["matchLabels"])
                    self.assertIn(found, [every_pod(manifests), every_pod(manifests)[1:]])
                    # Nothing is in the way to the API server.
                    self.assertEqual(policy["spec"]["policyTypes"], ["Ingress"])
                    for rule in policy["spec"]["ingress"]:
                        ports = [p["port"] for p in rule["ports"]]
                        if 20202 in ports or 4849 in ports:
                            self.assertTrue(rule.get("from"), "open to everybody")
                            open_to += rule["from"]
                pods = [peer["podSelector"]["matchLabels"] for peer in open_to if set(peer) == {"podSelector"}]
                for workload, names in manifests.pods():
                    labels = labels_of(workload["spec"]["template"], names[0])
                    self.assertTrue(any(matches(p, labels) for p in pods))
                for template in backups(manifests):
                    self.assertTrue(any(matches(p, template["metadata"]["labels"]) for p in pods))
                for peer in open_to:
                    if "namespaceSelector" in peer:
                        name = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                        self.assertEqual(name, "monitoring")

    def test_backups_serve_nobody(self):
        """no Service and no disruption budget takes a backup's pod for one of the application"""
        for manifests in ALL:
            for template in backups(manifests):
                labels = template["metadata"]["labels"]
                for service in manifests.of("Service"):
                    self.assertFalse(matches(service["spec"]["selector"], labels), service["metadata"]["name"])
                for budget in manifests.of("PodDisruptionBudget"):
                    self.assertFalse(matches(budget["spec"]["selector"]["matchLabels"], labels))

    def test_backup_source(self):
        """a backup asks a Service or a pod that exists, on a port that it has"""
        for manifests in ALL:
            services = {s["metadata"]["name"] for s in manifests.of("Service")}
            services |= {f"{every_pod(manifests)[0]}.{self.service(manifests, 'nodes')['metadata']['name']}"}
            for template in backups(manifests):
                for container in template["spec"]["initContainers"]:
                    url = container["args"][container["args"].index("-url") + 1]
                    host, port = url.removeprefix("http://").split(":")
                    self.assertIn(host, services)
                    self.assertEqual(port, "20202")

    def test_budgets(self):
        """a disruption budget lets one pod go"""
        for manifests in ALL:
            self.assertTrue(manifests.of("PodDisruptionBudget"), manifests.name)
            for budget in manifests.of("PodDisruptionBudget"):
                self.assertEqual(budget["spec"]["maxUnavailable"], 1)
                self.assertTrue(selected(manifests, budget["spec"]["selector"]["matchLabels"]))

    def test_ingress(self):
        """an Ingress leads to a port of a Service"""
        for manifests in ALL:
            for ingress in manifests.of("Ingress"):
                for rule in ingress["spec"]["rules"]:
                    for path in rule["http"]["paths"]:
                        backend = path["backend"]["service"]
                        ports = manifests.named("Service", backend["name"])["spec"]["ports"]
                        (kind, wanted), = backend["port"].items()
                        self.assertIn(wanted, [p["name" if kind == "name" else "port"] for p in ports])

    def test_service_monitor(self):
        """Prometheus finds each pod once"""
        for manifests in ALL:
            for monitor in manifests.of("ServiceMonitor"):
                selector = monitor["spec"]["selector"]["matchLabels"]
                found = [s for s in manifests.of("Service") if matches(selector, s["metadata"]["labels"])]
                self.assertEqual(len(found), 1)
                self.assertEqual(selected(manifests, found[0]["spec"]["selector"]), every_pod(manifests))
                self.assertIn(monitor["spec"]["endpoints"][0]["port"], [p["name"] for p in found[0]["spec"]["ports"]])
