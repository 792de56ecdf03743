import type { DiagAPI, DiagLogger } from '@opentelemetry/api';
import type { Kit } from '../core/kit.ts';
import { isRegistered } from '../core/tracing-global.ts';
import type { Environment } from '../core/tracing-variables.ts';

/** Between two lines about traces that could not be sent, in milliseconds: a collector that is away says so at each batch. */
const quietMs = 60_000;
/** Characters of what OpenTelemetry says that a line has. */
const longest = 300;

/** Where complaints are told. */
export interface Diagnostics {
  hear(message: string, ...more: unknown[]): void;
  /** OpenTelemetry is no longer listened to. */
  leave(): void;
}

/**
 * Counts and tells what OpenTelemetry complains of: exports that failed, spans that were dropped. Whoever has asked to hear
 * it otherwise, by OTEL_LOG_LEVEL or in code, does.
 */
export const watchDiagnostics = (
  { clock, log, meter }: Kit,
  diag: Pick<DiagAPI, 'setLogger' | 'disable'>,
  environment: Environment,
): Diagnostics => {
  const problems = meter.count('outrigger_trace_problems_total');
  let quietUntil = Number.NEGATIVE_INFINITY;
  const hear = (message: string, ...more: unknown[]): void => {
    problems.value++;
    if (clock.now() < quietUntil) return;
    quietUntil = clock.now() + quietMs;
    const said = [message, ...more.map(String)].join(' ').slice(0, longest);
    log.warn({ said, problems: problems.value }, 'OpenTelemetry complains');
  };
  if ((environment['OTEL_LOG_LEVEL'] ?? '') !== '' || isRegistered('diag')) return { hear, leave: () => {} };
  const silent = (): void => {};
  const logger: DiagLogger = { error: hear, warn: hear, info: silent, debug: silent, verbose: silent };
  // 50: warnings and errors.
  diag.setLogger(logger, { logLevel: 50, suppressOverrideMessage: true });
  return { hear, leave: () => diag.disable() };
};
