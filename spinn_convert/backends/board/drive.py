"""The constant current of a neuron of IF_curr_exp: its bias, and what the image gives it.

Here V = I_exc - I_inh + i_offset (see `plan`), so i_offset alone would shift V once, not in every
step. But both synaptic currents decay by LEAK per step, so V moves towards i_offset by
dV = LEAK * (i_offset - V). An i_offset much larger than V therefore changes V by an almost constant
b per step, and an initial isyn_exc that cancels it keeps V at its initial potential until the
release. That holds for any number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]

FRACTION_BITS = 15
"""Fractional bits of the board's fixed-point numbers, s16.15; "raw" integers count 2^-15."""
LEAK_32 = 0x1_0000_0000 - 0xFFFD_EB83
"""Share that a synaptic current of tau 31507.4 ms loses per step of 1 ms, in units of 2^-32: the
decay that sPyNNaker's binary computes is 0xfffdeb83 * 2^-32, as found by executing it."""
LOSS_32 = 0x1_0000_0000 - ((round(31507.4 * 2**FRACTION_BITS) * (LEAK_32 - 1)) >> FRACTION_BITS)
"""Share that an arriving input loses, in units of 2^-32: it is scaled by tau * (1 - decay)."""
LARGEST_DRIVE = 1.95
"""Largest constant change of V, mV per step. It needs an initial current of 61,440 nA; numbers end
at 65,536, and the rest is room for the inputs."""


@dataclass(frozen=True, eq=False)
class Drive:
    """The constant current of the neurons of a population, for one image or many.

    i_offset: parameter of the cell. isyn_exc: initial excitatory current. Both are integers in
    units of 2^-15 nA. clipped: neurons whose current was clipped. All broadcast to the population's
    shape, or to (B, *shape).
    """

    i_offset: Int32
    isyn_exc: Int32
    clipped: NDArray[np.bool_]

    @property
    def i_offset_na(self) -> NDArray[np.float64]:
        """The i_offset to set, nA; sPyNNaker encodes it as exactly these integers."""
        return np.ldexp(self.i_offset.astype(np.float64), -FRACTION_BITS)

    @property
    def isyn_exc_na(self) -> NDArray[np.float64]:
        """The isyn_exc to initialise, nA, signed; isyn_inh is 0."""
        return np.ldexp(self.isyn_exc.astype(np.float64), -FRACTION_BITS)

    def of_image(self, image: int) -> Drive:
        """Return the current of one image, if the first axis is that of the images."""
        return Drive(self.i_offset[image], self.isyn_exc[image], self.clipped[image])


def decayed(current: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """Return a raw synaptic current after so many steps on the board."""
    for _ in range(steps):
        current = current + ((-current * LEAK_32) >> 32)
    return current


def drive(
    per_step: NDArray[np.floating], v_init: NDArray[np.floating], release: int, theta: float
) -> Drive:
    """Return the currents that change V by `per_step` in every step from `release` on.

    per_step, v_init: in thresholds. release: step. theta: mV per threshold. The first update, at
    step `release`, gives V = v_init + per_step exactly. |per_step| is clipped at
    LARGEST_DRIVE / theta.
    """
    one = theta * 2**FRACTION_BITS
    limit = LARGEST_DRIVE / theta
    wanted = np.asarray(per_step, np.float64)
    step = np.rint(np.clip(wanted, -limit, limit) * one).astype(np.int64)
    start = np.rint(np.asarray(v_init, np.float64) * one).astype(np.int64)
    current = -np.rint(np.ldexp(step / LEAK_32, 32)).astype(np.int64)
    offset = start + step - decayed(current, release)
    return Drive(
        offset.astype(np.int32),
        np.broadcast_to(current, offset.shape).astype(np.int32),
        np.abs(wanted) > limit,
    )
