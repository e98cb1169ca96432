#!/usr/bin/env python3
"""Opens HTML pages in headless Chromium and checks them as a reader would meet them.

  check_pages.py --chromium PATH [--screenshots DIR] PAGE [PAGE ...]

At three widths, in light and dark: nothing is reported on the console, nothing is loaded, the page does not scroll
sideways, every chart is drawn, no two labels of a chart overlap and none is cut off, text has enough contrast; every
sortable table sorts by every column, both ways; every chart and table has a name for screen readers. Also fails if a
page has no chart or no table. The browser is driven through its DevTools protocol over a pair of pipes: no package
beyond Python's own library is needed.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

WIDTHS = (360, 800, 1400)
SCHEMES = ("light", "dark")

# Returns a list of complaints. Runs in the page.
LOOK = r"""
(() => {
  const bad = [];
  const say = (what, where) => bad.push(what + (where ? ": " + where : ""));
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > root.clientWidth + 1
        && !e.closest(".scroll,.wide"));
    say(`the page is ${root.scrollWidth} wide in a window of ${root.clientWidth}`, wide.slice(0, 3).map(e => e.outerHTML.slice(0, 80)).join(" | "));
  }
  for (const figure of document.querySelectorAll("figure")) {
    const name = figure.querySelector("figcaption")?.textContent.trim();
    if (!name) say("a figure without caption");
  }
  const charts = [...document.querySelectorAll("figure > svg")];
  for (const svg of charts) {
    const name = svg.querySelector("title")?.textContent;
    if (!name || !svg.querySelector("desc")?.textContent) say("a chart without title or description");
    for (const id of (svg.getAttribute("aria-labelledby") || "missing").split(" "))
      if (!document.getElementById(id)) say("no element with the id " + id, name);
    const box = svg.getBoundingClientRect();
    if (box.width < 200 || box.height < 60) say(`a chart of ${box.width} x ${box.height}`, name);
    const drawn = [...svg.querySelectorAll("path,line,circle")].filter(e => e.getTotalLength && e.getTotalLength() > 0);
    if (drawn.length < 3) say("nothing is drawn", name);
    for (const e of svg.querySelectorAll("path"))
      if (/nan|inf/i.test(e.getAttribute("d"))) say("a path that is no path", name);
    const labels = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
    labels.forEach(([text, a], i) => {
      if (a.left < box.left - 1 || a.right > box.right + 1 || a.top < box.top - 1 || a.bottom > box.bottom + 1)
        say(`the label "${text}" is cut off`, name);
      for (const [other, b] of labels.slice(i + 1))
        if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
          say(`the labels "${text}" and "${other}" overlap`, name);
    });
  }
  if (!charts.length) say("no chart");
  const tables = [...document.querySelectorAll("table")];
  for (const table of tables) {
    const name = table.caption?.textContent;
    if (!name) say("a table without caption");
    for (const th of table.querySelectorAll("th")) if (!th.scope) say("a heading without scope", name);
    const columns = table.tHead.rows[0].cells.length;
    for (const row of table.tBodies[0].rows) if (row.cells.length !== columns) say("a row of another length", name);
  }
  if (!tables.length) say("no table");
  for (const img of document.images) {
    if (!img.alt) say("an image without description");
    if (!img.complete || !img.naturalWidth) say("an image that is not shown", img.alt);
  }
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  for (const id of new Set(ids)) if (ids.filter(x => x === id).length > 1) say("the id is there twice", id);
  // WCAG 2.1: contrast of text of at least 4.5 (3 for large text).
  const rgb = c => {
    const m = c.match(/color\(srgb ([\d.]+) ([\d.]+) ([\d.]+)(?: \/ ([\d.]+))?/);
    if (m) return [m[1] * 255, m[2] * 255, m[3] * 255, m[4] === undefined ? 1 : +m[4]];
    const v = (c.match(/[\d.]+/g) || []).map(Number);
    return [v[0], v[1], v[2], v[3] === undefined ? 1 : v[3]];
  };
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
      .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c; } return [255, 255, 255]; };
  const faint = new Set();
  for (const e of document.querySelectorAll("h1,h2,p,dt,dd,td,th,caption,figcaption,figcaption span,li span,summary,pre,svg text")) {
    const style = getComputedStyle(e), ink = light(rgb(e.closest("svg") ? style.fill : style.color)), paper = light(behind(e));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (ratio < 4.5) faint.add(`${e.tagName} "${e.textContent.slice(0, 20)}" ${ratio.toFixed(2)}`);
  }
  if (faint.size) say("too little contrast", [...faint].slice(0, 4).join(", "));
  return bad;
})()
"""

# Presses every heading twice and compares the order with one computed here. Runs in the page.
SORT = r"""
(() => {
  const bad = [];
  let pressed = 0;
  for (const d of document.querySelectorAll("details")) d.open = true;
  for (const table of document.querySelectorAll("table.sortable")) {
    const name = table.caption?.textContent, n = table.tBodies[0].rows.length;
    for (const th of table.tHead.rows[0].cells) {
      const column = th.cellIndex;
      const keys = () => [...table.tBodies[0].rows].map(r => r.cells[column].dataset.sort ?? r.cells[column].textContent.trim())
          .filter(k => k !== "" && k !== "nan");
      const numeric = keys().every(k => !isNaN(k));
      for (const direction of ["ascending", "descending"]) {
        th.querySelector("button").click();
        ++pressed;
        if (th.getAttribute("aria-sort") !== direction) bad.push(`${name}, ${th.textContent}: not marked ${direction}`);
        const now = keys();
        for (let i = 1; i < now.length; ++i) {
          const d = numeric ? now[i] - now[i - 1] : now[i].localeCompare(now[i - 1], "en", {numeric: true});
          if (direction === "ascending" ? d < 0 : d > 0) { bad.push(`${name}, ${th.textContent}: not ${direction} at row ${i + 1}`); break; }
        }
        if (table.tBodies[0].rows.length !== n) bad.push(`${name}: rows were lost`);
      }
    }
  }
  return {bad, pressed};
})()
"""


class Browser:
    """Chromium behind --remote-debugging-pipe: messages are JSON texts that end with a zero byte."""

    def __init__(self, program, profile):
        to_browser, self.to = os.pipe()
        self.source, from_browser = os.pipe()

        def descriptors():
            # Above any number that is in the way of 3 and 4, where the browser expects its pipes.
            a, b = os.dup2(to_browser, 100), os.dup2(from_browser, 101)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}",
             "--remote-debugging-pipe", "about:blank"],
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.next_id, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.source, 1 << 16)
            if not data:
                raise RuntimeError(f"the browser ended early, exit code {self.process.wait()}")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.next_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def wait_for(self, method):
        while not any(event["method"] == method for event in self.events):
            self.events.append(self.receive())

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:2000])
        return result["result"]["value"]

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (RuntimeError, OSError, subprocess.TimeoutExpired):
            self.process.kill()


def complaints(events):
    for event in events:
        parameters = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            yield "script failed: " + json.dumps(parameters["exceptionDetails"])[:300]
        elif event["method"] == "Runtime.consoleAPICalled":
            yield f"console.{parameters['type']}: " + json.dumps(parameters["args"])[:300]
        elif event["method"] == "Log.entryAdded":
            yield "console: " + parameters["entry"]["text"]
        elif event["method"] == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                yield "loads " + url


def check_page(browser, page, screenshots):
    bad = []
    for scheme in SCHEMES:
        for width in WIDTHS:
            browser.events.clear()
            browser.call("Emulation.setEmulatedMedia", media="screen",
                         features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                         mobile=width < 600)
            browser.call("Page.navigate", url=page.resolve().as_uri())
            browser.wait_for("Page.loadEventFired")
            found = browser.evaluate(LOOK)
            if scheme == SCHEMES[0] and width == WIDTHS[0]:
                outcome = browser.evaluate(SORT)
                found += outcome["bad"]
                if not outcome["pressed"]:
                    found.append("no table can be sorted")
            found += complaints(browser.events)
            bad += [f"{page} ({width} pixels, {scheme}): {text}" for text in dict.fromkeys(found)]
            if screenshots:
                picture = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
                name = f"{page.parent.name}-{page.stem}-{width}-{scheme}.png"
                (screenshots / name).write_bytes(base64.b64decode(picture["data"]))
    if screenshots:
        browser.call("Emulation.setEmulatedMedia", media="print", features=[])
        pdf = browser.call("Page.printToPDF", printBackground=False)
        (screenshots / f"{page.parent.name}-{page.stem}.pdf").write_bytes(base64.b64decode(pdf["data"]))
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for pictures of every page")
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    if not os.access(arguments.chromium, os.X_OK):
        sys.exit(f"{arguments.chromium}: no browser there; scripts/install_packages.sh test installs Debian's chromium")
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(arguments.chromium, profile)
        try:
            bad = [text for page in arguments.pages for text in check_page(browser, page, arguments.screenshots)]
        finally:
            browser.close()
    for text in bad:
        print(text)
    if bad:
        sys.exit(f"{len(bad)} complaints about {len(arguments.pages)} pages")
    print(f"{len(arguments.pages)} pages are fine at {', '.join(map(str, WIDTHS))} pixels, light and dark")


if __name__ == "__main__":
    main()
