/** What a metric measures: one entry of the list in `telemetry/metrics.ts`. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

/** One number under one set of label values. Writing to it is an assignment; the data path does nothing else. */
export class Count {
  value = 0;
}

/** Upper bounds of the latency buckets in seconds; one more bucket counts what is above the last. */
export const latencyBounds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Durations in buckets. */
export class Histogram {
  readonly counts: number[] = new Array(latencyBounds.length + 1).fill(0);
  /** Seconds. */
  sum = 0;

  /** Adds one duration, in seconds. */
  observe(seconds: number): void {
    let bucket = 0;
    while (bucket < latencyBounds.length && seconds > latencyBounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += seconds;
  }
}

/** All the numbers under one metric's name. */
export interface Family<T = Count | Histogram> {
  readonly definition: MetricDefinition;
  /** Label values, joined by NUL, to the number. */
  readonly cells: Map<string, T>;
}

/** Label sets that one metric may have; callers choose method names, so memory must not follow them without bound. */
const cellsPerFamily = 2000;

/**
 * Meter holds every number of one sidecar. Names must stand in the list it was made with: a typing error
 * throws at start, never on a call.
 */
export class Meter {
  readonly #families: Map<string, Family> = new Map();
  readonly #collectors: Set<() => void> = new Set();

  constructor(definitions: readonly MetricDefinition[]) {
    for (const definition of definitions)
      this.#families.set(definition.name, { definition, cells: new Map() });
  }

  /** The counter or gauge of that name and those label values, in the order of the definition. */
  count(name: string, ...labels: string[]): Count {
    return this.#cell(name, labels, () => new Count()) as Count;
  }

  /** The histogram of that name and those label values. */
  histogram(name: string, ...labels: string[]): Histogram {
    return this.#cell(name, labels, () => new Histogram()) as Histogram;
  }

  /** Runs `collector` before each reading, for gauges that are cheaper to ask than to keep. */
  collect(collector: () => void): () => void {
    this.#collectors.add(collector);
    return () => this.#collectors.delete(collector);
  }

  /** Everything, fresh, for whoever writes it out. */
  read(): readonly Family[] {
    for (const collector of this.#collectors) collector();
    return [...this.#families.values()];
  }

  #cell(name: string, labels: string[], make: () => Count | Histogram): Count | Histogram {
    const family = this.#families.get(name);
    if (family === undefined) throw new Error(`no metric '${name}' in telemetry/metrics.ts`);
    if (family.definition.labels.length !== labels.length)
      throw new Error(`metric '${name}' has the labels ${family.definition.labels.join(', ')}`);
    const key = labels.join('\0');
    const known = family.cells.get(key);
    if (known !== undefined) return known;
    if (family.cells.size >= cellsPerFamily && labels.some((label) => label !== 'other'))
      return this.#cell(
        name,
        labels.map(() => 'other'),
        make,
      );
    const cell = make();
    family.cells.set(key, cell);
    return cell;
  }
}
