import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

const PATH = "/usr/bin/chromium";
const WEBGPU = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--ignore-gpu-blocklist"];
const FLAGS = {
  any: WEBGPU,
  software: [...WEBGPU, "--use-webgpu-adapter=swiftshader"],
  none: ["--disable-features=WebGPU"],
};

/** Opens Chromium. The caller needs all permissions, as Chromium's driver reads many system paths. */
export async function openChromium(executablePath: string, webgpu: keyof typeof FLAGS): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  return await chromium.launch({ executablePath, args: ["--no-sandbox", ...FLAGS[webgpu]] });
}
/** Returns Chromium's path (on Debian, installs Chromium if needed), or the reason why it is missing. */
export async function findChromium(): Promise<string | { missing: string }> {
  if (existsSync(PATH)) return PATH;
  const release = await Deno.readTextFile("/etc/os-release").catch(() => "");
  const debian = /^ID(_LIKE)?="?[^"\n]*\b(debian|ubuntu)\b/m.test(release);
  if (!debian) return { missing: `expected ${PATH}, found none, and this is neither Debian nor Ubuntu.` };
  if (await output("id", "-u") !== "0\n") {
    return { missing: `expected ${PATH}, found none. Install it: sudo apt-get install chromium` };
  }
  console.warn("installing chromium, to test the report's page in");
  await output("apt-get", "update");
  await output("apt-get", "install", "-y", "--no-install-recommends", "chromium");
  return existsSync(PATH) ? PATH : { missing: `apt-get install chromium left no ${PATH}.` };
}

async function output(command: string, ...args: string[]): Promise<string> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const { stdout } = await new Deno.Command(command, { args, env, stdin: "null", stderr: "inherit" })
    .output();
  return new TextDecoder().decode(stdout);
}

/** Opens a page without network. Asserts that the page loads no other address, and logs nothing. */
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
