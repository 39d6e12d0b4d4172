import assert from "node:assert/strict";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

export async function withPage(
  browser: Browser,
  options: BrowserContextOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const problems: string[] = [];
  try {
    await context.setOffline(true);
    const page = await context.newPage();
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) problems.push(request.url());
    });
    await use(page);
    assert.deepEqual(problems, []);
  } finally {
    await context.close();
  }
}

export async function expectFits(page: Page): Promise<number> {
  const [scroll = 0, inner = 0] = await page.evaluate<number[]>(
    "[document.documentElement.scrollWidth, innerWidth]",
  );
  assert.ok(scroll <= inner, `the page is ${scroll} wide in a window of ${inner}`);
  return inner;
}
