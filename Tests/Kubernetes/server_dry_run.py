"""Asks an API server of Kubernetes 1.20 whether it would store manifests: server_dry_run.py KUBECTL KUBECONFIG FILE

Of each StatefulSet and CronJob the server sees the first pod, too: pod templates it hardly validates, pods it does.

Everything in the file goes through the server's validation, defaults and admission, and nothing stays but the namespaces. What
1.20 does not know is changed or left out first:

- a native sidecar (restartPolicy of an init container, 1.29) becomes an ordinary container: its probes, volumes and rights are
  validated as such;
- persistentVolumeClaimRetentionPolicy (1.23) and the preStop action sleep (1.29) are left out;
- ServiceMonitor and PrometheusRule are left out: this build of the server, by a newer Go than it was written for, cannot store
  objects of kinds that are not its own;
- CronJobs of batch/v1 and PodDisruptionBudgets of policy/v1 (1.21) become v1beta1, which had the same fields.
"""

import json
import subprocess
import sys

import yaml

LEFT_OUT = {"ServiceMonitor", "PrometheusRule"}
OLD_VERSIONS = {("CronJob", "batch/v1"): "batch/v1beta1", ("PodDisruptionBudget", "policy/v1"): "policy/v1beta1"}


def for_1_20(document):
    """The same object in the words of 1.20."""
    kind, version = document["kind"], document["apiVersion"]
    document["apiVersion"] = OLD_VERSIONS.get((kind, version), version)
    if kind != "StatefulSet":
        return document
    document["spec"].pop("persistentVolumeClaimRetentionPolicy", None)
    pod = document["spec"]["template"]["spec"]
    sidecars = [c for c in pod["initContainers"] if c.pop("restartPolicy", None) == "Always"]
    pod["initContainers"] = [c for c in pod["initContainers"] if c not in sidecars]
    pod["containers"] += sidecars
    for container in pod["containers"]:
        if "sleep" in container.get("lifecycle", {}).get("preStop", {}):
            del container["lifecycle"]
    return document


def first_pod(document):
    """The pod that a controller would make first, or nothing."""
    if document["kind"] == "StatefulSet":
        template = document["spec"]["template"]
        claims = [claim["metadata"]["name"] for claim in document["spec"]["volumeClaimTemplates"]]
    elif document["kind"] == "CronJob":
        template = document["spec"]["jobTemplate"]["spec"]["template"]
        claims = []
    else:
        return []
    name = document["metadata"]["name"] + "-0"
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{name}"}} for claim in claims]
    spec = {**template["spec"], "volumes": template["spec"]["volumes"] + volumes}
    # A class that an example names is its cluster's.
    spec.pop("priorityClassName", None)
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    if "namespace" in document["metadata"]:
        metadata["namespace"] = document["metadata"]["namespace"]
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}]


def main(kubectl, kubeconfig, path):
    with open(path) as file:
        documents = [for_1_20(d) for d in yaml.safe_load_all(file) if d and d["kind"] not in LEFT_OUT]
    documents += [pod for document in documents for pod in first_pod(document)]

    def run(*arguments, stdin):
        return subprocess.run([kubectl, "--kubeconfig", kubeconfig, *arguments], input=stdin, text=True).returncode

    # A namespace that a dry run made is not there for the next object.
    names = {d["metadata"].get("namespace") for d in documents} - {None}
    names |= {d["metadata"]["name"] for d in documents if d["kind"] == "Namespace"}
    for name in sorted(names):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if run("apply", "-f", "-", stdin=json.dumps(namespace)):
            return 1
    for document in documents:
        # Objects of the chart without a namespace go to the release's.
        namespace = document["metadata"].get("namespace", "zero")
        where = [] if document["kind"] == "Namespace" else ["--namespace", namespace]
        if namespace not in names and where:
            run("create", "namespace", namespace, stdin="")
            names.add(namespace)
        if run("apply", "--validate=strict", "--dry-run=server", *where, "-f", "-", stdin=json.dumps(document)):
            print(f"refused: {document['kind']} {document['metadata']['name']}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
