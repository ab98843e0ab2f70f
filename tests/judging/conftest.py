from contextlib import contextmanager

import pytest

from tests.servers.http import serving
from tests.servers.stub_judge import StubJudge
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import ChatTeacher
from vlrlcd.config import JudgeConfig
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.judging.asking import AskingJudge


@pytest.fixture
def asking(tmp_path):
    """Opens a judge that asks a stub over HTTP: (judge, stub). The store is the test's own."""

    @contextmanager
    def opened(stub: StubJudge, **settings):
        with serving(stub) as url, AnchorStore(tmp_path / "judge.sqlite") as store:
            config = JudgeConfig(**{"model": "stub", "base_url": url, "concurrency": 8, "attempts": 2, **settings})
            yield AskingJudge(ChatTeacher(config), Templates(load_card("jsonl")), store, config)

    return opened
