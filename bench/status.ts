/** What a bench is at: one line on a terminal, a line for each new thing elsewhere. */

import process from "node:process";

export class Status {
  #last = "";
  #shown = false;

  /** @param text "what: detail"; without a terminal only what is new is told. */
  show(text: string): void {
    const { stderr } = process;
    if (stderr.isTTY) {
      stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
      this.#shown = true;
      return;
    }
    const what = text.split(":")[0] ?? "";
    if (what === this.#last) return;
    this.#last = what;
    stderr.write(`${what}\n`);
  }

  /** Leaves the line to others. */
  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
    this.#shown = false;
  }
}
