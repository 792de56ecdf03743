import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Mesh, type Methods } from '../../sdk/index.ts';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { plainShop, Shop } from './shop.ts';

/** One app with its sidecar, in this process. */
export interface Member {
  /** Once the chain is connected. */
  readonly mesh: Mesh;
  readonly sidecar: Sidecar;
}

/**
 * Members that are started one after the other, the last of a chain first; then their apps connect. An app that traces
 * registers a provider for the whole process, which sidecars that start later would use as well.
 */
export interface Chain {
  add(name: string, calls?: Readonly<Record<string, readonly Member[]>>, words?: object): Promise<Member>;
  connect(): Promise<void>;
  /** Serves at `member`, as its sidecar expects. */
  serve(member: Member, methods: Partial<Methods<Shop>>): Promise<void>;
  close(): Promise<void>;
}

/** A chain without members. Its sidecars trust each other: this is about traces. */
export const startChain = async (): Promise<Chain> => {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-chain-'));
  const members: { mesh: Mesh; readonly sidecar: Sidecar }[] = [];
  const sockets = new Map<Member, string>();
  const stops: (() => Promise<void>)[] = [];
  return {
    add: async (name, calls = {}, words = {}) => {
      const socket = join(folder, `${members.length}.sock`);
      const services = Object.fromEntries(
        Object.entries(calls).map(([to, all]) => [to, all.map(({ sidecar }) => sidecar.ports.peers)]),
      );
      const settings = {
        service: { name, socket },
        listen: { app: '127.0.0.1:0', peers: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' },
        discovery: { static: { services } },
        identity: 'none',
        ...words,
      };
      const sidecar = await startSidecar(
        readSettings(JSON.stringify(settings), 'test.yaml', folder).settings,
      );
      await sidecar.ready;
      const member = { sidecar, mesh: null as unknown as Mesh };
      members.push(member);
      sockets.set(member, socket);
      return member;
    },
    connect: async () => {
      for (const member of members) member.mesh = await connect({ sidecar: member.sidecar.ports.app });
    },
    serve: async (member, methods) => {
      const place = { socket: sockets.get(member)! };
      const served = await member.mesh.serve(Shop, { ...plainShop, ...methods }, place);
      stops.push(() => served.stop(0));
    },
    close: async () => {
      for (const { mesh } of members) await mesh.close();
      for (const stop of stops) await stop();
      for (const { sidecar } of members) await sidecar.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
