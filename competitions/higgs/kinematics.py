"""What particle physics computes from the measured momenta: every DER_* column.

An event is a lepton, a hadronic tau, the missing transverse momentum (what the unseen
neutrinos carried away) and up to two listed jets, each given by

    pt   momentum transverse to the beam, in GeV
    eta  pseudorapidity: 0 across the beam, +-infinity along it; pz = pt sinh(eta)
    phi  angle around the beam, in (-pi, pi]

All are taken as massless, as the organisers did. A column of a jet that is not there is
NaN, and so is all that is computed from it. Every array has one entry per event.

C. Adam-Bourdarios et al., "Learning to discover: the Higgs boson machine learning
challenge", documentation of 2014, CERN Open Data record 329.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

Array = np.ndarray


@dataclass(frozen=True)
class Momentum:
    """Momenta of massless particles, one of each event, in Cartesian components.

    >>> p = Momentum.polar(np.array([3.0]), np.array([0.0]), np.array([0.0]))
    >>> (p + p).px.tolist(), (p + p).mass.tolist()
    ([6.0], [0.0])
    """

    px: Array
    py: Array
    pz: Array
    energy: Array

    @classmethod
    def polar(cls, pt: Array, eta: Array, phi: Array) -> "Momentum":
        return cls(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))

    def __add__(self, other: "Momentum") -> "Momentum":
        return Momentum(
            self.px + other.px,
            self.py + other.py,
            self.pz + other.pz,
            self.energy + other.energy,
        )

    @property
    def pt(self) -> Array:
        return np.hypot(self.px, self.py)

    @property
    def magnitude(self) -> Array:
        return np.sqrt(self.px**2 + self.py**2 + self.pz**2)

    @property
    def mass(self) -> Array:
        return np.sqrt(np.maximum(self.energy**2 - self.magnitude**2, 0.0))
