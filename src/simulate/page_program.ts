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

  /** All dispatches, for a bench: what each is, and what it costs by the sizes that it sees. */
  get programs(): readonly Program<ClickSizes>[] {
    return this.parts.map(({ program }) => program);
  }

  /** Appends the page of a place. */
  encode(commands: Commands, place: number): void {
    const { headers } = this;
    for (const { program, chunked } of this.parts) {
      if (!chunked) program.encode(commands, headers.sizes(place), headers.offset(place));
      else {for (const { sizes, offset } of headers.chunks(chunked, place)) {
          program.encode(commands, sizes, offset);
        }}
    }
  }
}
