"""Devices: read, asked for, and given to one replica each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.gpus import asked_gpus, assign_gpus, devices_from

# As NVIDIA documents the output of `nvidia-smi -L`.
LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 1g.5gb Device 0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2bc58f8c-7d1b-4f7e-8a3f-2d0f5f9f5c11)
"""


def test_devices_are_named_by_their_uuids():
    assert devices_from(LISTED) == (
        "GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f",
        "GPU-2bc58f8c-7d1b-4f7e-8a3f-2d0f5f9f5c11",
    )
    assert devices_from("No devices found.\n") == ()


@pytest.mark.parametrize(
    ("predictor", "asked"),
    [
        ({"model": {"modelFormat": {"name": "onnx"}}}, 0),
        ({"model": {"modelFormat": {"name": "onnx"}, "resources": {"limits": {"nvidia.com/gpu": "2"}}}}, 2),
        ({"model": {"modelFormat": {"name": "onnx"}, "resources": {"limits": {"nvidia.com/gpu": 1}}}}, 1),
        ({"model": {"modelFormat": {"name": "onnx"}, "resources": {"requests": {"nvidia.com/gpu": "1"}}}}, 1),
        ({"sklearn": {"storageUri": "s3://m", "resources": {"limits": {"nvidia.com/gpu": "1"}}}}, 1),
    ],
)
def test_the_limit_says_how_many_a_replica_asks_for(predictor, asked):
    assert asked_gpus(predictor) == asked


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.tuples(st.sampled_from(["start", "end"]), st.integers(0, 3))),
)
def test_no_device_is_ever_given_to_two_and_every_free_one_can_be_had(inventory, steps):
    held = []
    for step, number in steps:
        taken = [device for devices in held for device in devices]
        if step == "end":
            held = held[:number]
            continue
        given_ = assign_gpus(inventory, taken, number)
        assert (given_ is None) == (number > len(inventory) - len(taken))
        held.append(given_ or [])
        every = [device for devices in held for device in devices]
        assert len(every) == len(set(every))
        assert set(every) <= set(inventory)
