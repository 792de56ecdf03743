import type { Kit } from './core/kit.ts';
import type { Tracing } from './core/trace.ts';
import type { Environment } from './core/tracing-variables.ts';
import { samplingOf } from './policies/sampling.ts';
import type { Settings } from './settings/settings.ts';
import { openTracer } from './telemetry/tracing.ts';

/** How a sidecar traces, until it is closed. */
export interface OpenTracing {
  readonly tracing: Tracing;
  /** Sends what is left. Never rejects. */
  close(): Promise<void>;
}

/** Begins to trace where the variables of OpenTelemetry ask for it; null where they do not. */
export const openTracing = (
  { service }: Pick<Settings, 'service'>,
  kit: Kit,
  environment: Environment,
): OpenTracing | null => {
  const opened = openTracer(kit, service?.name ?? 'outrigger', environment);
  if (opened === null) return null;
  const { samples, problem } = samplingOf(environment);
  if (problem !== null) kit.log.warn({}, problem);
  return { tracing: { tracer: opened.tracer, samples }, close: opened.close };
};
