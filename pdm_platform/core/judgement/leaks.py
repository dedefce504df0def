"""Whether the model has seen what it is judged by: the same pump by name, or the same readings under another name."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from pdm_platform.core.judgement.verdicts import FloatArray


class Leak(NamedTuple):
    """devices: names on both sides. rows: unseen rows that are also training rows. The metric `split_leak` is both."""

    devices: int
    rows: int

    @property
    def total(self) -> int:
        """0 where nothing leaked."""
        return self.devices + self.rows


def leaked(
    train_devices: Sequence[str], train_features: FloatArray, unseen_devices: Sequence[str], unseen_features: FloatArray
) -> Leak:
    """Count shared device ids, and unseen feature rows that are equal to a training row in every feature.

    train_features, unseen_features: (n, F) and (m, F), NaN equal to NaN and -0.0 to 0.0. A row in which less than half
    is known is passed over: the first reading of a pump without sensors is like that of another. The raw channels are
    the sharpest: a pump that was renamed has the same, whatever its baseline. Raises ValueError for another F.
    """
    if train_features.shape[1] != unseen_features.shape[1]:
        raise ValueError(f"{train_features.shape[1]} features in training, but {unseen_features.shape[1]} unseen")
    seen = set(_digests(train_features))
    return Leak(
        devices=len(set(map(str, train_devices)) & set(map(str, unseen_devices))),
        rows=sum(digest in seen for digest in _digests(unseen_features)),
    )


def _digests(features: FloatArray) -> Iterator[bytes]:
    known = features[np.isnan(features).mean(axis=1) <= 0.5] if features.shape[1] else features[:0]
    # one bit pattern for all NaN, one for both zeros
    plain = np.ascontiguousarray(np.where(np.isnan(known), np.nan, known) + 0.0)
    return (blake2b(row.tobytes(), digest_size=16).digest() for row in plain)
