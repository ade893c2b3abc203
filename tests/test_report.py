"""The report holds everything itself and escapes what it is given."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

from neuro.report import Picture, Report, Table, versions

EVIL = '<script>alert("&")</script>'
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>é</title></svg>'


def rendered() -> str:
    return Report(
        title=f"title {EVIL}",
        lead=f"lead {EVIL}",
        tables=[Table(["name", EVIL], [["a", EVIL], ["b", "2"]], f"caption {EVIL}")],
        notes=[f"note {EVIL}"],
        pictures=[Picture(f'picture " {EVIL}', f"words {EVIL}", SVG)],
        config={"path": EVIL, "seeds": [0, 1]},
    ).render()


class Checker(HTMLParser):
    """Collects tags, and complains about unbalanced ones."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_is_balanced_and_escaped() -> None:
    checker = Checker()
    checker.feed(rendered())
    assert checker.open == []
    assert "script" not in {tag for tag, _ in checker.seen}
    assert rendered().count("&lt;script&gt;") == 11


def test_needs_nothing_from_outside() -> None:
    checker = Checker()
    checker.feed(rendered())
    sources = [attributes["src"] for _, attributes in checker.seen if "src" in attributes]
    assert len(sources) == 1
    assert str(sources[0]).startswith("data:image/svg+xml;base64,")
    assert not any("href" in attributes for _, attributes in checker.seen)
    assert "url(" not in rendered() and "@import" not in rendered()
    assert base64.b64decode(str(sources[0]).partition(",")[2]).decode() == SVG


def test_table_and_config_are_there() -> None:
    text = rendered()
    assert re.search(r"<tr><td>b</td><td>2</td></tr>", text)
    assert "&quot;seeds&quot;: [" in text


def test_versions_name_what_results_depend_on() -> None:
    found = versions()
    assert {"python", "neuro", "numpy", "torch"} <= set(found)
    assert re.match(r"\d+\.\d+", found["numpy"])
