/** Runs dispatches of simulated pages twice, with canaries (known words) after every buffer. */

import { makeKey } from "../../data/philox.ts";
import { createRandomStream } from "../../data/random.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { View } from "../../gpu/memory.ts";
import { readViews } from "../../gpu/readback.ts";
import { PageBuffers, type PageCapacity } from "../../simulate/page_buffers.ts";
import { type EpisodeKey, isChunked, PageHeaders, PageProgram } from "../../simulate/page_program.ts";
import type { PageDispatch } from "../../simulate/policy.ts";
import type { CheckCollector, NamedCheck } from "../finding.ts";
import { CanaryArena, makeMaskBits, runChecked, runTwice } from "../harness.ts";

export class CheckedPage {
  readonly arena: CanaryArena;
  readonly page: PageBuffers;

  /** @param checks - collects faults of a run; if undefined, faults are thrown */
  constructor(
    readonly gpu: Gpu,
    room: Partial<PageCapacity> & Pick<PageCapacity, "users">,
    private readonly checks?: CheckCollector,
  ) {
    this.arena = new CanaryArena(gpu, "checked");
    this.page = new PageBuffers(gpu, this.arena, { slate: 1, items: 40, pages: 1, startClicks: 0, ...room });
  }

  write(view: View, data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    this.gpu.queue.writeBuffer(view.buffer, view.offset, data);
  }

  /** Runs an episode's pages twice, each time after calling `set`. @returns `views` without canaries */
  async run(
    dispatches: readonly PageDispatch[],
    views: readonly View[],
    { set, ...key }: Partial<EpisodeKey> & { set?: () => void } = {},
  ): Promise<Uint32Array<ArrayBuffer>[]> {
    const { gpu, page, arena } = this;
    const headers = new PageHeaders(arena, page, 1 + page.pages, dispatches);
    const program = await PageProgram.record(gpu, "checked", headers, dispatches);
    const specs = dispatches.flatMap((part) => isChunked(part) ? part.dispatches : [part]);
    const first = await runChecked(this.checks, (checks) =>
      runTwice(arena, checks, specs, {
        start: set,
        encode(commands) {
          headers.put(
            { users: page.users, firstUser: 0, episode: 0, seed: 1, ...key },
            (slot) => Math.max(0, slot - 1),
          );
          for (let t = 0; t < page.pages; t++) program.encode(commands, 1 + t);
        },
        read: () => readViews(gpu, views),
      }));
    return first.map((words) => words.slice(0, words.length - 64));
  }

  [Symbol.dispose](): void {
    this.arena.destroy();
  }
}

/** Draws words of random bits. @param share - probability that a bit is 1 */
export function drawRandomBits(words: number, share: number, seed = 1): Uint32Array<ArrayBuffer> {
  const random = createRandomStream(seed, "bits");
  return Uint32Array.from({ length: words }, () => {
    let word = 0;
    for (let bit = 0; bit < 32; bit++) if (random.uniform() < share) word |= 1 << bit;
    return word >>> 0;
  });
}

export const key = makeKey(1);
export type PageCheck = (checked: CheckedPage, checks: CheckCollector) => Promise<void>;

/** Returns masks with one bit per user and item. @param set - returns true to set a bit */
export function makePageBits(
  page: PageBuffers,
  set: (user: number, item: number) => boolean,
): Uint32Array<ArrayBuffer> {
  return makeMaskBits(page.users, 32 * page.panels, set);
}

/** Sizes of a page: more users than a workgroup's invocations, and more items than a mask word has bits. */
const ROOM = { users: 70, items: 45, slate: 3 };

/** Makes a self-test case. @param room - sizes that differ from those of the usual test page */
export function createPageCase(name: string, check: PageCheck, room: Partial<PageCapacity> = {}): NamedCheck {
  return { name: `page: ${name}`, check: makePageCheck({ ...ROOM, ...room }, check) };
}

export function makePageCheck(
  room: ConstructorParameters<typeof CheckedPage>[1],
  check: PageCheck,
): NamedCheck["check"] {
  return async (gpu, checks) => {
    using checked = new CheckedPage(gpu, room, checks);
    await check(checked, checks);
  };
}
