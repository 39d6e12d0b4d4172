/** From samples to the figures of the table. */

import { median } from "../../src/gpu/profiler.ts";
import type { Cells } from "../output.ts";
import type { Result } from "./measure.ts";

export interface Figures {
  readonly peer: string;
  /** Which variant of the peer was the fastest, where it has several. */
  readonly settings: string;
  /** What that variant said that it runs on: versions, threads, the kernels of its BLAS. */
  readonly note?: string;
  /** ms a step; undefined for a peer without a result. */
  readonly median?: number;
  readonly samples: number;
  /** Its time over clickgan's: by the medians over all blocks; the least and most of its turns. */
  readonly ratio?: number;
  readonly ratios?: readonly [number, number];
  readonly problem?: string;
  /** Its losses are not clickgan's. */
  readonly wrong: boolean;
}

/** A row for each peer, that of its fastest variant. */
export function figuresOf(results: readonly Result[]): Figures[] {
  const reference = results.find(({ entry }) => entry.key === "clickgan");
  return Map.groupBy(results, ({ entry }) => entry).values()
    .map((variants) => figuresOfPeer(variants, reference)).toArray();
}

function figuresOfPeer(variants: readonly Result[], reference: Result | undefined): Figures {
  const name = variants[0]?.entry.name ?? "";
  const timed = variants.filter(({ turns, wrong }) => turns.length > 0 && wrong === undefined);
  const best = timed.toSorted((a, b) => medianOf(a) - medianOf(b))[0];
  const failed = variants.find(({ wrong }) => wrong !== undefined) ??
    variants.find(({ failure }) => failure !== undefined);
  const problem = failed && (failed.wrong ?? failed.failure);
  const wrong = variants.some(({ wrong }) => wrong !== undefined);
  if (!best) {
    return { peer: name, settings: "", samples: 0, problem: problem ?? "stopped before its turn", wrong };
  }
  return {
    peer: name,
    settings: best.variant.settings,
    note: best.note,
    median: medianOf(best),
    samples: best.turns.flat().length,
    ...(reference && reference.turns.length > 0 ? ratiosOf(best, reference) : {}),
    problem,
    wrong,
  };
}

const medianOf = ({ turns }: Result): number => median(turns.flat());

/** Turn by turn, so that a drift of the machine's speed meets both sides. */
function ratiosOf(result: Result, reference: Result): Pick<Figures, "ratio" | "ratios"> {
  const ratios = result.turns.flatMap((turn, k) => {
    const other = reference.turns[k];
    return other ? [median(turn) / median(other)] : [];
  });
  return {
    ratio: medianOf(result) / medianOf(reference),
    ratios: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** A row for each peer. */
export function tableCells(figures: readonly Figures[]): Cells {
  return { head: ["", "ms a step", "x clickgan", "by turn"], rows: figures.map(rowOf) };
}

function rowOf(figures: Figures): string[] {
  const name = figures.settings ? `${figures.peer} (${figures.settings})` : figures.peer;
  const { median, ratio, ratios, wrong } = figures;
  if (median === undefined) return [name, wrong ? "WRONG" : "-", "-", "-"];
  return [
    wrong ? `${name}: a variant is WRONG` : name,
    digits(median),
    ratio === undefined ? "-" : ratio.toFixed(2),
    ratios ? `${ratios[0].toFixed(2)}..${ratios[1].toFixed(2)}` : "-",
  ];
}

/** Three significant ones, without an exponent. */
function digits(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

/** A line for every peer that has no figure, or not of all its variants. */
export function problemLines(figures: readonly Figures[]): string[] {
  return figures.flatMap(({ peer, problem }) => (problem === undefined ? [] : [`${peer}: ${problem}`]));
}

/** What the peers said that they run on, each once. */
export function notesOf(measured: readonly { readonly figures: readonly Figures[] }[]): string[] {
  const notes = measured.flatMap(({ figures }) => figures.flatMap(({ note }) => note ? [note] : []));
  return [...new Set(notes)];
}

/** A row for each peer, a column for each workload: its time over clickgan's. */
export function summaryCells(
  measured: readonly { readonly workload: string; readonly figures: readonly Figures[] }[],
): Cells {
  const names = [...new Set(measured.flatMap(({ figures }) => figures.map(({ peer }) => peer)))];
  const cell = (peer: string, figures: readonly Figures[]) => {
    const own = figures.find((figure) => figure.peer === peer);
    return own?.wrong ? "WRONG" : own?.ratio?.toFixed(2) ?? "-";
  };
  return {
    head: ["", ...measured.map(({ workload }) => workload)],
    rows: names.filter((name) => name !== "clickgan").map((peer) => [
      peer,
      ...measured.map(({ figures }) => cell(peer, figures)),
    ]),
  };
}
