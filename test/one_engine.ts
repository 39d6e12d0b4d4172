/** The data engine that the tests of a file share: to open one and close it takes longer than most of their queries. */

import { Engine, literal } from "../src/data/prepare/engine.ts";

let opened: Promise<Engine> | undefined;

async function open(): Promise<Engine> {
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  // Tests write a file anew within the time that a file system tells apart.
  await engine.run("SET enable_external_file_cache = false");
  return engine;
}

/** Queries of several tests may meet in it: what one of them needs is one call of the engine. */
export function oneEngine(): Promise<Engine> {
  return opened ??= open();
}

/** Writes a Parquet file of a query. */
export async function parquet(path: string, sql: string, more = ""): Promise<void> {
  await (await oneEngine()).run(`COPY (${sql}) TO ${literal(path)} (FORMAT parquet${more})`);
}
