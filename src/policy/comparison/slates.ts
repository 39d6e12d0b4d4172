/** The same policies with slates of several sizes, side by side, as the published table has them. */

import { type Cell, type Comparison, type Environment, policiesOf, trainingsOf } from "./comparison.ts";

/** A policy in an environment. */
export interface SlatesRow {
  readonly policy: string;
  /** Of each comparison, the policy's trainings; none where it was not tried. */
  readonly cells: readonly (readonly Cell[])[];
}

export interface SlatesGroup {
  readonly environment: Environment;
  readonly rows: readonly SlatesRow[];
}

/** Undefined where the comparisons are not of different slates alone. */
export function bySlates(comparisons: readonly Comparison[]): SlatesGroup[] | undefined {
  const [first] = comparisons;
  if (!first || comparisons.length < 2) return undefined;
  const tasks = new Set(
    comparisons.map(({ pages, reward, start, repeats, leave, patience }) =>
      JSON.stringify([pages, reward, start, repeats, leave, patience])
    ),
  );
  if (tasks.size > 1 || new Set(comparisons.map(({ slate }) => slate)).size < comparisons.length) {
    return undefined;
  }
  const named = comparisons.flatMap((comparison) => policiesOf(comparison));
  const names = [true, false].flatMap((learned) =>
    named.filter((one) => one.learned === learned).map(({ name }) => name)
  );
  return first.environments.map((environment) => ({
    environment,
    rows: [...new Set(names)].flatMap((policy) => {
      const cells = comparisons.map((comparison) => trainingsOf(comparison, policy, environment.name));
      return cells.some((own) => own.length > 0) ? [{ policy, cells }] : [];
    }),
  }));
}
