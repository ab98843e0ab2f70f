import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_script_writes_the_splits_asked_for(tmp_path):
    command = [sys.executable, ROOT / "scripts/draw_scenes.py", "--out", tmp_path]
    options = ["--train", "3", "--val", "2", "--test", "0", "--seed", "1", "--grid", "3"]
    subprocess.run([*command, *options], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert {path.name for path in tmp_path.glob("*.json")} == {
        f"{name}_{split}.json" for name in ("aokvqa_v1p0", "scenes") for split in ("train", "val")
    }
    assert len(list(tmp_path.rglob("*.jpg"))) == 5
