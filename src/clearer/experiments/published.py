"""The paper's numbers: Table 1 of the supplement, and the results on BSD500 and Rain800.

Sources: Table 1 and the caption of Figure 2 of the supplement; Table 1 of the paper (BSD500), which
takes the rows of E-CAE and HiNAS from the HiNAS paper; the HiNAS paper (Rain800).
"""

from __future__ import annotations

ARCHITECTURE = "FPPF-FFFF-PFFP"
"""The architecture of Table 1's row for lambda_1 = 0.1."""

GAPS = {0.0: 0.0278, 0.01: 0.0620, 0.1: 0.6709}
"""Mean gap |a^p - a^f| for each lambda_1 (supplement, caption of Figure 2)."""

PARALLEL = {
    0.0: (0.4603, 0.4474, 0.4958, 0.4873, 0.5079, 0.5020, 0.5084, 0.4934, 0.5086, 0.4969, 0.5098, 0.5113),
    0.01: (0.3663, 0.5411, 0.4771, 0.5144, 0.4975, 0.5123, 0.4909, 0.4090, 0.5015, 0.4971, 0.4892, 0.5299),
    0.1: (0.1601, 0.8286, 0.8343, 0.1650, 0.1635, 0.1638, 0.1658, 0.1658, 0.8393, 0.1665, 0.1643, 0.8378),
}
"""a^p of the twelve modules for each lambda_1 (supplement, Table 1); a^f is 1 - a^p."""

BSD500: dict[str, dict[int, tuple[float, float | None]]] = {
    "BM3D": {30: (27.31, 0.7755), 50: (25.06, 0.6831), 70: (23.82, 0.6240)},
    "WNNM": {30: (27.48, 0.7807), 50: (25.26, 0.6928), 70: (23.95, None)},
    "RED": {30: (27.95, 0.8056), 50: (25.75, 0.7167), 70: (24.37, 0.6551)},
    "MemNet": {30: (28.04, 0.8053), 50: (25.86, 0.7202), 70: (24.53, 0.6608)},
    "NLRN": {30: (28.15, 0.8423), 50: (25.93, 0.7214), 70: (24.58, 0.6614)},
    "DuRN-P": {30: (28.50, 0.8156), 50: (26.36, 0.7350), 70: (25.05, 0.6755)},
    "N3Net": {30: (28.66, 0.8220), 50: (26.50, 0.7490), 70: (25.18, 0.6960)},
    "E-CAE": {30: (28.23, 0.8047), 50: (26.17, 0.7255), 70: (24.83, 0.6636)},
    "HiNAS": {30: (29.14, 0.8403), 50: (26.77, 0.7635), 70: (25.48, 0.7129)},
    "CLEARER": {30: (28.54, 0.8203), 50: (26.40, 0.7465), 70: (25.06, 0.6894)},
    "CLEARER-P": {30: (29.68, 0.8439), 50: (27.49, 0.7768), 70: (26.09, 0.7267)},
}
"""PSNR in dB and SSIM on the 200 test images of BSD500 by noise level, as printed.

The rows do not share one protocol, see `PROTOCOLS`. CLEARER-P looks like PSNR averaged over 64x64 patches that were
restored apart, which is not comparable with PSNR of whole images.
"""

RAIN800: dict[str, tuple[float, float]] = {
    "DSC": (18.56, 0.5996),
    "LP": (20.46, 0.7297),
    "DetailsNet": (21.16, 0.7320),
    "JORDER": (22.24, 0.7763),
    "JORDER-R": (22.29, 0.7922),
    "SCAN": (23.45, 0.8112),
    "RESCAN": (24.09, 0.8410),
    "HiNAS": (26.31, 0.8685),
}
"""PSNR in dB and SSIM on the test images of Rain800, RGB, as the HiNAS paper prints them."""

_HALF = "images of about half the size, noise not clipped"
_RED = f"{_HALF}; the figures are those of RED's own publication"
_HINAS = "as the HiNAS paper prints it, from a training by others; how it was measured is not stated"
_HINAS_CLASSICAL = "as the HiNAS paper prints it; by which program, and how it was measured, is not stated"
PROTOCOLS = {
    "bsd500": {
        "BM3D": _RED,
        "WNNM": f"{_RED}, which has the SSIM at sigma 70, too: .6346",
        "RED": f"{_RED}, but for the SSIM at sigma 30, which is .8019 there",
        "MemNet": f"probably {_HALF}, as its test program has them",
        "NLRN": f"probably {_HALF}; its SSIM at sigma 30 is probably misprinted; its authors' programs train "
        "on BSDS500's `test` images, too",
        "DuRN-P": "whole images, noise not clipped, and the same noise for every image; results cut to 8 bits",
        "N3Net": "by whom and how is not stated; its authors' training program reads BSDS500's `test` images, too",
        "E-CAE": "whole images, noise not clipped",
        "HiNAS": "comparable with no other row: the released program gives each 64x64 crop noise of its own and "
        "averages crops that overlap, so that most pixels are means of several noisy observations",
        "CLEARER": "the protocol of this table",
    },
    "rain800-rgb": {
        "DSC": _HINAS_CLASSICAL,
        "LP": _HINAS_CLASSICAL,
        "DetailsNet": _HINAS,
        "JORDER": f"{_HINAS}, nor whether the network is that of the publication or the released one",
        "JORDER-R": f"{_HINAS}; see JORDER",
        "SCAN": _HINAS,
        "RESCAN": f"{_HINAS}; probably PSNR of the mean squared error of all images, which is lower: others report "
        "26.4 dB with the same SSIM",
        "HiNAS": "as its own paper prints it; how it was measured is not stated",
    },
}
"""How the published rows of each table were measured, as far as publications and public programs tell."""
