/** Who plays pages in `bench simulate`: clickgan, and the processes of its peers. */

import * as v from "../../src/schema.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { Made } from "../../src/gpu/made.ts";
import type { UserModel } from "../../src/model/user_model.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { meanReturn } from "../../src/simulate/figures.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { PeerProcess } from "../peers/peer.ts";
import { type Torch, torchVariants } from "../peers/roster.ts";
import type { LessonFigures } from "./job.ts";
import { type TimedWork, workOf } from "../../src/gpu/profiler.ts";
import { type ActingKind, PagePlayer, PAGES, type PageSizes, trainingConfig } from "./pages.ts";

/** What is timed: pages of a policy, or pages that are learned from. */
export type Kind = ActingKind | "learn";

/** Of simulate_peer.py. */
export const peerForms = ["tuned", "plain", "loop"] as const;
type PeerForm = typeof peerForms[number];

/** As in the tables: a form by one of the Pythons. */
export function peerName(form: PeerForm, { name }: Torch): string {
  return form === "loop" ? `a user at a time, NumPy beside ${name}` : `${name}, ${form}`;
}

/** One who plays pages, of as many users as it has. */
export interface Runner {
  /** As in the tables. */
  readonly name: string;
  readonly users: number;
  /** @returns milliseconds */
  play(pages: number): Promise<number>;
  /** Of one who learns. */
  readonly learned?: {
    /** That it learned from. */
    pages(): number;
    /** Mean clicks of a new user over an episode by what was learned, without exploring. */
    clicks(): Promise<number>;
  };
}

/** Seconds that a peer may take for anything. */
const PATIENCE = 300;

/** clickgan, and what its page is made of. */
export interface OwnRunner extends Runner {
  work(): Promise<TimedWork[]>;
}

/** clickgan's. @param made frees it */
export async function ownRunner(
  gpu: Gpu,
  model: UserModel,
  kind: Kind,
  sizes: PageSizes,
  made: Made,
): Promise<OwnRunner> {
  if (kind !== "learn") {
    const player = made.keep(await PagePlayer.create(gpu, model, kind, sizes));
    const [play, work] = [(pages: number) => player.play(pages), () => player.work()];
    return { name: "clickgan", users: sizes.users, play, work };
  }
  const config = trainingConfig(sizes.slate);
  const trainer = made.keep(await PolicyTrainer.create(gpu, new LearnedSource(model), config));
  // Of the first episode nothing is learned.
  await trainer.run(PAGES);
  const play = async (pages: number) => {
    const began = performance.now();
    await trainer.run(trainer.iteration + pages);
    return performance.now() - began;
  };
  const work = () => {
    const { page, lesson } = trainer.calls;
    const own = page.flatMap(({ program, sizes, offset }) => workOf(program, sizes, offset));
    const learned = lesson.flatMap(({ program, sizes, offset }) => workOf(program, sizes, offset));
    return Promise.resolve([...own, ...learned.map((one) => ({ ...one, label: `lesson: ${one.label}` }))]);
  };
  const learned = {
    pages: () => trainer.iteration - PAGES,
    clicks: async () => meanReturn(await trainer.evaluate(sizes.users)),
  };
  return { name: "clickgan", users: config.users, play, work, learned };
}

const readySchema = v.object({
  note: v.string(),
  agreement: v.object({
    probability: v.finiteNumber(),
    slates: v.finiteNumber(),
    /** Of the same pages of the lesson. */
    lesson: v.optional(v.object({ loss: v.finiteNumber(), q: v.finiteNumber() })),
  }),
});
/** How far a peer is from clickgan on the same pages. */
export type Agreement = v.InferOutput<typeof readySchema>["agreement"];

/**
 * What may be between two that compute the same, in float32 and by other orders of summing. Of a lesson's figures by their
 * size, where that is above 1.
 */
const TOLERANCE = { probability: 1e-4, slates: 0.01, lesson: 1e-4 };

/** Why a peer does not compute what clickgan does; nothing if it does. */
export function disagreement(
  { probability, slates, lesson: other }: Agreement,
  lesson: LessonFigures | undefined,
): string | undefined {
  if (!(probability <= TOLERANCE.probability)) return `P(any click) is off by ${probability.toPrecision(2)}`;
  if (!(slates <= TOLERANCE.slates)) return `${(100 * slates).toFixed(1)} % of the slates differ`;
  if (!lesson || !other) return undefined;
  const off = (own: number, other: number) =>
    !(Math.abs(other - own) <= TOLERANCE.lesson * Math.max(1, Math.abs(own)));
  if (off(lesson.loss, other.loss)) return `the loss of a lesson is ${other.loss}, not ${lesson.loss}`;
  return off(lesson.q, other.q) ? `values in a lesson are ${other.q}, not ${lesson.q}` : undefined;
}

/** A peer that is ready, and what it says of itself. */
export class PeerRunner {
  private constructor(
    readonly name: string,
    private readonly form: PeerForm,
    private readonly process: PeerProcess,
    readonly note: string,
    readonly agreement: Agreement,
  ) {}

  /** @param file of the job. @throws CannotError where it cannot be had, Error where it fails. */
  static async start(form: PeerForm, torch: Torch, file: string): Promise<PeerRunner> {
    const script = new URL("../peers/simulate_peer.py", import.meta.url).pathname;
    const [{ environment = {} } = {}] = torchVariants();
    const process = await PeerProcess.start(
      { program: torch.python, args: [script, form, file], environment },
      PATIENCE,
    );
    const { note, agreement } = v.parse(readySchema, JSON.parse(process.note));
    return new PeerRunner(peerName(form, torch), form, process, note, agreement);
  }

  /** Nothing for what it does not do. */
  runner(kind: Kind, users: number): Runner | undefined {
    const { name, form, process } = this;
    if (form === "loop" && kind === "learn") return undefined;
    let done = 0;
    const play = async (pages: number) => {
      const { ms } = await process.run(pages, PATIENCE, kind);
      done += pages;
      return ms;
    };
    const own = { name, users: form === "loop" ? 1 : users, play };
    if (kind !== "learn") return own;
    const clicks = async () => (await process.run(PAGES, PATIENCE, "return")).loss;
    return { ...own, learned: { pages: () => done, clicks } };
  }

  stop(): void {
    this.process.stop();
  }
}
