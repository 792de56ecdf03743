import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Clock, Kit } from '../core/kit.ts';
import { hopOf, itemsOf } from '../core/ledger-text.ts';
import type { Witness } from '../core/life.ts';
import type { Log } from '../core/log.ts';
import type { Count, Histogram, Meter } from '../core/meter.ts';
import { Progress } from '../core/progress.ts';
import { Code, codeNames, ended, type From, type Status } from '../core/status.ts';
import { AccessLines } from '../policies/access-lines.ts';
import { nameInAuthority, plainName } from '../policies/service-name.ts';

/** What of each call is logged. */
export interface ObserveSettings {
  /** The share of the calls that went well, 0 to 1, that leave a line, as every failed one does; null: none does. */
  readonly access: number | null;
}

/** Characters of a reason in a line. */
const longestWhy = 300;

/**
 * Counts every call by how it ended, and how long it took.
 *
 * Above   every refusal: so that refusals are counted too
 * Reads   the service named (outbound) or the verified caller (inbound), life.outcome, the bytes in life
 * Answers nothing
 * Counts  outrigger_calls_total, outrigger_call_duration_seconds, outrigger_calls_in_flight,
 *         outrigger_request_bytes_total, outrigger_response_bytes_total, outrigger_access_lines_dropped_total
 * Keeps   the cells of up to 2,000 edges (service and method); later ones share the edge `other`
 * Status  alpha
 *
 * A call counts when its life is over, with the life's outcome: what the caller was told, or that it had gone. Those
 * that failed and a share of the others leave a line in the log, with what the mesh knows of them: no metadata, no
 * message, nothing that the app said. With debug logs each call leaves one.
 */
export const observe = (
  { clock, meter, log }: Kit,
  direction: 'outbound' | 'inbound',
  { access }: ObserveSettings = { access: null },
  progress: Progress = new Progress(),
): Filter<Call> => {
  const dropped = meter.count('outrigger_access_lines_dropped_total', direction);
  const lines = access === null ? null : new AccessLines(clock, access, dropped);
  const edges = new Edges(meter, direction, { log, lines, progress });
  return function observe(call, next) {
    const service = direction === 'inbound' ? call.arrival.caller || 'anonymous' : edges.named(call);
    const record = new CallRecord(edges.of(service, call.method), clock, call);
    record.edge.inFlight.value++;
    progress.running++;
    call.life.witness(record);
    try {
      return next(call);
    } catch (bug) {
      call.life.forget(record);
      record.over(ended(Code.INTERNAL, 'a filter threw'));
      throw bug;
    }
  };
};

/** Where calls are told of: in lines, those that are logged, and in a number, those that run. */
interface Teller {
  readonly log: Log;
  readonly lines: AccessLines | null;
  readonly progress: Progress;
}

/** What one call adds to its edge when it is over. */
class CallRecord implements Witness {
  readonly edge: Edge;
  earlier: Witness | null = null;
  readonly #clock: Clock;
  readonly #call: Call;

  constructor(edge: Edge, clock: Clock, call: Call) {
    this.edge = edge;
    this.#clock = clock;
    this.#call = call;
  }

  over(status: Status): void {
    const { edge } = this;
    const { arrival, life } = this.#call;
    edge.inFlight.value--;
    edge.teller.progress.running--;
    edge.requestBytes.value += life.requestBytes;
    edge.responseBytes.value += life.responseBytes;
    const tookMs = life.endedAt(this.#clock) - arrival.arrivedAt;
    edge.duration.observe(tookMs / 1000);
    edge.ended(status).value++;
    const { log, lines } = edge.teller;
    if (lines !== null && isHeard(log) && lines.takes(status, this.#call.id)) this.#tell(log, status, tookMs);
    else if (log.verbose === true) this.#tellAll(log, status, tookMs);
  }

  #tell(log: Log, status: Status, tookMs: number): void {
    const { life } = this.#call;
    const { requestBytes, responseBytes } = life;
    // What the app says may be anything; what the mesh says names callers, services and addresses.
    const why = status.from === 'peer' ? undefined : status.message.slice(0, longestWhy) || undefined;
    const ms = Math.round(tookMs * 1000) / 1000;
    const { reached } = status;
    const spent = status.code === Code.OK ? undefined : this.#spent();
    log.info({ ...this.#facts(status), reached, ms, requestBytes, responseBytes, spent, why }, 'call');
  }

  /** Where the time went, in the words of the ledger. */
  #spent(): string | undefined {
    const { direction, service } = this.edge.names;
    const to = direction === 'outbound' ? service : '';
    return itemsOf(hopOf(this.#call.life, '', to, this.#clock.now())) || undefined;
  }

  #tellAll(log: Log, status: Status, tookMs: number): void {
    log.debug({ ...this.#facts(status), tookMs }, 'call over');
  }

  #facts({ code, from }: Status): Record<string, unknown> {
    const { id, arrival } = this.#call;
    const at = arrival.life.at?.address.id;
    return { id, ...this.edge.names, at, code: codeNames[code] ?? code, from };
  }
}

/** Whether lines at info are written. */
const isHeard = ({ level }: Log): boolean => level !== 'warn' && level !== 'error';

const places: Readonly<Record<From, number>> = { peer: 0, wire: 1, mesh: 2 };

/** The cells of one service and method. */
class Edge {
  readonly inFlight: Count;
  readonly requestBytes: Count;
  readonly responseBytes: Count;
  readonly duration: Histogram;
  readonly teller: Teller;
  readonly #ends: (Count | undefined)[] = new Array(codeNames.length * 3 + 3).fill(undefined);
  readonly #meter: Meter;
  readonly #labels: readonly [direction: string, service: string, method: string];

  constructor(meter: Meter, direction: string, service: string, method: string, teller: Teller) {
    this.teller = teller;
    this.inFlight = meter.count('outrigger_calls_in_flight', direction, service);
    this.requestBytes = meter.count('outrigger_request_bytes_total', direction, service);
    this.responseBytes = meter.count('outrigger_response_bytes_total', direction, service);
    this.duration = meter.histogram('outrigger_call_duration_seconds', direction, service, method);
    this.#meter = meter;
    this.#labels = [direction, service, method];
  }

  /** The labels, as a log line has them. */
  get names(): { readonly direction: string; readonly service: string; readonly method: string } {
    const [direction, service, method] = this.#labels;
    return { direction, service, method };
  }

  ended(status: Status): Count {
    const code = codeNames[status.code] === undefined ? codeNames.length : status.code;
    const place = code * 3 + places[status.from];
    return (this.#ends[place] ??= this.#meter.count(
      'outrigger_calls_total',
      ...this.#labels,
      codeNames[code] ?? 'other',
      status.from,
    ));
  }
}

const mostEdges = 2000;
const mostNames = 1000;

/** Finds the edge of a call in two look-ups; callers choose the names, so their number is bounded. */
class Edges {
  readonly #meter: Meter;
  readonly #direction: string;
  readonly #teller: Teller;
  readonly #byService: Map<string, Map<string, Edge>> = new Map();
  readonly #names: Map<string, string> = new Map();
  #size = 0;
  #other: Edge | null = null;

  constructor(meter: Meter, direction: string, teller: Teller) {
    this.#meter = meter;
    this.#direction = direction;
    this.#teller = teller;
  }

  of(service: string, method: string): Edge {
    const known = this.#byService.get(service)?.get(method);
    if (known !== undefined) return known;
    if (this.#size >= mostEdges)
      return (this.#other ??= new Edge(this.#meter, this.#direction, 'other', 'other', this.#teller));
    const edge = new Edge(this.#meter, this.#direction, service, method, this.#teller);
    let methods = this.#byService.get(service);
    if (methods === undefined) this.#byService.set(service, (methods = new Map()));
    methods.set(method, edge);
    this.#size++;
    return edge;
  }

  /** The service that an outbound call names, `none` when it names none. */
  named(call: Call): string {
    const { words, port, authority } = call.arrival;
    if (words.service === '' && port !== '') return port;
    const text = words.service === '' ? authority : words.service;
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const name = (words.service === '' ? nameInAuthority(text) : plainName(text)).name || 'none';
    if (this.#names.size < mostNames) this.#names.set(text, name);
    return name;
  }
}
