"""The emulated ARM: an ARM946 of `unicorn` for SpiNNaker's ARM968, with memories and devices."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from spinn_convert.emulator.devices import Device, InterruptController
from spinn_convert.emulator.memory import ITCM, ITCM_BYTES, PAGE, Memory
from spinn_convert.errors import BackendError, Problem, install

_THUMB, _NO_FAST, _NO_NORMAL, _MODE = 0x20, 0x40, 0x80, 0x1F
"""Bits of the status register."""
_FAST_MODE, _NORMAL_MODE = 0x11, 0x12
_FAST_VECTOR, _NORMAL_VECTOR = 0x1C, 0x18
_NEVER = 0xFFFF_FFF0
"""Address at which unicorn would stop, which is never reached."""
_MAX_SLICES = 1_000_000
"""How often a core may fall asleep with an interrupt pending before that is an error."""


def _unicorn() -> Any:
    """Import unicorn; raises BackendError when it is not installed."""
    try:
        import unicorn
        import unicorn.arm_const
    except ImportError as error:
        fix = install("emulator")
        raise BackendError([Problem("emulated board", "unicorn is not installed", fix)]) from error
    return unicorn


def warm_up() -> None:
    """Load what takes time at the first use; raises BackendError when unicorn is not installed."""
    unicorn = _unicorn()
    unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)


class Processor:
    """Runs until it waits for an interrupt; interrupts come from one controller.

    name: of the core, in error messages. devices: by base address, one page of registers each.
    """

    def __init__(
        self,
        name: str,
        memory: Memory,
        devices: Mapping[int, Device],
        interrupts: InterruptController,
    ) -> None:
        unicorn = _unicorn()
        self._name = name
        self._arm = unicorn.arm_const
        self._error = unicorn.UcError
        self._interrupts = interrupts
        self._stopped = False
        self._uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
        self._uc.ctl_set_cpu_model(self._arm.UC_CPU_ARM_946)
        for block in memory.blocks:
            for base in block.bases:
                self._uc.mem_map_ptr(base, block.size, unicorn.UC_PROT_ALL, block.pointer())
        for base, device in devices.items():
            self._uc.mmio_map(base, PAGE, _reader(device), None, _writer(device), None)
        for address in _unmasking(memory):
            self._uc.hook_add(
                unicorn.UC_HOOK_CODE, self._after_unmasking, begin=address, end=address
            )

    def start(self, address: int, argument: int) -> None:
        """Begin at an address with one argument and run until idle."""
        self._uc.reg_write(self._arm.UC_ARM_REG_R0, argument)
        self._uc.reg_write(self._arm.UC_ARM_REG_PC, address)
        self.run_until_idle()

    def run_until_idle(self) -> None:
        """Run and take interrupts until the processor sleeps with none pending.

        Raises BackendError when an instruction cannot be executed, when the core never stops
        waking up, or when it was stopped. A loop without sleep is not noticed here: counting
        instructions would take longer than executing them.
        """
        for _ in range(_MAX_SLICES):
            status = self._uc.reg_read(self._arm.UC_ARM_REG_CPSR)
            counter = self._uc.reg_read(self._arm.UC_ARM_REG_PC)
            if mode := self._deliverable(status):
                counter = self._interrupt(mode, status, counter)
            self._emulate(counter | (1 if status & _THUMB else 0))
            if not self._interrupts.pending():
                return  # a pending interrupt wakes a sleeping processor even if it is masked
        raise BackendError([Problem(self._name, "never waits: an interrupt is always pending")])

    def stop(self) -> None:
        """Stop for good, from another thread, what does not sleep."""
        self._stopped = True
        self._uc.emu_stop()

    def _emulate(self, address: int) -> None:
        try:
            self._uc.emu_start(address, _NEVER)
        except self._error as error:
            counter = self._uc.reg_read(self._arm.UC_ARM_REG_PC)
            raise BackendError([Problem(self._name, f"{error} at {counter:#x}")]) from error
        if self._stopped:
            counter = self._uc.reg_read(self._arm.UC_ARM_REG_PC)
            raise BackendError(
                [Problem(self._name, f"runs without ever sleeping, at {counter:#x}")]
            )

    def _deliverable(self, status: int) -> int:
        """Return the mode of the interrupt to take now, or 0."""
        if not status & _NO_FAST and self._interrupts.pending_fast():
            return _FAST_MODE
        if not status & _NO_NORMAL and self._interrupts.pending_normal():
            return _NORMAL_MODE
        return 0

    def _after_unmasking(self, uc: Any, address: int, *_: Any) -> None:
        """Take an interrupt in front of the instruction at an address.

        Writing the program counter in a hook makes unicorn go on from there, which takes half the
        time of stopping and starting it.
        """
        if self._interrupts.pending():
            status = uc.reg_read(self._arm.UC_ARM_REG_CPSR)
            if mode := self._deliverable(status):
                self._interrupt(mode, status, address)

    def _interrupt(self, mode: int, status: int, counter: int) -> int:
        """Enter an interrupt as the ARM does: save status and address, mask, go to the vector."""
        if status & _THUMB:
            raise BackendError([Problem(self._name, "an interrupt in Thumb code")])
        masked = _NO_NORMAL | (_NO_FAST if mode == _FAST_MODE else 0)
        vector = _FAST_VECTOR if mode == _FAST_MODE else _NORMAL_VECTOR
        write, arm = self._uc.reg_write, self._arm
        write(arm.UC_ARM_REG_CPSR, status & ~_MODE | masked | mode)
        write(arm.UC_ARM_REG_SPSR, status)
        write(arm.UC_ARM_REG_LR, counter + 4)
        write(arm.UC_ARM_REG_PC, vector)
        return vector


def _reader(device: Device) -> Any:
    return lambda uc, offset, size, data: device.read(offset)


def _writer(device: Device) -> Any:
    return lambda uc, offset, size, value, data: device.write(offset, value)


def _unmasking(memory: Memory) -> list[int]:
    """Return the addresses behind each instruction that may unmask interrupts: MSR CPSR, Rm.

    Pending interrupts are taken at these addresses, and where the processor sleeps. An MSR right
    behind an ORR that sets a mask bit of its register can only mask, and is left out.
    """
    code = struct.unpack(f"<{ITCM_BYTES // 4}I", memory.read(ITCM, ITCM_BYTES))
    return [
        ITCM + 4 * i
        for i, (before, word) in enumerate(pairwise(code), start=2)
        if word & 0xFFF0_FFF0 == 0xE120_F000
        and not (before & 0xFFF0_0F3F == 0xE380_0000 and before >> 12 & 0xF == word & 0xF)
    ]
