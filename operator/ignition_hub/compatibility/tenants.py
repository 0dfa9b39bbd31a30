"""
Which queue, priority class and share a namespace's builds have in a pool: its ``spec.tenants``. Pure.

Entries are in order of precedence. For a namespace the first counts that lists it; for a build that several
namespaces wait for, the first that lists any of them, in whatever order they asked. The controller asks
before it makes a Job, ``kubectl ignition plan`` before anything is applied.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

EVERY_NAMESPACE = "*"

QUEUE_NAME, PRIORITY_CLASS_NAME = "queueName", "priorityClassName"
"""The fields that an entry has, and that ``mayName`` can allow a namespace to name in ``spec.build``."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One entry: what the builds of its ``namespaces`` are given, and which fields these may name."""

    namespaces: frozenset[str]
    queue_name: str | None = None
    priority_class_name: str | None = None
    may_name: frozenset[str] = frozenset()
    weight: int = 1
    """Places that each of the namespaces has in a round of the pool's queue."""

    def lists(self, namespace: str) -> bool:
        """Tell whether the entry is for ``namespace``."""
        return namespace in self.namespaces or EVERY_NAMESPACE in self.namespaces


Tenants = tuple[Tenant, ...]

UNLISTED = Tenant(frozenset())
"""What counts for a namespace that no entry lists: no queue and no class, none may be named, one place."""


@dataclass(frozen=True, slots=True)
class Scheduling:
    """The queue and the class that a TensorRTEngine of ``namespace`` names, or that its Job is given."""

    namespace: str = ""
    queue_name: str | None = None
    priority_class_name: str | None = None

    def fields(self) -> dict[str, str | None]:
        """Return the values by the fields of ``spec.build`` that name them."""
        return {QUEUE_NAME: self.queue_name, PRIORITY_CLASS_NAME: self.priority_class_name}


UNSCHEDULED = Scheduling()


def precedence_of(tenants: Tenants, namespace: str) -> int:
    """Return the index of the entry that counts for ``namespace``; where none does, one after the last."""
    return next((n for n, tenant in enumerate(tenants) if tenant.lists(namespace)), len(tenants))


def tenant_of(tenants: Tenants, namespace: str) -> Tenant:
    """Return the entry that counts for ``namespace``."""
    return _entry(tenants, precedence_of(tenants, namespace))


def naming_refusal(pool: str, tenants: Tenants, asked: Scheduling) -> str | None:
    """
    Return why a namespace may not name what it names, with what would work; None when it may.

    Naming what its entry gives anyway is no choice, and allowed.
    """
    namespace = asked.namespace
    entry = tenant_of(tenants, namespace)
    given = Scheduling("", entry.queue_name, entry.priority_class_name).fields()
    for field, value in asked.fields().items():
        if value is not None and value != given[field] and field not in entry.may_name:
            otherwise = f"{field} {given[field]}" if given[field] else f"no {field}"
            return (
                f"spec.build.{field} is {value}, but {_rule(pool, tenants, namespace)}: remove it, which "
                f"gives the build {otherwise}, or have the platform team add {field} to mayName of that entry"
            )
    return None


def scheduling_for_all(tenants: Tenants, asked: Sequence[Scheduling]) -> Scheduling:
    """
    Return what a Job is given that all of ``asked``, at least one, wait for; the same in whatever order.

    Its namespace is the first by name of those that the entry lists which counts. What these name goes before
    what the entry gives, where the entry allows it; of different names the first in the alphabet.
    """
    first = min(precedence_of(tenants, one.namespace) for one in asked)
    entry = _entry(tenants, first)
    entitled = [one for one in asked if precedence_of(tenants, one.namespace) == first]
    return Scheduling(
        min(one.namespace for one in entitled),
        _first_named(entry, QUEUE_NAME, (one.queue_name for one in entitled)) or entry.queue_name,
        _first_named(entry, PRIORITY_CLASS_NAME, (one.priority_class_name for one in entitled))
        or entry.priority_class_name,
    )


def entries_without_effect(tenants: Tenants) -> Iterator[str]:
    """Give what of ``spec.tenants`` never counts, and why: an earlier entry lists the namespace too."""
    listed: dict[str, int] = {}
    for number, tenant in enumerate(tenants):
        for namespace in sorted(tenant.namespaces):
            earlier = listed.setdefault(namespace, number)
            if earlier < number:
                yield (
                    f"spec.tenants[{number}].namespaces: {namespace} has no effect, because "
                    f"spec.tenants[{earlier}] lists it too and comes first"
                )


def _entry(tenants: Tenants, number: int) -> Tenant:
    return next(islice(tenants, number, None), UNLISTED)


def _first_named(entry: Tenant, field: str, values: Iterable[str | None]) -> str | None:
    return min((value for value in values if value and field in entry.may_name), default=None)


def _rule(pool: str, tenants: Tenants, namespace: str) -> str:
    """Say that the pool does not let ``namespace`` name it."""
    number = precedence_of(tenants, namespace)
    if number == len(tenants):
        return f"spec.tenants of BuildPool {pool} needs an entry for namespace {namespace} to allow it"
    return f"spec.tenants[{number}] of BuildPool {pool} does not let namespace {namespace} name it"
