"""The wild and farm animals of the samples: a horse, a deer, a bird, a frog. Each of the four gives a scene."""

import numpy as np

from render import Array, Body, Colour, Scene, clouds, ellipsoid, limb, mix, noise
from surfaces import DARK, blurred, carpet, fur, grass


def horse() -> Scene:
    coat, black = fur((0.30, 0.13, 0.05), (0.42, 0.20, 0.08), 8), fur((0.04, 0.03, 0.025), (0.10, 0.07, 0.05), 14)
    body = quadruped(coat, black, 1.55, 1.25, 0.36, 0.075)
    body.add(limb((0.55, 1.38, 0), (1.02, 1.90, 0), 0.27, 0.15), coat)
    body.add(limb((1.00, 1.95, 0), (1.42, 1.62, 0), 0.15, 0.095), coat)
    body.add(ellipsoid((1.43, 1.60, 0), (0.12, 0.10, 0.09)), black)
    body.mirrored(lambda s: limb((0.98, 2.05, s * 0.07), (1.00, 2.20, s * 0.09), 0.045, 0.015), coat)
    eyes(body, [(1.12, 1.93, 0.135), (1.12, 1.93, -0.135)], 0.03)
    hair = Body(0.03, 0.15)
    for t in np.linspace(0, 1, 8):
        x, y = 0.50 + 0.45 * t, 1.62 + 0.46 * t
        hair.add(limb((x, y, 0.0), (x - 0.04, y - 0.30, 0.17), 0.055, 0.03), black)
    hair.add(limb((1.02, 2.10, 0), (1.12, 1.98, 0.05), 0.05, 0.03), black)
    hair.add(limb((-0.92, 1.38, 0), (-1.14, 1.05, 0), 0.07, 0.09), black)
    hair.add(limb((-1.14, 1.05, 0), (-1.16, 0.55, 0), 0.09, 0.03), black)
    trees = blurred((0.10, 0.17, 0.06), (0.25, 0.36, 0.14), (0.62, 0.72, 0.78), 3)
    return Scene(
        [body, hair],
        (1.3, 1.5, 4.9),
        (0.12, 1.13, 0),
        trees,
        grass(),
        sun=(0.4, 0.8, 0.7),
        field_of_view=0.36,
        ambient=0.5,
        haze=0.02,
    )


def deer() -> Scene:
    coat, pale = fur((0.33, 0.19, 0.09), (0.47, 0.29, 0.15), 14), (0.72, 0.62, 0.50)
    body = quadruped(coat, coat, 1.05, 0.85, 0.23, 0.036)
    body.add(limb((0.36, 0.95, 0), (0.62, 1.34, 0), 0.14, 0.085), coat)
    body.add(limb((0.62, 1.40, 0), (0.86, 1.30, 0.06), 0.09, 0.05), coat)
    body.add(ellipsoid((0.90, 1.29, 0.07), (0.035, 0.03, 0.035)), DARK)
    body.mirrored(lambda s: limb((0.57, 1.44, s * 0.06), (0.48, 1.55, s * 0.19), 0.035, 0.02), coat)
    eyes(body, [(0.70, 1.42, 0.088), (0.70, 1.42, -0.06)], 0.022)
    body.add(ellipsoid((-0.60, 0.90, 0), (0.08, 0.13, 0.08)), pale)
    antlers = Body(0.01, 0.1)
    bone = (0.46, 0.36, 0.24)
    for s in (-1, 1):
        points = [(0.60, 1.47, s * 0.05), (0.52, 1.65, s * 0.16), (0.56, 1.86, s * 0.25), (0.68, 2.00, s * 0.22)]
        for a, b in zip(points[:-1], points[1:], strict=True):
            antlers.add(limb(a, b, 0.022, 0.018), bone)
        antlers.add(limb(points[1], (0.70, 1.74, s * 0.20), 0.018, 0.010), bone)
        antlers.add(limb(points[2], (0.44, 1.98, s * 0.28), 0.018, 0.010), bone)
    trees = blurred((0.09, 0.14, 0.05), (0.24, 0.31, 0.12), (0.50, 0.56, 0.38), 5)
    meadow = grass((0.20, 0.24, 0.07), (0.44, 0.46, 0.20))
    return Scene(
        [body, antlers],
        (1.5, 1.2, 4.1),
        (0.08, 1.02, 0),
        trees,
        meadow,
        sun=(0.4, 0.75, 0.6),
        field_of_view=0.36,
        ambient=0.5,
        haze=0.03,
    )


def bird() -> Scene:
    back, breast = fur((0.24, 0.19, 0.13), (0.38, 0.31, 0.22), 22), fur((0.66, 0.25, 0.07), (0.80, 0.38, 0.14), 22)
    body = Body(0.03, 0.05)
    body.add(ellipsoid((0, 0.62, 0), (0.36, 0.25, 0.23), 0.45), back)
    body.add(ellipsoid((0.13, 0.60, 0.03), (0.24, 0.22, 0.22), 0.6), breast)
    body.add(ellipsoid((0.00, 0.45, 0), (0.20, 0.14, 0.17), 0.3), (0.78, 0.74, 0.68))
    body.add(ellipsoid((0.27, 0.90, 0), (0.165, 0.155, 0.15)), back)
    body.add(ellipsoid((0.34, 0.84, 0.03), (0.115, 0.12, 0.125)), breast)
    body.add(limb((-0.26, 0.48, 0), (-0.66, 0.26, 0), 0.085, 0.06), back)
    body.mirrored(
        lambda s: ellipsoid((-0.10, 0.60, s * 0.19), (0.34, 0.14, 0.06), 0.55),
        fur((0.17, 0.13, 0.09), (0.30, 0.24, 0.17), 26),
    )
    sharp = Body(0.01, 0.4)
    sharp.add(limb((0.40, 0.90, 0.02), (0.55, 0.87, 0.04), 0.035, 0.006), (0.15, 0.13, 0.11))
    eyes(sharp, [(0.345, 0.935, 0.125), (0.345, 0.935, -0.11)], 0.026)
    for z in (0.07, -0.07):
        sharp.add(limb((0.02, 0.42, z), (0.04, 0.10, z), 0.018), (0.30, 0.20, 0.13))
    bark = fur((0.20, 0.14, 0.09), (0.36, 0.28, 0.20), 12, 4)
    branch = Body(0.03, 0.0)
    branch.add(limb((-1.8, -0.06, -0.1), (0.2, 0.04, 0), 0.085), bark)
    branch.add(limb((0.2, 0.04, 0), (1.8, 0.22, 0.1), 0.085, 0.06), bark)
    branch.add(limb((0.7, 0.1, 0), (1.2, 0.62, -0.3), 0.04, 0.02), bark)
    garden = blurred((0.16, 0.26, 0.09), (0.40, 0.52, 0.22), (0.78, 0.83, 0.62), 9)
    return Scene(
        [body, sharp, branch],
        (0.7, 0.75, 2.6),
        (-0.04, 0.52, 0),
        garden,
        sun=(0.5, 0.8, 0.6),
        field_of_view=0.30,
        ambient=0.6,
        haze=0.0,
    )


def frog() -> Scene:
    def skin(p: Array) -> Array:
        green = mix((0.18, 0.33, 0.06), (0.40, 0.56, 0.13), clouds(p * 7, 6))
        spotted = mix(green, (0.09, 0.15, 0.04), (noise(p * 9, 2) - 0.68) * 8)
        return mix((0.74, 0.76, 0.52), spotted, (p[:, 1] - 0.12) * 7)

    body = Body(0.03, 0.45)
    body.add(ellipsoid((-0.18, 0.27, 0), (0.42, 0.20, 0.30), 0.38), skin)
    body.add(ellipsoid((0.22, 0.38, 0), (0.27, 0.15, 0.25), 0.10), skin)
    body.mirrored(lambda s: ellipsoid((0.20, 0.51, s * 0.16), (0.085, 0.085, 0.075)), skin)
    body.mirrored(lambda s: limb((-0.42, 0.20, s * 0.22), (0.02, 0.26, s * 0.42), 0.13, 0.09), skin)
    body.mirrored(lambda s: limb((0.02, 0.24, s * 0.43), (-0.42, 0.06, s * 0.48), 0.085, 0.045), skin)
    body.mirrored(lambda s: limb((-0.42, 0.04, s * 0.48), (-0.02, 0.03, s * 0.58), 0.045, 0.03), skin)
    body.mirrored(lambda s: limb((0.20, 0.26, s * 0.22), (0.30, 0.06, s * 0.33), 0.07, 0.045), skin)
    for s in (-1, 1):
        for toe in (-0.10, 0.0, 0.10):
            body.add(limb((0.30, 0.04, s * 0.33), (0.45, 0.02, s * 0.35 + toe), 0.03, 0.022), skin)
    face = Body(0.004, 0.9)
    face.mirrored(lambda s: ellipsoid((0.245, 0.525, s * 0.195), (0.055, 0.058, 0.045)), (0.72, 0.56, 0.12))
    face.mirrored(lambda s: ellipsoid((0.265, 0.525, s * 0.220), (0.035, 0.024, 0.025)), DARK)
    earth = carpet((0.20, 0.15, 0.09), (0.42, 0.34, 0.22))
    return Scene(
        [body, face],
        (1.35, 0.95, 1.75),
        (0.02, 0.25, 0.02),
        blurred((0.14, 0.13, 0.07), (0.32, 0.30, 0.16), (0.4, 0.42, 0.25), 15),
        earth,
        sun=(0.4, 0.9, 0.4),
        field_of_view=0.32,
        ambient=0.5,
        haze=0.0,
    )


def quadruped(coat: Colour, legs: Colour, height: float, length: float, girth: float, leg: float) -> Body:
    """Trunk and four legs of a hoofed animal along x (head at +x); `height` is that of the back."""
    body = Body(0.045, 0.06)
    middle = height - girth
    body.add(ellipsoid((0, middle, 0), (length * 0.62, girth * 0.95, girth * 0.72)), coat)
    body.add(ellipsoid((length * 0.38, middle + 0.02, 0), (girth * 1.05, girth * 1.06, girth * 0.74)), coat)
    body.add(ellipsoid((-length * 0.42, middle + 0.05, 0), (girth * 1.05, girth * 1.05, girth * 0.76)), coat)
    for x, lean, side in ((0.42, 0.08, 1), (0.40, -0.10, -1), (-0.50, -0.06, 1), (-0.46, 0.12, -1)):
        top, knee = length * x, length * x + lean * 0.5 - (0.06 if x < 0 else 0)
        z = side * girth * 0.42
        body.add(limb((top, middle - girth * 0.3, z), (knee, middle * 0.48, z), leg * 2.0, leg * 1.1), coat)
        body.add(limb((knee, middle * 0.48, z), (knee + lean * 0.4, 0.06, z), leg * 1.05, leg * 0.8), legs)
        body.add(limb((knee + lean * 0.4, 0.06, z), (knee + lean * 0.4 + 0.05, 0.04, z), leg * 1.2), DARK)
    return body


def eyes(body: Body, spots: list[tuple], size: float) -> None:
    for x, y, z in spots:
        body.add(ellipsoid((x, y, z), (size, size, size)), DARK)
