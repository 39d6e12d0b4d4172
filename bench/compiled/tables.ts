import { formatShort } from "../../src/number_text.ts";
import { createUniqueLabels } from "../kernel_cases.ts";
import { buildCells, type CellColumn, type TableCells } from "../study.ts";
import type { ByWidth } from "./assembly.ts";
import { bounds, getCard, LAUNCH_US, sumEstimates, type TimeBound } from "./time_model.ts";
import type { CompiledFacts, CompiledReport, CompiledStep, CompiledText } from "./report.ts";

function widthsText(counts: ByWidth): string {
  const named = Object.entries(counts).sort(([a], [b]) => Number(b) - Number(a));
  return named.map(([bits, count]) => `${count} x ${bits}`).join(", ") || "-";
}

/** Returns the reason why a kernel's whole code is shown; "" if only a loop is shown. */
export function describeShownCode({ loop, loops }: CompiledFacts): string {
  if (loop) return "";
  return loops === 0
    ? ", all code: it has no loop"
    : `, all code: none of its loops (${loops}) has most of the arithmetic`;
}

function fmaText({ loop, fma, vector }: CompiledFacts): string {
  return loop ? `${loop.fma} of ${loop.vector}` : `${fma} of ${vector}, all`;
}

const factColumns: readonly CellColumn<CompiledFacts>[] = [
  ["workgroup", ({ workgroup }) => workgroup.join(" x ")],
  ["lanes", ({ lanes: [working, all] }) => `${working} of ${all}`],
  ["VGPRs", ({ vgprs }) => String(vgprs)],
  ["SGPRs", ({ sgprs }) => String(sgprs)],
  ["spilled", ({ spills }) => String(spills)],
  ["workgroup bytes", ({ lds }) => String(lds)],
  ["subgroups", ({ subgroups }) => String(subgroups)],
  ["limited by", ({ limit }) => limit],
  ["instructions", ({ instructions }) => String(instructions)],
  ["FMAs of vector", (facts) => fmaText(facts)],
  ["loads", ({ loads }) => widthsText(loads)],
  ["stores", ({ stores }) => widthsText(stores)],
  ["workgroup loads", ({ workgroupLoads }) => widthsText(workgroupLoads)],
  ["workgroup stores", ({ workgroupStores }) => widthsText(workgroupStores)],
  ["waits", ({ waits }) => String(waits)],
  ["barriers", ({ barriers }) => String(barriers)],
  ["branches", ({ branches }) => String(branches)],
];

const SHORT = ["workgroup", "lanes", "VGPRs", "spilled", "subgroups", "limited by", "FMAs of vector"];

/** Returns a table of the compiler's statistics for one GPU, with a row per variant of a kernel. */
export function listTextCells(texts: readonly CompiledText[], gpu: string): TableCells {
  const rows = texts.flatMap(({ kernel, facts: { [gpu]: own } }) => own ? [{ kernel, own }] : []);
  return buildCells(rows, [
    ["kernel", ({ kernel }) => kernel],
    ...factColumns.filter(([head]) => SHORT.includes(head)).map((
      [head, of],
    ): CellColumn<typeof rows[number]> => [head, ({ own }, k) => of(own, k)]),
  ]);
}

export function formatFacts(facts: CompiledFacts): string[] {
  return factColumns.map(([, of]) => of(facts, 0));
}
export const factNames = factColumns.map(([name]) => name);

/** Tabulates statistics (rows) of kernels (columns). @param marked - true to mark rows of unequal values. */
export function listComparisonCells(
  texts: readonly { readonly name: string; readonly facts: CompiledFacts }[],
  marked = false,
): TableCells {
  const rows = factColumns.map(([fact, of]) => ({ fact, values: texts.map((text) => of(text.facts, 0)) }));
  const columns: CellColumn<typeof rows[number]>[] = [
    ["", ({ fact }) => fact],
    ...texts.map(({ name }, k): CellColumn<typeof rows[number]> => [name, ({ values }) => values[k] ?? ""]),
    ["", ({ values }) => new Set(values).size > 1 ? "differs" : ""],
  ];
  return buildCells(rows, marked ? columns : columns.slice(0, -1));
}

/** Returns a table of a kernel's statistics, with a column per GPU. */
export function listFactCells({ facts }: CompiledText): TableCells {
  return listComparisonCells(Object.values(facts).map((own) => ({ name: own.gpu, facts: own })));
}

/** True for low occupancy: the number of subgroups on a SIMD is below half of the maximum. */
function isLow({ gpu, subgroup, subgroups }: CompiledFacts): boolean {
  return subgroups < (getCard(gpu).architecture.startsWith("CDNA") ? 5 : subgroup === 32 ? 8 : 16);
}

/** Returns a table of the kernels with low occupancy, with a column per GPU. */
export function listGpuCells({ gpus }: CompiledReport, texts: readonly CompiledText[]): TableCells {
  const low = texts.filter(({ facts }) => Object.values(facts).some(isLow));
  return buildCells(low, [
    ["kernel", ({ kernel }) => kernel],
    ...gpus.map((gpu): CellColumn<CompiledText> => [
      gpu,
      ({ facts: { [gpu]: own } }) =>
        own ? `${own.vgprs} VGPRs, ${own.subgroups}${own.limit === "none" ? "" : ` by ${own.limit}`}` : "",
    ]),
  ]);
}

export function selectFirstTexts(texts: readonly CompiledText[]): CompiledText[] {
  const first = new Map<string, CompiledText>();
  for (const text of texts) if (!first.has(text.kernel)) first.set(text.kernel, text);
  return [...first.values()].sort((a, b) => a.kernel < b.kernel ? -1 : 1);
}

const boundsText: Readonly<Record<TimeBound, string>> = {
  launch: "launches",
  latency: "latency",
  memory: "memory",
  vector: "vector instructions",
};

/** Returns a table of estimated times, with a row per training step and a column per GPU. */
export function stepCells(steps: readonly CompiledStep[], gpus: readonly string[]): TableCells {
  const sumFor = ({ dispatches }: CompiledStep, gpu: string) =>
    sumEstimates(
      dispatches.flatMap(({ steps, estimates: { [gpu]: estimate } }) =>
        estimate ? [{ steps, estimate }] : []
      ),
    );
  const [first = ""] = gpus;
  return buildCells(steps, [
    ["", ({ workload }) => workload],
    ["model", ({ model }) => model],
    ["dispatches", ({ dispatches }) => String(dispatches.length)],
    ...gpus.map((gpu): CellColumn<CompiledStep> => [
      `us, ${getCard(gpu).name}`,
      (step) => formatShort(sumFor(step, gpu).us),
    ]),
    [`bounds, ${getCard(first).name}`, (step) => {
      const { us, by } = sumFor(step, first);
      const shares = bounds.map((bound) => ({ bound, share: by[bound] / us }))
        .filter(({ share }) => share >= 0.1).sort((a, b) => b.share - a.share);
      return shares.map(({ bound, share }) => `${(100 * share).toFixed(0)} % ${boundsText[bound]}`).join(
        ", ",
      );
    }],
  ]);
}

export function listCardCells(gpus: readonly string[]): TableCells {
  return buildCells(gpus.map(getCard), [
    ["GPU", ({ family }) => family],
    ["card", ({ name, architecture }) => `${name} (${architecture})`],
    ["compute units x SIMDs", ({ computeUnits, simds }) => `${computeUnits} x ${simds}`],
    ["GHz", ({ clock }) => String(clock)],
    ["GB/s", ({ bandwidth }) => String(bandwidth)],
    ["last cache, MiB, and GB/s, assumed", ({ cache: { mib, bandwidth } }) => `${mib}, ${bandwidth}`],
    ["us per launch, assumed", () => String(LAUNCH_US)],
    ["source", ({ source }) => `[data sheet](${source})`],
  ]);
}

/** Returns a row per dispatch of a step, with its estimated and its measured microseconds. */
export function listMeasuredCells(
  { dispatches }: CompiledStep,
  gpu: string,
  measured: readonly { readonly label: string; readonly median: number }[],
): TableCells {
  const unique = createUniqueLabels();
  const times = new Map(measured.map(({ label, median }) => [unique(label), median]));
  const rows = dispatches.flatMap(({ label, kernel, steps, estimates: { [gpu]: own } }) =>
    own
      ? [{ label, kernel, bound: boundsText[own.bound], us: own.us / steps, time: times.get(label) ?? NaN }]
      : []
  );
  const total = (of: (row: typeof rows[number]) => number) => rows.reduce((sum, row) => sum + of(row), 0);
  const all = {
    label: "all",
    kernel: "",
    bound: "",
    us: total(({ us }) => us),
    time: total(({ time }) => time),
  };
  return buildCells([...rows, all], [
    ["dispatch", ({ label }) => label],
    ["kernel", ({ kernel }) => kernel],
    ["us, measured", ({ time }) => formatShort(time)],
    ["us, estimated", ({ us }) => formatShort(us)],
    ["measured / estimated", ({ time, us }) => formatShort(time / us)],
    ["estimated bound", ({ bound }) => bound],
  ]);
}
