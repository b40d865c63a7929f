"""Screenshot of a page as docs/ shows it: python docs/screenshot.py runs/default/report.html docs/report.webp

Takes Chromium, chromedriver and selenium (`pip install -e '.[test]'`). Only pages of drawn faces belong in docs/.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

DRAWN = "return window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(d => d.is_idle)"
WIDTH, HEIGHT, SHOWN = 1280, 2400, 900  # px of the window; width of the picture


def screenshot(page):
    """uint8 [HEIGHT, WIDTH, 3] of the page at the top."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(flag)
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        try:
            driver.get(Path(page).resolve().as_uri())
            WebDriverWait(driver, 20).until(lambda d: d.execute_script(DRAWN))
            return cv2.imdecode(np.frombuffer(driver.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
        finally:
            driver.quit()


def main(page, picture):
    seen = screenshot(page)
    small = cv2.resize(seen, (SHOWN, round(seen.shape[0] * SHOWN / seen.shape[1])), interpolation=cv2.INTER_AREA)
    cv2.imwrite(picture, small, [cv2.IMWRITE_WEBP_QUALITY, 70])
    print(f"{picture}: {Path(picture).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
