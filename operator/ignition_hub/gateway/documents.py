"""
JSON objects of requests, believed by no field: what is missing or out of bounds is refused by name.

Builders of a later release may say more: a field that is unknown here is left out.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ENDINGS, ContractError
from ignition_hub.engine.fetch_report import FAILED, OUTCOMES, FetchReport
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.pod_annotations import MOST_ENGINES
from ignition_hub.engine.protocol import Completion, Failure, ProgressReport, Upload
from ignition_hub.engine.quoting import printable, shortened, shown

MIB = 1024 * 1024
PART_BYTES_LEAST = 5 * MIB
PARTS_MOST = 4096
LOG_CHARACTERS = 4 * MIB
MESSAGE_CHARACTERS = 2048
UPLOAD_ID_CHARACTERS = 2048
FETCH_SECONDS = 7 * 24 * 3600
"""The longest fetch that a pod can report: the longest deadline of the init container."""
FACTS_BYTES = 1 * MIB
"""The most a builder's account may have: every pod is answered with it, and every reader has a limit."""
FACT_CHARACTERS = 253
"""The longest word of the account that a status can hold."""
FACT_WARNINGS = 1024
FACT_COUNT = 2**31 - 1

FETCHER_REASONS = frozenset(str(reason) for reason, row in ENDINGS.items() if row.fetcher)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")


def progress_in(document: Mapping[str, Any]) -> ProgressReport:
    """Read the body of ``progress``; the percent is whole."""
    progress = ProgressReport.from_json(document)
    _between("percent", progress.percent, 0, 100)
    return ProgressReport(shortened(printable(progress.phase), 63), int(progress.percent))


def upload_in(document: Mapping[str, Any], *, most: int) -> Upload:
    """Read the body of ``upload``; ``most`` is the largest engine accepted."""
    upload = Upload.from_json(document)
    valid_sha256("sha256", upload.sha256)
    _between("size", upload.size, 1, most)
    _between("part_size", upload.part_size, PART_BYTES_LEAST, 1024 * MIB)
    if upload.parts > PARTS_MOST:
        least = -(-upload.size // PARTS_MOST)
        raise ContractError(
            f"part_size: {upload.part_size} makes {upload.parts} parts of {upload.size} bytes; "
            f"at most {PARTS_MOST} are accepted",
            f"use at least {least}",
        )
    return upload


def completion_in(document: Mapping[str, Any], *, most: int) -> Completion:
    """Read the body of ``complete``, believing none of it; ``most`` is the largest engine accepted."""
    done = Completion.from_json(document)
    _between("number of etags", len(done.etags), 1, PARTS_MOST)
    # Presigned parts bound nothing: whatever else was uploaded is not read here for hours.
    _between("size", done.size, 1, most)
    _check_upload_id(done.upload_id)
    valid_sha256("sha256", done.sha256)
    return replace(done, facts=bounded(done.facts), log=done.log[-LOG_CHARACTERS:])


def failure_in(document: Mapping[str, Any]) -> Failure:
    """Read the body of ``failed``; its reason is of the table, or what a later release may add to it."""
    failure = Failure.from_json(document)
    if not _REASON.fullmatch(failure.reason):
        raise ContractError(f"reason: {failure.reason!r:.80} is not one CamelCase word")
    _between("exit_code", failure.exit_code, 1, 255)
    return replace(failure, message=shortened(printable(failure.message), MESSAGE_CHARACTERS))


def fetches_in(document: Mapping[str, Any], *, most: int) -> FetchReport:
    """Read the body of ``fetches``; ``most`` is the largest engine, so that no count grows beyond measure."""
    report = FetchReport.from_json(document)
    _between("number of engines", len(report.engines), 1, MOST_ENGINES)
    for account in report.engines:
        _between("waited", account.waited, 0, FETCH_SECONDS)
        _between("seconds", account.seconds, 0, FETCH_SECONDS)
        _between("fetched_bytes", account.fetched_bytes, 0, most)
        # Both become labels: each word more would be one series more.
        if account.outcome not in OUTCOMES:
            raise ContractError(
                f"outcome: {account.outcome!r:.80} is unknown",
                f"expected one of {', '.join(sorted(OUTCOMES))}",
            )
        if account.reason not in (FETCHER_REASONS if account.outcome == FAILED else {""}):
            raise ContractError(
                f"reason: {account.reason!r:.80} does not belong to the outcome {account.outcome}",
                "expected a reason with an exit code of the init container, of a failure only",
            )
    return report


def annotation_of(failure: Failure) -> dict[str, Any]:
    """Return what the annotation of a failed Job holds."""
    return {"reason": failure.reason, "message": failure.message, "exitCode": failure.exit_code}


def bounded(facts: BuildFacts) -> BuildFacts:
    """
    Return a builder's account if everybody who reads it later can hold it; ContractError otherwise.

    It is signed and cannot be taken back: a word too long for a status would keep every resource that
    shares the engine from ever being told.
    """
    size = len(canonical_json(facts.to_json()))
    if size > FACTS_BYTES:
        raise ContractError(f"facts: {size} bytes; at most {FACTS_BYTES} are accepted")
    if not (math.isfinite(facts.seconds) and facts.seconds >= 0):
        raise ContractError(f"facts.seconds: {facts.seconds} is not a duration")
    gpu = facts.gpu or {}
    words = {"driver": facts.driver, "cuda_version": facts.cuda_version, "gpu.name": gpu.get("name")}
    for name, word in words.items():
        if word is not None and not (isinstance(word, str) and len(word) <= FACT_CHARACTERS):
            raise ContractError(
                f"facts.{name}: {word!r:.80} is not a string of at most {FACT_CHARACTERS} characters"
            )
    _bound_warnings(facts.warnings)
    return facts


def _bound_warnings(warnings: Iterable[Any]) -> None:
    for index, warning in enumerate(warnings):
        code, count = (warning.get("code"), warning.get("count")) if isinstance(warning, Mapping) else (0, 0)
        counts = type(count) is int and 1 <= count <= FACT_COUNT
        if index >= FACT_WARNINGS or not isinstance(code, str) or not counts:
            raise ContractError(
                f"facts.warnings[{index}]: {warning!r:.80} is not accepted",
                f"at most {FACT_WARNINGS} of {{code, count}}, the count from 1 to {FACT_COUNT}",
            )


def _check_upload_id(text: str) -> None:
    # A file-backed server makes a path of it.
    dots = any(segment in {".", ".."} for segment in text.split("/"))
    if dots or not text.isprintable() or not 1 <= len(text) <= UPLOAD_ID_CHARACTERS:
        raise ContractError(
            f"invalid upload_id {text!r:.80}", "send the upload_id that the upload call returned"
        )


def valid_sha256(name: str, value: str) -> str:
    """Return ``value`` if it is a SHA-256 as 64 lower-case hex digits."""
    if not _SHA256.fullmatch(value):
        raise ContractError(f"{name}: {value!r:.80} is not a SHA-256", "expected 64 lower-case hex digits")
    return value


def _between(name: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ContractError(f"{name}: {shown(value)} is out of range", f"expected {least} to {most}")
