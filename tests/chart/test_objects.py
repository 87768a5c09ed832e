"""What Kubernetes gets: rights, capabilities, probes, selectors, hooks, and no secret anywhere."""

import json
import re
from pathlib import Path

import pytest
import yaml

from sidecar.ops import metrics
from tests.chart.render import CHART, CI, LEAST, Object, Rendered, containers, pods, render, render_values

EVERY = pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)


def of(values: Path) -> Rendered:
    return render("-f", str(values))


def rules(rendered: Rendered, kind: str, ending: str = "") -> list[tuple[str, str, str, str]]:
    found = rendered.one(kind, ending)["rules"]
    keys = ("apiGroups", "resources", "resourceNames", "verbs")
    return [tuple(",".join(rule.get(key, [])) for key in keys) for rule in found]  # type: ignore[misc]


@EVERY
def test_no_container_is_privileged_or_root_or_writes_its_root(values: Path) -> None:
    for name, pod in pods(of(values)):
        assert not {"hostPID", "hostIPC"} & set(pod), name
        for one in containers(pod):
            if one["name"] in ("idle", "first", "ntpd"):  # what the file brings itself
                continue
            security = one["securityContext"]
            assert security["privileged"] is False
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["runAsNonRoot"] is True
            assert security["runAsUser"] > 0
            assert security["capabilities"]["drop"] == ["ALL"]
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}


@EVERY
def test_capabilities_are_exactly_what_each_needs(values: Path) -> None:
    rendered = of(values)
    wanted = {"carp": ["NET_ADMIN", "NET_RAW"], "ntp": ["NET_BIND_SERVICE"]}
    if values.stem == "plain-container-values":
        wanted["carp"] = [*wanted["carp"], "SYS_NICE"]
    for _, pod in pods(rendered):
        for one in containers(pod):
            if one["name"] not in ("idle", "first", "ntpd"):
                assert one["securityContext"]["capabilities"].get("add", []) == wanted.get(one["name"], [])


@EVERY
def test_no_secret_stands_in_a_manifest(values: Path) -> None:
    rendered = of(values)
    assert "Secret" not in rendered.kinds
    for _, pod in pods(rendered):
        for one in containers(pod):
            assert "secretKeyRef" not in json.dumps(one.get("env", []))
            assert "envFrom" not in one
    assert rendered.text.count("secretName:") == 1


def test_a_generated_passphrase_is_made_in_the_cluster_and_differs_from_nothing_rendered() -> None:
    values = ("-f", str(CHART / "ci" / "generated-passphrase-values.yaml"))
    assert render(*values).text == render(*values).text
    job = render(*values).one("Job", "-passphrase")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert rules(render(*values), "Role", "-passphrase") == [("", "secrets", "", "create")]


def test_the_pods_rights_are_the_least_by_feature() -> None:
    rendered = render_values()
    assert rules(rendered, "Role", "carp-sidecar") == [
        ("", "pods", "", "get,list,watch,patch"),
        ("apps", "daemonsets", "vip-carp-sidecar", "get,list,watch"),
        ("events.k8s.io", "events", "", "create,patch"),
    ]
    assert rules(rendered, "ClusterRole", "-nodes") == [("", "nodes", "", "get,list,watch,patch")]
    less = render_values(kubernetes__nodes=False, kubernetes__events=False)
    assert [rule[1] for rule in rules(less, "Role", "carp-sidecar")] == ["pods", "daemonsets"]
    assert not {"ClusterRole", "ClusterRoleBinding"} & less.kinds
    for which, told in ((rendered, True), (less, False)):
        assert (which.config["kubernetes_nodes"], which.config["kubernetes_events"]) == (told, told)
    none = render_values(kubernetes__enabled=False, sidecar__readiness="health")
    assert not {"Role", "RoleBinding", "ClusterRole", "ValidatingAdmissionPolicy"} & none.kinds
    assert "token" not in [volume["name"] for volume in none.pod["volumes"]]
    assert {"name": "CARP_KUBERNETES", "value": "off"} in none.carp["env"]


def test_every_binding_is_of_the_pods_own_account() -> None:
    rendered = render("-f", str(CHART / "ci" / "everything-values.yaml"))
    assert rendered.pod["serviceAccountName"] == "ntp-vip-pods"
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for one in rendered.all(kind):
            if "helm.sh/hook" not in one["metadata"].get("annotations", {}):
                assert one["subjects"] == [{"kind": "ServiceAccount", "name": "ntp-vip-pods", "namespace": "time"}]
    policies = rendered.all("ValidatingAdmissionPolicy")
    assert {one["spec"]["matchConditions"][0]["expression"] for one in policies} == {
        'request.userInfo.username == "system:serviceaccount:time:ntp-vip-pods"'
    }


def test_only_the_sidecar_gets_a_token() -> None:
    pod = render_values().pod
    assert pod["automountServiceAccountToken"] is False
    mounting = [one["name"] for one in containers(pod) if "token" in {mount["name"] for mount in one["volumeMounts"]}]
    assert mounting == ["carp"]


def test_policies_come_where_the_api_has_them_or_when_demanded() -> None:
    assert len(render(*LEAST).all("ValidatingAdmissionPolicy")) == 2
    assert not render(*LEAST, policies=False).all("ValidatingAdmissionPolicy")
    demanded = render(*LEAST, "--set", "admissionPolicy.enabled=true", policies=False)
    assert len(demanded.all("ValidatingAdmissionPolicyBinding")) == 2
    assert not render(*LEAST, "--set", "admissionPolicy.enabled=false").all("ValidatingAdmissionPolicy")
    assert len(render(*LEAST, "--set", "kubernetes.nodes=false").all("ValidatingAdmissionPolicy")) == 1


def test_the_sidecar_is_native_or_plain_and_alone_where_the_node_has_the_time() -> None:
    native = render_values().pod
    assert [one["name"] for one in native["initContainers"]] == ["carp"]
    assert native["initContainers"][0]["restartPolicy"] == "Always"
    plain = render_values(sidecar__native=False).pod
    assert [one["name"] for one in plain["containers"]] == ["carp", "ntp"]
    assert "initContainers" not in plain
    assert "restartPolicy" not in plain["containers"][0]
    host = render_values(ntp__mode="host").pod
    assert [one["name"] for one in containers(host)] == ["carp"]
    assert "initContainers" not in host


def test_probes_ask_the_loopback_or_the_nodes_own_address() -> None:
    for where, host in (("127.0.0.1:8112", "127.0.0.1"), ("0.0.0.0:9000", "127.0.0.1"), ("[::1]:9000", "::1")):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = render_values(sidecar__http=where).carp[probe]["httpGet"]
            assert (asked["host"], asked["port"]) == (host, int(where.rpartition(":")[2]))
    node = render_values(sidecar__http="node:8112")
    assert "host" not in node.carp["livenessProbe"]["httpGet"]
    assert {"name": "CARP_HTTP", "value": "$(HOST_IP):8112"} in node.carp["env"]
    assert "http" not in node.config


def test_start_and_life_depend_on_the_election_only_and_readiness_on_the_role() -> None:
    carp = render_values().carp
    paths = [carp[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert paths == ["/livez", "/livez", "/readyz"]
    assert render_values(sidecar__readiness="health").config["readiness"] == "health"


def test_the_sidecar_resigns_first_and_the_ntp_server_stays_meanwhile() -> None:
    rendered = render_values()
    assert rendered.carp["lifecycle"]["preStop"]["exec"]["command"] == ["carp-sidecar", "resign"]
    ntp = rendered.pod["containers"][0]
    assert ntp["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "4"]
    own = render("-f", str(CHART / "ci" / "own-ntp-values.yaml")).pod["containers"][0]
    assert own["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "4"]
    assert own["securityContext"]["readOnlyRootFilesystem"] is True


@EVERY
def test_services_find_members_only_and_selectors_hold_what_never_changes(values: Path) -> None:
    rendered = of(values)
    daemonset = rendered.one("DaemonSet")
    selector = daemonset["spec"]["selector"]["matchLabels"]
    assert set(selector) == {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}
    assert selector.items() <= daemonset["spec"]["template"]["metadata"]["labels"].items()
    others = [one["metadata"]["labels"] for one in rendered.objects if one["kind"] == "Pod"]
    others += [one["spec"]["template"]["metadata"]["labels"] for one in rendered.all("Job")]
    assert not any(selector.items() <= labels.items() for labels in others)
    for service in rendered.all("Service"):
        assert selector.items() <= service["spec"]["selector"].items()


def test_the_ntp_service_leads_to_the_master_and_never_takes_the_address() -> None:
    rendered = render_values()
    ntp, everybody = rendered.one("Service", "-ntp"), rendered.one("Service", "-ntp-all")
    assert ntp["spec"]["selector"]["carp-role"] == "master"
    assert "carp-role" not in everybody["spec"]["selector"]
    assert everybody["spec"]["clusterIP"] == "None"
    assert ntp["spec"]["publishNotReadyAddresses"]  # a new master is not Ready until a probe has found out
    for service in (ntp, everybody):
        assert not {"externalIPs", "loadBalancerIP"} & set(service["spec"])
        assert service["spec"]["ports"][0] == {"name": "ntp", "port": 123, "protocol": "UDP", "targetPort": 123}


def test_dual_stack_reaches_the_services_and_the_daemon() -> None:
    rendered = render("-f", str(CHART / "ci" / "dual-stack-values.yaml"))
    assert rendered.one("Service", "-ntp")["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert rendered.config["vhosts"][0]["addresses"] == ["192.0.2.10", "2001:db8::10/64"]
    assert rendered.one("Pod")["spec"]["containers"][0]["args"][2:] == ["192.0.2.10", "2001:db8::10"]


def test_a_changed_configuration_makes_new_pods_and_a_new_key_secret_none() -> None:
    def template_of(**values: object) -> Object:
        found: Object = render_values(**values).one("DaemonSet")["spec"]["template"]
        return found

    assert template_of() != template_of(carp__advbase=2)
    assert template_of() != template_of(ntp__chrony__servers=["ntp.example.com"])
    assert "checksum" not in json.dumps(template_of())
    assert "passphrase" not in json.dumps(template_of()["metadata"])
    assert "subPath" not in json.dumps(template_of())


def test_chrony_answers_the_sidecar_whoever_else_may_ask() -> None:
    def allowed(**values: object) -> list[str]:
        text = render_values(**values).one("ConfigMap", "-chrony")["data"]["chrony.conf"]
        return [line.removeprefix("allow ") for line in text.splitlines() if line.startswith("allow ")]

    assert allowed() == ["all"]
    some = allowed(ntp__chrony__allow=["198.51.100.0/24"], carp__addresses=["192.0.2.10/24", "2001:db8::10"])
    assert some == ["198.51.100.0/24", "127.0.0.1", "::1", "192.0.2.10", "2001:db8::10"]


def test_the_release_is_written_on_the_daemonset_and_not_on_its_pods() -> None:
    daemonset = render_values().one("DaemonSet")
    assert daemonset["metadata"]["annotations"]["carp-sidecar.io/release"] == "1"
    assert "carp-sidecar.io/release" not in daemonset["spec"]["template"]["metadata"]["annotations"]


def test_the_hook_unsettles_before_upgrade_and_rollback_with_rights_on_one_daemonset() -> None:
    rendered = render_values()
    upgrade, rollback = rendered.one("Job", "-unsettle"), rendered.one("Job", "-unsettle-back")
    assert upgrade["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert rollback["metadata"]["annotations"]["helm.sh/hook"] == "pre-rollback"
    assert rules(rendered, "Role", "-unsettle") == [
        ("apps", "daemonsets", "vip-carp-sidecar", "patch"),
        ("apps", "daemonsets/status", "vip-carp-sidecar", "get"),
    ]
    for job in (upgrade, rollback):
        assert job["spec"]["activeDeadlineSeconds"] == 120
        container = job["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == rendered.carp["image"]
        assert container["args"][1:] == ["time", "vip-carp-sidecar", "1", "60", "10"]
    assert not render_values(rollout__unsettleFirst=False).all("Job", "-unsettle")
    assert not render_values(sidecar__readiness="health").all("Job", "-unsettle")


def test_the_hook_forgets_nodes_only_where_pods_could_label_them_and_gets_no_other_right() -> None:
    rendered = render_values()
    assert rendered.one("Job", "-forget")["metadata"]["annotations"]["helm.sh/hook"] == "post-delete"
    assert rules(rendered, "ClusterRole", "-forget") == [("", "nodes", "", "list,patch")]
    binding = rendered.one("ClusterRoleBinding", "-forget")
    assert binding["roleRef"]["name"] == "time-vip-carp-sidecar-forget"
    assert binding["subjects"][0]["name"] == rendered.one("ServiceAccount", "-forget")["metadata"]["name"]
    assert rendered.one("Job", "-forget")["spec"]["template"]["spec"]["containers"][0]["args"][1:] == ["time.vip"]
    for without in ("kubernetes__forgetNodes", "kubernetes__nodes", "rbac__create"):
        assert not render_values(**{without: False}).all("Job", "-forget")


def test_scripts_are_python_as_it_stands_in_the_chart() -> None:
    rendered = render("-f", str(CHART / "ci" / "generated-passphrase-values.yaml"))
    for name, script in (
        ("-unsettle", "unsettle"),
        ("-forget", "forget"),
        ("-passphrase", "passphrase"),
        ("-test", "ask_time"),
    ):
        pod = next(spec for found, spec in pods(rendered) if found.endswith(name))
        assert pod["containers"][0]["args"][0].strip() == (CHART / "files" / f"{script}.py").read_text().strip()


def test_images_come_by_digest_and_registry_when_given() -> None:
    rendered = render("-f", str(CHART / "ci" / "openshift-values.yaml"))
    assert rendered.carp["image"] == f"registry.example:5000/carp-sidecar@sha256:{1:064d}"
    assert rendered.pod["containers"][0]["image"] == "registry.example:5000/carp-sidecar-chrony:0.1.0"
    assert rendered.pod["imagePullSecrets"] == [{"name": "pull"}]
    default = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert render_values().carp["image"] == f"carp-sidecar:{default}"


def test_alerts_and_dashboard_speak_of_metrics_that_exist() -> None:
    rendered = render("-f", str(CHART / "ci" / "monitoring-values.yaml"))
    source = Path(metrics.__file__).read_text()
    alerts = rendered.one("PrometheusRule")["spec"]["groups"][0]["rules"]
    expressions = [rule["expr"] for rule in alerts]
    dashboard = json.loads(rendered.one("ConfigMap", "-dashboard")["data"]["carp-sidecar.json"])
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name.removesuffix("_bucket") for text in expressions for name in re.findall(r"\bcarp_\w+", text)}
    assert len(used) > 10
    assert [name for name in used if f'"{name}"' not in source] == []
    assert all('namespace="time",pod=~"vip-carp-sidecar-[a-z0-9]{5}"' in rule["expr"] for rule in alerts)


def test_prometheus_reaches_the_port_it_is_told() -> None:
    rendered = render("-f", str(CHART / "ci" / "monitoring-values.yaml"))
    assert rendered.carp["ports"] == [{"name": "http", "containerPort": 8112, "hostPort": 8112, "protocol": "TCP"}]
    service = render("-f", str(CHART / "ci" / "service-monitor-values.yaml"))
    assert service.one("Service", "-metrics")["spec"]["ports"][0]["port"] == 9112
    assert service.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= (
        service.one("Service", "-metrics")["metadata"]["labels"].items()
    )


def test_extra_objects_are_rendered_as_templates() -> None:
    names = {one["metadata"]["name"] for one in render("-f", str(CHART / "ci" / "everything-values.yaml")).objects}
    assert {"vip-extra", "ntp-vip-text"} <= names


def test_two_releases_of_one_name_in_two_namespaces_share_no_cluster_object() -> None:
    here = {
        one["metadata"]["name"]
        for kind in ("ClusterRole", "ValidatingAdmissionPolicy")
        for one in render_values().all(kind)
    }
    assert here == {f"time-vip-carp-sidecar-{which}" for which in ("nodes", "pods", "forget")}
    assert all(name.startswith("time-") for name in here)
