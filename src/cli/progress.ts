/** Displays progress: on a terminal as one changing line, elsewhere as a line per tenth of the work. */

import process from "node:process";
import { formatDuration, formatThousands } from "../number_text.ts";
import type { OnProgress, PreparationStatus } from "../data/log_source.ts";

/** Metrics of a progress line. Undefined metrics are not shown. */
export interface ProgressMetrics {
  loss?: number;
  prec1?: number;
  valLoss?: number;
  valPrec1?: number;
}

interface ProgressMetricNames {
  readonly loss: string;
  readonly prec1: string;
  /** Unit of the progress numbers, such as " users" (with a space); undefined for iterations. */
  readonly unit?: string;
}
export const usualNames: ProgressMetricNames = { loss: "loss", prec1: "prec@1" };

/** Progress display of a training. The process cannot end before the display is stopped or disposed of. */
interface TrainingProgress extends Disposable {
  update(iteration: number, metrics?: ProgressMetrics): void;
  /** Prints a line of text above the progress line. */
  note(text: string): void;
  stop(): void;
}

export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface TrainingStatus {
  iteration: number;
  total: number;
  /** Number of iterations that earlier sessions completed. */
  start: number;
  /** Seconds since this session began. */
  seconds: number;
  metrics: ProgressMetrics;
  /** Iteration of the last validation. */
  validated?: number;
  names?: ProgressMetricNames;
}

/**
 * Shows the progress of a training: on a terminal a changing line, elsewhere a line after each tenth of the
 * training. Notes appear above the line. @param total - number of the last iteration
 * @param start - number of iterations of earlier sessions, which do not affect the estimate of the time left
 */
export function createTrainingProgress(
  total: number,
  start: number,
  names: ProgressMetricNames = usualNames,
  output: ProgressOutput = process.stderr,
): TrainingProgress {
  const began = performance.now();
  const status: TrainingStatus = { iteration: start, total, start, seconds: 0, metrics: {}, names };
  let live: ReturnType<typeof createLiveLine> | undefined;
  let shown = 0;
  const printTenth = () => {
    const { iteration, validated = iteration } = status;
    const tenth = Math.floor(10 * (iteration - start) / Math.max(1, total - start));
    if (output.isTTY || tenth <= shown) return;
    shown = tenth;
    const older = validated < iteration ? `  (validated after ${formatThousands(validated)})` : "";
    output.write(`${formatProgressLine(status, Infinity, 0)}${older}\n`);
  };
  const stop = () => {
    printTenth();
    live?.stop();
    if (live) output.write(`${formatProgressLine(status, getTerminalWidth(output))}\n`);
    live = undefined;
  };
  return {
    update(iteration, metrics = {}) {
      if (iteration > status.iteration) printTenth();
      status.iteration = iteration;
      if (metrics.valLoss !== undefined) status.validated = iteration;
      status.seconds = (performance.now() - began) / 1000;
      Object.assign(status.metrics, metrics);
      if (output.isTTY) live ??= createLiveLine(output, (width) => formatProgressLine(status, width));
    },
    note(text) {
      printTenth();
      output.write(`${output.isTTY ? CLEAR_LINE : ""}${text}\n`);
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

const CLEAR_LINE = "\r\x1b[K";

const SHORTEST_BAR = 6;
const LONGEST_BAR = 30;

/**
 * Formats a progress line of at most `width` characters. If the line is too long, first the bar is dropped,
 * and then the least important metrics. @param longestBar - maximum length of the bar; 0 for no bar
 */
export function formatProgressLine(
  status: Readonly<TrainingStatus>,
  width: number,
  longestBar = LONGEST_BAR,
): string {
  const { iteration, total, metrics, names = usualNames } = status;
  // In display order. If the line is too long, the field with the highest `rank` is dropped first.
  const fields = [
    { rank: 0, text: `${formatThousands(iteration)}/${formatThousands(total)}${names.unit ?? ""}` },
    { rank: 1, text: formatMetric(names.loss, metrics.loss, 4) },
    { rank: 3, text: formatMetric(names.prec1, metrics.prec1, 3) },
    { rank: 5, text: formatMetric(`val ${names.loss}`, metrics.valLoss, 4) },
    { rank: 4, text: formatMetric(`val ${names.prec1}`, metrics.valPrec1, 3) },
    { rank: 2, text: timeLeft(status) },
  ].filter((field) => field.text !== "");
  const known = fields.length;
  const joined = () => fields.map((field) => field.text).join("  ");
  while (joined().length > width && fields.length > 1) {
    const least = Math.max(...fields.map((field) => field.rank));
    fields.splice(fields.findIndex((field) => field.rank === least), 1);
  }
  const line = joined().slice(0, width);
  const barLength = Math.min(longestBar, width - line.length - "[]  ".length);
  if (barLength < SHORTEST_BAR || fields.length < known) return line;
  const done = Math.round(barLength * Math.min(1, iteration / Math.max(1, total)));
  return `[${"=".repeat(done)}${"-".repeat(barLength - done)}]  ${line}`;
}

/** Formats the estimated remaining time, from this session's mean speed. */
function timeLeft({ iteration, total, start, seconds }: Readonly<TrainingStatus>): string {
  const done = iteration - start;
  if (done <= 0) return "";
  if (iteration >= total) return `took ${formatDuration(seconds)}`;
  return `${formatDuration(seconds * (total - iteration) / done)} left`;
}

function formatMetric(name: string, value: number | undefined, digits: number): string {
  if (value === undefined) return "";
  return `${name} ${Number.isNaN(value) ? "-" : value.toFixed(digits)}`; // precision is NaN without a click
}

const REFRESH_MS = 250;

/** Returns the terminal's width minus 1, because some terminals wrap after a character in the last column. */
function getTerminalWidth({ columns }: ProgressOutput): number {
  return (columns || 80) - 1;
}

/**
 * Shows a line on the terminal and updates it every 250 ms. Without a terminal, only notes are printed.
 * @param text - returns the current line, with at most `width` characters
 */
export function createLiveLine(output: ProgressOutput, text: (width: number) => string) {
  const draw = () => void output.write(CLEAR_LINE + text(getTerminalWidth(output)));
  const timer = output.isTTY ? setInterval(draw, REFRESH_MS) : undefined;
  return {
    draw,
    note: (line: string) => void output.write(`${output.isTTY ? CLEAR_LINE : ""}${line}\n`),
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      output.write(CLEAR_LINE);
    },
  };
}

interface StepProgress extends Disposable {
  /** Reports the beginning of a step, or of a round (a part of a step). */
  begin(status: PreparationStatus): void;
  stop(): void;
}

/** Milliseconds until the display appears. Shorter work shows no progress. */
const SILENT_MS = 1000;

/** Shows the progress of steps. Without a terminal, prints each step that takes over `silentMs` ms. */
export function stepProgress(output: ProgressOutput = process.stderr, silentMs = SILENT_MS): StepProgress {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let current: PreparationStatus | undefined;
  let began = performance.now();
  const line = (width: number) => current ? stepLine(current, (performance.now() - began) / 1000, width) : "";
  const live = createLiveLine(output, line);
  const stop = () => {
    clearTimeout(timer);
    live.stop();
  };
  return {
    begin(status) {
      const isNew = status.title !== current?.title;
      if (isNew) began = performance.now();
      current = status;
      if (output.isTTY) live.draw();
      else if (isNew) {
        clearTimeout(timer);
        timer = setTimeout(() => output.write(`${formatStep(status, "", " ")}${status.title}\n`), silentMs);
      }
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

/** Shows progress on a terminal after `silentMs` milliseconds. Without a terminal, nothing is printed. */
export function createDelayedProgress(
  output: ProgressOutput = process.stderr,
  silentMs: number = SILENT_MS,
): Disposable & { readonly onProgress: OnProgress; stop(): void } {
  const began = performance.now();
  let progress: StepProgress | undefined;
  const stop = () => progress?.stop();
  return {
    onProgress(title, round, rounds) {
      if (!output.isTTY || performance.now() - began < silentMs) return;
      progress ??= stepProgress(output);
      progress.begin({ title, number: 0, of: 0, round, rounds });
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

/** Formats the progress of a step in at most `width` characters: "[3/17] Versions of items  2/19  12s". */
export function stepLine(
  { title, number, of, round, rounds }: PreparationStatus,
  seconds: number,
  width: number,
): string {
  const at = rounds > 1 ? `  ${round}/${rounds}` : "";
  return `${formatStep({ number, of }, "[", "] ")}${title}${at}  ${Math.floor(seconds)}s`.slice(
    0,
    Math.max(0, width),
  );
}

function formatStep(
  { number, of }: Pick<PreparationStatus, "number" | "of">,
  before: string,
  after: string,
): string {
  return of > 0 ? `${before}${number}/${of}${after}` : "";
}
