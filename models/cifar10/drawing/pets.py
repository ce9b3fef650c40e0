"""The pets of the samples: two cats and a dog. `tabby`, `grey_cat` and `dog` give a scene."""

from render import Body, Colour, Scene, ellipsoid, limb
from surfaces import DARK, carpet, fur, room, stripes


def tabby() -> Scene:
    return Scene(
        lying_cat((0.46, 0.36, 0.25), (0.10, 0.075, 0.05), (0.62, 0.62, 0.18)),
        (0.0, 0.66, 2.0),
        (0.14, 0.31, 0),
        room((0.62, 0.56, 0.50), (0.34, 0.29, 0.26)),
        carpet((0.70, 0.66, 0.62), (0.78, 0.75, 0.71)),
        sun=(0.5, 0.75, 0.8),
        field_of_view=0.30,
        ambient=0.55,
        haze=0.0,
    )


def grey_cat() -> Scene:
    return Scene(
        sitting_cat((0.44, 0.43, 0.42), (0.16, 0.16, 0.17), (0.75, 0.55, 0.12)),
        (-0.12, 0.66, 1.25),
        (0.0, 0.53, 0.08),
        room((0.46, 0.38, 0.32), (0.22, 0.17, 0.14), 4),
        carpet((0.52, 0.40, 0.31), (0.62, 0.50, 0.40)),
        sun=(-0.5, 0.7, 0.8),
        field_of_view=0.30,
        ambient=0.55,
        haze=0.0,
    )


def dog() -> Scene:
    tan, white = fur((0.42, 0.28, 0.16), (0.56, 0.40, 0.25), 16), fur((0.82, 0.79, 0.74), (0.95, 0.93, 0.90), 16)
    ear = fur((0.30, 0.16, 0.07), (0.42, 0.24, 0.11), 16, 5)
    body = Body(0.03, 0.05)
    body.add(ellipsoid((0, 0.30, -0.18), (0.24, 0.28, 0.28)), tan)
    body.add(ellipsoid((0, 0.46, -0.02), (0.20, 0.28, 0.20)), tan)
    body.add(ellipsoid((0, 0.42, 0.10), (0.14, 0.24, 0.12)), white)
    body.add(limb((0, 0.60, 0.0), (0, 0.78, 0.08), 0.14, 0.13), tan)
    body.add(ellipsoid((0, 0.86, 0.10), (0.17, 0.155, 0.17)), tan)
    body.add(ellipsoid((0, 0.90, 0.19), (0.035, 0.12, 0.10)), white)
    body.add(limb((0, 0.81, 0.20), (0, 0.775, 0.37), 0.095, 0.072), white)
    body.mirrored(lambda s: limb((s * 0.12, 0.42, 0.10), (s * 0.115, 0.06, 0.16), 0.075, 0.058), white)
    body.mirrored(lambda s: ellipsoid((s * 0.115, 0.045, 0.21), (0.07, 0.05, 0.10)), white)
    body.mirrored(lambda s: ellipsoid((s * 0.22, 0.13, -0.06), (0.10, 0.14, 0.20)), tan)
    ears = Body(0.02, 0.05)
    ears.mirrored(lambda s: limb((s * 0.155, 0.93, 0.07), (s * 0.225, 0.72, 0.11), 0.045, 0.07), ear)
    face = Body(0.006, 0.5)
    face.mirrored(lambda s: ellipsoid((s * 0.078, 0.895, 0.250), (0.034, 0.034, 0.024)), DARK)
    face.add(ellipsoid((0, 0.812, 0.435), (0.045, 0.035, 0.03)), DARK)
    face.add(limb((-0.05, 0.735, 0.40), (0.05, 0.735, 0.40), 0.008), (0.12, 0.06, 0.05))
    return Scene(
        [body, ears, face],
        (0.42, 0.92, 1.75),
        (0.0, 0.66, 0.05),
        room((0.58, 0.54, 0.50), (0.30, 0.27, 0.25), 6),
        carpet((0.40, 0.30, 0.22), (0.50, 0.39, 0.29)),
        sun=(0.5, 0.8, 0.7),
        field_of_view=0.30,
        ambient=0.55,
        haze=0.0,
    )


def sitting_cat(base: tuple, stripe: tuple, eye: tuple) -> list[Body]:
    """A cat that sits and looks along +z, 0.75 tall."""
    coat, pale = stripes(base, stripe), fur((0.80, 0.76, 0.70), (0.92, 0.90, 0.86), 30)
    body = Body(0.022, 0.04)
    body.add(ellipsoid((0, 0.24, -0.12), (0.21, 0.25, 0.25)), coat)
    body.add(ellipsoid((0, 0.36, 0.0), (0.16, 0.22, 0.16)), coat)
    body.add(ellipsoid((0, 0.33, 0.10), (0.11, 0.19, 0.09)), pale)
    body.mirrored(lambda s: limb((s * 0.085, 0.34, 0.10), (s * 0.080, 0.05, 0.15), 0.058, 0.045), coat)
    body.mirrored(lambda s: ellipsoid((s * 0.080, 0.035, 0.18), (0.052, 0.040, 0.075)), pale)
    body.mirrored(lambda s: ellipsoid((s * 0.17, 0.10, -0.05), (0.085, 0.11, 0.17)), coat)
    body.add(limb((0.16, 0.05, -0.25), (0.36, 0.05, 0.0), 0.045), coat)
    body.add(limb((0.36, 0.05, 0.0), (0.28, 0.05, 0.22), 0.045, 0.035), coat)
    return [body, cat_head(body, coat, pale, eye, (0, 0.635, 0.10))]


def lying_cat(base: tuple, stripe: tuple, eye: tuple) -> list[Body]:
    """A cat that lies along x, its head at -x turned towards +z."""
    coat, pale = stripes(base, stripe), fur((0.74, 0.68, 0.60), (0.88, 0.84, 0.78), 30)
    body = Body(0.020, 0.04)
    body.add(ellipsoid((0.28, 0.19, -0.08), (0.40, 0.19, 0.20)), coat)
    body.add(ellipsoid((0.52, 0.16, 0.0), (0.21, 0.17, 0.20)), coat)
    body.add(ellipsoid((-0.02, 0.20, 0.0), (0.17, 0.19, 0.17)), coat)
    body.add(ellipsoid((-0.06, 0.17, 0.09), (0.11, 0.13, 0.09)), pale)
    body.add(limb((-0.12, 0.07, 0.10), (-0.20, 0.04, 0.34), 0.055, 0.045), coat)
    body.add(limb((0.06, 0.07, 0.12), (0.02, 0.04, 0.36), 0.055, 0.045), coat)
    body.add(limb((0.50, 0.05, 0.16), (0.24, 0.04, 0.26), 0.06, 0.045), coat)
    body.add(limb((0.70, 0.08, -0.05), (0.62, 0.05, 0.28), 0.05, 0.045), coat)
    body.add(limb((0.62, 0.05, 0.28), (0.34, 0.04, 0.36), 0.045, 0.035), coat)
    return [body, cat_head(body, coat, pale, eye, (-0.10, 0.42, 0.12))]


def cat_head(body: Body, coat: Colour, pale: Colour, eye: tuple, at: tuple) -> Body:
    """Add a cat's head, looking along +z, its centre at `at`, to `body`; gives eyes and nose."""
    x, y, z = at

    def spot(sx: float, dy: float, dz: float) -> tuple:
        return (x + sx, y + dy, z + dz)

    body.add(ellipsoid(spot(0, 0, 0), (0.175, 0.140, 0.135)), coat)
    body.mirrored(lambda s: ellipsoid(spot(s * 0.095, -0.030, 0.04), (0.090, 0.078, 0.09)), coat)
    body.mirrored(lambda s: ellipsoid(spot(s * 0.038, -0.057, 0.125), (0.048, 0.036, 0.036)), pale)
    body.add(ellipsoid(spot(0, -0.090, 0.10), (0.045, 0.032, 0.04)), pale)
    for k in range(4):  # wide at the foot, flat: an ear
        t = k / 3
        body.mirrored(
            lambda s: ellipsoid(
                spot(s * (0.105 + 0.030 * t), 0.10 + 0.115 * t, -0.01), (0.062 - 0.048 * t, 0.045, 0.03)
            ),
            coat,
        )
    face = Body(0.004, 0.5)
    face.mirrored(lambda s: ellipsoid(spot(s * 0.070, 0.018, 0.126), (0.037, 0.033, 0.022)), eye)
    face.mirrored(lambda s: ellipsoid(spot(s * 0.070, 0.018, 0.145), (0.016, 0.027, 0.008)), DARK)
    face.add(ellipsoid(spot(0, -0.033, 0.162), (0.018, 0.012, 0.010)), (0.62, 0.32, 0.30))
    face.mirrored(lambda s: ellipsoid(spot(s * 0.116, 0.125, 0.016), (0.028, 0.045, 0.008)), (0.60, 0.42, 0.38))
    return face
