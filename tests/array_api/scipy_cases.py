"""What SciPy computes with arrays of any library, each with NumPy and ours.

Run as a program, in a process of its own: SciPy decides when it is imported whether it
takes other arrays.  Prints one JSON object: for each function whether an array of ours
came out, or the error.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from typing import Any

os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
from scipy import (
    constants,
    differentiate,
    fft,
    integrate,
    interpolate,
    ndimage,
    optimize,
    signal,
    spatial,
    special,
    stats,
)
from scipy.cluster import hierarchy, vq

import nervure as nv

RNG = np.random.default_rng(0)
WIDE = RNG.normal(size=(12, 3))
TABLE = WIDE.astype("float32")
WAVE = RNG.normal(size=20)
NARROW = WAVE.astype("float32")
POSITIVE = np.abs(WAVE) + 1
SHARES = POSITIVE / POSITIVE.sum()

CASES: dict[str, Callable[[Any], Any]] = {
    "stats.describe": lambda as_: list(stats.describe(as_(WAVE))),
    "stats.zscore": lambda as_: stats.zscore(as_(WAVE)),
    "stats.zmap": lambda as_: stats.zmap(as_(WAVE), as_(WAVE)),
    "stats.gzscore": lambda as_: stats.gzscore(as_(POSITIVE)),
    "stats.skew": lambda as_: stats.skew(as_(WAVE)),
    "stats.kurtosis": lambda as_: stats.kurtosis(as_(WAVE)),
    "stats.moment": lambda as_: stats.moment(as_(WAVE), 2),
    "stats.gmean": lambda as_: stats.gmean(as_(POSITIVE)),
    "stats.hmean": lambda as_: stats.hmean(as_(POSITIVE)),
    "stats.pmean": lambda as_: stats.pmean(as_(POSITIVE), 2),
    "stats.entropy": lambda as_: stats.entropy(as_(SHARES)),
    "stats.variation": lambda as_: stats.variation(as_(np.abs(WAVE))),
    "stats.sem": lambda as_: stats.sem(as_(WAVE)),
    "stats.tmean": lambda as_: stats.tmean(as_(WAVE), (-1, 1)),
    "stats.tvar": lambda as_: stats.tvar(as_(WAVE), (-1, 1)),
    "stats.tstd": lambda as_: stats.tstd(as_(WAVE), (-1, 1)),
    "stats.tmin": lambda as_: stats.tmin(as_(WAVE), -1),
    "stats.tmax": lambda as_: stats.tmax(as_(WAVE), 1),
    "stats.kstat": lambda as_: stats.kstat(as_(WAVE), 2),
    "stats.kstatvar": lambda as_: stats.kstatvar(as_(WAVE), 2),
    "stats.circmean": lambda as_: stats.circmean(as_(WAVE)),
    "stats.circvar": lambda as_: stats.circvar(as_(WAVE)),
    "stats.circstd": lambda as_: stats.circstd(as_(WAVE)),
    "stats.ttest_1samp": lambda as_: list(stats.ttest_1samp(as_(WAVE), 0.0))[:2],
    "stats.ttest_ind": lambda as_: list(stats.ttest_ind(as_(WAVE), as_(WAVE * 2 + 1)))[
        :2
    ],
    "stats.ttest_rel": lambda as_: list(stats.ttest_rel(as_(WAVE), as_(WAVE * 2 + 1)))[
        :2
    ],
    "stats.pearsonr": lambda as_: list(stats.pearsonr(as_(WAVE), as_(WAVE**3)))[:2],
    "stats.chisquare": lambda as_: list(stats.chisquare(as_(np.abs(WAVE))))[:2],
    "stats.power_divergence": lambda as_: list(
        stats.power_divergence(as_(np.abs(WAVE)))
    )[:2],
    "stats.jarque_bera": lambda as_: list(stats.jarque_bera(as_(WAVE))),
    "stats.skewtest": lambda as_: list(stats.skewtest(as_(WAVE))),
    "stats.kurtosistest": lambda as_: list(stats.kurtosistest(as_(WAVE))),
    "stats.normaltest": lambda as_: list(stats.normaltest(as_(WAVE))),
    "stats.bartlett": lambda as_: list(stats.bartlett(as_(WAVE), as_(WAVE * 2))),
    "stats.combine_pvalues": lambda as_: list(stats.combine_pvalues(as_(SHARES))),
    "stats.false_discovery_control": lambda as_: stats.false_discovery_control(
        as_(SHARES)
    ),
    "stats.differential_entropy": lambda as_: stats.differential_entropy(as_(WAVE)),
    "stats.boxcox_llf": lambda as_: stats.boxcox_llf(1.0, as_(POSITIVE)),
    "stats.lmoment": lambda as_: stats.lmoment(as_(WAVE)),
    "stats.quantile": lambda as_: stats.quantile(as_(WAVE), as_(np.array([0.2, 0.5]))),
    "stats.rankdata": lambda as_: stats.rankdata(as_(WAVE)),
    "stats.f_oneway": lambda as_: list(stats.f_oneway(as_(WAVE), as_(WAVE + 1))),
    "stats.mannwhitneyu": lambda as_: list(
        stats.mannwhitneyu(as_(WAVE), as_(WAVE + 1))
    ),
    "stats.kruskal": lambda as_: list(stats.kruskal(as_(WAVE), as_(WAVE + 1))),
    "stats.wilcoxon": lambda as_: list(stats.wilcoxon(as_(WAVE), as_(WAVE * 2 + 1))),
    "stats.levene": lambda as_: list(stats.levene(as_(WAVE), as_(WAVE * 2))),
    "stats.fligner": lambda as_: list(stats.fligner(as_(WAVE), as_(WAVE * 2))),
    "stats.sigmaclip": lambda as_: list(stats.sigmaclip(as_(WAVE))),
    "special.expit": lambda as_: special.expit(as_(NARROW)),
    "special.erf": lambda as_: special.erf(as_(NARROW)),
    "special.erfc": lambda as_: special.erfc(as_(NARROW)),
    "special.gammaln": lambda as_: special.gammaln(as_(POSITIVE)),
    "special.logit": lambda as_: special.logit(as_(SHARES)),
    "special.ndtr": lambda as_: special.ndtr(as_(NARROW)),
    "special.ndtri": lambda as_: special.ndtri(as_(SHARES)),
    "special.i0": lambda as_: special.i0(as_(NARROW)),
    "special.xlogy": lambda as_: special.xlogy(as_(SHARES), as_(SHARES)),
    "special.entr": lambda as_: special.entr(as_(SHARES)),
    "special.rel_entr": lambda as_: special.rel_entr(as_(SHARES), as_(SHARES)),
    "special.betainc": lambda as_: special.betainc(
        as_(SHARES + 1), as_(SHARES + 1), as_(SHARES)
    ),
    "special.gammainc": lambda as_: special.gammainc(as_(SHARES + 1), as_(SHARES)),
    "special.chdtrc": lambda as_: special.chdtrc(as_(SHARES + 1), as_(SHARES)),
    "special.stdtr": lambda as_: special.stdtr(as_(SHARES + 1), as_(SHARES)),
    "special.logsumexp": lambda as_: special.logsumexp(as_(TABLE), axis=1),
    "special.softmax": lambda as_: special.softmax(as_(TABLE), axis=1),
    "special.log_softmax": lambda as_: special.log_softmax(as_(TABLE), axis=1),
    "special.sinc": lambda as_: special.sinc(as_(TABLE)),
    "cluster.vq.whiten": lambda as_: vq.whiten(as_(TABLE)),
    "cluster.vq.kmeans": lambda as_: vq.kmeans(as_(WIDE), as_(WIDE[:2]))[0],
    "cluster.vq.vq": lambda as_: list(vq.vq(as_(WIDE), as_(WIDE[:2]))),
    "cluster.vq.kmeans2": lambda as_: list(
        vq.kmeans2(as_(WIDE), as_(WIDE[:2]), minit="matrix")
    ),
    "cluster.hierarchy.linkage": lambda as_: hierarchy.linkage(as_(WIDE), "ward"),
    "cluster.hierarchy.fcluster": lambda as_: hierarchy.fcluster(
        hierarchy.linkage(as_(WIDE)), 2, "maxclust"
    ),
    "fft.dct": lambda as_: fft.dct(as_(NARROW)),
    "integrate.trapezoid": lambda as_: integrate.trapezoid(as_(WAVE)),
    "integrate.cumulative_trapezoid": lambda as_: integrate.cumulative_trapezoid(
        as_(WAVE)
    ),
    "integrate.cumulative_simpson": lambda as_: integrate.cumulative_simpson(as_(WAVE)),
    "integrate.cubature": lambda as_: (
        integrate.cubature(
            lambda z: z[..., 0] ** 2, as_(np.zeros(1)), as_(np.ones(1))
        ).estimate
    ),
    "integrate.tanhsinh": lambda as_: (
        integrate.tanhsinh(lambda z: z**2, as_(np.zeros(1)), as_(np.ones(1))).integral
    ),
    "differentiate.derivative": lambda as_: (
        differentiate.derivative(lambda z: z**2, as_(np.ones(3))).df
    ),
    "differentiate.jacobian": lambda as_: (
        differentiate.jacobian(lambda z: z**2, as_(np.ones(3))).df
    ),
    "optimize.rosen": lambda as_: optimize.rosen(as_(WAVE)),
    "optimize.rosen_der": lambda as_: optimize.rosen_der(as_(WAVE)),
    "optimize.rosen_hess": lambda as_: optimize.rosen_hess(as_(WAVE)),
    "ndimage.gaussian_filter": lambda as_: ndimage.gaussian_filter(as_(TABLE), 1),
    "ndimage.sobel": lambda as_: ndimage.sobel(as_(TABLE)),
    "ndimage.label": lambda as_: ndimage.label(as_((TABLE > 0).astype("int32")))[0],
    "ndimage.zoom": lambda as_: ndimage.zoom(as_(TABLE), 2),
    "signal.convolve": lambda as_: signal.convolve(as_(WAVE), as_(WAVE[:3])),
    "signal.correlate": lambda as_: signal.correlate(as_(WAVE), as_(WAVE[:3])),
    "signal.detrend": lambda as_: signal.detrend(as_(WAVE)),
    "signal.filtfilt": lambda as_: signal.filtfilt(
        as_(np.ones(2) / 2), as_(np.array([1.0])), as_(WAVE)
    ),
    "signal.lfilter": lambda as_: signal.lfilter(
        as_(np.ones(2) / 2), as_(np.array([1.0])), as_(WAVE)
    ),
    "signal.medfilt": lambda as_: signal.medfilt(as_(WAVE), 3),
    "signal.savgol_filter": lambda as_: signal.savgol_filter(as_(WAVE), 5, 2),
    "spatial.Rotation": lambda as_: spatial.transform.Rotation.from_euler(
        "z", as_(np.array([0.5]))
    ).as_matrix(),
    "interpolate.CubicSpline": lambda as_: interpolate.CubicSpline(
        as_(np.arange(5.0)), as_(np.arange(5.0) ** 2)
    )(as_(np.array([1.5]))),
    "interpolate.make_interp_spline": lambda as_: interpolate.make_interp_spline(
        as_(np.arange(5.0)), as_(np.arange(5.0) ** 2)
    )(as_(np.array([1.5]))),
    "interpolate.PchipInterpolator": lambda as_: interpolate.PchipInterpolator(
        as_(np.arange(5.0)), as_(np.arange(5.0) ** 2)
    )(as_(np.array([1.5]))),
    "constants.convert_temperature": lambda as_: constants.convert_temperature(
        as_(WAVE), "C", "K"
    ),
}


def flat(value: Any) -> list[Any]:
    """Return nested results as one list."""
    if isinstance(value, list | tuple):
        return [one for part in value for one in flat(part)]
    return [value]


def compared(case: Callable[[Any], Any]) -> bool:
    """Tell whether arrays of ours came out; raises where values differ."""
    theirs, ours = flat(case(np.asarray)), flat(case(nv.asarray))
    for expected, found in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(
            np.asarray(found), np.asarray(expected), rtol=1e-4, atol=1e-5
        )
    return any(isinstance(one, nv.Array) for one in ours)


def main() -> None:
    """Run the cases."""
    warnings.simplefilter("error")
    report: dict[str, Any] = {}
    for name, case in CASES.items():
        try:
            report[name] = compared(case)
        except Exception as error:  # noqa: BLE001 - reported to the test
            report[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(report))


if __name__ == "__main__":
    main()
