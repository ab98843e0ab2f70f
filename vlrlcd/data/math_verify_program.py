"""The program behind `Verifier`: a line `[gold, answer]` in, a line `true` or `false` out; imports nothing of ours."""

import json
import resource
import sys

MEMORY = 2 * 2**30
"""Bytes of address space, because a tower of powers fills any memory."""


def main() -> None:
    """Answers until the input closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from math_verify import parse, verify

    print("ready", flush=True)
    for line in sys.stdin:
        try:
            gold, answer = (parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in json.loads(line))
            same = bool(verify(gold, answer, timeout_seconds=None))
        except Exception:  # The parser and sympy raise whatever they meet, and what cannot be read is not the same.
            same = False
        print(json.dumps(same), flush=True)


if __name__ == "__main__":
    main()
