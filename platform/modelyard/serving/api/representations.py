"""Forms of an answer: whole objects, metadata only, or a Table; chosen by the Accept header."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson

from modelyard.serving.api.query import JSON, PARTIAL, PARTIAL_LIST, TABLE
from modelyard.serving.api.resources import Resource
from modelyard.serving.api.tables import table

Object = dict[str, Any]

INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True)
class Encoder:
    """Writes objects of one kind in one form; `include` is the Table's includeObject."""

    resource: Resource
    form: str
    include: str = "Metadata"

    @property
    def key(self) -> str:
        """Two encoders with the same key write the same."""
        # A table tells the age of its rows, so that it is only as fresh as the second it was made in.
        fresh = f" {int(time.time())}" if self.form == TABLE else ""
        return f"{self.resource.qualified} {self.form} {self.include}{fresh}"

    def one(self, obj: Object) -> Object:
        """A single object."""
        if self.form == TABLE:
            version = obj["metadata"].get("resourceVersion", "")
            return table(self.resource, [obj], version, now=time.time(), include=self.include)
        if self.form in (PARTIAL, PARTIAL_LIST):
            return partial(obj)
        return obj

    def many(self, items: list[Object], version: int) -> Object:
        """A list."""
        if self.form == TABLE:
            return table(self.resource, items, str(version), now=time.time(), include=self.include)
        if self.form in (PARTIAL, PARTIAL_LIST):
            kind, api_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
            items = [partial(item) for item in items]
        else:
            kind, api_version = f"{self.resource.kind}List", self.resource.api_version
        meta = {"continue": "", "resourceVersion": str(version)}
        return {"apiVersion": api_version, "items": items, "kind": kind, "metadata": meta}

    def joined(self, bodies: list[bytes], version: int) -> bytes:
        """A list of whole objects that are encoded already."""
        empty = orjson.dumps(self.many([], version))
        head, tail = empty.split(b'"items":[]', maxsplit=1)
        return b"".join((head, b'"items":[', b",".join(bodies), b"]", tail))

    def bookmark(self, version: int, *, initial_end: bool) -> Object:
        """The object of a BOOKMARK event: nothing but a version."""
        meta: Object = {"resourceVersion": str(version)}
        if initial_end:
            meta["annotations"] = INITIAL_END
        bare = {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": meta}
        if self.form == TABLE:
            return table(self.resource, [bare], str(version), now=time.time(), include=self.include)
        return bare if self.form == JSON else partial(bare)


def partial(obj: Object) -> Object:
    """Only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
