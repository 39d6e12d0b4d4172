/** What is to be trained: the data, the model and the options, as the command `train` takes them. */

import type { ModelConfig } from "../../../../model/config.ts";
import type { CallWorker } from "../../connection.ts";
import { element } from "../../elements.ts";
import { OptionForm } from "../../option_form.ts";
import type { TrainRequest } from "../../services/train.ts";
import { DataField } from "./data_field.ts";

const IN_VIEW = [
  "encoder",
  "lstmUnits",
  "pwLags",
  "pwWeightings",
  "dims",
  "iterations",
  "batchSize",
  "learningRate",
  "seed",
];

export class TrainForm {
  readonly element: HTMLElement;
  readonly data: DataField;
  /** Undefined until the worker has said what options there are. */
  #options: OptionForm | undefined;
  readonly #command = element("code", { class: "command" });

  /** @param buttons what the form is for. */
  constructor(private readonly call: CallWorker, buttons: HTMLElement) {
    this.data = new DataField(() => this.#tellCommand());
    const place = element("div", { class: "options" });
    this.element = element(
      "form",
      { class: "card form", "aria-label": "What to train", onsubmit: (event) => event.preventDefault() },
      this.data.element,
      buttons,
      place,
      element("p", { class: "about" }, "The same in a terminal:"),
      this.#command,
    );
    this.#tellCommand();
    void this.#fill(place);
  }

  /**
   * @returns undefined where a field is not as it should be: it says why.
   * @throws LabError for options that make no sense together.
   */
  async read(): Promise<Omit<TrainRequest, "fromSnapshot"> | undefined> {
    const options = this.#options;
    if (!options) return undefined;
    if (!await options.check()) {
      options.showFault();
      return undefined;
    }
    const { model, training } = await this.call("train", "read", options.texts);
    const data = this.data.read(training.seed);
    return data && { data, model, training };
  }

  /** Fills in what a model is; all else stays at its default. */
  writeModel(model: ModelConfig): void {
    this.#options?.write(textsOf(model));
  }

  async #fill(place: HTMLElement): Promise<void> {
    const groups = await this.call("train", "options", undefined);
    this.#options = new OptionForm(groups, {
      inView: IN_VIEW,
      isUsed,
      faults: (texts) => this.call("train", "faults", texts),
      onChange: () => this.#tellCommand(),
    });
    place.replaceWith(this.#options.element);
  }

  #tellCommand(): void {
    const data = this.data.word === "" ? [] : ["--data", this.data.word];
    this.#command.textContent = ["deno task train", ...data, ...this.#options?.words ?? []].join(" ");
  }
}

/** Options of an encoder that was not chosen say nothing. */
function isUsed(name: string, text: (name: string) => string): boolean {
  const encoder = text("encoder") || "lstm";
  if (name === "lstmUnits") return encoder === "lstm";
  if (name.startsWith("pw")) return encoder === "pw";
  return name !== "patience" || text("earlyStopping") !== "";
}

function textsOf(model: ModelConfig): Record<string, string> {
  const { dims, batchNorm, eta, kernelSd, wide, loss, positions, encoder } = model;
  return {
    encoder,
    ...(encoder === "lstm" ? { lstmUnits: String(model.lstmUnits) } : {}),
    ...(encoder === "pw"
      ? {
        pwLags: String(model.pwLags),
        pwWeightings: String(model.pwWeightings),
        pwNonlinearity: model.pwNonlinearity,
      }
      : {}),
    dims: dims.length === 0 ? "none" : dims.join("-"),
    batchNorm: batchNorm ? "yes" : "",
    eta: String(eta),
    kernelSd: String(kernelSd),
    wide: wide === 0 ? "" : String(wide),
    loss,
    positionEffect: positions === 0 ? "" : String(positions),
  };
}
