// Where the single executable begins. It is also the process in which settings are read (sidecar/settings/apart.ts):
// there is no other file of ours that one could start.
const begin = async (): Promise<void> => {
  if (process.argv[2] !== 'read-settings') return void (await import('../../sidecar/cli/main.ts'));
  process.argv.splice(2, 1);
  await import('../../sidecar/settings/reader.ts');
};

void begin();
