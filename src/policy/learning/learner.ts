/** What an algorithm is to the training: a network that acts, and that learns from remembered pages. */

import type { Commands } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import type { Policy } from "../../simulate/policy.ts";
import type { Observer, UsersSource } from "../../simulate/users.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import type { PolicyTrainingConfig } from "./config.ts";
import type { Recall } from "./recall.ts";

/**
 * Remembered pages that are learned from at once, rows of them, one a page, the rows' slots, and items of the catalogue: B, B,
 * B k, I. They stand where clicks count users, events, rows and items, so that both share shaders.
 */
export type LearnSizes = Readonly<Record<"pages" | "rows" | "slots" | "items", number>>;
export type LearnDispatch = DispatchSpec<LearnSizes>;

export const learnDimensions = new Dimensions<LearnSizes>(["pages", "rows", "slots", "items"], "rows");

/** The sizes of a batch of so many remembered pages. */
export function learnSizes(rows: number, slate: number, items: number): LearnSizes {
  return { pages: rows, rows, slots: rows * slate, items };
}

/** What a learner learns from. */
export interface Lesson {
  readonly recall: Recall;
  /** [B] what the value of each page is to become; written between {@link RecordedLesson.next} and `fit`. */
  readonly wanted: View;
  /** At `step.slot`: (sum of the losses, sum of the values of the slates shown, 0, 0). */
  readonly ring: View;
}

/** [B, stride] f32: the value of a row is the sum of `count` columns from `first` on. */
export interface NextValue {
  readonly view: View;
  readonly stride: number;
  readonly first: number;
  readonly count: number;
}

/** The dispatches of a step of the optimiser, without the optimiser. */
export interface RecordedLesson {
  /** The value of the best slate after each page. */
  readonly nextValue: NextValue;
  /**
   * Programs over batches of another kind, that run between the recall of the pages and {@link next}.
   * @returns what appends them
   */
  readonly between?: () => Promise<(commands: Commands) => void>;
  /** What computes it. */
  readonly next: readonly LearnDispatch[];
  /** The loss, and the gradients of all parameters. */
  readonly fit: readonly LearnDispatch[];
  /** What follows when the weights have moved: tables of items. */
  readonly moved: readonly LearnDispatch[];
  /** What follows when the older copy of the weights was set anew. */
  readonly copied: readonly LearnDispatch[];
}

/** What a learner is made for. */
export interface LearnerSubject {
  readonly gpu: Gpu;
  readonly config: PolicyTrainingConfig;
  /** How the policy sees users: its states, and what is known of items. */
  readonly observer: Observer;
  /** Whom the observer sees users as. */
  readonly source: UsersSource;
  /** I */
  readonly items: number;
}

/** Makes the learner of an algorithm, with the weights that the config's seed draws. */
export type MakeLearner = (subject: LearnerSubject) => Learner;

/** A network that acts and learns. */
export interface Learner {
  /** Chooses slates by the weights as they are; explores with `step.epsilon`. */
  readonly policy: Policy;
  readonly parameters: ParameterArena;
  /** The older copy of all weights, that values slates of the next page; laid out like them. */
  readonly older: View;
  /** Records how it learns; once. */
  record(lesson: Lesson): RecordedLesson;
  destroy(): void;
}
