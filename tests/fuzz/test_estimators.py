"""Random input and parameters of every family of estimators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ._cases import cases
from ._families import FAMILIES, spoil_parameter
from ._judge import classifier, judge, regressor


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_outcome_is_right_or_an_error_that_names_the_parameter(name, data):
    family = FAMILIES[name]
    case = data.draw(cases(**family.options))
    model = data.draw(st.sampled_from(family.models))
    spoil_parameter(data, model, case)
    run = regressor if family.target == "numbers" else classifier
    judge(name, run(model), case)
