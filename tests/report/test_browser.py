"""The report in a real browser, from disk: it sounds, seeks, sorts, and complains about nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from listening_stages import HOSTILE
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from dataengine.report.page import write_report

ARGUMENTS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --mute-audio "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--force-prefers-reduced-motion --window-size=1300,1000"
)


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ARGUMENTS.split():
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as started:
        yield started


@pytest.fixture(scope="module")
def page(browser, run_dir: Path, tmp_path_factory: pytest.TempPathFactory):
    """The report, moved to another place, with nothing of the run beside it."""
    run = Path(shutil.copytree(run_dir, tmp_path_factory.mktemp("browser") / "run"))
    write_report(run, examples=2)
    alone = tmp_path_factory.mktemp("alone")
    shutil.move(run / "report.html", alone)
    shutil.move(run / "report", alone)
    shutil.rmtree(run)
    browser.get((alone / "report.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []


@pytest.fixture
def stems(page):
    return page.find_element(By.TAG_NAME, "article").find_elements(By.CLASS_NAME, "stem")


def audio_of(page, stem, name):
    return page.execute_script(f"return arguments[0].querySelector('audio').{name}", stem)


def wait_until(page, condition):
    return WebDriverWait(page, 15, poll_frequency=0.1).until(lambda _: condition())


def test_a_clip_plays_and_the_next_stem_goes_on_from_there(page, stems):
    mixture, target = stems[0], stems[1]
    button = mixture.find_element(By.TAG_NAME, "button")
    assert button.accessible_name == "Play the mixture"
    button.click()
    wait_until(page, lambda: audio_of(page, mixture, "currentTime") > 0.7)
    assert button.accessible_name == "Pause the mixture"
    target.find_element(By.TAG_NAME, "button").click()
    wait_until(page, lambda: audio_of(page, target, "currentTime") > 0.9)
    assert audio_of(page, mixture, "paused")
    assert not audio_of(page, target, "paused")
    target.find_element(By.TAG_NAME, "button").click()
    wait_until(page, lambda: audio_of(page, target, "paused"))


def test_the_keyboard_seeks(page, stems):
    seek = stems[2].find_element(By.CSS_SELECTOR, "input[type=range]")
    seek.send_keys(Keys.END)
    wait_until(page, lambda: audio_of(page, stems[2], "currentTime") > 9)
    seek.send_keys(Keys.HOME)
    wait_until(page, lambda: audio_of(page, stems[2], "currentTime") < 5)
    page.execute_script("document.querySelectorAll('audio').forEach((each) => each.pause())")


def test_every_image_loads(page):
    images = page.find_elements(By.TAG_NAME, "img")
    assert len(images) == 4 * 2 * 3
    for image in images:
        page.execute_script("arguments[0].scrollIntoView()", image)
        wait_until(
            page, lambda image=image: page.execute_script("return arguments[0].naturalWidth", image) == 560
        )


def test_hostile_labels_do_nothing(page):
    assert page.title == "Run run"
    assert HOSTILE in [heading.text for heading in page.find_elements(By.TAG_NAME, "h4")]


def test_labels_sort_and_filter(page):
    table = page.find_element(By.ID, "label-table")

    def shown():
        cells = table.find_elements(By.CSS_SELECTOR, "tbody th")
        return [cell.text for cell in cells if cell.is_displayed()]

    (by_kept,) = (each for each in table.find_elements(By.TAG_NAME, "button") if each.text == "Kept")
    by_kept.click()
    kept = [int(cell.text) for cell in table.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(3)")]
    assert kept == sorted(kept, reverse=True)
    by_kept.click()
    assert by_kept.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    field = page.find_element(By.CSS_SELECTOR, "input[type=search]")
    field.send_keys("SPEAKING")
    assert shown() == ["a woman speaking"]
    field.clear()
    field.send_keys(Keys.SPACE, Keys.BACKSPACE)
    assert len(shown()) == 3


@pytest.mark.parametrize("width", [360, 700, 1300])
def test_nothing_is_wider_than_the_window(page, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
