"""Threads and determinism are of the whole process, so these tests have one of their own."""

import json
import platform
import resource
import subprocess
import sys

import pytest
import torch

from neurospect.errors import BadInputError
from neurospect.training.compute import prepare_compute

REPORT = """
import json, logging, os, sys, warnings
import torch
from threadpoolctl import threadpool_info
from neurospect.training.compute import prepare_compute

logging.basicConfig(level=logging.INFO, stream=sys.stderr)
device = prepare_compute("auto", int(sys.argv[1]))
import scipy.linalg, sklearn.cluster
warnings.warn("an operation without a deterministic algorithm")
print(json.dumps({
    "device": device.type,
    "torch": torch.get_num_threads(),
    "pools": [pool["num_threads"] for pool in threadpool_info()],
    "children": os.environ["OMP_NUM_THREADS"],
    "deterministic": torch.are_deterministic_algorithms_enabled(),
    "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
    "workspace": os.environ["CUBLAS_WORKSPACE_CONFIG"],
}))
"""


@pytest.fixture(scope="module")
def report():
    done = subprocess.run(
        [sys.executable, "-c", REPORT, "1"], capture_output=True, text=True, check=True
    )
    return {**json.loads(done.stdout), "log": done.stderr}


def test_threads_are_kept_by_pytorch_and_every_library_loaded_before_or_later(report):
    assert report["torch"] == 1
    assert len(report["pools"]) >= 2
    assert set(report["pools"]) == {1}


def test_threads_are_kept_by_child_processes(report):
    assert report["children"] == "1"


def test_deterministic_algorithms_are_on_and_only_warn_where_there_is_none(report):
    assert report["deterministic"]
    assert report["warn_only"]
    assert report["workspace"] == ":4096:8"


def test_warnings_go_to_the_log(report):
    assert "WARNING:py.warnings:" in report["log"]
    assert "an operation without a deterministic algorithm" in report["log"]


def test_the_log_says_where_and_with_how_many_threads(report):
    assert f"computing on {report['device']} with 1 thread(s)" in report["log"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_refused_where_there_is_none():
    before = torch.get_num_threads()
    torch.use_deterministic_algorithms(False)
    with pytest.raises(BadInputError, match="config: device: found cuda, but PyTorch sees no CUDA"):
        prepare_compute("cuda", before + 1)
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


PAGES = """
import resource, sys
import torch
from neurospect.training.compute import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for turn in range(20):
    if turn == 10:
        before = faults()
    first, second = torch.ones(2**23), torch.ones(2**22)
    del first, second
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_tensors_take_the_memory_of_earlier_ones_without_new_page_faults():
    faults = {}
    for way in ("keep", "leave"):
        done = subprocess.run(
            [sys.executable, "-c", PAGES, way], capture_output=True, text=True, check=True
        )
        faults[way] = int(done.stdout)
    pages = 10 * (2**23 + 2**22) * 4 // resource.getpagesize()
    assert faults["leave"] > 0.5 * pages
    assert faults["keep"] < 0.1 * pages
