"""The page of the catalog: what it holds, that words of others are text, and what a browser may do."""

import json
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from catalogrows import NOW, READY, engine, target
from ignition_hub.catalog.markup import VOID, Html, element, joined
from ignition_hub.catalog.page import ABSENT, HEADERS, page
from ignition_hub.catalog.rows import rows_of
from ignition_hub.catalog.selection import Selection, shown

MARKUP = "<img src=x>&amp;\"'</td><b>"


class Page(HTMLParser):
    """A page as a browser reads it: its elements with their attributes, and the text of each kind."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def named(self, tag):
        return [attributes for found, attributes in self.tags if found == tag]

    def text(self, tag):
        return [data for found, data in self.texts if found == tag]


def page_of(*engines, notice="", scope="All namespaces", **words):
    rows = [row for body in engines for row in rows_of(body)]
    return Page(page(shown(rows, Selection(**words)), NOW, scope=scope, notice=notice))


def test_a_row_says_what_is_ready_where_and_how_it_was_built():
    found = page_of(engine())

    assert found.text("th")[-1] == "arcface_r100 v1.0"
    assert found.text("td") == [
        "NVIDIA-L4", "Ready", "arcface", "10.13.2.6", "50Mi", "3m33s", "0.0012", "1.21 ms", "3d"
    ]  # fmt: skip
    assert found.text("span") == ["fp16", "vision", "l4 (Native)"]
    assert {READY["uri"], READY["sha256"], "NVIDIA L4 driver 570.124", "52428800 bytes"} <= {
        *found.text("dd")
    }
    assert "1 engine, 1 ready" in found.text("p")


def test_what_is_not_known_is_a_dash():
    found = page_of(engine(target("sm_120", "Unbuildable", reason="NoPool")))

    assert found.text("td") == ["sm_120", "Unbuildable: NoPool", "arcface", *[ABSENT] * 6]
    assert found.text("span") == ["fp16", "vision"]


@pytest.mark.parametrize(
    "body",
    [
        engine(model=MARKUP),
        engine(version=MARKUP),
        engine(name=MARKUP, namespace=MARKUP),
        engine({key: MARKUP if isinstance(value, str) else value for key, value in READY.items()}),
        engine({**READY, "builtOn": {"product": MARKUP, "driver": MARKUP}, "tensorrt": {"version": MARKUP}}),
    ],
)
def test_markup_in_the_words_of_a_resource_is_text(body):
    plain, found = page_of(engine()), page_of(body)

    assert {tag for tag, _ in found.tags} == {tag for tag, _ in plain.tags}
    assert len(found.tags) == len(plain.tags)
    assert any(MARKUP in data for _, data in found.texts)


def test_markup_in_what_was_asked_for_is_text():
    found = page_of(engine(), namespace=MARKUP, model=MARKUP, gpu=MARKUP, scope=MARKUP, notice=MARKUP)

    assert [field["value"] for field in found.named("input")] == [MARKUP] * 3
    assert "img" not in {tag for tag, _ in found.tags}
    assert any(f"This may be old: {MARKUP}" in data for data in found.text("p"))


def test_a_link_to_another_page_keeps_what_was_asked_for():
    engines = [engine(name=f"e{number}", model=f"{MARKUP}{number}") for number in range(250)]

    found = page_of(*engines, model=MARKUP, page=2)
    links = {link.get("rel", "clear"): link["href"] for link in found.named("a")}
    query = "model=%3Cimg+src%3Dx%3E%26amp%3B%22%27%3C%2Ftd%3E%3Cb%3E"
    assert links == {"clear": "?", "prev": f"?{query}", "next": f"?{query}&page=3"}
    assert "Page 2 of 3" in found.text("span")
    assert "250 engines, 250 ready; 101 to 200 are shown" in found.text("p")


def test_a_browser_may_run_nothing_and_load_nothing():
    found = page_of(engine())
    (style,) = found.text("style")
    digest = b64encode(sha256(style.encode()).digest()).decode()

    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert HEADERS["Cache-Control"] == "no-store"
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "img", "iframe", "link", "object", "base"})
    names = {name for _, attributes in found.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in {"style", "src", "action"}]
    assert "url(" not in style
    assert "@import" not in style


def test_a_screen_reader_is_told_what_everything_is():
    found = page_of(engine(), page=1)

    assert found.named("html") == [{"lang": "en"}]
    assert len(found.named("main")) == len(found.named("h1")) == len(found.named("caption")) == 1
    assert {head["scope"] for head in found.named("th")} == {"col", "row"}
    assert [label.strip() for label in found.text("label")] == [
        "Namespace", "Model contains", "GPU contains", "State"
    ]  # fmt: skip
    assert found.named("summary") == [{"aria-label": "Details of arcface_r100 v1.0 for NVIDIA-L4"}]
    (region,) = [tag for tag in found.named("div") if tag.get("role") == "region"]
    assert (region["aria-label"], region["tabindex"]) == ("Engines", "0")


def test_a_state_is_never_told_by_its_color_alone():
    states = ("Ready", "Building", "Failed", "Queued")
    found = page_of(engine(*(target("sm_89", state, name=state) for state in states)))

    told = [tag["class"] for tag in found.named("td") if tag.get("class", "").startswith("state")]
    assert sorted(told) == ["state bad", "state good", "state moving", "state still"]
    assert set(states) <= set(found.text("td"))


def test_where_nothing_is_found_the_page_says_what_to_do():
    assert any("There are no engines yet" in data for data in page_of().text("p"))
    assert page_of().named("table") == []

    found = page_of(engine(), state="Failed")
    assert any("No engine has all of this" in data for data in found.text("p"))
    assert [option["value"] for option in found.named("option") if "selected" in option] == ["Failed"]
    assert {link["href"] for link in found.named("a")} == {"?"}


def test_a_thousand_rows_are_pages_of_a_bounded_size():
    wide = {**READY, "message": "x" * 32_768, "uri": f"s3://{'x' * 1000}"}
    engines = [engine(wide, name=f"e{number:04}") for number in range(1000)]
    rows = [row for body in engines for row in rows_of(body)]

    text = page(shown(rows, Selection(page=10)), NOW, scope="All namespaces")
    assert len(text) < 320_000
    assert "901 to 1,000 are shown" in text


def test_an_element_escapes_what_is_not_markup():
    assert element("p", "a < b", Html("<br>"), title='"') == '<p title="&quot;">a &lt; b<br></p>'
    assert element("input", checked=True, disabled=False, aria_label="x") == '<input checked aria-label="x">'
    assert joined("<", element("b", "&")) == "&lt;<b>&amp;</b>"


ODD = (None, True, 0, -1, 1e300, float("inf"), "x", "", [], [1], ["x"], {}, {"addedLater": {"a": [1]}})


def documents(whole):
    """Yield a document with something odd in each of its places."""
    for name, value in whole.items():
        for odd in ODD:
            yield {**whole, name: odd}
        if isinstance(value, dict):
            for part in documents(value):
                yield {**whole, name: part}


def test_a_status_that_another_release_wrote_otherwise_is_shown_as_far_as_it_is_known():
    bodies = [engine(later) for later in documents(READY)] + list(documents(engine()))

    assert len(bodies) > 500
    for body in bodies:
        found = page_of(body)
        assert found.named("main")
        json.dumps([row.to_json() for row in rows_of(body)])
