import pytest

from vlrlcd.data.example import Example


@pytest.fixture(scope="session")
def make():
    """Makes an A-OKVQA-like example; keywords override fields."""

    def example(number: int = 0, **changes) -> Example:
        fields = {
            "id": f"q{number}",
            "place": f"aokvqa_v1p0_val.json, row {number}",
            "images": (),
            "question": "What is this?",
            "choices": ("cab", "bus", "train", "bike"),
            "answer": "cab",
            "direct_answers": ("cab",) * 8 + ("taxi", "taxi"),
        }
        return Example(**fields | changes)

    return example
