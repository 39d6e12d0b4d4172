/** Faults in what uses a trained model: scores, predictions, the service, ONNX. */

import { mutationsOf } from "./mutation.ts";

export const useMutations = [
  ...mutationsOf("src/model/scorer.ts", { tests: ["scorer"], filter: "LSTM, one-hot" }, [
    ["return utilities.slice(row, row += page.length);", "return utilities.slice(row, row + page.length);"],
    ["eventClick[event] = row++;", "eventClick[event] = ++row - 2;"],
  ]),
  ...mutationsOf("src/model/choice.ts", { tests: ["scorer"], filter: "add up to 1" }, [
    ["let sum = Math.exp(-most);", "let sum = 1;"],
  ]),
  ...mutationsOf("src/figures/predict/predictions.ts", {
    tests: ["predict"],
    filter: "in memory and on disk",
  }, [
    ["      if (eventGiven?.[e]) continue;\n", ""],
    ["          page,\n", "          page: e,\n"],
  ]),
  ...mutationsOf("src/data/ids.ts", { tests: ["ids"], filter: "latest" }, [
    ["numbers.set(id, number++);", "numbers.has(id) ? number++ : numbers.set(id, number++);"],
  ]),
  ...mutationsOf("src/serve/batcher.ts", { tests: ["serve"], filter: "/batch|together/" }, [
    [
      "return this.#queue.splice(0, count);",
      "return this.#queue.splice(0, count).reverse();",
      "each has its own answer",
    ],
    ["resolve(utilities[k] ?? new Float32Array())", "resolve(utilities[0] ?? new Float32Array())"],
    ["room = sum(room, roomOf([request]));", "room = roomOf([request]);"],
  ]),
  ...mutationsOf("src/serve/service.ts", { tests: ["serve"] }, [
    ["      this.#inFlight--;\n", ""],
    ["if (bytes > maxBody) throw tooLarge();", ""],
    ['new Refusal(400, "the body broke off")', "error"],
  ]),
  ...mutationsOf("src/serve/onnx/encoders.ts", { tests: ["onnx"] }, [
    ["const GATES = [0, 3, 2, 1] as const;", "const GATES = [0, 2, 3, 1] as const;"],
    ["Math.floor(k / H) === 2 ? 1 : 0", "Math.floor(k / H) === 1 ? 1 : 0"],
    [
      "k % m < Math.floor(k / m) ? 1 : 0",
      "k % m > Math.floor(k / m) ? 1 : 0",
      "the last place of an item stands for the first",
    ],
  ]),
];
