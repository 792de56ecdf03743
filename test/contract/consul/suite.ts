import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, type ApiAnswer, apiOf } from './api.ts';

/** An agent under test. */
export interface Agent {
  readonly url: string;
  close(): Promise<void>;
}

const ids = (answer: ApiAnswer): string[] =>
  answer.json().map((one: { Service: { ID: string } }) => one.Service.ID);
const one = (answer: ApiAnswer): boolean => answer.json().length === 1;
const none = (answer: ApiAnswer): boolean => answer.json().length === 0;

/** Certificates of a PEM bundle. */
const certificates = (pem: string): X509Certificate[] =>
  pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g)!.map((each) => new X509Certificate(each));

/** What any agent that speaks Consul's API must do for us: the same suite for a real one and for ours. */
export const consulContract = (name: string, start: () => Promise<Agent>): void => {
  describe(`the Consul API as we use it, spoken by ${name}`, () => {
    let agent: Agent;
    let api: Api;

    beforeAll(async () => {
      agent = await start();
      api = apiOf(agent.url);
    });
    afterAll(() => agent?.close());

    /** Registers an app and its proxy as a sidecar does, both passing. */
    const registerPair = async (service: string, meta: Record<string, string> = {}, tags: string[] = []) => {
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

    describe('services', () => {
      it('shows an app and its proxy in every view', async () => {
        await registerPair('shown', { version: '3' }, ['blue']);
        const [app] = (await api.get('/v1/health/service/shown')).json();
        expect(app.Service).toMatchObject({
          ID: 'shown-1',
          Service: 'shown',
          Port: 50051,
          Address: '127.0.0.1',
          Tags: ['blue'],
          Meta: { version: '3' },
          Weights: { Passing: 1, Warning: 1 },
        });
        expect(app.Service.Kind).toBeUndefined();
        expect(app.Node.Address).toBe('127.0.0.1');
        expect(app.Checks.map((check: { CheckID: string }) => check.CheckID).sort()).toEqual([
          'serfHealth',
          'shown-app',
        ]);
        const [proxy] = (await api.get('/v1/health/connect/shown')).json();
        expect(proxy.Service).toMatchObject({
          Kind: 'connect-proxy',
          ID: 'shown-1-sidecar-proxy',
          Service: 'shown-sidecar-proxy',
          Port: 15002,
          Address: '',
          Tags: [],
          Meta: null,
          Proxy: { DestinationServiceName: 'shown', DestinationServiceID: 'shown-1' },
        });
        expect((await api.get('/v1/catalog/services')).json()).toMatchObject({
          shown: ['blue'],
          'shown-sidecar-proxy': [],
        });
        expect((await api.get('/v1/catalog/service/shown')).json()[0]).toMatchObject({
          ServiceID: 'shown-1',
          ServiceName: 'shown',
          ServicePort: 50051,
          ServiceMeta: { version: '3' },
        });
        expect((await api.get('/v1/agent/services')).json()['shown-1-sidecar-proxy']).toMatchObject({
          Kind: 'connect-proxy',
          Meta: {},
        });
        expect((await api.get('/v1/agent/service/shown-1')).json()).toMatchObject({ Service: 'shown' });
        expect((await api.get('/v1/agent/checks')).json()['service:shown-1-sidecar-proxy:1']).toMatchObject({
          Name: 'app behind',
          Status: 'passing',
          Type: 'alias',
          ServiceID: 'shown-1-sidecar-proxy',
        });
        expect((await api.get('/v1/health/checks/shown')).json()).toHaveLength(1);
      });

      it('takes the proxy out when the app is sick, and lets it in again', async () => {
        await registerPair('sick');
        await api.put('/v1/agent/check/fail/sick-app?note=ill');
        const gone = await api.until('/v1/health/connect/sick?passing', none);
        expect(gone.status).toBe(200);
        const [proxy] = (await api.get('/v1/health/connect/sick')).json();
        expect(proxy.Checks.find((check: { Name: string }) => check.Name === 'app behind')).toMatchObject({
          Status: 'critical',
          Output: 'Aliased check "app" failing: ill',
        });
        await api.put('/v1/agent/check/pass/sick-app');
        await api.until('/v1/health/connect/sick?passing', one);
      });

      it('takes a service out for maintenance, the proxy behind it too', async () => {
        await registerPair('mended');
        expect((await api.put('/v1/agent/service/maintenance/mended-1?enable=true&reason=oil')).status).toBe(
          200,
        );
        await api.until('/v1/health/connect/mended?passing', none);
        expect((await api.get('/v1/agent/checks')).json()['_service_maintenance:mended-1']).toMatchObject({
          Name: 'Service Maintenance Mode',
          Status: 'critical',
          Notes: 'oil',
        });
        const health = await api.get('/v1/agent/health/service/id/mended-1');
        expect([health.status, health.json().AggregatedStatus]).toEqual([503, 'maintenance']);
        await api.put('/v1/agent/service/maintenance/mended-1?enable=false');
        await api.put('/v1/agent/check/warn/mended-app');
        const warned = await api.get('/v1/agent/health/service/name/mended');
        expect([warned.status, warned.headers.get('x-consul-reason')]).toEqual([429, 'warning']);
        await api.put('/v1/agent/check/pass/mended-app');
        await api.until('/v1/health/connect/mended?passing', one);
        expect((await api.get('/v1/agent/health/service/name/mended')).status).toBe(200);
      });

      it('forgets a service that is deregistered, with its checks', async () => {
        await registerPair('leaving');
        await api.put('/v1/agent/service/deregister/leaving-1-sidecar-proxy');
        await api.put('/v1/agent/service/deregister/leaving-1');
        await api.until('/v1/health/connect/leaving', none);
        await api.until('/v1/health/service/leaving', none);
        expect(
          Object.keys((await api.get('/v1/agent/checks')).json()).filter((id) => /leaving/.test(id)),
        ).toEqual([]);
        expect((await api.get('/v1/agent/service/leaving-1')).status).toBe(404);
      });

      it('keeps a check’s status through a second registration', async () => {
        const body = { Name: 'again', Port: 1, Check: { TTL: '1m' } };
        await api.put('/v1/agent/service/register', body);
        expect((await api.get('/v1/agent/checks')).json()['service:again'].Status).toBe('critical');
        await api.put('/v1/agent/check/pass/service:again');
        await api.put('/v1/agent/service/register', body);
        expect((await api.get('/v1/agent/checks')).json()['service:again'].Status).toBe('passing');
        await api.put('/v1/agent/service/register?replace-existing-checks=true', { Name: 'again', Port: 1 });
        expect((await api.get('/v1/agent/checks')).json()['service:again']).toBeUndefined();
      });
    });

    describe('checks', () => {
      it('lets a TTL run out', async () => {
        await api.put('/v1/agent/service/register', {
          Name: 'silent',
          Port: 1,
          Check: { TTL: '150ms', Status: 'passing' },
        });
        const checks = await api.until(
          '/v1/agent/checks',
          (answer) => answer.json()['service:silent'].Status === 'critical',
        );
        expect(checks.json()['service:silent'].Output).toBe('TTL expired');
      });

      it('connects to a TCP address, and sees that nobody listens', async () => {
        const server = createServer().listen(0, '127.0.0.1');
        await new Promise((resolve) => server.once('listening', resolve));
        const { port } = server.address() as { port: number };
        await api.put('/v1/agent/service/register', {
          Name: 'door',
          Port: port,
          Check: { TCP: `127.0.0.1:${port}`, Interval: '100ms' },
        });
        const open = await api.until(
          '/v1/agent/checks',
          (answer) => answer.json()['service:door'].Status === 'passing',
        );
        expect(open.json()['service:door'].Output).toBe(`TCP connect 127.0.0.1:${port}: Success`);
        await new Promise((resolve) => server.close(resolve));
        const shut = await api.until(
          '/v1/agent/checks',
          (answer) => answer.json()['service:door'].Status === 'critical',
        );
        expect(shut.json()['service:door'].Output).toBe(
          `dial tcp 127.0.0.1:${port}: connect: connection refused`,
        );
        await api.put('/v1/agent/service/deregister/door');
      });

      it('adds a check to a service and takes it away', async () => {
        await registerPair('checked');
        const added = await api.put('/v1/agent/check/register', {
          Name: 'extra',
          ServiceID: 'checked-1',
          TTL: '1m',
        });
        expect(added.status).toBe(200);
        await api.until('/v1/health/service/checked?passing', none);
        const update = { Status: 'passing', Output: 'well' };
        expect((await api.put('/v1/agent/check/update/extra', update)).status).toBe(200);
        await api.until('/v1/health/service/checked?passing', one);
        await api.put('/v1/agent/check/fail/extra');
        await api.put('/v1/agent/check/deregister/extra');
        await api.until('/v1/health/service/checked?passing', one);
      });
    });

    describe('blocking queries', () => {
      it('hold while nothing that concerns them is written, and come back after the wait', async () => {
        await registerPair('steady');
        const { index } = await api.get('/v1/health/service/steady');
        const held = api.get(`/v1/health/service/steady?index=${index}&wait=400ms`);
        await api.put('/v1/agent/service/register', { Name: 'noise', Port: 1 });
        await api.put('/v1/kv/noise', 'x');
        const answer = await held;
        expect(answer.took).toBeGreaterThan(390);
        expect(answer.took).toBeLessThan(3000);
        expect(answer.index).toBe(index);
        expect(ids(answer)).toEqual(['steady-1']);
      });

      it('wake at once when their service changes', async () => {
        await registerPair('moving');
        const app = await api.get('/v1/health/service/moving');
        const proxy = await api.get('/v1/health/connect/moving?passing');
        const held = api.get(`/v1/health/service/moving?index=${app.index}&wait=10s`);
        const heldProxy = api.get(`/v1/health/connect/moving?passing&index=${proxy.index}&wait=10s`);
        await api.put('/v1/agent/check/fail/moving-app');
        const answer = await held;
        expect(answer.took).toBeLessThan(3000);
        expect(answer.index).toBeGreaterThan(app.index);
        const answerProxy = await heldProxy;
        expect(answerProxy.took).toBeLessThan(3000);
        expect(answerProxy.index).toBeGreaterThan(proxy.index);
        expect(answerProxy.json()).toEqual([]);
      });

      it('wake for the first instance of a name never seen', async () => {
        const { index } = await api.get('/v1/health/connect/newcomer?passing');
        expect(index).toBeGreaterThan(0);
        const held = api.get(`/v1/health/connect/newcomer?passing&index=${index}&wait=10s`);
        await registerPair('newcomer');
        const answer = await held;
        expect(answer.took).toBeLessThan(3000);
        expect(answer.index).toBeGreaterThan(index);
      });

      it('say that a leader is known, and refuse what is no number', async () => {
        const answer = await api.get('/v1/health/service/any?stale');
        expect(answer.headers.get('x-consul-knownleader')).toBe('true');
        expect(answer.headers.get('x-consul-lastcontact')).toMatch(/^\d+$/);
        const bad = await api.get('/v1/health/service/any?index=abc');
        expect([bad.status, bad.text.trim()]).toEqual([400, 'Invalid index']);
        const wait = await api.get('/v1/health/service/any?index=1&wait=abc');
        expect([wait.status, wait.text.trim()]).toEqual([400, 'Invalid wait time']);
        expect((await api.get('/v1/health/service/any?consistent')).status).toBe(200);
        expect((await api.get('/v1/health/service/any?consistent&stale')).status).toBe(400);
      });
    });

    describe('what is not there', () => {
      it('answers an empty list for a service that nobody knows', async () => {
        for (const path of ['health/service', 'health/connect', 'catalog/service']) {
          const answer = await api.get(`/v1/${path}/nobody`);
          expect([answer.status, answer.text.trim()]).toEqual([200, '[]']);
        }
      });

      it('names the check, the service or the field that it does not know', async () => {
        const said = async (answer: Promise<ApiAnswer>) => {
          const { status, text } = await answer;
          return [status, text.trim()];
        };
        expect(await said(api.put('/v1/agent/check/pass/nope'))).toEqual([
          500,
          'CheckID "nope" does not have associated TTL',
        ]);
        expect(await said(api.get('/v1/agent/service/nope'))).toEqual([404, 'unknown service ID: nope']);
        expect(await said(api.put('/v1/agent/service/maintenance/nope?enable=true'))).toEqual([
          404,
          'No service registered with ID "nope"',
        ]);
        expect(
          await said(api.put('/v1/agent/check/register', { Name: 'c', ServiceID: 'nope', TTL: '1m' })),
        ).toEqual([500, 'ServiceID "nope" does not exist']);
        expect(await said(api.put('/v1/agent/service/register', { Name: 'x', Wrong: 1 }))).toEqual([
          400,
          'Request decode failed: json: unknown field "Wrong"',
        ]);
        expect(await said(api.put('/v1/agent/service/register', {}))).toEqual([400, 'Missing service name']);
        expect(
          await said(api.put('/v1/agent/service/register', { Name: 'x', Check: { TCP: '127.0.0.1:1' } })),
        ).toEqual([400, 'Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks']);
        expect((await api.get('/v1/nonsense')).status).toBe(404);
        expect((await api.post('/v1/agent/service/register', {})).status).toBe(405);
        expect((await api.put('/v1/agent/service/deregister/nope')).status).toBe(200);
      });
    });

    describe('filters', () => {
      const passing = async (filter: string) =>
        ids(await api.get(`/v1/health/service/sieved?filter=${encodeURIComponent(filter)}`));

      beforeAll(() => registerPair('sieved', { version: '2' }, ['canary', 'eu']));

      it.each([
        'Service.Meta.version == 2',
        'Service.Meta.version == "2"',
        'Service.Meta["version"]==2',
        'Service.Meta.version != 1',
        'Service.Meta.missing != 1',
        'Service.Meta contains version',
        'Service.Tags contains canary',
        '"canary" in Service.Tags',
        'us not in Service.Tags',
        'Service.Tags is not empty',
        'Checks.Status == passing',
        'Service.Service contains siev',
        'Service.Port == 50051 and (Service.Meta.version == 9 or not Service.Tags contains us)',
        'Service.Meta.version == 9 and Service.Port == 1 or Service.Port == 50051',
      ])('lets through: %s', async (filter) => {
        expect(await passing(filter)).toEqual(['sieved-1']);
      });

      it.each([
        'Service.Meta.version == 1',
        'Service.Meta.missing == 2',
        'Service.Tags contains can',
        'Service.Tags is empty',
        'not (Service.Meta.version == 2)',
        'Checks.Status == critical',
        'Service.Meta.version == 2 and Service.Port == 1',
        'Node.Meta.x == 1',
      ])('holds back: %s', async (filter) => {
        expect(await passing(filter)).toEqual([]);
      });

      it.each([
        ['Service.Foo == 1', 'Selector "Service.Foo" is not valid'],
        ['Service.Tags == a', 'Invalid match operator "Equal" for selector "Service.Tags"'],
        ['Service.Port == abc', 'Failed to coerce value "abc" for selector "Service.Port"'],
        ['Service.Port ==', 'no match found'],
        ['Service.Port == 1 and', 'no match found'],
      ])('refuses %s', async (filter, why) => {
        const answer = await api.get(`/v1/health/service/sieved?filter=${encodeURIComponent(filter)}`);
        expect(answer.status).toBe(500);
        expect(answer.text).toContain('Failed to create boolean expression evaluator: ');
        expect(answer.text).toContain(why);
        expect(answer.index).toBe(1);
      });
    });

    describe('Connect', () => {
      it('gives out roots, and a leaf that is signed by the active one', async () => {
        const roots = (await api.get('/v1/agent/connect/ca/roots')).json();
        expect((await api.get('/v1/connect/ca/roots')).json()).toEqual(roots);
        expect(roots.TrustDomain).toMatch(/^[0-9a-f-]{36}\.consul$/);
        const active = roots.Roots.find((root: { Active: boolean }) => root.Active);
        expect(active.ID).toBe(roots.ActiveRootID);
        const root = new X509Certificate(active.RootCert);
        expect([root.ca, root.subjectAltName]).toEqual([true, `URI:spiffe://${roots.TrustDomain}`]);
        expect(root.fingerprint.toLowerCase()).toBe(active.ID);

        const answer = await api.get('/v1/agent/connect/ca/leaf/web');
        expect(answer.index).toBeGreaterThan(0);
        const leaf = answer.json();
        const spiffe = `spiffe://${roots.TrustDomain}/ns/default/dc/dc1/svc/web`;
        expect([leaf.Service, leaf.ServiceURI]).toEqual(['web', spiffe]);
        const certificate = new X509Certificate(leaf.CertPEM);
        expect(certificate.subjectAltName).toBe(`URI:${spiffe}`);
        expect(certificate.subject).toMatch(/^CN=web\.svc\.default\.[0-9a-f]{8}\.consul$/);
        expect(certificate.ca).toBe(false);
        expect(certificate.keyUsage?.toSorted()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
        expect(certificate.verify(root.publicKey)).toBe(true);
        expect(certificate.checkPrivateKey(createPrivateKey(leaf.PrivateKeyPEM))).toBe(true);
        expect(leaf.PrivateKeyPEM).toMatch(/^-----BEGIN EC PRIVATE KEY-----/);
        expect(Date.parse(certificate.validTo)).toBe(Date.parse(leaf.ValidBefore));
        expect(Date.parse(certificate.validFrom)).toBe(Date.parse(leaf.ValidAfter));
        expect(Date.parse(leaf.ValidBefore) - Date.now()).toBeGreaterThan(71 * 3600 * 1000);
        expect(Date.parse(leaf.ValidAfter)).toBeLessThan(Date.now());
      });

      it('holds a query for a leaf and for roots while they are good', async () => {
        const leaf = await api.get('/v1/agent/connect/ca/leaf/held');
        const roots = await api.get('/v1/agent/connect/ca/roots');
        const [again, same] = await Promise.all([
          api.get(`/v1/agent/connect/ca/leaf/held?index=${leaf.index}&wait=300ms`),
          api.get(`/v1/agent/connect/ca/roots?index=${roots.index}&wait=300ms`),
        ]);
        expect(again.took).toBeGreaterThan(290);
        expect(same.took).toBeGreaterThan(290);
        expect(again.json()).toEqual(leaf.json());
        expect(same.json()).toEqual(roots.json());
      });

      it('keeps the old root listed when the root changes, and vouches for the new one', async () => {
        const before = await api.get('/v1/agent/connect/ca/roots');
        const old = new X509Certificate(before.json().Roots[0].RootCert);
        const held = api.get(`/v1/agent/connect/ca/roots?index=${before.index}&wait=10s`);
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        const key = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
        const changed = await api.put('/v1/connect/ca/configuration', {
          Provider: 'consul',
          Config: { LeafCertTTL: '72h', PrivateKey: key, RootCert: '' },
        });
        expect([changed.status, changed.text]).toEqual([200, '']);
        const after = (await held).json();
        expect(after.TrustDomain).toBe(before.json().TrustDomain);
        expect(after.Roots.map((root: { Active: boolean }) => root.Active).sort()).toEqual([false, true]);
        const active = after.Roots.find((root: { Active: boolean }) => root.Active);
        expect(active.ID).not.toBe(before.json().ActiveRootID);
        const leaf = (await api.get('/v1/agent/connect/ca/leaf/fresh')).json();
        const [own, voucher] = certificates(leaf.CertPEM);
        expect(own!.verify(new X509Certificate(active.RootCert).publicKey)).toBe(true);
        expect(own!.checkIssued(voucher!)).toBe(true);
        expect(voucher!.verify(old.publicKey)).toBe(true);
        const refused = await api.put('/v1/connect/ca/configuration', { Provider: 'foo', Config: {} });
        expect([refused.status, refused.text]).toEqual([
          500,
          'could not initialize provider: unknown CA provider "foo"',
        ]);
      });

      it('finds the intentions of a service, the most exact first, and null when there are none', async () => {
        const match = '/v1/connect/intentions/match?by=destination&name=guarded';
        expect((await api.get(match)).json()).toEqual({ guarded: null });
        const { TrustDomain } = (await api.get('/v1/connect/ca/roots')).json();
        const authorize = async (caller: string) =>
          (
            await api.post('/v1/agent/connect/authorize', {
              Target: 'guarded',
              ClientCertURI: `spiffe://${TrustDomain}/ns/default/dc/dc1/svc/${caller}`,
              ClientCertSerial: 'aa:bb',
            })
          ).json();
        expect(await authorize('web')).toEqual({
          Authorized: true,
          Reason: 'ACLs disabled, access is allowed by default',
        });
        const add = async (source: string, destination: string, action: string): Promise<string> =>
          (
            await api.post('/v1/connect/intentions', {
              SourceName: source,
              DestinationName: destination,
              Action: action,
            })
          ).json().ID;
        const held = api.get(
          `/v1/connect/intentions?index=${(await api.get('/v1/connect/intentions')).index}&wait=10s`,
        );
        const exact = await add('web', 'guarded', 'deny');
        expect((await held).took).toBeLessThan(3000);
        const all = [await add('*', '*', 'deny'), await add('*', 'guarded', 'allow'), exact];
        const found = (await api.get(match)).json().guarded;
        expect(
          found.map((each: Record<string, unknown>) => [
            each['SourceName'],
            each['DestinationName'],
            each['Action'],
            each['Precedence'],
          ]),
        ).toEqual([
          ['web', 'guarded', 'deny', 9],
          ['*', 'guarded', 'allow', 8],
          ['*', '*', 'deny', 5],
        ]);
        expect((await api.get(`/v1/connect/intentions/${exact}`)).json()).toEqual(found[0]);
        const check = async (source: string) =>
          (await api.get(`/v1/connect/intentions/check?source=${source}&destination=guarded`)).json().Allowed;
        expect([await check('web'), await check('other')]).toEqual([false, true]);
        const twice = await api.post('/v1/connect/intentions', {
          SourceName: 'web',
          DestinationName: 'guarded',
          Action: 'allow',
        });
        expect(twice.status).toBe(500);
        expect(twice.text).toContain(
          `duplicate intention found: DENY default/web => default/guarded (ID: ${exact}`,
        );
        await api.put(`/v1/connect/intentions/${exact}`, {
          SourceName: 'web',
          DestinationName: 'guarded',
          Action: 'allow',
        });
        expect(await check('web')).toBe(true);
        for (const id of all) expect((await api.delete(`/v1/connect/intentions/${id}`)).status).toBe(200);
        expect((await api.get(match)).json()).toEqual({ guarded: null });
        const gone = await api.get(`/v1/connect/intentions/${exact}`);
        expect([gone.status, gone.text]).toEqual([404, 'Intention not found']);
      });

      it('judges a caller by its certificate, and refuses names that are none', async () => {
        const { ID } = (
          await api.post('/v1/connect/intentions', {
            SourceName: 'bad',
            DestinationName: 'vault',
            Action: 'deny',
          })
        ).json();
        const ask = (uri: string, target = 'vault') =>
          api.post('/v1/agent/connect/authorize', {
            Target: target,
            ClientCertURI: uri,
            ClientCertSerial: 'aa',
          });
        expect((await ask('spiffe://x.consul/ns/default/dc/dc1/svc/bad')).json()).toEqual({
          Authorized: false,
          Reason: `Matched intention: DENY default/bad => default/vault (ID: ${ID}, Precedence: 9)`,
        });
        const odd = await ask('https://example');
        expect([odd.status, odd.text]).toEqual([
          400,
          'Bad request: ClientCertURI not a valid Connect identifier',
        ]);
        const nobody = await ask('spiffe://x.consul/ns/default/dc/dc1/svc/bad', '');
        expect([nobody.status, nobody.text]).toEqual([400, 'Bad request: Target service must be specified']);
        await api.delete(`/v1/connect/intentions/${ID}`);
      });
    });

    describe('KV', () => {
      it('writes, reads, compares and deletes', async () => {
        expect((await api.get('/v1/kv/book/none')).status).toBe(404);
        expect((await api.put('/v1/kv/book/a', 'hello')).text.trim()).toBe('true');
        const [entry] = (await api.get('/v1/kv/book/a')).json();
        expect(entry).toMatchObject({ Key: 'book/a', Value: 'aGVsbG8=', Flags: 0, LockIndex: 0 });
        expect((await api.get('/v1/kv/book/a?raw')).text).toBe('hello');
        expect((await api.put('/v1/kv/book/a?cas=0', 'x')).text.trim()).toBe('false');
        expect((await api.put(`/v1/kv/book/a?cas=${entry.ModifyIndex}`, 'y')).text.trim()).toBe('true');
        await api.put('/v1/kv/book/deep/b?flags=7', 'z');
        expect((await api.get('/v1/kv/book?keys')).json()).toEqual(['book/a', 'book/deep/b']);
        expect((await api.get('/v1/kv/book/?keys&separator=/')).json()).toEqual(['book/a', 'book/deep/']);
        expect(
          (await api.get('/v1/kv/book/?recurse'))
            .json()
            .map((each: { Key: string; Flags: number }) => [each.Key, each.Flags]),
        ).toEqual([
          ['book/a', 0],
          ['book/deep/b', 7],
        ]);
        expect((await api.delete('/v1/kv/book/a')).text.trim()).toBe('true');
        expect((await api.get('/v1/kv/book/a')).status).toBe(404);
        expect((await api.delete('/v1/kv/book?recurse')).text.trim()).toBe('true');
        const empty = await api.get('/v1/kv/book?recurse');
        expect([empty.status, empty.text]).toEqual([404, '']);
        expect((await api.get('/v1/kv/')).text).toBe('Missing key name');
      });

      it('wakes a query under a prefix for a write there, and not for the same value again', async () => {
        await api.put('/v1/kv/watched/a', '1');
        const { index } = await api.get('/v1/kv/watched/?recurse');
        const held = api.get(`/v1/kv/watched/?recurse&index=${index}&wait=400ms`);
        await api.put('/v1/kv/unwatched', '1');
        await api.put('/v1/kv/watched/a', '1');
        const quiet = await held;
        expect(quiet.took).toBeGreaterThan(390);
        expect(quiet.index).toBe(index);
        const woken = api.get(`/v1/kv/watched/?recurse&index=${index}&wait=10s`);
        await api.put('/v1/kv/watched/b', '2');
        const answer = await woken;
        expect(answer.took).toBeLessThan(3000);
        expect(answer.json()).toHaveLength(2);
        const deleted = api.get(`/v1/kv/watched/?recurse&index=${answer.index}&wait=10s`);
        await api.delete('/v1/kv/watched/b');
        expect((await deleted).index).toBeGreaterThan(answer.index);
      });
    });

    describe('routes', () => {
      it('compiles the default chain of any service', async () => {
        const { TrustDomain } = (await api.get('/v1/connect/ca/roots')).json();
        const answer = await api.get('/v1/discovery-chain/plain');
        expect(answer.index).toBeGreaterThan(0);
        expect(answer.json()).toEqual({
          Chain: {
            ServiceName: 'plain',
            Namespace: 'default',
            Datacenter: 'dc1',
            Protocol: 'tcp',
            StartNode: 'resolver:plain.default.dc1',
            Nodes: {
              'resolver:plain.default.dc1': {
                Type: 'resolver',
                Name: 'plain.default.dc1',
                Resolver: { ConnectTimeout: '5s', Default: true, Target: 'plain.default.dc1' },
              },
            },
            Targets: {
              'plain.default.dc1': {
                ID: 'plain.default.dc1',
                Service: 'plain',
                Namespace: 'default',
                Datacenter: 'dc1',
                MeshGateway: {},
                Subset: {},
                SNI: `plain.default.dc1.internal.${TrustDomain}`,
                Name: `plain.default.dc1.internal.${TrustDomain}`,
              },
            },
          },
        });
      });

      it('compiles router, splitters and resolvers into one chain, and wakes who waits for it', async () => {
        const { index } = await api.get('/v1/discovery-chain/shop');
        const held = api.get(`/v1/discovery-chain/shop?index=${index}&wait=10s`);
        const put = async (entry: unknown) => {
          const answer = await api.put('/v1/config', entry);
          expect([answer.status, answer.text.trim()]).toEqual([200, 'true']);
        };
        await put({ Kind: 'service-defaults', Name: 'shop', Protocol: 'grpc' });
        expect((await held).json().Chain.Protocol).toBe('grpc');
        for (const name of ['shop-next', 'shop-spare', 'shop-admin', 'shop-moved', 'shop-inner'])
          await put({ Kind: 'service-defaults', Name: name, Protocol: 'grpc' });
        await put({
          Kind: 'service-resolver',
          Name: 'shop',
          DefaultSubset: 'v1',
          ConnectTimeout: '90s',
          Subsets: {
            v1: { Filter: 'Service.Meta.version == 1' },
            v2: { Filter: 'Service.Meta.version == 2', OnlyPassing: true },
          },
          Failover: { '*': { Service: 'shop-spare' } },
        });
        await put({ Kind: 'service-resolver', Name: 'shop-admin', Redirect: { Service: 'shop-moved' } });
        await put({
          Kind: 'service-splitter',
          Name: 'shop-inner',
          Splits: [
            { Weight: 50, Service: 'shop-next' },
            { Weight: 50, Service: 'shop-moved' },
          ],
        });
        await put({
          Kind: 'service-splitter',
          Name: 'shop',
          Splits: [
            { Weight: 70, ServiceSubset: 'v1' },
            { Weight: 10, ServiceSubset: 'v2' },
            { Weight: 20, Service: 'shop-inner' },
          ],
        });
        const routes = [
          {
            Match: { HTTP: { PathPrefix: '/x', Header: [{ Name: 'h', Exact: '1' }] } },
            Destination: { Service: 'shop-admin', RequestTimeout: '2s', NumRetries: 3 },
          },
          { Match: { HTTP: { PathExact: '/y' } }, Destination: { ServiceSubset: 'v2' } },
        ];
        await put({ Kind: 'service-router', Name: 'shop', Routes: routes });
        const { Chain } = (await api.get('/v1/discovery-chain/shop')).json();
        expect(Chain.StartNode).toBe('router:shop.default');
        expect(Chain.Nodes['router:shop.default'].Routes).toEqual([
          { Definition: routes[0], NextNode: 'resolver:shop-moved.default.dc1' },
          { Definition: routes[1], NextNode: 'resolver:v2.shop.default.dc1' },
          {
            Definition: {
              Match: { HTTP: { PathPrefix: '/' } },
              Destination: { Service: 'shop', Namespace: 'default' },
            },
            NextNode: 'splitter:shop.default',
          },
        ]);
        expect(Chain.Nodes['splitter:shop.default'].Splits).toEqual([
          { Weight: 70, NextNode: 'resolver:v1.shop.default.dc1' },
          { Weight: 10, NextNode: 'resolver:v2.shop.default.dc1' },
          { Weight: 10, NextNode: 'resolver:shop-next.default.dc1' },
          { Weight: 10, NextNode: 'resolver:shop-moved.default.dc1' },
        ]);
        expect(Chain.Nodes['resolver:v1.shop.default.dc1'].Resolver).toEqual({
          ConnectTimeout: '1m30s',
          Target: 'v1.shop.default.dc1',
          Failover: { Targets: ['shop-spare.default.dc1'] },
        });
        expect(Object.keys(Chain.Nodes)).toHaveLength(6);
        expect(Object.keys(Chain.Targets)).toEqual([
          'shop-moved.default.dc1',
          'shop-next.default.dc1',
          'shop-spare.default.dc1',
          'v1.shop.default.dc1',
          'v2.shop.default.dc1',
        ]);
        expect(Chain.Targets['v2.shop.default.dc1']).toMatchObject({
          ServiceSubset: 'v2',
          Subset: { Filter: 'Service.Meta.version == 2', OnlyPassing: true },
        });
        const tcp = (await api.post('/v1/discovery-chain/shop', { OverrideProtocol: 'tcp' })).json().Chain;
        expect([tcp.StartNode, tcp.Protocol]).toEqual(['resolver:v1.shop.default.dc1', 'tcp']);
        expect(tcp.CustomizationHash).toMatch(/^[0-9a-f]{8}$/);
      });

      it('keeps entries by kind and name, and refuses what would break a chain', async () => {
        const said = async (answer: Promise<ApiAnswer>) => {
          const { status, text } = await answer;
          return [status, text.trim()];
        };
        const put = (entry: unknown) => said(api.put('/v1/config', entry));
        const resolver = { Kind: 'service-resolver', Name: 'kept', ConnectTimeout: '3s' };
        expect(await put(resolver)).toEqual([200, 'true']);
        expect((await api.get('/v1/config/service-resolver/kept')).json()).toMatchObject(resolver);
        expect(
          (await api.get('/v1/config/service-resolver'))
            .json()
            .some((entry: { Name: string }) => entry.Name === 'kept'),
        ).toBe(true);
        expect(await said(api.delete('/v1/config/service-resolver/kept'))).toEqual([200, '{}']);
        expect(await said(api.get('/v1/config/service-resolver/kept'))).toEqual([
          404,
          'Config entry not found for "service-resolver" / "kept"',
        ]);
        expect(await said(api.get('/v1/config/nope'))).toEqual([500, 'invalid config entry kind: nope']);
        expect(await put({ Kind: 'nope', Name: 'x' })).toEqual([
          400,
          'Bad request: Request decoding failed: invalid config entry kind: nope',
        ]);
        expect(await put({ Kind: 'service-splitter', Name: 'q', Splits: [{ Weight: 90 }] })).toEqual([
          500,
          'the sum of all split weights must be 100, not 90.000000',
        ]);
        expect(await put({ Kind: 'service-resolver', Name: 'c1', Redirect: { Service: 'c2' } })).toEqual([
          200,
          'true',
        ]);
        const [status, why] = await put({
          Kind: 'service-resolver',
          Name: 'c2',
          Redirect: { Service: 'c1' },
        });
        expect(status).toBe(500);
        expect(why).toMatch(/^detected circular resolver redirect: \[c\d\.default\.dc1 -> c/);
        expect((await api.get('/v1/config/service-resolver/c2')).status).toBe(404);
        for (const name of ['s1', 's2', 'h1'])
          expect(await put({ Kind: 'service-defaults', Name: name, Protocol: 'http' })).toEqual([
            200,
            'true',
          ]);
        const splitTo = (name: string, to: string) =>
          put({ Kind: 'service-splitter', Name: name, Splits: [{ Weight: 100, Service: to }] });
        expect(await splitTo('s1', 's2')).toEqual([200, 'true']);
        const [circle, whyCircle] = await splitTo('s2', 's1');
        expect([circle, whyCircle]).toEqual([500, expect.stringMatching(/^detected circular reference: \[/)]);
        expect(await put({ Kind: 'service-resolver', Name: 't1', Redirect: { Service: 'h1' } })).toEqual([
          500,
          'discovery chain "t1" uses inconsistent protocols; service "h1" has "http" which is not "tcp"',
        ]);
        // The protocol is that of the services where calls end: t1's own, tcp, does not count here.
        expect(await splitTo('t1', 'h1')).toEqual([200, 'true']);
        expect((await api.get('/v1/discovery-chain/t1')).json().Chain).toMatchObject({
          StartNode: 'splitter:t1.default',
          Protocol: 'http',
        });
        expect(await splitTo('t2', 't2')).toEqual([
          500,
          'discovery chain "t2" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
        ]);
        expect(await put({ Kind: 'service-router', Name: 't3', Routes: [] })).toEqual([
          500,
          'discovery chain "t3" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
        ]);
        expect(await put({ Kind: 'service-resolver', Name: 'c3', DefaultSubset: 'none' })).toEqual([
          500,
          expect.stringMatching(/none/),
        ]);
      });
    });

    it('says who leads and who it is', async () => {
      expect((await api.get('/v1/status/leader')).json()).toMatch(/^127\.0\.0\.1:\d+$/);
      expect((await api.get('/v1/status/peers')).json()).toHaveLength(1);
      expect((await api.get('/v1/agent/self')).json().Config).toMatchObject({
        Datacenter: 'dc1',
        Server: true,
      });
      expect((await api.get('/v1/catalog/nodes')).json()).toHaveLength(1);
    });
  });
};
