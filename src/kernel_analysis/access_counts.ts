/**
 * Counts a kernel's memory accesses without a device: evaluates the index expressions of a workgroup in the
 * middle of the grid. Assumptions: subgroups of 32 invocations, memory sectors of 32 bytes, and workgroup
 * memory of 32 banks, each of which serves one word of 4 bytes per cycle.
 *
 * All accesses in the WGSL source are counted, although a compiler may merge two reads of the same element. A
 * count is "unknown" if an address depends on data that the caller did not supply.
 */

import { parseModule } from "./parse.ts";
import { type IndexScope, type Invocation, SUBGROUP } from "./values.ts";
import { Interpreter, OFF, ON, PERHAPS } from "./interpreter.ts";
import type { AddressSpace, InvocationMask, MemoryReference } from "./interpreter.ts";
import { tryRead } from "./tokens.ts";

const SECTOR = 32;
const BANKS = 32;
const WORD = 4;

/** Number of accesses; "unknown" if it depends on unknown data, undefined if there are no accesses. */
export type AccessCount = number | "unknown" | undefined;

export interface LoadRequests {
  /** Mean number of reads per invocation that accesses memory. */
  readonly reads: AccessCount;
  readonly writes: AccessCount;
  /** Number of 32-byte sectors per 32 reads of storage; simultaneous reads of a sector count as one. */
  readonly readSectors: AccessCount;
  readonly writeSectors: AccessCount;
  /** Mean number of extra cycles that bank conflicts cost, per access of a subgroup to workgroup memory. */
  readonly conflicts: AccessCount;
}

export interface VariableCounts extends LoadRequests {
  readonly name: string;
  readonly space: AddressSpace;
}

export interface AccessCounts {
  readonly variables: readonly VariableCounts[];
  readonly storage: LoadRequests;
  readonly workgroup: LoadRequests;
}

/** Counts the memory accesses of a kernel. @param text - WGSL with one entry point */
export function countAccesses(text: string, scope: IndexScope): AccessCounts {
  const variables = new Map<string, Tally>();
  let asking = 0;
  const isReadable = tryRead(() => {
    const module = parseModule(text);
    for (const [name, { space }] of module.variables) {
      if (space !== "uniform") variables.set(name, new Tally(space));
    }
    // Each z is a launch that was fused into this grid. An idle middle workgroup is replaced by the first.
    for (let z = 0; z < scope.grid[2]; z++) {
      const middle = [Math.floor((scope.grid[0] - 1) / 2), Math.floor((scope.grid[1] - 1) / 2), z] as const;
      for (const group of [middle, [0, 0, z]] as const) {
        const own = new Set<number>();
        let isIdle = true;
        const onAccess = (memory: MemoryReference, kind: "read" | "write", mask: InvocationMask) => {
          const tally = variables.get(memory.name);
          if (!tally) return;
          isIdle &&= mask.every((state) => state === OFF);
          for (let k = 0; k < mask.length; k++) if (mask[k] === ON) own.add(k);
          for (let k = 0; k < mask.length; k += SUBGROUP) tally.add(memory, kind, mask, k);
        };
        new Interpreter(module, scope, listWorkgroup(scope, group), { onAccess }).run();
        asking += own.size;
        if (!isIdle) break;
      }
    }
    return true;
  });
  if (!isReadable) return { variables: [], storage: nothingRead, workgroup: nothingRead };
  const [shared, others] = splitBySpace([...variables.values()]);
  return {
    variables: [...variables].map(([name, one]) => ({
      name,
      space: one.space,
      ...summarizeRequests([one], asking),
    })),
    storage: summarizeRequests(others, asking),
    workgroup: summarizeRequests(shared, asking),
  };
}

/**
 * Returns, by storage array, the number of bytes up to the end of the last accessed element. Only accesses of
 * the first and the last workgroup count, and only if their addresses are known.
 */
export function measureAccessedBytes(text: string, scope: IndexScope): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  const onAccess = ({ name, space, at, type }: MemoryReference, _: string, mask: InvocationMask) => {
    if (space !== "storage") return;
    for (const [k, start = 0] of at.entries()) {
      if (mask[k] === ON) ends.set(name, Math.max(ends.get(name) ?? 0, start + type.size));
    }
  };
  tryRead(() => {
    const [x, y] = scope.grid;
    for (const group of [[0, 0], [x - 1, y - 1]] as const) {
      new Interpreter(parseModule(text), scope, listWorkgroup(scope, group), { onAccess }).run();
    }
    return ends;
  });
  return ends;
}

const no = "unknown";
const nothingRead: LoadRequests = { reads: no, writes: no, readSectors: no, writeSectors: no, conflicts: no };

function listWorkgroup({ workgroup: [wx, wy] }: IndexScope, group: Invocation["group"]): Invocation[] {
  return Array.from(
    { length: wx * wy },
    (_, k): Invocation => ({ group, local: [k % wx, Math.floor(k / wx)] }),
  );
}

interface AccessSum {
  /** Number of accesses, summed over invocations. */
  accesses: number;
  /** Number of subgroup accesses at known addresses. `cost`: sectors or extra cycles of these accesses. */
  known: number;
  cost: number;
  /** True if an access may or may not happen. `anywhere`: true if the address of an access is unknown. */
  perhaps: boolean;
  anywhere: boolean;
}

const none = (): AccessSum => ({ accesses: 0, known: 0, cost: 0, perhaps: false, anywhere: false });

class Tally {
  readonly read = none();
  readonly write = none();
  constructor(readonly space: AddressSpace) {}

  /** Adds one access of a subgroup. @param first - number of the subgroup's first invocation */
  add(
    { space, at, type, atomic = false }: MemoryReference,
    kind: "read" | "write",
    mask: InvocationMask,
    first: number,
  ): void {
    const sum = this[kind];
    const addresses: number[] = [];
    let active = 0;
    for (let k = first; k < Math.min(first + SUBGROUP, mask.length); k++) {
      const address = at[k];
      if (mask[k] === PERHAPS) sum.perhaps = true;
      if (mask[k] !== ON) continue;
      active++;
      if (address !== undefined) addresses.push(address);
    }
    if (active === 0) return;
    sum.accesses += active;
    // Only the driver knows the addresses of texels, and how long atomic operations on one word wait.
    if (addresses.length < active || space === "texture" || (atomic && space === "workgroup")) {
      sum.anywhere = true;
      return;
    }
    sum.known++;
    sum.cost += space === "workgroup"
      ? countConflicts(listSegments(addresses, type.size, WORD))
      : listSegments(addresses, type.size, SECTOR).length;
  }
}

/** Returns the indices of the memory segments (of `piece` bytes) in which the elements at `addresses` lie. */
function listSegments(addresses: readonly number[], size: number, piece: number): number[] {
  const found = new Set<number>();
  for (const at of addresses) {
    for (let k = Math.floor(at / piece); k * piece < at + size; k++) found.add(k);
  }
  return [...found];
}

function countConflicts(words: readonly number[]): number {
  const banks = new Array<number>(BANKS).fill(0);
  for (const word of words) banks[word % BANKS] = (banks[word % BANKS] ?? 0) + 1;
  return Math.max(...banks) - Math.ceil(words.length / BANKS);
}

function splitBySpace(tallies: readonly Tally[]): [shared: Tally[], others: Tally[]] {
  const isShared = ({ space }: Tally) => space === "workgroup";
  return [tallies.filter(isShared), tallies.filter((one) => !isShared(one))];
}

function summarizeRequests(tallies: readonly Tally[], invocations: number): LoadRequests {
  const [shared, others] = splitBySpace(tallies);
  return {
    reads: averagePerInvocation(tallies.map(({ read }) => read), invocations),
    writes: averagePerInvocation(tallies.map(({ write }) => write), invocations),
    readSectors: averageCost(others.map(({ read }) => read), ({ accesses }) => accesses / SUBGROUP),
    writeSectors: averageCost(others.map(({ write }) => write), ({ accesses }) => accesses / SUBGROUP),
    conflicts: averageCost(shared.flatMap(({ read, write }) => [read, write]), ({ known }) => known),
  };
}

function averagePerInvocation(sums: readonly AccessSum[], invocations: number): AccessCount {
  if (sums.some(({ perhaps }) => perhaps)) return "unknown";
  const accesses = sums.reduce((all, one) => all + one.accesses, 0);
  return sums.length === 0 ? undefined : accesses === 0 ? 0 : accesses / invocations;
}

/** Returns the sum of the costs divided by the sum of `count`; undefined without accesses. */
function averageCost(sums: readonly AccessSum[], count: (sum: AccessSum) => number): AccessCount {
  if (sums.some(({ perhaps, anywhere }) => perhaps || anywhere)) return "unknown";
  const total = sums.reduce((all, one) => all + count(one), 0);
  return total === 0 ? undefined : sums.reduce((all, one) => all + one.cost, 0) / total;
}

/** Formats a number of accesses, such as "8" or "1.3"; "-" if there are no accesses. */
export function formatAccessCount(count: AccessCount): string {
  if (count === undefined) return "-";
  return count === "unknown" ? count : String(Number(count.toPrecision(3)));
}
