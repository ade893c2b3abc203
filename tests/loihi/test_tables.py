"""How reports print: names to the left, numbers to the right."""

import pytest

from neuro.loihi.tables import Tables


class Report(Tables):
    def title(self):
        return "two layers"

    def tables(self):
        return [(("layer", "cores"), [("h", "12"), ("out", "3")])]


def test_columns_are_aligned():
    assert str(Report()) == "\n".join(
        ["two layers", "  layer  cores", "  h         12", "  out        3"]
    )


def test_a_report_without_tables_is_refused():
    with pytest.raises(TypeError, match="abstract"):
        Tables()
