/** Parses AMD machine code (RDNA and CDNA) in the notation of Mesa's compiler. */

/** Number of memory instructions by their bits per lane, such as {"128": 4, "32": 1}. */
export type ByWidth = Readonly<Record<string, number>>;

type Counts = Readonly<ReturnType<typeof countInstructions>>;

export interface Code extends Counts {
  readonly lines: readonly string[];
}

export interface Loop extends Code {
  /** Nesting depth of the loop: 1 for an outermost loop. */
  readonly depth: number;
}

export interface Listing extends Code {
  /** Innermost loop with at least half of the kernel's estimated FLOPs; undefined if there is none. */
  readonly loop: Loop | undefined;
  readonly loops: number;
}

interface Instruction {
  readonly text: string;
  readonly name: string;
  readonly block: string | undefined;
  depth: number;
}

/** Parses lines such as "BB3:" (a block) and "s_barrier ; bf8a0000" (an instruction and its encoding). */
export function readAssembly(assembly: string): Listing {
  const code: Instruction[] = [];
  const starts = new Map<string, number>();
  let block: string | undefined;
  for (const line of assembly.split("\n")) {
    const text = line.replace(/;.*/, "").trim();
    const [, begins] = text.match(/^(BB\d+):/) ?? [];
    if (begins !== undefined) {
      block = begins;
      starts.set(begins, code.length);
    } else if (/^[a-z]/.test(text)) {
      code.push({ text, name: text.split(/\s/, 1)[0] ?? "", block, depth: 0 });
      block = undefined;
    }
  }
  const loops = findLoops(code, starts);
  for (const [from, to] of loops) for (const one of code.slice(from, to)) one.depth++;
  const inner = loops.filter(([from, to]) =>
    !loops.some(([a, b]) => a >= from && b <= to && b - a < to - from)
  ).map(([from, to]): Loop => {
    const own = code.slice(from, to);
    return { ...summarizeCode(own), depth: own[0]?.depth ?? 1 };
  });
  const [most] = inner.sort((a, b) => getLoopFlops(b) - getLoopFlops(a) || b.instructions - a.instructions);
  const all = summarizeCode(code);
  // If the main loop was unrolled, other loops only clear workgroup memory or handle a remainder. A kernel
  // may also have several loops with similar arithmetic.
  const isMost = most && getLoopFlops(most) >= all.flops - most.flops;
  return { ...all, loop: isMost ? most : undefined, loops: loops.length };
}

function summarizeCode(code: readonly Instruction[]): Code {
  const lines = code.flatMap(({ block, text }) => [...(block ? [`${block}:`] : []), `  ${text}`]);
  return { ...countInstructions(code), lines };
}

/** Returns the assumed number of iterations of a loop. @param depth - nesting depth of the loop */
export function getAssumedTurns(depth: number): number {
  return depth === 0 ? 1 : depth === 1 ? 8 : 32 * 2 ** (depth - 2);
}

function getLoopFlops({ flops, depth }: Loop): number {
  return flops * getAssumedTurns(depth);
}

/** Returns the range [from, to) of each loop's instructions. A loop ends with a branch to its start. */
function findLoops(
  code: readonly Instruction[],
  starts: ReadonlyMap<string, number>,
): [from: number, to: number][] {
  const ends = new Map<number, number>();
  for (const [at, { name, text }] of code.entries()) {
    const start = /^s_c?branch/.test(name) ? starts.get(text.split(/\s+/).at(-1) ?? "") : undefined;
    if (start !== undefined && start <= at) ends.set(start, Math.max(ends.get(start) ?? 0, at + 1));
  }
  return [...ends];
}

/** Matches vector operations. The prefixes v_dual_ (RDNA) and v_pk_ (CDNA) mean two operations at once. */
const OPERATION = /v_(dual_|pk_)?(\w+)/g;
const FMA = /^(fma|fmac|fmaak|fmamk|mad|mac)_f32/;
const FLOP = /^(add|sub|subrev|mul|max|min|exp|log|rcp|sqrt|rsq|sin|cos)_f32/;

function countOperations({ text }: Instruction): { vector: number; fma: number; flops: number } {
  const sum = { vector: 0, fma: 0, flops: 0 };
  if (!text.startsWith("v_")) return sum;
  for (const [, form, name = ""] of text.matchAll(OPERATION)) {
    const count = form === "pk_" ? 2 : 1;
    sum.vector += count;
    if (FMA.test(name)) sum.fma += count;
    sum.flops += FMA.test(name) ? 2 * count : FLOP.test(name) ? count : 0;
  }
  return sum;
}

/** `vector`: cycles to issue a vector instruction. `memory`: cycles until a load from memory has arrived. */
export interface InstructionCycles {
  readonly vector: number;
  readonly memory: number;
  /** Cycles until a load from workgroup memory, or through the scalar cache, has arrived. */
  readonly near: number;
}

const MEMORY_LOAD = /^(buffer|global|flat|scratch)_load/;
const NEAR_LOAD = /^(ds_(load|read)|s_(buffer_)?load)/;

/** Returns how many loads may be pending after a wait instruction; undefined: any number. */
function readWait(text: string): Readonly<Record<"memory" | "near", number | undefined>> {
  const count = (pattern: RegExp) => {
    const [, digits] = text.match(pattern) ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  const both = count(/^s_wait_loadcnt_dscnt (\w+)/);
  if (both !== undefined) return { memory: both >> 8, near: both & 255 };
  return {
    memory: count(/vmcnt\((\d+)\)/) ?? count(/^s_wait_loadcnt (\w+)/),
    near: count(/lgkmcnt\((\d+)\)/) ?? count(/^s_wait_(?:ds|km)cnt (\w+)/),
  };
}

/** Estimates the cycles of a subgroup that runs alone on a SIMD. @param times - repetitions of the code */
export function timeCode(
  { lines }: Pick<Code, "lines">,
  { vector, ...latency }: InstructionCycles,
  times = 1,
): number {
  const pending: Record<"memory" | "near", number[]> = { memory: [], near: [] };
  let now = 0;
  for (let k = 0; k < times; k++) {
    for (const line of lines) {
      const text = line.trim();
      now += text.startsWith("v_") ? vector : 1;
      if (MEMORY_LOAD.test(text)) pending.memory.push(now + latency.memory);
      else if (NEAR_LOAD.test(text)) pending.near.push(now + latency.near);
      else if (text.startsWith("s_wait")) {
        const left = readWait(text);
        for (const kind of ["memory", "near"] as const) {
          const most = left[kind];
          while (most !== undefined && pending[kind].length > most) {
            now = Math.max(now, pending[kind].shift() ?? 0);
          }
        }
      }
    }
  }
  return now;
}

function countInstructions(code: readonly Instruction[]) {
  const named = (pattern: RegExp) => code.filter(({ name }) => pattern.test(name)).length;
  const operations = code.map(countOperations);
  const total = (what: "vector" | "fma" | "flops") => operations.reduce((sum, one) => sum + one[what], 0);
  const widths = (pattern: RegExp): ByWidth => {
    const counts: Record<string, number> = {};
    for (const { name } of code) {
      const [, width] = name.match(pattern) ?? [];
      if (width !== undefined) counts[parseWidth(width)] = (counts[parseWidth(width)] ?? 0) + 1;
    }
    return counts;
  };
  return {
    instructions: code.length,
    /** Number of vector operations, which run on all lanes. An instruction may contain two operations. */
    vector: total("vector"),
    /** Number of vector instructions. A dual or packed instruction counts once. */
    vectorInstructions: named(/^v_/),
    fma: total("fma"),
    flops: total("flops"),
    loads: widths(/^(?:buffer|global|flat)_load_(?:format_)?(\w+)/),
    stores: widths(/^(?:buffer|global|flat)_store_(?:format_)?(\w+)/),
    workgroupLoads: widths(/^ds_(?:load|read)(?:_2addr|2)?(?:_stride64|st64)?_(\w+)/),
    workgroupStores: widths(/^ds_(?:store|write)(?:_2addr|2)?(?:_stride64|st64)?_(\w+)/),
    waits: named(/^s_wait(cnt|_\w*cnt)/),
    barriers: named(/^s_barrier(_wait)?$/),
    branches: named(/^s_c?branch/),
  };
}

/** Returns the bits per lane from a memory instruction's suffix, such as "128" for "b128" or "dwordx4". */
function parseWidth(width: string): string {
  const dwords = width.match(/^dword(?:x(\d))?$/);
  if (dwords) return String(32 * Number(dwords[1] ?? 1));
  const texels = width.match(/^([xyzw]+)$/);
  if (texels) return String(32 * (texels[1]?.length ?? 1));
  return width.match(/\d+$/)?.[0] ?? ({ ubyte: "8", sbyte: "8", ushort: "16", sshort: "16" }[width] ?? width);
}
