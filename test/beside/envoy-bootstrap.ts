import { address, http2Manager, http2Upstream, type } from '../support/envoy-words.ts';

/** How much is said to an Envoy: what it needs, or all that makes it do as ours does where it can. */
export type Form = 'plain' | 'tuned';

/** Where an Envoy listens, and whom it calls. */
export interface Places {
  readonly port: number;
  readonly admin: number;
  /** Ports of 127.0.0.1. */
  readonly to: readonly number[];
}

/**
 * An Envoy between plaintext and plaintext. Both forms make three attempts and detect outliers; `plain` leaves the
 * rest as it comes.
 *
 * Ref: Envoy, "Outlier detection", "Router" (x-envoy-retry-on, x-envoy-retry-grpc-on), "Health checking".
 */
export const bootstrap = (form: Form, { port, admin, to }: Places): object => ({
  admin: { address: address(admin) },
  static_resources: {
    listeners: [
      {
        name: 'in',
        address: address(port),
        filter_chains: [{ filters: [{ name: 'http', typed_config: connectionPart(form) }] }],
      },
    ],
    clusters: [
      {
        name: 'echo',
        type: 'STATIC',
        load_assignment: {
          cluster_name: 'echo',
          endpoints: [{ lb_endpoints: to.map((each) => ({ endpoint: { address: address(each) } })) }],
        },
        ...http2Upstream,
        outlier_detection: {},
        ...(form === 'tuned' && tuned),
      },
    ],
  },
});

/** What is more than `plain`: out as soon and as many as with ours, back as soon, asked for its health as often. */
const tuned = {
  lb_policy: 'LEAST_REQUEST',
  circuit_breakers: { thresholds: [{ max_retries: 1024 }] },
  outlier_detection: {
    interval: '1s',
    base_ejection_time: '1s',
    max_ejection_percent: 50,
    consecutive_5xx: 5,
    consecutive_gateway_failure: 5,
    enforcing_consecutive_gateway_failure: 100,
    failure_percentage_threshold: 20,
    failure_percentage_minimum_hosts: 2,
    failure_percentage_request_volume: 5,
    enforcing_failure_percentage: 100,
    successful_active_health_check_uneject_host: false,
  },
  health_checks: [
    {
      interval: '1s',
      no_traffic_interval: '1s',
      timeout: '1s',
      unhealthy_threshold: 1,
      healthy_threshold: 1,
      grpc_health_check: {},
    },
  ],
};

const connectionPart = (form: Form): object =>
  http2Manager({
    cluster: 'echo',
    timeout: '0s',
    max_stream_duration: { grpc_timeout_header_max: '0s' },
    retry_policy: {
      retry_on: 'connect-failure,refused-stream,reset,unavailable',
      num_retries: 2,
      ...(form === 'tuned' && elsewhere),
    },
  });

/** Another attempt meets another endpoint. */
const elsewhere = {
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: { '@type': type('extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate') },
    },
  ],
  host_selection_retry_max_attempts: 5,
};
