/** Opens the data of a command: with progress, and with the cache folder for what stays on disk. */

import { Option } from "commander";
import type { Split } from "../data/click_log.ts";
import { type DataConfig, type Dataset, MEMORY_ROWS, openDataset, reopenDataset } from "../run/dataset.ts";
import { wholeNumber } from "./options.ts";
import { cacheFolder } from "./output_folders.ts";
import { stepProgress } from "./step_progress.ts";

/** What `--data` takes. */
export const DATA_HELP =
  'a prepared data set (a folder made by deno task data), a tab-separated click log in the paper\'s layout, or "demo"';

export function memoryRowsOption(): Option {
  return new Option(
    "--memory-rows <n>",
    "a prepared data set of more displayed items than this stays on disk, and a step reads its users alone",
  ).argParser(wholeNumber(0)).default(MEMORY_ROWS);
}

export function openData(
  { data, seed, resplit, memoryRows }: { data: string; seed: number; resplit: boolean; memoryRows?: number },
  needed?: readonly Split[],
): Promise<Dataset> {
  return withProgress((options) => openDataset(data, seed, resplit, { ...options, needed, memoryRows }));
}

export function reopenData(config: DataConfig): Promise<Dataset> {
  return withProgress((options) => reopenDataset(config, options));
}

/** Shorter reading is not worth a line. */
const SILENT_MS = 1000;

async function withProgress(
  open: (
    options: { cache?: string; onProgress: (what: string, done: number, all: number) => void },
  ) => Promise<Dataset>,
): Promise<Dataset> {
  const began = performance.now();
  let progress: ReturnType<typeof stepProgress> | undefined;
  try {
    return await open({
      cache: cacheFolder(),
      onProgress: (title, round, rounds) => {
        if (performance.now() - began < SILENT_MS) return;
        progress ??= stepProgress();
        progress.begin({ title, number: 0, of: 0, round, rounds });
      },
    });
  } finally {
    progress?.stop();
  }
}
