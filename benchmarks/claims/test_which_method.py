"""What the pages that point the way say, beside what other pages say."""

from _protocols import read


def test_one_network_makes_of_image_and_sound_what_the_start_page_says():
    """The figures in the words that stand for the picture."""
    curves = read("end_to_end_curves")
    last = curves[(curves["dataset"] == "avdigits:raw") & (curves["epoch"] == 32)]
    mean = (100 * last.groupby(["metric", "method"])["value"].mean()).round()
    told = {"image": (96, 65, 96), "audio": (69, 51, 67)}
    for modality, figures in told.items():
        methods = ["own network", "joint", "joint, a loss per modality"]
        assert tuple(mean[f"accuracy[{modality}]"][methods]) == figures
