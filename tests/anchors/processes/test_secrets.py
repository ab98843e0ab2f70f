"""A key goes into the request and nowhere else."""

import os
import subprocess

from tests.anchors.processes.jobs import collector, flags
from tests.run.jobs import ROOT, finish, start
from tests.servers.http import completion, failure, serving
from tests.tiny import tiny_llava
from vlrlcd.scenes.release import write_release

KEY = "sk-planted-0123456789abcdef"
LOUD = {"STUB_KEY": KEY, "OPENAI_LOG": "debug", "PYTHONASYNCIODEBUG": "1"}


def test_a_planted_key_is_in_no_file_and_in_no_line(tmp_path):
    seen = []

    async def handler(request):
        """Repeats the key whenever something goes wrong, and something does every third time."""
        seen.append(request.headers["authorization"])
        if len(seen) % 3 == 0:
            return failure(503, f"key {KEY} is too fast", x_key=KEY)
        question = request.prompt
        return completion(f"{question.split('Choices:')[0]} Answer: none")

    scenes = tmp_path / "scenes"
    for split in ("train", "val"):
        write_release(scenes, split, 8, seed=0)
    teacher = {"data__dataset": "aokvqa_mc", "teacher__api_key_env": "STUB_KEY"}
    with serving(handler) as url:
        address = url.removesuffix("/v1")
        said = finish(collector(scenes, address, environment=LOUD, **teacher))
        refused = finish(collector(scenes, address, environment=LOUD, **{**teacher, "data__train_split": "val"}))
    assert said[0] == refused[0] == 0, said + refused
    assert set(seen) == {f"Bearer {KEY}"} and len(seen) > 16

    wanted = {"teacher.kind": "chat", "teacher.model": "stub", "teacher.base_url": url, "data.root": scenes}
    more = {"model.checkpoint": tiny_llava(tmp_path / "student"), "run.root": tmp_path, "run.name": "it"}
    keys = {"teacher.api_key_env": "STUB_KEY", "anchors.contradictions": "keep", "stage1.prompts_per_step": 4}
    trained = finish(start(wanted, more, keys))
    assert trained[0] == 0, trained

    lines = "".join(part for ended in (said, refused, trained) for part in ended[1:])
    assert KEY not in lines
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"anchors.sqlite", "config.yaml", "report.html", "run.json"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_fatal_answer_that_repeats_the_key(tmp_path):
    async def handler(request):
        return failure(401, f"Incorrect API key provided: {KEY}")

    write_release(tmp_path, "train", 2, seed=0)
    with serving(handler) as url:
        settings = {"data__dataset": "aokvqa_mc", "teacher__api_key_env": "STUB_KEY"}
        code, out, err = finish(collector(tmp_path, url.removesuffix("/v1"), environment=LOUD, **settings))
    assert code == 1 and "Incorrect API key provided: [key]" in err and KEY not in out + err


def test_a_key_given_as_a_flag_is_not_repeated(tmp_path):
    write_release(tmp_path, "train", 2, seed=0)
    script = [str(ROOT / "scripts/collect_anchors.py"), *flags(tmp_path, "http://127.0.0.1:9")]
    script += ["--data.dataset=aokvqa_mc", f"--teacher.api_key_env={KEY}"]
    found = subprocess.run(
        [os.sys.executable, *script], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
    )
    assert found.returncode == 2 and KEY not in found.stdout + found.stderr
    assert "the name of an environment variable" in found.stderr
