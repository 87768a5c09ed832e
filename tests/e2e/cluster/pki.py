"""One certificate authority, a certificate for each part of Kubernetes, and the kubeconfig files that use them."""

from pathlib import Path

from tests.e2e.cluster.layout import API_PORT, API_SERVICE, SWITCH_ADDRESS, Layout
from tests.e2e.cluster.shell import run

DAYS = "30"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", DAYS]
SERVED = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    "kube-controller-manager": "/CN=system:kube-controller-manager",
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
}
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: {name}
contexts: [{{name: {name}, context: {{cluster: {cluster}, user: {name}}}}}]
clusters: [{{name: {cluster}, cluster: {{server: "https://{server}", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: {name}, user: {{client-certificate: {pki}/{name}.crt, client-key: {pki}/{name}.key}}}}]
"""


def make(layout: Layout, nodes: list[str]) -> None:
    """All keys, certificates and kubeconfig files, in the cluster's folder; about a second."""
    pki = layout.pki
    pki.mkdir(mode=0o700)
    run(["openssl", "req", "-x509", *CURVE, "-subj", "/CN=carp-e2e", *_files(pki, "ca")])
    names = [f"IP:{address}" for address in (SWITCH_ADDRESS, API_SERVICE, "127.0.0.1")]
    names += [f"DNS:{name}" for name in [*SERVED, "localhost"]]
    _sign(pki, "apiserver", "/CN=kube-apiserver", ["serverAuth"], "subjectAltName=" + ",".join(names))
    for name, subject in {**CLIENTS, **{node: f"/O=system:nodes/CN=system:node:{node}" for node in nodes}}.items():
        _sign(pki, name, subject, ["clientAuth"])
        write_kubeconfig(layout, name, f"{SWITCH_ADDRESS}:{API_PORT}", pki / f"{name}.kubeconfig")
    run(["openssl", "genrsa", "-out", str(pki / "sa.key"), "2048"])
    run(["openssl", "rsa", "-in", str(pki / "sa.key"), "-pubout", "-out", str(pki / "sa.pub")])


def _files(pki: Path, name: str) -> list[str]:
    return ["-keyout", str(pki / f"{name}.key"), "-out", str(pki / f"{name}.crt")]


def _sign(pki: Path, name: str, subject: str, usages: list[str], *extensions: str) -> None:
    added = [f"extendedKeyUsage={','.join(usages)}", "basicConstraints=critical,CA:FALSE", *extensions]
    ours = ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key")]
    options = [word for extension in added for word in ("-addext", extension)]
    run(["openssl", "req", "-x509", *CURVE, *ours, "-subj", subject, *options, *_files(pki, name)])


def write_kubeconfig(layout: Layout, user: str, server: str, path: Path) -> None:
    """A kubeconfig for the certificate `user` at `server` (address:port)."""
    path.touch(mode=0o600)
    path.write_text(KUBECONFIG.format(name=user, cluster=layout.prefix, server=server, pki=layout.pki))
