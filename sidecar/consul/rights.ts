import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import { watchFiles } from '../core/watch-files.ts';
import { backoffMs } from './backoff.ts';
import { callerUri } from './caller-uri.ts';
import type { ConsulDoor, Looked } from './door.ts';
import { ConsulError, reasonOf } from './errors.ts';
import { pause } from './pause.ts';

/** A rule that the token lacks. */
export interface MissingRule {
  /** As it stands in a policy, such as `service "orders" { policy = "write" }`. */
  readonly rule: string;
  /** What cannot be done without it. */
  readonly without: string;
  /** False for what the sidecar lives without. */
  readonly needed: boolean;
}

/** Whose rights are proved. */
export interface Bearer {
  readonly door: Pick<ConsulDoor, 'look' | 'url'>;
  /** Null where nobody is beside us. */
  readonly service: string | null;
  /** The service and its proxy are registered by us. */
  readonly registers: boolean;
}

/** A key that is never written; without the rule even a key that is not there is refused. */
const key = 'outrigger/rights';

/**
 * Asks, for each right that a sidecar needs, a question whose answer proves it, and answers what is missing: with
 * the plain questions a token without rights gets `200 []` or 404, which look like an empty mesh.
 * `docs/decisions/0014` has the table of what was measured.
 *
 * Rejects with a ConsulError when the agent cannot say (no answer, no leader). Nothing is written.
 */
export const proveRights = async (bearer: Bearer, stop: AbortSignal): Promise<readonly MissingRule[]> => {
  const { door, service, registers } = bearer;
  // Five questions at once listen to it, beside whoever listens to `stop`.
  const signal = AbortSignal.any([stop]);
  let unknown = false;
  const look = async (path: string, body?: unknown): Promise<Looked> => {
    const answer = await door.look(path, signal, body);
    unknown ||= isUnknown(answer);
    if (answer.status >= 500 || answer.status === 429)
      throw new ConsulError('status', answer.text, answer.status);
    return answer;
  };
  const mayWrite = async (name: string): Promise<boolean> => {
    // Consul judges the token before it looks at the caller.
    const body = { Target: name, ClientCertURI: callerUri('nobody'), ClientCertSerial: '00' };
    return !isRefusal(await look('/agent/connect/authorize', body));
  };
  const asked: (MissingRule & { readonly granted: Promise<boolean> })[] = [
    {
      rule: 'service_prefix "" { policy = "read" }',
      without: 'peers are not found',
      needed: true,
      granted: look('/discovery-chain/consul').then((answer) => !isRefusal(answer)),
    },
    {
      rule: 'node_prefix "" { policy = "read" }',
      without: 'peers are not found',
      needed: true,
      granted: look('/catalog/nodes').then(
        (answer) => !isRefusal(answer) && answer.text.trim() !== '[]',
        // So many nodes that they are not read: they are shown.
        (thrown) => isTooLong(thrown) || Promise.reject(thrown),
      ),
    },
    {
      rule: 'key_prefix "outrigger/" { policy = "read" }',
      without: 'policies in KV are not heard',
      needed: false,
      granted: look(`/kv/${key}`).then((answer) => !isRefusal(answer)),
    },
  ];
  if (service !== null)
    asked.unshift({
      rule: `service "${service}" { policy = "write" }`,
      without: registers ? 'there is no certificate and no registration' : 'there is no certificate',
      needed: true,
      granted: mayWrite(service),
    });
  if (service !== null && registers)
    asked.push({
      rule: `service "${service}-sidecar-proxy" { policy = "write" }`,
      without: 'the sidecar cannot be registered, and nobody finds us',
      needed: true,
      granted: mayWrite(`${service}-sidecar-proxy`),
    });
  const granted = await Promise.all(asked.map(({ granted }) => granted));
  if (unknown) return [unknownToken];
  return asked
    .filter((_, at) => !granted[at])
    .map(({ rule, without, needed }) => ({ rule, without, needed }));
};

/** In the place of rules, none of which a token has that nobody knows. */
const unknownToken: MissingRule = {
  rule: 'everything',
  without: 'Consul does not know it (ACL not found)',
  needed: true,
};

const isUnknown = ({ status, text }: Looked): boolean => status === 403 && /ACL not found/i.test(text);

const isTooLong = (thrown: unknown): boolean => thrown instanceof ConsulError && thrown.failure === 'large';

const isRefusal = ({ status }: Looked): boolean => status === 403 || status === 401;

/** Whether Consul has never heard of the token, which lacks everything then. */
export const knowsToken = async (door: Pick<ConsulDoor, 'look'>, signal: AbortSignal): Promise<boolean> => {
  return !isUnknown(await door.look(`/kv/${key}`, signal));
};

/** What the token may do, as far as it is known. */
export interface Rights {
  /** True once the first proof has ended, well or not. */
  looked(): boolean;
  /** What needed rules are missing, each a sentence; empty when none is known to be. */
  missing(): readonly string[];
}

/** What `watchRights` needs beside the bearer. */
export interface RightsOptions extends Bearer {
  readonly kit: Kit;
  readonly signal: AbortSignal;
  readonly tokenFile: string | null;
}

/** While a rule is missing it is asked for again so often, milliseconds: a policy that was mended is found. */
const againMs = 10_000;
/** Longest pause after an agent that cannot say, milliseconds. */
const longestBackoffMs = 5000;
/** A start does not wait longer for the first proof, milliseconds. */
const firstMs = 3000;

/**
 * Proves the rights at the start, again when the token's file changes, and while a rule is missing. Never rejects
 * and never stops anything: what is missing is logged, each time that it changes.
 */
export const watchRights = (options: RightsOptions): Rights => {
  const { kit, signal, tokenFile } = options;
  const missing = new Cell<readonly MissingRule[]>([]);
  let looked = false;
  let wake = new AbortController();
  const unwatch = tokenFile === null ? () => {} : watchFiles([tokenFile], kit, () => wake.abort());
  const rest = async (ms: number): Promise<void> => {
    const over = (): void => wake.abort();
    signal.addEventListener('abort', over);
    if (signal.aborted) over();
    await (ms === Infinity ? aborted(wake.signal) : pause(kit, ms, wake.signal));
    signal.removeEventListener('abort', over);
    wake = new AbortController();
  };
  void pause(kit, firstMs, signal).then(() => {
    looked = true;
  });
  const run = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted; ) {
      try {
        const now = await proveRights(options, signal);
        tell(missing.value, now, options);
        missing.set(now);
        looked = true;
        failures = 0;
        await rest(now.length === 0 ? Infinity : againMs);
      } catch (thrown) {
        if (signal.aborted) break;
        looked = true;
        kit.log.debug({ cause: reasonOf(thrown) }, 'what the token may do is not known yet');
        await rest(backoffMs(++failures, longestBackoffMs, kit.random));
      }
    }
    unwatch();
  };
  void run();
  return {
    looked: () => looked,
    missing: () => missing.value.filter(({ needed }) => needed).map(sentence),
  };
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

const sentence = (missing: MissingRule): string => {
  const mend =
    missing === unknownToken
      ? 'create one, and write it to the token file'
      : 'add the rule to a policy of the token';
  return `the ACL token lacks ${missing.rule}: ${missing.without}; ${mend}`;
};

const tell = (
  before: readonly MissingRule[],
  now: readonly MissingRule[],
  { kit, door }: RightsOptions,
): void => {
  const rules = (list: readonly MissingRule[]): string => list.map(({ rule }) => rule).join(' ');
  if (rules(before) === rules(now)) return;
  for (const one of now) kit.log.warn({ consul: door.url, rule: one.rule }, sentence(one));
  if (now.length === 0) kit.log.info({ consul: door.url }, 'the ACL token has all rules now');
};
