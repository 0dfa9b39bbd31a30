"""
The catalog as a page of HTML: a form that chooses, a table of rows, links to its other pages.

It needs no script, no cookie and nothing from elsewhere, so a browser may run none: ``HEADERS`` say so. Words
of others, such as names and messages of a resource, are text in it whatever they hold.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone

from ignition_hub.catalog.cells import AGE, accuracy, benchmark, model, table
from ignition_hub.catalog.markup import Html, element, joined
from ignition_hub.catalog.rows import CatalogRow
from ignition_hub.catalog.selection import LONGEST, Selection, Shown
from ignition_hub.catalog.style import CONTENT_POLICY, STYLE
from ignition_hub.engine.state import SETTLED, State

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

COLUMNS: Mapping[str, str] = {
    "Model": "Precision",
    "GPU": "",
    "State": "",
    "Resource": "Namespace",
    "TensorRT": "Pool",
    "Size": "",
    "Build": "",
    "Max error": "",
    "Latency": "",
    AGE: "",
}
"""The columns of the page; each has below it, in the same cell, what else is there of a row."""
FIGURES = frozenset({"Size", "Build", "Max error", "Latency", AGE})
TITLE = "Engine catalog"
ABSENT = "\N{EM DASH}"
ANY = "Any"


def page(shown: Shown, now: float, *, scope: str, notice: str = "") -> str:
    """
    Return the page; ``scope`` says of which namespaces it is, ``notice`` why it may be old.

    ``now`` is in seconds since the epoch.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{TITLE} - Ignition Hub"),
        element("style", STYLE),
    )
    body = element("body", element("main", *_main(shown, now, scope, notice)))
    return f"<!doctype html>{element('html', head, body, lang='en')}"


def _main(shown: Shown, now: float, scope: str, notice: str) -> Iterator[Html]:
    yield element("h1", TITLE)
    yield element("p", f"{scope}, as of ", _moment(now), class_="quiet")
    if notice:
        yield element("p", f"This may be old: {notice}", class_="notice", role="status")
    yield _form(shown.selection)
    yield element("p", _count(shown))
    yield _table(shown, now) if shown.rows else _nothing(shown.selection)
    if shown.pages > 1:
        yield _pages(shown)


def _form(selection: Selection) -> Html:
    fields = [
        _field("Namespace", "namespace", selection.namespace),
        _field("Model contains", "model", selection.model),
        _field("GPU contains", "gpu", selection.gpu),
        element("label", "State", _states(selection.state)),
    ]
    clear = [element("a", "Clear", href="?")] if selection.query() else []
    return element("form", *fields, element("button", "Show"), *clear, method="get", role="search")


def _field(label: str, name: str, value: str) -> Html:
    field = element(
        "input", name=name, value=value, maxlength=str(LONGEST), autocomplete="off", spellcheck="false"
    )
    return element("label", label, field)


def _states(selected: str) -> Html:
    options = [element("option", ANY, value="")]
    options += [
        element("option", state, value=state, selected=state == selected) for state in map(str, State)
    ]
    return element("select", *options, name="state")


def _count(shown: Shown) -> str:
    noun = "engine" if shown.total == 1 else "engines"
    count = f"{shown.total:,} {noun}, {shown.ready:,} ready"
    last = shown.first + len(shown.rows) - 1
    return f"{count}; {shown.first:,} to {last:,} are shown" if shown.pages > 1 else count


def _nothing(selection: Selection) -> Html:
    if selection.query():
        words = joined("No engine has all of this. ", element("a", "Show all", href="?"))
    else:
        command = element("code", "kubectl ignition push model.onnx")
        words = joined("There are no engines yet. Apply a TensorRTEngine, or begin with ", command, ".")
    return element("p", words, class_="empty")


def _table(shown: Shown, now: float) -> Html:
    heads = [element("th", head, scope="col", class_=_kind(head)) for head in [*COLUMNS, "More"]]
    cells = table(shown.rows, now)
    rows = [
        _row(row, dict(zip(cells[0], words, strict=True)))
        for row, words in zip(shown.rows, cells[1:], strict=True)
    ]
    whole = element(
        "table",
        element("caption", "Engines by model and GPU"),
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
    )
    # Where it is wider than the window it scrolls, and what scrolls must be reached by the keyboard.
    return element("div", whole, class_="rows", role="region", aria_label="Engines", tabindex="0")


def _row(row: CatalogRow, words: Mapping[str, str]) -> Html:
    cells = []
    for head, below in COLUMNS.items():
        content = [words[head] or ABSENT]
        if below and words[below]:
            content.append(element("span", words[below], class_="below"))
        if head == "Model":
            cells.append(element("th", *content, scope="row"))
        else:
            kind = f"state {_mood(row.state)}" if head == "State" else _kind(head)
            cells.append(element("td", *content, class_=kind))
    return element("tr", *cells, element("td", _more(row)))


def _kind(head: str) -> str | bool:
    return "figure" if head in FIGURES else "name" if head == "Resource" else False


def _mood(state: str) -> str:
    if state == State.READY:
        return "good"
    if state in SETTLED:
        return "bad"
    return "still" if state in {State.PENDING, State.QUEUED} else "moving"


def _more(row: CatalogRow) -> Html:
    facts = {
        "Message": row.message,
        "Target": row.target,
        "For": " ".join(filter(None, (row.arch, row.product, row.compatibility))),
        "Address": row.uri,
        "SHA-256": row.sha256,
        "Source": row.source,
        "Built on": " ".join(filter(None, (row.built_on, row.driver and f"driver {row.driver}"))),
        "Built at": row.built_at,
        "Accuracy": accuracy(row),
        "Benchmark": benchmark(row),
    }
    known = [
        part for name, fact in facts.items() if fact for part in (element("dt", name), element("dd", fact))
    ]
    label = f"Details of {model(row)} for {row.gpu}"
    summary = element("summary", "Details", aria_label=label)
    # Of those with one name a browser opens one at a time: they lie over the rows below.
    return element("details", summary, element("dl", *known), name="row")


def _pages(shown: Shown) -> Html:
    selection, page = shown.selection, shown.selection.page
    before = element("a", "Previous", href=f"?{selection.query(page=page - 1)}", rel="prev")
    after = element("a", "Next", href=f"?{selection.query(page=page + 1)}", rel="next")
    return element(
        "nav",
        *([before] if page > 1 else []),
        element("span", f"Page {page:,} of {shown.pages:,}", aria_current="page"),
        *([after] if page < shown.pages else []),
        aria_label="Pages",
    )


def _moment(now: float) -> Html:
    moment = datetime.fromtimestamp(now, timezone.utc)
    return element("time", f"{moment:%Y-%m-%d %H:%M} UTC", datetime=f"{moment:%Y-%m-%dT%H:%M:%SZ}")
