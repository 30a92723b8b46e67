"""What is found in every sample is what was found before: a change of structure or words changes no result."""

import pytest

from tests.results import SAMPLES, recorded, results_of

RECORDED = recorded()


def test_every_sample_is_recorded() -> None:
    assert sorted(RECORDED) == sorted(SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_gives_the_results_that_are_recorded(sample: str) -> None:
    assert results_of(sample) == RECORDED[sample]
