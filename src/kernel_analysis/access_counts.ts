/**
 * What a kernel asks of memory, counted without a clock or a device: by its own index expressions, at the sizes at hand, of
 * a workgroup in the middle of its grid. Memory is asked as GPUs do it: 32 invocations together, in sectors of 32 bytes;
 * workgroup memory in 32 banks, each of which gives one word of 4 bytes a turn.
 *
 * As the text has it: a compiler may do what is read twice once. What follows from data is not readable, unless whoever asks
 * has the data; nothing is guessed.
 */

import { parseModule } from "./parse.ts";
import { type IndexScope, type Invocation, SUBGROUP } from "./values.ts";
import {
  type AddressSpace,
  Interpreter,
  type InvocationMask,
  type MemoryReference,
  OFF,
  ON,
  PERHAPS,
} from "./walk.ts";
import { tryRead } from "./tokens.ts";

const SECTOR = 32;
const BANKS = 32;
const WORD = 4;

/** A count; "unreadable" where it depends on what the text does not tell; undefined where there is nothing to count. */
export type AccessCount = number | "unreadable" | undefined;

/** What is asked of a variable, or of several. */
export interface LoadRequests {
  /** Times that an invocation reads it, on average over those of the workgroup that ask for anything. */
  readonly reads: AccessCount;
  readonly writes: AccessCount;
  /** Sectors that a subgroup's read touches, and its write, on average. Of storage buffers alone. */
  readonly readSectors: AccessCount;
  readonly writeSectors: AccessCount;
  /**
   * Turns that a subgroup's access waits beyond those that its words need if they lie evenly in the banks, on average. Of
   * workgroup memory alone.
   */
  readonly conflicts: AccessCount;
}

export interface VariableCounts extends LoadRequests {
  readonly name: string;
  readonly space: AddressSpace;
}

export interface AccessCounts {
  readonly variables: readonly VariableCounts[];
  /** Buffers and textures together. */
  readonly storage: LoadRequests;
  /** All workgroup memory. */
  readonly workgroup: LoadRequests;
}

/** @param text WGSL as the driver gets it, with one entry point */
export function countAccesses(text: string, scope: IndexScope): AccessCounts {
  const variables = new Map<string, Tally>();
  let asking = 0;
  const isReadable = tryRead(() => {
    const module = parseModule(text);
    for (const [name, { space }] of module.variables) {
      if (space !== "uniform") variables.set(name, new Tally(space));
    }
    // Launches that are shared differ by z. Where a grid is too large in the middle, its first workgroup has something to do.
    for (let z = 0; z < scope.grid[2]; z++) {
      const middle = [Math.floor((scope.grid[0] - 1) / 2), Math.floor((scope.grid[1] - 1) / 2), z] as const;
      for (const group of [middle, [0, 0, z]] as const) {
        const own = new Set<number>();
        let isIdle = true;
        const onAccess = (place: MemoryReference, kind: "read" | "write", mask: InvocationMask) => {
          const tally = variables.get(place.name);
          if (!tally) return;
          isIdle &&= mask.every((state) => state === OFF);
          for (let k = 0; k < mask.length; k++) if (mask[k] === ON) own.add(k);
          for (let k = 0; k < mask.length; k += SUBGROUP) tally.add(place, kind, mask, k);
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

const no = "unreadable";
const nothingRead: LoadRequests = { reads: no, writes: no, readSectors: no, writeSectors: no, conflicts: no };

function listWorkgroup({ workgroup: [wx, wy] }: IndexScope, group: Invocation["group"]): Invocation[] {
  return Array.from(
    { length: wx * wy },
    (_, k): Invocation => ({ group, local: [k % wx, Math.floor(k / wx)] }),
  );
}

/** What has been asked one way. */
interface AccessSum {
  /** Of invocations. */
  asked: number;
  /** Of subgroups whose addresses are known, and what these took: sectors, or turns too many. */
  known: number;
  taken: number;
  /** Somebody asks who is there perhaps; somebody asks where nobody knows. */
  perhaps: boolean;
  anywhere: boolean;
}

const none = (): AccessSum => ({ asked: 0, known: 0, taken: 0, perhaps: false, anywhere: false });

class Tally {
  readonly read = none();
  readonly write = none();
  constructor(readonly space: AddressSpace) {}

  /** @param first number of the subgroup's first invocation */
  add(
    { space, at, type, atomic = false }: MemoryReference,
    kind: "read" | "write",
    mask: InvocationMask,
    first: number,
  ): void {
    const sum = this[kind];
    const addresses: number[] = [];
    let asked = 0;
    for (let k = first; k < Math.min(first + SUBGROUP, mask.length); k++) {
      const address = at[k];
      if (mask[k] === PERHAPS) sum.perhaps = true;
      if (mask[k] !== ON) continue;
      asked++;
      if (address !== undefined) addresses.push(address);
    }
    if (asked === 0) return;
    sum.asked += asked;
    // Where textures have their texels, and how atomics on one word wait, only the driver knows.
    if (addresses.length < asked || space === "texture" || (atomic && space === "workgroup")) {
      sum.anywhere = true;
      return;
    }
    sum.known++;
    sum.taken += space === "workgroup"
      ? countConflicts(listSegments(addresses, type.size, WORD))
      : listSegments(addresses, type.size, SECTOR).length;
  }
}

/** Numbers of the pieces of memory that some addresses lie in, each once. */
function listSegments(addresses: readonly number[], size: number, piece: number): number[] {
  const found: number[] = [];
  for (const at of addresses) {
    for (let k = Math.floor(at / piece); k * piece < at + size; k++) found.push(k);
  }
  found.sort((a, b) => a - b);
  return found.filter((one, k) => one !== found[k - 1]);
}

function countConflicts(words: readonly number[]): number {
  const banks = new Array<number>(BANKS).fill(0);
  for (const word of words) banks[word % BANKS] = (banks[word % BANKS] ?? 0) + 1;
  return Math.max(...banks) - Math.ceil(words.length / BANKS);
}

/** What is in workgroup memory, and what is not. */
function splitBySpace(tallies: readonly Tally[]): [shared: Tally[], others: Tally[]] {
  const isShared = ({ space }: Tally) => space === "workgroup";
  return [tallies.filter(isShared), tallies.filter((one) => !isShared(one))];
}

function summarizeRequests(tallies: readonly Tally[], invocations: number): LoadRequests {
  const [shared, others] = splitBySpace(tallies);
  return {
    reads: averagePerInvocation(tallies.map(({ read }) => read), invocations),
    writes: averagePerInvocation(tallies.map(({ write }) => write), invocations),
    readSectors: averagePerSubgroup(others.map(({ read }) => read)),
    writeSectors: averagePerSubgroup(others.map(({ write }) => write)),
    conflicts: averagePerSubgroup(shared.flatMap(({ read, write }) => [read, write])),
  };
}

function averagePerInvocation(sums: readonly AccessSum[], invocations: number): AccessCount {
  if (sums.some(({ perhaps }) => perhaps)) return "unreadable";
  const asked = sums.reduce((all, one) => all + one.asked, 0);
  return sums.length === 0 ? undefined : asked === 0 ? 0 : asked / invocations;
}

function averagePerSubgroup(sums: readonly AccessSum[]): AccessCount {
  if (sums.some(({ perhaps, anywhere }) => perhaps || anywhere)) return "unreadable";
  const known = sums.reduce((all, one) => all + one.known, 0);
  return known === 0 ? undefined : sums.reduce((all, one) => all + one.taken, 0) / known;
}

/** "8", "1.3", "-" of what there is nothing of. */
export function formatAccessCount(count: AccessCount): string {
  if (count === undefined) return "-";
  return count === "unreadable" ? "not readable" : String(Number(count.toPrecision(3)));
}
