/** Who is compared, and how each is started: the libraries for Deno, and each PyTorch that a Python of this machine has. */

import { Option } from "commander";
import * as v from "../../src/schema.ts";
import { UserError } from "../../src/user_error.ts";
import type { PeerModel } from "./job.ts";

/** One way to start a peer. */
export interface PeerVariant {
  /** What tells it from the other variants of its peer, for the table. */
  readonly settings: string;
  /** Arguments before the job's file: of child.ts, or of torch_peer.py. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface PeerEntry {
  /** As on the command line. */
  readonly key: string;
  /** Title of its row in the table. */
  readonly name: string;
  readonly program: "deno" | "python";
  /** The Python that runs it, where there is one. */
  readonly python?: string;
  /** The fastest one counts. */
  readonly variants: readonly PeerVariant[];
  readonly models: readonly PeerModel[];
  /** It computes on a card by CUDA, and without one has nothing to say. */
  readonly onCard?: boolean;
  /** It computes something near, not the same: how far its losses may be from clickgan's; {@link TOLERANCE} otherwise. */
  readonly tolerance?: number;
}

const deno = (
  key: string,
  name: string,
  args: string[],
  models: readonly PeerModel[] = ["lstm"],
): PeerEntry => ({
  key,
  name,
  program: "deno",
  variants: [{ settings: "", args, environment: {} }],
  models,
});

/**
 * PyTorch's own threads, and those of its matrix products (OpenBLAS), are set apart: on two cores it is often fastest
 * with one of the former and two of the latter. Without the rest its threads spin, and every large tensor is
 * mapped anew: several times slower on few cores.
 */
const torchEnvironment = {
  OMP_WAIT_POLICY: "PASSIVE",
  MALLOC_MMAP_THRESHOLD_: "4000000000",
  MALLOC_TRIM_THRESHOLD_: "8000000000",
};

interface TorchVariant extends Omit<PeerVariant, "args"> {
  /** PyTorch's own. */
  readonly threads: number;
}

export function listTorchVariants(): TorchVariant[] {
  const cores = navigator.hardwareConcurrency;
  return [...new Set([cores, 1])].map((threads) => ({
    settings: threads === 1 ? "1 thread" : `${threads} threads`,
    threads,
    environment: { ...torchEnvironment, OPENBLAS_NUM_THREADS: String(cores) },
  }));
}

const python = { program: "python", models: ["lstm", "pw", "pair"] } as const;

/** @param form as torch_peer.py has it. */
function torch(key: string, name: string, form: string): PeerEntry {
  const variants = listTorchVariants().map(({ threads, ...rest }) => ({
    ...rest,
    args: [form, String(threads), "cpu", "eager"],
  }));
  return { ...python, key, name, variants };
}

/** PyTorch's best form on a card. @param how as torch_device.py has it. */
function onCard(key: string, name: string, how: string): PeerEntry {
  const args = ["best", String(navigator.hardwareConcurrency), "cuda", how];
  return { ...python, key, name, variants: [{ settings: "", args, environment: {} }], onCard: true };
}

/** clickgan comes first: the others are compared with it. */
export const roster: readonly PeerEntry[] = [
  deno("clickgan", "clickgan", ["clickgan", "dense"], ["lstm", "pw", "pair"]),
  // Rows that a batch does not touch keep still, where dense Adam moves them on by their momentum.
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

/**
 * Those of PyTorch once for each that there is, named by it; as they are where there is none.
 * @param cards whether those of a card stay where a PyTorch has none
 */
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

/** A PyTorch to compare with. */
export interface Torch {
  /** The program that can import it. */
  readonly python: string;
  /** By version and BLAS, such as "PyTorch 2.6.0 OpenBLAS": no other of the run has it. */
  readonly name: string;
  /** What it is made of, in more words. */
  readonly made: string;
  /** Whether it has a card to compute on. */
  readonly card: boolean;
}

/** The option that names Pythons for {@link findTorches}: nothing for the usual ones. */
export function createPythonOption(): Option {
  return new Option("--python <path>", "a Python that has torch; may be repeated, to compare with several")
    .argParser((path: string, before: readonly string[]) => [...before, path])
    .default([], `each of ${CANDIDATES.join(", ")} that has it`);
}

/**
 * Each PyTorch once, though two programs may have it.
 * @param given programs of the command line; nothing for the usual ones.
 * @throws UserError where one that was given has no torch.
 */
export async function findTorches(given: readonly string[]): Promise<Torch[]> {
  const found = new Map<string, Torch>();
  const named = new Map<string, number>();
  for (const python of given.length > 0 ? given : CANDIDATES) {
    const torch = await ask(python);
    if (torch === undefined && given.length > 0) {
      throw new UserError(
        `Expected --python to be a Python that has torch, but ${python} -c "import torch" fails.`,
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

export const NO_TORCH = `no Python with torch was found (${CANDIDATES.join(", ")}): name one with --python`;

/** Why there is nothing of a card. */
export const NO_CARD = "no card for PyTorch: torch.cuda.is_available() is false";

const answerSchema = v.object({
  file: v.string(),
  version: v.string(),
  blas: v.string(),
  made: v.string(),
  card: v.boolean(),
});

/** What openblas.py says; nothing where there is no such program, or it has no torch. */
async function ask(program: string): Promise<v.InferOutput<typeof answerSchema> | undefined> {
  const script = new URL("openblas.py", import.meta.url).pathname;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: ["-B", script], stderr: "null" }).output();
  } catch {
    return undefined; // no such program
  }
  return output.success
    ? v.parse(answerSchema, JSON.parse(new TextDecoder().decode(output.stdout)))
    : undefined;
}
