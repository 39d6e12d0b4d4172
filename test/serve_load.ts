/** `serve_load.ts URL CALLS.json REQUESTS CLIENTS` sends requests as concurrent clients; prints results. */

import * as v from "../src/schema.ts";

/** A request to the service, and the expected answer. */
export interface LoadRequest {
  readonly path: string;
  readonly body: string;
  /** Expected utilities, computed without the service; undefined for an answer that is not checked. */
  readonly utilities?: ArrayLike<number>;
}

export interface LoadResult {
  readonly requests: number;
  /** Number of requests without an answer of status 200. */
  readonly lost: number;
  /** Number of answers with the utilities of another request. */
  readonly mixedUp: number;
}

const answerSchema = v.object({ utilities: v.array(v.finiteNumber()) });
/** Largest difference of utilities by rounding; a larger one means that an answer is for another request. */
const TOLERANCE = 1e-5;

/** Sends `requests` requests, cycling through `calls`. Each client has one request at a time. */
async function load(
  url: string,
  calls: readonly LoadRequest[],
  { requests, clients }: { readonly requests: number; readonly clients: number },
): Promise<LoadResult> {
  let [next, lost, mixedUp] = [0, 0, 0];
  const client = async () => {
    while (next < requests) {
      const call = calls[next++ % calls.length];
      if (!call) throw new Error("Expected calls, got none.");
      const answer = await ask(url, call);
      if (answer === undefined) lost++;
      else if (call.utilities && !(largestGap(answer, call.utilities) <= TOLERANCE)) mixedUp++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { requests, lost, mixedUp };
}

/** Returns the utilities in an answer; [] if it has no utilities; undefined if the answer is invalid. */
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

if (import.meta.main) {
  const [url = "", file = "", requests = "", clients = ""] = Deno.args;
  const calls = JSON.parse(await Deno.readTextFile(file));
  const result = await load(url, calls, { requests: Number(requests), clients: Number(clients) });
  console.log(JSON.stringify(result));
}
