/** Form in which the user chooses the data and the options of a training. */

import { extractFlag, formatValue } from "../../../../option.ts";
import { markOptions } from "../../../../report/html.ts";
import type { CallWorker } from "../../connection.ts";
import { dom, element } from "../../elements.ts";
import type { TrainRequest } from "../../services/train_service.ts";
import type { OptionTexts, ShownGroup, ShownOption } from "../../services/option_texts.ts";
import { DataField } from "./data_field.ts";

/** Names of the options that are always visible. Other options are in a section "More options". */
const VISIBLE = [
  "encoder",
  "lstmUnits",
  "pwLags",
  "pwWeightings",
  "dims",
  "iterations",
  "batchSize",
  "learningRate",
  "adversarial",
  "seed",
];

/** Form with the same options and defaults as the command `train`. The worker validates the values. */
export class TrainForm {
  readonly element: HTMLElement;
  readonly data: DataField;
  /** Fields of the options; empty until the worker has sent the options. */
  #fields: readonly Field[] = [];
  /** Names of the options of the adversarial stage, which are hidden while the stage is off. */
  #adversarialNames: ReadonlySet<string> = new Set();
  #checks = 0;
  readonly #command = element("code", { class: "command" });
  readonly #options = element("div", { class: "options" });
  readonly #fold = element(
    "details",
    { open: true },
    dom`<summary>Options</summary>`,
    this.#options,
    dom`<p class="about">The same training in a terminal:</p>`,
    this.#command,
  );

  constructor(private readonly call: CallWorker, buttons: HTMLElement) {
    this.data = new DataField(() => this.#showCommand());
    this.element = element(
      "form",
      { class: "card form", "aria-label": "What to train", onsubmit: (event) => event.preventDefault() },
      this.data.element,
      buttons,
      this.#fold,
    );
    this.#showCommand();
    void this.call("train", "options", undefined).then((groups) => this.#fill(groups));
  }

  /** Returns the training request; undefined if a field is invalid. @throws LabError if options conflict */
  async read(fromSnapshot: boolean): Promise<TrainRequest | undefined> {
    if (this.#fields.length === 0) return undefined;
    if (!await this.#check()) {
      this.#fold.open = true;
      const bad = this.#fields.find((field) => field.fault !== "");
      bad?.element.closest("details")?.setAttribute("open", "");
      bad?.input.focus();
      return undefined;
    }
    const options = await this.call("train", "read", { texts: this.#texts, fromSnapshot });
    const data = await this.data.read(options.seed);
    return data && { data, options, fromSnapshot };
  }

  write(texts: OptionTexts): void {
    for (const field of this.#fields) field.text = texts[field.definition.name] ?? "";
    this.#changed();
  }

  /** On a phone, closes the section of options, so that the results below are visible. */
  foldOnPhone(): void {
    if (matchMedia("(max-width: 800px)").matches) this.#fold.open = false;
  }

  #fill(groups: readonly ShownGroup[]): void {
    const folds: HTMLElement[] = [];
    const fields: Field[] = [];
    for (const { heading, options } of groups) {
      const own = options.map((definition) => new Field(definition, () => this.#changed()));
      const inView = own.filter(({ definition }) => VISIBLE.includes(definition.name));
      const folded = own.filter((field) => !inView.includes(field)).map(({ element }) => element);
      this.#options.append(...inView.map(({ element }) => element));
      const title = heading.replace(/:$/, "");
      if (folded.length > 0) {
        folds.push(dom`<div class="fold"><h3 class="group">${title}</h3>${folded}</div>`);
      }
      if (options.some(({ name }) => name === "adversarial")) {
        this.#adversarialNames = new Set(options.map(({ name }) => name));
      }
      fields.push(...own);
    }
    this.#fields = fields;
    this.#options.append(dom`<details><summary>More options</summary>${folds}</details>`);
    this.#showUsed();
    this.#showCommand();
  }

  #changed(): void {
    this.#showUsed();
    this.#showCommand();
    void this.#check();
  }

  /** Texts that the user entered in visible fields. */
  get #texts(): OptionTexts {
    return Object.fromEntries(this.#listEntered().map(({ definition, text }) => [definition.name, text]));
  }

  #listEntered(): Field[] {
    return this.#fields.filter((field) => !field.element.hidden && field.text !== "");
  }

  /** Shows the errors of all fields. Returns true if all fields are valid. */
  async #check(): Promise<boolean> {
    const check = ++this.#checks;
    const faults = await this.call("train", "faults", this.#texts);
    // Ignore the result if a later check has begun.
    if (check === this.#checks) {
      for (const field of this.#fields) field.fault = faults[field.definition.name] ?? "";
    }
    return Object.keys(faults).length === 0;
  }

  /** Hides the options of user encoders and training stages that the user has not chosen. */
  #showUsed(): void {
    const text = (option: string) =>
      this.#fields.find(({ definition: { name } }) => name === option)?.text ?? "";
    const encoder = text("encoder") || "lstm";
    const isUsed = (name: string) => {
      if (this.#adversarialNames.has(name)) {
        return name === "adversarial" || Number(text("adversarial")) !== 0;
      }
      if (name === "lstmUnits") return encoder === "lstm";
      if (name.startsWith("pw")) return encoder === "pw";
      return name !== "patience" || text("earlyStopping") !== "none";
    };
    for (const { definition, element } of this.#fields) element.hidden = !isUsed(definition.name);
  }

  #showCommand(): void {
    const data = this.data.word === "" ? [] : ["--data", this.data.word];
    const words = ["deno task -q train", ...data, ...this.#listEntered().flatMap((field) => field.words)];
    // With a span around each word, lines break between words, and not after hyphens.
    this.#command.replaceChildren(...words.flatMap((word) => [element("span", {}, word), " "]));
  }
}

class Field {
  readonly element: HTMLElement;
  readonly input: HTMLInputElement | HTMLSelectElement;
  readonly #fault = element("p", { class: "error", hidden: true });

  constructor(readonly definition: ShownOption, onChange: () => void) {
    const id = `option-${definition.name}`;
    this.#fault.id = `${id}-error`;
    this.input = createInput(definition);
    this.input.id = id;
    this.input.setAttribute("aria-describedby", `${id}-about ${this.#fault.id}`);
    this.input.addEventListener("input", onChange);
    this.element = dom`<div class="field ${definition.kind}">
<label for="${id}">${extractFlag(definition)}</label>${this.input}
<p class="about" id="${id}-about">${markOptions(sentence(definition.about))}</p>${this.#fault}</div>`;
  }

  /** Value of the field as text: "" for the default, "yes" for a switch that is on. */
  get text(): string {
    const { input, definition } = this;
    if (definition.kind === "switch") return (input as HTMLInputElement).checked ? "yes" : "";
    return definition.kind === "choice" && input.value === definition.default ? "" : input.value.trim();
  }
  set text(text: string) {
    const { input, definition } = this;
    if (definition.kind === "switch") (input as HTMLInputElement).checked = text === "yes";
    else input.value = text === "" && definition.kind === "choice" ? definition.default ?? "" : text;
  }

  /** Words of the option on the command line, such as ["--dims", "32-32"]. */
  get words(): string[] {
    const flag = extractFlag(this.definition);
    return this.definition.kind === "switch" ? [flag] : [flag, this.text];
  }

  get fault(): string {
    return this.#fault.textContent ?? "";
  }
  set fault(text: string) {
    this.#fault.textContent = text;
    this.#fault.hidden = text === "";
    this.input.setAttribute("aria-invalid", String(text !== ""));
  }
}

function createInput(definition: ShownOption): HTMLInputElement | HTMLSelectElement {
  switch (definition.kind) {
    case "switch":
      return element("input", { type: "checkbox" });
    case "choice": {
      const names = definition.default === undefined ? ["", ...definition.choices] : definition.choices;
      const options = names.map((name) => {
        const selected = name === (definition.default ?? "");
        return element("option", { value: name, selected }, name === "" ? "never" : name);
      });
      return element("select", {}, ...options);
    }
    case "value": {
      const placeholder = formatValue(definition.default);
      return element("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder });
    }
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + ".";
}
