/** Dispatches of a page as programs: those for all users, and those by chunks of users, in their order. */

import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { Program } from "../gpu/program.ts";
import { isChunked, type PageHeaders } from "./page_headers.ts";
import type { ChunkedDispatches, PageDispatch } from "./policy.ts";

/** Dispatches that follow one another and see the same headers. */
interface Part {
  readonly program: Program<ClickSizes>;
  readonly chunked: ChunkedDispatches | undefined;
}

/** A program, the sizes that it sees, and where its header stands, in bytes. */
export interface PageCall {
  readonly program: Program<ClickSizes>;
  readonly sizes: ClickSizes;
  readonly offset: number;
}

export class PageProgram {
  private constructor(readonly headers: PageHeaders, private readonly parts: readonly Part[]) {}

  /** Compiles and binds the dispatches in order. @throws Error as {@link Program.record}. */
  static async record(
    gpu: Gpu,
    name: string,
    headers: PageHeaders,
    dispatches: readonly PageDispatch[],
  ): Promise<PageProgram> {
    const parts: Part[] = [];
    let plain: ClickDispatch[] = [];
    const record = async (own: readonly ClickDispatch[], chunked?: ChunkedDispatches) => {
      if (own.length === 0) return;
      parts.push({ program: await Program.record(gpu, name, headers.buffer, own), chunked });
    };
    for (const dispatch of dispatches) {
      if (!isChunked(dispatch)) {
        plain.push(dispatch);
        continue;
      }
      await record(plain.splice(0));
      await record(dispatch.dispatches, dispatch);
    }
    await record(plain);
    plain = [];
    return new PageProgram(headers, parts);
  }

  /** What the page of a place runs, in order; of users by chunks, a program for each chunk. */
  calls(place: number): PageCall[] {
    const { headers } = this;
    return this.parts.flatMap(({ program, chunked }) => {
      const seen = chunked
        ? headers.chunks(chunked, place)
        : [{ sizes: headers.sizes(place), offset: headers.offset(place) }];
      return seen.map((own) => ({ program, ...own }));
    });
  }

  /** Appends the page of a place. */
  encode(commands: Commands, place: number): void {
    for (const { program, sizes, offset } of this.calls(place)) program.encode(commands, sizes, offset);
  }
}
