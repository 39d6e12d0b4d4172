/** Whom a policy sees: a learned model, or the truth of a made-up shop, by the options of a command. */

import { type Command, Option } from "commander";
import { shopItems } from "../data/demo_shop.ts";
import { shopNamed, shopNames } from "../data/shops.ts";
import { checksum } from "../files/checksum.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Made } from "../gpu/made.ts";
import type { PolicySubject } from "../policy/policy_config.ts";
import type { OpenedDataset } from "../run/open_dataset.ts";
import { LearnedSource } from "../simulate/learned_source.ts";
import { ShopSource } from "../simulate/shop_users.ts";
import type { UsersSource } from "../simulate/users.ts";
import { UserError } from "../user_error.ts";
import { DATA } from "./arguments.ts";
import { memoryRowsOption } from "./open_data.ts";
import { openModel } from "./open_model.ts";
import { LARGEST_SEED, path, wholeNumber } from "./options.ts";

export interface SubjectOptions {
  model?: string;
  data?: string;
  shop?: string;
  truth?: boolean;
  dataSeed?: number;
  memoryRows: number;
  uncalibrated: boolean;
}

export function addSubjectOptions(command: Command): Command {
  return command
    .optionsGroup("Users:")
    .option(
      "--model <run>",
      "a learned model: a run's folder, whose best-loss snapshot is taken, or a snapshot (.safetensors)",
      path,
    )
    .addOption(new Option(DATA, "as of train; without it, what the model was trained on").argParser(path))
    .option("--shop <name>", `in place of a model: a made-up shop, ${shopNames}`)
    .option("--truth", "of the shop: its users as they are, not a model of them")
    .option("--data-seed <n>", "seed of the made-up shop", wholeNumber(0, LARGEST_SEED))
    .option(
      "--uncalibrated",
      "take a model of the adversarial stage all the same, though its utilities are no log-odds of clicks",
      false,
    )
    .addOption(memoryRowsOption());
}

/** Whom the options name, before there is a device. */
export interface FoundSubject {
  readonly subject: PolicySubject;
  /** The data set of a model, over its items. */
  readonly data?: OpenedDataset;
  /** On the device, over the catalogue. */
  open(gpu: Gpu, made: Made): UsersSource;
}

/** @throws UserError for options that name nobody, or both. */
export async function findSubject(options: SubjectOptions): Promise<FoundSubject> {
  const { model, shop, truth, dataSeed } = options;
  if (model !== undefined && shop !== undefined) {
    throw new UserError("Expected --model or --shop, got both. A policy is trained on one kind of users.");
  }
  if (model !== undefined) {
    if (truth) throw new UserError("Expected --truth with --shop, got it with --model, which is no truth.");
    return await foundModel(model, options);
  }
  if (shop === undefined) {
    throw new UserError("Expected --model RUN, or --shop NAME --truth, to say whose clicks to learn from.");
  }
  if (!truth) {
    throw new UserError(
      `Expected --truth with --shop ${shop}, to learn from its users as they are. For a model of them, train one: ` +
        `deno task train --data ${shop} --save-dir runs/a, then --model runs/a.`,
    );
  }
  return foundShop(shop, dataSeed ?? 1);
}

/** Finds again whom a policy was trained on. @throws UserError where that has changed. */
export async function findAgain(subject: PolicySubject, options: SubjectOptions): Promise<FoundSubject> {
  if (subject.kind === "truth") return foundShop(subject.shop, subject.dataSeed);
  const found = await foundModel(subject.path, { ...options, uncalibrated: true });
  if (found.subject.kind !== "model" || found.subject.sha256 !== subject.sha256) {
    throw new UserError(
      `${subject.path}, which the policy is trained on, has changed since its training began. Put the old file back.`,
    );
  }
  return found;
}

function foundShop(name: string, dataSeed: number): FoundSubject {
  const shop = shopNamed(name);
  if (!shop) throw new UserError(`Expected a made-up shop, ${shopNames}, got --shop ${name}.`);
  return {
    subject: { kind: "truth", shop: name, dataSeed },
    open: () => new ShopSource(shop, shopItems(dataSeed)),
  };
}

async function foundModel(model: string, options: SubjectOptions): Promise<FoundSubject> {
  const { run, data } = await openModel({ ...options, model, seed: 1, resplit: false });
  const { sha256 } = await checksum(run.path);
  return {
    subject: { kind: "model", path: run.path, sha256, data: data.dataset.config },
    data,
    open(gpu, made) {
      const source = LearnedSource.ofRun(gpu, run, data, options);
      made.keep(source.model);
      return source;
    },
  };
}
