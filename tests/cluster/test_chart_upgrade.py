"""
The keys of a hub live longer than its chart, also where an earlier chart had rendered them.

There are no nodes here, so nothing runs.
"""

import shutil
from collections.abc import Iterator

import pytest

from installed_chart import BUILDS, CHART, HUB, helm, keys, read
from localcluster import ControlPlane
from localcluster.errors import LocalClusterError

pytestmark = pytest.mark.cluster

EARLIER = """
{{- $made := genCA "ignition-hub" 3650 }}
{{- $tls := dict "tls.crt" ($made.Cert | b64enc) "tls.key" ($made.Key | b64enc) }}
{{- $served := set (deepCopy $tls) "ca.crt" ($made.Cert | b64enc) }}
{{- $random := dict "accessKey" (randAlphaNum 20 | b64enc) "secretKey" (randAlphaNum 40 | b64enc) }}
{{- $signing := dict "signing.key" (genPrivateKey "ed25519" | b64enc) }}
{{- range $name, $data := dict "ca" $tls "gateway-tls" $served "store" $random "signing-key" $signing }}
apiVersion: v1
kind: Secret
metadata:
  name: ignition-hub-{{ $name }}
  namespace: {{ $.Release.Namespace }}
  {{- if eq $name "signing-key" }}
  annotations: {helm.sh/resource-policy: keep}
  {{- end }}
data: {{- toYaml $data | nindent 2 }}
---
{{- end }}
{{- range $namespace := list .Release.Namespace .Values.buildNamespace.name }}
apiVersion: v1
kind: ConfigMap
metadata: {name: ignition-hub-ca, namespace: {{ $namespace }}}
data:
  ca.crt: {{ $made.Cert | quote }}
---
{{- end }}
"""
"""What the chart of release 0.1.0 rendered: the keys themselves, and only the signing key to be kept."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster with a hub that the earlier chart installed."""
    chart = tmp_path_factory.mktemp("earlier") / "chart"
    shutil.copytree(CHART, chart)
    for template in ("bootstrap-keys", "bootstrap-authority", "kept"):
        (chart / "templates" / f"{template}.yaml").unlink()
    (chart / "templates" / "earlier.yaml").write_text(EARLIER)
    with ControlPlane.start(controllers=False) as started:
        helm(started, "install", HUB, str(chart), "--create-namespace")
        yield started


def published(cluster: ControlPlane) -> set[str]:
    """Return the authorities that builders and the hub itself verify the gateway with."""
    maps = [read(cluster, "configmap", "ignition-hub-ca", namespace) for namespace in (HUB, BUILDS)]
    return {each["data"]["ca.crt"] for each in maps}


def test_keys_that_an_earlier_chart_rendered_outlive_every_upgrade_and_rollback(cluster: ControlPlane):
    before, authority = keys(cluster), published(cluster)

    steps = [("upgrade", HUB, str(CHART))] * 2 + [
        ("rollback", HUB, "2"),
        ("rollback", HUB, "1"),
    ]
    for step in steps:
        helm(cluster, *step)

        assert keys(cluster) == before, step
        assert published(cluster) == authority, step


def test_uninstalling_keeps_every_key(cluster: ControlPlane):
    helm(cluster, "upgrade", HUB, str(CHART))
    before = keys(cluster)

    helm(cluster, "uninstall", HUB)

    assert keys(cluster) == before
    with pytest.raises(LocalClusterError, match="not found"):
        read(cluster, "deployment", "ignition-hub-gateway")
