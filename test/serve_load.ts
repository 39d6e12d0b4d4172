/** Sends requests of concurrent clients to the service, and measures the latencies. */

import * as v from "../src/schema.ts";

/** A request to the service, with the answer that is expected. */
export interface LoadRequest {
  readonly path: string;
  readonly body: string;
  /** Expected utilities, computed without the service; undefined if the answer is not checked. */
  readonly utilities?: ArrayLike<number>;
}

export interface LoadResult {
  readonly requests: number;
  readonly rate: number;
  /** Median milliseconds from sending a request to receiving the answer. */
  readonly median: number;
  readonly p99: number;
  readonly most: number;
  /** Number of requests without an answer of status 200. */
  readonly lost: number;
  /** Number of answers whose utilities are those of another request. */
  readonly mixedUp: number;
  readonly difference: number;
}

const answerSchema = v.object({ utilities: v.array(v.finiteNumber()) });
/** If a utility differs by more than `TOLERANCE` from the expected one, the answer belongs to another request. */
const TOLERANCE = 1e-5;

/** Sends `requests` requests, using `calls` in turn. Each of the `clients` awaits an answer before its next request. */
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

/** Returns the utilities in an answer, [] if an answer has none, or undefined if there is no valid answer. */
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
