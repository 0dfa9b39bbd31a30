"""How the page looks, in light and dark; it stands in the page, and ``CONTENT_POLICY`` names its digest."""

from base64 import b64encode
from hashlib import sha256

from ignition_hub.catalog.markup import Html

STYLE = Html("""
:root {
  color-scheme: light dark;
  --ground: #fff; --raised: #f6f8fa; --line: #d0d7de; --text: #1f2328; --quiet: #57606a; --link: #0550ae;
  --good: #1a7f37; --moving: #8a5a00; --bad: #c11c28; --still: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1117; --raised: #161b22; --line: #30363d; --text: #e6edf3; --quiet: #9da7b3; --link: #79b8ff;
    --good: #56d364; --moving: #e3b341; --bad: #ff8a80; --still: #9da7b3;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1.5rem clamp(1rem, 3vw, 3rem); background: var(--ground); color: var(--text);
  font: 0.9375rem/1.45 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.5rem; }
p { margin: 0.25rem 0; }
.quiet, .below { color: var(--quiet); }
.below { display: block; font-size: 0.8125rem; font-weight: normal; overflow-wrap: anywhere; }
.notice { padding: 0.5rem 0.75rem; border: 1px solid var(--moving); border-left-width: 4px; }
form {
  display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: end; margin: 1rem 0; padding: 0.75rem;
  background: var(--raised); border: 1px solid var(--line); border-radius: 6px;
}
label { display: grid; gap: 0.2rem; font-size: 0.8125rem; color: var(--quiet); }
input, select, button {
  font: inherit; color: var(--text); background: var(--ground); border: 1px solid var(--quiet);
  border-radius: 6px; padding: 0.3rem 0.6rem; min-height: 2.25rem;
}
input { width: 12rem; }
button { font-weight: 600; cursor: pointer; }
a { color: var(--link); }
form a { padding: 0.4rem 0.25rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.rows { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { width: 100%; border-collapse: collapse; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: 0.45rem 0.6rem; text-align: left; vertical-align: top; }
tr > * { border-bottom: 1px solid var(--line); }
thead th { background: var(--raised); font-size: 0.8125rem; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 600; }
tbody th, .name { overflow-wrap: anywhere; min-width: 10rem; }
tbody tr:hover { background: var(--raised); }
.figure { min-width: 0; white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
.state { font-weight: 600; min-width: 8rem; }
.state::before {
  content: ""; display: inline-block; width: 0.6rem; height: 0.6rem; margin-right: 0.45rem;
  border-radius: 50%; background: currentColor;
}
.good { color: var(--good); }
.moving { color: var(--moving); }
.moving::before { background: none; border: 2px solid currentColor; }
.bad { color: var(--bad); }
.bad::before { border-radius: 0; }
.still { color: var(--still); }
details { min-width: 5rem; white-space: normal; }
details[open] { width: 22rem; max-width: 75vw; }
summary { cursor: pointer; color: var(--link); white-space: nowrap; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.2rem 0.75rem; margin: 0.5rem 0 0; }
dt, dd { font-size: 0.8125rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.empty { padding: 3rem 1rem; text-align: center; border: 1px dashed var(--line); border-radius: 6px; }
nav { display: flex; gap: 1rem; justify-content: center; margin: 1rem 0; }
code { font-family: ui-monospace, "Noto Sans Mono", monospace; }
@media (min-width: 80rem) {
  .rows { overflow-x: visible; }
  thead th { position: sticky; top: 0; z-index: 1; }
  details, details[open] { position: relative; width: auto; }
  dl {
    position: absolute; right: 0; z-index: 2; width: 30rem; padding: 0.75rem 1rem;
    background: var(--ground); border: 1px solid var(--quiet); border-radius: 6px;
  }
}
@media (forced-colors: active) { .state::before { forced-color-adjust: none; } }
""")

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No script, image, font or frame, and nothing from anywhere else, whatever is in the page."""
