"""Coats, floors and backdrops: functions from points or directions to colours."""

import numpy as np

from render import Array, Colour, clouds, mix, noise, vector

DARK = (0.03, 0.025, 0.02)


def fur(base: tuple, tip: tuple, scale: float = 18.0, seed: int = 0) -> Colour:
    """Hair: noise stretched downwards between two colours."""
    return lambda p: mix(base, tip, clouds(p * vector((scale, scale * 0.4, scale)), seed))


def stripes(base: tuple, stripe: tuple) -> Colour:
    def colour(p: Array) -> Array:
        wave = np.sin(p[:, 1] * 75 + np.abs(p[:, 0]) * 45 + 7 * clouds(p * 9, 2)) * 0.5 + 0.5
        return (
            mix(base, stripe, wave * np.clip(0.9 - p[:, 2] * 2, 0.35, 0.8))
            * (0.8 + 0.4 * noise(p * vector((120, 50, 120)), 3))[:, None]
        )

    return colour


def blurred(dark: tuple, light: tuple, glow: tuple, seed: int = 0):
    """A backdrop out of focus: foliage with some light coming through above."""

    def sky(rays: Array) -> Array:
        colours = mix(dark, light, clouds(rays * 5, seed, 3) * 1.4 - 0.2)
        return mix(colours, glow, (clouds(rays * 3.5, seed + 7, 2) - 0.45) * 2 * np.clip(0.4 + rays[:, 1] * 3, 0, 1))

    return sky


def grass(dark: tuple = (0.13, 0.22, 0.05), light: tuple = (0.36, 0.46, 0.16)):
    return lambda p: mix(dark, light, clouds(p[:, [0, 2]] * np.array((6, 2.5), np.float32), 21, 5))


def room(wall: tuple, shade: tuple, seed: int = 1):
    return lambda rays: mix(shade, wall, 0.6 + rays[:, 1] * 1.2 + 0.5 * (clouds(rays * 2.2, seed, 2) - 0.5))


def carpet(a: tuple, b: tuple):
    return lambda p: mix(a, b, clouds(p[:, [0, 2]] * 9, 31, 5))
