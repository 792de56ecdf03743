/** Environment variables by name; those that are not set are undefined. */
export type Environment = Readonly<Record<string, string | undefined>>;

const asking = [
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
] as const;

/**
 * The variable by which traces are asked for, or null: then nothing of OpenTelemetry is loaded.
 *
 * Ref: OpenTelemetry, "Environment Variable Specification": OTEL_SDK_DISABLED=true wins, then OTEL_TRACES_EXPORTER=none.
 */
export const tracingAskedBy = (environment: Environment): string | null => {
  const said = (name: string): string => environment[name]?.trim() ?? '';
  if (isTracingForbidden(environment) || said('OTEL_TRACES_EXPORTER').toLowerCase() === 'none') return null;
  return asking.find((name) => said(name) !== '') ?? null;
};

/** OTEL_SDK_DISABLED=true. */
export const isTracingForbidden = (environment: Environment): boolean =>
  environment['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true';

/** Whether the environment names the service in whose name spans are exported. */
export const namesService = (environment: Environment): boolean =>
  (environment['OTEL_SERVICE_NAME']?.trim() ?? '') !== '' ||
  /(?:^|,)\s*service\.name\s*=/.test(environment['OTEL_RESOURCE_ATTRIBUTES'] ?? '');

/** What to install where traces are asked for, and nobody can make them. */
export const tracingPackages = '@opentelemetry/sdk-node@0.223.0 @opentelemetry/api@1.9.1';
