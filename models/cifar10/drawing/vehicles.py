"""The vehicles of the samples: airplanes, cars, a ship, lorries. Each function gives a scene."""

import numpy as np

from render import Array, Body, Scene, box, clouds, ellipsoid, limb, mix, tapered, vector, wheel, wings

GLASS = (0.10, 0.13, 0.17)
RUBBER = (0.05, 0.05, 0.055)
CHROME = (0.75, 0.76, 0.78)


def day_sky(zenith: tuple, horizon: tuple, cover: float = 0.5, seed: int = 0):
    """A sky with clouds; `cover` 0-1."""

    def sky(rays: Array) -> Array:
        height = np.clip(rays[:, 1], 0, 1)
        colours = mix(horizon, zenith, height**0.5)
        flat = rays * vector((5, 13, 5))
        return mix(colours, (0.95, 0.96, 0.98), (clouds(flat, seed, 5) - (0.8 - 0.45 * cover)) * 4)

    return sky


def street_sky(rays: Array) -> Array:
    """Pale sky above a blurred row of trees and houses."""
    colours = mix((0.80, 0.86, 0.92), (0.45, 0.62, 0.85), rays[:, 1] * 2)
    around = np.arctan2(rays[:, 0], -rays[:, 2])
    tops = 0.10 + 0.12 * clouds(np.stack((around * 5, around * 0), axis=1), 3)
    leaves = mix((0.10, 0.17, 0.07), (0.33, 0.40, 0.20), clouds(rays * 14, 4))
    return mix(leaves, colours, (rays[:, 1] - tops) * 40 + 0.5)


def asphalt(p: Array) -> Array:
    flat = p[:, [0, 2]]
    grey = mix((0.30, 0.30, 0.31), (0.42, 0.42, 0.42), clouds(flat * 1.3, 8, 5))
    verge = mix((0.16, 0.24, 0.08), (0.30, 0.36, 0.15), clouds(flat * 2, 9))
    return mix(verge, grey, (p[:, 2] + 4.2) * 4)


def airliner() -> Scene:
    white = lambda p: mix((0.93, 0.94, 0.95), (0.62, 0.66, 0.72), (0.02 - p[:, 1]) * 4)
    plane = Body(0.05, gloss=0.35)
    plane.add(limb((-2.9, 0, 0), (2.2, 0, 0), 0.36, 0.40), white)
    plane.add(ellipsoid((2.3, -0.03, 0), (0.75, 0.37, 0.38)), white)
    plane.add(limb((-2.8, 0.05, 0), (-4.2, 0.22, 0), 0.34, 0.08), white)
    plane.add(box((-3.75, 0.85, 0), (0.42, 0.72, 0.05), 0.04, lean=0.75), (0.13, 0.22, 0.50))
    plane.add(wings((0.35, -0.15, 0), 3.9, (0.80, 0.24), 2.1, 0.40, 0.06), (0.80, 0.82, 0.85))
    plane.add(wings((-3.65, 0.20, 0), 1.4, (0.40, 0.18), 0.65, 0.10, 0.03), (0.80, 0.82, 0.85))
    for side in (-1, 1):
        plane.add(limb((0.45, -0.47, side * 1.35), (-0.45, -0.45, side * 1.35), 0.21, 0.17), (0.55, 0.57, 0.62))
    windows = lambda p: mix((0.93, 0.94, 0.95), GLASS, (np.sin(p[:, 0] * 22) - 0.1) * 4)
    plane.add(limb((-2.4, 0.09, 0.335), (2.1, 0.09, 0.355), 0.05), windows)
    plane.add(ellipsoid((2.72, 0.16, 0), (0.2, 0.10, 0.26)), GLASS)
    return Scene(
        [plane],
        (6.3, -0.6, 9.2),
        (-0.7, 0.1, 0.1),
        day_sky((0.22, 0.44, 0.78), (0.62, 0.77, 0.92), 0.45),
        sun=(0.3, 0.85, 0.5),
        ambient=0.55,
        field_of_view=0.43,
        haze=0.002,
    )


def car_body(colour: tuple, gloss: float = 0.7) -> list[Body]:
    """A saloon along x, front at +x, 4.4 long."""
    shell = Body(0.10, gloss)
    shell.add(box((0, 0.62, 0), (2.12, 0.27, 0.84), 0.20), colour)
    shell.add(box((-0.2, 0.80, 0), (1.95, 0.14, 0.80), 0.12), colour)
    shell.add(box((1.45, 0.78, 0), (0.62, 0.12, 0.74), 0.11), colour)
    shell.add(box((-0.32, 1.42, 0), (0.72, 0.035, 0.56), 0.03), colour)
    cabin = Body(0.08, 0.8)
    cabin.add(box((-0.32, 1.13, 0), (0.98, 0.27, 0.66), 0.16), GLASS)
    pillars = Body(0.02, gloss)
    for side in (-1, 1):
        pillars.add(limb((1.0, 0.92, side * 0.68), (0.40, 1.40, side * 0.56), 0.035), colour)
        pillars.add(limb((-0.30, 0.92, side * 0.71), (-0.30, 1.41, side * 0.56), 0.035), colour)
        pillars.add(limb((-1.55, 0.92, side * 0.68), (-0.98, 1.41, side * 0.56), 0.06), colour)
    lamps = Body(0.02, 0.9)
    for side in (-1, 1):
        lamps.add(ellipsoid((2.02, 0.68, side * 0.60), (0.14, 0.09, 0.18)), (0.95, 0.95, 0.88))
    lamps.add(box((2.10, 0.56, 0), (0.05, 0.07, 0.32), 0.03), (0.06, 0.06, 0.07))
    lamps.add(box((2.10, 0.42, 0), (0.08, 0.035, 0.75), 0.03), CHROME)
    return [shell, cabin, pillars, lamps, *wheels((1.33, -1.33), 0.78, 0.36)]


def wheels(along: tuple, across: float, radius: float) -> list[Body]:
    tyres, hubs = Body(0.01, 0.05), Body(0.01, 0.8)
    for x in along:
        for side in (-1, 1):
            tyres.add(wheel((x, radius, side * across), radius, 0.13), RUBBER)
            hubs.add(wheel((x, radius, side * (across + 0.03)), radius * 0.6, 0.12), CHROME)
    return [tyres, hubs]


def red_car() -> Scene:
    return Scene(
        car_body((0.66, 0.04, 0.05)),
        (4.9, 1.75, 6.1),
        (0.05, 0.68, 0),
        street_sky,
        asphalt,
        sun=(0.5, 0.8, 0.65),
        ambient=0.5,
        field_of_view=0.37,
    )


def blue_car() -> Scene:
    return Scene(
        car_body((0.08, 0.16, 0.42)),
        (-2.6, 1.5, 6.6),
        (0.0, 0.72, 0),
        street_sky,
        asphalt,
        sun=(-0.5, 0.7, 0.7),
        ambient=0.55,
        field_of_view=0.37,
    )


def sea(p: Array) -> Array:
    flat = p[:, [0, 2]]
    waves = clouds(flat * np.array((0.7, 2.0), np.float32), 11, 5)
    water = mix((0.05, 0.15, 0.22), (0.16, 0.30, 0.38), waves)
    wash = np.exp(-(((p[:, 2] - 1.3) / 0.5) ** 2)) * (np.abs(p[:, 0]) < 5.5)
    return mix(water, (0.85, 0.9, 0.92), wash * clouds(flat * 3, 12) * 1.4 - 0.25)


def ship() -> Scene:
    paint = lambda p: mix((0.45, 0.08, 0.07), (0.07, 0.10, 0.18), (p[:, 1] - 0.36) * 30)
    hull = Body(0.06, 0.25)
    hull.add(tapered(box((0, 0.50, 0), (4.4, 0.66, 0.85), 0.08, lean=-0.25), 1.2, 4.9), paint)
    hull.add(tapered(box((2.9, 1.15, 0), (1.9, 0.22, 0.80), 0.05, lean=-0.25), 1.2, 5.0), (0.07, 0.10, 0.18))
    white = (0.93, 0.93, 0.91)
    upper = Body(0.02, 0.2)
    decks = lambda p: mix(
        white, (0.18, 0.22, 0.28), (np.abs((p[:, 1] * 2.6) % 1 - 0.5) < 0.16) * (np.sin(p[:, 0] * 14) > -0.5) * 1.0
    )
    upper.add(box((-0.7, 1.45, 0), (3.0, 0.33, 0.72), 0.06), decks)
    upper.add(box((-0.5, 2.0, 0), (2.3, 0.30, 0.62), 0.06), decks)
    upper.add(box((0.9, 2.5, 0), (0.75, 0.26, 0.55), 0.06), decks)
    funnels = Body(0.02, 0.2)
    for x in (-0.3, -1.6):
        bands = lambda p: mix((0.75, 0.16, 0.08), (0.06, 0.06, 0.07), (p[:, 1] - 2.95) * 30)
        funnels.add(limb((x, 2.1, 0), (x - 0.15, 3.15, 0), 0.30, 0.27), bands)
    funnels.add(limb((2.1, 1.2, 0), (2.05, 3.7, 0), 0.045, 0.03), (0.85, 0.8, 0.7))
    funnels.add(limb((-3.6, 1.2, 0), (-3.7, 3.0, 0), 0.045, 0.03), (0.85, 0.8, 0.7))
    return Scene(
        [hull, upper, funnels],
        (5.2, 2.1, 12.5),
        (0.0, 1.45, 0),
        day_sky((0.35, 0.55, 0.82), (0.80, 0.86, 0.90), 0.5, 2),
        sea,
        sun=(0.5, 0.7, 0.7),
        field_of_view=0.44,
        haze=0.006,
        mirror=0.45,
    )


def lorry(cab_colour: tuple, load_colour: tuple) -> list[Body]:
    """A lorry along x, front at +x, with a closed load."""
    cab = Body(0.05, 0.5)
    cab.add(box((2.25, 1.40, 0), (0.72, 0.98, 0.95), 0.14), cab_colour)
    cab.add(box((2.75, 0.85, 0), (0.40, 0.42, 0.92), 0.12), cab_colour)
    glass = Body(0.03, 0.9)
    glass.add(box((2.90, 1.80, 0), (0.10, 0.36, 0.80), 0.05, lean=0.2), GLASS)
    glass.add(box((2.35, 1.80, 0), (0.36, 0.32, 0.965), 0.05), GLASS)
    ribs = lambda p: vector(load_colour) * (1 - 0.10 * (np.sin(p[:, 0] * 9) > 0.8))[:, None]
    load = Body(0.02, 0.15)
    load.add(box((-0.85, 1.85, 0), (2.25, 1.12, 1.05), 0.06), ribs)
    frame = Body(0.02, 0.2)
    frame.add(box((-0.1, 0.58, 0), (3.0, 0.14, 0.75), 0.05), (0.10, 0.10, 0.11))
    frame.add(box((3.12, 0.52, 0), (0.08, 0.18, 0.95), 0.05), CHROME)
    for side in (-1, 1):
        frame.add(ellipsoid((3.15, 0.82, side * 0.70), (0.08, 0.12, 0.16)), (0.95, 0.93, 0.80))
    return [cab, glass, load, frame, *wheels((2.2, -1.4, -2.4), 0.90, 0.48)]


def white_lorry() -> Scene:
    return Scene(
        lorry((0.72, 0.10, 0.07), (0.88, 0.88, 0.86)),
        (6.6, 1.9, 6.8),
        (0.1, 1.35, 0),
        street_sky,
        asphalt,
        sun=(0.55, 0.75, 0.6),
        ambient=0.5,
        field_of_view=0.42,
    )
