"""The tests that the documentation names are there."""

import re

import pytest

from tests.run.jobs import ROOT

NAMED = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_named_test_exists(page):
    for path, name in NAMED.findall(page.read_text()):
        assert (ROOT / path).is_file(), path
        assert not name or re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M), f"{path}::{name}"


def test_every_complaint_names_a_test():
    complaints = (ROOT / "docs/troubleshooting.md").read_text().partition("\n## Complaints")[2]
    rows = re.findall(r"^\| (?!complaint|---).*", complaints, re.M)
    assert len(rows) == 25
    assert [row for row in rows if not re.search(r"tests/\S+\.py::test_", row.rsplit("|", 2)[1])] == []
