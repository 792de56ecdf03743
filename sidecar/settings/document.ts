import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { jsonSchema } from './schema.ts';

interface Shape {
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Shape | boolean;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
}

/** The page docs/settings.md: every key of the file, its default, and what it is for. */
export const settingsPage = (): string => {
  const keys = Object.entries((jsonSchema() as Shape).properties ?? {});
  const sections = keys.filter(([, shape]) => hasParts(shape)).map(([key, shape]) => section(key, shape));
  const single = keys.filter(([, shape]) => !hasParts(shape)).flatMap(([key, shape]) => rowsOf(key, shape));
  return `${head}\n${sections.join('\n')}\n## Keys that stand alone\n\n${table(single)}`;
};

const head = `# Settings

<!-- Made from sidecar/settings/schema.ts by \`npm run settings\`; change it there. -->

One YAML file describes one sidecar. \`outrigger sidecar --config FILE\` runs it, \`outrigger check FILE\` checks it, and
\`outrigger check --schema\` prints this page as JSON Schema for an editor. Only \`service.name\` has no default.

\`\`\`yaml
service: { name: orders, port: 50051 }
listen: { app: 127.0.0.1:15001, peers: 0.0.0.0:15002, admin: 127.0.0.1:15000 }
discovery: { consul: { url: http://127.0.0.1:8500 } }
upstreams: { inventory: 127.0.0.1:9191 }
identity: { from: consul }
\`\`\`

Relative paths begin at the folder of the file. Sizes carry a unit (\`B\`, \`KiB\`, \`MiB\`, \`GiB\`), times too (\`ms\`, \`s\`,
\`m\`, \`h\`). Addresses are \`host:port\`, with IPv6 in brackets; listeners take port 0 for a free one. An unknown key is an
error. With \`identity: none\` and static discovery, \`service\` may be absent: a plain outbound proxy.
`;

const hasParts = (shape: Shape): boolean => rowsOf('', shape).length > 1;

const section = (key: string, shape: Shape): string =>
  `## ${key}\n\n${shape.description ?? ''}.\n\n${table(rowsOf(key, shape).filter(([name]) => name !== key))}`;

const table = (rows: readonly [string, string, string][]): string =>
  `| key | default | what it is for |\n|---|---|---|\n${rows
    .map(([name, standard, about]) => `| \`${name}\` | ${standard} | ${about} |\n`)
    .join('')}`;

const rowsOf = (path: string, shape: Shape): [string, string, string][] => {
  const mapping = shape.anyOf?.find((one) => one.properties !== undefined) ?? shape;
  if (mapping.properties !== undefined) {
    const inner = Object.entries(mapping.properties).flatMap(([key, one]) => rowsOf(`${path}.${key}`, one));
    return shape.anyOf === undefined ? inner : [row(path, shape), ...inner];
  }
  const others = shape.additionalProperties;
  if (typeof others === 'object' && others.properties !== undefined) {
    const inner = Object.entries(others.properties).flatMap(([key, one]) => rowsOf(`${path}.*.${key}`, one));
    return [row(path, shape), ...inner];
  }
  const of = shape.items?.properties ?? {};
  const parts = Object.entries(of).flatMap(([key, one]) => rowsOf(`${path}[].${key}`, one));
  return [row(path, shape), ...parts];
};

const row = (path: string, shape: Shape): [string, string, string] => {
  const standard = shape.default;
  const shown =
    standard === undefined ? '' : typeof standard === 'object' ? 'empty' : `\`${String(standard)}\``;
  const choices = shape.enum === undefined ? '' : ` (${shape.enum.join(', ')})`;
  return [path, shown, `${shape.description ?? ''}${choices}`];
};

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('../../docs/settings.md', import.meta.url), settingsPage());
