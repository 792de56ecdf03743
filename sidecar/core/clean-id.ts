const longest = 128;
const clean = /^[A-Za-z0-9._:-]+$/;

/**
 * Whether a correlation id may be used as it came: 1 to 128 letters, digits, dots, underscores, colons or dashes.
 * Anything else could forge a line of somebody's log (CWE-117).
 */
export const cleanId = (id: string): boolean => id.length <= longest && clean.test(id);
