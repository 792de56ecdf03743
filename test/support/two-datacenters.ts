import { type AgentTable, atAgent, timeUntil } from './at-agent.ts';
import { type RealConsul, startRealConsul } from './real-consul.ts';

/** A datacenter of one server, and the sidecars at its agent. */
export interface Datacenter {
  readonly name: 'dc1' | 'dc2';
  readonly mesh: AgentTable;
  /** Kills the server; what the sidecars know stays with them. */
  lose(): Promise<void>;
}

/**
 * Two datacenters of a real Consul on loopback, joined over their WAN ports. `dc1` is the primary: it has the root of
 * the authority and the intentions; `dc2` has an intermediate that the primary has signed, and copies.
 */
export interface TwoDatacenters {
  readonly dc1: Datacenter;
  readonly dc2: Datacenter;
  close(): Promise<void>;
}

/** Starts both; resolves when each answers for the other and both have one authority. */
export const twoDatacenters = async (): Promise<TwoDatacenters> => {
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const each of open.splice(0).reverse()) await each.close();
  };
  const start = async (name: Datacenter['name'], hcl: string): Promise<Datacenter> => {
    const consul: RealConsul = await startRealConsul({
      hcl: `datacenter = "${name}" primary_datacenter = "dc1" ${hcl}`,
    });
    open.push(consul);
    const mesh = atAgent(consul.url);
    open.push(mesh);
    return { name, mesh, lose: () => consul.close() };
  };
  try {
    const dc1 = await start('dc1', '');
    const dc2 = await start(
      'dc2',
      `retry_join_wan = ["127.0.0.1:${await wanPortOf(dc1.mesh)}"] retry_interval_wan = "1s"`,
    );
    await timeUntil(() => areJoined(dc1.mesh, dc2.mesh), 'two datacenters that know each other');
    return { dc1, dc2, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

const wanPortOf = async (mesh: AgentTable): Promise<number> => {
  const self = (await mesh.ask('GET', '/v1/agent/self')) as { DebugConfig: { SerfPortWAN: number } };
  return self.DebugConfig.SerfPortWAN;
};

const areJoined = async (dc1: AgentTable, dc2: AgentTable): Promise<boolean> => {
  const trustDomain = async (mesh: AgentTable): Promise<string> =>
    ((await mesh.ask('GET', '/v1/agent/connect/ca/roots')) as { TrustDomain: string }).TrustDomain;
  const nodes = async (mesh: AgentTable, dc: string): Promise<number> =>
    ((await mesh.ask('GET', `/v1/catalog/nodes?dc=${dc}`)) as unknown[]).length;
  // Not joined yet is an answer of 500.
  return Promise.all([trustDomain(dc1), trustDomain(dc2), nodes(dc1, 'dc2'), nodes(dc2, 'dc1')]).then(
    ([one, other, ...counts]) => one === other && counts.every((count) => count === 1),
    () => false,
  );
};
