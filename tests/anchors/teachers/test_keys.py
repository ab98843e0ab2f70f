"""Every `teacher.` key is read by a teacher of some kind or by the collection from it."""

from dataclasses import fields

import pytest

from tests.anchors.teacher import Templates, example
from tests.servers.http import completion, serving
from tests.servers.rows import write_rows
from tests.tiny import tiny_llava
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.collect import collect
from vlrlcd.anchors.teachers import TEACHERS
from vlrlcd.config import Config, TeacherConfig
from vlrlcd.data.card import load_card


@pytest.fixture
def watched():
    """(a teacher's settings that note which of them are read, the notes)."""
    seen = set()

    class Watched(TeacherConfig):
        def __getattribute__(self, key):
            seen.add(key)
            return super().__getattribute__(key)

    return Watched, seen


def test_every_key_of_a_teacher_is_read(watched, store, tmp_path):
    kind, seen = watched
    picture = write_rows(tmp_path / "data", 0) / "red.png"
    (tmp_path / "answers.jsonl").write_text('{"id": "a", "text": "Answer: cab"}\n')

    async def handler(request):
        return completion("Answer: cab")

    with serving(handler) as url:
        for settings in (
            kind(kind="chat", model="stub", base_url=url),
            kind(kind="local", model=str(tiny_llava(tmp_path / "teacher")), max_tokens=4, dtype="float32"),
            kind(kind="file", file=str(tmp_path / "answers.jsonl")),
        ):
            teacher = TEACHERS[settings.kind](Config(teacher=settings), load_card("jsonl"))
            wanted = asks([example("a", images=(picture,))], Templates(), teacher)
            assert not collect(wanted, teacher, store, settings).stopped
    # what only an address on another machine asks for: test_access.py
    assert {item.name for item in fields(TeacherConfig)} - seen == {"allow_plain_http"}
