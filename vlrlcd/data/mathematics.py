"""MATH (Hendrycks et al. 2021): rows `problem`, `level`, `type`, `solution` to questions with an answer."""

from collections.abc import Mapping

from vlrlcd.data.fields import Rows, chosen, raw_text
from vlrlcd.data.math_answers import last_boxed


def problems(rows: Rows, only: Mapping[str, str], split: str, notes: list[str]) -> Rows:
    """Rows with `answer`, what the solution has in its last box, and an `id` where the file gives none.

    A row without a box stays, to be trained on, and has no answer: it is never right or wrong.

    Args:
        rows: as the folder or the hub has them.
        only: the columns by which rows are chosen, such as `type`.
        split: our name of it, part of the ids.
        notes: gets a line where a solution has no box.

    Raises:
        UserError: naming the row without a solution.
    """
    boxless = []
    for number, (place, values) in enumerate(chosen(rows, only), start=1):
        solution = raw_text(place, values, "solution")
        answer = last_boxed(solution)
        if answer is None:
            boxless.append(place)
        yield place, {"id": f"{split}-{number}", **values, "solution": [solution], "answer": answer, "images": []}
    if boxless:
        notes.append(
            f"{len(boxless):,} solutions have no \\boxed{{}} answer, so that nobody can be right or wrong there and "
            f"accuracy leaves them out: {boxless[0]}"
        )
