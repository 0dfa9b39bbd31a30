"""``python -m accuracy_checks``; the package's first page says what it takes."""

import sys
from collections.abc import Sequence
from pathlib import Path


def main(given: Sequence[str]) -> int:
    """Do what is asked; the words of what is not understood are those of the package's first page."""
    if given[:1] == ["engines"]:
        return _engines(given[1:])
    # Here and not above: a GPU machine may have no builder installed beside the command line.
    if given[:1] == ["export"]:
        from accuracy_checks.export import export

        export(Path(given[1]))
        return 0
    if given[:1] == ["proofs"]:
        from accuracy_checks import proofs

        proofs.show()
        return 0
    from accuracy_checks.page import show

    show(given)
    return 0


def _engines(given: Sequence[str]) -> int:
    from accuracy_checks.engines import measure

    cut = list(given).index("--") if "--" in given else len(given)
    own, more = list(given[:cut]), list(given[cut + 1 :])
    if "--flavor" in own:
        index = own.index("--flavor")
        more += own[index : index + 2]
        del own[index : index + 2]
    folder, out, *chosen = own
    measure(Path(folder).absolute(), Path(out), chosen, more)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
