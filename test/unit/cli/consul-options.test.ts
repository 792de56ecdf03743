import { describe, expect, it } from 'vitest';
import { consulEnvironment, consulOverlay, consulToken } from '../../../sidecar/cli/consul-options.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { SettingsError } from '../../../sidecar/settings/problem.ts';
import type { ConsulDiscovery } from '../../../sidecar/settings/settings.ts';

/** What a file means between the command line and the environment. */
const consulOf = (text: string, env: NodeJS.ProcessEnv, options = {}): Partial<ConsulDiscovery> => {
  const said = `service: { name: web }\n${text}`;
  const overlay = consulOverlay(options);
  return readSettings(said, 'mesh.yaml', '/etc/mesh', { overlay, consul: consulEnvironment(env) }).settings
    .discovery as ConsulDiscovery;
};

describe('the variables of Consul', () => {
  it('say where the agent is, with and without a scheme', () => {
    const url = (address: string, more = {}) =>
      consulEnvironment({ CONSUL_HTTP_ADDR: address, ...more })['url'];
    expect(url('10.0.0.1:8500')).toBe('http://10.0.0.1:8500');
    expect(url('https://consul.example:8501/')).toBe('https://consul.example:8501');
    // CONSUL_HTTP_SSL never lets anything go back to plaintext.
    expect(url('http://10.0.0.1:8501', { CONSUL_HTTP_SSL: 'true' })).toBe('https://10.0.0.1:8501');
    expect(url('10.0.0.1:8500', { CONSUL_HTTP_SSL: '0' })).toBe('http://10.0.0.1:8500');
    expect(consulEnvironment({ CONSUL_HTTP_SSL: '1' })).toEqual({ url: 'https://127.0.0.1:8500' });
    expect(consulEnvironment({ CONSUL_HTTP_ADDR: '' })).toEqual({});
  });

  it('name the files of token and TLS, from where the command was given', () => {
    expect(
      consulEnvironment({
        CONSUL_HTTP_TOKEN_FILE: '/run/token',
        CONSUL_CACERT: 'ca.pem',
        CONSUL_CLIENT_CERT: '/run/cert.pem',
        CONSUL_CLIENT_KEY: '/run/key.pem',
        CONSUL_TLS_SERVER_NAME: 'server.dc1.consul',
        CONSUL_HTTP_SSL_VERIFY: 'false',
      }),
    ).toEqual({
      'token-file': '/run/token',
      'ca-file': `${process.cwd()}/ca.pem`,
      'cert-file': '/run/cert.pem',
      'key-file': '/run/key.pem',
      'server-name': 'server.dc1.consul',
      verify: false,
    });
  });

  it('are below the file, and the file is below the command line, key by key', () => {
    const env = { CONSUL_HTTP_ADDR: '10.0.0.1:8500', CONSUL_HTTP_TOKEN_FILE: '/env/token' };
    const file = 'discovery: { consul: { url: http://10.0.0.2:8500 } }';
    expect(consulOf('', {})).toMatchObject({ url: 'http://127.0.0.1:8500', tokenFile: null, verify: true });
    expect(consulOf('', env)).toMatchObject({ url: 'http://10.0.0.1:8500', tokenFile: '/env/token' });
    expect(consulOf(file, env)).toMatchObject({ url: 'http://10.0.0.2:8500', tokenFile: '/env/token' });
    expect(consulOf(file, env, { consul: '10.0.0.3:8500', tokenFile: '/own/token' })).toMatchObject({
      url: 'http://10.0.0.3:8500',
      tokenFile: '/own/token',
    });
  });

  it('say nothing where peers stand in the file', () => {
    const text = 'discovery: { static: { services: {} } }\nidentity: none';
    expect(consulOf(text, { CONSUL_HTTP_ADDR: '10.0.0.1:8500' })).toEqual({ from: 'static', services: {} });
  });

  it('are named as the place of what is wrong with them', () => {
    expect(() => consulOf('', { CONSUL_CLIENT_CERT: '/run/cert.pem' })).toThrow(
      new SettingsError([
        {
          at: 'environment',
          message: 'discovery.consul.cert-file stands without its key-file: give both, or neither',
        },
      ]),
    );
  });

  it('give a token, which is no setting, because settings are shown', () => {
    expect(consulToken({ CONSUL_HTTP_TOKEN: 'secret' })).toBe('secret');
    expect(consulToken({})).toBeUndefined();
    expect(JSON.stringify(consulEnvironment({ CONSUL_HTTP_TOKEN: 'secret' }))).not.toContain('secret');
  });

  it.each([
    [{ CONSUL_NAMESPACE: 'team' }, 'CONSUL_NAMESPACE: namespaces are Consul Enterprise and not supported'],
    [{ CONSUL_PARTITION: 'eu' }, 'CONSUL_PARTITION: partitions are Consul Enterprise and not supported'],
    [{ CONSUL_CAPATH: '/etc/ca' }, 'CONSUL_CAPATH: a folder of certificates is not read'],
    [{ CONSUL_HTTP_AUTH: 'a:b' }, 'CONSUL_HTTP_AUTH: a password before the agent is not supported'],
    [{ CONSUL_HTTP_ADDR: 'unix:///run/consul.sock' }, 'a unix socket of Consul is not supported'],
    [{ CONSUL_HTTP_ADDR: 'http://gate/consul' }, 'must be HOST:PORT, http://HOST:PORT or https://HOST:PORT'],
    [{ CONSUL_HTTP_ADDR: 'ftp://a:1' }, 'must be HOST:PORT'],
    [{ CONSUL_HTTP_SSL: 'yes' }, 'CONSUL_HTTP_SSL=yes: must be true or false'],
  ])('that cannot be followed are an error, not passed by: %j', (env, message) => {
    expect(() => consulEnvironment(env)).toThrow(message);
  });

  it('that mean what is done anyway are no error', () => {
    const env = {
      CONSUL_NAMESPACE: 'default',
      CONSUL_PARTITION: 'default',
      CONSUL_CAPATH: '/a',
      CONSUL_CACERT: '/a.pem',
    };
    expect(consulEnvironment(env)).toEqual({ 'ca-file': '/a.pem' });
  });
});

describe('the options of Consul', () => {
  it('take an address as the variable does', () => {
    expect(consulOverlay({ consul: '10.0.0.1:8500' })).toEqual({
      discovery: { consul: { url: 'http://10.0.0.1:8500' } },
    });
    expect(consulOverlay({ consul: 'https://a:1' })).toEqual({
      discovery: { consul: { url: 'https://a:1' } },
    });
    expect(() => consulOverlay({ consul: 'unix:///a' })).toThrow('--consul=unix:///a: a unix socket');
    expect(consulOverlay({})).toEqual({});
  });
});

describe('settings of TLS', () => {
  const warningsOf = (consul: string): string[] =>
    readSettings(
      `service: { name: web }\ndiscovery: { consul: { ${consul} } }`,
      'mesh.yaml',
      '/',
      {},
    ).warnings.map(({ message }) => message);

  it('warn where they have no effect, and where nobody is verified', () => {
    expect(warningsOf('ca-file: a.pem')).toEqual([
      "discovery.consul.ca-file has no effect, as the agent is asked without TLS: write 'url: https://HOST:8501', or remove it",
    ]);
    expect(warningsOf('url: https://a:1, verify: false')).toEqual([
      "discovery.consul.verify is false: anybody on the path to the agent can be our Consul and our CA; give 'ca-file' in place of it",
    ]);
  });
});
