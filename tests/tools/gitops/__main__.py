"""``python -m gitops``: ask the diff engines of Argo CD and Flux; 1 where one finds what it should not."""

from __future__ import annotations

import sys

from gitops.asking import answers


def main() -> int:
    """Print what each engine finds of each workload; return 1 where that is not what it should be."""
    wrong = 0
    for answer in answers():
        wrong += not answer.is_expected
        verdict = "drift" if answer.drifts else "in sync"
        print(f"{answer.tool:8} {answer.kind:12} {answer.moment:32} {verdict}{answer.complaint}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
