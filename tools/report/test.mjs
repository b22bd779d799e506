// Opens a report in headless Chromium and uses it as a person does. Arguments: the page, and optionally where to leave a picture of it.
import assert from "node:assert/strict";
import path from "node:path";
import { chromium } from "playwright-core";

const [page_path, picture] = process.argv.slice(2);
if (!page_path) {
  console.error("usage: node test.mjs REPORT.html [PICTURE.png]");
  process.exit(2);
}
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const errors = [];
const requests = [];
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(String(error)));
page.on("request", (request) => requests.push(request.url()));
const url = "file://" + path.resolve(page_path);
await page.goto(url);
assert.deepEqual(requests, [url], "no request leaves");

// Told and not asserted: it depends on what else the machine does.
const seen = await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
const paint = await seen.jsonValue();

// A number tells how it was made, and its inputs lead on.
await page.locator("#overview button.number").first().click();
const why = page.locator("#why");
assert.ok(await why.isVisible());
const stage = await why.locator("dd").first().textContent();
assert.match(await why.textContent(), /--only .* --force /);
const input = why.locator("button.input").first();
if (await input.count()) {
  await input.click();
  assert.notEqual(await why.locator("dd").first().textContent(), stage);
}
await page.keyboard.press("Escape");
assert.ok(!(await why.isVisible()));

// Rows sort by numbers, both ways, by keyboard too.
const means = () => page.locator("#figure-rows tbody tr:visible td:nth-of-type(6)").allTextContents();
const head = page.locator("#figure-rows thead th").nth(6).locator("button");
await head.focus();
await page.keyboard.press("Enter");
const rising = (await means()).map(Number);
assert.deepEqual(rising, [...rising].sort((a, b) => a - b));
await page.keyboard.press("Enter");
assert.deepEqual((await means()).map(Number), [...rising].reverse().sort((a, b) => b - a));

// Words filter rows, and a method that is switched off goes from tables and charts.
const rows = page.locator("#figure-rows tbody tr:visible");
const all = await rows.count();
await page.locator("#filter").fill("accuracy test");
const left = await rows.count();
assert.ok(left > 0 && left < all, `${left} of ${all}`);
assert.equal(await page.locator("#filtered").textContent(), `${left} of ${all}`);
await page.locator("#filter").fill("");
const box = page.locator("[data-switch]").first();
const method = await box.getAttribute("data-switch");
await box.uncheck();
assert.equal(await page.locator(`[data-method="${method}"]:visible`).count(), 0);
await box.check();
assert.ok((await page.locator(`[data-method="${method}"]:visible`).count()) > 0);

// A line tells its values under the pointer.
const chart = page.locator("svg[data-axes]").first();
if (await chart.count()) {
  await chart.scrollIntoViewIfNeeded();
  const place = await chart.evaluate((svg) => {
    const [, x, y] = svg.querySelector("path.line").getAttribute("d").match(/M([-\d.]+) ([-\d.]+)/);
    const box = svg.getBoundingClientRect();
    return { x: box.left + (x / svg.viewBox.baseVal.width) * box.width, y: box.top + (y / svg.viewBox.baseVal.height) * box.height };
  });
  await page.mouse.move(place.x + 2, place.y);
  assert.match(await page.locator("#tip").textContent(), /: -?[\d.e+-]+ at /);
}

// A box of the graph opens its stages.
await page.locator("svg.graph a").first().click();
await page.locator("details.kind[open] li").first().waitFor();

// Both grounds: text stands out.
for (const scheme of ["dark", "light"]) {
  await page.emulateMedia({ colorScheme: scheme });
  const [ground, text] = await page.evaluate(() => {
    const style = getComputedStyle(document.body);
    return [style.backgroundColor, style.color].map((colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0));
  });
  assert.ok(Math.abs(ground - text) > 450, `${scheme}: ${ground} and ${text}`);
}
if (picture) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: picture });
}
assert.deepEqual(errors, []);
console.log(`fine: first paint after ${Math.round(paint)} ms, ${all} figures`);
await browser.close();
