/** Whom the options of a command name: a trained model, the truth of a made-up shop, or both, with their data; and on a device. */

import { dirname, join } from "node:path";
import { findShop, shopNames } from "../../data/shops.ts";
import { computeFileChecksum } from "../../files/local_file.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { PolicySubject } from "../../policy/policy_config.ts";
import { readJson } from "../../files/json_file.ts";
import * as v from "../../schema.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import type { OpenedRun } from "../../run/open_run.ts";
import { LearnedSource } from "../../simulate/learned_users.ts";
import { ShopSource } from "../../simulate/shop_users.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import { openData, openModel, reopenData } from "../../cli/open_data.ts";
import type { SimulateOptions, UserSelectionOptions } from "./simulate_options.ts";
import type { ItemFeatures } from "../../data/click_log.ts";
import type { DataConfig } from "../../data/sets/dataset.ts";
import { hasPagesWithoutClick } from "../../data/log_source.ts";
import { openGpu } from "../../gpu/host/open_gpu.ts";

/** A learned model, as a policy that is trained on it names it. */
export type ModelSubject = Extract<PolicySubject, { kind: "model" }>;
/** The truth of a made-up shop, as a policy that is trained on it names it. */
export type TruthSubject = Extract<PolicySubject, { kind: "truth" }>;

/** Whom the options name, before there is a device: a model, a truth, or both. */
export interface UserSelection {
  /** Over the model's items, where there is one. */
  readonly data: OpenedDataset;
  readonly model: ModelSubject | undefined;
  readonly truth: TruthSubject | undefined;
  /** Of the model. */
  readonly run: OpenedRun | undefined;
  /** What its test said of the model, and by how much its log's click rates are too high, in words; undefined for a truth. */
  readonly verdict: string | undefined;
  /** On the device, over the catalogue. @param stack gets what is freed in the end. */
  open(gpu: Gpu, stack: DisposableStack): UserEnvironment;
}

/** The same on a device. */
export interface UserEnvironment {
  /** Who clicks: the truth where it is named. */
  readonly environment: UsersSource;
  /** What policies know of users, where it is not whoever clicks: the model beside a truth. */
  readonly known: UsersSource | undefined;
}

/** Who clicks, as a policy that is trained on them names them. */
export function getSubject({ truth, model }: UserSelection): PolicySubject {
  const subject = truth ?? model;
  if (subject) return subject;
  throw new Error("expected a model or a truth");
}

/**
 * @param options checked by {@link import("./simulate_options.ts").checkUsers}; `seed` of a made-up shop without a seed of its own, and
 *   of `resplit`.
 * @throws UserError for a model that is not there or over other items, and a truth that is not known.
 */
export async function findUsers(
  options: UserSelectionOptions & { readonly seed: number; readonly resplit: boolean },
): Promise<UserSelection> {
  const data = options.shop ?? options.data;
  const { model, truth, uncalibrated } = options;
  if (model !== undefined) {
    const opened = await openModel({ ...options, model, data });
    const found = await foundModel(opened, { truth, uncalibrated });
    if (truth) await expectOwnShop(opened, options);
    return found;
  }
  if (data === undefined) throw new Error("expected data where there is no model");
  return foundTruth(await OpenedDataset.of(await openData({ ...options, data }, [])));
}

/** Finds again whom a policy was trained on. @throws UserError where that has changed. */
export async function findAgain(
  subject: PolicySubject,
  options: Pick<UserSelectionOptions, "memoryRows">,
): Promise<UserSelection> {
  const own = { ...options, seed: 1, resplit: false };
  if (subject.kind === "truth") {
    const { shop: data, dataSeed } = subject;
    return foundTruth(await OpenedDataset.of(await openData({ ...own, data, dataSeed }, [])));
  }
  const opened = await openModel({ ...own, model: subject.path }, subject.data);
  const found = await foundModel(opened, { truth: false, uncalibrated: true });
  if (found.model?.sha256 === subject.sha256) return found;
  throw new UserError(
    `${subject.path}, which the policy is trained on, has changed since its training began. Put the old file back.`,
  );
}

/** @throws UserError for a shop with other items than the model's: policies would know those, and users click on others. */
async function expectOwnShop(
  { run: { path, trainedOn }, data }: { run: OpenedRun; data: OpenedDataset },
  { dataSeed }: Pick<UserSelectionOptions, "dataSeed">,
): Promise<void> {
  const { name } = data.source;
  if (!trainedOn) {
    if (dataSeed !== undefined) return;
    throw new UserError(
      `Expected --data-seed, that of the ${name} shop whose items the model knows: ${path} stands in no run that says it.`,
    );
  }
  if (isSameCatalogue(trainedOn, data.dataset.config)) return;
  if (trainedOn.kind !== "demo" && hasSameItems(await OpenedDataset.of(await reopenData(trainedOn)), data)) {
    return;
  }
  throw new UserError(
    `Expected a shop with the items of the model ${path}, got ${name} with others. ` +
      (trainedOn.kind === "demo"
        ? `Leave --data-seed out, or give ${trainedOn.seed}.`
        : "Give the --data-seed of the shop that its log is of."),
  );
}

async function foundModel(
  { run, data }: { run: OpenedRun; data: OpenedDataset },
  { truth, uncalibrated }: Pick<UserSelectionOptions, "truth" | "uncalibrated">,
): Promise<UserSelection> {
  const { sha256 } = await computeFileChecksum(run.path);
  // What stands beside a run that goes on is of a model before this one.
  const tested = run.unfinished ? [] : await verdictBeside(run.path);
  const verdict = tested.length === 0 ? undefined : `The test of ${dirname(run.path)}: ${tested.join(" ")}`;
  const shop = truth ? foundTruth(data) : undefined;
  return {
    ...{ data, run },
    verdict,
    model: { kind: "model", path: run.path, sha256, data: data.dataset.config },
    truth: shop?.truth,
    open(gpu, stack) {
      const learned = LearnedSource.ofRun(gpu, run, data, { uncalibrated });
      stack.use(learned.model);
      return shop
        ? { environment: shop.open(gpu, stack).environment, known: learned }
        : { environment: learned, known: undefined };
    },
  };
}

function foundTruth(data: OpenedDataset): UserSelection {
  const { dataset: { config }, source } = data;
  const shop = config.kind === "demo" ? findShop(config.shop ?? "demo") : undefined;
  const items = source.items.items;
  if (config.kind !== "demo" || !shop || items?.kind !== "dense") {
    throw new UserError(
      `Expected the data of a made-up shop (${shopNames}) with --truth, got ${source.name}: of a log it is not known why its ` +
        "users click. Leave --truth out.",
    );
  }
  return {
    ...{ data, run: undefined, model: undefined, verdict: undefined },
    truth: { kind: "truth", shop: shop.name, dataSeed: config.seed },
    open: () => ({ environment: new ShopSource(shop, items.values), known: undefined }),
  };
}

const resultSchema = v.looseObject({ verdict: v.optional(v.array(v.string()), []) });

/**
 * What the test users said of a model, by the `result.json` beside its snapshot: whoever is simulated by it is no better than that.
 * Nothing where there is none, or it cannot be read: a model may be used without its run.
 */
async function verdictBeside(snapshot: string): Promise<readonly string[]> {
  try {
    return (await readJson(join(dirname(snapshot), "result.json"), resultSchema))?.verdict ?? [];
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

/** Whether both are known to be over the same items by what a run records of them: a shop's seed, a set's checksum. */
export function isSameCatalogue(one: DataConfig, other: DataConfig): boolean {
  const of = (data: DataConfig) => data.kind === "demo" ? data.seed : data.sha256;
  return of(one) === of(other);
}

/** As many items with the same ids in the same order and, where they are in memory, the same features. */
export function hasSameItems(one: OpenedDataset, other: OpenedDataset): boolean {
  const [a, b] = [one.source.items, other.source.items];
  if (a.shape.count !== b.shape.count) return false;
  for (let item = 0; item < a.shape.count; item++) {
    if (one.items.of(item) !== other.items.of(item)) return false;
  }
  return !a.items || !b.items || sameFeatures(a.items, b.items);
}

function sameFeatures(a: ItemFeatures, b: ItemFeatures): boolean {
  if (a.kind === "one-hot" || b.kind === "one-hot") return a.kind === b.kind;
  if (!areEqualArrays(a.values, b.values)) return false;
  if (a.kind === "dense" || b.kind === "dense") return a.kind === b.kind;
  return areEqualArrays(a.tokens.first, b.tokens.first) && areEqualArrays(a.tokens.token, b.tokens.token);
}

/** Whether both have the same numbers at the same places. */
export function areEqualArrays(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return a.length === b.length;
}

/** A command's users, opened. */
export interface SimulationContext extends UserEnvironment {
  readonly gpu: Gpu;
  /** What is freed in the end, before the device is. */
  readonly stack: DisposableStack;
  /** Whom the options name. */
  readonly found: UserSelection;
  readonly data: OpenedDataset;
  /** Who clicks, in words: "the users of runs/a/best-loss.safetensors". */
  readonly words: string;
  /** Why clicks say nothing here; undefined where they do. */
  readonly noClickRate: string | undefined;
}

/** @throws UserError as {@link findUsers}, and for a model whose utilities are no log-odds. */
export async function withSimulated<T>(
  options: SimulateOptions,
  use: (simulated: SimulationContext) => Promise<T>,
): Promise<T> {
  const found = await findUsers(options);
  const { data, truth, run } = found;
  const noClickRate = truth || hasPagesWithoutClick(data.source) ? undefined : noClickWords(data.source.name);
  if (noClickRate !== undefined && options.reward === "utility") {
    throw new UserError(
      `Expected --reward click: every page of ${data.source.name} has a click, so how high its utilities are was never ` +
        "seen, and sums of them say nothing. Leave --reward out; slates are ranked all the same.",
    );
  }
  return await withDevice(async (gpu, stack) => {
    const { environment, known } = found.open(gpu, stack);
    const words = truth
      ? `${environment.name} itself${known ? `, whose users policies know through ${known.name}` : ""}`
      : `the users of ${run?.path}`;
    return await use({ gpu, stack, found, data, environment, known, words, noClickRate });
  });
}

/** A device, and what is made on it, for as long as they are used. */
export async function withDevice<T>(use: (gpu: Gpu, stack: DisposableStack) => Promise<T>): Promise<T> {
  using gpu = await openGpu();
  using stack = new DisposableStack();
  return await use(gpu, stack);
}

function noClickWords(name: string): string {
  return `Every page of ${name} has a click, so a model of it cannot know how often nothing is clicked: ` +
    "clicks, and click rates, would say nothing about its users and are left out. Rankings are not touched by that.";
}
