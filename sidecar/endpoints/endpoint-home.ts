import type { Kit } from '../core/kit.ts';
import type { Dial } from '../core/link.ts';
import type { Endpoint } from './endpoint.ts';
import { type GateSettings, gateDefaults } from './gate-settings.ts';
import type { LinksSettings } from './links.ts';
import type { Health, Probe } from './probe.ts';

/** Limits of one endpoint. */
export interface EndpointSettings extends LinksSettings {
  /** Most calls that wait for a connection; more are refused with RESOURCE_EXHAUSTED. */
  readonly mostWaiting: number;
  /**
   * How long an instance that has left keeps its connections in case that it comes back, milliseconds: without it a
   * check that flaps would cost a handshake each time. 0: not at all.
   */
  readonly restMs: number;
  readonly gate: GateSettings;
}

/** One warm connection is the norm, four are the most; background dials after 100 ms to 5 s. */
export const endpointDefaults: EndpointSettings = {
  maxLinks: 4,
  mostWaiting: 1024,
  restMs: 10_000,
  idleLinkMs: 60_000,
  inUseMs: 10_000,
  dialBackoff: { firstMs: 100, longestMs: 5000, jitter: 0.2 },
  gate: gateDefaults,
};

/** What an endpoint needs of its pool. */
export interface EndpointHome {
  readonly kit: Kit;
  readonly dial: Dial;
  readonly probe: Probe;
  readonly settings: EndpointSettings;
  /** Whether another endpoint of the same service takes calls, and not more than `most` percent would be shut. */
  mayShut(endpoint: Endpoint, most: number): boolean;
  /** The endpoint's gate opened or has a call on trial (`unknown`), or it is connected again (`null`). */
  recovers(endpoint: Endpoint, health: Health | null): void;
  /** The endpoint left and its last connection is closed. */
  gone(endpoint: Endpoint): void;
}
