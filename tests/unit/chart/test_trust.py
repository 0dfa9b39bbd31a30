"""The chart: certificates, the authority behind them, and the key that signs engines."""

import pytest

from chart_harness import HELM, OWN_STORE, Json, containers, find, render

pytestmark = pytest.mark.skipif(
    not HELM.exists(), reason="helm is not built: PYTHONPATH=tests/tools python3 -m localcluster build"
)


@pytest.fixture(scope="module")
def trial() -> list[Json]:
    return render()


def test_everybody_may_read_the_authoritys_certificate_and_nothing_else(trial: list[Json]):
    everybody = [
        document["roleRef"]["name"]
        for document in trial
        if document["kind"].endswith("RoleBinding")
        and any(subject["name"] == "system:authenticated" for subject in document["subjects"])
    ]

    assert everybody == ["ignition-hub-ca"]
    assert find(trial, "Role", "ignition-hub-ca")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["ignition-hub-ca"],
            "verbs": ["get"],
        }
    ]


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
MODES = {
    "helm": {},
    "cert-manager": {"mode": "certManager"},
    "an issuer": {
        "mode": "certManager",
        "certManager": {"issuerRef": {"name": "ca"}},
        "caBundle": CERTIFICATE,
    },
    "external": {"mode": "external", "existingSecret": "tls", "caBundle": CERTIFICATE},
}


@pytest.mark.parametrize("certificates", MODES.values(), ids=MODES)
def test_rendering_makes_no_key_and_says_the_same_each_time(certificates: Json):
    first, second = (render({"certificates": certificates}) for _ in range(2))

    assert first == second
    assert not [document for document in first if document["kind"] == "Secret"]
    assert "PRIVATE KEY" not in str(first)


def flags(documents: list[Json], hook: str) -> list[str]:
    """Return the flags of a hook's program; none where the hook is not there."""
    jobs = [d for d in documents if d["kind"] == "Job" and d["metadata"]["name"].startswith(f"{hook}-")]
    return [word for job in jobs for word in containers(job)[0]["args"] if word.startswith("--")]


def test_each_key_that_is_not_given_is_made_before_the_hub(trial: list[Json]):
    made = flags(trial, "ignition-hub-keys")

    assert made[:5] == [
        "--namespace=ignition-hub",
        "--signing-key=ignition-hub-signing-key",
        "--store-keys=ignition-hub-store",
        "--authority=ignition-hub-ca",
        "--certificate=ignition-hub-gateway-tls",
    ]
    assert made[5] == "--host=ignition-hub-gateway.ignition-hub.svc"
    assert "--host=127.0.0.1" in made


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"signingKey": {"existingSecret": "mine"}}, "--signing-key"),
        ({"store": {"credentialsSecret": "mine"}}, "--store-keys"),
        (OWN_STORE, "--store-keys"),
        ({"certificates": MODES["cert-manager"]}, "--certificate"),
        ({"certificates": MODES["an issuer"]}, "--authority"),
        ({"certificates": MODES["external"]}, "--authority"),
    ],
)
def test_a_key_that_is_given_is_not_made(changes: Json, gone: str):
    made = flags(render(changes), "ignition-hub-keys")

    assert made
    assert not [flag for flag in made if flag.startswith(gone)]


def test_where_every_key_is_given_there_are_no_hooks():
    given = {"signingKey": {"existingSecret": "mine"}, "certificates": MODES["external"]}
    documents = render(OWN_STORE | given)

    assert not [d for d in documents if "helm.sh/hook" in (d["metadata"].get("annotations") or {})]


def test_the_right_to_make_secrets_exists_only_while_a_hook_runs(trial: list[Json]):
    of_hooks = [d for d in trial if "helm.sh/hook" in (d["metadata"].get("annotations") or {})]

    kinds = {document["kind"] for document in of_hooks}
    assert kinds == {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Job"}
    for document in of_hooks:
        policies = document["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policies == "before-hook-creation,hook-succeeded"
    lasting = {d["metadata"]["name"] for d in trial if d["kind"] == "ServiceAccount"} - {
        d["metadata"]["name"] for d in of_hooks
    }
    accounts = {f"ignition-hub-{name}" for name in ("controller", "gateway", "prune")}
    assert lasting == accounts | {"ignition-builder"}


def test_a_job_of_another_image_has_another_name():
    names = {
        document["metadata"]["name"]
        for tag in ("one", "two")
        for document in render({"images": {"tag": tag}})
        if document["kind"] == "Job"
    }

    assert len(names) == 4


def test_the_gateway_believes_earlier_signing_keys_that_are_named():
    documents = render({"signingKey": {"previous": ["2026.key", "2027.key"]}})

    gateway = containers(find(documents, "Deployment", "ignition-hub-gateway"))[0]
    folder = "/var/run/secrets/ignition-signing"
    assert f"--previous-keys={folder}/2026.key,{folder}/2027.key" in gateway["args"]


def test_cert_manager_issues_from_the_charts_own_authority():
    documents = render({"certificates": {"mode": "certManager"}})

    certificate = find(documents, "Certificate", "ignition-hub-gateway")["spec"]
    assert certificate["secretName"] == "ignition-hub-gateway-tls"
    assert certificate["issuerRef"] == {"name": "ignition-hub", "kind": "Issuer"}
    assert find(documents, "Issuer", "ignition-hub")["spec"]["ca"]["secretName"] == "ignition-hub-ca"


def test_an_external_certificate_is_mounted_and_its_authority_handed_out():
    documents = render({"certificates": MODES["external"]})

    volumes = find(documents, "Deployment", "ignition-hub-gateway")["spec"]["template"]["spec"]["volumes"]
    assert next(v for v in volumes if v["name"] == "tls")["secret"]["secretName"] == "tls"
    assert find(documents, "ConfigMap", "ignition-hub-ca", "ignition-hub")["data"]["ca.crt"] == CERTIFICATE
