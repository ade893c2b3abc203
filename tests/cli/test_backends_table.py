"""docs/backends.md is what the backends declare."""

from pathlib import Path

from typer.testing import CliRunner

from neuro.backend_table import markdown
from neuro.capabilities import FEATURES
from neuro.cli import app
from neuro.engine import Variant

PAGE = Path(__file__).parents[2] / "docs" / "backends.md"


def test_the_page_is_up_to_date():
    shown = CliRunner().invoke(app, ["backends", "--table"]).output
    assert PAGE.read_text() == shown, "run: neuro backends --table > docs/backends.md"
    for feature in FEATURES:
        assert f"**{feature}**" in shown


class Limited:
    name = "limited"

    def variants(self):
        return (Variant("plain"), Variant("rich", {"rich": True}))

    def lacks(self, **options):
        return {} if options.get("rich") else {"sparse": "no lists", "multapses": "no lists"}


def test_reasons_are_numbered_and_said_once():
    page = markdown([Limited()])
    assert page.count("no lists") == 1
    row = next(line for line in page.splitlines() if line.startswith("| **sparse**"))
    assert row.endswith("| no (1) | yes |")
    assert "1. no lists" in page
    assert "- **rich**: `backend='limited', rich=True`" in page
