/** A learned model as a source of users. */

import type { Gpu } from "../gpu/device.ts";
import type { UserModel } from "../model/user_model.ts";
import { UserError } from "../user_error.ts";
import { LearnedUsers } from "./learned_users.ts";
import type { Page } from "./page.ts";
import type { Users, UsersSource } from "./users.ts";

/** A trained model that can be put on a device: what `openRun` gives. */
export interface TrainedModel<Data> {
  /** Where it is from, for messages. */
  readonly path: string;
  /** Whether it was trained in a game, the adversarial stage. */
  readonly info: { readonly game?: unknown };
  /** The model over the items of a data set. */
  model(gpu: Gpu, data: Data): UserModel;
}

/** Users of a learned model, for pages of any size. */
export class LearnedSource implements UsersSource {
  /** I, items of the catalogue. */
  readonly itemCount: number;

  /**
   * The users of a model.
   * @param name for reports. @throws UserError for a model of clicks that are independent of each other, which are no choice.
   */
  constructor(readonly model: UserModel, readonly name = "the model") {
    this.itemCount = model.shape.count;
    if (model.config.loss === "logistic") {
      throw new UserError(
        `Expected a model of one choice a page (--loss choice), got ${name}, which says of each item by itself whether it is ` +
          "clicked. Train one with --loss choice.",
      );
    }
  }

  /**
   * The users of a trained model.
   * @param options.uncalibrated takes weights of the adversarial stage all the same.
   * @throws UserError for such weights: their utilities rank, but are no log-odds of a click.
   */
  static ofRun<Data>(
    gpu: Gpu,
    run: TrainedModel<Data>,
    data: Data,
    { uncalibrated = false }: { readonly uncalibrated?: boolean } = {},
  ): LearnedSource {
    if (run.info.game && !uncalibrated) {
      throw new UserError(
        `Expected a model of the first stage, got ${run.path}, of the adversarial stage: what its users would click is not ` +
          "calibrated. Use best-loss.safetensors of its run, or --uncalibrated.",
      );
    }
    const model = run.model(gpu, data);
    try {
      return new LearnedSource(model, run.path);
    } catch (error) {
      model.destroy();
      throw error;
    }
  }

  /**
   * Users on a page.
   * @internal
   */
  users(page: Page, arena = page.arena): Users {
    return new LearnedUsers(page, arena, this.model, this.name);
  }
}
