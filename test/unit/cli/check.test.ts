import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { agent } from '../../../sidecar/cli/agent.ts';
import { check } from '../../../sidecar/cli/check.ts';
import { program } from '../../../sidecar/cli/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-check-'));
afterAll(() => rmSync(folder, { recursive: true }));

const checked = (file: string | undefined, options: { schema?: true } = {}) => {
  const lines: string[] = [];
  const code = check(file, options, (line) => void lines.push(line));
  return { code, lines };
};

describe('outrigger check', () => {
  it('finds nothing wrong with a good file', () => {
    const file = join(folder, 'good.yaml');
    writeFileSync(file, 'service: { name: orders, port: 50051 }');
    expect(checked(file)).toEqual({ code: 0, lines: [`${file}: ok`] });
  });

  it('shows what is risky and lets it pass', () => {
    const file = join(folder, 'risky.yaml');
    writeFileSync(file, 'service: { name: web }\nlisten: { app: 0.0.0.0:15001 }');
    expect(checked(file)).toEqual({
      code: 0,
      lines: [
        `${file}:2:16: listen.app 0.0.0.0:15001 is open to the network: whoever reaches it calls as web (warning)`,
        `${file}: ok`,
      ],
    });
  });

  it('prints the schema, where unknown keys are errors', () => {
    const schema = JSON.parse(checked(undefined, { schema: true }).lines[0]!);
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties.limits.properties.message).toMatchObject({ default: '64MiB', type: 'string' });
  });

  it('asks for a file', () => {
    expect(() => checked(undefined)).toThrow('which file? Write outrigger check FILE');
  });
});

describe('outrigger agent', () => {
  it('does not open itself to the network unasked', async () => {
    await expect(agent({ host: '0.0.0.0', port: 0, allowRemote: false }, new EventEmitter())).rejects.toThrow(
      '0.0.0.0 is open to the network, and whoever reaches this agent may do anything: use 127.0.0.1, or add --allow-remote',
    );
  });

  it('names the port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(agent({ host: '127.0.0.1', port, allowRemote: false }, new EventEmitter())).rejects.toThrow(
      `127.0.0.1:${port} is in use: stop who uses it, or choose another with --port`,
    );
    server.close();
  });
});

describe('--help', () => {
  const help = (name: string): string => {
    let text = '';
    const command = program({ code: 0 }).commands.find((one) => one.name() === name)!;
    command.configureOutput({ writeOut: (part) => void (text += part) }).outputHelp();
    return text;
  };

  // A hidden command is not for people.
  const visible = program({ code: 0 })
    .createHelp()
    .visibleCommands(program({ code: 0 }));
  const names = visible.map((command) => command.name()).filter((name) => name !== 'help');
  it.each(names)('%s has examples', (name) => {
    expect(help(name)).toMatch(new RegExp(`Examples:\\n {2}\\$ outrigger ${name}`));
  });
});
