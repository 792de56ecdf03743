import { describe, expect, it } from 'vitest';
import { clinic, webOn } from '../../support/doctor.ts';

const { examine, mesh, tcp } = clinic();

describe('upstreams', () => {
  it('are not known, with the names that are near', async () => {
    const { url } = await mesh();
    const { causes, remedies } = await examine(webOn(url).replace('{ echo:', '{ ecko:'));
    expect(causes).toEqual(["upstreams: upstream 'ecko' is not known to Consul"]);
    expect(remedies).toEqual(['did you mean echo? correct upstreams']);
  });

  it('have no sidecar', async () => {
    const { url, api } = await mesh();
    await api.put('/v1/agent/service/register', { Name: 'bare', Port: 1 });
    expect((await examine(webOn(url).replace('{ echo:', '{ bare:'))).causes).toEqual([
      "upstreams: upstream 'bare' is registered in Consul, but no instance has a sidecar",
    ]);
  });

  it('fail their checks', async () => {
    const { url, api, app } = await mesh();
    app.close();
    await api.until('/v1/health/connect/echo?passing', (answer) => answer.json().length === 0);
    expect((await examine(webOn(url))).causes).toEqual([
      expect.stringMatching(/^upstreams: no instance of upstream 'echo' passes its checks: /),
    ]);
  });

  it('warn: a sidecar calls only those that pass', async () => {
    const { url, api } = await mesh();
    const port = await tcp();
    await api.put('/v1/agent/service/register', { Name: 'slow', Port: 1 });
    await api.put('/v1/agent/service/register', {
      ...{ ID: 'slow-proxy', Name: 'slow-sidecar-proxy', Kind: 'connect-proxy', Port: port },
      ...{ Proxy: { DestinationServiceName: 'slow' }, Check: { CheckID: 'disk', Name: 'disk', TTL: '1m' } },
    });
    const slow = webOn(url).replace('{ echo:', '{ slow:');
    await api.put('/v1/agent/check/pass/disk');
    expect((await examine(slow)).causes).toEqual([]);
    await api.put('/v1/agent/check/warn/disk?note=nearly%20full');
    expect((await examine(slow)).causes).toEqual([
      "upstreams: no instance of upstream 'slow' passes its checks: disk (nearly full)",
    ]);
  });

  it('are not reached from here', async () => {
    const { url, api } = await mesh();
    await api.put('/v1/agent/service/register', {
      ...{ ID: 'far-proxy', Name: 'far-sidecar-proxy', Kind: 'connect-proxy', Address: '127.0.0.1', Port: 1 },
      Proxy: { DestinationServiceName: 'far' },
    });
    await api.put('/v1/agent/service/register', { Name: 'far', Port: 2 });
    const { causes, remedies } = await examine(webOn(url).replace('{ echo:', '{ far:'));
    expect(causes).toEqual([
      "peers: the peers port of 'far' at 127.0.0.1:1 is not reached from here: nobody listens there",
    ]);
    expect(remedies[0]).toContain("set advertise in the settings of 'far'");
  });

  it('may not be called', async () => {
    const { url, api } = await mesh();
    await api.post('/v1/connect/intentions', { SourceName: 'web', DestinationName: 'echo', Action: 'deny' });
    const { causes, remedies } = await examine(webOn(url));
    expect(causes).toEqual(["intentions: Consul's intentions do not let 'web' call 'echo'"]);
    expect(remedies).toEqual(['consul intention create -replace web echo']);
  });

  it('may be called as permissions say, which Consul does not look at', async () => {
    const { url, api } = await mesh();
    await api.put('/v1/config', { Kind: 'service-defaults', Name: 'echo', Protocol: 'grpc' });
    const Permissions = [{ Action: 'allow', HTTP: { PathPrefix: '/' } }];
    const put = (Sources: object[]) =>
      api.put('/v1/config', { Kind: 'service-intentions', Name: 'echo', Sources });
    await put([{ Name: 'web', Permissions }]);
    const check = '/v1/connect/intentions/check?source=web&destination=echo';
    expect((await api.get(check)).json()).toEqual({ Allowed: false });
    expect((await examine(webOn(url))).causes).toEqual([]);
    await put([
      { Name: 'web', Action: 'deny' },
      { Name: '*', Permissions },
    ]);
    expect((await examine(webOn(url))).causes).toEqual([
      "intentions: Consul's intentions do not let 'web' call 'echo'",
    ]);
  });

  it('are not in the file, where peers stand in it', async () => {
    const text = `service: { name: web }
listen: { app: 127.0.0.1:0, admin: 127.0.0.1:0, control: none }
discovery: { static: { services: { echo: [127.0.0.1:1] } } }
identity: none
upstreams: { eco: 127.0.0.1:0 }`;
    expect((await examine(text)).causes).toEqual([
      "upstreams: upstream 'eco' is not known to discovery.static.services",
    ]);
  });
});
