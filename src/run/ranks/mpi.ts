/**
 * Reads this process's MPI rank and the number of ranks from the environment, and calls Open MPI's C
 * interface. MPI only transfers bytes: this file itself adds values, in the order of the ranks, so that sums
 * do not depend on MPI's algorithm.
 */

import { UserError } from "../../user_error.ts";
import type { ProcessGroup } from "../../train/process_group.ts";

/** Number of this process (`rank`, from 0), and number of processes (`size`). */
type RankPlace = Pick<ProcessGroup, "rank" | "size">;

/** Environment variables that contain the rank: first those of mpirun, then those of `srun --mpi=pmix`. */
const ENVIRONMENTS = [
  { rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE" },
  { rank: "PMIX_RANK", size: "SLURM_NTASKS" },
] as const;

/**
 * Reads this process's rank from the environment. Returns undefined for a single process, even under mpirun.
 * @throws UserError for an invalid rank or number of ranks
 */
export function rankPlace(variable: (name: string) => string | undefined): RankPlace | undefined {
  for (const names of ENVIRONMENTS) {
    const texts = [variable(names.rank), variable(names.size)];
    if (texts[0] === undefined) continue; // Slurm sets the number of tasks even for programs without MPI
    const [rank = NaN, size = NaN] = texts.map((text = "") => /^\d+$/.test(text) ? Number(text) : NaN);
    if (!(rank < size)) {
      const found = texts.map((text) => JSON.stringify(text) ?? "nothing").join(" and ");
      throw new UserError(
        `Expected ${names.rank} to be a rank below ${names.size}, found ${found}. ` +
          "Unset both environment variables to train without MPI, or start train with mpirun.",
      );
    }
    if (size > 1) return { rank, size };
  }
  return undefined;
}

/** Returns the command that starts `train` with a number of ranks. */
export function trainCommand(place: Pick<RankPlace, "size"> | undefined): string {
  return place && place.size > 1 ? `mpirun -n ${place.size} deno task -q train` : "deno task -q train";
}

const LIBRARY = "libmpi.so.40";
/** Value of MPI_THREAD_SERIALIZED: several threads of Deno call MPI, but only one at a time. */
const SERIALIZED = 2;
/** Fortran handles of MPI_COMM_WORLD and MPI_BYTE. Unlike C handles, they are the same in every process. */
const [WORLD, BYTE] = [0, 1];

/** Size of the buffer for a machine's name in bytes; at least MPI_MAX_PROCESSOR_NAME of every MPI library. */
const LONGEST_NAME = 1024;

const wait = { result: "i32", nonblocking: true } as const;
const collective = {
  ...wait,
  parameters: ["buffer", "i32", "pointer", "buffer", "i32", "pointer", "pointer"],
} as const;
const symbols = {
  MPI_Init_thread: { ...wait, parameters: ["pointer", "pointer", "i32", "buffer"] },
  MPI_Comm_f2c: { parameters: ["i32"], result: "pointer" },
  MPI_Type_f2c: { parameters: ["i32"], result: "pointer" },
  MPI_Comm_rank: { parameters: ["pointer", "buffer"], result: "i32" },
  MPI_Comm_size: { parameters: ["pointer", "buffer"], result: "i32" },
  MPI_Get_processor_name: { parameters: ["buffer", "buffer"], result: "i32" },
  MPI_Allgather: collective,
  MPI_Alltoall: collective,
  MPI_Finalize: { ...wait, parameters: [] },
} as const;
type Words = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
type Mpi = Deno.DynamicLibrary<typeof symbols>["symbols"];

/** Arrays are summed in parts of at most 2^24 values, to save memory and to fit MPI's 32-bit byte counts. */
const PIECE = 2 ** 24;
/** Time limit of an MPI call: HANG_MS ms or, if longer, TIMES x the time since the previous MPI call. */
const [HANG_MS, TIMES] = [6500, 4];
/** Time limit in ms of an MPI call that may wait until another rank has saved files or opened data. */
const PATIENCE_MS = 30 * 60_000;

/** Time that this rank has spent on communication, and bytes that it has sent. */
export interface CommunicationTimes {
  /** Seconds spent in MPI calls, including the wait for the slowest rank. */
  readonly seconds: number;
  readonly calls: number;
  readonly bytes: number;
}

export class MpiRanks implements ProcessGroup {
  /** True once training has begun. */
  begun = false;
  #spent = { seconds: 0, calls: 0, bytes: 0 };
  #left = performance.now();
  readonly #world: Deno.PointerValue;
  readonly #byte: Deno.PointerValue;
  readonly rank: number;
  readonly size: number;

  private constructor(private readonly mpi: Mpi, { rank, size }: RankPlace) {
    [this.rank, this.size] = [rank, size];
    this.#world = mpi.MPI_Comm_f2c(WORLD);
    this.#byte = mpi.MPI_Type_f2c(BYTE);
  }

  /**
   * Initialises MPI, together with all other ranks. @param library - path of Open MPI's library, for tests.
   * @throws UserError if the library is missing, or if another MPI library has started this process.
   */
  static async join(place: RankPlace, library = LIBRARY): Promise<MpiRanks> {
    const mpi = open(library, place.size);
    await mpi.MPI_Init_thread(null, null, SERIALIZED, new Int32Array(1));
    const [rank, size] = [new Int32Array(1), new Int32Array(1)];
    const ranks = new MpiRanks(mpi, place);
    mpi.MPI_Comm_rank(ranks.#world, rank);
    mpi.MPI_Comm_size(ranks.#world, size);
    if (rank[0] === place.rank && size[0] === place.size) return ranks;
    throw new UserError(
      `Expected rank ${place.rank} of ${place.size}, as in the environment, but ${library} reports rank ` +
        `${rank[0]} of ${size[0]}: another MPI has started the process. Use ` +
        "the mpirun of Open MPI, or srun --mpi=pmix.",
    );
  }

  get machine(): string {
    const [text, length] = [new Uint8Array(LONGEST_NAME), new Int32Array(1)];
    this.mpi.MPI_Get_processor_name(text, length);
    return new TextDecoder().decode(text.subarray(0, length[0]));
  }

  get spent(): CommunicationTimes {
    return { ...this.#spent };
  }

  async sum(values: Float32Array<ArrayBuffer>, patient = false): Promise<Float32Array<ArrayBuffer>> {
    const sum = new Float32Array(values.length);
    for (let at = 0; at < values.length; at += PIECE) {
      sum.set(await this.#sumPiece(values.subarray(at, at + PIECE), patient), at);
    }
    return sum;
  }

  /** Sums arrays over the ranks. Each rank sums one part of the arrays; then every rank gathers all sums. */
  async #sumPiece(values: Float32Array<ArrayBuffer>, patient: boolean): Promise<Float32Array<ArrayBuffer>> {
    const { size } = this;
    const share = Math.ceil(values.length / size);
    const given = new Float32Array(share * size);
    given.set(values);
    const taken = new Float32Array(share * size);
    await this.#collective("MPI_Alltoall", given, share, taken, patient);
    const own = taken.slice(0, share);
    for (let rank = 1; rank < size; rank++) {
      for (let k = 0, at = rank * share; k < share; k++, at++) own[k] = (own[k] ?? NaN) + (taken[at] ?? NaN);
    }
    await this.#collective("MPI_Allgather", own, share, given, patient);
    return given.subarray(0, values.length);
  }

  async gather(values: Uint32Array<ArrayBuffer>, patient = false): Promise<Uint32Array<ArrayBuffer>[]> {
    const taken = new Uint32Array(values.length * this.size);
    await this.#collective("MPI_Allgather", values, values.length, taken, patient);
    return Array.from(
      { length: this.size },
      (_, rank) => taken.slice(rank * values.length, (rank + 1) * values.length),
    );
  }

  /** Finalises MPI, together with all other ranks. */
  async leave(): Promise<void> {
    await this.#call(() => this.mpi.MPI_Finalize(), 0, true);
  }

  /** Runs a collective operation. @param count - number of values that a rank sends to each other rank */
  async #collective(
    name: "MPI_Alltoall" | "MPI_Allgather",
    given: Words,
    count: number,
    taken: Words,
    patient: boolean,
  ): Promise<void> {
    const bytes = 4 * count;
    const call = () => this.mpi[name](given, bytes, this.#byte, taken, bytes, this.#byte, this.#world);
    await this.#call(call, given.byteLength, patient);
  }

  /** Makes an MPI call, and waits until all ranks have made it. @throws UserError after the time limit */
  async #call(call: () => Promise<number>, bytes: number, patient: boolean): Promise<void> {
    const began = performance.now();
    if (!patient) this.begun = true;
    const limit = patient ? PATIENCE_MS : Math.max(HANG_MS, TIMES * (began - this.#left));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(hangs(limit)), limit);
    });
    try {
      await Promise.race([call(), tooLong]);
    } finally {
      clearTimeout(timer);
    }
    this.#left = performance.now();
    this.#spent.seconds += (this.#left - began) / 1000;
    this.#spent.calls++;
    this.#spent.bytes += bytes;
  }
}

function open(library: string, size: number): Mpi {
  try {
    return Deno.dlopen(library, symbols).symbols;
  } catch (error) {
    throw new UserError(
      `Expected Open MPI's library ${library} for ${size} ranks, but it could not be ` +
        `loaded: ${error instanceof Error ? error.message : String(error)}. Install Open MPI 4 or 5 (on ` +
        "Debian or Ubuntu: apt-get install openmpi-bin), or add the library's folder to LD_LIBRARY_PATH. " +
        "Or start train without mpirun, as one process.",
    );
  }
}

function hangs(limit: number): UserError {
  return new UserError(
    `Expected an answer from all ranks within ${Math.round(limit / 1000)} s, but a rank hangs or has ` +
      "ended. Saved files are complete. Resume the run with --resume and the same number of ranks.",
  );
}

/** Gathers a text from each rank, in the order of the ranks. */
export async function gatherTexts(ranks: ProcessGroup, own: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(own);
  const lengths = (await ranks.gather(Uint32Array.of(bytes.length), true)).map(([length = 0]) => length);
  const words = new Uint32Array(Math.ceil(Math.max(...lengths) / 4));
  new Uint8Array(words.buffer).set(bytes);
  const all = await ranks.gather(words, true);
  return all.map(({ buffer }, rank) => new TextDecoder().decode(new Uint8Array(buffer, 0, lengths[rank])));
}
