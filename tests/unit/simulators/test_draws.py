"""Random numbers by place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.draws import Stream, chances, noise_keys, normals, philox, uniforms

WORD = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORD, WORD, WORD, WORD), 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0 << 32 | 0xA4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_known_answers(
    counter: tuple[int, ...], key: int, expected: tuple[int, ...]
) -> None:
    drawn = philox(key, np.array([counter], dtype=np.uint64))

    assert tuple(drawn[0].tolist()) == expected


@given(
    seed=st.integers(0, 2**64 - 1),
    places=st.lists(st.tuples(*[st.integers(0, WORD)] * 3), min_size=1, max_size=20),
)
def test_a_draw_depends_on_its_place_alone(seed: int, places: list[tuple[int, int, int]]) -> None:
    pump, generation, step = np.array(places, dtype=np.int64).T

    together = normals(noise_keys(seed, pump, generation), step)
    chance = chances(noise_keys(seed, pump, generation), Stream.CHAOS, step)

    for row, place in enumerate(places):
        key = noise_keys(seed, *place[:2])
        assert np.array_equal(normals(key, step[row : row + 1])[:, 0], together[:, row])
        assert np.array_equal(chances(key, Stream.CHAOS, step[row : row + 1])[0], chance[row])


def test_noise_is_standard_normal_and_its_eight_columns_are_independent() -> None:
    drawn = normals(noise_keys(7, 3, 0), np.arange(50_000)).T

    assert np.abs(drawn.mean(axis=0)).max() < 0.02
    assert np.abs(drawn.std(axis=0) - 1.0).max() < 0.02
    assert np.abs(np.corrcoef(drawn.T) - np.eye(8)).max() < 0.02


def test_noise_is_independent_from_step_to_step_and_from_pump_to_pump() -> None:
    steps = np.arange(50_000)

    one, other = (normals(noise_keys(7, pump, 0), steps) for pump in (3, 4))

    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.02
    assert abs(np.corrcoef(one[0, :-1], one[0, 1:])[0, 1]) < 0.02


def test_chances_are_even_and_streams_share_none() -> None:
    key, steps = noise_keys(7, 3, 0), np.arange(20_000)

    one, other = (chances(key, stream, steps) for stream in (Stream.CHAOS, Stream.SENSOR))

    assert np.abs(np.quantile(one, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.01
    assert not np.isin(one[:, 0].round(9), other[:, 0].round(9)).all()
    assert abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) < 0.03


def test_streams_seeds_pumps_and_generations_share_no_numbers() -> None:
    base = uniforms(7, Stream.LIFE, np.array([1]), 0)

    others = [
        uniforms(7, Stream.BUILD, np.array([1]), 0),
        uniforms(8, Stream.LIFE, np.array([1]), 0),
        uniforms(7 + 2**32, Stream.LIFE, np.array([1]), 0),
        uniforms(7, Stream.LIFE, np.array([2]), 0),
        uniforms(7, Stream.LIFE, np.array([1]), 1),
        uniforms(7, Stream.LIFE, np.array([1]), 0, 1),
    ]

    assert all(not np.array_equal(base, other) for other in others)
    assert all(((other > 0) & (other < 1)).all() for other in others)
