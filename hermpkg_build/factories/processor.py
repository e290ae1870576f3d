"""The processor baseline: a factory computes the same numbers on every processor of one architecture.

Numerical libraries choose their kernels by what the processor can do, and kernels that use other
instructions round otherwise. Under the baseline each of them is told to use what every processor of the
architecture has; what cannot be told so is computed here by operations that IEEE 754 defines to the bit.
"""

from __future__ import annotations

import os
import platform
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from hermpkg_build.core.digest import fingerprint
from hermpkg_build.errors import LocalEnvironmentError

LIMITED = "limited"
"""The processor of conditions that hold every library to the baseline, whatever the model asks for."""

_EMULATED = {"x86_64": ("Nehalem", "max"), "aarch64": ("cortex-a57", "max")}
"""An old processor and all that QEMU can do, by architecture, as QEMU names them."""

_LIBM_FEATURES = ("AVX", "AVX2", "FMA", "FMA4", "AVX512F")
_NUMPY_FEATURES = (
    *("AVX", "F16C", "FMA3", "FMA4", "XOP", "AVX2", "AVX512F", "AVX512CD", "AVX512_KNL", "AVX512_KNM"),
    *("AVX512_SKX", "AVX512_CLX", "AVX512_CNL", "AVX512_ICL", "AVX512_SPR", "X86_V3", "X86_V4"),
)
"""Every dispatched feature of NumPy's builds for x86-64 beyond x86-64-v2; NumPy skips those it lacks."""

_NUMPY_BASELINE = frozenset({"SSSE3", "SSE41", "POPCNT", "SSE42"})
"""What every x86-64 of the second level has (x86-64-v2, of 2009 and later)."""

_BASELINES: Mapping[str, Mapping[str, str]] = {
    "x86_64": {
        "MKL_CBWR": "COMPATIBLE",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": ",".join(_NUMPY_FEATURES),
        "OPENBLAS_CORETYPE": "Nehalem",
        # The names before and since glibc 2.33; it skips those that it does not know.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps="
        + ",".join(f"-{name}{usable}" for name in _LIBM_FEATURES for usable in ("", "_Usable")),
        "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
    },
    "aarch64": {"OPENBLAS_CORETYPE": "ARMV8", "ONEDNN_MAX_CPU_ISA": "ADVSIMD_128"},
}


def baseline_variables(machine: str | None = None) -> dict[str, str]:
    """The environment variables that hold numerical libraries to the baseline of `machine`, this one's."""
    everywhere = {"ATEN_CPU_CAPABILITY": "default", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    return {**everywhere, **_BASELINES.get(machine or platform.machine(), {})}


def describe_platform(*, native: bool) -> str:
    """Say what computed numbers depend on besides code and externs: ``x86_64 glibc 2.36``.

    `native` adds the processor and what it can do.
    """
    return " ".join([platform.machine(), c_library(), *(_processor() if native else ())])


def c_library() -> str:
    """Name the C library and its version, ``glibc 2.36``; the operating system's where it has no own."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown C library"
    except (AttributeError, ValueError, OSError):
        return f"{platform.system()} {platform.release()}"


def emulation_of(processor: str) -> list[str]:
    """The command that runs a program on an emulated processor of this architecture; [] for this machine's.

    Raises LocalEnvironmentError where QEMU's user mode is not installed.
    """
    if processor in ("", LIMITED):
        return []
    emulator = _emulator()
    if emulator is None:
        raise LocalEnvironmentError(
            f"the processor {processor} cannot be emulated",
            facts=[("missing", f"qemu-{platform.machine()}")],
            next_step="install QEMU's user mode: apt-get install qemu-user",
        )
    return [emulator, "-cpu", processor]


def other_processor(variant: int) -> str:
    """Choose a processor for `FactoryConditions` that this machine has not; `variant` counts from 1."""
    known = _EMULATED.get(platform.machine(), ())
    return known[(variant - 1) % len(known)] if known and _emulator() else LIMITED


def hold_torch_to_baseline(torch: Any) -> Any:
    """Replace what torch computes by instructions whose results the makers of processors choose.

    MKL's vector functions for roots and inverse sines start from the processor's own approximation of a
    reciprocal, whatever MKL is told. What is returned keeps the replacements in place; None for none.
    """
    torch.backends.nnpack.set_flags(False)
    if not torch.backends.mkl.is_available():
        return None
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells that kernels are replaced, as they are meant to be
        for name, function in _ieee_functions(torch).items():
            _replace(torch, library, name, function)
        _replace_power(torch, library)
    return library


def numpy_features_left(modules: Mapping[str, Any]) -> tuple[str, ...]:
    """The features that the NumPy of loaded `modules` chooses kernels by, beyond the baseline.

    There are some where NumPy is newer than `_NUMPY_FEATURES`.
    """
    umath = modules.get("numpy._core._multiarray_umath") or modules.get("numpy.core._multiarray_umath")
    in_use = getattr(umath, "__cpu_features__", {})
    dispatched = getattr(umath, "__cpu_dispatch__", ())
    return tuple(name for name in dispatched if in_use.get(name) and name not in _NUMPY_BASELINE)


def _emulator() -> str | None:
    return shutil.which(f"qemu-{platform.machine()}")


def _processor() -> Iterator[str]:
    wanted = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part", "flags", "Features")
    found: dict[str, str] = {}
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() in wanted:
                found.setdefault(name.strip(), value.strip())
    features = sorted(found.pop("flags", found.pop("Features", "")).split())
    yield from found.values() or (platform.processor(),)
    yield f"features {fingerprint(features).hash[:16]}"


def _ieee_functions(torch: Any) -> dict[str, Callable[[Any], Any]]:
    """Functions of float64 tensors by name, made of operations with one right result."""

    def sqrt(value: Any) -> Any:
        near = value.rsqrt().reciprocal()  # a division by the scalar square root, an ulp off at most
        better = (near + value / near) * 0.5
        return torch.where(torch.isfinite(better), better, near)

    def cosine(sine: Any) -> Any:
        return sqrt((1 - sine) * (1 + sine))

    return {
        "sqrt": sqrt,
        "atan": lambda value: torch.atan2(value, torch.ones_like(value)),
        "asin": lambda value: torch.atan2(value, cosine(value)),
        "acos": lambda value: torch.atan2(cosine(value), value),
    }


def _replace(torch: Any, library: Any, name: str, function: Callable[[Any], Any]) -> None:
    """Put `function` in the place of a kernel for real numbers; the ``out=`` form stays as it is."""
    original = getattr(torch.ops.aten, name).out

    def compute(value: Any) -> Any:
        if value.is_complex():
            return original(value, out=torch.empty_like(value))
        dtype = torch.result_type(value, 1.0)
        return function(value.double()).to(dtype)

    def compute_in_place(value: Any) -> Any:
        return value.copy_(compute(value)) if value.is_floating_point() else original(value, out=value)

    library.impl(name, compute, "CPU")
    library.impl(f"{name}_", compute_in_place, "CPU")


def _replace_power(torch: Any, library: Any) -> None:
    """Let a power of one half be the square root of `_ieee_functions`; all others are computed as before."""
    original = torch.ops.aten.pow.Tensor_Scalar_out

    def compute(value: Any, exponent: Any) -> Any:
        if exponent == 0.5 and value.is_floating_point():
            return torch.sqrt(value)
        return original(value, exponent, out=torch.empty(0, dtype=torch.result_type(value, exponent)))

    def compute_in_place(value: Any, exponent: Any) -> Any:
        if exponent == 0.5 and value.is_floating_point():
            return torch.sqrt_(value)
        return original(value, exponent, out=value)

    library.impl("pow.Tensor_Scalar", compute, "CPU")
    library.impl("pow_.Scalar", compute_in_place, "CPU")
