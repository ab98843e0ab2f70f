"""The table at the end of docs/adding_a_backbone.md tells the truth, and a family costs little."""

import re

from tests.run.jobs import ROOT

GUIDE = (ROOT / "docs/adding_a_backbone.md").read_text()
SHARED = {"base.py", "chat.py", "vision.py", "registry.py"}


def test_line_counts():
    said = {name: int(lines) for name, lines in re.findall(r"^\| `(\w+\.py)` \|.*\| (\d+) \|$", GUIDE, re.M)}
    files = [*(ROOT / "model_adapters").glob("*.py"), *(ROOT / "examples").glob("*.py")]
    counted = {file.name: len(file.read_text().splitlines()) for file in files if file.name != "__init__.py"}
    assert said == counted
    assert all(lines <= 100 for name, lines in counted.items() if name not in SHARED)


def test_the_example_stands_in_the_guide_as_it_is():
    """But for comments and the types of signatures."""
    code = GUIDE.partition("```python\n")[2].partition("```")[0]
    source = (ROOT / "examples/internvl.py").read_text().partition("class ")[2].partition("\n\n\n")[0]
    untyped = re.sub(r"(def \w+\(self, \w+): .*:$", r"\1):", f"class {source}", flags=re.M)
    assert code.strip() == re.sub(r"^ *# .*\n", "", untyped, flags=re.M).strip()
