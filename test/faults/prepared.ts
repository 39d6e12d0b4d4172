/** What comes of a scenario without a fault, found out once for all that is tried of it. */

import { type How, type Scenario, traced } from "./crash_points.ts";

export interface Prepared {
  /** What {@link Scenario.prepare} wrote. */
  readonly base: string;
  /** Operations that a fault of each kind can meet. */
  readonly counts: Record<How, number>;
  readonly expected: Map<string, string>;
  /** Milliseconds that it takes. */
  readonly usual: number;
}

const prepared = new Map<Scenario, Promise<Prepared>>();

export function preparedOf(scenario: Scenario): Promise<Prepared> {
  const found = prepared.get(scenario) ?? prepare(scenario);
  prepared.set(scenario, found);
  return found;
}

async function prepare(scenario: Scenario): Promise<Prepared> {
  const base = await Deno.makeTempDir({ prefix: "clickgan-base-" });
  await scenario.prepare(base);
  const began = performance.now();
  const found = await traced(scenario, base);
  return { base, ...found, usual: performance.now() - began };
}

/** Removes what was prepared. */
export async function removePrepared(): Promise<void> {
  for (const one of prepared.values()) await Deno.remove((await one).base, { recursive: true });
  prepared.clear();
}
