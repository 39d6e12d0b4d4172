/** How a work of several steps goes: on one line of the terminal, or on a line a step elsewhere. */

import process from "node:process";
import type { OnProgress } from "../data/log_source.ts";
import type { StepStanding } from "../data/prepare/engine.ts";
import type { Output } from "./progress.ts";

export interface StepProgress {
  /** Tells that a step, or a round of it, begins. */
  begin(standing: StepStanding): void;
  stop(): void;
}

const CLEAR_LINE = "\r\x1b[K";
const REFRESH_MS = 250;

export function stepProgress(output: Output = process.stderr): StepProgress {
  let current: StepStanding | undefined;
  let began = performance.now();
  const line = (width: number) => current ? stepLine(current, (performance.now() - began) / 1000, width) : "";
  const draw = () => output.write(CLEAR_LINE + line((output.columns || 80) - 1));
  const timer = output.isTTY ? setInterval(draw, REFRESH_MS) : undefined;
  return {
    begin(standing) {
      const isNew = standing.title !== current?.title;
      if (isNew) began = performance.now();
      current = standing;
      if (output.isTTY) draw();
      else if (isNew) output.write(`${place(standing, "", " ")}${standing.title}\n`);
    },
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      output.write(CLEAR_LINE);
    },
  };
}

/** What is done sooner is not worth a line. */
const SILENT_MS = 1000;

/** Shows what takes long on a terminal, from one second after it began. Elsewhere its lines would stay behind. */
export function delayedProgress(
  output: Output = process.stderr,
  silentMs: number = SILENT_MS,
): { readonly onProgress: OnProgress; stop(): void } {
  const began = performance.now();
  let progress: StepProgress | undefined;
  return {
    onProgress(title, round, rounds) {
      if (!output.isTTY || performance.now() - began < silentMs) return;
      progress ??= stepProgress(output);
      progress.begin({ title, number: 0, of: 0, round, rounds });
    },
    stop: () => progress?.stop(),
  };
}

/** "[3/17] Versions of items  2/19  12s" in at most `width` characters. */
export function stepLine(
  { title, number, of, round, rounds }: StepStanding,
  seconds: number,
  width: number,
): string {
  const at = rounds > 1 ? `  ${round}/${rounds}` : "";
  return `${place({ number, of }, "[", "] ")}${title}${at}  ${Math.floor(seconds)}s`.slice(
    0,
    Math.max(0, width),
  );
}

function place({ number, of }: Pick<StepStanding, "number" | "of">, before: string, after: string): string {
  return of > 0 ? `${before}${number}/${of}${after}` : "";
}
