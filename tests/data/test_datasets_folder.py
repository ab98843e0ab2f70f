import subprocess
import sys

from vlrlcd.data.card import DATASETS


def test_the_datasets_folder_holds_no_python():
    assert not list(DATASETS.rglob("*.py"))


def test_import_datasets_is_hugging_face():
    found = subprocess.run(
        [sys.executable, "-c", "from importlib.util import find_spec; print(find_spec('datasets').origin)"],
        cwd=DATASETS.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip().endswith("__init__.py") and str(DATASETS) not in found.stdout


def test_samples_stay_small():
    for folder in DATASETS.iterdir():
        assert sum(path.stat().st_size for path in (folder / "sample").rglob("*.*")) < 20_000
