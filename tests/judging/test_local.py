"""A judge on this machine: seen through to the second question, and once only."""

from PIL import Image

from tests.anchors.teacher import example
from tests.judging.models import tiny_judge
from vlrlcd.anchors.budget import Limits
from vlrlcd.config import Config, JudgeConfig
from vlrlcd.data.card import load_card
from vlrlcd.judging.judges import open_judge
from vlrlcd.judging.pairs import Pair
from vlrlcd.judging.verdicts import games


def test_a_tiny_vision_language_model_judges_in_batches(tmp_path):
    """It says nothing that can be read, so every game is asked twice; a copy of it elsewhere is the same judge."""
    picture = tmp_path / "red.png"
    Image.new("RGB", (42, 42), "red").save(picture)
    played = games([Pair(example(f"id{n}", f"question {n}", (picture,)), f"mine {n}", f"theirs {n}") for n in range(3)])
    settings = {"kind": "local", "max_tokens": 6, "dtype": "float32", "device_map": "cpu", "concurrency": 3}
    for folder, asked in (("one", 12), ("two/one", 0)):
        checkpoint = tiny_judge(tmp_path / folder)
        config = JudgeConfig(model=str(checkpoint), store=str(tmp_path / "judge.sqlite"), **settings)
        with open_judge(Config(judge=config), load_card("jsonl"), [game.example for game in played]) as judge:
            done = judge.ask(played, Limits())
            assert done.answered == asked and not done.given_up
            verdicts = judge.verdicts(played)
        assert [verdict.letter for verdict in verdicts] == [None] * 6
        assert all(len(verdict.said) == 2 and all(verdict.said) for verdict in verdicts)
