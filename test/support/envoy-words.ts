/** The name of a message of Envoy's API, as its files say it. */
export const type = (name: string): string => `type.googleapis.com/envoy.${name}`;

/** A port of loopback. */
export const address = (port: number): object => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

/** What a cluster says so that HTTP/2 is spoken to it. */
export const http2Upstream: object = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

/** A listener's HTTP/2: every call takes `route`, after `filters`. */
export const http2Manager = (route: object, filters: readonly object[] = []): object => ({
  '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
  stat_prefix: 'in',
  codec_type: 'HTTP2',
  route_config: {
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }],
  },
  http_filters: [
    ...filters,
    { name: 'router', typed_config: { '@type': type('extensions.filters.http.router.v3.Router') } },
  ],
});
