/** Shannon stage: trains a reward model by maximum likelihood, without a generator. */

import type { ClickLog } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { parseConfig } from "../model/model_config.ts";
import { ModelProgram } from "../model/model_program.ts";
import type { UserModel } from "../model/user_model.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import type { ClickPrograms } from "./click_steps.ts";
import { chooseExchange, type ClickStageContext, ClickTrainer, setUpClicks } from "./click_trainer.ts";
import { getTableDecay, scheduleLearningRate, trainingConfigSchema } from "./training_config.ts";
import type { TrainingConfig } from "./training_config.ts";
import { NetworkEvaluation } from "./network_evaluation.ts";
import { fitTraining } from "./fit_memory.ts";
import { choiceSummary } from "./training_results.ts";
import type { DistributedContext } from "./distributed_context.ts";
import { openTrainingSource } from "./training_log.ts";

/** Trains a model by maximum likelihood of the clicks. */
export class Trainer extends ClickTrainer<ChoiceMetrics> {
  private constructor(
    /** Model that is trained. Freeing the trainer does not free the model. */
    readonly model: UserModel,
    readonly config: TrainingConfig,
    /** @internal GPU programs of a training step. */
    readonly program: ModelProgram,
    clicks: ClickStageContext<ChoiceMetrics>,
    stack: DisposableStack,
  ) {
    super(clicks, listStepPrograms(config, model.shape.kind === "mixed", program), stack);
  }

  /**
   * Uploads the log and creates the GPU programs of a step. @param model - model with the initial weights.
   * @param clicks - log with train users and, to validate, validation users. @param options.validate - false
   * to train without validation. @param options.windowBatches - number of batches whose clicks are read from
   * a log on disk at once. @param options.distributed - processes that train the same model on the same log.
   * @throws UserError if a config value is out of range, the log does not fit the model, or a buffer exceeds
   * the limits of the adapter.
   */
  static async create(
    model: UserModel,
    clicks: ClickLog | LogSource,
    config: TrainingConfig,
    { validate = true, windowBatches, distributed }: {
      validate?: boolean;
      windowBatches?: number;
      distributed?: DistributedContext;
    } = {},
  ): Promise<Trainer> {
    parseConfig(trainingConfigSchema, config, "training");
    const source = openTrainingSource(clicks, model.shape, validate);
    const make = async (microBatchRows: number) => {
      using stack = new DisposableStack();
      const adam = stack.use(new AdamState(model.parameters, config.adam));
      const setUp = await setUpClicks({
        name: "trainer",
        gpu: model.gpu,
        source,
        schedule: config,
        microBatchRows,
        batchOption: "--batch-size",
        rates: "--learning-rate",
        headers: 1,
        windowBatches,
        distributed,
        validation: validate ? { shards: config.evaluationShards, users: config.validationUsers } : undefined,
        counted: model.counted,
        networks: [{ prefix: "", parameters: model.parameters, adam }],
        summary: choiceSummary,
        evaluate: ({ log, users, ...how }) =>
          NetworkEvaluation.ofModel(model, log, users, { ...how, counted: model.counted }),
      }, stack);
      const { plan, training: { deviceLog: log }, ring: { view: ring } } = setUp;
      const training = { adam, itemDropout: config.itemDropout, ...chooseExchange(setUp) };
      const options = { name: "training", log, plan, ring, training };
      const program = stack.use(await setUp.record(() => ModelProgram.create(model, options)));
      return new Trainer(model, config, program, setUp, stack.move());
    };
    return await fitTraining(config.microBatchRows, make);
  }
}

function listStepPrograms(
  config: TrainingConfig,
  hasTokens: boolean,
  { layout, program, update }: ModelProgram,
): ClickPrograms {
  const { learningRate, weightDecay } = config;
  const tableDecay = getTableDecay(config, hasTokens);
  return {
    layout,
    settings(t) {
      const rate = scheduleLearningRate(learningRate, t);
      return [{ learningRate: adamRate(rate, t), decay: rate * weightDecay, tableDecay: rate * tableDecay }];
    },
    phases: [{ ...update, header: 0, gradients: [program], recompute: [] }],
  };
}
