"""An image in few colors against scikit-learn and SciPy, and images of every kind read right."""

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

import jaxmix as jm
from jaxmix.cli.main import main
from jaxmix.loop import Outcome
from jaxmix.teaching.colors import Colors, distinct, gathered
from jaxmix.teaching.figures import draw_quantized
from jaxmix.teaching.palettes import Choice
from jaxmix.teaching.quantizing import demonstration, quantized

PHOTOGRAPH = jm.data.photograph()
SMALL = PHOTOGRAPH[::12, ::12]
PIXELS = SMALL.reshape(-1, 3).astype(float)
FLAT = np.full((20, 30, 3), 255, np.uint8)
FLAT[:12] = SMALL[:12, :30]
WAYS = ("kmeans", "mixture")


@cache
def in_colors(k):
    """The small photograph in k colors, both ways."""
    return {way: jm.teaching.quantize(SMALL, k, way) for way in WAYS}


@pytest.fixture(params=[5, 16])
def few(request):
    return request.param, in_colors(request.param)


def squared_error(levels, image):
    """The mean over pixels of squared distances, all channels added."""
    return np.mean(np.sum((levels.reshape(-1, 3) - image.reshape(-1, 3)) ** 2, axis=1))


@pytest.mark.parametrize("way", WAYS)
def test_exactly_so_many_colors_appear(few, way):
    k, found = few
    result = found[way]
    assert len(np.unique(result.image.reshape(-1, 3), axis=0)) == k
    assert len(np.unique(result.levels.reshape(-1, 3), axis=0)) == k
    assert len(set(result.names)) == len(result.palette) == k
    np.testing.assert_array_equal(result.counts, np.bincount(result.labels.ravel()))
    assert np.all(np.diff(result.counts) <= 0)
    assert result.shares.sum() == pytest.approx(1)
    assert result.mean_squared_error == pytest.approx(squared_error(SMALL, result.image))
    assert result.outcome == Outcome.CONVERGED


def test_k_means_is_as_good_as_scikit_learns_best_of_ten(few):
    k, found = few
    best = KMeans(k, n_init=10, random_state=0).fit(PIXELS).inertia_ / len(PIXELS)
    result = found["kmeans"]
    assert result.mean_squared_error <= 1.01 * best
    nearest = cdist(PIXELS, result.palette, "sqeuclidean").min(axis=1)
    assert result.mean_squared_error == pytest.approx(nearest.mean(), rel=1e-6)


def test_k_means_keeps_the_mean_color_and_the_least_error(few):
    _, found = few
    np.testing.assert_allclose(found["kmeans"].mean, PIXELS.mean(axis=0), rtol=1e-12)
    assert found["mixture"].mean_squared_error > 1.05 * found["kmeans"].mean_squared_error


def test_the_mixture_is_where_em_with_the_same_ridge_ends():
    k, found = 5, in_colors(5)
    palette = found["kmeans"].palette
    labels = cdist(PIXELS, palette).argmin(axis=1)
    covariances = [np.cov(PIXELS[labels == j].T, ddof=0) + np.eye(3) / 12 for j in range(k)]
    start = jm.gaussian_mixture(found["kmeans"].shares, palette, covariances)
    result = jm.fit(PIXELS, start, ridge=1 / 12, stop=jm.Stop(tol=0.1)).raise_if_failed()
    taken = np.asarray(result.mixture.predict(PIXELS))
    expected = np.asarray(result.mixture.means)[taken].reshape(SMALL.shape)
    assert np.mean(np.abs(expected - found["mixture"].image) > 0.5) < 0.01


def test_the_photograph_in_5_colors():
    result = jm.teaching.quantize(PHOTOGRAPH)
    assert len(result.palette) == 5
    # The best of scikit-learn's KMeans(5, n_init=10) on all pixels.
    assert result.mean_squared_error <= 1.01 * 1120.638
    np.testing.assert_allclose(result.mean, PHOTOGRAPH.reshape(-1, 3).mean(axis=0), rtol=1e-12)


def test_flat_regions_keep_their_color():
    result = jm.teaching.quantize(FLAT, 4, "mixture")
    assert result.outcome == Outcome.CONVERGED
    assert "#ffffff" in result.names
    assert np.all(result.levels[12:] == 255)


def test_as_many_colors_as_there_are():
    image = np.uint8([[[0, 0, 0], [1, 2, 3]], [[9, 9, 9], [0, 0, 0]]])
    result = jm.teaching.quantize(image, 3)
    np.testing.assert_allclose(result.image, image, atol=1e-9)
    assert result.names[0] == "#000000"


def test_the_seed_decides():
    first = in_colors(5)["kmeans"]
    again, other = (jm.teaching.quantize(SMALL, 5, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first.labels, again.labels)
    assert other.mean_squared_error == pytest.approx(first.mean_squared_error, rel=0.01)


def test_colors_are_counted_and_gathered():
    colors, places = distinct(SMALL)
    np.testing.assert_array_equal(colors.values[places], SMALL)
    expected = np.unique(SMALL.reshape(-1, 3), axis=0, return_counts=True)
    np.testing.assert_array_equal(colors.values, expected[0])
    np.testing.assert_array_equal(colors.counts, expected[1])
    assert gathered(colors, len(colors.values)) is colors
    coarse = gathered(colors, 200)
    wider = np.unique(SMALL.reshape(-1, 3) // (coarse.width // 2), axis=0)
    assert len(coarse.values) <= 200 < len(wider)
    np.testing.assert_allclose(coarse.mean, PIXELS.mean(axis=0), rtol=1e-12)


def test_a_color_that_no_pixel_takes_is_left_out():
    colors = Colors(np.array([[0.0, 0, 0], [9, 9, 9]]), np.array([1.0, 2.0]))
    palette = np.array([[1.0, 1, 1], [5, 5, 5], [9, 9, 9]])
    choice = Choice(palette, np.array([0, 2]), 3, Outcome.CONVERGED)
    result = quantized(colors, np.array([[0, 1, 1]]), choice)
    assert (result.names, result.labels.tolist()) == (["#090909", "#010101"], [[1, 0, 0]])
    assert result.mean_squared_error == 1.0


def test_what_is_printed_says_what_is_missing():
    image = np.full((2, 2, 3), 100, np.uint8)
    image[0, 0] = 101
    text = demonstration(image, 2).to_text()
    assert "#656565" in text
    assert "Rounded" not in text
    with pytest.raises(ValueError, match="2 distinct, got 3"):
        demonstration(image, 3)


@pytest.mark.parametrize("shape", [(40, 2), (2, 40), (1, 1)])
def test_the_picture_of_any_shape_holds_the_palettes_colors_alone(shape):
    palette = np.array([[255.0, 0, 0], [0, 0, 255], [250, 250, 250]])[: shape[0] * shape[1]]
    levels = palette.astype(np.uint8)[np.arange(shape[0] * shape[1]).reshape(shape) % len(palette)]
    shares = np.full(len(palette), 1 / len(palette))
    figure = draw_quantized(levels, levels, palette, shares, ("original", "few"))
    assert [panel.get_title() for panel in figure.axes] == ["original", "few", ""]
    words = [text.get_text() for text in figure.axes[2].texts]
    assert words[0].startswith("#ff0000\n")
    content = io.BytesIO()
    figure.savefig(content)
    drawn = np.asarray(Image.open(content).convert("RGB"))
    box = figure.axes[1].get_window_extent()
    inside = drawn[
        int(drawn.shape[0] - box.y1) + 3 : int(drawn.shape[0] - box.y0) - 3,
        int(box.x0) + 3 : int(box.x1) - 3,
    ]
    seen = {tuple(color) for color in inside.reshape(-1, 3).tolist()}
    assert seen == {tuple(color) for color in palette.astype(int).tolist()}


@pytest.fixture
def pictures(tmp_path):
    """Files of every kind that hold one picture: red beside green over blue beside white."""
    levels = np.uint8([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]])
    image = Image.fromarray(levels)
    image.save(tmp_path / "rgb.png")
    image.save(tmp_path / "name.of.no.kind", format="PNG")
    image.quantize(4).save(tmp_path / "palette.png")
    clear = image.convert("RGBA")
    clear.putpixel((1, 1), (12, 34, 56, 0))
    clear.save(tmp_path / "transparent.png")
    indexed = image.quantize(4)
    indexed.info["transparency"] = indexed.getpixel((1, 1))
    indexed.save(tmp_path / "transparent_palette.png")
    return tmp_path, levels


@pytest.mark.parametrize(
    "name",
    ["rgb.png", "name.of.no.kind", "palette.png", "transparent.png", "transparent_palette.png"],
)
def test_a_picture_is_read_as_a_person_sees_it(pictures, name):
    folder, levels = pictures
    np.testing.assert_array_equal(jm.data.read_image(folder / name), levels)


def test_half_transparent_lies_on_white(tmp_path):
    Image.new("RGBA", (1, 1), (0, 0, 0, 128)).save(tmp_path / "half.png")
    assert jm.data.read_image(tmp_path / "half.png").tolist() == [[[127, 127, 127]]]


def test_gray_of_8_and_16_bits_and_black_and_white(tmp_path):
    gray = np.array([[0, 100, 255]])
    Image.fromarray(gray.astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray((gray * 257).astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(gray > 200).save(tmp_path / "1.png")
    expected = np.repeat(gray[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(jm.data.read_image(tmp_path / "8.png"), expected)
    np.testing.assert_array_equal(jm.data.read_image(tmp_path / "16.png"), expected)
    assert jm.data.read_image(tmp_path / "1.png")[..., 0].tolist() == [[0, 0, 255]]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photograph_is_turned_as_its_camera_says(tmp_path, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255
    stored = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(upright, stored)).save(tmp_path / "a.jpg", exif=exif, quality=100)
    read = jm.data.read_image(tmp_path / "a.jpg")
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < 3


def test_inks_become_red_green_and_blue(tmp_path):
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "inks.jpg")
    assert np.all(jm.data.read_image(tmp_path / "inks.jpg") == 255)


def test_pixels_as_a_table(pictures):
    table, left_out = jm.data.read(pictures[0] / "rgb.png", columns=["blue", "red"])
    assert (table.columns, left_out) == (("blue", "red"), ())
    np.testing.assert_array_equal(table.x, pictures[1].reshape(-1, 3)[:, [2, 0]])


def test_too_many_pixels_are_refused(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "large.png")
    for most, words in ((1000, "more than 1000 pixels"), (100, "more than 100 pixels")):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(ValueError, match=words):
            jm.data.read_image(tmp_path / "large.png")


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_damaged_file_is_refused(tmp_path, kind):
    content = io.BytesIO()
    Image.fromarray(SMALL).save(content, format=kind)
    for length in (0, 5, 40, 200, len(content.getvalue()) // 2):
        (tmp_path / "cut").write_bytes(content.getvalue()[:length])
        with pytest.raises(ValueError, match="cut"):
            jm.data.read_image(tmp_path / "cut")


@pytest.mark.parametrize(
    "image", [SMALL / 255, SMALL[..., 0], SMALL[..., :2], SMALL[:0], SMALL.astype(int), 3]
)
def test_other_arrays_are_refused(image):
    with pytest.raises(TypeError, match="dtype uint8"):
        jm.teaching.quantize(image)


MISTAKES = {
    "missing file": (["no/such.png"], "No such file"),
    "a folder": (["{files}"], "directory"),
    "no image": (["{files}/text.png"], "not a png or jpg"),
    "another kind of image": (["{files}/a.gif"], "not a png or jpg"),
    "too few colors": (["{files}/two.png"], "2 distinct, got 5"),
    "no colors": (["--colors", "0"], "colors >= 1"),
    "too many colors": (["--colors", "257"], "at most 256"),
    "colors not a number": (["--colors", "few"], "few"),
    "unknown way": (["--by", "mixtures"], "did you mean 'mixture'"),
    "a negative seed": (["{files}/two.png", "--colors", "2", "--seed", "-1"], "seed >= 0"),
    "an ending of no kind": (["{files}/two.png", "--colors", "2", "--out", "a.gif"], ".png, .pdf"),
    "no such folder": (["{files}/two.png", "--colors", "2", "--out", "no/a.png"], "No such file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(mistake, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no image")
    two = Image.new("RGB", (3, 2))
    two.putpixel((0, 0), (255, 255, 255))
    two.save("two.png")
    two.save("a.gif")
    arguments, words = MISTAKES[mistake]
    code = main(["quantize", *(a.replace("{files}", str(tmp_path)) for a in arguments)])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.startswith("jaxmix: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert not (tmp_path / "jaxmix-quantize.png").exists()


def test_the_command_prints_the_palette_and_writes_the_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(SMALL).save("small.png")
    assert main(["quantize", "small.png", "--by", "mixture"]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("Written to jaxmix-quantize.png\n")
    assert printed.startswith("rank")
    assert all(f"\n{word}" in printed for word in ("   5", "kmeans", "mixture"))
    assert "its error is larger" in printed
    assert (tmp_path / "jaxmix-quantize.png").read_bytes().startswith(b"\x89PNG")
