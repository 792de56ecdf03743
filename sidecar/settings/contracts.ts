import { readFileSync, statSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { type Contract, contractOfSet, longestDescriptors } from '../core/contract.ts';
import { contractRules, originOf } from '../core/contract-rules.ts';
import type { Complaint } from './contradictions.ts';
import { freeze } from './freeze.ts';
import type { File } from './schema.ts';
import type { ContractSettings, Settings } from './settings.ts';

/**
 * The settings with what the descriptor sets say that the file names: of our own app, and of services that are called,
 * as policies. Complaints are about sets that cannot be used.
 */
export const withContracts = (
  { service, contracts }: File,
  settings: Settings,
  directory: string,
): { readonly settings: Settings; readonly errors: readonly Complaint[] } => {
  const errors: Complaint[] = [];
  const read = (path: string, at: Complaint['path']): Contract | null => {
    try {
      return readDescriptors(path);
    } catch (thrown) {
      errors.push({ path: at, message: (thrown as Error).message });
      return null;
    }
  };
  const said = service?.contract;
  const called = Object.entries(contracts);
  if (said === undefined && called.length === 0) return { settings, errors };
  const own = (): ContractSettings => {
    if (typeof said !== 'object') return said ?? 'auto';
    const path = resolvePath(directory, said.path);
    const { hash = '', document = '' } = read(path, ['service', 'contract']) ?? {};
    return { path, hash, document };
  };
  const rules = called.flatMap(([name, path]) => {
    const contract = read(resolvePath(directory, path), ['contracts', name]);
    if (contract === null) return [];
    return contractRules(name, [contract], `${originOf(name, [contract])} (file contracts.${name})`);
  });
  return {
    settings: freeze({
      ...settings,
      service: settings.service === null ? null : { ...settings.service, contract: own() },
      policies: [...rules, ...settings.policies],
    }),
    errors,
  };
};

/** Reads a descriptor set; throws an error with the path, the cause and the fix. */
const readDescriptors = (path: string): Contract => {
  try {
    // Looked at first, so that a wrong path cannot fill the memory.
    const { size } = statSync(path);
    if (size > longestDescriptors) throw new Error(`is ${size} bytes long, and 4 MiB are the most`);
    return contractOfSet(readFileSync(path));
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? "is missing: write it with 'protoc -o FILE', or 'buf build -o FILE'" : message;
    throw new Error(`${path} ${why}`);
  }
};
