"""Lay a face's labels out as rows, so that faces labelled in several schemas train one model.

The first rows are the model's own schema; those of every other schema that a linear map leads to follow. A row that a
face does not have is NaN and does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from facewire_edge.errors import DataError
from facewire_edge.schema import POINTS5, LandmarkSchema, linear_map
from numpy.typing import NDArray

from facewire_train.datasets import Dataset, Sample


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Hold the schemas, the rows' mirror (R,) and the maps (2, R, N) from the model's points, for x and for y."""

    schemas: tuple[LandmarkSchema, ...]
    mirror: NDArray[np.intp]
    maps: NDArray[np.float32]

    @property
    def n(self) -> int:
        """Give the number of the model's own rows."""
        return self.schemas[0].n

    def of(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map the model's points (N, 2) to rows (R, 2)."""
        return np.asarray(np.einsum("drn,nd->rd", self.maps, points), dtype=np.float32)

    def labels(self, sample: Sample, schema: LandmarkSchema) -> NDArray[np.float32]:
        """Give the rows (R, 2) of a face in image pixels; its five points stand in where it has no others."""
        known = {schema.names: sample.points}
        if sample.points5 is not None and not np.isfinite(sample.points).any():
            known = {POINTS5.names: sample.points5}
        blocks = [known.get(s.names, np.full((s.n, 2), np.nan, np.float32)) for s in self.schemas]
        return np.concatenate(blocks).astype(np.float32)

    def certainty(self, sample: Sample, schema: LandmarkSchema) -> NDArray[np.float32] | None:
        """Give how often each row (R,) of a face shall count, where a model filled some in; None where it did not."""
        if not sample.filled:
            return None
        chances = np.ones(sum(s.n for s in self.schemas), np.float32)
        start = 0
        for own in self.schemas:
            if own.names == schema.names:
                chances[[start + i for i in sample.filled]] = list(sample.filled.values())
            start += own.n
        return chances

    def weights(self, foreign: float) -> NDArray[np.float32]:
        """Weigh rows (R,) so that a face of another schema counts ``foreign`` times one of the model's own."""
        parts = [np.ones(self.n), *(np.full(s.n, foreign * self.n / s.n) for s in self.schemas[1:])]
        return np.concatenate(parts).astype(np.float32)


def rows_for(schema: LandmarkSchema, datasets: Sequence[Dataset]) -> Rows:
    """Give the rows that the data sets' labels need.

    Raises:
        DataError: a set's schema is not the model's and no linear map leads from the model's to it.

    """
    schemas, maps = [schema], [np.stack([np.eye(schema.n, dtype=np.float32)] * 2)]
    for other, where in _others(schema, datasets):
        if any(other.names == s.names for s in schemas):
            continue
        matrix = linear_map(schema, other)
        if matrix is None:
            raise DataError(
                f"{where} has schema {other.name}, the configuration wants {schema.name}, and no map leads from one to "
                "the other; set `schema` in the configuration or choose other data"
            )
        schemas.append(other)
        maps.append(matrix)
    return Rows(tuple(schemas), _mirrors(schemas), np.concatenate(maps, axis=1))


def _others(schema: LandmarkSchema, datasets: Sequence[Dataset]) -> list[tuple[LandmarkSchema, str]]:
    own = [(d.schema, str(d.path)) for d in datasets]
    five = any(s.points5 is not None and not np.isfinite(s.points).any() for d in datasets for s in d.samples)
    return own + ([(POINTS5, "")] if five and linear_map(schema, POINTS5) is not None else [])


def _mirrors(schemas: Sequence[LandmarkSchema]) -> NDArray[np.intp]:
    starts = np.cumsum([0, *(s.n for s in schemas)])[:-1]
    return np.concatenate([s.mirror + start for s, start in zip(schemas, starts, strict=True)]).astype(np.intp)
