"""What tokens cost, from a file that the user keeps."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlrlcd.errors import UserError

INPUT, OUTPUT, CACHED = "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"


class Prices:
    """USD per token by model, read from a JSON file whose keys are litellm's.

    Args:
        path: the file.
        section: of the configuration that names it, for faults.

    Raises:
        UserError: the file is missing, is no JSON, or a price is no number.
    """

    def __init__(self, path: str | Path, section: str = "teacher"):
        self.path = Path(path)
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{path}: the prices cannot be read ({error.strerror}); set {section}.prices.") from None
        except ValueError as error:
            raise UserError(f"{path}: not valid JSON ({error}); mend it or set {section}.prices.") from None
        if not isinstance(content, dict):
            raise UserError(f"{path}: prices are an object from model name to its prices; mend it.")
        self._by_model = {name: self._checked(name, prices) for name, prices in content.items()}

    def known(self, model: str, batch: bool = False) -> bool:
        """Whether the file has the model's input and output price, for single requests or for batches."""
        ending = "_batches" if batch else ""
        return all(f"{name}{ending}" in self._by_model.get(model, {}) for name in (INPUT, OUTPUT))

    def cost(self, model: str, usage: Mapping[str, Any], batch: bool = False) -> float | None:
        """USD of a call with this `usage`; None without a price or without token counts.

        Tokens from the teacher's cache cost their own price where the file has one, else the full one.
        """
        counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
        if not self.known(model, batch) or not all(isinstance(count, int) for count in counts):
            return None
        prompt, completion = counts
        prices, ending = self._by_model[model], "_batches" if batch else ""
        details = usage.get("prompt_tokens_details") or {}
        cached = (details.get("cached_tokens") or 0) if CACHED in prices and not batch else 0
        full = (prompt - cached) * prices[INPUT + ending] + completion * prices[OUTPUT + ending]
        return full + cached * prices.get(CACHED, 0.0)

    def _checked(self, model: str, prices: Any) -> dict[str, float]:
        if not isinstance(prices, dict):
            raise UserError(f"{self.path}: '{model}' must hold prices by name, but holds {prices!r}.")
        for name, value in prices.items():
            if name.endswith(("_token", "_token_batches", "_token_cost")) and not _is_price(value):
                raise UserError(f"{self.path}: {name} of '{model}' is {value!r}; a price is USD per token, 0 or more.")
        return prices


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
