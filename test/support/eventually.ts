/** Looks every 20 ms until `holds` does. Fails after 15 s, with what was waited for. For what another process does. */
export const eventually = async (
  holds: () => boolean | Promise<boolean>,
  what = 'a condition',
): Promise<void> => {
  const end = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited 15 s for ${what}`);
    await new Promise<void>((resolve) => void setTimeout(resolve, 20));
  }
};
