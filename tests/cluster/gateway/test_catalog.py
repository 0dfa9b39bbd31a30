"""The catalog of a real gateway: who sees which rows, and the page in a headless Chromium."""

import contextlib
import http.client
import ssl
import time

import pytest

from browser import browser, chromium
from catalogrows import READY, target
from gateway_harness import allow, apply_engine, make_team, remove_engines

pytestmark = pytest.mark.cluster

MARKUP = "<img src=x onerror=\"document.title='run'\"><b>"
WAIT_SECONDS = 10.0

CONTRASTS = """
(() => {
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    const color = getComputedStyle(node).backgroundColor;
    return color === 'rgba(0, 0, 0, 0)' ? ground(node.parentElement) : color;
  };
  const found = {};
  for (const node of document.querySelectorAll('h1, p, label, button, th, td, span, summary, a, dt, dd')) {
    const [low, high] = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => a - b);
    found[node.tagName + '.' + node.className] = (high + 0.05) / (low + 0.05);
  }
  return found;
})()
"""
"""What a person sees of each kind of text: how far it is from its ground, as WCAG 2 counts."""


def get(hub, path, token):
    """Return status, headers and text of a page."""
    context = ssl.create_default_context(cafile=str(hub.gateway.folder / "tls.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", hub.gateway.port, timeout=60, context=context)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def rows(hub, token, query="", *, expected=None):
    """Return the rows of the document; with ``expected``, once the watch has brought as many."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        answer = hub.gateway.ask("GET", f"/v1/catalog{query}", token=token)
        assert answer.status == 200, answer.message
        if expected is None or answer.body["total"] == expected or time.monotonic() > deadline:
            return answer.body["engines"]
        time.sleep(0.05)


@pytest.fixture(scope="module")
def teams(hub):
    """Two namespaces with engines, whose accounts list their own; and one whose account lists all."""
    remove_engines(hub)
    vision, speech, platform = (make_team(hub) for _ in range(3))
    hostile = target("sm_86", "Failed", reason="BuildFailed", message=MARKUP, pool=MARKUP)
    apply_engine(hub, vision, [READY, hostile], name="arcface")
    apply_engine(hub, speech, [READY], name="whisper")
    people = [("Group", f"oidc:{vision}")]
    allow(hub, vision, "list", people=people)
    allow(hub, speech, "list", people=people)
    allow(hub, platform, "list", everywhere=True)
    rows(hub, hub.token(vision), expected=2)
    rows(hub, hub.token(speech), expected=1)
    return vision, speech, platform


@pytest.mark.parametrize("path", ["/catalog", "/v1/catalog"])
def test_without_a_token_that_the_cluster_accepts_nothing_is_shown(hub, teams, issuer, path):
    for token in ("", "junk", hub.token(teams[0], audience="another"), issuer.token("anna", audience="wiki")):
        answer = hub.gateway.ask("GET", path, token=token)
        assert (answer.status, answer.reason) == (401, "TokenRejected")
        assert "audience ignition-hub" in answer.message


@pytest.fixture(scope="module")
def signed_in(teams, issuer):
    """The token of a person whose group may list the engines of the first two teams."""
    return issuer.token("anna", groups=teams[:1])


def test_a_person_sees_the_namespaces_that_the_person_may_list_and_no_other(hub, teams, signed_in):
    vision, speech, platform = teams
    apply_engine(hub, platform, [READY], name="private")
    rows(hub, hub.token(platform), f"?namespace={platform}", expected=1)

    answer = hub.gateway.ask("GET", "/v1/catalog", token=signed_in)

    assert answer.body["namespaces"] == sorted([vision, speech])
    assert {row["resource"] for row in answer.body["engines"]} == {"arcface", "whisper"}
    _, _, page = get(hub, "/catalog", signed_in)
    assert f"Namespaces {', '.join(sorted([vision, speech]))}, as of" in page
    assert "private" not in page
    assert {row["namespace"] for row in rows(hub, signed_in, f"?namespace={speech}")} == {speech}
    refusal = hub.gateway.ask("GET", f"/v1/catalog?namespace={platform}", token=signed_in)
    assert (refusal.status, refusal.reason) == (403, "NotPermitted")


def test_a_person_who_may_list_nothing_is_told_what_to_bind(hub, teams, issuer):
    answer = hub.gateway.ask("GET", "/v1/catalog", token=issuer.token("otto"))

    assert (answer.status, answer.reason) == (403, "NotPermitted")
    assert "oidc:otto may not list tensorrtengines in all namespaces" in answer.message
    assert "bind the ClusterRole view" in answer.message


def test_the_token_of_a_person_is_taken_nowhere_but_at_the_catalog_and_never_logged(hub, teams, signed_in):
    assert hub.gateway.ask("GET", "/v1/catalog", token=signed_in).status == 200

    for method, path, body in (
        ("GET", "/v1/builds/self", None),
        ("POST", "/v1/engines/arcface/resolve", {}),
        ("POST", "/v1/models", b"onnx"),
        ("POST", "/v1/prune", {}),
        ("POST", "/v1/fetches", {"engines": []}),
    ):
        answer = hub.gateway.ask(method, path, body, token=signed_in)
        assert (path, answer.status, answer.reason) == (path, 401, "TokenRejected")
    assert signed_in not in hub.gateway.log()


def test_the_token_of_a_program_for_the_api_server_is_not_taken(hub, teams):
    own = hub.token(teams[0], audience="https://kubernetes.default.svc.cluster.local")

    assert hub.gateway.ask("GET", "/v1/catalog", token=own).reason == "TokenRejected"


def test_a_namespace_sees_its_own_rows_and_none_of_another(hub, teams):
    vision, speech, _ = teams

    assert {row["namespace"] for row in rows(hub, hub.token(vision))} == {vision}
    assert {row["resource"] for row in rows(hub, hub.token(speech))} == {"whisper"}
    _, _, page = get(hub, "/catalog", hub.token(speech))
    assert "whisper" in page
    assert vision not in page


@pytest.mark.parametrize("path", ["/catalog", "/v1/catalog"])
def test_the_namespace_of_another_is_refused_whether_it_exists_or_not(hub, teams, path):
    vision, speech, _ = teams
    for name in (speech, "there-is-none"):
        answer = hub.gateway.ask("GET", f"{path}?namespace={name}", token=hub.token(vision))
        assert (answer.status, answer.reason) == (403, "NotPermitted")
        assert f"may not list tensorrtengines in namespace {name}" in answer.message


def test_who_may_list_nothing_is_told_what_to_bind(hub, teams):
    answer = hub.gateway.ask("GET", "/v1/catalog", token=hub.token(make_team(hub)))

    assert (answer.status, answer.reason) == (403, "NotPermitted")
    assert "bind the ClusterRole view" in answer.message


def test_who_may_list_all_sees_all_and_may_choose(hub, teams):
    vision, speech, platform = teams
    token = hub.token(platform)

    assert {vision, speech} <= {row["namespace"] for row in rows(hub, token)}
    assert {row["namespace"] for row in rows(hub, token, f"?namespace={speech}")} == {speech}
    (row,) = rows(hub, token, f"?namespace={vision}&state=Ready&gpu=l4")
    assert (row["uri"], row["build"]["pool"]) == (READY["uri"], "l4")


def test_what_is_asked_for_wrongly_is_refused(hub, teams):
    token = hub.token(teams[0])
    for query, words in (("state=ready", "use one of"), ("page=0", "pages count from 1")):
        answer = hub.gateway.ask("GET", f"/v1/catalog?{query}", token=token)
        assert (answer.status, answer.reason) == (400, "InvalidRequest")
        assert words in answer.message


def test_a_browser_is_told_to_run_nothing_and_to_keep_nothing(hub, teams):
    status, headers, _ = get(hub, "/catalog", hub.token(teams[0]))

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert "Set-Cookie" not in headers


@pytest.fixture(scope="module")
def tab(hub, teams, tmp_path_factory):
    """A browser before the gateway, with the header that a proxy adds which knows who asks."""
    if chromium() is None:
        pytest.skip("no Chromium here: apt-get install chromium-headless-shell")
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        tab.address = f"https://127.0.0.1:{hub.gateway.port}/catalog"
        tab.token = {"Authorization": f"Bearer {hub.token(teams[0])}"}
        yield tab


def test_markup_in_a_message_is_text_and_nothing_runs_or_loads(tab):
    tab.open(tab.address, tab.token)

    assert tab.value("document.title") == "Engine catalog - Ignition Hub"
    assert MARKUP in tab.value("document.querySelector('tbody').textContent")
    assert tab.value("document.querySelectorAll('img, script, tbody b').length") == 0
    assert tab.value("getComputedStyle(document.querySelector('td.state.good')).fontWeight") == "600"
    assert tab.complaints == []
    assert {url for url in tab.requested if not url.startswith(tab.address)} == set()


def test_a_script_that_got_into_the_page_would_not_run(tab):
    tab.open(tab.address, tab.token)

    tab.value(
        "void (() => { const each = document.createElement('script');"
        " each.textContent = 'document.title = \"run\"'; document.body.append(each); })()"
    )
    assert tab.value("document.title") == "Engine catalog - Ignition Hub"
    assert any("Content Security Policy" in words for words in tab.complaints)
    tab.complaints.clear()


def test_a_person_chooses_rows_by_keyboard_alone(tab):
    tab.open(tab.address, tab.token)

    tab.press("Tab", 9)  # the namespace
    tab.press("Tab", 9)  # the model
    tab.press("Tab", 9)
    tab.do("Input.insertText", text="sm_86")
    with tab.loading():
        tab.press("Enter", 13, "\r")
    assert "gpu=sm_86" in tab.value("location.search")
    assert tab.value("document.querySelectorAll('tbody tr').length") == 1
    passed = []  # the form, what scrolls, the details of the row
    while "SUMMARY" not in passed and len(passed) < 10:
        tab.press("Tab", 9)
        passed.append(tab.value("document.activeElement.tagName"))
    assert passed == ["INPUT", "INPUT", "INPUT", "SELECT", "BUTTON", "A", "DIV", "SUMMARY"]
    tab.press("Enter", 13, "\r")
    assert tab.value("document.querySelector('details').open") is True
    assert tab.value("document.querySelector('dl').checkVisibility()") is True


def test_a_screen_reader_is_told_of_the_table_its_heads_and_its_form(tab):
    tab.open(tab.address, tab.token)

    told = tab.accessible()
    assert {
        ("main", ""),
        ("heading", "Engine catalog"),
        ("search", ""),
        ("textbox", "Model contains"),
        ("combobox", "State"),
        ("table", "Engines by model and GPU"),
        ("columnheader", "GPU"),
        ("rowheader", "resnet50 v1 fp16"),
        ("region", "Engines"),
    } <= set(told)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_read_easily_in_light_and_dark(tab, scheme):
    tab.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.open(tab.address, tab.token)

    assert tab.value(CONTRASTS)
    assert min(tab.value(CONTRASTS).values()) >= 4.5


@pytest.mark.parametrize(("width", "is_whole"), [(1280, True), (420, False)])
def test_the_table_fits_a_laptop_and_scrolls_by_itself_on_a_telephone(tab, width, is_whole):
    tab.do("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    tab.open(tab.address, tab.token)
    inner = "(rows => rows.scrollWidth <= rows.clientWidth)(document.querySelector('.rows'))"

    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(inner) is is_whole
    tab.do("Emulation.clearDeviceMetricsOverride")
