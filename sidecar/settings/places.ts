import type { z } from 'zod';
import { isHost, type Place, readHostPort, readSocketPath } from './address.ts';
import { reading, text } from './shapes.ts';

/** A host and a port; port 0 asks for a free one. */
interface HostPort {
  host: string;
  port: number;
}

/** Where the contract of the app comes from: a descriptor set, the app itself, or nowhere. */
export type ContractFile = 'auto' | 'reflection' | 'none' | { readonly path: string };

/** The path of a file. */
export const path: z.ZodString = text('the path of a file', './orders.pem', /^[^\0]+$/);

/** `host:port`. */
export const place: z.ZodType<HostPort, string> = reading('host:port', '127.0.0.1:15000', readHostPort);

/** `host:port` or `unix:PATH`. */
export const placeOrSocket: z.ZodType<Place, string> = reading<Place>(
  'host:port or unix:PATH',
  '127.0.0.1:15001',
  (value) => readSocketPath(value) ?? readHostPort(value),
);

/** Where the control socket lies. */
export const control: z.ZodType<{ path: string } | 'default' | 'none', string> = reading(
  'unix:PATH, default or none',
  'unix:/run/user/1000/orders.sock',
  (value) => (value === 'default' || value === 'none' ? value : readSocketPath(value)),
);

/** Where state is kept. */
export const stateDir: z.ZodType<{ path: string } | 'default' | 'none', string> = reading(
  'the path of a directory, default or none',
  './state',
  (value) => (value === 'default' || value === 'none' ? value : value === '' ? null : { path: value }),
);

/** Where a contract comes from. */
export const contract: z.ZodType<ContractFile, string> = reading(
  'the path of a descriptor set, or reflection, auto or none',
  './orders.binpb',
  (value) => {
    if (value === 'auto' || value === 'reflection' || value === 'none') return value;
    return value === '' || value.includes('\0') ? null : { path: value };
  },
);

/** The URL of a Consul agent. */
export const url: z.ZodString = text(
  'the URL of a Consul agent without a path',
  'http://127.0.0.1:8500',
  /^https?:\/\/[^/?#@\s]+\/?$/,
);

/** A name in a certificate of HTTPS. */
export const tlsName: z.ZodString = text(
  'a host name',
  'server.dc1.consul',
  /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/,
);

/** Where others find us: a host, with or without a port that is not 0. */
export const advertised: z.ZodType<{ host: string; port: number | null }, string> = reading(
  'a host, or host:port',
  '10.0.0.7:15002',
  (value) => {
    if (isHost(value)) return { host: value, port: null };
    const found = readHostPort(value);
    return found === null || found.port === 0 ? null : found;
  },
);
