/**
 * Replays logged pages. For each page, computes the model's utilities of all items, and the policy's slate or
 * scores. User states are updated by the logged clicks, even if the policy would have shown other items.
 */

import { countBitWords } from "../../batch/device_log.ts";
import { type Clicks, CONTEXT_EVENT, isPage, listClickedRows, NONE } from "../../data/click_log.ts";
import { Arena } from "../../gpu/arena.ts";
import { CommandRecorder } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import { readViews } from "../../gpu/readback.ts";
import type { View } from "../../gpu/memory.ts";
import { encodeEmptyEvents, PageBuffers } from "../../simulate/page_buffers.ts";
import { PageHeaders, PageProgram } from "../../simulate/page_program.ts";
import type { PageContext, PageDispatch, Policy } from "../../simulate/policy.ts";
import type { SimulatedUsers, UsersSource } from "../../simulate/users.ts";
import { type ChoiceRule, readChoiceRule } from "../comparison/episode_prediction.ts";

export interface ReplayOptions {
  readonly log: Clicks;
  readonly model: UsersSource;
  readonly policy: Policy;
  /** k, the number of items on a page. Pages of another size update user states, but are not evaluated. */
  readonly slate: number;
  /** T, the maximum number of pages per user. A trained policy is not defined on later pages. */
  readonly pages: number;
  readonly repeats: boolean;
  readonly onProgress?: (done: number, of: number) => void | Promise<void>;
}

export interface ReplayedPage {
  /** Number of the user in the log. `page` is the index of the page among this user's pages. */
  readonly user: number;
  readonly page: number;
  readonly event: number;
  /** Items that the page could have shown, in ascending order. */
  readonly candidates: readonly number[];
  /** [items] the model's utilities of all items. The rule `choice` computes click probabilities from them. */
  readonly utilities: Float32Array;
  readonly choice: ChoiceRule;
  /** [items] the policy's scores of all items; undefined for a policy without a score per item. */
  readonly scores: Float32Array | undefined;
  /** [slots] slate of a policy without scores per item; undefined for a policy with scores. */
  readonly chosen: Uint32Array | undefined;
}

interface LoggedUser {
  readonly user: number;
  readonly before: readonly number[];
  readonly pages: readonly { readonly event: number; readonly clicks: readonly number[] }[];
}

function readLoggedUser(log: Clicks, user: number): LoggedUser {
  const { userEvents, eventKind, eventRows, rowItem } = log;
  const before: number[] = [];
  const pages: { event: number; clicks: number[] }[] = [];
  for (let event = userEvents[user]!; event < userEvents[user + 1]!; event++) {
    const given = eventKind?.[event] ?? 0;
    if (isPage(given)) pages.push({ event, clicks: listClickedRows(log, event).map((row) => rowItem[row]!) });
    else if (given === CONTEXT_EVENT) (pages.at(-1)?.clicks ?? before).push(rowItem[eventRows[event]!]!);
  }
  return { user, before, pages };
}

/** A logged click on an item. `slot` is undefined if the item was clicked outside of logged pages. */
interface Click {
  readonly item: number;
  readonly slot: number | undefined;
}

/** Maximum number of utilities (users x items) that are computed at once. */
const TOGETHER_ITEMS = 2 ** 15;

/** @param take - called with each page of `slate` items. @throws any error of `policy.record` */
export async function replayPages(
  gpu: Gpu,
  options: ReplayOptions,
  take: (page: ReplayedPage) => void,
): Promise<void> {
  const { log, model, onProgress } = options;
  const all = log.userSplit.length;
  const together = Math.max(1, Math.min(all, Math.floor(TOGETHER_ITEMS / model.itemCount)));
  using stack = new DisposableStack();
  const replay = await Replay.create(gpu, options, together, stack);
  for (let first = 0; first < all; first += together) {
    const users = Array.from(
      { length: Math.min(together, all - first) },
      (_, k) => readLoggedUser(log, first + k),
    );
    await replay.run(users, take);
    await onProgress?.(first + users.length, all);
  }
  gpu.check();
}

/** Dispatches that compute a policy's scores or slates, and the buffer view with the result. */
interface RecordedPolicy {
  readonly dispatches: readonly PageDispatch[];
  readonly view: View;
  /** Number of floats between the scores of two consecutive users; undefined if the result is slates. */
  readonly stride: number | undefined;
}

class Replay {
  #choice: ChoiceRule | undefined;

  private constructor(
    private readonly gpu: Gpu,
    private readonly options: ReplayOptions,
    private readonly page: PageBuffers,
    private readonly environment: SimulatedUsers,
    private readonly asked: RecordedPolicy,
    private readonly programs: Record<"prepare" | "begin" | "look" | "shown" | "step", PageProgram>,
  ) {}

  /** Creates a replay that processes up to `users` users in parallel. @param stack - owns the buffers */
  static async create(
    gpu: Gpu,
    options: ReplayOptions,
    users: number,
    stack: DisposableStack,
  ): Promise<Replay> {
    const { model, policy, slate, pages } = options;
    const arena = stack.use(new Arena(gpu, "replay"));
    const page = new PageBuffers(gpu, arena, { users, slate, items: model.itemCount, pages, startClicks: 0 });
    const environment = stack.use(model.users(page, arena));
    const other = policy.observes !== undefined && policy.observes !== model;
    const observer = other ? stack.use(policy.observes.users(page, arena)) : environment;
    const all = [...new Set([environment, observer])];
    const { utilities, users: chunk, dispatches } = environment.catalogue();
    const rules = { reward: "click", leave: 0, patience: 0 } as const;
    const asked = recordPolicy(policy, utilities, { arena, page, environment, observer, rules });
    const look: PageDispatch[] = [{ chunk, rows: page.items, dispatches }, ...asked.dispatches];
    if (chunk < users) throw new Error(`expected chunks of ${users} users, got ${chunk}`);
    const headers = new PageHeaders(arena, page, 1 + pages, look);
    const record = (name: string, own: readonly PageDispatch[]) =>
      PageProgram.record(gpu, `replay: ${name}`, headers, own);
    const programs = {
      prepare: await record("tables", [...all.flatMap((one) => one.prepare()), ...policy.prepare?.() ?? []]),
      begin: await record("begin", all.flatMap((one) => one.reset())),
      look: await record("look", look),
      shown: await record("shown", all.flatMap((one) => one.shown())),
      step: await record("step", all.flatMap((one) => one.step())),
    };
    return new Replay(gpu, options, page, environment, asked, programs);
  }

  async run(users: readonly LoggedUser[], take: (page: ReplayedPage) => void): Promise<void> {
    const { options: { log, slate: k }, programs, page: { pages, users: U, items: I } } = this;
    const key = { users: users.length, firstUser: 0, episode: 0, seed: 0 };
    programs.look.headers.put(key, (place) => Math.max(0, place - 1));
    this.#submit([[programs.prepare, 0], [programs.begin, 0]]);
    const choice = this.#choice ??= await readChoiceRule(this.gpu, this.environment);
    const clicked = users.map(({ before }) => new Set(before));
    const most = (of: (user: LoggedUser) => number) =>
      users.reduce((most, user) => Math.max(most, of(user)), 0);
    for (let s = 0; s < most(({ before }) => before.length); s++) {
      this.#click(users.map(({ before }) => before[s]));
    }
    for (let t = 0; t < Math.min(pages, most((user) => user.pages.length)); t++) {
      const events = users.map(({ pages }) => pages[t]?.event);
      const may = events.map((event, u) => event === undefined ? [] : this.#candidates(event, clicked[u]!));
      const seen = await this.#look(t, may);
      const slates = new Uint32Array(U * k);
      const clicks = new Array<Click | undefined>(users.length);
      events.forEach((event, u) => {
        if (event === undefined) return;
        const [row, end] = [log.eventRows[event]!, log.eventRows[event + 1]!];
        const own = Array.from(log.rowItem.subarray(row, end));
        const shown = Array.from({ length: k }, (_, j) => own[j % own.length]!);
        const click = log.eventClick[event]!;
        if (click !== NONE) {
          const slot = Math.min(click - row, k - 1); // a longer page's later slots count as slot k - 1
          shown[slot] = log.rowItem[click]!;
          clicks[u] = { item: log.rowItem[click]!, slot };
        }
        slates.set(shown, u * k);
        if (end - row !== k || log.eventKind?.[event]) return; // earlier pages only change the user's state
        const { asked: { stride } } = this;
        const at = u * (stride ?? 0);
        take({
          ...{ user: users[u]!.user, page: t, event, candidates: may[u]!, choice },
          utilities: seen.utilities.subarray(u * I, (u + 1) * I),
          scores: stride === undefined ? undefined : seen.scores.subarray(at, at + I),
          chosen: stride === undefined ? seen.own.subarray(u * k, (u + 1) * k) : undefined,
        });
      });
      this.#show(slates, clicks);
      users.forEach(({ pages }, u) => pages[t]?.clicks.forEach((item) => clicked[u]!.add(item)));
      for (let s = 1; s < most(({ pages }) => pages[t]?.clicks.length ?? 0); s++) {
        this.#click(users.map(({ pages }) => pages[t]?.clicks[s]));
      }
    }
  }

  #candidates(event: number, clicked: ReadonlySet<number>): readonly number[] {
    const { log, repeats } = this.options;
    const listed = log.eventCandidates?.[event] ?? [];
    if (listed.length > 0) return listed.toSorted((a, b) => a - b);
    const all = Array.from({ length: this.page.items }, (_, item) => item);
    return repeats ? all : all.filter((item) => !clicked.has(item));
  }

  async #look(t: number, may: readonly (readonly number[])[]) {
    const { gpu, page, environment, asked: { view, stride }, programs } = this;
    if (stride === undefined) this.#write(page.masked, buildMask(page, may));
    this.#submit([[programs.look, 1 + t]]);
    const [utilities, own] = await readViews(gpu, [environment.catalogue().utilities, view]);
    if (!utilities || !own) throw new Error("expected readViews to return two arrays");
    const utilities32 = new Float32Array(utilities.buffer);
    return { utilities: utilities32, own, scores: new Float32Array(own.buffer) };
  }

  #show(slates: Uint32Array<ArrayBuffer>, clicks: readonly (Click | undefined)[]): void {
    const { page, programs } = this;
    this.#write(page.slates, slates);
    this.#write(page.event, encodeEvents(page, clicks));
    this.#submit([[programs.shown, 1], [programs.step, 1]]);
  }

  /** Updates user states by clicks outside of pages. @param items - clicked item per user, or undefined */
  #click(items: readonly (number | undefined)[]): void {
    const clicks = items.map((item) => item === undefined ? undefined : { item, slot: undefined });
    this.#write(this.page.event, encodeEvents(this.page, clicks));
    this.#submit([[this.programs.step, 1]]);
  }

  #write({ buffer, offset }: View, words: Uint32Array<ArrayBuffer>): void {
    this.gpu.queue.writeBuffer(buffer, offset, words);
  }

  #submit(programs: readonly (readonly [PageProgram, number])[]): void {
    CommandRecorder.submit(this.gpu, "replay", (commands) => {
      for (const [program, place] of programs) program.encode(commands, place);
    });
  }
}

/** Records a policy's dispatches; none are needed if its scores are the model's utilities (in `known`). */
function recordPolicy(policy: Policy, known: View, context: PageContext): RecordedPolicy {
  const { users, items, slates } = context.page;
  if (!policy.scores) return { dispatches: policy.record(context), view: slates, stride: undefined };
  const { before = [], chunk, dispatches, scores: view, stride } = policy.scores(context);
  if (chunk < users) throw new Error(`expected chunks of ${users} users, got ${chunk}`);
  const own = dispatches.length > 0 && view !== known ? [{ chunk, rows: items, dispatches }] : [];
  return { dispatches: [...before, ...own], view, stride };
}

/** Sets the mask bits of all items that are not candidates. */
function buildMask(
  { users, items }: PageBuffers,
  may: readonly (readonly number[])[],
): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(countBitWords(items) * users).fill(0xffffffff);
  may.forEach((own, u) => {
    for (const item of own) bits[(item >>> 5) * users + u]! &= ~(1 << (item % 32));
  });
  return bits;
}

function encodeEvents(
  { users, slate }: PageBuffers,
  clicks: readonly (Click | undefined)[],
): Uint32Array<ArrayBuffer> {
  const words = encodeEmptyEvents(users, slate);
  clicks.forEach((click, u) => {
    if (click) words.set([click.slot === undefined ? NONE : u * slate + click.slot, click.item], 4 * u + 2);
  });
  return words;
}
