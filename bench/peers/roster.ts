/** Lists the peers and how to start each: libraries for Deno, and every PyTorch on this machine. */

import { Option } from "commander";
import * as v from "../../src/schema.ts";
import { UserError } from "../../src/user_error.ts";
import type { PeerModel } from "./job.ts";

export interface PeerVariant {
  /** Setting that distinguishes the variant in the table; "" if the peer has a single variant. */
  readonly settings: string;
  /** Arguments of child.ts or torch_peer.py that precede the job. */
  readonly args: readonly string[];
}

export interface PeerEntry {
  readonly key: string;
  readonly name: string;
  readonly program: "deno" | "python";
  /** Python that runs the peer, if the peer is PyTorch. */
  readonly python?: string;
  readonly variants: readonly PeerVariant[];
  readonly models: readonly PeerModel[];
  /** True if the peer needs a GPU with CUDA. */
  readonly onCard?: boolean;
  /** Allowed difference of losses: {@link TOLERANCE} by default, more for row-sparse Adam. */
  readonly tolerance?: number;
}

const deno = (
  key: string,
  name: string,
  args: string[],
  models: readonly PeerModel[] = ["lstm"],
): PeerEntry => ({ key, name, program: "deno", variants: [{ settings: "", args }], models });

/**
 * Environment variables of PyTorch. OpenBLAS, which computes matrix products, uses all cores. OMP_WAIT_POLICY
 * keeps waiting threads from spinning. MALLOC variables keep freed memory for later tensors.
 */
export const torchEnvironment = {
  OPENBLAS_NUM_THREADS: String(navigator.hardwareConcurrency),
  OMP_WAIT_POLICY: "PASSIVE",
  MALLOC_MMAP_THRESHOLD_: "4000000000",
  MALLOC_TRIM_THRESHOLD_: "8000000000",
};

const python = { program: "python", models: ["lstm", "pw", "pair"] } as const;

function torch(key: string, name: string, form: string): PeerEntry {
  const variants = [...new Set([navigator.hardwareConcurrency, 1])].map((threads) => ({
    settings: threads === 1 ? "1 thread" : `${threads} threads`,
    args: [form, String(threads), "cpu", "eager"],
  }));
  return { ...python, key, name, variants };
}

/** Returns a PyTorch entry for CUDA. @param how - execution mode: eager, compile or graphs */
function onCard(key: string, name: string, how: string): PeerEntry {
  const args = ["best", String(navigator.hardwareConcurrency), "cuda", how];
  return { ...python, key, name, variants: [{ settings: "", args }], onCard: true };
}

/** All peers. clickgan comes first, because the other peers are compared with it. */
export const roster: readonly PeerEntry[] = [
  deno("clickgan", "clickgan", ["clickgan", "dense"], ["lstm", "pw", "pair"]),
  // Unlike dense Adam, row-sparse Adam does not move table rows without a gradient.
  {
    ...deno("row-sparse", "clickgan, row-sparse Adam", ["clickgan", "row-sparse"], ["lstm", "pw"]),
    tolerance: 1e-2,
  },
  torch("torch", "PyTorch, best", "best"),
  torch("torch-released", "PyTorch, as released", "released"),
  onCard("torch-cuda", "PyTorch CUDA", "eager"),
  onCard("torch-cuda-compile", "PyTorch CUDA, torch.compile", "compile"),
  onCard("torch-cuda-graphs", "PyTorch CUDA, CUDA graphs", "graphs"),
  deno("jax-webgpu", "jax-js webgpu", ["jax_js", "webgpu"]),
  deno("jax-wasm", "jax-js wasm", ["jax_js", "wasm"]),
  deno("tfjs-webgpu", "TensorFlow.js webgpu", ["tensorflow_js", "webgpu"]),
  deno("tfjs-wasm", "TensorFlow.js wasm", ["tensorflow_js", "wasm"]),
];

/** Lists entries for each installed PyTorch. @param cards - true to list CUDA entries even without a GPU */
export function withTorches(
  entries: readonly PeerEntry[],
  torches: readonly Torch[],
  cards: boolean,
): PeerEntry[] {
  return entries.flatMap((entry) => {
    if (entry.program === "deno") return [entry];
    if (torches.length === 0) return cards || !entry.onCard ? [entry] : [];
    return torches.filter(({ card }) => cards || card || !entry.onCard)
      .map(({ name, python }) => ({ ...entry, name: entry.name.replace("PyTorch", name), python }));
  });
}

const CANDIDATES = ["python3", "/usr/bin/python3"];

export interface Torch {
  readonly python: string;
  /** Version and BLAS library, such as "PyTorch 2.6.0 OpenBLAS". The name is unique in a bench. */
  readonly name: string;
  readonly made: string;
  readonly card: boolean;
}

export function createPythonOption(): Option {
  return new Option("--python <path>", "a Python with torch; may be repeated")
    .argParser((path: string, before: readonly string[]) => [...before, path])
    .default([], `${CANDIDATES.join(" and ")}, if they have torch`);
}

/** @param given - paths of Pythons; if empty, {@link CANDIDATES}. @throws UserError if torch is missing. */
export async function findTorches(given: readonly string[]): Promise<Torch[]> {
  const found = new Map<string, Torch>();
  const named = new Map<string, number>();
  for (const python of given.length > 0 ? given : CANDIDATES) {
    const torch = await queryTorch(python);
    if (torch === undefined && given.length > 0) {
      throw new UserError(
        `Expected a Python with torch as --python, got ${python}, where "import torch" fails.`,
      );
    }
    if (torch === undefined || found.has(torch.file)) continue;
    const name = `PyTorch ${torch.version} ${torch.blas}`;
    const number = (named.get(name) ?? 0) + 1;
    named.set(name, number);
    const { made, card } = torch;
    found.set(torch.file, { python, name: number === 1 ? name : `${name} no. ${number}`, made, card });
  }
  return [...found.values()];
}

export const NO_TORCH = `Found no Python with torch (${CANDIDATES.join(", ")}). Name one with --python`;

export const NO_CARD = "PyTorch has no GPU: torch.cuda.is_available() is false";

const answerSchema = v.object({
  file: v.string(),
  version: v.string(),
  blas: v.string(),
  made: v.string(),
  card: v.boolean(),
});

/** Returns version, BLAS and GPU of a Python's torch; undefined if Python or torch is missing. */
async function queryTorch(program: string): Promise<v.InferOutput<typeof answerSchema> | undefined> {
  const script = new URL("openblas.py", import.meta.url).pathname;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: ["-B", script], stderr: "null" }).output();
  } catch {
    return undefined; // there is no such program
  }
  return output.success
    ? v.parse(answerSchema, JSON.parse(new TextDecoder().decode(output.stdout)))
    : undefined;
}
