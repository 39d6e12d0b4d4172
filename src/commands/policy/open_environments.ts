/** Environments for the comparison of policies: the training environment, a second model, a ground truth. */

import { countTrain } from "../../counts/train_counts.ts";
import { drawShopItems } from "../../data/demo_shop.ts";
import { expectPagesWithoutClick, type LogSource } from "../../data/log_source.ts";
import { findShop } from "../../data/shops.ts";
import type { Gpu } from "../../gpu/device.ts";
import { readLoggedStates } from "../../policy/comparison/compare_policies.ts";
import type { LogSupport, OpenEnvironment } from "../../policy/comparison/compare_policies.ts";
import { trainHistories } from "../../policy/comparison/trust_metrics.ts";
import { isSame, type PolicySubject } from "../../policy/policy_config.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { LearnedSource } from "../../simulate/learned_users.ts";
import { ShopSource } from "../../simulate/shop_users.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import type { UserSelectionOptions } from "../simulate/simulate_options.ts";
import {
  areEqualArrays,
  findAgain,
  findUsers,
  getSubject,
  hasSameItems,
  type UserSelection,
} from "../simulate/user_selection.ts";
import { formatThousands } from "../../number_text.ts";

export interface EnvironmentOptions
  extends Pick<UserSelectionOptions, "shop" | "dataSeed" | "memoryRows" | "uncalibrated"> {
  testModel?: string;
}

export interface FoundEnvironments {
  readonly own: UserSelection;
  readonly notes: readonly string[];
  open(gpu: Gpu, stack: DisposableStack): OpenedEnvironments;
}

export interface OpenedEnvironments {
  /** Environments of the comparison. The first is the environment in which the policies were trained. */
  readonly environments: readonly OpenEnvironment[];
  /** Users on whom the policies were trained. Their model computes the user states that policies observe. */
  readonly observer: UsersSource;
  /** Computes user states on logged pages, with the mean of each context feature. */
  readonly logObserver: UsersSource;
  readonly log: LogSource;
  /** Reads the log's user states and item impressions; undefined for policies trained on a ground truth. */
  logged(): Promise<LogSupport | undefined>;
}

/** Maximum number of logged pages for which user states are computed. */
const MOST_HISTORIES = 4096;

/**
 * Finds the environments that the options name. @param subject - environment in which policies were trained
 * @throws UserError if data changed, items differ, or an environment is named twice, and for a model whose
 * log has a click on every page (such a model does not learn how often users click nothing)
 */
export async function findEnvironments(
  subject: PolicySubject,
  options: EnvironmentOptions,
): Promise<FoundEnvironments> {
  const own = await findAgain(subject, options);
  const second = options.testModel === undefined
    ? undefined
    : await secondModel(options.testModel, subject, options);
  const truth = openShopTruth(subject, own, options);
  const { data } = own;
  expectPagesWithoutClick(data.source);
  if (second) expectSameItems(data, second.data, options.testModel ?? "");
  return {
    own,
    notes: [...new Set([...own.notes, ...second?.notes ?? []])],
    open(gpu, stack) {
      const observer = own.open(gpu, stack).environment;
      const logObserver = observer instanceof LearnedSource
        ? new LearnedSource(observer.model, observer.name)
        : observer;
      const environments: OpenEnvironment[] = [{
        name: describeSubject(subject),
        role: subject.kind === "truth" ? "truth" : "trained on",
        source: observer,
      }];
      if (second) {
        const source = second.open(gpu, stack, own.contexts).environment;
        environments.push({ name: describeSubject(getSubject(second)), role: "second model", source });
      }
      if (truth) environments.push({ name: `the ${truth.shop.name} shop`, role: "truth", source: truth });
      return {
        ...{ environments, observer, logObserver, log: data.source },
        async logged() {
          if (subject.kind === "truth") return undefined; // a ground truth is not learned from a log
          return {
            states: await readLoggedStates(gpu, observer, trainHistories(data.source, MOST_HISTORIES)),
            displays: countTrain(data.source).shown,
          };
        },
      };
    },
  };
}

function describeSubject(subject: PolicySubject): string {
  if (subject.kind === "truth") return `the ${subject.shop} shop`;
  return `the model ${subject.path.replace(/[/\\]best-loss\.safetensors$/, "")}`;
}

async function secondModel(
  model: string,
  subject: PolicySubject,
  { memoryRows, uncalibrated }: EnvironmentOptions,
): Promise<UserSelection> {
  const own = { model, truth: false, memoryRows, uncalibrated, seed: 1, resplit: false };
  const found = await findUsers(own);
  if (!isSame(getSubject(found), subject)) return found;
  throw new UserError(
    `Expected --test-model to differ from ${model}, the model on which the policies were trained. Train a ` +
      "second model on other users (for a synthetic shop: with another --data-users-seed).",
  );
}

/** Opens a shop's ground truth. @throws UserError if the shop and the model's log have different items */
function openShopTruth(
  subject: PolicySubject,
  { data }: UserSelection,
  { shop: name, dataSeed }: Pick<EnvironmentOptions, "shop" | "dataSeed">,
): ShopSource | undefined {
  if (name === undefined) return undefined;
  const shop = findShop(name);
  if (!shop) throw new Error(`expected a shop, got ${name}`);
  if (subject.kind === "truth") {
    if (subject.shop === name && subject.dataSeed === (dataSeed ?? subject.dataSeed)) return undefined;
    throw new UserError(
      `Expected the ground truth on which the policies were trained (shop ${subject.shop}, --data-seed ` +
        `${subject.dataSeed}), got another shop or seed. Omit --shop.`,
    );
  }
  const trained = subject.data.kind === "demo" ? subject.data : undefined;
  const values = drawShopItems(dataSeed ?? trained?.seed ?? 1);
  const { items } = data.source.items;
  if (items?.kind !== "dense" || !areEqualArrays(items.values, values)) {
    throw new UserError(
      "Expected a shop with the items of the model's log, but the items differ with --shop " +
        `${name}${dataSeed === undefined ? "" : ` --data-seed ${dataSeed}`}. ` +
        "Set --data-seed to the seed of the log's shop.",
    );
  }
  return new ShopSource(shop, values);
}

/** @throws UserError if the two models have different items. */
function expectSameItems(one: OpenedDataset, other: OpenedDataset, model: string): void {
  if (hasSameItems(one, other)) return;
  const countItems = ({ source }: OpenedDataset) => formatThousands(source.items.shape.count);
  throw new UserError(
    `Expected --test-model to have the policies' ${countItems(one)} items in the same order, but the ` +
      `${countItems(other)} items of ${model} differ. Train the model on the same data set; for a ` +
      "synthetic shop, with the same --data-seed and another --data-users-seed.",
  );
}
