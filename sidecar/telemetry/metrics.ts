import type { MetricDefinition } from '../core/meter.ts';

const counter = (name: string, help: string, ...labels: string[]): MetricDefinition => ({
  name,
  kind: 'counter',
  help,
  labels,
});
const gauge = (name: string, help: string, ...labels: string[]): MetricDefinition => ({
  name,
  kind: 'gauge',
  help,
  labels,
});
const histogram = (name: string, help: string, ...labels: string[]): MetricDefinition => ({
  name,
  kind: 'histogram',
  help,
  labels,
});

/** Every metric of a sidecar, in one list; `docs/metrics.md` says the same, and a test compares them both ways. */
export const metrics: readonly MetricDefinition[] = [
  counter('outrigger_calls_total', 'Calls that ended', 'direction', 'service', 'method', 'code', 'from'),
  histogram(
    'outrigger_call_duration_seconds',
    'From the header block to the end',
    'direction',
    'service',
    'method',
  ),
  gauge('outrigger_calls_in_flight', 'Calls that have begun and not ended', 'direction', 'service'),
  counter('outrigger_request_bytes_total', 'Request message bytes from callers', 'direction', 'service'),
  counter('outrigger_response_bytes_total', 'Response message bytes to callers', 'direction', 'service'),
  counter(
    'outrigger_ids_rejected_total',
    'Correlation ids that were not clean and were made anew',
    'direction',
  ),
  counter('outrigger_deadline_expired_total', 'Calls ended because their time was over', 'direction'),
  counter('outrigger_denied_total', 'Calls refused by intentions', 'caller'),
  counter('outrigger_unrouted_total', 'Calls to names that nobody has seen', 'reason'),
  counter('outrigger_retries_total', 'Further attempts', 'service'),
  counter('outrigger_gate_changes_total', 'Gates that changed their state', 'service', 'state'),
  counter('outrigger_probes_total', 'Background probes of shut endpoints', 'service', 'outcome'),
];
