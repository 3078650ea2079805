"""What the schema cannot see: secrets in the file, names that must be unique or must exist, orders that must hold.

The checks read the document and not the validated schema, so that one wrong value does not hide what else is wrong.
Each takes what it can use and leaves the rest to the schema.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.checks.access import check_access, key_digest
from gateway.config.checks.models import check_models
from gateway.config.checks.plugins import check_plugins, plugin_parts
from gateway.config.checks.references import check_references
from gateway.config.checks.routing import check_routing
from gateway.config.checks.stores import check_stores
from gateway.config.document import Document
from gateway.config.problems import Problem

__all__ = ["crosscheck", "key_digest", "plugin_parts"]


def crosscheck(document: Document, shipped_task_types: frozenset[str]) -> Iterator[Problem]:
    """`shipped_task_types` are those that hold where the file has none of its own."""
    yield from check_references(document)
    yield from check_models(document)
    yield from check_routing(document, shipped_task_types)
    yield from check_access(document)
    yield from check_stores(document)
    yield from check_plugins(document)
