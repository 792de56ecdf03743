export { type CallLimits, type Embedded, type EmbedOptions, embed } from './embedded.ts';
export { stillKit } from './real-kit.ts';
export { readSabotage, type Sabotage } from './sabotage.ts';
export type { Settings } from './settings/settings.ts';
export { type Sidecar, type StartOptions, startSidecar } from './start.ts';
