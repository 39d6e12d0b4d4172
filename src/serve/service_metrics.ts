/** Counters and histograms of the service, in the text format of Prometheus. */

/** Values of a metric. The keys are labels, for example `endpoint="/score"`, or "" for no labels. */
type Series = Map<string, number>;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const REQUESTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

class Counter {
  readonly #values: Series = new Map();
  constructor(readonly name: string, readonly help: string) {}

  add(labels = "", amount = 1): void {
    this.#values.set(labels, (this.#values.get(labels) ?? 0) + amount);
  }

  text(): string {
    const values = this.#values.size > 0 ? this.#values : new Map([["", 0]]);
    return head(this, "counter") +
      [...values].map(([labels, value]) => line(this.name, labels, value)).join("");
  }
}

class Histogram {
  readonly #series = new Map<string, { readonly buckets: number[]; sum: number; count: number }>();
  constructor(readonly name: string, readonly help: string, readonly bounds: readonly number[]) {}

  add(value: number, labels = ""): void {
    const found = this.#series.get(labels) ?? { buckets: this.bounds.map(() => 0), sum: 0, count: 0 };
    this.#series.set(labels, found);
    this.bounds.forEach((bound, k) => found.buckets[k] = (found.buckets[k] ?? 0) + (value <= bound ? 1 : 0));
    found.sum += value;
    found.count++;
  }

  text(): string {
    const lines = [...this.#series].flatMap(([labels, { buckets, sum, count }]) => {
      const bucket = (bound: string) => `${labels}${labels === "" ? "" : ","}le="${bound}"`;
      return [
        ...this.bounds.map((bound, k) => line(`${this.name}_bucket`, bucket(String(bound)), buckets[k] ?? 0)),
        line(`${this.name}_bucket`, bucket("+Inf"), count),
        line(`${this.name}_sum`, labels, sum),
        line(`${this.name}_count`, labels, count),
      ];
    });
    return head(this, "histogram") + lines.join("");
  }
}

function head({ name, help }: { readonly name: string; readonly help: string }, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`;
}

export class ServiceMetrics {
  readonly requests = new Counter("clickgan_requests_total", "Answered requests, by path and status.");
  readonly seconds = new Histogram(
    "clickgan_request_seconds",
    "Seconds from the arrival of a request to its answer.",
    SECONDS,
  );
  readonly batches = new Histogram("clickgan_batch_requests", "Requests per scored batch.", REQUESTS);
  readonly batchSeconds = new Histogram("clickgan_batch_seconds", "Time to score a batch.", SECONDS);
  readonly rows = new Counter("clickgan_rows_total", "Scored rows: clicks of histories and items of pages.");

  /** Formats all metrics. @param gauges - help text and value of each gauge, by name */
  text(gauges: Readonly<Record<string, readonly [help: string, value: number]>>): string {
    const now = Object.entries(gauges).map(([name, [help, value]]) =>
      head({ name, help }, "gauge") + line(name, "", value)
    );
    const { requests, seconds, batches, batchSeconds, rows } = this;
    return [requests, seconds, batches, batchSeconds, rows].map((series) => series.text()).join("") +
      now.join("");
  }
}
