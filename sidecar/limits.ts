import { defaultLimits, type Limits as WireLimits } from '../wire/index.ts';
import { type EndpointSettings, endpointDefaults } from './endpoints/endpoint-home.ts';
import type { Limits } from './settings/limits.ts';

/** The file's limits as the engine takes them; `streams` may be open at a time on one connection. */
export const wireLimits = (limits: Limits, streams: number): WireLimits => ({
  ...defaultLimits,
  headerListBytes: limits['header-list'],
  headerFields: limits['header-fields'],
  continuations: limits.continuations,
  concurrentStreams: streams,
  messageBytes: limits.message,
  prefaceMs: limits.preface,
  headersMs: limits.headers,
  messageMs: limits['message-time'],
  pings: limits.pings,
  settings: limits['settings-frames'],
  priorities: limits.priorities,
  windowUpdates: limits['window-updates'],
  emptyData: limits['empty-data'],
  outputBytes: limits.output,
  resetSample: limits['reset-sample'],
});

/** The file's limits as endpoints take them. */
export const endpointLimits = (limits: Limits): EndpointSettings => ({
  ...endpointDefaults,
  maxLinks: limits.connections,
  mostWaiting: limits.waiting,
});
