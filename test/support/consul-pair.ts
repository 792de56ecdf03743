import { type Api, one } from './consul-api.ts';

/** Registers an app and its proxy as a sidecar does, both passing; resolves once both are seen. */
export const registerPair = async (
  api: Api,
  service: string,
  meta: Record<string, string> = {},
  tags: string[] = [],
): Promise<void> => {
  await api.put('/v1/agent/service/register', {
    ID: `${service}-1`,
    Name: service,
    Port: 50051,
    Address: '127.0.0.1',
    Tags: tags,
    Meta: meta,
    Check: { CheckID: `${service}-app`, Name: 'app', TTL: '1m', Status: 'passing' },
  });
  await api.put('/v1/agent/service/register', {
    ID: `${service}-1-sidecar-proxy`,
    Name: `${service}-sidecar-proxy`,
    Kind: 'connect-proxy',
    Port: 15002,
    Proxy: {
      DestinationServiceName: service,
      DestinationServiceID: `${service}-1`,
      LocalServiceAddress: '127.0.0.1',
      LocalServicePort: 50051,
    },
    Checks: [
      { Name: 'app behind', AliasService: `${service}-1` },
      { CheckID: `${service}-proxy`, Name: 'proxy', TTL: '1m', Status: 'passing' },
    ],
  });
  await api.until(`/v1/health/connect/${service}?passing`, one);
  await api.until(`/v1/health/service/${service}?passing`, one);
};
