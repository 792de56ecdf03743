import type { HeaderEntry, IntentionEntry, IntentionPermission } from '../consul/answers.ts';
import { type HeaderRule, type Permission, unclear } from '../core/permission.ts';
import type { Intention } from '../core/snapshot.ts';

/**
 * Consul answers in the order of precedence, most exact first; it is kept. What we cannot read refuses, with its
 * reason: we must not let in more than was meant.
 */
export const intentionOf = (entry: IntentionEntry): Intention => {
  const { SourceName: from, DestinationName: to, Action, Permissions, beyond } = entry;
  const rule = { from, to, allow: Action === 'allow' && Permissions.length === 0 };
  if (Action === 'deny') return rule;
  if (beyond.length > 0) return closed(rule, `it hangs on what is not supported: ${beyond.join(', ')}`);
  if (Permissions.length > 0)
    return Action === ''
      ? { ...rule, permissions: Permissions.map(permission) }
      : closed(rule, `it has permissions beside Action '${Action}'`);
  return Action === 'allow' ? rule : closed(rule, `its Action is '${Action}', not allow or deny`);
};

const closed = (rule: Intention, why: string): Intention => ({
  ...rule,
  allow: false,
  permissions: [unclear(why)],
});

const permission = (entry: IntentionPermission): Permission => {
  if ('unclear' in entry) return unclear(entry.unclear);
  const { PathExact, PathPrefix, PathRegex, Header, Methods } = entry.HTTP;
  const paths = [
    { ask: 'exact', text: PathExact },
    { ask: 'prefix', text: PathPrefix },
    { ask: 'regex', text: PathRegex },
  ] as const;
  const [path = null, another] = paths.filter(({ text }) => text !== '');
  if (another !== undefined) return unclear('HTTP: it asks for the path in two ways');
  if (path === null && Header.length === 0 && Methods.length === 0)
    return unclear('HTTP: it asks for nothing');
  const headers: HeaderRule[] = [];
  for (const header of Header) {
    const rule = headerRule(header);
    if (rule === null) return unclear(`HTTP.Header: it must ask for '${header.Name}' in one way`);
    headers.push(rule);
  }
  const methods = Methods.map((method) => method.toUpperCase());
  return { allow: entry.Action === 'allow', path, headers, methods, unclear: null };
};

const headerRule = (header: HeaderEntry): HeaderRule | null => {
  const { Name, Present, Exact, Prefix, Suffix, Contains, Regex, Invert, IgnoreCase } = header;
  const asks = [
    { ask: 'exact', text: Exact },
    { ask: 'prefix', text: Prefix },
    { ask: 'suffix', text: Suffix },
    { ask: 'contains', text: Contains },
    { ask: 'regex', text: Regex },
  ] as const;
  const asked: Pick<HeaderRule, 'ask' | 'text'>[] = asks.filter(({ text }) => text !== '');
  if (Present) asked.push({ ask: 'present', text: '' });
  const [only, another] = asked;
  if (only === undefined || another !== undefined) return null;
  return { name: Name.toLowerCase(), ...only, ignoreCase: IgnoreCase, invert: Invert };
};
