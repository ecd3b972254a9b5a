"""What the documentation says of many modalities is what the tables say."""

import many_modalities
from _protocols import read

#: It works on products of all columns with all.
BY_COLUMNS = "ARM"


def _measured():
    table = read(many_modalities.NAME, columns=many_modalities.COLUMNS)
    return table.assign(value=table["value"].astype(float))


def _of_a_thousand(metric):
    table = _measured()
    part = table[(table["modalities"].astype(int) == 1000) & (table["metric"] == metric)]
    return part.set_index("family")["value"]


def test_growth_is_that_of_the_measurements():
    computed = many_modalities.growth(_measured())
    stored = read(f"{many_modalities.NAME}_growth")
    assert list(stored["family"]) == list(computed["family"])
    assert (stored["slope"].astype(float) - computed["slope"]).abs().max() < 0.011


def test_every_family_fits_a_thousand_within_a_minute():
    assert set(_of_a_thousand("fit").index) == set(many_modalities.FAMILIES)
    assert _of_a_thousand("fit").max() < 60
    assert "stopped after" not in set(_measured()["metric"])


def test_fits_grow_little_faster_than_modalities_in_every_family_but_arm():
    growth = read(f"{many_modalities.NAME}_growth")
    fits = growth[growth["metric"] == "fit"].set_index("family")["slope"].astype(float)
    assert set(many_modalities.FAMILIES) - set(fits.index) <= {"concatenation"}  # it takes no time
    assert (fits.drop(BY_COLUMNS) < 1.3).all()
    assert fits[BY_COLUMNS] < 2


def test_an_epoch_of_a_thousand_takes_less_than_a_second_in_float32_and_two_in_float64():
    epochs = _of_a_thousand("epoch")
    assert epochs["joint network, float32"] < 1
    assert epochs["joint network"] < 2


def test_boosting_is_the_slowest_of_the_networks():
    fits = _of_a_thousand("fit")
    networks = [
        name
        for name in many_modalities.FAMILIES
        if "network" in name or name in ("negative learning", "remixing", "sustained boosting")
    ]
    assert fits[networks].idxmax() == "sustained boosting"
