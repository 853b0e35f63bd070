# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: at a desk and on a phone, light and dark, with and without scripts.
usage: browser.py SOURCE_DIR CLI [SCREENSHOT_DIR]. Exit status 77: there is no Chromium."""
import base64
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import devtools  # noqa: E402

FAILING, REMEDY = "GPU-00000004-0000-4000-8000-000000000002", "drain the node and reset the GPU"

# Text that is shown with less contrast than WCAG 2 AA asks: 4.5, or 3 where it is large.
CONTRAST = """(() => {
  const rgb = t => (t.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                       return .2126 * r + .7152 * g + .0722 * b; };
  const bad = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || !e.innerText || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const box = e.getBoundingClientRect();
    if (box.width < 2 || box.right < 0) continue;
    let on = e, under;
    do { under = rgb(getComputedStyle(on).backgroundColor); on = on.parentElement; }
    while (on && under.length > 3 && under[3] === 0);
    if (under.length > 3 && under[3] === 0) under = [255, 255, 255];
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const [a, b] = [light(rgb(style.color).slice(0, 3)), light(under.slice(0, 3))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
  }
  return [...bad].join(", ");
})()"""
# Elements that hold the text and that a reader sees.
SEEN = """[...document.querySelectorAll("body *")].filter(e => e.checkVisibility() &&
  [...e.childNodes].some(n => n.nodeType === 3 && n.data.includes(%s)) &&
  e.getBoundingClientRect().height > 0).length"""
WIDER = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth"
HEADINGS = """[...document.querySelectorAll("h1,h2,h3,h4")].map(e => +e.tagName[1])
  .every((n, i, all) => i === 0 ? n === 1 : n <= all[i - 1] + 1)"""


def page(source, cli, work, name, *arguments):
    report, out = os.path.join(work, name + ".json"), os.path.join(work, name + ".html")
    with open(report, "w") as f:
        subprocess.run([sys.executable, "-B", source + "/tests/report/fleet.py", source] + list(arguments),
                       stdout=f, check=True)
    done = subprocess.run([cli, "report", "--from", report, "--output", out], capture_output=True, text=True)
    assert done.returncode in (0, 3, 6), done.stderr
    return "file://" + out


failed = 0


def check(name, ok, why=""):
    global failed
    failed += not ok
    print(("ok %s" if ok else "FAIL %s: " + str(why).replace("\n", " ")[:600]) % name)


def look(browser, url, where):
    for width, height, dark in ((1280, 900, False), (390, 844, False), (1280, 900, True), (390, 844, True)):
        name = "%s, %d px, %s" % (where, width, "dark" if dark else "light")
        browser.screen(width, height, dark)
        browser.open(url)
        wider, contrast, complaints = browser.run(WIDER), browser.run(CONTRAST), browser.complaints()
        check(name, wider <= 0 and not contrast and not complaints, (wider, contrast, complaints))


def shoot(browser, url, folder):
    for name, width, dark in (("desk", 1280, False), ("phone", 390, False), ("desk-dark", 1280, True)):
        browser.screen(width, 900, dark)
        browser.open(url)
        shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True)
        with open(os.path.join(folder, name + ".png"), "wb") as f:
            f.write(base64.b64decode(shot["data"]))


def use(browser, url):
    browser.screen(1280, 900)
    browser.open(url)
    seen = [browser.run(SEEN % json.dumps(t)) for t in (FAILING, REMEDY, "SIMULATED GPU")]
    check("the failing GPU, its remedy and that it is simulated are seen", all(seen), seen)
    check("headings go down by one", browser.run(HEADINGS))
    browser.run("document.getElementById('find').value = 'gpu-004';"
                "document.getElementById('find').dispatchEvent(new Event('input'))")
    left = browser.run("[...document.querySelectorAll('.grid > li')].filter(e => e.checkVisibility()).length")
    check("the filter leaves one machine", left == 1, left)
    browser.run("document.querySelector('.grid > li:not([hidden]) a').click()")
    opened = browser.run("document.querySelector('#m4').parentNode.open")
    check("a tile opens its machine", opened is True, opened)
    browser.scripts(False)
    browser.open(url)
    seen = [browser.run(SEEN % json.dumps(t)) for t in (FAILING, REMEDY)]
    hidden = browser.run("document.getElementById('filter').checkVisibility()")
    check("without scripts it says the same, and has no filter", all(seen) and not hidden, (seen, hidden))
    browser.scripts(True)


def hostile(browser, url):
    browser.screen(390, 844)
    browser.open(url)
    state = browser.run("[document.title.includes('owned'), document.images.length, document.scripts.length]")
    check("hostile text stays text", state == [False, 0, 1] and not browser.complaints(),
          (state, browser.complaints()))


def large(browser, url):
    browser.screen(1280, 900)
    seconds = browser.open(url, 300)
    size = os.path.getsize(url[len("file://"):]) / 1e6
    print("500 machines x 8 GPUs: %.1f MB, loaded and drawn in %.2f s" % (size, seconds))
    check("500 machines are drawn in a minute", seconds < 60 and not browser.complaints(), seconds)


def main():
    source, cli = sys.argv[1], sys.argv[2]
    program = devtools.find()
    if not program:
        print("skipped: there is no Chromium")
        sys.exit(77)
    browser = devtools.Browser(program)
    try:
        with tempfile.TemporaryDirectory() as work:
            fleet = page(source, cli, work, "fleet", "12", "8")
            look(browser, fleet, "a fleet")
            use(browser, fleet)
            small = page(source, cli, work, "small", "2", "8")
            look(browser, small, "two machines, open")
            hostile(browser, page(source, cli, work, "hostile", "3", "2", "--hostile"))
            large(browser, page(source, cli, work, "large", "500", "8"))
            if len(sys.argv) > 3:
                shoot(browser, fleet, sys.argv[3])
    finally:
        browser.close()
    sys.exit(failed != 0)


main()
