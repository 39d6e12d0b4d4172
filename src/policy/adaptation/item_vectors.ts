/** What a source of users knows of items, on the host. */

import { Arena } from "../../gpu/arena.ts";
import { Commands } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import { readViews } from "../../gpu/readback.ts";
import { Page } from "../../simulate/page.ts";
import { PageHeaders } from "../../simulate/page_headers.ts";
import { PageProgram } from "../../simulate/page_program.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { unpadRows } from "../../tape/layout.ts";
import type { ItemVectors } from "./lin_ucb_play.ts";

/** [I, G] as policies see them: dense features, otherwise what the model makes of an item. */
export async function itemVectorsOf(gpu: Gpu, source: UsersSource): Promise<ItemVectors> {
  const arena = new Arena(gpu, "item vectors");
  const page = new Page(gpu, arena, {
    users: 1,
    slate: 1,
    items: source.itemCount,
    pages: 1,
    startClicks: 0,
  });
  const users = source.users(page);
  try {
    const prepare = users.prepare();
    const headers = new PageHeaders(arena, page, 1, prepare);
    const program = await PageProgram.record(gpu, "item vectors", headers, prepare);
    headers.put({ users: 1, firstUser: 0, episode: 0, seed: 0 }, () => 0);
    const commands = new Commands(gpu, "item vectors");
    program.encode(commands, 0);
    gpu.queue.submit([commands.finish()]);
    const { view, columns, groups } = users.itemVectors;
    const [words] = await readViews(gpu, [view]);
    const floats = new Float32Array(words?.buffer ?? new ArrayBuffer(0));
    return { values: unpadRows(floats, source.itemCount, columns, groups), width: columns };
  } finally {
    users.destroy();
    arena.destroy();
  }
}
