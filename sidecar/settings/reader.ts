import type { Reading } from './apart.ts';
import { loadSettings, type Origin } from './load.ts';
import { SettingsError } from './problem.ts';

// The other half of `apart.ts`: reads the settings that its argument names and writes them out as JSON.
const read = (origin: Origin): Reading => {
  try {
    return { loaded: loadSettings(origin) };
  } catch (error) {
    if (error instanceof SettingsError) return { problems: error.problems };
    throw error;
  }
};

process.stdout.write(JSON.stringify(read(JSON.parse(process.argv[2]!) as Origin)));
