import type { Certificates } from './certificates.ts';

/** One Envoy: where it listens and dials, and on which side it speaks mutual TLS. */
export interface EnvoySide {
  readonly port: number;
  readonly to: number;
  readonly tls: 'none' | 'in' | 'out';
}

/** Envoy's file, as far as anyone here looks into it. */
export type Bootstrap = Readonly<Record<string, unknown>>;

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** The windows that ours grow to; Envoy's own defaults of 16 MiB let 40 unread streams hold everything. */
const http2 = { initial_stream_window_size: 1024 * 1024, initial_connection_window_size: 4 * 1024 * 1024 };

/** Everything that the sidecar does for a call, where Envoy has a counterpart; see README.md. */
export const bootstrap = (side: EnvoySide, certificates: Certificates): Bootstrap => ({
  static_resources: {
    listeners: [
      {
        name: 'in',
        address: address(side.port),
        filter_chains: [
          {
            filters: [{ name: 'http', typed_config: connectionPart(side) }],
            ...(side.tls === 'in' && {
              transport_socket: tls('DownstreamTlsContext', 'echo', certificates.spiffe.web, certificates),
            }),
          },
        ],
      },
    ],
    clusters: [cluster(side, certificates)],
  },
});

const connectionPart = (side: EnvoySide) => ({
  '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
  stat_prefix: 'in',
  codec_type: 'HTTP2',
  http2_protocol_options: http2,
  stream_idle_timeout: '300s',
  route_config: {
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          {
            match: { prefix: '/', grpc: {} },
            route: {
              cluster: 'out',
              timeout: '0s',
              max_stream_duration: { grpc_timeout_header_max: '0s' },
              // Retries belong to the caller's side, as with ours.
              ...(side.tls !== 'in' && {
                retry_policy: {
                  retry_on: 'connect-failure,refused-stream,reset-before-request',
                  num_retries: 2,
                },
              }),
            },
          },
        ],
      },
    ],
  },
  http_filters: [
    { name: 'router', typed_config: { '@type': type('extensions.filters.http.router.v3.Router') } },
  ],
});

const cluster = (side: EnvoySide, certificates: Certificates) => ({
  name: 'out',
  type: 'STATIC',
  connect_timeout: '5s',
  lb_policy: 'LEAST_REQUEST',
  load_assignment: {
    cluster_name: 'out',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(side.to) } }] }],
  },
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: http2 },
    },
  },
  circuit_breakers: {
    thresholds: [{ max_connections: 1024, max_pending_requests: 1024, max_requests: 4096, max_retries: 3 }],
  },
  outlier_detection: {
    consecutive_5xx: 5,
    consecutive_gateway_failure: 5,
    interval: '1s',
    base_ejection_time: '1s',
  },
  ...(side.tls === 'out' && {
    transport_socket: tls('UpstreamTlsContext', 'web', certificates.spiffe.echo, certificates),
  }),
});

const tls = (
  context: 'DownstreamTlsContext' | 'UpstreamTlsContext',
  own: 'web' | 'echo',
  expects: string,
  { directory }: Certificates,
) => ({
  name: 'tls',
  typed_config: {
    '@type': type(`extensions.transport_sockets.tls.v3.${context}`),
    ...(context === 'DownstreamTlsContext' && { require_client_certificate: true }),
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificates: [
        {
          certificate_chain: { filename: `${directory}/${own}.pem` },
          private_key: { filename: `${directory}/${own}.key` },
        },
      ],
      validation_context: {
        trusted_ca: { filename: `${directory}/ca.pem` },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: expects } }],
      },
    },
  },
});
