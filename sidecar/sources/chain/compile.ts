import type { ChainAnswer, ChainRoute, ChainSplit } from '../../consul/chain-answer.ts';
import type { PolicyRule } from '../../core/policy.ts';
import type { Leg, RouteRule, RouteTable } from '../../core/routes.ts';
import { compileMatch, type PatternFault } from './match.ts';
import { Resolvers, type TargetQuestion } from './resolvers.ts';
import { durationMs, strangers, textOf, wordsOf } from './words.ts';

/** What a discovery chain comes to. */
export interface Plan {
  /** Null: all calls go to the service of that name itself, the only target. */
  readonly table: RouteTable | null;
  /** What must be watched, each once. */
  readonly targets: readonly TargetQuestion[];
  /** What resolvers say of how calls are treated. */
  readonly policies: readonly PolicyRule[];
  /** What does not hold here, in words; logged once, shown on `/snapshot`. */
  readonly unheeded: readonly string[];
}

/** The plan where nothing is configured, or the chain cannot be had. */
export const plainPlan = (name: string, unheeded: readonly string[] = []): Plan => ({
  table: null,
  targets: [{ key: name, name, service: name, filter: '', dc: '' }],
  policies: [],
  unheeded,
});

const mostTargets = 64;
const mostUnheeded = 50;
/** A splitter behind a splitter is made part of it by Consul; more than this is a circle. */
const deepest = 10;
/** Turns that calls may take in all: without this bound, ten small splitters behind each other hold the loop for ever. */
const mostTurns = 100_000;
/** Protocols for which Consul takes routers and splitters. */
const divided = ['grpc', 'http2', 'http'];

const destinationWords = [
  ...['Service', 'ServiceSubset', 'Namespace', 'Partition', 'PrefixRewrite', 'RequestTimeout'],
  // A call that never connected is tried again anyway.
  'RetryOnConnectFailure',
];

/**
 * Compiles a discovery chain into what a call can be judged by at once: rules, each with weighted legs, each with
 * targets in the order of their failover. Throws an Error for a chain that contradicts itself.
 *
 * Ref: Consul, "Discovery Chain".
 */
export const compileChain = (name: string, chain: ChainAnswer, faultOf: PatternFault): Plan =>
  new Compiler(name, chain, faultOf).plan();

class Compiler {
  readonly #name: string;
  readonly #chain: ChainAnswer;
  readonly #faultOf: PatternFault;
  readonly #resolvers: Resolvers;
  readonly #unheeded: Set<string> = new Set();
  #turns = 0;

  constructor(name: string, chain: ChainAnswer, faultOf: PatternFault) {
    this.#name = name;
    this.#chain = chain;
    this.#faultOf = faultOf;
    this.#resolvers = new Resolvers(name, chain, (what) => this.#unheeded.add(what));
  }

  plan(): Plan {
    const { StartNode, Protocol } = this.#chain;
    const start = this.#node(StartNode);
    const rules =
      start.Type === 'router'
        ? (start.Routes ?? []).flatMap((route, at) => this.#rule(route, at + 1) ?? [])
        : [{ path: null, fields: [], legs: this.#legs(StartNode), rewrite: null, timeoutMs: null }];
    const targets = this.#resolvers.targets();
    if (targets.length > mostTargets)
      throw new Error(`it leads to ${targets.length} targets, above ${mostTargets}`);
    const isPlain = this.#isPlain(rules);
    const policies = this.#resolvers.policies();
    if (!isPlain && !divided.includes(Protocol))
      this.#unheeded.add(
        `there are no routers and splitters while its protocol is '${Protocol}': write service-defaults with Protocol = "grpc"`,
      );
    return {
      table: isPlain ? null : { name: this.#name, protocol: Protocol, rules },
      targets,
      policies,
      unheeded: [...this.#unheeded].slice(0, mostUnheeded),
    };
  }

  #isPlain(rules: readonly RouteRule[]): boolean {
    const [rule, ...others] = rules;
    if (rule === undefined || others.length > 0 || rule.path !== null || rule.fields.length > 0) return false;
    const [leg, ...more] = rule.legs;
    return (
      more.length === 0 &&
      rule.rewrite === null &&
      rule.timeoutMs === null &&
      leg?.targets.length === 1 &&
      leg.targets[0] === this.#name
    );
  }

  /** One route, or null for one that no call of ours can match. */
  #rule({ Definition, NextNode }: ChainRoute, place: number): RouteRule | null {
    const say = (what: string): unknown => this.#unheeded.add(`route ${place}: ${what}`);
    const matched = compileMatch(Definition.Match ?? null, this.#faultOf);
    if ('never' in matched) {
      say(`never taken, because ${matched.never}`);
      return null;
    }
    const destination = wordsOf(Definition.Destination);
    for (const word of strangers(destination, destinationWords))
      say(
        word.includes('Retr')
          ? `${word} is not honoured: calls are tried again as the policy 'retry' says`
          : `${word} is not honoured`,
      );
    const rewrite = textOf(destination, 'PrefixRewrite');
    const canRewrite = matched.path === null || matched.path.by === 'prefix' || matched.path.by === 'exact';
    if (rewrite !== '' && !canRewrite) say('PrefixRewrite is not honoured for a pattern');
    return {
      path: matched.path,
      fields: matched.fields,
      legs: this.#legs(NextNode),
      rewrite: rewrite === '' || !canRewrite ? null : rewrite,
      timeoutMs: durationMs(destination['RequestTimeout']),
    };
  }

  /** What a node divides calls into. */
  #legs(key: string, depth = 0): Leg[] {
    if (++this.#turns > mostTurns) throw new Error(`it divides calls more than ${mostTurns} times`);
    if (depth > deepest) throw new Error(`its splitters stand more than ${deepest} deep`);
    const node = this.#node(key);
    if (node.Type === 'resolver') return [{ weight: 100, targets: this.#resolvers.of(node) }];
    if (node.Type !== 'splitter') throw new Error(`its node '${key}' is of the unknown type '${node.Type}'`);
    const legs = (node.Splits ?? []).flatMap((split) => this.#side(split, depth));
    if (legs.length === 0) throw new Error(`its splitter '${key}' has no side with a weight`);
    return legs;
  }

  #side(split: ChainSplit, depth: number): Leg[] {
    if (split.Weight === 0) return [];
    const own = strangers(split, ['Weight', 'NextNode', 'Definition']);
    const known = ['Weight', 'Service', 'ServiceSubset', 'Namespace', 'Partition'];
    for (const word of [...own, ...strangers(wordsOf(split['Definition']), known)])
      this.#unheeded.add(`splitter: ${word} is not honoured`);
    const legs = this.#legs(split.NextNode, depth + 1);
    const whole = legs.reduce((sum, { weight }) => sum + weight, 0);
    return legs.map(({ weight, targets }) => ({ weight: (split.Weight * weight) / whole, targets }));
  }

  #node(key: string): ChainAnswer['Nodes'][string] {
    if (!Object.hasOwn(this.#chain.Nodes, key)) throw new Error(`it has no node '${key}'`);
    return this.#chain.Nodes[key]!;
  }
}
