/** Load on the service: requests by concurrent clients, and their latencies. */

import * as v from "../src/schema.ts";

/** A request with its expected answer. */
export interface LoadRequest {
  readonly path: string;
  readonly body: string;
  /** Utilities that were computed separately; undefined if only the time counts. */
  readonly utilities?: ArrayLike<number>;
}

export interface LoadResult {
  readonly requests: number;
  readonly rate: number;
  /** Milliseconds from sending a request to its answer. */
  readonly median: number;
  readonly p99: number;
  readonly most: number;
  /** Requests without an answer of status 200. */
  readonly lost: number;
  /** Answers with other utilities than expected. */
  readonly mixedUp: number;
  readonly difference: number;
}

const answerSchema = v.object({ utilities: v.array(v.finiteNumber()) });
/** Utilities with larger differences belong to another request. */
const TOLERANCE = 1e-5;

/** Sends `calls` in turn from `clients` that each wait for an answer. @param url e.g. http://127.0.0.1:8750 */
export async function load(
  url: string,
  calls: readonly LoadRequest[],
  { requests, clients }: { readonly requests: number; readonly clients: number },
): Promise<LoadResult> {
  const times = new Float64Array(requests);
  let [next, lost, mixedUp, difference] = [0, 0, 0, 0];
  const client = async () => {
    while (next < requests) {
      const number = next++;
      const call = calls[number % calls.length];
      if (!call) throw new Error("Expected calls, got none.");
      const began = performance.now();
      const answer = await ask(url, call);
      times[number] = performance.now() - began;
      if (answer === undefined) lost++;
      else if (call.utilities) {
        const gap = largestGap(answer, call.utilities);
        if (!(gap <= TOLERANCE)) mixedUp++;
        else difference = Math.max(difference, gap);
      }
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - began) / 1000;
  times.sort();
  const at = (share: number) => times[Math.min(requests - 1, Math.floor(share * requests))] ?? NaN;
  const rate = requests / seconds;
  return { requests, rate, median: at(0.5), p99: at(0.99), most: at(1), lost, mixedUp, difference };
}

/** Returns undefined without a valid answer, and [] for an answer without utilities. */
async function ask(url: string, { path, body }: LoadRequest): Promise<readonly number[] | undefined> {
  try {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await response.text();
    if (!response.ok) return undefined;
    const parsed = v.safeParse(answerSchema, JSON.parse(text));
    return parsed.success ? parsed.output.utilities : [];
  } catch {
    return undefined;
  }
}

function largestGap(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let gap = 0;
  for (let k = 0; k < found.length; k++) {
    gap = Math.max(gap, Math.abs((found[k] ?? NaN) - (expected[k] ?? NaN)));
  }
  return gap;
}
