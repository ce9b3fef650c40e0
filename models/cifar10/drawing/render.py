"""A small renderer: rounded shapes as signed distances, found by ray marching, lit by a sun and a sky.

Points and colours are float32 arrays [N,3]; y points up, the ground is y = 0; lengths are in metres, more or less.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
Distance = Callable[[Array], Array]  # points [N,3] -> signed distance [N]
Colour = tuple[float, float, float] | Callable[[Array], Array]  # constant, or points [N,3] -> colours [N,3]


def vector(v: object) -> Array:
    return np.asarray(v, np.float32)


def unit(v: Array) -> Array:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def ellipsoid(centre: tuple, radii: tuple, pitch: float = 0.0) -> Distance:
    """Half-axes along x, y, z; turned by `pitch` radians in the x-y plane (front up)."""
    c, r = vector(centre), vector(radii)
    cos, sin = np.cos(pitch), np.sin(pitch)

    def distance(p: Array) -> Array:
        q = p - c
        q = np.stack((cos * q[:, 0] + sin * q[:, 1], cos * q[:, 1] - sin * q[:, 0], q[:, 2]), axis=1)
        scaled = np.linalg.norm(q / r, axis=1)
        return scaled * (scaled - 1) / np.maximum(np.linalg.norm(q / (r * r), axis=1), 1e-6)

    return distance


def limb(a: tuple, b: tuple, start: float, end: float | None = None) -> Distance:
    """A rounded cone from `a` to `b` with the radii `start` and `end`."""
    a_, ab = vector(a), vector(b) - vector(a)
    last = start if end is None else end

    def distance(p: Array) -> Array:
        q = p - a_
        along = np.clip(q @ ab / (ab @ ab), 0, 1)
        return np.linalg.norm(q - along[:, None] * ab, axis=1) - (start + (last - start) * along)

    return distance


def box(centre: tuple, half: tuple, rounding: float = 0.05, lean: float = 0.0) -> Distance:
    """A rounded box; `lean` shears x by height, so that a windscreen or a fin slopes."""
    c, h = vector(centre), vector(half) - rounding

    def distance(p: Array) -> Array:
        q = p - c
        q = np.abs(np.stack((q[:, 0] + lean * q[:, 1], q[:, 1], q[:, 2]), axis=1)) - h
        outside = np.linalg.norm(np.maximum(q, 0), axis=1)
        return (outside + np.minimum(q.max(axis=1), 0) - rounding) / (1 + 0.5 * abs(lean))

    return distance


def wings(
    root: tuple, span: float, chord: tuple[float, float], sweep: float, rise: float, thickness: float
) -> Distance:
    """Both wings, along +z and -z from `root`; `chord` is half the width at the root and at the tip."""
    x, y, z = root

    def distance(p: Array) -> Array:
        out = np.abs(p[:, 2] - z)
        share = np.clip(out / span, 0, 1)
        along = np.abs(p[:, 0] - x + sweep * share) - (chord[0] + (chord[1] - chord[0]) * share)
        across = np.abs(p[:, 1] - y - rise * share) - thickness * (1 - 0.6 * share)
        q = np.stack((along, across, out - span), axis=1)
        return 0.75 * (np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0) - 0.02)

    return distance


def tapered(shape: Distance, start: float, end: float) -> Distance:
    """`shape`, narrowed along z from x = `start` until it is an edge at x = `end`: a bow."""

    def distance(p: Array) -> Array:
        share = np.clip((p[:, 0] - start) / (end - start), 0, 0.97)
        width = 1 - share**2
        return shape(p / np.stack((np.ones_like(width), np.ones_like(width), width), axis=1)) * np.maximum(width, 0.3)

    return distance


def wheel(centre: tuple, radius: float, half_width: float) -> Distance:
    """A disc with its axle along z."""
    c = vector(centre)

    def distance(p: Array) -> Array:
        q = p - c
        d = np.stack((np.hypot(q[:, 0], q[:, 1]) - radius, np.abs(q[:, 2]) - half_width), axis=1) + 0.03
        return np.linalg.norm(np.maximum(d, 0), axis=1) + np.minimum(d.max(axis=1), 0) - 0.03

    return distance


def noise(p: Array, seed: int = 0) -> Array:
    """Smooth value noise, 0-1, of points [N,D] with a lattice of 1."""
    cell = np.floor(p).astype(np.int64)
    t = (p - cell).astype(np.float32)
    t = t * t * (3 - 2 * t)
    total = np.zeros(len(p), np.float32)
    for corner in range(1 << p.shape[1]):
        bits = np.array([corner >> axis & 1 for axis in range(p.shape[1])])
        key = ((cell + bits) * np.array([73856093, 19349663, 83492791])[: p.shape[1]]).sum(axis=1) + seed * 7919
        key = (key ^ (key >> 13)) * 1274126177
        key ^= key >> 16
        total += np.where(bits, t, 1 - t).prod(axis=1) * ((key & 0xFFFF) / 65535).astype(np.float32)
    return total


def clouds(p: Array, seed: int = 0, octaves: int = 4) -> Array:
    """Noise of several sizes, 0-1."""
    weights = 0.5 ** np.arange(octaves)
    return sum(w * noise(p * 2.0**k, seed + k) for k, w in enumerate(weights)) / weights.sum()


def mix(a: object, b: object, share: Array) -> Array:
    """`a` where `share` [N] is 0, `b` where it is 1."""
    return vector(a) + (vector(b) - vector(a)) * np.clip(share, 0, 1)[:, None]


@dataclass
class Body:
    """Shapes of several colours that grow together over the distance `blend`. `gloss` 0-1: highlight and sky."""

    blend: float
    gloss: float = 0.1
    parts: list[tuple[Distance, Colour]] = field(default_factory=list)

    def add(self, shape: Distance, colour: Colour) -> "Body":
        self.parts.append((shape, colour))
        return self

    def mirrored(self, shape: Callable[[float], Distance], colour: Colour) -> "Body":
        """Add `shape(1)` and `shape(-1)`: the left and the right one."""
        return self.add(shape(1), colour).add(shape(-1), colour)

    def _weights(self, p: Array) -> tuple[Array, Array]:
        distances = np.stack([shape(p) for shape, _ in self.parts])
        nearest = distances.min(axis=0)
        return nearest, np.exp(-np.minimum((distances - nearest) / self.blend, 60))

    def distance(self, p: Array) -> Array:
        nearest, weights = self._weights(p)
        return nearest - self.blend * np.log(weights.sum(axis=0))

    def colour(self, p: Array) -> Array:
        weights = self._weights(p)[1] ** 2.5  # crisper than the shape
        colours = [c(p) if callable(c) else np.broadcast_to(vector(c), p.shape) for _, c in self.parts]
        return sum(w[:, None] * c for w, c in zip(weights, colours, strict=True)) / weights.sum(axis=0)[:, None]


@dataclass
class Scene:
    """What is seen, from where, in which light. `ground` is None in the air; `sky` maps directions to colours."""

    bodies: list[Body]
    eye: tuple
    target: tuple
    sky: Callable[[Array], Array]
    ground: Callable[[Array], Array] | None = None
    sun: tuple = (-0.5, 0.8, 0.6)
    sunlight: tuple = (1.0, 0.95, 0.85)
    ambient: float = 0.5
    field_of_view: float = 0.62  # half the picture's width at distance 1
    haze: float = 0.012  # per metre
    mirror: float = 0.0  # how much of the sky the ground shows: water

    def distance(self, p: Array) -> Array:
        return np.min([body.distance(p) for body in self.bodies], axis=0)

    def render(self, width: int, height: int) -> Array:
        """Colours [height,width,3], 0-1. Both sides must be multiples of 8."""
        near = self._near_bodies(width // 8, height // 8).repeat(8, axis=0).repeat(8, axis=1)
        rows = np.array_split(np.arange(height), max(1, width * height // 100_000))
        return np.concatenate([self._rows(r, width, height, near[r]) for r in rows]).reshape(height, width, 3)

    def _rays(self, rows: Array, width: int, height: int) -> Array:
        """Directions [len(rows)*width,3] through the pixels of these rows."""
        forward = unit(vector(self.target) - vector(self.eye))
        right = unit(np.cross(forward, vector((0, 1, 0))))
        up = np.cross(right, forward)
        x = ((np.arange(width) + 0.5) / width * 2 - 1) * self.field_of_view
        y = (1 - (rows + 0.5) / height * 2) * self.field_of_view * height / width
        rays = forward + x[None, :, None] * right + y[:, None, None] * up
        return unit(rays.reshape(-1, 3)).astype(np.float32)

    def _near_bodies(self, width: int, height: int) -> Array:
        """Which cells [height,width] of a coarse grid can show a body: most rays need no marching."""
        rays = self._rays(np.arange(height), width, height)
        travelled = np.full(len(rays), 0.02, np.float32)
        closest = np.full(len(rays), np.inf, np.float32)
        for _ in range(50):
            d = self.distance(vector(self.eye) + rays * travelled[:, None])
            closest = np.minimum(closest, d / travelled)
            travelled += np.maximum(d, 0.01)
        return (closest < 2.5 * self.field_of_view / width).reshape(height, width)

    def _rows(self, rows: Array, width: int, height: int, near: Array) -> Array:
        eye, rays, near = vector(self.eye), self._rays(rows, width, height), near.ravel()
        far = self._ground_distance(eye, rays)
        limit = np.minimum(far, 60.0)
        reached = limit.copy()
        if near.any():
            reached[near] = self._march(np.broadcast_to(eye, rays[near].shape), rays[near], limit[near])
        hit = reached < limit - 1e-3
        colours = self.sky(rays)
        if self.ground is not None:
            on_ground = ~hit & (far < 1e5)
            colours[on_ground] = self._ground_colours(eye + rays[on_ground] * far[on_ground, None], rays[on_ground])
        if hit.any():
            colours[hit] = self._body_colours(eye + rays[hit] * reached[hit, None], rays[hit])
        depth = np.where(hit, reached, far)
        thin = np.exp(-self.haze * np.minimum(depth, 1e4))
        level = unit(rays * vector((1, 0, 1)) + vector((0, 0.03, 0)))
        return np.where(depth[:, None] < 1e5, mix(self.sky(level), colours, thin), colours)

    def _ground_distance(self, eye: Array, rays: Array) -> Array:
        if self.ground is None:
            return np.full(len(rays), 1e6, np.float32)
        down = np.minimum(rays[:, 1], -1e-7)
        return np.where(rays[:, 1] < -1e-4, -eye[1] / down, 1e6).astype(np.float32)

    def _march(self, start: Array, rays: Array, limit: Array, steps: int = 70) -> Array:
        """How far each ray comes: to a surface, or to `limit`."""
        travelled = np.full(len(rays), 0.02, np.float32)
        active = np.arange(len(rays))
        for _ in range(steps):
            d = self.distance(start[active] + rays[active] * travelled[active, None])
            travelled[active] += 0.9 * np.maximum(d, 0)
            active = active[(d > 0.002) & (travelled[active] < limit[active])]
            if not len(active):
                break
        return np.minimum(travelled, limit)

    def _light(self, p: Array, normal: Array) -> Array:
        """Light [N,3] that falls on points with these normals: sun with soft shadows, sky, light from below."""
        sun = unit(vector(self.sun))
        start = p + normal * 0.03
        shade = np.ones(len(p), np.float32)
        travelled = np.full(len(p), 0.03, np.float32)
        for _ in range(16):
            d = self.distance(start + sun * travelled[:, None])
            shade = np.minimum(shade, np.clip(0.5 + 5 * d / travelled, 0, 1))
            travelled += np.clip(d, 0.03, 0.5)
        facing = np.clip(normal @ sun, 0, 1) * shade
        open_sky = np.clip(0.35 + 0.65 * np.clip(self.distance(p + normal * 0.25) / 0.25, 0, 1), 0, 1)
        ambient = self.ambient * open_sky * (0.7 + 0.3 * normal[:, 1])
        return facing[:, None] * vector(self.sunlight) + ambient[:, None] * vector((0.92, 0.97, 1.05))

    def _ground_colours(self, p: Array, rays: Array) -> Array:
        normal = np.broadcast_to(vector((0, 1, 0)), p.shape)
        near = np.linalg.norm(p - vector(self.target), axis=1) < 12
        light = np.broadcast_to(vector((0.0, 0.0, 0.0)), p.shape).copy()
        light[:] = unit(vector(self.sun))[1] * vector(self.sunlight) + self.ambient
        if near.any():
            light[near] = self._light(p[near], normal[near])
        colours = self.ground(p) * light
        if self.mirror:
            bounced = unit(rays * vector((1, -1, 1)) + 0.12 * (clouds(p[:, [0, 2]] * 3, 5) - 0.5)[:, None])
            colours = mix(colours, self.sky(bounced), np.full(len(p), self.mirror))
        return colours

    def _body_colours(self, p: Array, rays: Array) -> Array:
        normal = self._normal(p)
        which = np.argmin([body.distance(p) for body in self.bodies], axis=0)
        colours = np.empty_like(p)
        gloss = np.empty(len(p), np.float32)
        for k, body in enumerate(self.bodies):
            mine = which == k
            gloss[mine] = body.gloss
            if mine.any():
                colours[mine] = body.colour(p[mine])
        mirrored = rays - 2 * (rays * normal).sum(axis=1, keepdims=True) * normal
        shine = np.clip(mirrored @ unit(vector(self.sun)), 0, 1) ** 24
        edge = (1 + (rays * normal).sum(axis=1)) ** 3
        lit = mix(colours * self._light(p, normal), self.sky(mirrored), gloss * (0.08 + 0.5 * np.clip(edge, 0, 1)))
        return lit + (gloss * shine)[:, None] * vector(self.sunlight)

    def _normal(self, p: Array) -> Array:
        step = 0.004
        axes = np.eye(3, dtype=np.float32) * step
        return unit(np.stack([self.distance(p + a) - self.distance(p - a) for a in axes], axis=1))
