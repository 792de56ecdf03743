import { readSettings } from '../../sidecar/settings/load.ts';
import { SettingsError } from '../../sidecar/settings/problem.ts';
import type { Settings } from '../../sidecar/settings/settings.ts';

/** What a file of this text means, with keys of the command line over it. */
export const settingsIn = (text: string, overlay: Readonly<Record<string, unknown>> = {}): Settings =>
  readSettings(text, 'mesh.yaml', '/etc/mesh', { overlay }).settings;

/** What is wrong with such a file, a line for each. */
export const complaintsAbout = (text: string, overlay: Readonly<Record<string, unknown>> = {}): string[] => {
  try {
    readSettings(text, 'mesh.yaml', '/etc/mesh', { overlay });
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
};
