"""The terms of what is made of several things: those of all of them together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from facewire_edge.card import ModelCard

SEPARATOR = "; "


def joined_terms(terms: Iterable[str]) -> str:
    """Give several terms as one line, each part once."""
    return SEPARATOR.join(dict.fromkeys(chain.from_iterable(t.split(SEPARATOR) for t in terms if t))) or "not stated"


def inheriting(card: ModelCard, parents: Iterable[ModelCard]) -> ModelCard:
    """Give the card with the data and the terms of the models too that this one came of."""
    cards = [card, *parents]
    data = {entry["name"]: entry for c in cards for entry in c.data}
    return replace(card, data=tuple(data.values()), terms=joined_terms(c.terms for c in cards))
