/** Which of several ranks this process is, as its environment says it. */

import { UserError } from "../../user_error.ts";

/** Number `rank`, from 0 on, of `size`. */
export interface RankPlace {
  readonly rank: number;
  readonly size: number;
}

/** What Open MPI's mpirun tells each process; and Slurm with `--mpi=pmix`. */
const ENVIRONMENTS = [
  { rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE" },
  { rank: "PMIX_RANK", size: "SLURM_NTASKS" },
] as const;

export const RANK_VARIABLES: readonly string[] = ENVIRONMENTS.flatMap(({ rank, size }) => [rank, size]);

/**
 * Returns undefined for a process that is alone, also where mpirun started it.
 * @throws UserError for variables that are no rank of a size: the process would train alone, next to others that wait for it
 */
export function rankPlace(variable: (name: string) => string | undefined): RankPlace | undefined {
  for (const names of ENVIRONMENTS) {
    const texts = [variable(names.rank), variable(names.size)];
    if (texts[0] === undefined) continue; // Slurm sets the number of tasks for programs without MPI, too
    const [rank = NaN, size = NaN] = texts.map((text = "") => /^\d+$/.test(text) ? Number(text) : NaN);
    if (!(rank < size)) {
      throw new UserError(
        `Expected ${names.rank} to be a rank below ${names.size}, found ${
          texts.map((text) => JSON.stringify(text) ?? "nothing").join(" and ")
        }. ` +
          "Unset both to train alone, or start train with mpirun.",
      );
    }
    if (size > 1) return { rank, size };
  }
  return undefined;
}

/** How as many ranks are started. */
export function trainCommand(place: Pick<RankPlace, "size"> | undefined): string {
  return place && place.size > 1 ? `mpirun -n ${place.size} deno task train` : "deno task train";
}
