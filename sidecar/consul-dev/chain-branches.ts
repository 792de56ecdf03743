import type { Chain, Split } from './chain.ts';
import { Refusal } from './refusal.ts';

type Fields = Readonly<Record<string, string>>;

/** Compiles the router of the chain's service with the route for all the rest; null when there is no router. */
export const compileRouter = (chain: Chain): string | null => {
  const entry = chain.branch('service-router', chain.service);
  if (entry === undefined) return null;
  chain.agree(chain.service);
  const routes = (entry['Routes'] ?? []) as { Destination?: Fields }[];
  const rest = {
    Match: { HTTP: { PathPrefix: '/' } },
    Destination: { Service: chain.service, Namespace: 'default' },
  };
  const key = `router:${chain.service}.default`;
  const compiled = [...routes, rest].map((route) => {
    const destination = (route.Destination ?? {}) as Fields;
    const next = destination['ServiceSubset']
      ? chain.resolver(chain.to(destination))
      : chain.splitterOrResolver(destination['Service'] || chain.service);
    return { Definition: route, NextNode: next };
  });
  chain.nodes[key] = { Type: 'router', Name: `${chain.service}.default`, Routes: compiled };
  return key;
};

/** Compiles one splitter; a side that names another service without a subset may be split again. */
export const compileSplitter = (chain: Chain, service: string, sides: readonly Fields[]): string => {
  const key = `splitter:${service}.default`;
  // In its place before its sides: a circle of splitters meets itself, and is found below.
  const splits: Split[] = [];
  chain.nodes[key] = { Type: 'splitter', Name: `${service}.default`, Splits: splits };
  for (const side of sides) {
    const name = side['Service'] || service;
    const next =
      name !== service && !side['ServiceSubset']
        ? chain.splitterOrResolver(name)
        : chain.resolver(chain.to({ ...side, Service: name }));
    splits.push({ Weight: Number(side['Weight']), NextNode: next });
  }
  const seen = new Set<string>();
  const visit = (from: string): void => {
    for (const { NextNode } of chain.nodes[from]?.Splits ?? []) {
      if (NextNode === key)
        throw new Refusal(500, `detected circular reference: [${key} -> ${from} -> ${key}]`);
      if (seen.has(NextNode)) continue;
      seen.add(NextNode);
      visit(NextNode);
    }
  };
  visit(key);
  return key;
};
