"""A model that is not what the registry says: its bytes were changed in the store, or another one was deployed."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade
from modelyard.faults.fault import Fault, Prepared, Say
from modelyard.faults.records import FaultRecord, kept_folder
from modelyard.faults.targets import REGISTERED, VERSION, Target, end_replicas, pick, replicas_of, version_now
from modelyard.faults.traffic import has_flights, send_windows
from modelyard.kube import InferenceServices
from modelyard.settings import Settings

DIGEST = "modelyard.dev/model-digest"
WINDOWS = 2
"""ClassRecallLow fires at two windows in a row."""
PREFIX = "s3://mlflow/broken-on-purpose"
Object = dict[str, Any]


class BytesChanged(Fault):
    """One byte of the model's largest file is another one in the object store."""

    kind, how = "model", "bytes"
    breaks = "changes one byte of the served model in the object store, and starts its replicas anew"
    notice = "no replica can be started: ModelDigestMismatch; requests fail, because a changed model is not loaded"
    look = ("kubectl describe isvc", "./invoke lineage")
    repair = "promote another version, or bring the object back from a copy of the store"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """Keep the file as it is."""
        service = _registered(pick(conn, settings, name))
        replicas_of(service)
        uri, store = service.model["storageUri"], _store(conn)
        with _store_errors():
            sizes = {key: int(info.get("size") or 0) for key, info in store.find(_plain(uri), detail=True).items()}
            key = max(sizes, key=sizes.__getitem__)
            content: bytes = store.cat_file(key)
        folder = kept_folder(conn, self.kind)
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{secrets.token_hex(4)}-{Path(key).name}"
        kept.write_bytes(content)
        file = key.removeprefix(_plain(uri) + "/")
        held = {
            "namespace": service.namespace,
            "name": service.name,
            "object": key,
            "kept": str(kept.relative_to(conn.layout.folder)),
            "broken": hashlib.sha256(flipped(content)).hexdigest(),
            "digest": service.annotations[DIGEST],
        }
        return Prepared(service.target, f"one byte of {file} in the store is not what was registered", held)

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Change the object, drop the yard's cached copy, and end the replicas that have the model loaded."""
        store, held = _store(conn), record.held
        with _store_errors():
            store.pipe_file(held["object"], flipped((conn.layout.folder / held["kept"]).read_bytes()))
        drop_cached(conn.layout.data("serving") / "models", held["digest"])
        with contextlib.suppress(FaultNotMade):  # it has gone to sleep meanwhile: the next request wakes none
            end_replicas(replicas_of(pick(conn, settings, held["name"])))

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Put the bytes back where nobody has written others meanwhile, and wait until a replica has loaded them."""
        held, kept = record.held, conn.layout.folder / record.held["kept"]
        store = _store(conn)
        with _store_errors():
            present = store.cat_file(held["object"]) if store.exists(held["object"]) else b""
            if kept.exists() and hashlib.sha256(present).hexdigest() in (held["broken"], _EMPTY):
                store.pipe_file(held["object"], kept.read_bytes())
        say("the bytes are back; the next try of a replica loads them")
        _wait_ready(conn, settings, held)
        kept.unlink(missing_ok=True)
        return f"{record.target} serves the registered bytes"


class WrongAnswers(Fault):
    """A copy of the model whose classes are named in another order is deployed under the same version number."""

    kind, how = "model", "wrong"
    breaks = "deploys a copy of the model whose classes are named in the wrong order, under the same version"
    notice = "inputs do not drift and every request is answered; with the truth accuracy falls and ClassRecallLow fires"
    look = ("./invoke lineage", "./invoke open monitor")
    repair = "`./invoke promote --version production --why 'Back to the registered model'`"

    def prepare(self, conn: Connections, settings: Settings, name: str) -> Prepared:
        """Put the copy into the store; the registered model stays as it is."""
        service = _registered(pick(conn, settings, name))
        uri = f"{PREFIX}/{service.name}-{secrets.token_hex(4)}"
        held = {
            "namespace": service.namespace,
            "name": service.name,
            "wrong": {"uri": uri, "digest": _upload_wrong(conn, service.model["storageUri"], uri)},
            "right": {"uri": service.model["storageUri"], "digest": service.annotations[DIGEST]},
            "version": service.annotations.get(VERSION, ""),
            "watched": has_flights(conn) and service.annotations.get(REGISTERED) == "flights",
        }
        return Prepared(service.target, f"it serves {uri}, which is not the registered model", held)

    def make(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> None:
        """Deploy the copy, and let it answer two windows of flights whose arrival is known."""
        self._deploy(conn, settings, record.held, record.held["wrong"], instead_of=record.held["right"])
        sent = send_windows(conn, record.held, WINDOWS, say) if record.held["watched"] else 0
        say(f"{sent} flights sent, and the monitor was told what became of them")

    def undo(self, conn: Connections, settings: Settings, record: FaultRecord, say: Say) -> str:
        """Deploy the registered model where the copy is still deployed, remove the copy, and send a window of flights
        whose arrival is known: the count of wrong windows in a row begins anew."""
        self._deploy(conn, settings, record.held, record.held["right"], instead_of=record.held["wrong"])
        with _store_errors():
            store = _store(conn)
            place = _plain(record.held["wrong"]["uri"])
            if store.exists(place):
                store.rm(place, recursive=True)
        if record.held["watched"] and version_now(conn, record.held) == record.held["version"]:
            send_windows(conn, record.held, 1, say)
        return f"{record.target} serves the registered model"

    @staticmethod
    def _deploy(
        conn: Connections,
        settings: Settings,
        held: Mapping[str, Any],
        wanted: Mapping[str, str],
        *,
        instead_of: Mapping[str, str],
    ) -> None:
        services = InferenceServices(conn.kubeconfig, held["namespace"])
        present = services.get(held["name"])
        model = present["spec"]["predictor"].get("model", {}) if present else {}
        if model.get("storageUri") != instead_of["uri"]:
            return
        patch = {
            "metadata": {"annotations": {DIGEST: wanted["digest"]}},
            "spec": {"predictor": {"model": {"storageUri": wanted["uri"]}}},
        }
        generation = services.patch(held["name"], patch)["metadata"]["generation"]
        services.wait_ready(held["name"], generation=generation, deadline_s=settings.ready_deadline_s)


_EMPTY = hashlib.sha256(b"").hexdigest()


def flipped(content: bytes) -> bytes:
    """The same bytes, the one in the middle with its bits the other way round."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :] if content else b"\xff"


def turned(mlmodel: str) -> str:
    """An MLmodel file whose outputs have the names of their neighbours: each class answers for another one.

    Raises:
        FaultNotMade: the model does not name several outputs.
    """
    import json

    import yaml

    held = yaml.safe_load(mlmodel)
    outputs = json.loads((held.get("signature") or {}).get("outputs") or "[]")
    if len(outputs) < 2 or not all("name" in output for output in outputs):
        raise FaultNotMade("the model does not answer several classes: there is no order to get wrong")
    held["signature"]["outputs"] = json.dumps([*outputs[1:], outputs[0]])
    return str(yaml.safe_dump(held, sort_keys=False))


def drop_cached(cache: Path, digest: str) -> None:
    """Forget the cached copies of a model; a replica that starts fetches it anew."""
    for fetched in cache.glob(".*.digest"):
        if fetched.read_text("utf-8").strip() == digest.removeprefix("sha256:"):
            shutil.rmtree(cache / fetched.name.removeprefix(".").removesuffix(".digest"), ignore_errors=True)


def _registered(service: Target) -> Target:
    model = service.model
    if not str(model.get("storageUri", "")).startswith("s3://") or not service.annotations.get(DIGEST):
        raise FaultNotMade(
            f"InferenceService {service.name} does not serve a registered model: it has no annotation {DIGEST}",
            next_command="./invoke promote --why 'To have something to break'",
        )
    return service


def _upload_wrong(conn: Connections, uri: str, target: str) -> str:
    """Copy a model with its classes turned; the copy's digest."""
    from modelyard.digest import model_digest
    from modelyard.registry.mlflow_api import download_folder

    with tempfile.TemporaryDirectory(prefix="modelyard-wrong-") as held, _store_errors():
        folder = download_folder(conn, uri, Path(held))
        described = folder / "MLmodel"
        if not described.exists():
            raise FaultNotMade(f"{uri} is no MLflow model")
        described.write_text(turned(described.read_text("utf-8")), "utf-8")
        _store(conn).put(f"{folder}/", f"{_plain(target)}/", recursive=True)
        return model_digest(folder)


def _wait_ready(conn: Connections, settings: Settings, held: Mapping[str, Any]) -> None:
    services = InferenceServices(conn.kubeconfig, held["namespace"])
    present = services.get(held["name"])
    if present is not None:
        generation = present["metadata"]["generation"]
        services.wait_ready(held["name"], generation=generation, deadline_s=settings.ready_deadline_s)


def _store(conn: Connections) -> Any:
    from modelyard.registry.mlflow_api import object_store

    return object_store(conn)


def _store_errors() -> Any:
    from modelyard.faults.stores import store_errors

    return store_errors()


def _plain(uri: str) -> str:
    return uri.removeprefix("s3://").rstrip("/")
