/** One limit of the file: how it is written, what holds when it is not, and what it bounds. */
export interface LimitDefinition {
  /** `bytes` are written `64MiB`, `time` is written `5s`, `count` is a whole number of at least 1. */
  readonly unit: 'bytes' | 'time' | 'count';
  readonly default: string | number;
  readonly about: string;
}

/**
 * Every limit, one line each. What is added here appears in the file's schema, in `Settings.limits`,
 * in `outrigger check` and in docs/settings.md; a test fails while no code reads it.
 */
export const limitList = {
  message: { unit: 'bytes', default: '64MiB', about: 'Longest gRPC message in either direction' },
  'header-list': {
    unit: 'bytes',
    default: '16KiB',
    about: 'Header list, counted with 32 octets for each field',
  },
  'header-fields': { unit: 'count', default: 64, about: 'Fields in one header block' },
  'streams-app': { unit: 'count', default: 1024, about: 'Calls at a time on one connection of the app' },
  'streams-peers': { unit: 'count', default: 100, about: 'Calls at a time on one connection of a peer' },
  'admin-connections': { unit: 'count', default: 32, about: 'Connections to the admin port at a time' },
  'admin-request': { unit: 'time', default: '5s', about: 'Time that an admin request may take to arrive' },
  'control-connections': { unit: 'count', default: 16, about: 'Connections to the control socket at a time' },
} as const;

/** What happens at SIGTERM, one line each. */
export const drainList = {
  calls: {
    unit: 'time',
    default: '15s',
    about: 'Time for calls in flight to finish once nothing new is taken',
  },
  app: {
    unit: 'time',
    default: '10s',
    about: 'Time for the app of `outrigger run` to end after its SIGTERM',
  },
} as const;

/** Limits by key: bytes, milliseconds or a count. */
export type Limits = { readonly [Key in keyof typeof limitList]: number };

/** Limits of a shutdown by key, in milliseconds. */
export type Drain = { readonly [Key in keyof typeof drainList]: number };
