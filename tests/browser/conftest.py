"""Pages in a real browser: Chromium as the system has it, axe-core as `package.json` pins it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.report.run_folder import change_lines, plant, write_predictions, write_run
from vlrlcd.report import write_report
from vlrlcd.report.compare import write_comparison

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
CURE = "`make browser` installs it"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1200, "height": 900}
BAD = ("serious", "critical")
WATCH = "window.ran = []; window.planted = () => window.ran.push('planted');"


@dataclass
class Opened:
    """A page in its browser, with what it complained of and what it asked the network for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open_all(self, selector: str = "*") -> None:
        """Opens every `<details>` that a selector matches."""
        self.page.evaluate(
            """(selector) => {
          for (const one of document.querySelectorAll("details")) if (one.matches(selector)) one.open = true;
        }""",
            selector,
        )

    def faults(self, axe: str) -> list[str]:
        """What axe finds serious or critical: rule, element and why."""
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] }).then((run) => run.violations)")
        return [
            f"{one['id']}: {node['html'][:160]}: {node['failureSummary']}"
            for one in found
            if one["impact"] in BAD
            for node in one["nodes"]
        ]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser; its event loop must not outlive the file, or no other test of the process could have one."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail(f"The browser tests need the Python package playwright: {CURE}.")
    if not CHROMIUM.is_file():
        pytest.fail(f"The browser tests need {CHROMIUM}: {CURE}.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    if not AXE.is_file():
        pytest.fail(f"The browser tests need {AXE}: {CURE}.")
    return AXE.read_text()


@pytest.fixture
def show(chromium: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a file or an address; further arguments are those of Playwright's `new_context`."""
    contexts = []

    def _show(address: Path | str, **options: Any) -> Opened:
        context = chromium.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.add_init_script(WATCH)
        opened.page.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(address.as_uri() if isinstance(address, Path) else address)
        return opened

    yield _show
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a finished run."""
    return write_report(write_run(tmp_path_factory.mktemp("shown") / "quickstart"))


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose every text is HTML that calls `planted()`."""
    folder = write_run(tmp_path_factory.mktemp("shown") / "planted")
    plant(folder)
    return write_report(folder)


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs side by side; the second has other settings, answers and curves."""
    folder = tmp_path_factory.mktemp("compared")
    first, second = write_run(folder / "first"), write_run(folder / "a-second-run-with-quite-a-long-name", 50, 90)
    for run in (first, second):
        change_lines(run / "metrics.jsonl", {"seconds": {"train": 0.1, "load": 0.2}})
        (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | {"name": run.name}))
    write_predictions(second, {"mended": 16, "broken": 3, "still_wrong": 4, "still_right": 7})
    (second / "config.yaml").write_text((second / "config.yaml").read_text().replace("candidates: 8", "candidates: 16"))
    return write_comparison([first, second], folder / "compare.html")


@pytest.fixture(scope="session")
def planted_comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs side by side whose every text is HTML that calls `planted()`."""
    folders = [write_run(tmp_path_factory.mktemp("compared") / name) for name in ("first", "second")]
    for folder in folders:
        plant(folder)
    settings = folders[1] / "config.yaml"
    settings.write_text(settings.read_text().replace("ldl_grpo", "another"))
    return write_comparison(folders, folders[0].parent / "compare.html")
