/** Programs that simulate pages for all users, or for one chunk of users after another. */

import { clickDimensions, type ClickDispatch, type ClickSizes } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import { StepHeaders } from "../gpu/step.ts";
import { computePageSizes, type PageCapacity } from "./page_buffers.ts";
import type { ChunkedDispatches, PageDispatch } from "./policy.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { Program } from "../gpu/program.ts";

export interface EpisodeKey {
  readonly users: number;
  /** Number of the first simulated user. A user's random numbers depend on the user's number. */
  readonly firstUser: number;
  readonly episode: number;
  readonly seed: number;
  /** Probability that a policy shows a random slate, or a function that returns this probability per page. */
  readonly epsilon?: number | ((page: number) => number);
}

/** Chunk of users. `header` is the index of the chunk's uniforms among all uniforms of a page. */
interface Chunk {
  readonly first: number;
  readonly header: number;
  readonly users: number;
  readonly rows: number;
}

export function isChunked(dispatch: PageDispatch): dispatch is ChunkedDispatches {
  return "chunk" in dispatch;
}

export class PageHeaders {
  readonly #headers: StepHeaders<ClickSizes>;
  readonly #chunks = new Map<string, readonly Chunk[]>();
  readonly #each: number;
  #users: number;

  /** @param places - number of an episode's steps: one for the start, one per start click, one per page */
  constructor(
    arena: Arena,
    private readonly room: PageCapacity,
    readonly places: number,
    dispatches: readonly PageDispatch[],
  ) {
    let header = 1;
    for (const part of dispatches) {
      if (!isChunked(part) || this.#chunks.has(formatHeaderKey(part))) continue;
      const chunks: Chunk[] = [];
      for (let first = 0; first < room.users; first += part.chunk) {
        chunks.push({ first, header: header++, users: part.chunk, rows: part.rows });
      }
      this.#chunks.set(formatHeaderKey(part), chunks);
    }
    this.#each = header;
    this.#users = room.users;
    this.#headers = new StepHeaders(arena, clickDimensions, places * header);
  }

  get buffer(): GPUBuffer {
    return this.#headers.buffer;
  }

  /**
   * Writes and uploads the uniforms of all steps. The first step (start of the episode) runs for all users
   * that fit into the buffers, even if the episode has fewer. @param pageOf - returns the page's index for a
   * step.
   */
  put(key: EpisodeKey, pageOf: (place: number) => number): void {
    this.#users = key.users;
    const { episode, firstUser, seed: noise, epsilon = 0 } = key;
    const chunks = this.#withUsers([...this.#chunks.values()].flat());
    for (let place = 0; place < this.places; place++) {
      const page = pageOf(place);
      const own = {
        page,
        episode,
        firstUser,
        epsilon: typeof epsilon === "number" ? epsilon : epsilon(page),
      };
      const purpose = { slot: 0, learningRate: 0, iteration: 0, noise, page: own };
      const put = (header: number, sizes: ClickSizes, first: number) =>
        this.#headers.put(place * this.#each + header, { sizes, counted: key.users, first }, purpose);
      put(0, this.sizes(place), 0);
      for (const { header, first, sizes } of chunks) put(header, sizes, first);
    }
    this.#headers.upload(0, this.places * this.#each);
  }

  sizes(place: number): ClickSizes {
    return computePageSizes(this.room, place === 0 ? this.room.users : this.#users);
  }

  /** Lists sizes and buffer offsets of a step's uniforms: per chunk of `chunked`, or once for all users. */
  list(
    place: number,
    chunked?: ChunkedDispatches,
  ): { readonly sizes: ClickSizes; readonly offset: number }[] {
    const chunks = chunked
      ? this.#withUsers(this.#chunks.get(formatHeaderKey(chunked)) ?? [])
      : [{ header: 0, sizes: this.sizes(place) }];
    return chunks.map(({ header, sizes }) => ({
      sizes,
      offset: this.#headers.offset(place * this.#each + header),
    }));
  }

  #withUsers(chunks: readonly Chunk[]) {
    return chunks.filter(({ first }) => first < this.#users).map(({ header, first, users: most, rows }) => {
      const users = Math.min(most, this.#users - first);
      return { header, first, sizes: { users, events: users, rows: users * rows, items: this.room.items } };
    });
  }
}

/** Returns a key for dispatches that run per chunk of users. Dispatches with equal keys share uniforms. */
function formatHeaderKey({ chunk, rows }: ChunkedDispatches): string {
  return `${chunk} ${rows}`;
}

interface Part {
  readonly program: Program<ClickSizes>;
  readonly chunked: ChunkedDispatches | undefined;
}

export class PageProgram {
  private constructor(readonly headers: PageHeaders, private readonly parts: readonly Part[]) {}

  /** Compiles the dispatches and binds their buffers, in order. @throws Error as {@link Program.record}. */
  static async record(
    gpu: Gpu,
    name: string,
    headers: PageHeaders,
    dispatches: readonly PageDispatch[],
  ): Promise<PageProgram> {
    const parts: Part[] = [];
    const plain: ClickDispatch[] = [];
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
    return new PageProgram(headers, parts);
  }

  /** Encodes the dispatches of a step in order. Dispatches for chunks of users are encoded once per chunk. */
  encode(commands: CommandRecorder, place: number): void {
    const { headers } = this;
    for (const { program, chunked } of this.parts) {
      for (const { sizes, offset } of headers.list(place, chunked)) program.encode(commands, sizes, offset);
    }
  }
}
