"""Who a person is: colours, hair, age, what is worn; drawn at random, whatever the head does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facewire_train.head import Expression, identity
from facewire_train.paint import Colour
from facewire_train.wear import NOTHING, Worn, wear_of

# Dark to light, red, green, blue; by eye, from photographs.
SKINS = np.array(
    [[66, 44, 36], [104, 70, 54], [146, 102, 80], [184, 138, 112], [216, 170, 146], [236, 198, 178]], float
)
HAIRS = np.array(
    [[20, 17, 16], [34, 25, 20], [60, 42, 30], [98, 68, 44], [150, 112, 72], [196, 162, 112], [150, 148, 146]], float
)
IRISES = np.array([[48, 30, 20], [74, 50, 30], [84, 96, 66], [84, 112, 138], [100, 104, 108]], float)
STYLES = ("bald", "short", "long", "fringe", "big", "cap")
STYLE_SHARES = (0.1, 0.38, 0.24, 0.13, 0.07, 0.08)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Hold what a person looks like, whatever the head does."""

    head: NDArray[np.float32]  # (68, 3) at rest
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    style: str  # one of STYLES
    forehead_deg: float  # how high the hair begins
    hair_thickness: float  # half jaw widths
    hair_length: float  # where long hair ends: y of the head
    beard: float  # 0 none, 1 full
    moustache: float
    glasses: float  # radius of a lens in half jaw widths; 0 none
    brow_width: float
    brow_strength: float
    makeup: float
    wrinkles: float
    texture: int  # seed
    worn: Worn


def look_of(rng: np.random.Generator) -> Look:
    """Give a person."""
    lightness = float(rng.beta(1.6, 1.1))
    skin = between(SKINS, lightness) * np.exp(rng.normal(0, 0.04, 3))
    style = str(rng.choice(STYLES, p=STYLE_SHARES))
    hair = between(HAIRS, float(rng.beta(1, 1.7)) * (0.3 + 0.7 * lightness)) * rng.uniform(0.8, 1.2)
    man = style in {"bald", "short", "cap"} and rng.random() < 0.75
    bearded = man and rng.random() < 0.4
    look = Look(
        head=identity(rng),
        skin=np.minimum(skin, 250),
        hair=hair if style != "cap" else rng.uniform(15, 220) + rng.normal(0, 20, 3).clip(-15, 35),
        iris=IRISES[rng.integers(len(IRISES))] * rng.uniform(0.7, 1.2),
        lips=np.minimum(skin * [0.88, 0.62, 0.62] + rng.uniform(0, 1) ** 2 * np.array([36, -6, 4]), 250),
        clothes=np.clip(rng.uniform(15, 235) + rng.normal(0, 35, 3), 5, 250),
        style=style,
        forehead_deg=float(rng.uniform(40, 47) if style == "fringe" else rng.uniform(51, 66)),
        hair_thickness=float(rng.uniform(0.25, 0.5) if style == "big" else rng.uniform(0.05, 0.17)),
        hair_length=float(rng.uniform(0.7, 2.4)),
        beard=float(rng.uniform(0.25, 0.95)) if bearded else 0.0,
        moustache=float(rng.uniform(0.2, 0.95)) if man and rng.random() < 0.35 else 0.0,
        glasses=float(rng.uniform(0.25, 0.36)) if rng.random() < 0.16 else 0.0,
        brow_width=float(rng.uniform(0.055, 0.11)),
        brow_strength=float(rng.uniform(0.45, 1.15)),
        makeup=0.0 if man else float(rng.uniform(0, 1)),
        wrinkles=float(rng.beta(1, 2)),
        texture=int(rng.integers(1 << 30)),
        worn=NOTHING,
    )
    worn = wear_of(np.random.default_rng(look.texture + 5))  # its own generator: a share that changes moves no label
    bare = style == "cap" or (worn.headwear == "scarf" and man)
    return replace(look, worn=replace(worn, headwear="") if bare else worn)


def between(colours: NDArray[np.float64], place: float) -> Colour:
    """Give the colour at ``place``, 0 to 1, along a row of colours."""
    x = place * (len(colours) - 1)
    return np.array([np.interp(x, np.arange(len(colours)), colours[:, c]) for c in range(3)])


def expression_of(rng: np.random.Generator) -> Expression:
    """Give a face's expression."""
    opened = float(rng.uniform(0.05, 1.0)) if rng.random() < 0.28 else 0.0
    closed = float(rng.uniform(0.4, 1)) if rng.random() < 0.12 else float(rng.uniform(0, 0.2))
    smile = float(rng.uniform(-0.3, 0.9)) if rng.random() < 0.35 else 0.0
    return Expression(opened, smile, float(np.clip(rng.normal(0, 0.5), -1, 1.5)), closed)
