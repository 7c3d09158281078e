"""Has a service account do at a real API server what its litefs does: server_rights.py KUBECTL KUBECONFIG FILE

The file's account, Role and RoleBinding are stored, and then, in the account's name: the Lease of litefs.yml is made, read and
replaced, a pod is read and labelled. After that the server says for each of a list of things whether the account may do it. The
namespace is one of this run's own, so that files do not lend each other rights.
"""

import json
import os
import subprocess
import sys

import yaml

GROUP = "coordination.k8s.io"


def wanted(lease):
    """What must be allowed, and what must not: verb, group, resource, name, and whether in the account's own namespace."""
    allowed = [
        ("create", GROUP, "leases", "", True), ("get", GROUP, "leases", lease, True), ("update", GROUP, "leases", lease, True),
        ("get", "", "pods", "any-0", True), ("patch", "", "pods", "any-0", True),
    ]
    forbidden = [
        *((verb, GROUP, "leases", lease, True) for verb in ("delete", "patch", "list", "watch", "deletecollection")),
        *((verb, GROUP, "leases", "another", True) for verb in ("get", "update", "delete")),
        *((verb, "", "pods", "any-0", True) for verb in ("create", "update", "delete", "list", "watch")),
        *(("create", "", f"pods/{part}", "any-0", True) for part in ("exec", "eviction", "ephemeralcontainers")),
        *((verb, "", kind, "any", True) for verb in ("get", "list", "update") for kind in ("secrets", "configmaps", "nodes")),
        ("patch", "apps", "statefulsets", "any", True), ("create", "", "serviceaccounts/token", "any", True),
        ("update", "rbac.authorization.k8s.io", "roles", "any", True),
        *((verb, GROUP, "leases", lease, False) for verb in ("create", "get", "update")),
        *((verb, "", "pods", "any-0", False) for verb in ("get", "patch")),
    ]
    return [(True, *thing) for thing in allowed] + [(False, *thing) for thing in forbidden]


class Server:
    """kubectl, with one configuration."""

    def __init__(self, kubectl, kubeconfig, namespace):
        self.command = [kubectl, "--kubeconfig", kubeconfig, "--namespace", namespace]

    def run(self, *arguments, document=None, account=None):
        """The output of a command; with an account, in its name."""
        impersonated = ["--as", account] if account else []
        result = subprocess.run(
            [*self.command, *impersonated, *arguments], input=json.dumps(document) if document else "",
            capture_output=True, text=True,
        )
        if result.returncode:
            raise SystemExit(f"refused: {' '.join(arguments)} as {account or 'administrator'}: {result.stderr}")
        return result.stdout

    def use(self, account, lease):
        """Everything that litefs does in a life."""
        record = {"apiVersion": f"{GROUP}/v1", "kind": "Lease", "metadata": {"name": lease}, "spec": {"holderIdentity": "one"}}
        self.run("create", "-f", "-", document=record, account=account)
        read = json.loads(self.run("get", "lease", lease, "-o", "json", account=account))
        read["spec"]["holderIdentity"] = "two"
        self.run("replace", "-f", "-", document=read, account=account)
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any-0"}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        self.run("create", "-f", "-", document=pod)
        for label in ('"primary"', "null"):
            patch = '{"metadata":{"labels":{"litefs.io/role":%s}}}' % label
            self.run("patch", "pod", "any-0", "--type", "merge", "-p", patch, account=account)

    def review(self, account, namespace, lease):
        """Asks for all at once, and compares."""
        things = wanted(lease)
        reviews = [
            {
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {"user": account, "resourceAttributes": {
                    "verb": verb, "group": group, "resource": resource.partition("/")[0],
                    "subresource": resource.partition("/")[2], "name": name, "namespace": namespace if own else "default",
                }},
            }
            for _, verb, group, resource, name, own in things
        ]
        answer = self.run(
            "create", "-f", "-", "-o", "jsonpath={.status.allowed}{'\\n'}",
            document={"apiVersion": "v1", "kind": "List", "items": reviews},
        )
        said = [word == "true" for word in answer.split("\n")[:-1]]
        wrong = [thing for thing, allowed in zip(things, said, strict=True) if allowed != thing[0]]
        for allowed, verb, group, resource, name, own in wrong:
            print(f"{'not allowed' if allowed else 'allowed'}: {verb} {resource} {name} {'' if own else 'elsewhere'}")
        return not wrong


def main(kubectl, kubeconfig, path):
    with open(path) as file:
        documents = [d for d in yaml.safe_load_all(file) if d]
    namespace = f"rights-{os.path.basename(path).removesuffix('.yaml').replace('.', '-')}"
    administrator = Server(kubectl, kubeconfig, namespace)
    administrator.run("create", "namespace", namespace)
    (lease,) = {
        yaml.safe_load(d["data"]["litefs.yml"])["lease"]["kubernetes"]["name"]
        for d in documents if d["kind"] == "ConfigMap" and "litefs.yml" in d["data"]
    }
    for document in documents:
        if document["kind"] not in ("ServiceAccount", "Role", "RoleBinding"):
            continue
        document["metadata"].pop("namespace", None)
        for subject in document.get("subjects", []):
            subject["namespace"] = namespace
        administrator.run("create", "-f", "-", document=document)
    (account,) = [d["metadata"]["name"] for d in documents if d["kind"] == "ServiceAccount"]
    user = f"system:serviceaccount:{namespace}:{account}"
    # The server's view of new roles lags for a moment.
    administrator.run("auth", "can-i", "create", "leases", account=user)
    administrator.use(user, lease)
    return 0 if administrator.review(user, namespace, lease) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
