/** Which of several ranks this process is, as its environment says it. */

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

/** Undefined for a process that is alone, also where mpirun started it. */
export function rankPlace(variable: (name: string) => string | undefined): RankPlace | undefined {
  for (const names of ENVIRONMENTS) {
    const [rank = NaN, size = NaN] = [names.rank, names.size].map((name) => {
      const text = variable(name);
      return text !== undefined && /^\d+$/.test(text) ? Number(text) : NaN;
    });
    if (size > 1 && rank < size) return { rank, size };
  }
  return undefined;
}

/** How as many ranks are started. */
export function trainCommand(place: Pick<RankPlace, "size"> | undefined): string {
  return place && place.size > 1 ? `mpirun -n ${place.size} deno task train` : "deno task train";
}
