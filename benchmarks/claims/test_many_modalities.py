"""What the documentation says of many modalities is what the tables say."""

import many_modalities
import pytest
from _protocols import read, table_file

pytestmark = pytest.mark.skipif(
    not table_file(many_modalities.NAME).exists(), reason="not measured yet"
)


def test_growth_is_that_of_the_measurements():
    measured = read(many_modalities.NAME, columns=many_modalities.COLUMNS)
    computed = many_modalities.growth(measured)
    stored = read(f"{many_modalities.NAME}_growth")
    assert list(stored["family"]) == list(computed["family"])
    assert (stored["slope"].astype(float) - computed["slope"]).abs().max() < 0.011


def test_fits_grow_no_faster_than_modalities_in_every_family_but_boosting():
    growth = read(f"{many_modalities.NAME}_growth")
    fits = growth[growth["metric"] == "fit"].set_index("family")["slope"].astype(float)
    assert len(fits) > 15
    assert (fits.drop("sustained boosting", errors="ignore") < 1.3).all()
