"""Every `judge.` key is read by a judge of some kind, and faults in them are named with their section."""

from dataclasses import fields

import pytest

from tests.judging.models import tiny_judge
from tests.judging.pairs import pair
from tests.servers.http import serving
from tests.servers.stub_judge import StubJudge
from vlrlcd.anchors.budget import Limits
from vlrlcd.cli import parse_config
from vlrlcd.config import Config, DataConfig, JudgeConfig
from vlrlcd.data.card import load_card
from vlrlcd.errors import UserError
from vlrlcd.judging.judges import judge_store, open_judge
from vlrlcd.judging.verdicts import games

GAMES = games([pair()])


@pytest.fixture
def watched():
    """(a judge's settings that note which of them are read, the notes)."""
    seen = set()

    class Watched(JudgeConfig):
        def __getattribute__(self, key):
            seen.add(key)
            return super().__getattribute__(key)

    return Watched, seen


def opened(settings):
    return open_judge(Config(judge=settings), load_card("jsonl"), [game.example for game in GAMES])


def test_every_key_of_a_judge_is_read(watched, tmp_path):
    kind, seen = watched
    with serving(StubJudge(lambda *shown: "[[A]]")) as url:
        for settings in (
            kind(model="stub", base_url=url, store=str(tmp_path / "a")),
            kind(
                kind="local",
                model=str(tiny_judge(tmp_path / "m")),
                max_tokens=4,
                dtype="float32",
                store=str(tmp_path / "b"),
            ),
        ):
            with opened(settings) as judge:
                assert not judge.ask(GAMES, Limits()).stopped
                assert all(judge.verdicts(GAMES))
    # as of a teacher: read of images alone, or of an address on another machine
    assert {item.name for item in fields(JudgeConfig)} - seen <= {"allow_plain_http", "image_max_side", "image_detail"}


def test_where_verdicts_are_kept(tmp_path):
    assert judge_store(Config(data=DataConfig(root=str(tmp_path)))) == tmp_path / "judge.sqlite"
    assert str(judge_store(Config(data=DataConfig(root="owner/name")))) == "anchors/owner--name/judge.sqlite"
    assert str(judge_store(Config(judge=JudgeConfig(store="mine.sqlite")))) == "mine.sqlite"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, r"judge\.kind=chat needs judge\.model"),
        ({"kind": "local"}, r"judge\.kind=local needs judge\.model"),
        ({"kind": "local", "model": "nowhere"}, r"judge\.model=nowhere is no folder, and no hub id"),
        ({"kind": "rule"}, r"judge\.kind=rule knows the truth of drawn scenes only"),
        ({"model": "m", "extra_body": {"n": 2}}, r"judge\.extra_body must not hold n"),
        ({"model": "m", "base_url": "http://10.0.0.1/v1"}, r"judge\.base_url=.*--judge\.allow_plain_http=true"),
        ({"model": "m", "api_key_file": "/nowhere/key"}, r"the file that judge\.api_key_file names cannot be read"),
        ({"model": "m", "prices": "gone.json", "api_key_env": "NAME"}, r"judge\.api_key_env names holds no key"),
    ],
)
def test_faults_name_the_judge(settings, said, tmp_path):
    with (
        pytest.raises(UserError, match=said),
        opened(JudgeConfig(store=str(tmp_path / "judge.sqlite"), **settings)) as judge,
    ):
        judge.ask(GAMES, Limits())


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--judge.attempts=0", r"judge\.attempts=0 must be above 0"),
        ("--judge.max_tokens=0", r"judge\.max_tokens=0 must be above 0"),
        ("--judge.temperature=-1", r"judge\.temperature=-1\.0 must not be negative"),
        ("--judge.base_url=http://a:b@c/v1", r"judge\.base_url must not hold a password"),
        ("--judge.kind=column", r"judge\.kind.*column"),
        ("--judge.modell=x", r"unknown key 'judge\.modell'; did you mean 'judge\.model'"),
    ],
)
def test_values_that_cannot_be(flag, said):
    with pytest.raises(UserError, match=said):
        parse_config("", argv=[flag])
