/**
 * A training of the lab's page in Chromium, begun and ended by clicks:
 * `deno run ... chromium_trial.ts CHROMIUM FOLDER SECONDS any|software`. The folder is of trial_files.ts. Prints a trial as JSON.
 */

import { runMain } from "../../src/cli/fail.ts";
import { withLab } from "./browser.ts";
import type { Trial } from "./trial.ts";

const [executablePath = "", folder = "", seconds = "", adapter = ""] = Deno.args;

await runMain(async () => {
  const before = await Deno.readTextFile(`${folder}/page.js`);
  const software = adapter === "software";
  const trial = await withLab({ executablePath, software, folder, before }, async (page, browser) => {
    const found = await page.evaluate<Trial>(`(async () => {
      const { recorder, frames } = benchLab;
      const button = (name) => [...document.querySelectorAll("button")].find(({ textContent }) => textContent === name);
      await recorder.begin(${Number(seconds)}, () => button("Stop").click());
      button("Train").click();
      const recorded = await recorder.recorded();
      const trained = frames.slice();
      // Whatever the page does after a training comes first: the waits are of a device that does nothing else.
      while (button("Train").disabled) await new Promise((done) => setTimeout(done, 50));
      return { ...recorded, frames: trained, waits: await recorder.waits() };
    })()`);
    return { ...found, runtime: `Chromium ${browser.version()}` };
  });
  console.log(JSON.stringify(trial));
});
