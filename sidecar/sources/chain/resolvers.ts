import type { ChainAnswer, ChainNode, ChainTarget } from '../../consul/chain-answer.ts';
import type { Balance, PolicyRule } from '../../core/policy.ts';
import { durationMs, says, strangers, textOf, textsOf, wordsOf } from './words.ts';

/** What is asked of Consul about one target. */
export interface TargetQuestion {
  /** Tells targets apart: the name, and the filter of a subset. */
  readonly key: string;
  /** For metrics and messages: the service, or Consul's id of a subset or of a service elsewhere. */
  readonly name: string;
  readonly service: string;
  /** Of a subset; empty: all instances. */
  readonly filter: string;
  /** Empty: where our agent is. */
  readonly dc: string;
}

/** What Consul puts there when nobody says anything. */
const defaultConnectMs = 5000;

const balances: Readonly<Record<string, Balance>> = {
  least_request: 'two-choices',
  random: 'two-choices',
  round_robin: 'round-robin',
};

/** Resolvers gathers what the resolvers of a chain say: targets, and how calls to them are treated. */
export class Resolvers {
  readonly #name: string;
  readonly #chain: ChainAnswer;
  readonly #say: (what: string) => void;
  readonly #targets: Map<string, TargetQuestion> = new Map();
  /** By service. */
  readonly #connects: Map<string, number> = new Map();
  readonly #balances: Set<Balance | null> = new Set();

  /** `say` hears what does not hold here. */
  constructor(name: string, chain: ChainAnswer, say: (what: string) => void) {
    this.#name = name;
    this.#chain = chain;
    this.#say = say;
  }

  /** Every target that a resolver so far leads to. */
  targets(): TargetQuestion[] {
    return [...this.#targets.values()];
  }

  /** Keys of the targets of one resolver, the first choice first. */
  of(node: ChainNode): readonly string[] {
    const resolver = wordsOf(node.Resolver);
    const where = `resolver ${node.Name}`;
    const failover = wordsOf(resolver['Failover']);
    for (const word of strangers(resolver, ['Default', 'ConnectTimeout', 'Target', 'Failover']))
      this.#say(`${where}: ${word} is not honoured`);
    for (const word of strangers(failover, ['Targets']))
      this.#say(`${where}: ${word} of its failover is not honoured`);
    const ids = [textOf(resolver, 'Target'), ...textsOf(failover, 'Targets')];
    const targets = ids.flatMap((id) => this.#target(id) ?? []);
    const connectMs = durationMs(resolver['ConnectTimeout']);
    const [first] = targets;
    if (first !== undefined && connectMs !== null && connectMs !== defaultConnectMs)
      this.#connects.set(first.service, connectMs);
    this.#balances.add(this.#balance(node, where));
    return targets.map(({ key }) => key);
  }

  /** How resolvers want calls to be treated, as one layer of policy. */
  policies(): PolicyRule[] {
    const rules: PolicyRule[] = [];
    const rule = (service: string, words: PolicyRule['words'], resolver: string): void => {
      const origin = `consul entry service-resolver/${resolver}`;
      rules.push({ layer: 'entries', service, method: '', words, origin });
    };
    const [balance = null, ...others] = this.#balances;
    if (others.length > 0) this.#say('the resolvers want different load balancers: none of them is honoured');
    else if (balance !== null) rule(this.#name, { balance }, this.#name);
    // Of the service whose instances are dialled, in whichever subset they stand.
    for (const [service, connect] of this.#connects) rule(service, { connect }, service);
    return rules;
  }

  #target(id: string): TargetQuestion | null {
    if (!Object.hasOwn(this.#chain.Targets, id)) throw new Error(`it has no target '${id}'`);
    const target = this.#chain.Targets[id]!;
    const why = unreachable(target);
    if (why !== null) {
      this.#say(`target ${id}: never called, because ${why}`);
      return null;
    }
    const isHere = target.Datacenter === '' || target.Datacenter === this.#chain.Datacenter;
    const gateway = textOf(wordsOf(target.MeshGateway), 'Mode');
    if (!isHere && (gateway === 'local' || gateway === 'remote'))
      this.#say(`target ${id}: called directly, its mesh gateway (mode ${gateway}) is not honoured`);
    if (target.External) this.#say(`target ${id}: its ExternalSNI is not honoured`);
    const filter = target.Subset?.Filter.trim() ?? '';
    const name = isHere && filter === '' ? target.Service : id;
    const key = filter === '' ? name : `${name}?${filter}`;
    const dc = isHere ? '' : target.Datacenter;
    const question = this.#targets.get(key) ?? { key, name, service: target.Service, filter, dc };
    this.#targets.set(key, question);
    return question;
  }

  #balance(node: ChainNode, where: string): Balance | null {
    const words = wordsOf(node.LoadBalancer);
    const policy = textOf(words, 'Policy');
    if (policy === '') return null;
    const choices = wordsOf(words['LeastRequestConfig'])['ChoiceCount'];
    if (says(choices) && choices !== 2)
      this.#say(`${where}: ChoiceCount ${String(choices)} is not honoured, the choice is always of two`);
    if (policy === 'random')
      this.#say(`${where}: LoadBalancer random is taken as the less loaded of two met by chance`);
    else if (!Object.hasOwn(balances, policy)) this.#say(`${where}: LoadBalancer ${policy} is not honoured`);
    else if (says(words['HashPolicies'])) this.#say(`${where}: HashPolicies are not honoured`);
    return Object.hasOwn(balances, policy) ? balances[policy]! : null;
  }
}

const unreachable = ({ Namespace, Partition, Peer }: ChainTarget): string | null => {
  if (Peer !== '') return `it is in the peered cluster '${Peer}'`;
  if (Namespace !== '' && Namespace !== 'default') return `it is in the namespace '${Namespace}'`;
  if (Partition !== '' && Partition !== 'default') return `it is in the partition '${Partition}'`;
  return null;
};
