"""Fit the polynomials of the cpu executor's elementary functions.

Each fit is the polynomial of a given degree whose largest weighted error on an interval
is least (Remez' exchange, on a grid of Chebyshev points, with 50 digits); then its
coefficients are rounded to the format in which they are used.  The weight turns the
polynomial's error into an error relative to the final result, so that the bound noted
beside each result, in bits, is what the polynomial adds to the function's error.

Run ``python tools/fit_polynomials.py`` to write the coefficients' module anew, or with
``--check`` to compare.  Needs mpmath.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
import numpy as np

OUTPUT = (
    Path(__file__).resolve().parents[1] / "nervure/exec/cpu/mathlib/coefficients.py"
)
GRID = 800

Number = mp.mpf
Function = Callable[[Number], Number]

mp.mp.dps = 50


@dataclass(frozen=True)
class Fit:
    """One polynomial: ``function`` on an interval, with its error's weight."""

    name: str
    meaning: str
    function: Function
    weight: Function
    low: Number
    high: Number
    degree: int
    digits: int  # of the format in which the coefficients are stored: 24 or 53


def grid_points(low: Number, high: Number) -> list[Number]:
    """Return Chebyshev points of an interval, none of them 0 (functions divide)."""
    middle, half = (low + high) / 2, (high - low) / 2
    nearest = half * mp.mpf(10) ** -15
    points = [middle - half * mp.cos(mp.pi * step / (GRID - 1)) for step in range(GRID)]
    return [x if abs(x) > nearest else nearest for x in points]


def solve(
    points: Sequence[Number],
    values: Sequence[Number],
    weights: Sequence[Number],
    degree: int,
) -> tuple[list[Number], Number]:
    """Return the polynomial whose weighted errors alternate at the points."""
    size = degree + 2
    matrix, right = mp.matrix(size, size), mp.matrix(size, 1)
    for row in range(size):
        for power in range(degree + 1):
            matrix[row, power] = points[row] ** power
        matrix[row, degree + 1] = (-1) ** row / weights[row]
        right[row] = values[row]
    solution = mp.lu_solve(matrix, right)
    return [solution[power] for power in range(degree + 1)], abs(solution[degree + 1])


def alternation(errors: Sequence[Number], wanted: int) -> list[int]:
    """Return where the errors peak with alternating signs."""
    peaks: list[int] = []
    for place, error in enumerate(errors):
        if peaks and (errors[peaks[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = place
        else:
            peaks.append(place)
    while len(peaks) > wanted:
        first_is_less = abs(errors[peaks[0]]) < abs(errors[peaks[-1]])
        peaks.pop(0 if first_is_less else -1)
    return peaks


def remez(fit: Fit) -> list[Number]:
    """Return the best polynomial's coefficients, the constant term first."""
    points = grid_points(fit.low, fit.high)
    values = [fit.function(x) for x in points]
    weights = [abs(fit.weight(x)) for x in points]
    size = fit.degree + 2
    chosen = [round(row * (GRID - 1) / (size - 1)) for row in range(size)]
    for _ in range(40):
        coefficients, level = solve(
            [points[place] for place in chosen],
            [values[place] for place in chosen],
            [weights[place] for place in chosen],
            fit.degree,
        )
        errors = [
            (mp.polyval(coefficients[::-1], x) - y) * w
            for x, y, w in zip(points, values, weights, strict=True)
        ]
        chosen = alternation(errors, size)
        if len(chosen) < size or max(map(abs, errors)) <= level * mp.mpf("1.0005"):
            return coefficients
    return coefficients


def rounded(number: Number, digits: int) -> float:
    """Return the nearest number of a format with so many binary digits."""
    return float(np.float32(float(number))) if digits == 24 else float(number)


def error_bits(fit: Fit, coefficients: Sequence[float]) -> float:
    """Return the base-2 logarithm of the largest weighted error."""
    exact = [mp.mpf(number) for number in coefficients[::-1]]
    largest = max(
        abs((mp.polyval(exact, x) - fit.function(x)) * fit.weight(x))
        for x in grid_points(fit.low, fit.high)
    )
    return float(mp.log(largest, 2))


# --- the functions that are fitted ---------------------------------------------------

LN2 = mp.log(2)
# Arguments come from rounding to a multiple of log 2 or pi/2 in working precision and
# may exceed half of it by a little.
HALF_LN2 = LN2 / 2 * mp.mpf("1.001")
QUARTER_PI = mp.pi / 4 * mp.mpf("1.01")


def exponential(name: str, degree: int, digits: int) -> Fit:
    """Return the fit behind e^x and e^x - 1."""
    return Fit(
        name,
        "P in e^r = 1 + r + r^2 P(r), |r| <= log(2)/2",
        lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.expm1(r),
        -HALF_LN2,
        HALF_LN2,
        degree,
        digits,
    )


def power_of_two(name: str, degree: int) -> Fit:
    """Return the fit of 2^r, exact at 0."""
    return Fit(
        name,
        "P in 2^r = 1 + r P(r), |r| <= 1/2",
        lambda r: (2**r - 1) / r,
        lambda r: r / 2**r,
        mp.mpf("-0.5005"),
        mp.mpf("0.5005"),
        degree,
        53,
    )


def power_of_two_short(degree: int) -> Fit:
    """Return a fit of 2^r that is good to half the digits."""
    return Fit(
        "POWER_OF_TWO_SHORT",
        "P in 2^r = P(r), |r| <= 1/2",
        lambda r: 2**r,
        lambda r: 1 / 2**r,
        mp.mpf("-0.5005"),
        mp.mpf("0.5005"),
        degree,
        24,
    )


def logarithm_float(degree: int) -> Fit:
    """Return the fit of log(1 + f) in powers of f."""
    return Fit(
        "LOGARITHM_FLOAT",
        "P in log(1 + f) = f - f^2/2 + f^3 P(f), -1/4 <= f <= 1/2",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        mp.mpf("-0.25"),
        mp.mpf("0.5"),
        degree,
        24,
    )


def logarithm_double(degree: int) -> Fit:
    """Return the fit of log(1 + f) in powers of f/(2 + f)."""

    def function(z: Number) -> Number:
        s = mp.sqrt(z)
        return (2 * mp.atanh(s) / s - 2) / z

    return Fit(
        "LOGARITHM_DOUBLE",
        "P in log(1 + f) = s (2 + z P(z)), s = f/(2 + f), z = s^2 <= 1/25",
        function,
        lambda z: z / 2,
        mp.mpf(0),
        mp.mpf(1) / 25,
        degree,
        53,
    )


def logarithm_tail(degree: int) -> Fit:
    """Return the fit of what follows the logarithm's first two terms."""

    def function(z: Number) -> Number:
        s = mp.sqrt(z)
        return (3 * mp.atanh(s) / s - 3 - z) / z**2

    return Fit(
        "LOGARITHM_TAIL",
        "P in log(m) = (2/3) s (3 + z + z^2 P(z)), s = (m-1)/(m+1), z = s^2 <= 0.0296",
        function,
        lambda z: z**2 / 3,
        mp.mpf(0),
        mp.mpf("0.0296"),
        degree,
        53,
    )


def binary_logarithm(degree: int) -> Fit:
    """Return the fit of log2(1 + f)."""
    return Fit(
        "BINARY_LOGARITHM",
        "P in log2(1 + f) = f P(f), -1/4 <= f <= 1/2",
        lambda f: mp.log1p(f) / LN2 / f,
        lambda f: f * LN2 / mp.log1p(f),
        mp.mpf("-0.25"),
        mp.mpf("0.5"),
        degree,
        53,
    )


def sine(name: str, degree: int, digits: int) -> Fit:
    """Return the fit of the sine."""
    return Fit(
        name,
        "P in sin(r) = r + r z P(z), z = r^2, |r| <= pi/4",
        lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)),
        mp.mpf(0),
        QUARTER_PI**2,
        degree,
        digits,
    )


def cosine(name: str, degree: int, digits: int) -> Fit:
    """Return the fit of the cosine."""
    return Fit(
        name,
        "P in cos(r) = 1 - z/2 + z^2 P(z), z = r^2, |r| <= pi/4",
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
        lambda z: z**2 / mp.cos(mp.sqrt(z)),
        mp.mpf(0),
        QUARTER_PI**2,
        degree,
        digits,
    )


def arc_tangent(name: str, limit: Number, degree: int, digits: int) -> Fit:
    """Return the fit of the arc tangent up to a limit."""
    return Fit(
        name,
        f"P in atan(q) = q + q z P(z), z = q^2, |q| <= {mp.nstr(limit, 4)}",
        lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.atan(mp.sqrt(z)),
        mp.mpf(0),
        limit**2,
        degree,
        digits,
    )


def error_function_near(name: str, limit: str, degree: int, digits: int) -> Fit:
    """Return the fit of erf near 0."""
    return Fit(
        name,
        f"P in erf(x) = x + x P(z), z = x^2, |x| <= {limit}",
        lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
        lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)),
        mp.mpf(0),
        mp.mpf(limit) ** 2,
        degree,
        digits,
    )


def error_function_far_float(degree: int) -> Fit:
    """Return the fit of log2(erfc)."""
    return Fit(
        "ERROR_FUNCTION_FAR_FLOAT",
        "P in erf(x) = 1 - 2^P(x), 1 <= x <= 3.95",
        lambda x: mp.log(mp.erfc(x), 2),
        lambda x: LN2 * mp.erfc(x) / mp.erf(x),
        mp.mpf(1),
        mp.mpf("3.95"),
        degree,
        24,
    )


def error_function_far_double(degree: int) -> Fit:
    """Return the fit of erfc without its bell curve."""

    def argument(t: Number) -> Number:
        return 3 * (1 + t) / (1 - t)

    def function(t: Number) -> Number:
        x = argument(t)
        return mp.exp(x**2) * mp.erfc(x) * (1 + 2 * x)

    def weight(t: Number) -> Number:
        x = argument(t)
        return mp.erfc(x) / mp.erf(x) / function(t)

    low, high = mp.mpf("0.85"), mp.mpf("5.95")
    return Fit(
        "ERROR_FUNCTION_FAR_DOUBLE",
        "P in erf(x) = 1 - e^(-x^2) P(t)/(1 + 2x), t = (x-3)/(x+3), 0.85 <= x <= 5.95",
        function,
        weight,
        (low - 3) / (low + 3),
        (high - 3) / (high + 3),
        degree,
        53,
    )


FITS = [
    exponential("EXPONENTIAL_FLOAT", 4, 24),
    exponential("EXPONENTIAL_DOUBLE", 10, 53),
    power_of_two("POWER_OF_TWO_FLOAT", 6),
    power_of_two_short(5),
    logarithm_float(8),
    logarithm_double(7),
    binary_logarithm(12),
    logarithm_tail(8),
    sine("SINE_FLOAT", 2, 24),
    cosine("COSINE_FLOAT", 2, 24),
    sine("SINE_DOUBLE", 5, 53),
    cosine("COSINE_DOUBLE", 5, 53),
    arc_tangent("ARC_TANGENT_FLOAT", mp.mpf(1), 8, 24),
    arc_tangent("ARC_TANGENT_DOUBLE", mp.mpf("0.6"), 15, 53),
    error_function_near("ERROR_FUNCTION_NEAR_FLOAT", "1", 6, 24),
    error_function_near("ERROR_FUNCTION_NEAR_DOUBLE", "0.85", 10, 53),
    error_function_far_float(6),
    error_function_far_double(13),
]


# --- constants in several parts ------------------------------------------------------


def parts(number: Number, digits: Sequence[int]) -> list[float]:
    """Split a number: each part has so many binary digits, the sum is exact to them."""
    result: list[float] = []
    for count in digits:
        exponent = mp.floor(mp.log(abs(number), 2))
        unit = mp.mpf(2) ** (exponent - count + 1)
        part = mp.nint(number / unit) * unit
        result.append(float(part))
        number -= part
    return result


# Parts with few digits have exact products with small whole numbers, FMA or not.
CONSTANTS = [
    ("LN2_FLOAT", "log(2): 16 + 24 digits", mp.log(2), (16, 24)),
    ("LN2_DOUBLE", "log(2): 42 + 53 digits", mp.log(2), (42, 53)),
    ("HALF_PI_FLOAT", "pi/2: 24 + 24 + 24 digits", mp.pi / 2, (24, 24, 24)),
    ("HALF_PI_FUSED", "pi/2: 53 + 53 + 53 digits", mp.pi / 2, (53, 53, 53)),
    ("HALF_PI_SPLIT", "pi/2: 33 + 33 + 33 + 53 digits", mp.pi / 2, (33, 33, 33, 53)),
    ("QUARTER_PI_FLOAT", "pi/4: 21 + 24 digits", mp.pi / 4, (21, 24)),
    ("QUARTER_PI_DOUBLE", "pi/4: 50 + 53 digits", mp.pi / 4, (50, 53)),
    ("TWO_THIRDS_LOG2_E", "2/(3 log 2): 53 + 53 digits", 2 / (3 * LN2), (53, 53)),
]
SCALARS = [
    ("LOG2_E", "1/log(2)", 1 / mp.log(2)),
    ("LN2_REST", "log(2) less the nearest double", mp.log(2) - float(mp.log(2))),
    ("TWO_OVER_PI", "2/pi", 2 / mp.pi),
]
TWO_OVER_PI_BYTES = 176


def two_over_pi_digits() -> int:
    """Return the first binary digits of 2/pi as a whole number."""
    with mp.workdps(460):
        return int(mp.floor(mp.ldexp(2 / mp.pi, 8 * TWO_OVER_PI_BYTES)))


def module_text() -> str:
    """Return the source of the coefficients' module."""
    lines = [
        '"""Coefficients of the elementary functions.',
        "",
        "Written by ``tools/fit_polynomials.py``: do not edit.  The constant term",
        "comes first.  A bound is the largest error that a polynomial with rounded",
        "coefficients adds to the function's result, relative to it.",
        '"""',
        "",
    ]
    for fit in FITS:
        coefficients = [rounded(number, fit.digits) for number in remez(fit)]
        bits = error_bits(fit, coefficients)
        lines += [f"# {fit.meaning}: 2^{bits:.1f}", f"{fit.name} = ("]
        lines += [f"    {number!r}," for number in coefficients]
        lines += [")", ""]
    for name, meaning, number, digits in CONSTANTS:
        values = ", ".join(map(repr, parts(number, digits)))
        if len(name) + len(values) > 80:
            values = "\n    " + values.replace(", ", ",\n    ") + ",\n"
        lines += [f"# {meaning}", f"{name} = ({values})", ""]
    for name, meaning, number in SCALARS:
        lines += [f"# {meaning}", f"{name} = {float(number)!r}", ""]
    digits_ = f"{two_over_pi_digits():0{2 * TWO_OVER_PI_BYTES}x}"
    lines += [
        f"# The first {8 * TWO_OVER_PI_BYTES} binary digits of 2/pi.",
        "TWO_OVER_PI_BYTES = bytes.fromhex(",
        *(f'    "{digits_[k : k + 64]}"' for k in range(0, len(digits_), 64)),
        ")",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the module, or compare it with what is there."""
    text = module_text()
    if "--check" in sys.argv[1:]:
        same = OUTPUT.read_text() == text
        print("the coefficients are", "unchanged" if same else "different")
        return 0 if same else 1
    OUTPUT.write_text(text)
    print(f"wrote {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
