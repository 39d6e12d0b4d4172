/** Opens simulated users, whose clicks follow a learned model or a ground truth. */

import { dirname, join } from "node:path";
import { findShop, shopNames } from "../../data/shops.ts";
import { computeFileChecksum } from "../../files/local_file.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { PolicySubject } from "../../policy/policy_config.ts";
import { readJson } from "../../files/json_file.ts";
import { resultSchema } from "../../report/report_data.ts";
import { splitVerdict } from "../../report/report_parts.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import type { OpenedRun } from "../../run/open_run.ts";
import { drawContexts, type SimulatedContexts } from "../../simulate/contexts.ts";
import { LearnedSource } from "../../simulate/learned_users.ts";
import { ShopSource } from "../../simulate/shop_users.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import { openData, reopenData } from "../../cli/open_data.ts";
import { openModel } from "../../cli/open_model.ts";
import type { SimulateOptions, UserSelectionOptions } from "./simulate_options.ts";
import type { ItemFeatures } from "../../data/click_log.ts";
import { isSameCatalogue } from "../../data/sets/dataset.ts";
import { hasPagesWithoutClick } from "../../data/log_source.ts";
import type { RequestContext } from "../../data/context_values.ts";
import { type ContextFeature, listContextColumns } from "../../data/manifest.ts";
import { listModelContext, mergeGivenContext, setGivenContext } from "../../predict/request_context.ts";
import { openGpu } from "../../gpu/host/open_gpu.ts";

export interface UserSelection {
  readonly data: OpenedDataset;
  readonly model: Extract<PolicySubject, { kind: "model" }> | undefined;
  readonly truth: Extract<PolicySubject, { kind: "truth" }> | undefined;
  readonly run: OpenedRun | undefined;
  /** Paragraphs to print about the model and the simulated pages; [] without a model. */
  readonly notes: readonly string[];
  /** Context features of simulated pages; undefined if the model has none, or if all are their means. */
  readonly contexts: SimulatedContexts | undefined;
  /** @param other - replaces `contexts` if both have values of the same context features */
  open(gpu: Gpu, stack: DisposableStack, other?: SimulatedContexts): UserEnvironment;
}

export interface UserEnvironment {
  /** Simulated users, whose clicks follow the ground truth if the options name one, otherwise the model. */
  readonly environment: UsersSource;
  /** Model that computes the user states for the policies; undefined if the environment computes them. */
  readonly known: UsersSource | undefined;
}

export function getSubject({ truth, model }: UserSelection): PolicySubject {
  const subject = truth ?? model;
  if (subject) return subject;
  throw new Error("expected a model or a truth");
}

/**
 * Finds the users that a command selects. @param options.seed - seed of a new split or a new shop
 * @throws UserError if the model is missing or has other items than the data, or the ground truth is unknown
 */
export async function findUsers(
  options: UserSelectionOptions & { readonly seed: number; readonly resplit: boolean },
): Promise<UserSelection> {
  const data = options.shop ?? options.data;
  const { model, truth } = options;
  if (model !== undefined) {
    const opened = await openModel({ ...options, model, data });
    const found = await selectModel(opened, options);
    if (truth) await expectOwnShop(opened, options);
    return found;
  }
  if (data === undefined) throw new Error("expected data, because no model is given");
  return selectTruth(await OpenedDataset.of(await openData({ ...options, data }, [])));
}

/** Finds the users on whom a policy was trained. @throws UserError if the model or the data have changed */
export async function findAgain(
  subject: PolicySubject,
  options: Pick<UserSelectionOptions, "memoryRows" | "meanContext">,
): Promise<UserSelection> {
  const own = { ...options, seed: 1, resplit: false };
  if (subject.kind === "truth") {
    const { shop: data, dataSeed } = subject;
    return selectTruth(await OpenedDataset.of(await openData({ ...own, data, dataSeed }, [])));
  }
  const opened = await openModel({ ...own, model: subject.path }, subject.data);
  const { meanContext } = options;
  const found = await selectModel(opened, { truth: false, uncalibrated: true, meanContext });
  if (found.model?.sha256 === subject.sha256) return found;
  throw new UserError(
    `Expected the model ${subject.path} on which the policy was trained, but the file has changed. Restore it.`,
  );
}

/** @throws UserError if the shop and the model have different items. */
async function expectOwnShop(
  { run: { path, trainedOn }, data }: { run: OpenedRun; data: OpenedDataset },
  { dataSeed }: Pick<UserSelectionOptions, "dataSeed">,
): Promise<void> {
  const { name } = data.source;
  if (!trainedOn) {
    if (dataSeed !== undefined) return;
    throw new UserError(
      `Expected --data-seed, got none. The model was trained on the ${name} shop with an unknown seed: ` +
        `${path} is not in the folder of a run, which stores the seed.`,
    );
  }
  if (isSameCatalogue(trainedOn, data.dataset.config)) return;
  if (trainedOn.kind !== "demo" && hasSameItems(await OpenedDataset.of(await reopenData(trainedOn)), data)) {
    return;
  }
  throw new UserError(
    `Expected a shop with the items of the model ${path}, but the shop ${name} has different items. ` +
      (trainedOn.kind === "demo"
        ? `Omit --data-seed, or set it to ${trainedOn.seed}.`
        : "Set --data-seed to the seed of the shop that produced the model's log."),
  );
}

async function selectModel(
  { run, data }: { run: OpenedRun; data: OpenedDataset },
  { truth, uncalibrated, context = {}, meanContext, baseline }: Omit<UserSelectionOptions, "memoryRows">,
): Promise<UserSelection> {
  const { sha256 } = await computeFileChecksum(run.path);
  const features = listModelContext(run.info.model, data.dataset.features);
  const drawn = meanContext ? undefined : drawContexts(data.source, features);
  const contexts = setGivenContext(drawn, context);
  // The result.json of an unfinished run may describe an earlier model.
  const tested = run.unfinished || baseline !== undefined ? [] : await readTestFindings(run.path);
  const test = tested.length === 0
    ? []
    : [`Test of the click model ${dirname(run.path)}: ${tested.join(" ")}`];
  const notes = [...test, ...describeContext(features, context, drawn)];
  const shop = truth ? selectTruth(data) : undefined;
  return {
    ...{ data, run, contexts, notes },
    // A trained policy keeps the model on which it was trained.
    model: baseline !== undefined
      ? undefined
      : { kind: "model", path: run.path, sha256, data: data.dataset.config },
    truth: shop?.truth,
    open(gpu, stack, other) {
      const isSame = JSON.stringify(other?.features) === JSON.stringify(contexts?.features);
      const learned = LearnedSource.ofRun(gpu, run, data, {
        ...{ uncalibrated, contexts: isSame ? other : contexts },
      });
      stack.use(learned.model);
      return shop
        ? { environment: shop.open(gpu, stack).environment, known: learned }
        : { environment: learned, known: undefined };
    },
  };
}

function describeContext(
  features: readonly ContextFeature[],
  context: RequestContext,
  drawn: SimulatedContexts | undefined,
): string[] {
  const columns = listContextColumns(features);
  if (columns.length === 0) return [];
  const given = mergeGivenContext(context);
  const values = Object.entries(given).map(([name, value]) => `${name} = ${value}`);
  const rest = columns.filter(({ column }) => !(column in given));
  const name = (own: typeof rest) => own.map(({ column }) => column).join(", ");
  const others = rest.length > 0 ? [`${drawn ? "drawn from the log" : "means"}: ${name(rest)}`] : [];
  const text = `Context of simulated pages: ${[...values, ...others].join("; ")}.`;
  if (!drawn) return [text];
  const ofItems = name(rest.filter(({ kind }) => kind === "impression"));
  const whose = drawn.perItem > 0 ? "this item" : "all items, because the catalogue is large";
  const about = ofItems &&
    ` For each user and item, the value of ${ofItems} is drawn from the values logged for ${whose}.`;
  return [`${text}${about} Only the policies greedy and slateq read these values.`];
}

function selectTruth(data: OpenedDataset): UserSelection {
  const { dataset: { config }, source } = data;
  const shop = config.kind === "demo" ? findShop(config.shop ?? "demo") : undefined;
  const items = source.items.items;
  if (config.kind !== "demo" || !shop || items?.kind !== "dense") {
    throw new UserError(
      `Expected the data of a synthetic shop (${shopNames}) with --truth, got ${source.name}: the ground ` +
        "truth of a log is unknown. Omit --truth.",
    );
  }
  return {
    ...{ data, run: undefined, model: undefined, notes: [], contexts: undefined },
    truth: { kind: "truth", shop: shop.name, dataSeed: config.seed },
    open: () => ({ environment: new ShopSource(shop, items.values), known: undefined }),
  };
}

/**
 * Reads a model's comparison with baselines from `result.json` in the snapshot's folder. Returns [] if the
 * file is missing (for a snapshot outside of a run) or damaged.
 */
async function readTestFindings(snapshot: string): Promise<readonly string[]> {
  try {
    const result = await readJson(join(dirname(snapshot), "result.json"), resultSchema);
    return result ? splitVerdict(result).findings : [];
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

/** Returns true if items have equal ids in equal order, and (if both are in memory) equal features. */
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

export function areEqualArrays(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return a.length === b.length;
}

export interface SimulationContext extends UserEnvironment {
  readonly gpu: Gpu;
  /** Stack of objects that are disposed of before the GPU device. */
  readonly stack: DisposableStack;
  readonly found: UserSelection;
  readonly data: OpenedDataset;
  readonly description: string;
  /** Reason why simulated click rates have no meaning; undefined if they are meaningful. */
  readonly noClickRateReason: string | undefined;
}

/** Opens the simulated users on a GPU device, and calls `use`. @throws UserError for unusable options */
export async function withSimulated<T>(
  options: SimulateOptions,
  use: (simulated: SimulationContext) => Promise<T>,
): Promise<T> {
  const found = await findUsers(options);
  const { data, truth, run } = found;
  const noClickRateReason = truth || hasPagesWithoutClick(data.source)
    ? undefined
    : `Every page of ${data.source.name} has a click, so a model cannot learn how often users click ` +
      "nothing. Therefore clicks and click rates are omitted. Rankings of policies are valid.";
  if (noClickRateReason !== undefined && options.reward === "utility") {
    throw new UserError(
      `Expected --reward click, got utility: every page of ${data.source.name} has a click, so a ` +
        "model learns only differences between utilities. Omit --reward to rank by clicks.",
    );
  }
  return await withDevice(async (gpu, stack) => {
    const { environment, known } = found.open(gpu, stack);
    const description = truth
      ? `the ground truth of ${environment.name}${
        known ? `; policies observe users through ${known.name}` : ""
      }`
      : `${options.baseline === undefined ? "" : `the baseline ${options.baseline} of `}${run?.path}`;
    return await use({ gpu, stack, found, data, environment, known, description, noClickRateReason });
  });
}

export async function withDevice<T>(use: (gpu: Gpu, stack: DisposableStack) => Promise<T>): Promise<T> {
  using gpu = await openGpu();
  using stack = new DisposableStack();
  return await use(gpu, stack);
}
