"""Serving runtimes: which formats and protocols each takes, and which of them run on this machine.

Source: kserve v0.20.0, config/runtimes; the words of pkg/controller/v1beta1/inferenceservice/components/predictor.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.serving.spec.unserved import ON_A_CLUSTER, Refusal

Object = dict[str, Any]


@dataclass(frozen=True)
class Runtime:
    """What a runtime takes: versions by format, and protocols, the preferred one first."""

    formats: dict[str, tuple[str, ...]]
    protocols: tuple[str, ...] = ("v1", "v2")


OURS = "modelyard"
"""Serves whatever this installation can load."""
RUNTIMES = {
    "kserve-sklearnserver": Runtime({"sklearn": ("1",)}),
    "kserve-xgbserver": Runtime({"xgboost": ("2", "3")}),
    "kserve-lgbserver": Runtime({"lightgbm": ("4",)}),
    "kserve-mlserver": Runtime(
        {"mlflow": ("1", "2"), "sklearn": ("0", "1"), "xgboost": ("1", "2"), "lightgbm": ("3", "4")}, ("v2",)
    ),
    "kserve-predictiveserver": Runtime({"sklearn": ("1",), "xgboost": ("2",), "lightgbm": ("4",)}),
    OURS: Runtime(
        {
            "mlflow": ("1", "2", "3"),
            "sklearn": ("0", "1"),
            "xgboost": ("1", "2", "3"),
            "lightgbm": ("3", "4"),
            "onnx": ("1",),
        }
    ),
}
"""Those that this machine stands in for: a replica of any of them is the same process."""
CLUSTER_RUNTIMES = frozenset(
    {
        *("kserve-autogluonserver", "kserve-huggingfaceserver", "kserve-huggingfaceserver-multinode"),
        *("kserve-openvino", "kserve-paddleserver", "kserve-pmmlserver", "kserve-tensorflow-serving"),
        *("kserve-torchserve", "kserve-tritonserver", "kserve-vllmserver"),
    }
)
CLUSTER_FORMATS = frozenset(
    {"tensorflow", "pytorch", "triton", "tensorrt", "huggingface", "pmml", "paddle", "openvino_ir", "autogluon"}
)
CONVERTED = {"tensorflow", "pytorch"}
"""Formats whose models are served here once they are exported as ONNX."""


def decide_runtime(model: Object) -> Refusal | None:
    """Why no runtime of this machine takes a model, in KServe's words where a cluster refuses it too; else None."""
    name, told = (model.get("modelFormat") or {}).get("name", ""), model.get("runtime")
    if told in CLUSTER_RUNTIMES:
        return Refusal("NeedsCluster", f"spec.predictor.model.runtime {told} runs in a container; {ON_A_CLUSTER}")
    if name in CLUSTER_FORMATS:
        export = "export the model as ONNX (modelFormat onnx), or " if name in CONVERTED else ""
        return Refusal("NeedsCluster", f"model format {name} needs a container; {export}{ON_A_CLUSTER}")
    if told and told not in RUNTIMES:
        known = f"spec.predictor.model.runtime {told} is none of {', '.join(RUNTIMES)}"
        return Refusal("RuntimeNotRecognized", f"Waiting for runtime to become available: {known}")
    return _find_mismatch(model, RUNTIMES[told or OURS])


def _find_mismatch(model: Object, runtime: Runtime) -> Refusal | None:
    told, protocol = model.get("runtime"), model.get("protocolVersion")
    words = "Specified runtime does not support specified" if told else "No runtime found to support specified"
    if protocol and protocol not in runtime.protocols:
        what = f"{words} protocol version" if told else f"{words} framework/version"
        known = ", ".join(runtime.protocols)
        return Refusal("NoSupportingRuntime", f"{what}: protocolVersion {protocol} is none of {known}")
    name, version = (model.get("modelFormat") or {}).get("name", ""), (model.get("modelFormat") or {}).get("version")
    if not _takes(runtime, name, version):
        formats = ", ".join(f"{taken} ({', '.join(versions)})" for taken, versions in runtime.formats.items())
        asked = f"{name} {version}" if version else name
        return Refusal("NoSupportingRuntime", f"{words} framework/version: {asked} is none of {formats}")
    return None


def protocol_of(model: Object) -> str:
    """The protocol of a model that `decide_runtime` takes: its own, else the runtime's preferred one."""
    return model.get("protocolVersion") or RUNTIMES[model.get("runtime") or OURS].protocols[0]


def _takes(runtime: Runtime, name: str, version: str | None) -> bool:
    versions = runtime.formats.get(name)
    if versions is None:
        return False
    return not version or any(version == taken or version.startswith(f"{taken}.") for taken in versions)
