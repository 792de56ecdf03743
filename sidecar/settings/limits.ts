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
  continuations: { unit: 'count', default: 8, about: 'CONTINUATION frames of one header block' },
  preface: { unit: 'time', default: '5s', about: 'Time for TLS, the preface and the first SETTINGS' },
  headers: { unit: 'time', default: '5s', about: 'Time from the beginning of a header block to its end' },
  'message-time': {
    unit: 'time',
    default: '30s',
    about: 'Time that a message may stay begun and incomplete',
  },
  pings: {
    unit: 'count',
    default: 100,
    about: 'PING frames of one connection in a second, beside one for each DATA frame sent',
  },
  'settings-frames': { unit: 'count', default: 50, about: 'SETTINGS frames of one connection in a second' },
  priorities: {
    unit: 'count',
    default: 500,
    about: 'PRIORITY and unknown frames in a second, beside 10 a stream',
  },
  'window-updates': {
    unit: 'count',
    default: 2000,
    about:
      'WINDOW_UPDATE frames in a second, beside 10 for each DATA frame sent and one for each 256 bytes of it',
  },
  'empty-data': { unit: 'count', default: 500, about: 'Empty DATA frames of one connection in a second' },
  'reset-sample': {
    unit: 'count',
    default: 500,
    about:
      'Streams in a second from which resets are judged, of one connection and of a port without TLS; verified peers ten times that',
  },
  output: { unit: 'bytes', default: '1MiB', about: 'Bytes that wait for a peer that does not read' },
  held: { unit: 'bytes', default: '128MiB', about: 'Bytes that wait for windows, in the whole process' },
  'recording-call': {
    unit: 'bytes',
    default: '64KiB',
    about: 'Recording of one request, for another attempt',
  },
  'recording-process': {
    unit: 'bytes',
    default: '16MiB',
    about: 'Recordings of all requests in the process',
  },
  connect: { unit: 'time', default: '2s', about: 'Time to connect to a peer, TLS included' },
  'connection-age': { unit: 'time', default: '1h', about: 'Age at which a connection is replaced, +-10 %' },
  connections: { unit: 'count', default: 4, about: 'Connections to one endpoint; one is the norm' },
  waiting: { unit: 'count', default: 1024, about: 'Calls that wait for a connection to one endpoint' },
  'idle-stream': {
    unit: 'time',
    default: '5m',
    about: 'Time without a byte either way, for a call that has no deadline',
  },
  'longest-call': { unit: 'time', default: '24h', about: 'Longest deadline that is granted' },
  'ping-interval': { unit: 'time', default: '2s', about: 'Silence after which another outrigger is pinged' },
  'ping-timeout': { unit: 'time', default: '2s', about: 'Time to answer such a ping' },
  hops: {
    unit: 'count',
    default: 16,
    about: 'Services that one call may come through, one behind the other, as its baggage counts them',
  },
  'streams-app': { unit: 'count', default: 1024, about: 'Calls at a time on one connection of the app' },
  'streams-peers': { unit: 'count', default: 100, about: 'Calls at a time on one connection of a peer' },
  'admin-connections': { unit: 'count', default: 32, about: 'Connections to the admin port at a time' },
  'admin-request': { unit: 'time', default: '5s', about: 'Time that an admin request may take to arrive' },
  'control-connections': { unit: 'count', default: 16, about: 'Connections to the control socket at a time' },
} as const;

/** What happens at SIGTERM, one line each. */
export const drainList = {
  notice: {
    unit: 'time',
    default: '1s',
    about: 'Time for peers to hear from Consul that we leave, before the first connection is told so',
  },
  calls: {
    unit: 'time',
    default: '15s',
    about: 'Time for calls in flight to finish once nothing new is taken',
  },
  app: {
    unit: 'time',
    default: '10s',
    about:
      'Time for the app to end: what `outrigger run` gives it, and what `outrigger sidecar` waits for it to hang up',
  },
} as const;

/** Limits by key: bytes, milliseconds or a count. */
export type Limits = { readonly [Key in keyof typeof limitList]: number };

/** Limits of a shutdown by key, in milliseconds. */
export type Drain = { readonly [Key in keyof typeof drainList]: number };
