"""What several ranks cannot do is said once, with what to do instead."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from support import mpi
from support.networks import classifier, with_images

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(mpi.missing()), reason=mpi.missing() or "all there"),
]


def assert_refused(done, *words):
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture
def model(write_model):
    return with_images(classifier(write_model))


def test_a_command_of_one_process(model, tmp_path):
    done = mpi.convert(2, "inspect", model, cwd=tmp_path)
    assert_refused(done, "inspect has no work for 2 ranks", "start it without mpirun")


@pytest.mark.nest
@pytest.mark.skipif(bool(find_spec("nest")) and not mpi.missing_nest(), reason="this NEST has MPI")
def test_a_nest_without_mpi_says_how_to_get_one(model, tmp_path):
    done = mpi.convert(2, model, "--backend", "nest", cwd=tmp_path)
    assert_refused(done, "NEST is built without MPI", "-C cmake.define.with-mpi=ON")
    assert not list(tmp_path.glob("*.spinn"))
