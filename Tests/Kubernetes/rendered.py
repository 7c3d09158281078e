"""The rendered manifests, as objects."""

import os
import pathlib
import re

import yaml

FOLDER = pathlib.Path(os.environ["LITEFS_RENDERED"])


class Manifests:
    """All objects of one rendered file."""

    def __init__(self, path):
        self.name = path.stem
        with open(path) as file:
            self.objects = [document for document in yaml.safe_load_all(file) if document]

    def of(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def named(self, kind, name):
        (found,) = [o for o in self.of(kind) if o["metadata"]["name"] == name]
        return found

    def pods(self):
        """Template and names of the pods of each StatefulSet."""
        for workload in self.of("StatefulSet"):
            name, count = workload["metadata"]["name"], workload["spec"]["replicas"]
            yield workload, [f"{name}-{number}" for number in range(count)]

    def litefs_yml(self, workload):
        """The text of litefs.yml in a StatefulSet's pods."""
        volumes = workload["spec"]["template"]["spec"]["volumes"]
        (config,) = [v["configMap"]["name"] for v in volumes if v["name"] == "config"]
        return self.named("ConfigMap", config)["data"]["litefs.yml"]

    def lease(self, workload):
        """The section lease of litefs.yml in a StatefulSet's pods."""
        return yaml.safe_load(self.litefs_yml(workload))["lease"]

    @property
    def moves(self):
        """Whether the primary may change; the StatefulSets of a file agree."""
        (kind,) = {self.lease(workload)["type"] for workload, _ in self.pods()}
        return kind == "kubernetes"

    def candidates(self):
        """The pods that may be the primary."""
        for workload, names in self.pods():
            candidate = self.lease(workload)["candidate"]
            if isinstance(candidate, bool):
                yield from names if candidate else []
            else:
                (name,) = re.fullmatch(r"\$\{HOSTNAME == '([^']+)'\}", candidate).groups()
                yield from (pod for pod in names if pod == name)


ALL = [Manifests(path) for path in sorted(FOLDER.glob("*.yaml"))]


def labels_of(pod_template, pod_name, has_lease=False):
    """What a selector sees of a pod: the StatefulSet's controller adds one label, and the daemon that has the lease another."""
    role = {"litefs.io/role": "primary"} if has_lease else {}
    return {**pod_template["metadata"]["labels"], "statefulset.kubernetes.io/pod-name": pod_name, **role}


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def sidecar_of(workload):
    (sidecar,) = [c for c in workload["spec"]["template"]["spec"]["initContainers"] if c["name"] == "litefs"]
    return sidecar


def mount_of(container, volume):
    """A container's mount of a volume, or None."""
    found = [m for m in container.get("volumeMounts", []) if m["name"] == volume]
    return found[0] if found else None
