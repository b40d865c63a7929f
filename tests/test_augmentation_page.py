"""The augmentation page: views at the ends of their ranges, points that keep their sides, words, and a browser."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
from chromium import MARKS, Page

from data.augment import AugmentSettings
from data.errors import RunError, UsageError
from data.keypoints import KAGGLE15
from reports import augmentation
from reports.augmentation_page import augmentation_page, chosen_faces, findings, settings_of, side_of
from reports.augmentation_views import EXTREMES, FIELDS, MEANINGS, SAID, extreme_views, random_views, share_outside
from reports.predictions import Predictions

K = len(KAGGLE15)
LEFT, RIGHT, NOSE = (KAGGLE15.index(name) for name in ("left_eye_center", "right_eye_center", "nose_tip"))
HOSTILE = "</script><img onerror=alert(1)>{{7*7}}$$\u2028"


def spots():
    """A grey picture with a white disc at the left eye, a black one at the right eye; labels there and on the nose."""
    points = np.full((K, 2), np.nan, np.float32)
    points[LEFT], points[RIGHT], points[NOSE] = (66, 37), (30, 40), (48, 58)
    image = np.full((96, 96, 1), 128, np.uint8)
    cv2.circle(image, (66, 37), 3, 255, -1)
    cv2.circle(image, (30, 40), 3, 0, -1)
    return image, points


def predictions(n=6, ids=None, info=None, images=None):
    image, points = spots()
    return Predictions(
        images=np.repeat(image[None], n, 0) if images is None else images,
        ids=np.arange(100, 100 + n) if ids is None else ids,
        convention=(np.arange(n) % 2).astype(np.uint8),
        truth=np.repeat(points[None], n, 0),
        points={},
        radius=np.full((2, n, K), np.nan, np.float32),
        schema=KAGGLE15,
        info=info or {},
    )


def test_every_setting_is_shown_and_explained():
    fields = {field.name for field in dataclasses.fields(AugmentSettings)}
    assert fields <= MEANINGS.keys()
    assert fields - {"steady"} <= EXTREMES.keys()  # steady only says how often others stay out
    assert fields - {"steady"} <= SAID.keys()


@pytest.mark.parametrize("name", [name for name in FIELDS if name in EXTREMES and name not in ("saturation", "erase")])
def test_points_stay_on_what_they_mark(name):
    settings = dataclasses.replace(AugmentSettings(), **{name: getattr(AugmentSettings(), name) or 0.2})
    for view in extreme_views(*spots(), KAGGLE15, settings)[name]:
        image = view.image[..., 0].astype(int)
        middle = np.median(image)
        (lx, ly), (rx, ry) = view.points[[LEFT, RIGHT]].round().astype(int)
        # The white disc is the left eye; in a mirrored view the black one is, since the picture's sides changed.
        white, black = (RIGHT, LEFT) if view.flipped else (LEFT, RIGHT)
        sign = {white: 1, black: -1}
        assert sign[LEFT] * (image[ly, lx] - middle) > 40, view.title
        assert sign[RIGHT] * (image[ry, rx] - middle) > 40, view.title


def test_a_mirrored_view_has_the_left_eye_where_the_right_one_was():
    (view,) = extreme_views(*spots(), KAGGLE15, AugmentSettings())["flip"]
    assert view.flipped
    np.testing.assert_allclose(view.points[LEFT], (95 - 30, 40))
    np.testing.assert_allclose(view.points[RIGHT], (95 - 66, 37))
    np.testing.assert_allclose(view.points[NOSE], (95 - 48, 58))


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("flip", ["mirrored"]),
        ("rotation", ["turned by −20°", "turned by +20°"]),
        ("shift", ["shifted in x by −6 %", "shifted in x by +6 %", "shifted in y by −6 %", "shifted in y by +6 %"]),
        ("noise", ["noise, 8 grey levels"]),
    ],
)
def test_both_ends_of_each_range_are_shown(name, titles):
    settings = AugmentSettings(flip=0.5, rotation=20, shift=0.06, noise=8)
    assert [view.title for view in extreme_views(*spots(), KAGGLE15, settings)[name]] == titles


def test_what_is_turned_off_is_not_shown():
    settings = AugmentSettings(**dict.fromkeys(FIELDS, 0))
    assert list(extreme_views(*spots(), KAGGLE15, settings)) == [""]
    views = random_views(*spots(), KAGGLE15, settings, [0], count=3)
    assert {view.title for view in views} == {"as it is"}
    np.testing.assert_array_equal(views[0].image, spots()[0])


def test_random_views_are_those_of_the_seed():
    first, again, other = (random_views(*spots(), KAGGLE15, AugmentSettings(), seed) for seed in ([1], [1], [2]))
    assert [v.title for v in first] == [v.title for v in again] != [v.title for v in other]
    np.testing.assert_array_equal(first[3].image, again[3].image)
    assert 5 < sum(view.flipped for view in first) < 23
    assert all(view.title.startswith("mirrored") == view.flipped for view in first)


def test_points_outside_are_counted():
    image, points = spots()
    still = AugmentSettings(**dict.fromkeys(FIELDS, 0))
    assert share_outside(image[None], points[None], still) == 0
    far = dataclasses.replace(still, shift=1.0)  # drawn evenly: about half of the picture's width away
    assert 0.4 < share_outside(np.repeat(image[None], 200, 0), np.repeat(points[None], 200, 0), far) < 0.95
    assert np.isnan(share_outside(image[None], np.full((1, K, 2), np.nan, np.float32), far))


def test_faces_of_all_conventions_with_most_labels_come_first():
    shown = predictions(n=9)
    shown.truth[4, 3:6] = 50  # more labels than the others
    shown.truth[0] = np.nan
    assert chosen_faces(shown)[:2] == [4, 1]
    assert sorted(shown.convention[chosen_faces(shown)]) == [0, 0, 1, 1]


def test_sides_are_told_by_name_and_partner():
    assert [side_of(p, KAGGLE15) for p in (LEFT, RIGHT, NOSE)] == ["left", "right", "middle"]


def test_the_page_says_what_a_mirror_does():
    html = augmentation_page(predictions(), AugmentSettings())
    assert "labelled pairs have the left point on the person&#x27;s left, as on the face itself." in html
    assert 'aria-label="Face 100, mirrored, with 3 points"' in html
    no_flips = dataclasses.replace(AugmentSettings(), flip=0)
    assert "This training mirrors no face." in augmentation_page(predictions(), no_flips)


def test_a_wrong_swap_would_be_said():
    from reports.augmentation_page import Face

    shown = predictions()
    face = Face(shown, 0, AugmentSettings(), [0])
    view = face.extremes["flip"][0]
    view.points[[LEFT, RIGHT]] = view.points[[RIGHT, LEFT]]
    face.random.clear()
    assert "0 of 1 labelled pairs" in findings(shown, AugmentSettings(), [face])[0][1]
    assert "not as it should be" in findings(shown, AugmentSettings(), [face])[0][1]


def test_nothing_to_show_is_said_in_words():
    html = augmentation_page(predictions(n=0, images=np.zeros((0, 96, 96, 1), np.uint8)), AugmentSettings())
    assert "There is no face with a label to show transforms on." in html
    assert "degrees to either side" in html


def test_hostile_names_stay_text():
    html = augmentation_page(predictions(ids=np.array([HOSTILE] * 6)), AugmentSettings(), title=HOSTILE)
    assert "<img onerror" not in html
    assert html.count("</script>") == html.count("<script")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, "received NoneType"),
        ({"sharpen": 1}, "received sharpen"),
        ({"flip": "often"}, "expected numbers"),
        ({"flip": True}, "expected numbers"),
    ],
)
def test_settings_that_are_none_are_refused(stored, expected):
    with pytest.raises(RunError, match=expected):
        settings_of(stored, "base/settings.json")


def test_what_an_old_run_does_not_name_was_not_there():
    made = settings_of({"flip": 0.5, "rotation": 7}, "base/settings.json")
    assert (made.flip, made.rotation, made.scale) == (0.5, 7, 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    for part in ("base", "ensemble"):
        (folder / part).mkdir()
    made = {"augment": dataclasses.asdict(AugmentSettings(rotation=33)), "seed": 4}
    (folder / "base" / "settings.json").write_text(json.dumps(made))
    predictions().save(folder / "ensemble" / "predictions.npz")
    return folder


def test_the_command_draws_a_run_by_its_own_settings(run, capsys):
    augmentation.main(["--run", str(run)])
    assert capsys.readouterr().out.startswith(f"{run / 'augmentation.html'} (")
    page = (run / "augmentation.html").read_bytes()
    assert "turned by +33°".encode() in page
    augmentation.build_augmentation(run)
    assert (run / "augmentation.html").read_bytes() == page


@pytest.mark.parametrize("options", [[], ["--run", "r", "--data", "d"], ["--data", "d"], ["--run", "r", "--out", "o"]])
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(UsageError, match="expected"):
        augmentation.main(options)


def test_a_run_without_faces_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"predictions\.npz: expected the predictions"):
        augmentation.build_augmentation(tmp_path)


# ---- in a browser


@pytest.fixture
def page(browser, run):
    return Page(browser, augmentation.build_augmentation(run))


def shown(page, selector):
    return page.run(
        "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent !== null).length", selector
    )


class TestInABrowser:
    pytestmark = MARKS

    def test_it_complains_of_nothing_and_asks_for_nothing(self, page):
        assert page.complaints() == []
        assert page.requests()[0] == []

    def test_another_face_is_shown(self, page):
        assert shown(page, "[data-view]") == 1
        page.click("[data-face='2']")
        assert page.run("return document.querySelector('[data-view]:not([hidden])').dataset.view") == "2"
        assert page.run("return document.querySelector(\"[data-face='2']\").ariaPressed") == "true"

    def test_a_point_is_followed_through_all_views(self, page):
        page.click(f"[data-lit='{LEFT}']")
        assert page.status == "Following left eye center"
        lit = page.run("return new Set([...document.querySelectorAll('.art .lit')].map(e => e.dataset.point)).size")
        faint = page.run("return document.querySelectorAll('.art .mark.faint').length")
        assert (lit, faint) == (1, 2 * page.run("return document.querySelectorAll('.art .lit').length"))
        page.click("#clear")
        assert page.run("return document.querySelectorAll('.art .lit, .art .faint').length") == 0

    def test_more_draws_are_a_button_away(self, page):
        before = shown(page, "figure.face")
        page.click("[data-more='0']")
        assert shown(page, "figure.face") == before + 14
        assert page.run("return document.querySelector(\"[data-more='0']\")") is None

    @pytest.mark.parametrize("width", [390, 1280])
    def test_it_fits_its_window(self, page, browser, width):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        try:
            assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
