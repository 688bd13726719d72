"""How heavy particles fall apart, in a sketch: every decay is isotropic.

Every array has one entry per event. All randomness comes from the generator that is
passed in.
"""

import numpy as np
from numpy.random import Generator

from .kinematics import Array, Momentum, each_part

TURN = 2 * np.pi


def moving(
    px: Array, py: Array, mass: Array, spread: float, rng: Generator
) -> Momentum:
    """A particle with that momentum across the beam; how it moves along is drawn."""
    rapidity = spread * rng.standard_normal(len(px))
    across = np.sqrt(mass**2 + px**2 + py**2)
    return Momentum(px, py, across * np.sinh(rapidity), across * np.cosh(rapidity))


def split(
    parent: Momentum, mass1: float, mass2: float, rng: Generator
) -> tuple[Momentum, Momentum]:
    """The two particles of a decay; their momenta add up to the parent's.

    >>> at_rest = Momentum(*(np.array([part]) for part in (0.0, 0.0, 0.0, 10.0)))
    >>> one, other = split(at_rest, 6.0, 0.0, np.random.default_rng(1))
    >>> one.mass.round(6), one.magnitude.round(6)  # (10^2 - 6^2) / (2 * 10)
    (array([6.]), array([3.2]))
    """
    m = parent.mass
    energy = (m**2 + mass1**2 - mass2**2) / (2 * m)
    momentum = np.sqrt(np.maximum(energy**2 - mass1**2, 0.0))
    x, y, z = directions(len(m), rng)
    one = boosted(Momentum(momentum * x, momentum * y, momentum * z, energy), parent)
    return one, each_part(np.subtract, parent, one)


def boosted(particle: Momentum, frame: Momentum) -> Momentum:
    """What moves so in the rest frame of the other, as it is seen from outside."""
    m = frame.mass
    inner = particle.px * frame.px + particle.py * frame.py + particle.pz * frame.pz
    energy = (particle.energy * frame.energy + inner) / m
    push = (particle.energy + energy) / (m + frame.energy)
    return Momentum(
        particle.px + push * frame.px,
        particle.py + push * frame.py,
        particle.pz + push * frame.pz,
        energy,
    )


def directions(n: int, rng: Generator) -> tuple[Array, Array, Array]:
    """Points on the unit sphere, none of them preferred."""
    along, phi = rng.uniform(-1, 1, n), rng.uniform(0, TURN, n)
    across = np.sqrt(1 - along**2)
    return across * np.cos(phi), across * np.sin(phi), along


def breit_wigner(mass: float, width: float, n: int, rng: Generator) -> Array:
    """Masses of a resonance, its far tails cut off."""
    return mass + width / 2 * rng.standard_cauchy(n).clip(-8, 8)


def leptonic(tau: Momentum, rng: Generator) -> Momentum:
    """The lepton of a tau decay; the two neutrinos fly along and take the rest.

    The lepton's part x of the energy has the density (5 - 9 x^2 + 4 x^3) / 3.
    """
    x = np.linspace(0, 1, 200)
    share = np.interp(rng.random(len(tau.px)), (5 * x - 3 * x**3 + x**4) / 3, x)
    return each_part(lambda part: share * part, tau)


def hadronic(tau: Momentum, rng: Generator) -> Momentum:
    """The hadrons of a tau decay; the neutrino flies along and takes the rest."""
    share = rng.beta(2.2, 1.6, len(tau.px))
    visible = each_part(lambda part: share * part, tau)
    energy = np.hypot(visible.magnitude, hadron_mass(len(share), rng))
    return Momentum(visible.px, visible.py, visible.pz, energy)


def hadron_mass(n: int, rng: Generator) -> Array:
    """Masses of what is visible of a hadronic tau: a pion, a rho or an a1 meson."""
    pion, rho, a1 = 0.14, 0.775, 1.2
    mass = rng.choice([pion, rho, a1], n, p=[0.17, 0.50, 0.33])
    return mass + np.where(mass > pion, 0.1 * rng.standard_normal(n), 0.0)
