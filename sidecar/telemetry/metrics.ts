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
  counter('outrigger_baggage_trimmed_total', 'Calls whose baggage was above the limits', 'direction'),
  counter('outrigger_flags_dropped_total', 'Calls whose baggage had no room for the flags'),
  counter('outrigger_deadline_expired_total', 'Calls ended because their time was over', 'direction'),
  counter('outrigger_denied_total', 'Calls refused by intentions', 'caller'),
  counter('outrigger_unrouted_total', 'Calls to names that nobody has seen', 'reason'),
  counter('outrigger_retries_total', 'Further attempts', 'service'),
  counter('outrigger_route_waits_total', 'Calls that waited for the first answer about a name', 'outcome'),
  counter('outrigger_dials_total', 'Connections to peers that opened or failed to', 'service', 'outcome'),
  counter('outrigger_links_lost_total', 'Connections to peers that broke while in use', 'service'),
  gauge('outrigger_links', 'Open connections to peers', 'service'),
  counter(
    'outrigger_link_queue_full_total',
    'Calls refused because too many wait for a connection',
    'service',
  ),
  counter('outrigger_gate_changes_total', 'Gates that changed their state', 'service', 'state'),
  counter('outrigger_probes_total', 'Background probes of shut endpoints', 'service', 'outcome'),
  counter('outrigger_consul_failures_total', 'Questions that Consul did not answer', 'question', 'failure'),
  counter('outrigger_consul_held_total', 'Emptied answers held until a consistent read confirms', 'question'),
  counter(
    'outrigger_consul_large_answers_total',
    'Answers of Consul that were read in a thread of their own',
    'shape',
  ),
  gauge('outrigger_consul_stale', '1 while answers come from a server without a leader', 'question'),
  gauge('outrigger_registered', '1 while this sidecar stands in Consul'),
  counter('outrigger_addresses_refused_total', 'Addresses from Consul that policy forbids', 'reason'),
  counter('outrigger_watches_refused_total', 'Names that were not watched because too many are'),
  counter('outrigger_slices_refused_total', 'Bad slices; the last good one was kept', 'origin'),
  gauge('outrigger_snapshot_version', 'Version of the snapshot that calls read'),
  gauge('outrigger_snapshot_age_seconds', 'Time since the snapshot last changed'),
  gauge('outrigger_certificate_expiry_seconds', 'Time until our certificate is no longer valid'),
  counter('outrigger_identities_refused_total', 'Bad certificates; the last good one was kept', 'kind'),
  gauge('outrigger_loop_delay_seconds', 'How late the event loop was, since the reading before', 'quantile'),
  gauge('process_resident_memory_bytes', 'Resident memory of the process'),
  counter('process_cpu_seconds_total', 'Processor time of the process, user and system'),
  counter('outrigger_connections_total', 'Connections taken', 'listener'),
  gauge('outrigger_connections', 'Connections that are open', 'listener'),
  counter('outrigger_resets_total', 'Streams that the other side reset', 'by'),
  counter('outrigger_goaways_total', 'Connections that a peer asked to leave by GOAWAY'),
  counter('outrigger_limit_breaches_total', 'Limits that a connection broke', 'listener', 'limit'),
  counter('outrigger_handshakes_refused_total', 'TLS handshakes that came to nothing', 'reason'),
];
