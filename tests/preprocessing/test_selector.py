import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_mmbalance import Modalities, ModalitySelector
from sk_mmbalance.exceptions import MissingModalityError

X = Modalities(face=np.arange(8.0).reshape(4, 2), text=["a", "b", "c", "d"], voice=np.ones((4, 3)))


def test_list_keeps_modalities():
    Xt = ModalitySelector(["voice", "face"]).fit_transform(X)
    assert Xt.names == ("face", "voice")
    assert Xt["voice"] is X["voice"]


def test_string_takes_the_array_out():
    assert ModalitySelector("face").fit_transform(X) is X["face"]


def test_single_modality_feeds_any_model():
    model = make_pipeline(ModalitySelector("face"), LogisticRegression())
    assert model.fit(X, [0, 0, 1, 1]).score(X, [0, 0, 1, 1]) == 1.0


def test_text_is_selected_untouched():
    assert ModalitySelector("text").fit_transform(X).tolist() == ["a", "b", "c", "d"]


def test_other_modalities_need_not_come_at_transform():
    selector = clone(ModalitySelector(["face"])).fit(X)
    assert selector.transform({"face": X["face"]}).names == ("face",)


def test_rows_of_a_memory_map_stay_on_disk(tmp_path):
    file = tmp_path / "face.npy"
    np.save(file, np.zeros((6, 2)))
    memmap = np.load(file, mmap_mode="r")
    rows = Modalities(face=memmap, voice=np.ones(6))[[1, 3]]
    kept = ModalitySelector(["face"]).fit_transform(rows)
    assert kept._values["face"].memmap is memmap


def test_selected_columns_of_a_flat_table():
    selector = ModalitySelector("b", modalities={"a": [0], "b": [1, 2]})
    np.testing.assert_array_equal(selector.fit_transform(np.eye(3)), np.eye(3)[:, 1:])


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("gait", ValueError, "`names` asks for modality 'gait', which `X` does not have"),
        ([], TypeError, "`names` must be a string or a list"),
        ([1], TypeError, "`names` must hold strings only"),
        ({"face": 1}, TypeError, "`names` must be a string or a list"),
    ],
)
def test_bad_names_are_refused(names, error, message):
    with pytest.raises(error, match=message):
        ModalitySelector(names).fit(X)


def test_selected_modality_lacking_at_transform_is_refused():
    selector = ModalitySelector("face").fit(X)
    with pytest.raises(MissingModalityError, match=r"no modality of `names` \['face'\]"):
        selector.transform(X.select(["voice"]))


def test_set_output_passes():
    assert ModalitySelector("face").set_output(transform="pandas").fit_transform(X) is X["face"]
